"""Similarities to links, against slow obvious versions."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.align.extraction import METHODS, SYMMETRIZATIONS, grow_diag_final_and, inter, itermax, mwmf

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))
CELLS = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)))


def matrices(seed, sizes):
    random = np.random.default_rng(seed)
    shape = (len(sizes), max(s for s, _ in sizes), max(t for _, t in sizes))
    padded = np.full(shape, 9.0, dtype=np.float32)
    for i, (s, t) in enumerate(sizes):
        padded[i, :s, :t] = random.random((s, t), dtype=np.float32)
    return padded, np.array([s for s, _ in sizes]), np.array([t for _, t in sizes])


def slow_inter(matrix):
    return {
        (i, j)
        for i in range(matrix.shape[0])
        for j in range(matrix.shape[1])
        if list(matrix[i]).index(max(matrix[i])) == j and list(matrix[:, j]).index(max(matrix[:, j])) == i
    }


def slow_itermax(matrix):
    links = slow_inter(matrix)
    rows, columns = {i for i, _ in links}, {j for _, j in links}
    if min(matrix.shape) < 3 or len(rows) == matrix.shape[0] or len(columns) == matrix.shape[1]:
        return links
    lowered = matrix.astype(np.float64)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            lowered[i, j] *= 0.0 if i in rows and j in columns else 0.9 if i in rows or j in columns else 1.0
    return links | {(i, j) for i, j in slow_inter(lowered) if i not in rows or j not in columns}


def cells(links):
    return {(int(i), int(j)) for i, j in np.argwhere(links)}


@given(st.integers(0, 10_000), st.lists(SIZES, min_size=1, max_size=4))
def test_inter_and_itermax_are_the_obvious_ones_whatever_the_padding(seed, sizes):
    padded, sources, targets = matrices(seed, sizes)
    for i, (s, t) in enumerate(sizes):
        assert cells(inter(padded, sources, targets)[i]) == slow_inter(padded[i, :s, :t])
        assert cells(itermax(padded, sources, targets)[i]) == slow_itermax(padded[i, :s, :t])


@given(st.integers(0, 10_000), st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_mwmf_has_the_greatest_total_of_all_matchings(seed, size):
    padded, sources, targets = matrices(seed, [size])
    links = cells(mwmf(padded, sources, targets)[0])
    matrix = padded[0] if size[0] <= size[1] else padded[0].T
    best = max(
        sum(matrix[i, j] for i, j in enumerate(p)) for p in permutations(range(matrix.shape[1]), matrix.shape[0])
    )
    assert len(links) == min(size)
    assert sum(padded[0, i, j] for i, j in links) == pytest.approx(best, abs=1e-5)


@given(st.integers(0, 10_000), st.lists(SIZES, min_size=1, max_size=4), st.sampled_from(sorted(METHODS)))
def test_links_of_the_turned_matrix_are_the_turned_links(seed, sizes, method):
    padded, sources, targets = matrices(seed, sizes)
    there = METHODS[method](padded, sources, targets)
    back = METHODS[method](padded.transpose(0, 2, 1), targets, sources)
    assert np.array_equal(there.transpose(0, 2, 1), back)


def test_the_first_of_equals_is_linked():
    even = np.ones((1, 2, 2))
    assert cells(inter(even, np.array([2]), np.array([2]))[0]) == {(0, 0)}


@given(CELLS, CELLS)
def test_symmetrizations_lie_between_intersection_and_union(forward, backward):
    for symmetrize in SYMMETRIZATIONS.values():
        assert forward & backward <= symmetrize(forward, backward) <= forward | backward


@given(CELLS)
def test_symmetrizing_equal_directions_changes_nothing(links):
    assert all(symmetrize(links, links) == links for symmetrize in SYMMETRIZATIONS.values())


def test_grow_diag_final_and_grows_to_neighbours_and_adds_free_words():
    forward = {(0, 0), (1, 1), (1, 2), (5, 5)}
    backward = {(0, 0), (1, 1), (2, 2)}
    # (1, 2) gives word 2 of the target its link; (2, 2) then the source's word 2; (5, 5) joins two free words
    assert grow_diag_final_and(forward, backward) == {(0, 0), (1, 1), (1, 2), (2, 2), (5, 5)}


def test_final_and_leaves_out_links_to_a_word_that_has_one():
    assert grow_diag_final_and({(0, 0), (4, 0)}, {(0, 0)}) == {(0, 0)}
