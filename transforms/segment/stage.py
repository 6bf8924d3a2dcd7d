"""Documents in, sentences out, each with its span in the text as found.

A sentence that is too long or has no letters is rejected; a document none of whose sentences goes on is
rejected with the reason of its last one, or as empty. The sentences of a document come out in one batch, up to 8,192
of them, so that those who look at neighbours need no shuffle. Order and duplicates do not matter. Cost: some
100,000 lines a second and core in Latin script.
"""

from dataclasses import dataclass, field
from functools import partial

import apache_beam as beam

from schemas.document import DocumentBatch
from schemas.sentence import SentenceBatch
from transforms.common.stage import MapBatches, Outcome
from transforms.segment.batches import STAGE, SegmentDocuments
from transforms.segment.settings import SegmentSettings


@dataclass(eq=False, kw_only=True)
class Segment(beam.PTransform):  # type: ignore[misc]
    """Cut documents into sentences.

    Attributes:
        settings: which sentences go on.
    """

    settings: SegmentSettings = field(default_factory=SegmentSettings)

    def expand(self, documents: beam.PCollection[DocumentBatch]) -> Outcome:
        """Segment each batch."""
        outcome: Outcome = documents | "Segment" >> MapBatches(
            stage=STAGE,
            unit="document",
            make_function=partial(SegmentDocuments, settings=self.settings),
            given=DocumentBatch,
            made=SentenceBatch,
            variety="language_hint",
            parent="document_id",
            made_unit="sentence",
            together="document_id",
        )
        return outcome
