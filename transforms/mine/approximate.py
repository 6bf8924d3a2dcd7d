"""Search approximately what is too large to be searched exactly: candidates by an index, their cosines exactly.

Sparse vectors are their own index. Every vector walks the postings of its rarest features, as many as `BUDGET` allows, and
the `CANDIDATES` others that share most of them are looked at. Where the nearest of them stands out, so that there may be
a pair, it is looked at again with `WIDER` times both, for the margin wants the whole neighbourhood. A neighbour is missed where
it shares frequent features only, or where too many others share more of the rare ones. What one side missed the other may have
found: `neighbours.completed` gives it to both.

Dense vectors are gathered in cells around centroids (IVF: an inverted file). Every vector is compared with the vectors of
the `PROBES` cells whose centroids are nearest, screened and then exactly as in `neighbours`. A neighbour is missed where its cell
is not among them.

The cosines are computed as an exact search computes them, so a neighbour that is found has the same bits as there. What is
found follows from the vectors and the cut into chunks, which follows from the ids of all sentences; not from shards,
workers or order. Cells are found by matrix products: on a machine whose products round otherwise, a vector that lies
between two cells may go to the other one.

Cost: sparse, at most the budget's additions (of whole numbers, two bytes each) and the candidates' cosines for each
vector, however many others there are, and `WIDER` times as much for those that stand out, one in six of the growth benchmark's
million. Dense, the share `PROBES` / cells of an exact search, one for each direction, and the cells' centroids; a chunk has as many
cells as the root of its vectors. What is missed: `benchmarks/bench_approximate.py` measures
it, and `benchmarks/bench_mine.py --approximate`. Memory: the vectors that ask and one chunk of the others, and what has been found.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from transforms.mine.kernels import (
    POSTING_ROWS,
    choose_classes,
    enter_candidates,
    pack_postings,
    scan_cell,
    seek_candidates,
)
from transforms.mine.neighbours import (
    Neighbours,
    Vectors,
    check_sides,
    in_feature_order,
    no_neighbours,
    rounding_error,
)

BUDGET = 32_768
"""Additions that a sparse vector may cause."""
CANDIDATES = 96
"""Likely neighbours of a sparse vector whose cosines are computed."""
STANDS_OUT = 1.2
"""A sparse vector may have a partner where its nearest neighbour is so many times as near as those found on average."""
WIDER = 4
"""Then it is looked at again, with so many times the budget and the candidates."""
_FREQUENT = 4
"""Features whose postings are longer than so many budgets are not used at all."""

PROBES = 32
"""Cells of each chunk that a dense vector is compared with."""
_SAMPLE_ROWS = 32
"""Vectors of a cell, on average, that its centroid is found by."""
_TURNS = 6
"""Times that centroids are moved."""

Csr = Any
Load = Callable[[], Vectors]


def likely_neighbours(own: Vectors, chunks: Sequence[Load], k: int) -> Neighbours:
    """Find likely nearest neighbours of every vector of one side.

    Args:
        own: (n, dimension), unit rows, float32 array or CSR array.
        chunks: give the vectors of the other side, some at a time; called more than once.
        k: neighbours wanted.

    Returns:
        What `nearest_both_ways` gives for one side, with indices counted through the chunks; but a neighbour may be
        missing and a farther one stand in its place.

    Raises:
        ValueError: the sides do not fit each other, or a value is not finite.
    """
    if sparse.issparse(own):
        return _by_features(own, chunks, k)
    return _by_cells(own, chunks, k)


def _by_features(own: Csr, chunks: Sequence[Load], k: int) -> Neighbours:
    own = in_feature_order(own)
    lengths = np.zeros(own.shape[1], dtype=np.int64)
    for load in chunks:
        others = load()
        check_sides(own, others)
        lengths += np.bincount(others.indices, minlength=own.shape[1])
    found = _look(own, chunks, lengths, k, BUDGET, CANDIDATES)
    rows = np.flatnonzero(_stands_out(found))
    if len(rows):
        again = _look(own[rows], chunks, lengths, k, WIDER * BUDGET, WIDER * CANDIDATES)
        found.indices[rows], found.cosines[rows] = again
    return found


def _stands_out(found: Neighbours) -> NDArray[np.bool_]:
    """Say whose nearest neighbour is so much nearer than the others that it may be a partner."""
    cosines = np.maximum(found.cosines, 0)  # what is missing counts as 0
    stands_out: NDArray[np.bool_] = cosines[:, 0] >= STANDS_OUT * cosines.mean(axis=1, dtype=np.float64)
    return stands_out


def _look(
    own: Csr, chunks: Sequence[Load], lengths: NDArray[np.int64], k: int, budget: int, candidates: int
) -> Neighbours:
    """Find candidates and compute their cosines.

    Args:
        own, chunks, k: as in `likely_neighbours`.
        lengths: (dimension,) how many of the others have each feature.
        budget, candidates: of each row.
    """
    likely = _candidates(own, chunks, lengths, budget, candidates)
    # Numbered anew, frequent features first: what is often looked up lies together.
    places = np.empty(len(lengths), dtype=np.int32)
    places[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths), dtype=np.int32)
    starts, features, values = _arrays(own)
    spread = np.zeros(len(lengths), dtype=np.float32)
    found = no_neighbours(own.shape[0], k)
    offset = 0
    for load in chunks:
        other_starts, other_features, other_values = _arrays(in_feature_order(load()))
        enter_candidates(
            starts, places[features], values, other_starts, places[other_features], other_values, spread, offset, likely,
            *found,
        )  # fmt: skip
        offset += len(other_starts) - 1
    return found


def _candidates(
    own: Csr, chunks: Sequence[Load], lengths: NDArray[np.int64], budget: int, candidates: int
) -> NDArray[np.int64]:
    """Give the numbers of the rows that share most of each row's rarest features: (n, candidates), -1: none."""
    lengths = np.where(lengths > _FREQUENT * budget, 0, lengths)
    asking = _rarest(own, lengths, budget)
    likely = np.full((own.shape[0], candidates), -1, dtype=np.int64)
    feature_starts = np.empty(own.shape[1] + 1, dtype=np.int64)
    shared = np.zeros(POSTING_ROWS, dtype=np.uint16)
    offset = 0
    for load in chunks:
        others = load()
        rows = others.shape[0]
        arrays = _arrays(others)
        for first in range(0, rows, POSTING_ROWS):
            behind = min(first + POSTING_ROWS, rows)
            postings = np.empty(int(arrays[0][behind] - arrays[0][first]), dtype=np.uint32)
            pack_postings(*arrays, first, behind, lengths > 0, feature_starts, postings)
            seek_candidates(*asking, feature_starts, postings, offset + first, shared, likely)
        offset += rows
    nothing = likely < 0
    likely &= 0xFFFFFFFF  # keys become numbers where they are: there are a hundred for each row
    np.subtract(0xFFFFFFFF, likely, out=likely)
    likely[nothing] = -1
    return likely


def _rarest(
    own: Csr, lengths: NDArray[np.int64], budget: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Keep the features that each row may use: classes of about the same rarity, as many as the budget allows."""
    starts, features, values = _arrays(own)
    classes = np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.uint8)
    last_classes = np.empty(own.shape[0], dtype=np.uint8)
    choose_classes(starts, features, lengths, classes, budget, last_classes)
    kept = classes[features] <= np.repeat(last_classes, np.diff(starts))
    kept &= (lengths > 0)[features]
    counts = [np.count_nonzero(kept[begin:end]) for begin, end in pairwise(starts)]
    return np.concatenate([[0], np.cumsum(counts)]), features[kept], values[kept]


def _arrays(vectors: Any) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    return vectors.indptr.astype(np.int64), vectors.indices.astype(np.int32, copy=False), vectors.data


def _by_cells(own: NDArray[np.float32], chunks: Sequence[Load], k: int) -> Neighbours:
    found = no_neighbours(own.shape[0], k)
    offset = 0
    for load in chunks:
        others = load()
        check_sides(own, others)
        if len(own) and len(others):
            _search_cells(own, others, offset, found)
        offset += len(others)
    return found


def _search_cells(own: NDArray[np.float32], others: NDArray[np.float32], offset: int, found: Neighbours) -> None:
    """Compare every row with the nearest cells of one chunk; enter what is good enough."""
    centroids = find_centroids(others, max(1, round(len(others) ** 0.5)))
    cells = _nearest_cells(others, centroids, 1)[:, 0]
    probed = _nearest_cells(own, centroids, PROBES)
    asking = np.argsort(probed, axis=None, kind="stable")
    asking_cuts = np.searchsorted(probed.reshape(-1)[asking], np.arange(len(centroids) + 1))
    answering = np.argsort(cells, kind="stable")
    answering_cuts = np.searchsorted(cells[answering], np.arange(len(centroids) + 1))
    slack = np.float32(rounding_error(own, others))
    for cell in range(len(centroids)):
        rows = asking[asking_cuts[cell] : asking_cuts[cell + 1]] // probed.shape[1]
        there = answering[answering_cuts[cell] : answering_cuts[cell + 1]]
        if len(rows) and len(there):
            scan_cell(own[rows] @ others[there].T, own, others, rows, there, offset, slack, *found)


def find_centroids(vectors: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Find unit centroids by k-means on a sample, begun at rows that lie evenly: no chance is in it.

    Args:
        vectors: (n, dimension) unit rows, n at least `cells`.
        cells: how many centroids.

    Returns:
        (cells, dimension) unit rows.
    """
    sample = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), cells * _SAMPLE_ROWS)).astype(np.int64)]
    centroids = sample[np.linspace(0, len(sample) - 1, cells).astype(np.int64)]
    for _ in range(_TURNS):
        nearest = _nearest_cells(sample, centroids, 1)[:, 0]
        order = np.argsort(nearest, kind="stable")
        taken, cuts = np.unique(nearest[order], return_index=True)
        sums = np.add.reduceat(sample[order], cuts, axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centroids = centroids.copy()
        centroids[taken] = sums / np.where(lengths == 0, 1, lengths)  # a cell that is empty stays where it is
    return centroids


def _nearest_cells(vectors: NDArray[np.float32], centroids: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """Give the nearest cells of each vector, some rows at a time: (n, number)."""
    number = min(number, len(centroids))
    nearest = np.empty((len(vectors), number), dtype=np.int64)
    for start in range(0, len(vectors), _ROWS):
        products = vectors[start : start + _ROWS] @ centroids.T
        if number == 1:
            nearest[start : start + _ROWS, 0] = products.argmax(axis=1)
        else:
            nearest[start : start + _ROWS] = np.argpartition(-products, number - 1, axis=1)[:, :number]
    return nearest


_ROWS = 8192
