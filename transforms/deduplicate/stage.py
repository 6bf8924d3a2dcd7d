"""Deduplicate: find the sentences of a variety that say the same, letter for letter, and mark them.

What goes in: identified sentences. What comes out: the same sentences with `cluster_id`, `cluster_size` and
`is_duplicate`; one sentence of each cluster, that with the smallest id, is not a duplicate. Nothing is
rejected and nothing is lost: `mine` decides what to leave aside. Sentence ids must be unique; order and cut of
the batches have no effect, and each batch that comes out is a whole range of documents in order of document
and position, cut to size. Cost: one shuffle of ids (some 80 bytes a sentence) and one of the sentences.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np

from schemas.identity import buckets_of
from schemas.ledger import LedgerBatch
from schemas.reject import RejectBatch
from schemas.sentence import SentenceBatch
from transforms.common import coders
from transforms.common.accounting import ledger_entries
from transforms.common.metrics import count
from transforms.common.shards import ordered
from transforms.common.stage import Outcome
from transforms.deduplicate.clusters import (
    ClusterMemberBatch,
    DuplicateBatch,
    apply_duplicates,
    cluster_ids,
    duplicates_of,
    members_of,
)
from transforms.deduplicate.settings import DeduplicateSettings

STAGE = "deduplicate"
UNIT = "sentence"

coders.register(ClusterMemberBatch, DuplicateBatch)


@dataclass(eq=False, kw_only=True)
class Deduplicate(beam.PTransform):  # type: ignore[misc]
    """Mark exact duplicates within each variety.

    Attributes:
        settings: how.
    """

    settings: DeduplicateSettings = field(default_factory=DeduplicateSettings)

    def expand(self, sentences: beam.PCollection[SentenceBatch]) -> Outcome:
        """Cluster by key, find duplicates by range of cluster ids, bring them to the sentences by range of documents."""
        clustered = sentences | "Cluster" >> beam.ParDo(_Cluster(self.settings.shards)).with_outputs(
            "members", "ledger", main="sentences"
        )
        by_document, members, entered = clustered.sentences, clustered.members, clustered.ledger
        by_document.element_type = beam.typehints.KV[int, SentenceBatch]
        members.element_type = beam.typehints.KV[int, ClusterMemberBatch]
        duplicates = (
            members
            | "Gather clusters" >> beam.GroupByKey()
            | "Find duplicates"
            >> beam.ParDo(_FindDuplicates()).with_output_types(beam.typehints.KV[int, DuplicateBatch])
        )
        done = (
            {"sentences": by_document, "duplicates": duplicates}
            | "Gather documents" >> beam.CoGroupByKey()
            | "Mark" >> beam.ParDo(_Mark()).with_outputs("ledger", main="made")
        )
        made, left = done.made, done.ledger
        made.element_type, entered.element_type, left.element_type = SentenceBatch, LedgerBatch, LedgerBatch
        rejects = sentences.pipeline | "No rejects" >> beam.Create([], reshuffle=False).with_output_types(RejectBatch)
        return Outcome(made, rejects, (entered, left) | "Ledger" >> beam.Flatten())


class _Cluster(beam.DoFn):  # type: ignore[misc]
    def __init__(self, shards: int) -> None:
        self._shards = shards

    def process(self, batch: SentenceBatch) -> Iterable[Any]:
        clustered = batch.replace(cluster_id=cluster_ids(batch))
        documents = buckets_of(clustered.column("document_id"), self._shards)
        members = members_of(clustered, documents)
        clusters = buckets_of(clustered.column("cluster_id"), self._shards)
        yield beam.pvalue.TaggedOutput("ledger", ledger_entries(STAGE, UNIT, "in", batch, "variety"))
        count(STAGE, "sentences", len(batch))
        for number in np.unique(clusters).tolist():
            yield beam.pvalue.TaggedOutput("members", (number, members.filter(clusters == number)))
        for number in np.unique(documents).tolist():
            yield number, clustered.filter(documents == number)


class _FindDuplicates(beam.DoFn):  # type: ignore[misc]
    def process(self, gathered: tuple[int, Iterable[ClusterMemberBatch]]) -> Iterable[tuple[int, DuplicateBatch]]:
        _, members = gathered
        found = duplicates_of(ClusterMemberBatch.concatenate(list(members)))
        ranges = found.column("document_range").to_numpy()
        for number in np.unique(ranges).tolist():
            yield number, found.filter(ranges == number)


class _Mark(beam.DoFn):  # type: ignore[misc]
    def process(self, gathered: tuple[int, dict[str, Iterable[Any]]]) -> Iterable[Any]:
        _, parts = gathered
        sentences = SentenceBatch.concatenate(list(parts["sentences"]))
        duplicates = DuplicateBatch.concatenate(list(parts["duplicates"]))
        made = apply_duplicates(ordered(sentences, ["document_id", "position", "sentence_id"]), duplicates)
        yield beam.pvalue.TaggedOutput("ledger", ledger_entries(STAGE, UNIT, "out", made, "variety"))
        yield from made.pieces()
