"""How alike the two sides are in length."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from schemas.pair import PairBatch
from schemas.score import score_field

FIELDS = [
    score_field(
        "length_ratio",
        "Characters of the shorter side divided by those of the longer; null when both are empty.",
        range="0 to 1",
        better="higher",
    )
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Divide the shorter by the longer."""
    source, target = (
        pc.cast(pc.utf8_length(pc.utf8_trim_whitespace(pairs.column(f"{side}_text"))), pa.float64())
        for side in ("source", "target")
    )
    longer = pc.max_element_wise(source, target)
    return {
        "length_ratio": pc.divide(pc.min_element_wise(source, target), pc.if_else(pc.equal(longer, 0.0), None, longer))
    }
