"""Which texts can be embedded at all, whatever the encoder."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def is_encodable(text: str) -> bool:
    """Has the text anything besides separators, control, format and unassigned characters?"""
    # Most texts answer at their first character.
    return any(unicodedata.category(character)[0] not in "CZ" for character in text)


def encodable(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Tell for every text whether it can be embedded."""
    return np.fromiter((is_encodable(text) for text in texts), dtype=np.bool_, count=len(texts))
