"""Take down what stands at a URL or has a content id: rewrite the shards that hold it, and account for it.

Works on any finished checkpoint of Parquet shards (documents, sentences, pairs, corpus). The rows leave their
shards; each becomes a reject `taken_down` without its text; excerpts of the same text in older rejects are
blanked; ledger, manifest and card follow. Nothing else changes, and a shard without such rows keeps its bytes.

The order of writing lets a run that was killed be repeated: rejects first, then shards, the manifest last.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import SettingsError
from schemas.identity import content_digest
from schemas.ledger import LedgerBatch, add_up, imbalances
from schemas.reject import EXCERPT_CHARACTERS, Reason, RejectBatch
from schemas.table import UNDETERMINED
from transforms.common import files
from transforms.common.accounting import reject_entries
from transforms.common.checkpoint import MANIFEST, REJECT_ORDER, read_manifest
from transforms.common.shards import ordered
from transforms.publish.write_card import CARD_FACTS, rewrite_card

STAGE = "takedown"
REJECTS = "rejects"
REJECT_FILE = "part-00000-of-00001.parquet"
URLS = ("url", "source_url", "target_url")
IDS = (
    "document_id", "sentence_id", "pair_id",
    "source_id", "target_id", "source_document_id", "target_document_id",
)  # fmt: skip
_OWN_ID = {
    "document": "document_id",
    "sentence": "sentence_id",
    "pair": "pair_id",
    "corpus": "pair_id",
    "group": "sentence_id",
}
_UNITS = {"document": "document", "sentence": "sentence", "pair": "pair", "corpus": "pair", "group": "sentence"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What someone asks to have removed.

    Attributes:
        url: everything that was found at this URL.
        identifier: everything with this content id: of a document, a sentence or a pair.
    """

    url: str | None = None
    identifier: str | None = None

    def __post_init__(self) -> None:
        """Ask for exactly one thing."""
        if bool(self.url) == bool(self.identifier):
            raise SettingsError("expected a URL or a content id, one of the two")

    @property
    def value(self) -> str:
        """What is looked for."""
        return self.url or self.identifier or ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it is looked for in."""
        return URLS if self.url else IDS


@dataclass(frozen=True)
class TakenDown:
    """What was removed.

    Attributes:
        rows: rows that left their shards.
        shards: paths of the shards that were rewritten or removed, below the folder.
        blanked: older rejects whose excerpt was blanked.
    """

    rows: int
    shards: tuple[str, ...]
    blanked: int


@dataclass(frozen=True)
class _Text:
    """Where a removed text may still stand: the excerpts of rejects from the same URL, or with the same beginning."""

    urls: frozenset[str]
    excerpts: frozenset[str]


def take_down(folder: str, request: Request) -> TakenDown:
    """Remove what is asked for from a finished checkpoint.

    Args:
        folder: the checkpoint.
        request: a URL, or a content id.

    Raises:
        SettingsError: the folder is no finished checkpoint, holds something else, or has nothing that matches.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest["table"] not in _OWN_ID:
        tables = ", ".join(_OWN_ID)
        raise SettingsError(
            f"{folder} is no finished checkpoint of {tables}",
            cure="Give OUTPUT/corpus, OUTPUT/groups, OUTPUT/pairs, OUTPUT/sentences or OUTPUT/documents.",
        )
    paths = [
        shard["path"] for shard in manifest["shards"] if files.exists(files.join(folder, *shard["path"].split("/")))
    ]
    held = {path: _matching(_read(folder, path), request) for path in paths}
    found = {path: mask for path, mask in held.items() if mask.any()}
    texts, rejected = _Found(manifest["table"], request), []
    for path, mask in found.items():
        rejected.append(texts.take(_frame(_read(folder, path)).filter(mask)))
    before = _read_rejects(folder, manifest)
    blanked = _blank(before, texts.places())
    blanks = int((_frame_of(before)["excerpt"].is_not_null() & _frame_of(blanked)["excerpt"].is_null()).sum())
    if not found and not blanks and not _is_interrupted(folder, manifest):
        raise SettingsError(f"nothing in {folder} has the {'URL' if request.url else 'content id'} {request.value!r}")
    rejects = _joined(blanked, rejected)
    if len(rejects):
        files.write_parquet(files.join(folder, REJECTS, REJECT_FILE), pa.Table.from_batches([rejects.data]))
    for path, mask in found.items():
        _rewrite(folder, path, mask)
    others = [shard["path"] for shard in manifest["rejects"] if shard["path"] != REJECT_FILE]
    files.delete([files.join(folder, REJECTS, path) for path in others])
    _finish(folder, manifest, rejects)
    return TakenDown(sum(int(mask.sum()) for mask in found.values()), tuple(sorted(found)), blanks)


class _Found:
    """Turns removed rows into rejects, and remembers where their text may still stand."""

    def __init__(self, table: str, request: Request) -> None:
        self._table = table
        self._request = request
        self._urls = {request.url} if request.url else set()
        self._excerpts: set[str] = set()

    def take(self, rows: pl.DataFrame) -> RejectBatch:
        for prefix in ("", "source_", "target_"):
            asked = [name for name in self._request.columns if name in rows.columns and name.startswith(prefix)]
            asked = [name for name in asked if prefix or not name.startswith(("source_", "target_"))]
            if f"{prefix}text" not in rows.columns or not asked:
                continue
            mine = rows.filter(pl.any_horizontal(pl.col(asked).eq_missing(self._request.value)))
            self._excerpts.update(text[:EXCERPT_CHARACTERS] for text in mine[f"{prefix}text"])
            documents = [name for name in asked if name.endswith("document_id")]
            if documents and not self._request.url:
                of_document = mine.filter(pl.any_horizontal(pl.col(documents).eq_missing(self._request.value)))
                self._urls.update(url for url in of_document[f"{prefix}url"] if url)
        if self._request.identifier and _OWN_ID[self._table] == "pair_id":
            own = rows.filter(pl.col("pair_id") == self._request.identifier)
            self._excerpts.update(
                text[:EXCERPT_CHARACTERS] for name in ("source_text", "target_text") for text in own[name]
            )
        return RejectBatch.from_columns(
            {
                "stage": [STAGE] * rows.height,
                "unit": [_UNITS[self._table]] * rows.height,
                "record_id": rows[_OWN_ID[self._table]].to_list(),
                "variety": _varieties(rows),
                "reason": [str(Reason.TAKEN_DOWN)] * rows.height,
                "detail": [f"asked for by {'URL' if self._request.url else 'content id'}"] * rows.height,
                "url": [self._request.url] * rows.height,
            }
        )

    def places(self) -> _Text:
        return _Text(frozenset(self._urls), frozenset(self._excerpts))


def _varieties(rows: pl.DataFrame) -> list[str]:
    if "source_variety" in rows.columns:
        return [f"{a}>{b}" for a, b in zip(rows["source_variety"], rows["target_variety"], strict=True)]
    name = "variety" if "variety" in rows.columns else "language_hint"
    return [tag or UNDETERMINED for tag in rows[name]]


def _matching(rows: pa.Table, request: Request) -> pl.Series:
    frame = _frame(rows)
    names = [name for name in request.columns if name in frame.columns]
    return frame.select(found=pl.any_horizontal(pl.col(names).eq_missing(request.value)))["found"]


def _read(folder: str, path: str) -> pa.Table:
    return files.read_parquet(files.join(folder, *path.split("/")))


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame), "a table is a frame"
    return frame


def _frame_of(rejects: RejectBatch) -> pl.DataFrame:
    return _frame(pa.Table.from_batches([rejects.data]))


def _read_rejects(folder: str, manifest: Mapping[str, Any]) -> RejectBatch:
    """Read the rejects that are there: those of the manifest, or of a take-down that was interrupted."""
    paths = {shard["path"] for shard in manifest["rejects"]} | {REJECT_FILE}
    there = [path for path in sorted(paths) if files.exists(files.join(folder, REJECTS, path))]
    return RejectBatch.concatenate([RejectBatch.from_table(_read(folder, f"{REJECTS}/{path}")) for path in there])


def _is_interrupted(folder: str, manifest: Mapping[str, Any]) -> bool:
    """Did an earlier take-down write its rejects and not its manifest?"""
    path = files.join(folder, REJECTS, REJECT_FILE)
    listed = {shard["path"]: shard["digest"] for shard in manifest["rejects"]}
    return files.exists(path) and content_digest(files.read_bytes(path)) != listed.get(REJECT_FILE)


def _blank(rejects: RejectBatch, places: _Text) -> RejectBatch:
    excerpts = [
        None if url in places.urls or excerpt in places.excerpts else excerpt
        for url, excerpt in zip(rejects.texts("url"), rejects.texts("excerpt"), strict=True)
    ]
    return rejects.replace(excerpt=excerpts)


def _joined(before: RejectBatch, removed: Iterable[RejectBatch]) -> RejectBatch:
    """Put the removed behind the others, once each, in the order of rejects."""
    known = {row["record_id"] for row in before.rows() if row["stage"] == STAGE}
    new = RejectBatch.concatenate(list(removed))
    new = new.filter([identifier not in known for identifier in new.texts("record_id")])
    joined: RejectBatch = ordered(RejectBatch.concatenate([before, new]), REJECT_ORDER)
    return joined


def _rewrite(folder: str, path: str, mask: pl.Series) -> None:
    full = files.join(folder, *path.split("/"))
    rows = _read(folder, path)
    left = rows.filter(pa.array(~mask)).combine_chunks().cast(_schema_as_written(full))
    if len(left):
        files.write_parquet(full, left)
    else:
        files.delete([full])


def _schema_as_written(path: str) -> pa.Schema:
    """Give the Arrow schema that the writer had: a reader names the items of lists anew, which would change bytes."""
    source = path if files.is_local(path) else pa.BufferReader(files.read_bytes(path))
    stored = pq.read_metadata(source).metadata[b"ARROW:schema"]
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored)))


def _finish(folder: str, manifest: dict[str, Any], rejects: RejectBatch) -> None:
    """Write ledger, manifest and card of what is left. All rejects stand in one file by now."""
    shards = [s for s in manifest["shards"] if files.exists(files.join(folder, *s["path"].split("/")))]
    listed = [_listed(folder, shard["path"]) for shard in shards]
    ledger = _ledger(folder, _UNITS[manifest["table"]], listed, rejects)
    wrong = imbalances(ledger)
    if wrong:
        raise AssertionError("records are not accounted for:\n" + "\n".join(wrong))
    files.write_parquet(files.join(folder, "ledger.parquet"), pa.Table.from_batches([ledger.data]))
    lines = "\n".join(f"{shard['path']} {shard['digest']}" for shard in listed)
    files.write_json(
        files.join(folder, MANIFEST),
        manifest
        | {
            "rows": sum(shard["rows"] for shard in listed),
            "shards": listed,
            "rejected_rows": len(rejects),
            "rejects": [_listed(files.join(folder, REJECTS), REJECT_FILE)] if len(rejects) else [],
            "digest": content_digest(lines.encode("utf-8")),
            "taken_down_rows": sum(stage == STAGE for stage in rejects.texts("stage")),
        },
    )
    if files.exists(files.join(folder, CARD_FACTS)):
        rewrite_card(folder)


def _listed(folder: str, path: str) -> dict[str, Any]:
    data = files.read_bytes(files.join(folder, *path.split("/")))
    rows = files.read_parquet(files.join(folder, *path.split("/")), []).num_rows
    return {"path": path, "rows": rows, "size_bytes": len(data), "digest": content_digest(data)}


def _ledger(folder: str, unit: str, listed: Iterable[Mapping[str, Any]], rejects: RejectBatch) -> LedgerBatch:
    """Enter the take-downs: what is left and what was removed make up what went in.

    Counted from the rows themselves, so a second take-down, or one that is repeated, adds nothing twice.
    """
    path = files.join(folder, "ledger.parquet")
    others = LedgerBatch.from_table(files.read_parquet(path))
    others = others.filter([stage != STAGE for stage in others.texts("stage")])
    removed = rejects.filter([stage == STAGE for stage in rejects.texts("stage")])
    if not len(removed):
        return others
    entries = [reject_entries(removed), *_counted(unit, "in", Counter(removed.texts("variety")))]
    for shard in listed:
        left = Counter(_varieties(_frame(_read(folder, shard["path"]))))
        entries += [*_counted(unit, "in", left), *_counted(unit, "out", left)]
    return add_up([others, *entries])


def _counted(unit: str, outcome: str, varieties: Mapping[str, int]) -> Iterable[LedgerBatch]:
    yield LedgerBatch.from_rows(
        {"stage": STAGE, "unit": unit, "variety": variety, "outcome": outcome, "reason": "", "count": count}
        for variety, count in varieties.items()
    )
