"""The state of a bucket of hosts: a journal that survives `kill -9`, and the WARC files that it speaks of.

    <folder>/state/bucket-00003.jsonl            the journal, one entry a line, only ever appended to
    <folder>/state/bucket-00003.warc.gz.open     the WARC file that is being written
    <folder>/warc/bucket-00003-00000.warc.gz     finished WARC files

A record is written to the WARC file first, then its entry to the journal with the place where the record
ends. So when a run goes on, what stands in the journal is in the WARC file; what stands behind the last
place that the journal knows is half-written and cut off. Where the WARC file is shorter than the journal
says (the machine lost power, or the folder is an object store and the file was never uploaded) those
entries are dropped, and their pages fetched again.

On an object store a local working folder takes the place of `state/`; finished WARC files are uploaded, and
after each of them the journal.
"""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from schemas.errors import SettingsError
from schemas.identity import content_digest, content_id
from transforms.common import files
from transforms.common.shards import ShardReference
from transforms.crawl.archive import info_record


class Opened(msgspec.Struct, tag="opened", frozen=True):
    """First entry: whose journal it is."""

    fingerprint: str


class RoundStarted(msgspec.Struct, tag="round", frozen=True):
    """A round's work: budget of every host, and the URLs (depth, URL) that come from outside."""

    number: int
    budgets: dict[str, int]
    urls: dict[str, list[tuple[int, str]]]


class SitemapsRead(msgspec.Struct, tag="sitemaps", frozen=True):
    """What the sitemaps of a host named, as far as it is in scope."""

    authority: str
    links: list[str]
    elsewhere: list[str]


class Outcome(msgspec.Struct, tag="page", frozen=True, omit_defaults=True, kw_only=True):
    """What became of a URL that was taken up.

    Attributes:
        authority: host whose queue it was in.
        url: as taken up.
        reason, detail: of a rejection; empty when the page was stored.
        is_failure: did the host fail to answer (connection, timeout, 5xx)?
        final_url: URL of the stored page, after redirects.
        links, elsewhere: news among its links: of this host, of others.
        shard, start, end: the WARC file (its number) and the bytes in it that hold the response record.
        tail: end of what was written for this URL, a revisit record behind it included.
        record, digest, date: of that record. `etag`, `modified`: of the answer.
    """

    authority: str
    url: str
    reason: str = ""
    detail: str = ""
    is_failure: bool = False
    final_url: str = ""
    links: list[str] = []
    elsewhere: list[str] = []
    shard: int = -1
    start: int = 0
    end: int = 0
    tail: int = 0
    record: str = ""
    digest: str = ""
    date: str = ""
    etag: str = ""
    modified: str = ""

    @property
    def is_stored(self) -> bool:
        """Is the page in a WARC file?"""
        return not self.reason


class ShardDone(msgspec.Struct, tag="shard", frozen=True):
    """A finished WARC file."""

    number: int
    path: str
    rows: int
    size_bytes: int
    digest: str


Entry = Opened | RoundStarted | SitemapsRead | Outcome | ShardDone
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Entry)


def journal_path(folder: str, bucket: int) -> str:
    """Give the path of a bucket's journal."""
    return files.join(folder, "state", f"bucket-{bucket:05d}.jsonl")


def shard_path(bucket: int, number: int) -> str:
    """Give the path of a finished WARC file, below the crawl's folder."""
    return f"warc/bucket-{bucket:05d}-{number:05d}.warc.gz"


def parse_journal(data: bytes) -> list[Entry]:
    """Read the entries of a journal; a half-written last line is left out."""
    whole = data[: data.rfind(b"\n") + 1]
    return [_DECODER.decode(line) for line in whole.split(b"\n") if line]


def read_journal(folder: str, bucket: int) -> list[Entry]:
    """Read a bucket's journal; no entries when there is none."""
    path = journal_path(folder, bucket)
    return parse_journal(files.read_bytes(path)) if files.exists(path) else []


def check_folder(folder: str, fingerprint: str) -> None:
    """Check that the folder holds no other crawl.

    Raises:
        SettingsError: it does. Pages cost a site's patience, so they are never deleted for a changed setting.
    """
    path = journal_path(folder, 0)
    if files.exists(path):
        _check(parse_journal(files.read_bytes(path)), fingerprint, folder)


def _check(entries: list[Entry], fingerprint: str, folder: str) -> None:
    first = entries[0] if entries else None
    if isinstance(first, Opened) and first.fingerprint != fingerprint:
        raise SettingsError(
            f"{folder} holds a crawl by other settings",
            path="$.crawl",
            cure=(
                "Choose another corpus.output and set crawl.earlier to this folder (what has not changed is not sent again), "
                "or remove the folder."
            ),
        )


class BucketState:
    """The journal and the WARC files of one bucket, open for going on. Use it as a context manager.

    Args:
        folder: the crawl's folder, on any store.
        bucket: number of the bucket.
        fingerprint: of the settings.
        shard_bytes: size at which a WARC file is closed.
        user_agent: for the warcinfo records.

    Raises:
        SettingsError: the folder holds a crawl by other settings, or another process crawls this bucket now.

    Attributes:
        outcomes: what became of the URLs, by (host, URL).
        rounds: the rounds begun, by number. `sitemaps`: what was read of them, by host.
        shards: finished WARC files, by number.
    """

    def __init__(self, folder: str, bucket: int, *, fingerprint: str, shard_bytes: int, user_agent: str) -> None:
        self.folder = folder
        self.bucket = bucket
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        self.rounds: dict[int, RoundStarted] = {}
        self.sitemaps: dict[str, SitemapsRead] = {}
        self.shards: dict[int, ShardDone] = {}
        self._fingerprint = fingerprint
        self._shard_bytes = shard_bytes
        self._user_agent = user_agent
        self._is_local = files.is_local(folder)
        self._work = _working_folder(folder, bucket)
        self._number = 0
        self._rows = 0
        self._journal: BinaryIO | None = None
        self._warc: BinaryIO | None = None
        self._lock: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._work.mkdir(parents=True, exist_ok=True)
        self._lock = (self._work / f"bucket-{self.bucket:05d}.lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise SettingsError(
                f"another process crawls into {self.folder} now", cure="Wait for it, or end it."
            ) from error
        try:
            self._load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._warc, self._journal, self._lock):
            if file is not None:
                file.close()
        self._warc = self._journal = self._lock = None

    def start_round(self, started: RoundStarted) -> None:
        """Note that a round begins, unless the journal knows it already."""
        if self.rounds.get(started.number) != started:
            self._append(started)
            self.rounds[started.number] = started

    def note_sitemaps(self, read: SitemapsRead) -> None:
        """Note what a host's sitemaps named."""
        self._append(read)
        self.sitemaps[read.authority] = read

    def reject(self, outcome: Outcome) -> Outcome:
        """Note that a URL was rejected."""
        self._append(outcome)
        self.outcomes[outcome.authority, outcome.url] = outcome
        return outcome

    def store(self, response: bytes, revisit: bytes, outcome: Outcome) -> Outcome:
        """Write a page, then its entry.

        Args:
            response: its response record, compressed.
            revisit: a revisit record to stand behind it, or nothing.
            outcome: without the place in the WARC file.

        Returns:
            The outcome, with the place.
        """
        warc = self._open_warc(outcome.date)
        start = warc.tell()
        _write(warc, response + revisit)
        end = start + len(response)
        placed = msgspec.structs.replace(outcome, shard=self._number, start=start, end=end, tail=end + len(revisit))
        self._append(placed)
        self.outcomes[placed.authority, placed.url] = placed
        self._rows += 1
        if warc.tell() >= self._shard_bytes:
            self.finish_shard()
        return placed

    def finish_shard(self) -> None:
        """Close the WARC file that is being written, if there is one, and give it its name."""
        if self._warc is None:
            return
        os.fsync(self._warc.fileno())
        self._warc.close()
        self._warc = None
        path = shard_path(self.bucket, self._number)
        data = self._open_path.read_bytes()
        target = files.join(self.folder, *path.split("/"))
        if self._is_local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            self._open_path.replace(target)
        else:
            files.write_bytes(target, data)
            self._open_path.unlink()
        done = ShardDone(self._number, path, self._rows, len(data), content_digest(data))
        self._append(done)
        self.shards[done.number] = done
        self._number += 1
        self._rows = 0
        self.save()

    def save(self) -> None:
        """Bring the journal to where a later run finds it: to disk, or to the object store."""
        assert self._journal is not None, "the state is used outside of its `with`"
        os.fsync(self._journal.fileno())
        if not self._is_local:
            files.write_bytes(journal_path(self.folder, self.bucket), self._journal_path.read_bytes())

    @property
    def _journal_path(self) -> Path:
        return self._work / f"bucket-{self.bucket:05d}.jsonl"

    @property
    def _open_path(self) -> Path:
        return self._work / f"bucket-{self.bucket:05d}.warc.gz.open"

    def _load(self) -> None:
        if self._is_local:
            data = self._journal_path.read_bytes() if self._journal_path.exists() else b""
        else:
            # What another machine uploaded is newer than anything that lies here.
            self._open_path.unlink(missing_ok=True)
            path = journal_path(self.folder, self.bucket)
            data = files.read_bytes(path) if files.exists(path) else b""
        entries = parse_journal(data)
        _check(entries, self._fingerprint, self.folder)
        for entry in entries:
            if isinstance(entry, ShardDone):
                self.shards[entry.number] = entry
        self._number = max(self.shards, default=-1) + 1
        size = self._recover_open_shard()
        self._remove_unknown_shards()
        kept = [entry for entry in entries if not self._is_lost(entry, size)]
        end = 0
        for entry in kept:
            if isinstance(entry, RoundStarted):
                self.rounds[entry.number] = entry
            elif isinstance(entry, SitemapsRead):
                self.sitemaps[entry.authority] = entry
            elif isinstance(entry, Outcome):
                self.outcomes[entry.authority, entry.url] = entry
                if entry.shard == self._number:
                    self._rows += 1
                    end = max(end, entry.tail)
        if self._open_path.exists():
            with self._open_path.open("r+b") as file:
                file.truncate(end)
        lines = (
            b"".join(_ENCODER.encode(entry) + b"\n" for entry in kept)
            or _ENCODER.encode(Opened(self._fingerprint)) + b"\n"
        )
        if lines != data or not self._journal_path.exists() or not self._is_local:
            files.write_bytes(str(self._journal_path), lines)
        self._journal = self._journal_path.open("ab", buffering=0)

    def _recover_open_shard(self) -> int:
        """Give the size of the file that is being written; take a file back that got its name, but no entry."""
        if self._is_local and not self._open_path.exists():
            named = Path(files.join(self.folder, *shard_path(self.bucket, self._number).split("/")))
            if named.exists():
                named.replace(self._open_path)
        return self._open_path.stat().st_size if self._open_path.exists() else 0

    def _remove_unknown_shards(self) -> None:
        """Remove finished files that the journal does not know: a reader would take their pages twice."""
        try:
            found = files.match(files.join(self.folder, "warc", f"bucket-{self.bucket:05d}-*.warc.gz"))
        except SettingsError:
            return
        known = {done.path.rpartition("/")[2] for done in self.shards.values()}
        files.delete([file.path for file in found if file.path.rpartition("/")[2] not in known])

    def _is_lost(self, entry: Entry, open_size: int) -> bool:
        if not isinstance(entry, Outcome) or not entry.is_stored:
            return False
        return entry.shard not in self.shards and (entry.shard != self._number or entry.tail > open_size)

    def _open_warc(self, date: str) -> BinaryIO:
        if self._warc is None:
            self._warc = self._open_path.open("ab", buffering=0)
            if self._warc.tell() == 0:
                name = shard_path(self.bucket, self._number).rpartition("/")[2]
                _write(self._warc, info_record(name=name, date=date, user_agent=self._user_agent))
        return self._warc

    def _append(self, entry: Entry) -> None:
        assert self._journal is not None, "the state is used outside of its `with`"
        _write(self._journal, _ENCODER.encode(entry) + b"\n")

    def finish_left_over(self) -> None:
        """Finish a WARC file that an earlier run left open and that this one had nothing to add to."""
        if self._warc is None and self._rows:
            self._warc = self._open_path.open("ab", buffering=0)
        self.finish_shard()


def _write(file: BinaryIO, data: bytes) -> None:
    written = file.write(data)
    if written != len(data):
        raise OSError(f"wrote {written} of {len(data)} bytes to {file.name}: is the disk full?")


def _working_folder(folder: str, bucket: int) -> Path:
    if files.is_local(folder):
        return Path(folder) / "state"
    return Path(tempfile.gettempdir()) / f"isogloss-crawl-{content_id('crawl-folder', folder, bucket)}"


def shard_reference(folder: str, done: ShardDone) -> ShardReference:
    """Give the reference of a finished WARC file."""
    return ShardReference(folder, done.path, done.rows, done.size_bytes, done.digest)
