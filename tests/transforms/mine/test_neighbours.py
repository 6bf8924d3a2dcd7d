"""Nearest neighbours agree with a slow search, to the bit, for any cut into blocks."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from transforms.mine import neighbours as searched
from transforms.mine.neighbours import (
    MISSING,
    Neighbours,
    check_vectors,
    merge,
    nearest_both_ways,
    no_neighbours,
    rounding_error,
)

DRAWN = settings(max_examples=30, deadline=None)


def dense(rows, dimension, seed, distinct=None):
    """Random unit rows; with `distinct`, many are equal."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((rows, dimension)).astype(np.float32)
    if distinct is not None and rows:
        vectors = vectors[random.integers(0, min(distinct, rows), rows)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if rows else vectors


def thin(rows, dimension, seed, distinct=None):
    """Random sparse unit rows that are not negative, some of them empty."""
    random = np.random.default_rng(seed)
    values = random.random((rows, dimension)) * (random.random((rows, dimension)) < 0.3)
    if distinct is not None and rows:
        values = values[random.integers(0, min(distinct, rows), rows)]
    lengths = np.linalg.norm(values, axis=1, keepdims=True) if rows else np.ones((0, 1))
    return sparse.csr_array((values / np.where(lengths == 0, 1, lengths)).astype(np.float32))


def slow_cosine(first, second):
    """The cosine as it is promised: lanes of eight in float64 (dense), or feature after feature in float32 (sparse)."""
    if sparse.issparse(first):
        total = np.float32(0)
        a, b = first.toarray().ravel(), second.toarray().ravel()
        for x, y in zip(a, b, strict=True):
            if x and y:
                total = np.float32(total + np.float32(x * y))
        return total
    lanes = [0.0] * 8
    whole = len(first) // 8 * 8
    for place in range(whole):
        lanes[place % 8] += float(first[place]) * float(second[place])
    total = 0.0
    for lane in lanes:  # not `sum`: it compensates from Python 3.12 on
        total += lane
    for place in range(whole, len(first)):
        total += float(first[place]) * float(second[place])
    return np.float32(total)


def slow_neighbours(own, others, k):
    """Sort all cosines of every row."""
    indices = np.full((own.shape[0], k), MISSING)
    cosines = np.full((own.shape[0], k), -np.inf, dtype=np.float32)
    for i in range(own.shape[0]):
        every = [
            (
                slow_cosine(
                    own[[i]] if sparse.issparse(own) else own[i], others[[j]] if sparse.issparse(own) else others[j]
                ),
                j,
            )
            for j in range(others.shape[0])
        ]
        if sparse.issparse(own):
            every = [(cosine, j) for cosine, j in every if cosine > 0]
        for place, (cosine, j) in enumerate(sorted(every, key=lambda found: (-found[0], found[1]))[:k]):
            indices[i, place], cosines[i, place] = j, cosine
    return Neighbours(indices, cosines)


def same(first, second):
    return np.array_equal(first.indices, second.indices) and first.cosines.tobytes() == second.cosines.tobytes()


sides = st.tuples(
    st.sampled_from([dense, thin]),
    st.integers(0, 14),
    st.integers(0, 14),
    st.integers(1, 19),
    st.integers(0, 10**6),
    st.sampled_from([None, 1, 3]),
)


@DRAWN
@given(sides, st.integers(1, 6))
def test_agrees_with_a_slow_search_to_the_bit(drawn, k):
    make, n, m, dimension, seed, distinct = drawn
    sources, targets = make(n, dimension, seed, distinct), make(m, dimension, seed + 1, distinct)
    found = nearest_both_ways(sources, targets, k)
    assert same(found.forward, slow_neighbours(sources, targets, k))
    assert same(found.backward, slow_neighbours(targets, sources, k))


@DRAWN
@given(sides, st.integers(1, 5), st.data())
def test_any_blocks_in_any_order_give_the_same_bits(drawn, k, data):
    make, n, m, dimension, seed, distinct = drawn
    sources, targets = make(n, dimension, seed, distinct), make(m, dimension, seed, distinct)
    cuts = sorted({0, m, *data.draw(st.lists(st.integers(0, m), max_size=4))})
    parts = [
        nearest_both_ways(sources, targets[start:stop], k).forward.shifted(start)
        for start, stop in itertools.pairwise(cuts)
    ]
    merged = no_neighbours(n, k)
    for part in data.draw(st.permutations(parts)):
        merged = merge(part, merged) if data.draw(st.booleans()) else merge(merged, part)
    assert same(merged, nearest_both_ways(sources, targets, k).forward)


@DRAWN
@given(sides, st.integers(1, 5))
def test_swapping_the_sides_swaps_the_answers(drawn, k):
    make, n, m, dimension, seed, distinct = drawn
    sources, targets = make(n, dimension, seed, distinct), make(m, dimension, seed + 1, distinct)
    there, back = nearest_both_ways(sources, targets, k), nearest_both_ways(targets, sources, k)
    assert same(there.forward, back.backward)
    assert same(there.backward, back.forward)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 128), (1000, 1)])
def test_the_shape_of_tiles_changes_nothing(monkeypatch, shape):
    sources, targets = dense(150, 33, 1), dense(301, 33, 2, distinct=200)
    whole = nearest_both_ways(sources, targets, 4)
    monkeypatch.setattr(searched, "TILE_SOURCES", shape[0])
    monkeypatch.setattr(searched, "TILE_TARGETS", shape[1])
    tiled = nearest_both_ways(sources, targets, 4)
    assert same(whole.forward, tiled.forward)
    assert same(whole.backward, tiled.backward)


@pytest.mark.parametrize("width", [1, 7, 64, 65])
def test_the_width_of_sparse_parts_changes_nothing(monkeypatch, width):
    sources, targets = thin(90, 40, 1), thin(140, 40, 2, distinct=100)
    whole = nearest_both_ways(sources, targets, 4)
    monkeypatch.setattr(searched, "SPARSE_TARGETS", width)
    parts = nearest_both_ways(sources, targets, 4)
    assert same(whole.forward, parts.forward)
    assert same(whole.backward, parts.backward)


def test_a_screen_that_rounds_against_us_hides_nothing(monkeypatch):
    """A product that is off by nearly the bound, in the worst direction, still gives the exact answer."""
    sources, targets = dense(60, 24, 3), dense(80, 24, 4)
    exact = nearest_both_ways(sources, targets, 3)
    bound = rounding_error(sources, targets)
    random = np.random.default_rng(5)
    multiply = np.matmul

    def spoiled(a, b, out):
        multiply(a, b, out=out)
        out += (random.uniform(-0.9, 0.9, out.shape) * bound).astype(np.float32)
        return out

    monkeypatch.setattr(searched.np, "matmul", spoiled)
    screened = nearest_both_ways(sources, targets, 3)
    assert same(exact.forward, screened.forward)
    assert same(exact.backward, screened.backward)


def testrounding_error_bounds_the_product_of_single_precision():
    sources, targets = dense(200, 1024, 6), dense(200, 1024, 7)
    exact = sources.astype(np.float64) @ targets.astype(np.float64).T
    assert np.abs(sources @ targets.T - exact).max() < rounding_error(sources, targets) / 2


def test_sparse_vectors_in_any_order_of_features_are_read_alike():
    vectors = thin(20, 30, 8)
    shuffled = vectors.copy()
    for row in range(20):
        span = slice(vectors.indptr[row], vectors.indptr[row + 1])
        shuffled.indices[span] = vectors.indices[span][::-1]
        shuffled.data[span] = vectors.data[span][::-1]
    shuffled.has_canonical_format = False
    before = shuffled.indices.copy()
    assert same(nearest_both_ways(shuffled, vectors, 3).forward, nearest_both_ways(vectors, vectors, 3).forward)
    assert np.array_equal(shuffled.indices, before)


@pytest.mark.parametrize("make", [dense, thin])
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 5), (5, 0)])
def test_an_empty_side_has_no_neighbours(make, n, m):
    found = nearest_both_ways(make(n, 6, 1), make(m, 6, 2), 4)
    assert found.forward.indices.shape == (n, 4)
    assert found.backward.indices.shape == (m, 4)
    assert (found.forward.indices == MISSING).all()
    assert np.isneginf(found.backward.cosines).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [dense, thin])
def test_what_is_no_number_is_refused_with_its_row(make, value):
    vectors = make(9, 12, 1)
    if sparse.issparse(vectors):
        vectors.data[vectors.indptr[7]] = value
    else:
        vectors[7, 3] = value
    with pytest.raises(ValueError, match="target vectors: row 7 holds NaN or infinity"):
        nearest_both_ways(make(4, 12, 2), vectors, 2)


def test_infinities_that_cancel_are_found():
    vectors = dense(3, 4, 1)
    vectors[1, :2] = np.inf, -np.inf
    with pytest.raises(ValueError, match="row 1"):
        check_vectors(vectors, "source")


def test_sides_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="source vectors have 5 dimensions, target vectors 6"):
        nearest_both_ways(dense(2, 5, 1), dense(2, 6, 1), 1)
    with pytest.raises(ValueError, match="one side is dense and the other sparse"):
        nearest_both_ways(dense(2, 5, 1), thin(2, 5, 1), 1)
    with pytest.raises(ValueError, match="expected a matrix of float32, got 2 dimension"):
        nearest_both_ways(dense(2, 5, 1).astype(np.float64), dense(2, 5, 1), 1)
    with pytest.raises(ValueError, match="must not be negative"):
        nearest_both_ways(sparse.csr_array(dense(2, 5, 1)), thin(2, 5, 1), 1)
    with pytest.raises(ValueError, match="expected a CSR array, got csc"):
        nearest_both_ways(thin(2, 5, 1).tocsc(), thin(2, 5, 1), 1)


@pytest.mark.parametrize("threads", ["2", "3", "7"])
def test_threads_change_no_bit(monkeypatch, threads):
    sources, targets = dense(90, 6, 7), dense(70, 6, 8)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    one = nearest_both_ways(sources, targets, 4)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
    monkeypatch.setattr(searched, "TILE_SOURCES", 20)
    many = nearest_both_ways(sources, targets, 4)
    assert all(
        a.indices.tobytes() == b.indices.tobytes() and a.cosines.tobytes() == b.cosines.tobytes()
        for a, b in zip(one, many, strict=True)
    )
