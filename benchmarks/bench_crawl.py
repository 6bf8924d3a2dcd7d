"""Pages a second of the crawler against a server of its own on this machine, without pauses, and its memory.

    python benchmarks/bench_crawl.py [--pages 3000] [--hosts 1 8]

The server runs in a process of its own and answers with a page of some 12 kB of HTML with 60 links. Its own
speed is measured in the same run, by an aiohttp client that does nothing but ask, one request after the
other for each host; the ratio is what the crawler costs (parsing, links, WARC, journal).
"""

import argparse
import asyncio
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

LINKS = 60
TEXT = "O Zeneise o l'é 'na lengoa romansa parlâ inta çittæ de Zena e inta Rivea. "


def serve(port: Any, pages: int) -> None:
    async def page(request: web.Request) -> web.Response:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        number = int(request.path.strip("/") or 0)
        links = "".join(f'<a href="/{(number * LINKS + n) % pages}">vanni a {n}</a> ' for n in range(1, LINKS + 1))
        return web.Response(
            body=f"<html><body><p>{TEXT * 120}{number}</p>{links}</body></html>".encode(), content_type="text/html"
        )

    async def run() -> None:
        runner = web.ServerRunner(web.Server(page))  # type: ignore[arg-type]
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 0).start()
        port.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


async def ask_only(hosts: list[str], pages: int) -> float:
    started = time.perf_counter()
    async with aiohttp.ClientSession() as session:

        async def one(host: str) -> None:
            for number in range(pages // len(hosts)):
                async with session.get(f"http://{host}/{number}") as response:
                    await response.read()

        await asyncio.gather(*(one(host) for host in hosts))
    return time.perf_counter() - started


def crawl(folder: str, hosts: list[str], pages: int) -> None:
    from transforms.crawl.accounts import group_by_bucket, plan_seeds
    from transforms.crawl.frontier import share_out
    from transforms.crawl.settings import CrawlSettings
    from transforms.crawl.stage import crawl_buckets

    settings = CrawlSettings(
        seeds=tuple(f"http://{host}/" for host in hosts),
        allow_private_addresses=True,
        delay_s=0.0,
        max_pages=pages,
        rounds=1,
        buckets=1,
        sitemaps=False,
        max_depth=1000,
    )
    seeds, _ = plan_seeds(settings)
    works = group_by_bucket((found for urls in seeds.values() for found in urls), 1)
    budgets = share_out(settings.max_pages, settings.max_pages_per_host, {}, sorted(seeds))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    (result,) = crawl_buckets(settings, folder, 1, works, budgets, counted=lambda _unit, _number: None).values()
    seconds = time.perf_counter() - started
    stored = sum(host.stored for host in result.hosts)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{stored} {seconds:.3f} {before} {after}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pages", type=int, default=3000)
    options.add_argument("--hosts", type=int, nargs="+", default=[1, 8])
    options.add_argument("--crawl", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.crawl:
        crawl(given.crawl[0], given.crawl[1].split(","), given.pages)
        return
    ports: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports, given.pages * 4), daemon=True)
    server.start()
    port = ports.get()
    for number in given.hosts:
        hosts = [f"127.0.0.{n + 1}:{port}" for n in range(number)]
        bare_s = asyncio.run(ask_only(hosts, given.pages))
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--pages", str(given.pages), "--crawl", folder, ",".join(hosts)]
            stored, seconds, before, after = subprocess.run(
                command, check=True, capture_output=True, text=True
            ).stdout.split()
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        asked = given.pages // number * number
        print(
            f"{number} host(s): {stored} pages in {float(seconds):.1f} s, {int(stored) / float(seconds):.0f} a second; "
            f"asking alone {asked / bare_s:.0f} a second, ratio {float(seconds) / int(stored) / (bare_s / asked):.2f}; "
            f"peak {int(after) / 1024:.0f} MB, {int(before) / 1024:.0f} MB of it before the first page; {size / 1e6:.1f} MB on disk"
        )
    server.terminate()


if __name__ == "__main__":
    main()
