"""Read pages from web archives: WARC (also Common Crawl's WET) and the older ARC. Pure, without Beam.

A page is a response, resource or conversion record. Revisit records stand for pages that another record
holds, and are rejected as duplicates; requests, metadata and warcinfo are no pages and are not counted. Where
the archive is damaged, what stood before the damage is kept, and the damage is a reject of its own.
"""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.reject import Reason
from transforms.read.extract import read_content_type
from transforms.read.streams import Unpacked

ROBOTS_HEADER = "WARC-Isogloss-Robots"
LICENCE_HEADER = "WARC-Isogloss-Licence"
_NOTES = ("dns:", "metadata:", "whois:")
_VERDICTS = {"allowed", "none"}
_HEAD_BYTES = 65536
"""Most bytes of HTTP headers beside the largest body."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A page as an archive holds it."""

    url: str | None
    body: bytes
    status: int | None = None
    content_type: str | None = None
    content_language: str | None = None
    robots: str = "not_checked"
    licence: str | None = None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A record that is no page to read."""

    reason: Reason
    detail: str
    url: str | None = None
    excerpt: str | None = None
    content: bytes = b""
    """What tells it from others, for its id."""


def read_archive(file: Unpacked, name: str, max_page_bytes: int) -> Iterator[Fetched | Refused]:
    """Read the pages of a WARC or ARC file, one after another.

    Args:
        file: the archive, unpacked as it is read.
        name: of the file, for what is said of damage.
        max_page_bytes: largest page, after decompression.
    """
    head = file.read(9)
    stream = _Prefixed(head, file)
    if head.startswith(b"filedesc:"):
        yield from _read_arc(stream, name, max_page_bytes)
    elif head:
        yield from _read_warc(stream, name, max_page_bytes)
    if file.damage:
        reason = Reason.CONTAINER_TRUNCATED if file.damage == "truncated" else Reason.CONTAINER_BROKEN
        yield Refused(
            reason=reason,
            detail=f"{name}: the compression is {file.damage} at byte {file.offset}",
            content=name.encode(),
        )


class _Prefixed:
    """A stream whose first bytes were looked at."""

    def __init__(self, head: bytes, rest: Unpacked) -> None:
        self._head = head
        self._at = 0
        self.rest = rest

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """Leave the file to who opened it."""

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError(f"a stream that is unpacked as it is read cannot go to {offset} ({whence})")

    def read(self, size: int = -1) -> bytes:
        data = self._take(size)
        self._at += len(data)
        return data

    def _take(self, size: int) -> bytes:
        if not self._head:
            return self.rest.read(size)
        if size < 0 or size >= len(self._head):
            data, self._head = self._head, b""
            return data + self.rest.read(size - len(data) if size >= 0 else -1)
        data, self._head = self._head[:size], self._head[size:]
        return data


def _read_warc(stream: _Prefixed, name: str, limit: int) -> Iterator[Fetched | Refused]:
    from fastwarc import ArchiveIterator, WarcRecordType

    pages = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion | WarcRecordType.revisit
    archive = iter(ArchiveIterator(stream, parse_http=False))
    position = 0
    while True:
        try:
            record = next(archive, None)
            if record is None:
                return
            position = record.stream_pos
            wanted = bool(record.record_type & pages)
            headers = {key.lower(): value for key, value in record.headers.items()}
            complete = headers.get("content-length", "").strip().isdigit()
            size = record.content_length
            block = record.reader.read(min(size, limit + _HEAD_BYTES) if wanted else 0)
            # What is left over is skipped by the next step; only records of pages must be whole.
            whole = not wanted or len(block) >= min(size, limit + _HEAD_BYTES)
        except OSError as error:
            if stream.rest.damage is None:
                yield Refused(
                    reason=Reason.CONTAINER_BROKEN,
                    detail=f"{name}: {error} after byte {position}",
                    content=name.encode(),
                )
            return
        if not complete or not whole:
            if stream.rest.damage is None:
                yield Refused(
                    reason=Reason.CONTAINER_TRUNCATED,
                    detail=f"{name}: the record at byte {position} ends too early",
                    url=_address(headers.get("warc-target-uri")),
                    content=name.encode(),
                )
            return
        if wanted:
            yield _page_of_warc(record.record_type == WarcRecordType.revisit, headers, block, size, limit)


def _page_of_warc(revisit: bool, headers: dict[str, str], block: bytes, size: int, limit: int) -> Fetched | Refused:
    url = _address(headers.get("warc-target-uri"))
    if revisit:
        detail = (
            f"the page is the same as one captured before: {headers.get('warc-refers-to-target-uri', 'not said which')}"
        )
        return Refused(reason=Reason.DUPLICATE_DOCUMENT, detail=detail, url=url, content=block)
    if url and url.lower().startswith(_NOTES):
        return Refused(reason=Reason.NOT_TEXT, detail="a note of the crawler, no page", url=url, content=block)
    if size > limit + _HEAD_BYTES:
        return Refused(
            reason=Reason.TOO_LARGE,
            detail=f"{size} bytes, expected at most {limit}",
            url=url,
            content=block[:_HEAD_BYTES],
        )
    verdict = headers.get(ROBOTS_HEADER.lower(), "")
    robots = verdict if verdict in _VERDICTS else "not_checked"
    licence = headers.get(LICENCE_HEADER.lower()) or None
    media_type, _ = read_content_type(headers.get("content-type"))
    if media_type != "application/http":
        return _limited(
            Fetched(url=url, body=block, content_type=headers.get("content-type"), robots=robots, licence=licence),
            limit,
        )
    return _http_page(url, block, robots, licence, limit)


def _read_arc(stream: _Prefixed, name: str, limit: int) -> Iterator[Fetched | Refused]:
    """Read ARC 1 and 2: a line of URL, address, date, type, ..., length; then so many bytes and a newline."""
    lines = io.BufferedReader(_Raw(stream))
    fields = 5
    first = True
    position = 0
    while True:
        line = lines.readline(_HEAD_BYTES)
        start, position = position, position + len(line)
        if not line:
            return
        if not line.strip():
            continue
        parts = line.decode("utf-8", "replace").strip().rsplit(" ", fields - 1)
        if len(parts) < fields or not parts[-1].isdigit():
            if stream.rest.damage is None:
                detail = f"{name}: expected the {fields} fields of an ARC record at byte {start}, came {line[:60]!r}"
                yield Refused(reason=Reason.CONTAINER_BROKEN, detail=detail, content=name.encode())
            return
        size, url = int(parts[-1]), parts[0]
        block = lines.read(min(size, limit + _HEAD_BYTES))
        skipped = _skip(lines, size - len(block)) if len(block) == limit + _HEAD_BYTES else 0
        position += len(block) + skipped
        if len(block) + skipped < size:
            if stream.rest.damage is None:
                detail = f"{name}: the record at byte {start} ends too early"
                yield Refused(
                    reason=Reason.CONTAINER_TRUNCATED, detail=detail, url=_address(url), content=name.encode()
                )
            return
        if first:
            fields = 10 if block.startswith(b"2") else 5
            first = False
        elif size > limit + _HEAD_BYTES:
            yield Refused(
                reason=Reason.TOO_LARGE,
                detail=f"{size} bytes, expected at most {limit}",
                url=_address(url),
                content=block[:_HEAD_BYTES],
            )
        elif block.startswith(b"HTTP/"):
            yield _http_page(_address(url), block, "not_checked", None, limit)
        else:
            yield _limited(Fetched(url=_address(url), body=block, content_type=parts[3]), limit)


def _skip(lines: Any, size: int) -> int:
    left = size
    while left > 0:
        data = lines.read(min(left, 1 << 20))
        if not data:
            break
        left -= len(data)
    return size - left


class _Raw(io.RawIOBase):
    """What io.BufferedReader asks of a stream."""

    def __init__(self, stream: _Prefixed) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _http_page(url: str | None, block: bytes, robots: str, licence: str | None, limit: int) -> Fetched | Refused:
    head, separator, body = block.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = block.partition(b"\n\n")
    status_line, *lines = head.decode("latin-1").splitlines() or [""]
    words = status_line.split(None, 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        detail = f"expected an HTTP status line, came {status_line[:60]!r}"
        return Refused(reason=Reason.RECORD_MALFORMED, detail=detail, url=url, content=block)
    status = int(words[1])
    if status != 200:
        return Refused(reason=Reason.HTTP_STATUS, detail=f"the server answered {status}", url=url, content=block)
    headers: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            headers.setdefault(key.strip().lower(), value.strip())
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = join_chunks(body)
    for encoding in reversed([name.strip().lower() for name in headers.get("content-encoding", "").split(",")]):
        unpacked = _undo(body, encoding, limit)
        if unpacked is None:
            return Refused(
                reason=Reason.RECORD_MALFORMED, detail=f"the body is no sound {encoding}", url=url, content=block
            )
        body = unpacked
    page = Fetched(
        url=url,
        body=body,
        status=status,
        content_type=headers.get("content-type"),
        content_language=headers.get("content-language"),
        robots=robots,
        licence=licence,
    )
    return _limited(page, limit)


def _limited(page: Fetched, limit: int) -> Fetched | Refused:
    if len(page.body) > limit:
        detail = f"more than {limit} bytes"
        return Refused(reason=Reason.TOO_LARGE, detail=detail, url=page.url, content=page.body[:_HEAD_BYTES])
    return page


def join_chunks(body: bytes) -> bytes:
    """Undo the chunked transfer encoding; a body that only claims to be chunked is given back as it is."""
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        end = body.find(b"\r\n", at, at + 1024)
        size_text = body[at:end].split(b";")[0].strip() if end >= 0 else b""
        try:
            size = int(size_text, 16)
        except ValueError:
            return b"".join(parts) if parts else body
        if size <= 0:
            break
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


def _undo(body: bytes, encoding: str, limit: int) -> bytes | None:
    """Undo a content encoding, up to one byte over the limit; None when the body is damaged."""
    try:
        if encoding in {"gzip", "x-gzip"}:
            # Archives often keep the header of an encoding that they have undone.
            return zlib.decompressobj(31).decompress(body, limit + 1) if body.startswith(b"\x1f\x8b") else body
        if encoding == "deflate":
            wrapped = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
            return zlib.decompressobj(15 if wrapped else -15).decompress(body, limit + 1)
        if encoding == "br":
            from fastwarc.stream_io import BrotliReader

            return bytes(BrotliReader(io.BytesIO(body)).read(limit + 1))
    except (zlib.error, OSError, ValueError):
        return body if _is_plain(body) else None
    return body if encoding in {"", "identity", "none", "utf-8"} or _is_plain(body) else None


def _is_plain(body: bytes) -> bool:
    """Is this text already, whatever the header says?"""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _address(url: str | None) -> str | None:
    """Give a URL without the angle brackets that wget puts around it."""
    return url.strip().removeprefix("<").removesuffix(">") or None if url else None
