"""Settings of normalize: the `[normalize]` section of the configuration."""

from typing import Annotated, Literal

import msgspec


class NormalizeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is repaired in the text that the models read. The text as found is kept in any case."""

    mojibake: Annotated[
        bool, msgspec.Meta(description="Repair text that was decoded with the wrong charset (ftfy).")
    ] = True
    entities: Annotated[
        bool,
        msgspec.Meta(
            description="Resolve HTML entities that were left in the text (`&egrave;`), on lines without `<`."
        ),
    ] = True
    apostrophes: Annotated[
        Literal["keep", "plain"],
        msgspec.Meta(
            description="`keep` leaves them as found; `plain` makes ’ beside a letter the typewriter's '. "
            "Models and keys must then have been made with the same setting."
        ),
    ] = "keep"
