"""Settings of embedding: the section `[embed]` of a configuration."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from transforms.common.models import model_setting

LASER_FILES = ("spm", "cvocab", "laser2.spm", "laser2.cvocab")
"""What may lie beside a checkpoint of LASER."""

Accents = Literal["kept", "folded", "both"]


class NgramSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TF-IDF over character n-grams within words."""

    shortest: Annotated[int, Meta(ge=2, le=3, description="Characters of the shortest n-grams.")] = 2
    longest: Annotated[int, Meta(ge=2, le=8, description="Characters of the longest n-grams.")] = 4
    minimum_sentences: Annotated[
        int, Meta(ge=1, description="An n-gram counts when at least this many sentences of the run have it.")
    ] = 2
    accents: Annotated[
        Accents,
        Meta(description="kept: as written; folded: without diacritics; both: folded words beside those that change."),
    ] = "folded"

    def __post_init__(self) -> None:
        """Check what the single constraints cannot."""
        if self.longest < self.shortest:
            raise ValueError(f"longest ({self.longest}) is less than shortest ({self.shortest})")


class EmbedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which encoder gives the vectors, and how."""

    encoders: Annotated[
        tuple[Literal["ngram", "laser"], ...],
        Meta(min_length=1, description="Encoders to embed with; the margins of several are fused (mine.weights)."),
    ] = ("ngram",)
    block_rows: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most sentences of a block of vectors, on average.")
    ] = 16_384
    ngram: NgramSettings = msgspec.field(default_factory=NgramSettings)
    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="LASER model: laser (the best one of each variety), laser:<language>, laser2, laser3:<language>, "
            "or path or address (gs://, s3://, https://...#sha256=) of a checkpoint (.pt).",
            extra=model_setting(*LASER_FILES),
        ),
    ] = "laser"
    models: Annotated[
        dict[str, str],
        Meta(
            description="LASER models of single varieties, by BCP 47 tag; the others use `model`.",
            extra=model_setting(*LASER_FILES),
        ),
    ] = msgspec.field(default_factory=dict)
    cache: Annotated[str, Meta(description="Folder of downloaded models; empty: ~/.cache/isogloss/laser.")] = ""
    device: Annotated[Literal["auto", "cpu", "cuda"], Meta(description="auto: a GPU where there is one.")] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "float16", "int8"],
        Meta(description="auto: float16 on a GPU, float32 on the CPU; int8: on the CPU, faster, less exact."),
    ] = "auto"
    token_budget: Annotated[
        int, Meta(ge=0, description="Most pieces of a batch of the model, padding included; 0: what suits the device.")
    ] = 0
    longest_text: Annotated[
        int, Meta(ge=16, le=1024, description="A text is cut after this many pieces before the model reads it.")
    ] = 1024

    def __post_init__(self) -> None:
        """Check what the single constraints cannot."""
        if len(set(self.encoders)) < len(self.encoders):
            raise ValueError("encoders names one twice")
        if self.precision == "int8" and self.device == "cuda":
            raise ValueError("precision int8 runs on the CPU only")

    @property
    def encoder(self) -> str:
        """Name of the only encoder, or of the first."""
        return self.encoders[0]
