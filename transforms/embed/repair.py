"""Fit a repair of a dense space with the encoders at hand, and repair two lists of lines in memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transforms.common.blocks import as_stored
from transforms.embed.encoders import Encoders
from transforms.embed.space import (
    Moments,
    Space,
    add_moments,
    fit_map,
    fit_turn,
    moments_of,
    read_seed_pairs,
    repaired,
    with_maps,
)


def fit_repair(moments: Moments, encoders: Encoders) -> Space:
    """Fit all that the settings ask for; seed pairs are embedded here.

    Args:
        moments: of all vectors of the run.
        encoders: those that made them, and their settings.

    Raises:
        SettingsError: more directions than there are, or seed pairs that cannot be read.
    """
    settings = encoders.settings.space
    space = fit_turn(moments, settings)
    fitted = {}
    for i, each in enumerate(settings.maps):
        texts = read_seed_pairs(each.pairs, f"$.embed.space.maps[{i}].pairs")
        sides = [
            repaired(as_stored(np.asarray(encoders.of(variety).encode(side))), variety, space)
            for variety, side in zip((each.source, each.target), texts, strict=True)
        ]
        fitted[each.source] = fit_map(sides[0], sides[1], each)
    return with_maps(space, fitted)


def repair_sides(
    sides: Sequence[NDArray[np.float32]], varieties: Sequence[str], encoders: Encoders
) -> tuple[list[NDArray[np.float32]], Space]:
    """Repair the vectors of several sides as a run would repair their blocks.

    Args:
        sides: (n, d) each, as blocks hold them.
        varieties: BCP 47 tags; a side whose variety is not known counts as one of its own.
        encoders: those that made them, and their settings.

    Returns:
        The repaired sides, and the repair.
    """
    names = [variety or f"side {number}" for number, variety in enumerate(varieties)]
    parts = [moments_of(side, name, encoders.settings.space) for side, name in zip(sides, names, strict=True)]
    space = fit_repair(add_moments(parts), encoders)
    return [as_stored(repaired(side, name, space)) for side, name in zip(sides, names, strict=True)], space
