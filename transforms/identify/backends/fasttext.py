"""fastText classifiers: lid.176, GlotLID, OpenLID, and the models trained here; without the library.

Model file: any `.bin` or `.ftz`; the one in the package is described in `models/embedded.md`.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.variety import IDENTIFIERS, labels_of
from transforms.identify.calibration import Calibration
from transforms.identify.model_file import SETTING, ModelFacts, read_model, read_model_facts
from transforms.identify.predictor import Predictor
from transforms.identify.text import prepare_column, prepare_texts


class FastTextIdentifier:
    """A fastText classifier.

    Args:
        model: `embedded`, or the path of a `.bin` or `.ftz` file.
        scheme: whose labels it has; when None, what its card says, or the scheme that knows most of its labels.

    Raises:
        SettingsError: no such file, a broken one, or one of whose labels the registry knows none.
    """

    def __init__(self, model: str, scheme: str | None = None) -> None:
        facts, numbers = read_model(model)
        self.labels = facts.labels
        self.scheme = scheme or guess_scheme(facts.labels, str(facts.card.get("scheme", "")))
        self.calibration = _calibration(facts)
        self._recipe = facts.recipe
        self._predictor = Predictor(numbers)
        prepare_texts([], self._recipe)

    @staticmethod
    def describe(model: str, scheme: str | None = None) -> tuple[tuple[str, ...], str]:
        """Give labels and scheme of a model without loading it: checks its file, costs little."""
        facts = read_model_facts(model)
        return facts.labels, scheme or guess_scheme(facts.labels, str(facts.card.get("scheme", "")))

    def identify(self, texts: pa.StringArray) -> NDArray[np.float32]:
        """Give the probability of every label: (n, labels)."""
        lines = prepare_column(texts, self._recipe)
        sharpness = np.ones(len(lines), dtype=np.float32)
        if self.calibration is not None:
            sharpness = self.calibration.sharpness(lines.characters())
        return self._predictor.probabilities(lines, sharpness)


def _calibration(facts: ModelFacts) -> Calibration | None:
    if "calibration" not in facts.card:
        return None
    try:
        return msgspec.convert(facts.card["calibration"], Calibration)
    except msgspec.ValidationError as error:
        raise SettingsError(f"the card beside {facts.path.name} is broken: {error}", path=SETTING) from error


def guess_scheme(labels: Sequence[str], named: str = "") -> str:
    """Tell whose labels these are: as the model's card names it, or the scheme that knows most of them.

    Raises:
        SettingsError: none knows any.
    """
    if named in IDENTIFIERS:
        return named
    known = {scheme: sum(label in labels_of(scheme) for label in labels) for scheme in IDENTIFIERS}
    best = max(IDENTIFIERS, key=lambda scheme: known[scheme])
    if not known[best]:
        raise SettingsError(
            f"the registry knows none of the model's labels, such as {', '.join(labels[:3])}",
            path=SETTING,
            cure="Name the labels in schemas/varieties/*.toml, or train with BCP 47 tags as labels.",
        )
    return best


BACKEND = FastTextIdentifier
