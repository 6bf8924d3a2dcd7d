"""Segment a batch of documents into sentences. Pure, without Beam."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.document import DocumentBatch
from schemas.ledger import LedgerBatch
from schemas.reject import EXCERPT_CHARACTERS, Reason, RejectBatch
from schemas.sentence import SentenceBatch, sentence_id
from schemas.table import UNDETERMINED
from transforms.common.accounting import Result
from transforms.common.edits import Edits, edits_of, found_span
from transforms.segment.settings import SegmentSettings
from transforms.segment.splitting import Span, split_sentences

STAGE = "segment"


@dataclass(frozen=True, kw_only=True)
class SegmentDocuments:
    """Cut documents into sentences; what is too long or has too few letters becomes a reject of its own."""

    settings: SegmentSettings = field(default_factory=SegmentSettings)

    def __call__(self, documents: DocumentBatch) -> Result[SentenceBatch]:
        """Segment a batch.

        Returns:
            Sentences, rejects of the units `sentence` and `document`, and the ledger's entries of the unit `sentence`.
        """
        made = _Rows()
        rejects: list[dict[str, object]] = []
        entered: Counter[str] = Counter()
        edits = edits_of(documents)
        texts, normalized = documents.texts("text"), documents.texts("normalized")
        columns = {
            name: documents.texts(name)
            for name in ("document_id", "source", "url", "licence", "robots", "language_hint")
        }
        for row, found in enumerate(texts):
            document = {name: values[row] for name, values in columns.items()}
            variety = document["language_hint"] or UNDETERMINED
            clean = found if normalized[row] is None else normalized[row]
            spans = split_sentences(clean, document["language_hint"])
            starts, ends = _apart_from_edits(edits[row], spans)
            found_starts, found_ends = found_span(edits[row], starts, ends)
            entered[variety] += len(starts)
            kept, reason = len(made.rows), Reason.EMPTY
            for position, (start, end, found_start, found_end) in enumerate(
                zip(starts.tolist(), ends.tolist(), found_starts.tolist(), found_ends.tolist(), strict=True)
            ):
                sentence = clean[start:end].strip()
                identifier = sentence_id(document["document_id"], found_start, found_end)
                refused = self._refuse(sentence)
                if refused is None:
                    made.add(
                        row, (identifier, position, found_start, found_end, found[found_start:found_end], sentence)
                    )
                    continue
                reason = refused[0]
                rejects.append(_reject("sentence", identifier, document, refused, sentence))
            if len(made.rows) == kept:
                detail = "none of its sentences went on" if len(starts) else "no text but white space"
                rejects.append(_reject("document", document["document_id"], document, (reason, detail), clean))
        sentences = made.batch(documents)
        return Result(sentences, RejectBatch.from_rows(rejects), _entries(entered, sentences))

    def _refuse(self, sentence: str) -> tuple[Reason, str] | None:
        limit = self.settings.max_characters
        if len(sentence) > limit:
            return Reason.SENTENCE_TOO_LONG, f"{len(sentence)} characters, expected at most {limit}"
        fewest = self.settings.min_letters
        if fewest and not _has_letters(sentence, fewest):
            if fewest == 1:
                return Reason.NO_LETTERS, "expected a letter, there is none"
            return Reason.SENTENCE_TOO_SHORT, f"expected at least {fewest} letters"
        return None


class _Rows:
    """Sentences of a batch, as columns to be."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.values: list[tuple[str, int, int, int, str, str]] = []

    def add(self, row: int, values: tuple[str, int, int, int, str, str]) -> None:
        self.rows.append(row)
        self.values.append(values)

    def batch(self, documents: DocumentBatch) -> SentenceBatch:
        if not self.rows:
            return SentenceBatch.empty()
        parents = documents.take(self.rows)
        names = ("sentence_id", "position", "start", "end", "text", "normalized")
        own = dict(zip(names, (list(column) for column in zip(*self.values, strict=True)), strict=True))
        inherited = ("document_id", "language_hint", "source", "url", "licence", "robots")
        return SentenceBatch.from_columns(own | {name: parents.column(name) for name in inherited})


def _apart_from_edits(edits: Edits, spans: list[Span]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Move bounds that fall within an edit, so that no two sentences share one: it stays with the first.

    Args:
        edits: (n, 4) edits of the document.
        spans: sentences in the normalized text, in order.

    Returns:
        (m,) starts and (m,) ends; a sentence that stood within one edit after another is gone.
    """
    starts, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    if len(edits) == 0 or len(spans) == 0:
        return starts, ends
    _, _, given, made = edits.T
    starts, ends = starts.copy(), ends.copy()
    before = np.maximum(np.searchsorted(given, ends, side="left") - 1, 0)
    ends = np.where((given[before] < ends) & (ends < made[before]), made[before], ends)
    before = np.maximum(np.searchsorted(given, starts, side="left") - 1, 0)
    inside = (given[before] < starts) & (starts < made[before])
    earlier = np.concatenate([[0], ends[:-1]])
    starts = np.where(inside, np.where(earlier <= given[before], given[before], made[before]), starts)
    starts = np.maximum(starts, earlier)
    left = starts < ends
    return starts[left], ends[left]


def _has_letters(sentence: str, fewest: int) -> bool:
    count = 0
    for character in sentence:
        if character.isalpha():
            count += 1
            if count == fewest:
                return True
    return False


def _reject(
    unit: str, identifier: str, document: dict[str, str], refusal: tuple[Reason, str], text: str
) -> dict[str, object]:
    reason, detail = refusal
    return {
        "stage": STAGE,
        "unit": unit,
        "record_id": identifier,
        "variety": document["language_hint"] or UNDETERMINED,
        "reason": str(reason),
        "detail": detail,
        "source": document["source"],
        "url": document["url"],
        "excerpt": text[:EXCERPT_CHARACTERS],
    }


def _entries(entered: Counter[str], sentences: SentenceBatch) -> LedgerBatch:
    """Count sentences: `in` where they were found, `out` where they were made."""
    left: Counter[str] = Counter(tag or UNDETERMINED for tag in sentences.texts("language_hint"))
    rows = [("in", tag, number) for tag, number in entered.items()] + [
        ("out", tag, number) for tag, number in left.items()
    ]
    return LedgerBatch.from_rows(
        {"stage": STAGE, "unit": "sentence", "variety": tag, "outcome": outcome, "reason": "", "count": number}
        for outcome, tag, number in rows
        if number
    )
