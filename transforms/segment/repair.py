"""Mend a splitter's cuts by what holds in every language with letter case. Pure.

Rule sets of standard languages meet dialect text with abbreviations, quotation marks and words that they do
not expect. Four observations mend most of it: a sentence does not begin with a small letter or a comma after a
full stop; a full stop without white space behind it ends none; closing marks belong to what they close; and a
full stop after an ordinary word, before a capital, ends one, though a quotation was never closed.
"""

import itertools
import re
from collections.abc import Sequence

Span = tuple[int, int]

_CLOSERS = "\"”’»›)]}'"
_OPENERS = "\"“‘«‹([{'„‚¿¡—–-"
_ABBREVIATIONS = frozenset(
    """
    abb aegis approx art asst ave bros bzw cap cfr chap cioè circ col dep dept dipl doc dott dr drs ecc ed eds edn esq
    etc ets evtl fam feat fig figg fol fols gen gov hon hrsg inc ing jan feb apr jun jul aug sept oct nov dec
    jr lib lit ltd mag max mgr min mlle mme mons mrs msgr mss mt mts nat nov num op pag pagg phd pol pp pres prof
    profs prov pta pte resp rev sen sez sgt sig sigg sir soc spec sra sta ste str tab tel trad univ usw verz
    vgl vol vols vs zit zool
    """.split()  # noqa: SIM905 -- a word list reads best as one
)
# A mark that ends a sentence, what closes behind it, white space, and what opens before a capital or a letter
# without case (the last is looked up in `_begins`).
_END = re.compile(r"([.!?…]+)([" + re.escape(_CLOSERS) + r"]*)(\s+)(?=[" + re.escape(_OPENERS) + r"]*\w)")
_LAST_WORD = re.compile(r"([^\W\d_]+|\d\w*|\w+)[" + re.escape(_CLOSERS) + r"]*$")
_LEADING_CLOSERS = re.compile(r"\s*([" + re.escape(_CLOSERS) + r"]+)(?=\s|$)")
_INITIAL = re.compile(r"(?:^|[\s(“\"'’.-])[^\W\d_]\.$")
_SHORTEST_WORD = 3
_LOOK_BACK = 100
"""Characters before a cut that are looked at: longer than words are, so that time grows with the text only."""


def mend(line: str, cuts: Sequence[Span]) -> list[Span]:
    """Move, join and add cuts of one line.

    Args:
        line: the text, without line breaks.
        cuts: (start, end) of its pieces, in order and without gaps.

    Returns:
        Pieces of the same line, in order and without gaps.

    Example:
        >>> line = "Do 100 a.C. ca. en monæe. ” A peuvia a l'é lì."
        >>> [line[a:b] for a, b in mend(line, [(0, 8), (8, 12), (12, 16), (16, 46)])]
        ['Do 100 a.C. ca. en monæe. ” ', "A peuvia a l'é lì."]
    """
    bounds = sorted({end for _, end in cuts[:-1]} | set(_missing(line)))
    bounds = sorted({_behind_closers(line, bound) for bound in bounds})
    bounds = [bound for bound in bounds if 0 < bound < len(line) and not _is_inside(line, bound)]
    edges = [0, *bounds, len(line)]
    return list(itertools.pairwise(edges))


def _missing(line: str) -> list[int]:
    """Find ends of sentences by themselves: after an ordinary word, before a capital."""
    found = []
    for end in _END.finditer(line):
        if not _begins(line, end.end()):
            continue
        marks = end.group(1)
        if marks == "." and not _is_ordinary(line[max(0, end.start() - _LOOK_BACK) : end.start()]):
            continue
        found.append(end.end())
    return found


def _begins(line: str, at: int) -> bool:
    """Does a capital, or a letter of a script without case, stand here, behind opening marks?"""
    while at < len(line) and line[at] in _OPENERS:
        at += 1
    return at < len(line) and line[at].isalpha() and not line[at].islower()


def _is_ordinary(before: str) -> bool:
    """Is the last word one that a full stop does not abbreviate?"""
    match = _LAST_WORD.search(before)
    if match is None:
        return before[-1:] in _CLOSERS
    word = match.group(1)
    if word.isdigit():  # 3. Oktober, but: nel 1995. Poi
        return len(word) >= _SHORTEST_WORD + 1
    if match.start() > 0 and before[match.start() - 1] == ".":  # a.C., U.S.
        return False
    if any(character.isdigit() for character in word):
        return True
    return len(word) >= _SHORTEST_WORD and word.islower() and word.casefold() not in _ABBREVIATIONS


def _behind_closers(line: str, bound: int) -> int:
    """Move a cut behind marks that close what stands before it."""
    match = _LEADING_CLOSERS.match(line, bound)
    if match is None:
        return bound
    end = match.end()
    while end < len(line) and line[end].isspace():
        end += 1
    return end


def _is_inside(line: str, bound: int) -> bool:
    """Does this cut go through a sentence?"""
    before = line[max(0, bound - _LOOK_BACK) : bound].rstrip()
    closed = before.rstrip(_CLOSERS)
    after = line[bound : bound + _LOOK_BACK].lstrip()
    if not closed.endswith("."):
        return bool(after) and after[0] in ",;:"
    if not line[bound - 1].isspace() and not line[bound].isspace():
        return True
    return bool(_INITIAL.search(closed)) or (bool(after) and (after[0].islower() or after[0] in ",;:"))
