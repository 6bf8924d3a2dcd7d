"""`ngram`: sparse TF-IDF over character n-grams within words. No weights: the space is fitted on the run's own texts."""

from collections.abc import Sequence

import scipy.sparse

from transforms.embed.ngrams import (
    NgramSpace,
    add_frequencies,
    chunks,
    count_ngrams,
    fit_space,
    frequencies_of,
    stack,
    text_frequencies,
    weigh,
)
from transforms.embed.settings import NgramSettings


class NgramEncoder:
    """Embeds texts in a fitted space.

    Args:
        space: made by `fit_space`.

    Example:
        >>> encoder = fit(["Un chien.", "Un gatt.", "Un cane."], NgramSettings())
        >>> encoder.encode(["Un chien."]).shape == (1, encoder.dimension)
        True
    """

    def __init__(self, space: NgramSpace) -> None:
        self.space = space
        self.name = f"ngram:{space.digest}"
        self.kind = "sparse"
        self.is_steady = True
        self.dimension = len(space.keys)

    def encode(self, texts: Sequence[str]) -> scipy.sparse.csr_array:
        """Embed texts: (texts, dimension) float32."""
        return stack(
            [weigh(count_ngrams(chunk, self.space.settings), self.space) for chunk in chunks(texts)], self.dimension
        )


def fit(texts: Sequence[str], settings: NgramSettings) -> NgramEncoder:
    """Fit the space on texts and give the encoder."""
    return NgramEncoder(fit_space(text_frequencies(texts, settings), settings))


def fit_encode(
    sides: Sequence[Sequence[str]], settings: NgramSettings
) -> tuple[NgramEncoder, list[scipy.sparse.csr_array]]:
    """Fit the space on several lists of texts together and embed them, counting every text once.

    Memory: the counts of all texts at once, some 1.5 KB a sentence; for what fits in memory only.
    """
    counted = [[count_ngrams(chunk, settings) for chunk in chunks(texts)] for texts in sides]
    space = fit_space(add_frequencies(frequencies_of(counts) for side in counted for counts in side), settings)
    vectors = [stack([weigh(counts, space) for counts in side], len(space.keys)) for side in counted]
    return NgramEncoder(space), vectors


BACKEND = NgramEncoder

__all__ = ["BACKEND", "NgramEncoder", "fit", "fit_encode"]
