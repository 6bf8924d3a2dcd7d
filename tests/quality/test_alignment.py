"""Word alignment against links made by hand: alignment error rate (Och and Ney 2003) of the association aligner, and
whether its probabilities are what they say, on the sentences that `benchmarks/fit_links.py` does not fit on.

It learns from the gold sentences themselves, as from any run's pairs, and from those of the other French -
English set; links by hand are never seen. Words are as the sets give them. Invented dialects (`invented_dialect.py`)
stand for the case this project is made for, where no links by hand are at hand.
"""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from transforms.align import AlignSettings, Link, make_aligner, tokenize
from transforms.align.calibration import calibration_error

pytestmark = pytest.mark.data

LINK = re.compile(r"(\d+)([-p])(\d+)")
Gold = tuple[set[tuple[int, int]], set[tuple[int, int]]]


def gold_links(line: str, first: int) -> Gold:
    """Read sure and possible links (the sure ones are possible too), counted from `first`."""
    found = [LINK.fullmatch(cell) for cell in line.split()]
    every = {(int(m[1]) - first, int(m[3]) - first) for m in found}
    return {(int(m[1]) - first, int(m[3]) - first) for m in found if m[2] == "-"}, every


def awesome_align(folder: Path, name: str):
    lines = (folder / f"{name}.src-tgt").read_text(encoding="utf-8").strip().split("\n")
    gold = (folder / f"{name}.gold").read_text(encoding="utf-8").strip("\n").split("\n")
    pairs = [tuple(side.split() for side in line.split("|||")) for line in lines]
    return pairs, [gold_links(line, 1) for line in gold]


def alibi(folder: Path):
    pairs, gold = [], []
    for story in sorted((folder / "ali").iterdir()):
        links = next(story.glob("ali_w2w_*.txt"))
        source, target = links.stem.removeprefix("ali_w2w_").split("_")
        columns = [
            [line.partition("\t")[2] for line in path.read_text(encoding="utf-8").strip("\n").split("\n")]
            for path in (story / f"{source}_sents.txt", story / f"{target}_sents.txt", links)
        ]
        for a, b, line in zip(*columns, strict=True):
            pairs.append((a.split(), b.split()))
            gold.append(gold_links(line, 0))
    return pairs, gold


def error_rate(found: list[list[Link]], gold: list[Gold]) -> float:
    hits = sizes = 0
    for links, (sure, possible) in zip(found, gold, strict=True):
        cells = {(link.source, link.target) for link in links}
        hits += len(cells & sure) + len(cells & possible)
        sizes += len(cells) + len(sure)
    return 1 - hits / sizes


def turned(pairs):
    return [(target, source) for source, target in pairs]


def learned_links(pairs, more):
    aligner = make_aligner(AlignSettings())
    aligner.load(aligner.train([*pairs, *more]))
    return aligner.align(pairs)


def invented(shared_data, language, number):
    path = {"it": "oldi-seed/seed/ita_Latn", "de": "swigspot/language-detection/data/de.txt"}[language]
    lines = (shared_data / path).read_text(encoding="utf-8").split("\n")
    make = runpy.run_path(str(Path(__file__).with_name("invented_dialect.py")))["invented_pairs"]
    return make([tokenize(line) for line in lines if line.strip()][:number], language)


def calibration_gap(found, gold):
    """Give the expected calibration error of the links of every other sentence: those not used to fit."""
    held = [(link, possible) for links, (_, possible) in list(zip(found, gold, strict=True))[1::2] for link in links]
    right = np.array([(link.source, link.target) in possible for link, possible in held])
    return calibration_error(np.array([link.probability for link, _ in held]), right)


@pytest.mark.parametrize("language", ["it", "de"])
@pytest.mark.parametrize("number", [248, 600])
def test_association_on_invented_dialects(shared_data, floor, language, number):
    pairs, gold = invented(shared_data, language, number)
    found = learned_links(pairs, [])
    agreement = 1 - error_rate(found, gold)
    assert agreement >= floor(f"align.association.invented-{language}-{number}.one_minus_aer"), agreement
    gap = calibration_gap(found, gold)
    assert gap <= 1 - floor(f"align.association.invented-{language}-{number}.one_minus_calibration_error"), gap


def test_association_reaches_the_floors(shared_data, floor):
    english_french, gold_english_french = awesome_align(shared_data / "awesome-align-gold", "enfr")
    romanian_english, gold_romanian_english = awesome_align(shared_data / "awesome-align-gold", "roen")
    french_english, gold_french_english = alibi(shared_data / "alibi-fren")
    assert (len(english_french), len(romanian_english), len(french_english)) == (447, 248, 522)
    for name, pairs, more, gold in (
        ("en-fr", english_french, turned(french_english), gold_english_french),
        ("ro-en", romanian_english, [], gold_romanian_english),
        ("fr-en-stories", french_english, turned(english_french), gold_french_english),
    ):
        found = learned_links(pairs, more)
        agreement = 1 - error_rate(found, gold)
        assert agreement >= floor(f"align.association.{name}.one_minus_aer"), (name, agreement)
        gap = calibration_gap(found, gold)
        assert gap <= 1 - floor(f"align.association.{name}.one_minus_calibration_error"), (name, gap)
