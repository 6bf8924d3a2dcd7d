"""What a score is: a file in `scores/` with the columns that it gives and a pure function that gives them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Score:
    """A family of columns, as a file of `scores/` defines it.

    Attributes:
        name: of the file.
        fields: its columns (`schemas.score.score_field`), constant `FIELDS`.
        compute: its function `compute`, from pairs to one array a column, as many values as there are pairs. A value
            follows from its own pair alone, never from the other rows. What cannot be known is null.
        needs: columns of other scores that it reads, constant `NEEDS`; they are taken before it.
        learns: whether `compute` takes, behind the pairs, a character model a variety; constant `LEARNS`.
    """

    name: str
    fields: Sequence[pa.Field]
    compute: Callable[..., Mapping[str, pa.Array]]
    needs: Sequence[str] = ()
    learns: bool = False
