"""The arithmetic of identification, compiled: reading lines, fastText's features and losses, the decision.

Everything is a function of one line: what a batch holds beside it changes no bit of its answer. Sums are float32
in a fixed order. The features are those of fastText 0.9 (`Dictionary::getLine`, `computeSubwords`, `addWordNgrams`): a
word counts with its own row, where it has one, and with the rows of its character n-grams, hashed by FNV-1a; the
hidden vector is the mean of all rows. A word's sum is remembered in a cache (word -> sum), which makes running
text several times as fast and changes nothing.

Reference: Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification"; Bojanowski et al. 2017.
"""

from typing import Any

import numpy as np
from numba import njit

SPACE = 0
SLOW = 0xFFFFFFFF
LETTER = 1 << 31
MARK = 1 << 30
CODE = (1 << 30) - 1
TABLE_SIZE = 0x20000
LONGEST_CACHED_WORD = 32
"""Bytes."""

_END_WORD = (60, 47, 115, 62)
_LABEL_PREFIX = (95, 95, 108, 97, 98, 101, 108, 95, 95)

_compiled = njit(cache=True, nogil=True)


@_compiled
def read_lines(
    data: Any, offsets: Any, table: Any, most_characters: int, is_letters: bool, out: Any, starts: Any, ends: Any
) -> Any:  # pragma: no cover - compiled
    """Map the characters of lines, collapse spaces, trim.

    Args:
        data: (bytes,) UTF-8 of all texts, end to end.
        offsets: (n + 1,) where each text begins.
        table: (TABLE_SIZE,) uint32: what becomes of each code point: `SPACE`, `SLOW`, or a code point with flags.
        most_characters: read of each text.
        is_letters: keep only lines with a letter; trim apostrophes, hyphens and dots; leave addresses to the slow way.
        out: (at least 2 * bytes + n,) uint8, is filled.
        starts, ends: (n,) int64, are filled: where each line lies in `out`; -1 for a text that needs the slow way.

    Returns:
        Bytes filled.
    """
    filled = 0
    for row in range(len(offsets) - 1):
        start = filled
        place, end = offsets[row], offsets[row + 1]
        characters = 0
        w_run = 0
        was_space, was_slash, was_mark, has_letter, is_slow = True, False, False, False, False
        while place < end and characters < most_characters:
            byte = np.int64(data[place])
            if byte < 0x80:
                code = byte
                place += 1
            elif byte < 0xE0:
                code = ((byte & 0x1F) << 6) | (data[place + 1] & 0x3F)
                place += 2
            elif byte < 0xF0:
                code = ((byte & 0x0F) << 12) | ((data[place + 1] & 0x3F) << 6) | (data[place + 2] & 0x3F)
                place += 3
            else:
                code = (
                    ((byte & 0x07) << 18)
                    | ((data[place + 1] & 0x3F) << 12)
                    | ((data[place + 2] & 0x3F) << 6)
                    | (data[place + 3] & 0x3F)
                )
                place += 4
            characters += 1
            if code >= TABLE_SIZE:
                is_slow = True
                break
            entry = np.int64(table[code])
            if entry == SLOW:
                is_slow = True
                break
            if is_letters:
                if code == 0x40 or (code == 0x2F and was_slash) or (code == 0x2E and w_run >= 3):
                    is_slow = True
                    break
                was_slash = code == 0x2F
                w_run = w_run + 1 if code in (0x57, 0x77) else 0
                is_mark = (entry & MARK) != 0
                if is_mark and was_mark:
                    is_slow = True
                    break
                was_mark = is_mark
            if entry == SPACE:
                if not was_space:
                    out[filled] = 32
                    filled += 1
                    was_space = True
                continue
            was_space = False
            has_letter |= (entry & LETTER) != 0
            code = entry & CODE
            if code < 0x80:
                out[filled] = code
                filled += 1
            elif code < 0x800:
                out[filled] = 0xC0 | (code >> 6)
                out[filled + 1] = 0x80 | (code & 0x3F)
                filled += 2
            elif code < 0x10000:
                out[filled] = 0xE0 | (code >> 12)
                out[filled + 1] = 0x80 | ((code >> 6) & 0x3F)
                out[filled + 2] = 0x80 | (code & 0x3F)
                filled += 3
            else:
                out[filled] = 0xF0 | (code >> 18)
                out[filled + 1] = 0x80 | ((code >> 12) & 0x3F)
                out[filled + 2] = 0x80 | ((code >> 6) & 0x3F)
                out[filled + 3] = 0x80 | (code & 0x3F)
                filled += 4
        if is_slow:
            filled = start
            starts[row] = -1
            ends[row] = -1
            continue
        first, last = start, filled
        if is_letters and not has_letter:
            last = first
        while True:  # trim: space; with letters also ' - U+00B7 U+2027
            if first < last and out[first] == 32:
                first += 1
            elif not is_letters:
                break
            elif first < last and out[first] in (39, 45):
                first += 1
            elif first + 1 < last and out[first] == 0xC2 and out[first + 1] == 0xB7:
                first += 2
            elif first + 2 < last and out[first] == 0xE2 and out[first + 1] == 0x80 and out[first + 2] == 0xA7:
                first += 3
            else:
                break
        while True:
            if first < last and out[last - 1] == 32:
                last -= 1
            elif not is_letters:
                break
            elif first < last and out[last - 1] in (39, 45):
                last -= 1
            elif first + 1 < last and out[last - 2] == 0xC2 and out[last - 1] == 0xB7:
                last -= 2
            elif first + 2 < last and out[last - 3] == 0xE2 and out[last - 2] == 0x80 and out[last - 1] == 0xA7:
                last -= 3
            else:
                break
        starts[row] = first
        ends[row] = last
        filled = last
    return filled


@_compiled
def is_han(data: Any, place: int) -> Any:  # pragma: no cover - compiled
    """Does a Chinese character begin here?"""
    byte = np.int64(data[place])
    if byte < 0xE3 or byte > 0xF0:
        return False
    second, third = np.int64(data[place + 1]) & 0x3F, np.int64(data[place + 2]) & 0x3F
    if byte == 0xF0:
        return second >= 0x20  # from U+20000 on
    code = ((byte & 0x0F) << 12) | (second << 6) | third
    return 0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF


@_compiled
def room_for_pairs(data: Any, starts: Any, ends: Any) -> Any:  # pragma: no cover - compiled
    """Give the bytes that `pair_characters` needs at most; 0: no line has a Chinese character."""
    room = 0
    for row in range(len(starts)):
        for place in range(max(starts[row], 0), ends[row]):
            if data[place] >= 0xE3 and (data[place] & 0xC0) != 0x80 and is_han(data, place):
                room += 3 * (ends[row] - starts[row]) + 2
                break
    return room


@_compiled
def pair_characters(data: Any, filled: int, starts: Any, ends: Any) -> Any:  # pragma: no cover - compiled
    """Write lines with Chinese characters anew, runs of these in overlapping pairs; other lines stay.

    Args:
        data: of all lines, with room behind `filled`.
        filled: bytes in use.
        starts, ends: (n,), are changed; -1: no line yet.

    Returns:
        Bytes in use.
    """
    for row in range(len(starts)):
        place, end = starts[row], ends[row]
        has = False
        for at in range(max(place, 0), end):
            if data[at] >= 0xE3 and (data[at] & 0xC0) != 0x80 and is_han(data, at):
                has = True
                break
        if not has:
            continue
        start = filled
        while place < end:
            if not (data[place] >= 0xE3 and is_han(data, place)):
                data[filled] = data[place]
                filled += 1
                place += 1
                continue
            if filled > start and data[filled - 1] != 32:
                data[filled] = 32
                filled += 1
            first = place
            place += 4 if data[place] == 0xF0 else 3
            alone = True
            while place < end and data[place] >= 0xE3 and is_han(data, place):
                if not alone:
                    data[filled] = 32
                    filled += 1
                after = place + (4 if data[place] == 0xF0 else 3)
                for at in range(first, after):
                    data[filled] = data[at]
                    filled += 1
                first, place, alone = place, after, False
            if alone:
                for at in range(first, place):
                    data[filled] = data[at]
                    filled += 1
            if place < end and data[place] != 32:
                data[filled] = 32
                filled += 1
        starts[row], ends[row] = start, filled
    return filled


@_compiled
def count_characters(data: Any, starts: Any, ends: Any, counts: Any) -> None:  # pragma: no cover - compiled
    """Count the code points of each line into `counts`."""
    for row in range(len(starts)):
        count = 0
        for place in range(starts[row], ends[row]):
            count += (data[place] & 0xC0) != 0x80
        counts[row] = count


@_compiled
def hash_word(data: Any, start: int, end: int) -> Any:  # pragma: no cover - compiled
    """Hash bytes as fastText does: FNV-1a of 32 bits over signed characters."""
    value = np.uint64(2166136261)
    for place in range(start, end):
        byte = np.uint64(data[place])
        if byte >= np.uint64(128):
            byte |= np.uint64(0xFFFFFF00)
        value = ((value ^ byte) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
    return value


@_compiled
def index_words(words: Any, offsets: Any, slots: Any) -> None:  # pragma: no cover - compiled
    """Put word numbers into an open hash table; `slots` is all -1 and a power of two long."""
    mask = np.uint64(len(slots) - 1)
    for word in range(len(offsets) - 1):
        slot = hash_word(words, offsets[word], offsets[word + 1]) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = word


@_compiled
def find_word(
    data: Any, start: int, end: int, value: Any, words: Any, offsets: Any, slots: Any
) -> Any:  # pragma: no cover - compiled
    """Give the number of a word whose hash is `value`; -1 when it has none."""
    mask = np.uint64(len(slots) - 1)
    slot = value & mask
    while slots[slot] >= 0:
        word = slots[slot]
        first = offsets[word]
        if offsets[word + 1] - first == end - start:
            same = True
            for place in range(end - start):
                if words[first + place] != data[start + place]:
                    same = False
                    break
            if same:
                return word
        slot = (slot + np.uint64(1)) & mask
    return -1


@_compiled
def add_word(
    data: Any, start: int, end: int, value: Any, words: Any, word_offsets: Any, slots: Any, rows: Any,
    shortest: int, longest: int, buckets: int, kept: Any, has_ngrams: bool, spelled: Any, total: Any,
) -> Any:  # pragma: no cover - compiled  # fmt: skip
    """Set `total` to the sum of a word's rows; give their number. `spelled` is scratch for <word>."""
    total[:] = 0.0
    count = 0
    known = len(word_offsets) - 1
    word = find_word(data, start, end, value, words, word_offsets, slots)
    if word >= 0:
        for d in range(len(total)):
            total[d] += rows[word, d]
        count = 1
    if not has_ngrams or longest < 1 or buckets < 1:
        return count
    size = end - start + 2
    spelled[0] = 60
    for place in range(end - start):
        spelled[1 + place] = data[start + place]
    spelled[size - 1] = 62
    for first in range(size):
        if (spelled[first] & 0xC0) == 0x80:
            continue
        mixed = np.uint64(2166136261)
        place = first
        length = 1
        while place < size and length <= longest:
            while True:
                byte = np.uint64(spelled[place])
                if byte >= np.uint64(128):
                    byte |= np.uint64(0xFFFFFF00)
                mixed = ((mixed ^ byte) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
                place += 1
                if place >= size or (spelled[place] & 0xC0) != 0x80:
                    break
            if length >= shortest and not (length == 1 and (first == 0 or place == size)):
                bucket = np.int64(mixed % np.uint64(buckets))
                if len(kept) > 0:
                    bucket = kept[bucket]
                if bucket >= 0:
                    for d in range(len(total)):
                        total[d] += rows[known + bucket, d]
                    count += 1
            length += 1
    return count


@_compiled
def is_same(data: Any, start: int, wanted: Any) -> Any:  # pragma: no cover - compiled
    """Do the bytes from `start` on say this?"""
    for place in range(len(wanted)):  # noqa: SIM110 - numba knows no generators here
        if data[start + place] != wanted[place]:
            return False
    return True


@_compiled
def hidden_vectors(
    data: Any, starts: Any, ends: Any, words: Any, word_offsets: Any, slots: Any, rows: Any, end_word: int,
    shortest: int, longest: int, buckets: int, kept: Any, has_ngrams: bool, word_ngrams: int, longest_line: int,
    cache_words: Any, cache_lengths: Any, cache_counts: Any, cache_sums: Any, hidden: Any,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Give the mean of the rows of each line's features: (n, d) float32. An empty line gets NaN.

    Args:
        data, starts, ends: the lines.
        words, word_offsets, slots: the dictionary, and its hash table.
        rows: (words + buckets, d) the input matrix.
        end_word: number of `</s>`, which stands at the end of each line; -1 where there is none.
        shortest, longest, buckets: character n-grams, and rows they are hashed to.
        kept: (buckets,) row of each bucket in a pruned model, -1 for none; empty where the model is not pruned.
        has_ngrams: False for a model all of whose buckets were pruned.
        word_ngrams: longest word n-gram.
        longest_line: bytes.
        cache_words, cache_lengths, cache_counts, cache_sums: slots, a power of two.
        hidden: is filled.
    """
    dimension = rows.shape[1]
    known = len(word_offsets) - 1
    spelled = np.empty(longest_line + 2, dtype=np.uint8)
    hashes = np.empty(longest_line // 2 + 3, dtype=np.int64)
    own = np.empty(dimension, dtype=np.float32)
    sums = np.empty(dimension, dtype=np.float32)
    mask = np.uint64(len(cache_lengths) - 1)
    for row in range(len(starts)):
        place, end = starts[row], ends[row]
        if place >= end:
            hidden[row] = np.nan
            continue
        sums[:] = 0.0
        count = 0
        tokens = 0
        while place < end:
            while place < end and (data[place] == 32 or data[place] == 0 or 9 <= data[place] <= 13):
                place += 1
            first = place
            while place < end and not (data[place] == 32 or data[place] == 0 or 9 <= data[place] <= 13):
                place += 1
            if first == place:
                continue
            if place - first == 4 and is_same(data, first, _END_WORD):
                break  # fastText reads no further
            if place - first >= 9 and is_same(data, first, _LABEL_PREFIX):
                continue  # fastText takes such a word for no feature
            value = hash_word(data, first, place)
            length = place - first
            hashes[tokens] = np.int64(value) if value < np.uint64(1 << 31) else np.int64(value) - (1 << 32)
            tokens += 1
            if length > LONGEST_CACHED_WORD:
                count += add_word(
                    data, first, place, value, words, word_offsets, slots, rows, shortest, longest, buckets, kept,
                    has_ngrams, spelled, own,
                )  # fmt: skip
                for d in range(dimension):
                    sums[d] += own[d]
                continue
            slot = value & mask
            hit = cache_lengths[slot] == length
            if hit:
                for at in range(length):
                    if cache_words[slot, at] != data[first + at]:
                        hit = False
                        break
            if not hit:
                cache_counts[slot] = add_word(
                    data, first, place, value, words, word_offsets, slots, rows, shortest, longest, buckets, kept,
                    has_ngrams, spelled, own,
                )  # fmt: skip
                cache_lengths[slot] = length
                for at in range(length):
                    cache_words[slot, at] = data[first + at]
                for d in range(dimension):
                    cache_sums[slot, d] = own[d]
            count += cache_counts[slot]
            for d in range(dimension):
                sums[d] += cache_sums[slot, d]
        if end_word >= 0:
            for d in range(dimension):
                sums[d] += rows[end_word, d]
            count += 1
        if word_ngrams > 1 and has_ngrams and buckets > 0:
            value = np.uint64(2166136261)
            for byte in _END_WORD:
                value = ((value ^ np.uint64(byte)) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
            hashes[tokens] = np.int64(value) if value < np.uint64(1 << 31) else np.int64(value) - (1 << 32)
            tokens += 1
            for first in range(tokens):
                mixed = np.uint64(hashes[first])
                for last in range(first + 1, min(tokens, first + word_ngrams)):
                    mixed = mixed * np.uint64(116049371) + np.uint64(hashes[last])
                    bucket = np.int64(mixed % np.uint64(buckets))
                    if len(kept) > 0:
                        bucket = kept[bucket]
                    if bucket >= 0:
                        for d in range(dimension):
                            sums[d] += rows[known + bucket, d]
                        count += 1
        if count == 0:
            hidden[row] = np.nan
            continue
        for d in range(dimension):
            hidden[row, d] = sums[d] / np.float32(count)


@_compiled
def multiply(hidden: Any, columns: Any, out: Any) -> None:  # pragma: no cover - compiled
    """Give hidden (n, d) times columns (d, m), each row on its own: (n, m)."""
    for row in range(len(hidden)):
        out[row] = 0.0
        for d in range(hidden.shape[1]):
            weight = hidden[row, d]
            for m in range(columns.shape[1]):
                out[row, m] += weight * columns[d, m]


@_compiled
def subtract_best(scores: Any, sharpness: Any) -> None:  # pragma: no cover - compiled
    """Subtract each row's maximum and multiply with the row's `sharpness`, in place."""
    for row in range(len(scores)):
        best = scores[row, 0]
        for m in range(scores.shape[1]):
            best = max(best, scores[row, m])
        for m in range(scores.shape[1]):
            scores[row, m] = (scores[row, m] - best) * sharpness[row]


@_compiled
def share(scores: Any) -> None:  # pragma: no cover - compiled
    """Divide each row by its sum, in place; a row of NaN or zeros becomes zeros."""
    for row in range(len(scores)):
        total = np.float32(0.0)
        for m in range(scores.shape[1]):
            total += scores[row, m]
        if not total > 0.0:
            scores[row] = 0.0
            continue
        for m in range(scores.shape[1]):
            scores[row, m] /= total


@_compiled
def descend(scores: Any, left: Any, right: Any, out: Any) -> None:  # pragma: no cover - compiled
    """Give the leaves' probabilities of a hierarchical softmax.

    Args:
        scores: (n, leaves - 1) of the inner nodes.
        left, right: (leaves - 1,) children of the inner nodes; the last is the root.
        out: (n, leaves) float32, is filled.
    """
    leaves = out.shape[1]
    reached = np.empty(2 * leaves - 1, dtype=np.float64)
    for row in range(len(scores)):
        reached[2 * leaves - 2] = 1.0
        for inner in range(leaves - 2, -1, -1):
            turn = 1.0 / (1.0 + np.exp(-np.float64(scores[row, inner])))
            here = reached[leaves + inner]
            reached[left[inner]] = here * (1.0 - turn)
            reached[right[inner]] = here * turn
        for leaf in range(leaves):
            out[row, leaf] = reached[leaf]


@_compiled
def sum_labels(probabilities: Any, column: Any, out: Any) -> None:  # pragma: no cover - compiled
    """Add up label probabilities (n, labels) by variety into `out` (n, t), which is zeroed."""
    for row in range(len(probabilities)):
        out[row] = 0.0
        for label in range(len(column)):
            out[row, column[label]] += probabilities[row, label]


@_compiled
def best_candidates(
    probabilities: Any, is_expected: Any, is_restricted: bool, foreign_threshold: Any,
    best: Any, best_probability: Any, is_foreign: Any, order: Any, values: Any,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Restrict, find the best variety of each text and its first candidates. All of the second line is filled.

    Args:
        probabilities: (n, t).
        is_expected: (t,).
        is_restricted: are the expected renormalized?
        foreign_threshold: least probability of a best variety that is not expected.
        best: (n,) int32; -1 where no expected variety has any probability.
        best_probability: (n,) float32.
        is_foreign: (n,).
        order: (n, top) int32, best first, lower number first among equals; -1 where there are no more.
        values: (n, top) float32.
    """
    kinds = probabilities.shape[1]
    top = order.shape[1]
    for row in range(len(probabilities)):
        mass = 0.0
        first = 0
        chosen = -1
        for t in range(kinds):
            value = probabilities[row, t]
            if value > probabilities[row, first]:
                first = t
            if is_expected[t]:
                mass += value
                if value > 0.0 and (chosen < 0 or value > probabilities[row, chosen]):
                    chosen = t
        foreign = is_restricted and not is_expected[first] and probabilities[row, first] >= foreign_threshold
        weight = mass if is_restricted and mass > 0.0 else 1.0
        best[row] = chosen
        best_probability[row] = min(1.0, probabilities[row, chosen] / weight) if chosen >= 0 else 0.0
        is_foreign[row] = foreign
        divisor = 1.0 if foreign else weight
        for place in range(top):
            order[row, place] = -1
        for t in range(kinds):
            value = probabilities[row, t]
            if not value > 0.0 or not (foreign or is_expected[t]):
                continue
            at = top
            while at > 0 and (order[row, at - 1] < 0 or value > probabilities[row, order[row, at - 1]]):
                at -= 1
            if at == top:
                continue
            for place in range(top - 1, at, -1):
                order[row, place] = order[row, place - 1]
            order[row, at] = t
        for place in range(top):
            t = order[row, place]
            values[row, place] = min(1.0, probabilities[row, t] / divisor) if t >= 0 else 0.0


@_compiled
def hash_lines(data: Any, starts: Any, ends: Any, out: Any) -> None:  # pragma: no cover - compiled
    """Hash each line's bytes (FNV-1a, 64 bits, mixed) into `out`, uint64."""
    for row in range(len(starts)):
        mixed = np.uint64(14695981039346656037)
        for place in range(starts[row], ends[row]):
            mixed = (mixed ^ np.uint64(data[place])) * np.uint64(1099511628211)
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        out[row] = mixed ^ (mixed >> np.uint64(33))


@_compiled
def count_ngrams(
    data: Any, starts: Any, ends: Any, shortest: int, longest: int, counts: Any
) -> None:  # pragma: no cover - compiled
    """Count the character n-grams of each line, which has a space before and after it."""
    for row in range(len(starts)):
        characters = 2
        for place in range(starts[row], ends[row]):
            characters += (data[place] & 0xC0) != 0x80
        counts[row] = 0
        for length in range(shortest, longest + 1):
            counts[row] += max(0, characters - length + 1)


@_compiled
def ngram_buckets(
    data: Any, start: int, end: int, shortest: int, longest: int, buckets: int, out: Any
) -> Any:  # pragma: no cover - compiled
    """Hash the character n-grams of a line with a space before and after it; give how many there are.

    Args:
        data, start, end: the line.
        shortest, longest: characters.
        buckets: a power of two.
        out: int64, is filled.
    """
    count = 0
    size = end - start + 2
    for first in range(size):
        byte = np.uint64(32) if first == 0 or first == size - 1 else np.uint64(data[start + first - 1])
        if (byte & np.uint64(0xC0)) == np.uint64(0x80):
            continue
        mixed = np.uint64(14695981039346656037)
        place = first
        length = 0
        while place < size and length < longest:
            while True:
                mixed = (mixed ^ byte) * np.uint64(1099511628211)
                place += 1
                if place >= size:
                    break
                byte = np.uint64(32) if place == size - 1 else np.uint64(data[start + place - 1])
                if (byte & np.uint64(0xC0)) != np.uint64(0x80):
                    break
            length += 1
            if length >= shortest:
                out[count] = np.int64((mixed ^ (mixed >> np.uint64(29))) & np.uint64(buckets - 1))
                count += 1
    return count


@_compiled
def add_ngrams(
    data: Any, starts: Any, ends: Any, chosen: Any, shortest: int, longest: int, weights: Any, counts: Any
) -> None:  # pragma: no cover - compiled
    """Add the n-grams of the chosen lines, weighted by variety (n, t), to `counts` (buckets, t)."""
    longest_line = 0
    for row in range(len(starts)):
        longest_line = max(longest_line, ends[row] - starts[row])
    found = np.empty((longest_line + 2) * (longest - shortest + 1), dtype=np.int64)
    for row in range(len(starts)):
        if not chosen[row]:
            continue
        size = ngram_buckets(data, starts[row], ends[row], shortest, longest, len(counts), found)
        for kind in range(weights.shape[1]):
            weight = weights[row, kind]
            if weight > 0.0:
                for place in range(size):
                    counts[found[place], kind] += weight


@_compiled
def judge_ngrams(
    data: Any, starts: Any, ends: Any, chosen: Any, shortest: int, longest: int, table: Any, opinion: Any
) -> None:  # pragma: no cover - compiled
    """Set `opinion` (n, t) of the chosen lines: the sum of their n-grams' rows in `table` over the root of their number."""
    longest_line = 0
    for row in range(len(starts)):
        longest_line = max(longest_line, ends[row] - starts[row])
    found = np.empty((longest_line + 2) * (longest - shortest + 1), dtype=np.int64)
    kinds = table.shape[1]
    for row in range(len(starts)):
        if not chosen[row] or starts[row] >= ends[row]:
            continue
        size = ngram_buckets(data, starts[row], ends[row], shortest, longest, len(table), found)
        for kind in range(kinds):
            opinion[row, kind] = 0.0
        for place in range(size):
            for kind in range(kinds):
                opinion[row, kind] += table[found[place], kind]
        for kind in range(kinds):
            opinion[row, kind] /= np.sqrt(size)


@_compiled
def list_features(
    data: Any, starts: Any, ends: Any, shortest: int, longest: int, idf: Any, offsets: Any, buckets: Any, values: Any
) -> None:  # pragma: no cover - compiled
    """List the distinct n-grams of each line with (1 + ln times) * idf, divided so that a line has length 1.

    Args:
        data, starts, ends: the lines.
        shortest, longest: characters.
        idf: (buckets,); n-grams of weight 0 are left out.
        offsets: (n + 1,), buckets, values: are filled.
    """
    longest_line = 0
    for row in range(len(starts)):
        longest_line = max(longest_line, ends[row] - starts[row])
    found = np.empty((longest_line + 2) * (longest - shortest + 1), dtype=np.int64)
    at = 0
    for row in range(len(starts)):
        offsets[row] = at
        if starts[row] >= ends[row]:
            continue
        size = ngram_buckets(data, starts[row], ends[row], shortest, longest, len(idf), found)
        chosen = np.sort(found[:size])
        first = at
        total = 0.0
        place = 0
        while place < size:
            last = place
            while last < size and chosen[last] == chosen[place]:
                last += 1
            weight = (1.0 + np.log(np.float64(last - place))) * idf[chosen[place]]
            if weight > 0.0:
                buckets[at] = chosen[place]
                values[at] = weight
                total += weight * weight
                at += 1
            place = last
        for entry in range(first, at):
            values[entry] /= np.sqrt(total)
    offsets[len(starts)] = at


@_compiled
def weigh_features(
    offsets: Any, buckets: Any, values: Any, weights: Any, steepness: Any, out: Any
) -> None:  # pragma: no cover - compiled
    """Give features times weights (buckets, labels), times `steepness`, into `out`; NaN for a line without features."""
    for row in range(len(offsets) - 1):
        if offsets[row] == offsets[row + 1]:
            out[row] = np.nan
            continue
        out[row] = 0.0
        for entry in range(offsets[row], offsets[row + 1]):
            for label in range(weights.shape[1]):
                out[row, label] += values[entry] * weights[buckets[entry], label]
        for label in range(weights.shape[1]):
            out[row, label] *= steepness


@_compiled
def fit_margin(
    offsets: Any, buckets: Any, values: Any, signs: Any, cost: float, passes: int, weights: Any
) -> None:  # pragma: no cover - compiled
    """Fit one support vector machine with squared hinge loss by dual coordinate descent; `weights` is filled.

    Args:
        offsets, buckets, values: the lines' features; each line has length 1.
        signs: (n,) 1.0 or -1.0.
        cost: of an error.
        passes: over the lines, in strides that mix neighbours, forwards and backwards by turns.
        weights: (buckets,) float32 zeros.
    """
    lines = len(signs)
    dual = np.zeros(lines)
    diagonal = 0.5 / cost
    stride = max(1, int(lines * 0.618))
    while np.gcd(stride, lines) > 1:
        stride += 1
    for turn in range(passes):
        for step in range(lines):
            row = (step if turn % 2 == 0 else lines - 1 - step) * stride % lines
            if offsets[row] == offsets[row + 1]:
                continue
            margin = 0.0
            for entry in range(offsets[row], offsets[row + 1]):
                margin += values[entry] * weights[buckets[entry]]
            slope = signs[row] * margin - 1.0 + diagonal * dual[row]
            before = dual[row]
            dual[row] = max(0.0, before - slope / (1.0 + diagonal))
            change = (dual[row] - before) * signs[row]
            if change != 0.0:
                for entry in range(offsets[row], offsets[row + 1]):
                    weights[buckets[entry]] += change * values[entry]
