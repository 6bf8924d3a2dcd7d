"""Margins, candidates and retrievals agree with slow obvious versions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.mine.margin import SMALLEST_MEAN, margins, mean_cosines
from transforms.mine.mining import mine_vectors
from transforms.mine.neighbours import MISSING, Neighbours, nearest_both_ways
from transforms.mine.retrieval import BACKWARD, BOTH, FORWARD, Candidates, ranks_of, retrieve
from transforms.mine.settings import MineSettings

MARGINS = ("ratio", "distance", "absolute")
RETRIEVALS = ("forward", "backward", "intersect", "union", "max")
DRAWN = settings(max_examples=40, deadline=None)


def unit(rows, seed, dimension=5):
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if rows else vectors


def slow_mine(sources, targets, chosen):
    """The whole of mining on the full matrix of cosines, row by row."""
    n, m, k = len(sources), len(targets), chosen.k
    found = nearest_both_ways(sources, targets, max(n, m, 1))
    cosine = {
        (i, int(j)): float(c) for i in range(n) for j, c in zip(*(a[i] for a in found.forward), strict=True) if j >= 0
    }

    def near(pairs):
        return sorted(pairs, key=lambda pair: (-cosine[pair], pair))[:k]

    of_source = {i: near([(i, j) for j in range(m)]) for i in range(n)}
    of_target = {j: near([(i, j) for i in range(n)]) for j in range(m)}
    mean_source = {i: sum(cosine[p] for p in near_i) / max(len(near_i), 1) for i, near_i in of_source.items()}
    mean_target = {j: sum(cosine[p] for p in near_j) / max(len(near_j), 1) for j, near_j in of_target.items()}

    def score(pair):
        mean = (mean_source[pair[0]] + mean_target[pair[1]]) / 2
        return {
            "ratio": cosine[pair] / max(mean, 1e-6),
            "distance": cosine[pair] - mean,
            "absolute": cosine[pair],
        }[chosen.margin]

    def order(pair):
        return (-score(pair), pair)

    forward = {min(pairs, key=order) for pairs in of_source.values() if pairs}
    backward = {min(pairs, key=order) for pairs in of_target.values() if pairs}
    if chosen.retrieval == "max":
        taken, used_sources, used_targets = set(), set(), set()
        for i, j in sorted(forward | backward, key=order):
            if i not in used_sources and j not in used_targets:
                taken.add((i, j))
                used_sources.add(i)
                used_targets.add(j)
    else:
        taken = {
            "forward": forward,
            "backward": backward,
            "intersect": forward & backward,
            "union": forward | backward,
        }[chosen.retrieval]
    return {
        pair: (score(pair), FORWARD * (pair in forward) + BACKWARD * (pair in backward))
        for pair in taken
        if score(pair) >= chosen.threshold
    }


sizes = st.tuples(st.integers(0, 12), st.integers(0, 12))


@pytest.mark.parametrize(("margin", "retrieval"), itertools.product(MARGINS, RETRIEVALS))
@settings(max_examples=12, deadline=None)
@given(drawn=st.tuples(sizes, st.integers(1, 6), st.integers(0, 10**6), st.floats(-1, 1.5)))
def test_mining_agrees_with_the_slow_version(margin, retrieval, drawn):
    (n, m), k, seed, low = drawn
    sources, targets = unit(n, seed), unit(m, seed + 1)
    chosen = MineSettings(k=k, margin=margin, retrieval=retrieval, threshold=low)
    pairs = mine_vectors(sources, targets, chosen)
    expected = slow_mine(sources, targets, chosen)
    assert list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)) == sorted(expected)
    assert pairs.margin.tolist() == pytest.approx([expected[p][0] for p in sorted(expected)], rel=1e-12)
    assert pairs.direction.tolist() == [expected[p][1] for p in sorted(expected)]


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize(("there", "back"), [*((r, r) for r in ("intersect", "union", "max")), ("forward", "backward")])
@DRAWN
@given(drawn=st.tuples(sizes, st.integers(1, 5), st.integers(0, 10**6), st.booleans()))
def test_swapping_the_sides_gives_the_same_pairs_to_the_bit(margin, there, back, drawn):
    (n, m), k, seed, copies = drawn
    sources, targets = unit(n, seed), unit(m, seed + 1)
    if copies and n and m:
        sources, targets = sources[np.arange(n) % 3 % n], targets[np.arange(m) % 2 % m]
    one = mine_vectors(sources, targets, MineSettings(k=k, margin=margin, retrieval=there, threshold=-9))
    other = mine_vectors(targets, sources, MineSettings(k=k, margin=margin, retrieval=back, threshold=-9))
    swap = np.lexsort((other.source, other.target))
    assert np.array_equal(one.source, other.target[swap])
    assert np.array_equal(one.target, other.source[swap])
    assert one.cosine.tobytes() == other.cosine[swap].tobytes()
    assert one.margin.tobytes() == other.margin[swap].tobytes()


def few_margins(partners, others, seed):
    """Candidates with random partners and margins of few values, so that ties abound."""
    random = np.random.default_rng(seed)
    chosen = random.integers(-1, others, partners) if others else np.full(partners, MISSING)
    return chosen, np.where(chosen == MISSING, -np.inf, random.integers(0, 3, partners).astype(float))


@DRAWN
@given(n=st.integers(0, 12), m=st.integers(0, 12), seed=st.integers(0, 10**6))
def test_rounds_of_mutual_best_are_the_greedy_walk_with_ties(n, m, seed):
    (to, high), (fro, low) = few_margins(n, m, seed), few_margins(m, n, seed + 1)
    for j in range(m):  # a pair has one margin, whoever proposes it
        if fro[j] != MISSING and to[fro[j]] == j:
            low[j] = high[fro[j]]
    cosines = np.zeros(max(n, m), dtype=np.float32)
    pairs = retrieve(
        Candidates(to, cosines[:n], high, np.zeros(n)), Candidates(fro, cosines[:m], low, np.zeros(m)), "max"
    )
    proposed = {(i, int(j)): high[i] for i, j in enumerate(to) if j >= 0}
    proposed |= {(int(i), j): low[j] for j, i in enumerate(fro) if i >= 0}
    greedy = []
    for i, j in sorted(proposed, key=lambda pair: (-proposed[pair], pair)):
        if all(i != a and j != b for a, b in greedy):
            greedy.append((i, j))
    assert list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)) == sorted(greedy)


def test_a_known_case_by_hand():
    # x0 is near y0 (.9) and y1 (.8), x1 near y1 (.6) only: y1's best by margin is x1 although x0 is nearer.
    cosine = np.array([[0.9, 0.8], [0.0, 0.6]])
    forward = Neighbours(np.array([[0, 1], [1, 0]]), np.array([[0.9, 0.8], [0.6, 0.0]], dtype=np.float32))
    assert mean_cosines(forward, 2).tolist() == pytest.approx([0.85, 0.3], rel=1e-6)
    means, others = np.array([0.85, 0.3]), np.array([0.45, 0.7])
    ratio = margins("ratio", cosine.astype(np.float32), means[:, None], others[None, :])
    assert ratio == pytest.approx(np.array([[0.9 / 0.65, 0.8 / 0.775], [0.0, 0.6 / 0.5]]), rel=1e-6)
    distance = margins("distance", cosine.astype(np.float32), means[:, None], others[None, :])
    assert distance == pytest.approx(np.array([[0.25, 0.025], [-0.375, 0.1]]), abs=1e-6)


def test_the_candidate_is_the_best_by_margin_not_the_nearest():
    angles = np.deg2rad([0, 25, 28, 31, 34])
    targets = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    hub = np.deg2rad(np.array([14.0, 29, 30, 31, 32]))
    sources = np.stack([np.cos(hub), np.sin(hub)], axis=1).astype(np.float32)
    nearest = nearest_both_ways(sources, targets, 3).forward.indices[0, 0]
    pairs = mine_vectors(sources, targets, MineSettings(k=3, retrieval="forward", threshold=0))
    assert nearest == 1
    assert pairs.target[0] == 0


def test_fewer_sentences_than_k_are_all_the_neighbourhood():
    one = Neighbours(np.array([[0, MISSING, MISSING]]), np.array([[0.5, -np.inf, -np.inf]], dtype=np.float32))
    assert mean_cosines(one, 1).tolist() == [0.5]
    assert mean_cosines(one, 2).tolist() == [0.25]  # the second has cosine 0
    assert mean_cosines(one, 9).tolist() == [0.5 / 3]


def test_one_sentence_on_each_side_is_a_pair_of_margin_one():
    pairs = mine_vectors(unit(1, 3), unit(1, 3), MineSettings(threshold=0.5))
    assert (pairs.source.tolist(), pairs.target.tolist(), pairs.direction.tolist()) == ([0], [0], [BOTH])
    assert pairs.margin.tolist() == pytest.approx([1.0])


def test_all_duplicates_are_paired_one_to_one():
    copies = np.repeat(unit(1, 4), 6, axis=0)
    pairs = mine_vectors(copies, copies, MineSettings(k=6, threshold=0))
    assert len(set(pairs.source.tolist())) == len(pairs.source) == len(set(pairs.target.tolist()))


def test_a_neighbourhood_that_points_away_keeps_the_order_of_cosines():
    cosines = np.array([-0.5, -0.1, 0.0, 0.1], dtype=np.float32)
    found = margins("ratio", cosines, np.full(4, -0.2), np.full(4, -0.3))
    assert np.all(np.diff(found) > 0)
    assert found[0] < 0
    assert found[3] == pytest.approx(0.1 / SMALLEST_MEAN, rel=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@DRAWN
def test_ranks_are_places_among_the_neighbours(n, m, seed):
    near = [nearest_both_ways(unit(n, seed + own), unit(m, seed + own + 1), 3) for own in (0, 50)]
    pairs = mine_vectors(unit(n, seed), unit(m, seed + 1), MineSettings(k=3, threshold=-9.0, retrieval="union"))

    def place(lists, of, wanted):
        places = [list(indices[of]).index(wanted) + 1 for indices in lists if wanted in indices[of]]
        return min(places, default=0)

    for spaces in (near[:1], near):
        expected = [
            (place([s.backward.indices for s in spaces], j, i), place([s.forward.indices for s in spaces], i, j))
            for i, j in zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)
        ]
        assert ranks_of(pairs, spaces).tolist() == [list(pair) for pair in expected]
