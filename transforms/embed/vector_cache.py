"""A cache of vectors, addressed by content: a text is embedded once by an encoder, over runs and corpora.

    <folder>/<encoder and its digest>/<digest>.float16    vectors: rows of IEEE float16, little-endian, nothing else
    <folder>/<encoder and its digest>/<digest>.keys       Arrow IPC: the texts' keys, rising; says whose vectors

A key is the digest of the text as the encoder reads it. The encoder's digest covers its model's bytes, its precision and
all that its vectors depend on. Every file's name is the digest of its bytes, and vectors are written before the keys that
lead to them, so a killed writer leaves nothing that a reader would believe, and any number of writers may work at once:
the same content has the same name. A file whose bytes have another digest was damaged: a warning names it, its texts are
embedded again and written anew.

Vectors are float16, as blocks of vectors are: with the cache and without it, a block has the same bytes. That holds where
a text's vector does not depend on the texts beside it, which `Encoder.is_steady` says and `cached` asks for.

Cost: the keys of all parts are read once a process (16 bytes a text) and searched for every block; vectors are mapped
where the folder is local, and read by whole parts from an object store. A part holds what one block was missing.
"""

import logging
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError, StoreError
from schemas.identity import content_digest, content_id
from transforms.common import files
from transforms.common.blocks import DENSE
from transforms.embed.interface import Encoder, Vectors

PATH = "$.embed.vector_cache"
OnLookup = Callable[[int, int], None]
"""Is told how many texts were found in the cache, and how many were embedded."""

_KEYS, _VECTORS = ".keys", ".float16"
_KEPT_PARTS = 8
_VERSION = b"1"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Part:
    """The keys of a part, rising, as pairs of numbers, and the name of its vectors."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    vectors: str


class VectorCache:
    """The vectors of one encoder in a folder of any store.

    Args:
        folder: of the cache; made when something is added.
        encoder: name and digest.
        dimension: of the vectors.
    """

    def __init__(self, folder: str, encoder: str, dimension: int) -> None:
        self.folder = files.join(folder, encoder.replace(":", "-"))
        self._dimension = dimension
        self._parts: dict[str, _Part | None] = {}
        self._opened: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._bad: set[str] = set()

    def find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.float16]]:
        """Look texts up.

        Args:
            keys: (n, 2), as `keys_of` gives them.

        Returns:
            (n,) whether each was found, and (n, dimension) their vectors; zeros where not.
        """
        self._refresh()
        found = np.zeros(len(keys), dtype=np.bool_)
        vectors = np.zeros((len(keys), self._dimension), dtype=np.float16)
        for name in sorted(self._parts):
            part = self._parts[name]
            wanted = np.flatnonzero(~found)
            if part is None or not len(part.high) or not len(wanted):
                continue
            places = np.minimum(np.searchsorted(part.high, keys[wanted, 0]), len(part.high) - 1)
            is_there = (part.high[places] == keys[wanted, 0]) & (part.low[places] == keys[wanted, 1])
            if not is_there.any():
                continue
            stored = self._vectors(part)
            if stored is None:
                self._parts[name] = None
                continue
            found[wanted[is_there]] = True
            vectors[wanted[is_there]] = stored[places[is_there]]
        return found, vectors

    def add(self, keys: NDArray[np.uint64], vectors: NDArray[np.float16]) -> None:
        """Keep vectors.

        Args:
            keys: (n, 2), each once.
            vectors: (n, dimension), finite.
        """
        if not len(keys):
            return
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        data = np.ascontiguousarray(vectors[order], dtype="<f2").tobytes()
        name = content_digest(data) + _VECTORS
        metadata = {b"version": _VERSION, b"vectors": name.encode(), b"dimension": str(self._dimension).encode()}
        table = pa.table(
            {"high": keys[order, 0], "low": keys[order, 1]},
            schema=pa.schema([("high", pa.uint64()), ("low", pa.uint64())], metadata=metadata),
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        led = sink.getvalue().to_pybytes()
        files.write_bytes(files.join(self.folder, name), data)
        files.write_bytes(files.join(self.folder, content_digest(led) + _KEYS), led)
        self._bad.discard(name)
        self._opened.pop(name, None)
        self._parts.pop(content_digest(led) + _KEYS, None)

    def _refresh(self) -> None:
        """Read the keys of parts that are new."""
        for file in files.matching(files.join(self.folder, f"*{_KEYS}")):
            name = file.path.replace("\\", "/").rsplit("/", 1)[-1]
            if name not in self._parts:
                self._parts[name] = self._read_keys(name)

    def _read_keys(self, name: str) -> _Part | None:
        path = files.join(self.folder, name)
        data = files.read_bytes(path)
        if content_digest(data) + _KEYS != name:
            _warn(path)
            return None
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
        told = table.schema.metadata
        if told[b"version"] != _VERSION or int(told[b"dimension"]) != self._dimension:
            _logger.warning("%s is of another version or dimension: not used", path)
            return None
        high, low = (table.column(column).to_numpy() for column in ("high", "low"))
        return _Part(high, low, told[b"vectors"].decode())

    def _vectors(self, part: _Part) -> NDArray[np.float16] | None:
        """Give the vectors of a part, checked when they are opened; None where they are missing or damaged."""
        name = part.vectors
        if name in self._opened:
            self._opened.move_to_end(name)
            return self._opened[name]
        if name in self._bad:
            return None
        path = files.join(self.folder, name)
        try:
            data = _mapped(path) if files.is_local(path) else np.frombuffer(files.read_bytes(path), dtype=np.uint8)
        except FileNotFoundError:
            data = np.zeros(0, dtype=np.uint8)
        if content_digest(data) + _VECTORS != name:  # type: ignore[arg-type]  # anything with a buffer
            _warn(path)
            self._bad.add(name)
            return None
        self._opened[name] = data.view("<f2").reshape(len(part.high), self._dimension)
        while len(self._opened) > _KEPT_PARTS:
            self._opened.popitem(last=False)
        return self._opened[name]


def _mapped(path: str) -> NDArray[np.uint8]:
    local = path.removeprefix("file://")
    try:
        return np.memmap(local, dtype=np.uint8, mode="r")
    except ValueError:  # an empty file cannot be mapped
        return np.zeros(0, dtype=np.uint8)


def _warn(path: str) -> None:
    _logger.warning("%s is damaged or missing: its vectors are made again; it can be deleted", path)


def keys_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Give the keys of texts: (texts, 2)."""
    data = b"".join(bytes.fromhex(content_id("embedded text", text)) for text in texts)
    return np.frombuffer(data, dtype=">u8").reshape(-1, 2).astype(np.uint64)


class CachedEncoder:
    """An encoder that looks a text up before it embeds it.

    Args:
        encoder: dense, and steady: see `cached`.
        folder: of the cache.
        on_lookup: is told what came of it.
    """

    kind = DENSE
    is_steady = True

    def __init__(self, encoder: Encoder, folder: str, on_lookup: OnLookup | None = None) -> None:
        self._encoder = encoder
        self._on_lookup = on_lookup
        self._cache = VectorCache(folder, encoder.name, encoder.dimension)
        self.name = encoder.name
        self.dimension = encoder.dimension

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: (texts, dimension) float32, rounded as float16."""
        distinct = sorted(set(texts))
        keys = keys_of(distinct)
        found, halves = self._cache.find(keys)
        missing = np.flatnonzero(~found)
        if len(missing):
            made = self._encoder.encode([distinct[i] for i in missing])
            halves[missing] = np.asarray(made, dtype=np.float16)
            self._cache.add(keys[missing], halves[missing])
        if self._on_lookup is not None:
            self._on_lookup(len(distinct) - len(missing), len(missing))
        rows = {text: row for row, text in enumerate(distinct)}
        return halves[[rows[text] for text in texts]].astype(np.float32)


def cached(encoder: Encoder, folder: str, on_lookup: OnLookup | None = None) -> Encoder:
    """Put a cache before an encoder.

    Raises:
        SettingsError: its vectors depend on what is embedded together; the folder cannot be written or read.
    """
    if not encoder.is_steady:
        raise SettingsError(
            "on this machine, the last bits of a vector depend on the texts that are embedded together, so vectors "
            "from a cache would not be those of a run without one",
            path=PATH,
            cure="Leave vector_cache empty.",
        )
    return CachedEncoder(encoder, folder, on_lookup)


def check_cache(folder: str) -> None:
    """Look whether a cache can be used at all, before anything runs.

    Raises:
        SettingsError: the folder is a file, or its store does not let it be listed; a machine with another byte order.
    """
    if sys.byteorder != "little":
        raise SettingsError("vectors are kept for little-endian machines only", path=PATH, cure="Leave it empty.")
    try:
        if files.is_local(folder) and files.is_file(folder):
            raise SettingsError(f"{folder!r} is a file, expected a folder", path=PATH)
        files.matching(files.join(folder, f"*{_KEYS}"))
    except (StoreError, ValueError) as error:
        raise SettingsError(
            f"{folder!r} cannot be listed: {error}", path=PATH, cure="Check the path and the credentials."
        ) from error
