"""Find the files of the configured sources, and the format of each."""

from pathlib import Path
from typing import NamedTuple

from schemas.errors import SettingsError
from transforms.common import files
from transforms.read.settings import Format, ReadSettings, Source

SUFFIXES: dict[str, Format] = {
    ".warc": "warc",
    ".arc": "warc",
    ".wet": "warc",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".txt": "text",
    ".text": "text",
    ".lines": "lines",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".tmx": "tmx",
}
PACKED = (".gz", ".bz2")


class Input(NamedTuple):
    """A file to read.

    Attributes:
        source: name of its source.
        path: where it is.
        size_bytes: its size.
        modified: when it last changed, as its store says; seconds since 1970, 0 where the store does not say.
    """

    source: str
    path: str
    size_bytes: int
    modified: float


def list_inputs(settings: ReadSettings) -> list[Input]:
    """List the files of all sources, in the order of sources and paths.

    Raises:
        SettingsError: a source without a file, or a file whose format its name does not tell.
    """
    return [found for i, source in enumerate(settings.sources) for found in inputs_of(source, f"$.read.sources[{i}]")]


def inputs_of(source: Source, path: str = "") -> list[Input]:
    """List the files of one source, in the order of their paths.

    Args:
        source: what to look for.
        path: where the source stands in the configuration, for the error.
    """
    try:
        found = files.match(source.path)
    except SettingsError as error:
        raise SettingsError(error.message, path=f"{path}.path" if path else "", cure=error.cure) from error
    folder = Path(source.path).is_dir() if files.is_local(source.path) else _is_prefix(source.path, found[0].path)
    if folder:
        found = [file for file in found if _known(file.path, source.format)]
        if not found:
            raise SettingsError(
                f"no file in {source.path!r} has a suffix of the format {source.format!r}",
                path=f"{path}.path" if path else "",
                cure="Name the files by a glob, such as folder/*, and give the format.",
            )
    inputs = [
        Input(source.name, file.path, file.size_in_bytes, float(file.last_updated_in_seconds or 0)) for file in found
    ]
    for file in inputs:
        try:
            format_of(source, file.path)
        except SettingsError as error:
            raise SettingsError(error.message, path=f"{path}.format" if path else "", cure=error.cure) from error
    return inputs


def _is_prefix(path: str, found: str) -> bool:
    """Is a path of a store a folder: a prefix, and no glob, of what was found?"""
    return found != path and not any(sign in path for sign in "*?[")


def format_of(source: Source, path: str) -> Format:
    """Give the format of a source's file.

    Raises:
        SettingsError: the format is `auto`, and the suffix is none that is known.
    """
    if source.format != "auto":
        return source.format
    known = SUFFIXES.get(_suffix(path))
    if known is None:
        raise SettingsError(
            f"the suffix of {path!r} tells no format",
            cure=f"Give the source's format. Known suffixes: {' '.join(SUFFIXES)}, each also with {' or '.join(PACKED)}.",
        )
    return known


def _known(path: str, wanted: Format) -> bool:
    found = SUFFIXES.get(_suffix(path))
    alike = {"text", "lines"}
    return found is not None and (wanted in {"auto", found} or {wanted, found} <= alike)


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1].lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return f".{name.rpartition('.')[2]}" if "." in name else ""
