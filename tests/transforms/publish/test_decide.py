import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError
from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.common.accounting import ledger_entries
from transforms.publish import PublishSettings, check_names, decide, score_names
from transforms.publish.decide import VARIETY


def test_without_limits_everything_is_published(pairs):
    result = decide(pairs, PublishSettings())
    assert result.made == pairs
    assert len(result.rejects) == 0


def test_a_reject_names_score_value_and_limit(pairs):
    result = decide(pairs, PublishSettings(minimum={"margin": 1.05}))
    (reject,) = result.rejects.rows()
    assert (reject["reason"], reject["score"], reject["limit"]) == ("score_too_low", "margin", 1.05)
    assert reject["value"] == pytest.approx(1.0)
    assert reject["variety"] == "lij>it"
    assert reject["unit"] == "pair"
    assert reject["record_id"] == pairs.texts("pair_id")[0]
    assert reject["url"] == pairs.texts("source_url")[0]
    assert reject["detail"] == "margin: expected at least 1.05, got 1"
    assert reject["excerpt"] == "O porto de Zena o l'é grande."


def test_too_high_is_another_reason(make):
    result = decide(make(copies=[0.1] * 6 + [0.99]), PublishSettings(maximum={"copy": 0.95}))
    assert result.rejects.texts("reason") == ["score_too_high"]
    assert result.rejects.texts("variety") == ["fur>it"]


def test_a_null_passes_limits_and_fails_only_where_it_is_required(make):
    pairs = make(numbers=[None, 1.0, 0.2, 1.0, 1.0, 1.0, 1.0])
    passed = decide(pairs, PublishSettings(minimum={"numbers": 0.5}))
    assert passed.rejects.texts("reason") == ["score_too_low"]
    required = decide(pairs, PublishSettings(minimum={"numbers": 0.5}, require=("numbers",)))
    assert required.rejects.texts("reason") == ["score_missing", "score_too_low"]
    assert required.rejects.texts("value")[0] is None
    assert required.rejects.texts("limit")[0] is None


def test_the_first_failure_in_the_order_of_names_is_the_reason_and_all_are_named(make):
    pairs = make(copies=[0.99] + [0.1] * 6, margins=[0.9] + [1.2] * 6)
    rejects = decide(
        pairs, PublishSettings(minimum={"margin": 1.0}, maximum={"copy": 0.95}, require=("numbers",))
    ).rejects
    assert rejects.texts("score")[0] == "copy"
    assert rejects.texts("detail")[0] == (
        "copy: expected at most 0.95, got 0.99; margin: expected at least 1, got 0.9; numbers is missing"
    )
    assert rejects.texts("score")[1:] == ["numbers"] * 6


@pytest.mark.parametrize("limit", [0.9, 0.1, 1.06, 1 / 3])
def test_a_value_equal_to_its_limit_passes_though_the_column_is_narrower(make, limit):
    pairs = make(margins=[limit] * 7)
    assert len(decide(pairs, PublishSettings(minimum={"margin": limit})).made) == 7
    assert len(decide(pairs, PublishSettings(maximum={"margin": limit})).made) == 7


def test_an_unknown_score_is_a_settings_error_that_lists_the_known(pairs):
    with pytest.raises(SettingsError) as caught:
        decide(pairs, PublishSettings(minimum={"margn": 1.0}))
    assert caught.value.path == "$.publish.minimum.margn"
    assert "copy, cosine, margin, numbers" in caught.value.cure


@pytest.mark.parametrize("section", ["minimum", "maximum", "require"])
def test_names_can_be_checked_before_a_launch(section):
    settings = PublishSettings(**{section: ("nope",) if section == "require" else {"nope": 1.0}})
    check_names(settings, ["nope"])
    with pytest.raises(SettingsError, match="no score 'nope'"):
        check_names(settings, ["margin"])


def test_an_empty_batch_with_an_unknown_score_is_refused_too(pairs):
    with pytest.raises(SettingsError):
        decide(PairBatch.empty(), PublishSettings(minimum={"copy": 0.5}))


def test_scores_are_known_by_their_metadata(pairs):
    assert score_names(pairs.data.schema) == ["cosine", "margin", "copy", "numbers"]


@given(
    st.lists(st.floats(0, 2, width=32) | st.none(), min_size=7, max_size=7),
    st.floats(0, 1),
    st.floats(1, 2),
    st.booleans(),
)
def test_every_pair_is_published_or_rejected_and_batches_do_not_matter(make, margins, low, high, required):
    pairs = make()
    pairs = pairs.replace(margin=margins)
    settings = PublishSettings(
        minimum={"margin": low}, maximum={"margin": high}, require=("margin",) if required else ()
    )
    whole = decide(pairs, settings)
    assert sorted(whole.made.texts("pair_id") + whole.rejects.texts("record_id")) == sorted(pairs.texts("pair_id"))
    alone = [decide(piece, settings) for piece in pairs.pieces(1)]
    assert [i for r in alone for i in r.made.texts("pair_id")] == whole.made.texts("pair_id")
    assert [d for r in alone for d in r.rejects.texts("detail")] == whole.rejects.texts("detail")
    for value in whole.made.texts("margin"):
        assert (value is None and not required) or np.float32(low) <= value <= np.float32(high)


def test_the_ledger_counts_both_sides_of_the_pair(pairs):
    assert {row["variety"]: row["count"] for row in ledger_entries("publish", "pair", "in", pairs, VARIETY).rows()} == {
        "lij>it": 3,
        "lmo>it": 2,
        "fur>it": 2,
    }


def test_limits_that_nothing_passes_are_refused_where_they_are_read():
    with pytest.raises(msgspec.ValidationError, match=r"at least 2.0 \(minimum\) and at most 1.0"):
        msgspec.convert({"minimum": {"margin": 2.0}, "maximum": {"margin": 1.0}}, PublishSettings)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_limit_must_be_a_number(value):
    with pytest.raises(ValueError, match=r"minimum\.margin"):
        PublishSettings(minimum={"margin": value})


@pytest.mark.parametrize("values", [{"shards": 0}, {"minima": {}}, {"minimum": {"margin": "high"}}, {"title": ""}])
def test_nonsense_is_refused(values):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, PublishSettings)


def test_a_precision_is_a_limit_of_quality_that_must_be_known(make):
    pairs = make(numbers=[None, 0.9, 0.89, 0.95, 0.5, 1.0, 0.1])
    fields = [score_field("quality", "Probability.", range="0 to 1", better="higher")]
    judged = pairs.with_scores(fields, {"quality": pairs.column("numbers")})
    result = decide(judged, PublishSettings(precision=0.9))
    assert result.made.texts("pair_id") == [pairs.texts("pair_id")[i] for i in (1, 3, 5)]
    assert result.rejects.texts("reason") == ["score_missing", *["score_too_low"] * 3]
    assert set(result.rejects.texts("score")) == {"quality"}


def test_a_precision_needs_the_score_and_is_no_second_limit(pairs):
    with pytest.raises(SettingsError, match=r"\$.publish.precision: the pairs have no score 'quality'"):
        decide(pairs, PublishSettings(precision=0.9))
    with pytest.raises(ValueError, match="in two ways"):
        PublishSettings(precision=0.9, minimum={"quality": 0.5})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"precision": 90}, PublishSettings)


def test_scores_that_are_lists_have_no_limits(pairs):
    spans = score_field("spans", "Lists.", range="list", better="neither", kind=pa.list_(pa.float32()))
    listed = pairs.with_scores([spans], {"spans": pa.array([[0.5]] * len(pairs), type=pa.list_(pa.float32()))})
    assert "spans" not in score_names(listed.data.schema)
    with pytest.raises(SettingsError, match="spans"):
        decide(listed, PublishSettings(minimum={"spans": 0.5}))
