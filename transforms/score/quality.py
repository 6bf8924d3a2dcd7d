"""How probably a pair says the same thing: a logistic model on other scores. Pure.

It reads links and texts, and neither cosine nor margin: those mean something else under every encoder, and added
nothing to it (docs/scores.md). Features are standardized by the mean and deviation of the data of the fit; what is null
counts as average. `benchmarks/fit_quality.py` fits it; `models/quality.json` is the default fit.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.pair import PairBatch

SCORES = (
    "token_confidence",
    "length_ratio",
    "number_agreement",
    "punctuation_agreement",
    "name_agreement",
    "word_order",
    "orthographic_similarity",
)
"""Scores that are features as they are; log(mean words of a side) is one more."""
WITH_LENGTH = ("token_confidence", "length_ratio", "orthographic_similarity")
"""Scores whose product with the length is a feature: in a long pair the same share is surer."""


class QualityModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was fitted.

    Attributes:
        features: names of the features: the scores, `log_words`.
        means, scales: of each, for standardization.
        coefficients: of the features, then of the products.
        intercept: of the whole.
        data: what it was fitted on, for a person.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    data: str = ""

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the probability that a pair says the same.

        Args:
            features: (n, features), NaN where not known.

        Returns:
            (n,) 0 to 1.
        """
        design = standardized(features, np.array(self.means), np.array(self.scales))
        # column by column: a matrix product may round by the number of rows
        sums = np.full(len(design), self.intercept)
        for column, coefficient in zip(design.T, self.coefficients, strict=True):
            sums += coefficient * column
        return 1.0 / (1.0 + np.exp(-sums))  # type: ignore[no-any-return]


@cache
def default_model() -> QualityModel:
    """Read the fit that comes with the package."""
    data = (files("transforms.score") / "models" / "quality.json").read_bytes()
    return msgspec.json.decode(data, type=QualityModel)


def feature_names() -> tuple[str, ...]:
    """Name the features, in the order of their columns."""
    return (*SCORES, "log_words")


def features_of(pairs: PairBatch) -> NDArray[np.float64]:
    """Give the features of scored pairs: (n, features) float64, NaN where not known.

    A pair that was not aligned has neither confidence nor length.
    """
    columns = [_numbers(pairs.column(name)) for name in SCORES]
    words = [
        0 if None in sides else len(sides[0]) + len(sides[1])
        for sides in zip(pairs.texts("source_tokens"), pairs.texts("target_tokens"), strict=True)
    ]
    number = np.array(words, dtype=np.float64) / 2
    columns.append(np.where(number > 0, np.log(np.maximum(number, 0.5)), np.nan))
    return np.stack(columns, axis=1)


def standardized(
    features: NDArray[np.float64], means: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give (n, features + products): standardized, 0 for what is not known, and products with the length."""
    values = (features - means) / scales
    values = np.where(np.isnan(values), 0.0, values)
    names = feature_names()
    length = values[:, names.index("log_words")]
    return np.column_stack([values, *(values[:, names.index(name)] * length for name in WITH_LENGTH)])


def expected_calibration_error(probabilities: Sequence[float], labels: Sequence[float], bins: int = 10) -> float:
    """Give the mean distance of promise and truth: |mean probability - share of right ones| over bins of equal width.

    Args:
        probabilities: (n,) 0 to 1.
        labels: (n,) 0 to 1: right or not, or the share of judges who say so.
        bins: of the probability.
    """
    promised, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    place = np.clip((promised * bins).astype(np.int64), 0, bins - 1)
    gaps = np.bincount(place, weights=promised - true, minlength=bins)
    return float(np.abs(gaps).sum() / len(promised))


def _numbers(column: pa.Array) -> NDArray[np.float64]:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
