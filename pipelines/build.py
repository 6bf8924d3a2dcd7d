"""build: the whole walk, from seeds or files to the corpus."""

from pipelines.crawl import crawl
from pipelines.dataflow import checked_here
from pipelines.mine import mine
from pipelines.prepare import prepare
from pipelines.publish import publish
from pipelines.run import Run
from schemas.errors import SettingsError
from transforms.common.checkpoint import read_manifest
from transforms.embed import check_models


def build(run: Run) -> None:
    """Crawl where there are seeds, prepare, mine, publish. What is finished is used as it is.

    Raises:
        SettingsError: a setting that cannot be obeyed; a model of the encoder that cannot be used, before the crawl;
            the job shall only be described or staged.
    """
    if run.options.is_launch_only:
        raise SettingsError(
            "a template, or a described job, is one run, and `build` is several, each made of what the one before it wrote",
            cure="Launch crawl, prepare, mine and publish one after the other: deploy/airflow_dag.py does.",
        )
    configuration = run.configuration
    if not run.dry_run and read_manifest(configuration.folder("pairs")) is None:
        # Found now, and not after the crawl.
        check_models(
            checked_here(configuration.embed, run.options),
            sorted({tag for sides in configuration.corpus.wanted_pairs() for tag in sides}),
        )
    if configuration.crawl is not None:
        crawl(run)
    prepare(run)
    mine(run)
    publish(run)
