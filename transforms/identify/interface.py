"""What an identifier is: labels, and their probabilities for a batch of texts."""

from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.identify.calibration import Calibration


class Identifier(Protocol):
    """A model that knows labels.

    An empty batch and an empty text are ordinary. The answer for a text does not depend on the batch that it
    comes in.

    Attributes:
        labels: all labels of the model, without `__label__`.
        scheme: whose labels they are: one of `schemas.variety.IDENTIFIERS`.
        calibration: what makes its probabilities true; None: they are taken as they are.
    """

    labels: tuple[str, ...]
    scheme: str
    calibration: Calibration | None

    def identify(self, texts: pa.StringArray) -> NDArray[np.float32]:
        """Give the probability of every label, calibrated where the model has a calibration.

        Args:
            texts: (n,) any texts, no nulls; line breaks in them count as white space.

        Returns:
            (n, labels), 0 to 1; a row adds up to 1, or is all zeros: a text without evidence.
        """
        ...
