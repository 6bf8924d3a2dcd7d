r"""Clean one text: what is broken is repaired, what is spelling is left alone.

The normalized text is what the models read; the text as found is what gets published. So a repair may be
thorough, but it must never choose between spellings: quotation marks stay curly or straight, ligatures,
full-width letters, apostrophes and letters of any orthography stay as they are (`apostrophes = "plain"`
is the one exception, on demand). Repaired are:

- text decoded with the wrong charset, by ftfy, a line at a time, and only where a pair of characters stands
  that UTF-8 read in a legacy charset would give;
- HTML entities left in text, on lines without `<`;
- line ends (CR, CRLF, NEL, U+2028, U+2029, vertical tab, form feed), each made one newline;
- white space of all kinds: one space, none at the ends of a line; blank lines stay;
- control characters, terminal escapes, soft hyphens, zero-width spaces and joiners, byte order marks,
  controls of writing direction: taken out. ZWNJ and ZWJ stay after characters of the scripts that
  need them, and in emoji;
- halves of surrogate pairs: joined, or U+FFFD where one half is missing;
- last, the canonical composition NFC.

The steps are repeated until nothing changes, so cleaning a clean text changes nothing.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

import ftfy
from ftfy import chardata, fixes

from transforms.common.edits import Edits, no_edits
from transforms.normalize.edits import Row, as_edits, compose, difference, substitutions
from transforms.normalize.settings import NormalizeSettings

_ROUNDS = 16
"""Rounds before a text that will not settle is taken as it is, without ftfy. None has needed more than four."""

_NEWLINE = r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]"
_SPACE = r"[\t \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]"
_INVISIBLE = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
)
_JOINER = r"\u200c\u200d"
# Scripts that need joiners start with Arabic; below U+0600 a joiner is debris.
_CHARACTERS = re.compile(
    rf"(?P<escape>\x1b\[[\d;]*[A-Za-z])"
    rf"|(?P<newline>{_SPACE}*(?:{_NEWLINE}){_SPACE}*|{_SPACE}+\n{_SPACE}*|\n{_SPACE}+)"
    rf"|(?P<space>\A{_SPACE}+|{_SPACE}+\Z|{_SPACE}{{2,}}|[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000])"
    rf"|(?P<invisible>[{_INVISIBLE}]+|(?:(?<=[\x00-\u05ff])|\A)[{_JOINER}]+)"
    r"|(?P<pair>[\ud800-\udbff][\udc00-\udfff])"
    r"|(?P<half>[\ud800-\udfff])"
)
_SUSPECT = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\xa0\xad\u061c\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPACES = ("  ", " \n", "\n ")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][0-9A-Za-z]{1,24});")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])\u2019|\u2019(?=[^\W\d_])")
_PLAIN = str.maketrans({"\u2019": "'"})
_MOJIBAKE_SETTINGS = ftfy.TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_encoding=True,
    restore_byte_a0=True,
    replace_lossy_sequences=True,
    decode_inconsistent_utf8=True,
    fix_c1_controls=True,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)


def normalize_text(text: str, settings: NormalizeSettings | None = None) -> tuple[str, Edits]:
    r"""Clean a text and say where it changed.

    Args:
        text: any string; lone surrogates and unassigned code points are allowed.
        settings: what to repair.

    Returns:
        The normalized text, and the edits that lead to it: (n, 4), see `transforms.common.edits`.

    Example:
        >>> normalize_text("perch\u00c3\u00a9  no?")[0]
        'perché no?'
    """
    settings = settings or NormalizeSettings()
    edits = no_edits()
    for round_ in range(_ROUNDS):
        before = text
        for step in _steps(settings, with_ftfy=round_ < _ROUNDS // 2):
            text, more = step(text)
            edits = compose(edits, more)
        if text == before:
            break
    return text, edits


def is_clean(text: str, settings: NormalizeSettings | None = None) -> bool:
    """Is there certainly nothing to do? Quick, and careful: False only means that the steps must look."""
    settings = settings or NormalizeSettings()
    if _has_suspects(text):
        return False
    if settings.entities and "&" in text and _ENTITY.search(text):
        return False
    if text.isascii():
        return True
    if "\u2019" in text and settings.apostrophes == "plain" and _APOSTROPHE.search(text):
        return False
    if not unicodedata.is_normalized("NFC", text):
        return False
    return not (settings.mojibake and _may_be_mojibake(text))


def _has_suspects(text: str) -> bool:
    return (
        any(pair in text for pair in _SPACES)
        or text[:1] == " "
        or text[-1:] == " "
        or _SUSPECT.search(text) is not None
    )


Step = Callable[[str], tuple[str, Edits]]


def _steps(settings: NormalizeSettings, *, with_ftfy: bool) -> Iterator[Step]:
    if settings.entities:
        yield _entities
    if settings.mojibake and with_ftfy:
        yield _repair_mojibake
    yield _characters
    if settings.apostrophes == "plain":
        yield _plain_apostrophes
    yield _composed


def _entities(text: str) -> tuple[str, Edits]:
    if "&" not in text or not _ENTITY.search(text):
        return text, no_edits()
    return _by_line(text, _ENTITY.search, lambda line: line if "<" in line else fixes.unescape_html(line))


def _repair_mojibake(text: str) -> tuple[str, Edits]:
    if not _may_be_mojibake(text):
        return text, no_edits()
    return _by_line(text, _may_be_mojibake, lambda line: ftfy.fix_encoding(line, _MOJIBAKE_SETTINGS))


def _by_line(text: str, trace: Callable[[str], object], repair: Callable[[str], str]) -> tuple[str, Edits]:
    """Repair the lines that bear the trace, and find out what was done to them."""
    lines = text.split("\n")
    rows: list[Row] = []
    at = shift = 0
    for i, line in enumerate(lines):
        if trace(line):
            repaired = repair(line)
            rows += [
                (at + start, at + end, at + shift + left, at + shift + right)
                for start, end, left, right in difference(line, repaired)
            ]
            lines[i] = repaired
            shift += len(repaired) - len(line)
        at += len(line) + 1
    return "\n".join(lines), as_edits(rows)


def _may_be_mojibake(text: str) -> bool:
    r"""Is there what UTF-8 read in a legacy charset leaves: a lead byte's character before a continuation byte's?

    Taken from the charsets that ftfy knows. Sound text may have such a pair too (Ukrainian `ві`): whether
    something is wrong is ftfy's to judge. So may C1 controls be, and `Â` and `Ã`, whose second half may be a
    no-break space that was lost.
    """
    if text.isascii():
        return False
    single, any_pair, pair = _mojibake()
    # The union of all charsets is tried first: it is one quick look, and most text ends there.
    return single.search(text) is not None or (any_pair.search(text) is not None and pair.search(text) is not None)


@cache
def _mojibake() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    pairs = [(_letters(name, 0xC2, 0xF5), _letters(name, 0x80, 0xC0)) for name in chardata.CHARMAP_ENCODINGS]
    leads, following = (re.escape("".join(sorted(set("".join(side))))) for side in zip(*pairs, strict=True))
    exact = "|".join(dict.fromkeys(f"[{re.escape(lead)}][{re.escape(rest)}]" for lead, rest in pairs))
    return re.compile("[\x80-\x9f\ufffdÂÃ]"), re.compile(f"[{leads}][{following}]"), re.compile(exact)


def _letters(charset: str, first: int, end: int) -> str:
    decoded = (bytes([byte]).decode(charset, "ignore") for byte in range(first, end))
    return "".join(letter for letter in decoded if letter > "\x7f")


def _characters(text: str) -> tuple[str, Edits]:
    if not _has_suspects(text):
        return text, no_edits()
    parts: list[str] = []
    changes: list[tuple[int, int, int]] = []
    at = 0
    for match in _CHARACTERS.finditer(text):
        start, end = match.span()
        replacement = _replacement(match, len(text))
        parts += [text[at:start], replacement]
        changes.append((start, end, len(replacement)))
        at = end
    parts.append(text[at:])
    return "".join(parts), substitutions(changes)


def _replacement(match: re.Match[str], length: int) -> str:
    kind, found = match.lastgroup, match.group()
    if kind == "newline":
        return "\n"
    if kind == "space":
        return "" if match.start() == 0 or match.end() == length else " "
    if kind == "pair":
        return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    return "\ufffd" if kind == "half" else ""


def _plain_apostrophes(text: str) -> tuple[str, Edits]:
    changes = [(match.start(), match.end(), 1) for match in _APOSTROPHE.finditer(text)]
    return (_APOSTROPHE.sub("'", text), substitutions(changes)) if changes else (text, no_edits())


# Below U+0300 nothing composes with what stands before it, so composition cannot reach over these.
_COMPOSING = re.compile(r"[\x00-\u02ff]?[^\x00-\u02ff]+")


def _composed(text: str) -> tuple[str, Edits]:
    if unicodedata.is_normalized("NFC", text):
        return text, no_edits()
    parts: list[str] = []
    changes: list[tuple[int, int, int]] = []
    at = 0
    for match in _COMPOSING.finditer(text):
        start = match.start()
        stretch = match.group()
        composed = unicodedata.normalize("NFC", stretch)
        if composed == stretch:
            continue
        clusters = _clusters(stretch)
        pieces = [unicodedata.normalize("NFC", cluster) for cluster in clusters]
        if "".join(pieces) != composed:
            clusters, pieces = [stretch], [composed]
        parts.append(text[at:start])
        at = start
        for cluster, piece in zip(clusters, pieces, strict=True):
            if cluster != piece:
                changes.append((at, at + len(cluster), len(piece)))
            parts.append(piece)
            at += len(cluster)
    parts.append(text[at:])
    return "".join(parts), substitutions(changes)


def _clusters(stretch: str) -> list[str]:
    """Cut before every character that is no combining mark and no vowel or final of Hangul."""
    clusters: list[str] = []
    for letter in stretch:
        follows = unicodedata.combining(letter) or "\u1161" <= letter <= "\u1175" or "\u11a8" <= letter <= "\u11c2"
        if clusters and (follows or unicodedata.category(letter)[0] == "M"):
            clusters[-1] += letter
        else:
            clusters.append(letter)
    return clusters
