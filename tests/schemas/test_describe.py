"""docs/tables.md says what the tables are."""

from pathlib import Path

import schemas
from schemas.describe import TABLES, describe_tables


def test_the_document_is_in_step_with_the_tables(project: Path):
    assert (project / "docs" / "tables.md").read_text(encoding="utf-8") == describe_tables()


def test_every_table_of_the_ground_floor_is_described():
    named = {schema.metadata[b"isogloss.table"].decode() for schema in TABLES}
    folder = Path(schemas.__file__).parent
    declared = {path.stem for path in folder.glob("*.py") if "table(\n" in path.read_text(encoding="utf-8")}
    assert {name.partition("_")[2] or name for name in named} >= declared - {"table"}


def test_every_column_says_what_it_means():
    assert [spec.name for schema in TABLES for spec in schema if not (spec.metadata or {}).get(b"meaning")] == []
