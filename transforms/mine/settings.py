"""Settings of selection and mining."""

import re
from typing import Annotated, Literal

import msgspec

from schemas.errors import SettingsError
from transforms.common.models import model_setting

MarginName = Literal["ratio", "distance", "absolute"]
SearchName = Literal["auto", "exact", "approximate"]
RetrievalName = Literal["forward", "backward", "intersect", "union", "max"]

DEFAULT_THRESHOLDS = {
    ("ngram", "ratio"): 1.15,
    ("ngram", "distance"): 0.03,
    ("ngram", "absolute"): 0.25,
    ("laser", "ratio"): 1.06,
    ("sentence_transformers", "ratio"): 1.06,
}
"""By encoder and margin, for k = 4 and `max`. A threshold means something else for another k.

`ngram`: the lowest round value with a precision of .95 or more in each of nine measurements: Ligurian, Lombard and
Friulian with Italian, three random choices of two thirds of either side, on the documents of OLDI Seed that the demo
does not use (3,795 lines, 2,530 a side). With the ratio, precision was .957 at least and .962 on average, recall .962
and .972; with the distance .954, .960 and .959, .968. Farther apart (Friulian - English, Moroccan - Egyptian Arabic)
the ratio's precision was .943 at least, .952 on average. `benchmarks/bench_thresholds.py`, 2026-11-20.

`laser`, `sentence_transformers`: that of CCMatrix (Schwenk et al., 2021, k = 16); not measured here. It holds only where
too few pairs are sure for the program to choose one.
"""


class DocumentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What documents tell of their sentences: the section `mine.documents`."""

    prior: Annotated[
        bool, msgspec.Meta(description="Add to margins what is known or found of documents that correspond.")
    ] = True
    declared: Annotated[
        bool, msgspec.Meta(description="Documents correspond where one declares the other's URL (hreflang).")
    ] = True
    url_patterns: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Regular expressions: documents correspond when one takes the same text out of their URLs."
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Check what the single constraints cannot."""
        for pattern in self.url_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"url_patterns: {pattern!r} is no regular expression: {error}") from error

    @property
    def reads_documents(self) -> bool:
        """Are the documents themselves asked which correspond?"""
        return self.prior and (self.declared or bool(self.url_patterns))


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `groups` of the configuration."""

    make: Annotated[
        bool, msgspec.Meta(description="Join the published pairs to groups, where a corpus has enough varieties.")
    ] = True
    least_varieties: Annotated[int, msgspec.Meta(ge=3, description="Fewest varieties of a group.")] = 3


class MineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `mine` of the configuration."""

    k: Annotated[int, msgspec.Meta(ge=1, le=256, description="Neighbours in the mean of the margin.")] = 4
    margin: Annotated[
        MarginName, msgspec.Meta(description="How a pair's cosine is set against its neighbourhoods.")
    ] = "ratio"
    retrieval: Annotated[RetrievalName, msgspec.Meta(description="How pairs are chosen among the candidates.")] = "max"
    threshold: Annotated[
        float | None,
        msgspec.Meta(
            description="Smallest margin that is kept; not given: chosen so that each pair is more likely right than wrong."
        ),
    ] = None
    precision: (
        Annotated[
            float,
            msgspec.Meta(
                gt=0, lt=1, description="Share of right pairs that is wanted among those kept, in place of a threshold."
            ),
        ]
        | None
    ) = None
    calibration: Annotated[
        str,
        msgspec.Meta(
            description="Curve that `isogloss calibrate` fitted on judged pairs; empty: fitted without any.",
            extra=model_setting(),
        ),
    ] = ""
    second_pass: Annotated[
        bool,
        msgspec.Meta(
            description="Learn from sure pairs (words for ngram, a linear map for dense vectors) and mine again where that "
            "finds more."
        ),
    ] = True
    search: Annotated[
        SearchName,
        msgspec.Meta(
            description="auto: exact, but approximate for a pair of varieties with more than 50 billion comparisons (some "
            "220,000 sentences a side)."
        ),
    ] = "auto"
    device: Annotated[
        Literal["cpu", "cuda"],
        msgspec.Meta(
            description="Where dense vectors are compared; exact at any size on a GPU, the results are the same."
        ),
    ] = "cpu"
    weights: Annotated[
        dict[str, Annotated[float, msgspec.Meta(ge=0)]],
        msgspec.Meta(
            description="Weight of each encoder's margin where embed.encoders names several; none given: learned."
        ),
    ] = msgspec.field(default_factory=dict)
    minimum_probability: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="Smallest probability of its variety with which a sentence is mined."),
    ] = 0.5
    documents: DocumentSettings = msgspec.field(default_factory=DocumentSettings)

    def __post_init__(self) -> None:
        if self.threshold is not None and self.threshold != self.threshold:  # NaN
            raise ValueError("threshold is not a number: expected a margin, such as 1.06")
        if self.threshold is not None and self.precision is not None:
            raise ValueError("threshold and precision are both set: expected one of them")

        if self.weights and not sum(self.weights.values()) > 0:
            raise ValueError("weights are all 0: expected one that is more")

    def threshold_for(self, encoder: str) -> float:
        """Give the smallest margin that is kept for vectors of this encoder, such as `ngram` or `ngram:<digest>`.

        Raises:
            SettingsError: no threshold is set, and none is known for this encoder and margin.
        """
        return default_threshold(encoder, self.margin) if self.threshold is None else self.threshold


def default_threshold(encoder: str, margin: str) -> float:
    """Give the threshold of an encoder and a margin where none is set.

    Raises:
        SettingsError: none is known.
    """
    name = encoder.partition(":")[0]
    if (name, margin) not in DEFAULT_THRESHOLDS:
        raise SettingsError(
            f"no default threshold for the margin {margin!r} of {name} vectors",
            path="$.mine.threshold",
            cure="Set mine.threshold, or use the margin 'ratio'.",
        )
    return DEFAULT_THRESHOLDS[name, margin]
