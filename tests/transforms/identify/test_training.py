"""Training: parts that do not mix, models that are the same every time, scores that add up."""

import json

import pytest

from schemas.errors import SettingsError
from transforms.identify import Labelled, TrainingPlan, divide, identify_lines, read_labelled, train_identifier
from transforms.identify.training import balanced, class_scores, score_report, train_best


def test_a_model_learns_its_lines(small_model):
    facts = json.loads(small_model.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["labels"] == ["fur", "gsw", "it", "lij"]
    assert facts["test"]["macro_f1"] >= 0.9
    (found,) = identify_lines(["D Chatz isch no nie i d Schuel"], model=str(small_model))
    assert found.tag == "gsw"


def test_training_gives_the_same_bytes_in_any_order(labelled, plan, small_model, tmp_path):
    again = tmp_path / "again.bin"
    train_identifier(divide(labelled[::-1], plan), again, plan)
    assert again.read_bytes() == small_model.read_bytes()


def test_without_an_ending_the_better_kind_is_kept(labelled, plan, tmp_path):
    found, facts = train_best(divide(labelled, plan), tmp_path / "models" / "model", plan)
    assert facts["tried"][found.suffix] == max(facts["tried"].values())
    assert sorted(path.name for path in found.parent.iterdir()) == sorted([found.name, "model.json"])
    (answer,) = identify_lines(["lis fantatis a van a scuele"], model=str(found))
    assert answer.tag == "fur"


def test_without_lines_to_choose_by_no_kind_is_chosen(labelled, plan, tmp_path):
    with pytest.raises(SettingsError, match="no development line"):
        train_best(divide(labelled, plan) | {"dev": []}, tmp_path / "model", plan)


def test_other_spellings_stand_beside_the_lines():
    line = Labelled("lij", "o gatto o l'é in sciô teito")
    made = balanced([line], TrainingPlan(least_lines=0, fragments=False, variations=3))
    assert len(made) == 4
    assert line in made
    assert len({entry.text for entry in made}) > 1


def test_a_linear_model_learns_dev_after_it_was_calibrated(labelled, plan, tmp_path):
    facts = train_identifier(divide(labelled, plan), tmp_path / "m.ngrams", plan)
    assert facts["learned_dev"]
    assert facts["calibration"]["lines"] == facts["dev"]["lines"]


def test_a_very_long_line_is_read_in_part(labelled, plan, tmp_path):
    path = tmp_path / "lines.tsv"
    path.write_text("it\t" + "gatto nero " * 100_000 + "\nlij\tO gatto\n", encoding="utf-8")
    (long, _) = read_labelled(path)
    divided = divide([long], plan)
    assert max(len(line.text) for lines in divided.values() for line in lines) <= 2000


def test_a_line_stands_in_one_part_only(labelled, plan):
    given = [Labelled("lij", "O gatto!", "train"), Labelled("it", "o gatto", "test"), *labelled]
    divided = divide(given, plan)
    texts = {part: {line.text for line in lines} for part, lines in divided.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["dev"]
    assert not texts["dev"] & texts["test"]
    assert "o gatto" in texts["test"]


def test_lines_without_letters_are_left_out(plan):
    assert divide([Labelled("it", "12:30"), Labelled("it", "")], plan) == {"train": [], "dev": [], "test": []}


def test_small_classes_are_repeated_and_large_ones_cut():
    plan = TrainingPlan(least_lines=6, most_lines=10, fragments=False)
    lines = [Labelled("it", f"riga {n}") for n in range(50)] + [Labelled("lij", f"riga {n}") for n in range(2)]
    made = balanced(lines, plan)
    assert sum(line.tag == "it" for line in made) == 10
    assert sum(line.tag == "lij" for line in made) == 6


def test_few_sentences_beside_a_word_list_are_repeated():
    words = [Labelled("oc", f"mot{number}") for number in range(100)]
    sentence = Labelled("oc", "totas las personas naisson liuras e egalas en dignitat")
    plan = TrainingPlan(least_lines=10, least_sentences=8, fragments=False)
    made = balanced([*words, sentence], plan)
    assert made.count(sentence) == 8
    assert len(made) == 108


def test_long_lines_give_a_fragment():
    line = Labelled("it", "uno due tre quattro cinque sei sette otto")
    made = balanced([line], TrainingPlan(least_lines=0))
    assert len(made) == 2
    assert all(entry.text in line.text for entry in made)


def test_one_class_cannot_be_trained(plan, tmp_path):
    lines = [Labelled("it", "una riga", "train")]
    with pytest.raises(SettingsError, match="two varieties at least, got 1"):
        train_identifier(divide(lines, plan), tmp_path / "m.bin", plan)


def test_scores():
    scores = class_scores(["it", "it", "lij", "fur"], ["it", "lij", "lij", "it"])
    assert scores["it"] == (2, 0.5, 0.5, 0.5)
    assert scores["fur"] == (1, None, 0.0, 0.0)
    assert scores["lij"].f1 == pytest.approx(2 / 3)
    report = score_report(["it", "lij"], ["it", "it"])
    assert report["accuracy"] == 0.5
    assert report["confusions"] == [{"truth": "lij", "predicted": "it", "lines": 1}]


def test_read_labelled(tmp_path):
    path = tmp_path / "lines.tsv"
    path.write_text("lij\tO gatto\nit-IT\tIl gatto\ttest\r\nde_CH\tDie Katze\n", encoding="utf-8")
    assert read_labelled(path) == [
        Labelled("lij", "O gatto"),
        Labelled("it", "Il gatto", "test"),
        Labelled("de-CH", "Die Katze"),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"lij O gatto\n", "line 1: expected tag TAB text"),
        (b"lij\tO gatto\n\nit\tx\n", "line 2: expected tag TAB text"),
        (b"lij\tO gatto\nit\t \n", "line 2: the text is empty"),
        (b"qqq\tx\n", "line 1: the variety 'qqq' is not in the registry"),
        ("it\tperché\n".encode("latin-1"), "is not UTF-8"),
        (b"it\tx\tvalidation\n", "line 1: expected tag TAB text"),
    ],
)
def test_wrong_lines_are_named(tmp_path, data, message):
    path = tmp_path / "lines.tsv"
    path.write_bytes(data)
    with pytest.raises(SettingsError, match=message):
        read_labelled(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match="there is no file"):
        read_labelled(tmp_path / "none.tsv")
