"""From labels to varieties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError
from transforms.identify.decide import Restriction, decide

LABELS = ("it", "lij", "lmo", "fr", "oc-aranese", "zz")


def labels_of(rows, labels=LABELS):
    """Make label probabilities from a mapping label -> probability a text."""
    return np.array([[row.get(label, 0.0) for label in labels] for row in rows], dtype=np.float32).reshape(
        len(rows), len(labels)
    )


def decided(rows, expected=(), *, minimum=0.5, foreign=0.7, top=3, least=0.0):
    restriction = Restriction(LABELS, "isogloss", expected)
    return decide(
        restriction.probabilities(labels_of(rows)),
        restriction,
        minimum_probability=minimum,
        foreign_threshold=foreign,
        top=top,
        least=least,
    )


def test_without_expected_varieties_the_best_is_taken():
    found = decided([{"lij": 0.75, "it": 0.25}])
    assert found.varieties == ["lij"]
    assert found.candidates_of(0) == [("lij", 0.75), ("it", 0.25)]


def test_expected_varieties_share_all_the_probability():
    found = decided([{"fr": 0.5, "lij": 0.375, "it": 0.125}], ["lij", "it"])
    assert found.varieties == ["lij"]
    assert found.probabilities.tolist() == [0.75]
    assert found.candidates_of(0) == [("lij", 0.75), ("it", 0.25)]


def test_a_sure_foreign_sentence_is_undetermined_and_shows_what_it_is():
    found = decided([{"fr": 0.75, "lij": 0.25}], ["lij", "it"])
    assert found.varieties == ["und"]
    assert np.isnan(found.probabilities[0])
    assert found.candidates_of(0) == [("fr", 0.75), ("lij", 0.25)]


def test_an_unsure_sentence_is_undetermined_with_its_candidates():
    found = decided([{"lij": 0.5, "it": 0.25, "lmo": 0.25}], ["lij", "it", "lmo"], minimum=0.6)
    assert found.varieties == ["und"]
    assert found.candidates_of(0)[0] == ("lij", 0.5)


def test_no_evidence_gives_no_candidates():
    found = decided([{}, {"lij": 1.0}], ["lij"])
    assert found.varieties == ["und", "lij"]
    assert found.candidates_of(0) == []
    assert found.candidates_of(1) == [("lij", 1.0)]


def test_nothing_gives_nothing():
    assert len(decided([]).varieties) == 0


def test_labels_outside_the_registry_are_foreign():
    found = decided([{"zz": 0.9, "lij": 0.1}], ["lij"])
    assert found.varieties == ["und"]
    assert found.candidates_of(0)[0][0] == "und"


def test_a_part_counts_for_the_expected_whole():
    assert decided([{"oc-aranese": 0.9, "it": 0.1}], ["oc", "it"]).varieties == ["oc"]


def test_the_whole_counts_for_the_only_expected_part_that_the_model_does_not_know():
    restriction = Restriction(["rm", "it"], "lid.176", ["rm-sursilv", "it"])
    assert restriction.tags == ("it", "rm-sursilv")


def test_the_whole_does_not_count_for_a_part_that_has_its_own_label():
    restriction = Restriction(["da", "da-bornholm"], "isogloss", ["da-bornholm"])
    assert restriction.is_expected.tolist() == [False, True]


def test_several_labels_of_one_variety_add_up():
    restriction = Restriction(["cmn_Hani", "yue_Hani"], "glotlid", ["zh", "yue"])
    assert restriction.tags == ("yue", "zh")
    assert restriction.column.tolist() == [1, 0]


def test_an_expected_variety_that_the_model_cannot_tell_stops_the_launch():
    with pytest.raises(SettingsError, match=r"\$\.identify\.model: the model cannot tell fur"):
        Restriction(LABELS, "isogloss", ["lij", "fur"])


def test_aliases_are_expected_as_their_tags():
    assert Restriction(["gsw", "de"], "isogloss", ["gsw-LI", "de"]).is_expected.tolist() == [True, True]


rows = st.lists(st.dictionaries(st.sampled_from(LABELS), st.floats(0.015625, 1.0, width=32), max_size=4), max_size=6)


@given(rows.map(lambda many: [{k: v / sum(row.values()) for k, v in row.items()} for row in many]))
def test_restricted_probabilities_are_probabilities(many):
    found = decided(many, ["lij", "it", "lmo"], minimum=0.0, top=6)
    for place in range(len(many)):
        candidates = found.candidates_of(place)
        values = [value for _, value in candidates]
        assert values == sorted(values, reverse=True)
        assert sum(values) <= 1.00001
        if found.varieties[place] != "und":
            assert candidates[0][0] == found.varieties[place]
            assert sum(values) == pytest.approx(1.0, abs=1e-5)


def test_a_set_keeps_what_is_probable_enough_and_always_the_first():
    found = decided([{"lij": 0.5, "it": 0.375, "lmo": 0.125}, {"fr": 0.25}], least=0.375)
    assert [tag for tag, _ in found.candidates_of(0)] == ["lij", "it"]
    assert [tag for tag, _ in found.candidates_of(1)] == ["fr"]


def test_of_equal_candidates_the_first_tag_comes_first():
    found = decided([{"lmo": 0.25, "lij": 0.25, "it": 0.25, "fr": 0.25}], minimum=0.0)
    assert [tag for tag, _ in found.candidates_of(0)] == ["fr", "it", "lij"]
    assert found.varieties == ["fr"]


@given(rows, st.integers(1, 7))
def test_candidates_are_those_of_a_slow_sort(many, top):
    restriction = Restriction(LABELS, "isogloss")
    probabilities = restriction.probabilities(labels_of(many))
    found = decide(probabilities, restriction, minimum_probability=0.0, foreign_threshold=1.0, top=top)
    for place, row in enumerate(probabilities.tolist()):
        pairs = [(tag, value) for tag, value in zip(restriction.tags, row, strict=True) if value > 0 and tag]
        wanted = sorted(pairs, key=lambda pair: -pair[1])[:top]
        assert found.candidates_of(place) == wanted
