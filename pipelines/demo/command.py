"""`isogloss demo`: serve the sample as a web site on loopback, build its corpus, compare with the known answers."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from pipelines.build import build
from pipelines.config import Configuration, load_configuration
from pipelines.demo.evaluate import summarize
from pipelines.demo.render import draw_pair
from pipelines.demo.sample import load_sample
from pipelines.demo.server import SiteServer
from pipelines.demo.site import Site, make_site
from pipelines.options import parse_beam_flags, reach_stores
from pipelines.progress import Progress
from pipelines.run import Run
from schemas.ledger import LedgerBatch, imbalances
from schemas.reject import Reason
from transforms.common import files
from transforms.common.checkpoint import shard_references

PORT = 8637
"""The site's port, where it is free: page URLs hold it, and equal URLs make equal bytes."""
SHOWN_SECONDS = 0.05
CHECKPOINTS = ("pages", "documents", "sentences", "pairs", "corpus")


def demo(options: argparse.Namespace) -> None:
    """Run the demo, print its figures, write them to `summary.json`."""
    runner_options = parse_beam_flags(options.beam_flags, workers=options.workers)
    reach_stores(runner_options)
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    with _serve() as server:
        changes = [f'crawl.seeds=["{server.site.seeds[0]}"]', *options.changes]
        if options.output:
            changes.append(f'corpus.output="{options.output}"')
        configuration = load_configuration("demo", changes)
        console.print(f"A web site of {len(server.site.resources)} resources is served at {server.site.base}/")
        run = Run(
            configuration=configuration,
            options=runner_options,
            progress=Progress(quiet=options.quiet),
            again=options.again,
        )
        build(run)
        summary = _summary(run, server.site)
    _show(console, configuration, summary)


def _serve() -> SiteServer:
    sample = load_sample()

    def make(base: str) -> Site:
        return make_site(sample, base)

    try:
        return SiteServer(make, PORT)
    except OSError:  # somebody else has the port
        return SiteServer(make)


def _summary(run: Run, site: Site) -> dict[str, Any]:
    configuration = run.configuration
    pairs = configuration.corpus.wanted_pairs()
    corpus = _read(configuration, "corpus")
    summary = summarize(site.lines, _read(configuration, "sentences"), corpus, pairs)
    ledger = _ledger(configuration)
    pages = [row for row in ledger.rows() if row["stage"] == "crawl" and row["unit"] == "page"]
    refused = (Reason.ROBOTS_DISALLOWED, Reason.ROBOTS_UNREACHABLE)
    summary["pages"] |= {
        "fetched": sum(row["count"] for row in pages if row["outcome"] == "out"),
        "refused_by_robots": sum(row["count"] for row in pages if row["reason"] in refused),
        "rejected": sum(row["count"] for row in pages if row["outcome"] == "rejected"),
    }
    summary |= {
        "ledger_balanced": not imbalances(ledger),
        "seconds": {name: round(value, 2) for name, value in run.stage_seconds.items()},
        "run_seconds": {name: round(value, 2) for name, value in run.seconds.items()},
        "total_seconds": round(sum(run.seconds.values()), 2),
        "peak_memory_mb": round(run.progress.peak_memory_mb),
        "corpus": configuration.folder("corpus"),
        "rows": len(corpus),
    }
    files.write_json(files.join(configuration.corpus.output, "summary.json"), summary)
    return summary


def _read(configuration: Configuration, checkpoint: str) -> pa.Table:
    shards = shard_references(configuration.folder(checkpoint))
    return pa.concat_tables([files.read_parquet(shard.full_path) for shard in shards])


def _ledger(configuration: Configuration) -> LedgerBatch:
    tables = [
        files.read_parquet(files.join(configuration.folder(checkpoint), "ledger.parquet")) for checkpoint in CHECKPOINTS
    ]
    return LedgerBatch.from_table(pa.concat_tables(tables))


def _show(console: Console, configuration: Configuration, summary: dict[str, Any]) -> None:
    _draw_some(console, _read(configuration, "corpus"), configuration.corpus.wanted_pairs())
    pages = summary["pages"]
    console.print(
        f"pages: {pages['fetched']} fetched, {pages['refused_by_robots']} refused by robots.txt,"
        f" {pages['rejected'] - pages['refused_by_robots']} rejected for other reasons"
    )
    varieties = ", ".join(f"{tag} {count:,}" for tag, count in summary["sentences"].items())
    console.print(f"sentences: {varieties}; identification accuracy {summary['identification_accuracy']:.4f}")
    table = Table(box=None, pad_edge=False)
    for heading in ("pair", "found", "known", "precision", "recall", "F1"):
        table.add_column(heading, justify="left" if heading == "pair" else "right")
    for name, found in summary["pairs"].items():
        table.add_row(
            name,
            str(found["found"]),
            str(found["known"]),
            *("-" if found[key] is None else f"{found[key]:.4f}" for key in ("precision", "recall", "f1")),
        )
    console.print(table)
    console.print(f"time: {summary['total_seconds']:.1f} s: {_times(summary['run_seconds'])}")
    console.print(f"time per stage, summed over workers: {_times(summary['seconds'])}")
    console.print(f"peak memory: {summary['peak_memory_mb']:,} MiB")
    console.print(f"ledger: {'every record is accounted for' if summary['ledger_balanced'] else 'DOES NOT ADD UP'}")
    console.print(f"figures: {files.join(configuration.corpus.output, 'summary.json')}")
    console.print(f"corpus: {summary['corpus']} ({summary['rows']:,} pairs). Open it with")
    console.print(f'  polars.read_parquet("{summary["corpus"]}/*-*/*.parquet")', markup=False)


def _times(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items() if value >= SHOWN_SECONDS)


def _draw_some(console: Console, corpus: pa.Table, pairs: Sequence[tuple[str, str]]) -> None:
    """Draw a pair of each variety pair: neither short nor long, well above the threshold, the first of them by id."""
    rows = corpus.to_pylist()
    for source, target in pairs:
        fitting = [
            row
            for row in rows
            if (row["source_variety"], row["target_variety"]) == (source, target)
            and 7 <= len(row["source_tokens"] or ()) <= 14
        ]
        if fitting:
            console.print(draw_pair(fitting[len(fitting) // 2], width=console.width))
            console.print()
