"""Ids come from content, are spread evenly, and their buckets are ranges."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import ID_DIGITS, bucket_of, buckets_of, content_digest, content_id

PARTS = st.lists(st.one_of(st.none(), st.text(max_size=8), st.binary(max_size=8), st.integers()), max_size=4)
IDS = st.text("0123456789abcdef", min_size=ID_DIGITS, max_size=ID_DIGITS)


def test_an_id_is_written_down_for_ever():
    # These stand in published corpora: a change here changes every id.
    assert (
        content_id("document", "https://lij.wikipedia.org/wiki/Zena", "Zena a l'é unna çitæ.")
        == "b3081dd4060a53aea1730844f2aa6ec1"
    )
    assert content_id("sentence") == "b872814ff9c1d80cba65cbb70edc3924"


@given(PARTS, PARTS)
def test_ids_are_equal_just_when_the_parts_are(first, second):
    same = [(type(part), part) for part in first] == [(type(part), part) for part in second]
    assert (content_id("kind", *first) == content_id("kind", *second)) == same


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("ab", "c"), ("a", "bc")),
        (("",), (None,)),
        (("1",), (1,)),
        (("a",), (b"a",)),
        (("a",), ("a", "")),
        (("çitæ",), ("c\u0327itæ",)),  # found spellings are kept apart, normalization is not the id's business
    ],
)
def test_parts_do_not_run_into_each_other(first, second):
    assert content_id("kind", *first) != content_id("kind", *second)


def test_kinds_are_kept_apart():
    assert content_id("page", "a") != content_id("document", "a")


def test_a_lone_surrogate_has_an_id():
    assert len(content_id("document", None, "\ud800")) == ID_DIGITS


@given(IDS, st.integers(1, 2**31))
def test_a_bucket_is_one_of_them(identifier, buckets):
    assert 0 <= bucket_of(identifier, buckets) < buckets


@given(st.lists(IDS, min_size=2, max_size=20), st.integers(1, 1000))
def test_buckets_follow_the_order_of_ids(identifiers, buckets):
    ordered = [bucket_of(identifier, buckets) for identifier in sorted(identifiers)]
    assert ordered == sorted(ordered)


@given(st.lists(IDS, max_size=20), st.integers(1, 2**31), st.integers(0, 5))
def test_buckets_of_many_are_those_of_each(identifiers, buckets, cut):
    array = pa.array(identifiers, type=pa.string()).slice(cut)
    expected = [bucket_of(identifier, buckets) for identifier in identifiers[cut:]]
    assert buckets_of(array, buckets).tolist() == expected
    assert buckets_of(array, buckets).dtype == np.int64


def test_ids_are_spread_evenly():
    ids = pa.array([content_id("sentence", str(number)) for number in range(20_000)])
    counts = np.bincount(buckets_of(ids, 10), minlength=10)
    assert counts.min() > 1_800
    assert counts.max() < 2_200


def test_a_digest_is_of_the_bytes():
    assert content_digest(b"") != content_digest(b"\0")
    assert content_digest(b"Bondi") == content_digest(bytes(bytearray(b"Bondi")))
