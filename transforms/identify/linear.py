"""A linear model of character n-grams for close varieties: support vector machines, one against the rest.

On a few thousand lines of close varieties it beats vectors of 16 numbers: every n-gram has a weight of its own a
variety. Features are the n-grams of 1 to 5 characters of a line (spaces count, one before and one after it), hashed;
each counts 1 + ln(times) * idf, and a line has length 1. Training is dual coordinate descent for the squared hinge loss
(Hsieh et al. 2008, algorithm 1), with the lines in an order that follows from their content: the same lines give the
same bytes. Probabilities are the softmax of 4 times the margins, which the calibration on held-out lines corrects.

The model also counts the n-grams of each label's lines, which adaptation to unlabelled text begins with
(`adaptation.py`).

The file: a line of JSON (format, labels), then the arrays idf (buckets,) float32, weights (buckets, labels) float16 and
the logarithms of 1 + counts (adaptation's buckets, labels) float16. Format 1 had no counts.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from transforms.identify import kernels
from transforms.identify.text import Lines

FORMAT = "isogloss-ngrams-2"
OLDER_FORMAT = "isogloss-ngrams-1"
ENDING = ".ngrams"
BUCKETS = 1 << 18
SHORTEST, LONGEST = 1, 5
COST = 1.0
PASSES = 30
STEEPNESS = 4.0


class LinearModel:
    """Weights of n-grams.

    Args:
        labels: of the columns.
        idf: (BUCKETS,) float32.
        weights: (BUCKETS, labels) float16 or float32.
        log_counts: (adaptation's buckets, labels) float16, logarithms of 1 + the n-grams' counts; None: not known.
    """

    def __init__(
        self,
        labels: Sequence[str],
        idf: NDArray[np.float32],
        weights: NDArray[Any],
        log_counts: NDArray[np.float16] | None = None,
    ) -> None:
        self.labels = tuple(labels)
        self.idf = idf
        self.weights = np.ascontiguousarray(weights, dtype=np.float32)
        self.log_counts = log_counts

    @property
    def counts(self) -> NDArray[np.float64] | None:
        """Counts of the training lines' n-grams, as adaptation takes them: (labels, its buckets); None: not known."""
        if self.log_counts is None:
            return None
        made: NDArray[np.float64] = np.expm1(self.log_counts.astype(np.float64)).T
        return made

    def scores(self, lines: Lines) -> NDArray[np.float32]:
        """Give margins times `STEEPNESS`: (n, labels); NaN for an empty line."""
        made = np.empty((len(lines), len(self.labels)), dtype=np.float32)
        offsets, buckets, values = features(lines, self.idf)
        kernels.weigh_features(offsets, buckets, values, self.weights, np.float32(STEEPNESS), made)
        return made

    def save(self, path: Path) -> None:
        """Write the file."""
        kind = OLDER_FORMAT if self.log_counts is None else FORMAT
        header = json.dumps({"format": kind, "labels": list(self.labels)}, ensure_ascii=False).encode()
        with path.open("wb") as file:
            file.write(header + b"\n")
            np.save(file, self.idf, allow_pickle=False)
            np.save(file, self.weights.astype(np.float16), allow_pickle=False)
            if self.log_counts is not None:
                np.save(file, self.log_counts, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> "LinearModel":
        """Read a file.

        Raises:
            SettingsError: it is none, or it is cut short.
        """
        labels = read_labels(path)
        with path.open("rb") as file:
            is_older = json.loads(file.readline())["format"] == OLDER_FORMAT
            try:
                idf, weights = np.load(file, allow_pickle=False), np.load(file, allow_pickle=False)
                counts = None if is_older else np.load(file, allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                raise _broken(path, str(error)) from error
        if idf.shape != (BUCKETS,) or weights.shape != (BUCKETS, len(labels)):
            raise _broken(path, f"its arrays have the shapes {idf.shape} and {weights.shape}")
        if counts is not None and (counts.ndim != 2 or counts.shape[1] != len(labels)):
            raise _broken(path, f"its counts have the shape {counts.shape}")
        return cls(labels, idf, weights, counts)


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the labels of a file alone.

    Raises:
        SettingsError: there is no such file, or it is none.
    """
    if not path.is_file():
        raise SettingsError(f"there is no model file {str(path)!r}", path="$.identify.model")
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    try:
        header = json.loads(first)
        if header["format"] not in (FORMAT, OLDER_FORMAT):
            raise _broken(path, f"its format is {header['format']!r}")
        return tuple(header["labels"])
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(path, "its first line is no header") from error


def _broken(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path.name} is no whole model of n-grams: {why}",
        path="$.identify.model",
        cure="Train it again: isogloss train-identifier labelled.tsv -o model.ngrams",
    )


def features(
    lines: Lines, idf: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Give the features of lines: where each begins (n + 1,), buckets (m,), values (m,); each line has length 1."""
    sizes = np.empty(len(lines), dtype=np.int64)
    kernels.count_ngrams(lines.data, lines.starts, lines.ends, SHORTEST, LONGEST, sizes)
    room = int(np.where(lines.is_empty, 0, sizes).sum())
    buckets, values = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float32)
    offsets = np.zeros(len(lines) + 1, dtype=np.int64)
    kernels.list_features(lines.data, lines.starts, lines.ends, SHORTEST, LONGEST, idf, offsets, buckets, values)
    return offsets, buckets[: offsets[-1]], values[: offsets[-1]]


def train_linear(lines: Lines, truth: NDArray[np.int64], labels: Sequence[str]) -> LinearModel:
    """Train on lines.

    Args:
        lines: prepared, in an order that follows from content.
        truth: (n,) column of each line's label.
        labels: two at least.
    """
    offsets, buckets, _ = features(lines, np.ones(BUCKETS, dtype=np.float32))
    seen = np.bincount(buckets, minlength=BUCKETS)
    idf = (np.log((1 + len(lines)) / (1 + seen)) + 1).astype(np.float32)
    idf[seen < 2] = 0.0  # what one line alone has tells nothing about others
    offsets, buckets, values = features(lines, idf)
    weights = np.zeros((len(labels), BUCKETS), dtype=np.float32)
    for column in range(len(labels)):
        signs = np.where(truth == column, 1.0, -1.0)
        kernels.fit_margin(offsets, buckets, values, signs, COST, PASSES, weights[column])
    return LinearModel(labels, idf, weights.T.astype(np.float16))
