"""Tell how probable it is that a mined pair is right, from judged pairs or from no judgement at all.

Without judgements: wrong pairs come of sentences without a partner. What such a sentence ends up with can be seen on
those that have one: take the sure partner away, and look which pair the sentence makes with what is left, if any
(all other sentences stay, so it is the real crowd). That gives the margins of wrong pairs. How many sentences
without a partner there are follows from the low end, where next to all pairs are wrong. So the expected number of
wrong pairs is known at every margin, and with the number of all pairs there, the share that is right (Efron 2004,
"Large-scale simultaneous hypothesis testing", calls it the local false discovery rate, with an empirical null).

The curve is monotone (pool adjacent violators; Ayer et al. 1955) and has no other shape imposed on it.
"""

import itertools
import math
from collections.abc import Sequence
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
SURE_SHARE = 0.9
"""Share of the pairs that are each other's candidate, best margins first, that is begun with."""
EXCESS = 1.25
"""How many more wrong pairs there are than sentences without their partner tell. Measured on the dev part of OLDI Seed
(five variety pairs, two choices of lines, both passes): 1.05 to 1.35 where nine tenths of the pairs are right."""
_ROUNDS = 3


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
    """Fit a curve without any judgement; None where fewer than `LEAST_SURE` pairs are sure.

    Args:
        pairs: what the retrieval gave, 1-1.
        source, target: the two sides.
        k: neighbours of the mean.
        margin: which margin.
    """
    mutual = np.flatnonzero(pairs.direction == BOTH)
    ranked = mutual[np.argsort(-pairs.margin[mutual], kind="stable")]
    sure = np.sort(ranked[: int(len(ranked) * SURE_SHARE)])
    if len(sure) < LEAST_SURE:
        return None
    taken = [np.full(len(side.means), -np.inf) for side in (source, target)]
    np.maximum.at(taken[0], pairs.source, pairs.margin)
    np.maximum.at(taken[1], pairs.target, pairs.margin)
    own, others = (pairs.source[sure], pairs.target[sure])
    left = (
        _without_partner(source, target, own, others, taken[1], k, margin),
        _without_partner(target, source, others, own, taken[0], k, margin),
    )
    weights = np.ones(len(sure))
    curve = None
    for _ in range(_ROUNDS):
        if weights.sum() < LEAST_SURE / 2:
            break  # so few right pairs that what they tell is worth less than what all told
        wrong = [
            (values, weights * _lonely(values, weights, pairs.margin, len(side.means)) / weights.sum())
            for values, side in zip(left, (source, target), strict=True)
        ]
        values = np.concatenate([values for values, _ in wrong])
        expected = np.concatenate([weight for _, weight in wrong]) * EXCESS / 2
        there = np.isfinite(values) & (expected > 0)
        curve = _fitted(pairs.margin, values[there], expected[there])
        # A pair that is wrong itself tells nothing of what a partner's absence does.
        weights = curve.at(pairs.margin[sure])
    return curve


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


def _lonely(
    left: NDArray[np.float64], weights: NDArray[np.float64], pair_margins: NDArray[np.float64], sentences: int
) -> float:
    """Estimate how many sentences of a side have no partner: at the low end all pairs, and all without one, are theirs."""
    there = np.flatnonzero(np.isfinite(left))
    middle = np.inf
    if len(there):
        ranked = there[np.argsort(left[there], kind="stable")]
        middle = left[ranked[np.searchsorted(np.cumsum(weights[ranked]), weights[ranked].sum() / 2)]]
    below = weights[left < middle].sum() / weights.sum()
    low = int((pair_margins < middle).sum()) + sentences - len(pair_margins)
    return min(float(sentences), low / max(float(below), 1 / len(left)))


def _fitted(found: NDArray[np.float64], wrong: NDArray[np.float64], weights: NDArray[np.float64]) -> Curve:
    """Fit the share of right pairs among those found, when wrong ones are expected with these margins and weights."""
    values = np.concatenate([found, wrong])
    is_found = np.concatenate([np.ones(len(found)), np.zeros(len(wrong))])
    order = np.lexsort((is_found, values))
    firsts, shares = _rising(values[order], is_found[order], np.concatenate([np.ones(len(found)), weights])[order])
    right = np.clip(1 - (1 - shares) / np.maximum(shares, 1e-9), 0, 1)
    return Curve(
        margins=tuple(firsts.tolist()), probabilities=tuple(right.tolist()), pairs=len(found), fitted_on="planted"
    )


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
