"""What the first pass teaches, and that it never confirms itself."""

import zlib

import numpy as np
import pytest
from scipy import sparse

from transforms.mine import MineSettings, mine_texts
from transforms.mine.lexicon import FOLDS, Taught, teach, words_of
from transforms.mine.mining import Mined, better, mine_matrices, teach_from
from transforms.mine.precision import Curve
from transforms.mine.retrieval import Candidates, Pairs

ANIMALS = ["can", "gat", "pes", "ucel", "cjaval", "vacje", "pioure", "lôf", "ors", "leon", "surîs", "gjal"]
THEIR_ANIMALS = ["dog", "kitty", "fish", "bird", "horse", "cow", "sheep", "wolf", "bear", "lion", "mouse", "rooster"]
DOES = ["al mangje", "al duar", "al cor", "al bêf", "al salte", "al clame"]
THEY_DO = ["eats", "sleeps", "runs", "drinks", "jumps", "calls"]
WHERE = ["te cjase", "tal bosc", "tal prât", "sul mont", "tal flum", "te place", "tal ort"]
THERE = ["at home", "in woods", "in meadows", "up mountains", "by rivers", "on squares", "in gardens"]


def sentences():
    """Sentences with names that both sides share, so that a first pass finds some."""
    random = np.random.default_rng(3)
    source, target = [], []
    for number in range(900):
        a, b, c = random.integers(0, 12), random.integers(0, 6), random.integers(0, 7)
        name = f"Zuan{number:03d}" if number % 3 else ""
        source.append(f"{name} {ANIMALS[a]} {DOES[b]} {WHERE[c]} {number % 11}".strip())
        target.append(f"{name} {THEIR_ANIMALS[a]} {THEY_DO[b]} {THERE[c]} {number % 11}".strip())
    return source, target


def vectors_of(*sides):
    """Count character trigrams, weigh them by rarity."""
    grams = [[{f" {text} "[i : i + 3] for i in range(len(text))} for text in side] for side in sides]
    every = sorted(set().union(*(found for side in grams for found in side)))
    column = {gram: number for number, gram in enumerate(every)}
    frequency = np.zeros(len(every))
    for side in grams:
        for found in side:
            frequency[[column[gram] for gram in found]] += 1
    made = []
    for side in grams:
        rows = sparse.lil_array((len(side), len(every)), dtype=np.float64)
        for row, found in enumerate(side):
            places = [column[gram] for gram in found]
            weights = np.log(len(side) * 2 / frequency[places]) + 1
            rows[row, places] = weights / np.linalg.norm(weights)
        made.append(sparse.csr_array(rows.astype(np.float32)))
    return made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Zêna a l'é 'na çitæ.", ["a", "zena", "a", "l", "e", "na", "citæ"]),
        ("台語 kap 華語", ["台", "語", "kap", "華", "語"]),
        ("مَرْحَبا بيك", ["مرحبا", "بيك"]),
        ("  …!? ", []),
        ("", []),
    ],
)
def test_words_are_told_without_case_accents_and_marks(text, words):
    assert words_of(text) == words


@pytest.fixture(scope="module")
def taught():
    source, target = sentences()
    return teach(*vectors_of(source, target), source, target)


def test_every_fold_knows_what_translates_what(taught):
    source, target = taught.words
    for forward, backward in taught.tables:
        for own, other in (("cjaval", "horse"), ("duar", "sleeps"), ("bosc", "woods")):
            assert forward[[source[own]]].toarray().argmax() == target[other]
            assert backward[[target[other]]].toarray().argmax() == source[own]


def test_a_table_is_read_as_it_was_written(taught):
    again = Taught.from_bytes(taught.to_bytes())
    source, target = sentences()
    vectors = vectors_of(source, target)
    for side, texts, is_source in ((vectors[0], source, True), (vectors[1], target, False)):
        one, other = (found.fuse(side, texts, is_source=is_source) for found in (taught, again))
        assert (one != other).nnz == 0
    assert again.to_bytes() == taught.to_bytes()


def test_fused_vectors_fit_are_not_negative_and_no_longer_than_one(taught):
    source, target = sentences()
    a, b = vectors_of(source, target)
    fused = taught.fuse(a, source, is_source=True), taught.fuse(b, target, is_source=False)
    assert fused[0].shape[1] == fused[1].shape[1]
    for side in fused:
        assert side.dtype == np.float32
        assert side.has_sorted_indices
        assert side.data.min() > 0
    cosines = np.asarray((fused[0].multiply(fused[1])).sum(axis=1))
    assert cosines.max() <= 1 + 1e-6


def test_translations_bring_pairs_nearer(taught):
    source, target = sentences()
    a, b = vectors_of(source, target)
    before = np.asarray(a.multiply(b).sum(axis=1)).mean()
    after = np.asarray(
        taught.fuse(a, source, is_source=True).multiply(taught.fuse(b, target, is_source=False)).sum(axis=1)
    ).mean()
    assert after > before + 0.1


def test_a_pair_does_not_confirm_itself():
    """A wrong pair whose words stand nowhere else is as far apart after teaching as its words' strangeness makes it."""
    source, target = sentences()
    source.append("mistero grant unic")
    target.append("solved small plural")
    vectors = vectors_of(source, target)
    found = teach(*vectors, source, target)
    own = zlib.crc32(source[-1].encode()) % FOLDS
    word, other = found.words[0]["mistero"], found.words[1]["solved"]
    assert found.tables[own][0][[word]].nnz == 0
    assert found.tables[(own + 1) % FOLDS][0][[word], [other]] > 0
    pair = [
        found.fuse(side[[-1]], [texts[-1]], is_source=is_source)
        for side, texts, is_source in zip(vectors, (source, target), (True, False), strict=True)
    ]
    assert pair[0].multiply(pair[1]).sum() < 0.1


def test_empty_texts_and_strange_words_have_vectors_too(taught):
    texts = ["", "…", "xyzzy plugh"]
    empty = sparse.csr_array((3, len(taught.weights)), dtype=np.float32)
    for is_source in (True, False):
        assert taught.fuse(empty, texts, is_source=is_source).nnz == 0
        assert taught.fuse(empty[:0], [], is_source=is_source).shape[0] == 0


def halves():
    """Two thirds of the lines of each side, shuffled."""
    source, target = sentences()
    random = np.random.default_rng(8)
    kept = [random.permutation(900)[:600] for _ in range(2)]
    return kept, [source[i] for i in kept[0]], [target[i] for i in kept[1]]


def f1(mined, kept):
    pairs = mined.pairs.take(mined.is_kept)
    right = (kept[0][pairs.source] == kept[1][pairs.target]).sum()
    return 2 * right / (len(pairs.source) + len(np.intersect1d(*kept)))


def best_f1(mined, kept):
    """Give the best F1 over all thresholds, so that what is found is measured and not where the program cuts."""
    order = np.argsort(-mined.pairs.margin, kind="stable")
    right = np.cumsum((kept[0][mined.pairs.source] == kept[1][mined.pairs.target])[order])
    return (2 * right / (np.arange(1, len(order) + 1) + len(np.intersect1d(*kept)))).max()


def test_the_second_pass_finds_more():
    kept, source, target = halves()
    vectors = vectors_of(source, target)
    first = mine_matrices(*vectors, MineSettings(second_pass=False))
    taught = teach_from(first, *vectors, (source, target))
    fused = taught.fuse(vectors[0], source, is_source=True), taught.fuse(vectors[1], target, is_source=False)
    assert best_f1(mine_matrices(*fused, MineSettings()), kept) > best_f1(first, kept) + 0.1


def test_hard_pairs_beside_easy_ones_are_kept():
    kept, source, target = halves()
    vectors = vectors_of(source, target)
    once = mine_texts(*vectors, (source, target), MineSettings(second_pass=False))
    twice = mine_texts(*vectors, (source, target), MineSettings())
    assert f1(twice, kept) > f1(once, kept) + 0.1


def test_the_order_of_the_lines_changes_no_second_pass():
    _, source, target = halves()
    source, target = list(dict.fromkeys(source)), list(dict.fromkeys(target))
    vectors = vectors_of(source, target)
    found = mine_texts(*vectors, (source, target), MineSettings())
    order = np.random.default_rng(1).permutation(len(source))
    turned = mine_texts(vectors[0][order], vectors[1], ([source[i] for i in order], target), MineSettings())
    one = sorted(
        zip(found.pairs.source.tolist(), found.pairs.target.tolist(), found.pairs.margin.tolist(), strict=True)
    )
    other = sorted(
        zip(
            order[turned.pairs.source].tolist(), turned.pairs.target.tolist(), turned.pairs.margin.tolist(), strict=True
        )
    )
    assert one == other


def test_dense_vectors_and_few_pairs_have_no_second_pass():
    source, target = (side[:40] for side in sentences())
    vectors = vectors_of(source, target)
    first = mine_matrices(*vectors, MineSettings())
    assert teach_from(first, *vectors, (source, target)) is None
    dense = [side.toarray() for side in vectors]
    found = mine_texts(*dense, (source, target), MineSettings(threshold=1.0))
    assert found.pairs.margin.tolist() == mine_matrices(*dense, MineSettings(threshold=1.0)).pairs.margin.tolist()


def mined(probabilities):
    """Pairs with these probabilities, all kept."""
    number = len(probabilities)
    rows = np.arange(number, dtype=np.int64)
    nothing = Candidates(rows, rows.astype(np.float32), rows.astype(np.float64), rows.astype(np.float64))
    pairs = Pairs(
        rows, rows, rows.astype(np.float32), rows.astype(np.float64), rows.astype(np.float64), rows.astype(np.int8)
    )
    curve = Curve(margins=(0.0,), probabilities=(1.0,), pairs=number, fitted_on="planted")
    return Mined(
        pairs,
        np.ones(number, dtype=bool),
        nothing,
        nothing,
        0.0,
        np.array(probabilities),
        curve,
        np.zeros((number, 2), np.int16),
    )


def test_the_pass_that_is_expected_to_keep_more_right_pairs_counts():
    fewer, more = mined([0.9, 0.9]), mined([0.9, 0.8, 0.7])
    assert better(fewer, more) is more
    assert better(more, fewer) is more
    assert better(fewer, mined([0.9, 0.9])) is fewer
