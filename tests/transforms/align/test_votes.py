"""Votes of several aligners: what they are worth, and what becomes of them."""

import msgspec
import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.align import AlignSettings, make_aligner, tokenize
from transforms.align.votes import CLASSES, worth_of_votes

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN

PAIRS = [(tokenize(source), tokenize(target)) for source, target in LIGURIAN_ITALIAN + FRIULIAN_ITALIAN]
LINK = CLASSES - 1


def judged(cells, share_right, seed=3):
    """Invent cells that a measure knows: which are right, and the votes of one who knows and one who does not."""
    random = np.random.default_rng(seed)
    right = random.random(cells) < share_right
    measured = np.where(right, 0.95, 0.05)
    return right, measured, random


def test_a_vote_is_worth_what_it_tells_right_links_from_wrong_ones():
    right, measured, random = judged(4000, 0.5)
    knows, guesses = right & (random.random(4000) < 0.9), random.random(4000) < 0.5
    worth = worth_of_votes(LINK * np.array([knows, guesses]), measured, 4000)
    assert worth[0, LINK] > 1 > -1 > worth[0, 0]
    assert abs(worth[1, LINK]) < 0.2
    assert abs(worth[1, 0]) < 0.2


def test_a_vote_that_was_hardly_seen_is_worth_little_and_one_never_seen_nothing():
    right, measured, _ = judged(4000, 0.5)
    many = worth_of_votes(LINK * right[None], measured, 4000)
    few = worth_of_votes(LINK * right[None, :8], measured[:8], 8)
    assert 0 < few[0, LINK] < 0.5 * many[0, LINK]
    assert np.all(many[0, 1:LINK] == 0)
    assert np.all(worth_of_votes(np.zeros((2, 0), dtype=int), np.zeros(0), 0) == 0)


def test_cells_that_nobody_links_speak_against_who_links_much():
    _, measured, _ = judged(400, 0.5)
    everything = np.full((1, 400), LINK)
    assert worth_of_votes(everything, measured, 100_000)[0, LINK] > worth_of_votes(everything, measured, 400)[0, LINK]


@pytest.mark.parametrize(
    ("name", "said"), [("association+association", "twice"), ("association+giza", "giza"), ("giza+association", "giza")]
)
def test_names_that_cannot_vote_stop_the_launch(name, said):
    settings = AlignSettings(aligner=name)
    from transforms.align.votes import Votes

    for refuse in (Votes, Votes.check):
        with pytest.raises(SettingsError, match=said):
            refuse(settings)


@pytest.mark.parametrize("name", ["", "+", "association+", "+simalign", "association++simalign", "a b"])
def test_what_is_no_list_of_names_is_refused(name):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"aligner": name}, AlignSettings)


@pytest.mark.models
def test_what_was_learned_can_be_loaded_elsewhere_and_gives_the_same_links(bert):
    pytest.importorskip("torch")
    settings = AlignSettings(aligner="association+simalign", model=bert, layer=2, device="cpu")
    first, second = make_aligner(settings), make_aligner(settings)
    learned = first.train(PAIRS)
    assert learned == second.train(PAIRS)
    second.load(learned)
    first.load(learned)
    found = first.align(PAIRS)
    assert found == second.align(PAIRS)
    assert [second.align([pair])[0] for pair in PAIRS] == found
    assert all(settings.threshold <= link.probability <= 1 for links in found for link in links)


@pytest.mark.models
def test_an_aligner_that_links_the_same_makes_links_surer(bert):
    pytest.importorskip("torch")
    alone = make_aligner(AlignSettings(aligner="association")).align(PAIRS)
    together = make_aligner(
        AlignSettings(aligner="association+simalign", model=bert, layer=1, token_type="word", device="cpu")
    ).align(PAIRS)
    before, after = (
        {(p, *link[:2]): link.probability for p, links in enumerate(found) for link in links}
        for found in (alone, together)
    )
    assert before != after
    assert max(after.values()) > max(before.values())
