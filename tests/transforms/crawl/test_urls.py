import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.crawl.urls import PathFilter, Scope, authority_of, normalize, origin_of, site_of


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("http://example.org:443/a", "http://example.org:443/a"),
        ("http://example.org/a#top", "http://example.org/a"),
        ("http://example.org./a", "http://example.org/a"),
        ("http://example.org/a/../b/./c/", "http://example.org/b/c/"),
        ("http://example.org/../../a", "http://example.org/a"),
        ("http://example.org/%7euser/%c3%a0", "http://example.org/~user/%C3%A0"),
        ("http://example.org/Zêna", "http://example.org/Z%C3%AAna"),
        ("http://example.org/a b", "http://example.org/a%20b"),
        ("http://example.org/100%", "http://example.org/100%25"),
        ("http://example.org/%2e%2e/a", "http://example.org/a"),
        ("http://example.org/a?b=ç&c", "http://example.org/a?b=%C3%A7&c"),
        ("http://example.org/a\\b", "http://example.org/a/b"),
        ("http://Zürich.example/", "http://xn--zrich-kva.example/"),
        ("http://my_host.example.org/", "http://my_host.example.org/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
        ("  http://example.org/a\n", "http://example.org/a"),
    ],
)
def test_normalize_gives_the_one_spelling(written: str, expected: str) -> None:
    assert normalize(written) == expected
    assert normalize(expected) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "mailto:a@example.org",
        "javascript:alert(1)",
        "ftp://example.org/",
        "http://",
        "http://user:secret@example.org/",
        "http://example.org:99999/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://[zz]/",
        "http://exa mple.org/",
        "http://a..b/",
        "http://example.org/" + "a" * 5000,
        "http://example.org/\ud800",
    ],
)
def test_normalize_refuses_what_is_no_web_address(written: str) -> None:
    with pytest.raises(RecordError) as caught:
        normalize(written)
    assert caught.value.reason == Reason.URL_INVALID


def test_normalize_joins_with_the_base() -> None:
    assert normalize("?page=2", base="http://example.org/lij/a?page=1") == "http://example.org/lij/a?page=2"
    assert normalize("//altro.example/x", base="https://example.org/") == "https://altro.example/x"


def test_normalize_can_leave_the_query_out() -> None:
    assert normalize("http://example.org/a?b=1", ignore_query=True) == "http://example.org/a"


@given(st.text(max_size=60), st.text(max_size=30))
def test_normalize_is_idempotent_and_never_crashes(path: str, query: str) -> None:
    try:
        once = normalize(f"http://example.org/{path}?{query}")
    except RecordError:
        return
    assert normalize(once) == once
    assert once.isascii()
    assert authority_of(once) == "example.org"


@given(st.text(max_size=40))
def test_normalize_of_anything_is_a_url_or_a_reject(text: str) -> None:
    try:
        assert normalize(text).startswith(("http://", "https://"))
    except RecordError as error:
        assert error.reason == Reason.URL_INVALID  # noqa: PT017


def test_scope_allows_names_ports_and_what_is_below() -> None:
    scope = Scope(["example.org", "*.fur.example", "127.0.0.1:8080"])
    allowed = ["http://example.org/", "https://example.org/", "http://a.b.fur.example/x", "http://127.0.0.1:8080/"]
    refused = [
        "http://www.example.org/",
        "http://example.org:8080/",
        "http://fur.example/",
        "http://notfur.example/",
        "http://example.org.evil.example/",
        "http://127.0.0.1/",
    ]
    assert [scope.allows(url) for url in allowed] == [True] * len(allowed)
    assert [scope.allows(url) for url in refused] == [False] * len(refused)


@pytest.mark.parametrize("pattern", ["", "*", "*.org", "a/b", "*.*.org", "http://example.org"])
def test_scope_refuses_nonsense(pattern: str) -> None:
    with pytest.raises(ValueError):
        Scope([pattern])


def test_path_filter_includes_and_excludes() -> None:
    paths = PathFilter(["/lij/*"], ["*/stampa", "*?print=*"])
    assert paths.allows("http://example.org/lij/a")
    assert not paths.allows("http://example.org/it/a")
    assert not paths.allows("http://example.org/lij/a/stampa")
    assert not paths.allows("http://example.org/lij/a?print=1")
    assert PathFilter([], []).allows("http://example.org/anything")


def test_hosts_of_one_site_share_it() -> None:
    assert site_of("lij.wikipedia.org") == site_of("www.wikipedia.org") == "wikipedia.org"
    assert site_of("127.0.0.1:8080") == "127.0.0.1"
    assert site_of("[::1]:8080") == "::1"
    assert origin_of("https://example.org:8443/a") == "https://example.org:8443"
