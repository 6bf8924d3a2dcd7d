"""Files on stores: the same behaviour as on disk."""

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from servers import Store, environment, gate_before

from schemas.errors import SettingsError, StoreError
from schemas.identity import content_digest
from transforms.common import files
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
