"""A map that sure pairs teach helps where the source is bent, does nothing where it is not, and judges no pair that taught it."""

import numpy as np
import pytest

from transforms.mine import MineSettings
from transforms.mine.mapping import FOLDS, Mapped, clearness, teach_map
from transforms.mine.mining import mine_matrices, mine_texts, teach_from

DIMENSION = 48


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def bend(strength):
    """A map that turns and stretches, some way from leaving things where they are."""
    turned = np.linalg.qr(np.random.default_rng(7).standard_normal((DIMENSION, DIMENSION)))[0]
    return (1 - strength) * np.eye(DIMENSION) + strength * turned


def sides(shared, lonely, seed, strength, noise=0.9):
    """Two sides of which the first rows belong together; the source is bent."""
    random = np.random.default_rng(seed)
    meant = unit(random.standard_normal((shared, DIMENSION)))
    made = [
        np.concatenate(
            [
                meant + noise * random.standard_normal(meant.shape) / DIMENSION**0.5,
                unit(random.standard_normal((lonely, DIMENSION))),
            ]
        )
        for _ in range(2)
    ]
    return unit(made[0] @ bend(strength)), unit(made[1])


def texts(rows):
    return [f"sentence {row}" for row in range(rows)]


def figures(mined, shared):
    pairs = mined.pairs.take(mined.is_kept)
    right = int(((pairs.source == pairs.target) & (pairs.source < shared)).sum())
    return right, right / max(len(pairs.source), 1)


def mine_both(source, target):
    settings = MineSettings(precision=0.9)
    said = (texts(len(source)), texts(len(target)))
    return mine_matrices(source, target, settings), mine_texts(source, target, said, settings)


def test_a_bent_space_is_mended():
    source, target = sides(1200, 600, 1, 0.45, noise=0.75)
    once, twice = (figures(mined, 1200) for mined in mine_both(source, target))
    assert twice[0] > 1.1 * once[0]
    assert twice[1] > 0.85


@pytest.mark.parametrize("seed", range(3))
def test_a_straight_space_is_left_alone_or_not_hurt(seed):
    source, target = sides(600, 600, seed, 0.0, noise=0.6)
    once, twice = (figures(mined, 600) for mined in mine_both(source, target))
    assert twice[0] >= 0.99 * once[0]
    assert twice[1] >= once[1] - 0.02


def test_pairs_that_are_all_wrong_teach_nothing():
    random = np.random.default_rng(3)
    source, target = (unit(random.standard_normal((400, DIMENSION))) for _ in range(2))
    assert teach_map(source, target, texts(400)) is None


def test_a_pair_does_not_teach_the_map_that_judges_it():
    source, target = sides(400, 0, 4, 0.3, noise=0.6)
    said = texts(400)
    whole = teach_map(source, target, said)
    spoiled = target.copy()
    spoiled[17] = -spoiled[17]
    other = teach_map(source, spoiled, said)
    one = slice(17, 18)
    taught = [mapped.maps for mapped in (whole, other)]
    same = [np.array_equal(*fold) for fold in zip(*taught, strict=True)]
    assert sum(same) == 1, "the map of its own fold, and no other, is as it was"
    again = Mapped(1.0, taught[0]), Mapped(1.0, taught[1])
    assert np.array_equal(*(mapped.fuse(source[one], said[one], is_source=True) for mapped in again))


def test_any_cut_gives_the_same_bits_and_the_target_stays():
    source, target = sides(500, 0, 5, 0.3, noise=0.6)
    said = texts(500)
    taught = teach_map(source, target, said)
    whole = taught.fuse(source, said, is_source=True)
    cut = [taught.fuse(source[a:b], said[a:b], is_source=True) for a, b in ((0, 1), (1, 130), (130, 500))]
    assert np.concatenate(cut).tobytes() == whole.tobytes()
    assert taught.fuse(target, said, is_source=False) is target
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    order = np.random.default_rng(1).permutation(500)
    turned = teach_map(source[order], target[order], [said[place] for place in order])
    assert turned.maps.tobytes() == taught.maps.tobytes(), "sums are of whole numbers"


def test_it_is_read_as_it_was_written_and_zeros_stay():
    taught = Mapped(0.5, np.stack([bend(0.2)] * FOLDS))
    again = Mapped.from_bytes(taught.to_bytes())
    assert again.share == 0.5
    assert again.maps.tobytes() == taught.maps.tobytes()
    assert not again.fuse(np.zeros((2, DIMENSION), np.float32), texts(2), is_source=True).any()


def test_few_pairs_teach_no_map():
    source, target = sides(60, 0, 6, 0.3)
    first = mine_matrices(source, target, MineSettings())
    assert teach_from(first, source, target, (texts(60), texts(60))) is None
    assert teach_map(source[:2], target[:2], texts(2)) is None
    assert clearness(source[:3].astype(np.float64), target[:3]) == 0
