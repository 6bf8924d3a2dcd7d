"""How batches travel between workers: Arrow IPC, registered for every noun.

Arrow writes only the rows of a slice (default pickling copies the whole parent), and the size estimate
costs nothing, where Beam would encode a sample. Import this module in every file that names a batch type
in a graph; registering twice does no harm.
"""

from functools import cache
from typing import Any
from zlib import crc32

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

_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))
"""Half of a batch are ids, digits that zstd writes in half the space and lz4 as they are."""
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""How a stream ends."""
_WHOLE = bytes(4)
"""Stands before a stream with a schema of its own; the checksum of the noun's schema before one without."""


def encode_batch(batch: Batch) -> bytes:
    """Write a batch as an Arrow IPC stream, zstd, behind a mark; the noun's own schema, which the reader has, is left out.

    It says what every column means, and would be larger than the rows of some twenty sentences.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.data.schema, options=_OPTIONS) as writer:
        writer.write_batch(batch.data)
    stream = memoryview(sink.getvalue()).cast("B")
    mark, head = _head(type(batch))  # type: ignore[arg-type]  # a class is hashable
    if stream[: len(head)] == head:
        return b"".join((mark, stream[len(head) :]))
    return b"".join((_WHOLE, stream))


def decode_batch(kind: type[Batch], encoded: bytes) -> Batch:
    """Read a batch of a noun that `encode_batch` wrote.

    Raises:
        TypeError: it is of another noun.
    """
    found, rest = encoded[: len(_WHOLE)], memoryview(encoded)[len(_WHOLE) :]
    mark, head = _head(kind)  # type: ignore[arg-type]  # the same
    if found not in {_WHOLE, mark}:
        raise TypeError(f"expected the bytes of a {kind.__name__}, got those of another noun")
    with pa.ipc.open_stream(rest if found == _WHOLE else b"".join((head, rest))) as reader:
        batches = list(reader)
        return kind(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=reader.schema))


@cache
def _head(kind: type[Batch]) -> tuple[bytes, bytes]:
    """Give how a stream with the noun's own schema begins, and its checksum."""
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, kind.SCHEMA, options=_OPTIONS).close()
    head = sink.getvalue().to_pybytes()[: -len(_END)]
    return crc32(head).to_bytes(4, "big"), head


class BatchCoder(beam.coders.Coder):  # type: ignore[misc]
    """Codes the batches of one noun."""

    def __init__(self, kind: type[Batch]) -> None:
        self._kind = kind

    def encode(self, value: Batch) -> bytes:
        """Write a batch."""
        return encode_batch(value)

    def decode(self, encoded: bytes) -> Batch:
        """Read a batch that `encode` wrote."""
        return decode_batch(self._kind, encoded)

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
