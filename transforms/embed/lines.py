"""Embed two lists of lines in memory: what `isogloss pair` does, without a graph and without files."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.errors import SettingsError
from transforms.embed.backends.ngram import fit_encode
from transforms.embed.encoders import Encoders
from transforms.embed.interface import Vectors
from transforms.embed.settings import EmbedSettings


class TwoSides(NamedTuple):
    """The vectors of two lists of lines, in one space.

    Attributes:
        a, b: (lines, dimension) float32, an array or a CSR matrix; rows of length 1, or of zeros.
        encoder: name and digest of the model.
    """

    a: Vectors
    b: Vectors
    encoder: str


def embed_lines(
    lines_a: Sequence[str], lines_b: Sequence[str], settings: EmbedSettings, varieties: tuple[str, str] = ("", "")
) -> TwoSides:
    """Embed two lists of lines in one space.

    Args:
        lines_a: any texts, also empty ones.
        lines_b: the same, of the other side.
        settings: which encoder, and how.
        varieties: BCP 47 tags of the sides, by which their models are chosen; empty where they are not known.

    Raises:
        SettingsError: a model that cannot be loaded, or several encoders.
    """
    if len(settings.encoders) > 1:
        raise SettingsError(
            f"lines are embedded by one encoder, got {', '.join(settings.encoders)}",
            path="$.embed.encoders",
            cure="Call it once for each.",
        )
    if settings.encoder == "ngram":
        encoder, (a, b) = fit_encode([lines_a, lines_b], settings.ngram)
        return TwoSides(a, b, encoder.name)
    encoders = Encoders(settings, settings.encoder)
    first, second = (encoders.of(variety) for variety in varieties)
    told = first.name if first is second else f"{first.name} {second.name}"
    return TwoSides(first.encode(lines_a), second.encode(lines_b), told)
