"""Models: what a setting says of a model -> its files on this machine.

    embedded, bert, laser2            a name: given back as it is
    folder/model.ftz                  a path of this machine: given back as it is
    gs://b/model.ftz, s3://...        fetched into the cache, with the files that belong beside it
    gs://b/bert                       a folder: fetched with all files below it
    https://h/model.ftz#sha256=HEX    downloaded into the cache; the checksum is required
    ...laser2.pt#sha256=HEX&spm=HEX   and that of a file beside it, by its ending, or its name where that differs
    ...bert.tar.gz#sha256=HEX         an archive (.zip, .tar, .tar.gz, .tgz): unpacked, the folder in it is the model

Checksums may be given for every kind; where there are any, a file beside the model comes along only with its own.
`pinned` adds them all, so that all workers run what the launcher has seen. The checksum of
a folder is taken over the lines that `sha256sum` prints for the files below it, in the order of their names:

    find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum

A model is fetched once a machine: whoever comes second waits for the first. It gets its place in the cache when all of
it was checked, so what stands there is good. Beam and the network are imported when there is something to fetch.
"""

import hashlib
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError
from schemas.identity import content_id

BESIDE = "beside"
"""In the metadata of a setting that names a model: which files belong beside it. See `model_setting`."""

_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_PIN = re.compile(r"^[^#]*#sha256=")
_CHECKSUM = re.compile(r"^[0-9a-fA-F]{64}$")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_DONE = "model"
"""The folder of a model within its place in the cache; it comes there by a rename."""


def model_setting(*beside: str) -> dict[str, Any]:
    """Give the metadata of a setting that names a model, so that launches find, check and pin it.

    Args:
        beside: files that belong to it, by ending (`json`) or by name (`laser2.spm`).

    Example:
        >>> msgspec.Meta(description="Path or URL of a model.", extra=model_setting("json"))  # doctest: +SKIP
    """
    return {BESIDE: beside}


def is_remote(model: str) -> bool:
    """Does a model have to be fetched?"""
    return _REMOTE.match(model) is not None and not model.startswith("file://")


def local_model(model: str, *, beside: Sequence[str] = (), setting: str = "", cache: str = "") -> str:
    """Give a path on this machine for a model that a setting names.

    Args:
        model: a name, a path, or where it is fetched from; see above.
        beside: files that belong to it, by ending (`json`) or by name (`laser2.spm`); those that are there are fetched.
        setting: path of the setting, for errors, such as `$.identify.model`.
        cache: folder of fetched models; `transforms.common.artifacts.cache_folder()` when not given.

    Returns:
        The path of the file or folder; what is neither remote nor has checksums comes back as it was given.

    Raises:
        SettingsError: it is not there, cannot be reached, has another checksum; a URL without one.

    Example:
        >>> local_model("embedded"), local_model("models/lid.ftz")
        ('embedded', 'models/lid.ftz')
    """
    if not is_remote(model) and not _PIN.match(model):
        return model
    with _at(setting):
        wanted = _parse(model)
        if not is_remote(model):
            return _checked(wanted)
        return str(_fetched(wanted, beside, _cache(cache)).path)


def pinned(model: str, *, beside: Sequence[str] = (), setting: str = "", cache: str = "") -> str:
    """Give a model's location with the checksums of all its files; fetches it where they are not known.

    Args:
        model, beside, setting, cache: as for `local_model`.

    Returns:
        What names one model for ever; what is not remote comes back as it was given.
    """
    if not is_remote(model):
        return model
    with _at(setting):
        wanted = _parse(model)
        if "sha256" in wanted.checksums:
            return model
        kept = _fetched(wanted, beside, _cache(cache))
        return f"{wanted.location}#" + "&".join(f"{name}={kept.checksums[name]}" for name in kept.order())


@dataclass(frozen=True)
class _Wanted:
    location: str
    checksums: Mapping[str, str]

    @property
    def name(self) -> str:
        from transforms.common.artifacts import name_of

        return name_of(self.location)

    @property
    def is_url(self) -> bool:
        return self.location.lower().startswith(("http://", "https://"))

    @property
    def is_archive(self) -> bool:
        return self.name.lower().endswith(_ARCHIVES)


@dataclass(frozen=True)
class _Kept:
    """A model in the cache."""

    path: Path
    checksums: Mapping[str, str] = field(default_factory=dict)

    def order(self) -> list[str]:
        return ["sha256", *sorted(self.checksums.keys() - {"sha256"})]


def _parse(model: str) -> _Wanted:
    location, _, fragment = model.partition("#")
    checksums = {}
    for part in filter(None, fragment.split("&")):
        name, _, checksum = part.partition("=")
        if not name or not _CHECKSUM.match(checksum):
            raise SettingsError(
                f"{model!r} ends in {part!r}, and expected was a checksum",
                cure="Write #sha256= and 64 hexadecimal digits (see `sha256sum FILE`), then &ENDING= and those of a file beside it.",
            )
        checksums[name] = checksum.lower()
    if checksums and "sha256" not in checksums:
        raise SettingsError(f"{model!r} has checksums, and none of the model itself", cure="Add #sha256=...")
    return _Wanted(location, checksums)


def _cache(given: str) -> Path:
    from transforms.common.artifacts import cache_folder

    return Path(given or cache_folder())


@contextmanager
def _at(setting: str) -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        if error.path or not setting:
            raise
        raise SettingsError(error.message, setting, error.cure) from error


# Files of this machine ---------------------------------------------------------------------------------


def _checked(wanted: _Wanted) -> str:
    path = Path(wanted.location.removeprefix("file://")).expanduser()
    if not path.exists():
        raise SettingsError(f"there is no model file {wanted.location!r}", cure="Check the path.")
    _compare(
        wanted.location, wanted.checksums, checksums_of(path, [name for name in wanted.checksums if name != "sha256"])
    )
    return str(path)


def _beside(location: str, name: str) -> str:
    """Where a file beside another lies: under its own name where it is one, else under the other's with this ending."""
    folder, slash, model = location.rpartition("/")
    stem = model.rpartition(".")[0] or model
    return f"{folder}{slash}{name if '.' in name else f'{stem}.{name}'}"


def checksums_of(path: Path, beside: Sequence[str] = ()) -> dict[str, str]:
    """Give the checksums of a model that is on this machine, as `sha256`, and of the files beside it that are there."""
    if path.is_dir():
        return {"sha256": _folder_checksum(path)}
    found = {name: Path(_beside(str(path), name)) for name in beside}
    return {"sha256": _sha256(path)} | {name: _sha256(file) for name, file in found.items() if file.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_checksum(folder: Path) -> str:
    names = sorted(path.relative_to(folder).as_posix().encode() for path in folder.rglob("*") if path.is_file())
    lines = b"".join(_sha256(folder / name.decode()).encode() + b"  " + name + b"\n" for name in names)
    return hashlib.sha256(lines).hexdigest()


def _compare(location: str, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name, checksum in expected.items():
        if found.get(name) != checksum:
            what = location if name == "sha256" else _beside(location, name)
            has = f"has the checksum {found[name]}" if name in found else "is not there"
            raise SettingsError(
                f"{what} {has}, expected {checksum}",
                cure="It is another file than was meant, or it was damaged on its way. Nothing was kept.",
            )


# Models elsewhere --------------------------------------------------------------------------------------


def _fetched(wanted: _Wanted, beside: Sequence[str], cache: Path) -> _Kept:
    if "sha256" not in wanted.checksums:
        return _fetched_unpinned(wanted, beside, cache)
    path = _place(cache, wanted)
    if not path.is_dir():
        with _alone(_lock_of(path)):
            if not path.is_dir():
                _fetch(wanted, beside, path)
    return _Kept(_model_in(path, wanted), wanted.checksums)


def _place(cache: Path, wanted: _Wanted) -> Path:
    parts = (part for pair in sorted(wanted.checksums.items()) for part in pair)
    return cache / content_id("model", *parts, wanted.name) / _DONE


def _lock_of(place: Path) -> Path:
    return place.parent.with_suffix(".lock")


def _fetched_unpinned(wanted: _Wanted, beside: Sequence[str], cache: Path) -> _Kept:
    """Fetch what has no checksum yet: what the store tells of its files stands for their content from then on."""
    from transforms.common import files

    if wanted.is_url:
        raise SettingsError(f"{wanted.location} needs its SHA-256 checksum", cure="Write URL#sha256=HEX.")
    told = _listed(wanted, beside)
    seen = cache / content_id("seen", *(part for file in told for part in map(repr, file)))
    with _alone(seen.with_suffix(".lock")):
        if seen.with_suffix(".json").is_file():
            checksums = files.read_json(str(seen.with_suffix(".json")))
        else:
            checksums = _fetch(wanted, beside, seen / _DONE)
            place = _place(cache, _Wanted(wanted.location, checksums))
            with _alone(_lock_of(place)):
                if not place.is_dir():
                    place.parent.mkdir(exist_ok=True)
                    (seen / _DONE).rename(place)
            shutil.rmtree(seen)
            files.write_json(str(seen.with_suffix(".json")), checksums)
    return _fetched(_Wanted(wanted.location, checksums), beside, cache)


def _model_in(path: Path, wanted: _Wanted) -> Path:
    """Give the model within its place in the cache: a file, a folder, or what an archive holds."""
    inside = path / wanted.name
    if wanted.is_archive and inside.is_dir():
        names = sorted(found for found in inside.iterdir() if not found.name.startswith("."))
        return names[0] if len(names) == 1 and names[0].is_dir() else inside
    return inside


def _listed(wanted: _Wanted, beside: Sequence[str]) -> list[tuple[str, int, float]]:
    """List the files of a model on a store: name below its folder, size, time of change.

    Raises:
        SettingsError: there are none, or the store cannot be asked.
    """
    from apache_beam.io.filesystems import FileSystems

    from schemas.errors import StoreError
    from transforms.common import files

    root = wanted.location.rstrip("/")
    patterns = [root, *(_beside(root, name) for name in beside)]
    try:
        results = files.with_retries(lambda: FileSystems.match(patterns), root)
        found = [file for result in results for file in result.metadata_list]
        if not any(file.path == root for file in found):
            try:
                found = files.match(f"{root}/")
            except SettingsError as error:
                if isinstance(error.__cause__, StoreError):
                    raise error.__cause__ from error
                found = []
    except FileNotFoundError:
        found = []
    except (StoreError, ValueError) as error:
        raise SettingsError(f"{root} cannot be reached: {error}", cure="Check the path and the credentials.") from error
    if not found:
        raise SettingsError(f"there is no model file {wanted.location!r}", cure="Check the path.")
    return sorted((file.path, file.size_in_bytes, file.last_updated_in_seconds) for file in found)


def _fetch(wanted: _Wanted, beside: Sequence[str], place: Path) -> dict[str, str]:
    """Fetch a model and what belongs beside it, check them, and rename their folder to `place`; nobody else is here."""
    from transforms.common.artifacts import Artifact, download

    shutil.rmtree(place.parent, ignore_errors=True)  # what a killed process left
    place.parent.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=place.parent) as passing:
        folder = Path(passing) / _DONE
        folder.mkdir()
        root = wanted.location.rstrip("/")
        if wanted.is_url:
            names = {root: wanted.name} | {
                _beside(root, name): Path(_beside(f"./{wanted.name}", name)).name
                for name in wanted.checksums
                if name != "sha256"
            }
        else:
            paths = [path for path, *_ in _listed(wanted, sorted({*beside, *wanted.checksums} - {"sha256"}))]
            parent = root.rpartition("/")[0]
            names = {path: path.removeprefix(f"{parent}/") for path in paths}
            if root not in names:  # a folder: its name in the cache is a plain one
                names = {path: f"{wanted.name}/{path.removeprefix(f'{root}/')}" for path in paths}
        for path, name in names.items():
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise SettingsError(f"{path} would be written outside its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            is_model = path == root
            checksum = wanted.checksums.get("sha256", "") if is_model else _of_beside(wanted, root, path)
            download(Artifact(location=path, sha256=checksum), target)
        model = folder / wanted.name
        checksums = checksums_of(model, sorted({*beside, *wanted.checksums} - {"sha256"}))
        _compare(wanted.location, wanted.checksums, checksums)
        if wanted.is_archive and model.is_file():
            _unpack(model, wanted)
        folder.rename(place)
    return checksums


def _of_beside(wanted: _Wanted, root: str, path: str) -> str:
    return next((value for name, value in wanted.checksums.items() if _beside(root, name) == path), "")


def _unpack(archive: Path, wanted: _Wanted) -> None:
    """Put a folder in the place of an archive. What would lie outside it is refused, and links and devices too."""
    packed = archive.with_name(f".{archive.name}")
    archive.rename(packed)
    archive.mkdir()
    try:
        if zipfile.is_zipfile(packed):
            with zipfile.ZipFile(packed) as zipped:
                zipped.extractall(archive)  # noqa: S202  it drops roots and `..` itself
        else:
            with tarfile.open(packed) as tar:
                tar.extractall(archive, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise SettingsError(f"{wanted.location} cannot be unpacked: {error}", cure="Pack it again.") from error
    packed.unlink()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process of this machine is here. A process that dies leaves."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
