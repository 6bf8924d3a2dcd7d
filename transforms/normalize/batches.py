"""Normalize a batch of documents. Pure, without Beam."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from schemas.document import EDIT, DocumentBatch
from schemas.reject import RejectBatch
from transforms.common.accounting import Result
from transforms.normalize.clean import is_clean, normalize_text
from transforms.normalize.edits import Edits, no_edits
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


def edit_lists(edits: list[Edits]) -> pa.ListArray:
    """Make the column of edits from the edits of each document."""
    rows = np.concatenate([no_edits(), *edits]).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(changed) for changed in edits])]).astype(np.int32)
    structs = pa.StructArray.from_arrays([pa.array(column) for column in rows.T], fields=list(EDIT))
    return pa.ListArray.from_arrays(pa.array(offsets), structs)
