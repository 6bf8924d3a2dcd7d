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

UNIT = 2.0**32
"""Counts are whole numbers of 1 / UNIT: room for 2 thousand million links."""


class Entries(NamedTuple):
    """Word pairs that may translate each other; unlike `transforms.common.hmm.Entries` without the cells.

    Attributes:
        offsets: where the entries of each source word begin; one more than there are source words.
        targets: target word of each entry, rising within a source word.
    """

    offsets: Longs
    targets: Ints


class Counts(NamedTuple):
    """Expected counts, in whole numbers of 1 / UNIT.

    Attributes:
        words: (2, entries): how often a link, as the forward and as the backward direction count it. They are equal
            while the directions learn together.
        source_null, target_null: how often each word is linked to none.
        jumps: (2, JUMPS) of the forward and the backward direction.
    """

    words: Longs
    source_null: Longs
    target_null: Longs
    jumps: Longs

    @classmethod
    def zeros(cls, entries: int, source_words: int, target_words: int) -> "Counts":
        """Give counts of nothing."""
        shapes = ((2, entries), source_words, target_words, (2, JUMPS))
        return cls(*(np.zeros(shape, dtype=np.int64) for shape in shapes))

    def add(self, other: "Counts") -> "Counts":
        """Add other counts to these, in place; gives these."""
        for own, more in zip(self, other, strict=True):
            np.add(own, more, out=own)
        return self


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
    rows, columns = _closest(corpus, source_words, target_words, limit)
    other_columns, other_rows = _closest(turned, target_words, source_words, limit)
    keys = np.concatenate([rows * target_words + columns, other_rows * target_words + other_columns])
    keys = np.unique(keys)
    offsets = np.searchsorted(keys, np.arange(source_words + 1) * target_words)
    return Entries(offsets, (keys % max(target_words, 1)).astype(np.int32))


@njit(cache=True, nogil=True)
def _closest(corpus: Corpus, source_words: int, target_words: int, limit: int) -> tuple[Longs, Longs]:
    """Give the closest target words of every source word; linear in the cells."""
    pair_of, starts, places = places_by_word(corpus, source_words)
    frequency = np.zeros(target_words, dtype=np.int64)
    for t in corpus.target:
        frequency[t] += 1
    counts = np.zeros(target_words, dtype=np.int64)
    met = np.empty(target_words, dtype=np.int64)
    size = 1 << 16
    rows, columns = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
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
        least = 0.0
        if found > limit:
            dice = np.empty(found)
            for k in range(found):
                dice[k] = counts[met[k]] / (own + frequency[met[k]])
            least = np.partition(dice, found - limit)[found - limit]
        if number + found > size:
            size = max(2 * size, number + found)
            more_rows, more_columns = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
            more_rows[:number] = rows[:number]
            more_columns[:number] = columns[:number]
            rows, columns = more_rows, more_columns
        for k in range(found):
            t = met[k]
            if counts[t] / (own + frequency[t]) >= least:
                rows[number] = s
                columns[number] = t
                number += 1
            counts[t] = 0
    return rows[:number].copy(), columns[:number].copy()


@njit(cache=True, nogil=True)
def find_cells(corpus: Corpus, entries: Entries, p: int) -> NDArray[np.int64]:
    """Give the entry of each cell of a pair: (source words, target words), -1 where there is none."""
    source = corpus.source[corpus.source_offsets[p] : corpus.source_offsets[p + 1]]
    target = corpus.target[corpus.target_offsets[p] : corpus.target_offsets[p + 1]]
    cells = np.full((len(source), len(target)), -1, dtype=np.int64)
    for i in range(len(source)):
        if source[i] < 0:
            continue
        begin, end = entries.offsets[source[i]], entries.offsets[source[i] + 1]
        for j in range(len(target)):
            low, high = begin, end
            while low < high:
                middle = (low + high) // 2
                if entries.targets[middle] < target[j]:
                    low = middle + 1
                else:
                    high = middle
            if low < end and entries.targets[low] == target[j]:
                cells[i, j] = low
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
            ahead, first = posteriors(ahead, forward.null[target], forward.jumps, jumps[0])
            back, second = posteriors(back, backward.null[source], backward.jumps, jumps[1])
            for side in range(2):
                for k in range(JUMPS):
                    counts.jumps[side, k] += np.int64(jumps[side, k] * UNIT + 0.5)
        else:
            first = _lexical(ahead, forward.null[target])
            second = _lexical(back, backward.null[source])
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
                    a = b = (a * b + math.sqrt(a * b)) / 2.0
                counts.words[0, cell] += np.int64(a * UNIT + 0.5)
                counts.words[1, cell] += np.int64(b * UNIT + 0.5)
            counts.source_null[source[i]] += np.int64(max(left, 0.0) * UNIT + 0.5)
    return likelihood


@njit(cache=True, nogil=True)
def _lexical(emission: Floats, none: Floats) -> float:
    """Turn the (made, given) probabilities of words into posteriors of model 1, in place; gives the log likelihood."""
    made, given = emission.shape
    likelihood = 0.0
    near = np.empty(given)
    for j in range(made):
        prior = 0.0
        for i in range(given):
            near[i] = math.exp(-DIAGONAL * abs((i + 0.5) / given - (j + 0.5) / made))
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
        ahead, _ = posteriors(ahead, forward.null[target], forward.jumps, scratch)
        back, _ = posteriors(back, backward.null[source], backward.jumps, scratch)
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
