"""Normalize a batch of documents. Pure, without Beam."""

from dataclasses import dataclass, field

import pyarrow as pa

from schemas.document import DocumentBatch
from schemas.reject import RejectBatch
from transforms.common.accounting import Result
from transforms.common.edits import Edits, edit_lists, no_edits
from transforms.normalize.clean import is_clean, normalize_text
from transforms.normalize.settings import NormalizeSettings


@dataclass(frozen=True, kw_only=True)
class NormalizeDocuments:
    """Set `normalized` and `edits` of every document; nothing is rejected."""

    settings: NormalizeSettings = field(default_factory=NormalizeSettings)

    def __call__(self, documents: DocumentBatch) -> Result[DocumentBatch]:
        """Normalize a batch."""
        normalized: list[str] = []
        edits: list[Edits] = []
        for text in documents.texts("text"):
            if is_clean(text, self.settings):
                normalized.append(text)
                edits.append(no_edits())
            else:
                cleaned, changed = normalize_text(text, self.settings)
                normalized.append(cleaned)
                edits.append(changed)
        return Result(
            documents.replace(normalized=pa.array(normalized, pa.string()), edits=edit_lists(edits)),
            RejectBatch.empty(),
        )
