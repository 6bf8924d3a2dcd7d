"""Repairs of a dense space: centring, directions taken out, whitening, a linear map onto another variety. Pure.

Vectors of one encoder leave room that mining wants filled: those of a variety share a mean that has nothing to do with
what is said; a few directions hold most of the variance; and a variety that the model knows little lies beside its
standard language, not on it. The repairs, in this order, of a row vector x of variety v:

    x <- x - mean(v)                         `centre`: per variety; without it, but with what follows: the mean of all
    x <- x - x D D'                          `remove_directions`: D the directions of the largest variance
    x <- x E L^(-1/2) E'                     `whiten`: E L E' the covariance of what is left (ZCA)
    x <- x W(v)                              `maps`: W fitted on seed pairs
    x <- x / |x|

D, E and L are of the pooled covariance of all vectors about the means that are subtracted. W is orthogonal, the solution of
the Procrustes problem: min |X W - Y|, W = U V' with U S V' = X'Y; or ridge: W = (X'X + r n/d I)^-1 X'Y, where X and Y are
the repaired vectors of n pairs.

References: Mu & Viswanath, "All-but-the-Top", ICLR 2018; Schönemann, "A generalized solution of the orthogonal Procrustes
problem", Psychometrika 1966; Xing et al., NAACL 2015 (maps between unit vectors).

**Sums are exact**, so their order does not matter: vectors are counted in units of 2^-16, and sums of products of integers
below 2^53 are exact in float64, in whatever order a matrix product takes them. What is fitted from them is computed once a
run, in float64; so are the repaired vectors, before they are rounded to float16.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.identity import content_digest
from transforms.common.models import local_model
from transforms.embed.settings import MapSettings, SpaceSettings

FEWEST_PAIRS = 10
_UNIT = float(2**16)
_CHUNK_ROWS = 4_096
_LEAST_VARIANCE = 1e-6
"""Share of the largest variance below which a direction is not blown up by whitening."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Exact sums over vectors.

    Attributes:
        rows: vectors of each variety that are not zero.
        sums: (d,) int64 each, in units of 2^-16.
        products: (d, d) int64, of all varieties, in units of 2^-32; empty where nobody asks for it.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    products: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Space:
    """A fitted repair.

    Attributes:
        means: (d,) float64 by variety.
        turn: (d, d) float64, what comes after the means; None: nothing.
        maps: (d, d) float64 by variety.
    """

    means: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    turn: NDArray[np.float64] | None = None
    maps: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def name_of(self, encoder: str) -> str:
        """Give the name of the vectors of an encoder after this repair."""
        parts = [encoder.encode()]
        for kind, arrays in (("mean", self.means), ("map", self.maps)):
            parts += [part for tag in sorted(arrays) for part in (f"{kind} {tag}".encode(), arrays[tag].tobytes())]
        if self.turn is not None:
            parts.append(self.turn.tobytes())
        return f"{encoder.partition(':')[0]}:{content_digest(b' '.join(parts))}"


def moments_of(vectors: NDArray[np.floating], variety: str, settings: SpaceSettings) -> Moments:
    """Add up the vectors of one variety.

    Args:
        vectors: (n, d), rows of length 1 or 0, at most 2^20 of them.
        variety: BCP 47 tag.
        settings: what will be fitted.
    """
    dimension = vectors.shape[1]
    sums = np.zeros(dimension, dtype=np.int64)
    products = np.zeros((dimension, dimension) if settings.turns else (0, 0), dtype=np.float64)
    rows = 0
    for begin in range(0, len(vectors), _CHUNK_ROWS):
        counted = np.rint(np.asarray(vectors[begin : begin + _CHUNK_ROWS], dtype=np.float64) * _UNIT)
        rows += int(counted.any(axis=1).sum())
        sums += counted.sum(axis=0).astype(np.int64)
        if settings.turns:
            products += counted.T @ counted
    return Moments({variety: rows}, {variety: sums}, products.astype(np.int64))


def add_moments(parts: Iterable[Moments]) -> Moments:
    """Add sums up. Any order of the parts gives the same bits."""
    rows: dict[str, int] = {}
    sums: dict[str, NDArray[np.int64]] = {}
    products = np.zeros((0, 0), dtype=np.int64)
    for part in parts:
        for variety, count in part.rows.items():
            rows[variety] = rows.get(variety, 0) + count
            sums[variety] = sums[variety] + part.sums[variety] if variety in sums else part.sums[variety]
        if part.products.size:
            products = products + part.products if products.size else part.products
    return Moments(rows, sums, products)


def fit_turn(moments: Moments, settings: SpaceSettings) -> Space:
    """Fit means, directions and whitening: a space without maps yet."""
    varieties = [variety for variety in sorted(moments.rows) if moments.rows[variety]]
    if not varieties or not (settings.centre or settings.turns):
        return Space()
    sums = {variety: moments.sums[variety].astype(np.float64) / _UNIT for variety in varieties}
    rows = sum(moments.rows[variety] for variety in varieties)
    if settings.centre:
        means = {variety: sums[variety] / moments.rows[variety] for variety in varieties}
    else:
        overall = sum((sums[variety] for variety in varieties), np.zeros_like(sums[varieties[0]])) / rows
        means = dict.fromkeys(varieties, overall)
    if not settings.turns:
        return Space(means)
    covariance = moments.products.astype(np.float64) / _UNIT**2
    for variety in varieties:
        mean, count = means[variety], moments.rows[variety]
        crossed = np.outer(sums[variety], mean)
        covariance += count * np.outer(mean, mean) - crossed - crossed.T
    variances, directions = np.linalg.eigh(covariance / rows)
    dimension = len(variances)
    if settings.remove_directions >= dimension:
        raise SettingsError(
            f"{settings.remove_directions} directions cannot be removed from vectors of {dimension} values",
            path="$.embed.space.remove_directions",
            cure="A few are meant, such as 1 to 8.",
        )
    kept = dimension - settings.remove_directions
    scales = np.zeros(dimension)
    if settings.whiten:
        floor = max(float(variances[kept - 1]) * _LEAST_VARIANCE, np.finfo(np.float64).tiny)
        scales[:kept] = 1 / np.sqrt(np.maximum(variances[:kept], floor))
        scales /= scales[:kept].min()
    else:
        scales[:kept] = 1
    return Space(means, (directions * scales) @ directions.T)


def repaired(vectors: NDArray[np.floating], variety: str, space: Space) -> NDArray[np.float64]:
    """Repair vectors of a variety: (n, d) float64, rows of length 1. A row of zeros stays one."""
    made: NDArray[np.float64] = np.asarray(vectors, dtype=np.float64)
    empty = ~made.any(axis=1)
    if variety in space.means:
        made = made - space.means[variety]
    if space.turn is not None:
        made = made @ space.turn
    if variety in space.maps:
        made = made @ space.maps[variety]
    lengths = np.sqrt(np.einsum("ij,ij->i", made, made))
    lengths[lengths == 0] = 1
    made = made / lengths[:, None]
    made[empty] = 0
    return made


def fit_map(source: NDArray[np.float64], target: NDArray[np.float64], settings: MapSettings) -> NDArray[np.float64]:
    """Fit the map of a source onto a target: (d, d), applied as `x @ map`.

    Args:
        source, target: (n, d) repaired vectors of pairs.
        settings: which map.
    """
    crossed = source.T @ target
    if settings.method == "orthogonal":
        left, _, right = np.linalg.svd(crossed)
        return np.asarray(left @ right)
    rows, dimension = source.shape
    own = source.T @ source
    own[np.diag_indices(dimension)] += settings.ridge * rows / dimension
    return np.asarray(np.linalg.solve(own, crossed))


def with_maps(space: Space, fitted: Mapping[str, NDArray[np.float64]]) -> Space:
    """Give the space with the maps of single varieties."""
    return Space(space.means, space.turn, dict(fitted))


def read_seed_pairs(path: str, where: str) -> tuple[list[str], list[str]]:
    """Read seed pairs: lines of source TAB target; further columns, and lines with an empty side, are left out.

    Args:
        path: of the file, or address on a store.
        where: path of its setting.

    Raises:
        SettingsError: no such file, no UTF-8, a line with one column, or too few pairs.
    """
    try:
        text = Path(local_model(path, setting=where)).expanduser().read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SettingsError(
            f"there is no file {path!r}", path=where, cure="Give a TSV of source TAB target."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path!r} is no UTF-8: {error}", path=where) from error
    sides: tuple[list[str], list[str]] = ([], [])
    for number, row in enumerate(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
        if not row:
            continue
        if len(row) < 2:
            raise SettingsError(f"{path!r}, line {number}: expected source TAB target, got {row[0][:80]!r}", path=where)
        if row[0].strip() and row[1].strip():
            sides[0].append(row[0].strip())
            sides[1].append(row[1].strip())
    if len(sides[0]) < FEWEST_PAIRS:
        raise SettingsError(
            f"{path!r} has {len(sides[0])} pairs, too few to fit a map on",
            path=where,
            cure=f"Give {FEWEST_PAIRS} at least; some hundreds are better.",
        )
    return sides


def check_space(settings: SpaceSettings, varieties: Sequence[str]) -> None:
    """Check what a launch can know: the seed pairs can be read, and their varieties are embedded.

    Raises:
        SettingsError: they cannot, or are not; a variety is mapped twice, or onto one that is mapped itself.
    """
    mapped = [each.source for each in settings.maps]
    for i, each in enumerate(settings.maps):
        where = f"$.embed.space.maps[{i}]"
        for name in ("source", "target"):
            if getattr(each, name) not in varieties:
                raise SettingsError(
                    f"{getattr(each, name)!r} is none of the varieties that are embedded ({', '.join(varieties)})",
                    path=f"{where}.{name}",
                )
        if mapped.count(each.source) > 1 or each.target in mapped:
            raise SettingsError(
                f"{each.source!r} is mapped onto {each.target!r}, and one of them is mapped again",
                path=where,
                cure="Map each variety once, onto one that stays where it is.",
            )
        read_seed_pairs(each.pairs, f"{where}.pairs")
