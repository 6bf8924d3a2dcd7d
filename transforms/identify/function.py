"""Identification of sentences: what the stage and the command line share. No Beam."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.reject import RejectBatch
from schemas.sentence import CANDIDATE, SentenceBatch, sentence_id
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
from transforms.identify.cascade import CascadeIdentifier, cascade_labels
from transforms.identify.context import HostVotes, host_of, seen_in_context, shares_of, votes_of
from transforms.identify.decide import Decisions, Restriction, decide, is_foreign
from transforms.identify.dialectness import dialectness_of, standards_of
from transforms.identify.interface import Identifier
from transforms.identify.mixture import Mixtures, find_mixtures
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
    if settings.cascade is None:
        return made
    narrow = settings.cascade
    second: Identifier = load_backend("identify", narrow.kind)(narrow.model, narrow.labels)
    return CascadeIdentifier(made, second, narrow.among)


def check_settings(settings: IdentifySettings, expected: Sequence[str] = ()) -> None:
    """Check, before anything runs and without loading the model, that it exists and can tell what is expected.

    Raises:
        SettingsError: with the path into the configuration and the cure.
    """
    labels, scheme = load_backend("identify", settings.kind).describe(settings.model, settings.labels)
    if settings.cascade is not None:
        narrow = settings.cascade
        known = load_backend("identify", narrow.kind).describe(narrow.model, narrow.labels)
        labels, scheme = cascade_labels((labels, scheme), known, narrow.among), "isogloss"
    Restriction(labels, scheme, expected)


class Learned(msgspec.Struct, frozen=True):
    """What a run's sentences taught beforehand.

    Attributes:
        adaptation: as `Adaptation.to_bytes` gives it; empty: the model is used as it is.
        hosts: what the sentences of each host say.
    """

    adaptation: bytes = b""
    hosts: HostVotes = HostVotes()

    def to_bytes(self) -> bytes:
        """Write it down; the same gives the same bytes."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Learned":
        """Read what `to_bytes` wrote."""
        return msgspec.msgpack.decode(data, type=cls)


class SentenceIdentifier:
    """A loaded model with its settings.

    Args:
        settings: which model, and when its answer is taken.
        expected: tags that can occur; empty: any.

    Attributes:
        model: the backend.
        adaptation: what lines taught; None: the model is used as it is.
        hosts: votes of each host's sentences over `tags`, in parts of `context.WHOLE`.
    """

    def __init__(self, settings: IdentifySettings, expected: Sequence[str] = ()) -> None:
        self.settings = settings
        self.model = make_identifier(settings)
        self._restriction = Restriction(self.model.labels, self.model.scheme, expected)
        self.adaptation: Adaptation | None = None
        self.hosts: dict[str, NDArray[np.int64]] = {}
        self._standards = standards_of(self._restriction.tags)
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

    @property
    def tags(self) -> tuple[str, ...]:
        """What the columns of probabilities are; an empty one stands for all that the registry does not know."""
        return self._restriction.tags

    def use(self, learned: Learned) -> None:
        """Use what sentences taught beforehand."""
        self.adaptation = Adaptation.from_bytes(learned.adaptation) if learned.adaptation else None
        self.hosts = learned.hosts.by_host(self.tags)

    def probabilities(self, texts: pa.StringArray) -> NDArray[np.float32]:
        """Give the probability of every variety, expected or not: (n, t)."""
        parts = [self._adapted(part, self._probabilities(part)) for part in self._parts(texts)]
        return np.concatenate([np.zeros((0, len(self.tags)), dtype=np.float32), *parts])

    def decided(self, probabilities: NDArray[np.float32], top: int | None = None) -> Decisions:
        """Decide by probabilities (n, t)."""
        settings = self.settings
        return decide(
            probabilities,
            self._restriction,
            minimum_probability=settings.minimum_probability,
            foreign_threshold=settings.foreign_threshold,
            top=settings.top if top is None else top,
            least=self._least,
        )

    def mixtures(self, texts: pa.StringArray, probabilities: NDArray[np.float32]) -> Mixtures:
        """Find texts in two varieties, as the settings say."""
        return find_mixtures(texts, probabilities, self.probabilities, least=self.settings.mixed_from)

    def dialectness(
        self, texts: pa.StringArray, probabilities: NDArray[np.float32], best: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Measure how far texts are from the standard language of their variety: (n,); NaN where not known."""
        characters = pc.utf8_length(texts).to_numpy().astype(np.int64)
        return dialectness_of(probabilities, best, self._standards, characters, self.model.calibration)

    def answers(self, lines: Sequence[str], *, in_context: bool = False) -> list["Identified"]:
        """Decide on lines of text, one answer each, in order.

        Args:
            lines: one text each.
            in_context: lines up to an empty one are of one document, and lend each other evidence.
        """
        made = []
        for part in [as_column(lines)] if in_context else self._parts(as_column(lines)):
            probabilities = self.probabilities(part)
            if in_context:
                probabilities = seen_in_context(probabilities, _documents_of(lines))
            decided = self.decided(probabilities)
            for place, tag in enumerate(decided.varieties):
                value = float(decided.probabilities[place])
                made.append(Identified(tag, None if np.isnan(value) else value, tuple(decided.candidates_of(place))))
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
            foreign = is_foreign(probabilities, self._restriction, self.settings.foreign_threshold)
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
        foreign = is_foreign(probabilities, self._restriction, self.settings.foreign_threshold)
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
                identifier.use(Learned.from_bytes(taught))
                read[:] = [taught]
            return Result(identified_batch(batch, identifier), RejectBatch.empty())

        return identify


def identified_batch(sentences: SentenceBatch, identifier: SentenceIdentifier) -> SentenceBatch:
    """Set what identification knows of sentences, read from `normalized`.

    Args:
        sentences: those of a document stand together, in their order.
        identifier: model and settings.

    Returns:
        The same sentences in the same order.
    """
    if len(sentences) == 0:
        return sentences
    settings = identifier.settings
    texts = sentences.column("normalized")
    probabilities = identifier.probabilities(texts)
    own = identifier.decided(probabilities)
    tags = pa.array(own.tags, type=pa.string())
    columns: dict[str, Any] = {
        "own_variety": tags.take(pa.array(own.best)),
        "own_probability": _known(own.probabilities),
        "varieties": _candidates(own, tags),
        "dialectness": _known(identifier.dialectness(texts, probabilities, own.best)),
    }
    if settings.context != "none":
        seen = identifier.decided(_among_neighbours(sentences, identifier, probabilities), top=1)
        columns["context_variety"] = tags.take(pa.array(seen.best))
        columns["context_probability"] = _known(seen.probabilities)
    if settings.mixed_from < 1:
        mixed = identifier.mixtures(texts, probabilities)
        columns["mixed_probability"] = _known(mixed.probabilities)
        columns["mixed_variety"] = tags.take(pa.array(mixed.kinds, mask=mixed.kinds < 0))
        columns["mixed_share"] = _known(mixed.shares)
    going_by = "context" if settings.goes_by_context else "own"
    columns["variety"] = columns[f"{going_by}_variety"]
    columns["variety_probability"] = columns[f"{going_by}_probability"]
    return sentences.replace(**columns)


def _known(values: NDArray[np.float32]) -> pa.Array:
    return pa.array(values, mask=np.isnan(values), type=pa.float32())


def _candidates(decided: Decisions, tags: pa.Array) -> pa.Array:
    entries = pa.StructArray.from_arrays(
        [tags.take(pa.array(decided.kinds)), pa.array(decided.candidates)], fields=list(CANDIDATE)
    )
    return pa.ListArray.from_arrays(pa.array(decided.offsets, type=pa.int32()), entries)


def _among_neighbours(
    sentences: SentenceBatch, identifier: SentenceIdentifier, probabilities: NDArray[np.float32]
) -> NDArray[np.float32]:
    bounds = sentences.runs("document_id")
    sizes = np.diff(bounds)
    documents = np.repeat(np.arange(len(sizes)), sizes)
    hosts = None
    if identifier.hosts:
        names = [host_of(url) for url in sentences.column("url").take(pa.array(bounds[:-1])).to_pylist()]
        nothing = np.zeros(len(identifier.tags), dtype=np.int64)
        known = np.array([identifier.hosts.get(name, nothing) for name in names])
        # A document is no witness for itself.
        hosts = np.repeat(shares_of(known - votes_of(probabilities, bounds)), sizes, axis=0)
    return seen_in_context(probabilities, documents, hosts)


def host_votes(sentences: SentenceBatch, identifier: SentenceIdentifier) -> list[tuple[str, dict[str, int]]]:
    """Count what the sentences of each host say by themselves: host, votes by variety in parts of `context.WHOLE`."""
    bounds = sentences.runs("document_id")
    votes = votes_of(identifier.probabilities(sentences.column("normalized")), bounds)
    urls = sentences.column("url").take(pa.array(bounds[:-1], type=pa.int64())).to_pylist()
    by_host: dict[str, NDArray[np.int64]] = {}
    for url, row in zip(urls, votes, strict=True):
        host = host_of(url)
        if host:
            by_host[host] = by_host.get(host, 0) + row
    tags = identifier.tags
    return [
        (host, {tags[place]: int(row[place]) for place in np.flatnonzero(row)}) for host, row in sorted(by_host.items())
    ]


def identified_lines(lines: Sequence[str], identifier: SentenceIdentifier) -> SentenceBatch:
    """Identify lines of text as the stage does sentences: all its columns. Lines up to an empty one are of one document."""
    names = [f"lines-{number}" for number in _documents_of(lines).tolist()]
    texts = as_column(lines)
    places = range(len(lines))
    given = {"position": places, "start": places, "end": places}
    sentences = SentenceBatch.from_columns(
        {
            "sentence_id": [sentence_id(name, place, place) for place, name in enumerate(names)],
            "document_id": names,
            **{name: pa.array(values, type=pa.int32()) for name, values in given.items()},
            "text": texts,
            "normalized": texts,
            "source": ["lines"] * len(lines),
            "robots": ["not_checked"] * len(lines),
        }
    )
    return identified_batch(sentences, identifier)


def _documents_of(lines: Sequence[str]) -> NDArray[np.int64]:
    """Number the documents of lines; an empty line is the last of its document."""
    ends = np.array([not line.strip() for line in lines], dtype=np.int64)
    return np.r_[0, np.cumsum(ends)[:-1]] if len(lines) else ends


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
