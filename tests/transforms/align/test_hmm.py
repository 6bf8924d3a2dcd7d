"""The arithmetic, against sums over all alignments."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import psi

from transforms.common.hmm import (
    JUMP_LIMIT,
    JUMPS,
    NULL_PROBABILITY,
    Corpus,
    digamma,
    find_entries,
    normalize,
    posteriors,
)


def enumerate_posteriors(emission, none, jumps):
    """Add up the probability of every path; a state is (position, is it the null's)."""
    made, given_words = emission.shape

    def move(before, i):
        weights = [jumps[min(max(k - before, -JUMP_LIMIT), JUMP_LIMIT) + JUMP_LIMIT] for k in range(given_words)]
        return (1 - NULL_PROBABILITY) * weights[i] / sum(weights)

    total, out = 0.0, np.zeros((made, given_words))
    for path in product(range(-1, given_words), repeat=made):  # -1: the null word
        probability, at = 1.0, -1
        for j, i in enumerate(path):
            if i < 0:
                probability *= NULL_PROBABILITY * none[j]
            else:
                probability *= move(at, i) * emission[j, i]
                at = i
        total += probability
        for j, i in enumerate(path):
            if i >= 0:
                out[j, i] += probability
    return out / total, np.log(total)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_forward_backward_is_the_sum_over_all_alignments(seed, made, given_words):
    random = np.random.default_rng(seed)
    emission, none, jumps = random.random((made, given_words)), random.random(made), random.random(JUMPS) + 0.01
    counts = np.zeros(JUMPS)
    found, likelihood = posteriors(emission, none, jumps, counts)
    expected, expected_likelihood = enumerate_posteriors(emission, none, jumps)
    assert found == pytest.approx(expected, abs=1e-6)
    assert likelihood == pytest.approx(expected_likelihood, abs=1e-6)
    assert counts.sum() == pytest.approx(found.sum(), abs=1e-6)  # every word that comes of a word was jumped to


def test_impossible_words_give_no_nan():
    found, _ = posteriors(np.zeros((2, 2)), np.zeros(2), np.full(JUMPS, 1 / JUMPS), np.zeros(JUMPS))
    assert np.isfinite(found).all()


@given(st.floats(1e-4, 1e6))
def test_digamma_is_scipys(x):
    assert digamma(x) == pytest.approx(float(psi(x)), rel=1e-7, abs=1e-7)


def test_probabilities_of_an_owner_stay_below_one():
    owners = np.array([0, 0, 1], dtype=np.int32)
    words = normalize(np.array([3.0, 1.0, 2.0]), np.full(3, 0.001), owners, 2)
    assert words[0] > words[1]
    assert 0 < words[:2].sum() <= 1
    assert 0 < words[2] <= 1


def test_entries_are_the_word_pairs_that_meet():
    # "a b a" / "x y"; nothing / "x"; "b" / "z x"
    corpus = Corpus(
        np.array([0, 1, 0, 1], dtype=np.int32),
        np.array([0, 3, 3, 4]),
        np.array([0, 1, 0, 2, 0], dtype=np.int32),
        np.array([0, 2, 3, 5]),
    )
    entries = find_entries(corpus, 2, 3)
    owners = np.repeat(np.arange(2), np.diff(entries.offsets))
    assert {(int(s), int(t)) for s, t in zip(owners, entries.targets, strict=True)} == {
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (1, 2),
    }
    assert [(int(owners[e]), int(entries.targets[e])) for e in entries.cells] == [
        (0, 0), (0, 1), (1, 0), (1, 1), (0, 0), (0, 1), (1, 2), (1, 0),
    ]  # fmt: skip
