"""crawl: seeds -> pages.

Needs a `[crawl]` section. Fetches over HTTP(S) what robots.txt allows, slowly, and keeps it as WARC. A
crawl that was stopped goes on from its state; a finished one is not fetched again.
"""

import apache_beam as beam

from pipelines.run import Run
from schemas.errors import SettingsError
from transforms.common import files
from transforms.common.checkpoint import FinishCheckpoint
from transforms.crawl import Crawl


def crawl(run: Run) -> None:
    """Fetch the pages.

    Raises:
        SettingsError: there is no `[crawl]` section.
    """
    settings = run.configuration.crawl
    if settings is None:
        raise SettingsError("there is no [crawl] section", path="$.crawl", cure="Give seeds: [crawl] seeds = [...].")
    plan = run.plan("pages", "page", 1, {"crawl": settings}, {})

    if run.again and not run.dry_run:
        files.delete_below(plan.folder, (".warc.gz", ".jsonl"))

    def build(pipeline: beam.Pipeline) -> None:
        crawled = pipeline | "crawl" >> Crawl(settings=settings, folder=plan.folder)
        crawled._asdict() | "finish pages" >> FinishCheckpoint(plan=plan)

    run.execute("crawl", [plan], build, resumes=True)
