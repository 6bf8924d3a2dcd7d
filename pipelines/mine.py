"""mine: sentences -> vectors -> pairs, with links between their words and with scores."""

import apache_beam as beam

from pipelines.dataflow import checked_here
from pipelines.models import digest_of_local_models
from pipelines.run import Run, digest_of
from schemas.pair import PAIR, PairBatch
from schemas.sentence import SentenceBatch
from transforms.align import Align
from transforms.common.checkpoint import FinishCheckpoint, is_finished, read_manifest, shard_references
from transforms.common.shards import ReadShards, WriteShards
from transforms.embed import Embed, check_models
from transforms.mine import Correspond, Mine, Select
from transforms.score import LearnFluency, Score


def mine(run: Run) -> None:
    """Select, embed, mine, align, score.

    Raises:
        SettingsError: there are no sentences yet, or a model that is none; before anything is cleared or run.
    """
    configuration = run.configuration
    sentences = configuration.folder("sentences")
    pairs = configuration.corpus.wanted_pairs()
    varieties = tuple(sorted({tag for sides in pairs for tag in sides}))
    plan = run.plan(
        "pairs",
        "pair",
        int(PAIR.metadata[b"isogloss.version"]),
        {
            "pairs": [list(sides) for sides in pairs],
            "embed": configuration.embed.that_matter(),
            "mine": configuration.mine,
            "align": configuration.align,
            "score": configuration.score,
            "shards": configuration.corpus.shards,
        },
        {"sentences": digest_of(sentences, "prepare") if not run.dry_run else ""}
        | _documents_digest(run)
        | digest_of_local_models(configuration, "embed", "mine", "align"),
    )

    if not run.dry_run and not run.options.is_described and not is_finished(plan):
        check_models(checked_here(configuration.embed, run.options), varieties)

    def build(pipeline: beam.Pipeline) -> None:
        selected = (
            pipeline
            | "sentences" >> beam.Create(shard_references(sentences))
            | "read sentences" >> ReadShards(noun=SentenceBatch)
            | "select" >> Select(settings=configuration.mine, varieties=varieties)
        )
        embedded = selected.made | "embed" >> Embed(
            settings=configuration.embed, folder=configuration.folder("vectors")
        )
        known = None
        if "documents" in plan.inputs:
            known = (
                pipeline
                | "documents" >> beam.Create(shard_references(configuration.folder("documents")))
                | "correspond" >> Correspond(settings=configuration.mine.documents)
            )
        mined = embedded.blocks | "mine" >> Mine(
            settings=configuration.mine,
            pairs=pairs,
            folder=configuration.folder("vectors"),
            known=known,
            curves=plan.folder,
        )
        aligned = mined.pairs | "align" >> Align(settings=configuration.align, folder=plan.folder)
        models = selected.made | "learn fluency" >> LearnFluency(settings=configuration.score, folder=plan.folder)
        scored = aligned.made | "score" >> Score(settings=configuration.score, models=models)
        written = scored.made | "write pairs" >> WriteShards(
            noun=PairBatch, folder=plan.folder, shards=configuration.corpus.shards, by="pair_id", order=("pair_id",)
        )
        stages = (selected, embedded, mined, aligned, scored)
        {
            "shards": written.shards,
            "rejects": tuple(s.rejects for s in stages) | "pair rejects" >> beam.Flatten(),
            "ledger": tuple(s.ledger for s in stages) | "pair ledger" >> beam.Flatten(),
        } | "finish pairs" >> FinishCheckpoint(plan=plan)

    run.execute("mine", [plan], build)


def _documents_digest(run: Run) -> dict[str, str]:
    """Name the documents as an input, where they are asked which correspond; sentences may also come without any."""
    documents = run.configuration.folder("documents")
    if run.dry_run or not run.configuration.mine.documents.reads_documents or read_manifest(documents) is None:
        return {}
    return {"documents": digest_of(documents, "prepare")}
