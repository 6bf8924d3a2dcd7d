"""What the links between the words say of the pair."""

from collections.abc import Mapping

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import has_letters, linked_words, share

FIELDS = [
    score_field(
        "source_coverage",
        "Share of the source's words that have a link; punctuation is left out; null before alignment and without words.",
        range="0 to 1",
        better="higher",
    ),
    score_field(
        "target_coverage",
        "Share of the target's words that have a link; punctuation is left out; null before alignment and without words.",
        range="0 to 1",
        better="higher",
    ),
    score_field(
        "link_probability",
        "Mean probability of the links; null where there are none or the aligner gives no probabilities.",
        range="0 to 1",
        better="higher",
    ),
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Count linked words, average the links."""
    columns: dict[str, list[float | None]] = {spec.name: [] for spec in FIELDS}
    for pair in linked_words(pairs):
        if pair is None:
            for values in columns.values():
                values.append(None)
            continue
        for side, words, place in (("source", pair.source, 0), ("target", pair.target, 1)):
            linked = {link[place] for link in pair.links}
            counted = [i for i, word in enumerate(words) if has_letters(word) or any(c.isdigit() for c in word)]
            columns[f"{side}_coverage"].append(share(sum(i in linked for i in counted), len(counted)))
        known = [p for p in pair.probabilities if p is not None]
        columns["link_probability"].append(share(sum(known), len(known)))
    return {name: pa.array(values, type=pa.float32()) for name, values in columns.items()}
