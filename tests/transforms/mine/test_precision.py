"""Curves: monotone, honest about what is asked for, and found without judgements where partners can be taken away."""

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError
from transforms.mine import MineSettings
from transforms.mine.mining import mine_matrices
from transforms.mine.precision import LEAST_SURE, Curve, _rising, judged_curve, mixture_curve, read_curve

DRAWN = settings(max_examples=40, deadline=None)
STAIRS = Curve(margins=(1.0, 1.1, 1.3), probabilities=(0.0, 0.4, 1.0), pairs=9, fitted_on="judged")


def twins(shared, lonely, seed, dimension=64, noise=0.55):
    """Unit vectors of two sides: the first `shared` rows of each belong together, the rest has no partner."""
    random = np.random.default_rng(seed)

    def unit(values):
        return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)

    meant = unit(random.standard_normal((shared, dimension)))
    sides = [
        np.concatenate(
            [
                meant + noise * random.standard_normal((shared, dimension)) / dimension**0.5,
                unit(random.standard_normal((lonely, dimension))),
            ]
        )
        for _ in range(2)
    ]
    return unit(sides[0]), unit(sides[1])


def test_a_probability_is_that_of_its_step():
    assert STAIRS.at(np.array([0.5, 1.0, 1.09, 1.1, 1.29, 1.3, 9.0])).tolist() == [0, 0, 0, 0.4, 0.4, 1, 1]


def test_the_threshold_keeps_what_is_more_likely_right_than_wrong():
    assert STAIRS.threshold(np.array([1.4, 1.35, 1.2, 1.05]), None) == 1.35


def test_the_threshold_keeps_as_much_as_the_precision_allows():
    margins = np.array([1.4, 1.35, 1.2, 1.05])
    assert STAIRS.threshold(margins, 0.79) == 1.2  # (1 + 1 + .4) / 3
    assert STAIRS.threshold(margins, 0.81) == 1.35
    assert STAIRS.threshold(margins, 0.6) == 1.05


def test_equal_margins_are_kept_together_or_not_at_all():
    assert STAIRS.threshold(np.array([1.4, 1.2, 1.2, 1.2]), 0.65) == 1.4
    assert STAIRS.threshold(np.array([1.4, 1.2, 1.2, 1.2]), 0.54) == 1.2


def test_where_nothing_can_be_kept_the_threshold_is_out_of_reach():
    assert STAIRS.threshold(np.array([1.0, 1.1]), 0.9) == math.inf
    assert STAIRS.threshold(np.zeros(0), 0.9) == math.inf


@DRAWN
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(1, 4)), min_size=1, max_size=40))
def test_the_staircase_does_not_fall_and_keeps_the_mean(rows):
    rows.sort()
    values, marks, weights = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    starts, means = _rising(values, marks, weights)
    assert all(a < b for a, b in pairwise(starts))
    assert all(a <= b for a, b in pairwise(means))
    fitted = means[np.searchsorted(starts, values, side="right") - 1]
    assert np.isclose((fitted * weights).sum(), (marks * weights).sum())


def test_judged_pairs_that_a_score_parts_give_a_step():
    curve = judged_curve([1.0, 1.1, 1.2, 1.3], [False, False, True, True])
    assert curve.margins == (1.0, 1.2)
    assert curve.probabilities == (0.0, 1.0)
    assert curve.pairs == 4


def test_a_score_that_is_judged_both_ways_has_one_probability():
    curve = judged_curve([1.0, 1.0, 1.0, 2.0], [True, False, False, True])
    assert curve.margins == (1.0, 2.0)
    assert curve.probabilities == pytest.approx((1 / 3, 1.0))


@pytest.mark.parametrize(
    ("scores", "right", "message"),
    [
        ([], [], "at least one pair"),
        ([1.0, math.nan], [True, False], "finite"),
        ([1.0, 2.0], [True, True], "all 2 pairs are judged right"),
        ([1.0, 2.0], [False, False], "all 2 pairs are judged wrong"),
    ],
)
def test_judgements_that_tell_nothing_are_refused(scores, right, message):
    with pytest.raises(ValueError, match=message):
        judged_curve(scores, right)


def test_a_curve_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "curve.json"
    path.write_bytes(msgspec.json.encode(STAIRS))
    assert read_curve(str(path)) == STAIRS


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"margins": [1.0]}', '{"margins":[2,1],"probabilities":[0,1],"pairs":2,"fitted_on":"judged"}'],
)
def test_what_is_no_curve_is_refused_with_the_setting(tmp_path, content):
    path = tmp_path / "curve.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"mine\.calibration"):
        read_curve(str(path))
    with pytest.raises(SettingsError, match="holds no curve"):
        read_curve(str(tmp_path / "nowhere.json"))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("shared", "lonely"), [(900, 300), (600, 600), (300, 900)])
def test_without_judgements_the_precision_asked_for_is_met(shared, lonely, seed):
    source, target = twins(shared, lonely, seed)
    for asked in (0.9, 0.95):
        mined = mine_matrices(source, target, MineSettings(precision=asked))
        kept = mined.pairs.take(mined.is_kept)
        right = (kept.source == kept.target) & (kept.source < shared)
        assert mined.curve.fitted_on == "planted"
        assert right.mean() >= asked - 0.04  # unit vectors at random, without the structure of text
        assert right.sum() >= 0.7 * shared


def mixed(seed, wrong, right):
    """Margins as they are in text: wrong ones fall off exponentially, right ones are normal; and what is planted."""
    random = np.random.default_rng(seed)
    values = np.concatenate([1.0 + 0.13 * random.standard_exponential(wrong), random.normal(1.85, 0.28, right)])
    planted = [1.0 + 0.13 * random.standard_exponential(len(values)) for _ in range(2)]
    return values, np.arange(len(values)) >= wrong, planted


@pytest.mark.parametrize(("wrong", "right"), [(1200, 600), (800, 200), (400, 2000)])
def test_a_mixture_tells_right_pairs_from_wrong_ones(wrong, right):
    values, is_right, planted = mixed(wrong, wrong, right)
    curve = mixture_curve(values, planted)
    for asked in (0.9, 0.95):
        kept = values >= curve.threshold(values, asked)
        assert is_right[kept].mean() >= asked - 0.03
        assert (kept & is_right).sum() > 0.5 * right
    assert abs(curve.at(values).sum() - right) < 0.2 * right


@pytest.mark.parametrize("wrong", [950, 4000, 9500])
def test_where_right_pairs_are_rare_too_little_is_kept_rather_than_too_much(wrong):
    values, is_right, planted = mixed(wrong, wrong, wrong // 20)
    kept = values >= mixture_curve(values, planted).threshold(values, 0.9)
    assert (kept & ~is_right).sum() <= 0.13 * kept.sum()


def test_where_no_pair_is_right_hardly_any_is_called_so():
    values, _, planted = mixed(3, 3000, 0)
    assert mixture_curve(values, planted).at(values).sum() < 30


def test_margins_that_are_all_the_same_have_no_curve():
    assert mixture_curve(np.full(200, 1.0), [np.full(200, 1.0)]) is None
    assert mixture_curve(np.full(200, 1.0), [np.full(200, -np.inf)] * 2) is None


def test_a_curve_has_no_more_steps_than_its_probabilities_have_thousandths():
    values, _, planted = mixed(4, 20_000, 20_000)
    curve = mixture_curve(values, planted)
    assert len(curve.margins) <= 1001
    assert curve.probabilities[0] == 0
    assert curve.probabilities[-1] > 0.99


def test_too_few_pairs_have_no_curve_and_the_default_threshold():
    source, target = twins(LEAST_SURE // 2, 20, 1)
    mined = mine_matrices(source, target, MineSettings())
    assert mined.curve is None
    assert np.isnan(mined.probabilities).all()
    assert mined.threshold == pytest.approx(1.06)


@pytest.mark.parametrize("retrieval", ["forward", "union"])
def test_a_retrieval_that_is_not_one_to_one_has_no_curve(retrieval):
    source, target = twins(300, 100, 2)
    assert mine_matrices(source, target, MineSettings(retrieval=retrieval)).curve is None


def test_a_threshold_that_is_set_is_kept_and_probabilities_are_told():
    source, target = twins(300, 100, 3)
    mined = mine_matrices(source, target, MineSettings(threshold=1.2))
    assert mined.threshold == 1.2
    assert (mined.pairs.margin[mined.is_kept] >= 1.2).all()
    assert np.isfinite(mined.probabilities).all()


def test_judged_curve_takes_the_place_of_the_planted_one(tmp_path):
    path = tmp_path / "curve.json"
    path.write_bytes(msgspec.json.encode(judged_curve([1.0, 1.2, 1.4, 1.6], [False, False, True, True])))
    source, target = twins(300, 100, 4)
    mined = mine_matrices(source, target, MineSettings(calibration=str(path)))
    assert set(mined.probabilities.tolist()) <= {0.0, 1.0}
    assert mined.pairs.margin[mined.is_kept].min() >= 1.4


def test_swapping_the_sides_changes_no_probability():
    source, target = twins(400, 200, 5)
    there, back = (mine_matrices(*sides, MineSettings()) for sides in ((source, target), (target, source)))
    found = {
        (int(a), int(b)): p for a, b, p in zip(there.pairs.source, there.pairs.target, there.probabilities, strict=True)
    }
    turned = {
        (int(b), int(a)): p for a, b, p in zip(back.pairs.source, back.pairs.target, back.probabilities, strict=True)
    }
    assert found.keys() == turned.keys()
    assert all(found[pair] == pytest.approx(turned[pair], abs=1e-9) for pair in found)
