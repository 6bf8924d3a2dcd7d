"""Content encodings undone while the bytes arrive, with a limit on what comes out. Pure."""

import zlib
from typing import Any, Protocol

import brotli  # type: ignore[import-untyped]

from schemas.errors import RecordError
from schemas.reject import Reason

ACCEPTED = "gzip, deflate, br"
_STEP = 1 << 16


class _Stream(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...

    def is_complete(self) -> bool: ...


class _Identity:
    def feed(self, data: bytes, room: int) -> bytes:  # noqa: ARG002
        return data

    def is_complete(self) -> bool:
        return True


class _Inflate:
    """Gzip (of one or several members) or deflate (with the zlib header or, as some servers send it, without)."""

    def __init__(self, encoding: str) -> None:
        self._is_gzip = encoding == "gzip"
        self._first = b""
        self._stream: Any = zlib.decompressobj(31) if self._is_gzip else None

    def feed(self, data: bytes, room: int) -> bytes:
        if self._stream is None:
            data = self._first + data
            if len(data) < 2:
                self._first = data
                return b""
            has_header = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(15 if has_header else -15)
        made = bytearray()
        while data and len(made) <= room:
            if self._stream.eof:
                data = self._first + data
                self._first = data if data == b"\x1f" else b""
                if not self._is_gzip or data[:2] != b"\x1f\x8b":
                    break  # Padding after the end, which browsers ignore too; or half of a next member's mark.
                self._stream = zlib.decompressobj(31)
            made += self._stream.decompress(data, room + 1 - len(made))
            data = self._stream.unconsumed_tail or self._stream.unused_data
        return bytes(made)

    def is_complete(self) -> bool:
        return self._stream is not None and bool(self._stream.eof)


class _Brotli:
    def __init__(self) -> None:
        self._stream: Any = brotli.Decompressor()

    def feed(self, data: bytes, room: int) -> bytes:
        made = bytearray(self._stream.process(data, output_buffer_limit=_STEP))
        while len(made) <= room and not self._stream.can_accept_more_data():
            made += self._stream.process(b"", output_buffer_limit=_STEP)
        return bytes(made)

    def is_complete(self) -> bool:
        return bool(self._stream.is_finished())


class Decoder:
    """Undoes the content encodings of one answer.

    Args:
        encodings: value of Content-Encoding; may be empty or list several.
        limit: most bytes that may come out.

    Raises:
        RecordError: `encoding_invalid`: an encoding that we did not ask for.
    """

    def __init__(self, encodings: str, limit: int) -> None:
        self._limit = limit
        self._made = bytearray()
        self._fed = 0
        self._streams: list[_Stream] = []
        names = [name.strip().lower() for name in encodings.split(",")]
        for name in reversed([name for name in names if name and name != "identity"]):
            if name in ("gzip", "x-gzip"):
                self._streams.append(_Inflate("gzip"))
            elif name == "deflate":
                self._streams.append(_Inflate("deflate"))
            elif name == "br":
                self._streams.append(_Brotli())
            else:
                raise RecordError(Reason.ENCODING_INVALID, f"expected one of {ACCEPTED}, got content encoding {name!r}")
        if len(self._streams) > 2:
            raise RecordError(Reason.ENCODING_INVALID, f"{len(self._streams)} content encodings over each other")
        if not self._streams:
            self._streams.append(_Identity())

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            RecordError: `too_large` when more comes out than allowed; `encoding_invalid` when it cannot be undone.
        """
        self._fed += len(data)
        try:
            for stream in self._streams:
                data = stream.feed(data, self._limit - len(self._made))
        except (zlib.error, brotli.error) as error:
            raise RecordError(Reason.ENCODING_INVALID, f"the content encoding cannot be undone: {error}") from error
        self._made += data
        if len(self._made) > self._limit:
            raise RecordError(Reason.TOO_LARGE, f"more than {self._limit} bytes")

    def finish(self) -> bytes:
        """Give the whole.

        Raises:
            RecordError: `encoding_invalid` when its end is missing.
        """
        if self._fed and not all(stream.is_complete() for stream in self._streams):
            raise RecordError(Reason.ENCODING_INVALID, "the content encoding ends before its end")
        return bytes(self._made)

    def so_far(self) -> bytes:
        """Give what has come out until now, at most as much as is allowed."""
        return bytes(self._made[: self._limit])


def gunzip(data: bytes, limit: int) -> bytes:
    """Undo gzip, giving what could be read where the end is missing.

    Raises:
        RecordError: as `Decoder.feed`.
    """
    decoder = Decoder("gzip", limit)
    decoder.feed(data)
    return decoder.so_far()
