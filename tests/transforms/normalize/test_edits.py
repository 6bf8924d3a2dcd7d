import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.common.edits import found_span, no_edits, replay
from transforms.normalize.edits import as_edits, compose, difference

few = st.text(alphabet="abcà ", max_size=30)


def slow_start(edits, position):
    """Where a span that starts here starts in the text as found: look at every edit."""
    shift = 0
    for start, end, left, right in edits:
        if right <= position:
            shift = end - right
        elif left <= position:
            return start
    return position + shift


def slow_end(edits, position):
    shift = 0
    for _, end, left, right in edits:
        if left < position:
            if position < right:
                return end
            shift = end - right
    return position + shift


@given(few, few)
@settings(deadline=None)
def test_the_difference_of_two_texts_leads_from_one_to_the_other(found, normalized):
    assert replay(found, normalized, as_edits(difference(found, normalized))) == normalized


@given(few, few, few)
@settings(deadline=None)
def test_composed_edits_lead_from_the_first_text_to_the_last(first, second, third):
    edits = compose(as_edits(difference(first, second)), as_edits(difference(second, third)))
    assert replay(first, third, edits) == third
    at = 0
    for start, end, left, right in edits.tolist():
        assert at <= start <= end
        assert left <= right
        at = end


@given(few, few)
@settings(deadline=None)
def test_spans_map_as_the_slow_version_maps_them(found, normalized):
    edits = as_edits(difference(found, normalized))
    bounds = np.arange(len(normalized) + 1)
    starts, ends = np.repeat(bounds, len(bounds)), np.tile(bounds, len(bounds))
    starts, ends = starts[starts < ends], ends[starts < ends]
    found_start, found_end = found_span(edits, starts, ends)
    rows = edits.tolist()
    assert found_start.tolist() == [slow_start(rows, at) for at in starts.tolist()]
    assert found_end.tolist() == [slow_end(rows, at) for at in ends.tolist()]


@given(few, few)
@settings(deadline=None)
def test_bounds_are_monotone_and_within_the_text(found, normalized):
    edits = as_edits(difference(found, normalized))
    bounds = np.arange(len(normalized) + 1)
    for mapped in found_span(edits, bounds, bounds):
        assert (np.diff(mapped) >= 0).all()
        assert ((mapped >= 0) & (mapped <= len(found))).all()


def test_without_edits_a_span_is_itself():
    start, end = found_span(no_edits(), [0, 3], [3, 5])
    assert start.tolist() == [0, 3]
    assert end.tolist() == [3, 5]


def test_what_was_deleted_between_two_spans_belongs_to_neither():
    start, end = found_span([(2, 4, 2, 2)], [0, 2], [2, 5])
    assert list(zip(start.tolist(), end.tolist(), strict=True)) == [(0, 2), (4, 7)]


def test_a_bound_within_an_edit_takes_the_edit_in():
    start, end = found_span([(2, 4, 2, 6)], [4], [5])
    assert (start[0], end[0]) == (2, 4)


def test_a_long_line_is_compared_in_bounded_time():
    found = "ab " * 40_000
    normalized = found.replace("b", "c")
    assert replay(found, normalized, as_edits(difference(found, normalized))) == normalized
