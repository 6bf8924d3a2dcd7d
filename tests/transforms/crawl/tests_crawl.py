"""A real web site on loopback, a clock that does not wait, and a crawl without Beam."""

import asyncio
import gzip
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from fastwarc.warc import ArchiveIterator

from schemas.ledger import add_up, imbalances
from transforms.crawl.accounts import Accounts, account, group_by_bucket, plan_seeds
from transforms.crawl.addresses import CheckedResolver
from transforms.crawl.frontier import share_out
from transforms.crawl.settings import CrawlSettings
from transforms.crawl.stage import crawl_buckets

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def html(text: str, *links: str, head: str = "") -> bytes:
    anchors = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    return f"<html><head><meta charset=utf-8>{head}</head><body><p>{text}</p>{anchors}</body></html>".encode()


class Site:
    """Serves on 127.0.0.1; knows what it was asked for."""

    def __init__(self) -> None:
        self.routes: dict[str, Handler] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for _, path in self.asked]

    def page(
        self, path: str, body: bytes, *, status: int = 200, content_type: str = "text/html", **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": content_type}

        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=status, body=body, headers=named)

        self.routes[path] = answer

    def redirect(self, path: str, location: str, status: int = 302) -> None:
        self.page(path, b"", status=status, Location=location)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        server = web.Server(self._answer)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(
            (request.headers["Host"], request.raw_path if hasattr(request, "raw_path") else request.path_qs)
        )
        self.headers.append(dict(request.headers))
        handler = self.routes.get(str(request.rel_url.raw_path_qs)) or self.routes.get(str(request.rel_url.raw_path))
        return await handler(request) if handler else web.Response(status=404, text="no such page")  # type: ignore[arg-type]


class FakeClock:
    """Time passes when somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


def settings_for(site: Site, **changes: Any) -> CrawlSettings:
    values = {
        "seeds": (f"{site.base}/",),
        "delay_s": 0.0,
        "first_pause_s": 0.0,
        "timeout_s": 5.0,
        "read_timeout_s": 5.0,
        "buckets": 1,
        "rounds": 1,
        "allow_private_addresses": True,
    } | changes
    return CrawlSettings(**values)


def crawl_once(
    settings: CrawlSettings, folder: Path | str, *, clock: Any = None, resolver: CheckedResolver | None = None
) -> Accounts:
    """Crawl one round, without Beam; the accounts add up."""
    seeds, refused = plan_seeds(settings)
    works = {bucket: [] for bucket in range(settings.buckets)}
    works |= group_by_bucket((found for urls in seeds.values() for found in urls), settings.buckets)
    budgets = share_out(settings.max_pages, settings.max_pages_per_host, {}, sorted(seeds))
    crawl_buckets(
        settings, str(folder), 1, works, budgets, clock=clock, resolver=resolver, counted=lambda unit, number: None
    )
    made = [refused, *(account(settings, str(folder), bucket) for bucket in sorted(works))]
    ledger = add_up([part.ledger for part in made])
    assert imbalances(ledger) == []
    rejects = type(refused.rejects).concatenate([part.rejects for part in made])
    return Accounts([shard for part in made for shard in part.shards], rejects, ledger)


def reasons(accounts: Accounts, base: str = "") -> dict[str, str]:
    return {row["url"].removeprefix(base): row["reason"] for row in accounts.rejects.rows()}


def counts(accounts: Accounts) -> dict[str, int]:
    made: dict[str, int] = {}
    for row in accounts.ledger.rows():
        made[row["outcome"]] = made.get(row["outcome"], 0) + row["count"]
    return made


def records(folder: Path | str) -> list[dict[str, Any]]:
    """Read all WARC files by FastWARC, checking digests and that every record is a gzip member of its own."""
    made = []
    for path in sorted(Path(folder).glob("warc/*.warc.gz")):
        gzip.decompress(path.read_bytes())
        for record in ArchiveIterator(path.open("rb"), verify_digests=True):
            made.append(  # noqa: PERF401  (a record must be read before the next)
                {
                    "type": record.headers["WARC-Type"],
                    "headers": dict(record.headers.items()),
                    "http": dict(record.http_headers.items()) if record.http_headers is not None else {},
                    "body": record.reader.read(),
                }
            )
    return made


def stored(folder: Path | str, base: str = "") -> dict[str, bytes]:
    return {
        record["headers"]["WARC-Target-URI"].removeprefix(base): record["body"]
        for record in records(folder)
        if record["type"] == "response"
    }
