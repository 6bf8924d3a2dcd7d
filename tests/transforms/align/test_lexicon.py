"""The lexicon: counts that do not depend on the cut, entries, marks, generality, and the stage."""

from functools import partial

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.corpus import CorpusBatch
from schemas.ledger import add_up, imbalances
from schemas.lexicon import LEXICON, LexiconBatch, entry_id
from schemas.pair import PairBatch, pair_id
from transforms.align import AlignedPair, Lexicon, LexiconSettings, Link, add_generality, align_pairs, make_lexicon
from transforms.align.correspondences import learn_correspondences, likenesses
from transforms.align.lexicon import make_entries, merge, skeleton, tally, wilson_lower
from transforms.align.pairs import links_array
from transforms.common.similarity import edit_similarities, fold

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN


def pair(source, target, *links):
    return AlignedPair(source.split(), target.split(), [Link(*link) for link in links])


def entry(lexicon, source, target):
    return next(row for row in lexicon.rows() if (row["source"], row["target"]) == (source, target))


def rows_of(pairs, source="lij", target="it"):
    aligned = align_pairs(pairs)
    batch = PairBatch.from_rows(
        {
            "pair_id": pair_id(a + source, b),
            "direction": "both",
            "source_tokens": words.source_tokens,
            "target_tokens": words.target_tokens,
            **{
                f"{side}_{name}": value
                for side, variety, text in (("source", source, a), ("target", target, b))
                for name, value in {
                    "id": text, "document_id": "d", "variety": variety, "text": text, "normalized": text, "robots": "allowed",
                }.items()
            },
        }
        for (a, b), words in zip(pairs, aligned, strict=True)
    )  # fmt: skip
    return CorpusBatch.from_pairs(batch.replace(links=links_array([words.links for words in aligned])))


LIJ = rows_of(LIGURIAN_ITALIAN)
FUR = rows_of(FRIULIAN_ITALIAN, "fur")


def test_links_are_counted_with_their_probabilities():
    lexicon = make_lexicon(
        [
            pair("A casa gianca", "La casa bianca", (1, 1, 0.5), (2, 2, 1.0)),
            pair("casa", "Casa", (0, 0)),
            pair("casa", "abitazione", (0, 0, 0.5)),
        ]
    )
    found = entry(lexicon, "casa", "casa")
    assert (found["count"], found["expected_count"]) == (2, 1.5)
    assert (found["source_count"], found["target_count"]) == (3, 2)
    assert found["probability"] == pytest.approx(0.75)
    assert found["backward_probability"] == 1
    assert found["is_copy"]
    assert not entry(lexicon, "gianca", "bianca")["is_copy"]
    assert entry(lexicon, "casa", "abitazione")["source_entropy"] == pytest.approx(0.811, abs=1e-3)


def test_what_has_no_letter_is_no_word_and_what_has_no_link_no_entry():
    lexicon = make_lexicon([pair("ægua 12 .", "acqua 12 .", (1, 1), (2, 2))])
    assert len(lexicon) == 0
    assert len(make_lexicon([])) == 0


def test_confidence_grows_with_the_count_and_falls_with_disagreement():
    once, often = (make_lexicon([pair("ægua", "acqua", (0, 0))] * n).rows()[0] for n in (1, 30))
    assert once["confidence"] < 0.3
    assert often["confidence"] > 0.9
    split = make_lexicon([pair("ægua", "acqua", (0, 0)), pair("ægua", "onda", (0, 0))] * 15)
    assert entry(split, "ægua", "acqua")["confidence"] < 0.5


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1))
def test_wilsons_lower_end_is_a_share_below_the_observed_one(counts):
    trials = np.array([float(max(k, n)) for k, n in counts])
    successes = np.array([float(k) for k, _ in counts])
    low = wilson_lower(successes, trials)
    assert (low >= 0).all()
    assert (low <= successes / trials + 1e-12).all()


def test_spellings_are_gathered_and_all_kept():
    lexicon = make_lexicon(
        [
            pair("çitæ", "città", (0, 0)),
            pair("çittæ", "città", (0, 0)),
            pair("porto", "città", (0, 0)),
            pair("a", "à", (0, 0)),
        ]
    )
    assert entry(lexicon, "çitæ", "città")["source_variants"] == ["çittæ"]
    assert entry(lexicon, "çittæ", "città")["source_variants"] == ["çitæ"]
    assert entry(lexicon, "porto", "città")["source_variants"] == []
    assert (skeleton("à"), skeleton("l'aegua"), skeleton("Cittâ")) == ("", "laegua", "cita")


def test_a_frequent_name_is_no_function_word():
    sentences = [
        pair("o Brando o l'é", "il Brando è", (0, 0), (1, 1), (2, 2)),
        pair("o sô", "lo sole", (0, 0), (1, 1)),
    ] * 9
    lexicon = make_lexicon(sentences, settings=LexiconSettings(function_word_share=0.2))
    assert entry(lexicon, "o", "il")["is_function_word"]
    assert not entry(make_lexicon(sentences, settings=LexiconSettings(function_word_share=0.1)), "brando", "brando")[
        "is_function_word"
    ]


def test_examples_are_ids_of_pairs_that_hold_the_link():
    lexicon = make_entries(merge(tally(LIJ).values()), "lij", "it")
    by_id = dict(zip(LIJ.texts("pair_id"), LIJ.texts("source_tokens"), strict=True))
    for row in lexicon.rows():
        assert 1 <= len(row["example_pairs"]) <= 3
        assert all(row["source"] in [word.casefold() for word in by_id[one]] for one in row["example_pairs"])
        assert row["entry_id"] == entry_id("lij", "it", row["source"], row["target"])


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(len(LIJ))), st.integers(1, len(LIJ)))
def test_any_cut_and_order_of_the_rows_gives_the_same_counts(order, size):
    pieces = [tally(piece)["lij", "it"] for piece in LIJ.take(order).pieces(size)]
    assert merge(pieces).equals(merge(tally(LIJ).values()))
    assert merge([merge(pieces[:1]), merge(pieces[1:])]).equals(merge(pieces))


def test_rows_without_links_count_their_words_and_rows_without_words_nothing():
    bare = rows_of(LIGURIAN_ITALIAN[:1])
    without = bare.replace(links=pa.nulls(1, bare.column("links").type))
    (counts,) = tally(without).values()
    assert counts.num_rows > 10
    assert counts["examples"].combine_chunks().flatten().to_pylist() == []
    nothing = without.replace(source_tokens=pa.nulls(1, pa.list_(pa.string())))
    assert tally(nothing)["lij", "it"].num_rows == 0
    assert len(make_entries(merge(tally(nothing).values()), "lij", "it")) == 0


def test_regular_correspondences_make_words_alike():
    italian = ["chiave", "chiaro", "chiesa", "chiamare", "chiodo", "chiudere"]
    ligurian = ["ciave", "ciæo", "gexa", "ciammâ", "ciòu", "ciodde"]
    known = learn_correspondences([fold(w) for w in ligurian], [fold(w) for w in italian])
    plain = edit_similarities(["ciave"], ["chiave"])[0]
    learned = likenesses(known, ["ciave"], ["chiave"])[0]
    assert plain < learned < 1
    assert likenesses(known, ["ægua", "", "語"], ["ægua", "", "话"]).tolist() == [1, 1, 0]


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=6))
def test_learned_likeness_is_a_share_and_never_below_the_plain_one(pairs):
    pairs = [(a.replace("\x00", ""), b.replace("\x00", "")) for a, b in pairs]
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    found = likenesses(learn_correspondences(first, second), first, second)
    assert (found <= 1 + 1e-9).all()
    assert (found >= edit_similarities(first, second) - 1e-6).all()


def lexicon_of(source, words):
    return make_lexicon([pair(a, b, (0, 0)) for a, b in words] * 5, source, "it")


def test_a_word_that_the_neighbours_share_is_general_and_one_of_its_own_is_not():
    lexicons = [
        lexicon_of("lij", [("ægua", "acqua"), ("figgeu", "bambino"), ("porto", "porto")]),
        lexicon_of("lmo", [("acqua", "acqua"), ("fioeu", "bambino"), ("port", "porto")]),
        lexicon_of("fur", [("aghe", "acqua"), ("frut", "bambino"), ("puart", "porto")]),
    ]
    found = add_generality(lexicons)
    assert [len(lexicon) for lexicon in found] == [3, 3, 3]
    friulian = {row["source"]: row for row in found[2].rows()}
    assert friulian["frut"]["source_generality"] < 0.1
    assert friulian["puart"]["source_generality"] > 0.2
    assert friulian["frut"]["dialectness"] > 0.7
    assert friulian["puart"]["dialectness"] < 0.65
    assert friulian["puart"]["target_generality"] > 0.2


def test_with_one_other_variety_generality_is_not_known():
    (found,) = add_generality([lexicon_of("lij", [("porto", "porto")])])
    assert found.texts("source_generality") == [None]
    assert add_generality([]) == []


_SEEN: dict = {}


def _keep(name, elements):
    # the runner of these tests works in this process, so what a check sees can be handed out
    _SEEN[name] = list(elements)


def run_stage(folder, batches):
    with beam.Pipeline() as pipeline:
        written = pipeline | beam.Create(batches) | Lexicon(settings=LexiconSettings(), folder=str(folder))
        for name, collection in written._asdict().items():
            assert_that(collection, partial(_keep, name), label=name)
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_the_stage_writes_a_lexicon_a_variety_pair_the_same_for_any_cut(tmp_path):
    whole = run_stage(tmp_path / "one", [LIJ, FUR])
    cut = run_stage(tmp_path / "two", [*FUR.pieces(2), *LIJ.pieces(3)])
    assert whole == cut
    assert sorted(str(path.parent) for path in whole) == ["fur-it", "lij-it"]
    ledger = add_up(_SEEN["ledger"])
    assert imbalances(ledger) == []
    yielded = {row["variety"]: row["count"] for row in ledger.rows() if row["outcome"] == "yielded"}
    table = pq.read_table(next((tmp_path / "one" / "lij-it").glob("*.parquet")))
    assert yielded["lij>it"] == table.num_rows
    lexicon = LexiconBatch.from_table(table)
    assert lexicon.data.schema.metadata == LEXICON.metadata
    keys = list(zip(lexicon.texts("source"), lexicon.texts("target"), strict=True))
    assert keys == sorted(keys)
    assert any(value is not None for value in lexicon.texts("source_generality"))
