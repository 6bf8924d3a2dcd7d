"""The approximate search finds most of what the exact one finds, and nothing that it would not."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from transforms.mine import approximate
from transforms.mine.approximate import find_centroids, likely_neighbours
from transforms.mine.fusion import pair_cosines
from transforms.mine.neighbours import MISSING, BothWays, Neighbours, completed, nearest_both_ways

DRAWN = settings(max_examples=20, deadline=None)


def thin(rows, dimension, seed, distinct=None):
    """Sparse unit rows whose features are as unevenly spread as n-grams; some rows are empty."""
    random = np.random.default_rng(seed)
    chance = np.minimum(1, 3 / (1 + np.arange(dimension)))
    values = (0.1 + random.random((rows, dimension))) * (random.random((rows, dimension)) < chance)
    if distinct is not None:
        values = values[random.integers(0, min(distinct, rows), rows)]
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return sparse.csr_array((values / np.where(lengths == 0, 1, lengths)).astype(np.float32))


def gathered(rows, dimension, seed, *, places=12):
    """Dense unit rows around some places."""
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(99).standard_normal((places, dimension))
    values = middles[random.integers(0, places, rows)] + random.standard_normal((rows, dimension)) * 0.7
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def cut(vectors, *places):
    """Give functions that load the parts between some places."""
    edges = [0, *places, vectors.shape[0]]
    return [lambda a=a, b=b: vectors[a:b] for a, b in itertools.pairwise(edges)]


def recall(found, exact):
    """Share of the exact neighbours that were found."""
    there = exact.indices != MISSING
    hits = (exact.indices[:, :, None] == found.indices[:, None, :]).any(axis=2)
    return hits[there].mean()


def same(first, second):
    return np.array_equal(first.indices, second.indices) and first.cosines.tobytes() == second.cosines.tobytes()


@DRAWN
@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(1, 30),
    st.integers(0, 10**6),
    st.sampled_from([None, 1, 5]),
    st.integers(1, 6),
)
def test_with_budget_for_everything_a_sparse_search_is_exact(n, m, dimension, seed, distinct, k):
    own, others = thin(n, dimension, seed, distinct), thin(m, dimension, seed + 1, distinct)
    found = likely_neighbours(own, cut(others, m // 2), k)
    assert same(found, nearest_both_ways(own, others, k).forward)


@pytest.mark.parametrize("places", [(), (1,), (100, 250), (299,)])
def test_chunks_do_not_change_what_a_sparse_search_finds(monkeypatch, places):
    own, others = thin(200, 80, 1), thin(300, 80, 2, distinct=120)
    monkeypatch.setattr(approximate, "BUDGET", 200)
    monkeypatch.setattr(approximate, "CANDIDATES", 12)
    whole = likely_neighbours(own, cut(others), 4)
    assert same(likely_neighbours(own, cut(others, *places), 4), whole)
    assert 0.2 < recall(whole, nearest_both_ways(own, others, 4).forward) < 1, "a small budget misses some"


def test_what_a_sparse_search_finds_has_the_bits_of_the_exact_search(monkeypatch):
    own, others = thin(150, 200, 3), thin(150, 200, 4)
    monkeypatch.setattr(approximate, "BUDGET", 40)
    found = likely_neighbours(own, cut(others, 70), 3)
    rows, places = np.nonzero(found.indices != MISSING)
    assert len(rows)
    exact = pair_cosines(own, others, rows, found.indices[rows, places])
    assert exact.tobytes() == found.cosines[rows, places].tobytes()


def test_a_row_of_frequent_features_alone_still_asks_for_the_rarest_of_them(monkeypatch):
    others = sparse.csr_array(np.tile(np.float32([[0.6, 0.8]]), (30, 1)))
    monkeypatch.setattr(approximate, "BUDGET", 10)
    found = likely_neighbours(sparse.csr_array(np.float32([[0, 1]])), cut(others), 2)
    assert found.indices.tolist() == [[0, 1]]


def test_a_row_that_shares_nothing_finds_nothing():
    found = likely_neighbours(sparse.csr_array(np.float32([[1, 0]])), cut(sparse.csr_array(np.float32([[0, 1]]))), 2)
    assert (found.indices == MISSING).all()
    assert np.isneginf(found.cosines).all()


def test_a_row_whose_nearest_stands_out_is_looked_at_again_with_more_candidates(monkeypatch):
    """One feature is shared by all; what else the partner shares is frequent, and too dear for the first look."""
    crowd = np.tile(np.float32([1, 0, 0]), (40, 1))
    others = np.concatenate([crowd, np.float32([[0.6, 0.8, 0]]), np.tile(np.float32([0, 1, 0]), (15, 1))])
    own = sparse.csr_array(np.float32([[0.6, 0.8, 0]]))
    monkeypatch.setattr(approximate, "BUDGET", 16)
    monkeypatch.setattr(approximate, "CANDIDATES", 2)
    found = {}
    for wider in (1, 8):
        monkeypatch.setattr(approximate, "WIDER", wider)
        found[wider] = likely_neighbours(own, cut(sparse.csr_array(others), 20), 4)
    assert (found[1].indices[0] != MISSING).sum() == 2
    assert (found[8].indices[0] != MISSING).sum() == 4
    assert found[8].indices[0, 0] == 40


def test_the_order_of_features_and_tiny_weights_change_no_candidate(monkeypatch):
    own, others = thin(60, 50, 11), thin(90, 50, 12)
    monkeypatch.setattr(approximate, "BUDGET", 60)
    monkeypatch.setattr(approximate, "CANDIDATES", 6)
    order = np.random.default_rng(1).permutation(50)
    turned = [sparse.csr_array(side.toarray()[:, order]) for side in (own, others)]
    found, again = likely_neighbours(own, cut(others), 3), likely_neighbours(turned[0], cut(turned[1]), 3)
    assert np.array_equal(found.indices, again.indices)
    tiny = sparse.csr_array(np.float32([[1e-6, 1]]))
    assert likely_neighbours(tiny, cut(sparse.csr_array(np.float32([[1, 0]]))), 1).indices.tolist() == [[0]]


def test_what_one_side_found_the_other_gets_too():
    nothing = -np.inf
    forward = Neighbours(np.array([[1, 0], [MISSING] * 2]), np.float32([[0.5, 0.4], [nothing] * 2]))
    backward = Neighbours(
        np.array([[1, 0], [0, MISSING], [0, 1]]), np.float32([[0.9, 0.4], [0.5, nothing], [0.45, 0.3]])
    )
    found = completed(BothWays(forward, backward))
    assert found.forward.indices.tolist() == [[1, 2], [0, 2]]
    assert found.forward.cosines.tolist() == np.float32([[0.5, 0.45], [0.9, 0.3]]).tolist()
    assert found.backward.indices.tolist() == backward.indices.tolist()
    assert forward.indices.tolist() == [[1, 0], [MISSING] * 2], "what is given stays"


@DRAWN
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([None, 2]), st.integers(1, 5))
def test_an_exact_search_is_complete(n, m, seed, distinct, k):
    found = nearest_both_ways(thin(n, 20, seed, distinct), thin(m, 20, seed + 1, distinct), k)
    assert all(same(*sides) for sides in zip(completed(found), found, strict=True))


def test_a_dense_search_that_probes_every_cell_is_exact(monkeypatch):
    own, others = gathered(90, 16, 1), gathered(140, 16, 2)
    monkeypatch.setattr(approximate, "PROBES", 1000)
    assert same(likely_neighbours(own, cut(others, 50), 5), nearest_both_ways(own, others, 5).forward)


def test_a_dense_search_that_probes_few_cells_finds_most():
    own, others = gathered(500, 32, 1), gathered(3000, 32, 2)
    exact = nearest_both_ways(own, others, 4).forward
    found = likely_neighbours(own, cut(others), 4)
    assert recall(found, exact) > 0.95
    rows, places = np.nonzero(found.indices != MISSING)
    again = pair_cosines(own, others, rows, found.indices[rows, places])
    assert again.tobytes() == found.cosines[rows, places].tobytes()


def test_equal_vectors_and_rows_of_zeros_have_cells_too():
    others = np.zeros((40, 8), dtype=np.float32)
    others[:30, 0] = 1
    assert np.isfinite(find_centroids(others, 6)).all()
    found = likely_neighbours(others[:1], cut(others), 3)
    assert found.indices.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_side_finds_nothing(empty):
    for some in (thin(5, 8, 1), gathered(5, 8, 1)):
        own, others = (some[:0], some) if empty == 0 else (some, some[:0])
        found = likely_neighbours(own, cut(others), 2)
        assert found.indices.shape == (own.shape[0], 2)
        assert (found.indices == MISSING).all()


def test_sides_of_two_encoders_are_refused():
    with pytest.raises(ValueError, match="dimensions"):
        likely_neighbours(gathered(3, 8, 1), cut(gathered(3, 9, 1)), 2)
    with pytest.raises(ValueError, match="dense and the other sparse"):
        likely_neighbours(gathered(3, 8, 1), cut(thin(3, 8, 1)), 2)
