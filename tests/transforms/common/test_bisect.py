"""The guilty stand alone, at the price of few calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.common.bisect import bisect_failures


class Model:
    """Doubles numbers; a negative one spoils its batch."""

    def __init__(self):
        self.calls = 0

    def __call__(self, items):
        self.calls += 1
        for item in items:
            if item < 0:
                raise RecordError(Reason.NOT_ENCODABLE, str(item))
        return [2 * item for item in items]


@given(st.lists(st.integers(-3, 30), max_size=70))
def test_every_good_record_is_answered_and_every_bad_one_named(items):
    answers = bisect_failures(Model(), items)
    assert len(answers) == len(items)
    for item, answer in zip(items, answers, strict=True):
        if item < 0:
            assert isinstance(answer, RecordError)
            assert answer.detail == str(item)
        else:
            assert answer == 2 * item


def test_one_bad_record_among_64_costs_13_calls():
    model = Model()
    bisect_failures(model, [*range(40), -1, *range(23)])
    assert model.calls == 13


def test_a_good_batch_costs_one_call_and_an_empty_one_none():
    model = Model()
    bisect_failures(model, list(range(64)))
    assert model.calls == 1
    assert bisect_failures(model, []) == []
    assert model.calls == 1


def test_any_other_error_is_a_bug_and_loud():
    def broken(items):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bisect_failures(broken, [1, 2])
