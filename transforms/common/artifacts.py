"""Artifacts: single files of models, by object store or URL, downloaded whole or not at all, and checked.

    gs://, s3://, ...    checked when a checksum is given
    https://             the checksum is required
    http://              the same, from this machine only

What is kept where, and which files make a model, is told by `transforms/common/models.py`.
"""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from schemas.errors import SettingsError, StoreError, TransientError
from transforms.common import files

OnProgress = Callable[[int, int | None], None]
"""Is called with the bytes fetched so far and, where it is known, how many there will be."""

CACHE_VARIABLE = "ISOGLOSS_CACHE"
SIZE_LIMIT_BYTES = 16 << 30
_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0
_PAUSES_S = (1.0, 4.0)
_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHA256 = re.compile(r"^[0-9a-fA-F]{64}$")
_AGENT = "isogloss (+https://github.com/isogloss/isogloss)"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file of a model.

    Attributes:
        location: path on an object store, or URL.
        sha256: its checksum, 64 hexadecimal digits; required for URLs.
        licence: its licence, for cards and manifests.

    Raises:
        SettingsError: a URL without checksum, a checksum that is none, a URL that is neither https nor local.

    Example:
        >>> Artifact(location="gs://bucket/model.ftz", licence="CC-BY-4.0").is_url
        False
    """

    location: str
    sha256: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be fetched safely."""
        if not self.location:
            raise SettingsError("the location of a model file is empty")
        if self.sha256 and not _SHA256.match(self.sha256):
            raise SettingsError(
                f"{self.sha256!r} is no SHA-256 checksum", cure="It has 64 hexadecimal digits; see `sha256sum FILE`."
            )
        if not self.is_url:
            return
        parts = urlsplit(self.location)
        if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
            raise SettingsError(f"{self.location} is not fetched over plain http", cure="Give its https address.")
        if not self.sha256:
            raise SettingsError(f"{self.location} needs its SHA-256 checksum", cure="Give sha256 beside the URL.")

    @property
    def is_url(self) -> bool:
        """Does it come over HTTP?"""
        return self.location.lower().startswith(("http://", "https://"))


def name_of(location: str) -> str:
    """Give the name of a file or folder, without what a file system would stumble over."""
    path = unquote(urlsplit(location).path) if location.lower().startswith(("http://", "https://")) else location
    name = re.sub(r"[^\w.@+-]", "_", path.rstrip("/").rsplit("/", 1)[-1])
    return name.lstrip(".") or "model"


def download(
    artifact: Artifact,
    target: Path,
    *,
    on_progress: OnProgress | None = None,
    limit_bytes: int = SIZE_LIMIT_BYTES,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Download a file, three times where a try fails that may pass, and check it.

    Args:
        artifact: what is wanted.
        target: where it goes; its folder is there.
        on_progress: is told how far a download is.
        limit_bytes: a larger file is refused.
        pause: waits between two tries.

    Raises:
        SettingsError: it is not there, cannot be reached, is too large, or has another checksum.
    """
    for wait_s in (*_PAUSES_S, None):
        try:
            _download_once(artifact, target, on_progress, limit_bytes)
        except TransientError as error:
            if wait_s is None:
                raise SettingsError(
                    f"{artifact.location} cannot be fetched: {error}",
                    cure="Try again later, or fetch it by other means and give its local path.",
                ) from error
            pause(wait_s)
        else:
            return


def cache_folder() -> str:
    """Give the folder of fetched files: `$ISOGLOSS_CACHE`, else `isogloss` in the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return given
    return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isogloss" / "models")


def _download_once(artifact: Artifact, kept: Path, on_progress: OnProgress | None, limit_bytes: int) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=kept.parent)
    try:
        with os.fdopen(handle, "wb") as target:
            digest = _copy(artifact, target, on_progress, limit_bytes)
            target.flush()
            os.fsync(target.fileno())
        _check(artifact, digest)
        Path(temporary).replace(kept)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _copy(artifact: Artifact, target: IO[bytes], on_progress: OnProgress | None, limit_bytes: int) -> str:
    digest = hashlib.sha256()
    done = 0
    with _opened(artifact) as (source, total):
        if total is not None and total > limit_bytes:
            raise _too_large(artifact, total, limit_bytes)
        while chunk := source.read(_CHUNK_BYTES):
            done += len(chunk)
            if done > limit_bytes:
                raise _too_large(artifact, done, limit_bytes)
            target.write(chunk)
            digest.update(chunk)
            if on_progress is not None:
                on_progress(done, total)
    if total is not None and done != total:
        raise TransientError(f"{done} of {total} bytes came")
    return digest.hexdigest()


@contextmanager
def _opened(artifact: Artifact) -> Iterator[tuple[IO[bytes], int | None]]:
    try:
        if artifact.is_url:
            request = Request(artifact.location, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"})  # noqa: S310  https, see Artifact
            with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                length = answer.headers.get("Content-Length")
                yield answer, int(length) if length and length.isdigit() else None
        else:
            with files.open_stored(artifact.location) as file:
                yield file, None
    except HTTPError as error:
        if error.code in _PASSING_STATUSES:
            raise TransientError(f"status {error.code}") from error
        raise SettingsError(
            f"{artifact.location} answers with status {error.code}", cure="Check the address."
        ) from error
    except FileNotFoundError as error:
        raise SettingsError(f"there is no model file {artifact.location!r}", cure="Check the path.") from error
    except (URLError, HTTPException, StoreError, OSError) as error:
        raise TransientError(str(error) or type(error).__name__) from error


def _check(artifact: Artifact, digest: str) -> None:
    if artifact.sha256 and digest != artifact.sha256.lower():
        raise SettingsError(
            f"{artifact.location} has the checksum {digest}, expected {artifact.sha256.lower()}",
            cure="It is another file than was meant, or it was damaged on its way. Nothing was kept.",
        )


def _too_large(artifact: Artifact, size_bytes: int, limit_bytes: int) -> SettingsError:
    return SettingsError(f"{artifact.location} has {size_bytes:,} bytes or more; the limit is {limit_bytes:,}")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
