"""`isogloss calibrate`: a curve that mining reads, a picture, and what each precision costs."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from pipelines.cli import main
from transforms.mine import costs, draw, judged_curve, read_curve

JUDGED = [(1.0 + number / 100, number > 30 + (number % 7) * 4) for number in range(100)]


@pytest.fixture
def judged(tmp_path):
    path = tmp_path / "judged.tsv"
    path.write_text("".join(f"{score}\t{int(right)}\tO pesto\tIl pesto\n" for score, right in JUDGED), encoding="utf-8")
    return path


def test_the_curve_is_written_drawn_and_read_by_mining(tmp_path, judged, capfdbinary):
    output = tmp_path / "curve.json"
    assert main(["calibrate", str(judged), "-o", str(output)]) == 0
    curve = read_curve(str(output))
    assert curve == judged_curve(*zip(*JUDGED, strict=True))
    picture = ET.fromstring(output.with_suffix(".svg").read_text(encoding="utf-8"))
    assert picture.tag.endswith("svg")
    rows = [line.split("\t") for line in capfdbinary.readouterr().out.decode().splitlines()]
    assert [row[0] for row in rows] == ["precision", "0.8", "0.9", "0.95", "0.99"]
    recalls = [float(row[3]) for row in rows[1:]]
    assert recalls == sorted(recalls, reverse=True)
    told = json.loads(output.read_bytes())["costs"]
    assert [[cost["precision"], cost["pairs"]] for cost in told] == [[float(row[0]), int(row[2])] for row in rows[1:]]


def test_what_is_kept_has_about_the_precision_that_was_asked():
    scores, right = (np.array(column, dtype=np.float64) for column in zip(*JUDGED, strict=True))
    for asked, least, kept, recall in costs(judged_curve(scores, right), scores, right):
        chosen = [good for score, good in JUDGED if score >= least]
        assert len(chosen) == kept
        assert sum(chosen) / len(chosen) >= asked - 0.02  # a step of the curve may be cut in two
        assert recall == pytest.approx(sum(chosen) / sum(right))


def test_one_score_alone_can_be_drawn():
    curve = judged_curve([1.0, 1.0], [True, False])
    assert "<polyline" in draw(curve, np.array([1.0, 1.0]), np.array([1.0, 0.0]))


def test_a_picture_of_many_pairs_stays_small():
    scores = np.linspace(1, 2, 100_000)
    picture = draw(judged_curve([1.0, 2.0], [False, True]), scores)
    assert ET.fromstring(picture).tag.endswith("svg")
    assert len(picture) < 50_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1.2\t1\n1.1\n", "line 2: expected a judgement"),
        ("1.2\tperhaps\n", "got 'perhaps'"),
        ("high\t1\n", "line 1: 'high' is no score"),
        ("1.2\t1\n1.3\tright\n", "all 2 pairs are judged right"),
        ("", "at least one pair"),
        ("nan\t1\n1.0\t0\n", "finite"),
    ],
)
def test_what_is_no_judgement_is_refused(tmp_path, capsys, content, message):
    path = tmp_path / "judged.tsv"
    path.write_text(content, encoding="utf-8")
    assert main(["calibrate", str(path), "-o", str(tmp_path / "curve.json")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "curve.json").exists()
