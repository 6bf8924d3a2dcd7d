"""Mixture: is a sentence in two varieties, and how much of it is in the second?

A sentence that is half Ligurian and half Italian, or that quotes English, gets one answer, often a sure one. So it is cut
into windows of some words, the same model judges each, and two explanations are compared. With l_w(t) the logarithm of
the probability of variety t for window w (not below that of `LEAST_VOTE`), and `a` the variety of the largest sum over all
windows,

    gain = max over b != a and windows i..j of the sum of l_w(b) - l_w(a) over w = i..j,

the largest sum of a contiguous stretch (Kadane); of the two the one that is not the variety of the whole is the second. A long sentence has more stretches to try, so

    probability = 1 / (1 + exp(-(SLOPE * (gain - ln(windows)) + INTERCEPT))).

The two numbers were set by hand on mixes made of dev lines of OLDI Seed (`benchmarks/bench_evidence.py`), so that .5 is
reached by about one in a hundred lines of running text in one variety; many of these do quote another one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from transforms.identify.text import MOST_CHARACTERS

WINDOW = 15
"""Characters from which on a window ends at the next space."""
LEAST_VOTE = 1e-3
PLAUSIBLE = 0.1
"""A variety takes part when one window gives it this much."""
SLOPE = 1.0
INTERCEPT = -8.0


@dataclass(frozen=True)
class Mixtures:
    """What is known of the mixture of n sentences.

    Attributes:
        kinds: (n,) column of the second variety; -1 where there is none.
        probabilities: (n,) float32; NaN where the sentence is too short.
        shares: (n,) float32, of the code points; NaN where there is no second variety.
    """

    kinds: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    shares: NDArray[np.float32]


def find_mixtures(
    texts: pa.StringArray,
    probabilities: NDArray[np.float32],
    judge: Callable[[pa.StringArray], NDArray[np.float32]],
    *,
    least: float,
) -> Mixtures:
    """Find sentences in two varieties.

    Args:
        texts: (n,) without nulls.
        probabilities: (n, t) of the whole sentences.
        judge: gives the probabilities (m, t) of windows.
        least: probability of the second-best variety from which on the windows of a sentence are looked at.
    """
    n = len(texts)
    kinds = np.full(n, -1, dtype=np.int32)
    found = np.zeros(n, dtype=np.float32)
    shares = np.full(n, np.nan, dtype=np.float32)
    if n == 0:
        return Mixtures(kinds, found, shares)
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[texts.offset : texts.offset + n + 1].astype(np.int64)
    data = np.frombuffer(data_buffer if data_buffer is not None else b"", dtype=np.uint8)
    windows = np.empty(n, dtype=np.int64)
    _count_windows(data, offsets, WINDOW, MOST_CHARACTERS, windows)
    found[windows < 2] = np.nan
    plausible = np.empty(n, dtype=bool)
    _has_second(probabilities, least, plausible)
    chosen = np.flatnonzero(plausible & (windows >= 2))
    if not len(chosen):
        return Mixtures(kinds, found, shares)
    bounds = np.r_[0, np.cumsum(windows[chosen])]
    starts, ends = np.empty(bounds[-1], dtype=np.int64), np.empty(bounds[-1], dtype=np.int64)
    _cut_windows(data, offsets, chosen, WINDOW, MOST_CHARACTERS, starts, ends)
    sizes = np.r_[0, np.cumsum(ends - starts)]
    cut = np.empty(sizes[-1], dtype=np.uint8)
    _copy(data, starts, ends, cut)
    column = pa.StringArray.from_buffers(
        len(starts), pa.py_buffer(sizes.astype(np.int32).tobytes()), pa.py_buffer(cut.tobytes())
    )
    gains, seconds, parts = np.empty(len(chosen)), np.empty(len(chosen), dtype=np.int32), np.empty(len(chosen))
    own = probabilities[chosen].argmax(axis=1)
    _gains(judge(column), own, bounds, (ends - starts).astype(np.int64), LEAST_VOTE, PLAUSIBLE, gains, seconds, parts)
    sure = SLOPE * (gains - np.log(windows[chosen])) + INTERCEPT
    is_mixed = seconds >= 0
    found[chosen] = np.where(is_mixed, 1.0 / (1.0 + np.exp(-sure)), 0.0)
    kinds[chosen] = seconds
    shares[chosen] = np.where(is_mixed, parts, np.nan)
    return Mixtures(kinds, found, shares)


@njit(cache=True, nogil=True)
def _next_window(
    data: Any, place: int, end: int, width: int, room: int
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Give where the window that begins at `place` ends, and its characters: at a space, or after twice the width."""
    characters = 0
    while place < end and characters < room:
        if data[place] == 32 and characters >= width:
            break
        place += 1
        while place < end and (data[place] & 0xC0) == 0x80:
            place += 1
        characters += 1
        if characters >= 2 * width:
            break
    return place, characters


@njit(cache=True, nogil=True)
def _count_windows(data: Any, offsets: Any, width: int, most: int, counts: Any) -> None:  # pragma: no cover - compiled
    """Count the windows of each text; a last one of less than half the width belongs to the one before it."""
    for row in range(len(offsets) - 1):
        place, end = offsets[row], offsets[row + 1]
        left = most
        counts[row] = 0
        while place < end and left > 0:
            place, characters = _next_window(data, place, end, width, left)
            left -= characters
            if counts[row] == 0 or 2 * characters >= width:
                counts[row] += 1


@njit(cache=True, nogil=True)
def _cut_windows(
    data: Any, offsets: Any, chosen: Any, width: int, most: int, starts: Any, ends: Any
) -> None:  # pragma: no cover - compiled
    """Write down where the windows of the chosen texts lie, as `_count_windows` counts them."""
    at = 0
    for row in chosen:
        place, end = offsets[row], offsets[row + 1]
        left, first = most, at
        while place < end and left > 0:
            start = place
            place, characters = _next_window(data, place, end, width, left)
            left -= characters
            if at == first or 2 * characters >= width:
                starts[at] = start
                at += 1
            ends[at - 1] = place


@njit(cache=True, nogil=True)
def _copy(data: Any, starts: Any, ends: Any, out: Any) -> None:  # pragma: no cover - compiled
    at = 0
    for row in range(len(starts)):
        for place in range(starts[row], ends[row]):
            out[at] = data[place]
            at += 1


@njit(cache=True, nogil=True)
def _has_second(probabilities: Any, least: float, out: Any) -> None:  # pragma: no cover - compiled
    """Tell the rows whose second-largest value is at least `least`, and above 0."""
    for row in range(len(probabilities)):
        first, second = np.float32(0.0), np.float32(0.0)
        for t in range(probabilities.shape[1]):
            value = probabilities[row, t]
            if value > first:
                first, second = value, first
            elif value > second:
                second = value
        out[row] = second > 0.0 and second >= least


@njit(cache=True, nogil=True)
def _gains(
    votes: Any, own: Any, bounds: Any, sizes: Any, least: float, plausible: float, gains: Any, seconds: Any, shares: Any
) -> None:  # pragma: no cover - compiled
    """Find the second variety of each text and the gain of letting it have a stretch.

    Args:
        votes: (m, t) probabilities of the windows.
        own: (n,) variety of each text as a whole, which is never the second one.
        bounds: (n + 1,) where the windows of each text begin.
        sizes: (m,) of the windows.
        least: floor of a probability.
        plausible: least probability in one window of a variety that takes part.
        gains, seconds, shares: (n,), are filled; second -1 for none.
    """
    kinds = votes.shape[1]
    known = np.empty(kinds, dtype=np.int64)
    logs = np.empty((int(np.diff(bounds).max()), kinds), dtype=np.float64)
    for row in range(len(bounds) - 1):
        first, last = bounds[row], bounds[row + 1]
        taking_part = 0
        for t in range(kinds):
            for window in range(first, last):
                if votes[window, t] >= plausible:
                    known[taking_part] = t
                    taking_part += 1
                    break
        gains[row], seconds[row], shares[row] = 0.0, -1, 0.0
        best, best_sum = -1, -np.inf
        whole = 0
        for window in range(first, last):
            whole += sizes[window]
        for k in range(taking_part):
            total = 0.0
            for window in range(first, last):
                # A window without evidence has a row of zeros: it speaks for nobody, by equal logarithms.
                logs[window - first, k] = np.log(max(np.float64(votes[window, known[k]]), least))
                total += logs[window - first, k]
            if total > best_sum:
                best, best_sum = k, total
        for k in range(taking_part):
            if k == best:
                continue
            run, run_size = 0.0, 0
            for window in range(last - first):
                run += logs[window, k] - logs[window, best]
                run_size += sizes[first + window]
                if run <= 0.0:
                    run, run_size = 0.0, 0
                elif run > gains[row]:
                    gains[row] = run
                    seconds[row] = known[k]
                    shares[row] = run_size / whole
        if seconds[row] == own[row]:
            seconds[row] = known[best]
            shares[row] = 1.0 - shares[row]
