"""Align the sentences of two documents that say the same in the same order: many to many, by dynamic programming. Pure.

After vecalign (Thompson and Koehn, "Vecalign: Improved Sentence Alignment in Linear Time and Space", EMNLP 2019): a
bead joins a run of a source sentences and a run of b target sentences, x and y, at the cost

    c(x, y) = w(x, y) (1 - cos(x, y)) / ((mean over s of 1 - cos(x, y_s) + mean over s of 1 - cos(x_s, y)) / 2)

where x_s and y_s are sentences of the two documents, taken at even steps: what lies near to everything costs
more. vecalign's w is a b, which seldom lets a long sentence meet its two halves; here w is the mean length of the
two runs, in mean sentences of their documents. Every sentence more than two costs JOINING, and where lengths are known,
LENGTHS times their surprise (Gale and Church 1993) is added, so that texts without a word in common still find
each other. A sentence without partner costs its length times the skip: a share (SKIP) of a low quantile of the costs
of sentences far apart, so that two sentences stay alone rather than together where they are hardly nearer than
chance.

The cheapest way from the first to the last sentence is found exactly where the documents are small. Where they are
large, both are halved by adding up neighbours until they are small, aligned one to one, and refined step by
step within a band around the coarser way: time and memory are linear in the length of the documents.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

Vectors = Any
"""Rows as in transforms/mine/neighbours.py: (n, dimension) float32 array, or scipy CSR array."""

SpanVectors = Callable[[int], Vectors]
"""Gives the vectors of all runs of this many sentences, by first sentence: (n - length + 1, dimension), unit rows."""

Limits = tuple[NDArray[np.int64], NDArray[np.int64]]
"""For each number of source sentences that are done, the least and the most of the target."""

Price = Callable[[tuple[int, int], slice, slice], NDArray[np.float64]]
"""Gives what beads of a size cost: (size, first sentences of the source, of the target) -> (rows, columns)."""

SKIP_QUANTILE = 0.2
SKIP = 0.54
JOINING = 0.07
LENGTHS = 0.05
LENGTH_LIMIT = 4.0
"""Chosen on the development documents of benchmarks/bench_monotone.py (Ligurian - Italian, Friulian - English,
Moroccan - Egyptian Arabic, French - English); tried: skips of .45 to .7, 0 to .2 for joining, 0 to .08 for lengths."""

LARGEST = 4
EXACT_CELLS = 250_000
"""Documents with at most so many pairs of sentences are aligned without a band."""
BAND = 12
_SAMPLE = 64
_LEAST_FAR = 0.05
"""Where all sentences are the same, they lie no farther apart than what belongs together: leaving out still costs."""
_ROWS = 256


class Bead(NamedTuple):
    """Sentences that say the same: two runs, one of which may be empty.

    Attributes:
        source_start, source_end: first sentence of the source and one past the last.
        target_start, target_end: likewise of the target.
        cost: of the bead for a mean sentence: about 0 for the same text, about 1 for unrelated ones.
    """

    source_start: int
    source_end: int
    target_start: int
    target_end: int
    cost: float


def bead_sizes(largest: int) -> list[tuple[int, int]]:
    """List the sizes of beads, sentences of either side: both 1 or more and `largest` in sum, then the two skips."""
    joined = [(a, b) for a in range(1, largest) for b in range(1, largest) if a + b <= max(largest, 2)]
    return [*sorted(joined, key=lambda size: (sum(size), size)), (1, 0), (0, 1)]


def align_monotone(
    source: SpanVectors,
    target: SpanVectors,
    sizes: tuple[int, int],
    *,
    lengths: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    largest: int = LARGEST,
    skip: float = SKIP,
    exact_cells: int = EXACT_CELLS,
    band: int = BAND,
) -> list[Bead]:
    """Align two documents.

    Args:
        source, target: give the vectors of runs of sentences.
        sizes: sentences of the source and of the target.
        lengths: of the sentences, in characters; all are as long when not given.
        largest: most sentences of a bead, both sides together; 2: only one to one.
        skip: a sentence without partner costs this share of what a pair of sentences far apart costs.
        exact_cells: documents of at most so many pairs of sentences are searched whole.
        band: sentences that the way may leave the coarser one by, on either side.

    Returns:
        Beads in order; every sentence of both sides stands in one.
    """
    n, m = sizes
    if n == 0 or m == 0:
        return [Bead(i, i + 1, 0, 0, 1.0) for i in range(n)] + [Bead(0, 0, j, j + 1, 1.0) for j in range(m)]
    known = lengths or (None, None)
    sides = (Side(source, n, known[0]), Side(target, m, known[1]))
    if n * m <= exact_cells or min(n, m) < 2 * band:
        limits = everything(n, m)
    else:
        limits = around(_coarse_way(sides[0].of(1), sides[1].of(1), skip, exact_cells, band), n, m, band)
    return _align(*sides, (n, m), bead_sizes(largest), limits, skip)


class Side:
    """The runs of one document, and how near they lie to the sentences of the other."""

    def __init__(self, vectors: SpanVectors, sentences: int, lengths: NDArray[np.float64] | None = None) -> None:
        self._vectors = vectors
        # What has no length at all weighs a little; where lengths are not known, they are said to be 0.
        masses = np.ones(sentences) if lengths is None else np.maximum(np.asarray(lengths, dtype=np.float64), 1.0)
        self.mean_length = float(masses.mean()) if lengths is not None else 0.0
        self._sums = np.concatenate([[0.0], np.cumsum(masses / masses.mean())])
        self._kept: dict[int, Vectors] = {}

    def of(self, length: int) -> Vectors:
        """Give the vectors of all runs of this many sentences."""
        if length not in self._kept:
            self._kept[length] = self._vectors(length)
        return self._kept[length]

    @property
    def sentences(self) -> int:
        """How many there are."""
        return len(self._sums) - 1

    def mass(self, start: int, end: int) -> float:
        """Give how much a run weighs."""
        return float(self._sums[end] - self._sums[start])

    def masses(self, length: int) -> NDArray[np.float64]:
        """Give how much every run weighs, by first sentence; the mean sentence weighs 1."""
        found: NDArray[np.float64] = self._sums[length:] - self._sums[: len(self._sums) - length]
        return found

    def characters(self, length: int) -> NDArray[np.float64]:
        """Give the characters of every run, by first sentence; 0 where lengths are not known."""
        return self.masses(length) * self.mean_length

    def distances(self, length: int, sample: Vectors) -> NDArray[np.float64]:
        """Give the mean of 1 - cosine to the sample, by first sentence."""
        means: NDArray[np.float64] = 1 - product(self.of(length), sample).mean(axis=1, dtype=np.float64)
        return means


def _align(
    source: Side,
    target: Side,
    sizes: tuple[int, int],
    beads: Sequence[tuple[int, int]],
    limits: Limits,
    skip: float,
) -> list[Bead]:
    """Align within limits."""
    n, m = sizes
    beads = [(a, b) for a, b in beads if a <= n and b <= m]
    sample_source, sample_target = (
        side.of(1)[evenly(size)] for side, size in zip((source, target), sizes, strict=True)
    )
    distances = [
        {length: side.distances(length, sample) for length in sorted({bead[place] for bead in beads} - {0})}
        for place, (side, sample) in enumerate(((source, sample_target), (target, sample_source)))
    ]
    ratio = source.mean_length / target.mean_length if target.mean_length else 1.0
    alone = skip * _far_apart(sample_source, sample_target)

    def price(size: tuple[int, int], rows: slice, columns: slice) -> NDArray[np.float64]:
        a, b = size
        cosines = product(source.of(a)[rows], target.of(b)[columns]).astype(np.float64)
        scale = (distances[0][a][rows, None] + distances[1][b][None, columns]) / 2
        weight = (source.masses(a)[rows, None] + target.masses(b)[None, columns]) / 2
        lengths = LENGTHS * _surprise(source.characters(a)[rows], target.characters(b)[columns] * ratio)
        near = np.maximum(1 - cosines, 0.0) / np.maximum(scale, 1e-6)
        priced: NDArray[np.float64] = weight * near + JOINING * (a + b - 2) + lengths
        return priced

    found = []
    for bead in cheapest_way(beads, limits, sizes, price, (alone * source.masses(1), alone * target.masses(1))):
        i, end_i, j, end_j, cost = bead
        mass = source.mass(i, end_i) + target.mass(j, end_j)
        found.append(bead._replace(cost=cost / (mass / 2 if end_i > i and end_j > j else mass)))
    return found


def cheapest_way(
    beads: Sequence[tuple[int, int]],
    limits: Limits,
    sizes: tuple[int, int],
    price: Price,
    alone: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> list[Bead]:
    """Find the beads that cost least together.

    Args:
        beads: sizes of beads that may be; the two skips among them. Where two ways cost the same, the first one.
        limits: where the way may go.
        sizes: sentences of the source and of the target.
        price: of the beads of a size.
        alone: what each sentence of the source, and of the target, costs without a partner.

    Returns:
        The beads in order, with what each cost.
    """
    n, m = sizes
    lows, highs = limits
    width = int((highs - lows).max()) + 1
    costs = np.full((len(beads), n + 1, width), np.inf, dtype=np.float32)
    for number, size in enumerate(beads):
        if size == (1, 0):
            costs[number, 1:] = alone[0][:, None]
        elif size == (0, 1):
            ends = lows[:, None] + np.arange(width)
            costs[number] = alone[1][np.clip(ends - 1, 0, m - 1)]
        else:
            _fill(costs[number], size, limits, price)
    chosen, total = _walk(costs, np.array(beads, dtype=np.int64), lows, highs, m)
    assert np.isfinite(total), "skips lead from any cell to the next"
    found = []
    i, j = n, m
    while i or j:
        a, b = beads[number := int(chosen[i, j - lows[i]])]
        found.append(Bead(i - a, i, j - b, j, float(costs[number, i, j - lows[i]])))
        i, j = i - a, j - b
    return found[::-1]


def _fill(costs: NDArray[np.float32], size: tuple[int, int], limits: Limits, price: Price) -> None:
    """Write the cost of beads of one size, by the cell at their end, some rows at a time."""
    a, b = size
    lows, highs = limits
    n = len(lows) - 1
    for start in range(a, n + 1, _ROWS):
        stop = min(start + _ROWS, n + 1)
        low, high = max(int(lows[start:stop].min()), b), int(highs[start:stop].max())
        if high < low:
            continue
        priced = price(size, slice(start - a, stop - a), slice(low - b, high - b + 1)).astype(np.float32)
        for row in range(start, stop):
            first, last = max(int(lows[row]), b), int(highs[row])
            if first <= last:
                costs[row, first - lows[row] : last - lows[row] + 1] = priced[row - start, first - low : last - low + 1]


def _surprise(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give how unlikely so different lengths are: half the square of the deviation, at most LENGTH_LIMIT.

    Gale and Church, "A Program for Aligning Sentences in Bilingual Corpora", 1993: the difference of the lengths of
    translations is normal, with a variance of 6.8 a character.
    """
    mean = (source[:, None] + target[None, :]) / 2
    deviations = (source[:, None] - target[None, :]) ** 2 / (6.8 * np.maximum(mean, 1.0))
    surprise: NDArray[np.float64] = np.minimum(deviations / 2, LENGTH_LIMIT)
    return surprise


def _far_apart(source: Vectors, target: Vectors) -> float:
    """Give a low quantile of the costs of a sample of pairs, nearly all of them wrong."""
    distances = 1 - product(source, target).astype(np.float64)
    scale = (distances.mean(axis=1)[:, None] + distances.mean(axis=0)[None, :]) / 2
    return max(float(np.quantile(distances / np.maximum(scale, 1e-6), SKIP_QUANTILE)), _LEAST_FAR)


def product(source: Vectors, target: Vectors) -> NDArray[np.float32]:
    """Give the cosine of every row of one side with every row of the other, dense."""
    found = source @ target.T
    cosines: NDArray[np.float32] = found.toarray() if sparse.issparse(found) else found
    return cosines


def evenly(size: int) -> NDArray[np.int64]:
    """Choose sentences at even steps: some, or all of a short document."""
    return np.unique(np.linspace(0, size - 1, min(size, _SAMPLE)).round().astype(np.int64))


def everything(n: int, m: int) -> Limits:
    """Give limits that bound nothing."""
    return np.zeros(n + 1, dtype=np.int64), np.full(n + 1, m, dtype=np.int64)


def _coarse_way(source: Vectors, target: Vectors, skip: float, exact_cells: int, band: int) -> list[tuple[int, int]]:
    """Give the corners of the way through documents of half the length, counted in whole sentences."""
    halves = [_halved(vectors) for vectors in (source, target)]
    n, m = (half.shape[0] for half in halves)
    if n * m <= exact_cells or min(n, m) < 2 * band:
        limits = everything(n, m)
    else:
        limits = around(_coarse_way(halves[0], halves[1], skip, exact_cells, band), n, m, band)
    sides = [Side(added_up(half), half.shape[0]) for half in halves]
    beads = _align(sides[0], sides[1], (n, m), bead_sizes(2), limits, skip)
    corners = [(bead.source_end * 2, bead.target_end * 2) for bead in beads]
    whole = (source.shape[0], target.shape[0])
    return [(0, 0), *((min(i, whole[0]), min(j, whole[1])) for i, j in corners), whole]


def _halved(vectors: Vectors) -> Vectors:
    """Add up the vectors of sentences two by two; a last one stays alone."""
    rows = vectors.shape[0]
    every = np.arange(rows)
    adding = sparse.csr_array((np.ones(rows, dtype=np.float32), (every // 2, every)), shape=((rows + 1) // 2, rows))
    return unit_rows(adding @ vectors)


def around(corners: Sequence[tuple[int, int]], n: int, m: int, band: int) -> Limits:
    """Give the limits of a band around a way."""
    lows, highs = np.full(n + 1, m, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    for (i, j), (next_i, next_j) in pairwise(corners):
        lows[i : next_i + 1] = np.minimum(lows[i : next_i + 1], j)
        highs[i : next_i + 1] = np.maximum(highs[i : next_i + 1], next_j)
    reach = np.arange(n + 1)
    lows = lows[np.maximum(reach - band, 0)] - band
    highs = highs[np.minimum(reach + band, n)] + band
    return np.maximum.accumulate(np.clip(lows, 0, m)), np.maximum.accumulate(np.clip(highs, 0, m))


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _walk(costs: Any, beads: Any, lows: Any, highs: Any, end: int) -> Any:
    """Find the cheapest way; where two cost the same, the bead that stands first is taken."""
    rows, width = costs.shape[1], costs.shape[2]
    best = np.full((rows, width), np.inf, dtype=np.float64)
    chosen = np.full((rows, width), -1, dtype=np.int8)
    best[0, 0 - lows[0]] = 0.0
    for i in range(rows):
        for j in range(lows[i], highs[i] + 1):
            for number in range(beads.shape[0]):
                from_i, from_j = i - beads[number, 0], j - beads[number, 1]
                if from_i < 0 or from_j < lows[from_i] or from_j > highs[from_i]:
                    continue
                cost = best[from_i, from_j - lows[from_i]] + costs[number, i, j - lows[i]]
                if cost < best[i, j - lows[i]]:
                    best[i, j - lows[i]] = cost
                    chosen[i, j - lows[i]] = number
    return chosen, best[rows - 1, end - lows[rows - 1]]


def added_up(vectors: Vectors) -> SpanVectors:
    """Make run vectors by adding up the vectors of sentences: for where joined sentences cannot be embedded.

    Args:
        vectors: (n, dimension), unit rows.
    """
    rows = vectors.shape[0]

    def runs(length: int) -> Vectors:
        if length == 1:
            return vectors
        starts = np.arange(rows - length + 1)
        members = (starts[:, None] + np.arange(length)).reshape(-1)
        adding = sparse.csr_array(
            (np.ones(len(members), dtype=np.float32), (np.repeat(starts, length), members)), shape=(len(starts), rows)
        )
        return unit_rows(adding @ vectors)

    return runs


def unit_rows(vectors: Vectors) -> Vectors:
    """Give every row length 1; a row of zeros stays one."""
    if sparse.issparse(vectors):
        vectors = sparse.csr_array(vectors)
        lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).reshape(-1))
        scale = sparse.diags_array((1 / np.where(lengths == 0, 1, lengths)).astype(np.float32))
        return sparse.csr_array(scale @ vectors)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return vectors / np.where(lengths == 0, 1, lengths)[:, None]
