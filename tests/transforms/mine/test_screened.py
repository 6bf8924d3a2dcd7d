"""The screened sparse search gives the bits of the plain one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from transforms.mine import neighbours as searched
from transforms.mine import screened
from transforms.mine.neighbours import merge, nearest_both_ways

DRAWN = settings(max_examples=25, deadline=None)


def zipf(rows, dimension, seed, distinct=None):
    """Sparse unit rows whose features are as unevenly spread as n-grams; some rows are empty."""
    random = np.random.default_rng(seed)
    chance = np.minimum(1, 3 / (1 + np.arange(dimension)))
    values = (0.1 + random.random((rows, dimension))) * (random.random((rows, dimension)) < chance)
    if distinct is not None and rows:
        values = values[random.integers(0, min(distinct, rows), rows)]
    lengths = np.linalg.norm(values, axis=1, keepdims=True) if rows else np.ones((0, 1))
    return sparse.csr_array((values / np.where(lengths == 0, 1, lengths)).astype(np.float32))


def plain(sources, targets, k):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searched, "SCREENED_PAIRS", float("inf"))
        return nearest_both_ways(sources, targets, k)


def screen(sources, targets, k, *, frequent=8, coarse=2, fine=5, floors=None):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searched, "SCREENED_PAIRS", 1)
        patch.setattr(screened, "FREQUENT", frequent)
        patch.setattr(screened, "COARSE", coarse)
        patch.setattr(screened, "FINE", fine)
        patch.setattr(screened, "LIKELY", 0.3)
        return nearest_both_ways(sources, targets, k, floors)


def same(first, second):
    return all(
        np.array_equal(a.indices, b.indices) and a.cosines.tobytes() == b.cosines.tobytes()
        for a, b in zip(first, second, strict=True)
    )


sides = st.tuples(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 40),
    st.integers(0, 10**6),
    st.sampled_from([None, 1, 5]),
)


@DRAWN
@given(sides, st.integers(1, 6), st.integers(0, 50), st.integers(1, 4), st.integers(1, 9))
def test_gives_the_bits_of_the_plain_search(drawn, k, frequent, coarse, more):
    n, m, dimension, seed, distinct = drawn
    sources, targets = zipf(n, dimension, seed, distinct), zipf(m, dimension, seed + 1, distinct)
    found = screen(sources, targets, k, frequent=frequent, coarse=coarse, fine=coarse + more)
    assert same(found, plain(sources, targets, k))


@DRAWN
@given(sides, st.integers(1, 5), st.floats(0.1, 0.9))
def test_floors_of_an_earlier_search_change_no_merged_bit(drawn, k, share):
    n, m, dimension, seed, distinct = drawn
    sources, targets = zipf(n, dimension, seed, distinct), zipf(m, dimension, seed + 1, distinct)
    cut = int(m * share)
    first = plain(sources, targets[:cut], k).forward
    floors = (first.cosines[:, -1], np.full(m - cut, -np.inf, dtype=np.float32))
    second = screen(sources, targets[cut:], k, floors=floors).forward.shifted(cut)
    whole = plain(sources, targets, k).forward
    merged = merge(first, second)
    assert np.array_equal(merged.indices, whole.indices)
    assert merged.cosines.tobytes() == whole.cosines.tobytes()


@pytest.mark.parametrize("width", [1, 50, 333])
def test_the_width_of_tiles_changes_nothing(monkeypatch, width):
    sources, targets = zipf(130, 80, 1), zipf(200, 80, 2, distinct=150)
    monkeypatch.setattr(searched, "SPARSE_TARGETS", width)
    monkeypatch.setattr(screened, "_TILE_SOURCES", 7)
    assert same(screen(sources, targets, 4), plain(sources, targets, 4))


def test_a_dense_product_that_rounds_against_us_hides_nothing(monkeypatch):
    sources, targets = zipf(90, 60, 3), zipf(110, 60, 4)
    exact = plain(sources, targets, 3)
    random = np.random.default_rng(5)
    multiply = np.matmul
    error = screened._rounding_error(sources, targets)

    def spoiled(a, b, out):
        multiply(a, b, out=out)
        out += (random.uniform(-0.4, 0.4, out.shape) * error).astype(np.float32)
        return out

    monkeypatch.setattr(screened.np, "matmul", spoiled)
    assert same(screen(sources, targets, 3), exact)


def test_at_its_real_settings_on_a_search_that_is_large_enough(monkeypatch):
    sources, targets = zipf(700, 900, 7), zipf(600, 900, 8)
    monkeypatch.setattr(searched, "SCREENED_PAIRS", 1)
    found = nearest_both_ways(sources, targets, 4)
    assert same(found, plain(sources, targets, 4))


def test_vectors_that_share_nothing_are_no_neighbours():
    sources = sparse.csr_array(np.eye(4, 8, dtype=np.float32))
    targets = sparse.csr_array(np.eye(4, 8, 4, dtype=np.float32))
    found = screen(sources, targets, 2)
    assert (found.forward.indices == searched.MISSING).all()
    assert np.isneginf(found.backward.cosines).all()
