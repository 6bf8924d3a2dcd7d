"""What a published corpus holds, counted from its shards: rows, scores, licences, sources.

Reads the shards that the manifest lists, and of them only the columns that it counts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.common import files
from transforms.common.checkpoint import shard_references
from transforms.common.shards import ShardReference
from transforms.publish.decide import score_names

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_HOST = r"^[a-z][a-z0-9+.-]*://([^/?#]+)"


@dataclass(frozen=True)
class Distribution:
    """How a score is spread over the rows of a variety pair.

    Attributes:
        known: rows where it is not null.
        nulls: rows where it is.
        quantiles: values at `QUANTILES` (those that occur: nearest rank, the lower one); empty without values.
    """

    known: int
    nulls: int
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class PairFacts:
    """A variety pair of a corpus.

    Attributes:
        source: tag of the source variety.
        target: tag of the target variety.
        rows: its rows.
        folder: folder of its shards, below the corpus.
        scores: distribution of each score, in the order of the columns.
    """

    source: str
    target: str
    rows: int
    folder: str
    scores: Mapping[str, Distribution]


@dataclass(frozen=True)
class Provenance:
    """Where the texts of one side come from.

    Attributes:
        side: source or target.
        variety: tag.
        host: host of the URL; None for text without one.
        licence: as found; None where none was declared.
        robots: verdict of robots.txt.
    """

    side: str
    variety: str
    host: str | None
    licence: str | None
    robots: str


@dataclass(frozen=True)
class CorpusFacts:
    """What a corpus holds.

    Attributes:
        schema: columns of its rows; empty without rows.
        pairs: its variety pairs, by tags.
        provenance: rows by where their two texts come from.
    """

    schema: pa.Schema
    pairs: tuple[PairFacts, ...]
    provenance: Mapping[Provenance, int]

    @property
    def rows(self) -> int:
        """Count the rows."""
        return sum(pair.rows for pair in self.pairs)


def describe(folder: str) -> CorpusFacts:
    """Count what a finished corpus holds.

    Raises:
        FileNotFoundError: the corpus is not finished.
    """
    by_folder: dict[str, list[ShardReference]] = {}
    for shard in shard_references(folder):
        by_folder.setdefault(shard.path.rpartition("/")[0], []).append(shard)
    schema = pa.schema([])
    pairs: list[PairFacts] = []
    provenance: Counter[Provenance] = Counter()
    for name, shards in sorted(by_folder.items()):
        schema = _schema(shards[0].full_path)
        rows = _columns(shards, schema)
        for side in ("source", "target"):
            provenance.update(_provenance(rows, side))
        for (source, target), part in sorted(rows.group_by(["source_variety", "target_variety"])):
            scores = {score: distribution(part[score]) for score in score_names(schema)}
            pairs.append(PairFacts(str(source), str(target), part.height, name, scores))
    return CorpusFacts(schema, tuple(sorted(pairs, key=lambda p: (p.source, p.target))), provenance)


def distribution(values: pl.Series) -> Distribution:
    """Give the distribution of a score.

    Args:
        values: numbers or truth values; nulls are counted apart.
    """
    known = np.sort(values.drop_nulls().cast(pl.Float64).to_numpy())
    places = [int(quantile * (len(known) - 1)) for quantile in QUANTILES] if len(known) else []
    return Distribution(len(known), len(values) - len(known), tuple(float(known[place]) for place in places))


def _schema(path: str) -> pa.Schema:
    if files.is_local(path):
        return pq.read_schema(path)
    return pq.read_schema(pa.BufferReader(files.read_bytes(path)))


def _columns(shards: Sequence[ShardReference], schema: pa.Schema) -> pl.DataFrame:
    sides = [f"{side}_{name}" for side in ("source", "target") for name in ("variety", "url", "licence", "robots")]
    wanted = [*sides, *score_names(schema)]
    tables = [files.read_parquet(shard.full_path, wanted) for shard in shards]
    frame = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(frame, pl.DataFrame), "a table is a frame"
    return frame


def _provenance(rows: pl.DataFrame, side: str) -> dict[Provenance, int]:
    counted = (
        rows.select(
            variety=pl.col(f"{side}_variety"),
            host=pl.col(f"{side}_url").str.extract(_HOST),
            licence=pl.col(f"{side}_licence"),
            robots=pl.col(f"{side}_robots"),
        )
        .group_by("variety", "host", "licence", "robots")
        .len()
    )
    return {Provenance(side, *row[:-1]): row[-1] for row in counted.rows()}
