"""The arithmetic of the association aligner, compiled: IBM model 1 with a diagonal prior, then an HMM.

Words are numbers. Pairs lie end to end (`Corpus`); a cell is a pair of word positions of one sentence pair; an
entry is a pair of words that meet in some sentence pair. Probabilities are kept by entry in both directions
at once: `forward` is p(target | source), `backward` p(source | target). All sums are taken in the order of the
pairs in double precision, so equal input gives equal bytes on one kind of machine.

References: Brown et al. 1993 (model 1); Vogel et al. 1996 and Och and Ney 2003 (HMM, with a null word that
remembers the last position); Dyer et al. 2013 (diagonal prior); Riley and Gildea 2012 (variational Bayes).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

JUMP_LIMIT = 20
"""Jumps farther than this many words count as this many."""
JUMPS = 2 * JUMP_LIMIT + 1
NULL_PROBABILITY = 0.15
DIAGONAL = 4.0
"""How fast model 1's prior falls with the distance from the diagonal (the value that fast_align begins with)."""
SMALLEST = 1e-12
NEGLIGIBLE = 1e-7
"""Least probability of a state that is followed up: there are few others, and they cost most of the time."""


class Corpus(NamedTuple):
    """Sentence pairs as word numbers.

    Attributes:
        source, target: words of all sentences, end to end.
        source_offsets, target_offsets: where each sentence begins; one more than there are pairs.
    """

    source: Ints
    source_offsets: Longs
    target: Ints
    target_offsets: Longs


class Entries(NamedTuple):
    """Word pairs that meet.

    Attributes:
        offsets: where the entries of each source word begin; one more than there are source words.
        targets: target word of each entry.
        cells: entry of each cell; the cells of a pair are laid row by row, a row a source position.
        cell_offsets: where the cells of each pair begin.
    """

    offsets: Longs
    targets: Ints
    cells: Ints
    cell_offsets: Longs


class Direction(NamedTuple):
    """How one side is generated from the other.

    Attributes:
        words: probability of each entry.
        null: probability of each generated word where it comes of none.
        jumps: (JUMPS,) probability of each jump, from -JUMP_LIMIT on.
    """

    words: NDArray[np.floating]
    null: Floats
    jumps: Floats


@njit(cache=True, nogil=True)
def places_by_word(corpus: Corpus, source_words: int) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Gather the places of every source word: the pair of each place, where a word's places start, and the places."""
    pairs = len(corpus.source_offsets) - 1
    pair_of = np.empty(len(corpus.source), dtype=np.int32)
    starts = np.zeros(source_words + 1, dtype=np.int64)
    for p in range(pairs):
        for i in range(corpus.source_offsets[p], corpus.source_offsets[p + 1]):
            pair_of[i] = p
            starts[corpus.source[i] + 1] += 1
    for s in range(source_words):
        starts[s + 1] += starts[s]
    places = np.empty(len(corpus.source), dtype=np.int64)
    following = starts[:-1].copy()
    for i in range(len(corpus.source)):
        s = corpus.source[i]
        places[following[s]] = i
        following[s] += 1
    return pair_of, starts, places


@njit(cache=True, nogil=True)
def find_entries(corpus: Corpus, source_words: int, target_words: int) -> Entries:
    """Number the word pairs that meet, by source word, in the order in which they are met; linear in the cells."""
    pairs = len(corpus.source_offsets) - 1
    cell_offsets = np.zeros(pairs + 1, dtype=np.int64)
    for p in range(pairs):
        rows = corpus.source_offsets[p + 1] - corpus.source_offsets[p]
        columns = corpus.target_offsets[p + 1] - corpus.target_offsets[p]
        cell_offsets[p + 1] = cell_offsets[p] + rows * columns
    pair_of, starts, places = places_by_word(corpus, source_words)
    cells = np.empty(cell_offsets[pairs], dtype=np.int32)
    offsets = np.zeros(source_words + 1, dtype=np.int64)
    met_by = np.full(target_words, -1, dtype=np.int64)
    entry_of = np.empty(target_words, dtype=np.int32)
    number = 0
    for s in range(source_words):
        for place in range(starts[s], starts[s + 1]):
            i = places[place]
            p = pair_of[i]
            begin, end = corpus.target_offsets[p], corpus.target_offsets[p + 1]
            cell = cell_offsets[p] + (i - corpus.source_offsets[p]) * (end - begin)
            for j in range(begin, end):
                t = corpus.target[j]
                if met_by[t] != s:
                    met_by[t] = s
                    entry_of[t] = number
                    number += 1
                cells[cell + j - begin] = entry_of[t]
        offsets[s + 1] = number
    targets = np.empty(number, dtype=np.int32)
    for p in range(pairs):
        columns = corpus.target_offsets[p + 1] - corpus.target_offsets[p]
        for k in range(cell_offsets[p], cell_offsets[p + 1]):
            targets[cells[k]] = corpus.target[corpus.target_offsets[p] + (k - cell_offsets[p]) % columns]
    return Entries(offsets, targets, cells, cell_offsets)


@njit(cache=True, nogil=True)
def count_lexical(
    corpus: Corpus, entries: Entries, words: Floats, null: Floats, backward: bool, counts: Floats, null_counts: Floats
) -> float:
    """Add the expected counts of model 1 in one direction; gives the log likelihood.

    Args:
        corpus, entries: the pairs.
        words, null: the direction's probabilities, by entry and by generated word.
        backward: whether the source is generated from the target.
        counts, null_counts: where the counts are added, shaped like `words` and `null`.
    """
    likelihood = 0.0
    for p in range(len(corpus.source_offsets) - 1):
        rows = corpus.source_offsets[p + 1] - corpus.source_offsets[p]
        columns = corpus.target_offsets[p + 1] - corpus.target_offsets[p]
        if rows == 0 or columns == 0:
            continue
        given, made = (columns, rows) if backward else (rows, columns)
        share = np.empty(given)
        for j in range(made):
            word = (
                corpus.source[corpus.source_offsets[p] + j] if backward else corpus.target[corpus.target_offsets[p] + j]
            )
            prior = 0.0
            for i in range(given):
                share[i] = math.exp(-DIAGONAL * abs((i + 0.5) / given - (j + 0.5) / made))
                prior += share[i]
            total = 0.0
            for i in range(given):
                cell = entries.cell_offsets[p] + (j * columns + i if backward else i * columns + j)
                share[i] *= (1.0 - NULL_PROBABILITY) / prior * words[entries.cells[cell]]
                total += share[i]
            none = NULL_PROBABILITY * null[word]
            total += none + SMALLEST
            for i in range(given):
                cell = entries.cell_offsets[p] + (j * columns + i if backward else i * columns + j)
                counts[entries.cells[cell]] += share[i] / total
            null_counts[word] += none / total
            likelihood += math.log(total)
    return likelihood


@njit(cache=True, nogil=True)
def posteriors(emission: Floats, none: Floats, jumps: Floats, jump_counts: Floats) -> tuple[Floats, float]:
    """Give the probability of each alignment of one sentence under the HMM (forward-backward).

    Args:
        emission: (made, given) probability of each generated word from each given one.
        none: (made,) probability of each generated word from none.
        jumps: (JUMPS,) as in `Direction`.
        jump_counts: (JUMPS,) where the expected jumps are added.

    Returns:
        (made, given) probabilities; what is left of a row is the null's. And the log likelihood.
    """
    made, given = emission.shape
    move = np.empty((given + 1, given))  # the last row: from the beginning
    for before in range(given + 1):
        at = before if before < given else -1
        total = 0.0
        for i in range(given):
            jump = min(max(i - at, -JUMP_LIMIT), JUMP_LIMIT) + JUMP_LIMIT
            move[before, i] = jumps[jump]
            total += jumps[jump]
        for i in range(given):
            move[before, i] *= (1.0 - NULL_PROBABILITY) / total
    move_to = move.T.copy()
    ahead = np.zeros((made, given))
    states = np.zeros((made + 1, given + 1))  # where each word finds the last one: a position, or the beginning
    states[0, given] = 1.0
    scale = np.empty(made)
    likelihood = 0.0
    for j in range(made):
        row = ahead[j]
        for before in range(given + 1):
            weight = states[j, before]
            if weight > NEGLIGIBLE:
                for i in range(given):
                    row[i] += weight * move[before, i]
        total = SMALLEST
        for i in range(given):
            row[i] *= emission[j, i]
            total += row[i]
        for before in range(given + 1):
            stay = states[j, before] * NULL_PROBABILITY * none[j]
            states[j + 1, before] = stay
            total += stay
        scale[j] = total
        likelihood += math.log(total)
        for i in range(given):
            row[i] /= total
        for before in range(given + 1):
            states[j + 1, before] /= total
        for i in range(given):
            states[j + 1, i] += row[i]
    behind = np.ones(given + 1)
    moved = np.zeros((given, given + 1))
    out = np.empty((made, given))
    for j in range(made - 1, -1, -1):
        stay = NULL_PROBABILITY * none[j] / scale[j]
        for i in range(given):
            out[j, i] = ahead[j, i] * behind[i]
        likely = np.empty(given)
        greatest = 0.0
        for i in range(given):
            likely[i] = emission[j, i] * behind[i] / scale[j]
            greatest = max(greatest, likely[i])
        for before in range(given + 1):
            behind[before] *= stay
        for i in range(given):
            if likely[i] > greatest * NEGLIGIBLE:
                for before in range(given + 1):
                    behind[before] += move_to[i, before] * likely[i]
                if out[j, i] > NEGLIGIBLE:
                    for before in range(given + 1):
                        moved[i, before] += states[j, before] * likely[i]
    for i in range(given):
        for before in range(given + 1):
            at = before if before < given else -1
            jump = min(max(i - at, -JUMP_LIMIT), JUMP_LIMIT) + JUMP_LIMIT
            jump_counts[jump] += moved[i, before] * move_to[i, before]
    return out, likelihood


@njit(cache=True, nogil=True)
def count_sequences(
    corpus: Corpus,
    entries: Entries,
    direction: Direction,
    backward: bool,
    counts: Floats,
    null_counts: Floats,
    jump_counts: Floats,
) -> float:
    """Add the expected counts of the HMM in one direction; gives the log likelihood. Arguments as `count_lexical`."""
    likelihood = 0.0
    for p in range(len(corpus.source_offsets) - 1):
        rows = corpus.source_offsets[p + 1] - corpus.source_offsets[p]
        columns = corpus.target_offsets[p + 1] - corpus.target_offsets[p]
        if rows == 0 or columns == 0:
            continue
        given, made = (columns, rows) if backward else (rows, columns)
        emission = np.empty((made, given))
        none = np.empty(made)
        for j in range(made):
            word = (
                corpus.source[corpus.source_offsets[p] + j] if backward else corpus.target[corpus.target_offsets[p] + j]
            )
            none[j] = direction.null[word]
            for i in range(given):
                cell = entries.cell_offsets[p] + (j * columns + i if backward else i * columns + j)
                emission[j, i] = direction.words[entries.cells[cell]]
        found, log_likelihood = posteriors(emission, none, direction.jumps, jump_counts)
        likelihood += log_likelihood
        for j in range(made):
            word = (
                corpus.source[corpus.source_offsets[p] + j] if backward else corpus.target[corpus.target_offsets[p] + j]
            )
            left = 1.0
            for i in range(given):
                cell = entries.cell_offsets[p] + (j * columns + i if backward else i * columns + j)
                counts[entries.cells[cell]] += found[j, i]
                left -= found[j, i]
            null_counts[word] += max(left, 0.0)
    return likelihood


@njit(cache=True, nogil=True)
def normalize(counts: Floats, prior: Floats, owners: Ints, number: int) -> Floats:
    """Turn expected counts into probabilities by variational Bayes: exp(psi(c + a) - psi(sum of both)) per owner.

    Args:
        counts: (entries,) expected counts.
        prior: (entries,) Dirichlet parameters.
        owners: (entries,) the word that each entry is conditioned on.
        number: of such words.
    """
    totals = np.zeros(number)
    for e in range(len(counts)):
        totals[owners[e]] += counts[e] + prior[e]
    for s in range(number):
        totals[s] = digamma(totals[s]) if totals[s] > 0 else 0.0
    out = np.empty(len(counts))
    for e in range(len(counts)):
        out[e] = math.exp(digamma(counts[e] + prior[e]) - totals[owners[e]])
    return out


@njit(cache=True, nogil=True)
def digamma(x: float) -> float:
    """Give the derivative of the logarithm of the gamma function, x > 0, within 1e-8 (recurrence, then asymptotic series)."""
    out = 0.0
    while x < 6.0:
        out -= 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    return (
        out
        + math.log(x)
        - 0.5 / x
        - inverse * (1.0 / 12 - inverse * (1.0 / 120 - inverse * (1.0 / 252 - inverse * (1.0 / 240 - inverse / 132))))
    )
