"""Counting n-grams and weighing them, against scikit-learn and an obvious slow count."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from transforms.embed.backends.ngram import fit, fit_encode
from transforms.embed.ngrams import (
    add_frequencies,
    chunks,
    count_ngrams,
    fit_space,
    fold_accents,
    prepared,
    text_frequencies,
)
from transforms.embed.settings import NgramSettings

LIKE_SKLEARN = NgramSettings(minimum_sentences=1, accents="kept")
WORDS = st.text(alphabet="abcèßşα한י 　\t1.!😀", max_size=40)


def slow_counts(text: str, shortest: int, longest: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in text.lower().split():
        padded = f" {word} "
        for length in range(shortest, longest + 1):
            found.update(padded[i : i + length] for i in range(len(padded) - length + 1))
    return found


def sorted_counts(text: str, options: NgramSettings) -> list[int]:
    return sorted(count_ngrams([text], options).occurrences.tolist())


@given(WORDS, st.sampled_from([(2, 2), (2, 4), (3, 3), (3, 6)]))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_an_obvious_count(text, lengths):
    options = NgramSettings(shortest=lengths[0], longest=lengths[1], minimum_sentences=1, accents="kept")
    assert sorted_counts(text, options) == sorted(slow_counts(text, *lengths).values())


@pytest.mark.parametrize("lengths", [(2, 4), (3, 5), (2, 2)])
def test_vectors_are_those_of_scikit_learn(sentences, lengths):
    options = NgramSettings(shortest=lengths[0], longest=lengths[1], minimum_sentences=1, accents="kept")
    peer = TfidfVectorizer(analyzer="char_wb", ngram_range=lengths, sublinear_tf=True).fit(sentences)
    theirs = peer.transform(sentences)
    ours = fit(sentences, options).encode(sentences)
    assert ours.shape == theirs.shape
    assert ours.nnz == theirs.nnz
    # The columns stand in another order: compare the weights of each row, and all cosines.
    for row in range(len(sentences)):
        np.testing.assert_allclose(np.sort(ours[[row]].data), np.sort(theirs[[row]].data), atol=1e-6)
    ours = ours.astype(np.float64)
    np.testing.assert_allclose((ours @ ours.T).toarray(), (theirs @ theirs.T).toarray(), atol=1e-6)


def slow_key(ngram: str) -> int:
    """The key of an n-gram by plain integers."""
    low = 2**64 - 1
    key = 0
    for length, character in enumerate(ngram, start=1):
        code = ord(character) + 1
        if length <= 3:
            key = (key << 21) | code
            continue
        key = (key + code * 0x9E3779B97F4A7C15) & low
        key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & low
        key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & low
        key ^= key >> 31
    return key


def test_every_weight_is_that_of_scikit_learn(sentences):
    peer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 6), sublinear_tf=True).fit(sentences)
    encoder = fit(sentences, NgramSettings(longest=6, minimum_sentences=1, accents="kept"))
    keys = np.array([slow_key(ngram) for ngram in peer.get_feature_names_out()], dtype=np.uint64)
    np.testing.assert_array_equal(np.sort(keys), encoder.space.keys)
    theirs = peer.transform(sentences).toarray()[:, np.argsort(keys)]
    np.testing.assert_allclose(encoder.encode(sentences).toarray(), theirs, atol=1e-6)


@pytest.mark.data
def test_vectors_are_those_of_scikit_learn_on_oldi_seed(shared_data):
    texts = (shared_data / "oldi-seed" / "seed" / "lij_Latn").read_text(encoding="utf-8").splitlines()[:2000]
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(texts)
    ours = fit(texts, LIKE_SKLEARN).encode(texts)
    assert ours.shape == theirs.shape
    ours = ours.astype(np.float64)
    np.testing.assert_allclose((ours[:200] @ ours.T).toarray(), (theirs[:200] @ theirs.T).toarray(), atol=1e-6)


def test_an_ngram_of_too_few_sentences_is_no_feature():
    texts = ["gatto nero", "gatto bianco", "xyz"]
    assert fit(texts, NgramSettings(minimum_sentences=2)).dimension < fit(texts, LIKE_SKLEARN).dimension
    vectors = fit(texts, NgramSettings(minimum_sentences=2)).encode(texts)
    assert vectors[[2]].nnz == 0
    np.testing.assert_allclose(np.sqrt((vectors**2).sum(axis=1))[:2], 1, atol=1e-6)


def test_empty_texts_and_no_texts_are_ordinary():
    encoder = fit(["Un chien", "", "Un gatt"], NgramSettings())
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encoder.encode(["", "   "]).nnz == 0
    assert fit([], NgramSettings()).encode(["a"]).shape == (1, 0)


def test_emoji_and_very_long_texts_are_embedded():
    long = "perché no? " * 2000
    encoder = fit(["😀😀 🎉", long, "😀"], LIKE_SKLEARN)
    assert (np.diff(encoder.encode(["😀😀 🎉", long, "😀"]).indptr) > 0).all()


@given(st.lists(WORDS, min_size=1, max_size=12), st.integers(0, 11), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_space_does_not_depend_on_order_or_cuts(texts, cut, random):
    options = NgramSettings()
    whole = fit_space(text_frequencies(texts, options), options)
    parts = [texts[:cut], texts[cut:]]
    random.shuffle(parts)
    shuffled = [random.sample(part, len(part)) for part in parts]
    other = fit_space(add_frequencies(text_frequencies(part, options) for part in shuffled), options)
    assert other.digest == whole.digest


def test_a_text_has_the_same_bytes_in_any_company(sentences):
    encoder = fit(sentences, NgramSettings())
    whole = encoder.encode(sentences)
    for row, sentence in enumerate(sentences):
        alone = encoder.encode([sentence])
        assert alone.data.tobytes() == whole[[row]].data.tobytes()
        assert alone.indices.tobytes() == whole[[row]].indices.tobytes()


def test_fitting_and_embedding_in_one_pass_gives_the_same(sentences):
    encoder, (a, b) = fit_encode([sentences[:5], sentences[5:]], NgramSettings())
    again = fit(sentences, NgramSettings())
    assert encoder.name == again.name
    assert (a != again.encode(sentences[:5])).nnz == 0
    assert (b != again.encode(sentences[5:])).nnz == 0


def test_many_distinct_ngrams_make_the_table_grow(rng):
    texts = ["".join(chr(c) for c in rng.integers(0x4E00, 0x9FFF, 300)) for _ in range(300)]
    counts = count_ngrams(texts, LIKE_SKLEARN)
    distinct = set().union(*(slow_counts(text, 2, 4) for text in texts))
    assert len(counts.keys) == len(distinct) > 1 << 17
    assert counts.sentences.sum() == len(counts.indices)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("perché", "perche"),
        ("çittæ", "cittæ"),
        ("أحمد", "احمد"),
        ("हिन्दी", "हिन्दी"),
        ("がっこう", "がっこう"),
        ("한국", "한국"),
        ("smørrebrød", "smørrebrød"),
    ],
)
def test_folding_takes_accents_and_leaves_letters(text, folded):
    assert fold_accents(text) == unicodedata.normalize("NFC", folded)


def test_both_views_have_the_folded_words_that_differ():
    assert prepared("Perché  NO", "both") == "perché no perche"
    assert prepared("Perché  NO", "folded") == "perche no"
    assert prepared("Perché  NO", "kept") == "perché no"


def test_chunks_keep_order_and_lose_nothing(monkeypatch):
    monkeypatch.setattr("transforms.embed.ngrams._CHUNK_CHARACTERS", 10)
    texts = ["abc", "", "d" * 30, "ef", "ghijklmno", "p"]
    cut = [list(chunk) for chunk in chunks(texts)]
    assert [text for chunk in cut for text in chunk] == texts
    assert len(cut) == 4
