"""What a model reads of a text: the recipes, the same at training and at prediction.

A recipe is part of a model and is named in its card (`<model>.json`). Foreign models (lid.176, GlotLID,
OpenLID) read the text as it is, on one line: `plain`. Models trained here read letters: linear ones `letters-1`,
fastText ones `letters-2`, which cuts Chinese characters into overlapping pairs, since fastText's n-grams want words,
and reads less of a long line.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from transforms.identify import kernels

MOST_CHARACTERS = 2000
"""Characters of a text that are read: far more than a variety needs, and a line of 10 MB costs no more than a page."""

MOST_LETTERS = 300
"""Of a text that `letters-2` reads: more decide nothing."""

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f]+")
_ADDRESSES = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\S+", re.IGNORECASE)
_APOSTROPHES = str.maketrans(dict.fromkeys("’ʼ‘`´′", "'"))
_SPACES = re.compile(" +")
# In words of the varieties served: apostrophe, hyphen, Catalan and Gascon middle dot, the two zero width joiners.
_IN_WORDS = "'-·‧\u200c\u200d"


def plain(texts: Sequence[str]) -> list[str]:
    """Give each text on one line."""
    return [_BREAKS.sub(" ", text[:MOST_CHARACTERS]).strip() for text in texts]


def letters(texts: Sequence[str], most: int = MOST_CHARACTERS) -> list[str]:
    """Give each text's letters: NFC, lower case, one apostrophe; no numbers, addresses or punctuation.

    A text without letters becomes the empty text. Of each text the first `most` characters are read.

    Example:
        >>> letters(["L’é 25 æse, sciâ Baciccia! http://a.b"])
        ["l'é æse sciâ baciccia"]
    """
    if not texts:
        return []
    # All at once over the whole batch: no pattern, case rule or composition crosses the line break.
    lines = "\n".join(_BREAKS.sub(" ", text[:most]) for text in texts)
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


def letters_in_pairs(texts: Sequence[str]) -> list[str]:
    """Give each text's letters, as `letters` does, with runs of Chinese characters cut into overlapping pairs.

    Example:
        >>> letters_in_pairs(["你欲去佗位？好"])
        ["你欲 欲去 去佗 佗位 好"]
    """
    return [_SPACES.sub(" ", _HAN.sub(_pairs, line)).strip(" ") for line in letters(texts, MOST_LETTERS)]


def _pairs(run: re.Match[str]) -> str:
    characters = run[0]
    if len(characters) == 1:
        return f" {characters} "
    return f" {' '.join(a + b for a, b in pairwise(characters))} "


RECIPES: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "plain": plain,
    "letters-1": letters,
    "letters-2": letters_in_pairs,
}


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


@dataclass(frozen=True)
class Lines:
    """Prepared texts as UTF-8: line i is `data[starts[i]:ends[i]]`; an empty one is a text without evidence."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Has the line nothing to go by? (n,)."""
        empty: NDArray[np.bool_] = self.starts >= self.ends
        return empty

    def characters(self) -> NDArray[np.int64]:
        """Give the length of each line in code points: (n,)."""
        counts = np.empty(len(self), dtype=np.int64)
        kernels.count_characters(self.data, self.starts, self.ends, counts)
        return counts

    def texts(self) -> list[str]:
        """Give the lines as strings."""
        data = self.data.tobytes()
        return [data[a:b].decode() for a, b in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]


def as_column(texts: Sequence[str]) -> pa.StringArray:
    """Give texts as an Arrow column; what is no character (a lone surrogate) becomes `?`."""
    try:
        return pa.array(texts, type=pa.string())
    except UnicodeEncodeError:
        return pa.array([text.encode("utf-8", "replace").decode() for text in texts], type=pa.string())


def prepare_column(texts: pa.StringArray, recipe: str) -> Lines:
    """Prepare texts by the recipe of a model: as `prepare_texts`, some twenty times as fast.

    What needs more than a look at each character goes through `prepare_texts`: marks that compose, addresses,
    characters beyond the table.

    Args:
        texts: (n,) without nulls.
        recipe: one of `RECIPES`.

    Raises:
        SettingsError: there is no such recipe.
    """
    if not len(texts):
        prepare_texts([], recipe)
        return Lines(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(data_buffer if data_buffer is not None else b"", dtype=np.uint8)[: offsets[-1]]
    first = int(offsets[0])
    out = np.empty(2 * (len(data) - first) + len(texts) + 8, dtype=np.uint8)
    starts, ends = np.empty(len(texts), dtype=np.int64), np.empty(len(texts), dtype=np.int64)
    most = MOST_LETTERS if recipe == "letters-2" else MOST_CHARACTERS
    filled = kernels.read_lines(
        data, offsets.astype(np.int64), _table(recipe), most, recipe != "plain", out, starts, ends
    )
    slow = np.flatnonzero(starts < 0)
    if recipe == "letters-2":
        room = kernels.room_for_pairs(out, starts, ends)
        if room:
            out = np.r_[out[:filled], np.empty(room, dtype=np.uint8)]
            filled = kernels.pair_characters(out, filled, starts, ends)
    if not len(slow):
        return Lines(out, starts, ends)
    encoded = [line.encode() for line in prepare_texts(texts.take(pa.array(slow)).to_pylist(), recipe)]
    bounds = filled + np.r_[0, np.cumsum([len(line) for line in encoded])]
    starts[slow], ends[slow] = bounds[:-1], bounds[1:]
    return Lines(np.r_[out[:filled], np.frombuffer(b"".join(encoded), dtype=np.uint8)], starts, ends)


@cache
def _table(recipe: str) -> NDArray[np.uint32]:
    """Tell what becomes of each code point under a recipe, where that does not depend on its neighbours."""
    prepare_texts([], recipe)
    table = np.zeros(kernels.TABLE_SIZE, dtype=np.uint32)
    if recipe == "plain":
        for code in range(kernels.TABLE_SIZE):
            table[code] = kernels.SPACE if _BREAKS.match(chr(code)) else code
        return table
    composing = {0x1161 + i for i in range(21)} | {0x11A8 + i for i in range(27)}
    for code in range(kernels.TABLE_SIZE):
        parts = unicodedata.decomposition(chr(code)).split(" ")
        if len(parts) == 2 and parts[0][:1] != "<":
            composing.add(int(parts[1], 16))
    for code in range(kernels.TABLE_SIZE):
        character = chr(code)
        lower = character.lower().translate(_APOSTROPHES)
        if (
            0xD800 <= code < 0xE000
            or code in composing
            or character == "Σ"
            or len(lower) != 1
            or not unicodedata.is_normalized("NFC", character)
        ):
            table[code] = kernels.SLOW
        elif _BREAKS.match(character) or _no_letters().match(lower):
            table[code] = kernels.SPACE
        else:
            letter = kernels.LETTER if lower.isalpha() else 0
            mark = kernels.MARK if unicodedata.combining(character) else 0
            table[code] = ord(lower) | letter | mark
    return table
