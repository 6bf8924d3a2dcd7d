"""Files on stores: the same behaviour as on disk."""

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from servers import HANG_UP, Store, environment, gate_before, nobody

from schemas.errors import SettingsError, StoreError
from schemas.identity import content_digest
from schemas.ledger import LedgerBatch
from transforms.common import checkpoint, files, stores
from transforms.common.models import local_model, pinned


def test_bytes_come_back_as_they_were_written(store: Store):
    for name, data in {"small": b"\x1f\x8b not gzip", "large.gz": bytes(range(256)) * 65_536}.items():
        path = store.within(f"bytes/{name}")
        files.write_bytes(path, data)
        assert files.read_bytes(path) == data
        with files.open_stored(path) as file:
            file.seek(len(data) // 2)
            assert file.read() == data[len(data) // 2 :]


def test_a_file_is_replaced_whole(store: Store):
    path = store.within("replaced/manifest.json")
    files.write_json(path, {"a": "è" * 1000})
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}


def test_what_is_not_there_is_no_file_at_once(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files.time, "sleep", pytest.fail)
    assert not files.exists(store.within("nowhere/x"))
    with pytest.raises(FileNotFoundError, match="nowhere/x"):
        files.read_bytes(store.within("nowhere/x"))
    with pytest.raises(SettingsError, match="no file matches"):
        files.match(store.within("nowhere/**"))
    files.delete([store.within("nowhere/x")])
    files.delete_below(store.within("nowhere"), (".parquet",))


def test_a_folder_stands_for_its_files(store: Store):
    for name in ("a.parquet", "b/c.parquet", "b/.hidden.parquet", "d.json"):
        files.write_bytes(store.within(f"listed/{name}"), name.encode())
    root = store.within("listed/")
    assert [file.path.removeprefix(root) for file in files.match(root)] == ["a.parquet", "b/c.parquet", "d.json"]
    assert files.match(root.rstrip("/")) == files.match(root)
    assert [file.path.removeprefix(root) for file in files.match(root + "*.parquet")] == ["a.parquet"]
    assert [file.size_in_bytes for file in files.match(root + "**/*.parquet")] == [9, 11]
    files.delete_below(store.within("listed"), (".parquet",))
    assert [file.path.removeprefix(root) for file in files.match(root)] == ["d.json"]


def test_a_parquet_file_is_the_same_bytes(store: Store, tmp_path):
    rows = pa.table({"text": ["Anâ a-o mâ", "o çê"] * 1000, "n": list(range(2000))})
    here = files.write_parquet(str(tmp_path / "x.parquet"), rows)
    assert files.write_parquet(store.within("rows/x.parquet"), rows) == here
    assert content_digest(files.read_bytes(store.within("rows/x.parquet"))) == here[1]
    assert files.read_parquet(store.within("rows/x.parquet"), ["n"]).column_names == ["n"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOGLOSS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept(cache: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in cache.glob("*/model/**/*") if path.is_file())


def test_a_model_is_fetched_once_with_what_lies_beside_it(store: Store, cache: Path):
    path = store.within("models/one.ftz")
    files.write_bytes(path, b"one")
    files.write_bytes(store.within("models/one.json"), b"{}")
    files.write_bytes(store.within("models/one.ftz.old"), b"older")
    with gate_before(store) as gate, environment(gate.environment):
        first = Path(local_model(path, beside=("json",)))
        assert (first.read_bytes(), first.with_suffix(".json").read_bytes()) == (b"one", b"{}")
        assert local_model(path, beside=("json",)) == str(first)
        gate.seen.clear()
        assert local_model(pinned(path, beside=("json",))) == str(first)
        assert not any(re.search(r"alt=media|^GET \S*/models/one\.\w+$", request) for request in gate.seen)
    assert kept(cache) == [b"one", b"{}"]


def test_another_model_under_the_same_name_is_another_model(store: Store, cache: Path):
    path = store.within("models/two.ftz")
    files.write_bytes(path, b"one")
    pin = pinned(path)
    first = local_model(path)
    files.write_bytes(path, b"two two")
    second = local_model(path)
    assert (Path(first).read_bytes(), Path(second).read_bytes()) == (b"one", b"two two")
    assert pinned(path) != pin
    assert local_model(pin) == first  # it is here already
    shutil.rmtree(cache)
    with pytest.raises(SettingsError, match="has the checksum"):
        local_model(pin)
    assert kept(cache) == []


def test_a_model_folder_comes_whole(store: Store, cache: Path):
    for name in ("config.json", "deep/er/vocab.txt", "weights.bin"):
        files.write_bytes(store.within(f"models/bert/{name}"), name.encode())
    files.write_bytes(store.within("models/bert-other/config.json"), b"other")
    pin = pinned(store.within("models/bert"))
    folder = Path(local_model(pin))
    assert folder.name == "bert"
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")} == {
        name: name.encode() for name in ("config.json", "deep/er/vocab.txt", "weights.bin")
    }
    assert local_model(store.within("models/bert/")) == str(folder)
    files.delete([store.within("models/bert/weights.bin")])
    shutil.rmtree(cache)
    with pytest.raises(SettingsError, match="has the checksum"):
        local_model(pin)


def test_a_model_that_is_not_there_is_a_setting_to_mend(store: Store, cache: Path):
    with pytest.raises(SettingsError, match="no model file") as caught:
        local_model(store.within("models/none.ftz"), setting="$.identify.model")
    assert caught.value.path == "$.identify.model"
    assert kept(cache) == []


def test_a_store_that_is_busy_for_a_moment_is_asked_again(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    with gate_before(store) as gate, environment(gate.environment):
        gate.close("busy/x", 503, times=2)
        files.write_bytes(store.within("busy/x"), b"all of it")
        assert files.read_bytes(store.within("busy/x")) == b"all of it"
        assert len(gate.refused) == 2


def test_a_store_that_refuses_is_named_and_not_asked_again(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files.time, "sleep", pytest.fail)
    with gate_before(store) as gate, environment(gate.environment):
        gate.close("secret", 403)
        with pytest.raises(StoreError, match=r"secret/x: .*403.*\(1 try\)"):
            files.write_bytes(store.within("secret/x"), b"")
        with pytest.raises(StoreError, match=r"secret/x: .*\(1 try\)"):
            files.exists(store.within("secret/x"))


def test_a_process_has_one_client_for_a_store(store: Store, monkeypatch: pytest.MonkeyPatch):
    from apache_beam.io.filesystems import FileSystems

    def clients() -> int:
        assert not files.exists(store.within("nothing"))
        with FileSystems.create(store.within("one-client")) as file:
            file.write(b"x")
        return len(stores._clients[store.name])

    monkeypatch.setattr(stores, "_clients", {})
    assert [clients(), clients()] == [1, 1]
    with gate_before(store) as gate, environment(gate.environment):
        assert clients() == 2  # another address
        assert gate.seen
    assert clients() == 2


def test_a_connection_that_breaks_is_tried_again_by_us_and_by_nobody_for_minutes(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    monkeypatch.setattr(stores, "_GOOGLE_TRIES_S", 0.1)
    files.write_bytes(store.within("broken/x"), b"all of it")
    with gate_before(store) as gate, environment(gate.environment):
        gate.close("broken/x", HANG_UP)
        with pytest.raises(StoreError, match=r"broken/x: .*\(5 tries\)") as caught:
            files.read_bytes(store.within("broken/x"))
    assert caught.value.status is None
    assert [pause for pause in pauses if pause in (0.5, 1, 2, 4)] == [0.5, 1, 2, 4]
    assert max(pauses) <= 4


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a_store_that_is_not_there_is_named_by_a_launch(store: Store, monkeypatch: pytest.MonkeyPatch, how: str):
    monkeypatch.setattr(stores, "ANSWER_S", 0.2)
    monkeypatch.setattr(stores, "_GOOGLE_TRIES_S", 0.1)
    path = store.within("in/**/*.jsonl")
    files.check_reachable([path, store.within("out"), "/here/on/this/machine"])
    with nobody(how) as port:
        gone = {name: value.replace(f":{store.port}", f":{port}") for name, value in store.environment.items()}
        with environment(gone), pytest.raises(SettingsError, match="cannot be reached") as caught:
            files.check_reachable([path])
    assert path in caught.value.message


def test_a_store_that_refuses_a_launch_is_there(store: Store):
    with gate_before(store) as gate, environment(gate.environment):
        gate.close("", 403)
        files.check_reachable([store.within("secret/corpus")])
        assert gate.refused


def test_google_credentials_that_are_not_there_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    auth = pytest.importorskip("apache_beam.internal.gcp.auth")
    errors = pytest.importorskip("google.auth.exceptions")
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.utils import retry

    waits: list[float] = []
    monkeypatch.setattr(retry.Clock, "sleep", lambda _, seconds: waits.append(seconds))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    stores.prepare("gs://bucket/x")
    with pytest.raises(errors.DefaultCredentialsError):
        auth._Credentials._get_credentials_with_retrys(PipelineOptions([]))
    assert waits == []
    monkeypatch.setenv("SEMI_PERSISTENT_DIRECTORY", "/tmp")  # as in a worker's container, where they must be
    with pytest.raises(errors.DefaultCredentialsError):
        auth._Credentials._get_credentials_with_retrys(PipelineOptions([]))
    assert len(waits) == 4


def test_readers_take_what_the_manifest_lists_and_nothing_else(store: Store):
    folder = store.within("published")
    rows = pa.table({"text": ["Anâ a-o mâ", "o çê"]})
    shards = [checkpoint.ShardReference(folder, *_written(folder, f"part-{n}.parquet", rows)) for n in (0, 1)]
    _written(folder, "part-2.parquet", rows)  # of a run that was killed
    assert checkpoint.read_manifest(folder) is None
    with pytest.raises(FileNotFoundError, match="not finished"):
        checkpoint.shard_references(folder)
    plan = checkpoint.Plan(folder=folder, table="text", version=1, code="0")
    with gate_before(store) as gate, environment(gate.environment):
        checkpoint.write_manifest(plan, shards, [], LedgerBatch.empty())
        written = [seen for seen in gate.seen if seen.startswith(("PUT", "POST"))]
        assert "manifest.json" in written[-1]
        assert checkpoint.is_finished(plan)
        assert checkpoint.shard_references(folder) == shards
        checkpoint.clear(folder)
        with pytest.raises(SettingsError, match="no file matches"):
            files.match(f"{folder}/")


def _written(folder: str, name: str, rows: pa.Table) -> tuple[str, int, int, str]:
    size_bytes, digest = files.write_parquet(f"{folder}/{name}", rows)
    return name, len(rows), size_bytes, digest
