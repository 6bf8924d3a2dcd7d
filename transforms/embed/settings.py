"""Settings of embedding: the section `[embed]` of a configuration."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from transforms.common.models import model_setting

LASER_FILES = ("spm", "cvocab", "laser2.spm", "laser2.cvocab")
"""What may lie beside a checkpoint of LASER."""

Accents = Literal["kept", "folded", "both"]
Script = Literal["kept", "romanized", "both"]


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


class SentenceTransformersSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of the library sentence_transformers."""

    model: Annotated[
        str,
        Meta(
            description="Folder of a model, as path or address (gs://, s3://, an archive by https://...#sha256=); or its "
            "name, where downloads are allowed.",
            extra=model_setting(),
        ),
    ] = ""
    prompt: Annotated[
        str,
        Meta(description="Put before each text, such as 'query: '; empty: what the model says of itself, or nothing."),
    ] = ""
    download: Annotated[bool, Meta(description="May a model that is named, and no folder, be downloaded?")] = False


class MapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A linear map of one variety's vectors onto those of another, fitted on seed pairs."""

    source: Annotated[str, Meta(min_length=1, description="BCP 47 tag of the variety whose vectors are mapped.")]
    target: Annotated[str, Meta(min_length=1, description="BCP 47 tag of the variety onto which they are mapped.")]
    pairs: Annotated[
        str,
        Meta(
            min_length=1,
            description="TSV of seed pairs, source TAB target, as path or address.",
            extra=model_setting(),
        ),
    ]
    method: Annotated[
        Literal["orthogonal", "ridge"],
        Meta(description="orthogonal: a rotation (Procrustes), safe with few pairs; ridge: any linear map."),
    ] = "orthogonal"
    ridge: Annotated[
        float, Meta(gt=0, description="Strength of the ridge, in units of the mean variance of a value.")
    ] = 1.0


class SpaceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Repairs of the space of dense vectors, in this order."""

    centre: Annotated[bool, Meta(description="Subtract the mean of each variety.")] = False
    remove_directions: Annotated[
        int, Meta(ge=0, description="Take out so many directions of the largest variance (all-but-the-top).")
    ] = 0
    whiten: Annotated[bool, Meta(description="Give all directions that are left the same variance.")] = False
    maps: Annotated[tuple[MapSettings, ...], Meta(description="Maps of single varieties onto others.")] = ()

    @property
    def turns(self) -> bool:
        """Does it need the covariance of the vectors?"""
        return self.whiten or self.remove_directions > 0

    @property
    def repairs(self) -> bool:
        """Does it change anything?"""
        return self.centre or self.turns or bool(self.maps)


class EmbedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which encoder gives the vectors, and how."""

    encoders: Annotated[
        tuple[Literal["ngram", "laser", "sentence_transformers"], ...],
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
    sentence_transformers: SentenceTransformersSettings = msgspec.field(default_factory=SentenceTransformersSettings)
    cache: Annotated[
        str, Meta(description="Folder of downloaded models; empty: ~/.cache/isogloss/laser, or the library's own.")
    ] = ""
    script: Annotated[
        Script,
        Meta(
            description="What encoders read: kept: the text; romanized: in Latin letters (a key); both: one beside the other."
        ),
    ] = "kept"
    space: SpaceSettings = msgspec.field(default_factory=SpaceSettings)
    vector_cache: Annotated[
        str,
        Meta(
            description="Folder (or gs://, s3://) of vectors that are kept over runs and corpora, by content; empty: none."
        ),
    ] = ""
    device: Annotated[Literal["auto", "cpu", "cuda"], Meta(description="auto: a GPU where there is one.")] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "float16", "bfloat16", "int8"],
        Meta(
            description="auto: float16 on a GPU, float32 on the CPU; float16: on a GPU; int8: on the CPU, faster, less exact."
        ),
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

    def that_matter(self) -> "EmbedSettings":
        """Give the settings without those that change no byte of what is made."""
        return msgspec.structs.replace(self, vector_cache="", cache="")

    @property
    def encoder(self) -> str:
        """Name of the only encoder, or of the first."""
        return self.encoders[0]
