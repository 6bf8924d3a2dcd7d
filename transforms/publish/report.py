"""The ledger as tables: what each stage took in, left out by reason, and gave on, per variety. Pure.

A dialect stands beside its standard language, so a rule that removes more of the one than of the other shows.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.ledger import LedgerBatch, add_up
from schemas.table import UNDETERMINED
from schemas.variety import find

UNITS = ("page", "document", "sentence", "vector", "pair")
STAGES = (
    "crawl", "read", "normalize", "keep", "segment", "identify", "deduplicate",
    "select", "embed", "mine", "align", "score", "publish", "takedown",
)  # fmt: skip
"""The order in which records meet the stages; others come behind, by name."""


class Row(NamedTuple):
    """A row of a report.

    Attributes:
        stage: of the ledger.
        what: `in`, `out`, `yielded`, or the reason of a rejection.
        is_rejection: is it a reason?
        counts: records by variety; a variety that is missing has none.
    """

    stage: str
    what: str
    is_rejection: bool
    counts: dict[str, int]


class Report(NamedTuple):
    """What happened to one kind of record.

    Attributes:
        unit: page, document, sentence, pair.
        varieties: the columns, a dialect before its standard language.
        rows: by stage: in, rejections by reason, out, yielded.
    """

    unit: str
    varieties: list[str]
    rows: list[Row]

    def entered(self, stage: str, variety: str) -> int:
        """Give how many records of a variety entered a stage."""
        return sum(row.counts.get(variety, 0) for row in self.rows if row.stage == stage and row.what == "in")


def in_order(varieties: Sequence[str]) -> list[str]:
    """Order varieties for a table: dialects before their standard language, `und` last; pairs by name."""

    def place(tag: str) -> tuple[bool, str, bool, str]:
        variety = find(tag) if ">" not in tag else None
        standard = variety.standard if variety is not None and variety.standard in varieties else None
        return tag == UNDETERMINED, standard or tag, standard is None, tag

    return sorted(varieties, key=place)


def make_reports(ledgers: Sequence[LedgerBatch]) -> list[Report]:
    """Make a report for every unit, in the order in which they follow from each other.

    Args:
        ledgers: of one checkpoint or of several; entries with equal keys add up.
    """
    cells: dict[str, dict[tuple[str, str, str], dict[str, int]]] = {}
    for entry in add_up(ledgers).rows():
        unit, key = entry["unit"], (entry["stage"], entry["outcome"], entry["reason"])
        cells.setdefault(unit, {}).setdefault(key, {})[entry["variety"]] = entry["count"]
    return [
        Report(
            unit,
            in_order(sorted({tag for counts in rows.values() for tag in counts})),
            [
                Row(stage, reason or outcome, outcome == "rejected", counts)
                for (stage, outcome, reason), counts in sorted(rows.items(), key=lambda item: _row_place(item[0]))
            ],
        )
        for unit, rows in sorted(cells.items(), key=lambda item: (_index(UNITS, item[0]), item[0]))
    ]


def to_cells(report: Report) -> list[list[str]]:
    """Give a report as text: a heading, then its rows. Rejections carry their share of what entered the stage."""
    table = [["stage", f"{report.unit}s", *report.varieties]]
    for row in report.rows:
        cells = []
        for variety in report.varieties:
            count = row.counts.get(variety, 0)
            entered = report.entered(row.stage, variety)
            share = f" ({100 * count / entered:.1f} %)" if row.is_rejection and entered else ""
            cells.append(f"{count:,}{share}" if count else "")
        table.append([row.stage, row.what, *cells])
    return table


def to_markdown(cells: Sequence[Sequence[str]], left: int = 2) -> str:
    """Write cells as a Markdown table.

    Args:
        cells: the heading, then rows of the same length.
        left: columns that are set flush left; the others flush right.
    """
    heading, *rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in cells]
    rule = ["---" if i < left else "---:" for i in range(len(heading))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heading, rule, *rows))


def to_text(cells: Sequence[Sequence[str]], left: int = 2) -> str:
    """Write cells as plain text in columns.

    Args:
        cells: the heading, then rows of the same length.
        left: columns that are set flush left; the others flush right.
    """
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = []
    for row in cells:
        parts = [
            cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def ledger_markdown(ledgers: Sequence[LedgerBatch]) -> str:
    """Write ledgers as Markdown: a table a unit."""
    return "\n\n".join(to_markdown(to_cells(report)) for report in make_reports(ledgers))


def ledger_text(ledgers: Sequence[LedgerBatch]) -> str:
    """Write ledgers as plain text: a table a unit."""
    return "\n\n".join(to_text(to_cells(report)) for report in make_reports(ledgers))


def _index(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _row_place(key: tuple[str, str, str]) -> tuple[int, str, int, str]:
    stage, outcome, reason = key
    return _index(STAGES, stage), stage, ("in", "rejected", "out", "yielded").index(outcome), reason
