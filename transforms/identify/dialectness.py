"""Dialectness: how far a sentence is from the standard language of its variety, 0 to 1.

With s the standard language, D the varieties of the model whose standard it is (through any number of steps), p their
probabilities and k(c) the sharpness of the calibration for a line of c characters,

    dialectness = 1 / (1 + exp(-k(50) / k(c) * ln(sum of p(d) over d in D / p(s)))).

A calibrated probability says how sure one can be, so it goes to 0 or 1 with the length of the line. The factor undoes
that: what is left is the density of the evidence, as if every line had 50 characters. .5 is the border between the two.
The standard is the farthest one that the model knows and that is written in the same script: a sentence in the
Cyrillic of Serbian is no dialect of the Latin one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from schemas.variety import fallbacks, registry
from transforms.identify.calibration import REFERENCE_CHARACTERS, Calibration

VERSION = 1


def standards_of(tags: Sequence[str]) -> NDArray[np.int64]:
    """Give the column of each variety's standard language: (t,); its own for a standard language, -1 for none.

    Args:
        tags: BCP 47 tags of the columns; unknown ones have none.
    """
    place = {tag: column for column, tag in enumerate(tags)}
    known = registry()
    found = np.full(len(tags), -1, dtype=np.int64)
    for tag, column in place.items():
        if tag in known:
            for standard in fallbacks(tag)[1:]:
                if standard in place and _script(known[standard].script) == _script(known[tag].script):
                    found[column] = place[standard]
    # A chain through a variety of the model ends where that one's does; a standard language is its own.
    for column in sorted({int(column) for column in found if column >= 0}):
        if found[column] < 0:
            found[column] = column
    return found


def _script(code: str) -> str:
    return "Hani" if code in ("Hans", "Hant") else code


def dialectness_of(
    probabilities: NDArray[np.float32],
    best: NDArray[np.int32],
    standards: NDArray[np.int64],
    characters: NDArray[np.int64],
    calibration: Calibration | None,
) -> NDArray[np.float32]:
    """Measure sentences.

    Args:
        probabilities: (n, t).
        best: (n,) column of each sentence's variety; any other number where it is undetermined.
        standards: (t,) as `standards_of` gives them.
        characters: (n,) length of each sentence.
        calibration: of the model; None: lengths are not accounted for.

    Returns:
        (n,) 0 to 1; NaN where nothing is known.
    """
    weights = np.ones(len(characters), dtype=np.float32)
    if calibration is not None:
        reference = calibration.sharpness(np.array([REFERENCE_CHARACTERS]))
        weights = reference / calibration.sharpness(characters)
    made = np.empty(len(probabilities), dtype=np.float32)
    _compare(probabilities, best, standards, weights, made)
    return made


@njit(cache=True, nogil=True)
def _compare(
    probabilities: Any, best: Any, standards: Any, weights: Any, out: Any
) -> None:  # pragma: no cover - compiled
    kinds = probabilities.shape[1]
    for row in range(len(probabilities)):
        out[row] = np.nan
        if best[row] < 0 or best[row] >= kinds or standards[best[row]] < 0:
            continue
        standard = standards[best[row]]
        mass = 0.0
        for t in range(kinds):
            if standards[t] == standard and t != standard:
                mass += probabilities[row, t]
        against = np.float64(probabilities[row, standard])
        odds = np.log(max(mass, 1e-30)) - np.log(max(against, 1e-30))
        out[row] = 1.0 / (1.0 + np.exp(-weights[row] * odds))
