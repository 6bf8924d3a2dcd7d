"""Draw how reliable probabilities are: `python benchmarks/reliability.py ../shared/data docs/calibration.svg`.

Two panels, each on data that its fit has not seen: links (odd sentences of the gold sets of `fit_links.py`; those that are
given, from the threshold on) and the quality score (judged pairs, cross-validated, and planted pairs of the held-out
documents, as in `fit_quality.py`). A dot is a tenth of the range: its mean probability, and the share that is right; its
area is how many there are. On the diagonal, what is said is so.
"""

import argparse
from html import escape
from pathlib import Path

import fit_links
import fit_quality
import numpy as np

from transforms.align.calibration import CALIBRATIONS, calibration_error
from transforms.score.quality import default_model

SIZE, LEFT, TOP = 300, 60, 40
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8a5a9e", "#b58900", "#444444", "#2aa198")
Series = dict[str, tuple[np.ndarray, np.ndarray]]


def links(folder: Path) -> Series:
    """Give probabilities of links and whether they are right, by gold set."""
    found = {}
    for name, measured in fit_links.all_measured(folder).items():
        said, is_given = fit_links.given(measured.features, CALIBRATIONS["association"])
        held = is_given & ~measured.is_even
        found[name] = said[held], measured.is_right[held].astype(float)
    return found


def quality(folder: Path) -> Series:
    """Give probabilities of pairs and whether they are right, by data set."""
    data, file = fit_quality.judged(folder)
    learned = [(fit_quality.planted(folder, name, range(52, 100)), 1.0) for name in fit_quality.PLANTED]
    found = {"judged, cross-validated": (fit_quality.cross_validated(data, file, learned), data.labels)}
    for name in fit_quality.HELD_OUT:
        held = fit_quality.planted(folder, name, range(52))
        found[name] = default_model().probabilities(held.features), held.labels
    return found


def panel(title: str, series: Series, left: int) -> list[str]:
    """Draw one panel; gives lines of SVG."""

    def at(said: float, right: float) -> tuple[float, float]:
        return left + said * SIZE, TOP + (1 - right) * SIZE

    out = [f'<text x="{left + SIZE / 2}" y="{TOP - 14}" text-anchor="middle" font-weight="bold">{escape(title)}</text>']
    out.append(f'<rect x="{left}" y="{TOP}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999"/>')
    out.append(f'<path d="M{left} {TOP + SIZE}L{left + SIZE} {TOP}" stroke="#bbb" stroke-dasharray="4 3"/>')
    for tick in (0.0, 0.5, 1.0):
        x, y = at(tick, tick)
        out.append(f'<text x="{x}" y="{TOP + SIZE + 16}" text-anchor="middle">{tick}</text>')
        out.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{tick}</text>')
    out.append(f'<text x="{left + SIZE / 2}" y="{TOP + SIZE + 34}" text-anchor="middle">probability said</text>')
    middle = TOP + SIZE / 2
    out.append(f'<text transform="translate({left - 38} {middle}) rotate(-90)" text-anchor="middle">share right</text>')
    for number, (name, (said, right)) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        bins = np.minimum((said * 10).astype(int), 9)
        for tenth in np.unique(bins):
            some = bins == tenth
            x, y = at(float(said[some].mean()), float(right[some].mean()))
            radius = 2 + 10 * np.sqrt(some.mean())
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.6"/>')
        label = f"{name}: error {calibration_error(said, right):.3f}"
        out.append(f'<text x="{left}" y="{TOP + SIZE + 56 + 16 * number}" fill="{colour}">{escape(label)}</text>')
    return out


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    width, height = 2 * (SIZE + LEFT) + 40, TOP + SIZE + 56 + 16 * 7
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
    ]
    out.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    out += panel("links", links(options.data), LEFT)
    out += panel("quality", quality(options.data), 2 * LEFT + SIZE)
    options.output.write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")
    print(options.output)


if __name__ == "__main__":
    main()
