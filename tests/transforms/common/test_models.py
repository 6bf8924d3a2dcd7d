"""Models: from what a setting says to files on this machine, fetched once, checked. A real server answers."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from transforms.common.models import is_remote, local_model, pinned

MODEL = b"Bond\xc3\xac, comme ti st\xc3\xa6?\n" * 1000
CARD = b'{"recipe": "letters-1"}\n'


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(kind: str, names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as zipped:
            for name, data in names.items():
                zipped.writestr(name, data)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, data in names.items():
                about = tarfile.TarInfo(name)
                about.size = len(data)
                tar.addfile(about, io.BytesIO(data))
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Serves the server's `pages`."""

    def do_GET(self):
        self.server.requests.append(self.path)
        data = self.server.pages.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(serving):
    made = serving(Handler)
    made.pages = {"/a/lid.ftz": MODEL, "/a/lid.json": CARD}
    return made


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ISOGLOSS_CACHE", str(folder))
    return folder


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


@pytest.mark.parametrize("name", ["embedded", "bert", "laser3:lij_Latn", "org/name", "a/b.ftz", "a#b.ftz", ""])
def test_names_and_paths_come_back_as_they_are(name):
    assert local_model(name) == name
    assert pinned(name) == name
    assert not is_remote(name)


def test_a_name_costs_no_beam():
    code = "import sys; from transforms.common.models import local_model; local_model('bert'); print('apache_beam' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "False"


def test_a_url_is_fetched_once_with_the_files_beside_it(server, cache):
    address = f"{server.url}/a/lid.ftz#sha256={sha256(MODEL)}&json={sha256(CARD)}"
    path = Path(local_model(address, beside=("json",)))
    assert (path.name, path.read_bytes(), path.with_suffix(".json").read_bytes()) == ("lid.ftz", MODEL, CARD)
    assert local_model(address, beside=("json",)) == str(path)
    assert sorted(server.requests) == ["/a/lid.ftz", "/a/lid.json"]
    assert kept(cache) == [path, path.with_suffix(".json")]
    assert pinned(address) == address


def test_of_a_url_comes_only_what_has_a_checksum(server, cache):
    path = Path(local_model(f"{server.url}/a/lid.ftz#sha256={sha256(MODEL).upper()}", beside=("json",)))
    assert kept(cache) == [path]
    assert server.requests == ["/a/lid.ftz"]


def test_many_at_once_fetch_once(server, cache):
    address = f"{server.url}/a/lid.ftz#sha256={sha256(MODEL)}"
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(local_model, [address] * 8))
    assert len(paths) == 1
    assert server.requests == ["/a/lid.ftz"]


def test_what_a_killed_process_left_is_cleared_away(server, cache):
    address = f"{server.url}/a/lid.ftz#sha256={sha256(MODEL)}"
    path = Path(local_model(address))
    place = path.parent
    place.rename(place.with_name(".fetching-x"))
    assert local_model(address) == str(path)
    assert kept(cache) == [path]
    assert server.requests == ["/a/lid.ftz"] * 2


@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        ("", "needs its SHA-256"),
        ("#sha256=abc", "expected was a checksum"),
        (f"#json={sha256(CARD)}", "none of the model itself"),
        (f"#sha256={sha256(CARD)}", f"has the checksum {sha256(MODEL)}"),
        (f"#sha256={sha256(MODEL)}&json={sha256(MODEL)}", r"lid.json has the checksum"),
        (f"#sha256={sha256(MODEL)}&none={sha256(MODEL)}", "status 404"),
    ],
)
def test_what_cannot_be_trusted_is_refused_with_the_setting_and_nothing_kept(server, cache, fragment, message):
    with pytest.raises(SettingsError, match=message) as caught:
        local_model(f"{server.url}/a/lid.ftz{fragment}", setting="$.identify.model")
    assert caught.value.path == "$.identify.model"
    assert kept(cache) == []


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_is_the_folder_in_it(server, cache, kind):
    files = {"bert/config.json": b"{}", "bert/sub/model.bin": MODEL}
    data = server.pages[f"/bert.{kind}"] = packed(kind, files)
    folder = Path(local_model(f"{server.url}/bert.{kind}#sha256={sha256(data)}"))
    assert {f"bert/{path.relative_to(folder)}": path.read_bytes() for path in kept(folder)} == files
    loose = server.pages[f"/loose.{kind}"] = packed(kind, {"config.json": b"{}", "vocab.txt": b"a"})
    folder = Path(local_model(f"{server.url}/loose.{kind}#sha256={sha256(loose)}"))
    assert {path.name for path in kept(folder)} == {"config.json", "vocab.txt"}


def test_an_archive_writes_nothing_outside_its_folder(server, cache):
    data = server.pages["/bad.tar.gz"] = packed("tar.gz", {"../../../../evil": b"x"})
    with pytest.raises(SettingsError, match="cannot be unpacked"):
        local_model(f"{server.url}/bad.tar.gz#sha256={sha256(data)}")
    assert kept(cache.parent) == []


def test_an_archive_that_is_none_is_refused(server, cache):
    data = server.pages["/bad.zip"] = b"no zip"
    with pytest.raises(SettingsError, match="cannot be unpacked"):
        local_model(f"{server.url}/bad.zip#sha256={sha256(data)}")


def test_a_store_that_nothing_here_knows_is_refused(cache):
    with pytest.raises(SettingsError, match=r"nothing that is installed knows nostore://"):
        local_model("nostore://bucket/model.ftz")


def test_a_local_file_is_compared_with_its_checksum(tmp_path):
    path = tmp_path / "lid.ftz"
    path.write_bytes(MODEL)
    assert local_model(f"{path}#sha256={sha256(MODEL)}") == str(path)
    path.write_bytes(MODEL[:-1])
    with pytest.raises(SettingsError, match="expected"):
        local_model(f"{path}#sha256={sha256(MODEL)}")
    with pytest.raises(SettingsError, match="there is no model file"):
        local_model(f"{path}.none#sha256={sha256(MODEL)}")


def test_the_checksum_of_a_folder_is_what_sha256sum_tells(tmp_path):
    for name, data in {"b.txt": b"b", "a/c.txt": b"c", "a.txt": b"a", "è.txt": b"e"}.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    command = "find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    told = subprocess.run(["bash", "-c", command], cwd=tmp_path / "model", capture_output=True, text=True, check=True)
    checksum = told.stdout.split()[0]
    assert local_model(f"{tmp_path}/model#sha256={checksum}") == f"{tmp_path}/model"
