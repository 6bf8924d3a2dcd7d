"""crawl: seeds -> pages, as WARC files.

What goes in: the settings. What comes out: references of the WARC files under `<folder>/warc/`, the rejects
and the ledger of the whole crawl, whatever was interrupted. A URL that is taken up ends in exactly one way:
its page is stored, or it is rejected (robots_disallowed, robots_unreachable, host_not_allowed,
address_not_allowed, url_invalid, dns_failure, connection_failed, timeout, http_status, too_many_redirects,
too_large, not_text, encoding_invalid, page_limit; duplicate_document when it redirects to a URL that is
taken up itself). Links to hosts that are not allowed are not taken up; a counter tells how many.

Hosts are put into buckets by hash of their site; an element is a bucket's work of one round. The buckets
that come to one worker are crawled together, every host breadth first and one request after the other. A
link to another host is followed in the next round. So what is stored does not depend on timing, on the
number of buckets or on the number of workers. Cost: the pauses between requests; some 0.5 kB of memory a
URL, and a page's size for each host that is visited at the time.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.ledger import LedgerBatch
from schemas.reject import RejectBatch
from transforms.common import coders as coders
from transforms.common.metrics import count
from transforms.common.shards import ShardReference
from transforms.crawl.accounts import STAGE, account, group_by_bucket, group_by_host, plan_seeds
from transforms.crawl.addresses import CheckedResolver
from transforms.crawl.crawler import Crawler, Earlier, HostSummary, RoundResult
from transforms.crawl.fetch import Clock, Fetcher
from transforms.crawl.frontier import Found, share_out
from transforms.crawl.settings import CrawlSettings
from transforms.crawl.state import BucketState, RoundStarted, check_folder
from transforms.crawl.urls import authority_of


class Crawled(NamedTuple):
    """What a crawl gives."""

    shards: beam.PCollection[ShardReference]
    rejects: beam.PCollection[RejectBatch]
    ledger: beam.PCollection[LedgerBatch]


@dataclass(eq=False, kw_only=True)
class Crawl(beam.PTransform):  # type: ignore[misc]
    """Crawl from the seeds, or go on with a crawl that was stopped.

    Attributes:
        settings: where to, how far, how politely.
        folder: where `warc/` and `state/` lie, on any store.

    Raises:
        SettingsError: (when applied) the folder holds a crawl by other settings.
    """

    settings: CrawlSettings
    folder: str

    def expand(self, begin: Any) -> Crawled:
        """Crawl round by round, then make up the accounts."""
        check_folder(self.folder, self.settings.fingerprint())
        seeds, refused = plan_seeds(self.settings)
        grouped = group_by_bucket((found for urls in seeds.values() for found in urls), self.settings.buckets)
        works = [(bucket, [_plain(grouped.get(bucket, []))]) for bucket in range(self.settings.buckets)]
        work = begin | "Seeds" >> beam.Create(works) | "Spread" >> beam.Reshuffle()
        summaries: Any = begin | "No host yet" >> beam.Create([], reshuffle=False)
        news: Any = begin | "Hosts of the seeds" >> beam.Create(sorted(seeds), reshuffle=False)
        for number in range(1, self.settings.rounds + 1):
            done = work | f"Round {number}" >> beam.ParDo(
                _CrawlBuckets(self.settings, self.folder, number),
                summaries=beam.pvalue.AsList(summaries),
                news=beam.pvalue.AsList(news),
            ).with_outputs("summaries", "news", main="found")
            work = done.found | f"Gather round {number}" >> beam.GroupByKey()
            summaries, news = done.summaries, done.news
        accounts = work | "Account" >> beam.ParDo(_Account(self.settings, self.folder)).with_outputs(
            "rejects", "ledger", main="shards"
        )
        seed_rejects = begin | "Rejected seeds" >> beam.Create([refused.rejects], reshuffle=False).with_output_types(
            RejectBatch
        )
        seed_ledger = begin | "Seed ledger" >> beam.Create([refused.ledger], reshuffle=False).with_output_types(
            LedgerBatch
        )
        rejects = (accounts.rejects, seed_rejects) | "All rejects" >> beam.Flatten()
        ledger = (accounts.ledger, seed_ledger) | "All ledger" >> beam.Flatten()
        shards = accounts.shards
        shards.element_type, rejects.element_type, ledger.element_type = ShardReference, RejectBatch, LedgerBatch
        return Crawled(shards, rejects, ledger)


class _CrawlBuckets(beam.DoFn):  # type: ignore[misc]
    """Crawls all buckets of a bundle together: alone, each would wait for its own pauses."""

    def __init__(self, settings: CrawlSettings, folder: str, number: int) -> None:
        self._settings = settings
        self._folder = folder
        self._number = number
        self._works: dict[int, list[Found]] = {}
        self._summaries: list[HostSummary] = []
        self._news: set[str] = set()

    def start_bundle(self) -> None:
        self._works, self._summaries, self._news = {}, [], set()

    def process(
        self, work: tuple[int, Iterable[Sequence[tuple[int, str]]]], summaries: Sequence[Any], news: Sequence[str]
    ) -> None:
        bucket, pieces = work
        self._works[bucket] = [Found(depth, url) for piece in pieces for depth, url in piece]
        self._summaries = [HostSummary(*summary) for summary in summaries]
        self._news = set(news)

    def finish_bundle(self) -> Iterable[Any]:
        if not self._works:
            return
        hungry = sorted(self._news | {summary.authority for summary in self._summaries if summary.is_hungry})
        budgets = share_out(
            self._settings.max_pages,
            self._settings.max_pages_per_host,
            {summary.authority: summary.stored for summary in self._summaries},
            hungry,
        )
        known = {summary.authority for summary in self._summaries}
        results = crawl_buckets(self._settings, self._folder, self._number, self._works, budgets, known=known)
        for bucket, result in sorted(results.items()):
            # A bucket always has its own element, so that it comes along to the next round and to the accounts.
            yield _at_end((bucket, []))
            for destination, found in group_by_bucket(result.elsewhere, self._settings.buckets).items():
                yield _at_end((destination, _plain(found)))
            for summary in result.hosts:
                yield beam.pvalue.TaggedOutput("summaries", _at_end(tuple(summary)))
            for authority in sorted({authority_of(found.url) for found in result.elsewhere}):
                yield beam.pvalue.TaggedOutput("news", _at_end(authority))
            if self._number == self._settings.rounds:
                count(STAGE, "links_beyond_rounds", len(result.elsewhere))


class _Account(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: CrawlSettings, folder: str) -> None:
        self._settings = settings
        self._folder = folder

    def process(self, work: tuple[int, Any]) -> Iterable[Any]:
        accounts = account(self._settings, self._folder, work[0])
        yield from accounts.shards
        for piece in accounts.rejects.pieces():
            yield beam.pvalue.TaggedOutput("rejects", piece)
        yield beam.pvalue.TaggedOutput("ledger", accounts.ledger)


def crawl_buckets(
    settings: CrawlSettings,
    folder: str,
    number: int,
    works: dict[int, list[Found]],
    budgets: dict[str, int],
    *,
    known: Iterable[str] = (),
    clock: Clock | None = None,
    resolver: CheckedResolver | None = None,
    counted: Callable[[str, int], None] | None = None,
) -> dict[int, RoundResult]:
    """Crawl a round of some buckets, all at the same time.

    Args:
        settings: as in `Crawl`.
        folder: likewise.
        number: of the round, from 1.
        works: bucket -> URLs that come from outside.
        budgets: host -> pages that it may have by the end of the round.
        known: hosts of earlier rounds; one that is hungry gets its budget even when nothing comes from outside.
        clock: time; the machine's when not given.
        resolver: names to addresses; as `Fetcher` has it.
        counted: told of pages and rejects as they come; Beam's counters when not given.

    Returns:
        Bucket -> what its round gave.
    """

    async def crawl() -> dict[int, RoundResult]:
        earlier = Earlier(settings.earlier) if settings.earlier else None
        with ExitStack() as open_states:
            states = {
                bucket: open_states.enter_context(
                    BucketState(
                        folder,
                        bucket,
                        fingerprint=settings.fingerprint(),
                        shard_bytes=settings.shard_bytes,
                        user_agent=settings.user_agent,
                    )
                )
                for bucket in sorted(works)
            }
            async with Fetcher(settings, clock=clock, resolver=resolver) as fetcher:
                crawler = Crawler(settings, fetcher, earlier=earlier, count=counted or _count)
                async with asyncio.TaskGroup() as rounds:
                    tasks = {
                        bucket: rounds.create_task(crawler.crawl_round(state, begun(bucket)))
                        for bucket, state in states.items()
                    }
        return {bucket: task.result() for bucket, task in tasks.items()}

    hosts_known = group_by_bucket((Found(0, f"http://{host}/") for host in set(known) & set(budgets)), settings.buckets)

    def begun(bucket: int) -> RoundStarted:
        urls = group_by_host(works[bucket])
        hosts = {*urls, *(authority_of(found.url) for found in hosts_known.get(bucket, []))}
        return RoundStarted(number, {host: budgets.get(host, 0) for host in sorted(hosts)}, urls)

    return asyncio.run(crawl())


def _count(unit: str, number: int) -> None:
    count(STAGE, unit, number)


def _plain(found: Iterable[Found]) -> list[tuple[int, str]]:
    return [(depth, url) for depth, url in found]


def _at_end(value: Any) -> WindowedValue:
    return WindowedValue(value, GlobalWindow().max_timestamp(), [GlobalWindow()])
