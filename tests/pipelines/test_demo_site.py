import http.client
import io
import json
import unicodedata
from collections import defaultdict

import pyarrow as pa
import pytest
import trafilatura
from lxml import etree
from protego import Protego
from rich.console import Console

from pipelines.demo.evaluate import Answers, fold, measure_identification, measure_pairs, summarize
from pipelines.demo.make_sample import choose_lines, is_demo_document, is_kept
from pipelines.demo.render import draw_pair, groups
from pipelines.demo.sample import TAGS, SampleLine, load_sample, pack, unpack
from pipelines.demo.server import SiteServer
from pipelines.demo.site import KnownLine, make_site, paragraphs, slug_of

BASE = "http://127.0.0.1:8640"
WIKI = "https://en.wikipedia.org/wiki/"


@pytest.fixture(scope="module")
def sample():
    return load_sample()


@pytest.fixture(scope="module")
def site(sample):
    return make_site(sample, BASE)


# The sample


def test_every_variety_has_1500_lines_and_lines_without_a_partner(sample):
    numbers = defaultdict(set)
    for line in sample:
        numbers[line.tag].add(line.number)
    assert set(numbers) == set(TAGS)
    for tag in TAGS:
        assert len(numbers[tag]) >= 1500
        if tag != "it":
            assert 0.7 < len(numbers[tag] & numbers["it"]) / len(numbers["it"]) < 0.95


def test_the_sample_holds_demo_documents_only(sample):
    assert all(is_demo_document(line.document) and is_kept(line.tag, line.document, line.number) for line in sample)


def test_the_sample_packs_to_equal_bytes_and_back():
    lines = [SampleLine("lij", WIKI + "Genoa", 3, "Zena a l'é ’na çittæ"), SampleLine("lij", WIKI + "Genoa", 4, "Eh?")]
    assert list(unpack("lij", pack(lines))) == lines
    assert pack(lines) == pack(lines)
    assert list(unpack("lij", pack([]))) == []


def test_a_file_of_another_length_than_the_metadata_is_refused():
    with pytest.raises(ValueError, match="expected a line for each of 2"):
        choose_lines("lij", [WIKI + "Genoa", WIKI + "Genoa"], ["Unna linia."])


def test_a_fragment_does_not_make_another_document():
    urls = [next(WIKI + name for name in ("Genoa", "Milan", "Udine", "City") if is_demo_document(WIKI + name))] * 40
    with_fragment = [f"{url}#History" for url in urls]
    texts = [f"Linia {i}." for i in range(40)]
    assert choose_lines("lij", with_fragment, texts) == choose_lines("lij", urls, texts) != []


@pytest.mark.data
def test_the_sample_is_what_its_maker_makes(shared_data, sample):
    folder = shared_data / "oldi-seed" / "seed"
    urls = [row.split("\t")[0] for row in (folder / "metadata.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    texts = (folder / "lij_Latn").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert choose_lines("lij", urls, texts) == [line for line in sample if line.tag == "lij"]


# The site


def test_every_line_stands_on_one_page(sample, site):
    assert len(site.lines) == len(sample)
    assert {(line.tag, line.number) for line in site.lines} == {(line.tag, line.number) for line in sample}


def test_the_main_text_can_be_extracted(site):
    pages = defaultdict(list)
    for line in site.lines:
        pages[line.path].append(fold(line.text))
    kept = 0
    for path, lines in pages.items():
        text = fold(trafilatura.extract(site.resources[path].body.decode("utf-8"), include_comments=False) or "")
        kept += sum(line in text for line in lines)
    assert kept / len(site.lines) >= 0.99


def test_the_furniture_of_most_pages_stays_outside_the_main_text(site):
    clean = total = 0
    for path in {line.path for line in site.lines}:
        text = trafilatura.extract(site.resources[path].body.decode("utf-8"), include_comments=False) or ""
        total += 1
        clean += "cookie" not in text and "CC BY-SA" not in text and "static site generator" not in text
    assert clean / total >= 0.95


def test_robots_forbids_ten_to_twenty_pages_of_text_and_agrees_with_the_answers(site):
    rules = Protego.parse(site.resources["/robots.txt"].body.decode("utf-8"))
    pages = {line.path: line.is_allowed for line in site.lines}
    assert {path: rules.can_fetch(BASE + path, "isogloss") for path in pages} == pages
    assert 10 <= sum(not allowed for allowed in pages.values()) <= 20
    forbidden = {path for path, allowed in pages.items() if not allowed}
    assert any("/discussion-" in path for path in forbidden)
    assert any(path.startswith("/private/") for path in forbidden)


def test_the_sitemaps_name_every_page_of_text(site):
    name = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"
    maps = [node.text for node in etree.fromstring(site.resources["/sitemap.xml"].body).iter(name)]
    urls = {n.text for m in maps for n in etree.fromstring(site.resources[m.removeprefix(BASE)].body).iter(name)}
    assert urls == {BASE + line.path for line in site.lines}


def test_pages_declare_language_alternates_canonical_and_licence(site):
    path = next(line.path for line in site.lines if line.tag == "fur" and line.is_allowed)
    page = etree.HTML(site.resources[path].body.decode("utf-8"))
    assert page.xpath("//link[@rel='canonical']/@href") == [BASE + path]
    assert page.xpath("//link[@rel='license']/@href") == ["https://creativecommons.org/licenses/by-sa/4.0/"]
    alternates = page.xpath("//link[@rel='alternate']/@href")
    assert BASE + path in alternates
    assert all(url.removeprefix(BASE) in site.resources for url in alternates)


def test_some_pages_in_a_dialect_declare_the_standard_language(site):
    declared = defaultdict(list)
    for path, tag in {(line.path, line.tag) for line in site.lines}:
        declared[tag].append(etree.HTML(site.resources[path].body.decode("utf-8")).get("lang"))
    assert all(set(declared[tag]) == {tag, "it"} for tag in ("lij", "lmo", "fur"))
    assert all(declared[tag].count(tag) / len(declared[tag]) > 0.8 for tag in TAGS)


def test_redirects_lead_to_pages_and_one_loops(site):
    redirects = {path: found.location for path, found in site.resources.items() if found.location}
    assert redirects["/feed"] == "/feed/"
    assert redirects["/feed/"] == "/feed"
    assert all(location in site.resources for location in redirects.values())


def test_the_site_is_the_same_whatever_the_order_of_the_sample(sample, site):
    again = make_site(list(reversed(sample)), BASE)
    assert again.resources == site.resources
    assert again.lines == site.lines


@pytest.mark.parametrize(
    ("url", "slug"),
    [(WIKI + "Fred_Astaire", "fred-astaire"), (WIKI + "E_%28mathematical_constant%29", "e-mathematical-constant")],
)
def test_slugs(url, slug):
    assert slug_of(url) == slug


def test_slugs_of_names_beyond_ascii_are_ascii_and_differ():
    slugs = {slug_of(WIKI + "Côte"), slug_of(WIKI + "C%C3%B4t%C3%A8"), slug_of(WIKI + "北京")}
    assert len(slugs) == 3
    assert all(slug.isascii() and slug for slug in slugs)


def test_paragraphs_hold_every_line_once_in_order(sample):
    lines = [line for line in sample if line.tag == "lmo"][:300]
    grouped = paragraphs(lines)
    assert [line for group in grouped for line in group] == lines
    assert max(map(len, grouped)) <= 4


def test_a_line_without_a_full_stop_ends_its_paragraph():
    lines = [
        SampleLine("it", WIKI + "X", i, t) for i, t in enumerate(["Titolo", "Una frase.", "Un’altra (vera).", "Fine!"])
    ]
    assert len(paragraphs(lines)[0]) == 1


# The server


@pytest.fixture(scope="module")
def server():
    sample = [SampleLine(tag, WIKI + "Genoa", i, f"Frase {i}.") for tag in TAGS for i in range(3)]
    with SiteServer(lambda base: make_site(sample, base)) as opened:
        yield opened


def _ask(server, path, headers=None, connection=None, method="GET"):
    asking = connection or http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    asking.request(method, path, headers=headers or {})
    answer = asking.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_the_server_serves_the_site(server):
    path = server.site.lines[0].path
    status, headers, body = _ask(server, path)
    assert (status, body) == (200, server.site.resources[path].body)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert path in server.requests


def test_a_page_that_the_client_has_is_not_sent_again(server):
    _, headers, _ = _ask(server, "/")
    status, _, body = _ask(server, "/", {"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")


def test_one_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    assert [_ask(server, p, connection=connection)[0] for p in ("/", "/nowhere", "/status.html", "/feed", "/")] == [
        200, 404, 500, 302, 200,
    ]  # fmt: skip


def test_head_has_the_length_and_no_body(server):
    status, headers, body = _ask(server, "/", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len(server.site.resources["/"].body)


# The evaluation


def _line(tag, number, text, is_allowed=True):
    return KnownLine(tag, number, text, f"/{tag}/{number // 10}{'' if is_allowed else '-no'}.html", is_allowed)


LINES = [
    _line("lij", 0, "O porto de Zena o l'é grande."),
    _line("it", 0, "Il porto di Genova è grande."),
    _line("lij", 1, "Gh'é do vento. E ciêuve."),
    _line("it", 1, "C'è vento. E piove."),
    _line("lij", 2, "Bondì."),
    _line("it", 2, "Buongiorno."),
    _line("lij", 3, "Bondì."),
    _line("it", 3, "Buondì."),
    _line("lij", 4, "Sensa compagno."),
    _line("lij", 15, "Proibio.", is_allowed=False),
    _line("it", 15, "Proibito."),
]


def _corpus(*rows):
    names = ["source_variety", "target_variety", "source_text", "target_text"]
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})


def test_known_pairs_are_those_whose_lines_are_both_allowed():
    assert len(Answers(LINES).known_pairs("lij", "it")) == 4


def test_a_perfect_corpus_has_perfect_figures():
    corpus = _corpus(*(("lij", "it", a, b) for a, b in Answers(LINES).known_pairs("lij", "it")))
    mined = measure_pairs(Answers(LINES), corpus, "lij", "it")
    assert (mined.found, mined.precision, mined.recall, mined.f1) == (4, 1.0, 1.0, 1.0)


def test_any_valid_partner_of_a_repeated_text_is_right_and_enough():
    mined = measure_pairs(Answers(LINES), _corpus(("lij", "it", "Bondì.", "Buondì.")), "lij", "it")
    assert (mined.precision, mined.recalled) == (1.0, 2)


def test_white_space_and_composition_make_no_difference():
    text = unicodedata.normalize("NFD", " O porto  de Zena\u00a0o l'é grande.")
    mined = measure_pairs(Answers(LINES), _corpus(("lij", "it", text, "Il porto di Genova è grande.")), "lij", "it")
    assert mined.right == 1


def test_a_line_cut_in_two_counts_against_precision_and_recall():
    corpus = _corpus(("lij", "it", "Gh'é do vento.", "C'è vento."), ("lij", "it", "E ciêuve.", "E piove."))
    mined = measure_pairs(Answers(LINES), corpus, "lij", "it")
    assert (mined.right, mined.recalled, mined.parts, mined.precision) == (0, 0, 2, 0.0)


def test_a_wrong_pair_is_no_part():
    mined = measure_pairs(Answers(LINES), _corpus(("lij", "it", "Bondì.", "C'è vento.")), "lij", "it")
    assert (mined.right, mined.parts) == (0, 0)


def test_pairs_of_other_varieties_do_not_count():
    mined = measure_pairs(Answers(LINES), _corpus(("it", "lij", "Buondì.", "Bondì.")), "lij", "it")
    assert (mined.found, mined.precision, mined.recall) == (0, None, 0.0)


def test_identification_counts_lines_and_parts_but_no_furniture():
    sentences = pa.table(
        {
            "text": ["Bondì.", "E piove.", "C'è vento.", "Accetto i cookie.", "E ciêuve."],
            "url": [
                f"{BASE}/lij/0.html",
                f"{BASE}/it/0.html",
                f"{BASE}/it/0.html",
                f"{BASE}/it/0.html",
                f"{BASE}/lij/0.html",
            ],
            "variety": ["lij", "it", None, "it", "lmo"],
        }
    )
    measured = measure_identification(Answers(LINES), sentences)
    assert (measured.sentences, measured.right, measured.accuracy) == (4, 2, 0.5)
    assert measured.found == {"it": 2, "lij": 2}


def test_a_text_of_two_varieties_is_right_as_either():
    lines = [_line("lij", 0, "No."), _line("it", 0, "No.")]
    sentences = pa.table({"text": ["No.", "No."], "url": ["/lij/0.html"] * 2, "variety": ["it", "lij"]})
    assert measure_identification(Answers(lines), sentences).accuracy == 1.0


def test_the_summary_has_the_keys_that_the_demo_prints():
    sentences = pa.table({"text": ["Bondì."], "url": ["/lij/0.html"], "variety": ["lij"]})
    summary = summarize(LINES, sentences, _corpus(("lij", "it", "Bondì.", "Buongiorno.")), [("lij", "it")])
    assert set(summary) == {"pages", "identification_accuracy", "sentences", "pairs"}
    assert set(summary["pairs"]["lij-it"]) >= {"found", "precision", "recall", "f1"}
    assert summary["pages"] == {"allowed": 3, "forbidden": 1}
    json.dumps(summary)


# The drawing


def test_groups_hold_every_word_once():
    made = groups([(0, 0), (0, 1), (2, 1)], 4, 3)
    assert made == [([0, 2], [0, 1]), ([1], []), ([], [2]), ([3], [])]


def _drawn(row, width=60):
    console = Console(width=width, color_system=None, record=True, file=io.StringIO())
    console.print(draw_pair(row, width))
    return console.export_text()


ROW = {
    "source_variety": "lij",
    "target_variety": "it",
    "source_text": "O porto de Zena o l'é grande.",
    "target_text": "Il porto di Genova è grande.",
    "source_tokens": ["O", "porto", "de", "Zena", "o", "l'é", "grande", "."],
    "target_tokens": ["Il", "porto", "di", "Genova", "è", "grande", "."],
    "links": [{"source": s, "target": t} for s, t in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 5), (7, 6)]],
}


def test_linked_words_stand_one_under_the_other_without_colour():
    lines = _drawn(ROW).splitlines()
    above = next(i for i, line in enumerate(lines) if line.startswith("lij") and "Zena  " in line)
    assert lines[above].index("Zena") == lines[above + 1].index("4") == lines[above + 2].index("Genova")


def test_a_narrow_terminal_gets_several_rows_and_no_word_is_lost():
    drawn = _drawn(ROW, width=30)
    assert all(len(line.rstrip()) <= 30 for line in drawn.splitlines())
    assert all(word in drawn for word in ROW["source_tokens"] + ROW["target_tokens"])


def test_a_row_without_alignment_is_drawn_without_links():
    drawn = _drawn(ROW | {"links": None, "source_tokens": None, "target_tokens": None})
    assert drawn.splitlines() == ["lij  O porto de Zena o l'é grande.", "it   Il porto di Genova è grande."]
