"""Show a curve of probabilities: as a table of what each precision costs, and as a picture. Pure."""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from transforms.mine.precision import Curve

ASKED = (0.8, 0.9, 0.95, 0.99)
"""Precisions whose cost is told."""

MOST_TICKS = 1000
"""Pairs that are drawn, at even steps through their scores, where there are more."""

_WIDTH, _HEIGHT, _EDGE = 640, 400, 48

Values = NDArray[np.float64]


class Cost(NamedTuple):
    """What a precision costs.

    Attributes:
        precision: asked for.
        threshold: least score of what is kept; None where nothing can be.
        pairs: kept.
        recall: share of the right pairs among all found that is kept: counted where pairs are judged, expected by
            their probabilities where they are not.
    """

    precision: float
    threshold: float | None
    pairs: int
    recall: float


def costs(curve: Curve, scores: Values, right: Values) -> list[Cost]:
    """Tell what each precision asks.

    Args:
        curve: the curve.
        scores: (p,) of the pairs.
        right: (p,) 1 for a right pair and 0 for a wrong one, or how probable it is.
    """
    told = []
    for asked in ASKED:
        least = curve.threshold(scores, asked)
        kept = scores >= least
        recall = float(right[kept].sum() / max(float(right.sum()), 1e-9))
        told.append(Cost(asked, round(least, 6) if kept.any() else None, int(kept.sum()), round(recall, 6)))
    return told


def curve_json(curve: Curve, told: list[Cost]) -> bytes:
    """Write a curve, which `read_curve` reads, with the costs beside it."""
    rows: dict[str, Any] = msgspec.to_builtins(curve) | {"costs": [cost._asdict() for cost in told]}
    return msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n"


def draw(curve: Curve, scores: Values, right: Values | None = None) -> str:
    """Draw a curve as SVG: probability by score, and a tick a pair.

    Args:
        curve: the curve.
        scores: (p,) of the pairs, one or more.
        right: (p,) judgements: ticks of right pairs stand on top, of wrong ones at the bottom; without, all at the bottom.
    """
    low, high = float(scores.min()), float(scores.max())
    span = (high - low) or 1.0

    def across(score: float) -> float:
        return _EDGE + (min(max(score, low), high) - low) / span * (_WIDTH - 2 * _EDGE)

    def up(probability: float) -> float:
        return _HEIGHT - _EDGE - probability * (_HEIGHT - 2 * _EDGE)

    ends = [*curve.margins[1:], high]
    points = " ".join(
        f"{across(start):.1f},{up(p):.1f} {across(end):.1f},{up(p):.1f}"
        for start, end, p in zip((low, *curve.margins[1:]), ends, curve.probabilities, strict=True)
    )
    order = np.argsort(scores, kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_TICKS)).round().astype(np.int64))]
    ticks = "".join(
        f'<path d="M{across(float(scores[place])):.1f} '
        f'{up(1) - 12 if right is not None and right[place] else up(0) + 4:.1f}v8"/>'
        for place in shown
    )
    lines = "".join(
        f'<path d="M{_EDGE} {up(level):.1f}H{_WIDTH - _EDGE}"/>'
        f'<text x="{_EDGE - 8}" y="{up(level) + 4:.1f}" text-anchor="end" fill="black" stroke="none">{level:g}</text>'
        for level in (0, 0.25, 0.5, 0.75, 1)
    )
    labels = "".join(
        f'<text x="{across(score):.1f}" y="{_HEIGHT - _EDGE + 28}" text-anchor="middle">{score:.3g}</text>'
        for score in (low, low + span / 2, high)
    )
    kind = "judged" if curve.fitted_on == "judged" else "mined"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<title>Probability that a pair is right, by its score ({curve.pairs} {kind} pairs)</title>\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n<g stroke="#ccc" fill="none">{lines}</g>\n'
        f'<g stroke="#888" stroke-opacity="0.4">{ticks}</g>\n'
        f'<polyline points="{points}" fill="none" stroke="#0a5" stroke-width="2"/>\n<g>{labels}'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">score</text></g>\n</svg>\n'
    )
