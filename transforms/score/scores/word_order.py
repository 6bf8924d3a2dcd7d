"""Do linked words stand in the same order on both sides?"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import linked_words

FIELDS = [
    score_field(
        "word_order",
        "Share of the pairs of links that stand in the same order on both sides; links that share a word are not"
        " compared; null with no two links to compare.",
        range="0 to 1",
        better="neither",
    )
]


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Count the pairs of links that cross."""
    values: list[float | None] = []
    for pair in linked_words(pairs):
        if pair is None or len(pair.links) < 2:
            values.append(None)
            continue
        places = np.array(pair.links, dtype=np.int64)
        first, second = (places[:, side, None] - places[None, :, side] for side in (0, 1))
        order = np.sign(first) * np.sign(second)
        same, crossed = int((order > 0).sum()), int((order < 0).sum())
        values.append(same / (same + crossed) if same + crossed else None)
    return {"word_order": pa.array(values, type=pa.float32())}
