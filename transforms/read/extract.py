"""Extract the main text of a page, and what the page says of itself. Pure, without Beam.

The extraction is trafilatura's, without its language filter, its deduplication and comments: nothing in it
may depend on the language, for dialects would lose. The blocks of the result are lines.
"""

import logging
import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from lxml import etree, html

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.read.charset import decode_page, mark_of
from transforms.read.tags import declared_tag

_HTML_TYPES = {"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"}
_UNTOLD_TYPES = {"", "application/octet-stream", "unknown/unknown", "application/unknown"}
_BINARY = (
    b"%PDF",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"RIFF",
    b"\xd0\xcf\x11\xe0",
    b"ID3",
    b"OggS",
    b"\x7fELF",
    b"wOFF",
    b"BM",
)
_LOOKS_LIKE_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|p|div|h[1-6]|table|br|a\s)[\s>/]?", re.IGNORECASE
)
_SNIFFED_BYTES = 2048
_INLINE = {
    "hi",
    "ref",
    "del",
    "span",
    "a",
    "b",
    "i",
    "em",
    "strong",
    "u",
    "sub",
    "sup",
    "small",
    "mark",
    "q",
    "abbr",
    "cite",
}
_CC = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)|publicdomain/(zero|mark)/(\d\.\d))",
    re.IGNORECASE,
)
_LICENCE_CHARACTERS = 100


@dataclass(frozen=True)
class Extracted:
    """What a page holds.

    Attributes:
        text: main text, one block a line.
        title: the page's own title; None without one.
        language_hint: BCP 47 tag that the page declares; None when it declares none.
        alternates: (tag as declared, absolute URL) of the same page in other languages.
        licence: licence that the page declares, such as `CC BY-SA 4.0`.
        canonical: absolute URL that the page calls its own.
    """

    text: str
    title: str | None = None
    language_hint: str | None = None
    alternates: tuple[tuple[str, str], ...] = field(default=())
    licence: str | None = None
    canonical: str | None = None


def extract_page(
    body: bytes,
    url: str | None = None,
    content_type: str | None = None,
    *,
    content_language: str | None = None,
    favour: Literal["recall", "balance", "precision"] = "balance",
    tables: bool = True,
) -> Extracted:
    """Extract the main text of a page.

    Args:
        body: the page, content encodings undone.
        url: where it was found; relative addresses are read against it.
        content_type: media type as the server declared it, with or without charset.
        content_language: Content-Language as the server declared it.
        favour: what to do when unsure: keep more, or leave out more.
        tables: keep the text of tables.

    Raises:
        RecordError: empty, not_text, encoding_invalid, no_main_text, record_malformed.
    """
    media_type, charset = read_content_type(content_type)
    if not body.strip():
        raise RecordError(Reason.EMPTY, "the page has no bytes")
    kind = _kind_of(body, media_type)
    text = decode_page(body, charset)
    if kind == "text":
        return _plain(text, content_language)
    # A parser of HTML leaves NUL out; libxml2 would stop there.
    tree = _parse(text.replace("\0", ""))
    base = _base(tree, url)
    return Extracted(
        text=_main_text(tree, url, favour, tables=tables),
        title=_title(tree),
        language_hint=_language(tree, content_language),
        alternates=_alternates(tree, base),
        licence=_licence(tree),
        canonical=_canonical(tree, base),
    )


def read_content_type(value: str | None) -> tuple[str, str | None]:
    """Give the media type, in lower case, and the charset of a Content-Type header."""
    media_type, _, parameters = (value or "").partition(";")
    charset = re.search(r"""charset\s*=\s*["']?\s*([^\s"';]+)""", parameters, re.IGNORECASE)
    return media_type.strip().lower(), charset.group(1) if charset else None


def _kind_of(body: bytes, media_type: str) -> Literal["html", "text"]:
    head = body[:_SNIFFED_BYTES]
    if head.startswith(_BINARY):
        raise RecordError(Reason.NOT_TEXT, f"the bytes begin like no text: {head[:8]!r}")
    if media_type not in _HTML_TYPES and media_type not in _UNTOLD_TYPES and media_type != "text/plain":
        raise RecordError(Reason.NOT_TEXT, f"expected HTML or plain text, came {media_type}")
    # UTF-16 is full of zeros; other text has none, bar a stray one in HTML.
    if mark_of(body) is None and head.count(b"\0") > len(head) // 100 and not _is_utf16_page(head):
        raise RecordError(Reason.NOT_TEXT, f"{head.count(bytes(1))} of the first {len(head)} bytes are zero")
    if media_type in _HTML_TYPES:
        return "html"
    if media_type == "text/plain":
        return "text"
    return "html" if _LOOKS_LIKE_HTML.search(head) else "text"


def _is_utf16_page(head: bytes) -> bool:
    return b"<\0h\0t\0m\0l" in head.lower() or b"\0<\0h\0t\0m\0l" in head.lower()


def _plain(text: str, content_language: str | None) -> Extracted:
    lines = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip()
    if not lines:
        raise RecordError(Reason.EMPTY, "nothing but white space")
    if "\0" in lines:
        raise RecordError(Reason.NOT_TEXT, "a NUL in plain text")
    return Extracted(text=lines, language_hint=_single(content_language))


def _parse(text: str) -> Any:
    parser = html.HTMLParser(
        remove_comments=True, remove_pis=True, encoding="utf-8", collect_ids=False, default_doctype=False
    )
    try:
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, AssertionError) as error:
        raise RecordError(Reason.RECORD_MALFORMED, f"no HTML: {error}") from error
    return tree


def _main_text(tree: Any, url: str | None, favour: str, *, tables: bool) -> str:
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it would say there, a reject says
    from trafilatura.core import bare_extraction

    try:
        found = bare_extraction(
            tree,
            url=url,
            include_comments=False,
            include_tables=tables,
            deduplicate=False,
            with_metadata=False,
            favor_recall=favour == "recall",
            favor_precision=favour == "precision",
        )
    except RecursionError as error:
        raise RecordError(Reason.RECORD_MALFORMED, "elements are nested too deeply") from error
    text = _blocks(found.body) if found is not None and found.body is not None else ""
    if not text:
        raise RecordError(Reason.NO_MAIN_TEXT, "no main text was found")
    return text


def _blocks(body: Any) -> str:
    """Give the text of an element tree, one block a line; cells of a table are blocks."""
    parts: list[str] = []
    for event, element in etree.iterwalk(body, events=("start", "end")):
        block = element.tag not in _INLINE
        if block:
            parts.append("\n")
        if event == "start":
            parts.append(_one_line(element.text))
        elif element is not body:
            parts.append(_one_line(element.tail))
    lines = ("".join(parts)).split("\n")
    return "\n".join(stripped for line in lines if (stripped := re.sub(" {2,}", " ", line).strip(" \xa0")))


def _one_line(text: str | None) -> str:
    # White space of HTML is one space; the no-break space is a character.
    return re.sub(r"[ \t\r\n\f]+", " ", text) if text else ""


def _title(tree: Any) -> str | None:
    """Give the heading that the declared title contains, the only first heading, or the declared title."""
    declared = [_words(str(value)) for value in tree.xpath("//head/meta[@property='og:title']/@content")]
    declared += [_words(element.text_content()) for element in tree.xpath("//head/title")]
    titles = [title for title in declared if title]
    first, second = ([w for e in tree.iter(tag) if (w := _words(e.text_content()))] for tag in ("h1", "h2"))
    contained = [heading for heading in [*first, *second] if any(heading in title for title in titles)]
    only = first if len(first) == 1 else []
    return next(iter([*contained, *only, *titles]), None)


def _language(tree: Any, content_language: str | None) -> str | None:
    root = tree.getroottree().getroot()
    declared = [root.get("lang"), root.get("xml:lang"), root.get("{http://www.w3.org/XML/1998/namespace}lang")]
    declared += tree.xpath("//body/@lang")[:1]
    declared += [_one(content_language)]
    declared += [
        _one(str(value))
        for value in tree.xpath("//meta[translate(@http-equiv,'CLU','clu')='content-language']/@content")
    ]
    declared += tree.xpath("//meta[@property='og:locale']/@content")[:1]
    return next((tag for value in declared if (tag := declared_tag(value))), None)


def _one(value: str | None) -> str | None:
    """Give the one language of a list; a page in several tells nothing."""
    return value if value and "," not in value else None


def _single(value: str | None) -> str | None:
    return declared_tag(_one(value))


def _base(tree: Any, url: str | None) -> str:
    declared = tree.xpath("//head/base/@href")
    return _join(url or "", str(declared[0])) or (url or "") if declared else (url or "")


def _join(base: str, address: str) -> str | None:
    try:
        joined = urljoin(base, address.strip())
        parts = urlsplit(joined)
    except ValueError:
        return None
    return joined if parts.scheme in {"http", "https"} and parts.netloc else None


def _alternates(tree: Any, base: str) -> tuple[tuple[str, str], ...]:
    found: dict[tuple[str, str], None] = {}
    for link in tree.iter("link"):
        tag = (link.get("hreflang") or "").strip()
        if "alternate" not in (link.get("rel") or "").lower().split() or not tag or tag.lower() == "x-default":
            continue
        url = _join(base, link.get("href") or "")
        if url:
            found[tag, url] = None
    return tuple(found)


def _canonical(tree: Any, base: str) -> str | None:
    addresses = [
        link.get("href") or "" for link in tree.iter("link") if "canonical" in (link.get("rel") or "").lower().split()
    ]
    addresses += [str(value) for value in tree.xpath("//meta[@property='og:url']/@content")]
    return next((url for address in addresses if address.strip() and (url := _join(base, address))), None)


def _licence(tree: Any) -> str | None:
    declared = [
        e for e in tree.iter("link", "a", "area") if {"license", "licence"} & set((e.get("rel") or "").lower().split())
    ]
    for element in declared:
        named = licence_of(element.get("href") or "")
        if named:
            return named
    for element in declared:
        words = _words(element.text_content()) or (element.get("href") or "").strip()
        if words:
            return words[:_LICENCE_CHARACTERS]
    # Without rel=license only a Creative Commons link in the foot of the page is trusted.
    for element in tree.xpath("//footer//a[@href]|//*[contains(@class,'footer') or contains(@id,'footer')]//a[@href]"):
        named = licence_of(element.get("href"))
        if named:
            return named
    return None


def licence_of(url: str) -> str | None:
    """Give the name of a Creative Commons licence by its URL (`CC BY-SA 4.0`); None for other URLs."""
    found = _CC.search(url)
    if not found:
        return None
    kind, version, public, public_version = found.groups()
    if kind:
        return f"CC {kind.upper()} {version}"
    return f"CC0 {public_version}" if public.lower() == "zero" else f"Public Domain Mark {public_version}"


def _words(text: str | None) -> str | None:
    return " ".join(text.split()) or None if text else None
