"""Measure a corpus against the known answers of the demo's site. Pure.

Texts are compared with white space folded and in NFC. A text that stands in several lines may be paired with a
partner of any of them. Only lines on pages that robots.txt allows are answers that can be found.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from pipelines.demo.site import KnownLine


@dataclass(frozen=True)
class Identification:
    """How well varieties were identified.

    Attributes:
        sentences: sentences that are lines of the site, or parts of lines.
        right: those whose variety is the true one. One without a variety is wrong.
        found: sentences per true variety.
    """

    sentences: int
    right: int
    found: dict[str, int]

    @property
    def accuracy(self) -> float | None:
        """Share of right ones; None without sentences."""
        return self.right / self.sentences if self.sentences else None


@dataclass(frozen=True)
class Mined:
    """How well the pairs of two varieties were found.

    Attributes:
        known: pairs of texts whose lines say the same and both stand on allowed pages.
        found: rows of the corpus.
        right: rows whose two texts are partners.
        parts: rows that are not right, but whose two texts are parts of partners: a line was cut.
        recalled: known pairs found, or of which a side was found with another valid partner.
    """

    known: int
    found: int
    right: int
    parts: int
    recalled: int

    @property
    def precision(self) -> float | None:
        """Share of right rows; None without rows."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of known pairs that were found; None without known pairs."""
        return self.recalled / self.known if self.known else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where one is None, 0 where both are 0."""
        if self.precision is None or self.recall is None:
            return None
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def figures(self) -> dict[str, Any]:
        """Give the figures for a summary."""
        return {
            "found": self.found,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "known": self.known,
            "right": self.right,
            "parts": self.parts,
        }


def fold(text: str) -> str:
    """Fold white space and compose: what two copies of a sentence have in common."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class Answers:
    """The known answers of a site, indexed.

    Args:
        lines: its sentences.
    """

    def __init__(self, lines: Iterable[KnownLine]) -> None:
        self._numbers: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._texts: dict[str, dict[int, str]] = defaultdict(dict)
        self._tags: dict[str, set[str]] = defaultdict(set)
        self._pages: dict[str, tuple[str, str]] = {}
        pages: dict[str, list[KnownLine]] = defaultdict(list)
        for line in lines:
            if not line.is_allowed:
                continue
            text = fold(line.text)
            self._numbers[line.tag][text].add(line.number)
            self._texts[line.tag][line.number] = text
            self._tags[text].add(line.tag)
            pages[line.path].append(line)
        for path, standing in pages.items():
            self._pages[path] = (standing[0].tag, "\n".join(fold(line.text) for line in standing))

    def true_varieties(self, text: str, url: str | None) -> set[str]:
        """Give the varieties that a sentence may truly have; none when it is no sentence of the site.

        Args:
            text: the sentence as found.
            url: its page: decides for a part of a line, which has no line of its own.
        """
        folded = fold(text)
        if folded in self._tags:
            return self._tags[folded]
        tag, whole = self._pages.get(urlsplit(url or "").path, ("", ""))
        return {tag} if folded and folded in whole else set()

    def known_pairs(self, source: str, target: str) -> set[tuple[str, str]]:
        """Give the pairs of texts that say the same."""
        both = self._texts[source].keys() & self._texts[target].keys()
        return {(self._texts[source][number], self._texts[target][number]) for number in both}

    def are_partners(self, source: str, target: str, source_text: str, target_text: str) -> bool:
        """Do these two folded texts stand in lines of the same number?"""
        return bool(self._numbers[source].get(source_text, set()) & self._numbers[target].get(target_text, set()))

    def are_parts(self, source: str, target: str, source_text: str, target_text: str) -> bool:
        """Is each folded text a line or part of a line, and are the two lines partners?"""
        sources = {n for n, text in self._texts[source].items() if source_text in text}
        return any(target_text in self._texts[target].get(n, "") for n in sources)


def measure_identification(answers: Answers, sentences: pa.Table) -> Identification:
    """Compare the varieties of sentences with the true ones.

    Args:
        answers: the known answers.
        sentences: columns `text`, `url`, `variety`. What is no sentence of the site (menus, notices) does not count.
    """
    seen = right = 0
    found: dict[str, int] = defaultdict(int)
    columns = (sentences.column(name).to_pylist() for name in ("text", "url", "variety"))
    for text, url, variety in zip(*columns, strict=True):
        truth = answers.true_varieties(text, url)
        if not truth:
            continue
        seen += 1
        right += variety in truth
        found[variety if variety in truth else min(truth)] += 1
    return Identification(seen, right, dict(sorted(found.items())))


def measure_pairs(answers: Answers, corpus: pa.Table, source: str, target: str) -> Mined:
    """Compare the corpus rows of two varieties with the known pairs.

    Args:
        answers: the known answers.
        corpus: columns `source_variety`, `target_variety`, `source_text`, `target_text`.
        source: tag of the source variety.
        target: tag of the target variety.
    """
    names = ("source_variety", "target_variety", "source_text", "target_text")
    rows = [
        (fold(source_text), fold(target_text))
        for first, second, source_text, target_text in zip(
            *(corpus.column(name).to_pylist() for name in names), strict=True
        )
        if (first, second) == (source, target)
    ]
    right = [row for row in rows if answers.are_partners(source, target, *row)]
    wrong = [row for row in rows if not answers.are_partners(source, target, *row)]
    known = answers.known_pairs(source, target)
    right_sources, right_targets = {row[0] for row in right}, {row[1] for row in right}
    return Mined(
        known=len(known),
        found=len(rows),
        right=len(right),
        parts=sum(answers.are_parts(source, target, *row) for row in wrong),
        recalled=sum(a in right_sources or b in right_targets for a, b in known),
    )


def summarize(
    lines: Sequence[KnownLine], sentences: pa.Table, corpus: pa.Table, pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Measure everything that has a known answer.

    Args:
        lines: the site's sentences.
        sentences: the sentences table (`text`, `url`, `variety`).
        corpus: the corpus rows (`source_variety`, `target_variety`, `source_text`, `target_text`).
        pairs: the variety pairs that were mined.

    Returns:
        `pages` (allowed and forbidden pages of text), `identification_accuracy`, `sentences` by true variety,
        and `pairs`, by `<source>-<target>`: found, precision, recall, f1, known, right, parts.
    """
    answers = Answers(lines)
    identification = measure_identification(answers, sentences)
    return {
        "pages": {
            "allowed": len({line.path for line in lines if line.is_allowed}),
            "forbidden": len({line.path for line in lines if not line.is_allowed}),
        },
        "identification_accuracy": identification.accuracy,
        "sentences": identification.found,
        "pairs": {
            f"{source}-{target}": measure_pairs(answers, corpus, source, target).figures() for source, target in pairs
        },
    }
