"""How well each side reads as its own variety: a character model of the run's own sentences, never a standard one's."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.characters import CharacterModel

LEARNS = True
"""`compute` takes a character model a variety."""

FIELDS = [
    score_field(
        f"{side}_fluency",
        f"Mean log2 probability of a character of the {side} under a character model (5-grams) of the run's own sentences"
        " of the variety, the sentence itself taken out; null where no model was learned, and without characters.",
        range="below 0",
        better="higher",
    )
    for side in ("source", "target")
]


def compute(pairs: PairBatch, models: Mapping[str, CharacterModel]) -> Mapping[str, pa.Array]:
    """Measure each side under its variety's model."""
    columns = {}
    for side in ("source", "target"):
        texts, tags = pairs.texts(f"{side}_normalized"), pairs.texts(f"{side}_variety")
        values = np.full(len(pairs), np.nan)
        for tag in sorted(set(tags) & set(models)):
            rows = [i for i, other in enumerate(tags) if other == tag]
            values[rows] = models[tag].log_probabilities([texts[i] for i in rows])
        columns[f"{side}_fluency"] = pa.array(values.astype(np.float32), mask=np.isnan(values))
    return columns
