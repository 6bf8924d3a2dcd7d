"""Calibrated probabilities of links."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.align.calibration import calibrate, calibration_error, log_odds


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_calibration_keeps_the_order_and_stays_a_probability(values):
    own = np.sort(np.array(values))
    found = calibrate("association", own)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


def test_an_aligner_without_constants_keeps_its_own_values():
    assert calibrate("simalign", np.array([0.25, 1.0])).tolist() == [0.25, 1.0]


def test_log_odds_are_finite_and_symmetric():
    assert log_odds(np.array([0.5])) == pytest.approx(0)
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
    assert log_odds(np.array([0.2])) == pytest.approx(-log_odds(np.array([0.8])))


def test_the_error_is_the_gap_between_what_is_said_and_what_is_right():
    right = np.array([True] * 8 + [False] * 2)
    assert calibration_error(np.full(10, 0.8), right) == pytest.approx(0.0, abs=1e-12)
    assert calibration_error(np.full(10, 0.95), right) == pytest.approx(0.15)
    assert calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0.0
