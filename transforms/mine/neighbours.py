"""Find the exact nearest neighbours of every vector on both sides, from one product.

What goes in: a block of source vectors and a block of target vectors. What comes out: the k nearest targets
of every source and the k nearest sources of every target. Partial results over several blocks are merged;
merging is associative and does not depend on order, and neighbours with the same cosine are ordered by their
index, so the result is the same, bit for bit, for any cut into blocks.

That needs a cosine that is a function of its two vectors alone. A matrix product is not: BLAS rounds by the
shape of the matrices and the place in them. So the product only screens. What comes within its rounding error
of the k best is computed again, summed in a fixed order in float64 and rounded to float32, and only these
cosines are compared and kept. They do not depend on BLAS, its threads or the machine. Sparse cosines are summed in
float32 in the order of the features; a large sparse search is screened too (`screened`).

Cost: dense, 2 * n * m * dimension operations at the rate of BLAS, a vectorized scan of each tile in either
direction, and about 2 * k * log(n / k) cosines a vector computed again (more where many vectors are equal:
remove duplicates first); sparse, one addition for every rare feature that two sentences share. Memory: the two
blocks, their neighbours, and one tile (16 MiB), or for sparse the inverted index of some targets.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from transforms.common.backends import load_backend
from transforms.mine.kernels import enter_returned, scan_columns, scan_rows, scan_sparse
from transforms.mine.screened import search_screened

MISSING = -1
"""Index where a vector has fewer than k neighbours; its cosine is then minus infinity."""

TILE_SOURCES = 1024
TILE_TARGETS = 4096
"""Shape of the tiles of a dense product: 16 MiB."""

SPARSE_TARGETS = 16384
"""Targets that a sparse product looks at together: their sums stay in a core's cache."""

SCREENED_PAIRS = 100_000_000
"""From here on a sparse search is screened; below, the start of the screen costs more than it saves."""

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

    def first(self, k: int) -> "Neighbours":
        """Give the k nearest of them."""
        return Neighbours(self.indices[:, :k], self.cosines[:, :k])

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


def completed(found: BothWays) -> BothWays:
    """Give each vector the neighbours that only they have found: an approximate search looks from either side apart.

    What an exact search found stays as it is.
    """
    forward, backward = (Neighbours(side.indices.copy(), side.cosines.copy()) for side in found)
    enter_returned(*forward, *backward)
    enter_returned(*backward, *forward)
    return BothWays(forward, backward)


def nearest_both_ways(
    sources: Vectors,
    targets: Vectors,
    k: int,
    floors: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    device: str = "cpu",
) -> BothWays:
    """Find the k nearest targets of every source and the k nearest sources of every target.

    Args:
        sources: (n, dimension), unit rows, float32 array or CSR array.
        targets: (m, dimension), of the same kind.
        k: neighbours wanted, 1 or more. Where a side has fewer, the rest is MISSING.
        floors: (n,) and (m,) cosines below which a neighbour is of no interest, such as the k-th best of an earlier
            search that this one is merged with. Such neighbours may be left out, which makes the search faster.
        device: where dense vectors are multiplied: cpu by numpy; cuda, or torch:<another device>, by torch. Same bits.

    Raises:
        ValueError: the sides do not fit each other, or a value is not finite.
        SettingsError: another device, and torch or the device is not there.
    """
    check_sides(sources, targets)
    state = _State(sources.shape[0], targets.shape[0], k)
    if state.is_empty:
        return state.both_ways()
    if sparse.issparse(sources):
        _sparse_product(sources, targets, state, floors)
    elif device == "cpu":
        _dense_product(sources, targets, state)
    else:
        sources, targets = np.ascontiguousarray(sources), np.ascontiguousarray(targets)
        search = load_backend("mine", "torch")
        search(sources, targets, state.lists, rounding_error(sources, targets), device.removeprefix("torch:"))
    return state.both_ways()


def check_sides(sources: Vectors, targets: Vectors) -> None:
    """Refuse sides that are no matrices of vectors, or do not fit each other.

    Raises:
        ValueError: says what was expected.
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

    @property
    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        """What the kernels write."""
        return self.source_indices, self.source_cosines, self.target_indices, self.target_cosines

    def both_ways(self) -> BothWays:
        return BothWays(
            Neighbours(self.source_indices, self.source_cosines), Neighbours(self.target_indices, self.target_cosines)
        )


def _dense_product(sources: NDArray[np.float32], targets: NDArray[np.float32], state: _State) -> None:
    """Multiply tile by tile; scan each tile for both directions, in as many threads as BLAS multiplies in."""
    sources, targets = np.ascontiguousarray(sources), np.ascontiguousarray(targets)
    slack = np.float32(rounding_error(sources, targets))
    tile = np.empty(min(TILE_SOURCES, len(sources)) * min(TILE_TARGETS, len(targets)), dtype=np.float32)
    source_lists, target_lists = state.lists[:2], state.lists[2:]
    with ThreadPoolExecutor(_threads()) as pool:
        for target_start in range(0, len(targets), TILE_TARGETS):
            target_tile = targets[target_start : target_start + TILE_TARGETS]
            for source_start in range(0, len(sources), TILE_SOURCES):
                source_tile = sources[source_start : source_start + TILE_SOURCES]
                product = tile[: len(source_tile) * len(target_tile)].reshape(len(source_tile), len(target_tile))
                np.matmul(source_tile, target_tile.T, out=product)
                given: tuple[Any, ...] = (product, sources, targets, source_start, target_start, slack)
                scans = [
                    pool.submit(partial(scan, *given, first, behind, *lists))
                    for scan, length, lists in (
                        (scan_rows, len(source_tile), source_lists),
                        (scan_columns, len(target_tile), target_lists),
                    )
                    for first, behind in _parts(length)
                ]
                for done in scans:
                    done.result()


def _threads() -> int:
    """Give the number of threads that BLAS is allowed."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(1, int(os.environ[name]))
    return os.cpu_count() or 1


def _parts(length: int) -> list[tuple[int, int]]:
    """Cut a length into one part a thread; no list of the best is written by two."""
    edges = np.linspace(0, length, _threads() + 1).astype(int).tolist()
    return list(pairwise(edges))


def rounding_error(sources: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Bound what a float32 product of any summation order can be off, twice over.

    |error| <= dimension * u * |x| |y| with u = 2**-24 (Higham 2002, eq. 3.5, first order).
    """
    longest = [float(np.sqrt(np.einsum("ij,ij->i", side, side).max())) for side in (sources, targets)]
    return float(2 * sources.shape[1] * 2.0**-24 * longest[0] * longest[1])


def _sparse_product(
    sources: Any, targets: Any, state: _State, floors: tuple[NDArray[np.float32], NDArray[np.float32]] | None
) -> None:
    """Screen a large search; walk the sources of a small one past the inverted index of some targets at a time."""
    sources, targets = in_feature_order(sources), in_feature_order(targets)
    if sources.shape[0] * targets.shape[0] >= SCREENED_PAIRS:
        given = floors or (np.zeros(sources.shape[0], np.float32), np.zeros(targets.shape[0], np.float32))
        least = (np.maximum(given[0], np.float32(0)), np.maximum(given[1], np.float32(0)))
        search_screened(sources, targets, state.lists, least, SPARSE_TARGETS)
        return
    for start in range(0, targets.shape[0], SPARSE_TARGETS):
        part = targets[start : start + SPARSE_TARGETS].tocsc()
        scan_sparse(
            sources.indptr.astype(np.int64), sources.indices, sources.data,
            part.indptr.astype(np.int64), part.indices, part.data, part.shape[0], start, *state.lists,
        )  # fmt: skip


def in_feature_order(vectors: Any) -> Any:
    """Give the CSR array with the features of every row rising and none twice; the argument is left alone."""
    if vectors.has_canonical_format:
        return vectors
    vectors = vectors.copy()
    vectors.sum_duplicates()
    return vectors
