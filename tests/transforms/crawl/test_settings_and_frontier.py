import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.crawl import CrawlSettings
from transforms.crawl.accounts import group_by_bucket, group_by_host
from transforms.crawl.frontier import Found, HostFrontier, bucket_of_host, share_out
from transforms.crawl.state import Outcome, parse_journal

A = "http://lij.example"


def make(**values):
    return CrawlSettings(**{"seeds": (f"{A}/",), "contact": "crawl@example.org"} | values)


@pytest.mark.parametrize(
    "values",
    [
        {"contact": ""},
        {"hosts": ("*",)},
        {"hosts": ("*.org",)},
        {"include": ("lij/*",)},
        {"content_types": ("html",)},
        {"variety": "Zeneise!"},
        {"delay_s": 5.0, "max_delay_s": 1.0},
        {"seeds": ("mailto:a@b.example",)},
    ],
)
def test_settings_refuse_nonsense(values: dict) -> None:
    with pytest.raises(ValueError):
        make(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"seeds": []},
        {"seeds": [A], "delay_s": -1},
        {"seeds": [A], "max_pages": 0},
        {"seeds": [A], "dealy_s": 1},
        {"seeds": [A], "product": "iso gloss"},
    ],
)
def test_configuration_refuses_nonsense(values: dict) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"contact": "a@b.example"} | values, CrawlSettings)


def test_hosts_are_those_of_the_seeds_unless_given() -> None:
    assert make().scope().allows(f"{A}/x")
    assert not make().scope().allows("http://fur.example/")
    assert make(hosts=("fur.example",)).scope().allows("http://fur.example/")


def test_manners_do_not_change_the_fingerprint_and_limits_do() -> None:
    assert make().fingerprint() == make(delay_s=5.0, contact="other@example.org", max_tries=1).fingerprint()
    assert make().fingerprint() != make(max_pages=5).fingerprint()


def test_private_crawls_need_no_contact() -> None:
    assert make(contact="", allow_private_addresses=True).user_agent.startswith("isogloss/")


def frontier(**values) -> HostFrontier:
    made = HostFrontier("lij.example", **{"max_depth": 3, "max_urls": 100} | values)
    made.start_round(10, [])
    return made


def test_frontier_is_breadth_first_then_by_url() -> None:
    queue = frontier()
    queue.take_up(
        [Found(1, f"{A}/a"), Found(0, f"{A}/z"), Found(1, f"{A}/b"), Found(0, f"{A}/z"), Found(4, f"{A}/deep")]
    )
    assert [queue.next(), queue.next(), queue.next(), queue.next()] == [
        Found(0, f"{A}/z"),
        Found(1, f"{A}/a"),
        Found(1, f"{A}/b"),
        None,
    ]
    assert queue.taken == 3


def test_frontier_stops_at_its_budget_and_goes_on_with_more() -> None:
    queue = frontier()
    queue.start_round(1, [Found(0, f"{A}/{n}") for n in range(3)])
    found = queue.next()
    assert found is not None
    queue.apply(found, Outcome(authority="lij.example", url=found.url, final_url=found.url))
    assert queue.next() is None
    assert queue.has_waiting()
    queue.start_round(2, [])
    assert queue.next() == Found(0, f"{A}/1")


@given(st.permutations([f"{A}/{n}" for n in range(6)] + ["http://fur.example/"]))
def test_links_are_sorted_whatever_their_order(links: list[str]) -> None:
    news = frontier().sort_links(links, 0)
    assert news.here == [f"{A}/{n}" for n in range(6)]
    assert news.elsewhere == ["http://fur.example/"]
    assert frontier().sort_links(links, 3) == ([], [])


@given(
    st.integers(1, 200),
    st.integers(1, 60),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 30)),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_shares_never_exceed_the_limits(
    max_pages: int, per_host: int, stored: dict[str, int], hungry: set[str]
) -> None:
    stored = {host: min(pages, per_host) for host, pages in stored.items()}
    budgets = share_out(max_pages, per_host, stored, sorted(hungry))
    assert set(budgets) == hungry
    assert all(stored.get(host, 0) <= budget <= per_host for host, budget in budgets.items())
    given_out = sum(budget - stored.get(host, 0) for host, budget in budgets.items())
    left = max(0, max_pages - sum(stored.values()))
    room = sum(per_host - stored.get(host, 0) for host in hungry)
    assert given_out == min(left, room)


def test_hosts_of_a_site_share_a_bucket() -> None:
    assert bucket_of_host("www.example.org", 64) == bucket_of_host("lij.example.org:8080", 64)
    grouped = group_by_bucket([Found(0, f"http://h{n}.example{n}/") for n in range(50)], 8)
    assert sum(len(found) for found in grouped.values()) == 50
    assert len(grouped) > 4


def test_the_shallowest_find_of_a_url_counts() -> None:
    assert group_by_host([Found(3, f"{A}/a"), Found(1, f"{A}/a"), Found(2, f"{A}/b")]) == {
        "lij.example": [(1, f"{A}/a"), (2, f"{A}/b")]
    }


def test_half_written_last_line_of_a_journal_is_left_out() -> None:
    outcome = Outcome(authority="a", url="u", reason="timeout")
    line = msgspec.json.encode(outcome) + b"\n"
    assert parse_journal(line + line[:9]) == [outcome]
    assert parse_journal(b"") == []
