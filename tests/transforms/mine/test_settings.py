"""Settings refuse nonsense with its path, and know the thresholds that were measured."""

import msgspec
import pytest

from schemas.errors import SettingsError
from transforms.mine import DEFAULT_THRESHOLDS, MineSettings, default_threshold


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"k": 0}, r"\$\.k"),
        ({"margin": "quotient"}, r"\$\.margin"),
        ({"retrieval": "best"}, r"\$\.retrieval"),
        ({"minimum_probability": 1.5}, r"\$\.minimum_probability"),
        ({"treshold": 1.0}, "treshold"),
        ({"threshold": float("nan")}, "not a number"),
        ({"threshold": 1.1, "precision": 0.9}, "both set"),
        ({"precision": 1.0}, r"\$\.precision"),
    ],
)
def test_nonsense_is_refused_where_it_stands(given, path):
    with pytest.raises(msgspec.ValidationError, match=path):
        msgspec.convert(given, MineSettings)


def test_a_threshold_that_is_set_wins():
    assert MineSettings(threshold=1.02).threshold_for("ngram:abc") == 1.02


def test_defaults_follow_from_encoder_and_margin():
    assert MineSettings().threshold_for("ngram:abc") == DEFAULT_THRESHOLDS["ngram", "ratio"]
    assert default_threshold("laser", "ratio") == DEFAULT_THRESHOLDS["laser", "ratio"]


def test_what_was_never_measured_has_no_default():
    with pytest.raises(
        SettingsError, match="no default threshold for the margin 'distance' of laser vectors"
    ) as caught:
        MineSettings(margin="distance").threshold_for("laser:abc")
    assert caught.value.path == "$.mine.threshold"
