"""Identify: find the variety of each sentence.

What goes in: sentences. What comes out: the same sentences with `variety`, `variety_probability` and
`varieties`. Nothing is rejected: what cannot be told is `und`. Order and duplicates have no effect. Cost: that
of the model, which is loaded once a worker; the embedded one takes some microseconds a sentence.

`LearnFromSentences` comes before it where the model adapts to the run: sentences -> one value, what a sample of
them taught (at most 200,000 distinct ones, chosen by content, so that memory is bounded and order has no effect).
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
from transforms.identify.function import IdentifySentences, SentenceIdentifier, check_settings
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
    """Learn from sentences what helps to identify them: one value, empty where the model is better left alone.

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
        """Sample, then learn."""
        learn = beam.ParDo(_Learn(self.settings, tuple(self.expected))).with_output_types(bytes)
        return sentences | "Sample" >> beam.CombineGlobally(_Sample()) | "Learn" >> learn


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

    def process(self, sample: pa.Table) -> Iterable[Any]:
        identifier = SentenceIdentifier(self._settings, self._expected)
        report = identifier.learn(sample["text"].combine_chunks())
        count("identify", "sentences-learned-from", report.lines)
        count("identify", "adaptations-used", int(report.is_used))
        yield identifier.adaptation.to_bytes() if identifier.adaptation is not None else b""
