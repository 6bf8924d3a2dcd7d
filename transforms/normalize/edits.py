"""Make edits: of substitutions, of two steps one after the other, of two versions of a line.

What an edit is stands in `transforms.common.edits`.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

import numpy as np

from transforms.common.edits import Edits

Row = tuple[int, int, int, int]

_TOKEN = re.compile(r"\s+|\S+")
_DIFF_CELLS = 250_000
"""Most cells of the table that a comparison by characters may need; larger stretches become one edit."""


def as_edits(rows: Sequence[Row]) -> Edits:
    """Make edits from rows in order."""
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def substitutions(changes: Iterable[tuple[int, int, int]]) -> Edits:
    """Make edits from changes in order: (start, end, length of what stands there now)."""
    rows: list[Row] = []
    shift = 0
    for start, end, length in changes:
        rows.append((start, end, start + shift, start + shift + length))
        shift += length - (end - start)
    return as_edits(rows)


def compose(first: Edits, second: Edits) -> Edits:
    """Join the edits of two steps, found -> middle and middle -> normalized, into found -> normalized.

    Edits that overlap in the middle become one.

    Args:
        first: edits of the first step.
        second: edits of the second step; its `start` and `end` are in the middle text.
    """
    if len(first) == 0 or len(second) == 0:
        return second if len(first) == 0 else first
    # (middle start, middle end, length in found, length in normalized, step)
    events = [(c, d, b - a, d - c, 0) for a, b, c, d in first.tolist()]
    events += [(a, b, b - a, d - c, 1) for a, b, c, d in second.tolist()]
    events.sort(key=lambda event: event[:2])
    rows: list[Row] = []
    found_shift = normalized_shift = 0
    i = 0
    while i < len(events):
        group_start, group_end = events[i][:2]
        found_more = normalized_more = 0
        while True:
            start, end, found, normalized, step = events[i]
            group_end = max(group_end, end)
            if step == 0:
                found_more += found - (end - start)
            else:
                normalized_more += normalized - (end - start)
            i += 1
            if i == len(events) or events[i][0] >= group_end:
                break
        rows.append(
            (
                group_start + found_shift,
                group_end + found_shift + found_more,
                group_start + normalized_shift,
                group_end + normalized_shift + normalized_more,
            )
        )
        found_shift += found_more
        normalized_shift += normalized_more
    return as_edits(rows)


def difference(found: str, normalized: str) -> list[Row]:
    """List edits between two versions of a line, for a step that does not tell what it did.

    Equal ends are set aside, then words are compared, then the characters of differing words.
    """
    return _by_tokens(found, normalized, 0, 0) if found != normalized else []


def _by_tokens(found: str, normalized: str, found_at: int, normalized_at: int) -> list[Row]:
    left, right = _TOKEN.findall(found), _TOKEN.findall(normalized)
    rows: list[Row] = []
    if len(left) * len(right) > _DIFF_CELLS:
        return _by_characters(found, normalized, found_at, normalized_at)
    left_at, right_at = _offsets(left), _offsets(right)
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind != "equal":
            rows += _by_characters(
                found[left_at[a] : left_at[b]],
                normalized[right_at[c] : right_at[d]],
                found_at + left_at[a],
                normalized_at + right_at[c],
            )
    return rows


def _by_characters(found: str, normalized: str, found_at: int, normalized_at: int) -> list[Row]:
    shorter = min(len(found), len(normalized))
    head = next((i for i in range(shorter) if found[i] != normalized[i]), shorter)
    tail = next((i for i in range(shorter - head) if found[-1 - i] != normalized[-1 - i]), shorter - head)
    left, right = found[head : len(found) - tail], normalized[head : len(normalized) - tail]
    found_at, normalized_at = found_at + head, normalized_at + head
    if len(left) * len(right) > _DIFF_CELLS:
        return [(found_at, found_at + len(left), normalized_at, normalized_at + len(right))]
    return [
        (found_at + a, found_at + b, normalized_at + c, normalized_at + d)
        for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
        if kind != "equal"
    ]


def _offsets(tokens: Sequence[str]) -> list[int]:
    offsets = [0]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    return offsets
