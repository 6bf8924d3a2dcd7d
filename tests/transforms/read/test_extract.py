import pytest

from schemas.errors import RecordError
from transforms.read import extract_page
from transforms.read.charset import decode_page
from transforms.read.extract import licence_of

PAGE = """<!doctype html><html lang="lij"><head><meta charset="utf-8"><title>O pesto – Zena</title>
<link rel="alternate" hreflang="it" href="/it/pesto"><link rel="alternate" hreflang="x-default" href="/">
<link rel="canonical" href="https://zena.example/lij/pesto">
<link rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/deed.it"></head>
<body><nav><ul><li><a href="/">Prinçipio</a></li><li><a href="/a">Articoli</a></li></ul></nav>
<main><article><h1>O pesto</h1>
<p>O pesto o l’é a sarsa ciù conosciua da coxiña zeneise, fæta co-o baxaicò, l’euio e i pigneu.</p>
<p>O se fa into mortâ, con <b>pestello</b> de legno e tanta paçiensa,<br>comme voeiva a nonna.</p>
<table><tr><td>Baxaicò fresco de Pra</td><td>çinquanta grammi</td></tr></table>
<ul><li>Formaggio pecorin sardo, sæte cuggiæ</li></ul></article></main>
<footer><p>Contatti e cookie</p></footer></body></html>"""


def test_the_main_text_comes_out_in_lines_and_the_frame_stays_out():
    found = extract_page(PAGE.encode(), "https://zena.example/lij/pesto?x=1")
    assert found.text.split("\n") == [
        "O pesto",
        "O pesto o l’é a sarsa ciù conosciua da coxiña zeneise, fæta co-o baxaicò, l’euio e i pigneu.",
        "O se fa into mortâ, con pestello de legno e tanta paçiensa,",
        "comme voeiva a nonna.",
        "Baxaicò fresco de Pra",
        "çinquanta grammi",
        "Formaggio pecorin sardo, sæte cuggiæ",
    ]


def test_a_page_says_its_title_language_licence_and_relatives():
    found = extract_page(PAGE.encode(), "https://zena.example/lij/pesto?x=1")
    assert found.title == "O pesto"
    assert found.language_hint == "lij"
    assert found.alternates == (("it", "https://zena.example/it/pesto"),)
    assert found.licence == "CC BY-SA 4.0"
    assert found.canonical == "https://zena.example/lij/pesto"


def test_without_a_url_relative_addresses_are_left_out():
    found = extract_page(PAGE.encode())
    assert found.alternates == ()
    assert found.canonical == "https://zena.example/lij/pesto"


def test_tables_can_be_left_out():
    paragraph = "<p>O pesto o l’é a sarsa ciù conosciua da coxiña zeneise, fæta co-o baxaicò, l’euio e i pigneu.</p>"
    page = PAGE.replace("<h1>", paragraph * 20 + "<h1>").encode()
    assert "grammi" in extract_page(page).text
    assert "grammi" not in extract_page(page, tables=False).text


@pytest.mark.parametrize(
    ("head", "header", "expected"),
    [
        ('<html lang="it-IT">', None, "it"),
        ('<html xml:lang="fur">', None, "fur"),
        ("<html>", "lmo", "lmo"),
        ("<html>", "it, en", None),
        ('<html><meta http-equiv="Content-Language" content="ary">', None, "ary"),
        ('<html><meta property="og:locale" content="it_IT">', None, "it"),
        ('<html lang="???">', None, None),
        ("<html>", None, None),
    ],
)
def test_the_language_hint_is_what_the_page_declares(head, header, expected):
    page = f"{head}<body><p>Bondì a tutti, comme stæ? Mi staggo ben.</p></body></html>"
    assert extract_page(page.encode(), content_language=header).language_hint == expected


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", "text/html", "empty"),
        (b" \n\t ", "text/html", "empty"),
        (b"<html><body></body></html>", "text/html", "no_main_text"),
        (b"<html><body><script>let bondi = 1</script><img src='a.png'></body></html>", "text/html", "no_main_text"),
        (b"%PDF-1.7\n...", "text/html", "not_text"),
        (b"\x89PNG\r\n\x1a\n....", None, "not_text"),
        (b"body { color: red }", "text/css", "not_text"),
        (b"\x00\x01\x02\x03" * 50, "text/html", "not_text"),
        (b"a\x00b", "text/plain", "not_text"),
        (bytes(range(128, 256)) * 40, "text/html; charset=utf-8", "encoding_invalid"),
    ],
)
def test_what_is_no_page_of_text_is_refused_with_a_reason(body, content_type, reason):
    with pytest.raises(RecordError) as caught:
        extract_page(body, content_type=content_type)
    assert caught.value.reason == reason
    assert caught.value.detail


def test_plain_text_is_taken_as_it_is():
    found = extract_page(b"A primma riga.  \r\nA segonda.\n", content_type="text/plain; charset=utf-8")
    assert found.text == "A primma riga.\nA segonda."


def test_nul_in_html_is_left_out_and_does_not_end_the_page():
    page = PAGE.replace("mortâ", "mor\0tâ").encode()
    text = extract_page(page).text
    assert "into mortâ" in text
    assert "pecorin" in text


def test_elements_that_are_nested_without_end_do_no_harm():
    page = b"<html><body>" + b"<div>" * 20_000 + b"<p>Bond\xc3\xac a tutti.</p>" + b"</div>" * 20_000
    reason = None
    try:
        extract_page(page)
    except RecordError as error:
        reason = error.reason
    assert reason in {None, "no_main_text", "record_malformed"}


SENTENCE = "A l'è coscì, perché gh’é a libeçâ – e a çittæ a l’è bella."


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        (SENTENCE.encode(), None),
        (SENTENCE.encode(), "iso-8859-1"),  # the usual wrong declaration of a web server
        (SENTENCE.encode("windows-1252"), "iso-8859-1"),
        (SENTENCE.encode("windows-1252"), "windows-1252"),
        (SENTENCE.encode("utf-16"), None),
        (SENTENCE.encode("utf-16-le"), "utf-16-le"),
        (b"\xef\xbb\xbf" + SENTENCE.encode(), "windows-1252"),
        (b'<meta charset="windows-1252">' + SENTENCE.encode("windows-1252"), None),
        (b'<meta charset="windows-1252">' + SENTENCE.encode("windows-1252"), "no-such-charset"),
    ],
)
def test_the_charset_is_found(body, declared):
    assert decode_page(body, declared).endswith(SENTENCE)


def test_a_page_cut_within_a_character_loses_that_character_only():
    body = (SENTENCE * 10).encode() + "è".encode()[:1]
    assert decode_page(b'<meta charset="utf-8">' + body).count("\ufffd") <= 1


def test_escapes_of_japanese_mail_are_no_utf8():
    assert decode_page("日本語です".encode("iso-2022-jp"), "iso-2022-jp") == "日本語です"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://creativecommons.org/licenses/by/3.0/it/", "CC BY 3.0"),
        ("//creativecommons.org/licenses/by-nc-sa/2.5/", "CC BY-NC-SA 2.5"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
        ("https://zena.example/licensa", None),
    ],
)
def test_licences_are_named_by_their_address(url, name):
    assert licence_of(url) == name
