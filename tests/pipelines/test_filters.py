"""The filters of the command line on plain files: formats, awkward bytes, exit statuses."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.cli import main, make_parser
from transforms.identify import Labelled, TrainingPlan, train_identifier

LIGURIAN = ["O l’é un bello giorno de sô.", "A Zena gh’é o mâ e o pòrto.", "Me piaxe o pesto co-e trenette."]
ITALIAN = ["Mi piace il pesto con le trenette.", "È una bella giornata di sole.", "A Genova c’è il mare e il porto."]
INVALID = b"perch\xe9 l\xff\xfe"
BOM = b"\xef\xbb\xbf"
FILTERS = ("extract", "segment", "identify", "pair", "align", "lexicon", "score")
TOOLS = ("varieties", "inspect", "export", "takedown", "train-identifier")
PAGE = """<!DOCTYPE html><html lang="lij"><head><title>Zena</title><link rel="canonical" href="https://example.org/zena">
<link rel="alternate" hreflang="it" href="https://example.org/it/genova"></head><body><nav><a href="/">Prinçipio</a></nav>
<article><h1>Zena</h1><p>Zena a l’é a capitale da Liguria, con ciù de çinqueçentomia abitanti e un gran pòrto in sciô mâ.</p>
<p>A çittæ a l’é conosciua inte tutto o mondo pe-o pesto, a fugassa e o sò çentro stòrico fæto de caroggi.</p></article>
</body></html>"""


class Answer(NamedTuple):
    status: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        assert self.status == 0, self.err
        assert not self.out or self.out.endswith(b"\n")
        return self.out.decode("utf-8").split("\n")[:-1]

    @property
    def cells(self) -> list[list[str]]:
        return [line.split("\t") for line in self.lines]


class _Stream(io.TextIOWrapper):
    """Standard output that a test can read, though the program may close it."""

    def close(self) -> None:
        self.flush()


@pytest.fixture
def isogloss(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run the command line in this process, with byte streams in place of the terminal's."""

    def run(*arguments: object, stdin: bytes | str = b"") -> Answer:
        data = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
        out, err = io.BytesIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        monkeypatch.setattr(sys, "stdout", _Stream(out, encoding="utf-8"))
        monkeypatch.setattr(sys, "stderr", err)
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # argparse: --help, or an argument that it refuses
            status = int(ended.code or 0)
        sys.stdout.flush()
        return Answer(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two files of lines that say the same in another order."""
    return write(tmp_path / "lij.txt", LIGURIAN), write(tmp_path / "it.txt", ITALIAN)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def as_pairs() -> str:
    """The true pairs as lines of TSV."""
    order = (1, 2, 0)
    return "".join(f"{LIGURIAN[i]}\t{ITALIAN[order[i]]}\n" for i in range(3))


# Help and what all share ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS + TOOLS)
def test_help_says_what_it_does_with_an_example(isogloss, name):
    answer = isogloss(name, "--help")
    assert answer.status == 0
    text = answer.out.decode()
    examples = re.search(r"^examples?:\n((?:  .+\n)+)", text, flags=re.MULTILINE)
    assert examples, text
    assert all(line.strip().startswith("isogloss ") for line in examples.group(1).splitlines())
    assert f"isogloss {name}" in examples.group(1)


@pytest.mark.parametrize("name", [*FILTERS, *TOOLS, "build", "crawl", "prepare", "mine", "publish", "demo"])
def test_the_examples_of_the_help_are_commands_that_the_parser_takes(isogloss, name):
    text = isogloss(name, "--help").out.decode()
    for line in re.findall(r"^  isogloss (.+)$", text, flags=re.MULTILINE):
        words = re.split(r" [<>|] ", line)[0].split(" -- ")[0].split()
        assert make_parser().parse_args(words).command == name


def test_without_a_command_the_help_is_shown(isogloss):
    answer = isogloss()
    assert answer.status == 0
    assert all(f"\n  {name} " in answer.out.decode() for name in FILTERS + TOOLS)


def test_an_unknown_command_ends_with_status_2(isogloss):
    answer = isogloss("identfy")
    assert answer.status == 2
    assert "identfy" in answer.err


@pytest.mark.parametrize("name", ["segment", "identify", "align", "score", "lexicon", "extract"])
def test_a_missing_file_ends_with_status_2_and_its_name(isogloss, tmp_path, name):
    answer = isogloss(name, tmp_path / "nowhere.txt")
    assert answer.status == 2
    assert "nowhere.txt" in answer.err
    assert answer.out == b""


def test_a_folder_in_place_of_a_file_ends_with_status_2(isogloss, tmp_path):
    assert isogloss("identify", tmp_path).status == 2
    assert isogloss("extract", tmp_path).status == 2


@pytest.mark.parametrize("name", ["segment", "identify", "align", "lexicon"])
def test_nothing_in_nothing_out(isogloss, name):
    assert isogloss(name).lines == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("segment", "--variety", "ligurain"),
        ("identify", "--expect", "it,ligurain"),
        ("pair", "a", "b", "--source-variety", "ligurain"),
        ("score", "--source-variety", "ligurain"),
    ],
)
def test_an_unknown_variety_ends_with_status_2_and_the_cure(isogloss, arguments, sides, monkeypatch):
    monkeypatch.chdir(sides[0].parent)
    for name, side in zip("ab", sides, strict=True):
        Path(name).write_bytes(side.read_bytes())
    answer = isogloss(*arguments, stdin=as_pairs())
    assert answer.status == 2
    assert "ligurain" in answer.err
    assert "isogloss varieties" in answer.err
    assert answer.out == b""


@pytest.mark.parametrize("name", FILTERS)
def test_beam_flags_have_no_place_here(isogloss, name):
    answer = isogloss(name, "--", "--runner=DirectRunner")
    assert answer.status == 2


# extract -------------------------------------------------------------------------------------------------


def test_extract_gives_a_json_object_a_page(isogloss, tmp_path):
    page = tmp_path / "zena.html"
    page.write_text(PAGE, encoding="utf-8")
    row = json.loads(isogloss("extract", page).lines[0])
    assert row["file"] == str(page)
    assert row["url"] == "https://example.org/zena"
    assert row["title"] == "Zena"
    assert row["language"] == "lij"
    assert row["alternates"] == [{"tag": "it", "url": "https://example.org/it/genova"}]
    assert "Zena a l’é a capitale da Liguria" in row["text"]
    assert "Prinçipio" not in row["text"]


def test_extract_reads_standard_input_and_takes_a_url(isogloss):
    row = json.loads(isogloss("extract", "--url", "https://example.org/a", stdin=PAGE).lines[0])
    assert (row["file"], row["url"]) == ("-", "https://example.org/a")


def test_extract_names_a_page_without_text_and_goes_on(isogloss, tmp_path):
    (tmp_path / "empty.html").write_bytes(b"")
    (tmp_path / "good.html").write_text(PAGE, encoding="utf-8")
    bad, good = (
        json.loads(line) for line in isogloss("extract", tmp_path / "empty.html", tmp_path / "good.html").lines
    )
    assert bad["error"].startswith("empty")
    assert "text" not in bad
    assert good["title"] == "Zena"


def test_extract_has_status_1_when_no_page_has_text(isogloss):
    answer = isogloss("extract")
    assert answer.status == 1
    assert "error" in json.loads(answer.out)


def test_extract_reads_a_page_that_is_no_utf_8(isogloss):
    page = PAGE.replace('<html lang="lij">', '<html lang="lij"><meta charset="windows-1252">')
    row = json.loads(isogloss("extract", stdin=page.encode("windows-1252")).lines[0])
    assert "Zena a l’é a capitale" in row["text"]


def test_extract_takes_one_page_with_a_url(isogloss, tmp_path):
    assert isogloss("extract", "--url", "https://example.org/", tmp_path / "a", tmp_path / "b").status == 2


# segment -------------------------------------------------------------------------------------------------


def test_segment_gives_a_sentence_a_line(isogloss):
    text = "O l’é un bello giorno. Ti vegni? Scì!\n\n   \nA Zena gh’é o mâ"
    expected = ["O l’é un bello giorno.", "Ti vegni?", "Scì!", "A Zena gh’é o mâ"]
    assert isogloss("segment", "--variety", "lij", stdin=text).lines == expected


def test_segment_takes_an_alias_of_a_variety(isogloss):
    """Alemannic is `als` on Wikipedia; its rules are those of German, which knows `z. B.`."""
    line = "Er het z. B. e Hund. Dä isch brav."
    expected = ["Er het z. B. e Hund.", "Dä isch brav."]
    assert isogloss("segment", "--variety", "gsw", stdin=line).lines == expected


def test_segment_passes_invalid_bytes_through(isogloss):
    answer = isogloss("segment", stdin=b"Uno. " + INVALID + b" due.\n")
    assert answer.status == 0
    assert b"".join(answer.out.split()) == b"Uno." + b"".join(INVALID.split()) + b"due."


def test_segment_reads_files_in_order(isogloss, sides):
    assert isogloss("segment", *sides).lines == LIGURIAN + ITALIAN


def test_segment_drops_mark_and_carriage_return(isogloss):
    assert isogloss("segment", stdin=BOM + "Ciæo.\r\nScì.\r\n".encode()).out == "Ciæo.\nScì.\n".encode()


# identify ------------------------------------------------------------------------------------------------


def test_identify_gives_tag_probability_and_line(isogloss):
    cells = isogloss("identify", stdin="\n".join([*LIGURIAN, *ITALIAN]) + "\n").cells
    assert [row[0] for row in cells] == ["lij"] * 3 + ["it"] * 3
    assert [row[2] for row in cells] == LIGURIAN + ITALIAN
    assert all(re.fullmatch(r"[01]\.\d{4}", row[1]) and float(row[1]) > 0.5 for row in cells)


def test_identify_gives_a_line_for_every_line(isogloss):
    answer = isogloss("identify", stdin="\n  \n1234\nCiæo a tutti, comme a va?\n".encode())
    assert [row[-1] for row in answer.cells] == ["", "  ", "1234", "Ciæo a tutti, comme a va?"]
    assert answer.cells[0][:2] == ["und", ""]


def test_identify_gives_as_many_varieties_as_asked_for(isogloss):
    rows = isogloss("identify", "--top", "3", stdin=f"{LIGURIAN[0]}\n\n").cells
    assert [len(row) for row in rows] == [7, 7]
    assert rows[0][0] == "lij"
    probabilities = [float(rows[0][i]) for i in (1, 3, 5)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) <= 1.001


@pytest.mark.parametrize("top", ["0", "-1", "two"])
def test_identify_refuses_a_top_that_is_no_number_of_varieties(isogloss, top):
    answer = isogloss("identify", "--top", top)
    assert answer.status == 2
    assert "--top" in answer.err


def test_identify_keeps_to_what_is_expected(isogloss):
    tags = {row[0] for row in isogloss("identify", "--expect", "fur,it", stdin="\n".join(LIGURIAN)).cells}
    assert tags <= {"fur", "it", "und"}


def test_identify_passes_invalid_bytes_through(isogloss):
    answer = isogloss("identify", stdin=INVALID + b"\n" + LIGURIAN[0].encode() + b"\n")
    first, second = answer.out.split(b"\n")[:2]
    assert first.endswith(b"\t" + INVALID)
    assert second.startswith(b"lij\t")


def test_identify_keeps_tabs_nuls_and_odd_separators_within_a_line(isogloss):
    line = "uno\tdue\x00tre\u2028quattro\x0bcinque\x85"
    answer = isogloss("identify", stdin=f"{line}\n")
    assert answer.out.count(b"\n") == 1
    assert answer.out.decode().endswith(f"\t{line}\n")


def test_identify_drops_mark_and_carriage_return(isogloss):
    plain, dressed = (
        isogloss("identify", stdin=LIGURIAN[0]),
        isogloss("identify", stdin=BOM + f"{LIGURIAN[0]}\r\n".encode()),
    )
    assert plain.out == dressed.out


def test_identify_refuses_a_model_that_is_not_there_or_is_none(isogloss, tmp_path):
    missing = isogloss("identify", "--model", tmp_path / "no.ftz", stdin="x\n")
    assert missing.status == 2
    assert "no.ftz" in missing.err
    (tmp_path / "broken.ftz").write_bytes(b"this is no model")
    assert isogloss("identify", "--model", tmp_path / "broken.ftz", stdin="x\n").status == 2


def test_identify_tells_a_short_line_by_its_neighbours(isogloss):
    page = "\n".join([*LIGURIAN, "A casa", *LIGURIAN, "", "A casa", *ITALIAN]) + "\n"
    alone, around = isogloss("identify", stdin=page).cells, isogloss("identify", "--context", stdin=page).cells
    assert [row[-1] for row in around] == [row[-1] for row in alone]
    assert alone[3][:2] == alone[8][:2]
    assert (around[3][0], around[8][0]) == ("lij", "it")


def test_identify_prints_every_column(isogloss):
    mixed = (
        "Il gatto è salito sul tetto della casa, e poi ha detto che non voleva scendere the cat is on the roof of the "
        "house and does not want to come down"
    )
    header, first, second, third = isogloss("identify", "--all", stdin=f"{LIGURIAN[0]}\n\n{mixed}\n").cells
    rows = [dict(zip(header, row, strict=True)) for row in (first, second, third)]
    assert [row["line"] for row in rows] == [LIGURIAN[0], "", mixed]
    assert (rows[0]["variety"], rows[0]["own_variety"]) == ("lij", "lij")
    assert float(rows[0]["dialectness"]) > 0.9
    assert set(rows[1].values()) == {"und", ""}
    assert float(rows[2]["mixed_probability"]) > 0.5
    assert (rows[2]["variety"], rows[2]["mixed_variety"]) == ("it", "en")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--among", "lij,it"), "--among goes with --then"),
        (("--all", "--top", "2"), "--all prints one variety"),
        (("--then", "nowhere.ngrams"), "there is no model file"),
        (("--then", "nowhere.ngrams", "--among", "klingon"), "'klingon' is not in the registry"),
    ],
)
def test_identify_refuses_what_does_not_go_together(isogloss, arguments, message):
    answer = isogloss("identify", *arguments, stdin="x\n")
    assert answer.status == 2
    assert message in answer.err


def test_identify_reads_a_line_of_a_megabyte_and_lines_of_another_encoding(isogloss):
    long = "o gatto o l’é in sciô teito da casa " * 30_000
    utf16 = LIGURIAN[0].encode("utf-16")
    answer = isogloss("identify", "--all", stdin=long.encode() + b"\n" + utf16 + b"\n" + INVALID + b"\n")
    assert answer.status == 0, answer.err
    _, first, *others = answer.out.split(b"\n")[:-1]
    assert len(long.encode()) > 1_000_000
    assert first.startswith(b"lij\t")
    assert first.endswith(b"\t" + long.encode())
    assert b"\n".join(row.rsplit(b"\t", 1)[-1] for row in others) == utf16 + b"\n" + INVALID


def test_identify_refuses_a_model_without_a_label_that_the_registry_knows(isogloss, tmp_path):
    model = tmp_path / "strange.ngrams"
    labelled = [
        Labelled(tag, f"{text} {n}", "train") for tag, text in (("qqa", "uno due"), ("qqb", "one two")) for n in "abc"
    ]
    train_identifier({"train": labelled, "dev": [], "test": []}, model, TrainingPlan())
    answer = isogloss("identify", "--model", model, stdin="uno due\n")
    assert answer.status == 2
    assert "knows none of the model's labels, such as qqa, qqb" in answer.err
    assert isogloss("identify", "--then", model, stdin="uno due\n").status == 2


# pair ----------------------------------------------------------------------------------------------------


def test_pair_finds_the_lines_that_say_the_same(isogloss, sides):
    rows = isogloss("pair", *sides).cells
    assert {(row[1], row[2]) for row in rows} == {("1", "2"), ("2", "3"), ("3", "1")}
    for score, a, b, source, target in rows:
        assert re.fullmatch(r"\d+\.\d{4}", score)
        assert (source, target) == (LIGURIAN[int(a) - 1], ITALIAN[int(b) - 1])
    scores = [float(row[0]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_pair_counts_lines_from_one_with_the_empty_ones_and_uses_a_line_once(isogloss, tmp_path, sides):
    source = write(tmp_path / "gaps.txt", ["", LIGURIAN[0], "   ", LIGURIAN[0], LIGURIAN[1]])
    assert {row[1] for row in isogloss("pair", source, sides[1]).cells} == {"2", "5"}


def test_pair_keeps_its_columns_where_a_line_has_tabs(isogloss, tmp_path, sides):
    source = write(tmp_path / "tabs.txt", [line.replace(" ", "\t", 1) for line in LIGURIAN])
    rows = isogloss("pair", source, sides[1]).cells
    assert len(rows) == 3
    assert all(len(row) == 5 for row in rows)


@pytest.mark.parametrize("retrieval", ["forward", "backward", "intersect", "max", "union"])
@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
def test_pair_takes_every_margin_with_every_retrieval(isogloss, sides, retrieval, margin):
    rows = isogloss("pair", "--retrieval", retrieval, "--margin", margin, "--threshold", "-1", "--k", "2", *sides).cells
    assert {("1", "2"), ("2", "3"), ("3", "1")} <= {(row[1], row[2]) for row in rows}


def test_pair_leaves_out_what_is_below_the_threshold(isogloss, sides):
    scores = [float(row[0]) for row in isogloss("pair", *sides).cells]
    least = sorted(scores)[1]
    kept = isogloss("pair", "--threshold", str(least - 0.0001), *sides).cells
    assert [float(row[0]) for row in kept] == [score for score in scores if score >= least]


def test_pair_of_an_empty_file_is_empty(isogloss, tmp_path, sides):
    empty = write(tmp_path / "empty.txt", [])
    assert isogloss("pair", empty, sides[1]).lines == []
    assert isogloss("pair", sides[0], empty).lines == []


def test_pair_passes_invalid_bytes_through(isogloss, tmp_path, sides):
    source = tmp_path / "invalid.txt"
    source.write_bytes(b"\n".join([LIGURIAN[0].encode() + INVALID, LIGURIAN[1].encode()]))
    answer = isogloss("pair", source, sides[1])
    assert LIGURIAN[0].encode() + INVALID in answer.out


@pytest.mark.parametrize("arguments", [("--k", "0"), ("--encoder", "lasre"), ("--margin", "ration")])
def test_pair_refuses_settings_that_make_no_sense(isogloss, sides, arguments):
    answer = isogloss("pair", *arguments, *sides)
    assert answer.status == 2
    assert answer.out == b""


def test_pair_names_a_file_that_is_missing(isogloss, sides, tmp_path):
    answer = isogloss("pair", sides[0], tmp_path / "nowhere.txt")
    assert answer.status == 2
    assert "nowhere.txt" in answer.err


# align ---------------------------------------------------------------------------------------------------


def test_align_gives_pharaoh_links_a_line_a_pair(isogloss):
    lines = isogloss("align", stdin=as_pairs()).lines
    assert len(lines) == 3
    assert all(re.fullmatch(r"\d+-\d+( \d+-\d+)*", line) for line in lines)
    assert "0-0" in lines[1].split()  # A Zena - A Genova


def test_align_gives_probabilities(isogloss):
    for line in isogloss("align", "--probabilities", stdin=as_pairs()).lines:
        for link in line.split():
            found = re.fullmatch(r"\d+-\d+:(\d\.\d{4})", link)
            assert found
            assert 0 <= float(found[1]) <= 1


def test_align_gives_the_same_links_with_and_without_probabilities(isogloss):
    plain = isogloss("align", stdin=as_pairs()).out.decode()
    assert re.sub(r":\d\.\d{4}", "", isogloss("align", "--probabilities", stdin=as_pairs()).out.decode()) == plain


def test_align_links_the_words_of_tokenized_text(isogloss):
    line = "l’ é bello .\tè bello .\n"
    source, target, links = isogloss("align", "--tokenized", "--tokens", stdin=line).cells[0]
    assert (source, target) == ("l’ é bello .", "è bello .")
    assert {"2-1", "3-2"} <= set(links.split())


def test_align_cuts_words_itself(isogloss):
    source, target, _ = isogloss("align", "--tokens", stdin="O l’é bello.\tÈ bello.\n").cells[0]
    assert source.endswith("bello .")
    assert target == "È bello ."


def test_align_reads_what_pair_prints(isogloss, tmp_path, sides):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_bytes(isogloss("pair", *sides).out)
    assert len(isogloss("align", pairs).lines) == 3


def test_align_gives_an_empty_line_for_an_empty_one(isogloss):
    lines = isogloss("align", stdin=as_pairs() + "\n" + "\t\n" + "Scì\t\n").lines
    assert lines[3:] == ["", "", ""]


def test_align_refuses_a_line_of_one_column_and_names_it(isogloss):
    answer = isogloss("align", stdin=as_pairs() + "no tab here\n")
    assert answer.status == 2
    assert "line 4" in answer.err
    assert answer.out == b""


def test_align_refuses_an_aligner_that_is_none(isogloss):
    assert isogloss("align", "--aligner", "gizza", stdin=as_pairs()).status == 2


def test_align_takes_invalid_bytes_and_carriage_returns(isogloss):
    answer = isogloss("align", stdin=BOM + INVALID + b"\t" + INVALID + b"\r\n")
    assert answer.status == 0
    assert answer.lines[0].split()[0] == "0-0"


# lexicon -------------------------------------------------------------------------------------------------


def test_lexicon_gives_source_target_probability_count(isogloss):
    rows = isogloss("lexicon", stdin=as_pairs()).cells
    assert rows
    assert all(len(row) == 4 and 0 <= float(row[2]) <= 1 and int(row[3]) >= 1 for row in rows)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


# score ---------------------------------------------------------------------------------------------------


def test_score_gives_a_table_with_a_header(isogloss):
    header, *rows = isogloss("score", stdin=as_pairs()).cells
    assert header[-2:] == ["source", "target"]
    assert {"length_ratio", "copy", "number_agreement", "url_agreement", "orthographic_similarity"} <= set(header)
    assert len(rows) == 3
    assert all(len(row) == len(header) for row in rows)
    assert [row[-2] for row in rows] == LIGURIAN


def test_score_gives_only_the_scores_that_are_asked_for(isogloss):
    header, *rows = isogloss(
        "score", "--scores", "length_ratio,number_agreement", stdin="Àn 12 gatti\tHa 12 gatti\n"
    ).cells
    assert header == ["length_ratio", "number_agreement", "source", "target"]
    assert float(rows[0][1]) == 1.0


def test_score_leaves_a_field_empty_where_nothing_is_known(isogloss):
    header, row = isogloss("score", "--scores", "number_agreement,identification", stdin="Ciæo\tCiao\n").cells
    assert header[:2] == ["identification", "number_agreement"]
    assert row[:2] == ["", ""]


def test_score_measures_identification_where_varieties_are_claimed(isogloss):
    arguments = ("--scores", "identification", "--source-variety", "lij", "--target-variety", "it")
    _, right, swapped = isogloss(
        "score", *arguments, stdin=f"{as_pairs().splitlines()[0]}\n{ITALIAN[0]}\t{LIGURIAN[0]}\n"
    ).cells
    assert float(right[0]) > 0.5 > float(swapped[0])


def test_score_takes_an_empty_line(isogloss):
    header, _, empty = isogloss("score", stdin=as_pairs().splitlines()[0] + "\n\n").cells
    assert len(empty) == len(header)


def test_score_of_nothing_is_a_header(isogloss):
    assert len(isogloss("score").lines) == 1


def test_score_lists_what_the_scores_mean(isogloss):
    rows = {row[0]: row[1:] for row in isogloss("score", "--list").cells}
    assert {"copy", "length_ratio"} <= rows.keys()
    assert all(len(row) == 3 and all(row) for row in rows.values())


def test_score_refuses_a_score_that_is_none(isogloss):
    answer = isogloss("score", "--scores", "lenght_ratio", stdin=as_pairs())
    assert answer.status == 2
    assert "lenght_ratio" in answer.err


# varieties, train-identifier -----------------------------------------------------------------------------


def test_varieties_are_listed_and_searched(isogloss):
    everything, some = isogloss("varieties").cells, isogloss("varieties", "ligur").cells
    assert len(everything) > 100
    assert all(len(row) == 6 and all(row) for row in everything)
    assert "lij" in {row[0] for row in some}
    assert len(some) < 5


def test_varieties_as_json_tell_everything(isogloss):
    first, *others = (json.loads(line) for line in isogloss("varieties", "--json", "als").lines)
    assert first["tag"] == "als"
    assert {"name": "als", "source": "wikipedia"} in next(row for row in others if row["tag"] == "gsw")["aliases"]


def test_varieties_has_status_1_where_nothing_is_found(isogloss):
    assert isogloss("varieties", "no such variety").status == 1


def test_an_identifier_can_be_trained_and_used(isogloss, tmp_path):
    from pipelines.demo.sample import load_sample

    labelled = tmp_path / "labelled.tsv"
    chosen = [line for line in load_sample() if line.tag in ("lij", "fur")]
    labelled.write_text("".join(f"{line.tag}\t{line.text}\n" for line in chosen[::8]), encoding="utf-8")
    model = tmp_path / "small.ftz"
    trained = isogloss("train-identifier", labelled, "-o", model, "--set", "epochs=3", "--set", "buckets=5000")
    assert trained.status == 0, trained.err
    assert model.stat().st_size > 1000
    assert [row[0] for row in isogloss("identify", "--model", model, stdin="\n".join(LIGURIAN)).cells] == ["lij"] * 3


def test_training_on_a_file_that_is_missing_or_malformed_ends_with_status_2(isogloss, tmp_path):
    model = tmp_path / "m.ftz"
    missing = isogloss("train-identifier", tmp_path / "nowhere.tsv", "-o", model)
    assert missing.status == 2
    assert "nowhere.tsv" in missing.err
    bad = write(tmp_path / "bad.tsv", ["no tab here"])
    assert isogloss("train-identifier", bad, "-o", model).status == 2
    assert not model.exists()


# inspect, export, takedown: on a corpus ------------------------------------------------------------------


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of the first documents of the sample."""
    from pipelines.demo.sample import load_sample

    folder = tmp_path_factory.mktemp("corpus")
    documents = sorted({line.document for line in load_sample()})[:4]
    texts: dict[tuple[str, str], list[str]] = {}
    for line in load_sample():
        if line.document in documents and line.tag in ("lij", "it"):
            texts.setdefault((line.document, line.tag), []).append(line.text)
    with (folder / "input.jsonl").open("w", encoding="utf-8") as file:
        for (url, tag), lines in sorted(texts.items()):
            file.write(json.dumps({"url": f"{url}?{tag}", "text": "\n".join(lines)}) + "\n")
    configuration = f"""
        [corpus]
        name = "small"
        output = "{folder / "out"}"
        varieties = ["lij", "it"]
        shards = 2
        [[read.sources]]
        name = "wiki"
        path = "{folder / "input.jsonl"}"
        licence = "CC-BY-SA-4.0"
    """
    (folder / "small.toml").write_text(configuration, encoding="utf-8")
    assert main(["build", str(folder / "small.toml"), "--quiet"]) == 0
    return folder / "out"


def test_inspect_shows_what_a_checkpoint_holds(isogloss, output):
    text = "\n".join(isogloss("inspect", output / "corpus").lines)
    assert re.search(r"^ +rows +[1-9]", text, flags=re.MULTILINE)
    assert re.search(r"^publish +in +[1-9]", text, flags=re.MULTILINE)
    assert re.search(r"^ +source_variety +lij$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("checkpoint", ["documents", "sentences", "pairs", "corpus"])
def test_inspect_finds_every_checkpoint_whole(isogloss, output, checkpoint):
    assert isogloss("inspect", output / checkpoint, "--rows", "1").status == 0


def test_inspect_has_status_1_and_a_name_for_a_shard_that_changed(isogloss, output, tmp_path):
    import shutil

    copy = tmp_path / "sentences"
    shutil.copytree(output / "sentences", copy)
    shard = next(copy.glob("part-*.parquet"))
    shard.write_bytes(shard.read_bytes() + b"x")
    answer = isogloss("inspect", copy)
    assert answer.status == 1
    assert shard.name in answer.out.decode()


@pytest.mark.parametrize(
    ("kind", "name", "starts"),
    [("tmx", "demo.tmx", "<?xml"), ("jsonl", "demo.jsonl", "{"), ("moses", "moses", ""), ("pharaoh", "pharaoh", "")],
)
def test_export_writes_the_corpus_for_other_tools(isogloss, output, tmp_path, kind, name, starts):
    written = isogloss("export", output / "corpus", "--to", kind, "-o", tmp_path / name).lines
    assert written
    for path in written:
        text = Path(path).read_text(encoding="utf-8")
        assert text.startswith(starts)
        assert text.count("\n") > 20


def _exported(isogloss, output, folder, kind, *more):
    answer = isogloss("export", output / "corpus", "--to", kind, "-o", f"{folder}/", *more)
    assert answer.status == 0, answer.err
    return [Path(path) for path in answer.lines]


def test_export_names_files_as_they_were_asked_for(isogloss, output, tmp_path):
    for given, made in (("a.tmx", "a.tmx"), ("b", "b.tmx"), ("c/", "c/corpus.tmx")):
        assert isogloss("export", output / "corpus", "--to", "tmx", "-o", f"{tmp_path}/{given}").lines == [
            f"{tmp_path}/{made}"
        ]
    names = [path.name for path in _exported(isogloss, output, tmp_path / "m", "moses")]
    assert names == ["corpus.lij-it.lij", "corpus.lij-it.it"]


def test_export_pharaoh_links_are_within_the_words_of_their_line(isogloss, output, tmp_path):
    links, words = (path.read_text("utf-8").splitlines() for path in _exported(isogloss, output, tmp_path, "pharaoh"))
    assert len(links) == len(words)
    for of_pair, pair in zip(links, words, strict=True):
        source, target = (side.split() for side in pair.split(" ||| "))
        cells = [tuple(map(int, cell.split("-"))) for cell in of_pair.split()]
        assert cells
        assert all(i < len(source) and j < len(target) for i, j in cells)


def test_export_tmx_is_xml_whose_scores_are_numbers(isogloss, output, tmp_path):
    from xml.etree import ElementTree as ET

    (path,) = _exported(isogloss, output, tmp_path, "tmx")
    units = list(ET.parse(path).iter("tu"))
    assert len(units) > 20
    for unit in units:
        scores = {prop.get("type"): prop.text for prop in unit.findall("prop")}
        assert "margin" in scores
        assert all(value in ("true", "false") or float(value) is not None for value in scores.values())


def test_export_code_switched_marks_where_the_target_speaks(isogloss, output, tmp_path):
    rows = {row["pair_id"]: row for row in _corpus_rows(output)}
    (path,) = _exported(isogloss, output, tmp_path, "code-switched", "--share", "0.5")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(lines) > 0.9 * len(rows)
    for line in lines:
        row = rows[line["pair_id"]]
        assert line["text"] != row["source_text"]
        assert all(line["text"][span["start"] : span["end"]] in row["target_text"] for span in line["switched"])


def test_export_interleaved_has_every_row_once(isogloss, output, tmp_path):
    (path,) = _exported(isogloss, output, tmp_path, "interleaved")
    documents = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    made = sorted(tuple(pair) for document in documents for pair in document["pairs"])
    texts = [
        tuple(" ".join(row[f"{side}_text"].split()) for side in ("source", "target")) for row in _corpus_rows(output)
    ]
    assert made == sorted(texts)


def test_export_conllu_projects_tags_along_the_links(isogloss, output, tmp_path):
    from transforms.publish.linked import read_conllu

    rows = _corpus_rows(output)
    annotated = []
    for number, row in enumerate(rows[:5]):
        annotated += [f"# sent_id = {number}", f"# text = {row['target_text']}"]
        for i, token in enumerate(row["target_tokens"]):
            tag = "NOUN" if token.isalpha() else "PUNCT"
            annotated.append(
                "\t".join([str(i + 1), token, "_", tag, "_", "_", str(i), "dep" if i else "root", "_", "_"])
            )
        annotated.append("")
    (tmp_path / "it.conllu").write_text("\n".join(annotated) + "\n", "utf-8")
    (path,) = _exported(isogloss, output, tmp_path, "conllu", "--annotations", tmp_path / "it.conllu")
    sentences = list(read_conllu(path.read_text("utf-8").split("\n")))
    assert {sentence.text for sentence in sentences} == {" ".join(row["source_text"].split()) for row in rows[:5]}
    for sentence in sentences:
        assert "NOUN" in {word.columns[3] for word in sentence.words}
        assert [word.columns[6] for word in sentence.words].count("0") == 1


def test_export_conllu_without_annotations_says_what_to_give(isogloss, output, tmp_path):
    answer = isogloss("export", output / "corpus", "--to", "conllu", "-o", tmp_path / "x")
    assert answer.status == 2
    assert "--annotations" in answer.err


def _corpus_rows(output):
    import pyarrow.parquet as pq

    return [
        row for path in sorted((output / "corpus").glob("lij-it/*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_takedown_removes_what_was_found_at_a_url(isogloss, output, tmp_path):
    import shutil

    import pyarrow.parquet as pq

    copy = tmp_path / "corpus"
    shutil.copytree(output / "corpus", copy)
    rows = [row for path in copy.glob("lij-it/*.parquet") for row in pq.read_table(path).to_pylist()]
    url = rows[0]["source_url"]
    gone = sum(url in (row["source_url"], row["target_url"]) for row in rows)
    answer = isogloss("takedown", copy, "--url", url)
    assert answer.status == 0, answer.err
    assert answer.out.decode().startswith(f"{gone} rows removed")
    left = [row for path in copy.glob("lij-it/*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len(left) == len(rows) - gone
    assert all(url not in (row["source_url"], row["target_url"]) for row in left)
    assert isogloss("inspect", copy).status == 0


@pytest.mark.parametrize(
    "arguments",
    [("inspect",), ("export", "--to", "tmx", "-o", "x.tmx"), ("takedown", "--url", "https://example.org/")],
)
def test_a_folder_that_is_no_checkpoint_ends_with_status_2(isogloss, tmp_path, arguments):
    name, *others = arguments
    answer = isogloss(name, tmp_path, *others)
    assert answer.status == 2
    assert str(tmp_path) in answer.err


def test_takedown_asks_for_a_url_or_an_id(isogloss, output):
    assert isogloss("takedown", output / "corpus").status == 2


# As processes, with pipes --------------------------------------------------------------------------------


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    program = f'isogloss() {{ "{sys.executable}" -m pipelines "$@"; }}; set -o pipefail; {command}'
    return subprocess.run(["bash", "-c", program], cwd=folder, capture_output=True, check=False, timeout=120)


def test_filters_make_a_pipe(sides, project):
    done = shell(f"isogloss segment --variety lij < '{sides[0]}' | isogloss identify --expect lij,it", project)
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[0] for line in done.stdout.decode().splitlines()] == ["lij"] * 3
    assert done.stderr == b""


def test_a_reader_that_has_seen_enough_is_no_error(project):
    """Both with output that is still in the buffer at the end, and with more than a pipe holds."""
    long = shell(
        "yes 'O l’é un bello giorno.' | head -50000 | isogloss segment | head -1; echo ${PIPESTATUS[2]}", project
    )
    assert long.stdout.decode().splitlines() == ["O l’é un bello giorno.", "0"]
    assert long.stderr == b""
    short = shell("(sleep 1; echo Scì.) | isogloss segment | true; echo ${PIPESTATUS[1]}", project)
    assert short.stdout == b"0\n"
    assert short.stderr == b""


def test_pair_monotone_joins_lines_that_stand_in_order(isogloss: Callable[..., Answer], tmp_path: Path):
    source, target = tmp_path / "lij.txt", tmp_path / "it.txt"
    source.write_text("\n".join([LIGURIAN[1], "", LIGURIAN[2], LIGURIAN[2]]), encoding="utf-8")
    target.write_text("\n".join([ITALIAN[2], ITALIAN[0], ITALIAN[0]]), encoding="utf-8")
    cells = isogloss("pair", "--monotone", source, target).cells
    assert [row[1:3] for row in cells] == [["1", "1"], ["3", "2"], ["4", "3"]]
    assert [row[3] for row in cells] == [LIGURIAN[1], LIGURIAN[2], LIGURIAN[2]]
    assert all(0 < float(row[0]) <= 1 for row in cells)
    joined = isogloss("pair", "--monotone", source, target, "--threshold", "0.99")
    assert joined.lines == []
