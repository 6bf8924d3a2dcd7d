"""A run with a dense encoder whose model, seed pairs and vector cache lie on a store: the corpus is that of a local run."""

import json
import runpy
from pathlib import Path

import pytest
from servers import Store
from small import configure, small_records

from pipelines.cli import main
from transforms.common import files

pytest.importorskip("sentence_transformers")
pytestmark = pytest.mark.models

write_sentence_transformer = runpy.run_path(
    str(Path(__file__).parents[1] / "transforms" / "embed" / "small_sentence_transformer.py")
)["write_sentence_transformer"]
NAMING = ("manifest.json", "README.md", "card.json")
"""Files that name the configuration, and so the place of the model."""
EMBED = """
[embed]
encoders = ["sentence_transformers"]
device = "cpu"
vector_cache = "{place}/cache"

[embed.sentence_transformers]
model = "{place}/model"

[embed.space]
centre = true
maps = [{{ source = "lij", target = "it", pairs = "{place}/seeds.tsv" }}]

[mine]
threshold = 1.0
"""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records, a model, seed pairs and a finished run."""
    folder = tmp_path_factory.mktemp("local")
    records = small_records()
    texts = [line for record in records for line in json.loads(record)["text"].split("\n") if line]
    (folder / "pages.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")
    write_sentence_transformer(folder / "model", texts, static=True)
    seeds = "".join(f"{text}\t{text}\n" for text in texts[:40])
    (folder / "seeds.tsv").write_text(seeds, encoding="utf-8")
    build(str(folder), folder)
    return folder


def build(place: str, folder: Path, name: str = "out") -> str:
    """Build with all paths at a place; gives the output."""
    output = f"{place}/{name}"
    path = folder / f"{name}-{'local' if place == str(folder) else 'store'}.toml"
    path.write_text(configure(output, f"{place}/pages.jsonl") + EMBED.format(place=place), encoding="utf-8")
    assert main(["build", str(path), "--quiet"]) == 0
    return output


def shards(folder: str) -> dict[str, bytes]:
    root = folder.rstrip("/") + "/"
    found = {file.path.removeprefix(root): files.read_bytes(file.path) for file in files.match(root)}
    return {path: data for path, data in found.items() if path not in NAMING}


def test_model_seed_pairs_and_cache_may_lie_on_a_store(
    store: Store, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ISOGLOSS_CACHE", str(tmp_path / "models"))
    place = store.within("dense")
    for path in [local / "pages.jsonl", local / "seeds.tsv", *(local / "model").rglob("*")]:
        if path.is_file():
            files.write_bytes(f"{place}/{path.relative_to(local).as_posix()}", path.read_bytes())
    output = build(place, tmp_path)
    for checkpoint in ("sentences", "vectors", "pairs", "corpus"):
        ours = shards(f"{output}/{checkpoint}")
        assert sum(path.endswith(".parquet") for path in ours) >= 2  # the ledger is one of them
        assert ours == shards(str(local / "out" / checkpoint))
    kept = [file.path for file in files.match(f"{place}/cache/")]
    assert any(path.endswith(".float16") for path in kept)
    again = build(place, tmp_path, "again")  # all vectors come from the cache
    assert shards(f"{again}/vectors") == shards(f"{output}/vectors")
    assert [file.path for file in files.match(f"{place}/cache/")] == kept
