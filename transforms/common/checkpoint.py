"""Checkpoint: a folder of shards that counts only once its `manifest.json` stands in it.

    <folder>/part-*.parquet        shards (or partition folders of shards)
    <folder>/rejects/part-*.parquet
    <folder>/ledger.parquet
    <folder>/manifest.json         written last: readers trust it and nothing else

What goes in: shard references, rejects and ledger entries of one run. What comes out: the manifest's path.
A manifest holds no time and no machine: equal inputs and settings give equal bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa

from schemas.errors import SettingsError
from schemas.identity import content_digest
from schemas.ledger import LedgerBatch, imbalances
from schemas.reject import RejectBatch
from transforms.common import coders as coders
from transforms.common import files
from transforms.common.shards import AddUpLedger, ShardReference, WriteShards

MANIFEST = "manifest.json"
REJECT_SHARDS = 1
REJECT_ORDER = (
    *("stage", "record_id", "reason", "variety", "unit", "detail"),
    *("source", "url", "excerpt", "score", "value", "limit"),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a checkpoint will be, known before the job starts.

    Attributes:
        folder: where it lies.
        table: name of the noun's table; `version` its version.
        code: version of isogloss.
        configuration: the settings that its bytes depend on, as plain values.
        inputs: digests of what it is made of, by name.
    """

    folder: str
    table: str
    version: int
    code: str
    configuration: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Digest of all that the bytes depend on."""
        parts = [self.table, self.version, self.code, dict(self.configuration), dict(self.inputs)]
        return content_digest(msgspec.json.encode(parts, order="deterministic"))


def read_manifest(folder: str) -> dict[str, Any] | None:
    """Read a checkpoint's manifest; None when the checkpoint is not finished.

    Raises:
        SettingsError: it is damaged.
    """
    path = files.join(folder, MANIFEST)
    if not files.exists(path):
        return None
    cure = "Delete it; the same command makes the checkpoint anew."
    try:
        manifest = files.read_json(path)
    except ValueError as error:
        raise SettingsError(f"{path} is damaged: it is no JSON: {error}", cure=cure) from error
    if not isinstance(manifest, dict) or not {"fingerprint", "digest", "shards"} <= set(manifest):
        raise SettingsError(f"{path} is damaged: what every manifest has is not in it", cure=cure)
    return manifest


def is_finished(plan: Plan) -> bool:
    """Is this checkpoint there already, made of the same inputs by the same settings?"""
    manifest = read_manifest(plan.folder)
    return manifest is not None and manifest["fingerprint"] == plan.fingerprint


def shard_references(folder: str) -> list[ShardReference]:
    """List the shards of a finished checkpoint, as its manifest does."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise FileNotFoundError(f"{folder} has no {MANIFEST}: the checkpoint is not finished")
    return [
        ShardReference(folder, shard["path"], shard["rows"], shard["size_bytes"], shard["digest"])
        for shard in manifest["shards"]
    ]


def clear(folder: str) -> None:
    """Remove what an earlier, other or unfinished run left: the manifest first, then shards, ledger and artifacts."""
    files.delete([files.join(folder, MANIFEST)])
    files.delete_below(folder, (".parquet", ".arrow"))


@dataclass(eq=False, kw_only=True)
class FinishCheckpoint(beam.PTransform):  # type: ignore[misc]
    """Write rejects, ledger and, last, the manifest. Give the manifest's path.

    Applied to a dictionary of PCollections: `shards` (references), `rejects`, `ledger`; join the rejects and
    the ledgers of several stages with `beam.Flatten` first.

    Attributes:
        plan: what the checkpoint is.
    """

    plan: Plan

    def expand(self, parts: Mapping[str, Any]) -> beam.PCollection[str]:
        """Gather everything at one place, write the manifest there."""
        shards = parts["shards"]
        rejects = parts["rejects"] | "Write rejects" >> WriteShards(
            noun=RejectBatch,
            folder=files.join(self.plan.folder, "rejects"),
            shards=REJECT_SHARDS,
            by="record_id",
            order=REJECT_ORDER,
        )
        ledger = parts["ledger"] | "Add up ledger" >> AddUpLedger()
        return (
            shards.pipeline
            | "Once" >> beam.Create([None])
            | "Write manifest"
            >> beam.Map(
                _write_manifest,
                plan=self.plan,
                shards=beam.pvalue.AsIter(shards),
                rejects=beam.pvalue.AsIter(rejects.shards),
                ledger=beam.pvalue.AsIter(ledger),
            ).with_output_types(str)
        )


def _write_manifest(
    _: None,
    plan: Plan,
    shards: Iterable[ShardReference],
    rejects: Iterable[ShardReference],
    ledger: Iterable[LedgerBatch],
) -> str:
    return write_manifest(plan, list(shards), list(rejects), LedgerBatch.concatenate(list(ledger)))


def write_manifest(
    plan: Plan,
    shards: Sequence[ShardReference],
    rejects: Sequence[ShardReference],
    ledger: LedgerBatch,
    more: Mapping[str, Any] | None = None,
) -> str:
    """Write ledger and manifest of a checkpoint whose shards are all there.

    Raises:
        AssertionError: the ledger does not add up, which is a bug.
    """
    wrong = imbalances(ledger)
    if wrong:
        raise AssertionError("records are not accounted for:\n" + "\n".join(wrong))
    files.write_parquet(files.join(plan.folder, "ledger.parquet"), pa.Table.from_batches([ledger.data]))
    listed = sorted(shards, key=lambda shard: shard.path)
    refused = sorted(rejects, key=lambda shard: shard.path)
    manifest = {
        "table": plan.table,
        "version": plan.version,
        "code": plan.code,
        "configuration": dict(plan.configuration),
        "inputs": dict(plan.inputs),
        "fingerprint": plan.fingerprint,
        "rows": sum(shard.rows for shard in listed),
        "rejected_rows": sum(shard.rows for shard in refused),
        "shards": [_listed(shard) for shard in listed],
        "rejects": [_listed(shard) for shard in refused],
        "digest": content_digest("\n".join(f"{shard.path} {shard.digest}" for shard in listed).encode("utf-8")),
    } | dict(more or {})
    path = files.join(plan.folder, MANIFEST)
    files.write_json(path, manifest)
    return path


def _listed(shard: ShardReference) -> dict[str, Any]:
    return {"path": shard.path, "rows": shard.rows, "size_bytes": shard.size_bytes, "digest": shard.digest}
