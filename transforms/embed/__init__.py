"""embed: sentences -> blocks of vectors, by an encoder that the settings choose."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.embed.settings import (
    EmbedSettings,
    MapSettings,
    NgramSettings,
    SentenceTransformersSettings,
    SpaceSettings,
)

if TYPE_CHECKING:
    from transforms.embed.encoders import check_models
    from transforms.embed.interface import Encoder, Vectors
    from transforms.embed.lines import TwoSides, embed_lines
    from transforms.embed.stage import Embed, Embedded

__all__ = [
    "Embed",
    "EmbedSettings",
    "Embedded",
    "Encoder",
    "MapSettings",
    "NgramSettings",
    "SentenceTransformersSettings",
    "SpaceSettings",
    "TwoSides",
    "Vectors",
    "check_models",
    "embed_lines",
]

__getattr__ = late(
    __name__,
    encoders=("check_models",),
    interface=("Encoder", "Vectors"),
    lines=("TwoSides", "embed_lines"),
    stage=("Embed", "Embedded"),
)
