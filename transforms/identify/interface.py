"""What an identifier is: labels, and their probabilities for a batch of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """Labels and probabilities of a batch of texts, as three flat arrays.

    The labels of text i are `labels[offsets[i]:offsets[i + 1]]`, best first; a text without evidence has none.

    Attributes:
        offsets: (n + 1,) int64, rising, from 0.
        labels: (m,) int32 positions in the identifier's `labels`.
        probabilities: (m,) float32, 0 to 1; those of one text add up to 1 at most.
    """

    offsets: NDArray[np.int64]
    labels: NDArray[np.int32]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """Text of each entry: (m,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


class Identifier(Protocol):
    """A model that knows labels.

    One entry per text, in order; an empty batch and an empty text are ordinary. The answer for a text does not
    depend on the batch that it comes in.

    Attributes:
        labels: all labels of the model, without `__label__`.
        scheme: whose labels they are: one of `schemas.variety.IDENTIFIERS`.
    """

    labels: tuple[str, ...]
    scheme: str

    def identify(self, texts: Sequence[str], k: int) -> Predictions:
        """Give the `k` most probable labels of each text; all of them when `k` is 0.

        Args:
            texts: any texts; line breaks in them count as white space.
            k: 0 or more.
        """
        ...
