"""The second look at documents in order: what beads look like is learned, and decides better than constants."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.mine.evidence import Document, align_documents, learn
from transforms.mine.evidence import _View as View
from transforms.mine.monotone import Bead, added_up, bead_sizes, unit_rows


def languages(seed, sentences, noise, missing=0.0, joined=0.0):
    """A document and its translation: vectors with noise, lengths that go together, some joined, some missing."""
    random = np.random.default_rng(seed)
    meant = random.standard_normal((sentences, 48)).astype(np.float32)
    lengths = random.integers(20, 200, sentences).astype(np.float64)
    source = unit_rows(meant + np.float32(noise) * random.standard_normal(meant.shape).astype(np.float32))
    target, target_lengths, truth = [], [], []
    number = 0
    while number < sentences:
        size = 2 if random.random() < joined and number + 2 <= sentences else 1
        if random.random() < missing:
            truth.append((number, number + 1, len(target), len(target)))
            number += 1
            continue
        said = meant[number : number + size].sum(axis=0)
        target.append(said + noise * np.linalg.norm(said) / 48**0.5 * random.standard_normal(48))
        length = 1.2 * lengths[number : number + size].sum()
        target_lengths.append(max(length + random.standard_normal() * length**0.5, 1.0))
        truth.append((number, number + size, len(target) - 1, len(target)))
        number += size
    other = unit_rows(np.array(target, dtype=np.float32))
    made = Document(added_up(source), added_up(other), (sentences, len(other)), (lengths, np.array(target_lengths)))
    return made, truth


def strict(beads, truth):
    found = {bead[:4] for bead in beads if bead[0] < bead[1] and bead[2] < bead[3]}
    known = {bead for bead in truth if bead[0] < bead[1] and bead[2] < bead[3]}
    return 2 * len(found & known) / (len(found) + len(known))


@pytest.mark.parametrize("seed", range(4))
def test_learning_finds_more_right_beads_than_the_first_way(seed):
    document, truth = languages(seed, 120, 1.2, missing=0.1, joined=0.15)
    first, second = (align_documents([document], rounds=rounds)[0] for rounds in (0, 2))
    assert strict(second, truth) > strict(first, truth)
    assert strict(second, truth) > 0.9


def test_a_band_around_the_first_way_is_as_good_as_everything():
    document, truth = languages(7, 400, 0.8, missing=0.1, joined=0.1)
    whole, band = (align_documents([document], exact_cells=cells)[0] for cells in (10**6, 4_000))
    assert abs(strict(whole, truth) - strict(band, truth)) < 0.01
    assert strict(band, truth) > 0.95


def test_what_is_learned_is_what_the_documents_are_made_of():
    made = [languages(seed, 150, 0.6, joined=0.2) for seed in range(2)]
    ways = [[Bead(*bead, 0.0) for bead in truth] for _, truth in made]
    found = learn([View(document, 4) for document, _ in made], ways, bead_sizes(4))
    assert found.ratio == pytest.approx(1.2, abs=0.05)
    assert 0.1 < math.exp(found.kinds[2, 1]) < 0.3
    assert sum(math.exp(kind) for kind in found.kinds.values()) == pytest.approx(1)
    assert found.near < 0.8 < found.chance[1, 1][0]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 12),
    m=st.integers(0, 12),
    largest=st.integers(2, 5),
    known=st.booleans(),
)
def test_every_sentence_stands_in_one_bead_in_order(seed, n, m, largest, known):
    random = np.random.default_rng(seed)
    sides = [unit_rows(random.random((size, 5)).astype(np.float32)) for size in (n, m)]
    lengths = tuple(random.integers(0, 90, size).astype(np.float64) for size in (n, m)) if known else None
    [beads] = align_documents([Document(added_up(sides[0]), added_up(sides[1]), (n, m), lengths)], largest=largest)
    assert [i for b in beads for i in range(b.source_start, b.source_end)] == list(range(n))
    assert [j for b in beads for j in range(b.target_start, b.target_end)] == list(range(m))
    assert all(np.isfinite(b.cost) for b in beads)
    allowed = set(bead_sizes(largest))
    assert all((b.source_end - b.source_start, b.target_end - b.target_start) in allowed for b in beads)


def test_swapping_the_sides_swaps_the_beads():
    document, _ = languages(3, 80, 0.8, missing=0.1, joined=0.1)
    turned = Document(document.target, document.source, document.sizes[::-1], document.lengths[::-1])
    [there], [back] = align_documents([document]), align_documents([turned])
    assert [b[:4] for b in there] == [(c, d, a, b) for a, b, c, d, _ in back]


def test_no_documents_and_empty_documents_are_ordinary():
    nothing = Document(added_up(np.zeros((0, 3), np.float32)), added_up(np.eye(3, dtype=np.float32)[:2]), (0, 2))
    assert align_documents([]) == []
    assert align_documents([nothing]) == [[Bead(0, 0, 0, 1, 1.0), Bead(0, 0, 1, 2, 1.0)]]


def test_a_bead_costs_how_far_its_runs_lie_apart():
    same = added_up(np.eye(6, dtype=np.float32))
    lengths = np.full(6, 50.0)
    [beads] = align_documents([Document(same, same, (6, 6), (lengths, lengths))])
    assert [bead[:4] for bead in beads] == [(i, i + 1, i, i + 1) for i in range(6)]
    assert max(bead.cost for bead in beads) == pytest.approx(0, abs=1e-6)
