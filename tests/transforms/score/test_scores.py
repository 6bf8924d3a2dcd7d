"""Each score: what it says of real pairs, its bounds, and that a row's value is its own."""

import re
from functools import partial
from pathlib import Path

import apache_beam as beam
import msgspec
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ledger import add_up, imbalances
from schemas.pair import MINED_SCORES, PAIR, PairBatch
from schemas.score import is_score
from schemas.sentence import SentenceBatch
from transforms.common.similarity import edit_similarities, fold
from transforms.score import LearnFluency, Score, ScoreSettings, score_batch, score_fields, score_names, score_pairs
from transforms.score.registry import all_scores
from transforms.score.scores.numbers import numbers_in

# OLDI Seed (CC BY-SA 4.0): Ligurian - Italian
LIGURIAN = "St'evoluçion colturale a l'à un effetto profondo in scî modelli de communitæ."
ITALIAN = "Questa evoluzione culturale ha un effetto profondo sui modelli di comunità."
COSPAR = (
    "COSPAR o fornisce anche de linie guidda pe-a proteçion do pianeta.",
    "Il COSPAR fornisce anche linee guida per la protezione del pianeta.",
)


class Aligned:
    """What an aligner hands over."""

    def __init__(self, source, target, links):
        self.source_tokens, self.target_tokens = source.split(), target.split()
        self.links = [Link(*link) for link in links]


class Link:
    def __init__(self, source, target, probability=None):
        self.source, self.target, self.probability = source, target, probability


def value(name, source, target, **more):
    return score_pairs([(source, target)], [name], **more)[name][0].as_py()


def linked(name, source, target, links):
    return value(name, source, target, aligned=[Aligned(source, target, links)])


def test_a_cognate_pair_is_no_copy():
    assert value("copy", LIGURIAN, ITALIAN) == 0
    assert value("orthographic_similarity", LIGURIAN, ITALIAN) > 0.6


def test_an_untranslated_sentence_is_a_copy():
    assert value("copy", ITALIAN, ITALIAN) == 1
    assert value("copy", ITALIAN.upper(), ITALIAN) == 1
    assert value("identical", ITALIAN.upper() + " !", ITALIAN) == 1


def test_a_half_copied_sentence_is_half_a_copy():
    copied = value("copy", "A casa a l'é gianca: questa evoluzione culturale ha un effetto", ITALIAN)
    assert copied == pytest.approx(0.6, abs=0.11)
    assert value("identical", LIGURIAN, ITALIAN) == 0


def test_names_and_numbers_are_no_copying():
    there = "O Massachusetts Institute of Technology do 1861 o l'à dæto o premio"
    back = "Il Massachusetts Institute of Technology del 1861 ha dato il riconoscimento"
    assert value("copy", there, back) < 0.2
    assert value("copy", "Zena 1999", "1999 2001") is None


def test_length_ratio_is_of_characters():
    assert value("length_ratio", "Doî libbri", "Due libri") == pytest.approx(0.9)
    assert value("length_ratio", "", "Due") == 0
    assert value("length_ratio", "", " ") is None


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("do 1861", "nel 1861", 1.0),
        ("1.234,5 chilòmetri", "1,234.5 km", 1.0),
        ("inti anni ١٩٩٠", "negli anni 1990", 1.0),
        ("o secolo XIX", "the 19th century", 1.0),
        ("do 1861 e do 1870", "nel 1861", 2 / 3),
        ("do 1861", "nel 1862", 0.0),
        ("do 1861", "tanto tempo fa", 0.0),
        ("ancheu", "oggi", None),
        ("XI XII", "XI", 0.0),
    ],
)
def test_number_agreement(source, target, expected):
    found = value("number_agreement", source, target)
    if source == "XI XII":  # all in capitals: these may be words
        expected = None
    assert found == (None if expected is None else pytest.approx(expected))


def test_roman_numerals_must_be_well_formed():
    assert numbers_in("Enrico VIII e IIX") == {"8": 1}


def test_url_agreement():
    there = "Vanni in sce https://lij.wikipedia.org/wiki/Zena, ò scrivi à segretaia@genoa.example."
    assert value("url_agreement", there, "Vai su https://lij.wikipedia.org/wiki/Zena.") == pytest.approx(2 / 3)
    assert value("url_agreement", LIGURIAN, ITALIAN) is None


def test_punctuation_of_other_scripts_is_the_same():
    assert value("punctuation_agreement", "ماشي؟", "¿Va bene?") == pytest.approx(1)
    assert value("punctuation_agreement", "我講：「好」。", 'Diggo: "ben".') == pytest.approx(1)
    assert value("punctuation_agreement", "Ciao.", "Ciao!") == 0
    assert value("punctuation_agreement", "L'ægua", "L’acqua") is None


def test_identification_is_the_smaller_and_null_where_one_is_not_known():
    table = score_pairs(
        [COSPAR] * 3,
        ["identification"],
        source_probabilities=[0.9, 0.4, None],
        target_probabilities=[0.5, 0.8, 0.7],
    )
    assert table["identification"].to_pylist() == [pytest.approx(0.5), pytest.approx(0.4), None]


def test_coverage_counts_words_and_leaves_punctuation_out():
    source, target = "a casa gianca .", "la casa bianca ."
    assert linked("source_coverage", source, target, [(1, 1), (2, 2), (3, 3)]) == pytest.approx(2 / 3)
    assert linked("target_coverage", source, target, [(1, 1), (1, 0), (2, 2)]) == 1
    assert linked("source_coverage", ". .", target, []) is None
    assert value("source_coverage", source, target) is None


def test_link_probability_is_the_mean():
    assert linked("link_probability", "a b", "c d", [(0, 0, 0.5), (1, 1, 1.0)]) == pytest.approx(0.75)
    assert linked("link_probability", "a b", "c d", [(0, 0)]) is None
    assert linked("link_probability", "a b", "c d", []) is None


def test_cognates_look_alike_and_shared_words_are_equal():
    source, target = "a casa gianca Zena", "la casa bianca Zena"
    links = [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert linked("shared_words", source, target, links) == pytest.approx(1 / 3)
    assert linked("cognate", source, target, links) == pytest.approx((1 / 2 + 5 / 6) / 2)
    assert linked("cognate", "casa", "casa", [(0, 0)]) is None
    assert linked("shared_words", "Enrico VIII", "Enrico 8", [(1, 1)]) is None


def test_what_has_no_counterpart_diverges_and_is_listed():
    source, target = "a casa gianca in çimma a-o monte", "la casa bianca ."
    links = [(0, 0), (1, 1), (2, 2)]
    assert linked("divergence", source, target, links) == pytest.approx(2 / 6)
    assert linked("divergent_spans", source, target, links) == [{"side": "source", "start": 3, "end": 7}]
    assert linked("divergence", "o l'é", "è", [(0, 0)]) is None
    assert linked("divergence", "我 的 家", "casa mia", [(2, 0)]) == pytest.approx(2 / 4)
    assert value("divergence", source, target) is None


def test_word_order_counts_links_that_cross():
    assert linked("word_order", "a b c", "a b c", [(0, 0), (1, 1), (2, 2)]) == 1
    assert linked("word_order", "a b c", "c b a", [(0, 2), (1, 1), (2, 0)]) == 0
    assert linked("word_order", "a b c", "a c b", [(0, 0), (1, 2), (2, 1)]) == pytest.approx(2 / 3)
    assert linked("word_order", "a b", "a", [(0, 0), (1, 0)]) is None


def test_each_word_has_the_confidence_of_its_best_link():
    source, target = "a casa .", "la casa"
    links = [(0, 0, 0.5), (1, 0, 0.25), (1, 1, 0.75)]
    assert linked("source_token_confidence", source, target, links) == [0.5, 0.75, 0]
    assert linked("target_token_confidence", source, target, links) == [0.5, 0.75]
    assert linked("token_confidence", source, target, links) == pytest.approx(2.5 / 4)


def test_copied_words_are_no_sign_of_a_translation():
    source, target = "a casa gianca Zena", "la casa bianca Zena"
    copied = [(1, 1), (3, 3)]
    assert linked("translation_likeness", source, target, copied) == 0
    assert linked("translation_likeness", source, target, [*copied, (0, 0), (2, 2)]) == 1
    assert linked("translation_likeness", "casa", "casa", [(0, 0)]) is None


def test_name_agreement_allows_for_the_spelling():
    assert linked("name_agreement", "à Zêna e Romma", "a Zena e Roma", []) == 1
    assert linked("name_agreement", "à Zena e Milan", "a Zena", []) == pytest.approx(2 / 3)
    assert linked("name_agreement", "a casa", "la casa", []) is None


def test_shares_of_copies_and_cognates():
    assert value("copy_share", "a casa gianca", "la casa bianca") == pytest.approx(1 / 3)
    assert linked("cognate_share", "a casa gianca", "la casa bianca", [(1, 1), (2, 2)]) == pytest.approx(1 / 2)


def test_fluency_is_learned_from_the_texts_given_when_asked():
    pairs = [(LIGURIAN, ITALIAN), COSPAR]
    assert score_pairs(pairs, ["fluency"])["source_fluency"].to_pylist() == [None, None]
    learned = score_pairs(pairs, ["fluency"], learn_fluency=True)["source_fluency"].to_pylist()
    assert all(value < 0 for value in learned)


def test_quality_is_high_where_words_have_counterparts():
    source, target = "a casa gianca de Zena", "la casa bianca di Genova"
    good = linked("quality", source, target, [(i, i, 0.99) for i in range(5)])
    poor = linked("quality", LIGURIAN, "Gli studi erano inesistenti.", [(4, 0, 0.3)])
    assert poor < 0.3
    assert good > 0.9
    assert value("quality", source, target) is None


def test_quality_reads_scores_that_are_not_asked_for():
    table = score_pairs([COSPAR], ["quality"], aligned=[Aligned(*COSPAR, [(0, 1, 0.9)])])
    assert table.column_names == ["quality"]
    assert 0 < table["quality"][0].as_py() < 1


SCRIPTS = st.sampled_from("aAbè ç'’.,?0٣９XIV«»中 好。كت\u064b\u0301https://w.@e\n")
TEXTS = st.text(SCRIPTS, max_size=40) | st.text(max_size=40)
SYMMETRIC = {
    "cognate", "cognate_share", "divergence", "identical", "identification", "length_ratio", "link_probability", "number_agreement",
    "name_agreement", "orthographic_similarity", "punctuation_agreement", "quality", "shared_words", "token_confidence",
    "translation_likeness", "url_agreement", "word_order",
}  # fmt: skip


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.data())
@settings(max_examples=40, deadline=None)
def test_scores_keep_their_range_their_symmetry_and_their_row(pairs, data):
    aligned = []
    for source, target in pairs:
        words = len(source.split()), len(target.split())
        cells = st.tuples(st.integers(0, words[0] - 1), st.integers(0, words[1] - 1)) if all(words) else st.nothing()
        links = data.draw(st.sets(cells, max_size=4)) if all(words) else set()
        aligned.append(Aligned(source, target, [(*cell, 0.5) for cell in sorted(links)]))
    table = score_pairs(pairs, aligned=aligned)
    for name in table.column_names:
        if pa.types.is_nested(table.schema.field(name).type):
            continue
        values = table[name].to_pylist()
        assert all(v is None or 0 <= v <= 1 for v in values), name
    for i, pair in enumerate(pairs):
        alone = score_pairs([pair], aligned=aligned[i : i + 1])
        assert alone.to_pylist()[0] == table.slice(i, 1).to_pylist()[0]
    turned = [
        Aligned(t, s, [(link.target, link.source, link.probability) for link in a.links])
        for (s, t), a in zip(pairs, aligned, strict=True)
    ]
    back = score_pairs([(t, s) for s, t in pairs], aligned=turned)
    for name in SYMMETRIC:
        assert table[name].to_pylist() == pytest.approx(back[name].to_pylist(), nan_ok=False), name


@given(TEXTS)
def test_a_text_agrees_with_itself(text):
    row = score_pairs([(text, text)]).to_pylist()[0]
    for name in (
        "length_ratio",
        "identical",
        "number_agreement",
        "orthographic_similarity",
        "punctuation_agreement",
        "url_agreement",
    ):
        assert row[name] in {None, 1.0}
    assert row["copy"] in {None, 1.0}


def slow_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        following = [i]
        for j, y in enumerate(b, 1):
            following.append(min(following[-1] + 1, row[j] + 1, row[j - 1] + (x != y)))
        row = following
    return row[-1]


@given(st.text("abc", max_size=150), st.text("abc", max_size=150))
@settings(deadline=None)
def test_edit_similarity_is_that_of_the_textbook(a, b):
    longest = max(len(a), len(b))
    expected = 1 - slow_distance(a, b) / longest if longest else 1
    assert edit_similarities([a], [b])[0] == pytest.approx(expected, abs=1e-6)


def test_folding_leaves_case_and_marks_out():
    assert fold("È Çà") == "e ca"
    assert fold("كتابٌ") == "كتاب"
    assert fold("\u0301") == "\u0301"  # a mark alone is all there is


def test_scores_stand_behind_the_pair_in_the_order_of_their_names():
    scored = score_batch(PairBatch.empty())
    names = scored.data.schema.names[len(PAIR) :]
    assert names == sorted(names) == [spec.name for spec in score_fields()]
    assert score_batch(scored) == scored


def test_every_score_says_range_direction_and_meaning():
    for spec in score_fields():
        assert is_score(spec)
        assert {b"range", b"better", b"meaning", b"score_version"} <= set(spec.metadata)


def test_chosen_scores_alone_are_taken():
    assert score_pairs([COSPAR], ["copy", "length_ratio"]).column_names == [
        "copy",
        "copy_share",
        "identical",
        "length_ratio",
    ]
    assert score_pairs([], ["length_ratio"]).num_rows == 0


def test_an_unknown_score_is_refused_with_the_known_ones():
    with pytest.raises(msgspec.ValidationError, match=r"there is no score lenght_ratio; known: .*length_ratio"):
        msgspec.convert({"scores": ["lenght_ratio"]}, ScoreSettings)
    assert set(ScoreSettings(scores=("copy",)).scores) <= set(score_names())


def test_docs_list_every_score_as_it_is_declared(project: Path):
    text = (project / "docs" / "scores.md").read_text(encoding="utf-8")
    rows = {
        cells[0].strip("` "): [cell.strip() for cell in cells]
        for line in text.splitlines()
        if line.startswith("| `")
        for cells in [line.strip("|").split(" | ")]
    }
    declared = {
        spec.name: spec for spec in [*score_fields(), *MINED_SCORES, *(spec for spec in PAIR if is_score(spec))]
    }
    assert set(rows) == set(declared)
    family = {spec.name: score.name for score in all_scores() for spec in score.fields}
    for name, spec in declared.items():
        about = {key.decode(): text.decode() for key, text in spec.metadata.items()}
        _, value_range, better, meaning, source = rows[name]
        assert (value_range, better, meaning) == (about["range"], about["better"], about["meaning"])
        assert re.sub(r"[`| ]", "", source).startswith(family.get(name, "mine"))


_SEEN: dict = {}


def _keep(name, elements):
    # the runner of these tests works in this process, so what a check sees can be handed out
    _SEEN[name] = list(elements)


def pair_row(i):
    return {
        "pair_id": str(i),
        "direction": "both",
        **{f"{side}_{name}": "x" for side in ("source", "target") for name in ("id", "document_id", "robots")},
        **{f"{side}_variety": tag for side, tag in (("source", "lij"), ("target", "it"))},
        **{
            f"{side}_{name}": text
            for side, text in zip(("source", "target"), COSPAR, strict=True)
            for name in ("text", "normalized")
        },
    }


def test_the_stage_scores_every_pair():
    pairs = PairBatch.from_rows(pair_row(i) for i in range(3))
    with beam.Pipeline() as pipeline:
        outcome = pipeline | beam.Create([pairs]) | Score(settings=ScoreSettings(scores=("length_ratio",)))
        for name in ("made", "ledger"):
            assert_that(getattr(outcome, name), partial(_keep, name), label=name)
    (made,) = _SEEN["made"]
    assert made.texts("length_ratio") == [pytest.approx(66 / 67)] * 3
    ledger = add_up(_SEEN["ledger"])
    assert imbalances(ledger) == []
    assert [row["count"] for row in ledger.rows()] == [3, 3]


def sentences_of(texts, tag):
    return SentenceBatch.from_rows(
        {
            "sentence_id": f"{tag}{i}", "document_id": "d", "position": i, "start": 0, "end": len(text), "text": text,
            "normalized": text, "variety": tag, "source": "s", "robots": "allowed",
        }
        for i, text in enumerate(texts)
    )  # fmt: skip


def test_fluency_is_learned_by_variety_the_same_for_any_cut(tmp_path):
    ligurian, italian = sentences_of([LIGURIAN, COSPAR[0]] * 9, "lij"), sentences_of([ITALIAN, COSPAR[1]], "it")
    undetermined = sentences_of(["???"], "und")
    written = []
    for folder, batches in (
        ("one", [ligurian, italian, undetermined]),
        ("two", [*italian.pieces(1), *ligurian.pieces(1)]),
    ):
        with beam.Pipeline() as pipeline:
            learned = (
                pipeline | beam.Create(batches) | LearnFluency(settings=ScoreSettings(), folder=str(tmp_path / folder))
            )
            assert_that(learned, partial(_keep, "learned"))
        assert sorted(tag for tag, _ in _SEEN["learned"]) == ["it", "lij"]
        written.append({p.name: p.read_bytes() for p in sorted((tmp_path / folder / "fluency").iterdir())})
    assert written[0] == written[1]


def test_the_stage_measures_fluency_with_what_was_learned(tmp_path):
    pairs = PairBatch.from_rows([pair_row(0)])
    wanted = ScoreSettings(scores=("fluency", "length_ratio"))
    with beam.Pipeline() as pipeline:
        sentences = pipeline | "sentences" >> beam.Create([sentences_of([LIGURIAN, COSPAR[0]], "lij")])
        models = sentences | LearnFluency(settings=wanted, folder=str(tmp_path))
        outcome = pipeline | beam.Create([pairs]) | Score(settings=wanted, models=models)
        for name in ("made", "ledger"):
            assert_that(getattr(outcome, name), partial(_keep, name), label=name)
    (made,) = _SEEN["made"]
    (row,) = made.rows()
    assert row["source_fluency"] < 0
    assert row["target_fluency"] is None
    assert row["length_ratio"] > 0.9
    assert imbalances(add_up(_SEEN["ledger"])) == []
