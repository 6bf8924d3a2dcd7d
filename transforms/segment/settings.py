"""Settings of segment: the `[segment]` section of the configuration."""

from typing import Annotated

import msgspec


class SegmentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sentences go on."""

    max_characters: Annotated[
        int,
        msgspec.Meta(
            ge=1, description="Longest sentence, in code points after normalization; longer ones are rejected."
        ),
    ] = 2000
    min_letters: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Fewest letters of a sentence; 1 rejects what has none (numbers, rules), 0 rejects nothing.",
        ),
    ] = 1
