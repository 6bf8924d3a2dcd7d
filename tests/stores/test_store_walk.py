"""The demo's walk, from the crawl to the corpus, with every path on a store: the corpus is that of a local run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Store

from pipelines.cli import main
from pipelines.demo.sample import load_sample
from pipelines.demo.server import SiteServer
from pipelines.demo.site import make_site
from transforms.common import files

pytestmark = pytest.mark.slow

SAME = ("vectors", "pairs", "corpus")
"""Checkpoints that are the same to the last byte. Pages hold the time of capture; what names them has their digest."""


@pytest.fixture(scope="module")
def seed() -> Iterator[str]:
    with SiteServer(lambda base: make_site(load_sample(), base)) as server:
        yield server.site.seeds[0]


def build(seed: str, output: str, *more: str) -> None:
    changes = (f'crawl.seeds=["{seed}"]', f'corpus.output="{output}"')
    arguments = ["build", "demo", "--quiet", *(word for change in changes for word in ("--set", change))]
    assert main([*arguments, *more]) == 0


@pytest.fixture(scope="module")
def local(seed: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = str(tmp_path_factory.mktemp("local"))
    build(seed, output)
    return output


def content(folder: str) -> dict[str, bytes]:
    root = folder.rstrip("/") + "/"
    return {file.path.removeprefix(root): files.read_bytes(file.path) for file in files.match(root)}


def shards(folder: str) -> dict[str, bytes]:
    return {path: data for path, data in content(folder).items() if path != "manifest.json"}


def test_the_corpus_is_that_of_a_local_run_byte_for_byte(
    store: Store, seed: str, local: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)  # what is written beside the store by mistake lands here
    output = store.within("demo")
    build(seed, output)
    assert list(tmp_path.iterdir()) == []
    for checkpoint in SAME:
        ours = content(f"{output}/{checkpoint}")
        assert ours == content(f"{local}/{checkpoint}")
        assert len(ours) > 5
    for checkpoint in ("documents", "sentences"):
        assert shards(f"{output}/{checkpoint}") == shards(f"{local}/{checkpoint}")
    assert {path for path in content(f"{output}/pages") if path.startswith(("warc/", "state/"))} == {
        path
        for path in content(f"{local}/pages")
        if path.startswith(("warc/", "state/")) and not path.endswith(".lock")
    }
    assert main(["inspect", f"{output}/corpus"]) == 0
