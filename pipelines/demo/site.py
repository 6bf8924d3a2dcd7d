"""Turn the sample into a small web site with the habits of real ones. Pure: resources in memory, by path.

For every document and variety a page `/<tag>/<slug>.html`: declared alternates, navigation, a cookie notice,
breadcrumbs, a sidebar, the text in paragraphs of two to four sentences, a footer. Three layouts, chosen by
document. Indexes, sitemaps and robots.txt; pages of real text that robots.txt forbids; redirects, a loop, a
dead link, a page that always fails, an image, a link that leaves the host. Every choice is made by content.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple
from urllib.parse import unquote

from pipelines.demo.sample import LICENCE, TAGS, SampleLine
from schemas.identity import bucket_of, content_digest, content_id

FORBIDDEN_OF_100 = 5
WRONG_LANGUAGE_OF_100 = 6
LAYOUTS = 3
SENTENCE_ENDS = ".!?…"
CLOSERS = "\"'»”’)]"

ROBOTS = """\
# Everybody is welcome; a few places are not for robots.
User-agent: *
Disallow: /private/
Disallow: /*/discussion-
Disallow: /search

User-agent: GreedyBot
Disallow: /

Sitemap: {base}/sitemap.xml
"""

# A PNG of one transparent pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


class Words(NamedTuple):
    """The furniture of a page in one language."""

    name: str
    home: str
    search: str
    contact: str
    privacy: str
    cookies: str
    accept: str
    see_also: str
    rights: str
    updated: str
    share: str
    archive: str


WORDS: Mapping[str, Words] = {
    "lij": Words(
        "Zeneise", "Pagina prinçipâ", "Çerca", "Contatti", "Informativa in sciâ privacy",
        "Questo scito o l'adeuvia di cookie pe fâ anâ mëgio e pagine.", "Va ben", "Lezi ascì", "Tutti i driti riservæ",
        "Urtimo agiornamento", "Condividdi", "Archivio",
    ),
    "lmo": Words(
        "Lombard", "Pagina principala", "Cerca", "Contatt", "Informazion in sü la privacy",
        "Quest sit el dopra i cookie per fà andà mej i pagin.", "Va ben", "Varda anca", "Tücc i diritt riservaa",
        "Ültem agiornament", "Cundivid", "Archivi",
    ),
    "fur": Words(
        "Furlan", "Pagjine principâl", "Cîr", "Contats", "Informative su la privacy",
        "Chest sît al dopre i cookie par fâ lâ miôr lis pagjinis.", "Va ben", "Viôt ancje", "Ducj i dirits riservâts",
        "Ultin inzornament", "Condivît", "Archivi",
    ),
    "it": Words(
        "Italiano", "Pagina principale", "Cerca", "Contatti", "Informativa sulla privacy",
        "Questo sito usa i cookie per migliorare l'esperienza di navigazione.", "Accetto", "Vedi anche",
        "Tutti i diritti riservati", "Ultimo aggiornamento", "Condividi", "Archivio",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Resource:
    """What the server answers for a path.

    Attributes:
        status: HTTP status.
        kind: media type, with charset where it is text.
        body: the bytes.
        location: where a redirect leads; empty for other answers.
    """

    status: int
    kind: str
    body: bytes
    location: str = ""

    @property
    def etag(self) -> str:
        """The entity tag, quotes included."""
        return f'"{content_digest(self.body)[:16]}"'


class KnownLine(NamedTuple):
    """A sentence of the site, and where it stands.

    Attributes:
        tag: true variety.
        number: line number; equal numbers say the same.
        text: the sentence.
        path: path of its page.
        is_allowed: may robots fetch the page?
    """

    tag: str
    number: int
    text: str
    path: str
    is_allowed: bool


@dataclass(frozen=True)
class Site:
    """A web site.

    Attributes:
        base: its scheme, host and port.
        resources: answers by path.
        lines: its sentences: the known answers.
    """

    base: str
    resources: Mapping[str, Resource]
    lines: tuple[KnownLine, ...]

    @property
    def seeds(self) -> tuple[str, ...]:
        """Where a crawl starts."""
        return (f"{self.base}/",)


class _Page(NamedTuple):
    tag: str
    document: str
    title: str
    path: str
    is_allowed: bool
    lines: tuple[SampleLine, ...]


def make_site(sample: Sequence[SampleLine], base: str) -> Site:
    """Make the site.

    Args:
        sample: its sentences.
        base: scheme, host and port, such as `http://127.0.0.1:8640`; canonical links and sitemaps need it.
    """
    pages = _pages(sample)
    beside: dict[str, list[_Page]] = {}
    of_tag: dict[str, list[_Page]] = {}
    for page in pages:
        beside.setdefault(page.document, []).append(page)
        of_tag.setdefault(page.tag, []).append(page)
    resources: dict[str, Resource] = {
        "/robots.txt": Resource(200, "text/plain; charset=utf-8", ROBOTS.format(base=base).encode("utf-8")),
        "/img/logo.png": Resource(200, "image/png", PIXEL),
        "/status.html": _html("<!DOCTYPE html><title>500</title><p>Internal server error.</p>", status=500),
        "/": _html(_front_page(of_tag)),
    }
    for page in pages:
        resources[page.path] = _html(_article(page, beside[page.document], of_tag[page.tag], base))
    for tag, tagged in of_tag.items():
        resources[f"/{tag}/index.html"] = _html(_index(tag, tagged, base))
        resources[f"/{tag}/contact.html"] = _html(_contact(tag))
        resources[f"/sitemap-{tag}.xml"] = _xml(_sitemap(tagged, base))
        for page in tagged[:3]:
            # Old addresses that other pages still link to.
            resources[_old_path(page)] = Resource(301, "text/plain", b"", location=page.path)
    resources["/sitemap.xml"] = _xml(_sitemap_index(list(of_tag), base))
    resources["/feed"] = Resource(302, "text/plain", b"", location="/feed/")
    resources["/feed/"] = Resource(302, "text/plain", b"", location="/feed")
    lines = tuple(
        KnownLine(page.tag, line.number, line.text, page.path, page.is_allowed) for page in pages for line in page.lines
    )
    return Site(base, resources, lines)


def slug_of(document: str) -> str:
    """Make a page's file name from the URL of its Wikipedia page, such as `fred-astaire`."""
    name = unquote(document.rpartition("/wiki/")[2] or document)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (
        slug
        if slug.isascii() and slug and not re.search(r"[^\x00-\x7f]", name)
        else f"{slug}-{content_id('slug', name)[:6]}".lstrip("-")
    )


def paragraphs(lines: Sequence[SampleLine]) -> list[list[SampleLine]]:
    """Group lines into paragraphs of two to four; a line that ends without a full stop ends its paragraph."""
    grouped: list[list[SampleLine]] = []
    wanted = 0
    for line in lines:
        if wanted == 0:
            grouped.append([])
            wanted = 2 + bucket_of(content_id("demo-paragraph", line.document, line.number), 3)
        grouped[-1].append(line)
        wanted = wanted - 1 if line.text.rstrip(CLOSERS)[-1:] in SENTENCE_ENDS else 0
    return grouped


def _pages(sample: Sequence[SampleLine]) -> list[_Page]:
    ordered = sorted(sample, key=lambda line: (TAGS.index(line.tag), line.document, line.number))
    made = []
    for (tag, document), lines in groupby(ordered, key=lambda line: (line.tag, line.document)):
        slug = slug_of(document)
        choice = bucket_of(content_id("demo-forbidden", tag, document), 100)
        path = f"/{tag}/{slug}.html"
        if choice < FORBIDDEN_OF_100:
            path = f"/private/{tag}/{slug}.html" if choice % 2 else f"/{tag}/discussion-{slug}.html"
        title = unquote(document.rpartition("/wiki/")[2]).replace("_", " ")
        made.append(_Page(tag, document, title, path, choice >= FORBIDDEN_OF_100, tuple(lines)))
    return made


def _old_path(page: _Page) -> str:
    return f"/{page.tag}/old/{slug_of(page.document)}.html"


def _html(text: str, status: int = 200) -> Resource:
    return Resource(status, "text/html; charset=utf-8", text.encode("utf-8"))


def _xml(text: str) -> Resource:
    return Resource(200, "application/xml; charset=utf-8", text.encode("utf-8"))


def _choice(page: _Page, what: str, of: int) -> int:
    return bucket_of(content_id("demo-site", what, page.tag, page.document), of)


def _article(page: _Page, beside: Sequence[_Page], tagged: Sequence[_Page], base: str) -> str:
    # Some sites declare the standard language on pages in a dialect; ours does so now and then.
    declared = "it" if _choice(page, "language", 100) < WRONG_LANGUAGE_OF_100 else page.tag
    alternates = "\n".join(
        f'<link rel="alternate" hreflang="{other.tag}" href="{base}{other.path}">'
        for other in beside
        if other.is_allowed
    )
    words = WORDS[page.tag]
    title = html.escape(page.title)
    body = "\n".join(
        f"<p>{html.escape(' '.join(line.text for line in group), quote=False)}</p>" for group in paragraphs(page.lines)
    )
    layout = (_encyclopedia, _magazine, _municipality)[bucket_of(content_id("demo-layout", page.document), LAYOUTS)]
    return f"""<!DOCTYPE html>
<html lang="{declared}">
<head>
<meta charset="utf-8">
<title>{title} | {words.archive}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="canonical" href="{base}{page.path}">
<link rel="license" href="{LICENCE}">
{alternates}
<style>body {{ max-width: 60em; margin: auto }} nav li {{ display: inline }}</style>
</head>
<body>
{layout(page, beside, tagged, title, body)}
<script>window.dataLayer = window.dataLayer || []; dataLayer.push({{"page": "{slug_of(page.document)}"}});</script>
</body>
</html>
"""


def _neighbours(page: _Page, tagged: Sequence[_Page]) -> str:
    place = tagged.index(page)
    near = [tagged[(place + step) % len(tagged)] for step in (1, 2, 5, 11)]
    return "".join(
        f'<li><a href="{other.path}">{html.escape(other.title)}</a></li>'
        for other in dict.fromkeys(near)
        if other is not page
    )


def _languages(beside: Sequence[_Page]) -> str:
    return "".join(
        f'<li><a href="{other.path}" hreflang="{other.tag}">{WORDS[other.tag].name}</a></li>' for other in beside
    )


def _menu(tag: str) -> str:
    words = WORDS[tag]
    return (
        f'<ul><li><a href="/">{words.home}</a></li><li><a href="/{tag}/index.html">{words.archive}</a></li>'
        f'<li><a href="/search?q=">{words.search}</a></li><li><a href="/{tag}/contact.html">{words.contact}</a></li></ul>'
    )


def _encyclopedia(page: _Page, beside: Sequence[_Page], tagged: Sequence[_Page], title: str, body: str) -> str:
    words = WORDS[page.tag]
    return f"""<header class="site-header"><a href="/"><img src="/img/logo.png" alt="logo"></a>
<nav class="main-menu">{_menu(page.tag)}</nav>
<h1 class="page-title">{title}</h1></header>
<div id="cookie-notice" class="cookie-banner" role="dialog">{words.cookies} <button>{words.accept}</button></div>
<nav class="breadcrumb"><a href="/">{words.home}</a> &rsaquo; <a href="/{page.tag}/index.html">{words.archive}</a> &rsaquo; {title}</nav>
<aside class="sidebar"><ul class="languages">{_languages(beside)}</ul></aside>
<main id="content"><article class="entry-content">
{body}
</article></main>
<aside class="related-links"><h4>{words.see_also}</h4><ul>{_neighbours(page, tagged)}</ul></aside>
<footer class="site-footer"><p>&copy; 2024 {words.rights}.</p>
<p>Text is available under the <a rel="license" href="{LICENCE}">CC BY-SA 4.0</a> licence.</p></footer>"""


def _magazine(page: _Page, beside: Sequence[_Page], tagged: Sequence[_Page], title: str, body: str) -> str:
    words = WORDS[page.tag]
    return f"""<div class="cookie-consent">{words.cookies} <a href="/{page.tag}/privacy.html">{words.privacy}</a> <button>{words.accept}</button></div>
<header><nav class="navbar">{_menu(page.tag)}</nav><ul class="lang-switcher">{_languages(beside)}</ul><h1>{title}</h1></header>
<main><article class="post-content">
{body}
<div class="social-share">{words.share}: <a href="https://social.example/share">Mastodon</a></div>
</article></main>
<aside class="sidebar widget"><h3>{words.see_also}</h3><ul>{_neighbours(page, tagged)}</ul></aside>
<footer id="footer"><ul><li><a href="/{page.tag}/contact.html">{words.contact}</a></li><li>{words.rights}</li></ul>
<p class="powered-by">Proudly powered by a static site generator.</p></footer>"""


def _municipality(page: _Page, beside: Sequence[_Page], tagged: Sequence[_Page], title: str, body: str) -> str:
    words = WORDS[page.tag]
    updated = f"{1 + _choice(page, 'day', 28)}/{1 + _choice(page, 'month', 12)}/2024"
    old = f'<li><a href="{_old_path(tagged[0])}">{html.escape(tagged[0].title)}</a></li>'
    return f"""<div id="header"><a href="/"><img src="/img/logo.png" alt=""></a><div class="menu">{_menu(page.tag)}</div>
<div class="page-header"><h1>{title}</h1></div></div>
<div class="breadcrumbs"><a href="/">{words.home}</a> / <a href="/{page.tag}/index.html">{words.archive}</a></div>
<div id="sidebar" class="sidebar"><ul>{_languages(beside)}</ul><h4>{words.see_also}</h4><ul>{_neighbours(page, tagged)}{old}</ul></div>
<div id="main-content" class="article-body">
{body}
</div>
<div id="footer" class="footer"><p>{words.updated}: {updated}</p><p>{words.rights} | {words.privacy}</p>
<p>Text is available under the <a rel="license" href="{LICENCE}">CC BY-SA 4.0</a> licence.</p></div>
<div id="cookies" class="cookie-law-info">{words.cookies} <button>{words.accept}</button></div>"""


def _front_page(of_tag: Mapping[str, Sequence[_Page]]) -> str:
    links = "".join(f'<li><a href="/{tag}/index.html" hreflang="{tag}">{WORDS[tag].name}</a></li>' for tag in of_tag)
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A small archive in four languages</title></head>
<body>
<nav><ul>{links}</ul></nav>
<img src="/img/logo.png" alt="logo"><a href="/img/logo.png">Logo</a>
<ul><li><a href="/status.html">Status</a></li><li><a href="/feed">Feed</a></li>
<li><a href="https://www.example.org/">Elsewhere</a></li></ul>
</body>
</html>
"""


def _index(tag: str, pages: Sequence[_Page], base: str) -> str:
    words = WORDS[tag]
    links = "\n".join(f'<li><a href="{page.path}">{html.escape(page.title)}</a></li>' for page in pages)
    old = "".join(f'<li><a href="{_old_path(page)}">{html.escape(page.title)}</a></li>' for page in pages[:3])
    return f"""<!DOCTYPE html>
<html lang="{tag}">
<head><meta charset="utf-8"><title>{words.archive}</title><link rel="canonical" href="{base}/{tag}/index.html"></head>
<body>
<header><nav>{_menu(tag)}</nav></header>
<nav class="archive"><h2>{words.archive}</h2><ul>
{links}
{old}
</ul></nav>
<footer>{words.rights}</footer>
</body>
</html>
"""


def _contact(tag: str) -> str:
    words = WORDS[tag]
    return f"""<!DOCTYPE html>
<html lang="{tag}">
<head><meta charset="utf-8"><title>{words.contact}</title></head>
<body>
<header><nav>{_menu(tag)}</nav></header>
<address>archive@example.org</address>
<footer>{words.rights}</footer>
</body>
</html>
"""


def _sitemap(pages: Sequence[_Page], base: str) -> str:
    # Sitemaps are made by machines that do not read robots.txt: forbidden pages stand in them too.
    urls = "\n".join(f"<url><loc>{html.escape(base + page.path)}</loc></url>" for page in pages)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}\n</urlset>\n'


def _sitemap_index(tags: Sequence[str], base: str) -> str:
    maps = "\n".join(f"<sitemap><loc>{base}/sitemap-{tag}.xml</loc></sitemap>" for tag in tags)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{maps}\n</sitemapindex>\n'
