"""What a model reads of a text: the recipes, the same at training and at prediction.

A recipe is part of a model and is named in its card (`<model>.json`). Foreign models (lid.176, GlotLID,
OpenLID) read the text as it is, on one line: `plain`. Models trained here read `letters-1`.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache

from schemas.errors import SettingsError

MOST_CHARACTERS = 2000
"""Characters of a text that are read: far more than a variety needs, and a line of 10 MB costs no more than a page."""

_BREAKS = re.compile(r"[\s\x00-\x1f\x7f]+")
_ADDRESSES = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\S+", re.IGNORECASE)
_APOSTROPHES = str.maketrans(dict.fromkeys("’ʼ‘`´′", "'"))
_SPACES = re.compile(" +")
# In words of the varieties served: apostrophe, hyphen, Catalan and Gascon middle dot, the two zero width joiners.
_IN_WORDS = "'-·‧\u200c\u200d"


def plain(texts: Sequence[str]) -> list[str]:
    """Give each text on one line."""
    return [_BREAKS.sub(" ", text[:MOST_CHARACTERS]).strip() for text in texts]


def letters(texts: Sequence[str]) -> list[str]:
    """Give each text's letters: NFC, lower case, one apostrophe; no numbers, addresses or punctuation.

    A text without letters becomes the empty text.

    Example:
        >>> letters(["L’é 25 æse, sciâ Baciccia! http://a.b"])
        ["l'é æse sciâ baciccia"]
    """
    if not texts:
        return []
    # All at once over the whole batch: no pattern, case rule or composition crosses the line break.
    lines = "\n".join(_BREAKS.sub(" ", text[:MOST_CHARACTERS]) for text in texts)
    lines = unicodedata.normalize("NFC", lines).lower().translate(_APOSTROPHES)
    lines = _SPACES.sub(" ", _no_letters().sub(" ", _ADDRESSES.sub(" ", lines)))
    return [line.strip(" '-·‧") if any(map(str.isalpha, line)) else "" for line in lines.split("\n")]


@cache
def _no_letters() -> re.Pattern[str]:
    """Match what is neither letter nor mark: punctuation, symbols, numbers, control and format characters."""
    codes = [
        code
        for code in range(0x10000)
        if unicodedata.category(chr(code))[0] in "PSNCZ" and chr(code) not in _IN_WORDS and chr(code) not in "\n "
    ]
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    pictures = "\U0001f000-\U0001faff"
    return re.compile("[" + "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in runs) + pictures + "]+")


RECIPES: dict[str, Callable[[Sequence[str]], list[str]]] = {"plain": plain, "letters-1": letters}


def prepare_texts(texts: Sequence[str], recipe: str) -> list[str]:
    """Prepare texts by the recipe of a model.

    Raises:
        SettingsError: there is no such recipe.
    """
    if recipe not in RECIPES:
        raise SettingsError(
            f"the model was trained with the text recipe {recipe!r}, which this version does not know",
            path="$.identify.model",
            cure=f"Known recipes: {', '.join(RECIPES)}. Train the model again, or update isogloss.",
        )
    return RECIPES[recipe](texts)
