"""Adapt to the text itself: the run's unlabelled lines teach what the trained model could not know.

A second opinion is learned from the first. The model gives each line probabilities over the expected varieties;
lines weighted by them give character n-gram counts a variety; a naive Bayes model of these counts judges the lines
again, and both opinions are combined. It is expectation maximization with a naive Bayes model (Nigam et al. 2000) that
starts from the model's own labelled lines, where it keeps their counts (`.ngrams` models do), and learns the most
confident lines first (Jauhiainen et al. 2018, the HeLI adaptation), with four differences that keep it from believing
itself:

- **Cross-fitting.** Lines fall into folds by their content; each is judged by what the other folds taught.
- **Each variety gets its share.** In every round the surest lines of each variety are learned, not the surest of all.
- **The first opinion stays.** p'(t) is proportional to p(t) * exp(a * sqrt(n) * d(t)), d(t) the mean log-likelihood of
  the line's n n-grams less its mean over the varieties.
- **A guard.** On the lines that the model is sure of (at least .95) the n-grams, taught by the other folds, may
  differ from it in a small share only, measured by what it expects to err on all lines: where the model knows its text
  well, or n-grams cannot tell the varieties, they have nothing to teach. And few enough lines may change sides. Where
  that fails, nothing is changed, and the report says why.

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
FOLDS = 4
FOLDS_OF_MANY, MANY = 2, 16
"""More varieties than `MANY` share two folds: tables take half a megabyte a fold and variety."""
WEIGHT = 1.0
"""Of the n-grams' opinion (chosen on the development sets of `benchmarks/bench_adaptation.py`, as the limits below)."""
SURE = 0.95
LEAST_LINES = 50
LEAST_SURE = 20
WORTH = 0.05
"""Most of the model's expected error that the n-grams may differ by on the lines that it is sure of."""
MOST_MOVED = 0.5
_LEAST = 1e-9


class AdaptationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What adaptation found.

    Attributes:
        lines: that it learned from.
        is_used: False: it would have done harm, or there was too little to learn from.
        why: the reason, when it is not used.
        agreement: share of the lines that the model is sure of where the n-grams agree; None: there are none.
        moved: share of the lines whose best variety changed.
    """

    lines: int
    is_used: bool
    why: str = ""
    agreement: float | None = None
    moved: float = 0.0


class Adaptation:
    """What a run's lines taught.

    Args:
        tables: (folds, BUCKETS, t) float32, log-probabilities of n-grams by variety, less their mean; a line of fold
            k is judged by `tables[k]`, which the other folds taught.
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
        opinion = _opinion(lines, folds_of(lines, len(self.tables)), self.tables)
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


def folds_of(lines: Lines, folds: int) -> NDArray[np.int64]:
    """Tell the fold of each line, by its bytes: (n,), 0 to folds - 1."""
    return (_hashes(lines) % np.uint64(folds)).astype(np.int64)


def counts_of(lines: Lines, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the n-grams of lines by variety: (t, BUCKETS).

    Args:
        lines: as `text.prepare_column` gives them.
        weights: (n, t) of each line for each variety.
    """
    counts = np.zeros((BUCKETS, weights.shape[1]), dtype=np.float64)
    chosen = np.ones(len(lines), dtype=bool)
    kernels.add_ngrams(lines.data, lines.starts, lines.ends, chosen, SHORTEST, LONGEST, weights, counts)
    return counts.T


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
        taught: (t, BUCKETS) n-gram counts of labelled lines, as `counts_of` gives them, where the model has them: much
            of the gain comes from them.

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
    tables = np.zeros((FOLDS if kinds <= MANY else FOLDS_OF_MANY, BUCKETS, kinds), dtype=np.float32)
    fold = folds_of(lines, len(tables))
    labelled = np.zeros((BUCKETS, kinds)) if taught is None else taught.T
    present = first
    opinion = np.zeros_like(first)
    for turn in range(ROUNDS):
        chosen = _surest(present, (turn + 1) / ROUNDS)
        _fill_tables(tables, lines, fold, np.where(chosen[:, None], present, 0.0), labelled)
        opinion = _opinion(lines, fold, tables)
        present = _combined(first, opinion, WEIGHT)
    sure = first.max(axis=1) >= SURE
    agreement = float((opinion.argmax(axis=1) == first.argmax(axis=1))[sure].mean()) if sure.any() else None
    moved = float((present.argmax(axis=1) != first.argmax(axis=1)).mean())
    least = 1.0 - WORTH * (1.0 - float(first.max(axis=1).mean()))
    why = ""
    if agreement is None or sure.sum() < LEAST_SURE:
        why = f"the model is sure ({SURE} or more) of fewer than {LEAST_SURE} lines: there is nothing to hold on to"
    elif agreement < least:
        why = (
            f"n-grams agree with the model on {agreement:.4f} of the lines that it is sure of; {least:.4f} is the least"
        )
    elif moved > MOST_MOVED:
        why = f"{moved:.3f} of the lines would change their variety; {MOST_MOVED} is the most"
    report = AdaptationReport(lines=texts, is_used=not why, why=why, agreement=agreement, moved=0.0 if why else moved)
    return (None if why else Adaptation(tables, WEIGHT)), report


def _surest(present: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Mark at least this share of the lines of each variety, the surest; all that are as sure as the last of them too."""
    best, confidence = present.argmax(axis=1), present.max(axis=1)
    chosen = np.zeros(len(present), dtype=bool)
    for kind in range(present.shape[1]):
        members = np.flatnonzero(best == kind)
        if len(members):
            place = len(members) - int(np.ceil(share * len(members)))
            least = np.partition(confidence[members], place)[place]
            chosen[members] = confidence[members] >= least
    return chosen


def _fill_tables(
    tables: NDArray[np.float32],
    lines: Lines,
    fold: NDArray[np.int64],
    weights: NDArray[np.float64],
    labelled: NDArray[np.float64],
) -> None:
    """Fill in smoothed log-probabilities of n-grams by variety, less their mean over the varieties, fold by fold."""
    # Whole numbers add up to the same in any order.
    whole = np.rint(weights * 4096.0) / 4096.0
    learned = counts_of(lines, whole).T
    for place, table in enumerate(tables):
        own = np.where((fold == place)[:, None], whole, 0.0)
        counts = labelled + (learned - counts_of(lines, own).T)
        seen = max(1, int((counts.sum(axis=1) > 0).sum()))
        logs = np.log(counts + SMOOTHING) - np.log(counts.sum(axis=0) + SMOOTHING * seen)
        table[:] = logs - logs.mean(axis=1, keepdims=True)


def _opinion(lines: Lines, fold: NDArray[np.int64], tables: NDArray[np.float32]) -> NDArray[np.float64]:
    """Let each line be judged by the table of its fold: (n, t)."""
    opinion = np.zeros((len(lines), tables.shape[2]), dtype=np.float64)
    for place, table in enumerate(tables):
        kernels.judge_ngrams(lines.data, lines.starts, lines.ends, fold == place, SHORTEST, LONGEST, table, opinion)
    return opinion


def _combined(first: NDArray[Any], opinion: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    logs = np.log(np.maximum(first.astype(np.float64), _LEAST)) + weight * opinion
    logs -= logs.max(axis=1, keepdims=True)
    raised = np.exp(logs)
    made: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return np.where(first > 0, made, 0.0)
