"""Decode bytes to text by what they are, what is declared, and what they look like, in this order.

A byte order mark decides. Bytes that are valid UTF-8 are UTF-8 whatever is declared: other text that
happens to be valid UTF-8 is next to impossible, and a wrong declaration is common. Then the declared
charsets (HTTP's, then the page's own), then detection. Where single bytes are still wrong (a page cut in the
middle of a character), they become U+FFFD, as in a browser; text with more than one of these in a hundred
characters is refused.
"""

import codecs
import re

from schemas.errors import RecordError
from schemas.reject import Reason

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The names under which pages declare Windows-1252, by the WHATWG encoding standard.
_WINDOWS_1252 = {"iso8859-1", "ascii", "latin-1"}
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.+-]{2,40})""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.+-]{2,40})["']""")
_HEAD_BYTES = 4096
_SAMPLE_BYTES = 20_000
_MOST_REPLACED = 0.01


def mark_of(data: bytes) -> tuple[str, int] | None:
    """Give the charset that a byte order mark tells, and the mark's length; None without a mark."""
    return next(((name, len(mark)) for mark, name in _MARKS if data.startswith(mark)), None)


def decode_page(body: bytes, declared: str | None = None) -> str:
    """Decode the body of a page.

    Args:
        body: the bytes.
        declared: charset that the server declared.

    Raises:
        RecordError: encoding_invalid.
    """
    mark = mark_of(body)
    if mark:
        return body[mark[1] :].decode(mark[0], "replace")
    charsets = [charset for charset in (_known(declared), _known(_page_charset(body))) if charset]
    # Valid UTF-8 proves nothing for charsets that shift between tables by escapes, or put a zero beside letters.
    special = [charset for charset in charsets if charset.startswith(("iso2022", "utf-16", "utf-32", "hz"))]
    for charset in [*special, "utf-8", *charsets]:
        text = _strictly(body, charset)
        if text is not None:
            return text
    detected = _detected(body)
    text = _strictly(body, detected) if detected else None
    if text is None:
        text = body.decode("utf-8", "replace")
        replaced = text.count("\ufffd")
        if replaced > _MOST_REPLACED * len(text):
            raise RecordError(
                Reason.ENCODING_INVALID, f"no charset fits; as UTF-8 {replaced} of {len(text)} characters are wrong"
            )
    return text


def _page_charset(body: bytes) -> str | None:
    head = body[:_HEAD_BYTES]
    found = _META.search(head) or _XML.search(head)
    return found.group(1).decode("ascii") if found else None


def _known(name: str | None) -> str | None:
    if not name:
        return None
    try:
        known = codecs.lookup(name.strip().strip("\"'"))
    except (LookupError, ValueError):
        return None
    # Python also lists codecs that make bytes of bytes (base64, zlib): they are no charsets.
    if not getattr(known, "_is_text_encoding", True):
        return None
    return "windows-1252" if known.name in _WINDOWS_1252 else known.name


def _strictly(body: bytes, charset: str) -> str | None:
    try:
        if charset == "windows-1252":
            # Five bytes that Windows leaves open stand for the C1 control of their number, as in a browser.
            return (
                body.decode(charset, "isogloss.latin1")
                if any(byte in body for byte in b"\x81\x8d\x8f\x90\x9d")
                else body.decode(charset)
            )
        return body.decode(charset)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("isogloss.latin1", _as_latin1)


def _detected(body: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(body[:_SAMPLE_BYTES]).best()
    return _known(best.encoding) if best else None
