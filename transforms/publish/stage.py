"""publish: scored pairs -> corpus rows, as Parquet by variety pair.

What goes in: pairs with their scores. What comes out: `<folder>/<source>-<target>/part-*.parquet`, ordered by
`pair_id`; the pairs that a limit of the configuration left out, as rejects with the score that failed. A pair
is rejected for a score that is too low, too high or missing, and for nothing else. Order does not matter, and
duplicates are no concern here. Cost: one shuffle of the published rows.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import apache_beam as beam

from schemas.corpus import CorpusBatch
from schemas.ledger import LedgerBatch
from schemas.pair import PairBatch
from schemas.reject import RejectBatch
from transforms.common.shards import ShardReference, WriteShards
from transforms.common.stage import MapBatches
from transforms.publish.decide import STAGE, UNIT, VARIETY, decide
from transforms.publish.settings import PublishSettings


class Published(NamedTuple):
    """What publishing gives: the written shards, what it left out, its ledger, and the published rows themselves."""

    shards: beam.PCollection[ShardReference]
    rejects: beam.PCollection[RejectBatch]
    ledger: beam.PCollection[LedgerBatch]
    rows: beam.PCollection[CorpusBatch]


@dataclass(eq=False, kw_only=True)
class Publish(beam.PTransform):  # type: ignore[misc]
    """Apply the limits, write what passes.

    Attributes:
        settings: the limits, and how many files a variety pair gets.
        folder: the corpus's folder.
    """

    settings: PublishSettings
    folder: str

    def expand(self, pairs: beam.PCollection[PairBatch]) -> Published:
        """Decide, take the columns of a corpus row, write by variety pair."""
        decided = pairs | "Decide" >> MapBatches(
            stage=STAGE,
            unit=UNIT,
            # A worker asks for the function, and gets `decide` with these settings.
            make_function=partial(partial, decide, settings=self.settings),
            given=PairBatch,
            made=PairBatch,
            variety=VARIETY,
        )
        rows = decided.made | "To rows" >> beam.Map(CorpusBatch.from_pairs).with_output_types(CorpusBatch)
        written = rows | "Write" >> WriteShards(
            noun=CorpusBatch,
            folder=self.folder,
            shards=self.settings.shards,
            by="pair_id",
            order=("pair_id",),
            partition=("source_variety", "target_variety"),
        )
        return Published(written.shards, decided.rejects, decided.ledger, rows)
