"""Edits: the stretches where two texts differ, so that every span of one has its span in the other.

An edit is a row (start, end, normalized_start, normalized_end): `found[start:end]` became
`normalized[normalized_start:normalized_end]`; all other characters are the same in both. Rows are in order
and do not overlap on either side. `schemas.document.EDIT` is their place in the table. Pure, without Beam.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from schemas.document import EDIT, DocumentBatch

Edits = NDArray[np.int64]
"""(n, 4) int64: start, end, normalized_start, normalized_end, in code points."""


def no_edits() -> Edits:
    """Give the edits of two equal texts."""
    return np.zeros((0, 4), dtype=np.int64)


def replay(found: str, normalized: str, edits: ArrayLike) -> str:
    """Make the normalized text from the text as found and what the edits put in, taken from `normalized`.

    The result equals `normalized` exactly when the edits are right: that is what this function is for.
    """
    parts, at = [], 0
    for start, end, normalized_start, normalized_end in np.asarray(edits, dtype=np.int64).reshape(-1, 4).tolist():
        parts += [found[at:start], normalized[normalized_start:normalized_end]]
        at = end
    return "".join([*parts, found[at:]])


def found_span(edits: ArrayLike, start: ArrayLike, end: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    r"""Map spans of the normalized text to spans of the text as found.

    A bound within an edit takes the whole edit in. What was deleted at the very edge of a span stays out of
    it. Both bounds are monotone: spans in order stay in order, and spans that do not share an edit do not
    overlap.

    Args:
        edits: (n, 4), as above.
        start: (m,) first characters of the spans in the normalized text.
        end: (m,) one past their last characters, `start <= end`.

    Returns:
        (m,) starts and (m,) ends in the text as found, int64.

    Example:
        >>> found_span([(2, 3, 2, 2)], [0, 2], [2, 4])  # "o b" with a soft hyphen before the b
        (array([0, 3]), array([2, 5]))
    """
    rows = np.asarray(edits, dtype=np.int64).reshape(-1, 4)
    starts, ends = np.atleast_1d(np.asarray(start, dtype=np.int64)), np.atleast_1d(np.asarray(end, dtype=np.int64))
    if len(rows) == 0:
        return starts.copy(), ends.copy()
    # A row of zeros in front stands for the stretch before the first edit.
    rows = np.concatenate([np.zeros((1, 4), dtype=np.int64), rows])
    edit_start, edit_end, given, made = rows.T
    last = np.searchsorted(given[1:], starts, side="right")
    inside = starts < made[last]
    found_start = np.where(inside, edit_start[last], edit_end[last] + starts - made[last])
    last = np.searchsorted(given[1:], ends, side="left")
    found_end = edit_end[last] + np.maximum(0, ends - made[last])
    return found_start, np.maximum(found_end, found_start)


def edits_of(documents: DocumentBatch) -> list[Edits]:
    """Give the edits of each document of a batch; none where the document has none or was never normalized."""
    if len(documents) == 0:
        return []
    column = documents.column("edits")
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    flat = column.flatten()
    rows = np.stack([flat.field(i).to_numpy(zero_copy_only=False) for i in range(len(EDIT))], axis=1).astype(np.int64)
    return np.split(rows, np.cumsum(lengths)[:-1])


def edit_lists(edits: list[Edits]) -> pa.ListArray:
    """Make the column of edits from the edits of each document."""
    rows = np.concatenate([no_edits(), *edits]).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(changed) for changed in edits])]).astype(np.int32)
    structs = pa.StructArray.from_arrays([pa.array(column) for column in rows.T], fields=list(EDIT))
    return pa.ListArray.from_arrays(pa.array(offsets), structs)
