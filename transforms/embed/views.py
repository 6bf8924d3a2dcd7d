"""Views of a text that an encoder reads: as it is written, in Latin letters, or both.

`anyascii` transliterates (ISC licence; a table of one replacement a character, after the usual romanization of each
script). It is a key, never published: what a reader sees is the text as found. Between varieties that write the same words
in two scripts, or with signs of their own, it lets an encoder of character n-grams see that they are the same.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version

import numpy as np

from schemas.errors import SettingsError
from schemas.identity import content_digest
from transforms.common.blocks import DENSE, as_stored
from transforms.embed.interface import Encoder, Vectors
from transforms.embed.settings import Script

PATH = "$.embed.script"


@cache
def _transliterate() -> Callable[[str], str]:
    try:
        return import_module("anyascii").anyascii  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        raise SettingsError(
            "a view in Latin letters needs the library 'anyascii', which is not installed",
            path=PATH,
            cure="pip install 'isogloss[romanized]', or `make install-models` in a checkout.",
        ) from error


def romanize(text: str) -> str:
    """Write a text in ASCII letters, in lower case: a key, not a text for readers.

    Example:
        >>> romanize("Здравствуй, Жоан!")
        'zdravstvuy, zhoan!'
    """
    return text.lower() if text.isascii() else _transliterate()(text).lower()


def ngram_view(texts: Sequence[str], script: Script) -> Sequence[str]:
    """Give the texts from which n-grams are taken; with both, romanized words stand beside those that they change."""
    if script == "kept":
        return texts
    if script == "romanized":
        return [romanize(text) for text in texts]
    made = []
    for text in texts:
        words = text.split()
        other = (romanize(word) for word in words)
        made.append(
            " ".join([*words, *(view for view, word in zip(other, words, strict=True) if view != word.lower())])
        )
    return made


class ViewingEncoder:
    """A dense encoder that reads a text in Latin letters, alone or beside the text as written.

    With both, a vector is the mean of the two, at length 1. Each is rounded as a block would hold it, so
    that a cache may stand before the encoder.

    Args:
        encoder: what embeds.
        script: what it reads.
    """

    kind = DENSE

    def __init__(self, encoder: Encoder, script: Script) -> None:
        _transliterate()
        self._encoder = encoder
        self._script = script
        self.dimension = encoder.dimension
        self.is_steady = encoder.is_steady
        told = f"{encoder.name} {script} anyascii {version('anyascii')}"
        self.name = f"{encoder.name.partition(':')[0]}:{content_digest(told.encode())}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: (texts, dimension) float32."""
        latin = [romanize(text) for text in texts]
        if self._script == "romanized":
            return self._encoder.encode(latin)
        both = self._encoder.encode([*texts, *latin])
        rounded = as_stored(np.asarray(both))
        summed = rounded[: len(texts)] + rounded[len(texts) :]
        lengths = np.sqrt(np.einsum("ij,ij->i", summed, summed))
        lengths[lengths == 0] = 1
        result: Vectors = summed / lengths[:, None]
        return result


def check_script(script: Script) -> None:
    """Look whether a view can be made.

    Raises:
        SettingsError: its library is not installed.
    """
    if script != "kept":
        _transliterate()
