"""What stands around a sentence, as a prior."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.identify.context import (
    LIMIT,
    WHOLE,
    HostVotes,
    frequent,
    host_of,
    most_heard,
    seen_in_context,
    shares_of,
    votes_of,
)


def seen(rows, documents=None, hosts=None):
    own = np.array(rows, dtype=np.float32).reshape(len(rows), -1)
    given_documents = np.zeros(len(rows), dtype=np.int64) if documents is None else np.array(documents)
    known = None if hosts is None else np.array(hosts, dtype=np.float32)
    return seen_in_context(own, given_documents, known)


def test_an_unsure_sentence_goes_with_its_sure_neighbours():
    found = seen([[0.99, 0.01], [0.4, 0.6], [0.99, 0.01]])
    assert found[1, 0] > 0.9


def test_neighbours_of_another_document_have_no_say():
    rows = [[0.99, 0.01], [0.4, 0.6], [0.99, 0.01]]
    assert seen(rows, [0, 1, 2]) == pytest.approx(np.array(rows), abs=1e-6)


def test_a_document_of_one_sentence_is_as_sure_as_its_sentence():
    assert seen([[0.7, 0.3]]) == pytest.approx(np.array([[0.7, 0.3]]), abs=1e-6)


def test_a_paragraph_in_another_variety_keeps_its_own():
    around, inside = [[0.95, 0.05]] * 4, [[0.1, 0.9]] * 2
    own = [*around, *inside, [0.45, 0.55], *inside, *around]
    assert seen(own).argmax(axis=1).tolist() == [0] * 4 + [1] * 5 + [0] * 4


def test_a_long_document_does_not_outvote_the_neighbours_for_ever():
    around = [[0.9, 0.1]] * 500
    own = [*around, *[[0.02, 0.98]] * 6, [0.2, 0.8], *[[0.02, 0.98]] * 6, *around]
    assert seen(own)[506].argmax() == 1


def test_the_host_speaks_where_the_document_has_nothing_to_say():
    alone = seen([[0.5, 0.5]], hosts=[[0.8, 0.0]])
    assert alone[0, 0] > 0.8
    assert seen([[0.5, 0.5]], hosts=[[0.0, 0.0]])[0, 0] == pytest.approx(0.5, abs=1e-6)


def test_a_sentence_without_evidence_stays_without():
    assert seen([[0.9, 0.1], [0.0, 0.0], [0.9, 0.1]])[1].tolist() == [0.0, 0.0]


def test_nothing_gives_nothing():
    assert seen_in_context(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64)).shape == (0, 3)


documents = st.lists(
    st.tuples(st.lists(st.floats(0, 1, width=16), min_size=3, max_size=3), st.integers(0, 1)), min_size=1, max_size=12
)


@settings(deadline=None)
@given(documents)
def test_strong_evidence_is_never_overruled(many):
    own = np.array([row for row, _ in many], dtype=np.float64)
    own /= np.maximum(own.sum(axis=1, keepdims=True), 1e-3)
    numbers = np.cumsum([step for _, step in many])
    found = seen_in_context(own.astype(np.float32), numbers)
    assert np.all((found >= 0) & (found <= 1.00001))
    assert found.sum(axis=1) == pytest.approx(own.sum(axis=1), abs=1e-4)
    sure = own.max(axis=1) > LIMIT / (1 + LIMIT) + 1e-4
    assert np.array_equal(found.argmax(axis=1)[sure], own.argmax(axis=1)[sure])


@settings(deadline=None)
@given(documents)
def test_a_document_is_judged_alike_whatever_stands_beside_it(many):
    own = np.array([row for row, _ in many], dtype=np.float32)
    numbers = np.cumsum([step for _, step in many])
    whole = seen_in_context(own, numbers)
    for number in np.unique(numbers):
        rows = numbers == number
        assert np.array_equal(seen_in_context(own[rows], numbers[rows]), whole[rows])


@settings(deadline=None)
@given(documents)
def test_votes_are_those_of_a_slow_count(many):
    own = np.array([row for row, _ in many], dtype=np.float32)
    numbers = np.array([len(many)]) if len(many) == 1 else np.cumsum([step for _, step in many])
    bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(many)]
    wanted = [sum(np.rint(row * WHOLE).astype(np.int64) for row in own[a:b]) for a, b in itertools.pairwise(bounds)]
    assert np.array_equal(votes_of(own, bounds), np.array(wanted))


def test_a_host_of_few_sentences_says_little():
    few, many = shares_of(np.array([[WHOLE, 0], [100 * WHOLE, 0]]))
    assert few[0] < 0.2
    assert 0.9 < many[0] < 1
    assert shares_of(np.array([[-5, 0]])).tolist() == [[0.0, 0.0]]


def test_votes_of_hosts_are_read_back_by_tag():
    votes = HostVotes.of([("b.example", {"it": 5, "lij": 7}), ("a.example", {"fur": 1})])
    assert votes.hosts == ("a.example", "b.example")
    found = votes.by_host(("lij", "it"))
    assert found["b.example"].tolist() == [7, 5]
    assert found["a.example"].tolist() == [0, 0]


def test_the_most_frequent_are_kept_in_any_order():
    votes = {f"t{n}": n for n in range(50)}
    assert frequent(votes) == frequent(dict(reversed(votes.items())))
    assert min(frequent(votes).values()) == 38
    hosts = [("a", {"it": 1}), ("b", {"it": 3}), ("c", {"it": 3})]
    assert most_heard(hosts) == most_heard(hosts[::-1]) == [hosts[1], hosts[2], hosts[0]]


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://Example.org:80/a", "example.org"), (None, ""), ("", ""), ("http://[broken", ""), ("/a/b", "")],
)
def test_hosts(url, host):
    assert host_of(url) == host
