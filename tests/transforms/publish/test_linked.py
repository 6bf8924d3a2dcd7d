"""Code-switched sentences, projected annotation, interleaved documents."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.corpus import CorpusBatch
from schemas.errors import SettingsError
from schemas.identity import content_id
from transforms.publish import export, read_conllu, write_code_switched, write_interleaved, write_projected
from transforms.publish.linked import code_switched, phrases, project, token_spans

# The Italian side of a pair, annotated by hand after Universal Dependencies
ITALIAN = """\
# sent_id = it-1
# text = Il porto di Genova è grande.
1\tIl\til\tDET\tRD\tDefinite=Def\t2\tdet\t_\t_
2\tporto\tporto\tNOUN\tS\tGender=Masc\t6\tnsubj\t_\t_
3\tdi\tdi\tADP\tE\t_\t4\tcase\t_\t_
4\tGenova\tGenova\tPROPN\tSP\t_\t2\tnmod\t_\t_
5\tè\tessere\tAUX\tVA\t_\t6\tcop\t_\t_
6\tgrande\tgrande\tADJ\tA\t_\t0\troot\t_\tSpaceAfter=No
7\t.\t.\tPUNCT\tFS\t_\t6\tpunct\t_\t_
"""


def link(source, target, probability=0.9):
    return {"source": source, "target": target, "probability": probability}


def row_of(links, **more):
    return {
        "pair_id": content_id("pair", "x"),
        "source_text": "O porto de Zena o l'é grande.",
        "source_tokens": ["O", "porto", "de", "Zena", "o", "l'", "é", "grande", "."],
        "target_text": "Il porto di Genova è grande.",
        "target_tokens": ["Il", "porto", "di", "Genova", "è", "grande", "."],
        "links": links,
    } | more


STRAIGHT = [link(0, 0), link(1, 1), link(2, 2), link(3, 3), link(5, 4), link(6, 4), link(7, 5), link(8, 6)]


def test_words_give_way_to_what_they_are_linked_with():
    text, spans = code_switched(row_of(STRAIGHT), 1.0)
    assert text == "Il porto di Genova o è grande."
    assert [text[start:end] for start, end in spans] == ["Il", "di", "Genova", "è"]


def test_a_share_of_the_words_is_switched_the_same_each_time():
    text, spans = code_switched(row_of(STRAIGHT), 0.2)
    assert 1 <= len(spans) <= 2
    assert code_switched(row_of(STRAIGHT[::-1]), 0.2) == (text, spans)


def test_what_is_the_same_weakly_linked_or_not_aligned_is_not_switched():
    assert code_switched(row_of([link(1, 1), link(7, 5), link(8, 6)])) is None
    assert code_switched(row_of([link(0, 0, 0.4)])) is None
    assert code_switched(row_of(None)) is None


def test_phrases_are_stretches_on_both_sides():
    assert phrases([link(0, 0), link(1, 0), link(2, 1)]) == [((0, 2), (0, 1)), ((2, 3), (1, 2))]
    assert phrases([link(0, 0), link(2, 0)]) == []
    assert phrases([link(0, 0), link(1, 1), link(0, 1)]) == [((0, 2), (0, 2))]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6)), max_size=12), st.floats(0.01, 1))
def test_a_switched_sentence_is_the_source_outside_the_spans(cells, share):
    row = row_of([link(*cell) for cell in sorted(set(cells))])
    made = code_switched(row, share)
    if made is None:
        return
    text, spans = made
    rest, at = [], 0
    for start, end in spans:
        assert text[start:end] in row["target_text"]
        rest.append(text[at:start])
        at = end
    place = 0
    for part in [*rest, text[at:]]:
        place = row["source_text"].index(part, place) + len(part)


def columns_of(lines):
    return [line.split("\t") for line in lines if not line.startswith("#")]


def test_tags_and_heads_follow_the_links():
    (sentence,) = read_conllu(ITALIAN.split("\n"))
    lines = project(row_of(STRAIGHT), sentence, "target", "source")
    rows = columns_of(lines)
    assert [row[3] for row in rows] == ["DET", "NOUN", "ADP", "PROPN", "X", "AUX", "AUX", "ADJ", "PUNCT"]
    assert [row[6] for row in rows] == ["2", "8", "4", "2", "8", "8", "6", "0", "8"]
    assert [row[7] for row in rows] == ["det", "nsubj", "case", "nmod", "dep", "cop", "dep", "root", "punct"]
    assert lines[1] == "# text = O porto de Zena o l'é grande."
    assert "SpaceAfter=No" in rows[5][9]
    assert lines[2] == "# projected_from = it-1"


def test_a_head_without_a_counterpart_gives_way_to_its_own_head():
    (sentence,) = read_conllu(ITALIAN.split("\n"))
    rows = columns_of(project(row_of([link(3, 3), link(7, 5)]), sentence, "target", "source"))
    assert rows[3][6] == "8"  # Zena hangs on porto in Italian, which has no link here
    assert project(row_of([]), sentence, "target", "source") == []


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6), st.floats(0, 1)), max_size=15))
def test_whatever_the_links_the_projection_is_a_tree_with_one_root(cells):
    (sentence,) = read_conllu(ITALIAN.split("\n"))
    found = {(s, t): p for s, t, p in cells}
    lines = project(row_of([link(s, t, p) for (s, t), p in sorted(found.items())]), sentence, "target", "source")
    heads = {int(row[0]): int(row[6]) for row in columns_of(lines)}
    assert not lines or list(heads.values()).count(0) == 1
    for word, head in heads.items():
        above = [word]
        while head:
            assert head not in above
            above.append(head)
            head = heads[head]  # noqa: PLW2901 -- climbing


def test_multi_word_tokens_and_empty_nodes_are_read():
    text = [
        "# text = Vado al porto", "1\tVado\t_\tVERB\t_\t_\t0\troot\t_\t_", "2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_",
        "2\ta\t_\tADP\t_\t_\t4\tcase\t_\t_", "3\til\t_\tDET\t_\t_\t4\tdet\t_\t_",
        "3.1\tx\t_\t_\t_\t_\t_\t_\t_\t_", "4\tporto\t_\tNOUN\t_\t_\t1\tobl\t_\t_",
    ]  # fmt: skip
    (sentence,) = read_conllu(text)
    assert [(word.columns[1], word.span) for word in sentence.words] == [
        ("Vado", (0, 4)), ("a", (5, 7)), ("il", (5, 7)), ("porto", (8, 13)),
    ]  # fmt: skip
    row = row_of(
        [link(0, 0), link(1, 1), link(2, 2)],
        source_text="Vaddo à-o pòrto", source_tokens=["Vaddo", "à-o", "pòrto"],
        target_text="Vado  al\nporto", target_tokens=["Vado", "al", "porto"],
    )  # fmt: skip
    assert [columns[3] for columns in columns_of(project(row, sentence, "target", "source"))] == ["VERB", "ADP", "NOUN"]


def test_what_is_no_conllu_is_refused_with_the_line():
    with pytest.raises(ValueError, match="line 1: expected 10 columns"):
        list(read_conllu(["1 Il il DET"]))
    with pytest.raises(ValueError, match="a word is not in the text"):
        list(read_conllu(["# text = Ma", "1\tIl" + "\t_" * 8]))


def test_rows_are_found_by_either_side(pairs):
    rows = CorpusBatch.from_pairs(pairs)
    out = io.StringIO()
    assert write_projected([rows], read_conllu(ITALIAN.split("\n")), out) == 1
    (found,) = read_conllu(out.getvalue().split("\n"))
    assert found.text == "O porto de Zena o l'é grande."
    assert len(found.words) == 7


def test_switched_rows_are_written_with_their_spans(pairs):
    out = io.StringIO()
    written = write_code_switched([CorpusBatch.from_pairs(pairs)], out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == written > 3
    targets = dict(zip(pairs.texts("pair_id"), pairs.texts("target_text"), strict=True))
    for line in lines:
        for span in line["switched"]:
            assert line["text"][span["start"] : span["end"]] in targets[line["pair_id"]]


def test_documents_are_interleaved_in_the_order_of_the_source(pairs):
    rows = CorpusBatch.from_pairs(pairs)
    positions = {name: -i for i, name in enumerate(rows.texts("source_id"))}
    out = io.StringIO()
    number = write_interleaved([*rows.pieces(3)], positions, out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == number
    first = next(line for line in lines if "Bondì." in line["text"])
    assert first["pairs"] == [
        ["Bondì.", "Buongiorno."],
        ["O porto de Zena o l'é grande.", "Il porto di Genova è grande."],
    ]
    assert first["text"].split("\n")[:2] == ["Bondì.", "Buongiorno."]
    with pytest.raises(SettingsError, match="not among the sentences"):
        write_interleaved([rows], {}, out)


def test_exports_write_their_files_and_say_what_is_missing(published, tmp_path):
    annotations = tmp_path / "it.conllu"
    annotations.write_text(ITALIAN.replace("Il porto di Genova", "Il porto di Zena") + "\n1\tx\n", encoding="utf-8")
    out = str(tmp_path / "c")
    (path,) = export(published, "code-switched", out, share=0.5)
    assert path.name == "c.code-switched.jsonl"
    assert path.stat().st_size > 0
    with pytest.raises(SettingsError, match="needs annotated sentences"):
        export(published, "conllu", out)
    with pytest.raises(SettingsError, match="is no CoNLL-U"):
        export(published, "conllu", out, annotations=str(annotations))
    with pytest.raises(SettingsError, match="there is no file"):
        export(published, "conllu", out, annotations=str(tmp_path / "none"))
    annotations.write_text(ITALIAN, encoding="utf-8")
    (path,) = export(published, "conllu", out, annotations=str(annotations))
    assert path.name == "c.conllu"
    with pytest.raises(SettingsError, match="not finished"):
        export(published, "interleaved", out)


@given(st.lists(st.text("abàç'", min_size=1, max_size=4), max_size=6))
def test_tokens_are_found_in_their_text(tokens):
    text = " ".join(tokens)
    assert [text[start:end] for start, end in token_spans(text, tokens)] == tokens
