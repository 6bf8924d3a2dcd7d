"""How probably the pair says the same thing. What it is made of: `transforms.score.quality`."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.quality import SCORES, default_model, features_of

NEEDS = SCORES

FIELDS = [
    score_field(
        "quality",
        "Calibrated probability that the two sides say the same, whole and without more: a logistic model of"
        " token_confidence, length_ratio, word_order, orthographic_similarity, the agreements of numbers, names and"
        " punctuation, and the length. Null before alignment.",
        range="0 to 1",
        better="higher",
    )
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Ask the model."""
    values = default_model().probabilities(features_of(pairs)).astype(np.float32)
    aligned = pc.is_valid(pairs.column("links")).to_numpy(zero_copy_only=False)
    return {"quality": pa.array(values, mask=~aligned)}
