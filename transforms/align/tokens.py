"""Words of a text as found, for alignment: a list of tokens that stand in the text in this order.

Nothing but white space and stray invisible characters is left out, so the tokens put together are the text
without its white space, and offsets can be found again (`spans`). What a word is:

- letters, digits and the marks on them; a mark is never parted from what it stands on;
- hyphens, middle dots and joiners between letters belong to the word (`col·legi`, `tâi-gí`);
- an apostrophe goes where the shortened word is: `l'` `é`, `dell’` `ægua`, `que` `'s`, `don` `'t`, `po'`,
  `'na` `vòtta`; inside a word it stays (`O'Connor`, Cyrillic `п'ять`, Hebrew abbreviations);
- digits with their separators are one token (`1.234,5`, `10:30`, `٣٫١٤`), as are abbreviations of single
  letters (`d.C.`), web and mail addresses;
- every Han character is a word; Kana, Arabic with its clitics and all other scripts are taken as written;
- equal punctuation marks in a row are one token (`...`), every other mark stands alone.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache

APOSTROPHES = "'’ʼ＇"
_APOSTROPHE = re.compile(f"([{APOSTROPHES}])")
_VOWELS = frozenset("aeiouyæøœɛɔəɐɪʊı")
_CLITIC_LETTERS = 3
_LATIN_TOP = 0x250


def tokenize(text: str) -> list[str]:
    """Split a text into its words and punctuation marks.

    Example:
        >>> tokenize("L'ægua a l'é freida, -4,5 °C.")
        ["L'", 'ægua', 'a', "l'", 'é', 'freida', ',', '-', '4,5', '°', 'C', '.']
    """
    tokens: list[str] = []
    quoted = False
    for found in _pattern().finditer(text):
        piece = found.group()
        kind = found.lastgroup
        if kind == "word":
            quoted = _add_word(tokens, piece, quoted=quoted)
        elif kind == "plain":
            tokens.append(piece)
        elif kind == "mark":
            quoted = quoted or piece == "‘"
            tokens.append(piece)
    return tokens


def spans(text: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Give where each token begins and ends in its text, in code points.

    Raises:
        ValueError: the tokens are not of this text, in this order.
    """
    places = []
    end = 0
    for token in tokens:
        start = text.index(token, end)
        end = start + len(token)
        places.append((start, end))
    return places


def _add_word(tokens: list[str], word: str, *, quoted: bool) -> bool:
    """Add a word that may have apostrophes inside and at its ends; answers whether a quotation is open behind it.

    Whether an apostrophe at an end quotes or shortens cannot be known; short words (`'na`, `'l`) are taken as
    shortened, and one behind a word closes a quotation only where one is open.
    """
    leading = ""
    if word[0] in APOSTROPHES:
        leading, word = word[0], word[1:]
        first = _APOSTROPHE.split(word, maxsplit=1)[0]
        alone = word[-1] in APOSTROPHES and len(first) == len(word) - 1
        if quoted or alone or len(first) > _CLITIC_LETTERS or not _is_latin(first):
            tokens.append(leading)
            leading, quoted = "", not quoted
    closing = ""
    if word[-1] in APOSTROPHES and (quoted or not _last_letter(word[:-1]).isalpha()):
        word, closing, quoted = word[:-1], word[-1], False
    pieces = _clitics(word) if _APOSTROPHE.search(word) else [word]
    tokens.append(leading + pieces[0])
    tokens.extend(pieces[1:])
    if closing:
        tokens.append(closing)
    return quoted


def _clitics(word: str) -> list[str]:
    """Cut a word at its apostrophes, each left with the shortened side.

    An elision leaves a consonant before the apostrophe (`dell'`), what leans on the word before it comes behind
    a vowel or has none itself (`que'u`, `isch's`). In other scripts the apostrophe is a letter or a sign of
    an abbreviation.
    """
    if not _is_latin(word):
        return [word]
    pieces = _APOSTROPHE.split(word)
    words, marks = pieces[::2], pieces[1::2]
    out = [words[0]]
    for i, mark in enumerate(marks):
        following = words[i + 1]
        if not following:
            out[-1] += mark
            continue
        shortened_too = i + 1 < len(marks) and words[i + 2] != ""
        enclitic = not shortened_too and not any(_is_vowel(c) for c in following)
        ends_in_vowel = _is_vowel(_last_letter(words[i]))
        if enclitic or (ends_in_vowel and len(following) <= _CLITIC_LETTERS and not shortened_too):
            out.append(mark + following)
        elif ends_in_vowel:
            out[-1] += mark + following
        else:
            out[-1] += mark
            out.append(following)
    return out


def _last_letter(word: str) -> str:
    return next((c for c in reversed(word) if not unicodedata.combining(c)), "")


@cache
def _is_vowel(letter: str) -> bool:
    return unicodedata.normalize("NFD", letter.casefold())[:1] in _VOWELS if letter else False


def _is_latin(word: str) -> bool:
    first = next((c for c in word if c.isalpha()), "")
    return bool(first) and (ord(first) < _LATIN_TOP or 0x1E00 <= ord(first) < 0x1F00)


@cache
def _pattern() -> re.Pattern[str]:
    """Build the pattern once: Python's own classes know no marks, so they are listed from the character database."""
    marks = _ranges({"Mn", "Mc", "Me"})
    han = "々〇㐀-䶿一-鿿豈-\ufaff\U00020000-\U0003ffff"
    letter = f"(?:(?![{han}_])[\\w{marks}])"
    joiner = "[\u00ad\u200c\u200d\u2060]"  # soft hyphen, zero width (non-)joiner, word joiner
    run = f"{letter}(?:{letter}|{joiner}(?={letter}))*"
    inside = f"(?:[\u2010\u2011·‧]|(?<!\\d)-|-(?!\\d))(?![{marks}])"
    joined = f"{run}(?:{inside}{run})*"
    apostrophe = f"(?:[{APOSTROPHES}](?![{marks}]))"
    hebrew = "[\u05d0-\u05ea\u0591-\u05c7]"
    plain = [
        '(?:https?://|www\\.)[^\\s<>"]*[^\\s<>"\'’”»).,;:!?]',
        "[\\w.+-]+@[\\w-]+(?:\\.[\\w-]+)+",
        f"\\d+(?:[.,:/٫٬’']\\d+)+(?!{letter})",
        f"(?<!\\w)(?:[^\\W\\d_{han}][{marks}]*\\.){{2,}}(?!{letter})",
        f'{hebrew}+"{hebrew}+',
        f"[{han}]",
        "[\U0001f1e6-\U0001f1ff]{2}",  # flags
    ]
    word = (
        f"(?:(?<!{letter})(?<!{apostrophe}){apostrophe}(?={letter}))?"
        f"{joined}(?:{apostrophe}{joined})*(?:{apostrophe}(?!{apostrophe}))?"
    )
    sign = f"[^\\s{_ranges({'Cc', 'Cf', 'Cs'})}]"
    dressed = f"[{marks}\U0001f3fb-\U0001f3ff]*"  # variation selectors, skin tones
    mark = f"(?P<sign>{sign}){dressed}(?:(?P=sign){dressed}|\u200d{sign}{dressed})*"
    return re.compile(f"(?P<plain>(?:{'|'.join(plain)})[{marks}]*)|(?P<word>{word})|(?P<mark>{mark})")


def _ranges(categories: set[str]) -> str:
    """Give the characters of these categories as the inside of a character class."""
    out: list[str] = []
    first = previous = -2
    for code in [*range(0x20000), *range(0xE0000, 0xE1000), sys.maxunicode + 2]:
        if code <= sys.maxunicode and unicodedata.category(chr(code)) not in categories:
            continue
        if code == previous + 1:
            previous = code
            continue
        if first >= 0:
            out.append(f"\\U{first:08x}" + (f"-\\U{previous:08x}" if previous > first else ""))
        first = previous = code
    return "".join(out)
