"""Calibrated probabilities of links: what share of links like this one are right. Pure.

A value is what an aligner itself calls the probability of a link (`association`: the geometric mean of both
directions' posteriors). HMM posteriors are far too sure of themselves where there is little text, and how much so
depends on the words. So the calibrated probability is a logistic function (Platt 2000) of the value's log odds, of how
often the rarer of the two words was met, of the likeness of their spelling, of the products of these two with the log
odds, and of whether they are words at all. The likeness is evidence a second time: once as the
prior of learning, for the two words, here for the link, where several words could be meant.

Where the constants come from: `benchmarks/fit_links.py`, on the even sentences of gold sets; reliability on the odd
ones stands in docs/scores.md. Aligners without constants (`simalign`: no model was at hand to fit them) give their own
values.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NEAREST = 1e-6
"""Values nearer to 0 and 1 count as this near."""
MOST_MET = 1000
"""Words that were met more often count as met this often: the gold sets have no more."""
FEATURES = ("one", "log_odds", "log_met", "log_odds x log_met", "likeness", "log_odds x likeness", "is_sign")


class Evidence(NamedTuple):
    """What is known of links beside their values, a row a link.

    Attributes:
        met: how often the rarer of the two words stands in what was learned from; 0 where one was never met.
        likeness: edit similarity of the two words, letter case and marks aside.
        is_sign: whether one of them has no letter.
    """

    met: NDArray[np.integer]
    likeness: NDArray[np.floating]
    is_sign: NDArray[np.bool_]


CALIBRATIONS: dict[str, tuple[float, ...]] = {"association": (-0.44, 0.14, 0.15, 0.11, 1.57, 0.26, -1.18)}
"""Weights of `FEATURES` by aligner."""


def calibrate(aligner: str, values: NDArray[np.floating], evidence: Evidence) -> NDArray[np.float64]:
    """Turn an aligner's own probabilities into calibrated ones; those of an aligner without constants stay."""
    own = np.asarray(values, dtype=np.float64)
    weights = CALIBRATIONS.get(aligner)
    if weights is None:
        return own
    return np.asarray(1.0 / (1.0 + np.exp(-(features(own, evidence) @ np.array(weights)))))


def features(values: NDArray[np.floating], evidence: Evidence) -> NDArray[np.float64]:
    """Give what the logistic function is of: (links, `FEATURES`)."""
    odds = log_odds(values)
    met = np.log(np.clip(evidence.met, 1, MOST_MET).astype(np.float64))
    alike = np.asarray(evidence.likeness, dtype=np.float64)
    sign = evidence.is_sign.astype(np.float64)
    return np.column_stack([np.ones(len(odds)), odds, met, odds * met, alike, odds * alike, sign])


def log_odds(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give log(p / (1 - p)), p kept off 0 and 1."""
    own = np.clip(np.asarray(values, dtype=np.float64), _NEAREST, 1.0 - _NEAREST)
    return np.asarray(np.log(own) - np.log1p(-own))


def calibration_error(probabilities: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Give the expected calibration error: the mean, over links, of |mean probability - share right| of their bin.

    Args:
        probabilities: (n,) 0 to 1.
        right: (n,) whether each link is right.
        bins: of equal width.
    """
    of_bin = np.minimum((np.asarray(probabilities) * bins).astype(np.int64), bins - 1)
    size = np.bincount(of_bin, minlength=bins)
    gap = np.bincount(of_bin, weights=probabilities, minlength=bins) - np.bincount(
        of_bin, weights=right, minlength=bins
    )
    return float(np.abs(gap).sum() / max(size.sum(), 1))
