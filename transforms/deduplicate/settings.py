"""Settings of deduplication."""

from typing import Annotated

import msgspec


class DeduplicateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How duplicates are found and gathered."""

    shards: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=4096,
            description="Ranges that cluster ids and documents are cut into while they are gathered; no effect on the result.",
        ),
    ] = 16
