"""How much the linked words look alike: the mark of related varieties, apart from copying."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.common.similarity import edit_similarities, fold
from transforms.score.words import has_letters, linked_words, names_in

COGNATE = 0.5
"""Least edit similarity of a cognate: chance likeness of unrelated words of the same meaning stays below."""

FIELDS = [
    score_field(
        "cognate",
        "Mean edit similarity of the linked words that are not the same, letter case and marks aside; null where"
        " no such words are linked.",
        range="0 to 1",
        better="neither",
    ),
    score_field(
        "cognate_share",
        "Share of the linked words that look related and are not the same (edit similarity .5 and more, letter case and"
        " marks aside); names are left out; null where no other words are linked.",
        range="0 to 1",
        better="neither",
    ),
    score_field(
        "shared_words",
        "Share of the linked words that are the same on both sides, letter case aside; names and numbers are left"
        " out; null where no other words are linked.",
        range="0 to 1",
        better="neither",
    ),
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Compare linked words."""
    rows, equal, first, second = [], [], [], []
    for row, pair in enumerate(linked_words(pairs)):
        if pair is None:
            continue
        names = names_in(pair.source), names_in(pair.target)
        for i, j in pair.links:
            source, target = pair.source[i], pair.target[j]
            if not has_letters(source) or not has_letters(target) or (names[0][i] and names[1][j]):
                continue
            rows.append(row)
            equal.append(source.casefold() == target.casefold())
            first.append(fold(source))
            second.append(fold(target))
    place = np.array(rows, dtype=np.int64)
    same = np.array(equal, dtype=np.bool_)
    alike = edit_similarities(first, second).astype(np.float64)
    return {
        "cognate": _means(alike[~same], place[~same], len(pairs)),
        "cognate_share": _means(((alike >= COGNATE) & ~same).astype(np.float64), place, len(pairs)),
        "shared_words": _means(same.astype(np.float64), place, len(pairs)),
    }


def _means(values: np.ndarray, place: np.ndarray, rows: int) -> pa.Array:
    counts = np.bincount(place, minlength=rows)
    sums = np.bincount(place, weights=values, minlength=rows)
    return pa.array(sums / np.maximum(counts, 1), mask=counts == 0)
