"""A checkpoint counts once its manifest stands, and says of what it was made."""

import apache_beam as beam
import pytest

from schemas.document import DocumentBatch, document_id
from schemas.ledger import LedgerBatch
from schemas.reject import Reason, RejectBatch
from transforms.common import files
from transforms.common.accounting import ledger_entries, reject_entries, rejects_of
from transforms.common.checkpoint import (
    FinishCheckpoint,
    Plan,
    clear,
    is_finished,
    read_manifest,
    shard_references,
    write_manifest,
)
from transforms.common.shards import WriteShards, read_shard

TEXTS = ["Bondì.", "El gh'è minga.", "Mandi.", "", "Ciao."]


def batch():
    return DocumentBatch.from_rows(
        {"document_id": document_id(None, text), "source": "p", "text": text, "language_hint": "lij", "robots": "none"}
        for text in TEXTS
    )


def make_plan(folder, **more):
    settings = {"table": "document", "version": 1, "code": "1", "configuration": {"k": 4}, "inputs": {"pages": "ab"}}
    return Plan(folder=str(folder), **settings | more)


def make(folder, *, lose=False, order=1):
    plan = make_plan(folder)

    def kept(_):
        return batch().filter([True, True, True, False, True]).take([0, 1, 2, 3][::order])

    def refused(_):
        whole = batch()
        first = rejects_of(whole, [3], stage="read", unit="document", reasons=[Reason.EMPTY], variety="language_hint")
        # The same record, refused for the same reason where another source found it.
        second = first.replace(source=["q"])
        return RejectBatch.concatenate([first, second][::order])

    def counted(_):
        entries = [
            ledger_entries("read", "document", "in", batch(), "language_hint"),
            ledger_entries("read", "document", "in", batch().take([3]), "language_hint"),
            reject_entries(refused(None)),
        ]
        if not lose:
            entries.append(ledger_entries("read", "document", "out", kept(None), "language_hint"))
        return LedgerBatch.concatenate(entries[::order])

    with beam.Pipeline() as pipeline:
        once = pipeline | beam.Create([None])
        documents = once | "documents" >> beam.Map(kept).with_output_types(DocumentBatch)
        written = documents | WriteShards(
            noun=DocumentBatch, folder=plan.folder, shards=3, by="document_id", order=("document_id",)
        )
        {
            "shards": written.shards,
            "rejects": once | "rejects" >> beam.Map(refused).with_output_types(RejectBatch),
            "ledger": once | "ledger" >> beam.Map(counted).with_output_types(LedgerBatch),
        } | FinishCheckpoint(plan=plan)
    return plan


def bytes_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    return folder, make(folder)


def test_a_checkpoint_holds_shards_rejects_ledger_and_manifest(made):
    folder, _ = made
    names = [name.split("-")[0] for name in bytes_below(folder)]
    assert set(names) == {"ledger.parquet", "manifest.json", "part", "rejects/part"}


def test_the_manifest_counts_what_there_is(made):
    folder, plan = made
    manifest = read_manifest(plan.folder)
    assert manifest["rows"] == 4
    assert manifest["rejected_rows"] == 2
    assert manifest["configuration"] == {"k": 4}
    assert manifest["inputs"] == {"pages": "ab"}
    assert manifest["fingerprint"] == plan.fingerprint
    for shard in (*manifest["shards"], *(part | {"path": f"rejects/{part['path']}"} for part in manifest["rejects"])):
        assert files.content_digest((folder / shard["path"]).read_bytes()) == shard["digest"]


def test_equal_content_in_another_order_is_equal_bytes(made, tmp_path):
    folder, _ = made
    make(tmp_path, order=-1)
    assert bytes_below(tmp_path) == bytes_below(folder)


def test_the_shards_of_a_finished_checkpoint_are_read(made):
    _, plan = made
    rows = DocumentBatch.concatenate([read_shard(DocumentBatch, shard) for shard in shard_references(plan.folder)])
    assert sorted(rows.texts("text")) == sorted(text for text in TEXTS if text)


def test_a_checkpoint_is_finished_for_its_own_plan_only(made, tmp_path):
    folder, plan = made
    assert is_finished(plan)
    assert not is_finished(make_plan(tmp_path))
    for change in (
        {"configuration": {"k": 8}},
        {"inputs": {"pages": "cd"}},
        {"code": "2"},
        {"version": 2},
        {"table": "page"},
    ):
        assert not is_finished(make_plan(folder, **change)), change


def test_a_plan_does_not_depend_on_its_folder_or_the_order_of_keys():
    first = make_plan("a", configuration={"k": 4, "j": 1})
    assert first.fingerprint == make_plan("b", configuration={"j": 1, "k": 4}).fingerprint
    assert first.fingerprint != make_plan("a", configuration={"k": 1, "j": 4}).fingerprint


def test_a_ledger_that_does_not_add_up_is_a_bug_and_leaves_no_manifest(tmp_path):
    with pytest.raises(AssertionError, match="records are not accounted for"):
        make(tmp_path, lose=True)
    assert read_manifest(str(tmp_path)) is None


def test_an_unfinished_checkpoint_has_no_shards(tmp_path):
    assert read_manifest(str(tmp_path)) is None
    with pytest.raises(FileNotFoundError, match="is not finished"):
        shard_references(str(tmp_path))


def test_clearing_takes_all_that_a_run_left_and_nothing_else(tmp_path):
    make(tmp_path)
    (tmp_path / "lij-it").mkdir()
    (tmp_path / "lij-it" / "part-00000-of-00001.parquet").touch()
    (tmp_path / "block.arrow").touch()
    (tmp_path / ".part-00000.parquet.77-1.tmp").touch()
    (tmp_path / "notes.txt").write_text("mine")
    clear(str(tmp_path))
    assert list(bytes_below(tmp_path)) == ["notes.txt"]


def test_clearing_what_was_never_there_is_no_error(tmp_path):
    clear(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_manifest_may_say_more(tmp_path):
    plan = make_plan(tmp_path)
    write_manifest(plan, [], [], LedgerBatch.empty(), {"varieties": ["lij"]})
    assert read_manifest(plan.folder)["varieties"] == ["lij"]
    assert is_finished(plan)
