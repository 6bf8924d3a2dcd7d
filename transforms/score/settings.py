"""Settings of scores: the section `[score]` of the configuration."""

from typing import Annotated

import msgspec

from transforms.score.registry import score_names


class ScoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which scores are taken."""

    scores: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Columns to add, or names of their families (docs/scores.md); none given: all."),
    ] = ()

    def __post_init__(self) -> None:
        known = score_names()
        unknown = sorted(set(self.scores) - set(known))
        if unknown:
            raise ValueError(f"scores: there is no score {', '.join(unknown)}; known: {', '.join(known)}")
