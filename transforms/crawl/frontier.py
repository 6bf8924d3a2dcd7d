"""The frontier of one host: which URL comes next. Pure; whatever happens outside, the order is the same.

A host is crawled breadth first: by depth, then by URL, one request after the other. What it finds on other
hosts waits for the next round. So what is stored depends on the sites alone: not on timing, on the number
of workers, or on which host answers faster.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.identity import bucket_of, content_id
from transforms.crawl.state import Outcome, RoundStarted, SitemapsRead
from transforms.crawl.urls import authority_of, site_of


class Found(NamedTuple):
    """A URL and how many links from a seed it is."""

    depth: int
    url: str


class Sorted(NamedTuple):
    """The links of a page, as far as they are news.

    Attributes:
        here: of this host.
        elsewhere: of other hosts.
    """

    here: list[str]
    elsewhere: list[str]


class HostFrontier:
    """What one host still has, and what became of what it had.

    Args:
        authority: the host.
        max_depth: most links from a seed.
        max_urls: most URLs that are taken up.
    """

    def __init__(self, authority: str, *, max_depth: int, max_urls: int) -> None:
        self.authority = authority
        self.taken = 0
        self.stored = 0
        self.budget = 0
        self.failures_in_a_row = 0
        self.not_taken = 0
        self.elsewhere: dict[str, int] = {}
        self._max_depth = max_depth
        self._max_urls = max_urls
        self._seen: set[str] = set()
        self._waiting: list[Found] = []
        self._elsewhere_seen: set[str] = set()

    def take_up(self, found: Iterable[Found]) -> None:
        """Queue the URLs of this host that are new and not too deep, shallow ones first."""
        for depth, url in sorted(found):
            if depth > self._max_depth or url in self._seen:
                continue
            if self.taken >= self._max_urls:
                self.not_taken += 1
                continue
            self._seen.add(url)
            self.taken += 1
            heapq.heappush(self._waiting, Found(depth, url))

    def is_known(self, url: str) -> bool:
        """Has this URL been taken up, or stored as the target of a redirect?"""
        return url in self._seen

    def next(self) -> Found | None:
        """Give what comes next; None when nothing waits or the budget of pages is used up."""
        if not self._waiting or self.stored >= self.budget:
            return None
        return heapq.heappop(self._waiting)

    def waiting(self) -> list[Found]:
        """Give what is still queued, in order."""
        return sorted(self._waiting)

    def has_waiting(self) -> bool:
        """Is anything still queued?"""
        return bool(self._waiting)

    def sort_links(self, links: Iterable[str], depth: int) -> Sorted:
        """Say which links, found at this depth, are news; nothing changes."""
        if depth >= self._max_depth:
            return Sorted([], [])
        here: set[str] = set()
        elsewhere: set[str] = set()
        for link in links:
            if authority_of(link) == self.authority:
                if link not in self._seen:
                    here.add(link)
            elif link not in self._elsewhere_seen:
                elsewhere.add(link)
        return Sorted(sorted(here), sorted(elsewhere))

    def apply(self, found: Found, outcome: Outcome) -> None:
        """Take note of what became of a URL, and take up what it led to."""
        if outcome.is_stored:
            self.stored += 1
            if outcome.final_url:
                self._seen.add(outcome.final_url)
        self.failures_in_a_row = self.failures_in_a_row + 1 if outcome.is_failure else 0
        self.take_up(Found(found.depth + 1, url) for url in outcome.links)
        self.note_elsewhere(found.depth + 1, outcome.elsewhere)

    def note_elsewhere(self, depth: int, urls: Iterable[str]) -> None:
        """Keep URLs of other hosts for the next round."""
        for url in urls:
            if url not in self._elsewhere_seen:
                self._elsewhere_seen.add(url)
                self.elsewhere[url] = depth

    def start_round(self, budget: int, found: Iterable[Found]) -> None:
        """Begin a round: how many pages may be stored by its end, and what other hosts found here."""
        self.budget = budget
        self.elsewhere = {}
        self.take_up(found)


def bucket_of_host(authority: str, buckets: int) -> int:
    """Give the bucket that crawls a host; hosts of one site share one."""
    return bucket_of(content_id("site", site_of(authority)), buckets)


def share_out(
    max_pages: int, max_pages_per_host: int, stored: Mapping[str, int], hungry: Sequence[str]
) -> dict[str, int]:
    """Share the pages that are left out among the hosts that have something to fetch.

    Args:
        max_pages: of the whole crawl.
        max_pages_per_host: of each.
        stored: pages that each host has by now; a host that is not there has none.
        hungry: hosts with something to fetch.

    Returns:
        For each hungry host the number of pages that it may have by the end of the round.

    Example:
        >>> share_out(10, 4, {"a": 3}, ["a", "b", "c"])
        {'a': 4, 'b': 3, 'c': 3}
    """
    budgets = {host: stored.get(host, 0) for host in sorted(set(hungry))}
    left = max(0, max_pages - sum(stored.values()))
    while left > 0:
        below = [host for host, budget in budgets.items() if budget < max_pages_per_host]
        if not below:
            break
        each, rest = divmod(left, len(below))
        for number, host in enumerate(below):
            given = min(each + (1 if number < rest else 0), max_pages_per_host - budgets[host])
            budgets[host] += given
            left -= given
    return budgets


SITEMAP_DEPTH = 1
"""A sitemap counts as a link from a seed."""


def hosts_of(rounds: Mapping[int, RoundStarted]) -> list[str]:
    """List the hosts that the rounds of a bucket speak of, in order."""
    return sorted({host for started in rounds.values() for host in (*started.budgets, *started.urls)})


def begin(frontier: HostFrontier, started: RoundStarted) -> bool:
    """Begin a host's part of a round; False when the round has nothing for it."""
    host = frontier.authority
    if host not in started.budgets and host not in started.urls:
        frontier.elsewhere = {}
        return False
    urls = [Found(depth, url) for depth, url in started.urls.get(host, [])]
    frontier.start_round(started.budgets.get(host, frontier.stored), urls)
    return True


def take_sitemaps(frontier: HostFrontier, read: SitemapsRead) -> None:
    """Take up what a host's sitemaps named."""
    frontier.take_up(Found(SITEMAP_DEPTH, url) for url in read.links)
    frontier.note_elsewhere(SITEMAP_DEPTH, read.elsewhere)


def replay(
    frontier: HostFrontier,
    rounds: Mapping[int, RoundStarted],
    sitemaps: Mapping[str, SitemapsRead],
    outcomes: Mapping[tuple[str, str], Outcome],
) -> list[Outcome]:
    """Go through a host's finished rounds by the journal alone.

    Args:
        frontier: of the host, untouched; stands at the end as it did when the rounds were over.
        rounds: as the journal has them.
        sitemaps: likewise, by host.
        outcomes: likewise, by host and URL.

    Returns:
        What became of each URL that came up, in order.

    Raises:
        KeyError: the journal lacks an outcome: the rounds are not finished.
    """
    made: list[Outcome] = []
    has_begun = False
    for number in sorted(rounds):
        if not begin(frontier, rounds[number]):
            continue
        if not has_begun and frontier.authority in sitemaps:
            take_sitemaps(frontier, sitemaps[frontier.authority])
        has_begun = True
        while (found := frontier.next()) is not None:
            outcome = outcomes[frontier.authority, found.url]
            frontier.apply(found, outcome)
            made.append(outcome)
    return made
