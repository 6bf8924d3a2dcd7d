"""Calibration: probabilities that are right as often as they say, and sets that hold the truth as often as asked.

A classifier that takes the mean over a line's n-grams is as sure of a word as of a paragraph, so one temperature
(Guo et al. 2017) cannot serve both: it makes short lines too sure or long ones too timid. Here the temperature
follows the length. With c the characters that the model reads of a line,

    s(c) = exp(intercept + slope * ln(min(c, 400) / 50)),     p'(label) = p(label) ** s / sum of p ** s,

and `intercept` and `slope` are those of the least negative log-likelihood on held-out lines.

Sets (split conformal prediction, Vovk et al. 2005; the score of Sadinle et al. 2019): on the held-out lines take
the share `1 - level` with the lowest p' of the true label; the p' at its upper end is the threshold. A set of
all labels at or above it holds the true one with probability `level` on lines of the same kind, whatever the model.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

REFERENCE_CHARACTERS = 50
MOST_CHARACTERS = 400
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
BINS = 15
_LEAST = 1e-12


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What was fitted on held-out lines.

    Attributes:
        intercept: logarithm of the sharpness of a line of 50 characters.
        slope: how fast the sharpness grows with the logarithm of the length.
        lines: that it was fitted on.
        thresholds: least probability of a label in a set, for each of `LEVELS`.
    """

    intercept: float = 0.0
    slope: float = 0.0
    lines: Annotated[int, msgspec.Meta(ge=0)] = 0
    thresholds: tuple[float, ...] = ()

    def sharpness(self, characters: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give the exponent of each line's probabilities: (n,), from its length in characters."""
        known = np.clip(characters, 1, MOST_CHARACTERS) / REFERENCE_CHARACTERS
        made: NDArray[np.float32] = np.exp(self.intercept + self.slope * np.log(known)).astype(np.float32)
        return made

    def threshold(self, level: float) -> float:
        """Give the least probability of a label in a set that holds the true one with probability `level`.

        Between two of `LEVELS` the higher one counts; above all of them every label is in the set.
        """
        for known, value in zip(LEVELS, self.thresholds, strict=False):
            if known >= level:
                return value
        return 0.0


def sharpened(probabilities: NDArray[Any], sharpness: NDArray[Any]) -> NDArray[np.float64]:
    """Raise rows of probabilities to a power each and divide by their sums: (n, labels)."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) * sharpness[:, None].astype(np.float64)
    logs -= logs.max(axis=1, keepdims=True, initial=-np.inf)
    raised = np.exp(logs)
    made: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return made


def fit_calibration(
    probabilities: NDArray[np.float32], truth: NDArray[np.int64], characters: NDArray[np.int64]
) -> Calibration:
    """Fit the calibration of a model on held-out lines.

    Args:
        probabilities: (n, labels), as the model gives them before calibration.
        truth: (n,) column of each line's label.
        characters: (n,) that the model reads of each line.

    Returns:
        The calibration; the neutral one, without sets, for fewer than 20 lines.
    """
    if len(truth) < 20:
        return Calibration(lines=len(truth))
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))
    lengths = np.log(np.clip(characters, 1, MOST_CHARACTERS) / REFERENCE_CHARACTERS)
    rows = np.arange(len(truth))

    def loss(parameters: NDArray[np.float64]) -> float:
        with np.errstate(over="ignore"):
            scaled = logs * np.exp(np.clip(parameters[0] + parameters[1] * lengths, -4, 4))[:, None]
        best = scaled.max(axis=1)
        mass = np.log(np.exp(scaled - best[:, None]).sum(axis=1)) + best
        # A weak pull towards no change: a few perfect lines must not make the model infinitely sure.
        return float((mass - scaled[rows, truth]).mean() + (parameters**2).sum() / len(truth))

    from scipy.optimize import minimize  # half of the command line's start, for who only applies a calibration

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7, "maxiter": 200})
    neutral = Calibration(intercept=float(np.round(found.x[0], 5)), slope=float(np.round(found.x[1], 5)))
    right = np.sort(sharpened(probabilities, neutral.sharpness(characters))[rows, truth])
    # The finite-sample rule of split conformal prediction: one line more than the share.
    places = [int(np.floor((1 - level) * (len(right) + 1))) - 1 for level in LEVELS]
    return Calibration(
        intercept=neutral.intercept,
        slope=neutral.slope,
        lines=len(truth),
        thresholds=tuple(float(np.round(right[place], 6)) if place >= 0 else 0.0 for place in places),
    )


class Bin(msgspec.Struct, frozen=True):
    """Lines whose best probability lies in one range.

    Attributes:
        lines: how many.
        confidence: their mean probability.
        accuracy: the share of them whose best label is right.
    """

    lines: int
    confidence: float
    accuracy: float


def reliability(confidence: Sequence[float] | NDArray[Any], is_right: Sequence[bool] | NDArray[Any]) -> list[Bin]:
    """Bin lines by their best probability, in `BINS` ranges of equal width; empty ones are left out."""
    values, right = np.asarray(confidence, dtype=np.float64), np.asarray(is_right, dtype=bool)
    place = np.minimum((values * BINS).astype(np.int64), BINS - 1)
    return [
        Bin(int((place == k).sum()), float(values[place == k].mean()), float(right[place == k].mean()))
        for k in range(BINS)
        if (place == k).any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Give the expected calibration error (Naeini et al. 2015): mean gap of confidence and accuracy, by lines."""
    lines = sum(entry.lines for entry in bins)
    return sum(entry.lines * abs(entry.confidence - entry.accuracy) for entry in bins) / lines if lines else 0.0


def reliability_svg(curves: Sequence[tuple[str, Sequence[Bin]]]) -> str:
    """Draw reliability plots side by side as SVG: accuracy over confidence, the area of a point by its lines.

    Args:
        curves: a title and the bins of each plot.
    """
    side, gap, top = 260, 60, 46
    width, height = gap + len(curves) * (side + gap), side + top + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, (title, bins) in enumerate(curves):
        left = gap + number * (side + gap)
        lines = sum(entry.lines for entry in bins)
        parts.append(f'<g transform="translate({left},{top})">')
        parts.append(f'<text x="0" y="-24" font-weight="bold">{title}</text>')
        parts.append(f'<text x="0" y="-8">{lines:,} lines, ECE {calibration_error(bins):.4f}</text>')
        for step in range(6):
            at = side * step / 5
            parts.append(f'<path d="M0 {side - at:.0f}H{side}M{at:.0f} 0V{side}" stroke="#ddd" fill="none"/>')
            parts.append(f'<text x="{at:.0f}" y="{side + 16}" text-anchor="middle">{step / 5:.1f}</text>')
            parts.append(f'<text x="-6" y="{side - at + 4:.0f}" text-anchor="end">{step / 5:.1f}</text>')
        parts.append(f'<path d="M0 {side}L{side} 0" stroke="#888" stroke-dasharray="4 3" fill="none"/>')
        points = [(entry.confidence * side, side - entry.accuracy * side, entry.lines) for entry in bins]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="#0060a8" stroke-width="1.5"/>')
        for x, y, count in points:
            radius = 2 + 10 * (count / max(lines, 1)) ** 0.5
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#0060a8" fill-opacity="0.45"/>')
        parts.append(f'<text x="{side / 2:.0f}" y="{side + 36}" text-anchor="middle">probability of the answer</text>')
        parts.append(
            f'<text transform="translate(-36,{side / 2:.0f}) rotate(-90)" text-anchor="middle">share that is right</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
