"""Linear models of character n-grams, trained here: for few, close varieties (`transforms/identify/linear.py`).

Model file: `.ngrams`, made by `isogloss train-identifier labelled.tsv -o model.ngrams`; its card stands beside it.
"""

import json

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from transforms.identify import kernels
from transforms.identify.calibration import Calibration
from transforms.identify.linear import LinearModel, read_labels
from transforms.identify.model_file import model_path
from transforms.identify.text import prepare_column

RECIPE = "letters-1"


class NgramIdentifier:
    """A linear model of character n-grams.

    Args:
        model: the path of a `.ngrams` file.
        scheme: whose labels it has; BCP 47 tags when None.

    Raises:
        SettingsError: no such file, or a broken one.

    Attributes:
        counts: n-gram counts of the labelled lines (labels, buckets), which adaptation begins with; None: not kept.
    """

    def __init__(self, model: str, scheme: str | None = None) -> None:
        path = model_path(model)
        self._model = LinearModel.load(path)
        self.labels = self._model.labels
        self.counts = self._model.counts
        self.scheme = scheme or "isogloss"
        card = path.with_suffix(".json")
        known = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
        try:
            self.calibration = msgspec.convert(known["calibration"], Calibration) if "calibration" in known else None
        except msgspec.ValidationError as error:
            raise SettingsError(f"the card {card.name} is broken: {error}", path="$.identify.model") from error

    @staticmethod
    def describe(model: str, scheme: str | None = None) -> tuple[tuple[str, ...], str]:
        """Give labels and scheme of a model without loading it."""
        return read_labels(model_path(model)), scheme or "isogloss"

    def identify(self, texts: pa.StringArray) -> NDArray[np.float32]:
        """Give the probability of every label: (n, labels)."""
        lines = prepare_column(texts, RECIPE)
        sharpness = np.ones(len(lines), dtype=np.float32)
        if self.calibration is not None:
            sharpness = self.calibration.sharpness(lines.characters())
        scores = self._model.scores(lines)
        kernels.subtract_best(scores, sharpness)
        np.exp(scores, out=scores)
        kernels.share(scores)
        return scores


BACKEND = NgramIdentifier
