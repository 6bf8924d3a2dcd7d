"""The door of embedding."""

from transforms.embed.encoders import check_models
from transforms.embed.interface import Encoder, Vectors
from transforms.embed.lines import TwoSides, embed_lines
from transforms.embed.settings import EmbedSettings, NgramSettings
from transforms.embed.stage import Embed, Embedded

__all__ = [
    "Embed",
    "EmbedSettings",
    "Embedded",
    "Encoder",
    "NgramSettings",
    "TwoSides",
    "Vectors",
    "check_models",
    "embed_lines",
]
