"""How much of the pair is translated, where copied words and names prove nothing."""

from collections.abc import Mapping

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.scores.token_confidence import best_links
from transforms.score.words import has_letters, linked_words, names_in, share

FIELDS = [
    score_field(
        "translation_likeness",
        "Mean over both sides' words of the probability of the best link, 0 without one; words that stand on both sides"
        " as they are, names and numbers are left out. Null before alignment and without other words.",
        range="0 to 1",
        better="higher",
    )
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Average the words that are not copied."""
    values: list[float | None] = []
    for pair in linked_words(pairs):
        if pair is None:
            values.append(None)
            continue
        folded = [[word.casefold() for word in words] for words in (pair.source, pair.target)]
        both = set(folded[0]) & set(folded[1])
        counted: list[float] = []
        for side, words in enumerate((pair.source, pair.target)):
            names = names_in(words)
            best = best_links(pair, side)
            counted += [
                best[i]
                for i, word in enumerate(words)
                if has_letters(word) and not names[i] and folded[side][i] not in both
            ]
        values.append(share(sum(counted), len(counted)))
    return {"translation_likeness": pa.array(values, type=pa.float32())}
