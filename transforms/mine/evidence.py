"""Align documents in order a second time, by what the first time taught: lengths, nearness and kinds of beads. Pure.

A first way through each document (`monotone`) has constants in it that fit no two languages alike: how tightly the
lengths of translations go together, how near they lie, how often sentences are joined or left out. The beads that it
found tell that, as in hunalign's and Moore's second passes (Varga et al. 2005; Moore 2002), and then what a bead is
worth follows as a logarithm of likelihoods, against the two runs having nothing to do with each other:

    cost(x, y) = -log P(kind) - log p(lengths | together) / p(lengths | chance) - log p(near | together) / p(near | chance)

Lengths: with m the mean of both (the target's by the ratio of the languages) and d their difference, d is normal with a
variance of so much a character where the runs belong together (Gale and Church 1993), and anything from -2m to
2m where they do not. Nearness (1 - cosine against what the runs lie from the other document on average): normal
around that of the found beads, against the fall of what lies nearer than the middle by chance, which is exponential.
Both are mixed with a little of chance, so that no single bead outweighs a whole document. What is learned begins with
usual values (`_USUAL`), which count as some beads, so that a document of a few sentences is not learned by heart.

Cost: that of the first way, a time a round; linear for long documents, within a band around the first way.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from transforms.mine.monotone import (
    BAND,
    EXACT_CELLS,
    LARGEST,
    Bead,
    Side,
    SpanVectors,
    Vectors,
    align_monotone,
    around,
    bead_sizes,
    cheapest_way,
    evenly,
    everything,
    product,
)

ROUNDS = 2
LENGTH_DOUBT, NEAR_DOUBT = 0.05, 0.002
"""Shares of chance that are mixed with what belongs together: lengths speak against a bead by no more than 1 to 20, nearness
by 1 to 500. Chosen on the development documents of benchmarks/bench_monotone.py, as is all else here that is no theory."""

_USUAL = {(1, 1): 0.8, (1, 2): 0.05, (2, 1): 0.05, (1, 0): 0.035, (0, 1): 0.035}
_USUAL_OTHER = 0.01
_KIND_BEADS = 20.0
_USUAL_VARIANCE, _LEAST_VARIANCE = 6.8, 0.3
_USUAL_NEAR, _USUAL_DEVIATION, _LEAST_DEVIATION = 0.5, 0.15, 0.02
_BEADS = 5.0
"""Found beads that the usual values of lengths and nearness count as."""
_USUAL_MIDDLE, _USUAL_FALL, _LEAST_FALL = 1.0, 0.06, 0.005
_CHANCE_PAIRS = 100.0
"""Pairs of runs that the usual values of chance count as: in a document of three sentences a third belongs together."""
_NORMAL_MEDIAN_OF_SQUARES = 0.4549
_NORMAL_DEVIATION_OF_MEDIAN = 1.4826

Values = NDArray[np.float64]
Size = tuple[int, int]


class Document(NamedTuple):
    """Two versions of a document.

    Attributes:
        source, target: give the vectors of runs of sentences.
        sizes: sentences of the source and of the target.
        lengths: of the sentences, in characters; None: they tell nothing.
    """

    source: SpanVectors
    target: SpanVectors
    sizes: Size
    lengths: tuple[Values, Values] | None = None


class Evidence(NamedTuple):
    """What beads look like.

    Attributes:
        kinds: logarithm of the probability of each size of bead.
        ratio: characters of the target for one of the source.
        variance: of the difference of lengths, a character.
        near, deviation: mean and standard deviation of the nearness of runs that belong together; 0 is the same.
        chance: of each size, the middle of nearness by chance, and how fast it falls off below.
    """

    kinds: Mapping[Size, float]
    ratio: float
    variance: float
    near: float
    deviation: float
    chance: Mapping[Size, tuple[float, float]]


def align_documents(
    documents: Sequence[Document],
    *,
    largest: int = LARGEST,
    rounds: int = ROUNDS,
    exact_cells: int = EXACT_CELLS,
    band: int = BAND,
) -> list[list[Bead]]:
    """Align the two sides of documents of one pair of varieties; they teach each other.

    Args:
        documents: in an order that follows from their content, for sums are taken in it.
        largest: most sentences of a bead, both sides together; 2: only one to one.
        rounds: times that is learned and aligned again; 0: only the first way.
        exact_cells, band: as in `align_monotone`.

    Returns:
        The beads of each document. Their cost is the nearness of their runs: about 0 for the same text, about 1 for
        unrelated ones; that of a sentence alone is 1.
    """
    beads = [
        align_monotone(
            document.source,
            document.target,
            document.sizes,
            lengths=document.lengths,
            largest=largest,
            exact_cells=exact_cells,
            band=band,
        )
        for document in documents
    ]
    views = [_View(document, largest) if min(document.sizes) > 0 else None for document in documents]
    for _ in range(rounds):
        known = [(view, way) for view, way in zip(views, beads, strict=True) if view is not None]
        if not known:
            break
        evidence = learn([view for view, _ in known], [way for _, way in known], bead_sizes(largest))
        beads = [
            way if view is None else view.align(evidence, way, exact_cells, band)
            for view, way in zip(views, beads, strict=True)
        ]
    return [way if view is None else view.with_nearness(way) for view, way in zip(views, beads, strict=True)]


class _View:
    """A document, with what of it is looked at more than once."""

    def __init__(self, document: Document, largest: int) -> None:
        n, m = document.sizes
        lengths = document.lengths or (None, None)
        self.sizes = document.sizes
        self.has_lengths = document.lengths is not None
        self.sides = (Side(document.source, n, lengths[0]), Side(document.target, m, lengths[1]))
        self.beads = [(a, b) for a, b in bead_sizes(largest) if a <= n and b <= m]
        self._samples = tuple(side.of(1)[evenly(side.sentences)] for side in self.sides)
        self._distances: tuple[dict[int, Values], dict[int, Values]] = ({}, {})

    def distances(self, place: int, length: int) -> Values:
        """Give how far the runs of a side lie from the other side's sentences on average."""
        if length not in self._distances[place]:
            self._distances[place][length] = self.sides[place].distances(length, self._samples[1 - place])
        return self._distances[place][length]

    def characters(self, place: int, length: int) -> Values:
        """Give the characters of every run, by first sentence; one for each sentence's end counts too."""
        return self.sides[place].characters(length) + length

    def nearness(self, size: Size, rows: slice | NDArray[np.int64], columns: slice | NDArray[np.int64]) -> Values:
        """Give the nearness of every run of one side to every run of the other."""
        a, b = size
        cosines = product(self.sides[0].of(a)[rows], self.sides[1].of(b)[columns]).astype(np.float64)
        return _near(cosines, self.distances(0, a)[rows][:, None], self.distances(1, b)[columns][None, :])

    def nearness_of(self, size: Size, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Values:
        """Give the nearness of pairs of runs."""
        a, b = size
        cosines = _row_by_row(self.sides[0].of(a)[rows], self.sides[1].of(b)[columns])
        return _near(cosines, self.distances(0, a)[rows], self.distances(1, b)[columns])

    def align(self, evidence: Evidence, way: Sequence[Bead], exact_cells: int, band: int) -> list[Bead]:
        """Find the likeliest way: anywhere in a small document, in a band around the way so far in a long one."""
        n, m = self.sizes
        if n * m <= exact_cells or min(n, m) < 2 * band:
            limits = everything(n, m)
        else:
            corners = [(0, 0), *((bead.source_end, bead.target_end) for bead in way)]
            limits = around(corners, n, m, band)

        def price(size: Size, rows: slice, columns: slice) -> Values:
            worth = _near_worth(evidence, size, self.nearness(size, rows, columns))
            if self.has_lengths:
                source, target = self.characters(0, size[0])[rows], self.characters(1, size[1])[columns]
                worth = worth + _length_worth(evidence, source[:, None], target[None, :])
            return -evidence.kinds[size] - worth

        alone = (np.full(n, -evidence.kinds[1, 0]), np.full(m, -evidence.kinds[0, 1]))
        return cheapest_way(self.beads, limits, self.sizes, price, alone)

    def with_nearness(self, way: Sequence[Bead]) -> list[Bead]:
        """Put the nearness of their runs in the place of the beads' costs."""
        made = list(way)
        for size, places in _by_size(way).items():
            if min(size) == 0:
                costs = np.ones(len(places))
            else:
                rows, columns = (np.array([way[place][part] for place in places], dtype=np.int64) for part in (0, 2))
                costs = self.nearness_of(size, rows, columns)
            for place, cost in zip(places, costs.tolist(), strict=True):
                made[place] = way[place]._replace(cost=cost)
        return made


def learn(views: Sequence[_View], ways: Sequence[Sequence[Bead]], sizes: Sequence[Size]) -> Evidence:
    """Learn from beads what beads look like; one pair of documents or more."""
    counts = {size: _KIND_BEADS * _USUAL.get(size, _USUAL_OTHER) for size in sizes}
    source, target, near = [], [], []
    for view, way in zip(views, ways, strict=True):
        for size, places in sorted(_by_size(way).items()):
            counts[size] = counts.get(size, 0.0) + len(places)
            if min(size) > 0:
                rows, columns = (np.array([way[place][part] for place in places], dtype=np.int64) for part in (0, 2))
                near.append(view.nearness_of(size, rows, columns))
                source.append(view.characters(0, size[0])[rows])
                target.append(view.characters(1, size[1])[columns])
    total = sum(counts.values())
    x, y, found = (np.concatenate([*values, np.zeros(0)]) for values in (source, target, near))
    ratio = float(y.sum() / x.sum()) if x.sum() > 0 and y.sum() > 0 else 1.0
    variance, middle, deviation = _USUAL_VARIANCE, _USUAL_NEAR, _USUAL_DEVIATION
    if len(found):
        differences = (x - y / ratio) ** 2 / ((x + y / ratio) / 2)
        variance = _mixed(float(np.median(differences)) / _NORMAL_MEDIAN_OF_SQUARES, variance, len(x))
        middle = _mixed(float(np.median(found)), middle, len(x))
        spread = _NORMAL_DEVIATION_OF_MEDIAN * float(np.median(abs(found - float(np.median(found)))))
        deviation = _mixed(spread, deviation, len(x))
    return Evidence(
        {size: math.log(count / total) for size, count in counts.items()},
        ratio,
        max(variance, _LEAST_VARIANCE),
        middle,
        max(deviation, _LEAST_DEVIATION),
        {size: _by_chance(views, size) for size in sizes if min(size) > 0},
    )


def _mixed(found: float, usual: float, beads: int) -> float:
    return (found * beads + usual * _BEADS) / (beads + _BEADS)


def _by_chance(views: Sequence[_View], size: Size) -> tuple[float, float]:
    """Give the middle of the nearness of runs taken at even steps, nearly all of them unrelated, and its fall below."""
    taken = [
        view.nearness(size, evenly(view.sizes[0] - size[0] + 1), evenly(view.sizes[1] - size[1] + 1)).reshape(-1)
        for view in views
        if size in view.beads
    ]
    if not taken:
        return _USUAL_MIDDLE, _USUAL_FALL  # no document is that long
    values = np.concatenate(taken)
    middle = float(np.median(values))
    below = values[values < middle]
    fall = float((middle - below).mean()) if len(below) else 0.0
    usual = _CHANCE_PAIRS / (_CHANCE_PAIRS + len(values))
    return middle + usual * (_USUAL_MIDDLE - middle), max(fall + usual * (_USUAL_FALL - fall), _LEAST_FALL)


def _by_size(way: Sequence[Bead]) -> dict[Size, list[int]]:
    found: dict[Size, list[int]] = {}
    for place, bead in enumerate(way):
        size = (bead.source_end - bead.source_start, bead.target_end - bead.target_start)
        found.setdefault(size, []).append(place)
    return found


def _length_worth(evidence: Evidence, source: Values, target: Values) -> Values:
    """Give the logarithm of how much likelier such lengths are together than by chance."""
    mean = (source + target / evidence.ratio) / 2
    variance = evidence.variance * mean
    squares = (source - target / evidence.ratio) ** 2
    likelier = 4 * mean * np.exp(-squares / (2 * variance)) / np.sqrt(2 * math.pi * variance)
    worth: Values = np.log((1 - LENGTH_DOUBT) * likelier + LENGTH_DOUBT)
    return worth


def _near_worth(evidence: Evidence, size: Size, near: Values) -> Values:
    """Give the logarithm of how much likelier such a nearness is together than by chance."""
    middle, fall = evidence.chance[size]
    together = -(((near - evidence.near) / evidence.deviation) ** 2) / 2 - math.log(
        evidence.deviation * math.sqrt(2 * math.pi)
    )
    by_chance = math.log(0.5 / fall) - abs(middle - near) / fall
    worth: Values = np.logaddexp(math.log(1 - NEAR_DOUBT) + together - by_chance, math.log(NEAR_DOUBT))
    return worth


def _near(cosines: Values, source: Values, target: Values) -> Values:
    found: Values = np.maximum(1 - cosines, 0.0) / np.maximum((source + target) / 2, 1e-6)
    return found


def _row_by_row(source: Vectors, target: Vectors) -> Values:
    if sparse.issparse(source):
        sums: Values = np.asarray(source.multiply(target).sum(axis=1), dtype=np.float64).reshape(-1)
        return sums
    cosines: Values = np.einsum("ij,ij->i", source, target).astype(np.float64)
    return cosines
