"""prepare: pages and files -> documents and sentences, each with its variety and its cluster of duplicates."""

import apache_beam as beam

from pipelines.run import Run, digest_of, model_digest
from schemas.document import DOCUMENT, DocumentBatch
from schemas.identity import content_digest
from schemas.sentence import SENTENCE, SentenceBatch
from transforms.common.checkpoint import FinishCheckpoint, Plan, is_finished, shard_references
from transforms.common.shards import ReadShards, ShardReference, WriteShards
from transforms.deduplicate import Deduplicate
from transforms.identify import Identify, IdentifySettings, LearnFromSentences
from transforms.normalize import Normalize
from transforms.read import Read, list_inputs
from transforms.segment import Segment


def prepare(run: Run) -> None:
    """Read, normalize, segment, identify, deduplicate.

    Raises:
        SettingsError: an input that is not there.
    """
    configuration = run.configuration
    varieties = configuration.corpus.wanted_varieties()
    inputs = _inputs(run)
    first = {
        "read": configuration.read.limits() if hasattr(configuration.read, "limits") else configuration.read,
        "normalize": configuration.normalize,
        "shards": configuration.corpus.shards,
    }
    documents_plan = run.plan("documents", "document", _version(DOCUMENT), first, inputs)
    sentences_plan = run.plan(
        "sentences",
        "sentence",
        _version(SENTENCE),
        {
            "segment": configuration.segment,
            "identify": configuration.identify,
            "deduplicate": configuration.deduplicate,
            "varieties": list(varieties),
            "shards": configuration.corpus.shards,
        },
        {"documents": documents_plan.fingerprint} | _models(configuration.identify),
    )

    def build(pipeline: beam.Pipeline) -> None:
        documents = _documents(pipeline, run, documents_plan)
        taught = None
        if configuration.identify.looks_before:
            taught = (
                documents
                | "read documents to learn" >> ReadShards(noun=DocumentBatch)
                | "segment to learn" >> Segment(settings=configuration.segment)
            ).made | "learn" >> LearnFromSentences(settings=configuration.identify, expected=varieties)
            # References wait here, so that no sentence has to wait in memory further down.
            documents = documents | "wait" >> beam.Map(
                lambda shard, _: shard, beam.pvalue.AsSingleton(taught)
            ).with_output_types(ShardReference)
        segmented = (
            documents
            | "read documents" >> ReadShards(noun=DocumentBatch)
            | "segment" >> Segment(settings=configuration.segment)
        )
        identified = segmented.made | "identify" >> Identify(
            settings=configuration.identify, expected=varieties, taught=taught
        )
        deduplicated = identified.made | "deduplicate" >> Deduplicate(settings=configuration.deduplicate)
        sentences = deduplicated.made | "write sentences" >> WriteShards(
            noun=SentenceBatch,
            folder=sentences_plan.folder,
            shards=configuration.corpus.shards,
            by="document_id",
            order=("document_id", "position", "sentence_id"),
        )
        stages = (segmented, identified, deduplicated)
        {
            "shards": sentences.shards,
            "rejects": tuple(s.rejects for s in stages) | "sentence rejects" >> beam.Flatten(),
            "ledger": tuple(s.ledger for s in stages) | "sentence ledger" >> beam.Flatten(),
        } | "finish sentences" >> FinishCheckpoint(plan=sentences_plan)

    run.execute("prepare", [documents_plan, sentences_plan], build)


def _documents(pipeline: beam.Pipeline, run: Run, plan: Plan) -> beam.PCollection:
    if is_finished(plan):
        return pipeline | "documents" >> beam.Create(shard_references(plan.folder))
    configuration = run.configuration
    read = pipeline | "read" >> Read(settings=configuration.sources())
    normalized = read.made | "normalize" >> Normalize(settings=configuration.normalize)
    kept = normalized.made | "write documents" >> WriteShards(
        noun=DocumentBatch,
        folder=plan.folder,
        shards=configuration.corpus.shards,
        by="document_id",
        order=("document_id", "source", "language_hint", "licence", "title", "robots"),
        unique="document_id",
        stage="keep",
        unit="document",
        variety="language_hint",
    )
    stages = (read, normalized, kept)
    {
        "shards": kept.shards,
        "rejects": tuple(s.rejects for s in stages) | "document rejects" >> beam.Flatten(),
        "ledger": tuple(s.ledger for s in stages) | "document ledger" >> beam.Flatten(),
    } | "finish documents" >> FinishCheckpoint(plan=plan)
    return kept.shards


def _inputs(run: Run) -> dict[str, str]:
    """Name what is read: the crawl by its digest, files by path, size and time of change."""
    configuration = run.configuration
    inputs = {}
    if configuration.crawl is not None:
        inputs["pages"] = digest_of(configuration.folder("pages"), "crawl") if not run.dry_run else ""
    if configuration.read.sources:
        lines = "\n".join(str(tuple(found)) for found in list_inputs(configuration.read))
        inputs["files"] = content_digest(lines.encode("utf-8"))
    return inputs


def _models(settings: IdentifySettings) -> dict[str, str]:
    """Name the identifier's model files by their digests."""
    found = {"model": model_digest(settings.model)}
    return found if settings.cascade is None else found | {"narrow model": model_digest(settings.cascade.model)}


def _version(schema: object) -> int:
    return int(schema.metadata[b"isogloss.version"])  # type: ignore[attr-defined]
