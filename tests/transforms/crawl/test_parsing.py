"""Links, sitemaps, content encodings, WARC records: the pure pieces."""

import gzip
import io
import zlib
from datetime import UTC, datetime

import brotli
import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.crawl.archive import digest, info_record, record_id, response_record, revisit_record
from transforms.crawl.decode import Decoder, gunzip
from transforms.crawl.fetch import retry_after_s
from transforms.crawl.links import find_links, header_says_no_follow
from transforms.crawl.sitemaps import parse_sitemap

URL = "http://example.org/lij/a"
PROSE = "O Zeneise o l'é 'na lengoa romansa parlâ inta çittæ de Zena.".encode()


# --- links


def test_links_are_joined_normalized_and_given_once() -> None:
    body = '<a href="b#x">1</a><a href="/lij/b">2</a><a href="Zêna">3</a><area href="//altro.example/">'.encode()
    links = find_links(body, URL)
    assert links.follow == ("http://example.org/lij/b", "http://example.org/lij/Z%C3%AAna", "http://altro.example/")


def test_base_canonical_licence_and_alternates_are_found() -> None:
    body = b"""<html><head><base href="/fur/"><link rel="canonical" href="proper"><link rel=stylesheet href=s.css>
    <link rel="alternate" hreflang="it" href="/it/a"><link rel=alternate type=rss href=feed>
    <link rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/"></head><body><a href=c>c</a></body></html>"""
    links = find_links(body, URL)
    assert links.follow == ("http://example.org/fur/proper", "http://example.org/it/a", "http://example.org/fur/c")
    assert links.canonical == "http://example.org/fur/proper"
    assert links.licence == "https://creativecommons.org/licenses/by-sa/4.0/"


def test_nofollow_is_obeyed_by_link_page_and_header() -> None:
    assert find_links(b'<a rel="ugc nofollow" href=x>x</a><a href=y>y</a>', URL).follow == ("http://example.org/lij/y",)
    assert find_links(b'<meta name=robots content="noindex, NOFOLLOW"><a href=y>y</a>', URL).follow == ()
    assert find_links(b"<meta name=Isogloss content=none><a href=y>y</a>", URL, agent="isogloss").follow == ()
    assert find_links(b"<meta name=otherbot content=none><a href=y>y</a>", URL, agent="isogloss").follow != ()
    assert header_says_no_follow(["noarchive", "nofollow"], "isogloss")
    assert header_says_no_follow(["isogloss: none"], "isogloss")
    assert not header_says_no_follow(["otherbot: nofollow", "noindex"], "isogloss")


def test_what_cannot_be_followed_is_left_out() -> None:
    body = b'<a href="mailto:a@b.example">m</a><a href="javascript:x()">j</a><a href="#top">t</a><a href="">e</a><a href="http://[/">b</a>'
    assert find_links(body, URL).follow == ()


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", None])
def test_charset_is_declared_or_guessed(charset: str | None) -> None:
    body = '<a href="/çittæ">x</a>'.encode(charset or "utf-8")
    assert find_links(body, URL, charset=charset).follow == ("http://example.org/%C3%A7itt%C3%A6",)


def test_unknown_charset_does_no_harm() -> None:
    assert find_links(b"<a href=x>x</a>", URL, charset="klingon-8").follow == ("http://example.org/lij/x",)


@given(st.binary(max_size=300))
def test_any_bytes_have_links_or_none(body: bytes) -> None:
    assert isinstance(find_links(body, URL).follow, tuple)


# --- sitemaps

LIST = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">
<url><loc> http://example.org/a </loc><xhtml:link rel="alternate" hreflang="it" href="http://example.org/it/a"/></url>
<url><loc>http://example.org/Zêna</loc></url></urlset>""".encode()
EXPECTED = ("http://example.org/a", "http://example.org/it/a", "http://example.org/Z%C3%AAna")


def test_sitemap_lists_pages_and_their_alternates() -> None:
    read = parse_sitemap(LIST, URL)
    assert set(read.urls) == set(EXPECTED)
    assert read.sitemaps == ()


def test_gzipped_sitemap_is_read_also_when_its_end_is_missing() -> None:
    assert parse_sitemap(gzip.compress(LIST), URL).urls == parse_sitemap(LIST, URL).urls
    many = (
        b"<urlset>" + b"".join(b"<url><loc>http://example.org/%d</loc></url>" % n for n in range(3000)) + b"</urlset>"
    )
    assert 100 < len(parse_sitemap(gzip.compress(many)[:-2000], URL).urls) < 3000


def test_index_feed_and_text_are_read() -> None:
    index = (
        b"<sitemapindex><sitemap><loc>/s1.xml</loc></sitemap><sitemap><loc>/s2.xml.gz</loc></sitemap></sitemapindex>"
    )
    assert parse_sitemap(index, URL).sitemaps == ("http://example.org/s1.xml", "http://example.org/s2.xml.gz")
    rss = (
        b"<rss><channel><link>http://example.org/</link><item><link>http://example.org/r</link></item></channel></rss>"
    )
    assert parse_sitemap(rss, URL).urls == ("http://example.org/r",)
    atom = b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="http://example.org/t"/></entry></feed>'
    assert parse_sitemap(atom, URL).urls == ("http://example.org/t",)
    assert parse_sitemap(b"http://example.org/1\nnonsense\nhttp://example.org/2\n", URL).urls == (
        "http://example.org/1",
        "http://example.org/2",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entity_bombs_are_refused(encoding: str) -> None:
    bomb = f"""<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE urlset [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
    <urlset><url><loc>http://example.org/&b;</loc></url></urlset>""".encode(encoding)
    with pytest.raises(RecordError) as caught:
        parse_sitemap(bomb, URL)
    assert caught.value.reason == Reason.RECORD_MALFORMED


def test_gzip_bombs_are_refused() -> None:
    with pytest.raises(RecordError) as caught:
        parse_sitemap(gzip.compress(bytes(60_000_000)), URL)
    assert caught.value.reason == Reason.TOO_LARGE


@given(st.binary(max_size=300))
def test_any_bytes_are_a_sitemap_or_a_reject(body: bytes) -> None:
    try:
        parse_sitemap(b"<urlset>" + body, URL)
    except RecordError as error:
        assert error.reason in (Reason.RECORD_MALFORMED, Reason.ENCODING_INVALID)  # noqa: PT017


# --- content encodings


def _raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


ENCODED = {
    "": PROSE,
    "identity": PROSE,
    "gzip": gzip.compress(PROSE),
    "x-gzip": gzip.compress(PROSE[:9]) + gzip.compress(PROSE[9:]),
    "deflate": zlib.compress(PROSE),
    "Deflate": _raw_deflate(PROSE),
    "br": brotli.compress(PROSE),
    "gzip, br": brotli.compress(gzip.compress(PROSE)),
}


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_encodings_are_undone_however_the_bytes_arrive(encoding: str, step: int) -> None:
    decoder = Decoder(encoding, 1000)
    for start in range(0, len(ENCODED[encoding]), step):
        decoder.feed(ENCODED[encoding][start : start + step])
    assert decoder.finish() == PROSE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_missing_end_is_invalid(encoding: str) -> None:
    decoder = Decoder(encoding, 1000)
    decoder.feed(ENCODED[encoding][:-6])
    with pytest.raises(RecordError) as caught:
        decoder.finish()
    assert caught.value.reason == Reason.ENCODING_INVALID


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress)]
)
def test_bombs_stop_at_the_limit(encoding: str, pack) -> None:
    decoder = Decoder(encoding, 1000)
    with pytest.raises(RecordError) as caught:
        decoder.feed(pack(bytes(30_000_000)))
    assert caught.value.reason == Reason.TOO_LARGE
    assert len(decoder.so_far()) <= 1000


def test_exactly_the_limit_is_allowed_and_no_body_is_fine() -> None:
    decoder = Decoder("gzip", len(PROSE))
    decoder.feed(gzip.compress(PROSE))
    assert decoder.finish() == PROSE
    assert Decoder("gzip", 10).finish() == b""
    assert gunzip(gzip.compress(PROSE)[:-4], 1000)


@pytest.mark.parametrize("encoding", ["compress", "zstd", "gzip, gzip, gzip"])
def test_encodings_that_nobody_asked_for_are_refused(encoding: str) -> None:
    with pytest.raises(RecordError) as caught:
        Decoder(encoding, 10)
    assert caught.value.reason == Reason.ENCODING_INVALID


# --- WARC


def test_response_record_reads_back_with_its_digests() -> None:
    data = response_record(
        url=URL,
        date="2026-01-31T12:00:00Z",
        status=200,
        reason="OK",
        http_headers=[(b"Content-Type", b"text/html"), (b"Content-Encoding", b"gzip"), (b"Content-Length", b"9")],
        body=PROSE,
        robots="allowed",
        licence="https://creativecommons.org/licenses/by-sa/4.0/",
        requested="http://example.org/old",
    )
    info = info_record(name="a.warc.gz", date="2026-01-31T12:00:00Z", user_agent="isogloss/0.1")
    first, record = ArchiveIterator(io.BytesIO(info + data), verify_digests=True)
    assert first.headers["WARC-Type"] == "warcinfo"
    assert record.record_id == record_id("response", URL, 200, PROSE)
    assert record.headers["WARC-Isogloss-Robots"] == "allowed"
    assert record.headers["WARC-Isogloss-Licence"] == "https://creativecommons.org/licenses/by-sa/4.0/"
    assert record.headers["WARC-Isogloss-Requested-URI"] == "http://example.org/old"
    assert record.http_headers["X-Crawler-Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in dict(record.http_headers.items())


def test_payload_digest_is_that_of_the_body() -> None:
    data = response_record(
        url=URL, date="2026-01-31T12:00:00Z", status=200, reason="", http_headers=[], body=PROSE, robots="none"
    )
    bodies = []
    for record in ArchiveIterator(io.BytesIO(data)):
        assert record.headers["WARC-Payload-Digest"] == digest(PROSE)
        assert record.verify_payload_digest()
        bodies.append(record.reader.read())
    assert bodies == [PROSE]
    assert [record.verify_block_digest() for record in ArchiveIterator(io.BytesIO(data), parse_http=False)] == [True]


def test_a_header_cannot_smuggle_in_another() -> None:
    data = response_record(
        url=URL,
        date="2026-01-31T12:00:00Z",
        status=200,
        reason="OK\r\nX: 1",
        http_headers=[(b"A", b"b\r\nEvil: 1")],
        body=b"",
        robots="none",
        licence="x\r\nWARC-Type: metadata",
    )
    (record,) = ArchiveIterator(io.BytesIO(data))
    assert "Evil" not in dict(record.http_headers.items())
    assert record.headers["WARC-Type"] == "response"


def test_revisit_record_points_to_the_page() -> None:
    data = revisit_record(
        url=URL,
        date="2026-02-01T12:00:00Z",
        http_headers=[(b"ETag", b'"1"')],
        robots="allowed",
        payload_digest=digest(PROSE),
        refers_to="<urn:uuid:1>",
        refers_to_date="2026-01-31T12:00:00Z",
    )
    (record,) = ArchiveIterator(io.BytesIO(data))
    assert record.headers["WARC-Type"] == "revisit"
    assert record.headers["WARC-Refers-To"] == "<urn:uuid:1>"


def test_record_ids_are_uuids_of_version_eight_made_of_content() -> None:
    one = record_id("response", URL, 200, PROSE)
    assert one == record_id("response", URL, 200, PROSE)
    assert one != record_id("response", URL, 200, PROSE + b".")
    assert one[10 + 14] == "8"
    assert one[10 + 19] in "89ab"


# --- Retry-After


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert retry_after_s("120", now) == 120
    assert retry_after_s("Sat, 31 Jan 2026 12:00:30 GMT", now) == 30
    assert retry_after_s("Sat, 31 Jan 2026 11:00:00 GMT", now) == 0
    assert retry_after_s("soon", now) is None
    assert retry_after_s("", now) is None
    assert retry_after_s("-5", now) is None
