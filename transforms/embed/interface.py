"""What an encoder is: texts in, one vector a text out."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from transforms.embed.settings import EmbedSettings

Vectors: TypeAlias = NDArray[np.float32] | scipy.sparse.csr_array


class Encoder(Protocol):
    """Gives every text a vector of length 1, in one space.

    The vectors of a batch follow from its texts alone: another order of the same texts gives the same vectors
    in that order, bit for bit.

    Attributes:
        name: of the backend, with the digest of its model: equal names give equal vectors.
        kind: `dense` or `sparse`.
        dimension: of the vectors.
        is_steady: has a text the same vector, bit for bit, whatever texts are embedded with it?
    """

    @property
    def name(self) -> str:
        """Name and digest."""
        ...

    @property
    def kind(self) -> str:
        """`dense` or `sparse`."""
        ...

    @property
    def dimension(self) -> int:
        """Values of a vector."""
        ...

    @property
    def is_steady(self) -> bool:
        """Has a text the same vector in any company?"""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed a batch.

        Args:
            texts: any number of texts, also none, also empty ones.

        Returns:
            (texts, dimension) float32: an array when dense, a CSR matrix with rising indices when sparse. Rows have
            length 1; a row of zeros means that the text has nothing that the space knows.
        """
        ...


class Backend(Protocol):
    """What a backend that loads a model is, besides: the `BACKEND` of its file, which makes encoders."""

    def __call__(self, settings: EmbedSettings, model: str) -> Encoder:
        """Load a model."""
        ...

    def model_for(self, settings: EmbedSettings, variety: str) -> str:
        """Give the name or path of the model that embeds a variety."""
        ...

    def check(self, settings: EmbedSettings, model: str) -> None:
        """Find and read a model before anything runs.

        Raises:
            SettingsError: it cannot be used.
        """
        ...
