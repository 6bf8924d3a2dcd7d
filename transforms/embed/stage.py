"""Embed: sentences -> blocks of vectors, by an encoder that the settings choose.

What goes in: batches of sentences, chosen and unique. What comes out: references to blocks, one a range of sentence ids
of a variety, whose sentences and vectors lie in the vectors checkpoint; with several encoders, one reference a block and
encoder, of the same sentences. Where the space of dense vectors is repaired, those before it lie beside, as `.before.arrow`. Rejected is a sentence without
anything that an encoder could read (`not_encodable`). Order does not matter: a block is a function of its
sentences. Cost: two passes over the sentences in memory (count, gather), one shuffle of them, and the encoder.
Vectors never pass through a shuffle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.ml.inference.base import ModelHandler, RunInference

from schemas.identity import buckets_of
from schemas.ledger import LedgerBatch
from schemas.reject import Reason, RejectBatch
from schemas.sentence import SentenceBatch
from schemas.table import UNDETERMINED
from transforms.common import coders as coders
from transforms.common.accounting import Result, rejects_of
from transforms.common.blocks import (
    SPARSE,
    VectorBlock,
    block_count,
    block_paths,
    read_dense,
    read_sentences,
    write_dense,
    write_sentences,
    write_sparse,
)
from transforms.common.metrics import count
from transforms.common.shards import ordered
from transforms.common.stage import AddUp, MapBatches
from transforms.embed.backends.ngram import NgramEncoder
from transforms.embed.encoders import FITTED, Encoders
from transforms.embed.interface import Encoder
from transforms.embed.ngrams import Frequencies, NgramSpace, add_frequencies, fit_space, text_frequencies
from transforms.embed.prepare import encodable
from transforms.embed.repair import fit_repair
from transforms.embed.settings import EmbedSettings, NgramSettings, Script, SpaceSettings
from transforms.embed.space import Moments, Space, add_moments, moments_of, repaired
from transforms.embed.views import ngram_view

STAGE = "embed"
UNIT = "sentence"
_BEFORE = ".before.arrow"


class Embedded(NamedTuple):
    """What embedding gives."""

    blocks: beam.PCollection[VectorBlock]
    rejects: beam.PCollection[RejectBatch]
    ledger: beam.PCollection[LedgerBatch]


@dataclass(eq=False, kw_only=True)
class Embed(beam.PTransform):  # type: ignore[misc]
    """Embed sentences, block by block.

    Attributes:
        settings: which encoder, and how.
        folder: folder of the vectors checkpoint.
    """

    settings: EmbedSettings
    folder: str

    def expand(self, sentences: beam.PCollection[SentenceBatch]) -> Embedded:
        """Check, cut into blocks, gather, write the sentences, embed, write the vectors."""
        checked = sentences | "Check" >> MapBatches(
            stage=STAGE,
            unit=UNIT,
            make_function=_make_check,
            given=SentenceBatch,
            made=SentenceBatch,
            variety="variety",
        )
        counts = (
            checked.made
            | "Count" >> beam.FlatMap(_counts).with_output_types(tuple[str, int])
            | "Add up" >> beam.CombinePerKey(sum)
        )
        gathered = (
            checked.made
            | "Cut"
            >> beam.FlatMap(
                _cut, counts=beam.pvalue.AsDict(counts), block_rows=self.settings.block_rows
            ).with_output_types(tuple[tuple[str, int, int], SentenceBatch])
            | "Gather" >> beam.GroupByKey()
            | "Write sentences" >> beam.Map(_write_sentences, folder=self.folder).with_output_types(VectorBlock)
            # A retried encoder must not write the sentences again; and blocks are handed out to all workers.
            | "Spread" >> beam.Reshuffle()
        )
        if len(self.settings.encoders) == 1:
            blocks = gathered | "Embed" >> _EmbedBy(settings=self.settings, encoder=self.settings.encoder)
        else:
            blocks = (
                tuple(
                    gathered
                    | f"For {name}" >> beam.Map(_beside, encoder=name).with_output_types(VectorBlock)
                    | f"Embed by {name}" >> _EmbedBy(settings=self.settings, encoder=name)
                    for name in self.settings.encoders
                )
                | "All spaces" >> beam.Flatten()
            )
        blocks.element_type = VectorBlock
        return Embedded(blocks, checked.rejects, checked.ledger)


@dataclass(eq=False, kw_only=True)
class _EmbedBy(beam.PTransform):  # type: ignore[misc]
    """Embed the sentences of blocks by one encoder."""

    settings: EmbedSettings
    encoder: str

    def expand(self, blocks: beam.PCollection[VectorBlock]) -> beam.PCollection[VectorBlock]:
        if self.encoder == FITTED:
            embedded = blocks | "Embed" >> _EmbedNgrams(settings=self.settings.ngram, script=self.settings.script)
        else:
            handler = _Handler(self.settings, self.encoder)
            if self.settings.space.repairs:
                blocks = blocks | "Aside" >> beam.Map(_aside).with_output_types(VectorBlock)
            embedded = blocks | "As a batch" >> beam.Map(_alone) | "Embed" >> RunInference(handler)
            embedded.element_type = VectorBlock
            if self.settings.space.repairs:
                embedded = embedded | "Repair" >> _Repair(settings=self.settings, encoder=self.encoder)
        embedded.element_type = VectorBlock
        return embedded


@dataclass(eq=False, kw_only=True)
class _EmbedNgrams(beam.PTransform):  # type: ignore[misc]
    """Fit one space on the sentences of all blocks, then embed each block in it."""

    settings: NgramSettings
    script: Script

    def expand(self, blocks: beam.PCollection[VectorBlock]) -> beam.PCollection[VectorBlock]:
        space = (
            blocks
            | "Count n-grams"
            >> beam.Map(_frequencies, settings=self.settings, script=self.script).with_output_types(Frequencies)
            | "Add up n-grams" >> beam.CombineGlobally(AddUp(add_frequencies)).with_output_types(Frequencies)
            | "Fit" >> beam.Map(fit_space, settings=self.settings).with_output_types(NgramSpace)
        )
        return blocks | "Write vectors" >> beam.ParDo(
            _WriteNgrams(self.script), space=beam.pvalue.AsSingleton(space)
        ).with_output_types(VectorBlock)


class _WriteNgrams(beam.DoFn):  # type: ignore[misc]
    def __init__(self, script: Script) -> None:
        self._script = script
        self._encoder: NgramEncoder | None = None

    def process(self, block: VectorBlock, space: NgramSpace) -> Iterable[VectorBlock]:
        if self._encoder is None or self._encoder.space is not space:
            self._encoder = NgramEncoder(space)
        yield embed_block(block, self._encoder, self._script)


@dataclass(eq=False, kw_only=True)
class _Repair(beam.PTransform):  # type: ignore[misc]
    """Fit one repair on the vectors of all blocks, then write each block's vectors anew by it."""

    settings: EmbedSettings
    encoder: str

    def expand(self, blocks: beam.PCollection[VectorBlock]) -> beam.PCollection[VectorBlock]:
        space = (
            blocks
            | "Sum" >> beam.Map(_moments, settings=self.settings.space).with_output_types(Moments)
            | "Add up" >> beam.CombineGlobally(AddUp(add_moments)).with_output_types(Moments)
            | "Fit" >> beam.Map(_fit, settings=self.settings, encoder=self.encoder).with_output_types(Space)
        )
        return blocks | "Write vectors" >> beam.Map(_repair, space=beam.pvalue.AsSingleton(space)).with_output_types(
            VectorBlock
        )


class _Handler(ModelHandler[Sequence[VectorBlock], VectorBlock, Encoders]):  # type: ignore[misc]
    """Runs an encoder on references to blocks; the encoder cuts their sentences into batches by content."""

    def __init__(self, settings: EmbedSettings, encoder: str) -> None:
        super().__init__()
        self._settings = settings
        self._encoder = encoder
        self._on_gpu = settings.device == "cuda"

    def load_model(self) -> Encoders:
        """Get ready to load the encoders."""
        return Encoders(self._settings, self._encoder, on_lookup=_count_lookup)

    def run_inference(
        self,
        batch: Sequence[VectorBlock],
        model: Encoders,
        inference_args: Mapping[str, Any] | None = None,  # noqa: ARG002  # Beam hands it over
    ) -> list[VectorBlock]:
        """Embed blocks and write their vectors. A list: what a generator raises would not be counted as a failure."""
        return [embed_block(block, model.of(block.variety)) for block in batch]

    def should_skip_batching(self) -> bool:
        """Elements are batches already."""
        return True

    def share_model_across_processes(self) -> bool:
        """On a GPU the processes of a worker share one model; on the CPU each process has its own."""
        return self._on_gpu

    def get_num_bytes(self, batch: Sequence[VectorBlock]) -> int:
        """Give the size of what is handed over, without pickling it."""
        return sum(len(block.sentences) + len(block.folder) for block in batch)

    def get_metrics_namespace(self) -> str:
        """Name the counters."""
        return "isogloss-embed"


def embed_block(block: VectorBlock, encoder: Encoder, script: Script = "kept") -> VectorBlock:
    """Embed the sentences of a block, write the vectors, give the reference with dimension and encoder.

    Args:
        block: where its sentences are, and where its vectors will be.
        encoder: of the block's variety.
        script: the view that n-grams are taken of; a dense encoder makes its own.
    """
    sentences = read_sentences(block)
    vectors = encoder.encode(ngram_view(sentences.texts("normalized"), script))
    made = block._replace(kind=encoder.kind, dimension=encoder.dimension, encoder=encoder.name)
    write = write_sparse if encoder.kind == SPARSE else write_dense
    write(made, sentences.column("sentence_id"), vectors)  # type: ignore[operator]
    count(STAGE, "vectors", block.rows)
    return made


def _count_lookup(found: int, made: int) -> None:
    count(STAGE, "vectors-found-in-cache", found)
    count(STAGE, "vectors-added-to-cache", made)


def check(batch: SentenceBatch) -> Result[SentenceBatch]:
    """Reject the sentences without anything that an encoder could read."""
    good = encodable(batch.texts("normalized"))
    bad = np.flatnonzero(~good)
    rejects = rejects_of(
        batch,
        bad.tolist(),
        stage=STAGE,
        unit=UNIT,
        reasons=[Reason.NOT_ENCODABLE] * len(bad),
        details=["expected letters, digits or signs, got nothing but separators and control characters"] * len(bad),
        variety="variety",
        text="text",
    )
    return Result(batch.filter(good), rejects)


def _make_check() -> Any:
    return check


def _variety_column(batch: SentenceBatch) -> pa.Array:
    return pc.fill_null(batch.column("variety"), UNDETERMINED)


def _counts(batch: SentenceBatch) -> Iterable[tuple[str, int]]:
    for row in pc.value_counts(_variety_column(batch)).to_pylist():
        yield row["values"], row["counts"]


def _cut(
    batch: SentenceBatch, counts: Mapping[str, int], block_rows: int
) -> Iterable[tuple[tuple[str, int, int], SentenceBatch]]:
    """Cut a batch by variety and block: the key is variety, block number, number of the variety's blocks."""
    varieties = np.array(_variety_column(batch).to_pylist(), dtype=object)
    for variety in sorted(set(varieties.tolist())):
        rows = np.flatnonzero(varieties == variety)
        blocks = block_count(counts[variety], block_rows)
        numbers = buckets_of(batch.column("sentence_id").take(pa.array(rows)), blocks)
        for number in np.unique(numbers):
            yield (variety, int(number), blocks), batch.take(rows[numbers == number])


def _write_sentences(gathered: tuple[tuple[str, int, int], Iterable[SentenceBatch]], folder: str) -> VectorBlock:
    (variety, number, blocks), batches = gathered
    sentences = ordered(SentenceBatch.concatenate(list(batches)), ["sentence_id"])
    at, vectors_at = block_paths(variety, number, blocks)
    block = VectorBlock(folder, variety, number, len(sentences), "", 0, at, vectors_at, "")
    write_sentences(block, sentences)
    return block


def _beside(block: VectorBlock, encoder: str) -> VectorBlock:
    """Name the block's vectors by their encoder, so that those of several lie beside the same sentences."""
    return block._replace(vectors=f"{block.vectors.removesuffix('.arrow')}.{encoder}.arrow")


def _aside(block: VectorBlock) -> VectorBlock:
    """Name the block's vectors as those before the repair."""
    return block._replace(vectors=f"{block.vectors.removesuffix('.arrow')}{_BEFORE}")


def _moments(block: VectorBlock, settings: SpaceSettings) -> Moments:
    return moments_of(read_dense(block), block.variety, settings)


def _fit(moments: Moments, settings: EmbedSettings, encoder: str) -> Space:
    return fit_repair(moments, Encoders(settings, encoder, on_lookup=_count_lookup))


def _repair(block: VectorBlock, space: Space) -> VectorBlock:
    vectors = repaired(read_dense(block), block.variety, space)
    made = block._replace(vectors=f"{block.vectors.removesuffix(_BEFORE)}.arrow", encoder=space.name_of(block.encoder))
    write_dense(made, read_sentences(block).column("sentence_id"), vectors)
    return made


def _frequencies(block: VectorBlock, settings: NgramSettings, script: Script) -> Frequencies:
    return text_frequencies(ngram_view(_texts(block), script), settings)


def _alone(block: VectorBlock) -> list[VectorBlock]:
    return [block]


def _texts(block: VectorBlock) -> Sequence[str]:
    return read_sentences(block).texts("normalized")
