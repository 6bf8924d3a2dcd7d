"""How the association aligner learns: a problem, a state, and rounds of counting and improving. Pure.

`prepare` lays a variety pair's sentence pairs out as numbers, once. A round counts the links that are expected under
the state (`count`, over any part of the pairs: sums are exact, see `transforms.align.agreement`), and makes the next
state of the counts of all parts (`improve`). `learn` does all rounds at one place; the stage spreads the counting.

What a word pair's probability leans on, beside its own counts (a Dirichlet prior, in counted words):

- spelling: word pairs are put in classes by edit similarity and length; the mean probability of a class is learned
  along with the words, and its odds are the prior. So spelling counts for as much as the two varieties are alike;
- beginnings: the probability of the two words' first four letters, as counted over all words that share them, times the
  share of the word among those with its beginning. This is what tells rare forms of frequent words;
- what was learned before, where a prior is given.

Of more than `settings.learn_pairs` pairs a sample is learned from, chosen by content; words that it lacks are linked by
their spelling and their place. So time and memory of learning are bounded, however many pairs are linked.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.align.agreement import UNIT, Counts, Entries, count_links, find_entries, index_entries
from transforms.align.interface import WordPair
from transforms.align.settings import AlignSettings
from transforms.common.hmm import JUMP_LIMIT, JUMPS, SMALLEST, Corpus, Direction, Floats, Ints, Longs, normalize
from transforms.common.similarity import codes_of, fold, similarities

BASE_PRIOR = 0.001
"""Dirichlet parameter of every word pair: small, so that few translations of a word are likely."""
LEARNED_PRIOR = 10.0
"""Counted words that a probability learned before is worth."""
NULL_PRIOR = 0.1
"""Dirichlet parameter of every word that comes of none. A word that found no partner once is hardly evidence that it has
none: counts of none pass variational Bayes as those of word pairs do, or rare words would go to none in their stead."""
BEGINNING = 4
"""Letters of a beginning."""
_LENGTHS = (3, 5)
_STEPS = 10
CLASSES = (len(_LENGTHS) + 2) * (_STEPS + 1)
"""Classes of spelling: similarity in tenths, by length of the shorter word; signs without letters apart."""
_AT_ONCE = 1 << 20
"""Word pairs whose spelling is compared in one go."""


class Problem(NamedTuple):
    """What stays the same while learning.

    Attributes:
        sources, targets: the words, letter case folded, in their order.
        entries: word pairs that may translate each other.
        owners: source word of each entry.
        spelling: class of spelling of each entry.
        frequencies: how often each word stands in the pairs: source words, target words.
        beginnings: number of each word's beginning: source words, target words.
        shared: number, for each entry, of the pair of its words' beginnings.
        before: (2, entries) what was known before, forward and backward; (2, 0) where nothing was.
    """

    sources: list[str]
    targets: list[str]
    entries: Entries
    owners: Ints
    spelling: NDArray[np.int16]
    frequencies: tuple[Longs, Longs]
    beginnings: tuple[Ints, Ints]
    shared: Ints
    before: Floats


class State(NamedTuple):
    """What is known after some rounds: both directions, and the mean probability of each class of spelling."""

    forward: Direction
    backward: Direction
    classes: tuple[Floats, Floats]


def sample(pairs: Sequence[WordPair], settings: AlignSettings) -> Sequence[WordPair]:
    """Give the pairs that are learned from: `learn_pairs` of them, those of the least digests, in their order."""
    most = settings.learn_pairs
    if not 0 < most < len(pairs):
        return pairs
    digests = np.fromiter((_digest(pair) for pair in pairs), dtype=np.uint64, count=len(pairs))
    return [pairs[i] for i in np.sort(np.argsort(digests, kind="stable")[:most]).tolist()]


def _digest(pair: WordPair) -> int:
    text = "\x1e".join("\x1f".join(side) for side in pair)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def prepare(pairs: Sequence[WordPair], settings: AlignSettings, before: Any = None) -> tuple[Problem, Corpus]:
    """Lay pairs out for learning.

    Args:
        pairs: words of both sides, in an order that follows from their content.
        settings: `learn_pairs` and `candidates` bound the memory.
        before: gives what is known of word pairs, as `lookup(sources, targets, rows, columns)`.
    """
    pairs = sample(pairs, settings)
    sources, source, source_offsets = numbered(source for source, _ in pairs)
    targets, target, target_offsets = numbered(target for _, target in pairs)
    corpus = Corpus(source, source_offsets, target, target_offsets)
    entries = find_entries(corpus, len(sources), len(targets), settings.candidates)
    owners = np.repeat(np.arange(len(sources), dtype=np.int32), np.diff(entries.offsets))
    beginnings = (_beginnings(sources), _beginnings(targets))
    known = np.zeros((2, 0)) if before is None else np.stack(before(sources, targets, owners, entries.targets))
    problem = Problem(
        sources,
        targets,
        entries,
        owners,
        spelling_classes(sources, targets, owners, entries.targets),
        (np.bincount(source, minlength=len(sources)), np.bincount(target, minlength=len(targets))),
        beginnings,
        _numbered_pairs(beginnings[0], beginnings[1], owners, entries.targets),
        known,
    )
    return problem, corpus


def begin(problem: Problem) -> State:
    """Give the state before the first round: every word pair is as likely as every other."""
    number = len(problem.entries.targets)
    source, target = (np.asarray(made / max(made.sum(), 1)) for made in problem.frequencies)
    words = np.ones(number, dtype=np.float32)
    return State(
        Direction(words, target, np.full(JUMPS, 1.0 / JUMPS)),
        Direction(words, source, np.full(JUMPS, 1.0 / JUMPS)),
        (np.zeros(CLASSES), np.zeros(CLASSES)),
    )


def rounds(settings: AlignSettings) -> int:
    """Give the number of rounds."""
    return settings.lexical_iterations + settings.sequence_iterations


def count(corpus: Corpus, entries: Entries, state: State, settings: AlignSettings, turn: int) -> Counts:
    """Count the links that are expected in some of the pairs, in round `turn`, from 0."""
    stage = 2 if turn >= settings.lexical_iterations else min(turn, 1)
    counts = Counts.zeros(len(entries.targets), len(state.backward.null), len(state.forward.null), together=stage > 0)
    count_links(corpus, entries, state.forward, state.backward, counts, stage)
    return counts


def improve(problem: Problem, counts: Counts, settings: AlignSettings, turn: int) -> State:
    """Make the state after round `turn` of the counts of all pairs."""
    made = []
    owners = (problem.owners, problem.entries.targets)
    for side in (0, 1):
        given, generated = owners[side], owners[1 - side]
        given_words = len(problem.frequencies[side])
        words: Floats = counts.words[min(side, len(counts.words) - 1)] / UNIT
        totals: Floats = np.bincount(given, weights=words, minlength=given_words).astype(np.float64)
        opportunities = np.bincount(problem.spelling, weights=totals[given], minlength=CLASSES)
        classes = np.bincount(problem.spelling, weights=words, minlength=CLASSES) / np.maximum(opportunities, SMALLEST)
        odds = settings.orthography * (classes / (1.05 - np.minimum(classes, 1.0)))
        together, alone, shares = _of_beginnings(problem, words, totals, side)
        prior = _priors(
            (given, generated),
            (problem.spelling, odds),
            (problem.shared, together, problem.beginnings[side], alone, shares, settings.beginnings),
            problem.before[side],
        )
        unlinked: Floats = (counts.source_null if side else counts.target_null) / UNIT
        number = len(unlinked)
        null = normalize(unlinked, np.full(number, NULL_PRIOR), np.zeros(number, dtype=np.int32), 1)
        if turn + 1 == settings.lexical_iterations:
            jumps = np.exp(-np.abs(np.arange(JUMPS) - JUMP_LIMIT - 1) / 2.0)
        else:
            jumps = counts.jumps[side] / UNIT + 1.0
        learned = normalize(words, prior, given, given_words).astype(np.float32)
        made.append((Direction(learned, null, jumps / jumps.sum()), classes))
    (forward, forward_classes), (backward, backward_classes) = made
    return State(forward, backward, (forward_classes, backward_classes))


@njit(cache=True, nogil=True)
def _priors(
    words: tuple[Ints, Ints],
    spelling: tuple[NDArray[np.int16], Floats],
    beginnings: tuple[Ints, Floats, Ints, Floats, Floats, float],
    before: Floats,
) -> Floats:
    """Give the Dirichlet parameter of each entry, in one pass: there are more entries than memory likes.

    Args:
        words: given and generated word of each entry.
        spelling: class of each entry, and what each class adds.
        beginnings: pair of beginnings of each entry, count of each such pair; beginning of each given word, count of
            each beginning; share of each generated word among those with its beginning; weight.
        before: what was known of each entry; none where nothing was.
    """
    given, generated = words
    kinds, odds = spelling
    shared, together, own, alone, shares, weight = beginnings
    prior = np.empty(len(given))
    for e in range(len(given)):
        prior[e] = BASE_PRIOR + odds[kinds[e]]
        if weight > 0.0:
            likely = together[shared[e]] / max(alone[own[given[e]]], SMALLEST)
            prior[e] += weight * likely * shares[generated[e]]
        if len(before):
            prior[e] += LEARNED_PRIOR * before[e]
    return prior


def learn(pairs: Sequence[WordPair], settings: AlignSettings, before: Any = None) -> tuple[Problem, State]:
    """Do all rounds here; arguments as `prepare`."""
    problem, corpus = prepare(pairs, settings, before)
    state = begin(problem)
    if len(problem.entries.targets):
        for turn in range(rounds(settings)):
            state = improve(problem, count(corpus, problem.entries, state, settings, turn), settings, turn)
    return problem, state


def cut(corpus: Corpus, pairs: int) -> Iterator[Corpus]:
    """Cut a corpus into parts of so many pairs."""
    number = len(corpus.source_offsets) - 1
    for start in range(0, number, pairs):
        stop = min(start + pairs, number)
        sides = []
        for words, offsets in ((corpus.source, corpus.source_offsets), (corpus.target, corpus.target_offsets)):
            sides += [words[offsets[start] : offsets[stop]], offsets[start : stop + 1] - offsets[start]]
        yield Corpus(*sides)


def numbered(sentences: Iterable[Sequence[str]]) -> tuple[list[str], Ints, Longs]:
    """Number the words of sentences by their folded letter case, in the order of the words."""
    found: dict[str, int] = {}
    lengths = [0]

    def met() -> Iterator[int]:
        for sentence in sentences:
            lengths.append(len(sentence))
            for word in sentence:
                yield found.setdefault(word, len(found))

    as_found = np.fromiter(met(), dtype=np.int32)
    folded = [word.casefold() for word in found]
    words = sorted(set(folded))
    ranks = {word: rank for rank, word in enumerate(words)}
    numbers = np.array([ranks[word] for word in folded], dtype=np.int32)
    return words, numbers[as_found], np.cumsum(lengths, dtype=np.int64)


def spelling_classes(sources: Sequence[str], targets: Sequence[str], rows: Ints, columns: Ints) -> NDArray[np.int16]:
    """Give the class of spelling of word pairs: (pairs,) int16 below `CLASSES`."""
    plain = [[fold(word) for word in side] for side in (sources, targets)]
    (a, a_offsets), (b, b_offsets) = (codes_of(side) for side in plain)
    wordless = [np.array([not any(c.isalpha() for c in word) for word in side], dtype=np.bool_) for side in plain]
    out = np.empty(len(rows), dtype=np.int16)
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        some, others = rows[part].astype(np.int64), columns[part].astype(np.int64)
        alike = similarities(a, a_offsets, b, b_offsets, some, others)
        lengths = np.minimum(np.diff(a_offsets)[some], np.diff(b_offsets)[others])
        group = np.searchsorted(np.array(_LENGTHS), lengths, side="right")
        group = np.where(wordless[0][some] | wordless[1][others], len(_LENGTHS) + 1, group)
        out[part] = group * (_STEPS + 1) + np.floor(alike * _STEPS + 1e-6).astype(np.int64)
    return out


def spelling_of(classes: NDArray[np.int16]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the edit similarity, in tenths, and whether a word has no letter, of classes of spelling."""
    return (classes % (_STEPS + 1)) / _STEPS, classes // (_STEPS + 1) == len(_LENGTHS) + 1


def to_bytes(arrays: dict[str, Any]) -> bytes:
    """Lay arrays, and lists of words, out as the bytes of a working file."""
    sink = io.BytesIO()
    plain = {
        name: np.frombuffer(json.dumps(value).encode(), dtype=np.uint8) if isinstance(value, list) else value
        for name, value in arrays.items()
    }
    np.savez(sink, **plain)  # type: ignore[arg-type]
    return sink.getvalue()


def from_bytes(data: bytes) -> dict[str, NDArray[Any]]:
    """Read what `to_bytes` laid out; lists of words are still JSON (`words_of`)."""
    with np.load(io.BytesIO(data)) as found:
        return dict(found)


def problem_bytes(problem: Problem) -> bytes:
    """Lay a problem out as the bytes of a working file."""
    names = ("source_frequencies", "target_frequencies", "source_beginnings", "target_beginnings")
    return to_bytes(
        {
            "sources": problem.sources,
            "targets": problem.targets,
            "offsets": problem.entries.offsets,
            "entries": problem.entries.targets,
            "owners": problem.owners,
            "spelling": problem.spelling,
            **dict(zip(names, (*problem.frequencies, *problem.beginnings), strict=True)),
            "shared": problem.shared,
            "before": problem.before,
        }
    )


def problem_of(data: bytes) -> Problem:
    """Read what `problem_bytes` laid out."""
    found = from_bytes(data)
    return Problem(
        json.loads(found["sources"].tobytes()),
        json.loads(found["targets"].tobytes()),
        index_entries(found["offsets"], found["entries"]),
        found["owners"],
        found["spelling"],
        (found["source_frequencies"], found["target_frequencies"]),
        (found["source_beginnings"], found["target_beginnings"]),
        found["shared"],
        found["before"],
    )


def entries_of(data: bytes) -> Entries:
    """Read the entries alone of what `problem_bytes` laid out."""
    with np.load(io.BytesIO(data)) as found:
        return index_entries(found["offsets"], found["entries"])  # type: ignore[no-any-return]


def state_bytes(state: State) -> bytes:
    """Lay a state out as the bytes of a working file."""
    flat = [*state.forward, *state.backward, *state.classes]
    return to_bytes({str(i): array for i, array in enumerate(flat)})


def state_of(data: bytes) -> State:
    """Read what `state_bytes` laid out."""
    flat = [array for _, array in sorted(from_bytes(data).items(), key=lambda item: int(item[0]))]
    return State(Direction(*flat[:3]), Direction(*flat[3:6]), (flat[6], flat[7]))


def corpus_bytes(corpus: Corpus) -> bytes:
    """Lay a part of the pairs out as the bytes of a working file."""
    return to_bytes(corpus._asdict())


def corpus_of(data: bytes) -> Corpus:
    """Read what `corpus_bytes` laid out."""
    return Corpus(**from_bytes(data))


def counts_bytes(counts: Counts) -> bytes:
    """Lay counts out as bytes; entries that were not counted are left out: a part of the pairs meets few of them."""
    some = np.flatnonzero(counts.words.any(axis=0))
    flat = {name: array for name, array in counts._asdict().items() if name != "words"}
    return to_bytes({"size": np.array(counts.words.shape), "some": some, "words": counts.words[:, some], **flat})


def counts_of(parts: Sequence[bytes]) -> Counts:
    """Read what `counts_bytes` laid out, and add it up."""
    total: Counts | None = None
    for data in parts:
        found = from_bytes(data)
        own = Counts(np.zeros(0, np.int64), *(found[name] for name in Counts._fields[1:]))
        if total is None:
            total = own._replace(words=np.zeros(found["size"], dtype=np.int64))
        else:
            for sums, more in zip(total[1:], own[1:], strict=True):
                np.add(sums, more, out=sums)
        for sums, more in zip(total.words, found["words"], strict=True):
            sums[found["some"]] += more
    assert total is not None, "counts are of one part or more"
    return total


def _beginnings(words: Sequence[str]) -> Ints:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(word[:BEGINNING], len(numbers)) for word in words], dtype=np.int32)


def _of_beginnings(problem: Problem, words: Floats, totals: Floats, side: int) -> tuple[Floats, Floats, Floats]:
    """Give counts of pairs of beginnings and of beginnings, and each generated word's share among those with its own."""
    own, others = problem.beginnings[side], problem.beginnings[1 - side]
    together = np.bincount(problem.shared, weights=words).astype(np.float64)
    alone = np.bincount(own, weights=totals).astype(np.float64)
    among = np.bincount(others, weights=problem.frequencies[1 - side].astype(np.float64))
    share = problem.frequencies[1 - side] / among[others] if len(others) else np.zeros(0)
    return together, alone, np.asarray(share, dtype=np.float64)


@njit(cache=True, nogil=True)
def _numbered_pairs(first: Ints, second: Ints, rows: Ints, columns: Ints) -> Ints:
    """Number the pairs (first[row], second[column]) in the order in which they are met; equal pairs alike."""
    size = 16
    while size < 2 * len(rows):
        size *= 2
    slots = np.full(size, -1, dtype=np.int32)  # a hash table of the first places of pairs
    out = np.empty(len(rows), dtype=np.int32)
    number = 0
    for e in range(len(rows)):
        a, b = first[rows[e]], second[columns[e]]
        slot = ((np.int64(a) * 2654435769) ^ (np.int64(b) * 40503 * 65537)) & (size - 1)
        while slots[slot] >= 0:
            met = slots[slot]
            if first[rows[met]] == a and second[columns[met]] == b:
                break
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = e
            out[e] = number
            number += 1
        else:
            out[e] = out[slots[slot]]
    return out
