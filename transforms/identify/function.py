"""Identification of sentences: what the stage and the command line share. No Beam."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from schemas.errors import SettingsError
from schemas.reject import RejectBatch
from schemas.sentence import CANDIDATE, SentenceBatch
from transforms.common.accounting import Result
from transforms.common.backends import load_backend
from transforms.identify.decide import Decisions, Restriction, decide
from transforms.identify.interface import Identifier
from transforms.identify.settings import IdentifySettings
from transforms.identify.text import as_column

_CELLS = 2_000_000
"""Most probabilities held at a time."""


def make_identifier(settings: IdentifySettings) -> Identifier:
    """Load the configured model.

    Raises:
        SettingsError: there is no such backend, file, or the file is broken.
    """
    made: Identifier = load_backend("identify", settings.backend)(settings.model, settings.labels)
    return made


def check_settings(settings: IdentifySettings, expected: Sequence[str] = ()) -> None:
    """Check, before anything runs and without loading the model, that it exists and can tell what is expected.

    Raises:
        SettingsError: with the path into the configuration and the cure.
    """
    labels, scheme = load_backend("identify", settings.backend).describe(settings.model, settings.labels)
    Restriction(labels, scheme, expected)


class SentenceIdentifier:
    """A loaded model with its settings.

    Args:
        settings: which model, and when its answer is taken.
        expected: tags that can occur; empty: any.
    """

    def __init__(self, settings: IdentifySettings, expected: Sequence[str] = ()) -> None:
        self._settings = settings
        self._identifier = make_identifier(settings)
        self._restriction = Restriction(self._identifier.labels, self._identifier.scheme, expected)
        self._least = 0.0
        if settings.coverage is not None:
            calibration = self._identifier.calibration
            if calibration is None or not calibration.thresholds:
                raise SettingsError(
                    "the model has no calibration, so no set of candidates can be promised to hold the truth",
                    path="$.identify.coverage",
                    cure="Leave coverage out, or take a model made by `isogloss train-identifier`.",
                )
            self._least = calibration.threshold(settings.coverage)

    def decide(self, texts: pa.StringArray) -> Iterator[Decisions]:
        """Decide on texts, some at a time, in order."""
        settings, restriction = self._settings, self._restriction
        rows = max(1, _CELLS // max(1, len(self._identifier.labels)))
        for start in range(0, len(texts), rows):
            yield decide(
                restriction.probabilities(self._identifier.identify(texts.slice(start, rows))),
                restriction,
                minimum_probability=settings.minimum_probability,
                foreign_threshold=settings.foreign_threshold,
                top=settings.top,
                least=self._least,
            )


@dataclass(frozen=True)
class IdentifySentences:
    """Makes the stage's function: loads the model once a worker. Picklable.

    Attributes:
        settings: which model, and when its answer is taken.
        expected: tags that can occur; empty: any.
    """

    settings: IdentifySettings
    expected: tuple[str, ...] = ()

    def __call__(self) -> Any:
        """Load the model; give the function from a batch to its result."""
        identifier = SentenceIdentifier(self.settings, self.expected)
        return lambda batch: Result(identified_batch(batch, identifier), RejectBatch.empty())


def identified_batch(sentences: SentenceBatch, identifier: SentenceIdentifier) -> SentenceBatch:
    """Set variety, variety_probability and varieties of sentences, read from `normalized`.

    Returns:
        The same sentences in the same order.
    """
    if len(sentences) == 0:
        return sentences
    parts = list(identifier.decide(sentences.column("normalized")))
    tags = pa.array(parts[0].tags, type=pa.string())
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    candidates = pa.StructArray.from_arrays(
        [
            tags.take(pa.array(np.concatenate([part.kinds for part in parts]))),
            pa.array(np.concatenate([part.candidates for part in parts])),
        ],
        fields=list(CANDIDATE),
    )
    return sentences.replace(
        variety=tags.take(pa.array(np.concatenate([part.best for part in parts]))),
        variety_probability=pa.array(probabilities, mask=np.isnan(probabilities), type=pa.float32()),
        varieties=pa.ListArray.from_arrays(pa.array(np.r_[0, np.cumsum(sizes)], type=pa.int32()), candidates),
    )


class Identified(NamedTuple):
    """What is known of a line.

    Attributes:
        tag: its variety; `und` where undetermined.
        probability: of the variety; None where undetermined.
        candidates: the most probable varieties with their probabilities, best first.
    """

    tag: str
    probability: float | None
    candidates: tuple[tuple[str, float], ...]


def identify_lines(
    lines: Sequence[str],
    *,
    model: str = "embedded",
    expected: Sequence[str] = (),
    top: int = 1,
    settings: IdentifySettings | None = None,
) -> list[Identified]:
    """Identify lines of text.

    Args:
        lines: one text each.
        model: `embedded`, or the path of a model file.
        expected: tags that can occur; empty: any that the model knows.
        top: candidates to give.
        settings: instead of `model` and `top`.

    Returns:
        One answer per line, in order.

    Raises:
        SettingsError: no such model, or it cannot tell what is expected.
    """
    identifier = SentenceIdentifier(settings or IdentifySettings(model=model, top=top), expected)
    answers = []
    for part in identifier.decide(as_column(lines)):
        for place, tag in enumerate(part.varieties):
            probability = float(part.probabilities[place])
            answers.append(
                Identified(tag, None if np.isnan(probability) else probability, tuple(part.candidates_of(place)))
            )
    return answers
