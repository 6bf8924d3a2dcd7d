"""How batches travel between workers: Arrow IPC, registered for every noun.

Arrow writes only the rows of a slice (default pickling copies the whole parent), and the size estimate
costs nothing, where Beam would encode a sample. Import this module in every file that names a batch type
in a graph; registering twice does no harm.
"""

from typing import Any

import apache_beam as beam
import pyarrow as pa

from schemas.corpus import CorpusBatch
from schemas.document import DocumentBatch
from schemas.ledger import LedgerBatch
from schemas.page import PageBatch
from schemas.pair import PairBatch
from schemas.reject import RejectBatch
from schemas.sentence import SentenceBatch
from schemas.table import Batch

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def encode_batch(batch: Batch) -> bytes:
    """Write a batch as an Arrow IPC stream, lz4."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.data.schema, options=_OPTIONS) as writer:
        writer.write_batch(batch.data)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


class BatchCoder(beam.coders.Coder):  # type: ignore[misc]
    """Codes the batches of one noun."""

    def __init__(self, kind: type[Batch]) -> None:
        self._kind = kind

    def encode(self, value: Batch) -> bytes:
        """Write a batch."""
        return encode_batch(value)

    def decode(self, encoded: bytes) -> Batch:
        """Read a batch that `encode` wrote."""
        with pa.ipc.open_stream(encoded) as reader:
            batches = list(reader)
            return self._kind(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=reader.schema))

    def estimate_size(self, value: Batch) -> int:
        """Give the batch's size in memory, which bounds what is sent."""
        return int(value.data.nbytes)

    def is_deterministic(self) -> bool:
        """Batches are values, never keys."""
        return False

    def to_type_hint(self) -> type[Batch]:
        """Give the noun."""
        return self._kind

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._kind is other._kind  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._kind))


class _Factory:
    """What Beam's registry asks for: a class-like thing that makes the coder of a type."""

    @staticmethod
    def from_type_hint(kind: Any, registry: Any) -> BatchCoder:  # noqa: ARG004  Beam hands it over
        return BatchCoder(kind)


def register(*nouns: type[Batch]) -> None:
    """Register the coder of these nouns; a room's `stage.py` calls it for nouns that only the room knows."""
    for noun in nouns:
        beam.coders.registry.register_coder(noun, _Factory)


register(PageBatch, DocumentBatch, SentenceBatch, PairBatch, CorpusBatch, RejectBatch, LedgerBatch)
