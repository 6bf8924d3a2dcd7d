import io
import json

import pytest
from lxml import etree

from schemas.corpus import CorpusBatch
from schemas.errors import SettingsError
from transforms.publish import export, write_jsonl, write_moses, write_pharaoh, write_tmx

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# What this writer uses of TMX 1.4b, after the specification: https://www.ttt.org/oscarStandards/tmx/
DTD = """
<!ELEMENT tmx (header, body)> <!ATTLIST tmx version CDATA #FIXED "1.4">
<!ELEMENT header (note|prop|ude)*>
<!ATTLIST header creationtool CDATA #REQUIRED creationtoolversion CDATA #REQUIRED
  segtype (block|paragraph|sentence|phrase) #REQUIRED o-tmf CDATA #REQUIRED adminlang CDATA #REQUIRED
  srclang CDATA #REQUIRED datatype CDATA #REQUIRED>
<!ELEMENT note (#PCDATA)> <!ELEMENT ude EMPTY>
<!ELEMENT prop (#PCDATA)> <!ATTLIST prop type CDATA #REQUIRED>
<!ELEMENT body (tu*)>
<!ELEMENT tu ((note|prop)*, tuv+)> <!ATTLIST tu tuid CDATA #IMPLIED>
<!ELEMENT tuv ((note|prop)*, seg)> <!ATTLIST tuv xml:lang CDATA #REQUIRED>
<!ELEMENT seg (#PCDATA)>
"""


@pytest.fixture
def rows(pairs):
    return CorpusBatch.from_pairs(pairs)


def _tmx(rows):
    out = io.StringIO()
    assert write_tmx([rows], out) == len(rows)
    return etree.fromstring(out.getvalue().encode("utf-8"), etree.XMLParser(load_dtd=False, no_network=True))


def test_tmx_is_valid_and_gives_the_texts_back(rows):
    tree = _tmx(rows)
    dtd = etree.DTD(io.StringIO(DTD))
    assert dtd.validate(tree), dtd.error_log
    units = [[(tuv.get(XML_LANG), tuv.findtext("seg")) for tuv in unit.iter("tuv")] for unit in tree.iter("tu")]
    columns = ("source_variety", "source_text", "target_variety", "target_text")
    assert units == [[(a, b), (c, d)] for a, b, c, d in zip(*(rows.texts(name) for name in columns), strict=True)]
    assert [unit.get("tuid") for unit in tree.iter("tu")] == rows.texts("pair_id")


def test_tmx_carries_scores_exactly_and_no_unknown_ones(rows):
    props = [{p.get("type"): p.text for p in unit.findall("prop")} for unit in _tmx(rows).iter("tu")]
    assert all(set(prop) == {"cosine", "margin", "copy"} for prop in props)
    import numpy as np

    assert [np.float32(prop["margin"]) for prop in props] == rows.column("margin").to_numpy().tolist()


def test_tmx_carries_url_and_licence_of_each_side(rows):
    first = next(_tmx(rows).iter("tuv"))
    assert {p.get("type"): p.text for p in first.findall("prop")} == {
        "url": "https://example.org/lij/0.html",
        "licence": "https://creativecommons.org/licenses/by-sa/4.0/",
    }


def test_tmx_leaves_out_what_xml_cannot_hold(rows):
    awkward = ["a\x00b\x0bc", "\ufffe", "]]>&<", "𐍈 \u200f", "e\u0301", "", "\x1f"]
    tree = _tmx(rows.replace(source_text=awkward))
    texts = [unit.find("tuv").findtext("seg") for unit in tree.iter("tu")]
    assert texts == ["abc", "", "]]>&<", "𐍈 \u200f", "e\u0301", "", ""]


def test_moses_is_a_line_a_sentence_even_with_line_breaks_in_it(rows):
    source, target = io.StringIO(), io.StringIO()
    broken = rows.replace(source_text=["O porto\nde Zena\u2028o l'é\r\ngrande.", *rows.texts("source_text")[1:]])
    assert write_moses([broken], source, target) == 7
    assert source.getvalue().split("\n")[0] == "O porto de Zena o l'é grande."
    assert target.getvalue().removesuffix("\n").split("\n") == rows.texts("target_text")
    assert source.getvalue().count("\n") == target.getvalue().count("\n") == 7


def test_jsonl_holds_every_column(rows):
    out = io.StringIO()
    write_jsonl([rows], out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == rows.rows()


def test_pharaoh_links_count_the_words_of_the_tokens_file(rows):
    links, tokens = io.StringIO(), io.StringIO()
    write_pharaoh([rows], links, tokens)
    for link_line, token_line, row in zip(
        links.getvalue().split("\n"), tokens.getvalue().split("\n"), rows.rows(), strict=False
    ):
        source, target = token_line.split(" ||| ")
        assert source.split(" ") == row["source_tokens"]
        pairs = [tuple(map(int, link.split("-"))) for link in link_line.split(" ")]
        assert pairs == [(link["source"], link["target"]) for link in row["links"]]
        assert all(s < len(source.split(" ")) and t < len(target.split(" ")) for s, t in pairs)


def test_pharaoh_of_pairs_without_alignment_has_empty_lines(make):
    links, tokens = io.StringIO(), io.StringIO()
    write_pharaoh([CorpusBatch.from_pairs(make(aligned=False))], links, tokens)
    assert links.getvalue() == "\n" * 7
    assert tokens.getvalue().startswith("O porto de Zena o l'é grande. ||| Il porto")


def test_a_corpus_is_exported_to_files_by_format(published, tmp_path):
    names = {
        "tmx": ["c.tmx"],
        "jsonl": ["c.jsonl"],
        "moses": [f"c.{p}-it.{end}" for p in ("fur", "lij", "lmo") for end in (p, "it")],
        "pharaoh": [f"c.{p}-it.{end}" for p in ("fur", "lij", "lmo") for end in ("links", "tokens")],
    }
    for to, expected in names.items():
        assert [path.name for path in export(published, to, str(tmp_path / "out" / "c"))] == expected
    assert len((tmp_path / "out" / "c.jsonl").read_text(encoding="utf-8").splitlines()) == 6
    assert len((tmp_path / "out" / "c.lij-it.lij").read_text(encoding="utf-8").splitlines()) == 2
    again = (tmp_path / "out" / "c.tmx").read_bytes()
    export(published, "tmx", str(tmp_path / "out" / "c"))
    assert (tmp_path / "out" / "c.tmx").read_bytes() == again


def test_what_is_no_corpus_is_not_exported(tmp_path):
    with pytest.raises(SettingsError, match="not finished"):
        export(str(tmp_path), "tmx", str(tmp_path / "x"))
