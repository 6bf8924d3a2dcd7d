"""The quality model: what it promises of numbers; how it is fitted and measured: tests/quality/test_quality_score.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.score.quality import default_model, expected_calibration_error, feature_names

FEATURES = len(feature_names())
MODEL = default_model()


def test_the_default_fit_is_of_these_features():
    assert MODEL.features == feature_names()
    assert len(MODEL.means) == len(MODEL.scales) == FEATURES
    assert all(scale > 0 for scale in MODEL.scales)
    assert "transread" in MODEL.data


@given(st.lists(st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=FEATURES, max_size=FEATURES), max_size=6))
def test_probabilities_are_of_their_own_row_and_between_0_and_1(rows):
    features = np.array(rows, dtype=np.float64).reshape(-1, FEATURES)
    together = MODEL.probabilities(features)
    assert ((together >= 0) & (together <= 1)).all()
    assert together.tolist() == [MODEL.probabilities(features[i : i + 1])[0] for i in range(len(features))]


def test_more_confidence_is_never_worse():
    features = np.tile(np.array(MODEL.means), (5, 1))
    features[:, feature_names().index("token_confidence")] = np.linspace(0, 1, 5)
    found = MODEL.probabilities(features)
    assert (np.diff(found) > 0).all()


def test_what_is_not_known_counts_as_average():
    unknown = np.full((1, FEATURES), np.nan)
    assert MODEL.probabilities(unknown)[0] == pytest.approx(MODEL.probabilities(np.array([MODEL.means]))[0])


def test_calibration_error_is_the_distance_of_promise_and_truth():
    assert expected_calibration_error([0.9] * 10, [1] * 9 + [0]) == pytest.approx(0)
    assert expected_calibration_error([0.9] * 10, [1] * 5 + [0] * 5) == pytest.approx(0.4)
    assert expected_calibration_error([1.0, 0.05], [1, 0]) == pytest.approx(0.025)
