"""Sitemaps: indexes, lists of URLs, plain text, feeds; gzip or not. Pure.

The protocol (sitemaps.org): at most 50,000 URLs and 50 MB (52,428,800 bytes) uncompressed a file. A file
that declares a document type is refused: sitemaps need none, and entity bombs do.
"""

import io
from typing import Any, NamedTuple

from lxml import etree

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.crawl.decode import gunzip
from transforms.crawl.urls import normalize

MAX_BYTES = 52_428_800
MAX_URLS = 50_000
MAX_SITEMAPS = 500
"""Sitemap files of one host that are read."""


class Sitemap(NamedTuple):
    """What a sitemap names; as normalized URLs, in its order, each once.

    Attributes:
        urls: pages, and their alternates in other languages (hreflang).
        sitemaps: further sitemaps.
    """

    urls: tuple[str, ...]
    sitemaps: tuple[str, ...]


def parse_sitemap(body: bytes, url: str, *, ignore_query: bool = False) -> Sitemap:
    """Read a sitemap of any kind. What comes before a broken place is kept.

    Args:
        body: of the answer; gzip is recognized by its first bytes.
        url: where it lies, for relative addresses.
        ignore_query: as in `normalize`, for pages.

    Raises:
        RecordError: `too_large` when it is too large uncompressed; `record_malformed` when it declares a
            document type; `encoding_invalid` when its gzip is broken from the start.
    """
    if body[:2] == b"\x1f\x8b":
        body = gunzip(body, MAX_BYTES)
    if len(body) > MAX_BYTES:
        raise RecordError(Reason.TOO_LARGE, f"a sitemap of {len(body)} bytes; at most {MAX_BYTES} are allowed")
    body = body.lstrip()
    looks_like_xml = body.startswith((b"<", b"\xef\xbb\xbf<", b"\xfe\xff", b"\xff\xfe"))
    pages, further = _from_xml(body) if looks_like_xml else (_from_text(body), [])
    return Sitemap(
        _normalized(pages[:MAX_URLS], url, ignore_query=ignore_query),
        _normalized(further[:MAX_URLS], url, ignore_query=False),
    )


def _from_text(body: bytes) -> list[str]:
    lines = (line.strip() for line in body.decode("utf-8-sig", "replace").splitlines())
    return [line for line in lines if line.startswith(("http://", "https://"))]


def _from_xml(body: bytes) -> tuple[list[str], list[str]]:
    pages: list[str] = []
    further: list[str] = []
    events = etree.iterparse(
        io.BytesIO(body),
        events=("start", "end"),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        recover=True,
        remove_comments=True,
        remove_pis=True,
    )
    is_checked = False
    try:
        for event, element in events:
            if not is_checked:
                is_checked = True
                _refuse_document_type(element)
            if event == "start" or not isinstance(element.tag, str):
                continue
            _take(element, pages, further)
            if len(pages) >= MAX_URLS or len(further) >= MAX_URLS:
                break
    except etree.XMLSyntaxError:
        pass  # What came before the broken place is kept.
    return pages, further


def _refuse_document_type(element: Any) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise RecordError(Reason.RECORD_MALFORMED, "a sitemap that declares a document type is refused")


def _take(element: Any, pages: list[str], further: list[str]) -> None:
    name = etree.QName(element).localname
    parent = element.getparent()
    inside = etree.QName(parent).localname if parent is not None else ""
    text = (element.text or "").strip()
    if name == "loc" and text:
        if inside == "sitemap":
            further.append(text)
        elif inside == "url":
            pages.append(text)
    elif name == "link" and inside in ("url", "entry") and element.get("href"):
        if (element.get("rel") or "alternate") == "alternate":
            pages.append(element.get("href"))
    elif name == "link" and inside == "item" and text:
        pages.append(text)
    if name in ("url", "sitemap", "item", "entry"):
        # Done with: let go of it and of what stands before it, or the tree grows with the file.
        element.clear()
        while element.getprevious() is not None:
            del parent[0]


def _normalized(written: list[str], base: str, *, ignore_query: bool) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for address in written:
        try:
            found.setdefault(normalize(address, base=base, ignore_query=ignore_query))
        except RecordError:
            continue
    return tuple(found)
