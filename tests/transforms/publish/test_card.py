import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.ledger import LedgerBatch
from schemas.pair import PairBatch
from transforms.publish import PublishSettings, ledger_markdown, ledger_text, make_reports, rewrite_card, write_card
from transforms.publish.card import licence_id
from transforms.publish.facts import QUANTILES, describe, distribution
from transforms.publish.report import in_order, to_cells, to_markdown, to_text

SETTINGS = PublishSettings(minimum={"margin": 1.05}, contact="archive@example.org")


def _entry(stage, unit, variety, outcome, count, *reason):
    return {
        "stage": stage,
        "unit": unit,
        "variety": variety,
        "outcome": outcome,
        "reason": "".join(reason),
        "count": count,
    }


LEDGER = LedgerBatch.from_rows(
    [
        _entry("segment", "document", "lij", "in", 10),
        _entry("segment", "document", "lij", "out", 10),
        _entry("identify", "sentence", "lij", "in", 200),
        _entry("identify", "sentence", "lij", "out", 190),
        _entry("identify", "sentence", "lij", "rejected", 10, "variety_undetermined"),
        _entry("identify", "sentence", "it", "in", 200),
        _entry("identify", "sentence", "it", "out", 200),
        _entry("identify", "sentence", "fur", "in", 5),
        _entry("identify", "sentence", "fur", "out", 5),
        _entry("identify", "sentence", "und", "in", 1),
        _entry("identify", "sentence", "und", "out", 1),
    ]
)


@pytest.fixture
def corpus(tmp_path, pairs, publish):
    return publish(tmp_path, [pairs], SETTINGS)


def _front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


def _card(folder, **changes):
    given = {"name": "test", "settings": SETTINGS, "ledgers": [LEDGER], "configuration": {"mine": {"k": 4}}} | changes
    return Path(write_card(folder, **given)).read_text(encoding="utf-8")


def test_the_front_matter_is_yaml_that_names_languages_licence_and_files(corpus):
    front = _front_matter(_card(corpus))
    assert front["language"] == ["fur", "it", "lij", "lmo"]
    assert front["license"] == ["cc-by-sa-4.0", "unknown"]
    assert front["task_categories"] == ["translation"]
    assert front["size_categories"] == ["n<1K"]
    assert [c["config_name"] for c in front["configs"]] == ["fur-it", "lij-it", "lmo-it"]
    assert all(list(Path(corpus).glob(c["data_files"])) for c in front["configs"])


def test_a_licence_of_the_whole_corpus_stands_in_the_front_matter(corpus):
    card = _card(corpus, settings=PublishSettings(licence="CC BY-SA 4.0", title='Dialetti: "no" & sì'))
    assert _front_matter(card)["license"] == "cc-by-sa-4.0"
    assert _front_matter(card)["pretty_name"] == 'Dialetti: "no" & sì'
    assert "published under: CC BY-SA 4.0" in card


def test_norwegian_is_no_truth_value_and_subtags_are_kept(tmp_path, make, publish):
    folder = publish(tmp_path, [make([("rm-sursilv", "Buna sera.", "no", "God kveld.")])], PublishSettings())
    front = _front_matter(_card(folder, settings=PublishSettings()))
    assert front["language"] == ["no", "rm"]
    assert front["language_bcp47"] == ["no", "rm-sursilv"]


def test_datasets_reads_the_configurations_of_the_card(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    _card(corpus)
    assert datasets.get_dataset_config_names(corpus) == ["fur-it", "lij-it", "lmo-it"]
    rows = datasets.load_dataset(corpus, "fur-it", split="train", cache_dir=str(tmp_path / "cache"))
    assert set(rows["source_variety"]) == {"fur"}


def test_the_card_says_what_each_column_means(corpus):
    card = _card(corpus)
    for name in pl.scan_parquet(f"{corpus}/*-*/*.parquet").collect_schema().names():
        assert re.search(rf"^\| `{name}` \| `[^|]+` \| [A-Z]", card, re.MULTILINE), name
    assert "| `copy` | `float` | Share of characters that are the same. |  | 0 to 1 | neither |" in card


def test_the_card_counts_licences_and_verdicts_by_variety_and_side(corpus):
    card = _card(corpus)
    assert "| `lmo` | source | https://creativecommons.org/licenses/by-sa/4.0/ | none | 2 |" in card
    assert "| `fur` | source | none declared | allowed | 2 |" in card


def test_the_card_says_what_was_left_out_how_it_was_made_and_whom_to_write_to(corpus):
    card = _card(corpus)
    assert "| publish | score_too_low |  | 1 (33.3 %) |  |" in card
    assert "variety_undetermined" in card
    assert "`margin` at least 1.05" in card
    assert '"k": 4' in card
    assert "archive@example.org" in card


def test_the_card_is_the_same_when_it_is_written_again(corpus):
    assert _card(corpus) == _card(corpus)
    assert Path(rewrite_card(corpus)).read_text(encoding="utf-8") == _card(corpus)
    assert str(Path(corpus).parent) not in _card(corpus) + json.dumps((Path(corpus) / "card.json").read_text())


def test_an_empty_corpus_has_a_card(tmp_path, publish):
    card = _card(publish(tmp_path, [PairBatch.empty()], SETTINGS))
    assert _front_matter(card)["size_categories"] == ["n<1K"]
    assert "configs" not in _front_matter(card)


def test_a_corpus_that_is_not_finished_is_not_described(tmp_path):
    with pytest.raises(FileNotFoundError, match="not finished"):
        describe(str(tmp_path))


@pytest.mark.parametrize(
    ("licence", "known"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "cc-by-sa-4.0"),
        ("http://creativecommons.org/licenses/by-nc-nd/3.0/it/deed.it", "cc-by-nc-nd-3.0"),
        ("CC BY-SA 3.0", "cc-by-sa-3.0"),
        ("CC-BY-4.0", "cc-by-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("CC0", "cc0-1.0"),
        ("Apache-2.0", "apache-2.0"),
        ("MIT", "mit"),
        ("permitted", "other"),
        (None, "unknown"),
    ],
)
def test_licences_get_the_identifiers_of_hugging_face(licence, known):
    assert licence_id(licence) == known


@given(st.lists(st.floats(-2, 2, width=32) | st.none(), max_size=50))
def test_quantiles_are_values_that_occur_in_order(values):
    spread = distribution(pl.Series(values, dtype=pl.Float32))
    known = [value for value in values if value is not None]
    assert (spread.known, spread.nulls) == (len(known), len(values) - len(known))
    assert list(spread.quantiles) == sorted(spread.quantiles)
    assert set(spread.quantiles) <= set(known)
    if known:
        assert (spread.quantiles[0], spread.quantiles[-1]) == (min(known), max(known))
        exact = np.quantile(np.array(known), QUANTILES, method="lower")
        assert list(spread.quantiles) == pytest.approx(list(exact))


# The report


def test_a_dialect_stands_before_its_standard_language_and_unknown_last():
    assert in_order(["de", "it", "gsw", "und", "lij", "fur"]) == ["gsw", "de", "fur", "lij", "it", "und"]


def test_reports_follow_the_walk_and_show_shares():
    documents, sentences = make_reports([LEDGER])
    assert (documents.unit, sentences.unit) == ("document", "sentence")
    assert to_cells(sentences) == [
        ["stage", "sentences", "fur", "lij", "it", "und"],
        ["identify", "in", "5", "200", "200", "1"],
        ["identify", "variety_undetermined", "", "10 (5.0 %)", "", ""],
        ["identify", "out", "5", "190", "200", "1"],
    ]


def test_ledgers_of_several_checkpoints_add_up():
    assert make_reports([LEDGER, LEDGER])[1].entered("identify", "lij") == 400


def test_the_report_is_text_and_markdown():
    assert ledger_markdown([LEDGER]).splitlines()[1] == "| --- | --- | ---: |"
    assert ledger_text([LEDGER]).splitlines()[0] == "stage    documents  lij"
    assert ledger_text([]) == ""


def test_tables_keep_their_columns_whatever_the_cells_hold():
    cells = [["a", "b"], ["x|y", "1\n2"]]
    assert to_markdown(cells, left=1) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 2 |"
    assert to_text([["a", "b"], ["xyz", "1"]], left=1) == "a    b\nxyz  1"
