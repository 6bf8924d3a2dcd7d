"""Accounting: what a stage function answers with, and the counting that checks it. Pure, without Beam."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from schemas.ledger import LedgerBatch
from schemas.reject import EXCERPT_CHARACTERS, RejectBatch
from schemas.table import UNDETERMINED, Batch

Made = TypeVar("Made", bound=Batch)


@dataclass(frozen=True)
class Result(Generic[Made]):
    """What a stage function answers a batch with.

    Attributes:
        made: what goes on.
        rejects: what does not; one a record that went in and has nothing in `made`.
        ledger: further entries, of a unit that the function counts itself (segment's sentences); None for none.
    """

    made: Made
    rejects: RejectBatch
    ledger: LedgerBatch | None = None


def ledger_entries(stage: str, unit: str, outcome: str, batch: Batch, variety: str) -> LedgerBatch:
    """Count a batch's rows by variety.

    Args:
        stage, unit, outcome: what to enter.
        batch: the rows.
        variety: column of the variety, null counts as `und`; two columns joined by `>` for pairs
            (`source_variety>target_variety`); empty counts all as `und`.
    """
    if len(batch) == 0:
        return LedgerBatch.empty()
    return _entries(stage, unit, outcome, "", _varieties(batch, variety))


def reject_entries(rejects: RejectBatch) -> LedgerBatch:
    """Count rejects by stage, unit, variety and reason."""
    if len(rejects) == 0:
        return LedgerBatch.empty()
    counted = pa.table({name: rejects.column(name) for name in ("stage", "unit", "variety", "reason")})
    counted = counted.group_by(["stage", "unit", "variety", "reason"]).aggregate([([], "count_all")])
    return LedgerBatch.from_columns(
        {
            "stage": counted["stage"],
            "unit": counted["unit"],
            "variety": counted["variety"],
            "outcome": ["rejected"] * len(counted),
            "reason": counted["reason"],
            "count": counted["count_all"],
        }
    )


def _varieties(batch: Batch, variety: str) -> pa.Array:
    if not variety:
        return pa.array([UNDETERMINED] * len(batch), type=pa.string())
    first, _, second = variety.partition(">")
    values = pc.fill_null(batch.column(first), UNDETERMINED)
    return (
        pc.binary_join_element_wise(values, pc.fill_null(batch.column(second), UNDETERMINED), ">") if second else values
    )


def parent_entries(stage: str, unit: str, made: Batch, parent: str, variety: str) -> LedgerBatch:
    """Count as gone out the records that have a row in `made`; `parent` is the column that names them."""
    if len(made) == 0:
        return LedgerBatch.empty()
    rows = pa.table({"parent": made.column(parent), "variety": _varieties(made, variety)})
    distinct = rows.group_by(["parent", "variety"]).aggregate([])
    return _entries(stage, unit, "out", "", distinct["variety"])


def _entries(stage: str, unit: str, outcome: str, reason: str, varieties: Any) -> LedgerBatch:
    counted = pc.value_counts(varieties)
    tags, counts = counted.field("values"), counted.field("counts")
    rows = len(counted)
    return LedgerBatch.from_columns(
        {
            "stage": [stage] * rows,
            "unit": [unit] * rows,
            "variety": tags,
            "outcome": [outcome] * rows,
            "reason": [reason] * rows,
            "count": counts,
        }
    )


def rejects_of(
    batch: Batch,
    indices: Iterable[int],
    *,
    stage: str,
    unit: str,
    reasons: Iterable[str],
    details: Iterable[str | None] | None = None,
    variety: str = "",
    text: str = "",
) -> RejectBatch:
    """Make the rejects of some rows of a batch.

    Args:
        batch: the rows; its `ID`, and `source` and `url` where it has them, go into the rejects.
        indices: positions of the rejected rows.
        stage, unit: as in the ledger.
        reasons, details: one for each index.
        variety: column(s) of the variety, as in `ledger_entries`.
        text: column whose beginning is kept as the excerpt.
    """
    chosen = list(indices)
    if not chosen:
        return RejectBatch.empty()
    rows = batch.take(chosen)
    names = set(rows.data.schema.names)
    excerpts: list[str | None] = [None] * len(chosen)
    if text:
        excerpts = [None if value is None else value[:EXCERPT_CHARACTERS] for value in rows.texts(text)]
    return RejectBatch.from_columns(
        {
            "stage": [stage] * len(chosen),
            "unit": [unit] * len(chosen),
            "record_id": rows.column(batch.ID),
            "variety": _varieties(rows, variety),
            "reason": [str(reason) for reason in reasons],
            "detail": list(details) if details is not None else [None] * len(chosen),
            "source": rows.column("source") if "source" in names else None,
            "url": rows.column("url") if "url" in names else None,
            "excerpt": pa.array(excerpts, type=pa.string()),
        }
    )
