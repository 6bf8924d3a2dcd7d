"""Batches and the stage: every pair is accounted for, whatever the cut and the order."""

import random
from functools import partial

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that

from schemas.errors import SettingsError
from schemas.ledger import add_up, imbalances
from schemas.pair import LINK, PairBatch, pair_id
from schemas.reject import RejectBatch
from transforms.align import Align, AlignSettings, Link, make_aligner
from transforms.align.pairs import link_pairs, links_array, tokenize_pairs

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN

SETTINGS = AlignSettings(max_words=40)


def batch_of(pairs, source="lij", target="it"):
    return PairBatch.from_rows(
        {
            "pair_id": pair_id(a + source, b),
            "direction": "both",
            **{
                f"{side}_{name}": value
                for side, variety, text in (("source", source, a), ("target", target, b))
                for name, value in {
                    "id": text,
                    "document_id": "d",
                    "variety": variety,
                    "text": text,
                    "normalized": text,
                    "robots": "allowed",
                }.items()
            },
        }
        for a, b in pairs
    )


BAD = [("", "Due libbri"), ("\u200b \t", "Due"), ("Doî", " "), ("paròlla " * 41, "parola")]
LIJ = batch_of(LIGURIAN_ITALIAN)
FUR = batch_of(FRIULIAN_ITALIAN, "fur")
ROTTEN = batch_of(BAD)


def run_stage(folder, batches, settings=SETTINGS):
    with beam.Pipeline() as pipeline:
        outcome = pipeline | beam.Create(batches) | Align(settings=settings, folder=str(folder))
        for name, collection in outcome._asdict().items():
            assert_that(collection, partial(_keep, name), label=name)


def _keep(name, elements):
    # the runner of these tests works in this process, so what a check sees can be handed out
    _SEEN[name] = list(elements)


_SEEN: dict = {}


def rows_by_id(batches):
    return {row["pair_id"]: row for batch in batches for row in batch.rows()}


def test_words_and_links_are_added_and_bad_pairs_rejected_with_their_reason():
    result = tokenize_pairs(PairBatch.concatenate([LIJ, ROTTEN]), SETTINGS)
    assert len(result.made) == len(LIJ)
    assert result.rejects.texts("reason") == ["empty", "empty", "empty", "too_many_words"]
    assert set(result.rejects.texts("variety")) == {"lij>it"}
    linked = link_pairs(result.made, make_aligner(SETTINGS))
    assert len(linked.rejects) == 0
    for row in linked.made.rows():
        assert row["links"]
        assert all(0 <= link["source"] < len(row["source_tokens"]) for link in row["links"])
        assert all(0 <= link["target"] < len(row["target_tokens"]) for link in row["links"])
        assert [(link["source"], link["target"]) for link in row["links"]] == sorted(
            (link["source"], link["target"]) for link in row["links"]
        )


def test_an_empty_batch_is_ordinary():
    result = tokenize_pairs(PairBatch.empty(), SETTINGS)
    assert len(link_pairs(result.made, make_aligner(SETTINGS)).made) == 0


def test_links_are_laid_out_as_the_column_wants_them():
    array = links_array([[Link(0, 1, 0.5), Link(2, 0, None)], [], [Link(1, 1, 1.0)]])
    assert array.type.value_type == LINK
    assert array.to_pylist()[0] == [
        {"source": 0, "target": 1, "probability": 0.5},
        {"source": 2, "target": 0, "probability": None},
    ]
    assert array.to_pylist()[1] == []


def test_the_stage_gives_the_same_links_and_files_in_any_order_and_cut(tmp_path):
    whole = PairBatch.concatenate([LIJ, FUR, ROTTEN])
    order = list(range(len(whole)))
    random.Random(3).shuffle(order)
    outcomes = []
    for name, batches in (("a", [LIJ, FUR, ROTTEN]), ("b", list(whole.take(order).pieces(3)))):
        run_stage(tmp_path / name, batches)
        outcomes.append({kind: list(_SEEN[kind]) for kind in ("made", "rejects", "ledger")})
    first, second = outcomes
    assert rows_by_id(first["made"]) == rows_by_id(second["made"])
    assert len(rows_by_id(first["made"])) == len(LIJ) + len(FUR)
    ledger = add_up(first["ledger"])
    assert ledger == add_up(second["ledger"])
    assert imbalances(ledger) == []
    assert {
        (row["variety"], row["outcome"]): row["count"] for row in ledger.rows() if row["reason"] in {"", "empty"}
    } == {
        ("fur>it", "in"): len(FUR),
        ("fur>it", "out"): len(FUR),
        ("lij>it", "in"): len(LIJ) + len(ROTTEN),
        ("lij>it", "out"): len(LIJ),
        ("lij>it", "rejected"): 3,
    }
    assert len(RejectBatch.concatenate(first["rejects"])) == len(ROTTEN)
    for variety_pair in ("lij-it", "fur-it"):
        written = [(tmp_path / name / "alignment" / f"{variety_pair}.arrow").read_bytes() for name in ("a", "b")]
        assert written[0] == written[1]


def test_learning_that_is_spread_gives_the_same_bytes_and_links_and_clears_up(tmp_path):
    whole = PairBatch.concatenate([LIJ, FUR, ROTTEN])
    rounds = {"max_words": 40, "lexical_iterations": 2, "sequence_iterations": 1}
    run_stage(tmp_path / "one", [whole], AlignSettings(**rounds))
    expected = rows_by_id(_SEEN["made"])
    # Ligurian is learned from in rounds, Friulian at one place
    assert len(FUR) < len(LIJ)
    spread = AlignSettings(spread=True, learn_at_once=len(FUR), **rounds)
    run_stage(tmp_path / "spread", list(whole.pieces(3)), spread)
    assert rows_by_id(_SEEN["made"]) == expected
    for variety_pair in ("lij-it", "fur-it"):
        one, other = (
            (tmp_path / name / "alignment" / f"{variety_pair}.arrow").read_bytes() for name in ("one", "spread")
        )
        assert one == other
    assert not list((tmp_path / "spread").rglob("*.npz"))


@pytest.mark.models
def test_an_aligner_that_does_not_learn_is_one_pass(tmp_path, bert):
    pytest.importorskip("torch")
    settings = AlignSettings(aligner="simalign", model=bert, layer=2, max_words=40)
    run_stage(tmp_path, [LIJ, ROTTEN], settings)
    assert rows_by_id(_SEEN["made"]).keys() == set(LIJ.texts("pair_id"))
    assert imbalances(add_up(_SEEN["ledger"])) == []
    assert not (tmp_path / "alignment").exists()


@pytest.mark.models
def test_aligners_that_vote_give_the_same_links_and_bytes_in_any_order_and_cut(tmp_path, bert):
    pytest.importorskip("torch")
    settings = AlignSettings(aligner="association+simalign", model=bert, layer=2, max_words=40, spread=True)
    whole = PairBatch.concatenate([LIJ, FUR, ROTTEN])
    made = []
    for name, batches in (("a", [LIJ, FUR, ROTTEN]), ("b", list(whole.take(range(len(whole))[::-1]).pieces(4)))):
        run_stage(tmp_path / name, batches, settings)
        made.append(rows_by_id(_SEEN["made"]))
    assert made[0] == made[1]
    assert len(made[0]) == len(LIJ) + len(FUR)
    for variety_pair in ("lij-it", "fur-it"):
        written = [(tmp_path / name / "alignment" / f"{variety_pair}.arrow").read_bytes() for name in ("a", "b")]
        assert written[0] == written[1]


def test_an_unknown_aligner_stops_the_launch():
    with pytest.raises(SettingsError, match="association"):
        Align(settings=AlignSettings(aligner="giza"), folder="x")
