"""Embed two lists of lines in memory: what `isogloss pair` does, without a graph and without files."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas.errors import SettingsError
from transforms.common.blocks import as_stored
from transforms.embed.backends.ngram import fit_encode
from transforms.embed.encoders import Encoders
from transforms.embed.interface import Vectors
from transforms.embed.repair import repair_sides
from transforms.embed.settings import EmbedSettings
from transforms.embed.views import ngram_view


class TwoSides(NamedTuple):
    """The vectors of two lists of lines, in one space.

    Attributes:
        a, b: (lines, dimension) float32, an array or a CSR matrix; rows of length 1, or of zeros.
        encoder: name and digest of the model.
        found, made: texts whose vectors were in the cache, and texts that were embedded, where there is a cache.
    """

    a: Vectors
    b: Vectors
    encoder: str
    found: int = 0
    made: int = 0


def embed_lines(
    lines_a: Sequence[str], lines_b: Sequence[str], settings: EmbedSettings, varieties: tuple[str, str] = ("", "")
) -> TwoSides:
    """Embed two lists of lines in one space. Dense vectors are those that a run would write and read again.

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
        seen = [ngram_view(lines, settings.script) for lines in (lines_a, lines_b)]
        encoder, (a, b) = fit_encode(seen, settings.ngram)
        return TwoSides(a, b, encoder.name)
    lookups: list[tuple[int, int]] = []
    encoders = Encoders(settings, settings.encoder, on_lookup=lambda found, made: lookups.append((found, made)))
    first, second = (encoders.of(variety) for variety in varieties)
    names = [first.name, second.name]
    sides = [as_stored(np.asarray(encoder.encode(lines))) for encoder, lines in ((first, lines_a), (second, lines_b))]
    if settings.space.repairs:
        sides, space = repair_sides(sides, varieties, encoders)
        names = [space.name_of(name) for name in names]
    return TwoSides(
        sides[0],
        sides[1],
        " ".join(dict.fromkeys(names)),
        sum(found for found, _ in lookups),
        sum(made for _, made in lookups),
    )
