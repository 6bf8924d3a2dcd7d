"""What mining knows of the pair beyond its margin."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from schemas.pair import PairBatch
from schemas.score import score_field

FIELDS = [
    score_field(
        "mutual_best",
        "1 where each sentence is the other's best candidate, 0 where only one is; null for pairs that were not mined.",
        range="0 or 1",
        better="higher",
    )
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Read the direction."""
    mutual = pc.equal(pairs.column("direction"), "both").cast(pa.float32())
    return {"mutual_best": pc.if_else(pc.is_valid(pairs.column("margin")), mutual, pa.scalar(None, pa.float32()))}
