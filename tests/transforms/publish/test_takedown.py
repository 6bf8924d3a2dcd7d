import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from schemas.errors import SettingsError
from schemas.ledger import LedgerBatch, imbalances
from schemas.pair import PairBatch
from schemas.sentence import SentenceBatch, sentence_id
from transforms.common import files
from transforms.common.accounting import ledger_entries
from transforms.common.checkpoint import Plan, read_manifest, write_manifest
from transforms.common.shards import write_shard
from transforms.publish import PublishSettings, Request, inspect_checkpoint, inspection_text, take_down, write_card

SETTINGS = PublishSettings(minimum={"margin": 1.05})
URL = "https://example.org/lij/1.html"  # of "Gh'é do vento"
URL_OF_REJECT = "https://example.org/lij/0.html"  # of the pair left out, and of "Bondì."


@pytest.fixture
def corpus(published, tmp_path):
    return str(shutil.copytree(published, tmp_path / "corpus"))


def _bytes(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def _rows(folder):
    return pl.read_parquet(f"{folder}/*-*/*.parquet").sort("pair_id")


def _ledger(folder):
    return LedgerBatch.from_table(files.read_parquet(f"{folder}/ledger.parquet"))


def _all_text(folder):
    return json.dumps(_rows(folder).to_dicts()) + json.dumps(pl.read_parquet(f"{folder}/rejects/*.parquet").to_dicts())


@pytest.mark.parametrize(
    "column",
    ["source_url", "target_url", "source_id", "target_id", "source_document_id", "target_document_id", "pair_id"],
)
def test_what_matches_is_gone_and_nothing_else_is(corpus, column):
    before, bytes_before = _rows(corpus), _bytes(corpus)
    value = before[column][0]
    done = take_down(corpus, Request(url=value) if column.endswith("url") else Request(identifier=value))
    assert _rows(corpus).equals(before.filter(pl.col(column) != value))
    assert done.rows == before.filter(pl.col(column) == value).height
    assert inspect_checkpoint(corpus).is_whole
    changed = {name for name, data in _bytes(corpus).items() if bytes_before.get(name) != data}
    gone = set(bytes_before) - set(_bytes(corpus))
    assert (changed | gone) - {"manifest.json", "ledger.parquet", "rejects/part-00000-of-00001.parquet"} == set(
        done.shards
    )


def test_a_rewritten_shard_is_what_publishing_without_the_rows_would_have_written(tmp_path, pairs, publish):
    full = publish(tmp_path, [pairs], PublishSettings(), "full")
    take_down(full, Request(url=URL))
    kept = pairs.filter([url != URL for url in pairs.texts("source_url")])
    without = publish(tmp_path, [kept], PublishSettings(), "without")
    shards = lambda folder: {name: data for name, data in _bytes(folder).items() if "-it/" in name}  # noqa: E731
    assert shards(full) == shards(without)


def test_the_text_stands_nowhere_in_the_corpus_afterwards(corpus):
    assert "vento" in _all_text(corpus)
    take_down(corpus, Request(url=URL))
    assert "Gh'\\u00e9" not in _all_text(corpus)
    assert all(b"vento <f" not in data for data in _bytes(corpus).values())


def test_excerpts_of_older_rejects_are_blanked(corpus):
    assert "porto de Zena" in _all_text(corpus)
    done = take_down(corpus, Request(url=URL_OF_REJECT))
    assert done.blanked == 1
    assert "porto de Zena" not in _all_text(corpus)


def test_a_removed_row_is_a_reject_without_text_and_the_ledger_adds_up(corpus):
    take_down(corpus, Request(url=URL))
    (reject,) = pl.read_parquet(f"{corpus}/rejects/*.parquet").filter(reason="taken_down").to_dicts()
    assert (reject["stage"], reject["unit"], reject["variety"], reject["excerpt"]) == (
        "takedown",
        "pair",
        "lij>it",
        None,
    )
    ledger = _ledger(corpus)
    assert imbalances(ledger) == []
    counts = {(r["variety"], r["outcome"]): r["count"] for r in ledger.rows() if r["stage"] == "takedown"}
    assert counts == {
        ("lij>it", "in"): 2, ("lij>it", "out"): 1, ("lij>it", "rejected"): 1,
        ("lmo>it", "in"): 2, ("lmo>it", "out"): 2, ("fur>it", "in"): 2, ("fur>it", "out"): 2,
    }  # fmt: skip
    manifest = read_manifest(corpus)
    assert (manifest["rows"], manifest["rejected_rows"], manifest["taken_down_rows"]) == (5, 2, 1)


def test_the_manifest_keeps_what_the_corpus_was_made_of_and_has_a_new_digest(corpus):
    before = read_manifest(corpus)
    take_down(corpus, Request(url=URL))
    after = read_manifest(corpus)
    assert after["fingerprint"] == before["fingerprint"]
    assert after["configuration"] == before["configuration"]
    assert after["digest"] != before["digest"]


def test_requests_in_any_order_end_alike(published, tmp_path):
    requests = [
        Request(url=URL),
        Request(url="https://example.org/fur/2.html"),
        Request(url="https://example.org/lij/0.html"),
    ]
    ends = []
    for name, order in (("a", requests), ("b", requests[::-1])):
        folder = str(shutil.copytree(published, tmp_path / name))
        for request in order:
            take_down(folder, request)
        ends.append(_bytes(folder))
    assert ends[0] == ends[1]


def test_a_variety_pair_without_rows_has_no_file(corpus):
    for url in (URL, URL_OF_REJECT):
        take_down(corpus, Request(url=url))
    assert not list(Path(corpus).glob("lij-it/*"))
    assert inspect_checkpoint(corpus).is_whole


def test_nothing_that_matches_is_refused_and_changes_nothing(corpus):
    before = _bytes(corpus)
    for request in (Request(url="https://example.org/none"), Request(identifier="0" * 32)):
        with pytest.raises(SettingsError, match="nothing in"):
            take_down(corpus, request)
    assert _bytes(corpus) == before


def test_a_second_identical_request_finds_nothing(corpus):
    take_down(corpus, Request(url=URL))
    with pytest.raises(SettingsError, match="nothing in"):
        take_down(corpus, Request(url=URL))


@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_take_down_that_was_killed_is_finished_by_the_next(corpus, tmp_path, written):
    """Rejects, shards and ledger are written before the manifest: put back all but the first `written` of them."""
    whole = str(shutil.copytree(corpus, tmp_path / "whole"))
    done = take_down(whole, Request(url=URL))
    new = ["rejects/part-00000-of-00001.parquet", *done.shards, "ledger.parquet"][:written]
    for name in new:
        shutil.copyfile(f"{whole}/{name}", f"{corpus}/{name}")
    take_down(corpus, Request(url=URL))
    assert _bytes(corpus) == _bytes(whole)


@pytest.mark.parametrize("arguments", [{}, {"url": "https://example.org/", "identifier": "0" * 32}])
def test_exactly_one_thing_is_asked_for(arguments):
    with pytest.raises(SettingsError, match="one of the two"):
        Request(**arguments)


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no finished checkpoint"):
        take_down(str(tmp_path), Request(url=URL))


def test_the_card_is_made_again(corpus):
    write_card(corpus, name="test", settings=SETTINGS)
    take_down(corpus, Request(url=URL))
    card = (Path(corpus) / "README.md").read_text(encoding="utf-8")
    assert "| takedown | taken_down |  | 1 (50.0 %) |  |" in card


# Inspecting


def test_an_inspection_says_what_there_is(published):
    found = inspect_checkpoint(published, rows=2)
    assert (found.table, found.rows, found.rejected_rows, len(found.shards), found.is_whole) == (
        "corpus",
        6,
        1,
        3,
        True,
    )
    assert len(found.first_rows) == 2
    text = inspection_text(found)
    assert "6 in 3 files" in text
    assert "score_too_low" in text
    assert "all as they were written" in text
    assert "0-0 1-1" in text


def test_damage_is_reported_by_file(corpus):
    flipped = Path(corpus, "fur-it", "part-00000-of-00001.parquet")
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    cut = Path(corpus, "lmo-it", "part-00000-of-00001.parquet")
    cut.write_bytes(cut.read_bytes()[:-1])
    Path(corpus, "lij-it", "part-00000-of-00001.parquet").unlink()
    Path(corpus, "rejects", "more.parquet").write_bytes(b"PAR1")
    Path(corpus, "ledger.parquet").write_bytes(b"no parquet")
    problems = inspect_checkpoint(corpus).problems
    assert [problem.partition(": ")[0] for problem in problems] == [
        "fur-it/part-00000-of-00001.parquet",
        "lij-it/part-00000-of-00001.parquet",
        "lmo-it/part-00000-of-00001.parquet",
        "rejects/more.parquet",
        "ledger.parquet",
    ]
    assert "5 PROBLEMS" in inspection_text(inspect_checkpoint(corpus))


def test_an_unfinished_checkpoint_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"no manifest\.json"):
        inspect_checkpoint(str(tmp_path))


def test_a_manifest_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(SettingsError, match="no JSON"):
        inspect_checkpoint(str(tmp_path))


def test_an_empty_corpus_is_whole(tmp_path, publish):
    found = inspect_checkpoint(publish(tmp_path, [PairBatch.empty()]))
    assert found.is_whole
    assert found.first_rows == ()


# Other checkpoints


def _sentences(folder):
    texts = [
        ("lij", "Bondì.", 0),
        ("lij", "O porto de Zena o l'é grande.", 0),
        ("it", "Buongiorno.", 1),
        (None, "1492.", 1),
    ]
    rows = SentenceBatch.from_rows(
        {
            "sentence_id": sentence_id(f"{page:032x}", i, i + 1), "document_id": f"{page:032x}", "position": i,
            "start": i, "end": i + 1, "text": text, "normalized": text, "variety": tag, "source": "test",
            "url": f"https://example.org/{page}.html", "robots": "allowed",
        }
        for i, (tag, text, page) in enumerate(texts)
    )  # fmt: skip
    shard = write_shard(folder, "part-00000-of-00001.parquet", pa.Table.from_batches([rows.data]))
    ledger = LedgerBatch.concatenate(
        [ledger_entries("identify", "sentence", outcome, rows, "variety") for outcome in ("in", "out")]
    )
    write_manifest(Plan(folder=folder, table="sentence", version=1, code="0.test"), [shard], [], ledger)


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        (Request(url="https://example.org/0.html"), ["Buongiorno.", "1492."]),
        (Request(identifier=f"{1:032x}"), ["Bondì.", "O porto de Zena o l'é grande."]),
        (Request(identifier=sentence_id(f"{0:032x}", 0, 1)), ["O porto de Zena o l'é grande.", "Buongiorno.", "1492."]),
    ],
)
def test_sentences_are_taken_down_as_pairs_are(tmp_path, request_, left):
    folder = str(tmp_path / "sentences")
    _sentences(folder)
    take_down(folder, request_)
    assert pl.read_parquet(f"{folder}/*-of-*.parquet")["text"].to_list() == left
    assert imbalances(_ledger(folder)) == []
    assert inspect_checkpoint(folder).is_whole
    rejects = pl.read_parquet(f"{folder}/rejects/*.parquet")
    assert rejects["reason"].to_list() == ["taken_down"] * (4 - len(left))
    assert rejects["unit"].unique().to_list() == ["sentence"]
