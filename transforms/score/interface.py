"""What a score is: a file in `scores/` with the columns that it gives and a pure function that gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from schemas.pair import PairBatch


class ScoreFunction(Protocol):
    """Measures every pair of a batch.

    A value follows from its own pair alone, never from the other rows. What cannot be known is null.
    """

    def __call__(self, pairs: PairBatch) -> Mapping[str, pa.Array]:
        """Give one array a column, as many values as there are pairs."""
        ...


@dataclass(frozen=True)
class Score:
    """A family of columns, as a file of `scores/` defines it.

    Attributes:
        name: of the file.
        fields: its columns (`schemas.score.score_field`), constant `FIELDS`.
        compute: its function `compute`.
    """

    name: str
    fields: Sequence[pa.Field]
    compute: ScoreFunction
