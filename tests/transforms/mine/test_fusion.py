"""Fused margins: against a slow obvious version, and what they must not depend on."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from schemas.errors import SettingsError
from transforms.common.blocks import VectorBlock, write_dense, write_sparse
from transforms.mine.fusion import (
    Space,
    block_cosines,
    candidate_pairs,
    fixed_weights,
    fuse,
    fused_candidates,
    learned_weights,
    mine_matrices_fused,
    pair_cosines,
)
from transforms.mine.neighbours import MISSING, nearest_both_ways
from transforms.mine.retrieval import retrieve
from transforms.mine.settings import MineSettings

K = 3


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def dense_sides(rng, rows: int = 40, others: int = 50, shared: int = 30, noise: float = 0.5, width: int = 16):
    """Two sides whose first rows belong together."""
    source = rng.normal(size=(rows, width))
    target = rng.normal(size=(others, width))
    target[:shared] = source[:shared] + noise * rng.normal(size=(shared, width))
    return unit(source), unit(target)


def sparse_sides(rng, **sizes):
    kept = [np.maximum(side, 0) + 1e-3 for side in dense_sides(rng, width=60, **sizes)]
    return tuple(sparse.csr_array(unit(np.where(side > 0.1, side, 0))) for side in kept)


@pytest.fixture
def both(rng):
    return {"laser": dense_sides(rng), "ngram": sparse_sides(rng)}


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def slow_fused(sides, weights, k: int = K) -> dict[tuple[int, int], float]:
    """The definition, pair by pair, over the whole matrices of cosines."""
    scale = {"laser": 0.06, "ngram": 0.15}
    matrices = {
        name: np.asarray((source @ target.T).todense() if sparse.issparse(source) else source @ target.T, dtype=float)
        for name, (source, target) in sides.items()
    }
    wanted = set()
    for cosines in matrices.values():
        for x, row in enumerate(cosines):
            wanted |= {(x, int(y)) for y in np.argsort(-row, kind="stable")[:k]}
        for y, column in enumerate(cosines.T):
            wanted |= {(int(x), y) for x in np.argsort(-column, kind="stable")[:k]}
    found = {}
    for x, y in wanted:
        total = 0.0
        for name, cosines in matrices.items():
            mean = (np.sort(cosines[x])[-k:].mean() + np.sort(cosines[:, y])[-k:].mean()) / 2
            total += weights[name] * (cosines[x, y] / mean - 1) / scale[name]
        found[x, y] = 1 + 0.15 * total
    return found


def spaces_of(sides, k: int = K) -> list[Space]:
    return [
        Space(name, nearest_both_ways(source, target, k), lambda s, t, a=source, b=target: pair_cosines(a, b, s, t))
        for name, (source, target) in sides.items()
    ]


def kept(sides, settings: MineSettings):
    mined = mine_matrices_fused(sides, settings)
    return mined.pairs.take(mined.is_kept)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_margins_are_those_of_the_definition(both, share):
    weights = {"laser": share, "ngram": 1 - share}
    fused = fuse(spaces_of(both), "ratio", weights)
    expected = slow_fused(both, weights)
    got = dict(zip(zip(fused.sources.tolist(), fused.targets.tolist(), strict=True), fused.margins, strict=True))
    assert set(got) == set(expected)
    np.testing.assert_allclose([got[pair] for pair in expected], list(expected.values()), atol=1e-4)
    assert fused.threshold == 1.15


def test_the_best_of_a_sentence_is_the_best_candidate(both):
    fused = fuse(spaces_of(both), "ratio", {"laser": 0.5, "ngram": 0.5})
    forward, backward = fused_candidates(fused, (40, 50))
    for x in range(40):
        mine = fused.sources == x
        assert forward.margins[x] == fused.margins[mine].max()
        assert forward.partners[x] == fused.targets[mine][np.argmax(fused.margins[mine])]
    for y in range(50):
        mine = fused.targets == y
        assert backward.margins[y] == (fused.margins[mine].max() if mine.any() else -np.inf)
        assert (backward.partners[y] == MISSING) == (not mine.any())


def test_equal_margins_are_decided_by_the_smaller_index():
    vectors = unit(np.ones((3, 4)))
    sides = {"laser": (vectors, vectors), "ngram": (sparse.csr_array(vectors), sparse.csr_array(vectors))}
    fused = fuse(spaces_of(sides), "ratio", {})
    forward, backward = fused_candidates(fused, (3, 3))
    assert forward.partners.tolist() == backward.partners.tolist() == [0, 0, 0]


def test_one_space_with_all_the_weight_decides_alone(both):
    settings = MineSettings(k=K, threshold=1.1, weights={"ngram": 2.0})
    assert fuse(spaces_of(both), "ratio", settings.weights).weights == {"laser": 0.0, "ngram": 1.0}
    pairs, alone = kept(both, settings), kept({"ngram": both["ngram"]}, settings)
    assert set(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)) >= {
        pair for pair in zip(alone.source.tolist(), alone.target.tolist(), strict=True) if pair[0] == pair[1]
    }


def test_swapping_the_sides_changes_no_bit(both):
    settings = MineSettings(k=K)
    pairs = kept(both, settings)
    turned = kept({name: (b, a) for name, (a, b) in both.items()}, settings)
    order = np.lexsort((turned.source, turned.target))
    np.testing.assert_array_equal(pairs.source, turned.target[order])
    assert pairs.margin.tobytes() == turned.margin[order].tobytes()


def test_the_order_of_the_spaces_changes_no_bit(both):
    one = fuse(spaces_of(both), "ratio", {})
    other = fuse(spaces_of(both)[::-1], "ratio", {})
    assert one.margins.tobytes() == other.margins.tobytes()
    assert one.weights == other.weights


def test_two_spaces_find_more_than_either(rng):
    """Each sees the pairs through noise of its own."""
    sizes = {"rows": 300, "others": 300, "shared": 300}
    sides = {"laser": dense_sides(rng, noise=0.9, **sizes), "ngram": sparse_sides(rng, noise=1.8, **sizes)}

    def right(*names: str) -> int:
        chosen = {name: sides[name] for name in names}
        pairs = kept(chosen, MineSettings(k=4, threshold=-9.0))
        return int((pairs.source == pairs.target).sum())

    alone = max(right("laser"), right("ngram"))
    assert 100 < alone < 280
    assert right("laser", "ngram") > alone + 10


def test_a_space_of_noise_gets_little_weight(rng):
    source = rng.normal(size=(200, 40)) ** 2
    target = source + 0.1 * rng.random((200, 40))
    good = tuple(sparse.csr_array(unit(np.where(side > 1, side, 0))) for side in (source, target))
    noise = (unit(rng.normal(size=(200, 16))), unit(rng.normal(size=(200, 16))))
    sides = {"ngram": good, "laser": noise}
    pairs = kept(sides, MineSettings(k=4))
    assert fuse(spaces_of(sides, 4), "ratio", {}).weights["ngram"] > 0.8
    assert (pairs.source == pairs.target).mean() > 0.95
    assert len(pairs.source) > 150


def test_too_few_pairs_teach_nothing():
    told = [np.array([2.0, 0.1, 3.0]), np.array([3.0, 0.2, 2.0])]
    assert learned_weights(told, np.array([0, 0, 1]), np.array([0, 1, 1])) == [0.5, 0.5]
    nothing = np.zeros(0, dtype=np.int64)
    assert learned_weights([np.zeros(0), np.zeros(0)], nothing, nothing) == [0.5, 0.5]


def test_what_tells_right_from_wrong_gets_the_weight(rng):
    """60 sentences, each with its partner and two rivals: one space tells them apart, the other hardly."""
    sources = np.repeat(np.arange(60), 3)
    targets = (sources + np.tile([0, 1, 2], 60)) % 60
    order = np.lexsort((targets, sources))
    is_right = np.tile([1.0, 0.0, 0.0], 60)[order]
    sources, targets = sources[order], targets[order]
    sharp = 0.2 + 2.0 * is_right + 0.1 * rng.random(180)
    dull = 1.0 + 0.05 * is_right + 0.04 * rng.random(180)
    shares = learned_weights([sharp, dull], sources, targets)
    assert shares[0] > 0.8
    assert sum(shares) == pytest.approx(1)


def test_fixed_weights_sum_to_one():
    assert fixed_weights(["laser", "ngram"], {"ngram": 3.0, "laser": 1.0}) == [0.25, 0.75]
    assert fixed_weights(["laser", "ngram"], {}) == [0.5, 0.5]


def test_a_margin_whose_scale_is_unknown_is_refused(both):
    with pytest.raises(SettingsError, match="no default threshold"):
        fuse(spaces_of(both), "distance", {})


def test_cosines_are_to_the_bit_those_of_the_search(both):
    for source, target in both.values():
        near = nearest_both_ways(source, target, K)
        sources, targets = candidate_pairs([near])
        found = {}
        for x, y, cosine in zip(sources, targets, pair_cosines(source, target, sources, targets), strict=True):
            found[x, y] = cosine
        for x in range(source.shape[0]):
            for y, cosine in zip(near.forward.indices[x], near.forward.cosines[x], strict=True):
                if y != MISSING:
                    assert found[x, y] == cosine


def test_blocks_give_the_cosines_of_the_whole(both, tmp_path, rng):
    sources, targets = rng.integers(0, 40, 200), rng.integers(0, 50, 200)
    for name, (source, target) in both.items():
        is_sparse = sparse.issparse(source)
        write = write_sparse if is_sparse else write_dense
        blocks = {}
        for variety, vectors, cuts in (("lij", source, [0, 7, 25, 40]), ("it", target, [0, 20, 50])):
            blocks[variety] = []
            for number, (begin, end) in enumerate(pairwise(cuts)):
                at = f"{variety}/{name}-{number}.arrow"
                kind = "sparse" if is_sparse else "dense"
                block = VectorBlock(
                    str(tmp_path), variety, number, end - begin, kind, vectors.shape[1], "", at, f"{name}:x"
                )
                write(block, [f"{variety}{i:03d}" for i in range(begin, end)], vectors[begin:end])
                blocks[variety].append(block)
        found = block_cosines(blocks["lij"], blocks["it"], sources, targets)
        expected = pair_cosines(source, target, sources, targets)
        np.testing.assert_allclose(found, expected, atol=0 if is_sparse else 1e-3)


def test_an_empty_side_has_no_candidates():
    empty, some = np.zeros((0, 4), dtype=np.float32), unit(np.ones((2, 4)))
    sides = {"laser": (empty, some), "ngram": (sparse.csr_array(empty), sparse.csr_array(some))}
    fused = fuse(spaces_of(sides), "ratio", {})
    assert len(fused.sources) == 0
    pairs = retrieve(*fused_candidates(fused, (0, 2)), "max")
    assert len(pairs.source) == 0
    with pytest.raises(ValueError, match="same numbers of rows"):
        mine_matrices_fused({"laser": (empty, some), "ngram": (sparse.csr_array(some),) * 2}, MineSettings())
