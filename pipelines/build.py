"""build: the whole walk, from seeds or files to the corpus."""

from pipelines.crawl import crawl
from pipelines.mine import mine
from pipelines.prepare import prepare
from pipelines.publish import publish
from pipelines.run import Run


def build(run: Run) -> None:
    """Crawl where there are seeds, prepare, mine, publish. What is finished is used as it is."""
    if run.configuration.crawl is not None:
        crawl(run)
    prepare(run)
    mine(run)
    publish(run)
