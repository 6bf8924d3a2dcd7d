"""Find the exact nearest neighbours of every vector on both sides, from one product.

What goes in: a block of source vectors and a block of target vectors. What comes out: the k nearest targets
of every source and the k nearest sources of every target. Partial results over several blocks are merged;
merging is associative and does not depend on order, and neighbours with the same cosine are ordered by their
index, so the result is the same, bit for bit, for any cut into blocks.

That needs a cosine that is a function of its two vectors alone. A matrix product is not: BLAS rounds by the
shape of the matrices and the place in them. So the product only screens. What comes within its rounding error
of the k best is computed again, summed in a fixed order in float64 and rounded to float32, and only these
cosines are compared and kept. They do not depend on BLAS, its threads or the machine. Sparse products are
summed in the order of the features throughout.

Cost: dense, 2 * n * m * dimension operations at the rate of BLAS, one vectorized scan of each tile for both
directions, and about 2 * k * log(n / k) cosines a vector computed again (more where many vectors are equal:
remove duplicates first); sparse, one addition for every feature that two sentences share. Memory: the two
blocks, their neighbours, and one tile (16 MiB), or for sparse the inverted index of some targets.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

MISSING = -1
"""Index where a vector has fewer than k neighbours; its cosine is then minus infinity."""

TILE_SOURCES = 1024
TILE_TARGETS = 4096
"""Shape of the tiles of a dense product: 16 MiB."""

SPARSE_TARGETS = 16384
"""Targets that a sparse product looks at together: their sums stay in a core's cache."""

_STEP = 64
"""Values that a scan looks at before it asks whether any is of interest."""

Vectors = Any
"""Unit vectors as rows: (n, dimension) float32 array, or scipy CSR array of float32 that are not negative."""


class Neighbours(NamedTuple):
    """The nearest neighbours of every vector of one side, best first.

    Attributes:
        indices: (n, k) int64, index of the neighbour on the other side; MISSING where there is none.
        cosines: (n, k) float32, falling; minus infinity where there is none. Equal cosines stand in the
            order of their indices. Sparse vectors that share no feature are no neighbours (their cosine is 0).
    """

    indices: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def shifted(self, offset: int) -> "Neighbours":
        """Give the neighbours with `offset` added to every index, as when the other side is one block of many."""
        return Neighbours(np.where(self.indices == MISSING, MISSING, self.indices + offset), self.cosines)


class BothWays(NamedTuple):
    """What one product gives.

    Attributes:
        forward: nearest targets of each source.
        backward: nearest sources of each target.
    """

    forward: Neighbours
    backward: Neighbours


def no_neighbours(rows: int, k: int) -> Neighbours:
    """Make the neighbours of `rows` vectors that have met no other side yet: the neutral element of `merge`."""
    return Neighbours(np.full((rows, k), MISSING, dtype=np.int64), np.full((rows, k), -np.inf, dtype=np.float32))


def merge(first: Neighbours, second: Neighbours) -> Neighbours:
    """Merge the neighbours of the same vectors among two disjoint parts of the other side.

    Associative and commutative: any order and grouping of parts gives the same bits.
    """
    k = first.indices.shape[1]
    indices = np.concatenate([first.indices, second.indices], axis=1)
    cosines = np.concatenate([first.cosines, second.cosines], axis=1)
    order = np.lexsort((indices, -cosines), axis=1)[:, :k]
    return Neighbours(np.take_along_axis(indices, order, axis=1), np.take_along_axis(cosines, order, axis=1))


def nearest_both_ways(sources: Vectors, targets: Vectors, k: int) -> BothWays:
    """Find the k nearest targets of every source and the k nearest sources of every target.

    Args:
        sources: (n, dimension), unit rows, float32 array or CSR array.
        targets: (m, dimension), of the same kind.
        k: neighbours wanted, 1 or more. Where a side has fewer, the rest is MISSING.

    Raises:
        ValueError: the sides do not fit each other, or a value is not finite.
    """
    check_vectors(sources, "source")
    check_vectors(targets, "target")
    if sources.shape[1] != targets.shape[1]:
        raise ValueError(
            f"source vectors have {sources.shape[1]} dimensions, target vectors {targets.shape[1]}: "
            "embed both sides with the same encoder"
        )
    if sparse.issparse(sources) != sparse.issparse(targets):
        raise ValueError("one side is dense and the other sparse: embed both sides with the same encoder")
    state = _State(sources.shape[0], targets.shape[0], k)
    if state.is_empty:
        return state.both_ways()
    if sparse.issparse(sources):
        _sparse_product(sources, targets, state)
    else:
        _dense_product(sources, targets, state)
    return state.both_ways()


def check_vectors(vectors: Vectors, side: str) -> None:
    """Refuse what is no matrix of finite float32 vectors.

    Raises:
        ValueError: says the side, the first bad row and what was expected.
    """
    is_sparse = sparse.issparse(vectors)
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ValueError(
            f"{side} vectors: expected a matrix of float32, got {vectors.ndim} dimension(s) of {vectors.dtype}"
        )
    if is_sparse and vectors.format != "csr":
        raise ValueError(f"{side} vectors: expected a CSR array, got {vectors.format}")
    values = vectors.data if is_sparse else vectors
    # A sum is not finite when a part is not: one fast pass without a mask as large as the matrix.
    with np.errstate(invalid="ignore", over="ignore"):
        row_sums = np.asarray(vectors.sum(axis=1)).reshape(-1)
    bad = np.flatnonzero(~np.isfinite(row_sums))
    if len(bad):
        raise ValueError(
            f"{side} vectors: row {bad[0]} holds NaN or infinity ({len(bad)} such rows): expected unit vectors"
        )
    if is_sparse and len(values) and values.min() < 0:
        raise ValueError(f"{side} vectors: sparse vectors must not be negative, got {values.min()}")


class _State:
    """The best so far of both sides, written by the kernels."""

    def __init__(self, sources: int, targets: int, k: int) -> None:
        self.source_indices, self.source_cosines = no_neighbours(sources, k)
        self.target_indices, self.target_cosines = no_neighbours(targets, k)
        self.is_empty = sources == 0 or targets == 0

    def both_ways(self) -> BothWays:
        return BothWays(
            Neighbours(self.source_indices, self.source_cosines), Neighbours(self.target_indices, self.target_cosines)
        )


def _dense_product(sources: NDArray[np.float32], targets: NDArray[np.float32], state: _State) -> None:
    """Multiply tile by tile; scan each tile once for both directions."""
    sources, targets = np.ascontiguousarray(sources), np.ascontiguousarray(targets)
    slack = np.float32(_rounding_error(sources, targets))
    tile = np.empty(min(TILE_SOURCES, len(sources)) * min(TILE_TARGETS, len(targets)), dtype=np.float32)
    for target_start in range(0, len(targets), TILE_TARGETS):
        target_tile = targets[target_start : target_start + TILE_TARGETS]
        for source_start in range(0, len(sources), TILE_SOURCES):
            source_tile = sources[source_start : source_start + TILE_SOURCES]
            product = tile[: len(source_tile) * len(target_tile)].reshape(len(source_tile), len(target_tile))
            np.matmul(source_tile, target_tile.T, out=product)
            _scan_tile(
                product, sources, targets, source_start, target_start, slack,
                state.source_indices, state.source_cosines, state.target_indices, state.target_cosines,
            )  # fmt: skip


def _rounding_error(sources: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Bound what a float32 product of any summation order can be off, twice over.

    |error| <= dimension * u * |x| |y| with u = 2**-24 (Higham 2002, eq. 3.5, first order).
    """
    longest = [float(np.sqrt(np.einsum("ij,ij->i", side, side).max())) for side in (sources, targets)]
    return float(2 * sources.shape[1] * 2.0**-24 * longest[0] * longest[1])


def _sparse_product(sources: Any, targets: Any, state: _State) -> None:
    """Walk the sources past the inverted index of some targets at a time."""
    sources = _in_feature_order(sources)
    for start in range(0, targets.shape[0], SPARSE_TARGETS):
        part = targets[start : start + SPARSE_TARGETS].tocsc()
        _scan_sparse(
            sources.indptr.astype(np.int64), sources.indices, sources.data,
            part.indptr.astype(np.int64), part.indices, part.data, part.shape[0], start,
            state.source_indices, state.source_cosines, state.target_indices, state.target_cosines,
        )  # fmt: skip


def _in_feature_order(vectors: Any) -> Any:
    """Give the CSR array with the features of every row rising and none twice; the argument is left alone."""
    if vectors.has_canonical_format:
        return vectors
    vectors = vectors.copy()
    vectors.sum_duplicates()
    return vectors


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _insert(indices: Any, cosines: Any, row: int, index: int, cosine: Any) -> None:
    """Put a neighbour behind those that are as near: indices come rising, so the smaller index stays before."""
    place = indices.shape[1] - 1
    while place > 0 and cosine > cosines[row, place - 1]:
        indices[row, place] = indices[row, place - 1]
        cosines[row, place] = cosines[row, place - 1]
        place -= 1
    indices[row, place] = index
    cosines[row, place] = cosine


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _cosine(first: Any, second: Any) -> Any:
    """Sum the products in eight lanes of float64, then the lanes in order; round to float32."""
    a = b = c = d = e = f = g = h = 0.0  # scalars, not an array: they stay in one register
    whole = first.shape[0] // 8 * 8
    for start in range(0, whole, 8):
        x, y = first[start : start + 8], second[start : start + 8]
        a += np.float64(x[0]) * np.float64(y[0])
        b += np.float64(x[1]) * np.float64(y[1])
        c += np.float64(x[2]) * np.float64(y[2])
        d += np.float64(x[3]) * np.float64(y[3])
        e += np.float64(x[4]) * np.float64(y[4])
        f += np.float64(x[5]) * np.float64(y[5])
        g += np.float64(x[6]) * np.float64(y[6])
        h += np.float64(x[7]) * np.float64(y[7])
    total = a + b + c + d + e + f + g + h
    for place in range(whole, first.shape[0]):
        total += np.float64(first[place]) * np.float64(second[place])
    return np.float32(total)


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _any_above(values: Any, row_limit: Any, limits: Any) -> bool:
    """Is a value of interest to its row or its column?

    Takes slices and has no branch inside: only so is it vectorized (0.06 ns a value instead of 1).
    """
    hits = 0
    for place in range(values.shape[0]):
        hits += values[place] > min(row_limit, limits[place])
    return hits > 0


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _scan_tile(  # noqa: PLR0917 - numba takes no keywords here
    tile: Any, sources: Any, targets: Any, source_start: int, target_start: int, slack: Any,
    source_indices: Any, source_cosines: Any, target_indices: Any, target_cosines: Any,
) -> None:  # fmt: skip
    """Enter what is good enough for its row or for its column.

    Sources come rising for a target and targets rising for a source, so `>` against the k-th best leaves
    the smaller index in place where cosines are equal. Limits are the k-th best less the slack of the screen.
    """
    last = source_indices.shape[1] - 1
    rows, columns = tile.shape
    limits = target_cosines[target_start : target_start + columns, last] - slack
    for row in range(rows):
        source = source_start + row
        row_limit = source_cosines[source, last] - slack
        values = tile[row]
        for start in range(0, columns, _STEP):
            stop = min(start + _STEP, columns)
            if not _any_above(values[start:stop], row_limit, limits[start:stop]):
                continue
            for column in range(start, stop):
                if values[column] > min(row_limit, limits[column]):
                    target = target_start + column
                    cosine = _cosine(sources[source], targets[target])
                    if cosine > source_cosines[source, last]:
                        _insert(source_indices, source_cosines, source, target, cosine)
                        row_limit = source_cosines[source, last] - slack
                    if cosine > target_cosines[target, last]:
                        _insert(target_indices, target_cosines, target, source, cosine)
                        limits[column] = target_cosines[target, last] - slack


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _scan_sparse(  # noqa: PLR0917
    source_starts: Any, source_features: Any, source_values: Any,
    feature_starts: Any, posting_targets: Any, posting_values: Any, columns: int, target_start: int,
    source_indices: Any, source_cosines: Any, target_indices: Any, target_cosines: Any,
) -> None:  # fmt: skip
    """Sum each source's products with all targets, feature by feature; enter what is good enough."""
    last = source_indices.shape[1] - 1
    nothing = np.float32(0)  # sentences that share no feature are no neighbours
    limits = np.maximum(target_cosines[target_start : target_start + columns, last], nothing)
    sums = np.zeros(columns, dtype=np.float32)
    for source in range(source_starts.shape[0] - 1):
        sums[:] = 0
        for place in range(source_starts[source], source_starts[source + 1]):
            feature = source_features[place]
            weight = source_values[place]
            for posting in range(feature_starts[feature], feature_starts[feature + 1]):
                sums[posting_targets[posting]] += weight * posting_values[posting]
        row_limit = max(source_cosines[source, last], nothing)
        for start in range(0, columns, _STEP):
            stop = min(start + _STEP, columns)
            if not _any_above(sums[start:stop], row_limit, limits[start:stop]):
                continue
            for column in range(start, stop):
                value = sums[column]
                if value > row_limit:
                    _insert(source_indices, source_cosines, source, target_start + column, value)
                    row_limit = max(source_cosines[source, last], nothing)
                if value > limits[column]:
                    _insert(target_indices, target_cosines, target_start + column, source, value)
                    limits[column] = max(target_cosines[target_start + column, last], nothing)
