"""The second pass: pairs mined with confidence teach which words translate each other, and the miner looks again.

From the sure pairs of the first pass two things are learned. IBM model 1, both ways, gives a table of word
translations. And of every n-gram it is seen how often both sides of a pair have it: what holds across the two varieties
gets more weight, what only looks alike gets less. Then each sentence's words, weighed by their inverse document
frequency, are translated into the other variety, and the similarity of two sentences is

    n-gram cosine + WEIGHT / 2 (cosine of target and translated source + cosine of source and translated target).

A sum of products in several spaces is a product in one, so sentences get one long sparse vector, and search, margin and
retrieval are those of the first pass, exact as ever.

A pair must not confirm itself: what it has taught would make it look right whatever it is. So a source
sentence meets only tables that were learned from the pairs of other sentences: sentences fall in `FOLDS` parts by their
content, and there is a table without each part. The target's translations stand there once a part.
"""

import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from transforms.common.hmm import Corpus, count_lexical, find_entries
from transforms.common.similarity import fold

WEIGHT = 0.6
"""Of the words, beside the n-grams' 1. Values from 0.4 to 1.2 were tried on the dev part of OLDI Seed."""
RELIABILITY = 0.5
"""Power of an n-gram's reliability in its weight."""
FOLDS = 4
LEAST_TRANSLATION = 0.02
"""Smaller probabilities of a translation are left out."""
MOST_PAIRS = 200_000
"""Most pairs that teach: some 2 GB at 20 words a side."""
_ITERATIONS = 5
_SMOOTHING = 1.0
_PRIOR_PAIRS = 4.0
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_HAN}]|[^\\W{_HAN}]+")

Csr = Any


def words_of(text: str) -> list[str]:
    """Give the words of a text without letter case and accents; every Han character is one."""
    return _WORD.findall(fold(text))


@dataclass(frozen=True, eq=False)
class Taught:
    """What the sure pairs taught.

    Attributes:
        weights: (dimension,) float64, weight of each n-gram.
        words: known words of the source and of the target, each mapped to its number.
        idf: weight of each, and of a word that is not known, which comes last.
        tables: for each fold, learned without it: (source words, target words) probabilities of the target word given
            the source word, and (target words, source words) the other way round.
    """

    weights: NDArray[np.float64]
    words: tuple[dict[str, int], dict[str, int]]
    idf: tuple[NDArray[np.float64], NDArray[np.float64]]
    tables: tuple[tuple[Csr, Csr], ...]

    def fuse(self, vectors: Csr, texts: Sequence[str], *, is_source: bool) -> Csr:
        """Give the vectors of the second pass.

        Args:
            vectors: (n, dimension) those of the first, unit rows.
            texts: of the rows.
            is_source: which side they are.

        Returns:
            (n, more) float32 CSR array, features rising, not negative; of length 1 at most.
        """
        share = np.sqrt(WEIGHT / 2)
        scaled = _unit(sparse.csr_array(vectors.astype(np.float64) @ sparse.diags_array(self.weights)))
        bag, strange = self._bag(texts, 0 if is_source else 1)
        own = _scaled(bag, np.sqrt(np.asarray(bag.multiply(bag).sum(axis=1)).reshape(-1) + strange))
        if is_source:
            parts = np.fromiter((zlib.crc32(text.encode("utf-8", "surrogatepass")) % FOLDS for text in texts), np.int64)
            chosen = [sparse.diags_array((parts == number).astype(np.float64)) for number in range(FOLDS)]
            translated = sum(
                (_unit(sparse.csr_array(c @ bag @ table[0])) for c, table in zip(chosen, self.tables, strict=True))
            )
            words = [*(c @ own for c in chosen), translated]
        else:
            words = [*(_unit(sparse.csr_array(bag @ table[1])) for table in self.tables), own]
        fused = sparse.hstack([scaled, *(share * part for part in words)], format="csr") / np.sqrt(1 + WEIGHT)
        fused = sparse.csr_array(fused.astype(np.float32))
        fused.sum_duplicates()
        return fused

    def _bag(self, texts: Sequence[str], side: int) -> tuple[Csr, NDArray[np.float64]]:
        """Count words: known ones weighed by frequency and rarity, and the sum of squares of the others."""
        known, idf = self.words[side], self.idf[side]
        starts, columns, values = [0], [], []
        strange = np.zeros(len(texts))
        for row, text in enumerate(texts):
            counts: dict[str, int] = {}
            for word in words_of(text):
                counts[word] = counts.get(word, 0) + 1
            for word, count in counts.items():
                number = known.get(word, -1)
                weight = 1 + np.log(count)
                if number < 0:
                    strange[row] += (weight * idf[-1]) ** 2
                else:
                    columns.append(number)
                    values.append(weight * idf[number])
            starts.append(len(columns))
        made = sparse.csr_array(
            (np.array(values, dtype=np.float64), np.array(columns, dtype=np.int32), np.array(starts, dtype=np.int64)),
            shape=(len(texts), len(known)),
        )
        made.sort_indices()
        return made, strange

    def to_bytes(self) -> bytes:
        """Make the bytes of a file."""
        arrays: dict[str, Any] = {"weights": self.weights, "source_idf": self.idf[0], "target_idf": self.idf[1]}
        for name, words in zip(("source_words", "target_words"), self.words, strict=True):
            arrays[name] = np.frombuffer("\n".join(words).encode("utf-8", "surrogatepass"), dtype=np.uint8)
        for number, both in enumerate(self.tables):
            for way, table in zip(("forward", "backward"), both, strict=True):
                for part in ("data", "indices", "indptr"):
                    arrays[f"{way}_{number}_{part}"] = getattr(table, part)
        sink = io.BytesIO()
        np.savez(sink, **arrays)
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Taught":
        """Read them again."""
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            words = tuple(
                {word: number for number, word in enumerate(text.split("\n"))} if text else {}
                for text in (
                    found[name].tobytes().decode("utf-8", "surrogatepass") for name in ("source_words", "target_words")
                )
            )
            sizes = [len(side) for side in words]
            tables = tuple(
                tuple(
                    sparse.csr_array(
                        tuple(found[f"{way}_{number}_{part}"] for part in ("data", "indices", "indptr")), shape=shape
                    )
                    for way, shape in (("forward", (sizes[0], sizes[1])), ("backward", (sizes[1], sizes[0])))
                )
                for number in range(FOLDS)
            )
            return cls(found["weights"], words, (found["source_idf"], found["target_idf"]), tables)  # type: ignore[arg-type]


def teach(source_vectors: Csr, target_vectors: Csr, source_texts: Sequence[str], target_texts: Sequence[str]) -> Taught:
    """Learn from sure pairs, row by row; the order must follow from their content, for sums are taken in it.

    Args:
        source_vectors, target_vectors: (p, dimension) CSR arrays.
        source_texts, target_texts: of the rows.
    """
    numbered = [_numbered(texts) for texts in (source_texts, target_texts)]
    words = tuple(known for known, _ in numbered)
    idf = tuple(_idf(sentences, len(known)) for known, sentences in numbered)
    parts = np.fromiter((zlib.crc32(text.encode("utf-8", "surrogatepass")) % FOLDS for text in source_texts), np.int64)
    tables = []
    for number in range(FOLDS):
        rows = np.flatnonzero(parts != number)
        sources, targets = ([sentences[row] for row in rows] for _, sentences in numbered)
        tables.append(_tables(sources, targets, len(words[0]), len(words[1])))
    return Taught(_reliability(source_vectors, target_vectors), words, idf, tuple(tables))  # type: ignore[arg-type]


def _numbered(texts: Sequence[str]) -> tuple[dict[str, int], list[NDArray[np.int32]]]:
    split = [words_of(text) for text in texts]
    known = {word: number for number, word in enumerate(sorted({word for sentence in split for word in sentence}))}
    return known, [np.array([known[word] for word in sentence], dtype=np.int32) for sentence in split]


def _idf(sentences: Sequence[NDArray[np.int32]], words: int) -> NDArray[np.float64]:
    present = np.concatenate([np.unique(sentence) for sentence in sentences]) if sentences else np.zeros(0, np.int64)
    frequencies = np.append(np.bincount(present, minlength=words), 0)
    weights: NDArray[np.float64] = np.log((1 + len(sentences)) / (1 + frequencies)) + 1
    return weights


def _tables(
    sources: Sequence[NDArray[np.int32]], targets: Sequence[NDArray[np.int32]], source_words: int, target_words: int
) -> tuple[Csr, Csr]:
    """Train IBM model 1 both ways; probabilities are smoothed by `_SMOOTHING` counts of no translation."""
    corpus = Corpus(*_laid(sources), *_laid(targets))
    entries = find_entries(corpus, source_words, target_words)
    owners = np.repeat(np.arange(source_words, dtype=np.int32), np.diff(entries.offsets))
    found = []
    for backward in (False, True):
        given = entries.targets if backward else owners
        number = target_words if backward else source_words
        made = corpus.source if backward else corpus.target
        probabilities = np.ones(len(owners))
        null = np.bincount(made, minlength=source_words if backward else target_words) / max(len(made), 1)
        counts = np.zeros(len(owners))
        for _ in range(_ITERATIONS):
            counts, null_counts = np.zeros(len(owners)), np.zeros(len(null))
            count_lexical(corpus, entries, probabilities, null, backward, counts, null_counts)
            totals = np.bincount(given, weights=counts, minlength=number)[given]
            probabilities = counts / np.maximum(totals, 1e-12)
            null = (null_counts + 0.01) / (null_counts + 0.01).sum()
        values = counts / (np.bincount(given, weights=counts, minlength=number)[given] + _SMOOTHING)
        kept = values >= LEAST_TRANSLATION
        rows, columns = (entries.targets, owners) if backward else (owners, entries.targets)
        shape = (target_words, source_words) if backward else (source_words, target_words)
        table = sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=shape)
        table.sum_duplicates()
        found.append(table)
    return found[0], found[1]


def _laid(sentences: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Lay sentences end to end; gives where each begins too."""
    offsets = np.zeros(len(sentences) + 1, dtype=np.int64)
    np.cumsum([len(sentence) for sentence in sentences], out=offsets[1:])
    return np.concatenate([*sentences, np.zeros(0, np.int32)]).astype(np.int32), offsets


def _reliability(source_vectors: Csr, target_vectors: Csr) -> NDArray[np.float64]:
    """Weigh n-grams by how often both sides of a pair have them when one has (Dice), smoothed towards the mean."""
    own, other = source_vectors.copy(), target_vectors.copy()
    own.data, other.data = np.ones(len(own.data)), np.ones(len(other.data))
    both, first, second = (
        np.asarray(counted.sum(axis=0)).reshape(-1).astype(np.float64) for counted in (own.multiply(other), own, other)
    )
    mean = 2 * both.sum() / max(float(first.sum() + second.sum()), 1.0)
    if mean == 0:
        return np.ones(source_vectors.shape[1])
    weights: NDArray[np.float64] = (
        (2 * both + _PRIOR_PAIRS * mean) / (first + second + _PRIOR_PAIRS) / mean
    ) ** RELIABILITY
    return weights


def _unit(rows: Csr) -> Csr:
    return _scaled(rows, np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).reshape(-1)))


def _scaled(rows: Csr, lengths: NDArray[np.float64]) -> Csr:
    return sparse.csr_array(sparse.diags_array(1 / np.where(lengths == 0, 1, lengths)) @ rows)
