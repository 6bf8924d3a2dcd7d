"""Two models in cascade."""

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.identify import CascadeSettings, Identify, IdentifySettings, Labelled, TrainingPlan, train_identifier
from transforms.identify.calibration import Calibration
from transforms.identify.cascade import CascadeIdentifier, cascade_labels
from transforms.identify.function import SentenceIdentifier
from transforms.identify.text import as_column


class Known:
    """An identifier that gives what it was told."""

    def __init__(self, rows, scheme="isogloss"):
        self.labels = tuple(dict.fromkeys(label for row in rows.values() for label in row))
        self.scheme = scheme
        self.calibration = Calibration(intercept=0.5, slope=0.25, lines=10, thresholds=(0.5,))
        self._rows = rows

    def identify(self, texts):
        rows = [[self._rows.get(text, {}).get(label, 0.0) for label in self.labels] for text in texts.to_pylist()]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.labels))


def cascade(wide, narrow, among=(), scheme="isogloss"):
    return CascadeIdentifier(Known(wide, scheme), Known(narrow), among)


def probabilities(identifier, text):
    (row,) = identifier.identify(as_column([text]))
    return {label: round(float(value), 4) for label, value in zip(identifier.labels, row, strict=True)}


def test_the_wide_model_gives_the_mass_and_the_narrow_one_divides_it():
    made = cascade({"x": {"ar": 0.2, "arz": 0.6, "fa": 0.2}}, {"x": {"ary": 0.75, "arz": 0.25}}, ["ar", "arz"])
    assert probabilities(made, "x") == {"fa": 0.2, "ary": 0.6, "arz": 0.2}


def test_without_among_the_narrow_models_varieties_are_divided():
    made = cascade({"x": {"ar": 0.2, "arz": 0.6, "fa": 0.2}}, {"x": {"ary": 0.75, "arz": 0.25}})
    assert probabilities(made, "x") == {"ar": 0.2, "fa": 0.2, "ary": 0.45, "arz": 0.15}


def test_the_whole_stands_for_parts_that_the_wide_model_does_not_know():
    made = cascade({"x": {"rm": 0.8, "it": 0.2}}, {"x": {"rm-sursilv": 0.5, "rm-vallader": 0.5}})
    assert probabilities(made, "x") == {"it": 0.2, "rm-sursilv": 0.4, "rm-vallader": 0.4}


def test_labels_of_another_scheme_are_read_as_tags():
    made = cascade({"x": {"als": 0.5, "de": 0.5}}, {"x": {"gsw": 0.9, "de": 0.1}}, scheme="lid.176")
    assert probabilities(made, "x") == {"gsw": 0.9, "de": 0.1}


def test_a_line_of_which_the_narrow_model_makes_nothing_is_divided_as_before():
    made = cascade({"x": {"gsw": 0.6, "de": 0.2, "it": 0.2}}, {"y": {"gsw": 1.0, "de": 0.0}})
    assert probabilities(made, "x") == {"it": 0.2, "gsw": 0.6, "de": 0.2}
    even = cascade({"x": {"rm": 1.0, "it": 0.0}}, {"y": {"rm-sursilv": 1.0, "rm-vallader": 0.0}})
    assert probabilities(even, "x") == {"it": 0.0, "rm-sursilv": 0.5, "rm-vallader": 0.5}


def test_a_line_without_evidence_stays_without():
    assert set(probabilities(cascade({"x": {"de": 1.0, "it": 0}}, {"x": {"gsw": 1, "de": 0}}), "").values()) == {0.0}


def test_the_labels_can_be_told_without_loading():
    wide, narrow = (("ar", "arz", "fa", "qq-nothing"), "lid.176"), (("ary", "arz"), "isogloss")
    assert cascade_labels(wide, narrow, ["ar", "arz"]) == ("fa", "lid.176:qq-nothing", "ary", "arz")


def test_a_group_that_the_wide_model_does_not_know_is_refused():
    with pytest.raises(SettingsError, match=r"\$\.identify\.cascade\.among: the wide model knows none"):
        cascade({"x": {"de": 1.0}}, {"x": {"ary": 1.0, "arz": 0.0}})


def test_a_narrow_label_without_a_variety_is_refused():
    with pytest.raises(SettingsError, match="the registry does not know the label 'klingon'"):
        cascade({"x": {"de": 1.0}}, {"x": {"klingon": 1.0, "de": 0.0}})


def test_an_unknown_variety_of_the_group_is_refused():
    with pytest.raises(SettingsError, match=r"\$\.identify\.cascade\.among: the variety 'klingon'"):
        cascade({"x": {"de": 1.0}}, {"x": {"gsw": 1.0, "de": 0.0}}, ["klingon"])


def test_its_sets_promise_nothing():
    made = cascade({"x": {"de": 1.0}}, {"x": {"gsw": 1.0, "de": 0.0}})
    assert made.calibration == Calibration(intercept=0.5, slope=0.25, lines=10)


@pytest.fixture(scope="module")
def narrow_model(tmp_path_factory):
    lines = {
        "it": ["il gatto è sul tetto della casa", "io non sono mai stato a genova"],
        "lij": ["o gatto o l'é in sciô teito da casa", "mi no son mai stæto à zena"],
    }
    path = tmp_path_factory.mktemp("narrow") / "narrow.ngrams"
    train = [
        Labelled(tag, f"{text[i:]} {text[:i]}", "train")
        for tag, many in lines.items()
        for text in many
        for i in range(5)
    ]
    train_identifier({"train": train, "dev": [], "test": []}, path, TrainingPlan())
    return path


def test_trained_models_work_in_cascade(narrow_model, small_model):
    settings = IdentifySettings(model=str(small_model), cascade=CascadeSettings(model=str(narrow_model)))
    identifier = SentenceIdentifier(settings, ("it", "lij", "fur"))
    answers = identifier.answers(
        ["o gatto o l'é in sciô teito", "il gatto è sul tetto", "lis fantatis a van a scuele ducj i dîs"]
    )
    assert [answer.tag for answer in answers] == ["lij", "it", "fur"]


def test_the_stage_checks_the_narrow_model_when_it_is_made(small_model):
    with pytest.raises(SettingsError, match="there is no model file"):
        Identify(settings=IdentifySettings(model=str(small_model), cascade=CascadeSettings(model="nowhere.ngrams")))


def test_coverage_needs_the_sets_of_one_model(narrow_model):
    settings = IdentifySettings(cascade=CascadeSettings(model=str(narrow_model)), coverage=0.95)
    with pytest.raises(SettingsError, match="no calibration"):
        SentenceIdentifier(settings)
