"""Batches: typed coats over record batches."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.document import DOCUMENT, DocumentBatch, document_id
from schemas.ledger import LEDGER, LedgerBatch
from schemas.page import PAGE
from schemas.pair import PAIR
from schemas.reject import REJECT, RejectBatch
from schemas.sentence import SENTENCE
from schemas.table import Batch, field, table

TABLES = {"page": PAGE, "document": DOCUMENT, "sentence": SENTENCE, "pair": PAIR, "reject": REJECT, "ledger": LEDGER}


def document(text, **more):
    row = {"document_id": document_id(None, text), "source": "prova", "text": text, "robots": "none"}
    return row | more


ROWS = [
    document("Bondì, comme ti stæ?", language_hint="lij"),
    document("", edits=[]),
    document(
        "El gh'è\u00ad minga.",
        normalized="El gh'è minga.",
        edits=[{"start": 7, "end": 8, "normalized_start": 7, "normalized_end": 7}],
        alternates=[{"tag": "it", "url": "https://example.org/it"}],
    ),
]


def fields_below(spec):
    yield spec
    kind = spec.type
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind):
        for inner in kind:
            yield from fields_below(inner)


@pytest.mark.parametrize("name", TABLES)
def test_every_field_says_what_it_means(name):
    for spec in TABLES[name]:
        for inner in fields_below(spec):
            assert inner.metadata, inner.name
            assert inner.metadata[b"meaning"].decode().endswith("."), inner.name


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_name_and_version(name):
    assert TABLES[name].metadata[b"isogloss.table"] == name.encode()
    assert int(TABLES[name].metadata[b"isogloss.version"]) >= 1


def test_rows_come_back_as_they_went_in():
    batch = DocumentBatch.from_rows(ROWS)
    assert [{key: value for key, value in row.items() if value is not None} for row in batch.rows()] == ROWS


def test_a_missing_required_value_is_an_error():
    with pytest.raises(KeyError, match="robots"):
        DocumentBatch.from_rows([{"document_id": "0", "source": "s", "text": "t"}])


def test_columns_that_are_missing_are_null_where_they_may_be():
    batch = RejectBatch.from_columns(
        {"stage": ["read"], "unit": ["page"], "record_id": ["0"], "variety": ["und"], "reason": ["empty"]}
    )
    assert batch.rows()[0]["detail"] is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"stage": ["read"]}, "is required"), ({"stage": ["read"], "colour": ["red"]}, "has no field .*colour")],
)
def test_wrong_columns_are_an_error(columns, message):
    with pytest.raises(TypeError, match=message):
        LedgerBatch.from_columns(columns)


def test_columns_may_be_chunked():
    batch = DocumentBatch.from_rows(ROWS)
    chunked = pa.Table.from_batches([batch.data.slice(0, 1), batch.data.slice(1)])
    assert DocumentBatch.from_columns({name: chunked[name] for name in chunked.schema.names}) == batch


def test_a_batch_of_another_noun_is_refused():
    with pytest.raises(TypeError, match="LedgerBatch expected"):
        LedgerBatch(DocumentBatch.from_rows(ROWS).data)


def test_null_in_a_required_column_of_another_nullability_is_refused():
    loose = pa.schema([spec.with_nullable(True) for spec in DOCUMENT])
    with pytest.raises(TypeError):
        DocumentBatch(pa.RecordBatch.from_pylist(ROWS, schema=loose))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_pieces_are_the_batch_cut(size):
    batch = DocumentBatch.from_rows(ROWS)
    pieces = list(batch.pieces(size))
    assert all(1 <= len(piece) <= size for piece in pieces)
    assert DocumentBatch.concatenate(pieces) == batch


def test_rows_with_one_value_stay_in_one_piece():
    batch = DocumentBatch.from_rows([document(f"{n}", source=source) for n, source in enumerate("aaabbcaaaaaaaad")])
    pieces = [piece.texts("source") for piece in batch.pieces(4, together="source")]
    assert [tag for piece in pieces for tag in piece] == list("aaabbcaaaaaaaad")
    assert ["".join(piece) for piece in pieces] == ["aaa", "bbc", "aaaa", "aaaa", "d"]


def test_a_long_run_is_cut_alike_whatever_stands_before_it():
    for before in ("", "b", "bcd"):
        batch = DocumentBatch.from_rows(
            [document(f"{n}", source=source) for n, source in enumerate(f"{before}aaaaaaa")]
        )
        cut = ["".join(piece.texts("source")) for piece in batch.pieces(3, together="source")]
        assert [piece for piece in cut if "a" in piece] == ["aaa", "aaa", "a"]


def test_nothing_has_no_pieces():
    assert list(DocumentBatch.empty().pieces()) == []
    assert list(DocumentBatch.empty().pieces(together="source")) == []
    assert DocumentBatch.concatenate([]) == DocumentBatch.empty()


def test_rows_are_taken_and_filtered():
    batch = DocumentBatch.from_rows(ROWS)
    assert batch.take([2, 0]).texts("text") == [ROWS[2]["text"], ROWS[0]["text"]]
    assert batch.filter([True, False, False]).texts("text") == [ROWS[0]["text"]]
    assert len(batch.take([])) == 0


def test_columns_are_replaced_and_nothing_else():
    batch = DocumentBatch.from_rows(ROWS)
    changed = batch.replace(language_hint=["lij", "lmo", None])
    assert changed.texts("language_hint") == ["lij", "lmo", None]
    assert changed.texts("text") == batch.texts("text")
    assert changed.data.schema.equals(batch.data.schema, check_metadata=True)


def test_parquet_keeps_the_schema_with_every_meaning():
    batch = DocumentBatch.from_rows(ROWS)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([batch.data]), sink, store_schema=True)
    read = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert DocumentBatch.from_table(read) == batch
    assert read.schema.field("text").metadata[b"meaning"] == DOCUMENT.field("text").metadata[b"meaning"]
    inner = read.schema.field("edits").type.value_type.field("start")
    assert inner.metadata[b"unit"] == b"code points"


def test_an_empty_parquet_file_is_an_empty_batch():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([DocumentBatch.empty().data]), sink, store_schema=True)
    assert DocumentBatch.from_table(pq.read_table(pa.BufferReader(sink.getvalue()))) == DocumentBatch.empty()


def test_many_row_groups_are_one_batch():
    batch = DocumentBatch.from_rows(ROWS)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([batch.data]), sink, store_schema=True, row_group_size=1)
    read = pq.ParquetFile(pa.BufferReader(sink.getvalue())).read()
    assert DocumentBatch.from_table(read) == batch


def test_equal_rows_of_two_nouns_differ():
    class OtherBatch(Batch):
        SCHEMA = DOCUMENT

    batch = DocumentBatch.from_rows(ROWS)
    assert batch != OtherBatch(batch.data)
    assert batch != "documents"


def test_a_field_says_unit_and_more():
    spec = field("length", pa.int32(), "How long it is.", unit="words", range="0 and up")
    assert spec.metadata == {b"meaning": b"How long it is.", b"unit": b"words", b"range": b"0 and up"}
    assert not spec.nullable
    assert table("thing", 3, [spec]).metadata == {b"isogloss.table": b"thing", b"isogloss.version": b"3"}
