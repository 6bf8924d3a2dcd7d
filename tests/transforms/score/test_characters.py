"""The character model: counts that add up in any cut, and sentences that read as their variety."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.score.characters import CharacterModel, count_texts, merge_counts

# OLDI Seed (CC BY-SA 4.0)
LIGURIAN = [
    "St'evoluçion colturale a l'à un effetto profondo in scî modelli de communitæ.",
    "Ste famigge de sovente piggian de l'influensa pe mezo da seu ricchessa ciù grande.",
    "Di livelli ciù erti de stratificaçion soçiale son comparii inte soçietæ agräie.",
    "Sto chì o l'é produto ancon ciù tanti e importanti aumenti d'effiçiensa.",
    "I studdi de zöna à l'estranxeo in prattica no existeivan.",
    "Di atri programmi grendi e importanti son vegnui apreuvo à quelli do Ford.",
    "Un medium o l'é quarcösa ch'o media a nòstra interaçion co-o mondo ò co-i atri umoen.",
]
ITALIAN = [
    "Questa evoluzione culturale ha un effetto profondo sui modelli di comunità.",
    "Gli studi sulle aree straniere erano praticamente inesistenti.",
]


def model(texts):
    return CharacterModel.of(count_texts(texts))


def test_a_variety_reads_better_under_its_own_model_than_a_neighbour_does():
    ours = model(LIGURIAN).log_probabilities(LIGURIAN).mean()
    theirs = model(LIGURIAN).log_probabilities(ITALIAN).mean()
    assert theirs < ours < 0


def test_letters_in_disorder_read_worse():
    learned = model(LIGURIAN)
    straight, turned = learned.log_probabilities([LIGURIAN[0], LIGURIAN[0][::-1]])
    assert turned < straight - 1


def test_a_sentence_does_not_vouch_for_itself():
    alone = model([LIGURIAN[0]]).log_probabilities([LIGURIAN[0]])[0]
    nothing = model([]).log_probabilities([LIGURIAN[0]])[0]
    assert alone == pytest.approx(nothing)
    twice = model([LIGURIAN[0]] * 2).log_probabilities([LIGURIAN[0]])[0]
    assert twice > alone + 1


def test_what_has_no_characters_has_no_fluency():
    assert np.isnan(model(LIGURIAN).log_probabilities(["", " \n"])).all()
    assert len(model(LIGURIAN).log_probabilities([])) == 0
    assert count_texts([]).num_rows == 0


def test_letter_case_and_white_space_do_not_count():
    learned = model(LIGURIAN)
    there, back = learned.log_probabilities([LIGURIAN[1], LIGURIAN[1].upper().replace(" ", "\n ")])
    assert there == pytest.approx(back)


@given(st.lists(st.text(max_size=30), max_size=8), st.integers(0, 8))
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(texts, cut):
    parts = [count_texts(texts[:cut]), count_texts(texts[cut:])]
    assert merge_counts(parts).equals(count_texts(texts))
    assert merge_counts(parts[::-1]).equals(count_texts(texts))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_a_texts_value_does_not_depend_on_the_others_asked_with_it(texts):
    learned = model([*LIGURIAN, *texts])
    together = learned.log_probabilities(texts)
    alone = [learned.log_probabilities([text])[0] for text in texts]
    assert together.tolist() == pytest.approx(alone, nan_ok=True)
    assert all(value < 0 or np.isnan(value) for value in together)
