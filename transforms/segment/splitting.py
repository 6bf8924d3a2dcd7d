"""Split text into sentences. Pure, without Beam.

A newline always ends a sentence: blocks of a page, lines of a file are never joined. Within a line
sentencex splits, by the rules of the variety's own or its standard language.
"""

import re
from functools import lru_cache

from schemas.variety import splitter_of
from transforms.segment.repair import mend

_WINDOW_CHARACTERS = 4000
"""What sentencex is given at once. Its time grows with the square of the length, and in a long text one
quotation mark that is never closed keeps it from splitting what follows."""

_MAY_END = re.compile(r"[^\w\s,'’\"“”«»()–&%#@*/\\·-]")
"""What is no letter, digit or space, nor a sign that ends no sentence anywhere: without one within it a line is
one sentence, and sentencex need not look. Its rules for some languages (Catalan) are 100 times slower than for others."""

Span = tuple[int, int]


def split_sentences(text: str, variety: str | None = None) -> list[Span]:
    """Split a text into sentences.

    Args:
        text: any string.
        variety: BCP 47 tag; its rules, or its standard language's, are used; English's when it is None or unknown.

    Returns:
        (start, end) of each sentence in code points, in order, without the white space around it. Every
        character that is not white space is in exactly one.

    Example:
        >>> text = "A l'é bella. Scì!"
        >>> [text[start:end] for start, end in split_sentences(text, "lij")]
        ["A l'é bella.", 'Scì!']
    """
    language = _language(variety)
    if not text.isascii():
        # sentencex takes no halves of surrogate pairs; the mark that stands in for them is as long.
        text = (
            text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _has_surrogates(text) else text
        )
    spans: list[Span] = []
    at = 0
    for line in text.split("\n"):
        if line and not line.isspace():
            spans += _split_line(line, at, language)
        at += len(line) + 1
    return spans


def _split_line(line: str, at: int, language: str) -> list[Span]:
    spans: list[Span] = []
    for start, end in mend(line, _cuts(line, language)):
        piece = line[start:end]
        stripped = piece.strip()
        if stripped:
            first = at + start + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(stripped)))
    return spans


def _cuts(line: str, language: str) -> list[Span]:
    """Cut a line window by window; what a window leaves open begins the next one."""
    if len(line) <= _WINDOW_CHARACTERS and not _MAY_END.search(line, 0, len(line.rstrip()) - 1):
        return [(0, len(line))]
    from sentencex import segment

    cuts: list[Span] = []
    at, width = 0, _WINDOW_CHARACTERS
    while at < len(line):
        window = line[at : at + width]
        pieces = segment(language, window)
        if "".join(pieces) != window:
            raise AssertionError(f"sentencex changed the text that it split ({language}): {window[:80]!r}")
        last = at + width >= len(line)
        if not last and len(pieces) == 1:
            width *= 2
            continue
        for piece in pieces if last else pieces[:-1]:
            cuts.append((at, at + len(piece)))
            at += len(piece)
        if last:
            break
        width = _WINDOW_CHARACTERS
    return cuts


def _has_surrogates(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


@lru_cache(maxsize=1024)
def _language(variety: str | None) -> str:
    return splitter_of(variety)
