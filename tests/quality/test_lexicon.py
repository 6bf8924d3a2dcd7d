"""Induced lexicons against dictionaries made by hand: precision at three levels of confidence.

An entry is judged where the dictionary knows its source word (single words, letter case and marks aside); it is right
when its target is one of the dictionary's translations. So each figure is a lower bound: the dictionaries list one or
two translations and base forms, and the texts hold others. Copies and function words are left out. `similar` also
takes a target for right that is nearly such a translation (edit similarity .7 or more): an inflected form.

Texts: OLDI Seed, English with Friulian and Ligurian (6,193 lines each), and Italian for the pivot; Bornholm -
Danish (5,785 lines of training text). Dictionaries: gatitos (English), the word lists of Bornholmsk.
"""

import sys
from collections import defaultdict

import pytest

from transforms.align import align_pairs, make_lexicon
from transforms.common.similarity import edit_similarities, fold

pytestmark = pytest.mark.data

LEVELS = (0.1, 0.3, 0.5)
SIMILAR = 0.7


def lines(path):
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def dictionary(*paths, turned=False):
    """Read word TAB translation files: translations by folded word; entries of several words are left out."""
    found = defaultdict(set)
    for path in paths:
        for line in lines(path):
            first, _, second = line.partition("\t")
            for said in second.replace(";", ",").split(","):
                sides = [fold(side.strip()) for side in (first, said)]
                if all(side and " " not in side for side in sides):
                    found[sides[turned]].add(sides[not turned])
    return found


def induced(sources, targets, *, tokenized=False):
    aligned = align_pairs(list(zip(sources, targets, strict=True)), tokenized=tokenized)
    return [row for row in make_lexicon(aligned).rows() if not row["is_copy"] and not row["is_function_word"]]


def precision(rows, known):
    """Give {level: (judged, right, nearly right)} of rows of source, target, confidence."""
    judged = [row for row in rows if fold(row["source"]) in known]
    right, near = [], []
    for row in judged:
        said = fold(row["target"])
        translations = sorted(known[fold(row["source"])])
        right.append(said in translations)
        near.append(max(edit_similarities([said] * len(translations), translations)) >= SIMILAR)
    out = {}
    for level in LEVELS:
        kept = [i for i, row in enumerate(judged) if row["confidence"] >= level]
        out[level] = len(kept), sum(right[i] for i in kept), sum(near[i] for i in kept)
    return out


def over(first, second):
    """Join two lexicons over their common language: the product of confidences, the best way there."""
    ways = defaultdict(list)
    for row in second:
        ways[row["source"]].append((row["target"], row["confidence"]))
    best = {}
    for row in first:
        for target, confidence in ways[row["target"]]:
            key = row["source"], target
            best[key] = max(best.get(key, 0.0), row["confidence"] * confidence)
    return [{"source": a, "target": b, "confidence": value} for (a, b), value in sorted(best.items())]


@pytest.fixture(scope="module")
def texts(shared_data):
    folder = shared_data / "oldi-seed" / "seed"
    return {tag: lines(folder / f"{tag}_Latn") for tag in ("eng", "ita", "fur", "lij")}


def check(name, rows, known, floor, judged_at_least):
    found = precision(rows, known)
    for level, (judged, right, near) in found.items():
        sys.stderr.write(
            f"{name} confidence {level}: {judged} judged, {right / judged:.3f}, {near / judged:.3f} similar\n"
        )
        assert right / judged >= floor(f"align.lexicon.{name}.precision.{level}")
        assert near / judged >= floor(f"align.lexicon.{name}.similar.{level}")
    assert found[LEVELS[0]][0] >= judged_at_least


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["fur", "lij"])
def test_english_entries_against_gatitos(texts, shared_data, floor, tag):
    known = dictionary(shared_data / "gatitos" / f"en_{tag}.tsv")
    check(f"en-{tag}", induced(texts["eng"], texts[tag]), known, floor, 500)


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["fur", "lij"])
def test_english_entries_over_italian_against_gatitos(texts, shared_data, floor, tag):
    known = dictionary(shared_data / "gatitos" / f"en_{tag}.tsv")
    rows = over(induced(texts["eng"], texts["ita"]), induced(texts["ita"], texts[tag]))
    check(f"en-it-{tag}", rows, known, floor, 500)


def test_bornholm_entries_against_the_word_lists(shared_data, floor):
    folder = shared_data / "bornholmsk"
    known = dictionary(*sorted(folder.glob("bo_da_word*.tsv")))
    rows = induced(lines(folder / "parallel.da-bornholm.train"), lines(folder / "parallel.da.train"), tokenized=True)
    check("da-bornholm", rows, known, floor, 200)
