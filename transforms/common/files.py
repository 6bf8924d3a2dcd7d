"""Files on any store that Beam knows (local, gs://, s3://), written whole or not at all.

A store that is busy or out of reach is asked again; one that refuses, or stays away, is a `StoreError` that
names the path and the cause. A file that is not there is a FileNotFoundError on every store.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from schemas.errors import SettingsError, StoreError
from schemas.identity import content_digest
from transforms.common import stores

Value = TypeVar("Value")

_TRIES = 5
_FIRST_PAUSE_S = 0.5
_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_FOUND = 404


def join(folder: str, *names: str) -> str:
    """Join a folder of any store and names below it."""
    return FileSystems.join(folder, *names) if names else folder


def is_local(path: str) -> bool:
    """Is the path on this machine?"""
    return FileSystems.get_scheme(path) in (None, "file")


def exists(path: str) -> bool:
    """Is there a file at the path?"""
    if is_local(path):
        return _local(path).exists()
    return bool(with_retries(lambda: FileSystems.exists(path), path))


def read_bytes(path: str) -> bytes:
    """Read a whole file, as stored: nothing is decompressed.

    Raises:
        FileNotFoundError: there is none.
        StoreError: its store does not give it.
    """
    if is_local(path):
        return _local(path).read_bytes()

    def read() -> bytes:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            return file.read()  # type: ignore[no-any-return]

    return with_retries(read, path)


@contextmanager
def open_stored(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading, as stored: nothing is decompressed."""
    if is_local(path):
        with _local(path).open("rb") as file:
            yield file
        return
    with with_retries(lambda: FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED), path) as file:
        yield file


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file: a reader sees all of it or nothing.

    Locally it is written under a temporary name beside it, flushed to disk and renamed. Object stores show
    an object only when its upload is complete; its size is compared then, because an upload that broke in
    the middle may be completed with what had arrived. Beam cannot write an empty object to S3: a StoreError.

    Raises:
        OSError: the disk is full, or the folder cannot be written; it names the path.
        StoreError: the store does not take it.
    """
    if is_local(path):
        _write_local(_local(path), data)
        return

    def write() -> None:
        file = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
        file.write(data)
        file.close()
        size_bytes = FileSystems.match([path])[0].metadata_list[0].size_in_bytes
        if size_bytes != len(data):
            raise ConnectionError(f"{size_bytes:,} of {len(data):,} bytes arrived")

    with_retries(write, path)


def _write_local(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        if error.filename:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error  # a full disk does not say which
    finally:
        temporary.unlink(missing_ok=True)


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


def read_parquet(path: str, columns: list[str] | None = None, *, digest: str = "") -> pa.Table:
    """Read a Parquet file; its schema metadata are kept.

    Args:
        path: of the file.
        columns: those that are wanted; all when not given.
        digest: of its bytes, where it is known.

    Raises:
        StoreError: the file has another digest: it was changed, or cut short.
    """
    source = pa.memory_map(str(_local(path))) if is_local(path) else pa.BufferReader(read_bytes(path))
    if digest:
        found = content_digest(source.read_buffer())
        if found != digest:
            raise StoreError(path, f"its digest is {found}, and {digest} was written: it was changed, or cut short")
        source.seek(0)
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
    except StoreError as error:
        raise SettingsError(
            f"{pattern!r} cannot be listed: {error}", cure="Check the path and the credentials."
        ) from error
    if not found:
        raise SettingsError(f"no file matches {pattern!r}", cure="Check the path; globs are *, ? and **.")
    return found


def matching(pattern: str) -> list[FileMetadata]:
    """List the files that a path or glob names, as `match` does; none is an ordinary answer.

    Raises:
        StoreError: the store cannot be listed.
    """
    return _listed(pattern)


def is_file(path: str) -> bool:
    """Is there a file, and no folder, at the local path?"""
    return _local(path).is_file()


def _listed(pattern: str) -> list[FileMetadata]:
    if is_local(pattern) and _local(pattern).is_file():  # its name may hold what looks like a glob
        status = _local(pattern).stat()
        return [FileMetadata(pattern, status.st_size, status.st_mtime)]
    if pattern.endswith("/") or (is_local(pattern) and _local(pattern).is_dir()):
        pattern = join(pattern, "**")
    is_bare = is_local(pattern) and "/" not in pattern  # Beam finds nothing by a glob without a folder
    if is_bare:
        pattern = f"./{pattern}"
    patterns = [pattern, pattern.replace("/**/", "/")] if "/**/" in pattern else [pattern]
    try:
        results = with_retries(lambda: FileSystems.match(patterns), pattern)
    except FileNotFoundError:  # no such folder, on stores that say so
        results = []
    found = (file for result in results for file in result.metadata_list)
    by_path = {file.path.removeprefix("./") if is_bare else file.path: file for file in found}
    if not by_path and not is_local(pattern) and not re.search(r"[*?\[]", pattern):  # a folder, whose names begin so
        return _listed(pattern + "/")
    head = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    written_out = "" if is_bare else head[: head.rfind("/") + 1]
    hidden = re.compile(r"(^|/)\.(?!\.?/)")
    return [
        FileMetadata(path, file.size_in_bytes, file.last_updated_in_seconds)
        for path, file in sorted(by_path.items())
        if not hidden.search(path.removeprefix(written_out)) and not (is_local(path) and _local(path).is_dir())
    ]


def delete(paths: Iterable[str]) -> None:
    """Delete files that exist."""
    remote = []
    for path in paths:
        if is_local(path):
            _local(path).unlink(missing_ok=True)
        else:
            remote.append(path)
    if remote:
        try:
            with_retries(lambda: FileSystems.delete(remote), remote[0])
        except FileNotFoundError:  # an earlier try, or somebody else, has deleted it
            return


def delete_below(folder: str, suffixes: Sequence[str]) -> None:
    """Delete the files below a folder whose names end so, and temporaries that a killed process left."""
    if is_local(folder) and not _local(folder).is_dir():
        return
    delete(file.path for file in _listed(join(folder, "**")) if file.path.endswith(tuple(suffixes)))
    if is_local(folder):
        for path in _local(folder).rglob(".*.tmp"):
            path.unlink(missing_ok=True)


def _local(path: str) -> Path:
    return Path(path.removeprefix("file://"))


def check_reachable(paths: Iterable[str]) -> None:
    """Ask the store of every path once whether it is there: a job that waits for it in vain should not begin.

    What it answers does not matter, a refusal neither. Cost: a request a store; half a minute for one that is not there,
    a minute for one that takes a connection and then says nothing.

    Raises:
        SettingsError: no answer came, or nothing that is installed knows such stores.
    """
    firsts = {"/".join(path.split("/")[:3]): path for path in paths if not is_local(path)}
    for path in firsts.values():
        head = re.split(r"[*?\[#]", path, maxsplit=1)[0]
        asked = join(head.rstrip("/"), ".isogloss") if head.count("/") < 4 or head.endswith("/") else head
        try:
            with_retries(partial(FileSystems.exists, asked), path, tries=1)
        except FileNotFoundError:
            continue
        except StoreError as error:
            if error.status is None:
                raise SettingsError(
                    f"the store of {path!r} cannot be reached: {error.cause}",
                    cure="Check the path, the connection, the proxy, and the store's address and credentials.",
                ) from error


def with_retries(action: Callable[[], Value], path: str = "the store", *, tries: int = _TRIES) -> Value:
    """Run an action on a store again after a failure that may pass: 5 tries, pauses of 0.5, 1, 2, 4 seconds.

    Args:
        action: what is done; doing it twice must not matter.
        path: of what, for the error.
        tries: how often, at most.

    Raises:
        FileNotFoundError: the store says that it is not there.
        SettingsError: nothing that is installed knows such stores.
        StoreError: the store refuses, or every try has failed; with the path and the cause.
    """
    if FileSystems._pipeline_options is None:  # noqa: SLF001  no pipeline was made yet, and S3 asks for options
        FileSystems.set_options(PipelineOptions([]))
    stores.prepare(path)
    for attempt in range(tries):
        try:
            return action()
        except Exception as error:
            causes = list(_causes(error))
            if any(_status(cause) == _NOT_FOUND or isinstance(cause, FileNotFoundError) for cause in causes):
                raise FileNotFoundError(f"{path} is not there") from error
            if isinstance(error, ValueError) and str(error).startswith("Unable to get filesystem"):
                raise _unknown_store(path) from error
            if not any(_is_of_a_store(cause) for cause in causes):
                raise  # not a matter of the store: a bug, or a path that is none
            if attempt == tries - 1 or not any(_is_passing(cause) for cause in causes):
                status = next((found for cause in causes if (found := _status(cause)) is not None), None)
                raise StoreError(path, _told(causes), attempt + 1, status) from error
            time.sleep(_FIRST_PAUSE_S * 2**attempt)
    raise AssertionError("unreachable")


def _unknown_store(path: str) -> SettingsError:
    scheme = path.partition("://")[0]
    extra = {"gs": "gcp", "s3": "aws"}.get(scheme)
    cure = f"pip install 'isogloss[{extra}]', or `make install-cloud` in a checkout." if extra else "Check the path."
    return SettingsError(f"{path!r}: nothing that is installed knows {scheme}:// paths", cure=cure)


def _causes(error: BaseException) -> Iterator[Any]:
    """Give an error, what it says of single paths (errors, or bare statuses), and theirs."""
    yield error
    if isinstance(error, BeamIOError):
        for inner in (error.exception_details or {}).values():
            if isinstance(inner, BaseException):
                yield from _causes(inner)
            else:
                yield inner
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)


def _status(cause: Any) -> int | None:
    """Give the HTTP status that a store's library tells: Google's and Beam's S3 errors have a `code`."""
    code = cause if isinstance(cause, int) else getattr(cause, "code", None)
    return int(code) if isinstance(code, int) else None


_LIBRARIES = frozenset({"google", "botocore", "requests", "urllib3"})


def _is_of_a_store(cause: Any) -> bool:
    is_told_by_one = isinstance(cause, BeamIOError | ConnectionError | TimeoutError | int)
    return is_told_by_one or _library(cause) in _LIBRARIES or _is_s3(cause)


def _is_passing(cause: Any) -> bool:
    status = _status(cause)
    if status is not None:
        return status in _PASSING_STATUSES
    if _is_s3(cause):  # no answer came
        return "credentials" not in str(cause).lower()
    if isinstance(cause, BeamIOError):  # where it says nothing more
        return not cause.exception_details
    return isinstance(cause, ConnectionError | TimeoutError) or _library(cause) in {"requests", "urllib3"}


def _library(cause: Any) -> str:
    return type(cause).__module__.partition(".")[0]


def _is_s3(cause: Any) -> bool:
    return type(cause).__name__ == "S3ClientError"  # its module needs boto3 to be there


def _told(causes: Sequence[Any]) -> str:
    """Give the text of the innermost cause."""
    last = causes[-1]
    if isinstance(last, int):
        return f"status {last}"
    return f"{type(last).__name__}: {last.message if _is_s3(last) else last}".strip().rstrip(":")
