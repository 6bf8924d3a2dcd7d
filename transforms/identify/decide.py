"""From labels to varieties: add up, restrict to what is expected, abstain where the evidence is against it.

Let q(t) be the probability of the variety t: the sum over the labels that stand for it. With expected varieties E,

    p(t) = q(t) / sum of q(u) over u in E        for t in E,

so that a close relative that cannot be there takes nothing away. But a restricted model is sure of everything:
French among Ligurian, Lombard and Italian comes out as one of the three. So what the restriction throws away
is kept as evidence: where the most probable variety of all is not expected and q is at least
`foreign_threshold`, the sentence is `und`, and its candidates are those before the restriction. A sentence whose
best p is below `minimum_probability` is `und` too, with its restricted candidates; one without letters is `und`
and has none. Nothing is rejected here: `mine` and `publish` decide what to do with `und`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.table import UNDETERMINED
from schemas.variety import find, labels_of
from transforms.identify import kernels

_FOREIGN = ""
"""Stands for all labels that the registry does not know."""


@dataclass(frozen=True)
class Decisions:
    """Varieties of a batch of texts.

    The candidates of text i are those from `offsets[i]` to `offsets[i + 1]`, best first.

    Attributes:
        tags: what the numbers in `best` and `kinds` stand for; the last is `und`.
        best: (n,) int32.
        probabilities: (n,) float32; NaN where undetermined.
        offsets: (n + 1,) int64.
        kinds: (m,) int32, varieties of the candidates.
        candidates: (m,) float32, their probabilities.
    """

    tags: tuple[str, ...]
    best: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    offsets: NDArray[np.int64]
    kinds: NDArray[np.int32]
    candidates: NDArray[np.float32]

    @property
    def varieties(self) -> list[str]:
        """The tag of each text."""
        return [self.tags[kind] for kind in self.best.tolist()]

    def candidates_of(self, text: int) -> list[tuple[str, float]]:
        """Give the candidates of one text, best first."""
        rows = slice(self.offsets[text], self.offsets[text + 1])
        chosen = zip(self.kinds[rows].tolist(), self.candidates[rows].tolist(), strict=True)
        return [(self.tags[kind], value) for kind, value in chosen]


class Restriction:
    """Which variety each label of a model counts for, and which varieties are expected.

    A label counts for its own variety, or for the expected one that it is a part of (`oc-aranese` for an expected
    `oc`). Where the model has no label of an expected variety, the label of the whole counts for it (`rm` of
    lid.176 for an expected `rm-sursilv`), provided that only one such part is expected.

    Args:
        labels: of the model.
        scheme: whose labels they are.
        expected: tags; empty: every variety that the model knows.

    Raises:
        SettingsError: labels of which the registry knows none; an expected variety for which the model has no label: no sentence would ever be it.

    Attributes:
        tags: (t,) the varieties, ascending.
        column: (labels,) position in `tags` of each label's variety.
        is_expected: (t,).
    """

    def __init__(self, labels: Sequence[str], scheme: str, expected: Sequence[str] = ()) -> None:
        known = labels_of(scheme)
        own = [known.get(label, _FOREIGN) for label in labels]
        if labels and set(own) == {_FOREIGN}:
            raise SettingsError(
                f"the registry knows none of the model's labels, such as {', '.join(labels[:3])}",
                path="$.identify.model",
                cure="Name the labels in schemas/varieties/*.toml, or train with BCP 47 tags as labels.",
            )
        wanted = tuple(dict.fromkeys(_canonical(tag) for tag in expected))
        counted = [_counts_for(tag, wanted, set(own)) for tag in own]
        missing = [tag for tag in wanted if tag not in counted]
        if missing:
            raise SettingsError(
                f"the model cannot tell {', '.join(missing)}: it has no label of it",
                path="$.identify.model",
                cure="Take a model that knows it, or train one (`isogloss train-identifier`); or leave it out of corpus.varieties.",
            )
        self.tags = tuple(sorted(set(counted)))
        place = {tag: column for column, tag in enumerate(self.tags)}
        self.column = np.array([place[tag] for tag in counted], dtype=np.int64)
        self.is_restricted = bool(wanted)
        self.is_expected = np.array([tag in wanted if wanted else tag != _FOREIGN for tag in self.tags])

    def probabilities(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add up label probabilities (n, labels) by variety: (n, t)."""
        made = np.empty((len(labels), len(self.tags)), dtype=np.float32)
        kernels.sum_labels(labels, self.column, made)
        return made


def decide(
    probabilities: NDArray[np.float32],
    restriction: Restriction,
    *,
    minimum_probability: float,
    foreign_threshold: float,
    top: int,
    least: float = 0.0,
) -> Decisions:
    """Decide on the variety of each text.

    Args:
        probabilities: (n, t) as `Restriction.probabilities` gives them; a row of zeros is a text without evidence.
        restriction: what the columns are.
        minimum_probability: below it the variety is `und`.
        foreign_threshold: at least this makes an unexpected best variety `und`.
        top: candidates kept.
        least: probability of a candidate that is kept; the first is kept always.
    """
    texts, undetermined = len(probabilities), len(restriction.tags)
    kept = min(top, undetermined)
    best, best_probability = np.empty(texts, dtype=np.int32), np.empty(texts, dtype=np.float32)
    foreign = np.empty(texts, dtype=bool)
    order, values = np.empty((texts, kept), dtype=np.int32), np.empty((texts, kept), dtype=np.float32)
    kernels.best_candidates(
        probabilities, restriction.is_expected, restriction.is_restricted, foreign_threshold,
        best, best_probability, foreign, order, values,
    )  # fmt: skip
    known = (best >= 0) & ~foreign & (best_probability >= minimum_probability)
    there = order >= 0
    if least > 0:
        there &= values >= np.float32(least)
        there[:, 0] = order[:, 0] >= 0
    return Decisions(
        tags=(*(tag or UNDETERMINED for tag in restriction.tags), UNDETERMINED),
        best=np.where(known, best, undetermined).astype(np.int32),
        probabilities=np.where(known, best_probability, np.float32(np.nan)),
        offsets=np.r_[0, np.cumsum(there.sum(axis=1))].astype(np.int64),
        kinds=order[there],
        candidates=values[there],
    )


def is_foreign(
    probabilities: NDArray[np.float32], restriction: Restriction, foreign_threshold: float
) -> NDArray[np.bool_]:
    """Tell the texts whose most probable variety is not expected and has at least this probability: (n,)."""
    if not restriction.is_restricted or not len(probabilities):
        return np.zeros(len(probabilities), dtype=bool)
    best = probabilities.argmax(axis=1)
    foreign: NDArray[np.bool_] = ~restriction.is_expected[best] & (
        probabilities[np.arange(len(probabilities)), best] >= foreign_threshold
    )
    return foreign


def _canonical(tag: str) -> str:
    variety = find(tag)
    return variety.tag if variety is not None else tag


def _counts_for(tag: str, expected: Sequence[str], own: set[str]) -> str:
    whole = tag
    while whole:
        if whole in expected:
            return whole
        whole = whole.rpartition("-")[0]
    parts = [wanted for wanted in expected if tag and wanted.startswith(f"{tag}-") and wanted not in own]
    return parts[0] if len(parts) == 1 else tag
