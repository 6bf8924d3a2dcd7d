"""Look into a checkpoint: what it holds, and whether every file is what its manifest says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas.errors import SettingsError
from schemas.identity import content_digest
from schemas.ledger import LedgerBatch
from transforms.common import files
from transforms.common.checkpoint import MANIFEST, read_manifest
from transforms.publish.report import ledger_text

SHOWN_CHARACTERS = 100


@dataclass(frozen=True)
class Inspection:
    """What a checkpoint folder holds.

    Attributes:
        folder: where.
        table: name of its noun.
        version: of the noun's table.
        code: version of isogloss that made it.
        rows: rows in its shards.
        rejected_rows: rows in its rejects.
        shards: its shards, as the manifest lists them.
        problems: what is not as the manifest says, a line a file; empty when it is whole.
        ledger: its ledger; None when it cannot be read.
        first_rows: the first rows of its first shard.
    """

    folder: str
    table: str
    version: int
    code: str
    rows: int
    rejected_rows: int
    shards: tuple[Mapping[str, Any], ...]
    problems: tuple[str, ...]
    ledger: LedgerBatch | None
    first_rows: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def is_whole(self) -> bool:
        """Is every file there, with the bytes that were written?"""
        return not self.problems


def inspect_checkpoint(folder: str, rows: int = 3) -> Inspection:
    """Read the manifest, check every file that it lists, and read the first rows.

    Args:
        folder: of the checkpoint.
        rows: how many rows to give.

    Raises:
        SettingsError: there is no finished checkpoint.
    """
    try:
        manifest = read_manifest(folder)
    except ValueError as error:
        raise SettingsError(f"{files.join(folder, MANIFEST)} is no JSON: {error}") from error
    if manifest is None:
        raise SettingsError(
            f"{folder} has no {MANIFEST}: it is no checkpoint, or one that is not finished",
            cure="Give a folder such as OUTPUT/corpus; a run that was stopped goes on when it is started again.",
        )
    problems = [
        *_problems(folder, "", manifest["shards"]),
        *_problems(folder, "rejects", manifest["rejects"]),
        *_strangers(folder, manifest),
    ]
    ledger = None
    try:
        ledger = LedgerBatch.from_table(files.read_parquet(files.join(folder, "ledger.parquet")))
    except (OSError, pa.ArrowException, TypeError) as error:
        problems.append(f"ledger.parquet: cannot be read ({type(error).__name__})")
    return Inspection(
        folder=folder,
        table=manifest["table"],
        version=manifest["version"],
        code=manifest["code"],
        rows=manifest["rows"],
        rejected_rows=manifest["rejected_rows"],
        shards=tuple(manifest["shards"]),
        problems=tuple(problems),
        ledger=ledger,
        first_rows=tuple(_first_rows(folder, manifest["shards"], rows)),
    )


def to_text(inspection: Inspection) -> str:
    """Write an inspection for a person."""
    size = sum(shard["size_bytes"] for shard in inspection.shards)
    parts = [
        (
            f"{inspection.folder}\n"
            f"  table     {inspection.table}, version {inspection.version}, made by isogloss {inspection.code}\n"
            f"  rows      {inspection.rows:,} in {len(inspection.shards):,} files, {size:,} bytes\n"
            f"  rejected  {inspection.rejected_rows:,}\n"
            f"  files     {'all as they were written' if inspection.is_whole else f'{len(inspection.problems)} PROBLEMS'}"
        )
    ]
    if inspection.problems:
        parts.append("\n".join(f"  {problem}" for problem in inspection.problems))
    if inspection.ledger is not None and len(inspection.ledger):
        parts.append(ledger_text([inspection.ledger]))
    for number, row in enumerate(inspection.first_rows, start=1):
        width = max(map(len, row), default=0)
        shown = [f"  {name.ljust(width)}  {_shown(value)}" for name, value in row.items() if value is not None]
        parts.append("\n".join([f"row {number}", *shown]))
    return "\n\n".join(parts)


def _problems(folder: str, below: str, shards: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    for shard in shards:
        name = f"{below}/{shard['path']}" if below else shard["path"]
        path = files.join(folder, *name.split("/"))
        if not files.exists(path):
            problems.append(f"{name}: missing")
            continue
        data = files.read_bytes(path)
        if len(data) != shard["size_bytes"]:
            problems.append(f"{name}: expected {shard['size_bytes']:,} bytes, got {len(data):,}")
        elif content_digest(data) != shard["digest"]:
            problems.append(f"{name}: its bytes are not those that were written")
    return problems


def _strangers(folder: str, manifest: Mapping[str, Any]) -> list[str]:
    """List Parquet files that no manifest knows: a glob over the folder would read them."""
    known = {shard["path"] for shard in manifest["shards"]} | {
        f"rejects/{shard['path']}" for shard in manifest["rejects"]
    }
    folders = {path.rpartition("/")[0] for path in known}
    strangers = []
    for below in sorted(folders):
        pattern = files.join(folder, *(part for part in (*below.split("/"), "*.parquet") if part))
        try:
            found = [match.path.replace("\\", "/").rpartition("/")[2] for match in files.match(pattern)]
        except SettingsError:  # nothing matches: its files are missing, which is told elsewhere
            continue
        names = [f"{below}/{name}" if below else name for name in found]
        strangers += [
            f"{name}: not in the manifest" for name in names if name not in known and name != "ledger.parquet"
        ]
    return strangers


def _first_rows(folder: str, shards: Sequence[Mapping[str, Any]], rows: int) -> list[Mapping[str, Any]]:
    for shard in shards:
        if rows < 1 or not shard["path"].endswith(".parquet"):
            continue
        try:
            return files.read_parquet(files.join(folder, *shard["path"].split("/"))).slice(0, rows).to_pylist()  # type: ignore[no-any-return]
        except (OSError, pa.ArrowException):
            continue  # a broken file is among the problems
    return []


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict) and {"source", "target"} <= value[0].keys():
        text = " ".join(f"{link['source']}-{link['target']}" for link in value)
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        text = " ".join(value)
    elif isinstance(value, float):
        text = f"{value:.4g}"
    else:
        text = str(value)
    folded = " ".join(text.split())
    return folded if len(folded) <= SHOWN_CHARACTERS else folded[: SHOWN_CHARACTERS - 1] + "…"
