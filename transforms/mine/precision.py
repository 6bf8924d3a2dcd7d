"""Tell how probable it is that a mined pair is right, from judged pairs or from no judgement at all.

Without judgements: pairs are a mixture of wrong and right ones. How wrong ones are spread can be seen twice. Take the
partner of a sentence away, and look which pair it makes with what is left, if any (all other sentences stay, so it is
the real crowd): that is what sentences without a partner do. And most pairs at the low end are such pairs themselves.
Above their middle the margins of wrong pairs, each the best of many, fall off like an exponential, a little slower
(a generalized Pareto distribution; Pickands 1975): it is fitted to both together. The margins of right pairs are taken
as normal. Expectation maximization (Dempster et al. 1977) finds how many there are of each, and with that the
probability of a pair. So it needs few right pairs: where they are rare, the many wrong ones tell all about themselves.

Right pairs are not always of one kind. So the probability is found once more without any shape for them: where wrong margins
are as fitted, u, the share of wrong ones that reach a margin, is spread evenly from 0 to 1 among them, and what stands above that, falling
with u (Grenander 1956), is right: the local false discovery rate (Efron et al. 2001; Strimmer 2008). It needs more pairs to be
sure, so it counts only where it finds clearly more than the normal curve does, and then each pair has the larger one.

A curve is monotone. On judged pairs it has no other shape imposed on it (pool adjacent violators; Ayer et al. 1955).
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from schemas.errors import SettingsError
from transforms.common import files
from transforms.common.models import local_model
from transforms.mine.margin import margins, ratio_unit
from transforms.mine.neighbours import MISSING, Neighbours
from transforms.mine.retrieval import BOTH, Candidates, Pairs, Prior
from transforms.mine.settings import MarginName

LEAST_SURE = 100
"""Fewest pairs whose partner is taken away; with fewer there is no curve."""
TAIL = 0.07
"""How much slower than an exponential the margins of wrong pairs fall off: the shape of the Pareto distribution. Chosen
on the dev part of OLDI Seed (five variety pairs, a half, a fifth and a twentieth with partner, both passes)."""
PLANTED_WEIGHT = 0.5
"""Of what a sentence pairs up with when its partner is gone: the pair has two sentences, and makes one pair."""
SPREAD, SPREAD_PAIRS = 2.2, 20.0
"""Right margins are spread by this many scales of the wrong ones, as if that many pairs had said so before."""
UNSEEN_WRONG = 2.0
"""Wrong pairs that are taken to stand above all margins, where right ones have no shape: a few of the best are no proof."""
MORE_RIGHT = 1.1
"""So many times as many right pairs must be found without a shape as with the normal one. Both chosen on dev, as `TAIL`."""
_LOW_END = 0.5
_START = 4.0
_ROUNDS = 100
_CLOSE = 1e-6
_STEP = 0.001


Values = NDArray[np.float64]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The probability that a pair is right, by its margin: a staircase.

    Attributes:
        margins: where each step begins, rising; below the first the probability is that of the first.
        probabilities: of each step, not falling.
        pairs: judged pairs, or mined ones, that it was fitted on.
        fitted_on: `judged` or `planted`.
    """

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]
    pairs: int
    fitted_on: str

    def __post_init__(self) -> None:
        if not self.margins or len(self.margins) != len(self.probabilities):
            raise ValueError("a curve has as many margins as probabilities, and at least one")
        for values in (self.margins, self.probabilities):
            if any(b < a for a, b in itertools.pairwise(values)) or not all(map(math.isfinite, values)):
                raise ValueError("the margins and the probabilities of a curve are finite and do not fall")
        if self.probabilities[0] < 0 or self.probabilities[-1] > 1:
            raise ValueError("probabilities are 0 to 1")

    def at(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Give the probability at every margin."""
        steps = np.searchsorted(np.array(self.margins), values, side="right") - 1
        found: NDArray[np.float64] = np.array(self.probabilities)[np.maximum(steps, 0)]
        return found

    def threshold(self, values: NDArray[np.float64], precision: float | None) -> float:
        """Give the smallest margin that keeps what is asked for.

        Args:
            values: margins of the pairs among which is chosen.
            precision: least share of right pairs among all that are kept; None: every kept pair is more likely right
                than wrong.

        Returns:
            The margin; infinity where nothing can be kept.
        """
        ranked = -np.sort(-values)
        told = self.at(ranked)
        reached = told >= 0.5 if precision is None else np.cumsum(told) / np.arange(1, len(told) + 1) >= precision
        # Equal margins are kept together.
        last = np.append(ranked[1:] != ranked[:-1], True) if len(ranked) else reached
        places = np.flatnonzero(reached & last)
        return float(ranked[places[-1]]) if len(places) else math.inf


class Side(NamedTuple):
    """What is known of the sentences of one side.

    Attributes:
        neighbours: (n, more than k), best first; one more than the margin's k, so that one can be taken away.
        means: (n,) mean cosines to the k nearest.
        candidates: the best partner of each.
        prior: what is added to margins, own index first; None for nothing.
    """

    neighbours: Neighbours
    means: NDArray[np.float64]
    candidates: Candidates
    prior: Prior | None


def planted_curve(pairs: Pairs, source: Side, target: Side, k: int, margin: MarginName) -> Curve | None:
    """Fit a curve without any judgement; None where fewer than `LEAST_SURE` pairs are each other's candidate.

    Args:
        pairs: what the retrieval gave, 1-1.
        source, target: the two sides.
        k: neighbours of the mean.
        margin: which margin.
    """
    if np.count_nonzero(pairs.direction == BOTH) < LEAST_SURE:
        return None
    taken = [np.full(len(side.means), -np.inf) for side in (source, target)]
    np.maximum.at(taken[0], pairs.source, pairs.margin)
    np.maximum.at(taken[1], pairs.target, pairs.margin)
    planted = (
        _without_partner(source, target, pairs.source, pairs.target, taken[1], k, margin),
        _without_partner(target, source, pairs.target, pairs.source, taken[0], k, margin),
    )
    return mixture_curve(pairs.margin, planted)


def mixture_curve(values: Values, planted: Sequence[Values]) -> Curve | None:
    """Fit a curve on the margins of right and wrong pairs together; None where nothing tells them apart.

    Args:
        values: (p,) margin of each pair, one or more.
        planted: (p,) each: margin of a pair that one of the two sentences makes without the other; minus infinity for
            none. It tells as much as the pair is likely to be right.
    """
    order = np.argsort(values, kind="stable")
    found = [_maximized(values, planted, posterior) for posterior in (_posterior, _shapeless)]
    normal, shapeless = found
    if normal is None:
        return None
    right = normal
    if shapeless is not None:
        # Chance makes slopes too, but slight ones.
        shapeless[shapeless < 0.5] = 0
        if shapeless.sum() > MORE_RIGHT * normal.sum():
            right = np.maximum(normal, shapeless)
    return _staircase(values[order], right[order])


Posterior = Callable[[Values, Values, float, float], Values]


def _maximized(values: Values, planted: Sequence[Values], posterior: Posterior) -> Values | None:
    """Find how probable it is that each pair is right, and how wrong ones are spread, by turns; None: nothing to tell by."""
    order = np.argsort(values, kind="stable")
    sorted_values = values[order]
    every = np.concatenate([values, *planted])
    owners = np.tile(np.arange(len(values)), 1 + len(planted))
    there = np.isfinite(every)
    every, owners, is_planted = every[there], owners[there], (np.arange(len(there)) >= len(values))[there]
    ranked = np.argsort(every, kind="stable")
    every, owners, is_planted = every[ranked], owners[ranked], is_planted[ranked]
    known = every[is_planted]
    if len(known) == 0:
        return None
    middle = float(known[len(known) // 2])
    scale = float((known[known > middle] - middle).mean()) if (known > middle).any() else 0.0
    if scale <= 0:
        return None
    right = (values > middle + _START * scale).astype(np.float64)
    for _ in range(_ROUNDS):
        # As right as a pair is, its sentences without each other tell of wrong pairs; else it is one itself.
        weights = np.where(is_planted, PLANTED_WEIGHT * right[owners], 1 - right[owners])
        told = np.cumsum(weights)
        middle = float(every[np.searchsorted(told, told[-1] / 2)])
        above = every > middle
        total = float(weights[above].sum())
        scale = (1 - TAIL) * float((weights[above] * (every[above] - middle)).sum()) / total if total > 0 else 0.0
        if scale <= 0:
            return None
        found = posterior(sorted_values, right[order], middle, scale)
        again = np.empty(len(values))
        again[order] = found
        change = float(np.abs(again - right).max())
        right = again
        if change < _CLOSE:
            break
    return right


def _posterior(values: Values, right: Values, middle: float, scale: float) -> Values:
    """Give how probable it is that each pair is right, not falling; below the middle of wrong pairs none is.

    Args:
        values: margins, rising.
        right: how probable it was so far.
        middle, scale: of the wrong ones.
    """
    found = np.zeros(len(values))
    first = int(np.searchsorted(values, middle, side="right"))
    above, weights = values[first:], right[first:]
    number = float(weights.sum())
    if number <= 0:
        return found
    mean = float((weights * above).sum()) / number
    squares = float((weights * (above - mean) ** 2).sum()) + SPREAD_PAIRS * (SPREAD * scale) ** 2
    spread = math.sqrt(squares / (number + SPREAD_PAIRS))
    of_right = number * np.exp(-(((above - mean) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    of_wrong = (len(above) - number) / scale * (1 + TAIL * (above - middle) / scale) ** (-1 / TAIL - 1)
    # Beyond the mean of right pairs the normal curve falls faster than wrong pairs do: that is no evidence.
    found[first:] = np.maximum.accumulate(of_right / np.maximum(of_right + of_wrong, 1e-300))
    return found


def _shapeless(values: Values, right: Values, middle: float, scale: float) -> Values:
    """Do what `_posterior` does without a shape for right pairs; how probable they were so far tells by the wrong ones alone."""
    del right
    found = np.zeros(len(values))
    first = int(np.searchsorted(values, middle, side="right"))
    above = values[first:]
    if len(above) == 0:
        return found
    shares = (1 + TAIL * (above - middle) / scale) ** (-1 / TAIL)
    wrong = min(float(len(above)), (np.count_nonzero(shares > _LOW_END) + 1) / (1 - _LOW_END))
    # Pairs for a unit of u, not falling with the margin: the slopes of the least concave majorant of their counts.
    gaps = shares - np.append(shares[1:], -UNSEEN_WRONG / wrong)
    starts, slopes = _pooled(np.ones(len(gaps)), gaps)
    density = slopes[np.searchsorted(starts, np.arange(len(gaps)), side="right") - 1]
    found[first:] = np.clip(1 - wrong / np.maximum(density, 1e-300), 0, 1)
    return found


def _staircase(values: Values, right: Values) -> Curve:
    """Make a curve of steps of `_STEP`, rounded so that the last bits of a machine's logarithm decide nothing."""
    levels = np.floor(np.round(right, 9) / _STEP)
    firsts = np.flatnonzero(np.concatenate([[True], levels[1:] > levels[:-1]]))
    return Curve(
        margins=tuple(values[firsts].tolist()),
        probabilities=tuple(np.round(right[firsts], 6).tolist()),
        pairs=len(values),
        fitted_on="planted",
    )


def judged_curve(values: Sequence[float], right: Sequence[bool]) -> Curve:
    """Fit a curve on judged pairs.

    Args:
        values: margin (or any score of which more is better) of each pair.
        right: what the judge said of each.

    Raises:
        ValueError: no pairs, a score that is no number, or pairs that are all right or all wrong.
    """
    scores, judged = np.asarray(values, dtype=np.float64), np.asarray(right, dtype=bool)
    if len(scores) == 0 or len(scores) != len(judged) or not np.isfinite(scores).all():
        raise ValueError("expected one finite score and one judgement a pair, and at least one pair")
    if judged.all() or not judged.any():
        raise ValueError(
            f"all {len(judged)} pairs are judged {'right' if judged.all() else 'wrong'}: no curve can be fitted"
        )
    order = np.lexsort((judged, scores))
    firsts, means = _rising(scores[order], judged[order].astype(np.float64), np.ones(len(order)))
    return Curve(
        margins=tuple(firsts.tolist()), probabilities=tuple(means.tolist()), pairs=len(order), fitted_on="judged"
    )


def read_curve(path: str) -> Curve:
    """Read a curve from a file that `isogloss calibrate` wrote.

    Raises:
        SettingsError: there is no such file, or it holds no curve.
    """
    try:
        return msgspec.json.decode(files.read_bytes(local_model(path, setting="$.mine.calibration")), type=Curve)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(
            f"{path!r} holds no curve of probabilities: {error}",
            path="$.mine.calibration",
            cure="Make one with `isogloss calibrate judged.tsv -o curve.json`.",
        ) from error


def _without_partner(
    own: Side, other: Side, rows: NDArray[np.int64], partners: NDArray[np.int64], taken: NDArray[np.float64],
    k: int, margin: MarginName,
) -> NDArray[np.float64]:  # fmt: skip
    """Give the margin of the pair that each sentence makes when its partner is not there; minus infinity for none.

    Args:
        own, other: the sides.
        rows, partners: the sentences and whom each loses.
        taken: (other side,) margin of the pair that each has been taken for.
    """
    indices, cosines = own.neighbours.indices[rows], own.neighbours.cosines[rows]
    gone = (indices == partners[:, None]) | (indices == MISSING)
    order = np.argsort(gone, axis=1, kind="stable")[:, :k]
    indices, cosines, gone = (np.take_along_axis(values, order, axis=1) for values in (indices, cosines, gone))
    cosines = np.where(gone, np.float32(0), cosines)
    means = cosines.astype(np.float64).sum(axis=1) / max(min(k, len(other.means) - 1), 1)
    there = np.where(gone, 0, indices)
    found = _margin_of(own, other, rows[:, None], there, cosines, means[:, None], margin)
    found[gone] = -np.inf
    best = np.argmax(found, axis=1)
    at = np.arange(len(rows))
    values = np.where(found[at, best] > taken[there[at, best]], found[at, best], -np.inf)
    # And those whose candidate it is.
    place = np.full(len(own.means), -1)
    place[rows] = at
    asking = np.flatnonzero(other.candidates.partners != MISSING)
    asked = place[other.candidates.partners[asking]]
    chosen = (asked >= 0) & (partners[asked] != asking)
    asking, asked = asking[chosen], asked[chosen]
    offered = _margin_of(own, other, rows[asked], asking, other.candidates.cosines[asking], means[asked], margin)
    free = offered > taken[asking]
    np.maximum.at(values, asked[free], offered[free])
    return values


def _margin_of(
    own: Side, other: Side, rows: NDArray[np.int64], others: NDArray[np.int64], cosines: NDArray[np.float32],
    means: NDArray[np.float64], margin: MarginName,
) -> NDArray[np.float64]:  # fmt: skip
    found = margins(margin, cosines, means, other.means[others])
    if own.prior is None:
        return found
    rows, others, means = np.broadcast_arrays(rows, others, means)
    flat = own.prior(rows.reshape(-1), others.reshape(-1)).reshape(rows.shape)
    return found + flat * ratio_unit(margin, means, other.means[others])


def _rising(
    values: NDArray[np.float64], marks: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the closest staircase that does not fall; values come rising. Gives where steps begin, and their means."""
    firsts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    totals = np.add.reduceat(weights, firsts)
    starts, means = _pooled(np.add.reduceat(marks * weights, firsts), totals)
    return values[firsts[starts]], means


@njit(cache=True)  # pragma: no cover - compiled
def _pooled(given_sums: Any, given_totals: Any) -> Any:
    starts = np.empty(len(given_sums), dtype=np.int64)
    sums, totals = given_sums.copy(), given_totals.copy()
    number = 0
    for place in range(len(given_sums)):
        starts[number], sums[number], totals[number] = place, given_sums[place], given_totals[place]
        number += 1
        while number > 1 and sums[number - 2] * totals[number - 1] >= sums[number - 1] * totals[number - 2]:
            number -= 1
            sums[number - 1] += sums[number]
            totals[number - 1] += totals[number]
    return starts[:number].copy(), sums[:number] / totals[:number]
