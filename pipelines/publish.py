"""publish: pairs -> corpus. The only run that decides: every rule before it measured."""

import apache_beam as beam

from pipelines.run import Run, digest_of
from schemas.corpus import VERSION as CORPUS_VERSION
from schemas.pair import PairBatch
from transforms.common.checkpoint import FinishCheckpoint, shard_references
from transforms.common.shards import ReadShards
from transforms.publish import Publish


def publish(run: Run) -> None:
    """Apply the configuration's limits, write the corpus, its rejects, its ledger and its card.

    Raises:
        SettingsError: there are no pairs yet, or a limit names an unknown score.
    """
    configuration = run.configuration
    pairs = configuration.folder("pairs")
    plan = run.plan(
        "corpus",
        "corpus",
        CORPUS_VERSION,
        {"name": configuration.corpus.name, "publish": configuration.publish},
        {"pairs": digest_of(pairs, "mine") if not run.dry_run else ""},
    )

    def build(pipeline: beam.Pipeline) -> None:
        published = (
            pipeline
            | "pairs" >> beam.Create(shard_references(pairs))
            | "read pairs" >> ReadShards(noun=PairBatch)
            | "publish" >> Publish(settings=configuration.publish, folder=plan.folder)
        )
        published._asdict() | "finish corpus" >> FinishCheckpoint(plan=plan)

    run.execute("publish", [plan], build)
