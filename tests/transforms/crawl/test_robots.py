import json
from pathlib import Path

import pytest

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.crawl.robots import MAX_BYTES, NO_RULES, parse_robots, robots_of_answer
from transforms.crawl.urls import normalize

# Where we do not do as Google's parser does, and why.
DIFFERENT_BY_CHOICE = {
    # Google takes a rule's %62 as it stands; RFC 9309, section 2.2.2, decodes ASCII octets before comparing.
    (
        "ID_Encoding",
        "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%62%61%7A\n",
        "FooBot",
        "http://foo.bar/foo/bar/baz",
    ),
    # Google compares a URL as it stands; ours are percent-encoded before (RFC 9309, section 2.2.2), so these match.
    (
        "ID_Encoding",
        "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%E3%83%84\n",
        "FooBot",
        "http://foo.bar/foo/bar/ツ",
    ),
    ("ID_Encoding", "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/ツ\n", "FooBot", "http://foo.bar/foo/bar/ツ"),
    # An agent called "Foo Bar" cannot be: a product token has no space, and our settings refuse one.
    (
        "GoogleOnly_AcceptUserAgentUpToFirstSpace",
        "User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n",
        "Foo Bar",
        "http://foo.bar/x/y",
    ),
}


@pytest.mark.data
def test_googles_expectations_hold_but_for_four(shared_data: Path) -> None:
    lines = (shared_data / "robots" / "google_robots_cases.jsonl").read_text(encoding="utf-8").splitlines()
    different = set()
    for line in lines:
        case = json.loads(line)
        try:
            url = normalize(case["url"])
        except RecordError:
            url = case["url"]
        if parse_robots(case["robots"].encode(), case["agent"]).allows(url) != case["allowed"]:
            different.add((case["test"], case["robots"], case["agent"], case["url"]))
    assert len(lines) == 140
    assert different == DIFFERENT_BY_CHOICE


@pytest.mark.data
def test_real_files_are_read(shared_data: Path) -> None:
    found = [
        path
        for path in sorted((shared_data / "robots").rglob("*"))
        if path.is_file() and path.suffix not in {".md", ".jsonl"}
    ]
    assert len(found) >= 400
    for path in found:
        parse_robots(path.read_bytes(), "isogloss").allows("http://example.org/a?b=c")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_client_errors_mean_no_rules(status: int) -> None:
    assert robots_of_answer(status, b"User-agent: *\nDisallow: /", "isogloss") == NO_RULES


@pytest.mark.parametrize("status", [429, 500, 502, 503, 301, 600])
def test_everything_else_means_complete_disallow(status: int) -> None:
    with pytest.raises(RecordError) as caught:
        robots_of_answer(status, b"", "isogloss")
    assert caught.value.reason == Reason.ROBOTS_UNREACHABLE


def test_rules_delay_and_sitemaps_are_read() -> None:
    robots = robots_of_answer(
        200,
        b"\xef\xbb\xbfUser-agent: isogloss/1.0 (dialects)\nCrawl-delay: 7\nDisallow: /no\nAllow: /no/yes\n\n"
        b"User-agent: *\nDisallow: /\nSitemap: https://example.org/s.xml\nSitemap: https://example.org/s.xml\n",
        "isogloss",
    )
    assert robots.verdict == "allowed"
    assert robots.delay_s == 7
    assert robots.sitemaps == ("https://example.org/s.xml",)
    assert robots.allows("https://example.org/yes")
    assert not robots.allows("https://example.org/no/a")
    assert robots.allows("https://example.org/no/yes")


def test_request_rate_is_a_delay() -> None:
    assert parse_robots(b"User-agent: *\nRequest-rate: 1/10\nDisallow: /x\n", "isogloss").delay_s == 10


def test_half_a_megabyte_is_read_and_a_cut_line_is_ignored() -> None:
    comments = b"# " + b"x" * 97 + b"\n"
    late = comments * 5100 + b"User-agent: *\nDisallow: /late\n"
    assert len(late) > 500 * 1024 - 2048
    assert not parse_robots(late, "isogloss").allows("http://example.org/late")
    begin = b"User-agent: *\nDisallow: /a\n"
    cut = begin + b"#" * (MAX_BYTES - len(begin) - len("\nDisallow: /")) + b"\nDisallow: /only-this-folder\n"
    assert parse_robots(cut, "isogloss").allows("http://example.org/b")
    assert not parse_robots(cut, "isogloss").allows("http://example.org/a")


def test_noise_is_no_rule() -> None:
    robots = parse_robots(b"\xff\xfe\x00<html>not robots</html>\r\r\nDisallow /\x00", "isogloss")
    assert robots.allows("http://example.org/")
