"""WARC 1.1 out (ISO 28500:2017): one gzip member a record, ids and digests from content.

A response is written as it is useful for reading: transfer and content encodings undone. The headers that
told of them are kept under the names that Common Crawl uses (`X-Crawler-Content-Encoding`, ...).
Headers of our own: `WARC-Isogloss-Robots` (allowed, none), `WARC-Isogloss-Licence` (target of the page's
rel=license), `WARC-Isogloss-Requested-URI` (where the redirects to the page began). Requests are not
written: all are alike, and the warcinfo record holds their user agent.
"""

import gzip
from base64 import b32encode
from collections.abc import Sequence
from hashlib import sha1
from uuid import UUID

from schemas.identity import content_id

PROFILE_NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
_UNDONE = frozenset(["content-encoding", "transfer-encoding", "content-length"])
_LEVEL = 6

Headers = Sequence[tuple[bytes, bytes]]


def record_id(kind: str, *parts: str | bytes | int | None) -> str:
    """Make a record's id from its content: a version 8 UUID (RFC 9562, section 5.8) of a content id."""
    number = int(content_id(f"warc-{kind}", *parts), 16)
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return f"<urn:uuid:{UUID(int=number)}>"


def digest(data: bytes) -> str:
    """Give a digest as WARC files write it: SHA-1 in base 32."""
    return "sha1:" + b32encode(sha1(data, usedforsecurity=False).digest()).decode("ascii")


def record(headers: Sequence[tuple[str, str]], block: bytes) -> bytes:
    """Make one record, compressed. Content-Length and WARC-Block-Digest are added."""
    lines = ["WARC/1.1", *(f"{name}: {_one_line(value)}" for name, value in headers)]
    lines += [f"WARC-Block-Digest: {digest(block)}", f"Content-Length: {len(block)}"]
    data = "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + block + b"\r\n\r\n"
    return gzip.compress(data, _LEVEL, mtime=0)


def info_record(*, name: str, date: str, user_agent: str) -> bytes:
    """Make the warcinfo record that begins a file.

    Args:
        name: of the file.
        date: now, as `2026-01-31T12:00:00Z`.
        user_agent: by which the crawl asks.
    """
    block = (
        f"software: isogloss\r\nformat: WARC File Format 1.1\r\nrobots: obey (RFC 9309, unreachable means disallowed)\r\n"
        f"http-header-user-agent: {_one_line(user_agent)}\r\n"
    ).encode()
    headers = [
        ("WARC-Type", "warcinfo"),
        ("WARC-Record-ID", record_id("warcinfo", name, block)),
        ("WARC-Date", date),
        ("WARC-Filename", name),
        ("Content-Type", "application/warc-fields"),
    ]
    return record(headers, block)


def response_record(
    *,
    url: str,
    date: str,
    status: int,
    reason: str,
    http_headers: Headers,
    body: bytes,
    robots: str,
    address: str | None = None,
    licence: str | None = None,
    requested: str | None = None,
) -> bytes:
    """Make a response record.

    Args:
        url: that gave the answer, after redirects.
        date: of the answer.
        status: of its first line.
        reason: the words behind it.
        http_headers: as received.
        body: transfer and content encodings undone.
        robots: the verdict: allowed, none.
        address: of the server.
        licence: that the page declares.
        requested: URL that was asked for first, where it is another one.
    """
    head = _status_line(status, reason) + _header_lines(http_headers, len(body))
    headers = [
        ("WARC-Type", "response"),
        ("WARC-Record-ID", record_id("response", url, status, body)),
        ("WARC-Date", date),
        ("WARC-Target-URI", url),
        ("WARC-Payload-Digest", digest(body)),
        *([("WARC-IP-Address", address)] if address else []),
        ("WARC-Isogloss-Robots", robots),
        *([("WARC-Isogloss-Licence", licence)] if licence else []),
        *([("WARC-Isogloss-Requested-URI", requested)] if requested and requested != url else []),
        ("Content-Type", "application/http;msgtype=response"),
    ]
    return record(headers, head + b"\r\n" + body)


def revisit_record(
    *, url: str, date: str, http_headers: Headers, robots: str, payload_digest: str, refers_to: str, refers_to_date: str
) -> bytes:
    """Make a revisit record: the server says that the page is what it was.

    Args:
        url: of the page.
        date: of this answer.
        http_headers: of the 304 answer.
        robots: the verdict.
        payload_digest: of the page.
        refers_to: id of the response record that holds it.
        refers_to_date: date of that record.
    """
    block = _status_line(304, "Not Modified") + b"".join(b"%s: %s\r\n" % pair for pair in http_headers) + b"\r\n"
    headers = [
        ("WARC-Type", "revisit"),
        ("WARC-Record-ID", record_id("revisit", url, payload_digest, refers_to_date)),
        ("WARC-Date", date),
        ("WARC-Target-URI", url),
        ("WARC-Payload-Digest", payload_digest),
        ("WARC-Profile", PROFILE_NOT_MODIFIED),
        ("WARC-Refers-To", refers_to),
        ("WARC-Refers-To-Target-URI", url),
        ("WARC-Refers-To-Date", refers_to_date),
        ("WARC-Isogloss-Robots", robots),
        ("Content-Type", "application/http;msgtype=response"),
    ]
    return record(headers, block)


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _status_line(status: int, reason: str) -> bytes:
    return f"HTTP/1.1 {status} {_one_line(reason)}".encode("utf-8", "replace").rstrip() + b"\r\n"


def _header_lines(headers: Headers, size: int) -> bytes:
    lines = []
    for name, value in headers:
        kept = b"X-Crawler-" + name if name.decode("latin-1").lower() in _UNDONE else name
        lines.append(b"%s: %s\r\n" % (kept, value.replace(b"\r", b" ").replace(b"\n", b" ")))
    return b"".join([*lines, b"Content-Length: %d\r\n" % size])
