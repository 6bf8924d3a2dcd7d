"""Two directions that learn together, compiled: IBM model 1 with a diagonal prior, then an HMM, by agreement.

Words are numbers. Pairs lie end to end (`Corpus`); an entry is a word pair that may translate each other (`Entries`).
Probabilities are kept by entry in both directions at once: forward is p(target | source), backward
p(source | target). The two directions learn together: what is counted for a link is made of both their posteriors.

Counts are whole numbers of 2^-32. So their sum is exact, and does not depend on the order in which pairs, chunks or
workers are added up; what is made of the sums is computed at one place, in the order of the words.

References: Brown et al. 1993 (model 1); Vogel et al. 1996 and Och and Ney 2003 (HMM, with a null word that
remembers the last position); Dyer et al. 2013 (diagonal prior); Riley and Gildea 2012 (variational Bayes);
Liang et al. 2006 (alignment by agreement).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.common.hmm import (
    DIAGONAL,
    JUMPS,
    NULL_PROBABILITY,
    SMALLEST,
    Corpus,
    Direction,
    Floats,
    Ints,
    Longs,
    places_by_word,
    posteriors,
)

NULL_WEIGHT = 2.0
"""Null words for one: variational Bayes takes from the rare words of none what it does not give to the others, so that
none would be too rare. Chosen, with `transforms.align.learning.NULL_PRIOR`, on the even sentences of the gold sets."""
UNIT = 2.0**32
"""Counts are whole numbers of 1 / UNIT: room for 2 thousand million links."""


class Entries(NamedTuple):
    """Word pairs that may translate each other; unlike `transforms.common.hmm.Entries` without the cells.

    Attributes:
        offsets: where the entries of each source word begin; one more than there are source words.
        targets: target word of each entry, rising within a source word.
        slots: (2 entries,) where an entry is looked up: a hash table a source word, twice as long as its entries; -1
            where a slot is free. See `index_entries`.
    """

    offsets: Longs
    targets: Ints
    slots: Ints


class Counts(NamedTuple):
    """Expected counts, in whole numbers of 1 / UNIT.

    Attributes:
        words: how often a link: (2, entries) as the forward and as the backward direction count it, or (1, entries)
            where the directions learn together: they count the same.
        source_null, target_null: how often each word is linked to none.
        jumps: (2, JUMPS) of the forward and the backward direction.
    """

    words: Longs
    source_null: Longs
    target_null: Longs
    jumps: Longs

    @classmethod
    def zeros(cls, entries: int, source_words: int, target_words: int, *, together: bool) -> "Counts":
        """Give counts of nothing."""
        shapes = ((1 if together else 2, entries), source_words, target_words, (2, JUMPS))
        return cls(*(np.zeros(shape, dtype=np.int64) for shape in shapes))


def find_entries(corpus: Corpus, source_words: int, target_words: int, limit: int) -> Entries:
    """List the word pairs that meet in some sentence pair, for each word the `limit` that stand closest.

    Closeness is Dice's coefficient of the places where the two words stand. An entry stays when it is among the
    closest of its source word or of its target word; what is as close as the last one stays too, so nothing depends on
    the numbers of words. Rare words keep every word that they meet; the memory grows with the words, not with the
    cells (source words times target words, summed over pairs).

    Args:
        corpus: every word is known.
        source_words, target_words: how many there are.
        limit: entries of a word.
    """
    turned = Corpus(corpus.target, corpus.target_offsets, corpus.source, corpus.source_offsets)
    own = _closest(corpus, source_words, target_words, limit)
    other = _turned(*_closest(turned, target_words, source_words, limit), source_words)
    return index_entries(*_either(*own, *other))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _closest(corpus: Corpus, source_words: int, target_words: int, limit: int) -> tuple[Longs, Ints]:
    """Give where each source word's closest target words begin, and these; linear in the cells."""
    pair_of, starts, places = places_by_word(corpus, source_words)
    frequency = np.zeros(target_words, dtype=np.int32)
    for t in corpus.target:
        frequency[t] += 1
    counts = np.zeros(target_words, dtype=np.int32)
    met = np.empty(target_words, dtype=np.int32)
    dice = np.empty(target_words)
    offsets = np.zeros(source_words + 1, dtype=np.int64)
    size = 1 << 16
    columns = np.empty(size, dtype=np.int32)
    number = 0
    for s in range(source_words):
        found = 0
        for place in range(starts[s], starts[s + 1]):
            p = pair_of[places[place]]
            for j in range(corpus.target_offsets[p], corpus.target_offsets[p + 1]):
                t = corpus.target[j]
                if counts[t] == 0:
                    met[found] = t
                    found += 1
                counts[t] += 1
        own = starts[s + 1] - starts[s]
        for k in range(found):
            dice[k] = counts[met[k]] / (own + frequency[met[k]])
        least = 0.0
        if found > limit:
            least = np.partition(dice[:found], found - limit)[found - limit]
        if number + found > size:
            size = max(size + size // 2, number + found)
            more = np.empty(size, dtype=np.int32)
            more[:number] = columns[:number]
            columns = more
        for k in range(found):
            if dice[k] >= least:
                columns[number] = met[k]
                number += 1
            counts[met[k]] = 0
        offsets[s + 1] = number
    return offsets, columns[:number].copy()


@njit(cache=True, nogil=True)
def _turned(offsets: Longs, columns: Ints, others: int) -> tuple[Longs, Ints]:
    """Turn lists by row into lists by column."""
    starts = np.zeros(others + 1, dtype=np.int64)
    for column in columns:
        starts[column + 1] += 1
    for column in range(others):
        starts[column + 1] += starts[column]
    rows = np.empty(len(columns), dtype=np.int32)
    following = starts[:-1].copy()
    for row in range(len(offsets) - 1):
        for k in range(offsets[row], offsets[row + 1]):
            rows[following[columns[k]]] = row
            following[columns[k]] += 1
    return starts, rows


@njit(cache=True, nogil=True)
def _either(offsets: Longs, columns: Ints, other_offsets: Longs, other_columns: Ints) -> tuple[Longs, Ints]:
    """Give, row by row, what stands in one list or the other, each once, rising."""
    rows = len(offsets) - 1
    out = np.empty(len(columns) + len(other_columns), dtype=np.int32)
    starts = np.zeros(rows + 1, dtype=np.int64)
    number = 0
    for row in range(rows):
        both = np.concatenate(
            (columns[offsets[row] : offsets[row + 1]], other_columns[other_offsets[row] : other_offsets[row + 1]])
        )
        both.sort()
        for k in range(len(both)):
            if k == 0 or both[k] != both[k - 1]:
                out[number] = both[k]
                number += 1
        starts[row + 1] = number
    return starts, out[:number].copy()


@njit(cache=True, nogil=True)
def index_entries(offsets: Longs, targets: Ints) -> Entries:
    """Make the tables in which entries are looked up: one a source word, probed from the hash of the target on."""
    slots = np.full(2 * len(targets), -1, dtype=np.int32)
    for s in range(len(offsets) - 1):
        begin, size = 2 * offsets[s], 2 * (offsets[s + 1] - offsets[s])
        for e in range(offsets[s], offsets[s + 1]):
            slot = _slot(targets[e], size)
            while slots[begin + slot] >= 0:
                slot = slot + 1 if slot + 1 < size else 0
            slots[begin + slot] = e
    return Entries(offsets, targets, slots)


@njit(cache=True, nogil=True, inline="always")
def _slot(target: int, size: int) -> int:
    """Give where a target's entry is looked for first, 0 to size - 1 (multiplicative hashing: Knuth 1973, 6.4)."""
    return int(((np.int64(target) * 2654435769 & 0xFFFFFFFF) * size) >> 32)


@njit(cache=True, nogil=True)
def find_cells(corpus: Corpus, entries: Entries, p: int) -> Ints:
    """Give the entry of each cell of a pair: (source words, target words), -1 where there is none."""
    source = corpus.source[corpus.source_offsets[p] : corpus.source_offsets[p + 1]]
    target = corpus.target[corpus.target_offsets[p] : corpus.target_offsets[p + 1]]
    cells = np.full((len(source), len(target)), -1, dtype=np.int32)
    for i in range(len(source)):
        if source[i] < 0:
            continue
        begin = 2 * entries.offsets[source[i]]
        size = 2 * entries.offsets[source[i] + 1] - begin
        if size == 0:
            continue
        for j in range(len(target)):
            slot = _slot(target[j], size)
            entry = entries.slots[begin + slot]
            while entry >= 0 and entries.targets[entry] != target[j]:
                slot = slot + 1 if slot + 1 < size else 0
                entry = entries.slots[begin + slot]
            cells[i, j] = entry
    return cells


@njit(cache=True, nogil=True)
def count_links(
    corpus: Corpus, entries: Entries, forward: Direction, backward: Direction, counts: Counts, stage: int
) -> float:
    """Add the expected counts of pairs; gives the log likelihood, both directions' together.

    Where the directions learn together, a link counts (a b + sqrt(a b)) / 2 for both of them, a and b being the two
    posteriors: between the product (Liang et al. 2006), which forgets too much where there are few pairs, and
    the geometric mean, by which links are chosen in the end.

    Args:
        corpus, entries: the pairs, and the word pairs that may be linked.
        forward, backward: what is known of both directions.
        counts: where the counts are added.
        stage: 0: model 1, each direction by itself; 1: model 1, together; 2: HMM, together.
    """
    likelihood = 0.0
    jumps = np.zeros((2, JUMPS))
    for p in range(len(corpus.source_offsets) - 1):
        source = corpus.source[corpus.source_offsets[p] : corpus.source_offsets[p + 1]]
        target = corpus.target[corpus.target_offsets[p] : corpus.target_offsets[p + 1]]
        rows, columns = len(source), len(target)
        if rows == 0 or columns == 0:
            continue
        cells = find_cells(corpus, entries, p)
        ahead = np.empty((columns, rows))
        back = np.empty((rows, columns))
        for i in range(rows):
            for j in range(columns):
                cell = cells[i, j]
                ahead[j, i] = forward.words[cell] if cell >= 0 else 0.0
                back[i, j] = backward.words[cell] if cell >= 0 else 0.0
        if stage == 2:
            jumps[:] = 0.0
            ahead, first = posteriors(ahead, NULL_WEIGHT * forward.null[target], forward.jumps, jumps[0])
            back, second = posteriors(back, NULL_WEIGHT * backward.null[source], backward.jumps, jumps[1])
            for side in range(2):
                for k in range(JUMPS):
                    counts.jumps[side, k] += np.int64(jumps[side, k] * UNIT + 0.5)
        else:
            first = _lexical(ahead, NULL_WEIGHT * forward.null[target])
            second = _lexical(back, NULL_WEIGHT * backward.null[source])
        likelihood += first + second
        for j in range(columns):
            left = 1.0
            for i in range(rows):
                left -= ahead[j, i]
            counts.target_null[target[j]] += np.int64(max(left, 0.0) * UNIT + 0.5)
        for i in range(rows):
            left = 1.0
            for j in range(columns):
                cell = cells[i, j]
                left -= back[i, j]
                if cell < 0:
                    continue
                a, b = ahead[j, i], back[i, j]
                if a < 0.5 / UNIT and b < 0.5 / UNIT:
                    continue  # nothing would be added, and memory is slower than arithmetic
                if stage > 0:
                    a = (a * b + math.sqrt(a * b)) / 2.0
                counts.words[0, cell] += np.int64(a * UNIT + 0.5)
                if stage == 0:
                    counts.words[1, cell] += np.int64(b * UNIT + 0.5)
            counts.source_null[source[i]] += np.int64(max(left, 0.0) * UNIT + 0.5)
    return likelihood


@njit(cache=True, nogil=True)
def _lexical(emission: Floats, none: Floats) -> float:
    """Turn the (made, given) probabilities of words into posteriors of model 1, in place; gives the log likelihood."""
    made, given = emission.shape
    likelihood = 0.0
    near = np.empty(given)
    place, backwards = np.empty(given), np.empty(given)  # exp(-|x - y|) is the lesser of e^x / e^y and e^y / e^x
    for i in range(given):
        place[i] = math.exp(DIAGONAL * (i + 0.5) / given)
        backwards[i] = 1.0 / place[i]
    for j in range(made):
        own = math.exp(DIAGONAL * (j + 0.5) / made)
        inverse = 1.0 / own
        prior = 0.0
        for i in range(given):
            near[i] = min(place[i] * inverse, own * backwards[i])
            prior += near[i]
        total = NULL_PROBABILITY * none[j] + SMALLEST
        for i in range(given):
            emission[j, i] *= near[i] * (1.0 - NULL_PROBABILITY) / prior
            total += emission[j, i]
        for i in range(given):
            emission[j, i] /= total
        likelihood += math.log(total)
    return likelihood


@njit(cache=True, nogil=True)
def link_pairs(
    corpus: Corpus,
    entries: Entries,
    forward: Direction,
    backward: Direction,
    strange: tuple[Floats, Floats],
    classes: NDArray[np.int16],
    class_offsets: Longs,
    least: float,
) -> tuple[Ints, Ints, Ints, Floats, NDArray[np.uint8]]:
    """Find the likely links of pairs.

    Args:
        corpus: the words as they were learned; -1: never met.
        entries, forward, backward: what was learned; the last value of `null` is that of a word never met.
        strange: probability, forward and backward, of a word pair of each class of spelling.
        classes: class of spelling of the cells of pairs that have words never met, row by row.
        class_offsets: where the cells of each pair begin in `classes`; equal to the next one where all are known.
        least: least geometric mean of the two posteriors of what is given, beside what is a direction's best.

    Returns:
        Pair, source word, target word, geometric mean, and marks: 1: the forward direction's best source of the target
        word, better than none; 2: the backward direction's best target of the source word.
    """
    size = 1024
    where = np.empty((3, size), dtype=np.int32)
    means = np.empty(size)
    marks = np.empty(size, dtype=np.uint8)
    number = 0
    scratch = np.zeros(JUMPS)
    for p in range(len(corpus.source_offsets) - 1):
        source = corpus.source[corpus.source_offsets[p] : corpus.source_offsets[p + 1]]
        target = corpus.target[corpus.target_offsets[p] : corpus.target_offsets[p + 1]]
        rows, columns = len(source), len(target)
        if rows == 0 or columns == 0:
            continue
        cells = find_cells(corpus, entries, p)
        known = class_offsets[p + 1] == class_offsets[p]
        ahead = np.empty((columns, rows))
        back = np.empty((rows, columns))
        for i in range(rows):
            for j in range(columns):
                cell = cells[i, j]
                one = other = SMALLEST
                if cell >= 0:
                    one, other = forward.words[cell], backward.words[cell]
                elif not known and (source[i] < 0 or target[j] < 0):
                    kind = classes[class_offsets[p] + i * columns + j]
                    one, other = max(strange[0][kind], SMALLEST), max(strange[1][kind], SMALLEST)
                ahead[j, i] = one
                back[i, j] = other
        ahead, _ = posteriors(ahead, NULL_WEIGHT * forward.null[target], forward.jumps, scratch)
        back, _ = posteriors(back, NULL_WEIGHT * backward.null[source], backward.jumps, scratch)
        best_source = np.full(columns, -1)
        best_target = np.full(rows, -1)
        for j in range(columns):
            best = int(np.argmax(ahead[j]))
            if ahead[j, best] > 1.0 - ahead[j].sum():
                best_source[j] = best
        for i in range(rows):
            best = int(np.argmax(back[i]))
            if back[i, best] > 1.0 - back[i].sum():
                best_target[i] = best
        for i in range(rows):
            for j in range(columns):
                mean = min(math.sqrt(max(ahead[j, i] * back[i, j], 0.0)), 1.0)
                mark = int(best_source[j] == i) + 2 * int(best_target[i] == j)
                if mean < least and mark == 0:
                    continue
                if number == size:
                    size *= 2
                    more_where = np.empty((3, size), dtype=np.int32)
                    more_means, more_marks = np.empty(size), np.empty(size, dtype=np.uint8)
                    more_where[:, :number] = where
                    more_means[:number] = means
                    more_marks[:number] = marks
                    where, means, marks = more_where, more_means, more_marks
                where[0, number], where[1, number], where[2, number] = p, i, j
                means[number] = mean
                marks[number] = mark
                number += 1
    return where[0, :number], where[1, :number], where[2, :number], means[:number], marks[:number]
