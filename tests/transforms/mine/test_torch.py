"""The search on a device gives the bits of the search on the CPU; here the device is torch's own CPU."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError
from transforms.mine.neighbours import nearest_both_ways

pytestmark = pytest.mark.models
search = pytest.importorskip("transforms.mine.backends.torch", reason="torch is not installed")


def unit(rows, dimension, seed, distinct):
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((rows, dimension)).astype(np.float32)
    if distinct:
        vectors = vectors[random.integers(0, min(distinct, rows), rows)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def on_device(sources, targets, k):
    return nearest_both_ways(sources, targets, k, device="torch:cpu")


def same(first, second):
    return all(
        np.array_equal(a.indices, b.indices) and a.cosines.tobytes() == b.cosines.tobytes()
        for a, b in zip(first, second, strict=True)
    )


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 40),
    st.integers(0, 10**6),
    st.sampled_from([None, 1, 4]),
    st.integers(1, 7),
    st.sampled_from([(1, 1), (7, 13), (64, 64)]),
)
def test_gives_the_bits_of_the_cpu_whatever_the_tiles(n, m, dimension, seed, distinct, k, tiles):
    sources, targets = unit(n, dimension, seed, distinct), unit(m, dimension, seed + 1, distinct)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "TILE_SOURCES", tiles[0])
        patch.setattr(search, "TILE_TARGETS", tiles[1])
        found = on_device(sources, targets, k)
    assert same(found, nearest_both_ways(sources, targets, k))


def test_a_device_that_rounds_against_us_hides_nothing(monkeypatch):
    sources, targets = unit(80, 24, 1, None), unit(90, 24, 2, None)
    exact = nearest_both_ways(sources, targets, 4)
    monkeypatch.setattr(search, "multiply", lambda a, b: spoiled(a @ b.T))
    random = np.random.default_rng(3)

    def spoiled(product):
        error = 0.4 * 2 * 24 * 2.0**-24
        return product + search.torch.from_numpy(random.uniform(-error, error, product.shape).astype(np.float32))

    assert same(on_device(sources, targets, 4), exact)


@pytest.mark.skipif(search.torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_with_the_setting():
    with pytest.raises(SettingsError, match=r"\$.mine.device"):
        nearest_both_ways(unit(3, 4, 1, None), unit(3, 4, 2, None), 2, device="cuda")
