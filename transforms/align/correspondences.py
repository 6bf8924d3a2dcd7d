"""Likeness of words where regular correspondences of letters are cheap: edit distance with learned costs. Pure.

Related varieties differ by rule: where Italian writes `chi`, Ligurian writes `ci`. The costs are learned from
the word pairs of two varieties that are alike already: letters are aligned at unit costs, and a letter that
often stands for another costs less, 1 - sqrt(p(b | a) p(a | b)); so does one that is often left out, 1 - its share.
A pass over the pairs learns nearly all there is to learn; two are made. (Wieling et al. 2009 learn such costs of
dialect words by pointwise mutual information, also from alignments at unit costs.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.common.similarity import codes_of, edit_similarities

LIKE = 0.5
"""Least plain edit similarity of the word pairs that correspondences are learned from."""
PASSES = 2
UNSEEN = 2.0
"""Further letters that each letter is taken to stand for otherwise: few observations are no rule."""


class Correspondences(NamedTuple):
    """Costs of letters.

    Attributes:
        letters: (n,) uint32, known code points, rising; number 0 stands for no letter, i + 1 for `letters[i]`.
        costs: (n + 1, n + 1) float64, 0 to 1, of a letter of the first variety (row) for one of the second.
    """

    letters: NDArray[np.uint32]
    costs: NDArray[np.float64]


def learn_correspondences(
    first: Sequence[str], second: Sequence[str], weights: NDArray[np.float64] | None = None
) -> Correspondences:
    """Learn what letters stand for each other.

    Args:
        first, second: (n,) folded words that mean the same, in an order that follows from their content.
        weights: (n,) how much each pair counts; 1 when not given.
    """
    kept = np.flatnonzero(edit_similarities(first, second) >= LIKE).tolist()
    a, a_offsets = codes_of([first[i] for i in kept])
    b, b_offsets = codes_of([second[i] for i in kept])
    counted = np.ones(len(kept)) if weights is None else np.asarray(weights, dtype=np.float64)[kept]
    letters = np.unique(np.concatenate([a, b]))
    size = len(letters) + 1
    costs = np.ones((size, size)) - np.eye(size)
    rows, columns = _numbers(a, letters), _numbers(b, letters)
    for _ in range(PASSES):
        counts = _count(rows, a_offsets, columns, b_offsets, counted, costs)
        of_first, of_second = counts.sum(axis=1), counts.sum(axis=0)
        shares = counts / np.sqrt((of_first[:, None] + UNSEEN) * (of_second[None, :] + UNSEEN))
        shares[0, :] = counts[0, :] / (of_second + UNSEEN)
        shares[:, 0] = counts[:, 0] / (of_first + UNSEEN)
        costs = 1.0 - np.clip(shares, 0.0, 1.0)
        np.fill_diagonal(costs, 0.0)
    return Correspondences(letters, costs)


def likenesses(known: Correspondences, first: Sequence[str], second: Sequence[str]) -> NDArray[np.float64]:
    """Give 1 - cost of the cheapest alignment / letters of the longer word, word by word.

    Args:
        known: what was learned; letters that it does not know cost 1.
        first, second: (n,) folded words, of the varieties as they were learned.

    Returns:
        (n,) float64, 0 to 1; never below the plain edit similarity.
    """
    a, a_offsets = codes_of(first)
    b, b_offsets = codes_of(second)
    return _likenesses(a, a_offsets, b, b_offsets, known.letters, known.costs)  # type: ignore[no-any-return]


def _numbers(codes: NDArray[np.uint32], letters: NDArray[np.uint32]) -> NDArray[np.int64]:
    return np.searchsorted(letters, codes).astype(np.int64) + 1


@njit(cache=True, nogil=True)
def _table(x: NDArray[np.int64], y: NDArray[np.int64], costs: NDArray[np.float64]) -> NDArray[np.float64]:
    table = np.zeros((len(x) + 1, len(y) + 1))
    for i in range(len(x)):
        table[i + 1, 0] = table[i, 0] + costs[x[i], 0]
    for j in range(len(y)):
        table[0, j + 1] = table[0, j] + costs[0, y[j]]
    for i in range(len(x)):
        for j in range(len(y)):
            best = table[i, j] + costs[x[i], y[j]]
            best = min(best, table[i, j + 1] + costs[x[i], 0])
            table[i + 1, j + 1] = min(best, table[i + 1, j] + costs[0, y[j]])
    return table


@njit(cache=True, nogil=True)
def _count(
    a: NDArray[np.int64],
    a_offsets: NDArray[np.int64],
    b: NDArray[np.int64],
    b_offsets: NDArray[np.int64],
    weights: NDArray[np.float64],
    costs: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Count letters for letters along the cheapest alignment of every pair."""
    counts = np.zeros(costs.shape)
    for pair in range(len(weights)):
        x = a[a_offsets[pair] : a_offsets[pair + 1]]
        y = b[b_offsets[pair] : b_offsets[pair + 1]]
        table = _table(x, y, costs)
        i, j = len(x), len(y)
        while i or j:
            if i and j and table[i, j] == table[i - 1, j - 1] + costs[x[i - 1], y[j - 1]]:
                i, j = i - 1, j - 1
                counts[x[i], y[j]] += weights[pair]
            elif i and table[i, j] == table[i - 1, j] + costs[x[i - 1], 0]:
                i -= 1
                counts[x[i], 0] += weights[pair]
            else:
                j -= 1
                counts[0, y[j]] += weights[pair]
    return counts


@njit(cache=True, nogil=True)
def _likenesses(
    a: NDArray[np.uint32],
    a_offsets: NDArray[np.int64],
    b: NDArray[np.uint32],
    b_offsets: NDArray[np.int64],
    letters: NDArray[np.uint32],
    costs: NDArray[np.float64],
) -> NDArray[np.float64]:
    out = np.empty(len(a_offsets) - 1)
    for pair in range(len(out)):
        x = a[a_offsets[pair] : a_offsets[pair + 1]]
        y = b[b_offsets[pair] : b_offsets[pair + 1]]
        longest = max(len(x), len(y))
        above = np.zeros(len(y) + 1)
        row = np.zeros(len(y) + 1)
        for j in range(len(y)):
            above[j + 1] = above[j] + _cost(np.uint32(0), y[j], letters, costs)
        for i in range(len(x)):
            gap = _cost(x[i], np.uint32(0), letters, costs)
            row[0] = above[0] + gap
            for j in range(len(y)):
                best = above[j] if x[i] == y[j] else above[j] + _cost(x[i], y[j], letters, costs)
                best = min(best, above[j + 1] + gap)
                row[j + 1] = min(best, row[j] + _cost(np.uint32(0), y[j], letters, costs))
            above, row = row, above
        out[pair] = 1.0 if longest == 0 else 1.0 - above[len(y)] / longest
    return out


@njit(cache=True, nogil=True, inline="always")
def _cost(x: np.uint32, y: np.uint32, letters: NDArray[np.uint32], costs: NDArray[np.float64]) -> float:
    row = _number(x, letters)
    column = _number(y, letters)
    return 1.0 if row < 0 or column < 0 else costs[row, column]  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, inline="always")
def _number(code: np.uint32, letters: NDArray[np.uint32]) -> int:
    """Give the number of a letter; 0 for none (code 0), -1 for one that is not known."""
    if code == 0:
        return 0
    place = np.searchsorted(letters, code)
    return int(place) + 1 if place < len(letters) and letters[place] == code else -1
