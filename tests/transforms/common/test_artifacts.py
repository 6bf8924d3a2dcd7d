"""Files of models: downloaded whole or not at all, checked. A real server answers."""

import hashlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from transforms.common.artifacts import Artifact, cache_folder, download, name_of

MODEL = "Bondì, comme ti stæ?\n".encode() * 100_000
SHA256 = hashlib.sha256(MODEL).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        tries = self.server.requests.count(self.path)
        if self.path == "/missing.ftz":
            self.send_error(404)
        elif self.path == "/busy.ftz" or (self.path == "/shaky.ftz" and tries == 1):
            self.send_error(503)
        elif self.path == "/moved.ftz":
            self.send_response(302)
            self.send_header("Location", "/model.ftz")
            self.end_headers()
        else:
            self.send_response(200)
            if self.path != "/endless.ftz":
                self.send_header("Content-Length", str(len(MODEL)))
            self.end_headers()
            is_cut = self.path == "/cut.ftz" or (self.path == "/once-cut.ftz" and tries == 1)
            self.wfile.write(MODEL[:1000] if is_cut else MODEL)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(serving):
    return serving(Handler)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def kept_files(cache: Path):
    return [path for path in cache.rglob("*") if path.is_file()]


def fetch(artifact, *, cache, **settings):
    cache.mkdir()
    download(artifact, cache / "kept.ftz", **settings)
    return cache / "kept.ftz"


def test_a_redirect_is_followed(server, cache):
    path = fetch(Artifact(location=f"{server.url}/moved.ftz", sha256=SHA256), cache=cache)
    assert Path(path).read_bytes() == MODEL


def test_progress_is_told(server, cache):
    told = []
    artifact = Artifact(location=f"{server.url}/model.ftz", sha256=SHA256)
    fetch(artifact, cache=cache, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(MODEL), len(MODEL))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 1


@pytest.mark.parametrize("page", ["shaky", "once-cut"])
def test_a_passing_failure_is_tried_again(server, cache, page):
    waited = []
    path = fetch(Artifact(location=f"{server.url}/{page}.ftz", sha256=SHA256), cache=cache, pause=waited.append)
    assert Path(path).read_bytes() == MODEL
    assert waited == [1.0]


@pytest.mark.parametrize("page", ["busy", "cut"])
def test_a_lasting_failure_stops_and_keeps_nothing(server, cache, page):
    waited = []
    with pytest.raises(SettingsError, match=f"{page}.ftz cannot be fetched"):
        fetch(Artifact(location=f"{server.url}/{page}.ftz", sha256=SHA256), cache=cache, pause=waited.append)
    assert waited == [1.0, 4.0]
    assert kept_files(cache) == []


def test_a_missing_file_is_not_tried_again(server, cache):
    with pytest.raises(SettingsError, match="status 404"):
        fetch(Artifact(location=f"{server.url}/missing.ftz", sha256=SHA256), cache=cache, pause=pytest.fail)


def test_another_checksum_is_refused_and_nothing_kept(server, cache):
    other = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(SettingsError, match=f"has the checksum {SHA256}, expected {other}"):
        fetch(Artifact(location=f"{server.url}/model.ftz", sha256=other), cache=cache)
    assert kept_files(cache) == []


@pytest.mark.parametrize("page", ["model", "endless"])
def test_a_file_over_the_limit_is_refused(server, cache, page):
    with pytest.raises(SettingsError, match="the limit is 1,000"):
        fetch(Artifact(location=f"{server.url}/{page}.ftz", sha256=SHA256), cache=cache, limit_bytes=1000)
    assert kept_files(cache) == []


def test_a_server_that_is_not_there_is_a_setting_to_mend(server, cache):
    artifact = Artifact(location="http://127.0.0.1:1/model.ftz", sha256=SHA256)
    with pytest.raises(SettingsError, match="cannot be fetched"):
        fetch(artifact, cache=cache, pause=lambda _: None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"location": ""}, "is empty"),
        ({"location": "https://example.org/model.ftz"}, "needs its SHA-256"),
        ({"location": "http://example.org/model.ftz", "sha256": SHA256}, "plain http"),
        ({"location": "model.ftz", "sha256": "abc"}, "is no SHA-256 checksum"),
    ],
)
def test_what_cannot_be_fetched_safely_is_refused_at_once(settings, message):
    with pytest.raises(SettingsError, match=message):
        Artifact(**settings)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("https://example.org/a/l%C3%ACd.ftz?version=2", "lìd.ftz"),
        ("https://example.org/", "model"),
        ("https://example.org/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("gs://bucket/folder/.hidden", "hidden"),
        ("gs://bucket/a b:c.bin", "a_b_c.bin"),
    ],
)
def test_the_name_in_the_cache_is_a_plain_one(location, name):
    assert name_of(location) == name


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ISOGLOSS_CACHE", raising=False)
    assert cache_folder() == str(tmp_path / "isogloss" / "models")
    monkeypatch.setenv("ISOGLOSS_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == str(tmp_path / "mine")


def test_a_store_without_its_libraries_or_credentials_is_a_setting_to_mend(cache):
    with pytest.raises(SettingsError, match="knows nostore://"):
        fetch(Artifact(location="nostore://bucket/model.ftz"), cache=cache)
