"""Sentences in two varieties."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.identify.mixture import WINDOW, find_mixtures
from transforms.identify.text import MOST_CHARACTERS, as_column

KINDS = ("it", "en", "fr")
ITALIAN = "itàlia itàlia itàlia itàlia itàlia itàlia itàlia itàlia"
ENGLISH = "english english english english english english"


def judged(seen):
    """Make a judge that tells a window by the words it knows, and writes down what it was asked."""

    def judge(texts: pa.StringArray):
        seen.extend(texts.to_pylist())
        rows = [[text.count("itàlia"), text.count("english"), 0.0] for text in texts.to_pylist()]
        counts = np.array(rows, dtype=np.float32).reshape(-1, 3)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    return judge


def mixed(texts, *, second=0.2, least=0.01):
    seen = []
    rows = np.array([[1 - second, second, 0.0]] * len(texts), dtype=np.float32).reshape(-1, 3)
    return find_mixtures(as_column(texts), rows, judged(seen), least=least), seen


def test_two_halves_are_told_with_the_share_of_the_second():
    found, _ = mixed([f"{ITALIAN} {ENGLISH}"])
    assert found.probabilities[0] > 0.9
    assert KINDS[found.kinds[0]] == "en"
    assert found.shares[0] == pytest.approx(len(ENGLISH) / len(f"{ITALIAN} {ENGLISH}"), abs=0.1)


def test_an_inserted_quotation_is_told():
    found, _ = mixed([f"{ITALIAN} {ENGLISH} {ITALIAN}"])
    assert found.probabilities[0] > 0.9
    assert KINDS[found.kinds[0]] == "en"


def test_one_variety_is_not_mixed():
    found, _ = mixed([ITALIAN, ENGLISH])
    assert found.probabilities.tolist() == [0.0, 0.0]
    assert found.kinds.tolist() == [-1, -1]
    assert np.isnan(found.shares).all()


def test_a_sentence_with_one_plausible_variety_is_not_looked_at():
    found, seen = mixed([f"{ITALIAN} {ENGLISH}"], second=0.001)
    assert found.probabilities.tolist() == [0.0]
    assert seen == []


def test_a_short_sentence_is_not_known():
    found, seen = mixed(["itàlia english", "", "x"])
    assert np.isnan(found.probabilities).all()
    assert seen == []


def test_no_sentences_are_ordinary():
    assert len(mixed([])[0].probabilities) == 0


def test_a_slice_of_a_column_is_read_as_a_slice():
    column = as_column(["english", f"{ITALIAN} {ENGLISH}", ITALIAN]).slice(1, 1)
    rows = np.array([[0.8, 0.2, 0.0]], dtype=np.float32)
    found = find_mixtures(column, rows, judged([]), least=0.0)
    assert KINDS[found.kinds[0]] == "en"


texts = st.text(st.sampled_from("aé 你😀"), max_size=80)


@settings(deadline=None)
@given(st.lists(texts, max_size=4))
def test_windows_are_the_text_cut_in_order(many):
    found, seen = mixed(many)
    looked_at = [text for text, value in zip(many, found.probabilities, strict=True) if not np.isnan(value)]
    assert "".join(seen) == "".join(looked_at)
    assert all(len(window) <= 2.5 * WINDOW for window in seen)
    short = [text for text, value in zip(many, found.probabilities, strict=True) if np.isnan(value)]
    assert all(len(text) < 2.5 * WINDOW for text in short)


@pytest.mark.parametrize("text", ["a" * 1_000_000, "你" * 300_000, "a b " * 250_000])
def test_of_a_very_long_sentence_the_beginning_is_read(text):
    _, seen = mixed([text], least=0.0)
    assert sum(map(len, seen)) == MOST_CHARACTERS
