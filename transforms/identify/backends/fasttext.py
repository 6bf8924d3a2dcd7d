"""fastText classifiers: lid.176, GlotLID, OpenLID, and the models trained here.

Model file: any `.bin` or `.ftz`; the one in the package is described in `models/embedded.md`. fastText is MIT.
"""

from collections.abc import Sequence

import numpy as np
from fasttext.FastText import _FastText

from schemas.errors import SettingsError
from schemas.variety import IDENTIFIERS, LABEL_PREFIX, labels_of
from transforms.identify.interface import Predictions
from transforms.identify.model_file import SETTING, read_model_facts
from transforms.identify.text import prepare_texts


class FastTextIdentifier:
    """A fastText classifier.

    Args:
        model: `embedded`, or the path of a `.bin` or `.ftz` file.
        scheme: whose labels it has; when None, what its card says, or the scheme that knows most of its labels.

    Raises:
        SettingsError: no such file, a broken one, or one of whose labels the registry knows none.
    """

    def __init__(self, model: str, scheme: str | None = None) -> None:
        facts = read_model_facts(model)
        self.labels = facts.labels
        self.scheme = scheme or guess_scheme(facts.labels, str(facts.card.get("scheme", "")))
        self._recipe = facts.recipe
        self._place = {LABEL_PREFIX + label: place for place, label in enumerate(facts.labels)}
        prepare_texts([], self._recipe)
        try:
            # `_FastText` and not `load_model`, which writes a warning to stderr.
            self._model = _FastText(model_path=str(facts.path)).f
        except (ValueError, RuntimeError, MemoryError) as error:
            raise SettingsError(f"fastText cannot load {facts.path.name}: {error}", path=SETTING) from error

    @staticmethod
    def describe(model: str, scheme: str | None = None) -> tuple[tuple[str, ...], str]:
        """Give labels and scheme of a model without loading it: checks its file, costs little."""
        facts = read_model_facts(model)
        return facts.labels, scheme or guess_scheme(facts.labels, str(facts.card.get("scheme", "")))

    def identify(self, texts: Sequence[str], k: int) -> Predictions:
        """Give the `k` most probable labels of each text; all when `k` is 0."""
        lines = prepare_texts(texts, self._recipe)
        spoken = [place for place, line in enumerate(lines) if line]
        # The binding under `predict`: that one fails with numpy 2, and takes one line at a time.
        found, probabilities = self._model.multilinePredict(
            [lines[place] + "\n" for place in spoken], k if k > 0 else len(self.labels), 0.0, "replace"
        )
        counts = np.zeros(len(lines), dtype=np.int64)
        counts[spoken] = [len(labels) for labels in found]
        place_of = self._place
        labels = np.fromiter(
            (place_of[label] for row in found for label in row), dtype=np.int32, count=int(counts.sum())
        )
        # fastText adds 1e-5 inside its logarithms, so that a sure label comes out as 1.00001.
        flat = np.concatenate(probabilities) if spoken else np.zeros(0, dtype=np.float32)
        return Predictions(np.r_[0, np.cumsum(counts)], labels, np.clip(flat.astype(np.float32), 0.0, 1.0))


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
