"""Spelling variation for training: the same line as another hand might have typed it.

Who writes a variety without a settled spelling leaves accents out, drops or adds apostrophes and hyphens, doubles
consonants or does not, lengthens a vowel. A model that was trained on one spelling only takes these for evidence. Every
choice follows from the content of the line: the same line varies in the same way, everywhere. Case needs no variation,
since models trained here read lower case.
"""

import unicodedata
from collections.abc import Callable, Iterator

from schemas.identity import content_id

_VOWELS = frozenset("aeiouyàáâäãåæèéêëìíîïòóôöõøœùúûüýÿ")


def varied(text: str, turn: int = 0) -> str:
    """Give a line in another spelling.

    One habit in four lines of five holds for the whole line (no accents, no apostrophes, no hyphens, single letters
    for double ones); beside it every sixth word gets a slip of its own.

    Args:
        text: as a model reads it: lower case, words between single spaces.
        turn: another turn gives another spelling.
    """
    choices = _choices(text, turn)
    habit = _HABITS[next(choices) % len(_HABITS)]
    words = [_SLIPS[next(choices) % len(_SLIPS)](word) if next(choices) % 6 == 0 else word for word in text.split(" ")]
    return " ".join(" ".join(map(habit, words)).split()) or text


def _choices(text: str, turn: int) -> Iterator[int]:
    """Give numbers from 0 to 255 that follow from the line."""
    block = 0
    while True:
        yield from bytes.fromhex(content_id("variation", turn, block, text))
        block += 1


def plain_letters(word: str) -> str:
    """Leave out accents and other marks."""
    return unicodedata.normalize("NFC", "".join(c for c in unicodedata.normalize("NFD", word) if not _is_accent(c)))


def _is_accent(character: str) -> bool:
    return "\u0300" <= character <= "\u036f"


def _same(word: str) -> str:
    return word


def _joined(word: str) -> str:
    return word.replace("'", "")


def _parted(word: str) -> str:
    return word.replace("'", " ")


def _without_hyphens(word: str) -> str:
    return word.replace("-", " ")


def _single(word: str) -> str:
    return "".join(c for place, c in enumerate(word) if place == 0 or c != word[place - 1])


def _doubled(word: str) -> str:
    """Double the first consonant between vowels."""
    for place in range(1, len(word) - 1):
        if word[place].isalpha() and word[place] not in _VOWELS and {word[place - 1], word[place + 1]} <= _VOWELS:
            return word[: place + 1] + word[place:]
    return word


def _lengthened(word: str) -> str:
    """Double the last vowel."""
    for place in range(len(word) - 1, -1, -1):
        if word[place] in _VOWELS:
            return word[: place + 1] + word[place:]
    return word


_HABITS: tuple[Callable[[str], str], ...] = (plain_letters, _joined, _parted, _single, _same)
_SLIPS: tuple[Callable[[str], str], ...] = (plain_letters, _single, _doubled, _lengthened, _without_hyphens)
