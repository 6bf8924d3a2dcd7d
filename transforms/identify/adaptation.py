"""Adapt to the text itself: the run's unlabelled lines teach what the trained model could not know.

A second opinion is learned from the first. The model gives each line probabilities over the expected varieties;
lines weighted by them give character n-gram counts a variety; a naive Bayes model of these counts judges the lines
again, and both opinions are combined. It is expectation maximization with a naive Bayes model (Nigam et al. 2000), where
the most confident lines are learned first (Jauhiainen et al. 2018, the HeLI adaptation), with three differences that
keep it from believing itself:

- **Cross-fitting.** Lines fall into two halves by their content; each half is judged by what the other taught.
- **The first opinion stays.** p'(t) is proportional to p(t) * exp(a * sqrt(n) * d(t)), d(t) the mean log-likelihood of
  the line's n n-grams less its mean over the varieties. The weight `a` is the one that best predicts the first opinion
  where that is sure: an expert that learned noise gets a weight near 0.
- **A guard.** On the lines that the model is sure of (at least .95) the n-grams, taught by the other half, must err at
  most half as often as the model itself expects to err on all lines, else they have nothing to teach; and few enough
  lines may change sides. Where that fails, nothing is changed, and the report says why.

Everything is a function of the set of lines: order and cuts of batches have no effect.
"""

import io
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.identify import kernels
from transforms.identify.text import Lines, prepare_column

RECIPE = "letters-1"
MOST_LINES = 200_000
"""Distinct lines that are learned from: more teach little, and memory stays bounded."""
BUCKETS = 1 << 17
SHORTEST, LONGEST = 2, 5
SMOOTHING = 0.3
ROUNDS = 6
FOLDS = 2
SURE = 0.95
LEAST_LINES = 50
LEAST_AGREEMENT = 0.9
WORTH = 0.5
"""Most of the model's expected error that the n-grams may reach on the lines that it is sure of."""
MOST_MOVED = 0.3
MOST_WEIGHT = 20.0
_LEAST = 1e-9


class AdaptationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What adaptation found.

    Attributes:
        lines: that it learned from.
        is_used: False: it would have done harm, or there was too little to learn from.
        why: the reason, when it is not used.
        weight: of the n-grams' opinion.
        agreement: share of the lines that the model is sure of where the n-grams agree; None: there are none.
        moved: share of the lines whose best variety changed.
    """

    lines: int
    is_used: bool
    why: str = ""
    weight: float = 0.0
    agreement: float | None = None
    moved: float = 0.0


class Adaptation:
    """What a run's lines taught.

    Args:
        tables: (2, BUCKETS, t) float32, log-probabilities of n-grams by variety, less their mean; a line of half h
            is judged by `tables[h]`, which the other half taught.
        weight: of the n-grams' opinion.
    """

    def __init__(self, tables: NDArray[np.float32], weight: float) -> None:
        self.tables = tables
        self.weight = weight

    def apply(self, lines: Lines, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the adapted probabilities: (n, t); the mass of a row, and a row of zeros, stay.

        Args:
            lines: as `text.prepare_column` gives them.
            probabilities: (n, t) of the model.
        """
        opinion = np.zeros(probabilities.shape, dtype=np.float64)
        half = halves(lines)
        for fold in range(FOLDS):
            kernels.judge_ngrams(
                lines.data, lines.starts, lines.ends, half == fold, SHORTEST, LONGEST, self.tables[fold], opinion
            )
        mass = probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
        adapted = _combined(probabilities / np.maximum(mass, _LEAST), opinion, self.weight) * mass
        made: NDArray[np.float32] = adapted.astype(np.float32)
        return made

    def to_bytes(self) -> bytes:
        """Write it down; the same adaptation gives the same bytes."""
        file = io.BytesIO()
        np.save(file, np.float64(self.weight), allow_pickle=False)
        np.save(file, self.tables, allow_pickle=False)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Adaptation":
        """Read what `to_bytes` wrote."""
        file = io.BytesIO(data)
        weight = float(np.load(file, allow_pickle=False))
        return cls(np.load(file, allow_pickle=False), weight)


def halves(lines: Lines) -> NDArray[np.int64]:
    """Tell the half of each line, by its bytes: (n,), 0 or 1."""
    return (_hashes(lines) & np.uint64(FOLDS - 1)).astype(np.int64)


def _hashes(lines: Lines) -> NDArray[np.uint64]:
    found = np.empty(len(lines), dtype=np.uint64)
    kernels.hash_lines(lines.data, lines.starts, lines.ends, found)
    return found


def sample_of(texts: pa.StringArray, most: int = MOST_LINES) -> pa.Table:
    """Choose distinct texts by content: columns key (uint64) and text, in the order of the keys.

    Texts that are read alike stand once. The sample of a union is the sample of the samples (`joined_samples`).

    Args:
        texts: any number, without nulls.
        most: texts to keep, those of the lowest keys.
    """
    lines = prepare_column(texts, RECIPE)
    known = np.flatnonzero(~lines.is_empty)
    rows = pa.table({"key": pa.array(_hashes(lines)[known]), "text": texts.take(pa.array(known))})
    return joined_samples([rows], most)


def joined_samples(samples: Sequence[pa.Table], most: int = MOST_LINES) -> pa.Table:
    """Join samples into one of at most `most` texts; the order of the samples has no effect."""
    rows = pa.concat_tables(samples).group_by("key").aggregate([("text", "min")])
    return rows.select(["key", "text_min"]).rename_columns(["key", "text"]).sort_by("key").slice(0, most)


def fit_adaptation(
    lines: Lines, probabilities: NDArray[np.float32], taught: NDArray[np.float64] | None = None
) -> tuple[Adaptation | None, AdaptationReport]:
    """Learn from unlabelled lines.

    Args:
        lines: of the run, without those of foreign varieties; equal ones should stand once.
        probabilities: (n, t) of the model over the expected varieties.
        taught: (t, BUCKETS) n-gram counts of labelled lines, where the model has them: much of the safety of a
            model that was trained on very few lines comes from them.

    Returns:
        The adaptation, or None when it is not used; and the report.
    """
    known = ~lines.is_empty & (probabilities.sum(axis=1) > 0)
    lines = Lines(lines.data, lines.starts[known], lines.ends[known])
    first = probabilities[known].astype(np.float64)
    first /= first.sum(axis=1, keepdims=True)
    texts, kinds = first.shape
    if texts < LEAST_LINES or kinds < 2:
        return None, AdaptationReport(lines=texts, is_used=False, why="too few lines or varieties")
    half = halves(lines)
    sizes = np.empty(texts, dtype=np.int64)
    kernels.count_ngrams(lines.data, lines.starts, lines.ends, SHORTEST, LONGEST, sizes)
    present = first
    weight = 0.0
    opinion = np.zeros_like(first)
    tables = np.zeros((FOLDS, BUCKETS, kinds), dtype=np.float32)
    for turn in range(ROUNDS):
        weights = np.where(_is_among_surest(present.max(axis=1), (turn + 1) / ROUNDS)[:, None], present, 0.0)
        opinion[:] = 0.0
        for fold in range(FOLDS):
            tables[fold] = _table(lines, weights, half != fold, taught)
            kernels.judge_ngrams(
                lines.data, lines.starts, lines.ends, half == fold, SHORTEST, LONGEST, tables[fold], opinion
            )
        weight = _best_weight(first, opinion)
        present = _combined(first, opinion, weight)
    sure = first.max(axis=1) >= SURE
    agreement = float((opinion.argmax(axis=1) == first.argmax(axis=1))[sure].mean()) if sure.any() else None
    moved = float((present.argmax(axis=1) != first.argmax(axis=1)).mean())
    expected_error = 1.0 - float(first.max(axis=1).mean())
    least = max(LEAST_AGREEMENT, 1.0 - WORTH * expected_error)
    why = ""
    if agreement is None and taught is None:
        why = f"the model is sure of no line ({SURE} or more): there is nothing to hold on to"
    elif agreement is not None and agreement < least:
        why = (
            f"n-grams agree with the model on {agreement:.4f} of the lines that it is sure of; {least:.4f} is the least"
        )
    elif moved > MOST_MOVED:
        why = f"{moved:.3f} of the lines would change their variety; {MOST_MOVED} is the most"
    report = AdaptationReport(
        lines=texts, is_used=not why, why=why, weight=weight, agreement=agreement, moved=0.0 if why else moved
    )
    return (None if why else Adaptation(tables, weight)), report


def _is_among_surest(confidence: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Mark at least this share of the lines, the surest; all that are as sure as the last of them too."""
    place = max(0, len(confidence) - int(np.ceil(share * len(confidence))))
    least = np.partition(confidence, place)[place]
    chosen: NDArray[np.bool_] = confidence >= least
    return chosen


def _table(
    lines: Lines, weights: NDArray[np.float64], chosen: NDArray[np.bool_], taught: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Give smoothed log-probabilities of n-grams by variety, less their mean over the varieties: (BUCKETS, t)."""
    counts = np.zeros((BUCKETS, weights.shape[1]), dtype=np.float64)
    if taught is not None:
        counts += taught.T
    # Whole numbers add up to the same in any order.
    whole = np.rint(weights * 4096.0)
    kernels.add_ngrams(lines.data, lines.starts, lines.ends, chosen, SHORTEST, LONGEST, whole / 4096.0, counts)
    seen = int((counts.sum(axis=1) > 0).sum())
    logs = np.log(counts + SMOOTHING) - np.log(counts.sum(axis=0) + SMOOTHING * max(seen, 1))
    made: NDArray[np.float32] = (logs - logs.mean(axis=1, keepdims=True)).astype(np.float32)
    return made


def _combined(first: NDArray[Any], opinion: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    logs = np.log(np.maximum(first.astype(np.float64), _LEAST)) + weight * opinion
    logs -= logs.max(axis=1, keepdims=True)
    raised = np.exp(logs)
    made: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return np.where(first > 0, made, 0.0)


def _best_weight(first: NDArray[np.float64], opinion: NDArray[np.float64]) -> float:
    """Find the weight with which the n-grams best predict the model's opinion: cross-entropy, by bisection.

    The cross-entropy is convex in the weight; its slope is the expected opinion less the model's own.
    """
    wanted = float((first * opinion).sum())
    low, high = 0.0, MOST_WEIGHT
    for _ in range(40):
        middle = (low + high) / 2
        logs = middle * opinion
        raised = np.exp(logs - logs.max(axis=1, keepdims=True))
        raised /= raised.sum(axis=1, keepdims=True)
        if float((raised * opinion).sum()) < wanted:
            low = middle
        else:
            high = middle
    return round((low + high) / 2, 6)
