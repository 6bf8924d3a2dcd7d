"""The second pass of dense vectors: sure pairs teach a linear map of the source onto the target, and the miner looks again.

From the sure pairs of the first pass, x of the source and y of the target, the map is fitted that takes x nearest to y
and strays least from leaving it where it is (a ridge whose centre is the identity, so few pairs move little):

    W = (X'X + r I)^-1 (X'Y + r I).

A source vector becomes z = (1 - l) x + l x W, of length 1; the target stays. A pair must not confirm itself, so there are
`FOLDS` maps, and a source meets the one that was fitted on the pairs of others, as in `lexicon`. How far to go, l, is
chosen by pairs that their map has not seen: how clearly their margins stand above those of the pairs that they would make
without each other. Where no l makes that clearer than no map does, there is no second pass.

Sums are those of whole numbers (vectors in units of 2^-16, maps of 2^-20), which float64 holds exactly in any order: the
same bits for any cut into blocks.
"""

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.mine.lexicon import FOLDS

RIDGE = 1.0
"""Strength of the identity, in units of the mean variance of a value."""
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Values of l that are tried."""
LEAST_GAIN = 1.02
"""A map is used where pairs that it has not seen stand out so many times as clearly."""
JUDGED = 2000
"""Most pairs that choose l."""
_NEAR = 4
_UNIT, _MAP_UNIT = 2.0**16, 2.0**20
_CHUNK_ROWS = 8192

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mapped:
    """What the sure pairs taught.

    Attributes:
        share: l.
        maps: (FOLDS, d, d) float64, multiples of 2^-20: fitted without the pairs of each fold; applied as `x @ map`.
    """

    share: float
    maps: Values

    def fuse(self, vectors: NDArray[np.float32], texts: Sequence[str], *, is_source: bool) -> NDArray[np.float32]:
        """Give the vectors of the second pass: (n, d) float32, rows of length 1 or 0.

        Args:
            vectors: (n, d) those of the first.
            texts: of the rows.
            is_source: which side they are; the target's stay.
        """
        if not is_source:
            return vectors
        return _moved(vectors, _folds(texts), self.maps, self.share).astype(np.float32)

    def to_bytes(self) -> bytes:
        """Make the bytes of a file."""
        sink = io.BytesIO()
        np.savez(sink, share=np.array(self.share), maps=self.maps)
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Mapped":
        """Read them again."""
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return cls(float(found["share"]), found["maps"])


def teach_map(
    source_vectors: NDArray[np.float32], target_vectors: NDArray[np.float32], source_texts: Sequence[str]
) -> Mapped | None:
    """Learn from sure pairs, row by row; None where a map makes nothing clearer.

    Args:
        source_vectors, target_vectors: (p, d) rows of length 1, in an order that follows from their content.
        source_texts: of the rows.
    """
    parts = _folds(source_texts)
    if len(np.unique(parts)) < FOLDS:
        return None
    maps = _fit(source_vectors, target_vectors, parts)
    judged = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), JUDGED)).round().astype(np.int64))
    sources, targets = source_vectors[judged], target_vectors[judged]
    before = clearness(sources.astype(np.float64), targets)
    told = [clearness(_moved(sources, parts[judged], maps, share), targets) for share in SHARES]
    best = int(np.argmax(told))
    return Mapped(SHARES[best], maps) if told[best] >= max(LEAST_GAIN * before, 0.0) else None


def clearness(sources: Values, targets: NDArray[np.float32]) -> float:
    """Say how far the margins of pairs stand above those that their sentences make without each other.

    Args:
        sources, targets: (p, d) of the pairs, rows of length 1.

    Returns:
        The distance of the two means, in mean standard deviations (d'); rounded, so that the last bits of a product
        decide nothing.
    """
    if len(sources) <= _NEAR:
        return 0.0
    cosines = sources @ targets.astype(np.float64).T
    own = cosines.diagonal().copy()
    np.fill_diagonal(cosines, -np.inf)
    near = [-np.partition(-cosines, _NEAR - 1, axis=axis) for axis in (1, 0)]
    means = np.stack([near[0][:, :_NEAR].mean(axis=1), near[1][:_NEAR].mean(axis=0)]).mean(axis=0)
    # The margin as a difference: means of unrelated dense vectors may lie around 0.
    right, wrong = own - means, np.maximum(cosines.max(axis=1), cosines.max(axis=0)) - means
    spread = np.sqrt((right.var() + wrong.var()) / 2)
    return round(float((right.mean() - wrong.mean()) / max(spread, 1e-9)), 4)


def _folds(texts: Sequence[str]) -> NDArray[np.int64]:
    return np.fromiter((zlib.crc32(text.encode("utf-8", "surrogatepass")) % FOLDS for text in texts), np.int64)


def _fit(sources: NDArray[np.float32], targets: NDArray[np.float32], parts: NDArray[np.int64]) -> Values:
    """Fit the maps without each fold: (FOLDS, d, d)."""
    dimension = sources.shape[1]
    own, crossed = (np.zeros((FOLDS, dimension, dimension)) for _ in range(2))
    counts = np.bincount(parts, minlength=FOLDS)
    for fold in range(FOLDS):
        rows = np.flatnonzero(parts == fold)
        for begin in range(0, len(rows), _CHUNK_ROWS):
            x, y = (_counted(side[rows[begin : begin + _CHUNK_ROWS]]) for side in (sources, targets))
            own[fold] += x.T @ x
            crossed[fold] += x.T @ y
    maps = np.empty_like(own)
    identity = np.eye(dimension)
    for fold in range(FOLDS):
        strength = RIDGE * max(int(counts.sum() - counts[fold]), 1) / dimension * _UNIT**2
        left = own.sum(axis=0) - own[fold] + strength * identity
        right = crossed.sum(axis=0) - crossed[fold] + strength * identity
        maps[fold] = np.rint(np.linalg.solve(left, right) * _MAP_UNIT) / _MAP_UNIT
    return maps


def _counted(vectors: NDArray[np.float32]) -> Values:
    counted: Values = np.rint(vectors.astype(np.float64) * _UNIT)
    return counted


def _moved(vectors: NDArray[np.float32], parts: NDArray[np.int64], maps: Values, share: float) -> Values:
    """Map every row by the map of its fold, some of the way; rows of length 1 again, and of zeros as they were."""
    moved = vectors.astype(np.float64)
    for fold in range(FOLDS):
        rows = np.flatnonzero(parts == fold)
        for begin in range(0, len(rows), _CHUNK_ROWS):
            some = rows[begin : begin + _CHUNK_ROWS]
            products = (_counted(vectors[some]) @ (maps[fold] * _MAP_UNIT)) / (_UNIT * _MAP_UNIT)
            moved[some] = (1 - share) * moved[some] + share * products
    lengths = np.sqrt((moved * moved).sum(axis=1, keepdims=True))
    made: Values = moved / np.where(lengths == 0, 1, lengths)
    return made
