"""Probabilities that are right as often as they say."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.identify.calibration import (
    LEVELS,
    Bin,
    Calibration,
    calibration_error,
    fit_calibration,
    reliability,
    reliability_svg,
    sharpened,
)


def lines_of_a_model(sharpness, rows=4000, labels=5):
    """Draw lines whose true labels follow `probabilities`, and show them raised to `1 / sharpness`."""
    random = np.random.default_rng(11)
    true = random.dirichlet(np.full(labels, 0.4), rows)
    truth = np.array([random.choice(labels, p=row) for row in true])
    lengths = random.integers(5, 300, rows)
    shown = sharpened(true.astype(np.float32), 1 / sharpness(lengths))
    return shown.astype(np.float32), truth, lengths


def error(probabilities, truth):
    return calibration_error(reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth))


@pytest.mark.parametrize("constant", [0.5, 1.0, 2.0])
def test_one_temperature_is_found(constant):
    shown, truth, lengths = lines_of_a_model(lambda c: np.full(len(c), constant))
    fitted = fit_calibration(shown, truth, lengths)
    assert fitted.sharpness(np.array([50]))[0] == pytest.approx(constant, rel=0.1)
    assert error(sharpened(shown, fitted.sharpness(lengths)), truth) < 0.025


def test_a_temperature_that_follows_the_length_is_found():
    shown, truth, lengths = lines_of_a_model(lambda c: (c / 50) ** 0.5)
    fitted = fit_calibration(shown, truth, lengths)
    assert fitted.slope == pytest.approx(0.5, abs=0.1)
    assert error(sharpened(shown, fitted.sharpness(lengths)), truth) < error(shown, truth)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_hold_the_truth_as_often_as_asked(level):
    shown, truth, lengths = lines_of_a_model(lambda c: np.ones(len(c)))
    half = len(truth) // 2
    fitted = fit_calibration(shown[:half], truth[:half], lengths[:half])
    others = sharpened(shown[half:], fitted.sharpness(lengths[half:]))
    covered = others[np.arange(half), truth[half:]] >= fitted.threshold(level)
    assert covered.mean() == pytest.approx(level, abs=0.03)


def test_thresholds_fall_with_the_level():
    shown, truth, lengths = lines_of_a_model(lambda c: np.ones(len(c)), rows=400)
    fitted = fit_calibration(shown, truth, lengths)
    assert list(fitted.thresholds) == sorted(fitted.thresholds, reverse=True)
    assert fitted.threshold(0.91) == fitted.thresholds[LEVELS.index(0.925)]
    assert fitted.threshold(0.999) == 0.0


def test_a_few_lines_teach_nothing():
    fitted = fit_calibration(np.full((3, 2), 0.5, dtype=np.float32), np.zeros(3, dtype=np.int64), np.full(3, 9))
    assert fitted == Calibration(lines=3)
    assert fitted.sharpness(np.array([1, 400])).tolist() == [1.0, 1.0]


def test_a_perfect_model_stays_finite():
    sure = np.eye(3, dtype=np.float32)[np.arange(60) % 3]
    fitted = fit_calibration(sure, np.arange(60) % 3, np.full(60, 30))
    assert np.isfinite(fitted.sharpness(np.array([1, 30, 400]))).all()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_the_error_is_a_share(lines):
    bins = reliability([value for value, _ in lines], [right for _, right in lines])
    assert sum(entry.lines for entry in bins) == len(lines)
    assert 0 <= calibration_error(bins) <= 1


def test_the_error_is_the_mean_gap():
    assert calibration_error([Bin(3, 0.9, 0.8), Bin(1, 0.5, 0.1)]) == pytest.approx((3 * 0.1 + 0.4) / 4)
    assert calibration_error([]) == 0.0


def test_the_plot_is_a_picture():
    picture = reliability_svg([("before", [Bin(3, 0.9, 0.8)]), ("after", [Bin(3, 0.8, 0.8)])])
    root = ET.fromstring(picture)
    assert root.tag.endswith("svg")
    assert len(root.findall(".//{*}circle")) == 2
    assert "ECE 0.1000" in picture
