"""Predict with the numbers of a fastText model, a batch at a time, without the library.

What it gives is what fastText gives, but for what fastText adds for the sake of its logarithms (1e-5 to every
probability): probabilities of all labels, for each loss that fastText knows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.identify import kernels
from transforms.identify.model_file import ModelNumbers
from transforms.identify.text import Lines

_CACHE_BYTES = 1 << 24
_SIGMOID_STEPS = 512
_SIGMOID_LIMIT = 8.0


class Predictor:
    """The numbers of a model, laid out for speed.

    Args:
        numbers: of the model.
    """

    def __init__(self, numbers: ModelNumbers) -> None:
        self._numbers = numbers
        words = len(numbers.word_offsets) - 1
        self._slots = np.full(1 << max(4, int(2 * words + 1).bit_length()), -1, dtype=np.int32)
        kernels.index_words(numbers.words, numbers.word_offsets, self._slots)
        end = np.frombuffer(bytearray(b"</s>"), dtype=np.uint8)
        self._end_word = int(
            kernels.find_word(end, 0, 4, kernels.hash_word(end, 0, 4), numbers.words, numbers.word_offsets, self._slots)
        )
        dimension = numbers.rows.shape[1]
        slots = 1 << int(_CACHE_BYTES // (dimension * 4 + kernels.LONGEST_CACHED_WORD + 8)).bit_length() - 1
        self._cache: tuple[Any, ...] = (
            np.zeros((slots, kernels.LONGEST_CACHED_WORD), dtype=np.uint8),
            np.zeros(slots, dtype=np.int64),
            np.zeros(slots, dtype=np.int64),
            np.zeros((slots, dimension), dtype=np.float32),
        )
        inner = len(numbers.output) - 1 if numbers.loss == "hierarchical softmax" else len(numbers.output)
        self._columns = np.ascontiguousarray(numbers.output[:inner].T, dtype=np.float32)
        self._tree = _tree(numbers.label_counts) if numbers.loss == "hierarchical softmax" else None

    def hidden(self, lines: Lines) -> NDArray[np.float32]:
        """Give the hidden vectors of lines: (n, d); NaN for an empty line."""
        numbers = self._numbers
        hidden = np.empty((len(lines), numbers.rows.shape[1]), dtype=np.float32)
        longest = int((lines.ends - lines.starts).max(initial=0))
        kernels.hidden_vectors(
            lines.data, lines.starts, lines.ends, numbers.words, numbers.word_offsets, self._slots, numbers.rows,
            self._end_word, numbers.shortest_ngram, numbers.longest_ngram, numbers.buckets, numbers.kept,
            numbers.has_ngrams, numbers.word_ngrams, longest, *self._cache, hidden,
        )  # fmt: skip
        return hidden

    def probabilities(self, lines: Lines, sharpness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probability of every label: (n, labels).

        Args:
            lines: prepared as the model was trained.
            sharpness: (n,) s, the inverse of a temperature: p(label) ** s, divided by the sum over all labels.

        Returns:
            Rows that add up to 1; zeros for an empty line.
        """
        if self._numbers.loss != "softmax":
            made = np.power(self.judged(lines), sharpness[:, None])
            kernels.share(made)
            return made
        scores = self._scores(lines)
        kernels.subtract_best(scores, sharpness)
        np.exp(scores, out=scores)
        kernels.share(scores)
        return scores

    def judged(self, lines: Lines) -> NDArray[np.float32]:
        """Give what the loss makes of each label: (n, labels); zeros for an empty line.

        The labels of `one versus all` and `negative sampling` are judged each on its own: rows do not add up to 1.
        """
        if self._numbers.loss == "softmax":
            return self.probabilities(lines, np.ones(len(lines), dtype=np.float32))
        scores = self._scores(lines)
        if self._tree is not None:
            made = np.empty((len(lines), len(self._numbers.output)), dtype=np.float32)
            kernels.descend(scores, *self._tree, made)
        else:
            made = _tabled_sigmoid(scores)
        np.nan_to_num(made, copy=False, nan=0.0)
        return made

    def _scores(self, lines: Lines) -> NDArray[np.float32]:
        hidden = self.hidden(lines)
        scores = np.empty((len(lines), self._columns.shape[1]), dtype=np.float32)
        kernels.multiply(hidden, self._columns, scores)
        return scores


def _tabled_sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give fastText's logistic function: in 512 steps from -8 to 8, 0 and 1 beyond."""
    steps = np.arange(_SIGMOID_STEPS + 1, dtype=np.float32) * np.float32(2 * _SIGMOID_LIMIT) / _SIGMOID_STEPS
    table = (1.0 / (1.0 + np.exp(-(steps - np.float32(_SIGMOID_LIMIT))))).astype(np.float32)
    limit = np.float32(_SIGMOID_LIMIT)
    place = (np.clip(scores, -limit, limit) + limit) * np.float32(_SIGMOID_STEPS / _SIGMOID_LIMIT / 2)
    values = table[np.nan_to_num(place).astype(np.int64)]
    made: NDArray[np.float32] = np.where(
        scores > limit, np.float32(1), np.where(scores < -limit, np.float32(0), values)
    )
    return np.where(np.isnan(scores), np.float32(np.nan), made)


def _tree(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Build fastText's Huffman tree: children of the inner nodes, which are numbered from `len(counts)` on."""
    leaves = len(counts)
    weight = np.full(2 * leaves - 1, 10**15, dtype=np.int64)
    weight[:leaves] = counts
    children = np.zeros((2, leaves - 1), dtype=np.int64)
    leaf, node = leaves - 1, leaves
    for inner in range(leaves, 2 * leaves - 1):
        for side in range(2):
            if leaf >= 0 and weight[leaf] < weight[node]:
                children[side, inner - leaves] = leaf
                leaf -= 1
            else:
                children[side, inner - leaves] = node
                node += 1
        weight[inner] = weight[children[0, inner - leaves]] + weight[children[1, inner - leaves]]
    return children[0], children[1]
