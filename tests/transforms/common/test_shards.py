"""Shards follow from content: not from order, cut, or number of workers."""

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that
from apache_beam.typehints import TypeCheckError

from schemas.document import DocumentBatch, document_id
from schemas.identity import bucket_of
from schemas.ledger import LedgerBatch, add_up, imbalances
from schemas.pair import PairBatch
from transforms.common import coders as coders
from transforms.common import files
from transforms.common.shards import AddUpLedger, ReadShards, ShardReference, WriteShards, ordered, read_shard

ROWS = [
    {
        "document_id": document_id("https://example.org", f"Unna frase, {i}."),
        "source": "prova",
        "url": "https://example.org",
        "text": f"Unna frase, {i}.",
        "language_hint": ("lij", "lmo", None)[i % 3],
        "robots": "none",
    }
    for i in range(60)
]


def write(folder, cuts, *, shards=4, unique="document_id", partition=()):
    """Write batches cut like this; give what came out."""
    seen = folder / "seen"
    seen.mkdir(parents=True)

    def note(item, kind, seen=str(seen)):
        name = f"{kind}-{item.path.replace('/', '+')}" if kind == "shard" else kind
        files.write_bytes(files.join(seen, name), repr(tuple(item) if kind == "shard" else item.rows()).encode())

    with beam.Pipeline() as pipeline:
        written = (
            pipeline
            | beam.Create(cuts)
            | beam.Map(DocumentBatch.from_rows).with_output_types(DocumentBatch)
            | WriteShards(
                noun=DocumentBatch,
                folder=str(folder / "out"),
                shards=shards,
                by="document_id",
                order=("document_id", "source"),
                partition=partition,
                unique=unique,
                stage="keep",
                unit="document",
                variety="language_hint",
            )
        )
        written.shards | "note shards" >> beam.Map(note, "shard")
        written.ledger | AddUpLedger() | "note ledger" >> beam.Map(note, "ledger")

        def check_rejects(batches):
            reasons = {row["reason"] for batch in batches for row in batch.rows()}
            assert reasons <= {"duplicate_document"}

        assert_that(written.rejects, check_rejects)
    references = [ShardReference(*eval(path.read_text())) for path in sorted(seen.glob("shard-*"))]
    ledger = LedgerBatch.from_rows(eval((seen / "ledger").read_text()))
    return references, ledger


def bytes_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return folder, *write(folder, [ROWS])


@pytest.mark.parametrize(
    "cuts",
    [[ROWS[:1], ROWS[1:]], [[row] for row in reversed(ROWS)], [ROWS[::2], [], ROWS[1::2]], [ROWS, ROWS[:7]]],
    ids=["two", "one a row", "interleaved", "with duplicates"],
)
def test_bytes_do_not_depend_on_cut_order_or_duplicates(plain, tmp_path, cuts):
    folder, *_ = plain
    write(tmp_path, cuts)
    assert bytes_below(tmp_path / "out") == bytes_below(folder / "out")


def test_a_shard_holds_its_range_in_order(plain):
    _, references, _ = plain
    for reference in references:
        number = int(reference.path.split("-")[1])
        ids = read_shard(DocumentBatch, reference).texts("document_id")
        assert {bucket_of(identifier, 4) for identifier in ids} == {number}
        assert ids == sorted(ids)


def test_references_tell_rows_size_and_digest(plain):
    folder, references, _ = plain
    assert sum(reference.rows for reference in references) == len(ROWS)
    for reference in references:
        data = (folder / "out" / reference.path).read_bytes()
        assert reference.size_bytes == len(data)
        assert files.content_digest(data) == reference.digest
        assert reference.full_path == str(folder / "out" / reference.path)


def test_duplicates_are_rejected_and_the_ledger_adds_up(tmp_path):
    _, ledger = write(tmp_path, [ROWS, ROWS[:7]])
    counts = {(row["outcome"], row["reason"]): 0 for row in ledger.rows()}
    for row in ledger.rows():
        counts[row["outcome"], row["reason"]] += row["count"]
    assert counts == {("in", ""): 67, ("out", ""): 60, ("rejected", "duplicate_document"): 7}
    assert imbalances(ledger) == []


def test_without_a_unique_column_every_row_stays(tmp_path):
    references, ledger = write(tmp_path, [ROWS, ROWS[:7]], unique="")
    assert sum(reference.rows for reference in references) == 67
    assert len(ledger) == 0


def test_partitions_are_folders(tmp_path):
    rows = [row | {"language_hint": row["language_hint"] or "und"} for row in ROWS]
    references, _ = write(tmp_path, [rows], shards=1, partition=("source", "language_hint"))
    assert [reference.path for reference in references] == [
        f"prova-{tag}/part-00000-of-00001.parquet" for tag in ("lij", "lmo", "und")
    ]
    assert all(len(set(read_shard(DocumentBatch, reference).texts("language_hint"))) == 1 for reference in references)


def test_nothing_makes_no_shard(tmp_path):
    references, ledger = write(tmp_path, [[]])
    assert references == []
    assert ledger == LedgerBatch.empty()


def test_what_was_written_is_read(plain):
    _, references, _ = plain
    expected = sorted(row["text"] for row in ROWS)

    def check(batches):
        assert all(type(batch) is DocumentBatch for batch in batches)
        assert sorted(text for batch in batches for text in batch.texts("text")) == expected

    with beam.Pipeline() as pipeline:
        batches = pipeline | beam.Create(references) | ReadShards(noun=DocumentBatch)
        assert batches.element_type is DocumentBatch
        assert_that(batches, check)


def test_another_noun_is_refused_when_the_graph_is_laid(tmp_path):
    pipeline = beam.Pipeline()
    pairs = pipeline | beam.Create([0]) | beam.Map(lambda _: PairBatch.empty()).with_output_types(PairBatch)
    with pytest.raises(TypeCheckError):
        pairs | WriteShards(
            noun=DocumentBatch, folder=str(tmp_path), shards=1, by="document_id", order=("document_id",)
        )


def test_rows_are_ordered_by_content():
    batch = DocumentBatch.from_rows(ROWS)
    assert ordered(batch, ["document_id"]) == ordered(batch.take(list(reversed(range(len(batch))))), ["document_id"])


def test_the_ledger_of_all_stages_is_one_batch():
    entry = {"stage": "keep", "unit": "document", "variety": "lij", "outcome": "in", "reason": "", "count": 2}
    batch = LedgerBatch.from_rows([entry])

    def check(found):
        assert found == [add_up([batch] * 3)]

    with beam.Pipeline() as pipeline:
        entries = pipeline | beam.Create([1, 2, 3]) | beam.Map(lambda _: LedgerBatch.from_rows([entry]))
        assert_that(entries | AddUpLedger(), check)
