"""Quality of the extraction of main text, on trafilatura's own evaluation pages.

A page counts for each of its snippets: those that must come out, and those that must not. The set is 259
of trafilatura's 990 pages, mostly German news and blogs.
"""

import json
from hashlib import blake2b

import pytest

from schemas.errors import RecordError
from transforms.read import extract_page

# The labels that the floors were measured on.
LABELS = "b36bb2"


@pytest.mark.data
def test_extraction_of_main_text(shared_data, floor):
    labels = (shared_data / "trafilatura-eval" / "evaldata.subset.json").read_bytes()
    assert blake2b(labels, digest_size=3).hexdigest() == LABELS, "the labelled pages changed: measure the floors again"
    right = missed = wrong = titles = pages = 0
    for url, page in json.loads(labels).items():
        body = (shared_data / "trafilatura-eval" / page["path"]).read_bytes()
        try:
            found = extract_page(body, url)
            text, title = found.text, found.title
        except RecordError:
            text, title = "", None
        pages += 1
        right += sum(snippet in text for snippet in page["with"])
        missed += sum(snippet not in text for snippet in page["with"])
        wrong += sum(snippet in text for snippet in page["without"])
        titles += title == page.get("title")
    precision, recall = right / (right + wrong), right / (right + missed)
    f1 = 2 * precision * recall / (precision + recall)
    print(f"{pages} pages: precision {precision:.4f} recall {recall:.4f} F1 {f1:.4f} title {titles / pages:.4f}")  # noqa: T201 - the figures, for `make quality`
    assert precision >= floor("read.extraction.precision")
    assert recall >= floor("read.extraction.recall")
    assert f1 >= floor("read.extraction.f1")
    assert titles / pages >= floor("read.extraction.title")
