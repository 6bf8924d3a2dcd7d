"""Calibrated probabilities of links."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.align.calibration import MOST_MET, Evidence, calibrate, calibration_error, log_odds


def evidence(number, met=5, likeness=0.5, is_sign=False):
    return Evidence(np.full(number, met), np.full(number, likeness), np.full(number, is_sign))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 10**7), st.floats(0, 1), st.booleans())
def test_calibration_keeps_the_order_and_stays_a_probability(values, met, likeness, is_sign):
    own = np.sort(np.array(values))
    found = calibrate("association", own, evidence(len(own), met, likeness, is_sign))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


def test_an_aligner_without_constants_keeps_its_own_values():
    assert calibrate("simalign", np.array([0.25, 1.0]), evidence(2)).tolist() == [0.25, 1.0]


def test_a_sure_link_of_words_often_met_and_alike_is_likelier():
    def of(**known):
        return calibrate("association", np.array([0.9]), evidence(1, **known))[0]

    assert of(met=50) > of(met=1)
    assert of(likeness=1.0) > of(likeness=0.2)
    assert of(met=MOST_MET) == of(met=100 * MOST_MET)
    assert of(met=0) == of(met=1)


def test_log_odds_are_finite_and_symmetric():
    assert log_odds(np.array([0.5])) == pytest.approx(0)
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
    assert log_odds(np.array([0.2])) == pytest.approx(-log_odds(np.array([0.8])))


def test_the_error_is_the_gap_between_what_is_said_and_what_is_right():
    right = np.array([True] * 8 + [False] * 2)
    assert calibration_error(np.full(10, 0.8), right) == pytest.approx(0.0, abs=1e-12)
    assert calibration_error(np.full(10, 0.95), right) == pytest.approx(0.15)
    assert calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0.0
