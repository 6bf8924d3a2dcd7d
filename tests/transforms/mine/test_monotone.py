"""Sentences in order, many to many: the cheapest way, found whatever the documents."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from transforms.mine import monotone
from transforms.mine.monotone import Bead, added_up, align_monotone, bead_sizes, product, unit_rows

LIGURIAN = [
    "Zena a l'é o capoleugo da Liguria.",
    "O Cristòffa Combo o l'é nasciuo à Zena into 1451.",
    "O pesto o se fa co-o baxeicò, i pigneu e l'euio.",
    "O mâ o l'é ciù cado de stæ.",
]
ITALIAN = [
    "Genova è il capoluogo della Liguria.",
    "Cristoforo Colombo è nato a Genova nel 1451. Il pesto si fa con il basilico, i pinoli e l'olio.",
    "Questa frase manca dall'altra parte, perché nessuno l'ha tradotta.",
    "Il mare è più caldo d'estate.",
]


def letters(texts):
    """Count letter pairs, rows of length 1."""
    vectors = np.zeros((len(texts), 1024), dtype=np.float32)
    for row, text in enumerate(texts):
        for pair in zip(text.lower(), text.lower()[1:], strict=False):
            vectors[row, (ord(pair[0]) * 31 + ord(pair[1])) % 1024] += 1
    return unit_rows(vectors)


def runs_of(texts):
    return lambda length: letters([" ".join(texts[i : i + length]) for i in range(len(texts) - length + 1)])


def drawn(seed, n, m):
    """Random documents in a space of few dimensions, with their lengths."""
    random = np.random.default_rng(seed)
    sides = [unit_rows(random.random((size, 5)).astype(np.float32)) for size in (n, m)]
    return sides, [random.integers(1, 90, size).astype(np.float64) for size in (n, m)]


def slow_cost(sides, lengths, start, size, largest):
    """The cost of a bead by the equations, number by number."""
    masses = [side / side.mean() for side in lengths]
    runs = [
        added_up(side)(length)[place] if length else None
        for side, length, place in zip(sides, size, start, strict=True)
    ]
    mass = [side[place : place + length].sum() for side, length, place in zip(masses, size, start, strict=True)]
    distances = 1 - (sides[0] @ sides[1].T).astype(np.float64)
    scale = (distances.mean(axis=1)[:, None] + distances.mean(axis=0)[None, :]) / 2
    if 0 in size:
        far = max(np.quantile(distances / np.maximum(scale, 1e-6), monotone.SKIP_QUANTILE), 0.05)
        return monotone.SKIP * far * sum(mass)
    means = [(1 - (run @ other.T).astype(np.float64)).mean() for run, other in zip(runs, sides[::-1], strict=True)]
    near = (1 - float(runs[0] @ runs[1])) / max(np.mean(means), 1e-6)
    x, y = mass[0] * lengths[0].mean(), mass[1] * lengths[0].mean()
    surprise = min((x - y) ** 2 / (6.8 * max((x + y) / 2, 1)) / 2, monotone.LENGTH_LIMIT)
    return np.mean(mass) * near + monotone.JOINING * (sum(size) - 2) + monotone.LENGTHS * surprise


def slow_best(sides, lengths, largest):
    """The cheapest way of all, by recursion over every way."""
    n, m = (len(side) for side in sides)
    best = {(0, 0): 0.0}
    for i in range(n + 1):
        for j in range(m + 1):
            ways = [
                best[i - a, j - b] + slow_cost(sides, lengths, (i - a, j - b), (a, b), largest)
                for a, b in bead_sizes(largest)
                if i >= a and j >= b
            ]
            if ways:
                best[i, j] = min(ways)
    return best[n, m]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 6), m=st.integers(1, 6), largest=st.integers(2, 5))
def test_the_way_is_the_cheapest_of_all(seed, n, m, largest):
    sides, lengths = drawn(seed, n, m)
    beads = align_monotone(added_up(sides[0]), added_up(sides[1]), (n, m), lengths=tuple(lengths), largest=largest)
    spent = sum(
        slow_cost(
            sides,
            lengths,
            (b.source_start, b.target_start),
            (b.source_end - b.source_start, b.target_end - b.target_start),
            largest,
        )
        for b in beads
    )
    assert spent == pytest.approx(slow_best(sides, lengths, largest), rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 40), m=st.integers(0, 40), band=st.integers(2, 6))
def test_every_sentence_stands_in_one_bead_in_order(seed, n, m, band):
    sides, lengths = drawn(seed, n, m)
    beads = align_monotone(
        added_up(sides[0]),
        added_up(sides[1]),
        (n, m),
        lengths=tuple(lengths) if n and m else None,
        exact_cells=16,
        band=band,
    )
    assert [i for b in beads for i in range(b.source_start, b.source_end)] == list(range(n))
    assert [j for b in beads for j in range(b.target_start, b.target_end)] == list(range(m))
    allowed = set(bead_sizes(4))
    assert all((b.source_end - b.source_start, b.target_end - b.target_start) in allowed for b in beads)


def test_a_joined_sentence_and_a_missing_one_are_found():
    beads = align_monotone(runs_of(LIGURIAN), runs_of(ITALIAN), (4, 4))
    assert [(b.source_start, b.source_end, b.target_start, b.target_end) for b in beads] == [
        (0, 1, 0, 1),
        (1, 3, 1, 2),
        (3, 3, 2, 3),
        (3, 4, 3, 4),
    ]


def test_equal_documents_are_aligned_one_to_one_at_no_cost():
    beads = align_monotone(runs_of(LIGURIAN), runs_of(LIGURIAN), (4, 4))
    assert [(b.source_start, b.target_start) for b in beads] == [(i, i) for i in range(4)]
    assert max(b.cost for b in beads) == pytest.approx(0, abs=1e-5)


def test_swapping_the_sides_swaps_the_beads():
    there = align_monotone(runs_of(LIGURIAN), runs_of(ITALIAN), (4, 4))
    back = align_monotone(runs_of(ITALIAN), runs_of(LIGURIAN), (4, 4))
    assert [b[:4] for b in there] == [(c, d, a, b) for a, b, c, d, _ in back]


def test_an_empty_side_leaves_the_other_alone():
    nothing = added_up(np.zeros((0, 3), dtype=np.float32))
    some = added_up(np.eye(3, dtype=np.float32)[:2])
    assert align_monotone(nothing, nothing, (0, 0)) == []
    assert align_monotone(some, nothing, (2, 0)) == [Bead(0, 1, 0, 0, 1.0), Bead(1, 2, 0, 0, 1.0)]
    assert align_monotone(nothing, some, (0, 2)) == [Bead(0, 0, 0, 1, 1.0), Bead(0, 0, 1, 2, 1.0)]


def test_sentences_that_nothing_is_known_of_are_no_error():
    nothing = added_up(np.zeros((3, 4), dtype=np.float32))
    assert sum(b.source_end - b.source_start for b in align_monotone(nothing, nothing, (3, 3))) == 3


def test_large_documents_are_aligned_within_a_band_as_well_as_whole():
    random = np.random.default_rng(5)
    source = unit_rows(random.standard_normal((900, 64)).astype(np.float32))
    kept = np.sort(random.permutation(900)[:800])
    target = unit_rows(source[kept] + random.standard_normal((800, 64)).astype(np.float32) * np.float32(0.05))
    ways = [
        align_monotone(added_up(source), added_up(target), (900, 800), exact_cells=cells) for cells in (10**6, 5_000)
    ]
    truth = set(zip(kept.tolist(), range(800), strict=True))
    for beads in ways:
        found = {
            (b.source_start, b.target_start)
            for b in beads
            if b.source_end > b.source_start and b.target_end > b.target_start
        }
        assert len(found & truth) / 800 > 0.95
    assert len(set(ways[0]) & set(ways[1])) / len(ways[0]) > 0.97


def test_dense_and_sparse_vectors_give_the_same_beads():
    dense = [letters(texts) for texts in (LIGURIAN, ITALIAN)]
    thin = [sparse.csr_array(side) for side in dense]
    a, b = (align_monotone(added_up(x), added_up(y), (4, 4)) for x, y in (dense, thin))
    assert [bead[:4] for bead in a] == [bead[:4] for bead in b]


def test_runs_are_added_up_and_have_length_one():
    vectors = unit_rows(np.random.default_rng(1).random((5, 7)).astype(np.float32))
    runs = added_up(vectors)(3)
    assert runs.shape == (3, 7)
    assert np.linalg.norm(runs, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert runs[1] == pytest.approx(unit_rows(vectors[1:4].sum(axis=0)[None])[0], abs=1e-6)
    assert product(sparse.csr_array(vectors), sparse.csr_array(vectors)) == pytest.approx(vectors @ vectors.T, abs=1e-6)


def test_sizes_of_beads_are_those_that_the_setting_allows():
    assert bead_sizes(2) == [(1, 1), (1, 0), (0, 1)]
    assert bead_sizes(4) == [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (3, 1), (1, 0), (0, 1)]
