"""publish: pairs -> corpus, and beside it the lexicon of its links. The only run that decides: every rule before it measured."""

import apache_beam as beam

from pipelines.config import Configuration, plain
from pipelines.run import Run, digest_of
from schemas.corpus import VERSION as CORPUS_VERSION
from schemas.group import GROUP
from schemas.ledger import LedgerBatch
from schemas.lexicon import LEXICON
from schemas.pair import MINED_SCORES, PairBatch
from transforms.align import Lexicon
from transforms.common import files
from transforms.common.checkpoint import FinishCheckpoint, is_finished, shard_references
from transforms.common.shards import ReadShards
from transforms.mine import Groups
from transforms.publish import Publish, check_names, write_card
from transforms.score import score_fields


def publish(run: Run) -> None:
    """Apply the configuration's limits, write the corpus, its rejects, its ledger and its card.

    Raises:
        SettingsError: there are no pairs yet, or a limit names an unknown score.
    """
    configuration = run.configuration
    scores = (*MINED_SCORES, *score_fields(configuration.score.scores))
    check_names(configuration.publish, ("cosine", "margin", *(spec.name for spec in scores)))
    pairs = configuration.folder("pairs")
    plan = run.plan(
        "corpus",
        "corpus",
        CORPUS_VERSION,
        {"name": configuration.corpus.name, "publish": configuration.publish},
        {"pairs": digest_of(pairs, "mine") if not run.dry_run else ""},
    )

    plans = [plan]
    lexicon = run.plan(
        "lexicon",
        "lexicon",
        int(LEXICON.metadata[b"isogloss.version"]),
        {"lexicon": configuration.lexicon, "publish": configuration.publish},
        dict(plan.inputs),
    )
    if configuration.lexicon.make:
        plans.insert(0, lexicon)
    groups = run.plan(
        "groups",
        "group",
        int(GROUP.metadata[b"isogloss.version"]),
        {"groups": configuration.groups, "publish": configuration.publish},
        dict(plan.inputs),
    )
    varieties = {tag for sides in configuration.corpus.wanted_pairs() for tag in sides}
    with_groups = configuration.groups.make and len(varieties) >= configuration.groups.least_varieties
    if with_groups:
        plans.insert(0, groups)

    def build(pipeline: beam.Pipeline) -> None:
        published = (
            pipeline
            | "pairs" >> beam.Create(shard_references(pairs))
            | "read pairs" >> ReadShards(noun=PairBatch)
            | "publish" >> Publish(settings=configuration.publish, folder=plan.folder)
        )
        if configuration.lexicon.make:
            entries = published.rows | "lexicon" >> Lexicon(settings=configuration.lexicon, folder=lexicon.folder)
            entries._asdict() | "finish lexicon" >> FinishCheckpoint(plan=lexicon)
        if with_groups:
            joined = published.rows | "groups" >> Groups(settings=configuration.groups, folder=groups.folder)
            joined._asdict() | "finish groups" >> FinishCheckpoint(plan=groups)
        corpus = {"shards": published.shards, "rejects": published.rejects, "ledger": published.ledger}
        (
            corpus
            | "finish corpus" >> FinishCheckpoint(plan=plan)
            | "card" >> beam.Map(_write_card_of, configuration=configuration).with_output_types(str)
        )

    run.execute("publish", plans, build)
    # The graph writes the card behind the manifest; a run that was killed between the two left none.
    if is_finished(plan) and not run.dry_run and not files.exists(files.join(plan.folder, "README.md")):
        _write_card(configuration)


def _write_card_of(manifest: str, configuration: Configuration) -> str:
    _write_card(configuration)
    return manifest


def _write_card(configuration: Configuration) -> None:
    ledgers = [
        LedgerBatch.from_table(files.read_parquet(path))
        for checkpoint in ("pages", "documents", "sentences", "pairs")
        if files.exists(path := files.join(configuration.folder(checkpoint), "ledger.parquet"))
    ]
    sections = ("normalize", "segment", "identify", "deduplicate", "embed", "mine", "align", "score", "publish")
    write_card(
        configuration.folder("corpus"),
        name=configuration.corpus.name,
        settings=configuration.publish,
        ledgers=ledgers,
        configuration={name: plain(getattr(configuration, name)) for name in sections}
        | {"embed": plain(configuration.embed.that_matter())},
    )
