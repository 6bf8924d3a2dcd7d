"""How surely both sides are of their varieties. Each side's own probability is a column of the pair itself."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from schemas.pair import PairBatch
from schemas.score import score_field

FIELDS = [
    score_field(
        "identification",
        "Smaller of the two sides' variety probabilities; null when one of them is not known.",
        range="0 to 1",
        better="higher",
    )
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Take the smaller."""
    sides = (pairs.column(f"{side}_variety_probability") for side in ("source", "target"))
    return {"identification": pc.min_element_wise(*sides, skip_nulls=False)}
