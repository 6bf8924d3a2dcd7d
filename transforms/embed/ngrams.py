"""Character n-grams within words: counting them, and the TF-IDF space over them. Pure.

The n-grams are those of scikit-learn's `char_wb`: of every word with a space on either side, all substrings of
the wanted lengths. An n-gram is known by a 64-bit key: up to three characters are packed, exactly; longer
ones are hashed. Two of ten million n-grams share a key with a probability under 3e-6, so features are in
effect exact; there is no hashing trick that maps unlike n-grams to one column.

A weight is (1 + ln tf) * idf with idf = ln((1 + n) / (1 + df)) + 1, then rows get length 1: the weighting of
Salton & Buckley (1988), smoothed as scikit-learn's `TfidfVectorizer` does it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from schemas.identity import content_digest
from transforms.embed.kernels import count_windows, weigh_rows
from transforms.embed.settings import NgramSettings

_CHUNK_CHARACTERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Counts:
    """The n-grams of some texts.

    Attributes:
        keys: (k,) uint64, the distinct n-grams, in order of appearance.
        sentences: (k,) int64, texts that have each.
        starts: (n + 1,) int64, where each text's entries start.
        indices: (entries,) int32, which n-gram.
        occurrences: (entries,) int32, how often it stands in the text.
    """

    keys: NDArray[np.uint64]
    sentences: NDArray[np.int64]
    starts: NDArray[np.int64]
    indices: NDArray[np.int32]
    occurrences: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Frequencies:
    """In how many texts each n-gram stands.

    Attributes:
        texts: number of texts.
        keys: (k,) uint64, rising.
        sentences: (k,) int64.
    """

    texts: int
    keys: NDArray[np.uint64]
    sentences: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NgramSpace:
    """A fitted space: its features, in the order of their keys, and their weights.

    Attributes:
        settings: how n-grams are made.
        keys: (dimension,) uint64, rising.
        idf: (dimension,) float64.
    """

    settings: NgramSettings
    keys: NDArray[np.uint64]
    idf: NDArray[np.float64]

    @property
    def digest(self) -> str:
        """Digest of all that vectors depend on."""
        told = f"{self.settings.shortest} {self.settings.longest} {self.settings.accents} {len(self.keys)} "
        return content_digest(told.encode("ascii") + self.keys.tobytes() + self.idf.tobytes())


def fold_accents(text: str) -> str:
    """Give the text without accents: `perché` becomes `perche`, `أ` becomes `ا`.

    Letters of their own (ø, ı) stay, and so do the marks of scripts that write vowels with them: only marks of
    the classes that Latin, Greek, Cyrillic, Hebrew and Arabic accents and points have are taken off (combining
    classes 10 to 35 and from 200 on).
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _accents().sub("", unicodedata.normalize("NFD", text)))


@cache
def _accents() -> re.Pattern[str]:
    classes = ((code, unicodedata.combining(chr(code))) for code in range(0x300, 0x20000))
    return re.compile("[" + "".join(chr(code) for code, number in classes if number >= 200 or 10 <= number <= 35) + "]")


def prepared(text: str, accents: str = "kept") -> str:
    """Give the words of a text as n-grams are taken from them: lower-cased, separated by single spaces."""
    words = text.lower().split()
    if accents == "folded":
        return fold_accents(" ".join(words))
    if accents == "both":
        folded = [fold_accents(word) for word in words]
        words += [plain for plain, word in zip(folded, words, strict=True) if plain != word]
    return " ".join(words)


def count_ngrams(texts: Sequence[str], settings: NgramSettings) -> Counts:
    """Count the n-grams of every text.

    Args:
        texts: some million characters at most; see `chunks`.
        settings: lengths and accents.
    """
    words = [prepared(text, settings.accents) for text in texts]
    lengths = np.fromiter((len(text) + 1 for text in words), dtype=np.int64, count=len(words))
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    codes = np.frombuffer(f" {' '.join(words)} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    keys, sentences, row_starts, indices, occurrences = count_windows(
        codes, starts, settings.shortest, settings.longest
    )
    return Counts(keys, sentences, row_starts, indices, occurrences)


def chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut texts into runs of some million characters, so that counting needs bounded memory."""
    begin = characters = 0
    for end, text in enumerate(texts):
        if characters and characters + len(text) > _CHUNK_CHARACTERS:
            yield texts[begin:end]
            begin, characters = end, 0
        characters += len(text)
    if begin < len(texts):
        yield texts[begin:]


def frequencies_of(counts: Counts) -> Frequencies:
    """Give the frequencies of some counted texts."""
    order = np.argsort(counts.keys)
    return Frequencies(len(counts.starts) - 1, counts.keys[order], counts.sentences[order])


def text_frequencies(texts: Sequence[str], settings: NgramSettings) -> Frequencies:
    """Count in how many texts each n-gram stands."""
    return add_frequencies(frequencies_of(count_ngrams(chunk, settings)) for chunk in chunks(texts))


def add_frequencies(parts: Iterable[Frequencies]) -> Frequencies:
    """Add up the frequencies of disjoint sets of texts. Any order of the parts gives the same sum."""
    parts = list(parts)
    if not parts:
        return Frequencies(0, np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
    if len(parts) == 1:
        return parts[0]
    keys = np.concatenate([part.keys for part in parts])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = (
        np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, dtype=np.int64)
    )
    sentences = np.concatenate([part.sentences for part in parts])[order]
    summed = np.add.reduceat(sentences, first) if len(first) else sentences
    return Frequencies(sum(part.texts for part in parts), keys[first], summed)


def fit_space(frequencies: Frequencies, settings: NgramSettings) -> NgramSpace:
    """Make the space of the n-grams that enough texts have."""
    kept = frequencies.sentences >= settings.minimum_sentences
    idf = np.log((1 + frequencies.texts) / (1 + frequencies.sentences[kept])) + 1
    return NgramSpace(settings, frequencies.keys[kept], idf)


def weigh(counts: Counts, space: NgramSpace) -> scipy.sparse.csr_array:
    """Give the vectors of counted texts.

    Returns:
        (n, dimension) float32 CSR matrix, indices rising, rows of length 1; zeros where the space knows no n-gram.
    """
    places = np.searchsorted(space.keys, counts.keys)
    known = places < len(space.keys)
    known[known] = space.keys[places[known]] == counts.keys[known]
    columns = np.where(known, places, -1).astype(np.int32)
    starts, indices, values = weigh_rows(counts.starts, counts.indices, counts.occurrences, columns, space.idf)
    return scipy.sparse.csr_array(
        (values, indices, starts.astype(np.int32 if len(values) < 2**31 else np.int64)),
        shape=(len(counts.starts) - 1, len(space.keys)),
    )


def stack(parts: Sequence[scipy.sparse.csr_array], dimension: int) -> scipy.sparse.csr_array:
    """Put matrices of one space under each other."""
    if not parts:
        return scipy.sparse.csr_array((0, dimension), dtype=np.float32)
    return parts[0] if len(parts) == 1 else scipy.sparse.csr_array(scipy.sparse.vstack(parts, format="csr"))
