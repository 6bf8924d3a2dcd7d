import json
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from schemas.corpus import CORPUS, WORKING_COLUMNS, CorpusBatch
from schemas.pair import PAIR, PairBatch
from transforms.common.checkpoint import read_manifest, shard_references
from transforms.common.coders import BatchCoder
from transforms.common.shards import read_shard
from transforms.publish import PublishSettings


def _bytes(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def test_corpus_rows_are_pairs_without_working_columns(pairs):
    rows = CorpusBatch.from_pairs(pairs)
    assert rows.data.schema.names == [n for n in pairs.data.schema.names if n not in WORKING_COLUMNS]
    assert rows.data.schema.metadata[b"isogloss.table"] == b"corpus"


def test_a_corpus_batch_takes_scores_behind_its_columns_and_nothing_else(pairs):
    rows = CorpusBatch.from_pairs(pairs)
    assert CorpusBatch.fits(CORPUS)
    assert CorpusBatch.fits(rows.data.schema)
    assert not CorpusBatch.fits(PAIR)
    with pytest.raises(TypeError):
        CorpusBatch(rows.data.append_column("note", rows.column("pair_id")))


def test_a_corpus_batch_survives_its_coder(pairs):
    rows = CorpusBatch.from_pairs(pairs)
    coder = BatchCoder(CorpusBatch)
    again = coder.decode(coder.encode(rows))
    assert again == rows
    assert again.data.schema.equals(rows.data.schema, check_metadata=True)


def test_rows_lie_by_variety_pair_ordered_by_id(published):
    shards = shard_references(published)
    assert [shard.path for shard in shards] == [f"{p}-it/part-00000-of-00001.parquet" for p in ("fur", "lij", "lmo")]
    for shard in shards:
        rows = read_shard(CorpusBatch, shard)
        assert rows.texts("pair_id") == sorted(rows.texts("pair_id"))
        assert set(rows.texts("source_variety")) == {shard.path.partition("-")[0]}


def test_in_is_out_and_rejected(published):
    manifest = read_manifest(published)
    assert (manifest["rows"], manifest["rejected_rows"]) == (6, 1)
    ledger = pl.read_parquet(f"{published}/ledger.parquet")
    assert ledger.filter(outcome="in")["count"].sum() == 7
    assert ledger.filter(outcome="out")["count"].sum() == 6
    assert ledger.filter(outcome="rejected", reason="score_too_low", variety="lij>it")["count"].to_list() == [1]


def test_batches_and_their_order_do_not_change_a_byte(tmp_path, pairs, publish):
    settings = PublishSettings(minimum={"margin": 1.05})
    whole = publish(tmp_path, [pairs], settings, "a")
    cut = publish(tmp_path, list(reversed(list(pairs.pieces(2)))), settings, "b")
    assert _bytes(whole) == _bytes(cut)


def test_nothing_in_is_nothing_out(tmp_path, publish):
    folder = publish(tmp_path, [PairBatch.empty()])
    assert read_manifest(folder)["shards"] == []


def test_large_corpora_get_several_files_a_pair(tmp_path, pairs, publish):
    folder = publish(tmp_path, [pairs], PublishSettings(shards=4))
    assert sum(s.rows for s in shard_references(folder)) == 7
    assert all(s.path.endswith("-of-00004.parquet") for s in shard_references(folder))


def test_meaning_range_and_direction_are_in_the_file(published):
    file = pq.ParquetFile(shard_references(published)[0].full_path)
    margin = file.schema_arrow.field("margin").metadata
    assert margin[b"meaning"].startswith(b"Cosine of the pair against")
    assert margin[b"better"] == b"higher"
    assert b"range" in margin
    assert file.schema_arrow.field("copy").metadata[b"better"] == b"neither"
    assert all(file.schema_arrow.field(name).metadata.get(b"meaning") for name in file.schema_arrow.names)
    assert file.schema_arrow.metadata[b"isogloss.table"] == b"corpus"
    assert b"ARROW:schema" in file.metadata.metadata


def test_shards_are_zstd_with_statistics(published):
    column = pq.ParquetFile(shard_references(published)[0].full_path).metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.is_stats_set
    assert column.statistics.has_min_max


def test_polars_opens_the_corpus(published):
    rows = pl.scan_parquet(f"{published}/*-*/*.parquet").collect()
    assert rows.height == 6
    assert rows.filter(source_variety="fur", target_text="La casa è grande.")["source_text"].to_list() == [
        "La cjase e je grande."
    ]
    assert pl.scan_parquet(f"{published}/lij-it/").collect().height == 2


def test_duckdb_opens_the_corpus(published):
    found = duckdb.sql(
        f"SELECT source_variety, count(*), max(len(links)) FROM '{published}/*-*/*.parquet' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [row[:2] for row in found] == [("fur", 2), ("lij", 2), ("lmo", 2)]
    assert found[0][2] == 4


def test_pandas_opens_the_corpus(published):
    rows = pd.read_parquet(f"{published}/lmo-it")
    assert list(rows["target_variety"]) == ["it", "it"]


def test_datasets_opens_the_corpus(published, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    files = [shard.full_path for shard in shard_references(published)]
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert rows.num_rows == 6
    assert rows.column_names == pq.ParquetFile(files[0]).schema_arrow.names


def test_the_manifest_names_no_machine(published):
    text = json.dumps(read_manifest(published))
    assert str(Path(published).parent) not in text
