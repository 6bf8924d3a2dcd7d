"""Choose pairs from neighbourhoods: forward, backward, intersect, union, max.

The candidate of a sentence is the best by margin among its k neighbours (not the nearest). Whatever is
equal in margin is decided by the smaller index, so nothing depends on the order of arrival, and swapping the
sides gives the same pairs.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.mine.margin import margins, ratio_unit
from transforms.mine.neighbours import MISSING, BothWays, Neighbours
from transforms.mine.settings import MarginName, RetrievalName

FORWARD, BACKWARD, BOTH = 1, 2, 3
DIRECTIONS = ("", "forward", "backward", "both")
"""Name of each direction, by its number."""


class Pairs(NamedTuple):
    """Pairs of indices with their scores, ordered by source, then target; no pair twice.

    Attributes:
        source, target: (p,) int64.
        cosine: (p,) float32.
        margin: (p,) float64; what decides: the margin, with the prior of the documents added.
        prior: (p,) float64; the part of it that comes of the documents; 0 where they are not looked at.
        direction: (p,) int8; whose candidate the pair is: FORWARD (the source's), BACKWARD (the target's), BOTH.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    cosine: NDArray[np.float32]
    margin: NDArray[np.float64]
    prior: NDArray[np.float64]
    direction: NDArray[np.int8]

    def take(self, chosen: NDArray) -> "Pairs":
        """Give the pairs at these positions or under this mask."""
        return Pairs(*(column[chosen] for column in self))


class Candidates(NamedTuple):
    """The best partner of every sentence of one side.

    Attributes:
        partners: (n,) int64; MISSING where there is none.
        cosines: (n,) float32.
        margins: (n,) float64, with the prior added; minus infinity where there is none.
        priors: (n,) float64; 0 where there is none.
    """

    partners: NDArray[np.int64]
    cosines: NDArray[np.float32]
    margins: NDArray[np.float64]
    priors: NDArray[np.float64]


Prior = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
"""Gives what is known of pairs beside their vectors, in units of the ratio margin: (own indices, other indices)."""


def candidates(
    neighbours: Neighbours,
    own_means: NDArray[np.float64],
    other_means: NDArray[np.float64],
    margin: MarginName,
    prior: Prior | None = None,
) -> Candidates:
    """Choose the best neighbour by margin for every sentence of one side.

    Args:
        neighbours: (n, k), merged over all of the other side.
        own_means: (n,) mean cosines of this side.
        other_means: (m,) mean cosines of the other side, by index.
        margin: which margin.
        prior: what is added to the margin; nothing when not given.
    """
    rows, k = neighbours.indices.shape
    own = np.arange(rows, dtype=np.int64)
    best = Candidates(
        np.full(rows, MISSING, dtype=np.int64),
        np.zeros(rows, dtype=np.float32),
        np.full(rows, -np.inf, dtype=np.float64),
        np.zeros(rows, dtype=np.float64),
    )
    if len(other_means) == 0:
        return best
    for place in range(k):
        indices, cosines = neighbours.indices[:, place], neighbours.cosines[:, place]
        there = indices != MISSING
        others = np.where(there, indices, 0)
        found = margins(margin, np.where(there, cosines, 0), own_means, other_means[others])
        if prior is not None:
            added = prior(own, others) * ratio_unit(margin, own_means, other_means[others])
            found += added
        better = there & ((found > best.margins) | ((found == best.margins) & (indices < best.partners)))
        best.partners[better] = indices[better]
        best.cosines[better] = cosines[better]
        best.margins[better] = found[better]
        if prior is not None:
            best.priors[better] = added[better]
    return best


def ranks_of(pairs: Pairs, spaces: Sequence[BothWays]) -> NDArray[np.int16]:
    """Give each pair's places among its target's nearest sources, and among its source's nearest targets, from 1.

    Args:
        pairs: of two sides.
        spaces: their nearest neighbours, in one or several spaces; the best place in any counts.

    Returns:
        (p, 2) int16; 0 where a sentence is not among the other's neighbours.
    """
    ranks = np.zeros((len(pairs.margin), 2), dtype=np.int16)
    for side, (own, other) in enumerate(((pairs.target, pairs.source), (pairs.source, pairs.target))):
        for near in spaces:
            there = near[1 - side].indices[own] == other[:, None]
            found = np.where(there.any(axis=1), there.argmax(axis=1) + 1, 0)
            better = (found > 0) & ((ranks[:, side] == 0) | (found < ranks[:, side]))
            ranks[better, side] = found[better]
    return ranks


def retrieve(forward: Candidates, backward: Candidates, retrieval: RetrievalName) -> Pairs:
    """Choose pairs among the candidates of both sides.

    Args:
        forward: the best target of each source.
        backward: the best source of each target.
        retrieval: forward: every source with its candidate; backward: every target with its candidate;
            intersect: pairs that are each other's candidate; union: pairs that are either's; max: of these,
            the best by margin first, as long as neither sentence is taken (1-1).
    """
    every = _either(forward, backward)
    if retrieval == "forward":
        return every.take((every.direction & FORWARD) != 0)
    if retrieval == "backward":
        return every.take((every.direction & BACKWARD) != 0)
    if retrieval == "intersect":
        return every.take(every.direction == BOTH)
    if retrieval == "union":
        return every
    return every.take(greedy_one_to_one(every, len(forward.partners), len(backward.partners)))


def _either(forward: Candidates, backward: Candidates) -> Pairs:
    """Join the candidates of both sides; a pair that both propose comes once."""
    sources = np.flatnonzero(forward.partners != MISSING)
    targets = np.flatnonzero(backward.partners != MISSING)
    proposed = forward.partners[sources]
    mutual = backward.partners[proposed] == sources
    only = forward.partners[backward.partners[targets]] != targets
    lone = targets[only]
    every = Pairs(
        np.concatenate([sources, backward.partners[lone]]),
        np.concatenate([proposed, lone]),
        np.concatenate([forward.cosines[sources], backward.cosines[lone]]),
        np.concatenate([forward.margins[sources], backward.margins[lone]]),
        np.concatenate([forward.priors[sources], backward.priors[lone]]),
        np.concatenate([np.where(mutual, BOTH, FORWARD), np.full(len(lone), BACKWARD)]).astype(np.int8),
    )
    return every.take(np.lexsort((every.target, every.source)))


def greedy_one_to_one(pairs: Pairs, sources: int, targets: int) -> NDArray[np.int64]:
    """Accept pairs from the best margin down, as long as neither sentence is taken.

    Done as rounds: what is the best pair of both its sentences is accepted, and every pair that touches an
    accepted one goes; then again. The pairs are those of the greedy walk over the sorted list, because a
    pair that is best at both ends comes before all that it excludes; among equal margins the smaller target
    wins at a source and the smaller source at a target, which is the order (margin, source, target).

    Args:
        pairs: ordered by source, then target.
        sources: sentences of the source.
        targets: sentences of the target.

    Returns:
        (accepted,) positions in `pairs`, rising.
    """
    ranked = np.lexsort((pairs.target, pairs.source, -pairs.margin))
    rank = np.empty(len(ranked), dtype=np.int64)
    rank[ranked] = np.arange(len(ranked))
    left = np.arange(len(ranked))
    accepted = []
    source_best = np.full(sources, len(ranked), dtype=np.int64)
    target_best = np.full(targets, len(ranked), dtype=np.int64)
    while len(left):
        of_source, of_target = pairs.source[left], pairs.target[left]
        np.minimum.at(source_best, of_source, rank[left])
        np.minimum.at(target_best, of_target, rank[left])
        mutual = (source_best[of_source] == rank[left]) & (target_best[of_target] == rank[left])
        chosen = left[mutual]
        accepted.append(chosen)
        # An accepted sentence keeps rank -1: nothing else can be its best.
        source_best[pairs.source[chosen]] = -1
        target_best[pairs.target[chosen]] = -1
        left = left[(source_best[of_source] != -1) & (target_best[of_target] != -1)]
        source_best[pairs.source[left]] = len(ranked)
        target_best[pairs.target[left]] = len(ranked)
    return np.sort(np.concatenate(accepted)) if accepted else np.zeros(0, dtype=np.int64)


def candidates_both_ways(
    found: BothWays,
    source_means: NDArray[np.float64],
    target_means: NDArray[np.float64],
    margin: MarginName,
    prior: Prior | None = None,
) -> tuple[Candidates, Candidates]:
    """Choose the candidates of both sides. The prior takes sources first."""
    turned = None if prior is None else lambda targets, sources: prior(sources, targets)
    return (
        candidates(found.forward, source_means, target_means, margin, prior),
        candidates(found.backward, target_means, source_means, margin, turned),
    )
