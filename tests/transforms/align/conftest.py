"""A small model on disk, made once a session."""

import pytest

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN
from .small_bert import make_bert


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """A folder with a small random BERT whose vocabulary comes from the test sentences."""
    texts = [text for pair in LIGURIAN_ITALIAN + FRIULIAN_ITALIAN for text in pair]
    return str(make_bert(tmp_path_factory.mktemp("models") / "bert", texts))
