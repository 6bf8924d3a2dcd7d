"""Search sparse vectors exactly, most pairs of them by a bound alone.

The cosine of two sparse vectors is cheap on rare features, whose postings are short, and dear on frequent ones: of
character n-grams the 512 most frequent cause nine tenths of all additions and hold a fifth of the squared length.
So only rare features are added up; the part of the frequent ones is bounded. With an orthonormal basis of which p
and q are the coordinates of the two parts, and r and s the lengths of what the basis leaves of them,

    part = p q + (rest of one)(rest of the other) <= p q + r s    (Cauchy and Schwarz),

which for all pairs of a tile is one small dense product of (p, r) and (q, s). It comes in two steps: 63 coordinates
for all pairs, 128 more for those whose bound reaches the k-th best. What then still does is computed
exactly, in the order of features, so results have the bits of a plain sum, whatever the basis is.

A bound is of use only against a good k-th best. So first each vector's likely neighbours are sought by the rarest
features alone (one addition in a hundred), and the k-th best of their exact cosines is a floor from the start.

Cost: on 40,000 x 40,000 sentences of 290 features (PILAR, Aranese and Catalan) 5 additions and 128 multiply-adds
of a dense product a pair instead of 52 additions with scattered writes; one pair in 250 gets the fine bound, one in
1,400 an exact cosine. Memory: copies of the rare features (some 60 % of the vectors), 1 KB a vector for coordinates.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from transforms.mine.kernels import raise_floors, scan_bounds, scan_sparse

FREQUENT = 512
"""Features that are bounded instead of added up."""
COARSE, FINE = 63, 191
"""Coordinates of the coarse bound and of the fine one."""
LIKELY = 0.01
"""Share of the additions with which likely neighbours are sought."""
_SAMPLE = 2048
_TILE_SOURCES = 64
_CHUNK = 8192

Csr = Any


def search_screened(
    sources: Csr,
    targets: Csr,
    found: tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]],
    floors: tuple[NDArray[np.float32], NDArray[np.float32]],
    tile_targets: int,
) -> None:
    """Find the nearest neighbours both ways.

    Args:
        sources: (n, dimension) CSR array, float32, not negative, features rising within a row.
        targets: (m, dimension), likewise.
        found: indices and cosines of the sources' neighbours, then of the targets', all missing; written.
        floors: (n,) and (m,) not negative; neighbours with a lower cosine may be left out.
        tile_targets: targets that are looked at together.
    """
    k = found[0].shape[1]
    dimension = sources.shape[1]
    work = np.bincount(sources.indices, minlength=dimension) * np.bincount(targets.indices, minlength=dimension)
    order = np.argsort(-work, kind="stable")
    frequent = order[:FREQUENT]
    rarest = order[np.searchsorted(np.cumsum(work[order]), (1 - LIKELY) * work.sum()) :]
    source_floors, target_floors = (
        np.maximum(own, likely)
        for own, likely in zip(floors, _likely_floors(sources, targets, rarest, k, tile_targets), strict=True)
    )
    parts = [_columns(side, frequent) for side in (sources, targets)]
    basis = _basis(parts)
    (source_coarse, source_fine), (target_coarse, target_fine) = (
        _coordinates(part, basis, sign) for part, sign in zip(parts, (-1.0, 1.0), strict=True)
    )
    is_rare = np.ones(dimension, dtype=bool)
    is_rare[frequent] = False
    rare_sources, rare_targets = (_only(side, is_rare) for side in (sources, targets))
    slack = np.float32(_rounding_error(sources, targets))
    spread = np.zeros(dimension, dtype=np.float32)
    tile = np.empty(_TILE_SOURCES * min(tile_targets, targets.shape[0]), dtype=np.float32)
    whole_sources, whole_targets, rare = _arrays(sources), _arrays(targets), _arrays(rare_sources)
    for target_start in range(0, targets.shape[0], tile_targets):
        postings = _arrays(rare_targets[target_start : target_start + tile_targets].tocsc())
        coarse = np.ascontiguousarray(target_coarse[target_start : target_start + tile_targets].T)
        for source_start in range(0, sources.shape[0], _TILE_SOURCES):
            own = source_coarse[source_start : source_start + _TILE_SOURCES]
            bounds = tile[: len(own) * coarse.shape[1]].reshape(len(own), coarse.shape[1])
            np.matmul(own, coarse, out=bounds)
            scan_bounds(
                bounds, source_start, target_start, *whole_sources, *whole_targets, *rare, *postings,
                source_fine, target_fine, slack, source_floors, target_floors, spread, *found,
            )  # fmt: skip


def _likely_floors(
    sources: Csr, targets: Csr, rarest: NDArray[np.int64], k: int, tile_targets: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give a cosine for each vector that k others reach: those that share most of the rarest features."""
    wanted = np.zeros(sources.shape[1], dtype=bool)
    wanted[rarest] = True
    some_sources, some_targets = _only(sources, wanted), _only(targets, wanted)
    sides = (sources.shape[0], targets.shape[0])
    likely = [np.full((rows, 2 * k), -1, dtype=np.int64) for rows in sides]
    sums = [np.full((rows, 2 * k), -np.inf, dtype=np.float32) for rows in sides]
    for start in range(0, sides[1], tile_targets):
        part = some_targets[start : start + tile_targets].tocsc()
        scan_sparse(
            *_arrays(some_sources), *_arrays(part), part.shape[0], start, likely[0], sums[0], likely[1], sums[1]
        )
    floors = (np.zeros(sides[0], dtype=np.float32), np.zeros(sides[1], dtype=np.float32))
    for own, other, found, floor in (
        (sources, targets, likely[0], floors[0]),
        (targets, sources, likely[1], floors[1]),
    ):
        raise_floors(*_arrays(own), *_arrays(other), found, k, own.shape[1], floor)
    return floors


def _basis(parts: list[Csr]) -> NDArray[np.float64]:
    """Give the directions along which a sample of the frequent features' parts is longest: (features, FINE)."""
    sample = sparse.vstack([part[:: max(1, part.shape[0] // _SAMPLE)] for part in parts]).astype(np.float64)
    _, vectors = np.linalg.eigh((sample.T @ sample).toarray())
    return np.ascontiguousarray(vectors[:, ::-1][:, :FINE])


def _coordinates(part: Csr, basis: NDArray[np.float64], sign: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give what bounds are made of.

    Returns:
        (n, COARSE + 1): coordinates and the length of the rest, for the coarse bound; (n, FINE - COARSE + 2): the
        same rest with `sign`, further coordinates, and the rest's rest, whose product corrects the coarse bound.
    """
    coarse = np.empty((part.shape[0], min(COARSE, basis.shape[1]) + 1), dtype=np.float32)
    fine = np.empty((part.shape[0], basis.shape[1] - coarse.shape[1] + 3), dtype=np.float32)
    edge = coarse.shape[1] - 1
    for start in range(0, part.shape[0], _CHUNK):
        rows = part[start : start + _CHUNK].astype(np.float64)
        found = rows @ basis
        squares = np.asarray(rows.multiply(rows).sum(axis=1)).reshape(-1)
        coarse_rest, fine_rest = (
            np.sqrt(np.maximum(squares - np.einsum("ij,ij->i", found[:, :end], found[:, :end]), 0)) * (1 + 1e-6) + 1e-7
            for end in (edge, found.shape[1])
        )
        stop = start + len(found)
        coarse[start:stop, :edge], coarse[start:stop, edge] = found[:, :edge], coarse_rest
        fine[start:stop, 0], fine[start:stop, 1:-1], fine[start:stop, -1] = (
            sign * coarse_rest,
            found[:, edge:],
            fine_rest,
        )
    return coarse, fine


def _rounding_error(sources: Csr, targets: Csr) -> float:
    """Bound what bounds and cosines can be off in float32, twice over: terms * u * |x| |y| (Higham 2002, eq. 3.5)."""
    terms = 4 * max(int(np.diff(side.indptr).max(initial=0)) for side in (sources, targets)) + 8 * FINE
    longest = [float(np.sqrt(np.asarray(side.multiply(side).sum(axis=1)).max())) for side in (sources, targets)]
    return terms * 2.0**-23 * longest[0] * longest[1]


def _only(vectors: Csr, wanted: NDArray[np.bool_]) -> Csr:
    """Keep some features; their numbers stay."""
    kept = wanted[vectors.indices]
    starts = np.concatenate([[0], np.cumsum(kept)])[vectors.indptr]
    return sparse.csr_array((vectors.data[kept], vectors.indices[kept], starts), shape=vectors.shape)


def _columns(vectors: Csr, columns: NDArray[np.int64]) -> Csr:
    """Keep some features, numbered anew in the order given."""
    wanted = np.zeros(vectors.shape[1], dtype=bool)
    wanted[columns] = True
    kept = _only(vectors, wanted)
    number = np.zeros(vectors.shape[1], dtype=np.int32)
    number[columns] = np.arange(len(columns))
    return sparse.csr_array((kept.data, number[kept.indices], kept.indptr), shape=(vectors.shape[0], len(columns)))


def _arrays(vectors: Any) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    return vectors.indptr.astype(np.int64), vectors.indices.astype(np.int32, copy=False), vectors.data
