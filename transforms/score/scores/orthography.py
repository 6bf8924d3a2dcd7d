"""How alike the two sides are in writing, whatever they mean."""

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.common.similarity import edit_similarities, fold

FIELDS = [
    score_field(
        "orthographic_similarity",
        "1 - edit distance / length of the longer side; letter case, marks and punctuation do not count."
        " Null when a side has no letters or digits, or more than 20,000 characters.",
        range="0 to 1",
        better="neither",
    )
]
_LONGEST = 20_000
_GAPS = re.compile(r"[\W_]+")


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Compare the folded texts."""
    sides = [[_plain(text) for text in pairs.texts(f"{side}_text")] for side in ("source", "target")]
    known = np.array([bool(a) and bool(b) for a, b in zip(*sides, strict=True)], dtype=np.bool_)
    return {"orthographic_similarity": pa.array(edit_similarities(*sides), mask=~known)}


def _plain(text: str) -> str:
    return _GAPS.sub(" ", fold.__wrapped__(text)).strip() if len(text) <= _LONGEST else ""
