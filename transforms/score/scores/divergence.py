"""What one side says and the other does not: content words without a link, and the stretches that they stand in."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import LinkedWords, is_content_word, linked_words, share

SPAN = pa.struct(
    [
        pa.field("side", pa.string(), nullable=False),
        pa.field("start", pa.int16(), nullable=False),
        pa.field("end", pa.int16(), nullable=False),
    ]
)
FIELDS = [
    score_field(
        "divergence",
        "Share of both sides' content words (words with letters; in alphabets with capitals, of four letters and more)"
        " that have no link; null before alignment and without such words.",
        range="0 to 1",
        better="lower",
    ),
    score_field(
        "divergent_spans",
        "Stretches of words without a link that hold a content word: side (source, target), first word and one past the"
        " last, counted from 0; null before alignment.",
        range="spans",
        better="neither",
        kind=pa.list_(SPAN),
    ),
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Count content words without a link, and gather them."""
    shares: list[float | None] = []
    spans: list[list[dict[str, Any]] | None] = []
    for pair in linked_words(pairs):
        if pair is None:
            shares.append(None)
            spans.append(None)
            continue
        missing = content = 0
        found = []
        for side, words, linked in _sides(pair):
            counted = [is_content_word(word) for word in words]
            content += sum(counted)
            missing += sum(known and i not in linked for i, known in enumerate(counted))
            found += [
                {"side": side, "start": start, "end": end}
                for start, end in _stretches(words, linked)
                if any(counted[start:end])
            ]
        shares.append(share(missing, content))
        spans.append(found)
    return {
        "divergence": pa.array(shares, type=pa.float32()),
        "divergent_spans": pa.array(spans, type=pa.list_(SPAN)),
    }


def _sides(pair: LinkedWords) -> list[tuple[str, Sequence[str], set[int]]]:
    return [
        ("source", pair.source, {link[0] for link in pair.links}),
        ("target", pair.target, {link[1] for link in pair.links}),
    ]


def _stretches(words: Sequence[str], linked: set[int]) -> list[tuple[int, int]]:
    """Give the longest runs of words without a link."""
    out = []
    start = 0
    for i in range(len(words) + 1):
        if i == len(words) or i in linked:
            if start < i:
                out.append((start, i))
            start = i + 1
    return out
