"""The quality score against judged and planted pairs: calibration on data not used to fit, rank, and the shipped fit.

The data, the split and the fit are those of `benchmarks/fit_quality.py`; figures stand in docs/scores.md.
"""

import importlib.util
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr

from transforms.score.quality import default_model, expected_calibration_error

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def bench(project):
    spec = importlib.util.spec_from_file_location("fit_quality", project / "benchmarks" / "fit_quality.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def judged(bench, shared_data):
    return bench.judged(shared_data)


@pytest.mark.slow
def test_calibration_and_rank_on_judged_pairs_that_the_fit_has_not_seen(bench, shared_data, judged, floor):
    data, file = judged
    learned = [(bench.planted(shared_data, name, range(52, 100)), 1.0) for name in bench.PLANTED]
    probabilities = bench.cross_validated(data, file, learned)
    assert 1 - expected_calibration_error(probabilities, data.labels) >= floor("score.quality.judged.one_minus_ece")
    rank = {
        name: spearmanr(values, data.rank).statistic
        for name, values in (("quality", probabilities), ("margin", data.margin), ("cosine", data.cosine))
    }
    assert rank["quality"] >= floor("score.quality.judged.rank_correlation")
    assert rank["quality"] > max(rank["margin"], rank["cosine"])
    # the shipped fit is one on all of it, by an aligner that may have changed a little since
    again = bench.fit([(data, bench.JUDGED_WEIGHT), *learned]).probabilities(data.features)
    assert np.abs(again - default_model().probabilities(data.features)).mean() < 0.05


@pytest.mark.parametrize("name", ["lij-ita", "lij-eng"])
def test_calibration_on_a_variety_that_the_fit_has_not_seen(bench, shared_data, floor, name):
    held = bench.planted(shared_data, name, range(52))
    probabilities = default_model().probabilities(held.features)
    assert 1 - expected_calibration_error(probabilities, held.labels) >= floor(f"score.quality.{name}.one_minus_ece")
    assert held.labels[probabilities >= 0.9].mean() >= floor(f"score.quality.{name}.precision_at_0.9")
