"""How surely each word has a counterpart."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import LinkedWords, has_letters, linked_words, share

FIELDS = [
    score_field(
        "source_token_confidence",
        "Of each source word the probability of its best link; 0 without a link; null before alignment.",
        range="list of 0 to 1",
        better="higher",
        kind=pa.list_(pa.float32()),
    ),
    score_field(
        "target_token_confidence",
        "The same of each target word.",
        range="list of 0 to 1",
        better="higher",
        kind=pa.list_(pa.float32()),
    ),
    score_field(
        "token_confidence",
        "Mean of the words' confidences over both sides; punctuation is left out; null before alignment and without words.",
        range="0 to 1",
        better="higher",
    ),
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Take the best link of each word; a link without a probability counts as 1."""
    lists: dict[str, list[list[float] | None]] = {"source": [], "target": []}
    means: list[float | None] = []
    for pair in linked_words(pairs):
        if pair is None:
            lists["source"].append(None)
            lists["target"].append(None)
            means.append(None)
            continue
        best = [best_links(pair, side) for side in (0, 1)]
        lists["source"].append(best[0])
        lists["target"].append(best[1])
        counted = [
            value
            for words, values in zip((pair.source, pair.target), best, strict=True)
            for value in _of_words(words, values)
        ]
        means.append(share(sum(counted), len(counted)))
    return {
        "source_token_confidence": pa.array(lists["source"], type=pa.list_(pa.float32())),
        "target_token_confidence": pa.array(lists["target"], type=pa.list_(pa.float32())),
        "token_confidence": pa.array(means, type=pa.float32()),
    }


def best_links(pair: LinkedWords, side: int) -> list[float]:
    """Give the probability of each word's best link on a side (0 source, 1 target)."""
    best = [0.0] * len((pair.source, pair.target)[side])
    for link, probability in zip(pair.links, pair.probabilities, strict=True):
        best[link[side]] = max(best[link[side]], 1.0 if probability is None else probability)
    return best


def _of_words(words: Sequence[str], values: Sequence[float]) -> list[float]:
    return [
        value for word, value in zip(words, values, strict=True) if has_letters(word) or any(c.isdigit() for c in word)
    ]
