"""Rejects: reasons are a closed list of plain words."""

import pytest

from schemas.errors import RecordError, SettingsError
from schemas.reject import REJECT, Reason, RejectBatch


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_is_its_name_in_small_letters(reason):
    assert str(reason) == reason.name.lower()


def test_a_reject_names_stage_unit_record_and_reason():
    required = {spec.name for spec in REJECT if not spec.nullable}
    assert required == {"stage", "unit", "record_id", "variety", "reason"}
    assert RejectBatch.ID == "record_id"


def test_an_error_of_a_record_says_reason_and_detail():
    assert str(RecordError(Reason.NOT_TEXT, "expected text, got image/png")) == "not_text: expected text, got image/png"
    assert str(RecordError(Reason.EMPTY)) == "empty"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            SettingsError("expected 1 or more, got 0", "$.mine.k", "Leave it out."),
            "$.mine.k: expected 1 or more, got 0\n  Leave it out.",
        ),
        (SettingsError("there is no file"), "there is no file"),
    ],
)
def test_an_error_of_a_setting_says_where_and_what_to_do(error, text):
    assert str(error) == text


def test_errors_travel_between_processes():
    import pickle

    error = pickle.loads(pickle.dumps(SettingsError("message", "$.path", "cure")))
    assert (error.message, error.path, error.cure) == ("message", "$.path", "cure")
    reject = pickle.loads(pickle.dumps(RecordError(Reason.EMPTY, "detail")))
    assert (reject.reason, reject.detail) == (Reason.EMPTY, "detail")
