"""The crawl of a round: all hosts at the same time, each of them one request after the other.

Everything that is decided here is decided by what the sites answer; everything that is known already comes
from the journal. A run that goes on walks the same way and asks only for what the journal lacks.
"""

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.common import files
from transforms.crawl import robots as robots_txt
from transforms.crawl import sitemaps as sitemap_files
from transforms.crawl.archive import digest, record_id, response_record, revisit_record
from transforms.crawl.fetch import PAGE_STATUSES, REDIRECTS, Answer, FailedError, Fetcher
from transforms.crawl.frontier import Found, HostFrontier, begin, hosts_of, take_sitemaps
from transforms.crawl.links import NOTHING, PageLinks, find_links, header_says_no_follow
from transforms.crawl.settings import CrawlSettings
from transforms.crawl.state import BucketState, Outcome, RoundStarted, ShardDone, SitemapsRead, parse_journal
from transforms.crawl.urls import PathFilter, authority_of, normalize, origin_of

Count = Callable[[str, int], None]
_KEPT_REASONS = frozenset([Reason.DNS_FAILURE, Reason.ADDRESS_NOT_ALLOWED])
_HTML = frozenset(["text/html", "application/xhtml+xml"])


class HostSummary(NamedTuple):
    """Where a host stands at the end of a round.

    Attributes:
        authority: the host.
        stored: its pages by now.
        is_hungry: does anything wait for a larger budget?
    """

    authority: str
    stored: int
    is_hungry: bool


class RoundResult(NamedTuple):
    """What a round of one bucket gives.

    Attributes:
        elsewhere: URLs of other hosts, with their depth, in order.
        hosts: where each host stands.
    """

    elsewhere: list[Found]
    hosts: list[HostSummary]


class Earlier:
    """The pages of an earlier crawl: what to ask conditionally, and what to keep when it has not changed.

    Args:
        folder: of that crawl, on any store.

    Memory: some 500 bytes a page that came with a validator.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pages: dict[str, tuple[Outcome, str]] = {}
        for found in files.match(files.join(folder, "state", "bucket-*.jsonl")):
            entries = parse_journal(files.read_bytes(found.path))
            paths = {entry.number: entry.path for entry in entries if isinstance(entry, ShardDone)}
            for entry in entries:
                if isinstance(entry, Outcome) and entry.shard in paths and (entry.etag or entry.modified):
                    self._pages[entry.final_url] = (entry, paths[entry.shard])

    def conditions(self, url: str) -> dict[str, str]:
        """Give the headers that ask for a page only if it has changed; none for a page that is not known."""
        if url not in self._pages:
            return {}
        page, _ = self._pages[url]
        headers = {"If-None-Match": page.etag} if page.etag else {}
        return headers | ({"If-Modified-Since": page.modified} if page.modified else {})

    def page(self, url: str) -> tuple[Outcome, bytes]:
        """Give what is known of a page, and its compressed response record."""
        page, path = self._pages[url]
        with files.open_stored(files.join(self._folder, *path.split("/"))) as file:
            file.seek(page.start)
            return page, file.read(page.end - page.start)


class Crawler:
    """Crawls the buckets of one worker.

    Args:
        settings: of the crawl.
        fetcher: open.
        earlier: an earlier crawl, if there is one.
        count: told of what happens, for a person who watches.
    """

    def __init__(
        self, settings: CrawlSettings, fetcher: Fetcher, *, earlier: Earlier | None = None, count: Count | None = None
    ) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._earlier = earlier
        self._count: Count = count or (lambda _unit, _number: None)
        self._scope = settings.scope()
        self._paths = PathFilter(settings.include, settings.exclude)
        self._places = asyncio.Semaphore(settings.hosts_at_once)
        self._robots: dict[str, tuple[float, robots_txt.Robots | RecordError]] = {}
        self._robots_locks: dict[str, asyncio.Lock] = {}

    async def crawl_round(self, state: BucketState, started: RoundStarted) -> RoundResult:
        """Crawl one bucket's part of a round, or what the journal lacks of it."""
        state.start_round(started)
        rounds = {number: known for number, known in state.rounds.items() if number <= started.number}
        frontiers = [
            HostFrontier(host, max_depth=self._settings.max_depth, max_urls=self._settings.max_urls_per_host)
            for host in hosts_of(rounds)
        ]
        async with asyncio.TaskGroup() as hosts:
            for frontier in frontiers:
                hosts.create_task(self._crawl_host(state, frontier, rounds))
        state.finish_left_over()
        state.save()
        depths: dict[str, int] = {}
        for frontier in frontiers:
            self._count("urls_beyond_limit", frontier.not_taken)
            for url, depth in frontier.elsewhere.items():
                depths[url] = min(depth, depths.get(url, depth))
        return RoundResult(
            sorted(Found(depth, url) for url, depth in depths.items()),
            [HostSummary(frontier.authority, frontier.stored, frontier.has_waiting()) for frontier in frontiers],
        )

    async def _crawl_host(self, state: BucketState, frontier: HostFrontier, rounds: Mapping[int, RoundStarted]) -> None:
        host = frontier.authority
        has_begun = False
        async with self._places:
            for number in sorted(rounds):
                if not begin(frontier, rounds[number]):
                    continue
                if not has_begun and self._settings.sitemaps and self._settings.max_depth > 0:
                    if host not in state.sitemaps:
                        state.note_sitemaps(await self._read_sitemaps(frontier, rounds[number].urls.get(host, [])))
                    take_sitemaps(frontier, state.sitemaps[host])
                has_begun = True
                while (found := frontier.next()) is not None:
                    outcome = state.outcomes.get((host, found.url))
                    if outcome is None:
                        outcome = await self._visit(state, frontier, found)
                        self._count("pages" if outcome.is_stored else "rejects", 1)
                    frontier.apply(found, outcome)

    async def _visit(self, state: BucketState, frontier: HostFrontier, found: Found) -> Outcome:
        host, url = frontier.authority, found.url
        failures = self._settings.max_failures_in_a_row
        try:
            if frontier.failures_in_a_row >= failures:
                raise FailedError(
                    Reason.CONNECTION_FAILED, f"the host is left alone after {failures} failures in a row"
                )
            answer, rules = await self._follow(
                url,
                limit=self._settings.max_page_bytes,
                content_types=self._settings.content_types,
                max_redirects=self._settings.max_redirects,
                is_known=frontier.is_known,
                is_conditional=True,
            )
            if answer.status == 304 and self._earlier is not None and self._earlier.conditions(answer.url):
                return self._keep(state, frontier, found, answer, rules)
            if answer.status not in PAGE_STATUSES:
                kind = FailedError if answer.status >= 500 or answer.status == 429 else RecordError
                raise kind(Reason.HTTP_STATUS, f"status {answer.status}")
            return self._store(state, frontier, found, answer, rules)
        except RecordError as error:
            is_failure = isinstance(error, FailedError)
            return state.reject(
                Outcome(authority=host, url=url, reason=str(error.reason), detail=error.detail, is_failure=is_failure)
            )

    def _store(
        self, state: BucketState, frontier: HostFrontier, found: Found, answer: Answer, rules: robots_txt.Robots
    ) -> Outcome:
        links = self._links(answer.body, answer.url, answer.content_type, answer.charset)
        follow = (
            () if header_says_no_follow(answer.header_values("x-robots-tag"), self._settings.product) else links.follow
        )
        news = frontier.sort_links(self._wanted(follow), found.depth)
        response = response_record(
            url=answer.url,
            date=answer.date,
            status=answer.status,
            reason=answer.reason,
            http_headers=answer.headers,
            body=answer.body,
            robots=rules.verdict,
            address=answer.address,
            licence=links.licence,
            requested=found.url,
        )
        outcome = Outcome(
            authority=frontier.authority,
            url=found.url,
            final_url=answer.url,
            links=news.here,
            elsewhere=news.elsewhere,
            record=record_id("response", answer.url, answer.status, answer.body),
            digest=digest(answer.body),
            date=answer.date,
            etag=answer.header("etag"),
            modified=answer.header("last-modified"),
        )
        return state.store(response, b"", outcome)

    def _keep(
        self, state: BucketState, frontier: HostFrontier, found: Found, answer: Answer, rules: robots_txt.Robots
    ) -> Outcome:
        """Store a page that has not changed: its earlier record as it was, and the revisit record that says so."""
        assert self._earlier is not None, "only a page of an earlier crawl is asked for conditionally"
        page, response = self._earlier.page(answer.url)
        archive = ArchiveIterator(io.BytesIO(response))
        kept = next(iter(archive))
        charset = kept.http_charset
        kind = (kept.http_content_type or "").lower()
        no_follow = [value for name, value in kept.http_headers.items() if name.lower() == "x-robots-tag"]
        links = self._links(kept.reader.read(), answer.url, kind, charset)
        follow = () if header_says_no_follow(no_follow, self._settings.product) else links.follow
        news = frontier.sort_links(self._wanted(follow), found.depth)
        revisit = revisit_record(
            url=answer.url,
            date=answer.date,
            http_headers=answer.headers,
            robots=rules.verdict,
            payload_digest=page.digest,
            refers_to=page.record,
            refers_to_date=page.date,
        )
        outcome = Outcome(
            authority=frontier.authority,
            url=found.url,
            final_url=answer.url,
            links=news.here,
            elsewhere=news.elsewhere,
            record=page.record,
            digest=page.digest,
            date=page.date,
            etag=answer.header("etag") or page.etag,
            modified=answer.header("last-modified") or page.modified,
        )
        self._count("unchanged", 1)
        return state.store(response, revisit, outcome)

    def _links(self, body: bytes, url: str, kind: str, charset: str | None) -> PageLinks:
        if kind not in _HTML and (kind or body.lstrip()[:1] != b"<"):
            return NOTHING
        return find_links(
            body, url, charset=charset, agent=self._settings.product, ignore_query=self._settings.ignore_query
        )

    def _wanted(self, links: Sequence[str]) -> list[str]:
        inside = [link for link in links if self._scope.allows(link)]
        wanted = [link for link in inside if self._paths.allows(link)]
        self._count("links_outside", len(links) - len(inside))
        self._count("links_not_wanted", len(inside) - len(wanted))
        return wanted

    async def _follow(
        self,
        url: str,
        *,
        limit: int,
        max_redirects: int,
        content_types: tuple[str, ...] = (),
        is_known: Callable[[str], bool] | None = None,
        is_conditional: bool = False,
        obeys_robots: bool = True,
        cut: bool = False,
    ) -> tuple[Answer, robots_txt.Robots]:
        """Ask for a URL and go where its redirects lead; host, address and robots.txt are checked at every hop.

        Raises:
            RecordError: as `Fetcher.ask`; host_not_allowed, robots_disallowed, robots_unreachable,
                too_many_redirects, url_invalid; duplicate_document when a redirect leads to a known URL.
        """
        current, rules, passed = url, robots_txt.NO_RULES, {url}
        while True:
            if not self._scope.allows(current):
                raise RecordError(
                    Reason.HOST_NOT_ALLOWED, f"redirected to {current}; its host is not among crawl.hosts"
                )
            if obeys_robots:
                rules = await self._robots_of(origin_of(current))
                if not rules.allows(current):
                    raise RecordError(
                        Reason.ROBOTS_DISALLOWED, f"robots.txt of {origin_of(current)} disallows {current}"
                    )
            answer = await self._fetcher.ask(
                current,
                delay_s=self._delay_s(rules),
                limit=limit,
                content_types=content_types,
                conditions=self._earlier.conditions(current) if is_conditional and self._earlier is not None else None,
                cut=cut,
            )
            if answer.status not in REDIRECTS:
                return answer, rules
            if not answer.header("location"):
                raise RecordError(Reason.HTTP_STATUS, f"status {answer.status} without a Location")
            current = normalize(_as_text(answer.header("location")), base=current)
            if current in passed:
                raise RecordError(Reason.TOO_MANY_REDIRECTS, f"redirected in a circle, back to {current}")
            if len(passed) > max_redirects:
                raise RecordError(Reason.TOO_MANY_REDIRECTS, f"more than {max_redirects} redirects")
            if is_known is not None and is_known(current):
                raise RecordError(Reason.DUPLICATE_DOCUMENT, f"redirected to {current}, which is taken up itself")
            passed.add(current)

    def _delay_s(self, rules: robots_txt.Robots) -> float:
        return max(self._settings.delay_s, min(rules.delay_s or 0.0, self._settings.max_delay_s))

    async def _robots_of(self, origin: str) -> robots_txt.Robots:
        """Give the rules of a site, asked for at most once in 24 hours.

        Raises:
            RecordError: robots_unreachable; dns_failure or address_not_allowed where that is the cause.
        """
        async with self._robots_locks.setdefault(origin, asyncio.Lock()):
            clock = self._fetcher.clock
            known = self._robots.get(origin)
            if known is None or clock.monotonic() - known[0] >= robots_txt.MAX_AGE_S:
                known = (clock.monotonic(), await self._ask_for_robots(origin))
                self._robots[origin] = known
            if isinstance(known[1], RecordError):
                raise RecordError(known[1].reason, known[1].detail)
            return known[1]

    async def _ask_for_robots(self, origin: str) -> robots_txt.Robots | RecordError:
        self._count("robots_requests", 1)
        try:
            answer, _ = await self._follow(
                f"{origin}/robots.txt",
                limit=robots_txt.MAX_BYTES,
                max_redirects=robots_txt.MAX_REDIRECTS,
                obeys_robots=False,
                cut=True,
            )
            rules = robots_txt.robots_of_answer(answer.status, answer.body, self._settings.product)
        except RecordError as error:
            if error.reason in _KEPT_REASONS or error.reason == Reason.ROBOTS_UNREACHABLE:
                return error
            return RecordError(Reason.ROBOTS_UNREACHABLE, f"robots.txt of {origin}: {error}; everything is disallowed")
        self._fetcher.gates.postpone(authority_of(origin), self._delay_s(rules))
        return rules

    async def _read_sitemaps(self, frontier: HostFrontier, urls: Sequence[tuple[int, str]]) -> SitemapsRead:
        """Read the sitemaps of a host: those that its robots.txt names, else /sitemap.xml; on this host only."""
        waiting: list[str] = []
        for origin in sorted({origin_of(url) for _, url in urls}):
            try:
                rules = await self._robots_of(origin)
            except RecordError:
                continue
            waiting += _addresses(rules.sitemaps, origin) or [f"{origin}/sitemap.xml"]
        asked: set[str] = set()
        pages: dict[str, None] = {}
        while waiting and len(asked) < sitemap_files.MAX_SITEMAPS and len(pages) < self._settings.max_urls_per_host:
            address = waiting.pop(0)
            if address in asked or authority_of(address) != frontier.authority:
                continue
            asked.add(address)
            try:
                answer, _ = await self._follow(
                    address, limit=sitemap_files.MAX_BYTES, max_redirects=self._settings.max_redirects
                )
                if answer.status not in PAGE_STATUSES:
                    continue
                read = sitemap_files.parse_sitemap(answer.body, answer.url, ignore_query=self._settings.ignore_query)
            except RecordError:
                self._count("sitemap_failures", 1)
                continue
            self._count("sitemaps", 1)
            pages.update(dict.fromkeys(read.urls))
            waiting += read.sitemaps
        news = frontier.sort_links(self._wanted(list(pages)), 0)
        return SitemapsRead(frontier.authority, news.here, news.elsewhere)


def _addresses(written: Sequence[str], origin: str) -> list[str]:
    made = []
    for address in written:
        try:
            made.append(normalize(address, base=f"{origin}/"))
        except RecordError:
            continue
    return made


def _as_text(header: str) -> str:
    """Read a Location header that holds raw UTF-8, as some servers send it."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
