"""Calibrated probabilities of links: what share of links with this value are right. Pure.

A value is what an aligner itself calls the probability of a link (`association`: the geometric mean of both
directions' posteriors). HMM posteriors are far too sure of themselves where there is little text. The calibrated
probability is the logistic function of slope * log odds of the value + intercept (Platt 2000).

Where the constants come from: `association`: the even sentences of five gold sets (awesome-align's English - French and
Romanian - English, alibi-fren, and the invented dialects of Italian and German, 600 sentences each), each set of the
same weight, a link being right when it is among the possible ones. The expected calibration error (ten bins) of the
links that are given, on the odd sentences: en-fr .04, ro-en .07, fr-en .03, invented Italian .02 and German .02;
uncalibrated it is .06, .13, .05, .01 and .01. Aligners without constants (`simalign`: no model was at
hand to fit them) give their own values.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NEAREST = 1e-6
"""Values nearer to 0 and 1 count as this near."""


class Calibration(NamedTuple):
    """A line in log odds."""

    slope: float
    intercept: float


CALIBRATIONS = {"association": Calibration(0.388, 0.229)}
"""Constants by aligner."""


def calibrate(aligner: str, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn an aligner's own probabilities into calibrated ones; those of an aligner without constants stay."""
    own = np.asarray(values, dtype=np.float64)
    found = CALIBRATIONS.get(aligner)
    if found is None:
        return own
    return np.asarray(1.0 / (1.0 + np.exp(-(found.slope * log_odds(own) + found.intercept))))


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
