"""Ledger: how many records entered a stage, went on, and were rejected by reason, per variety.

`in` is counted when a record enters, `out` and `rejected` when the stage is done with it; the three are
counted apart, so the sum is a check. The variety is the one that the record had on entering.
"""

from collections.abc import Iterable
from typing import Literal

import pyarrow as pa

from schemas.table import Batch, field, table

Outcome = Literal["in", "out", "rejected", "yielded"]

LEDGER = table(
    "ledger",
    1,
    [
        field("stage", pa.string(), "Stage."),
        field("unit", pa.string(), "What is counted: page, document, sentence or pair."),
        field(
            "variety", pa.string(), "Variety on entering the stage; `und` when not known; `source>target` for pairs."
        ),
        field(
            "outcome",
            pa.string(),
            "in, out, rejected; yielded: records of the next unit that came of those that went out.",
        ),
        field("reason", pa.string(), "Reason of a rejection; empty otherwise."),
        field("count", pa.int64(), "Records."),
    ],
)
_KEYS = ["stage", "unit", "variety", "outcome", "reason"]


class LedgerBatch(Batch):
    """Ledger entries; entries with equal keys add up."""

    SCHEMA = LEDGER
    __slots__ = ()


def add_up(batches: Iterable[LedgerBatch]) -> LedgerBatch:
    """Add the entries with equal keys; the result is ordered by its keys."""
    rows = LedgerBatch.concatenate(list(batches))
    summed = pa.Table.from_batches([rows.data]).group_by(_KEYS).aggregate([("count", "sum")])
    ordered = summed.rename_columns([*_KEYS, "count"]).sort_by([(key, "ascending") for key in _KEYS])
    return LedgerBatch.from_columns({name: ordered.column(name) for name in LEDGER.names})


def imbalances(ledger: LedgerBatch) -> list[str]:
    """List where in differs from out + rejected: one line a stage, unit and variety; empty when all adds up."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for row in ledger.rows():
        if row["outcome"] == "yielded":
            continue
        entered_left = sums.setdefault((row["stage"], row["unit"], row["variety"]), [0, 0])
        entered_left[0 if row["outcome"] == "in" else 1] += row["count"]
    return [
        f"{stage}: {entered} {unit} records of {variety} went in, {left} are accounted for"
        for (stage, unit, variety), (entered, left) in sorted(sums.items())
        if entered != left
    ]
