"""Batches leave no trace, pieces are made ahead, and what is not finite is refused."""

import threading

import numpy as np
import pytest

from schemas.errors import SettingsError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.models

from transforms.embed.backends._running import (  # noqa: E402
    Running,
    ahead,
    batches,
    check_steady,
    encode_ahead,
    even_batches,
    refuse_not_finite,
)

SEQUENCES = [tuple(range(2, 2 + length)) for length in (3, 17, 8, 9, 3, 1, 16, 20, 2)]


def running(forward, **options) -> Running:
    chosen = {"tokens": 48, "pad": 1, "mixes": False, "rows_step": 1} | options
    return Running(forward, dimension=2, device=torch.device("cpu"), **chosen)


def sums(tokens, lengths):
    return torch.stack([tokens.where(tokens != 1, 0).sum(dim=1), lengths], dim=1)


@pytest.mark.parametrize(
    "options", [{}, {"mixes": True}, {"rows_step": 0}, {"tokens": 1, "rows_step": 0}, {"rows_step": 4}]
)
def test_every_sequence_gets_its_own_vector(options):
    got = running(sums, **options).vectors(SEQUENCES)
    np.testing.assert_array_equal(got, [[sum(each), len(each)] for each in SEQUENCES])
    assert running(sums, **options).vectors([]).shape == (0, 2)


def test_filled_batches_have_one_shape_a_length():
    shapes = []

    def watch(tokens, lengths):
        shapes.append(tuple(tokens.shape))
        return sums(tokens, lengths)

    running(watch, rows_step=0).vectors(SEQUENCES)
    assert sorted(set(shapes)) == [(2, 24), (3, 16), (6, 8)]
    shapes.clear()
    running(watch, rows_step=4).vectors(SEQUENCES)
    assert sorted(set(shapes)) == [(4, 8), (4, 16), (4, 24)]


def test_batches_of_one_padded_length_keep_to_the_budget():
    assert even_batches([9, 9, 9, 4, 3], 40) == [(0, 2), (2, 3), (3, 5)]
    assert even_batches([100, 99, 8], 40) == [(0, 1), (1, 2), (2, 3)]
    assert even_batches([], 40) == batches([], 40) == []


def test_a_network_that_looks_at_its_neighbours_is_found_out():
    def scaled(tokens, lengths):
        return sums(tokens, lengths) / tokens.max()

    assert check_steady(running(sums).vectors, SEQUENCES)
    assert not check_steady(running(scaled, mixes=True).vectors, SEQUENCES)


def test_each_distinct_text_is_embedded_once_and_order_is_kept():
    texts = [f"{'x' * (n % 7)}{n}" for n in range(9000)]
    texts += texts[:5]
    made = []

    def vectors(window):
        made.extend(window)
        return np.array([[pieces[0], 0] for pieces in window], dtype=np.float32)

    got = encode_ahead(texts, lambda some: [(int(text.lstrip("x")),) for text in some], vectors, 2)
    assert got[:, 0].tolist() == [*range(9000), 0, 1, 2, 3, 4]
    assert len(made) == 9000
    assert encode_ahead([], lambda _: [], vectors, 2).shape == (0, 2)


def test_what_is_made_ahead_comes_in_order_and_its_errors_too():
    def three():
        yield from (1, 2, 3)
        raise ValueError("the fourth")

    got = []
    with pytest.raises(ValueError, match="the fourth"):
        got.extend(ahead(three()))
    assert got == [1, 2, 3]


def test_taking_no_more_ends_the_thread():
    before = threading.active_count()
    items = ahead(iter(range(100)))
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("precision", "path"),
    [("float16", "$.embed.precision"), ("bfloat16", "$.embed.precision"), ("float32", "$.embed.model")],
)
def test_vectors_that_are_not_finite_are_refused_with_text_and_cure(precision, path):
    vectors = np.ones((3, 2), dtype=np.float32)
    refuse_not_finite(vectors, ["a", "b", "c"], precision, "$.embed.model")
    vectors[1, 0] = np.nan
    vectors[2, 1] = np.inf
    with pytest.raises(SettingsError, match=r"2 of 3 texts .* 'b'") as told:
        refuse_not_finite(vectors, ["a", "b", "c"], precision, "$.embed.model")
    assert told.value.path == path
