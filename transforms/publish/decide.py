"""Decide which pairs are published: the one place where a score becomes a decision. Pure.

What goes in: scored pairs. What comes out: those that pass every limit, in their order; the others as rejects
with the score that failed, its value and its limit. A pair is judged by itself, so neither order nor batches
matter. Cost: a few vector comparisons a batch.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.pair import PairBatch
from schemas.reject import Reason, RejectBatch
from schemas.score import is_score
from transforms.common.accounting import Result, rejects_of
from transforms.publish.settings import QUALITY, PublishSettings

STAGE = "publish"
UNIT = "pair"
VARIETY = "source_variety>target_variety"


@dataclass(frozen=True)
class Rule:
    """One limit on one score.

    Attributes:
        score: name of the score.
        reason: what a pair is rejected for that fails it.
        limit: least or greatest value; None where the score must merely be there.
    """

    score: str
    reason: Reason
    limit: float | None = None

    def failures(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which values fail; null is NaN here. A null fails only where it must be there.

        A limit is compared in the type of the score: 0.9 in the configuration is the 0.9 of a float32 column.
        """
        failing: NDArray[np.bool_]
        if self.limit is None:
            failing = np.isnan(values)
        else:
            limit = values.dtype.type(self.limit)
            failing = values < limit if self.reason is Reason.SCORE_TOO_LOW else values > limit
        return failing


def score_names(schema: pa.Schema) -> list[str]:
    """List the scores among a schema's columns that are one number, in their order; lists cannot be limited."""
    return [spec.name for spec in schema if is_score(spec) and not pa.types.is_nested(spec.type)]


def rules_of(settings: PublishSettings) -> list[Rule]:
    """Give the rules in the order in which they are checked: by name of the score; missing, too low, too high."""
    rules = []
    least = settings.least()
    for score in settings.named_scores():
        if score in settings.require or (score == QUALITY and settings.precision is not None):
            rules.append(Rule(score, Reason.SCORE_MISSING))
        if score in least:
            rules.append(Rule(score, Reason.SCORE_TOO_LOW, least[score]))
        if score in settings.maximum:
            rules.append(Rule(score, Reason.SCORE_TOO_HIGH, settings.maximum[score]))
    return rules


def check_names(settings: PublishSettings, known: Collection[str]) -> None:
    """Refuse limits on scores that the pairs do not have.

    Args:
        settings: the limits.
        known: names of the scores that the pairs have.

    Raises:
        SettingsError: lists the known ones.
    """
    if settings.precision is not None and QUALITY not in known:
        raise SettingsError(
            f"the pairs have no score {QUALITY!r}, which a precision needs",
            path="$.publish.precision",
            cure=f"Name {QUALITY} in score.scores, or no scores, and mine again.",
        )
    sections = (("minimum", settings.minimum), ("maximum", settings.maximum), ("require", settings.require))
    for section, names in sections:
        for score in names:
            if score not in known:
                raise SettingsError(
                    f"there is no score {score!r}",
                    path=f"$.publish.{section}" + (f".{score}" if section != "require" else ""),
                    cure=f"The pairs have: {', '.join(sorted(known))}.",
                )


def decide(pairs: PairBatch, settings: PublishSettings) -> Result[PairBatch]:
    """Apply the limits.

    Args:
        pairs: scored pairs.
        settings: the limits.

    Returns:
        The pairs that pass; a reject for each of the others, with the first rule that it fails and, in the
        detail, all of them.

    Raises:
        SettingsError: a limit on a score that the pairs do not have.
    """
    check_names(settings, score_names(pairs.data.schema))
    rules = rules_of(settings)
    values = {rule.score: _numbers(pairs.column(rule.score)) for rule in rules}
    failed = np.zeros((len(rules), len(pairs)), dtype=bool)
    for i, rule in enumerate(rules):
        failed[i] = rule.failures(values[rule.score])
    left_out = np.flatnonzero(failed.any(axis=0))
    return Result(
        made=pairs.filter(~failed.any(axis=0)) if len(left_out) else pairs,
        rejects=_rejects(pairs, left_out.tolist(), rules, values, failed),
    )


def _numbers(column: pa.Array) -> NDArray[np.floating]:
    """Give a score's column as floats, null as NaN; integers and booleans as float64."""
    if not pa.types.is_floating(column.type):
        column = (
            column.cast(pa.int64()).cast(pa.float64())
            if pa.types.is_boolean(column.type)
            else column.cast(pa.float64())
        )
    return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _rejects(
    pairs: PairBatch,
    indices: Sequence[int],
    rules: Sequence[Rule],
    values: dict[str, NDArray[np.floating]],
    failed: NDArray[np.bool_],
) -> RejectBatch:
    if not indices:
        return RejectBatch.empty()
    failing = [[rules[i] for i in np.flatnonzero(failed[:, row]).tolist()] for row in indices]
    first = [found[0] for found in failing]
    rejects = rejects_of(
        pairs,
        indices,
        stage=STAGE,
        unit=UNIT,
        reasons=[rule.reason for rule in first],
        details=[
            "; ".join(_explained(rule, values[rule.score][row]) for rule in found)
            for row, found in zip(indices, failing, strict=True)
        ],
        variety=VARIETY,
        text="source_text",
    )
    first_values = [float(values[rule.score][row]) for row, rule in zip(indices, first, strict=True)]
    return rejects.replace(
        url=pairs.take(indices).column("source_url"),
        score=[rule.score for rule in first],
        value=[None if np.isnan(value) else value for value in first_values],
        limit=[rule.limit for rule in first],
    )


def _explained(rule: Rule, value: np.floating) -> str:
    if rule.limit is None:
        return f"{rule.score} is missing"
    side = "at least" if rule.reason is Reason.SCORE_TOO_LOW else "at most"
    return f"{rule.score}: expected {side} {rule.limit:g}, got {value:.6g}"
