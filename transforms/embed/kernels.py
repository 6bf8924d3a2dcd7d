# ruff: noqa: ANN001, ANN201, ANN202  # numba reads the types of these functions from their first call
# mypy: disable-error-code="no-untyped-def"
"""The compiled loops under ngrams.py. Arrays in, arrays out; what they mean stands there."""

import numba
import numpy as np

_SPACE = 32
_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def _extended(key, code, length):
    """Give the key of an n-gram of `length` characters from that of its beginning and its last character."""
    if length <= 3:
        return (key << np.uint64(21)) | (np.uint64(code) + np.uint64(1))
    # The finalizer of splitmix64 (Steele, Lea & Flood 2014), over the beginning and the character.
    mixed = key + (np.uint64(code) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@_compiled
def _slot(key, bits):
    return np.int64((key * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(64 - bits))


@_compiled
def _grown(keys, places, bits):
    """Give a table of twice the size with the same entries."""
    more = bits + 1
    mask = (1 << more) - 1
    grown_keys = np.zeros(1 << more, dtype=np.uint64)
    grown_places = np.zeros(1 << more, dtype=np.int32)
    for old in range(len(keys)):
        if keys[old] != 0:
            slot = _slot(keys[old], more)
            while grown_keys[slot] != 0:
                slot = (slot + 1) & mask
            grown_keys[slot] = keys[old]
            grown_places[slot] = places[old]
    return grown_keys, grown_places


@_compiled
def _row_ngrams(codes, begin, close, shortest, longest, row, table_keys, table_rows, table_entries, keys, occurrences):
    """Count the n-grams of one row in a small table that stays in the processor's cache; give their number.

    `table_rows` tells which row wrote a slot, so that nothing is cleared between rows.
    """
    bits = 4
    while (1 << bits) < 2 * (close - begin) * (longest - shortest + 1):
        bits += 1
    mask = (1 << bits) - 1
    distinct = 0
    for first in range(begin, close):
        key = np.uint64(codes[first]) + np.uint64(1)
        for end in range(first + 1, min(first + longest, close + 1)):
            length = end - first + 1
            key = _extended(key, codes[end], length)
            if length >= shortest:
                slot = _slot(key, bits)
                while table_rows[slot] == row and table_keys[slot] != key:
                    slot = (slot + 1) & mask
                if table_rows[slot] != row:
                    table_rows[slot] = row
                    table_keys[slot] = key
                    table_entries[slot] = distinct
                    keys[distinct] = key
                    occurrences[distinct] = 1
                    distinct += 1
                else:
                    occurrences[table_entries[slot]] += 1
            if codes[end] == _SPACE:
                break
    return distinct


@_compiled
def _places(row_keys, distinct, table_keys, table_places, bits, known, keys, sentences, places):
    """Find a row's keys in the table of all keys, add those that are new; give the number of all keys.

    The table has room for them. An empty slot has the key 0, which no n-gram has.
    """
    mask = (1 << bits) - 1
    for i in range(distinct):
        key = row_keys[i]
        slot = _slot(key, bits)
        while table_keys[slot] != key and table_keys[slot] != 0:
            slot = (slot + 1) & mask
        if table_keys[slot] == 0:
            table_keys[slot] = key
            table_places[slot] = known
            keys[known] = key
            known += 1
        place = table_places[slot]
        sentences[place] += 1
        places[i] = place
    return known


@_compiled
def count_windows(codes, starts, shortest, longest):
    """Count n-grams; a row's entries stand in order of appearance."""
    rows = len(starts) - 1
    widest = 0
    for row in range(rows):
        widest = max(widest, starts[row + 1] - starts[row])
    widest *= longest - shortest + 1
    row_bits = 4
    while (1 << row_bits) < 2 * widest:
        row_bits += 1
    row_table_keys = np.zeros(1 << row_bits, dtype=np.uint64)
    row_table_rows = np.full(1 << row_bits, -1, dtype=np.int32)
    row_table_entries = np.zeros(1 << row_bits, dtype=np.int32)
    row_keys = np.zeros(widest, dtype=np.uint64)
    bits = 17
    table_keys = np.zeros(1 << bits, dtype=np.uint64)
    table_places = np.zeros(1 << bits, dtype=np.int32)
    keys = np.zeros(1 << (bits - 1), dtype=np.uint64)
    sentences = np.zeros(1 << (bits - 1), dtype=np.int64)
    known = 0
    # Most of a sentence's n-grams stand in it once: room for two a character is seldom too little.
    indices = np.empty(2 * len(codes) + widest, dtype=np.int32)
    occurrences = np.empty(2 * len(codes) + widest, dtype=np.int32)
    row_starts = np.zeros(rows + 1, dtype=np.int64)
    entries = 0
    for row in range(rows):
        row_starts[row] = entries
        if starts[row + 1] - starts[row] <= 1:
            continue
        if entries + widest > len(indices):
            indices = np.concatenate((indices, np.empty(len(indices), dtype=np.int32)))
            occurrences = np.concatenate((occurrences, np.empty(len(occurrences), dtype=np.int32)))
        distinct = _row_ngrams(
            codes,
            starts[row],
            starts[row + 1],
            shortest,
            longest,
            row,
            row_table_keys,
            row_table_rows,
            row_table_entries,
            row_keys,
            occurrences[entries:],
        )
        while known + distinct > len(keys):
            table_keys, table_places = _grown(table_keys, table_places, bits)
            bits += 1
            keys = np.concatenate((keys, np.zeros(len(keys), dtype=np.uint64)))
            sentences = np.concatenate((sentences, np.zeros(len(sentences), dtype=np.int64)))
        known = _places(row_keys, distinct, table_keys, table_places, bits, known, keys, sentences, indices[entries:])
        entries += distinct
    row_starts[rows] = entries
    return (
        keys[:known].copy(),
        sentences[:known].copy(),
        row_starts,
        indices[:entries].copy(),
        occurrences[:entries].copy(),
    )


@_compiled
def weigh_rows(starts, indices, occurrences, columns, idf):
    """Weigh counted n-grams; a row's sum of squares is taken in the order of columns, so it has one value."""
    rows = len(starts) - 1
    out_starts = np.zeros(rows + 1, dtype=np.int64)
    out_indices = np.empty(len(indices), dtype=np.int32)
    out_values = np.empty(len(indices), dtype=np.float32)
    longest = 0
    for row in range(rows):
        longest = max(longest, starts[row + 1] - starts[row])
    packed = np.empty(longest, dtype=np.int64)
    weights = np.empty(longest, dtype=np.float64)
    entries = 0
    for row in range(rows):
        known = 0
        for entry in range(starts[row], starts[row + 1]):
            column = columns[indices[entry]]
            if column >= 0:
                packed[known] = (np.int64(column) << 32) | np.int64(occurrences[entry])
                known += 1
        packed[:known].sort()
        squares = 0.0
        for i in range(known):
            weights[i] = (1.0 + np.log(np.float64(packed[i] & 0xFFFFFFFF))) * idf[packed[i] >> 32]
            squares += weights[i] * weights[i]
        scale = 1.0 / np.sqrt(squares) if squares > 0 else 0.0
        for i in range(known):
            out_indices[entries] = np.int32(packed[i] >> 32)
            out_values[entries] = np.float32(weights[i] * scale)
            entries += 1
        out_starts[row + 1] = entries
    return out_starts, out_indices[:entries].copy(), out_values[:entries].copy()
