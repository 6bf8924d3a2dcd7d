"""score: pairs -> pairs with score columns behind them.

What goes in: pairs, with words and links where they were aligned. What comes out: the same pairs, each with every
chosen score; unknown is null. No pair is rejected: a score measures, the configuration of `publish` decides. Order,
cut and duplicates do not matter. Cost: one pass; edit distances of sentences and words are most of it.

Fluency needs a character model of each variety, learned from the run's sentences (`LearnFluency`): n-grams are counted
where the sentences are, counts are added up by variety, whole numbers, so in any order; a file a variety is written
under the checkpoint's folder, and scoring waits for it. Cost: some 16 bytes a distinct n-gram, at most five times
the characters of the variety, at the place that adds up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from schemas.pair import PairBatch
from schemas.reject import RejectBatch
from schemas.sentence import SentenceBatch
from schemas.table import UNDETERMINED
from transforms.common import coders as coders
from transforms.common import files
from transforms.common.accounting import Result
from transforms.common.stage import MapBatches, Outcome, StageFunction
from transforms.score.characters import CharacterModel, count_texts, merge_counts
from transforms.score.pairs import score_batch
from transforms.score.registry import score_fields, wants_models
from transforms.score.settings import ScoreSettings

ARTIFACTS = "fluency"
"""Folder, below the checkpoint's, of the character models: one file a variety."""
_MODELS_KEPT = 4


@dataclass(eq=False, kw_only=True)
class LearnFluency(beam.PTransform):  # type: ignore[misc]
    """Learn a character model of every variety from sentences; gives the path of each by its variety.

    Attributes:
        settings: which scores; nothing is learned where none of them needs a model.
        folder: the pairs' checkpoint folder; models go to `fluency/` below it.
    """

    settings: ScoreSettings
    folder: str

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, sentences: beam.PCollection[SentenceBatch]) -> beam.PCollection[tuple[str, str]]:
        """Count, add up by variety, write."""
        counted = beam.FlatMap(_counts_by_variety, wanted=wants_models(self.settings.scores))
        return (
            sentences
            | "Count" >> counted.with_output_types(beam.typehints.KV[str, bytes])
            | "Add up" >> beam.CombinePerKey(_AddUp()).with_output_types(beam.typehints.KV[str, bytes])
            | "Write"
            >> beam.MapTuple(partial(_write_model, self.folder)).with_output_types(beam.typehints.KV[str, str])
        )


@dataclass(eq=False, kw_only=True)
class Score(beam.PTransform):  # type: ignore[misc]
    """Measure pairs.

    Attributes:
        settings: which scores.
        models: what `LearnFluency` gives; None: fluency is null.
    """

    settings: ScoreSettings
    models: beam.PCollection | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, batches: beam.PCollection[PairBatch]) -> Outcome:
        """Take the scores of every batch."""
        if self.models is not None and wants_models(self.settings.scores):
            batches = batches | "Fluency" >> beam.ParDo(
                _MeasureFluency(self.settings), models=beam.pvalue.AsDict(self.models)
            ).with_output_types(PairBatch)
        measured: Outcome = batches | "Measure" >> MapBatches(
            stage="score",
            unit="pair",
            make_function=partial(_make_measure, self.settings),
            given=PairBatch,
            made=PairBatch,
            variety="source_variety>target_variety",
        )
        return measured


def _make_measure(settings: ScoreSettings) -> StageFunction:
    def run(pairs: PairBatch) -> Result[PairBatch]:
        return Result(score_batch(pairs, settings.scores), RejectBatch.empty())

    return run


class _MeasureFluency(beam.DoFn):  # type: ignore[misc]
    """Adds the columns that need models; no batch is lost or made here, so counting is left to the step behind."""

    def __init__(self, settings: ScoreSettings) -> None:
        self._names = [spec.name for spec in score_fields(settings.scores) if wants_models([spec.name])]

    def setup(self) -> None:
        self._model = lru_cache(maxsize=_MODELS_KEPT)(_read_model)

    def process(self, pairs: PairBatch, models: Mapping[str, str]) -> Iterable[PairBatch]:
        tags = {tag for side in ("source", "target") for tag in pairs.texts(f"{side}_variety")}
        known = {tag: self._model(models[tag]) for tag in sorted(tags) if tag in models}
        yield score_batch(pairs, self._names, models=known)


def _counts_by_variety(sentences: SentenceBatch, wanted: bool) -> Iterable[tuple[str, bytes]]:
    if not wanted:
        return
    tags, texts = sentences.texts("variety"), sentences.texts("normalized")
    for tag in sorted({tag for tag in tags if tag not in (None, UNDETERMINED)}):
        counts = count_texts([text for text, other in zip(texts, tags, strict=True) if other == tag])
        yield tag, _bytes_of(counts)


class _AddUp(beam.CombineFn):  # type: ignore[misc]
    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, total: list[bytes], counts: bytes) -> list[bytes]:
        return [*total, counts] if len(total) < 16 else [_merged([*total, counts])]  # a merge costs as much as it holds

    def merge_accumulators(self, totals: Iterable[list[bytes]]) -> list[bytes]:
        return [_merged([counts for total in totals for counts in total])]

    def extract_output(self, total: list[bytes]) -> bytes:
        return _merged(total)


def _merged(parts: list[bytes]) -> bytes:
    return _bytes_of(merge_counts(_counts_of(part) for part in parts))


def _write_model(folder: str, tag: str, counts: bytes) -> tuple[str, str]:
    path = files.join(folder, ARTIFACTS, f"{tag}.arrow")
    files.write_bytes(path, counts)
    return tag, path


def _read_model(path: str) -> CharacterModel:
    return CharacterModel.of(_counts_of(files.read_bytes(path)))


def _bytes_of(counts: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, counts.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(counts)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _counts_of(data: bytes) -> Any:
    with pa.ipc.open_file(pa.BufferReader(data)) as reader:
        return reader.read_all()
