"""Files in, documents out.

Files are listed at run time, spread over the workers, and read as streams. Records that are no text are
rejected; where a file is damaged, what stood before the damage is kept and the damage is a reject that
names file and place. Order does not matter; equal records give equal documents, which the shards of
documents keep once. Cost: extraction takes some 10 ms a page and core, lines of text 1/1,000 of that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from schemas.document import DocumentBatch
from schemas.ledger import LedgerBatch
from schemas.reject import RejectBatch
from transforms.common import coders as coders
from transforms.common.accounting import reject_entries
from transforms.common.metrics import count
from transforms.common.stage import Outcome
from transforms.read.inputs import Input, inputs_of
from transforms.read.pages import STAGE
from transforms.read.settings import ReadSettings, Source
from transforms.read.sources import Chunk, read_input


@dataclass(eq=False, kw_only=True)
class Read(beam.PTransform):  # type: ignore[misc]
    """Read the configured sources.

    Attributes:
        settings: sources and limits.
    """

    settings: ReadSettings

    def expand(self, begin: beam.pvalue.PBegin) -> Outcome:
        """List the files, spread them, read them."""
        done = (
            begin
            | "Sources" >> beam.Create(list(self.settings.sources), reshuffle=False).with_output_types(Source)
            | "List files" >> beam.FlatMap(inputs_of).with_output_types(Input)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(_ReadFile(self.settings)).with_outputs("rejects", "ledger", main="made")
        )
        made, rejects, ledger = done.made, done.rejects, done.ledger
        made.element_type, rejects.element_type, ledger.element_type = DocumentBatch, RejectBatch, LedgerBatch
        return Outcome(made, rejects, ledger)


class _ReadFile(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: ReadSettings) -> None:
        self._settings = settings

    def process(self, file: Input) -> Iterable[Any]:
        for chunk in read_input(file, self._settings):
            count(STAGE, f"{chunk.unit}s", chunk.entered)
            count(STAGE, "rejects", len(chunk.rejects))
            yield from chunk.documents.pieces()
            for piece in chunk.rejects.pieces():
                yield beam.pvalue.TaggedOutput("rejects", piece)
            yield beam.pvalue.TaggedOutput("ledger", entries_of(chunk))


def entries_of(chunk: Chunk) -> LedgerBatch:
    """Count what entered, what went out and what was rejected."""
    counted = [("in", chunk.entered), ("out", len(chunk.documents))]
    rows = [
        {
            "stage": STAGE,
            "unit": chunk.unit,
            "variety": chunk.variety,
            "outcome": outcome,
            "reason": "",
            "count": number,
        }
        for outcome, number in counted
        if number
    ]
    return LedgerBatch.concatenate([LedgerBatch.from_rows(rows), reject_entries(chunk.rejects)])
