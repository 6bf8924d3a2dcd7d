"""Describe every table as docs/tables.md does: from the metadata of its fields, so the two cannot differ."""

import pyarrow as pa

from schemas.corpus import CORPUS
from schemas.document import DOCUMENT
from schemas.group import GROUP
from schemas.ledger import LEDGER
from schemas.lexicon import LEXICON
from schemas.page import PAGE
from schemas.pair import MINED_SCORES, PAIR
from schemas.reject import REJECT
from schemas.sentence import SENTENCE
from schemas.vector import SPARSE_VECTOR, dense_vector_table

TABLES = (
    PAGE,
    DOCUMENT,
    SENTENCE,
    dense_vector_table(1024),
    SPARSE_VECTOR,
    PAIR,
    CORPUS,
    LEXICON,
    GROUP,
    REJECT,
    LEDGER,
)

_HEAD = """\
# Tables

Every table of a run, made from the metadata of its fields by `python -m schemas > docs/tables.md`. The same metadata stand
in the Parquet files. Behind the columns of `pair` and `corpus` stand the scores of [scores.md](scores.md), and {scores}.
Vectors of a dense encoder have its own dimension; 1,024 stands for it here.
"""


def describe_tables() -> str:
    """Give docs/tables.md."""
    scores = ", ".join(f"`{spec.name}`" for spec in MINED_SCORES)
    return "\n".join([_HEAD.format(scores=scores), *(_table(schema) for schema in TABLES)])


def _table(schema: pa.Schema) -> str:
    name, version = (schema.metadata[key].decode() for key in (b"isogloss.table", b"isogloss.version"))
    rows = [
        f"## {name}\n\nVersion {version}.\n",
        "| column | type | null | unit or range | meaning |",
        "|---|---|---|---|---|",
    ]
    for spec in schema:
        about = {key.decode(): value.decode() for key, value in (spec.metadata or {}).items()}
        unit = "; ".join(about[key] for key in ("unit", "range") if key in about)
        cells = (f"`{spec.name}`", _kind(spec.type), "yes" if spec.nullable else "", unit, about.get("meaning", ""))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.list_size} {_kind(kind.value_type)}"
    if pa.types.is_list(kind):
        return f"list of {_kind(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"struct of {', '.join(f'{spec.name} ({_kind(spec.type)})' for spec in kind)}"
    return str(kind)
