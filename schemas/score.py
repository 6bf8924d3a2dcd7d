"""Score: a column that measures a pair, with its range, its direction and its meaning.

A score measures; the configuration decides. What a score means never changes under its name: a new
meaning is a new version beside the old one.
"""

from typing import Literal

import pyarrow as pa

from schemas.table import field

Better = Literal["higher", "lower", "neither"]


def score_field(
    name: str, meaning: str, *, range: str, better: Better, version: int = 1, kind: pa.DataType | None = None
) -> pa.Field:
    """Declare a score's column.

    Args:
        name: the column's name.
        meaning: what is measured, and when it is null.
        range: the values that can occur, such as `0 to 1`.
        better: which end is good in a translation pair: higher, lower, or neither (it tells kinds apart).
        version: of the meaning.
        kind: Arrow type; float32 when not given.
    """
    return field(
        name,
        kind or pa.float32(),
        meaning,
        nullable=True,
        range=range,
        better=better,
        score=name,
        score_version=str(version),
    )


def is_score(spec: pa.Field) -> bool:
    """Does this field hold a score?"""
    return spec.metadata is not None and b"score" in spec.metadata
