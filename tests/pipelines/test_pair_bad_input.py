"""`isogloss pair` and sides that give nothing to mine: empty, one sentence, duplicates only, vectors that are no numbers."""

import runpy
from pathlib import Path

import pytest

from pipelines.cli import main

LINES = ["A Zena gh’é o mâ e o pòrto.", "Me piaxe o pesto co-e trenette."]


@pytest.fixture
def pair(tmp_path: Path, capfdbinary):
    """Run `isogloss pair` on two lists of lines; gives the status, the rows printed and what was said."""

    def run(source: list[str], target: list[str], *options: str):
        paths = [tmp_path / "source.txt", tmp_path / "target.txt"]
        for path, lines in zip(paths, (source, target), strict=True):
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        status = main(["pair", *options, *map(str, paths)])
        out, err = capfdbinary.readouterr()
        return status, [line.split("\t") for line in out.decode().splitlines()], err.decode()

    return run


EVERY_WAY = [(), ("--precision", "0.9", "--probabilities"), ("--one-pass",), ("--monotone",)]


@pytest.mark.parametrize("options", EVERY_WAY)
@pytest.mark.parametrize(("source", "target"), [([], LINES), (LINES, []), ([], []), (["", " "], LINES)])
def test_an_empty_side_gives_no_pairs_and_no_error(pair, source, target, options):
    assert pair(source, target, *options)[:2] == (0, [])


def test_one_sentence_a_side_is_a_pair_where_it_is_the_same(pair):
    # Alone, a sentence stands out of nothing: its margin is 1, and only a threshold that low keeps it.
    assert pair(LINES[:1], LINES[:1])[:2] == (0, [])
    status, rows, _ = pair(LINES[:1], LINES[:1], "--threshold", "1")
    assert (status, [row[1:3] for row in rows]) == (0, [["1", "1"]])
    status, rows, _ = pair(LINES[:1], LINES[:1], "--monotone")
    assert (status, [row[:3] for row in rows]) == (0, [["1.0000", "1", "1"]])


@pytest.mark.parametrize("options", [("--threshold", "0"), ("--threshold", "0", "--one-pass")])
def test_a_side_of_one_line_many_times_is_one_sentence(pair, options):
    status, rows, _ = pair(LINES[:1] * 300, LINES[:1] * 200, *options)
    assert (status, [row[1:3] for row in rows]) == (0, [["1", "1"]])


def test_lines_that_repeat_stay_in_order_when_documents_are_aligned(pair):
    status, rows, _ = pair(LINES[:1] * 30, LINES[:1] * 30, "--monotone")
    assert status == 0
    assert [row[1:3] for row in rows] == [[str(n), str(n)] for n in range(1, 31)]


@pytest.mark.models
@pytest.mark.parametrize("options", [(), ("--monotone",)])
def test_an_encoder_that_gives_no_numbers_is_a_clear_error(pair, tmp_path, options):
    torch = pytest.importorskip("torch")
    pytest.importorskip("sentencepiece")
    made = Path(__file__).parents[1] / "transforms" / "embed" / "laser_files.py"
    folder = runpy.run_path(str(made))["write_laser"](tmp_path)
    checkpoint = torch.load(folder / "laser2.pt", weights_only=True)
    for weights in checkpoint["model"].values():
        weights.fill_(float("nan"))
    torch.save(checkpoint, folder / "laser2.pt")
    status, rows, said = pair(LINES, LINES, "--encoder", "laser", "--model", str(folder / "laser2.pt"), *options)
    assert (status, rows) == (2, [])
    assert "not finite" in said
    assert "Traceback" not in said
