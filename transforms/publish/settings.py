"""The `[publish]` section: what a pair must score to be published, and what the corpus says of itself."""

import math
from typing import Annotated

import msgspec

Limits = dict[str, float]
QUALITY = "quality"
"""The score that `precision` is a limit of."""
Words = Annotated[str, msgspec.Meta(min_length=1)]


class PublishSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits on scores, and the dataset card's words.

    A score that is null says nothing about a pair (there was no number to compare, no link to count): it passes
    a limit, unless `require` names it.
    """

    minimum: Annotated[Limits, msgspec.Meta(description="Least value by name of a score, such as margin = 1.06.")] = (
        msgspec.field(default_factory=dict)
    )
    maximum: Annotated[Limits, msgspec.Meta(description="Greatest value by name of a score, such as copy = 0.95.")] = (
        msgspec.field(default_factory=dict)
    )
    precision: Annotated[
        Annotated[float, msgspec.Meta(gt=0, lt=1)] | None,
        msgspec.Meta(
            description="Keep the pairs that are right with this probability at least, such as 0.9, by the score `quality`;"
            " what is kept is right more often than that. Not given: quality decides nothing."
        ),
    ] = None
    require: Annotated[tuple[str, ...], msgspec.Meta(description="Scores that may not be null.")] = ()
    shards: Annotated[
        int, msgspec.Meta(ge=1, le=4096, description="Files per variety pair; 1 up to some millions of rows.")
    ] = 1
    title: Annotated[Words | None, msgspec.Meta(description="Title of the dataset card.")] = None
    description: Annotated[Words | None, msgspec.Meta(description="First paragraph of the card.")] = None
    licence: Annotated[
        Words | None,
        msgspec.Meta(description="Licence of the whole corpus; not given: the licences found on the rows."),
    ] = None
    contact: Annotated[
        Words | None, msgspec.Meta(description="Address or page for requests to take something down.")
    ] = None

    def __post_init__(self) -> None:
        """Refuse limits that no value passes."""
        if self.precision is not None and QUALITY in self.minimum:
            raise ValueError(f"precision and minimum.{QUALITY} say the same in two ways: give one of them")
        for name, limits in (("minimum", self.minimum), ("maximum", self.maximum)):
            for score, limit in limits.items():
                if not math.isfinite(limit):
                    raise ValueError(f"{name}.{score}: expected a number, got {limit}")
        least = self.least()
        for score in least.keys() & self.maximum.keys():
            if least[score] > self.maximum[score]:
                raise ValueError(
                    f"no {score} is both at least {least[score]} (minimum) and at most {self.maximum[score]} (maximum)"
                )

    def named_scores(self) -> tuple[str, ...]:
        """Give the scores that the settings name, in the order in which they are checked."""
        return tuple(sorted({*self.least(), *self.maximum, *self.require}))

    def least(self) -> Limits:
        """Give the least values, that of quality among them where a precision is asked for."""
        return self.minimum if self.precision is None else self.minimum | {QUALITY: self.precision}
