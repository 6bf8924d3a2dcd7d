"""The crawl against a real server on loopback: what servers do, and what becomes of it."""

import asyncio
import gzip
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from tests_crawl import FakeClock, Site, counts, crawl_once, html, reasons, records, settings_for, stored

from schemas.errors import SettingsError
from transforms.crawl.addresses import CheckedResolver
from transforms.crawl.state import BucketState, Outcome, journal_path, parse_journal

LIJ = "O Zeneise o l'é 'na lengoa romansa."
FUR = "La lenghe furlane e je une lenghe romanze."


def test_pages_are_found_by_links_and_stored(site: Site, tmp_path: Path) -> None:
    site.page("/robots.txt", b"User-agent: *\nDisallow: /no\n", content_type="text/plain")
    site.page("/", html(LIJ, "/a", "/no/x", "http://fuori.example/", "/missing", "/pic.png"))
    site.page(
        "/a",
        html(FUR, "/", "/%C3%A0", head='<link rel=license href="https://creativecommons.org/licenses/by-sa/4.0/">'),
    )
    site.page("/%C3%A0", html("parlâ inta çittæ"))
    site.page("/pic.png", b"\x89PNG", content_type="image/png")
    accounts = crawl_once(settings_for(site), tmp_path)
    assert stored(tmp_path, site.base) == {
        "/": html(LIJ, "/a", "/no/x", "http://fuori.example/", "/missing", "/pic.png"),
        "/a": html(
            FUR, "/", "/%C3%A0", head='<link rel=license href="https://creativecommons.org/licenses/by-sa/4.0/">'
        ),
        "/%C3%A0": html("parlâ inta çittæ"),
    }
    assert reasons(accounts, site.base) == {
        "/missing": "http_status",
        "/no/x": "robots_disallowed",
        "/pic.png": "not_text",
    }
    assert counts(accounts) == {"in": 6, "out": 3, "rejected": 3}
    assert sum(shard.rows for shard in accounts.shards) == 3
    assert "/no/x" not in site.paths()
    made = {
        record["headers"]["WARC-Target-URI"]: record["headers"]
        for record in records(tmp_path)
        if record["type"] == "response"
    }
    assert {headers["WARC-Isogloss-Robots"] for headers in made.values()} == {"allowed"}
    assert made[f"{site.base}/a"]["WARC-Isogloss-Licence"] == "https://creativecommons.org/licenses/by-sa/4.0/"


def test_the_user_agent_says_who_we_are(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ))
    crawl_once(settings_for(site, contact="mailto:crawl@example.org"), tmp_path)
    agents = {headers["User-Agent"] for headers in site.headers}
    assert len(agents) == 1
    assert "isogloss/" in agents.copy().pop()
    assert "mailto:crawl@example.org" in agents.pop()


# --- robots.txt


def test_no_robots_txt_means_no_rules(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ))
    crawl_once(settings_for(site), tmp_path)
    (record,) = [record for record in records(tmp_path) if record["type"] == "response"]
    assert record["headers"]["WARC-Isogloss-Robots"] == "none"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_robots_that_cannot_be_had_disallow_everything(site: Site, tmp_path: Path, status: int) -> None:
    site.page("/", html(LIJ))
    site.page("/robots.txt", b"", status=status)
    accounts = crawl_once(settings_for(site), tmp_path)
    assert reasons(accounts, site.base) == {"/": "robots_unreachable"}
    assert set(site.paths()) == {"/robots.txt"}


def test_robots_that_hang_disallow_everything(site: Site, tmp_path: Path) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    site.page("/", html(LIJ))
    site.routes["/robots.txt"] = hang
    accounts = crawl_once(settings_for(site, timeout_s=0.2, max_tries=1), tmp_path)
    assert reasons(accounts, site.base) == {"/": "robots_unreachable"}


def test_robots_that_lead_to_a_foreign_host_disallow_everything(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ))
    site.redirect("/robots.txt", "http://fuori.example/robots.txt")
    accounts = crawl_once(settings_for(site), tmp_path)
    assert reasons(accounts, site.base) == {"/": "robots_unreachable"}


def test_robots_are_followed_through_redirects(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ, "/no"))
    site.redirect("/robots.txt", "/r2")
    site.page("/r2", b"User-agent: isogloss\nDisallow: /no\n", content_type="text/plain")
    assert reasons(crawl_once(settings_for(site), tmp_path), site.base) == {"/no": "robots_disallowed"}


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = Site()
    nobody.port = port
    accounts = crawl_once(settings_for(nobody), tmp_path)
    assert reasons(accounts, nobody.base) == {"/": "robots_unreachable"}


def test_the_delay_of_a_host_is_kept(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ, "/a", "/b"))
    site.page("/a", html(FUR))
    site.page("/b", html(FUR))
    clock = FakeClock()
    crawl_once(settings_for(site, delay_s=2.0, sitemaps=False), tmp_path, clock=clock)
    assert site.paths() == ["/robots.txt", "/", "/a", "/b"]
    assert clock.slept == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(("asked", "kept"), [("7", 7.0), ("0.1", 2.0), ("900", 60.0)])
def test_crawl_delay_is_obeyed_up_to_a_maximum(site: Site, tmp_path: Path, asked: str, kept: float) -> None:
    site.page("/robots.txt", f"User-agent: *\nCrawl-delay: {asked}\n".encode(), content_type="text/plain")
    site.page("/", html(LIJ, "/a"))
    site.page("/a", html(FUR))
    clock = FakeClock()
    crawl_once(settings_for(site, delay_s=2.0, sitemaps=False), tmp_path, clock=clock)
    assert clock.slept == [kept, kept]


def test_robots_are_asked_for_again_after_a_day(site: Site, tmp_path: Path) -> None:
    site.page("/robots.txt", b"User-agent: *\nDisallow: /no\n", content_type="text/plain")
    site.page("/", html(LIJ, *(f"/{n:02d}" for n in range(30))))
    for n in range(30):
        site.page(f"/{n:02d}", html(FUR))
    crawl_once(settings_for(site, delay_s=3600.0, max_delay_s=3600.0, sitemaps=False), tmp_path, clock=FakeClock())
    assert site.paths().count("/robots.txt") == 2


# --- what servers do


def test_server_errors_are_tried_again_and_then_rejected(site: Site, tmp_path: Path) -> None:
    site.page("/", b"", status=500)
    clock = FakeClock()
    accounts = crawl_once(settings_for(site, max_tries=3, first_pause_s=1.0, sitemaps=False), tmp_path, clock=clock)
    assert reasons(accounts, site.base) == {"/": "http_status"}
    assert site.paths().count("/") == 3
    assert clock.slept == [1.0, 2.0]


def test_retry_after_is_waited_for(site: Site, tmp_path: Path) -> None:
    async def busy_once(_: web.Request) -> web.Response:
        if site.paths().count("/") == 1:
            return web.Response(status=429, headers={"Retry-After": "90"})
        return web.Response(body=html(LIJ), content_type="text/html")

    site.routes["/"] = busy_once
    clock = FakeClock()
    accounts = crawl_once(settings_for(site, sitemaps=False), tmp_path, clock=clock)
    assert counts(accounts) == {"in": 1, "out": 1}
    assert clock.slept == [90.0]


def test_a_retry_after_that_is_too_long_ends_the_tries(site: Site, tmp_path: Path) -> None:
    site.page("/", b"", status=503, Retry_After="86400")
    accounts = crawl_once(settings_for(site, sitemaps=False), tmp_path, clock=FakeClock())
    assert reasons(accounts, site.base) == {"/": "http_status"}
    assert site.paths().count("/") == 1


def test_a_page_that_hangs_times_out(site: Site, tmp_path: Path) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(b"<html>")
        await asyncio.Event().wait()
        return response

    site.page("/", html(LIJ, "/hang", "/ok"))
    site.page("/ok", html(FUR))
    site.routes["/hang"] = hang
    accounts = crawl_once(settings_for(site, timeout_s=0.2, max_tries=2), tmp_path)
    assert reasons(accounts, site.base) == {"/hang": "timeout"}
    assert site.paths().count("/hang") == 2
    assert set(stored(tmp_path, site.base)) == {"/", "/ok"}


def test_an_endless_page_is_stopped_at_the_limit(site: Site, tmp_path: Path) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        while sent < 1_000_000_000:
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    async def honest(_: web.Request) -> web.Response:
        return web.Response(body=b"y" * 200_000, content_type="text/html")

    site.page("/", html(LIJ, "/endless", "/honest"))
    site.routes["/endless"] = endless
    site.routes["/honest"] = honest
    accounts = crawl_once(settings_for(site, max_page_bytes=100_000), tmp_path)
    assert reasons(accounts, site.base) == {"/endless": "too_large", "/honest": "too_large"}
    assert sent < 20_000_000  # What the sockets between us may hold.


def test_broken_encodings_are_rejected_and_good_ones_undone(site: Site, tmp_path: Path) -> None:
    packed = gzip.compress(html(FUR))
    site.page("/", html(LIJ, "/good", "/cut", "/bomb"))
    site.page("/good", packed, Content_Encoding="gzip")
    site.page("/cut", packed[:-9], Content_Encoding="gzip")
    site.page("/bomb", gzip.compress(bytes(30_000_000)), Content_Encoding="gzip")
    accounts = crawl_once(settings_for(site), tmp_path)
    assert reasons(accounts, site.base) == {"/bomb": "too_large", "/cut": "encoding_invalid"}
    assert stored(tmp_path, site.base)["/good"] == html(FUR)


def test_a_connection_that_breaks_is_rejected(site: Site, tmp_path: Path) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html", "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"<html>")
        request.transport.close()
        return response

    site.page("/", html(LIJ, "/broken"))
    site.routes["/broken"] = broken
    accounts = crawl_once(settings_for(site, max_tries=2), tmp_path)
    assert reasons(accounts, site.base) == {"/broken": "connection_failed"}


def test_a_host_that_keeps_failing_is_left_alone(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ, *(f"/{n}" for n in range(9))))
    for n in range(9):
        site.page(f"/{n}", b"", status=500)
    accounts = crawl_once(settings_for(site, max_tries=1, max_failures_in_a_row=3), tmp_path)
    assert sorted(reasons(accounts).values()) == ["connection_failed"] * 6 + ["http_status"] * 3
    assert counts(accounts) == {"in": 10, "out": 1, "rejected": 9}


# --- redirects


def test_redirects_are_followed_checked_and_counted_once(site: Site, tmp_path: Path) -> None:
    site.page("/robots.txt", b"User-agent: *\nDisallow: /no\n", content_type="text/plain")
    links = ("/r", "/loop", "/long0", "/outside", "/bad", "/to-no", "/known", "/void")
    site.page("/", html(LIJ, *links))
    site.redirect("/r", "/r2", 301)
    site.redirect("/r2", "/end", 308)
    site.page("/end", html(FUR))
    site.redirect("/loop", "/loop2")
    site.redirect("/loop2", "/loop")
    for n in range(8):
        site.redirect(f"/long{n}", f"/long{n + 1}")
    site.redirect("/outside", "http://fuori.example/")
    site.redirect("/bad", "javascript:alert(1)")
    site.redirect("/to-no", "/no/x")
    site.redirect("/known", "/")
    site.page("/void", b"", status=302)
    accounts = crawl_once(settings_for(site), tmp_path)
    assert reasons(accounts, site.base) == {
        "/bad": "url_invalid",
        "/known": "duplicate_document",
        "/long0": "too_many_redirects",
        "/loop": "too_many_redirects",
        "/void": "http_status",
        "/outside": "host_not_allowed",
        "/to-no": "robots_disallowed",
    }
    assert set(stored(tmp_path, site.base)) == {"/", "/end"}
    assert counts(accounts) == {"in": 9, "out": 2, "rejected": 7}


def _resolver(*answers: str, public: str) -> CheckedResolver:
    """Answer look-ups one after the other, the last one for ever; one loopback address plays the public internet."""
    waiting = list(answers)

    async def look_up(host: str, port: int) -> list[str]:
        return [waiting.pop(0) if len(waiting) > 1 else waiting[0]]

    return CheckedResolver(allow_private=False, lookup=look_up, is_allowed=lambda address: str(address) == public)


def test_private_addresses_are_refused_at_once(site: Site, tmp_path: Path) -> None:
    settings = settings_for(site, contact="a@b.example", allow_private_addresses=False)
    accounts = crawl_once(settings, tmp_path)
    assert reasons(accounts, site.base) == {"/": "address_not_allowed"}
    assert site.paths() == []


def test_a_redirect_to_a_private_address_is_refused(site: Site, tmp_path: Path) -> None:
    hosts = (f"127.0.0.1:{site.port}", f"127.0.0.2:{site.port}", f"dentro.example:{site.port}")
    site.page("/", html(LIJ, "/r", "/name"))
    site.redirect("/r", f"http://127.0.0.2:{site.port}/")
    site.redirect("/name", f"http://dentro.example:{site.port}/")
    settings = settings_for(site, hosts=hosts, contact="a@b.example", allow_private_addresses=False)
    accounts = crawl_once(settings, tmp_path, resolver=_resolver("127.0.0.3", public="127.0.0.1"))
    assert reasons(accounts, site.base) == {"/name": "address_not_allowed", "/r": "address_not_allowed"}
    assert set(stored(tmp_path, site.base)) == {"/"}


def test_a_name_that_changes_to_a_private_address_is_refused(site: Site, tmp_path: Path) -> None:
    """DNS rebinding: the first answer is a public address that refuses, the second one is private, and a server listens."""
    name = f"lij.example:{site.port}"
    site.page("/", html(LIJ))
    settings = settings_for(site, seeds=(f"http://{name}/",), contact="a@b.example", allow_private_addresses=False)
    accounts = crawl_once(settings, tmp_path, resolver=_resolver("127.0.0.2", "127.0.0.1", public="127.0.0.2"))
    assert reasons(accounts) == {f"http://{name}/": "address_not_allowed"}
    assert site.paths() == []


def test_the_connection_goes_to_the_address_that_was_checked(site: Site, tmp_path: Path) -> None:
    """The first answer is public and serves; all later ones are private. One connection, one look-up, one check."""
    name = f"lij.example:{site.port}"
    site.page("/", html(LIJ, "/a"))
    site.page("/a", html(FUR))
    settings = settings_for(site, seeds=(f"http://{name}/",), contact="a@b.example", allow_private_addresses=False)
    accounts = crawl_once(settings, tmp_path, resolver=_resolver("127.0.0.1", "127.0.0.2", public="127.0.0.1"))
    assert counts(accounts) == {"in": 2, "out": 2}


def test_hosts_without_an_address_are_told_apart(site: Site, tmp_path: Path) -> None:
    async def nothing(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    settings = settings_for(site, seeds=("http://lij.example/",))
    accounts = crawl_once(settings, tmp_path, resolver=CheckedResolver(allow_private=True, lookup=nothing))
    assert reasons(accounts) == {"http://lij.example/": "dns_failure"}


# --- scope, limits, sitemaps


def test_seeds_that_cannot_be_used_are_rejected(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ))
    settings = settings_for(
        site, seeds=(f"{site.base}/", "ftp://example.org/", "http://altro.example/"), hosts=(f"127.0.0.1:{site.port}",)
    )
    accounts = crawl_once(settings, tmp_path)
    assert reasons(accounts) == {"ftp://example.org/": "url_invalid", "http://altro.example/": "host_not_allowed"}
    assert counts(accounts) == {"in": 3, "out": 1, "rejected": 2}


def _tree(site: Site) -> None:
    """Serve 1 + 3 + 9 pages; deeper ones have names that sort first."""
    site.page("/", html(LIJ, "/x", "/y", "/z"))
    for name in "xyz":
        site.page(f"/{name}", html(FUR, *(f"/a{name}{n}" for n in range(3))))
        for n in range(3):
            site.page(f"/a{name}{n}", html(f"{LIJ} {name}{n}", "/"))


def test_page_limits_apply_breadth_first(site: Site, tmp_path: Path) -> None:
    _tree(site)
    accounts = crawl_once(settings_for(site, max_pages_per_host=6, sitemaps=False), tmp_path)
    assert set(stored(tmp_path, site.base)) == {"/", "/x", "/y", "/z", "/ax0", "/ax1"}
    assert set(reasons(accounts).values()) == {"page_limit"}
    assert counts(accounts) == {"in": 13, "out": 6, "rejected": 7}


def test_max_pages_and_max_urls_are_kept(site: Site, tmp_path: Path) -> None:
    _tree(site)
    assert counts(crawl_once(settings_for(site, max_pages=2), tmp_path / "a")) == {"in": 7, "out": 2, "rejected": 5}
    assert counts(crawl_once(settings_for(site, max_urls_per_host=5), tmp_path / "b")) == {"in": 5, "out": 5}


def test_depth_and_paths_limit_what_is_taken_up(site: Site, tmp_path: Path) -> None:
    _tree(site)
    crawl_once(settings_for(site, max_depth=1), tmp_path / "a")
    assert set(stored(tmp_path / "a", site.base)) == {"/", "/x", "/y", "/z"}
    crawl_once(settings_for(site, include=("/x", "/ax*"), exclude=("*1",)), tmp_path / "b")
    assert set(stored(tmp_path / "b", site.base)) == {"/", "/x", "/ax0", "/ax2"}


def test_sitemaps_are_read(site: Site, tmp_path: Path) -> None:
    robots = f"User-agent: *\nDisallow: /no\nSitemap: {site.base}/index.xml\nSitemap: http://fuori.example/s.xml\n"
    site.page("/robots.txt", robots.encode(), content_type="text/plain")
    index = (
        "<sitemapindex><sitemap><loc>/s.xml.gz</loc></sitemap><sitemap><loc>/broken.xml</loc></sitemap></sitemapindex>"
    )
    site.page("/index.xml", index.encode(), content_type="application/xml")
    listed = f"<urlset><url><loc>{site.base}/only-here</loc></url><url><loc>{site.base}/no/x</loc></url></urlset>"
    site.page("/s.xml.gz", gzip.compress(listed.encode()), content_type="application/gzip")
    site.page("/broken.xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><urlset></urlset>")
    site.page("/", html(LIJ))
    site.page("/only-here", html(FUR))
    accounts = crawl_once(settings_for(site), tmp_path / "a")
    assert set(stored(tmp_path / "a", site.base)) == {"/", "/only-here"}
    assert reasons(accounts, site.base) == {"/no/x": "robots_disallowed"}
    crawl_once(settings_for(site, sitemaps=False), tmp_path / "b")
    assert set(stored(tmp_path / "b", site.base)) == {"/"}


def test_sitemap_xml_is_tried_where_robots_name_none(site: Site, tmp_path: Path) -> None:
    site.redirect("/sitemap.xml", "/other.txt")
    site.page("/other.txt", f"{site.base}/only-here\n".encode(), content_type="text/plain")
    site.page("/", html(LIJ))
    site.page("/only-here", html(FUR))
    crawl_once(settings_for(site), tmp_path)
    assert set(stored(tmp_path, site.base)) == {"/", "/only-here"}


# --- state


def test_a_finished_crawl_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    _tree(site)
    first = crawl_once(settings_for(site), tmp_path)
    asked = len(site.asked)
    second = crawl_once(settings_for(site, delay_s=1.0), tmp_path)
    assert len(site.asked) == asked
    assert second == first


@pytest.mark.parametrize("shard_bytes", [1024, 64_000_000])
def test_a_crawl_goes_on_wherever_it_was_cut(site: Site, tmp_path: Path, shard_bytes: int) -> None:
    """Cut the files at many places, as a kill in the middle of a write does; the end is the same."""
    _tree(site)
    settings = settings_for(site, shard_bytes=shard_bytes, sitemaps=False)
    whole = crawl_once(settings, tmp_path / "whole")
    expected = stored(tmp_path / "whole")
    journal = Path(journal_path(str(tmp_path / "whole"), 0)).read_bytes()
    lines = journal.splitlines(keepends=True)
    warc = b"".join(path.read_bytes() for path in sorted((tmp_path / "whole").glob("warc/*")))
    for number, cut in enumerate([1, 2, 3, 7, len(lines) - 1]):
        folder = tmp_path / str(number)
        (folder / "state").mkdir(parents=True)
        kept = b"".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2]
        Path(journal_path(str(folder), 0)).write_bytes(kept)
        if shard_bytes > 1024:
            (folder / "state" / "bucket-00000.warc.gz.open").write_bytes(warc)
        else:
            (folder / "warc").mkdir()
            for path in (tmp_path / "whole").glob("warc/*"):
                (folder / "warc" / path.name).write_bytes(path.read_bytes())
        known = {o.url for o in parse_journal(kept) if isinstance(o, Outcome)}
        before = len(site.asked)
        again = crawl_once(settings, folder)
        assert stored(folder) == expected
        assert len([r for r in records(folder) if r["type"] == "response"]) == len(expected)
        assert again.rejects == whole.rejects
        assert again.ledger == whole.ledger
        assert not known & {f"{site.base}{path}" for path in site.paths()[before:]}


def test_pages_whose_warc_is_lost_are_fetched_again(site: Site, tmp_path: Path) -> None:
    _tree(site)
    settings = settings_for(site, sitemaps=False)
    crawl_once(settings, tmp_path / "whole")
    lines = Path(journal_path(str(tmp_path / "whole"), 0)).read_bytes().splitlines(keepends=True)
    (tmp_path / "cut" / "state").mkdir(parents=True)
    Path(journal_path(str(tmp_path / "cut"), 0)).write_bytes(b"".join(lines[:8]))
    crawl_once(settings, tmp_path / "cut")
    assert stored(tmp_path / "cut") == stored(tmp_path / "whole")


def test_another_crawl_in_the_folder_is_refused(site: Site, tmp_path: Path) -> None:
    site.page("/", html(LIJ))
    crawl_once(settings_for(site), tmp_path)
    with pytest.raises(SettingsError, match="other settings"):
        crawl_once(settings_for(site, max_depth=3), tmp_path)


def test_two_crawls_into_one_folder_at_once_are_refused(tmp_path: Path) -> None:
    def state() -> BucketState:
        return BucketState(str(tmp_path), 0, fingerprint="f", shard_bytes=1024, user_agent="isogloss")

    with state(), pytest.raises(SettingsError, match="another process"), state():
        pass


KILLED = """
import sys
from pathlib import Path
import msgspec
from transforms.crawl.settings import CrawlSettings
sys.path.insert(0, sys.argv[3])
from tests_crawl import crawl_once
crawl_once(msgspec.json.decode(sys.argv[1], type=CrawlSettings), Path(sys.argv[2]))
"""


def test_kill_minus_nine_in_the_middle_loses_nothing(site: Site, tmp_path: Path) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(body=html(f"{LIJ} {request.path}" * 200), content_type="text/html")

    site.page("/", html(LIJ, *(f"/{n:04d}" for n in range(400))))
    for n in range(400):
        site.routes[f"/{n:04d}"] = page
    settings = settings_for(site, shard_bytes=20_000)
    command = [
        sys.executable,
        "-c",
        KILLED,
        msgspec.json.encode(settings).decode(),
        str(tmp_path / "killed"),
        str(Path(__file__).parent),
    ]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    deadline = time.monotonic() + 60
    while len(site.asked) < 120 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    asked = len(site.asked)
    assert 120 <= asked < 390
    accounts = crawl_once(settings, tmp_path / "killed")
    # All but the page that was on its way when the process died are asked for once; robots.txt twice.
    again = [path for path in site.paths() if path not in {"/robots.txt", "/sitemap.xml"}]
    assert len(again) - len(set(again)) <= 1
    assert counts(accounts) == {"in": 401, "out": 401}
    assert len(stored(tmp_path / "killed")) == 401
    crawl_once(settings, tmp_path / "whole")
    assert stored(tmp_path / "killed") == stored(tmp_path / "whole")
    assert [shard.rows for shard in accounts.shards] == [
        sum(record["type"] == "response" for record in records_of(tmp_path / "killed" / shard.path))
        for shard in accounts.shards
    ]


def records_of(path: Path) -> list[dict]:
    from fastwarc.warc import ArchiveIterator

    return [{"type": record.headers["WARC-Type"]} for record in ArchiveIterator(path.open("rb"))]


# --- an earlier crawl


def test_what_has_not_changed_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    async def tagged(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304, headers={"ETag": '"1"'})
        return web.Response(body=html(LIJ, "/a", "/b"), content_type="text/html", headers={"ETag": '"1"'})

    async def dated(request: web.Request) -> web.Response:
        if request.headers.get("If-Modified-Since"):
            return web.Response(status=304)
        return web.Response(
            body=html(FUR), content_type="text/html", headers={"Last-Modified": "Sat, 31 Jan 2026 12:00:00 GMT"}
        )

    site.routes["/"] = tagged
    site.routes["/a"] = dated
    site.page("/b", html("as it was"))
    crawl_once(settings_for(site), tmp_path / "first")
    site.page("/b", html("changed"))
    accounts = crawl_once(settings_for(site, earlier=str(tmp_path / "first")), tmp_path / "second")
    assert counts(accounts) == {"in": 3, "out": 3}
    assert stored(tmp_path / "second", site.base) == {
        "/": html(LIJ, "/a", "/b"),
        "/a": html(FUR),
        "/b": html("changed"),
    }
    revisits = [record for record in records(tmp_path / "second") if record["type"] == "revisit"]
    assert {record["headers"]["WARC-Target-URI"].removeprefix(site.base) for record in revisits} == {"/", "/a"}
    third = crawl_once(settings_for(site, earlier=str(tmp_path / "second")), tmp_path / "third")
    assert counts(third) == {"in": 3, "out": 3}
