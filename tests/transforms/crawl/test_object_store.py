"""A crawl whose folder is no folder of this machine: a store that Beam knows by its scheme."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.filesystem import FileMetadata, FileSystem
from tests_crawl import Site, counts, crawl_once, html, settings_for

from transforms.common import files
from transforms.crawl.state import Outcome, journal_path, read_journal

SCHEME = "shelf://"


class Shelf(FileSystem):
    """Objects under names; kept in a folder that nobody else knows. An object appears when it is closed."""

    root = Path("/nonexistent")

    @classmethod
    def scheme(cls) -> str:
        return "shelf"

    def _place(self, path: str) -> Path:
        return self.root / path.removeprefix(SCHEME).replace("/", "%")

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path: str) -> None:
        pass

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for path in sorted(self.root.iterdir()):
            name = SCHEME + path.name.replace("%", "/")
            if name.startswith(dir_or_prefix):
                yield FileMetadata(name, path.stat().st_size)

    def create(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        return self._place(path).open("wb")

    def open(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        return self._place(path).open("rb")

    def exists(self, path: str) -> bool:
        return self._place(path).exists()

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            self._place(path).unlink()

    def copy(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        raise NotImplementedError

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        raise NotImplementedError

    def size(self, path: str) -> int:
        return self._place(path).stat().st_size

    def last_updated(self, path: str) -> float:
        return self._place(path).stat().st_mtime

    def checksum(self, path: str) -> str:
        return str(self.size(path))

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, self.size(path))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "objects").mkdir()
    (tmp_path / "working").mkdir()
    monkeypatch.setattr(Shelf, "root", tmp_path / "objects")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "working"))
    return f"{SCHEME}corpus/{tmp_path.name}/pages"


def test_a_crawl_onto_a_store_goes_on_on_another_machine(site: Site, shelf: str, tmp_path: Path) -> None:
    site.page("/", html("Zena", *(f"/{n}" for n in range(20))))
    for n in range(20):
        site.page(f"/{n}", html(f"La lenghe furlane {n}"))
    settings = settings_for(site, shard_bytes=1500)
    whole = crawl_once(settings, shelf)
    assert counts(whole) == {"in": 21, "out": 21}
    assert len(whole.shards) > 3
    for shard in whole.shards:
        assert len(files.read_bytes(shard.full_path)) == shard.size_bytes

    # The first machine is gone in the middle: the store holds the journal up to a finished file, and all that is local is lost.
    journal = files.read_bytes(journal_path(shelf, 0)).splitlines(keepends=True)
    files.write_bytes(journal_path(shelf, 0), b"".join(journal[:12]))
    shutil.rmtree(tmp_path / "working")
    (tmp_path / "working").mkdir()
    kept = {entry.url for entry in read_journal(shelf, 0) if isinstance(entry, Outcome)}
    known = {shard.number for shard in map(_shard, journal[:12]) if shard is not None}
    asked = len(site.asked)
    again = crawl_once(settings, shelf)
    assert counts(again) == {"in": 21, "out": 21}
    assert sum(shard.rows for shard in again.shards) == 21
    refetched = {f"{site.base}{path}" for path in site.paths()[asked:]}
    on_the_store = {
        entry.url
        for entry in read_journal(shelf, 0)
        if isinstance(entry, Outcome) and entry.shard in known and entry.url in kept
    }
    assert on_the_store
    assert not on_the_store & refetched
    listed = {name.path for name in files.match(f"{shelf}/warc/*")}
    assert listed == {shard.full_path for shard in again.shards}


def _shard(line: bytes) -> Any:
    from transforms.crawl.state import ShardDone, parse_journal

    (entry,) = parse_journal(line)
    return entry if isinstance(entry, ShardDone) else None
