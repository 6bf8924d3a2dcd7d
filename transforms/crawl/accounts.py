"""The accounts of a crawl: what goes in, and, from the journals alone, what became of it.

The journals cover the whole crawl, so the accounts are complete after any number of interruptions.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.errors import RecordError
from schemas.identity import content_id
from schemas.ledger import LedgerBatch
from schemas.reject import Reason, RejectBatch
from schemas.table import UNDETERMINED
from transforms.common.accounting import reject_entries
from transforms.common.shards import ShardReference
from transforms.crawl.frontier import Found, HostFrontier, bucket_of_host, hosts_of, replay
from transforms.crawl.settings import CrawlSettings
from transforms.crawl.state import Outcome, RoundStarted, ShardDone, SitemapsRead, read_journal, shard_reference
from transforms.crawl.urls import authority_of, normalize

STAGE = "crawl"
UNIT = "page"


class Accounts(NamedTuple):
    """What is stored, what was rejected, and the sum.

    Attributes:
        shards: the WARC files, in order.
        rejects: one a URL that was taken up and is not stored, in the order of URLs.
        ledger: in, out and rejected.
    """

    shards: list[ShardReference]
    rejects: RejectBatch
    ledger: LedgerBatch


def plan_seeds(settings: CrawlSettings) -> tuple[dict[str, list[Found]], Accounts]:
    """Sort the seeds by host; seeds that cannot be asked for are rejected.

    Returns:
        Host -> its seeds, and the accounts of the seeds that were rejected.
    """
    scope = settings.scope()
    by_host: dict[str, list[Found]] = {}
    refused: dict[str, RecordError] = {}
    for seed in settings.seeds:
        try:
            url = normalize(seed)
        except RecordError as error:
            refused[seed] = error
            continue
        if not scope.allows(url):
            refused[url] = RecordError(Reason.HOST_NOT_ALLOWED, "a seed whose host is not among crawl.hosts")
        elif Found(0, url) not in by_host.setdefault(authority_of(url), []):
            by_host[authority_of(url)].append(Found(0, url))
    rejects = rejects_of_urls((url, error.reason, error.detail) for url, error in sorted(refused.items()))
    return by_host, Accounts([], rejects, _ledger(len(refused), 0, rejects))


def group_by_bucket(found: Iterable[Found], buckets: int) -> dict[int, list[Found]]:
    """Sort URLs by the bucket of their host, each bucket's in order."""
    grouped: dict[int, list[Found]] = {}
    for depth, url in sorted(found):
        grouped.setdefault(bucket_of_host(authority_of(url), buckets), []).append(Found(depth, url))
    return grouped


def group_by_host(found: Iterable[Found]) -> dict[str, list[tuple[int, str]]]:
    """Sort URLs by host; of a URL that was found at several depths the shallowest counts."""
    depths: dict[str, int] = {}
    for depth, url in sorted(found):
        depths.setdefault(url, depth)
    grouped: dict[str, list[tuple[int, str]]] = {}
    for url, depth in sorted(depths.items(), key=lambda item: (item[1], item[0])):
        grouped.setdefault(authority_of(url), []).append((depth, url))
    return grouped


def account(settings: CrawlSettings, folder: str, bucket: int) -> Accounts:
    """Make up the accounts of a bucket whose rounds are all over.

    Raises:
        KeyError: they are not.
    """
    rounds: dict[int, RoundStarted] = {}
    sitemaps: dict[str, SitemapsRead] = {}
    outcomes: dict[tuple[str, str], Outcome] = {}
    shards: dict[int, ShardDone] = {}
    for entry in read_journal(folder, bucket):
        if isinstance(entry, RoundStarted):
            rounds[entry.number] = entry
        elif isinstance(entry, SitemapsRead):
            sitemaps[entry.authority] = entry
        elif isinstance(entry, Outcome):
            outcomes[entry.authority, entry.url] = entry
        elif isinstance(entry, ShardDone):
            shards[entry.number] = entry
    taken = stored = 0
    refused: list[tuple[str, str, str]] = []
    for host in hosts_of(rounds):
        frontier = HostFrontier(host, max_depth=settings.max_depth, max_urls=settings.max_urls_per_host)
        made = replay(frontier, rounds, sitemaps, outcomes)
        taken += frontier.taken
        stored += sum(outcome.is_stored for outcome in made)
        refused += [(outcome.url, outcome.reason, outcome.detail) for outcome in made if not outcome.is_stored]
        refused += [
            (url, Reason.PAGE_LIMIT, f"{frontier.budget} pages of {host} were stored before it came up")
            for _, url in frontier.waiting()
        ]
    rejects = rejects_of_urls(sorted(refused))
    references = [shard_reference(folder, shards[number]) for number in sorted(shards)]
    return Accounts(references, rejects, _ledger(taken, stored, rejects))


def rejects_of_urls(refused: Iterable[tuple[str, str, str]]) -> RejectBatch:
    """Make the rejects of URLs: (URL, reason, detail)."""
    return RejectBatch.from_rows(
        {
            "stage": STAGE,
            "unit": UNIT,
            "record_id": content_id("url", url),
            "variety": UNDETERMINED,
            "reason": str(reason),
            "detail": detail or None,
            "source": STAGE,
            "url": url,
        }
        for url, reason, detail in refused
    )


def _ledger(taken: int, stored: int, rejects: RejectBatch) -> LedgerBatch:
    counted: Sequence[tuple[str, int]] = [("in", taken), ("out", stored)]
    rows = [
        {"stage": STAGE, "unit": UNIT, "variety": UNDETERMINED, "outcome": outcome, "reason": "", "count": count}
        for outcome, count in counted
        if count
    ]
    return LedgerBatch.concatenate([LedgerBatch.from_rows(rows), reject_entries(rejects)])
