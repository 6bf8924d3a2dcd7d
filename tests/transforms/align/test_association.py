"""The aligner that learns from the run's own pairs."""

import random
import re

import pyarrow as pa
import pytest

from schemas.errors import SettingsError
from transforms.align import AlignSettings, Link, align_pairs, tokenize
from transforms.align.backends.association import ASSOCIATION, Association, association_bytes, read_association

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN

WORDS = [(tokenize(source), tokenize(target)) for source, target in LIGURIAN_ITALIAN]


def linked_words(pair, settings=None):
    aligned = align_pairs([*LIGURIAN_ITALIAN, pair], settings)[-1]
    return {(aligned.source_tokens[link.source], aligned.target_tokens[link.target]) for link in aligned.links}


def test_cognates_are_linked_with_few_sentences():
    found = linked_words(FRIULIAN_ITALIAN[0])
    assert {("evoluzion", "evoluzione"), ("culturâl", "culturale"), ("comunitât", "comunità"), (".", ".")} <= found


def test_spelling_makes_links_of_cognates_likelier():
    def expected(settings):
        aligner = Association(settings)
        aligner.load(aligner.train(WORDS))
        found = aligner.candidates(WORDS)
        return found.values[(found.evidence.likeness >= 0.6) & ~found.evidence.is_sign].sum()

    assert expected(AlignSettings()) > expected(AlignSettings(orthography=0.0))


def test_what_always_stands_together_is_linked_however_it_is_written():
    pairs = [(["x1", w], ["rosso", v]) for w, v in (("q2", "uno"), ("q3", "due"), ("q4", "tre"), ("q5", "sei"))] * 5
    links = Association(AlignSettings(orthography=0.0)).align(pairs)
    assert all({(link.source, link.target) for link in found} == {(0, 0), (1, 1)} for found in links)


def test_words_met_once_are_linked_with_each_other_where_frequent_words_come_of_none():
    words = [
        ("sto", "questo"),
        ("ca", "casa"),
        ("l'é", "è"),
        ("o", "il"),
        ("mâ", "mare"),
        ("grande", "grande"),
        ("a", "la"),
    ]
    noise = random.Random(1)
    pairs, rare = [], {}
    for i in range(60):
        source, target = (list(side) for side in zip(*noise.sample(words, 5), strict=True))
        if i % 3 == 0:
            source.insert(2, "se")
        if i % 4 == 0:
            target.insert(1, "ne")
        if i % 10 == 5:
            source.insert(3, f"rin{'abcdef'[i // 10]}ku")
            target.insert(3, f"{'pqrstu'[i // 10]}olto")
            rare[i] = source[3], target[3]
        pairs.append((source, target))
    for i, links in enumerate(Association(AlignSettings()).align(pairs)):
        source, target = pairs[i]
        found = {(source[link.source], target[link.target]) for link in links}
        assert rare.get(i) is None or rare[i] in found
        assert not any("se" in pair or "ne" in pair for pair in found)


def test_a_link_has_a_probability_over_the_threshold():
    for threshold in (0.1, 0.5, 0.9):
        found = Association(AlignSettings(threshold=threshold)).align(WORDS)
        probabilities = [link.probability for links in found for link in links]
        assert probabilities
        assert all(threshold <= p <= 1 for p in probabilities)


def test_a_higher_threshold_gives_some_of_the_same_links():
    low, high = (Association(AlignSettings(threshold=t)).align(WORDS) for t in (0.2, 0.6))
    assert all(set(h) <= set(low_links) for h, low_links in zip(high, low, strict=True))


def test_links_do_not_depend_on_the_order_of_pairs():
    shuffled = list(LIGURIAN_ITALIAN)
    random.Random(5).shuffle(shuffled)
    found = dict(zip(shuffled, align_pairs(shuffled), strict=True))
    assert [found[pair] for pair in LIGURIAN_ITALIAN] == align_pairs(LIGURIAN_ITALIAN)


def test_what_is_learned_is_the_same_bytes_and_links_the_same_in_any_cut():
    first, second = (Association(AlignSettings()).train(WORDS) for _ in range(2))
    assert first == second
    learned = Association(AlignSettings())
    learned.load(first)
    assert [learned.align([pair])[0] for pair in WORDS] == learned.align(WORDS)


def test_a_pair_turned_round_has_its_links_turned_round():
    there = Association(AlignSettings()).align(WORDS)
    back = Association(AlignSettings()).align([(target, source) for source, target in WORDS])
    turned = [sorted((link.target, link.source) for link in links) for links in back]
    assert turned == [[(link.source, link.target) for link in links] for links in there]


def test_learned_probabilities_add_up_to_at_most_one():
    table = Association(AlignSettings()).learn(WORDS)
    for given, value in (("source", "forward"), ("target", "backward")):
        sums = table.filter(pa.compute.is_valid(table[given])).group_by(given).aggregate([(value, "sum")])
        assert max(sums[f"{value}_sum"].to_pylist()) <= 1 + 1e-5


def test_a_prior_is_learned_on_from(tmp_path):
    learned = Association(AlignSettings()).learn([(["zuenottu"], ["giovanotto"])] * 3)
    path = tmp_path / "prior.arrow"
    path.write_bytes(association_bytes(learned))
    assert read_association(str(path)).equals(learned)
    words = (["o", "zuenottu", "x"], ["il", "giovanotto", "y"])
    with_prior = Association(AlignSettings(prior=str(path), orthography=0.0)).align([words])[0]
    without = Association(AlignSettings(orthography=0.0)).align([words])[0]
    probability = {(link.source, link.target): link.probability for link in with_prior}
    assert probability[1, 1] > {(link.source, link.target): link.probability for link in without}.get((1, 1), 0.0)


def test_words_never_met_are_linked_by_their_spelling():
    aligner = Association(AlignSettings())
    aligner.load(aligner.train(WORDS))
    assert Link(0, 0) == aligner.align([(["parteçipativo"], ["partecipativo"])])[0][0]._replace(probability=None)


@pytest.mark.parametrize("content", [b"", b"no table"])
def test_a_prior_that_is_none_is_a_clear_error(tmp_path, content):
    (tmp_path / "prior.arrow").write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape("$.align.prior")):
        Association.check(AlignSettings(prior=str(tmp_path / "prior.arrow")))


def test_a_table_of_another_kind_is_a_clear_error(tmp_path):
    other = pa.table({"word": ["a"]})
    with pa.OSFile(str(tmp_path / "p.arrow"), "wb") as sink, pa.ipc.new_file(sink, other.schema) as writer:
        writer.write_table(other)
    with pytest.raises(SettingsError, match="expected"):
        read_association(str(tmp_path / "p.arrow"))


def test_the_learned_table_documents_its_columns():
    assert Association(AlignSettings()).learn(WORDS).schema.equals(ASSOCIATION)
    assert all(b"meaning" in spec.metadata for spec in ASSOCIATION)


def test_plain_pairs_without_words_have_no_links_and_disturb_no_others():
    assert [pair.links for pair in align_pairs([("", "Due libbri"), ("", "")])] == [[], []]
    assert align_pairs([("Doî libbri", "Due libri"), ("", "")])[0].links


def test_tokenized_pairs_keep_their_words():
    assert align_pairs([("l'é", "è vero")], tokenized=True)[0][:2] == (["l'é"], ["è", "vero"])


def test_of_many_pairs_a_sample_is_learned_and_all_are_linked():
    settings = AlignSettings(learn_pairs=len(WORDS) // 2)
    aligner = Association(settings)
    aligner.load(aligner.train(WORDS))
    found = aligner.align(WORDS)
    assert all(found)
    assert found == Association(settings).align(WORDS)
    assert aligner.train(WORDS[::-1]) == aligner.train(WORDS[::-1])


def test_places_of_words_are_learned_with_them():
    table = Association(AlignSettings()).learn([(["a", "B", "b"], ["x"]), (["b"], ["x", "y"])])
    places = {(row["source"], row["target"]): row["count"] for row in table.to_pylist()}
    assert {key: places[key] for key in [("a", None), ("b", None), (None, "x"), (None, "y")]} == {
        ("a", None): 1, ("b", None): 3, (None, "x"): 2, (None, "y"): 1,
    }  # fmt: skip
    assert places["a", "x"] is None


@pytest.mark.parametrize("words", [["paròlla"], ["paròlla"] * 5000])
def test_one_token_and_five_thousand_have_links_within_the_pair(words):
    found = Association(AlignSettings()).align([(words, ["parola"]), (["parola"], words)])
    assert all(0 <= link.source < len(words) and link.target == 0 for link in found[0])
    assert all(0 <= link.target < len(words) and link.source == 0 for link in found[1])


def test_awkward_pairs_have_their_answer():
    pairs = [([], ["Due"]), (["Doî"], ["Due"]), (["paròlla"] * 5000, ["parola"]), (["Doî"], [])]
    found = Association(AlignSettings()).align([*pairs, *WORDS])
    assert found[0] == found[3] == []
    assert all(0 <= link.source < 5000 and link.target == 0 for link in found[2])
    assert len(found) == len(pairs) + len(WORDS)


def test_symmetrizations_lie_between_intersection_and_union():
    def cells(name):
        found = Association(AlignSettings(symmetrization=name)).align(WORDS)
        return {(p, link.source, link.target) for p, links in enumerate(found) for link in links}

    least, most = cells("intersection"), cells("union")
    assert least
    assert least <= cells("grow-diag-final-and") <= most
