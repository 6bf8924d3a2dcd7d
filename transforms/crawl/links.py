"""Links of an HTML page: where to go next, what its address properly is, under which licence it stands. Pure."""

import re
from typing import Any, NamedTuple

import lxml.html
from lxml.etree import LxmlError

from schemas.errors import RecordError
from transforms.crawl.urls import normalize, origin_of

MAX_LINKS = 5000
"""Links of one page that are looked at, in the order of the page."""

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_HEAD_BYTES = 4096
_NO_FOLLOW = re.compile(r"\b(nofollow|none)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\s,]+")


class PageLinks(NamedTuple):
    """What a page points to; all normalized, in the order of the page, each once.

    Attributes:
        follow: links that may be followed: not `nofollow`, neither by itself nor by the page's meta element.
        canonical: the address that the page gives as its own; None when it gives none.
        licence: target of rel=license; None when there is none.
    """

    follow: tuple[str, ...]
    canonical: str | None
    licence: str | None


NOTHING = PageLinks((), None, None)


def find_links(
    body: bytes, url: str, *, charset: str | None = None, agent: str = "", ignore_query: bool = False
) -> PageLinks:
    """Find the links of an HTML page.

    Looks at `a`, `area`, frames, and `link` with rel canonical, alternate with hreflang, next, prev. A base
    element is obeyed. A page that cannot be parsed at all has no links.

    Args:
        body: of the answer, content encodings undone.
        url: that gave it.
        charset: that the server declared.
        agent: our product token; a meta element of this name is obeyed as one named `robots`.
        ignore_query: as in `normalize`.
    """
    if not body.strip():
        return NOTHING
    try:
        root = lxml.html.document_fromstring(body, parser=_parser(body, charset))
    except (LxmlError, ValueError, AssertionError):
        return NOTHING
    base = _base(root, url)
    root_of_base = f"{origin_of(base)}/"
    follows = not _page_says_no_follow(root, agent)
    found: dict[str, None] = {}
    canonical: str | None = None
    licence: str | None = None
    for number, element in enumerate(root.iter("a", "area", "link", "iframe", "frame")):
        if number >= MAX_LINKS:
            break
        written = element.get("href") if element.tag in ("a", "area", "link") else element.get("src")
        if not written or written.lstrip()[:1] == "#":
            continue
        relations = {word.lower() for word in _WORD.findall(element.get("rel") or "")}
        if "license" in relations and licence is None:
            licence = _normalized(written, base)
        if element.tag == "link":
            is_alternate = "alternate" in relations and element.get("hreflang")
            if not (is_alternate or relations & {"canonical", "next", "prev"}):
                continue
        if "nofollow" in relations:
            continue
        # A path from the root is the same on all pages of the site: asked for so, its normal form is remembered.
        is_rooted = written[0] == "/" and written[1:2] not in ("/", "\\")
        target = _normalized(written, root_of_base if is_rooted else base, ignore_query=ignore_query)
        if target is None:
            continue
        if element.tag == "link" and "canonical" in relations:
            canonical = canonical or target
        found.setdefault(target)
    return PageLinks(tuple(found) if follows else (), canonical, licence)


def header_says_no_follow(values: list[str], agent: str) -> bool:
    """Does an X-Robots-Tag header forbid to follow the links?

    Args:
        values: of all headers of this name. A value may begin with a crawler's name and a colon.
        agent: our product token.
    """
    for value in values:
        words = value
        name, colon, rest = value.partition(":")
        if colon and re.fullmatch(r"\s*[A-Za-z_-]+\s*", name) and name.strip().lower() != "unavailable_after":
            if name.strip().lower() != agent.lower():
                continue
            words = rest
        if _NO_FOLLOW.search(words):
            return True
    return False


def _parser(body: bytes, charset: str | None) -> Any:
    for name in (charset, _declared(body)):
        if name:
            try:
                return lxml.html.HTMLParser(encoding=name)
            except LookupError:
                continue
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return lxml.html.HTMLParser(encoding="windows-1252")
    return lxml.html.HTMLParser(encoding="utf-8")


def _declared(body: bytes) -> str | None:
    found = _META_CHARSET.search(body, 0, _HEAD_BYTES)
    return found[1].decode("ascii") if found else None


def _base(root: Any, url: str) -> str:
    for element in root.iter("base"):
        if element.get("href"):
            return _normalized(element.get("href"), url) or url
    return url


def _page_says_no_follow(root: Any, agent: str) -> bool:
    names = {"robots", agent.lower()} - {""}
    return any(
        (element.get("name") or "").strip().lower() in names and _NO_FOLLOW.search(element.get("content") or "")
        for element in root.iter("meta")
    )


def _normalized(written: str, base: str, *, ignore_query: bool = False) -> str | None:
    try:
        return normalize(written, base=base, ignore_query=ignore_query)
    except RecordError:
        return None
