"""How far a sentence is from its standard language."""

import numpy as np
import pytest

from transforms.identify.calibration import Calibration
from transforms.identify.dialectness import dialectness_of, standards_of

TAGS = ("de", "gsw", "gsw-x-bern", "it", "ja", "lij", "lmo", "")


def of(row, best, length=50, calibration=None):
    (value,) = dialectness_of(
        np.array([[row.get(tag, 0.0) for tag in TAGS]], dtype=np.float32),
        np.array([TAGS.index(best)], dtype=np.int32),
        standards_of(TAGS),
        np.array([length]),
        calibration,
    )
    return float(value)


def test_the_farthest_standard_language_of_the_model_counts():
    standards = dict(zip(TAGS, standards_of(TAGS).tolist(), strict=True))
    assert standards == {"de": 0, "gsw": 0, "gsw-x-bern": 0, "it": 3, "ja": -1, "lij": 3, "lmo": 3, "": -1}


def test_a_standard_language_in_another_script_is_none():
    assert standards_of(("sr", "sr-Latn")).tolist() == [-1, -1]
    assert standards_of(("yue", "zh")).tolist() == [1, 1]


def test_dialect_is_near_1_and_standard_near_0():
    assert of({"lij": 0.99, "it": 0.01}, "lij") == pytest.approx(0.99, abs=1e-4)
    assert of({"lij": 0.01, "it": 0.99}, "it") == pytest.approx(0.01, abs=1e-4)


def test_all_dialects_of_the_standard_language_add_up():
    assert of({"lij": 0.3, "lmo": 0.3, "it": 0.4}, "it") == pytest.approx(0.6, abs=1e-4)


def test_what_has_no_standard_language_in_the_model_is_not_known():
    assert np.isnan(of({"ja": 1.0}, "ja"))
    assert np.isnan(of({"": 1.0}, ""))


def test_an_undetermined_sentence_is_not_known():
    found = dialectness_of(
        np.array([[0.5, 0.5]], dtype=np.float32), np.array([2]), np.array([0, 0]), np.array([50]), None
    )
    assert np.isnan(found).all()


def test_certainty_that_comes_of_length_alone_is_taken_away():
    calibration = Calibration(intercept=0.0, slope=0.5, lines=100)
    raw = 1.2
    values = []
    for length in (10, 50, 300):
        odds = raw * float(calibration.sharpness(np.array([length]))[0])
        share = 1 / (1 + np.exp(-odds))
        values.append(of({"lij": share, "it": 1 - share}, "lij", length, calibration))
    assert values == pytest.approx([values[1]] * 3, abs=1e-4)


def test_extreme_odds_stay_within_0_and_1():
    assert of({"lij": 1.0}, "lij") == pytest.approx(1.0)
    assert of({"it": 1.0}, "it") == pytest.approx(0.0)
