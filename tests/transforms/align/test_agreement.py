"""Learning by agreement: candidates, exact counts, rounds, links."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from transforms.align import AlignSettings, tokenize
from transforms.align.agreement import UNIT, find_cells, find_entries
from transforms.align.backends.association import association_table
from transforms.align.learning import (
    begin,
    count,
    counts_bytes,
    counts_of,
    cut,
    improve,
    learn,
    numbered,
    prepare,
    problem_bytes,
    problem_of,
    rounds,
    sample,
    state_bytes,
    state_of,
)
from transforms.common.hmm import Corpus

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN

SETTINGS = AlignSettings()
WORDS = [(tokenize(source), tokenize(target)) for source, target in LIGURIAN_ITALIAN + FRIULIAN_ITALIAN]
SENTENCES = st.lists(st.tuples(*[st.lists(st.sampled_from("abcdef"), max_size=5)] * 2), max_size=6)


def corpus_of(pairs):
    (sources, source, source_offsets), (targets, target, target_offsets) = (
        numbered([pair[side] for pair in pairs]) for side in (0, 1)
    )
    return Corpus(source, source_offsets, target, target_offsets), sources, targets


@given(SENTENCES)
@hypothesis_settings(max_examples=40, deadline=None)
def test_entries_are_the_word_pairs_that_meet(pairs):
    corpus, sources, targets = corpus_of(pairs)
    entries = find_entries(corpus, len(sources), len(targets), 100)
    owners = np.repeat(np.arange(len(sources)), np.diff(entries.offsets))
    found = {(sources[s], targets[t]) for s, t in zip(owners, entries.targets, strict=True)}
    assert found == {(a, b) for source, target in pairs for a in source for b in target}
    for p, (source, target) in enumerate(pairs):
        cells = find_cells(corpus, entries, p)
        assert [[(sources[owners[c]], targets[entries.targets[c]]) for c in row] for row in cells] == [
            [(a, b) for b in target] for a in source
        ]


def test_a_limit_keeps_the_closest_words_of_each_side_and_all_of_a_rare_word():
    pairs = [(["casa", "de", "rare"], ["ca", "di", "raro"])] + [(["casa", "de"], ["ca", "di"])] * 3 + [(["de"], ["di"])]
    corpus, sources, targets = corpus_of(pairs)
    entries = find_entries(corpus, len(sources), len(targets), 1)
    owners = np.repeat(np.arange(len(sources)), np.diff(entries.offsets))
    found = {(sources[s], targets[t]) for s, t in zip(owners, entries.targets, strict=True)}
    assert {("casa", "ca"), ("de", "di"), ("rare", "raro")} <= found
    assert ("casa", "di") not in found
    cells = find_cells(corpus, entries, 0)
    assert cells[sources.index("casa"), 1] == -1


def test_counts_do_not_depend_on_how_the_pairs_are_cut_or_ordered():
    problem, corpus = prepare(WORDS, SETTINGS)
    state = begin(problem)
    for turn in range(rounds(SETTINGS)):
        whole = count(corpus, problem.entries, state, SETTINGS, turn)
        parts = [count(part, problem.entries, state, SETTINGS, turn) for part in cut(corpus, 5)]
        summed = counts_of([counts_bytes(part) for part in reversed(parts)])
        assert all(np.array_equal(a, b) for a, b in zip(whole, summed, strict=True))
        state = improve(problem, summed, SETTINGS, turn)
    learned = learn(WORDS, SETTINGS)[1]
    assert np.array_equal(learned.forward.words, state.forward.words)


def test_every_word_is_counted_once():
    problem, corpus = prepare(WORDS, SETTINGS)
    counts = count(corpus, problem.entries, begin(problem), SETTINGS, 0)
    for side, null, number in (
        (0, counts.target_null, len(corpus.target)),
        (1, counts.source_null, len(corpus.source)),
    ):
        assert (counts.words[side].sum() + null.sum()) / UNIT == pytest.approx(number, rel=1e-6)


def test_problem_and_state_come_back_from_their_bytes():
    problem, state = learn(WORDS, SETTINGS)
    assert association_table(problem_of(problem_bytes(problem)), state_of(state_bytes(state))).equals(
        association_table(problem, state)
    )


def test_beginnings_link_the_forms_of_a_word():
    pairs = [([f"kant{e}", f"blus{e}"], [f"mora{e}", f"pilo{e}"]) for e in ("as", "is", "os", "us")]
    pairs += [([f"kant{e}"], [f"mora{e}"]) for e in ("an", "in", "on")]
    plain, helped = (AlignSettings(beginnings=weight, orthography=0.0) for weight in (0.0, 10.0))

    def probability(settings):
        problem, state = learn(pairs, settings)
        source, target = problem.sources.index("kantas"), problem.targets.index("moraas")
        row = slice(problem.entries.offsets[source], problem.entries.offsets[source + 1])
        return dict(zip(problem.entries.targets[row].tolist(), state.forward.words[row].tolist(), strict=True))[target]

    assert probability(helped) > probability(plain)


def test_a_sample_is_chosen_by_content_and_keeps_the_order():
    settings = AlignSettings(learn_pairs=7)
    chosen = sample(WORDS, settings)
    assert len(chosen) == 7
    assert [pair for pair in WORDS if pair in chosen] == chosen
    assert sorted(sample(WORDS[::-1], settings)) == sorted(chosen)
    assert sample(WORDS, AlignSettings(learn_pairs=0)) == WORDS


def test_only_the_sample_is_laid_out():
    assert len(prepare(WORDS, AlignSettings(learn_pairs=5))[1].source_offsets) == 6
