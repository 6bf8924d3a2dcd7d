"""`isogloss calibrate`: judged pairs -> the curve of probabilities by score, as JSON and as a picture."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from schemas.errors import SettingsError
from transforms.mine import Curve, judged_curve

_RIGHT = {"1": True, "1.0": True, "right": True, "yes": True, "true": True}
_WRONG = {"0": False, "0.0": False, "wrong": False, "no": False, "false": False}
_WIDTH, _HEIGHT, _EDGE = 640, 400, 48
_ASKED = (0.8, 0.9, 0.95, 0.99)


def calibrate(options: argparse.Namespace) -> None:
    """Fit and write the curve, draw it beside, print what each precision costs.

    Raises:
        SettingsError: a line that is not score TAB judgement, or judgements that no curve can be fitted on.
    """
    from pipelines.filters import _lines, _write

    scores, right = [], []
    for number, line in enumerate(_lines([options.judged]), start=1):
        if not line.strip():
            continue
        score, judgement = [*line.split("\t"), ""][:2]
        known = (_RIGHT | _WRONG).get(judgement.strip().casefold())
        try:
            scores.append(float(score))
        except ValueError as error:
            raise SettingsError(f"{options.judged}, line {number}: {score[:40]!r} is no score") from error
        if known is None:
            raise SettingsError(
                f"{options.judged}, line {number}: expected a judgement, right or wrong, got {judgement[:40]!r}",
                cure="Write score TAB 1 or 0 (or right, wrong), then anything.",
            )
        right.append(known)
    try:
        curve = judged_curve(scores, right)
    except ValueError as error:
        raise SettingsError(f"{options.judged}: {error}") from error
    output = Path(options.output)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(curve), indent=1) + b"\n")
    output.with_suffix(".svg").write_text(draw(curve, scores, right), encoding="utf-8")
    _write("precision\tscore\tpairs\tof the right ones")
    for asked, least, kept, recall in costs(curve, scores, right):
        _write(f"{asked}\t{least:.4f}\t{kept}\t{recall:.3f}")


def costs(curve: Curve, scores: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float, int, float]]:
    """Tell what each precision asks: (precision, least score, pairs kept, share of the right ones that is kept)."""
    import numpy as np

    values, judged = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=bool)
    told = []
    for asked in _ASKED:
        least = curve.threshold(values, asked)
        kept = values >= least
        told.append((asked, least, int(kept.sum()), float((kept & judged).sum() / max(judged.sum(), 1))))
    return told


def draw(curve: Curve, scores: Sequence[float], right: Sequence[bool]) -> str:
    """Draw the curve: probability by score, and a tick a judged pair, right ones on top, wrong ones at the bottom."""
    low, high = min(scores), max(scores)
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
    ticks = "".join(
        f'<path d="M{across(score):.1f} {up(1) - 12 if good else up(0) + 4:.1f}v8"/>'
        for score, good in zip(scores, right, strict=True)
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
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<title>Probability that a pair is right, by its score ({curve.pairs} judged pairs)</title>\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n<g stroke="#ccc" fill="none">{lines}</g>\n'
        f'<g stroke="#888" stroke-opacity="0.4">{ticks}</g>\n'
        f'<polyline points="{points}" fill="none" stroke="#0a5" stroke-width="2"/>\n<g>{labels}'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">score</text></g>\n</svg>\n'
    )
