"""Documents in, the same documents out, with the text that the models read and the way back to the text as found.

A record is never rejected here: a text that is nothing but debris becomes an empty one, and segment rejects
it. Order and duplicates do not matter. Cost: a look over clean text; a few passes over text that is not.
"""

from dataclasses import dataclass, field
from functools import partial

import apache_beam as beam

from schemas.document import DocumentBatch
from transforms.common.stage import MapBatches, Outcome
from transforms.normalize.batches import NormalizeDocuments
from transforms.normalize.settings import NormalizeSettings


@dataclass(eq=False, kw_only=True)
class Normalize(beam.PTransform):  # type: ignore[misc]
    """Set `normalized` and `edits` of documents.

    Attributes:
        settings: what is repaired.
    """

    settings: NormalizeSettings = field(default_factory=NormalizeSettings)

    def expand(self, documents: beam.PCollection[DocumentBatch]) -> Outcome:
        """Normalize each batch."""
        outcome: Outcome = documents | "Normalize" >> MapBatches(
            stage="normalize",
            unit="document",
            make_function=partial(NormalizeDocuments, settings=self.settings),
            given=DocumentBatch,
            made=DocumentBatch,
            variety="language_hint",
        )
        return outcome
