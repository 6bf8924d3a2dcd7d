"""Spelling variation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.identify.noise import plain_letters, varied
from transforms.identify.text import prepare_texts

LINES = [
    "o gatto o l'é in sciô teito da casa",
    "lis fantatis a van a scuele ducj i dîs",
    "d chatz isch uf em dach vom huus",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_varies_in_the_same_way_every_time(line):
    assert varied(line) == varied(line)
    assert len({varied(line, turn) for turn in range(10)}) > 3


@pytest.mark.parametrize("line", LINES)
def test_most_letters_stay(line):
    for turn in range(20):
        assert set(plain_letters(varied(line, turn))) <= set(plain_letters(line))
        assert abs(len(varied(line, turn)) - len(line)) <= 6


def test_accents_go_and_letters_stay():
    assert plain_letters("sciô é ñandu ş") == "scio e nandu s"
    assert plain_letters("你好 हिन्दी واش") == "你好 हिन्दी واش"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_varied_line_is_a_line_as_models_read_it(text):
    (read,) = prepare_texts([text], "letters-1")
    if read:
        made = varied(read)
        assert made
        assert "  " not in made
        assert made == made.strip(" ")
