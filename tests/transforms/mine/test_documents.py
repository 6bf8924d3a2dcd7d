"""Documents that correspond draw their sentences together; those that tell nothing change nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.mine.documents import (
    KNOWN_PAIRS,
    LARGEST_KEY,
    RIVAL,
    WEIGHT,
    DocumentEvidence,
    Name,
    correspondences,
    names_of,
    number_documents,
)

NOTHING = np.zeros(0, dtype=np.int64)


def sides(documents: int, each: int):
    """Documents of `each` sentences on both sides; sentence i of one is the partner of sentence i of the other."""
    numbers = np.repeat(np.arange(documents), each)
    return number_documents([f"a{n:03d}" for n in numbers], [f"b{n:03d}" for n in numbers])


def test_documents_are_numbered_and_known_ones_found_either_way_round():
    found = number_documents(["y", "x", "y"], ["q", "p"], [("p", "x"), ("y", "q"), ("q", "y"), ("z", "p"), ("x", "y")])
    assert found.source.tolist() == [1, 0, 1]
    assert found.target.tolist() == [1, 0]
    assert found.known.tolist() == [[0, 0], [1, 1]]


def test_pairs_within_corresponding_documents_are_likelier_than_those_across():
    documents = sides(8, 6)
    sure = np.arange(48)[np.arange(48) % 6 < 4]
    evidence = DocumentEvidence(documents, sure, sure)
    within = evidence.prior(np.array([4]), np.array([5]))[0]
    across = evidence.prior(np.array([4]), np.array([10]))[0]
    assert within > 0
    assert across < -WEIGHT


def test_a_pair_is_no_evidence_for_itself():
    documents = sides(20, 1)  # every sentence is a document of its own
    every = np.arange(20)
    evidence = DocumentEvidence(documents, every, every)
    assert np.abs(evidence.prior(every, every)).max() == pytest.approx(0, abs=1e-12)


def test_a_pair_is_no_evidence_against_its_rivals():
    documents = sides(20, 1)
    every = np.arange(20)
    evidence = DocumentEvidence(documents, every, every)
    assert np.abs(evidence.prior(every, np.roll(every, 1))).max() == pytest.approx(0, abs=1e-12)


def test_documents_that_were_shuffled_tell_nothing():
    random = np.random.default_rng(1)
    documents = number_documents(*([f"d{n}" for n in random.integers(0, 40, 800)] for _ in range(2)))
    every = np.arange(800)
    evidence = DocumentEvidence(documents, every, every)
    assert min(evidence.chance) > 0.8
    assert np.abs(evidence.prior(every, every)).max() < 0.05


def test_chance_is_small_where_documents_correspond():
    every = np.arange(120)
    assert max(DocumentEvidence(sides(12, 10), every, every).chance) < 0.05


def test_known_documents_count_without_any_sure_pair():
    numbers = [f"{n // 5:02d}" for n in range(50)]
    known = [(f"a{n:02d}", f"b{n:02d}") for n in range(10)]
    documents = number_documents([f"a{n}" for n in numbers], [f"b{n}" for n in numbers], known)
    evidence = DocumentEvidence(documents, NOTHING, NOTHING)
    assert evidence.prior(np.array([0]), np.array([1]))[0] > 0 > evidence.prior(np.array([0]), np.array([7]))[0]
    assert list(evidence.documents(KNOWN_PAIRS)) == [
        (n, n, pytest.approx(list(evidence.documents())[n][2])) for n in range(10)
    ]


def test_without_any_evidence_the_prior_is_zero():
    evidence = DocumentEvidence(sides(4, 3), NOTHING, NOTHING)
    assert evidence.prior(np.arange(12), np.arange(12)).tolist() == [0.0] * 12
    assert list(evidence.documents()) == []


def test_no_pairs_have_no_priors():
    assert len(DocumentEvidence(sides(2, 2), NOTHING, NOTHING).prior(NOTHING, NOTHING)) == 0


def test_corresponding_documents_are_each_others_best():
    every = np.arange(24)
    found = list(DocumentEvidence(sides(6, 4), every, every).documents())
    assert [(a, b) for a, b, _ in found] == [(n, n) for n in range(6)]
    assert all(lift > 0 for _, _, lift in found)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_swapping_the_sides_changes_nothing(places, random):
    a, b = ([f"{side}{n}" for n in column] for side, column in zip("ab", zip(*places, strict=True), strict=True))
    chosen = np.array(sorted(random.sample(range(len(places)), random.randint(0, len(places)))), dtype=np.int64)
    partners = np.array(random.sample(chosen.tolist(), len(chosen)), dtype=np.int64)
    every = np.repeat(np.arange(len(places)), len(places))
    others = np.tile(np.arange(len(places)), len(places))
    forward = DocumentEvidence(number_documents(a, b), chosen, partners).prior(every, others)
    backward = DocumentEvidence(number_documents(b, a), partners, chosen).prior(others, every)
    assert forward == pytest.approx(backward, abs=1e-12)
    assert np.isfinite(forward).all()


def slow_lift(documents, pairs, chance, a, b, source, target):
    """The lift by its definition, counting pair by pair."""
    counted = [(i, j) for i, j in pairs if i != source and j != target]
    n_a = sum(documents.source[i] == a for i, j in counted)
    n_b = sum(documents.target[j] == b for i, j in counted)
    both = sum(documents.source[i] == a and documents.target[j] == b for i, j in counted)
    share_a, share_b = (documents.source == a).mean(), (documents.target == b).mean()
    forward = chance[0] + (1 - chance[0]) * (both + share_b) / (n_a + 1) / share_b
    backward = chance[1] + (1 - chance[1]) * (both + share_a) / (n_b + 1) / share_a
    return (np.log(forward) + np.log(backward)) / 2


@given(st.integers(0, 10_000))
def test_the_prior_is_that_of_the_slow_definition(seed):
    random = np.random.default_rng(seed)
    documents = number_documents(
        [f"a{n}" for n in random.integers(0, 3, 12)], [f"b{n}" for n in random.integers(0, 3, 10)]
    )
    size = int(random.integers(0, 9))
    sources, targets = np.sort(random.permutation(12)[:size]), random.permutation(10)[:size]
    evidence = DocumentEvidence(documents, sources, targets)
    pairs = list(zip(sources.tolist(), targets.tolist(), strict=True))
    for source, target in ((0, 0), (3, 7), (11, 9)):
        a, b = documents.source[source], documents.target[target]

        def lift(x, y, source=source, target=target):
            return slow_lift(documents, pairs, evidence.chance, x, y, source, target)

        # Documents without a sure pair have no lift to speak of; with at most three a side, all are looked at.
        met_a = {documents.target[j] for i, j in pairs if documents.source[i] == a}
        met_b = {documents.source[i] for i, j in pairs if documents.target[j] == b}
        best = max([0.0, lift(a, b), *(lift(a, y) for y in met_a), *(lift(x, b) for x in met_b)])
        found = evidence.prior(np.array([source]), np.array([target]))[0]
        assert found == pytest.approx(WEIGHT * (lift(a, b) - RIVAL * best), abs=1e-12)


def test_a_page_that_declares_the_other_corresponds_with_it():
    lij = list(
        names_of("L", "https://e.org/lij", [{"tag": "it", "url": "https://e.org/it"}], declared=True, patterns=())
    )
    it = list(names_of("I", "https://e.org/it", None, declared=True, patterns=()))
    by_key = {key: [name for name in [*lij, *it] if name.key == key] for key in {name.key for name in [*lij, *it]}}
    assert {pair for names in by_key.values() for pair in correspondences(names)} == {("I", "L")}


def test_what_is_declared_does_not_count_where_it_is_switched_off():
    assert (
        list(
            names_of("L", "https://e.org/lij", [{"tag": "it", "url": "https://e.org/it"}], declared=False, patterns=())
        )
        == []
    )


def test_urls_from_which_a_pattern_takes_the_same_text_correspond():
    names = [
        name
        for identifier, url in (("L", "https://e.org/lij/zena"), ("I", "https://e.org/it/zena"), ("N", None))
        for name in names_of(identifier, url, None, declared=False, patterns=(r"/(?:lij|it)/(.+)$",))
    ]
    assert list(correspondences(names)) == [("I", "L")]


def test_a_name_that_everybody_uses_tells_nothing():
    names = [Name("url home", "H", True), *(Name("url home", f"{n:04d}", False) for n in range(LARGEST_KEY + 1))]
    assert list(correspondences(names)) == []
    assert len(list(correspondences(names[:-1]))) == LARGEST_KEY


def test_a_document_does_not_correspond_with_itself():
    assert list(correspondences([Name("k", "A", True), Name("k", "A", False)])) == []
