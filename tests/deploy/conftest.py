"""A Google store, and a small corpus on disk to compare with."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stores"))

from servers import Store, environment, google_store
from small import configure, small_records

from pipelines.cli import main


@pytest.fixture(scope="session")
def records() -> list[str]:
    """What the small corpus is made of."""
    return small_records()


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Google's store, reachable from this process and from those that it starts."""
    with google_store(tmp_path_factory.mktemp("google")) as made, environment(made.environment):
        yield made


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, records: list[str]) -> Path:
    """The corpus, built on disk."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "0.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")
    configuration = folder / "small.toml"
    configuration.write_text(configure(folder / "out", folder / "0.jsonl"), encoding="utf-8")
    assert main(["build", str(configuration), "--quiet"]) == 0
    return folder
