"""Files are listed in order, written whole, and left alone when hidden."""

import pyarrow as pa
import pytest
from apache_beam.io.filesystem import BeamIOError

from schemas.document import DocumentBatch, document_id
from schemas.errors import SettingsError, StoreError
from transforms.common import files


@pytest.fixture
def tree(tmp_path):
    # A hidden folder above must not hide what lies below it.
    root = tmp_path / ".corpora" / "a"
    for name in (
        *("x.txt", "y.txt.gz", ".hidden.txt", "b/z.txt", "b/c/deep.txt", "b/data[1].txt"),
        *(".git/config.txt", "b/.part.txt.123.tmp"),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def names(tree, pattern):
    found = [file.path for file in files.match(str(tree / pattern) if pattern else str(tree))]
    assert found == sorted(found)
    return [path.removeprefix(f"{tree}/") for path in found]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", ["b/c/deep.txt", "b/data[1].txt", "b/z.txt", "x.txt", "y.txt.gz"]),
        ("*.txt", ["x.txt"]),
        ("b/*", ["b/data[1].txt", "b/z.txt"]),
        ("**", ["b/c/deep.txt", "b/data[1].txt", "b/z.txt", "x.txt", "y.txt.gz"]),
        ("**/*.txt", ["b/c/deep.txt", "b/data[1].txt", "b/z.txt", "x.txt"]),
        ("?.txt", ["x.txt"]),
        ("x.txt", ["x.txt"]),
        ("b/data[1].txt", ["b/data[1].txt"]),
        (".hidden.txt", [".hidden.txt"]),
        (".git/*.txt", [".git/config.txt"]),
    ],
)
def test_what_a_pattern_names(tree, pattern, expected):
    assert names(tree, pattern) == expected


def test_a_folder_may_end_in_a_slash(tree):
    assert [file.path for file in files.match(f"{tree}/b/")] == [file.path for file in files.match(f"{tree}/b")]


def test_relative_paths_stay_relative(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert [file.path for file in files.match("b")] == ["b/c/deep.txt", "b/data[1].txt", "b/z.txt"]
    assert [file.path for file in files.match("*.txt")] == ["x.txt"]
    assert [file.path for file in files.match("./b/z*")] == ["./b/z.txt"]


def test_sizes_are_told(tree):
    assert files.match(str(tree / "x.txt"))[0].size_in_bytes == len("x.txt")
    assert files.match(str(tree / "*.txt"))[0].size_in_bytes == len("x.txt")


@pytest.mark.parametrize("pattern", ["none.txt", "none/", "none/*.txt", "*.none"])
def test_nothing_that_matches_is_a_setting_to_mend(tree, pattern):
    with pytest.raises(SettingsError, match="no file matches"):
        files.match(f"{tree}/{pattern}")


def test_bytes_are_written_whole_with_their_folders(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    files.write_bytes(str(path), b"first")
    files.write_bytes(str(path), b"second")
    assert files.read_bytes(str(path)) == b"second"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.bin"
    files.write_bytes(str(path), b"first")
    with pytest.raises(TypeError):
        files.write_bytes(str(path), "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_compressed_files_are_read_as_stored(tmp_path):
    path = tmp_path / "page.gz"
    path.write_bytes(b"\x1f\x8b not really gzip")
    assert files.read_bytes(str(path)) == path.read_bytes()
    with files.open_stored(str(path)) as file:
        assert file.read() == path.read_bytes()


def test_a_file_url_is_a_local_path(tmp_path):
    files.write_bytes(f"file://{tmp_path}/a.txt", b"a")
    assert files.read_bytes(f"file://{tmp_path}/a.txt") == b"a"
    assert files.is_local(f"file://{tmp_path}")
    assert not files.is_local("gs://bucket/a")


def test_json_of_equal_values_is_equal_bytes(tmp_path):
    files.write_json(str(tmp_path / "a.json"), {"b": 1, "a": ["Bondì"]})
    files.write_json(str(tmp_path / "b.json"), {"a": ["Bondì"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert "Bondì" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert files.read_json(str(tmp_path / "a.json")) == {"a": ["Bondì"], "b": 1}


def test_parquet_keeps_struct_fields_and_their_meanings(tmp_path):
    edit = {"start": 1, "end": 2, "normalized_start": 1, "normalized_end": 1}
    batch = DocumentBatch.from_rows(
        [{"document_id": document_id(None, "t"), "source": "s", "text": "t", "robots": "none", "edits": [edit]}]
    )
    path = str(tmp_path / "documents.parquet")
    size_bytes, digest = files.write_parquet(path, pa.Table.from_batches([batch.data]))
    read = files.read_parquet(path)
    assert size_bytes == (tmp_path / "documents.parquet").stat().st_size
    assert len(digest) == 32
    assert read.schema.equals(batch.data.schema, check_metadata=True)
    assert DocumentBatch.from_table(read) == batch
    assert files.parquet_bytes(read) == (tmp_path / "documents.parquet").read_bytes()
    assert files.read_parquet(path, ["text"]).to_pylist() == [{"text": "t"}]


def test_equal_rows_in_other_chunks_are_equal_parquet():
    rows = [
        {"document_id": document_id(None, str(i)), "source": "s", "text": str(i), "robots": "none"} for i in range(10)
    ]
    batch = DocumentBatch.from_rows(rows)
    cut = pa.Table.from_batches([piece.data for piece in batch.pieces(3)])
    assert files.parquet_bytes(cut) == files.parquet_bytes(pa.Table.from_batches([batch.data]))


def test_deleting_what_is_not_there_is_no_error(tmp_path):
    (tmp_path / "a").touch()
    files.delete([str(tmp_path / "a"), str(tmp_path / "b")])
    assert list(tmp_path.iterdir()) == []


def test_only_named_endings_and_temporaries_are_deleted_below(tree):
    files.delete_below(str(tree), (".gz",))
    assert names(tree, "") == ["b/c/deep.txt", "b/data[1].txt", "b/z.txt", "x.txt"]
    assert not (tree / "b" / ".part.txt.123.tmp").exists()
    assert (tree / ".git" / "config.txt").exists()
    files.delete_below(str(tree / "none"), (".gz",))


class Shaky:
    """An action on a store that fails some times, then works."""

    def __init__(self, failures, error):
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "done"


@pytest.fixture
def pauses(monkeypatch):
    waited = []
    monkeypatch.setattr(files.time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize(
    "error",
    [BeamIOError("busy", {"gs://b/o": 503}), ConnectionResetError(), TimeoutError()],
    ids=["503", "reset", "timeout"],
)
def test_a_passing_failure_is_tried_again(error, pauses):
    assert files.with_retries(Shaky(2, error), "gs://b/o") == "done"
    assert pauses == [0.5, 1.0]


def test_a_lasting_failure_is_told_with_the_path_in_the_end(pauses):
    with pytest.raises(StoreError, match="gs://b/o"):
        files.with_retries(Shaky(99, ConnectionResetError("peer is gone")), "gs://b/o")
    assert pauses == [0.5, 1.0, 2.0, 4.0]


def test_a_bug_is_raised_at_once(pauses):
    with pytest.raises(ZeroDivisionError):
        files.with_retries(Shaky(1, ZeroDivisionError()), "gs://b/o")
    assert pauses == []


def test_what_is_not_there_is_not_asked_for_again(pauses):
    with pytest.raises(FileNotFoundError, match="gs://b/o"):
        files.with_retries(Shaky(1, BeamIOError("none", {"gs://b/o": 404})), "gs://b/o")
    assert pauses == []
