"""Turn pages into documents. Pure, without Beam."""

from dataclasses import dataclass, field
from typing import Any

from schemas.document import DocumentBatch, document_id
from schemas.errors import RecordError
from schemas.page import PageBatch
from schemas.reject import Reason, RejectBatch
from schemas.table import UNDETERMINED
from transforms.common.accounting import Result
from transforms.read.extract import extract_page
from transforms.read.settings import ReadSettings

STAGE = "read"


@dataclass(frozen=True, kw_only=True)
class ExtractPages:
    """Extract the main text of pages; a page without any becomes a reject."""

    settings: ReadSettings = field(default_factory=ReadSettings)

    def __call__(self, pages: PageBatch) -> Result[DocumentBatch]:
        """Extract a batch: a document or a reject for every page.

        What the configuration says of language and licence (it stands in the page's row) beats what the page says.
        """
        documents: list[dict[str, Any]] = []
        rejects: list[dict[str, Any]] = []
        for page in pages.rows():
            try:
                documents.append(self._document(page))
            except RecordError as error:
                rejects.append(
                    {
                        "stage": STAGE,
                        "unit": "page",
                        "record_id": page["page_id"],
                        "variety": page["language_hint"] or UNDETERMINED,
                        "reason": str(error.reason),
                        "detail": error.detail,
                        "source": page["source"],
                        "url": page["url"],
                    }
                )
        return Result(DocumentBatch.from_rows(documents), RejectBatch.from_rows(rejects))

    def _document(self, page: dict[str, Any]) -> dict[str, Any]:
        content_type = page["content_type"]
        if page["charset"]:
            content_type = f"{content_type or ''};charset={page['charset']}"
        found = extract_page(
            page["body"],
            page["url"],
            content_type,
            content_language=page["content_language"],
            favour=self.settings.favour,
            tables=self.settings.tables,
        )
        limit = self.settings.max_document_characters
        if len(found.text) > limit:
            raise RecordError(Reason.TOO_LARGE, f"{len(found.text)} characters, expected at most {limit}")
        url = page["url"] or found.canonical
        return {
            "document_id": document_id(url, found.text, page["source"], page["language_hint"]),
            "source": page["source"],
            "url": url,
            "title": found.title,
            "text": found.text,
            "language_hint": page["language_hint"] or found.language_hint,
            "alternates": [{"tag": tag, "url": address} for tag, address in found.alternates] or None,
            "licence": page["licence"] or found.licence,
            "robots": page["robots"],
        }
