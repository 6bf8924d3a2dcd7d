"""The ledger adds up, and says where it does not."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.ledger import LedgerBatch, add_up, imbalances


def entry(outcome, count, *, stage="segment", unit="document", variety="lij", reason=""):
    return {"stage": stage, "unit": unit, "variety": variety, "outcome": outcome, "reason": reason, "count": count}


def ledger(*rows):
    return LedgerBatch.from_rows(rows)


ENTRIES = st.lists(
    st.builds(
        entry,
        st.sampled_from(["in", "out", "rejected", "yielded"]),
        st.integers(0, 1000),
        variety=st.sampled_from(["lij", "lmo", "und"]),
        reason=st.sampled_from(["", "empty"]),
    ),
    max_size=20,
)


def test_equal_keys_add_up_in_order():
    summed = add_up([ledger(entry("out", 2), entry("in", 3, variety="lmo")), ledger(entry("out", 5))])
    assert summed.rows() == [entry("out", 7), entry("in", 3, variety="lmo")]


@given(st.lists(ENTRIES, max_size=4))
def test_the_cut_into_batches_does_not_matter(cuts):
    together = [row for rows in cuts for row in rows]
    assert add_up([ledger(*rows) for rows in cuts]) == add_up([ledger(*together)])
    assert add_up([ledger(*reversed(together))]) == add_up([ledger(*together)])


@given(ENTRIES)
def test_adding_up_twice_changes_nothing(rows):
    once = add_up([ledger(*rows)])
    assert add_up([once]) == once


def test_nothing_adds_up_to_nothing():
    assert add_up([]) == LedgerBatch.empty()
    assert imbalances(LedgerBatch.empty()) == []


def test_in_is_out_and_rejected():
    rows = [
        entry("in", 5),
        entry("out", 3),
        entry("rejected", 1, reason="empty"),
        entry("rejected", 1, reason="no_letters"),
    ]
    assert imbalances(ledger(*rows)) == []


def test_what_is_yielded_is_of_another_unit():
    assert imbalances(ledger(entry("in", 1), entry("out", 1), entry("yielded", 30, unit="sentence"))) == []


def test_a_lost_record_is_told_with_stage_unit_and_variety():
    rows = [entry("in", 5), entry("out", 4), entry("in", 2, variety="lmo"), entry("out", 2, variety="lmo")]
    assert imbalances(ledger(*rows)) == ["segment: 5 document records of lij went in, 4 are accounted for"]


def test_a_record_that_changes_its_variety_is_told_twice():
    assert len(imbalances(ledger(entry("in", 1, variety="und"), entry("out", 1, variety="lij")))) == 2
