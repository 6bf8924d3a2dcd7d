"""The files of LASER: found beside a checkpoint or downloaded by name, checked, and read without running their code."""

import argparse
import hashlib
import importlib.util
import json
import logging
import sys
import types
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from schemas.errors import SettingsError
from transforms.common.models import local_model
from transforms.embed.backends._laser_names import PATH, concrete, laser3_files
from transforms.embed.settings import LASER_FILES

_CACHE = Path("~/.cache/isogloss/laser")
_RECORD = ".sha256.json"
_FAIRSEQ = {
    "fairseq": (),
    "fairseq.data": (),
    "fairseq.data.dictionary": ("Dictionary",),
    "fairseq.models": (),
    "fairseq.models.transformer": ("Embedding", "TransformerEncoder"),
    "fairseq.modules": ("LayerNorm",),
}


@dataclass(frozen=True)
class LaserFiles:
    """The files of one encoder.

    Attributes:
        checkpoint: weights (.pt).
        pieces: SentencePiece model (.spm).
        vocabulary: numbers of the pieces (.cvocab); None where there is none. LASER2 has them in the checkpoint.
    """

    checkpoint: Path
    pieces: Path
    vocabulary: Path | None

    def digest(self) -> str:
        """Give the SHA-256 of the files' contents: 64 hexadecimal digits."""
        whole = hashlib.sha256()
        for path in (self.checkpoint, self.pieces, self.vocabulary):
            whole.update(bytes.fromhex(file_digest(path)) if path else b"-")
        return whole.hexdigest()


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Provide the names that laser_encoders imports from fairseq while it is imported, then take them away.

    Only its own transformer class would use them, which is not used here: making one of them says so.
    """

    def refuse(*_: Any, **__: Any) -> None:
        raise ImportError("this needs fairseq; isogloss runs LASER models by transforms/embed/backends/_laser_model.py")

    before = {name: module for name, module in sys.modules.items() if name == "fairseq" or name.startswith("fairseq.")}
    for name in before:
        del sys.modules[name]
    for name, classes in _FAIRSEQ.items():
        module = types.ModuleType(name)
        for each in classes:
            setattr(module, each, type(each, (torch.nn.Module,), {"__init__": refuse}))
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name == "fairseq" or name.startswith("fairseq.")]:
            del sys.modules[name]
        sys.modules.update(before)


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo what importing laser_encoders does to everybody's log: it sends all of INFO to standard output."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            root.removeHandler(handler)
        root.setLevel(level)


def import_laser_encoders() -> types.ModuleType:
    """Import laser_encoders: with the user's fairseq where it is installed and works, else without any."""
    if "laser_encoders" in sys.modules:
        return sys.modules["laser_encoders"]
    with _root_logger_kept():
        if importlib.util.find_spec("fairseq") is not None:
            try:
                return importlib.import_module("laser_encoders")
            except Exception:  # noqa: BLE001  # fairseq 0.12.2 fails in several ways, from Python 3.11 on by ValueError
                for name in [name for name in sys.modules if name.split(".")[0] == "laser_encoders"]:
                    del sys.modules[name]
        with _stand_ins():
            return importlib.import_module("laser_encoders")


def find_files(model: str, cache: str = "", base_url: str | None = None) -> LaserFiles:
    """Give the files of a model, by path or by name.

    Args:
        model: path or address of a `.pt` file with its `.spm` (and, for a transformer, `.cvocab`) beside it, under its own
            name or as `laser2.spm`, `laser2.cvocab`; or a name: see `concrete`.
        cache: folder of downloaded files; empty: `~/.cache/isogloss/laser`.
        base_url: where they are downloaded from, when not from laser-encoders' own address.

    Raises:
        SettingsError: no such file or name, or it cannot be downloaded.
    """
    model = concrete(model)
    if model == "laser2":
        names = ("laser2.pt", "laser2.spm", "laser2.cvocab")
    elif model.startswith("laser3:"):
        names = laser3_files(model.removeprefix("laser3:"))
    else:
        return _beside(Path(local_model(model, beside=LASER_FILES, setting=PATH)).expanduser())
    folder = Path(cache).expanduser() if cache else _CACHE.expanduser()
    checkpoint, pieces, vocabulary = (download(name, folder, base_url) for name in names)
    return LaserFiles(checkpoint, pieces, vocabulary)


def _beside(checkpoint: Path) -> LaserFiles:
    if checkpoint.is_dir():  # a folder, or an archive's, with one model in it
        found = sorted(checkpoint.glob("*.pt"))
        checkpoint = found[0] if len(found) == 1 else checkpoint
    if not checkpoint.is_file():
        raise SettingsError(
            f"no file {str(checkpoint)!r}",
            path=PATH,
            cure="Give the path of a .pt file, or laser, laser2, laser:<language>, laser3:<language>.",
        )
    pieces = _first([checkpoint.with_suffix(".spm"), checkpoint.with_name("laser2.spm")])
    if pieces is None:
        raise SettingsError(
            f"no SentencePiece model beside {str(checkpoint)!r}",
            path=PATH,
            cure=f"Put {checkpoint.with_suffix('.spm').name} or laser2.spm into its folder.",
        )
    return LaserFiles(
        checkpoint, pieces, _first([checkpoint.with_suffix(".cvocab"), checkpoint.with_name("laser2.cvocab")])
    )


def _first(paths: list[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def download(name: str, folder: Path, base_url: str | None = None) -> Path:
    """Give a file of LASER from the cache, downloading it first where it is missing.

    laser-encoders downloads, with its progress bar. It keeps whatever the server answers, so the file is
    looked at before it gets its name, and its checksum is recorded beside it and compared from then on.

    Raises:
        SettingsError: the server cannot be reached or answers something else; the file has changed since.
    """
    path = folder / name
    record = folder / f"{name}{_RECORD}"
    if path.is_file():
        if record.is_file() and json.loads(record.read_bytes())["sha256"] != file_digest(path):
            raise SettingsError(
                f"{str(path)!r} is not the file that was downloaded: its checksum differs",
                path=PATH,
                cure="Remove it, and run again.",
            )
        return path
    import_laser_encoders()
    from laser_encoders.download_models import LaserModelDownloader

    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".download-", dir=folder) as passing:
        downloader = LaserModelDownloader(passing)
        downloader.base_url = base_url or downloader.base_url
        try:
            downloader.download(name)
        except OSError as error:  # what `requests` raises, and a full disk
            raise SettingsError(
                f"{downloader.base_url}/{name} cannot be downloaded: {error}",
                path=PATH,
                cure=f"Check the connection, or put the file into {str(folder)!r}.",
            ) from error
        got = Path(passing) / name
        if _is_web_page(got):
            raise SettingsError(
                f"{downloader.base_url}/{name} answered with a web page, not with a model",
                path=PATH,
                cure="Check the name of the model.",
            )
        told = {
            "file": name,
            "sha256": file_digest(got),
            "size_bytes": got.stat().st_size,
            "url": f"{downloader.base_url}/{name}",
        }
        written = Path(passing) / "record"
        written.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        written.replace(record)
        got.replace(path)
    return path


def _is_web_page(path: Path) -> bool:
    with path.open("rb") as file:
        beginning = file.read(512).lstrip()
    return not beginning or beginning.startswith(b"<")


def file_digest(path: Path) -> str:
    """Give the SHA-256 of a file: 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_checkpoint(path: Path) -> Mapping[str, Any]:
    """Read a checkpoint's tensors and plain values. Nothing in it is run: it is a pickle, and may be hostile.

    Raises:
        SettingsError: it is damaged, holds objects that a checkpoint has no need of, or is none.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            # Mapped: processes share the pages, and only what is used is read. Older formats cannot be mapped.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a reader of damaged files fails in as many ways as files are damaged
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SettingsError(
            f"{str(path)!r} cannot be read as a checkpoint: {told}",
            path=PATH,
            cure="It is truncated, or no LASER checkpoint; files that would run code are refused.",
        ) from error
    if not isinstance(state, Mapping):
        raise SettingsError(f"{str(path)!r} holds a {type(state).__name__}, not a LASER checkpoint", path=PATH)
    return state


def read_vocabulary(path: Path) -> dict[str, int]:
    """Read the numbers of pieces from a `.cvocab` file: a piece and its count a line, numbered from 4.

    Raises:
        SettingsError: a line of another form, or a piece that stands twice.
    """
    numbers = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    for i, line in enumerate(lines):
        if not line and i == len(lines) - 1:
            break
        piece, _, told = line.rstrip().rpartition(" ")
        if not piece or not told.isascii() or not told.isdigit():
            raise SettingsError(
                f"{str(path)!r}, line {i + 1}: expected a piece and a count, got {line[:80]!r}", path=PATH
            )
        if piece in numbers:
            raise SettingsError(f"{str(path)!r}, line {i + 1}: the piece {piece!r} stands twice", path=PATH)
        numbers[piece] = len(numbers)
    return numbers
