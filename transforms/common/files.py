"""Files on any store that Beam knows (local, gs://, s3://), written whole or not at all."""

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from schemas.errors import SettingsError
from schemas.identity import content_digest

Value = TypeVar("Value")

_TRIES = 5
_FIRST_PAUSE_S = 0.5


def join(folder: str, *names: str) -> str:
    """Join a folder of any store and names below it."""
    return FileSystems.join(folder, *names) if names else folder


def is_local(path: str) -> bool:
    """Is the path on this machine?"""
    return FileSystems.get_scheme(path) in (None, "file")


def exists(path: str) -> bool:
    """Is there a file at the path?"""
    return bool(with_retries(lambda: FileSystems.exists(path)))


def read_bytes(path: str) -> bytes:
    """Read a whole file, as stored: nothing is decompressed."""
    if is_local(path):
        return _local(path).read_bytes()

    def read() -> bytes:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            return file.read()  # type: ignore[no-any-return]

    return with_retries(read)


@contextmanager
def open_stored(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading, as stored: nothing is decompressed."""
    with (
        _local(path).open("rb")
        if is_local(path)
        else FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file
    ):
        yield file


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file: a reader sees all of it or nothing.

    Locally it is written under a temporary name beside it, flushed to disk and renamed. Object stores show
    an object only when its upload is complete.
    """
    if is_local(path):
        target = _local(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return

    def write() -> None:
        with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            file.write(data)

    with_retries(write)


def read_json(path: str) -> Any:
    """Read a JSON file."""
    return json.loads(read_bytes(path))


def write_json(path: str, value: Any) -> None:
    """Write JSON, indented, keys in order, so that equal values are equal bytes."""
    write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode("utf-8"))


def parquet_bytes(rows: pa.Table) -> bytes:
    """Make the bytes of a Parquet file: zstd level 9, statistics, row groups of 65,536 rows."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows,
        sink,
        compression="zstd",
        compression_level=9,
        row_group_size=65536,
        write_statistics=True,
        store_schema=True,
    )
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def write_parquet(path: str, rows: pa.Table) -> tuple[int, str]:
    """Write a Parquet file whole; gives its size in bytes and its digest."""
    data = parquet_bytes(rows)
    write_bytes(path, data)
    return len(data), content_digest(data)


def read_parquet(path: str, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file; its schema metadata are kept."""
    source = pa.memory_map(str(_local(path))) if is_local(path) else pa.BufferReader(read_bytes(path))
    return pq.ParquetFile(source).read(columns=columns)


def match(pattern: str) -> list[FileMetadata]:
    """List the files that a path or glob names, ordered by path.

    A folder stands for all files below it, `**` for any number of folders. Hidden files and temporaries are
    left out where a glob or a folder would take them in; a name that is written out is taken as it is.

    Raises:
        SettingsError: nothing matches, or the store cannot be reached.
    """
    try:
        found = _listed(pattern)
    except BeamIOError as error:
        raise SettingsError(
            f"{pattern!r} cannot be listed: {error}", cure="Check the path and the credentials."
        ) from error
    if not found:
        raise SettingsError(f"no file matches {pattern!r}", cure="Check the path; globs are *, ? and **.")
    return found


def _listed(pattern: str) -> list[FileMetadata]:
    if is_local(pattern) and _local(pattern).is_file():  # its name may hold what looks like a glob
        status = _local(pattern).stat()
        return [FileMetadata(pattern, status.st_size, status.st_mtime)]
    if pattern.endswith("/") or (is_local(pattern) and _local(pattern).is_dir()):
        pattern = join(pattern, "**")
    patterns = [pattern, pattern.replace("/**/", "/")] if "/**/" in pattern else [pattern]
    results = with_retries(lambda: FileSystems.match(patterns))
    by_path = {file.path: file for result in results for file in result.metadata_list}
    written_out = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    hidden = re.compile(r"(^|/)\.")
    return [
        file
        for path, file in sorted(by_path.items())
        if not hidden.search(path.removeprefix(written_out)) and not (is_local(path) and _local(path).is_dir())
    ]


def delete(paths: Iterable[str]) -> None:
    """Delete files that exist."""
    there = [path for path in paths if exists(path)]
    if there:
        FileSystems.delete(there)


def delete_below(folder: str, suffixes: Sequence[str]) -> None:
    """Delete the files below a folder whose names end so, and temporaries that a killed process left."""
    try:
        found = [file.path for file in _listed(join(folder, "**"))]
    except BeamIOError:  # no such folder, on stores that say so
        found = []
    delete(path for path in found if path.endswith(tuple(suffixes)))
    if is_local(folder):
        for path in _local(folder).rglob(".*.tmp"):
            path.unlink(missing_ok=True)


def _local(path: str) -> Path:
    return Path(path.removeprefix("file://"))


def with_retries(action: Callable[[], Value]) -> Value:
    """Run a file action again after a passing failure of the store: 5 tries, pauses of 0.5, 1, 2, 4 seconds."""
    for attempt in range(_TRIES):
        try:
            return action()
        except (BeamIOError, ConnectionError, TimeoutError):
            if attempt == _TRIES - 1:
                raise
            time.sleep(_FIRST_PAUSE_S * 2**attempt)
    raise AssertionError("unreachable")
