"""Do the two sides have the same names?"""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.common.similarity import edit_similarities, fold
from transforms.score.words import names_in

ALIKE = 0.6
"""Least edit similarity of a name and its form on the other side (`Zena`, `Zêna`; `Roma`, `Romma`)."""

FIELDS = [
    score_field(
        "name_agreement",
        "Share of the names (words with a capital elsewhere than at the beginning) that the other side has in a like"
        " spelling (edit similarity .6), anywhere; null before alignment and where neither side has names. Varieties"
        " that write nouns with capitals have more names than are names.",
        range="0 to 1",
        better="higher",
    )
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Look every name up among the words of the other side."""
    rows: list[int] = []
    first: list[str] = []
    second: list[str] = []
    names_of: Counter[int] = Counter()
    asked: list[int] = []
    number = 0
    for row, sides in enumerate(zip(pairs.texts("source_tokens"), pairs.texts("target_tokens"), strict=True)):
        if None in sides:
            continue
        for words, others in (sides, sides[::-1]):
            folded = [fold(word) for word in others if any(c.isalpha() for c in word)]
            for word, is_name in zip(words, names_in(words), strict=True):
                if not is_name:
                    continue
                names_of[row] += 1
                number += 1
                rows += [row] * len(folded)
                asked += [number] * len(folded)
                first += [fold(word)] * len(folded)
                second += folded
    alike = edit_similarities(first, second) >= ALIKE
    met = {(rows[i], asked[i]) for i in alike.nonzero()[0].tolist()}
    found = Counter(row for row, _ in met)
    values = [found[row] / names_of[row] if names_of[row] else None for row in range(len(pairs))]
    return {"name_agreement": pa.array(values, type=pa.float32())}
