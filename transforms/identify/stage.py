"""Identify: find the variety of each sentence.

What goes in: sentences, those of a document together in one batch and in their order, as `Segment` gives them. What
comes out: the same sentences with what identification knows of them, `variety` first of all. Nothing is rejected: what
cannot be told is `und`. The order of batches and duplicates have no effect. Cost: that of the model, which is loaded
once a worker; the embedded one takes some microseconds a sentence.

`LearnFromSentences` comes before it where the model adapts to the run or the hosts of the documents count: sentences ->
one value, what a sample of them taught (at most 200,000 distinct ones, chosen by content), and what each host's
sentences say (at most 100,000 hosts, those with the most), so that memory is bounded and order has no effect.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import pyarrow as pa

from schemas.sentence import SentenceBatch
from transforms.common.metrics import count
from transforms.common.stage import MapBatches, Outcome
from transforms.identify.adaptation import joined_samples, sample_of
from transforms.identify.context import MOST_HOSTS, HostVotes, frequent, most_heard
from transforms.identify.function import IdentifySentences, Learned, SentenceIdentifier, check_settings, host_votes
from transforms.identify.settings import IdentifySettings


@dataclass(eq=False, kw_only=True)
class Identify(beam.PTransform):  # type: ignore[misc]
    """Identify sentences.

    Attributes:
        settings: which model, and when its answer is taken.
        expected: tags that can occur; empty: any that the model knows.
        taught: one value, as `LearnFromSentences` gives it; None: the model is used as it is.
    """

    settings: IdentifySettings = field(default_factory=IdentifySettings)
    expected: tuple[str, ...] = ()
    taught: beam.PCollection | None = None

    def __post_init__(self) -> None:
        super().__init__()
        check_settings(self.settings, self.expected)

    def expand(self, sentences: beam.PCollection[SentenceBatch]) -> Outcome:
        """Run the model on every batch."""
        outcome: Outcome = sentences | "Identify" >> MapBatches(
            stage="identify",
            unit="sentence",
            make_function=IdentifySentences(self.settings, tuple(self.expected)),
            given=SentenceBatch,
            made=SentenceBatch,
            variety="language_hint",
            extra=self.taught,
        )
        return outcome


@dataclass(eq=False, kw_only=True)
class LearnFromSentences(beam.PTransform):  # type: ignore[misc]
    """Learn from sentences what helps to identify them: one value (`function.Learned`).

    What the settings ask for is learned; the adaptation is empty where the model is better left alone.

    Attributes:
        settings: which model.
        expected: tags that can occur; two at least.
    """

    settings: IdentifySettings = field(default_factory=IdentifySettings)
    expected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__init__()
        check_settings(self.settings, self.expected)

    def expand(self, sentences: beam.PCollection[SentenceBatch]) -> beam.PCollection[bytes]:
        """Sample, count by host, then learn."""
        given = (self.settings, tuple(self.expected))
        nothing = sentences.pipeline | "Nothing" >> beam.Create([None], reshuffle=False)
        sample, hosts = nothing, nothing
        if self.settings.adapt:
            sample = sentences | "Sample" >> beam.CombineGlobally(_Sample())
        if self.settings.context == "host":
            hosts = (
                sentences
                | "Count by host" >> beam.ParDo(_CountByHost(*given)).with_output_types(beam.typehints.KV[str, dict])
                | "Add up by host" >> beam.CombinePerKey(_AddVotes())
                | "Keep hosts" >> beam.CombineGlobally(_KeepHosts())
            )
        learn = beam.ParDo(_Learn(*given), beam.pvalue.AsSingleton(hosts)).with_output_types(bytes)
        return sample | "Learn" >> learn


class _Sample(beam.CombineFn):  # type: ignore[misc]
    """Keeps the distinct texts of the lowest content keys."""

    def create_accumulator(self) -> pa.Table:
        return sample_of(pa.array([], type=pa.string()))

    def add_input(self, sample: pa.Table, batch: SentenceBatch) -> pa.Table:
        return joined_samples([sample, sample_of(batch.column("normalized"))])

    def merge_accumulators(self, samples: Iterable[pa.Table]) -> pa.Table:
        return joined_samples(list(samples))

    def extract_output(self, sample: pa.Table) -> pa.Table:
        return sample


class _Learn(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: IdentifySettings, expected: tuple[str, ...]) -> None:
        self._settings = settings
        self._expected = expected

    def process(self, sample: pa.Table | None, hosts: HostVotes | None) -> Iterable[Any]:
        adaptation = b""
        if sample is not None:
            identifier = SentenceIdentifier(self._settings, self._expected)
            report = identifier.learn(sample["text"].combine_chunks())
            count("identify", "sentences-learned-from", report.lines)
            count("identify", "adaptations-used", int(report.is_used))
            if identifier.adaptation is not None:
                adaptation = identifier.adaptation.to_bytes()
        if hosts is not None:
            count("identify", "hosts-counted", len(hosts.hosts))
        yield Learned(adaptation, hosts or HostVotes()).to_bytes()


class _CountByHost(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: IdentifySettings, expected: tuple[str, ...]) -> None:
        self._settings = settings
        self._expected = expected
        self._identifier: SentenceIdentifier | None = None

    def setup(self) -> None:
        self._identifier = SentenceIdentifier(self._settings, self._expected)

    def process(self, batch: SentenceBatch) -> Iterable[tuple[str, dict[str, int]]]:
        assert self._identifier is not None, "setup runs before process"
        yield from host_votes(batch, self._identifier)


class _AddVotes(beam.CombineFn):  # type: ignore[misc]
    """Adds up votes by variety: whole numbers, so any order gives the same."""

    def create_accumulator(self) -> dict[str, int]:
        return {}

    def add_input(self, total: dict[str, int], votes: dict[str, int]) -> dict[str, int]:
        for tag, number in votes.items():
            total[tag] = total.get(tag, 0) + number
        return total

    def merge_accumulators(self, totals: Iterable[dict[str, int]]) -> dict[str, int]:
        merged: dict[str, int] = {}
        for total in totals:
            merged = self.add_input(merged, total)
        return merged

    def extract_output(self, total: dict[str, int]) -> dict[str, int]:
        return total


class _KeepHosts(beam.CombineFn):  # type: ignore[misc]
    """Keeps the hosts with the most votes."""

    def create_accumulator(self) -> list[tuple[str, dict[str, int]]]:
        return []

    def add_input(
        self, kept: list[tuple[str, dict[str, int]]], host: tuple[str, dict[str, int]]
    ) -> list[tuple[str, dict[str, int]]]:
        kept.append((host[0], frequent(host[1])))
        return most_heard(kept) if len(kept) >= 2 * MOST_HOSTS else kept

    def merge_accumulators(self, many: Iterable[list[tuple[str, dict[str, int]]]]) -> list[tuple[str, dict[str, int]]]:
        return most_heard([host for kept in many for host in kept])

    def extract_output(self, kept: list[tuple[str, dict[str, int]]]) -> HostVotes:
        return HostVotes.of(most_heard(kept))
