"""Identification of sentences: what the stage and the command line share. No Beam."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.reject import RejectBatch
from schemas.sentence import CANDIDATE, SentenceBatch
from transforms.common.accounting import Result
from transforms.common.backends import load_backend
from transforms.identify.adaptation import (
    RECIPE,
    Adaptation,
    AdaptationReport,
    fit_adaptation,
    joined_samples,
    sample_of,
)
from transforms.identify.decide import Decisions, Restriction, decide, is_foreign
from transforms.identify.interface import Identifier
from transforms.identify.settings import IdentifySettings
from transforms.identify.text import as_column, prepare_column

_CELLS = 2_000_000
"""Most probabilities held at a time."""


def make_identifier(settings: IdentifySettings) -> Identifier:
    """Load the configured model.

    Raises:
        SettingsError: there is no such backend, file, or the file is broken.
    """
    made: Identifier = load_backend("identify", settings.kind)(settings.model, settings.labels)
    return made


def check_settings(settings: IdentifySettings, expected: Sequence[str] = ()) -> None:
    """Check, before anything runs and without loading the model, that it exists and can tell what is expected.

    Raises:
        SettingsError: with the path into the configuration and the cure.
    """
    labels, scheme = load_backend("identify", settings.kind).describe(settings.model, settings.labels)
    Restriction(labels, scheme, expected)


class SentenceIdentifier:
    """A loaded model with its settings.

    Args:
        settings: which model, and when its answer is taken.
        expected: tags that can occur; empty: any.

    Attributes:
        model: the backend.
        adaptation: what lines taught; None: the model is used as it is.
    """

    def __init__(self, settings: IdentifySettings, expected: Sequence[str] = ()) -> None:
        self._settings = settings
        self.model = make_identifier(settings)
        self._restriction = Restriction(self.model.labels, self.model.scheme, expected)
        self.adaptation: Adaptation | None = None
        self._least = 0.0
        if settings.coverage is not None:
            calibration = self.model.calibration
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
        for part in self._parts(texts):
            yield decide(
                self._adapted(part, self._probabilities(part)),
                restriction,
                minimum_probability=settings.minimum_probability,
                foreign_threshold=settings.foreign_threshold,
                top=settings.top,
                least=self._least,
            )

    def answers(self, lines: Sequence[str]) -> list["Identified"]:
        """Decide on lines of text, one answer each, in order."""
        made = []
        for part in self.decide(as_column(lines)):
            for place, tag in enumerate(part.varieties):
                value = float(part.probabilities[place])
                made.append(Identified(tag, None if np.isnan(value) else value, tuple(part.candidates_of(place))))
        return made

    def learn(self, texts: pa.StringArray) -> AdaptationReport:
        """Adapt to a sample of the texts that will be decided on: see `adaptation`.

        Args:
            texts: as `adaptation.sample_of` chooses them; foreign ones teach nothing.

        Returns:
            What was found; whether the adaptation is used from now on.

        Raises:
            SettingsError: no varieties are expected.
        """
        if not self._restriction.is_restricted:
            raise SettingsError(
                "adaptation needs to know which varieties can occur",
                path="$.identify.adapt",
                cure="Name them: corpus.varieties, or --expect.",
            )
        known, lines = [], []
        for part in self._parts(texts):
            probabilities = self._probabilities(part)
            foreign = is_foreign(probabilities, self._restriction, self._settings.foreign_threshold)
            chosen = np.flatnonzero(~foreign)
            known.append(probabilities[chosen][:, self._restriction.is_expected])
            lines.append(part.take(pa.array(chosen)))
        read = pa.concat_arrays(lines) if lines else pa.array([], type=pa.string())
        expected = int(self._restriction.is_expected.sum())
        together = np.concatenate([np.zeros((0, expected), dtype=np.float32), *known])
        self.adaptation, report = fit_adaptation(prepare_column(read, RECIPE), together, self._labelled_counts())
        return report

    def _labelled_counts(self) -> NDArray[np.float64] | None:
        """Give the n-gram counts of the model's labelled lines by expected variety, where it keeps them."""
        counts = getattr(self.model, "counts", None)
        if counts is None:
            return None
        by_variety = np.zeros((len(self._restriction.tags), counts.shape[1]))
        np.add.at(by_variety, self._restriction.column, counts)
        made: NDArray[np.float64] = by_variety[self._restriction.is_expected]
        return made

    def _parts(self, texts: pa.StringArray) -> Iterator[pa.StringArray]:
        rows = max(1, _CELLS // max(1, len(self.model.labels)))
        for start in range(0, len(texts), rows):
            yield texts.slice(start, rows)

    def _probabilities(self, texts: pa.StringArray) -> NDArray[np.float32]:
        return self._restriction.probabilities(self.model.identify(texts))

    def _adapted(self, texts: pa.StringArray, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Adapt the expected varieties' probabilities; what is foreign stays so, since their mass stays."""
        if self.adaptation is None:
            return probabilities
        expected = self._restriction.is_expected
        adapted = self.adaptation.apply(prepare_column(texts, RECIPE), probabilities[:, expected])
        foreign = is_foreign(probabilities, self._restriction, self._settings.foreign_threshold)
        probabilities[:, expected] = np.where(foreign[:, None], probabilities[:, expected], adapted)
        return probabilities


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
        """Load the model; give the function from a batch, and what the run's lines taught, to its result."""
        identifier = SentenceIdentifier(self.settings, self.expected)
        read: list[bytes] = []

        def identify(batch: SentenceBatch, taught: bytes = b"") -> Result[SentenceBatch]:
            if taught and (not read or read[0] is not taught):
                identifier.adaptation = Adaptation.from_bytes(taught)
                read[:] = [taught]
            return Result(identified_batch(batch, identifier), RejectBatch.empty())

        return identify


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
    return SentenceIdentifier(settings or IdentifySettings(model=model, top=top), expected).answers(lines)


def adapt_to_lines(identifier: SentenceIdentifier, chunks: Iterable[Sequence[str]]) -> AdaptationReport:
    """Adapt an identifier to lines, of which a bounded sample is kept.

    Raises:
        SettingsError: no varieties are expected.
    """
    sample = sample_of(as_column([]))
    for lines in chunks:
        sample = joined_samples([sample, sample_of(as_column(lines))])
    return identifier.learn(sample["text"].combine_chunks())
