"""Unpack a file as it is read, and notice where it is damaged. Nothing is loaded whole."""

import bz2
import zlib
from typing import IO, Any

_CHUNK_BYTES = 1 << 18
_GZIP = b"\x1f\x8b"
_BZIP2 = b"BZh"


class Unpacked:
    """The bytes of a plain, gzip or bzip2 file, as its first bytes tell; members one after another are joined.

    Where the packing is damaged the bytes end, and `damage` says how.

    Args:
        file: the file as stored, at its beginning.

    Attributes:
        damage: None, `truncated` (the file ends within a member) or `broken`.
        offset: bytes of the stored file that were used so far.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packed = file.read(_CHUNK_BYTES)
        self._kind = next((mark for mark in (_GZIP, _BZIP2) if self._packed.startswith(mark)), b"")
        self._member: Any = None
        self._ready = b""
        self.damage: str | None = None
        self.offset = 0

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes (all when negative); fewer than asked for mean the end."""
        parts = []
        left = size
        while left != 0:
            if not self._ready:
                self._ready = self._next(_CHUNK_BYTES)
                if not self._ready:
                    break
            piece = self._ready if left < 0 else self._ready[:left]
            self._ready = self._ready[len(piece) :]
            parts.append(piece)
            left -= len(piece) if left > 0 else 0
        return b"".join(parts)

    def _next(self, size: int) -> bytes:
        while self.damage is None:
            if not self._packed:
                self._packed = self._file.read(_CHUNK_BYTES)
            if not self._kind:
                plain, self._packed = self._packed, b""
                self.offset += len(plain)
                return plain
            if self._member is None and not self._begin():
                return b""
            before = len(self._packed)
            if not self._packed and not self._pending():
                self.damage = "truncated"
                return b""
            try:
                data: bytes = self._member.decompress(self._packed, size)
            except (zlib.error, OSError):
                self.damage = "broken"
                return b""
            self._packed = self._rest()
            self.offset += before - len(self._packed)
            if self._member.eof:
                self._member = None
            if data:
                return data
        return b""

    def _begin(self) -> bool:
        """Begin the next member; is there one? Zeros at the end are padding."""
        while self._packed and not self._packed.strip(b"\0"):
            self.offset += len(self._packed)
            self._packed = self._file.read(_CHUNK_BYTES)
        if not self._packed:
            return False
        if len(self._packed) < len(self._kind):
            self._packed += self._file.read(_CHUNK_BYTES)
        if not self._packed.startswith(self._kind):
            self.damage = "truncated" if self._kind.startswith(self._packed) else "broken"
            return False
        self._member = zlib.decompressobj(31) if self._kind == _GZIP else bz2.BZ2Decompressor()
        return True

    def _pending(self) -> bool:
        """May the member give more without more input?"""
        return self._kind == _BZIP2 and not self._member.needs_input

    def _rest(self) -> bytes:
        if self._kind == _GZIP:
            rest: bytes = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            return rest
        unused: bytes = self._member.unused_data
        return unused
