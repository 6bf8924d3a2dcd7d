"""Stores of this folder's tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from servers import Store, environment, make_store


@pytest.fixture(scope="module", params=["gs", "s3"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Each store in turn, reachable from this process."""
    with make_store(request.param, tmp_path_factory.mktemp("store")) as made, environment(made.environment):
        yield made
