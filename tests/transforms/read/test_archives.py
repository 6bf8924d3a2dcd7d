import bz2
import gzip
import io
import zlib

import pytest

from transforms.read.streams import Unpacked
from transforms.read.warc import Fetched, Refused, join_chunks, read_archive

HTML = "<html lang='lij'><body><p>Bondì a tutti, sciâ Maria a l’é vegnua.</p></body></html>".encode()


def http(body=HTML, headers="Content-Type: text/html; charset=utf-8", status="200 OK"):
    return f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode() + body


def record(
    block, kind="response", url="https://zena.example/", more="", content_type="application/http; msgtype=response"
):
    head = f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\n{more}Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
    return head.encode() + block + b"\r\n\r\n"


def read(data, limit=1_000_000):
    return list(read_archive(Unpacked(io.BytesIO(data)), "proa.warc", limit))


def test_a_page_comes_with_what_the_server_and_the_crawl_said():
    (page,) = read(
        record(
            http(headers="Content-Type: text/html\r\nContent-Language: lij"),
            more="WARC-Isogloss-Robots: allowed\r\nWARC-Isogloss-Licence: https://creativecommons.org/licenses/by/4.0/\r\n",
        )
    )
    assert page == Fetched(
        url="https://zena.example/",
        body=HTML,
        status=200,
        content_type="text/html",
        content_language="lij",
        robots="allowed",
        licence="https://creativecommons.org/licenses/by/4.0/",
    )


def test_without_a_verdict_robots_was_not_checked():
    assert read(record(http()))[0].robots == "not_checked"
    assert read(record(http(), more="WARC-Isogloss-Robots: perhaps\r\n"))[0].robots == "not_checked"


def test_requests_and_notes_are_no_pages():
    data = record(b"GET / HTTP/1.1\r\n\r\n", kind="request") + record(b"a: b", kind="warcinfo") + record(http())
    assert len(read(data)) == 1


def test_resources_and_conversions_are_pages():
    data = record(HTML, kind="resource", content_type="text/html") + record(
        b"Bond", kind="conversion", content_type="text/plain"
    )
    assert [(page.content_type, page.status) for page in read(data)] == [("text/html", None), ("text/plain", None)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (record(http(status="404 Not Found")), "http_status"),
        (record(http(), kind="revisit"), "duplicate_document"),
        (record(b"\x00\x01 no http"), "record_malformed"),
        (record(http(b"x" * 2_000_000)), "too_large"),
        (record(http(gzip.compress(b"0" * 50_000_000, mtime=0), "Content-Encoding: gzip")), "too_large"),
        (record(http(zlib.compress(b"0" * 50_000_000), "Content-Encoding: deflate")), "too_large"),
        (record(http(b"\x1f\x8b\x08broken\xff", "Content-Encoding: gzip")), "record_malformed"),
        (record(b"1.2.3.4", kind="resource", url="dns:zena.example", content_type="text/dns"), "not_text"),
    ],
)
def test_other_records_are_refused_with_a_reason(data, reason):
    (refused,) = read(data)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(HTML, mtime=0), "Content-Encoding: gzip"),
        (zlib.compress(HTML), "Content-Encoding: deflate"),
        (zlib.compress(HTML)[2:-4], "Content-Encoding: deflate"),
        (b"%x\r\n%s\r\n0\r\n\r\n" % (len(HTML), HTML), "Transfer-Encoding: chunked"),
        (HTML, "Transfer-Encoding: chunked"),
        (HTML, "Content-Encoding: gzip"),
    ],
)
def test_encodings_are_undone_even_when_the_headers_lie(body, headers):
    assert read(record(http(body, headers)))[0].body == HTML


def test_chunks_may_carry_extensions_and_end_early():
    assert join_chunks(b"3;x=1\r\nabc\r\n2\r\nde") == b"abcde"


@pytest.mark.parametrize("pack", [lambda d: d, gzip.compress, bz2.compress])
def test_archives_may_be_packed_a_record_a_member(pack):
    data = b"".join(pack(record(http(), url=f"https://zena.example/{i}")) for i in range(3))
    assert [page.url for page in read(data)] == [f"https://zena.example/{i}" for i in range(3)]


@pytest.mark.parametrize("packed", [False, True])
def test_wherever_an_archive_is_cut_what_stood_before_is_kept(packed):
    records = [record(http(), url=f"https://zena.example/{i}") for i in range(3)]
    parts = [gzip.compress(part) for part in records] if packed else records
    data = b"".join(parts)
    for cut in range(0, len(data), 13):
        found = read(data[:cut])
        pages = [item for item in found if isinstance(item, Fetched)]
        whole = sum(1 for i in range(3) if cut >= sum(map(len, parts[: i + 1])))
        assert whole <= len(pages) <= whole + 1  # the line ends after a record may be missing
        damage = [item.reason for item in found if isinstance(item, Refused)]
        assert all(reason in {"container_truncated", "container_broken"} for reason in damage)
        at_end_of_record = any(0 <= sum(map(len, parts[:i])) - cut <= 4 for i in range(4))
        assert at_end_of_record or len(damage) == 1


def test_garbage_is_a_broken_container_that_names_the_file():
    (refused,) = read(b"this is no archive at all")
    assert refused.reason == "container_broken"
    assert "proa.warc" in refused.detail


def test_a_damaged_member_ends_the_archive():
    second = bytearray(gzip.compress(record(http())))
    second[30:40] = b"\xff" * 10
    page, refused = read(gzip.compress(record(http())) + bytes(second) + gzip.compress(record(http())))
    assert isinstance(page, Fetched)
    assert refused.reason == "container_broken"
    assert "byte" in refused.detail


def test_an_empty_file_holds_nothing():
    assert read(b"") == []


def test_arc_records_are_pages():
    block = http()
    info = b"1 0 Proa\nURL IP-address Archive-date Content-type Archive-length\n"
    data = b"filedesc://proa.arc 0.0.0.0 20200101000000 text/plain %d\n%s\n" % (len(info), info)
    data += b"https://zena.example/a b 1.2.3.4 20200101000000 text/html %d\n%s\n" % (len(block), block)
    (page,) = read(data)
    assert (page.url, page.body) == ("https://zena.example/a b", HTML)
    assert read(data[:-40])[0].reason == "container_truncated"


@pytest.mark.parametrize("size", [1, 7, 1000, -1])
@pytest.mark.parametrize("pack", [lambda d: d, gzip.compress, bz2.compress])
def test_a_stream_gives_the_same_bytes_in_any_portions(pack, size):
    data = b"Bond\xc3\xac " * 500
    file = Unpacked(io.BytesIO(pack(data) + (pack(data) if pack(b"") else data)))
    parts = []
    while part := file.read(size):
        parts.append(part)
    assert b"".join(parts) == data * 2
    assert file.damage is None


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_cut_member_is_truncated_wherever_it_is_cut(pack):
    packed = pack(b"Bond\xc3\xac " * 500)
    for cut in range(4, len(packed) - 1, 3):
        file = Unpacked(io.BytesIO(packed[:cut]))
        file.read()
        assert file.damage == "truncated"


def test_zeros_after_the_last_member_are_padding_and_other_bytes_are_damage():
    padded = Unpacked(io.BytesIO(gzip.compress(b"a") + b"\0" * 600))
    assert (padded.read(), padded.damage) == (b"a", None)
    spoiled = Unpacked(io.BytesIO(gzip.compress(b"a") + b"junk"))
    assert (spoiled.read(), spoiled.damage) == (b"a", "broken")


def test_a_bomb_is_unpacked_no_further_than_it_is_read():
    file = Unpacked(io.BytesIO(gzip.compress(b"0" * 200_000_000)))
    assert file.read(1000) == b"0" * 1000
    assert len(file._ready) <= 1 << 18


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "pages", "refused"),
    [
        ("warcio/example.warc.gz", 1, ["duplicate_document"]),
        ("warcio/example-iana.org-chunked.warc", 1, []),
        ("warcio/example-wrong-chunks.warc.gz", 1, []),
        ("warcio/example-resource.warc.gz", 1, []),
        ("warcio/example-bad-non-chunked.warc.gz", 1, ["duplicate_document"]),
        ("warcio/example-bad.warc.gz.bad", 1, ["duplicate_document", "http_status"]),
        ("warcio/example-trunc.warc", 1, ["container_broken"]),
        ("warcio/example.arc", 1, []),
        ("warcio/example.arc.gz", 1, []),
        ("warcio/example-space-in-url.arc", 0, ["container_truncated"]),
        ("warcio/bad.arc", 0, ["container_broken"]),
        ("aut/arc/badexample.arc.gz", 3, ["container_broken"]),
        ("resiliparse/clipped.warc.gz", 0, ["container_truncated"]),
        ("resiliparse/clueweb-quirk.warc.gz", 29, []),
        ("jwarc/cc.warc.gz", 1, []),
    ],
)
def test_real_archives_sound_and_damaged(shared_data, name, pages, refused):
    with (shared_data / "warc" / name).open("rb") as file:
        found = list(read_archive(Unpacked(file), name, 10_000_000))
    assert sum(isinstance(item, Fetched) for item in found) == pages
    assert [item.reason for item in found if isinstance(item, Refused)] == refused
