"""Shards: batches gathered by ranges of ids, ordered, and written as files whose names and bytes follow from content.

What goes in: batches in any order. What comes out: one reference a file. A shard holds the rows whose id
(`by`) falls in its range, so the files are the same for any number of workers and any cut of the input.
Order does not matter; rows that are equal in `unique` are kept once, the others become rejects. Cost: one
shuffle of the payload; locally it stays in memory (some four times its size).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from schemas.identity import buckets_of
from schemas.ledger import LedgerBatch, add_up
from schemas.reject import Reason, RejectBatch
from schemas.table import Batch
from transforms.common import coders as coders
from transforms.common import files
from transforms.common.accounting import ledger_entries, reject_entries, rejects_of
from transforms.common.stage import AddUp


class ShardReference(NamedTuple):
    """A file of a checkpoint, as work items carry it.

    Attributes:
        folder: the checkpoint's folder.
        path: the file's path below it.
        rows: rows in it.
        size_bytes: its size.
        digest: digest of its bytes.
    """

    folder: str
    path: str
    rows: int
    size_bytes: int
    digest: str

    @property
    def full_path(self) -> str:
        """The file's path."""
        return files.join(self.folder, *self.path.split("/"))


class Written(NamedTuple):
    """What writing gives."""

    shards: beam.PCollection[ShardReference]
    rejects: beam.PCollection[RejectBatch]
    ledger: beam.PCollection[LedgerBatch]


@dataclass(eq=False, kw_only=True)
class WriteShards(beam.PTransform):  # type: ignore[misc]
    """Write batches of one noun as Parquet shards.

    Attributes:
        noun: what the batches are.
        folder: the checkpoint's folder.
        shards: how many ranges the id space is cut into; ranges without rows have no file.
        by: id column whose range decides the shard.
        order: columns that order a shard's rows; they must tell any two rows apart, or the rows be equal.
        partition: columns whose values, joined by `-`, name the folder of a row; they stay in the rows.
        unique: id column; rows with an id that came before are rejected as `duplicate_document`. Empty: all stay.
        stage, unit, variety: for ledger and rejects, where `unique` is set.
    """

    noun: type[Batch]
    folder: str
    shards: int
    by: str
    order: Sequence[str]
    partition: Sequence[str] = ()
    unique: str = ""
    stage: str = ""
    unit: str = ""
    variety: str = ""

    def expand(self, batches: beam.PCollection) -> Written:
        """Cut by range, gather, write."""
        by_range = beam.ParDo(_Cut(self)).with_input_types(self.noun)
        cut = batches | "Cut by range" >> by_range.with_outputs("ledger", main="cut")
        pieces, entered = cut.cut, cut.ledger
        pieces.element_type, entered.element_type = beam.typehints.KV[str, self.noun], LedgerBatch
        done = (
            pieces
            | "Gather" >> beam.GroupByKey()
            | "Write" >> beam.ParDo(_Write(self)).with_outputs("rejects", "ledger", main="shards")
        )
        shards, rejects, left = done.shards, done.rejects, done.ledger
        shards.element_type, rejects.element_type, left.element_type = ShardReference, RejectBatch, LedgerBatch
        return Written(shards, rejects, (entered, left) | "Ledger" >> beam.Flatten())


class _Cut(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: WriteShards) -> None:
        self._noun = settings.noun
        self._shards = settings.shards
        self._by = settings.by
        self._partition = tuple(settings.partition)
        self._unique = settings.unique
        self._stage = settings.stage
        self._unit = settings.unit
        self._variety = settings.variety

    def process(self, batch: Batch) -> Iterable[Any]:
        if self._unique:
            yield beam.pvalue.TaggedOutput(
                "ledger", ledger_entries(self._stage, self._unit, "in", batch, self._variety)
            )
        ranges = buckets_of(batch.column(self._by), self._shards)
        values = [batch.texts(name) for name in self._partition]
        folders = np.array(["-".join(parts) for parts in zip(*values, strict=True)] if values else [""] * len(batch))
        for folder in np.unique(folders):
            for number in np.unique(ranges[folders == folder]):
                rows = np.flatnonzero((folders == folder) & (ranges == number))
                name = f"part-{number:05d}-of-{self._shards:05d}.parquet"
                yield f"{folder}/{name}" if folder else name, batch.take(rows)


class _Write(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: WriteShards) -> None:
        self._noun = settings.noun
        self._folder = settings.folder
        self._order = list(settings.order)
        self._unique = settings.unique
        self._stage = settings.stage
        self._unit = settings.unit
        self._variety = settings.variety

    def process(self, gathered: tuple[str, Iterable[Batch]]) -> Iterable[Any]:
        path, batches = gathered
        rows = ordered(self._noun.concatenate(list(batches)), self._order)
        if self._unique:
            rows, rejects = self._keep_first(rows)
            for piece in rejects.pieces():
                yield beam.pvalue.TaggedOutput("rejects", piece)
            entries = [
                ledger_entries(self._stage, self._unit, "out", rows, self._variety),
                reject_entries(rejects),
            ]
            yield beam.pvalue.TaggedOutput("ledger", LedgerBatch.concatenate(entries))
        if len(rows) == 0:
            return
        yield write_shard(self._folder, path, pa.Table.from_batches([rows.data]))

    def _keep_first(self, rows: Batch) -> tuple[Batch, RejectBatch]:
        ids = np.array(rows.texts(self._unique))
        _, first = np.unique(ids, return_index=True)
        again = np.setdiff1d(np.arange(len(ids)), first)
        rejects = rejects_of(
            rows,
            again.tolist(),
            stage=self._stage,
            unit=self._unit,
            reasons=[Reason.DUPLICATE_DOCUMENT] * len(again),
            details=["the same text was found at the same URL before"] * len(again),
            variety=self._variety,
        )
        return rows.take(np.sort(first)), rejects


def ordered(rows: Batch, order: Sequence[str]) -> Any:
    """Give the rows in ascending order of these columns."""
    table = pa.Table.from_batches([rows.data])
    return type(rows).from_table(table.sort_by([(name, "ascending") for name in order]))


def write_shard(folder: str, path: str, rows: pa.Table) -> ShardReference:
    """Write one Parquet file of a checkpoint whole."""
    size_bytes, digest = files.write_parquet(files.join(folder, *path.split("/")), rows)
    return ShardReference(folder, path, len(rows), size_bytes, digest)


@dataclass(eq=False, kw_only=True)
class ReadShards(beam.PTransform):  # type: ignore[misc]
    """Read referenced shards back as batches of a noun.

    Attributes:
        noun: what the shards hold.
        spread: hand the references out to all workers first (a fusion break).
    """

    noun: type[Batch]
    spread: bool = True

    def expand(self, shards: beam.PCollection[ShardReference]) -> beam.PCollection:
        """Spread, then read."""
        if self.spread:
            shards = shards | "Spread" >> beam.Reshuffle()
        return shards | "Read" >> beam.ParDo(_Read(self.noun)).with_output_types(self.noun)


class _Read(beam.DoFn):  # type: ignore[misc]
    def __init__(self, noun: type[Batch]) -> None:
        self._noun = noun

    def process(self, shard: ShardReference) -> Iterable[Batch]:
        yield from read_shard(self._noun, shard).pieces()


def read_shard(noun: type[Batch], shard: ShardReference) -> Any:
    """Read one Parquet shard as one batch of any size.

    Raises:
        StoreError: its bytes are not those that were written.
    """
    return noun.from_table(files.read_parquet(shard.full_path, digest=shard.digest))


@dataclass(eq=False, kw_only=True)
class AddUpLedger(beam.PTransform):  # type: ignore[misc]
    """Add up ledger entries from everywhere into one batch, ordered by their keys."""

    def expand(self, entries: beam.PCollection[LedgerBatch]) -> beam.PCollection[LedgerBatch]:
        """Combine globally."""
        return entries | "Add" >> beam.CombineGlobally(AddUp(add_up)).with_output_types(LedgerBatch)
