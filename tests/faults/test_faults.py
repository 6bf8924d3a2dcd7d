"""Faults, each with its expected ending: the run ends right, or with an error that names the cause; nothing in between.

`make faults`. After every fault that ends a run the same command, run again, makes the bytes of an undisturbed run.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import HANG_UP, LOOPBACK, Gate, amazon_store, environment, gate_before, google_store, nobody
from small import configure, small_records

from pipelines.cli import main
from transforms.common import files
from transforms.common.models import local_model

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]  # a machine may be slow or busy

SABOTAGE = Path(__file__).with_name("sabotage")
PROJECT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ("documents", "sentences", "vectors", "pairs", "corpus")
BATCH = "transforms.common.stage:_RunBatch.process"


@dataclass
class Bench:
    """An undisturbed corpus, and the input that it was made of."""

    source: Path
    built: Path


def isogloss(*arguments: object, sabotage: str = "", **settings: object) -> subprocess.CompletedProcess:
    path = os.pathsep.join([*([str(SABOTAGE)] if sabotage else []), str(PROJECT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *(str(argument) for argument in arguments)],
        env=os.environ | {"PYTHONPATH": path.rstrip(os.pathsep), "ISOGLOSS_SABOTAGE": sabotage, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        **{"timeout": 600} | settings,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "0.jsonl").write_text("\n".join(small_records()) + "\n", encoding="utf-8")
    (folder / "small.toml").write_text(configure(folder / "out", folder / "0.jsonl"), encoding="utf-8")
    assert main(["build", str(folder / "small.toml"), "--quiet"]) == 0
    return Bench(folder / "0.jsonl", folder / "out")


@dataclass
class Site:
    """A place where a run is about to happen, with some checkpoints finished already."""

    folder: Path
    bench: Bench

    @property
    def configuration(self) -> Path:
        return self.folder / "small.toml"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def begin(self, *finished: str) -> None:
        self.configuration.write_text(configure(self.out, self.bench.source), encoding="utf-8")
        (self.folder / "marks").mkdir()
        for checkpoint in finished:
            shutil.copytree(self.bench.built / checkpoint, self.out / checkpoint)

    def sabotage(self, what: str, where: str) -> str:
        return f"{what}@{where}@{self.folder / 'marks'}"

    def struck(self) -> int:
        return len(list((self.folder / "marks").iterdir()))

    def ends_right_when_run_again(self, *arguments: object) -> None:
        assert main(["build", str(self.configuration), "--quiet", *map(str, arguments)]) == 0
        for checkpoint in CHECKPOINTS:
            assert content(self.out / checkpoint) == content(self.bench.built / checkpoint), checkpoint


@pytest.fixture
def site(tmp_path: Path, bench: Bench) -> Site:
    return Site(tmp_path, bench)


# Workers that die ---------------------------------------------------------------------------------------

PREPARED = ("documents", "sentences")


@pytest.mark.parametrize(
    ("where", "finished", "unfinished"),
    [
        ("transforms.read.stage:_ReadFile.process", (), "documents"),
        ("transforms.common.shards:_Write.process", (), "documents"),
        ("transforms.common.shards:_Read.process", (), "sentences"),
        ("transforms.deduplicate.stage:_Mark.process", (), "sentences"),
        ("transforms.embed.stage:_WriteNgrams.process", PREPARED, "pairs"),
        ("transforms.mine.stage:_Search.process", PREPARED, "pairs"),
        ("transforms.align.stage:_LinkLearned.process", PREPARED, "pairs"),
        (BATCH, (*PREPARED, "vectors", "pairs"), "corpus"),
    ],
    ids=["read", "keep", "segment", "deduplicate", "embed", "mine", "align", "publish"],
)
def test_a_worker_that_is_killed_in_a_stage(site: Site, where: str, finished: tuple[str, ...], unfinished: str):
    site.begin(*finished)
    killed = isogloss("build", site.configuration, "--quiet", "--workers", 2, sabotage=site.sabotage("kill", where))
    assert killed.returncode == 1, killed.stderr
    assert "was killed by SIGKILL" in killed.stderr
    assert "while it ran" in killed.stderr
    assert not (site.out / unfinished / "manifest.json").exists()
    assert not (site.out / "corpus" / "manifest.json").exists()
    site.ends_right_when_run_again("--workers", 2)


# Bundles that fail --------------------------------------------------------------------------------------


def test_a_bundle_that_fails_twice_ends_the_run_twice_and_then_comes_right(site: Site):
    site.begin(*PREPARED)
    sabotage = site.sabotage("fail-2", "transforms.mine.stage:_Search.process")
    for _ in range(2):
        failed = isogloss("build", site.configuration, "--quiet", sabotage=sabotage)
        assert failed.returncode == 1
        assert "the machine had a bad moment [while running 'mine/Search" in failed.stderr
        assert not (site.out / "pairs" / "manifest.json").exists()
    assert site.struck() == 2
    site.ends_right_when_run_again()


# Disks that are full ------------------------------------------------------------------------------------


def test_a_full_disk_is_named_with_the_file_that_did_not_fit(site: Site):
    site.begin(*PREPARED)
    failed = isogloss(
        "build", site.configuration, "--quiet", sabotage=site.sabotage("full", "transforms.mine.stage:_Join.process")
    )
    assert failed.returncode == 1
    assert "No space left on device" in failed.stderr
    assert str(site.out / "pairs") in failed.stderr
    assert not (site.out / "pairs" / "manifest.json").exists()
    assert list(site.out.rglob("*.tmp")) == []
    site.ends_right_when_run_again()


def test_a_limit_on_the_size_of_files_is_named_and_leaves_no_half_file(site: Site):
    site.begin(*PREPARED)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    failed = isogloss("mine", site.configuration, "--quiet", preexec_fn=limit)
    assert failed.returncode == 1
    assert "File too large" in failed.stderr
    assert str(site.out) in failed.stderr
    assert not (site.out / "pairs" / "manifest.json").exists()
    site.ends_right_when_run_again()


# Files that are not what they were ----------------------------------------------------------------------


def test_a_model_file_that_vanishes_after_the_launch_is_named(site: Site):
    site.begin()
    model = site.folder / "model.ftz"
    shutil.copy(PROJECT / "transforms" / "identify" / "models" / "embedded.ftz", model)
    shutil.copy(PROJECT / "transforms" / "identify" / "models" / "embedded.json", model.with_suffix(".json"))
    sabotage = site.sabotage(f"vanish={model}", "transforms.identify.backends.fasttext:FastTextIdentifier.__init__")
    failed = isogloss("build", site.configuration, "--quiet", "--set", f'identify.model="{model}"', sabotage=sabotage)
    assert site.struck() >= 1
    assert failed.returncode == 2, failed.stderr
    assert "there is no model file" in failed.stderr
    assert str(model) in failed.stderr
    assert not (site.out / "sentences" / "manifest.json").exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_shard_that_is_not_what_was_written_is_named(site: Site, damage: str):
    site.begin(*PREPARED)
    shard = min((site.out / "sentences").glob("part-*.parquet"))
    data = shard.read_bytes()
    if damage == "cut":
        shard.write_bytes(data[: len(data) // 2])
    elif damage == "changed":
        shard.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    else:
        shard.unlink()
    failed = isogloss("build", site.configuration, "--quiet")
    assert failed.returncode == 1
    assert str(shard) in failed.stderr
    assert ("No such file" if damage == "gone" else "changed, or cut short") in failed.stderr
    assert not (site.out / "pairs" / "manifest.json").exists()
    shutil.rmtree(site.out / "sentences")
    site.ends_right_when_run_again()


def test_a_manifest_that_is_cut_short_is_named_with_the_cure(site: Site):
    site.begin(*PREPARED)
    manifest = site.out / "sentences" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    failed = isogloss("build", site.configuration, "--quiet")
    assert failed.returncode == 2
    assert f"{manifest} is damaged" in failed.stderr
    assert "Delete it" in failed.stderr
    manifest.unlink()
    site.ends_right_when_run_again()


def test_shards_that_another_run_left_are_not_taken_for_ours(site: Site):
    site.begin(*PREPARED)
    other = site.out / "pairs" / "part-00009-of-00010.parquet"
    other.parent.mkdir()
    shutil.copy(next((site.bench.built / "pairs").glob("part-*.parquet")), other)
    site.ends_right_when_run_again()
    assert not other.exists()


# Stores in trouble --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["gs", "s3"])
def gate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    made = google_store(tmp_path_factory.mktemp("google")) if request.param == "gs" else amazon_store()
    with made as store, environment(store.environment), gate_before(store) as before, environment(before.environment):
        yield before


def on_store(gate: Gate, site: Site, name: str) -> str:
    """Put prepared checkpoints on the store; give the corpus's folder there."""
    gate.open()
    site.begin()
    output = gate.store.within(name)
    site.configuration.write_text(configure(output, site.bench.source), encoding="utf-8")
    for checkpoint in PREPARED:
        for path, data in content(site.bench.built / checkpoint).items():
            files.write_bytes(f"{output}/{checkpoint}/{path}", data)
    return output


def stored(folder: str) -> dict[str, bytes]:
    return {file.path.removeprefix(folder + "/"): files.read_bytes(file.path) for file in files.match(folder + "/")}


def test_a_store_that_is_busy_now_and_then_makes_no_difference(gate: Gate, site: Site):
    output = on_store(gate, site, "busy")
    gate.close(r"busy/sentences/part", 503, times=1)
    gate.close(r"busy/vectors/", 503, times=1)
    gate.close(r"busy/pairs/part", 503, times=1)
    gate.close(r"busy/corpus/manifest", 503, times=1)
    done = isogloss("build", site.configuration, "--quiet")
    assert done.returncode == 0, done.stderr
    assert len(gate.refused) == 4
    for checkpoint in ("vectors", "pairs", "corpus"):
        assert stored(f"{output}/{checkpoint}") == content(site.bench.built / checkpoint)


def test_a_store_that_refuses_to_be_written_ends_the_run_with_its_name_and_status(gate: Gate, site: Site):
    output = on_store(gate, site, "closed")
    gate.close(r"(PUT|POST) .*closed/pairs/part", 403)
    failed = isogloss("build", site.configuration, "--quiet")
    assert failed.returncode == 1
    assert f"{output}/pairs/part-" in failed.stderr
    assert "403" in failed.stderr
    gate.open()
    assert not files.exists(f"{output}/pairs/manifest.json")
    assert main(["build", str(site.configuration), "--quiet"]) == 0
    assert stored(f"{output}/corpus") == content(site.bench.built / "corpus")


def without_a_server(port: int) -> dict[str, str]:
    """Give the environment of stores that are at this port, for a user who has keys for Amazon's and none for Google's."""
    return {
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://{LOOPBACK}:{port}",
        "STORAGE_EMULATOR_HOST": f"http://{LOOPBACK}:{port}",
        "GOOGLE_APPLICATION_CREDENTIALS": "",
        "GCE_METADATA_HOST": f"{LOOPBACK}:{port}",
        "GCE_METADATA_IP": f"{LOOPBACK}:{port}",
    }


@pytest.mark.parametrize("store", ["gs", "s3"])
@pytest.mark.parametrize("how", ["refused", "dropped"])
def test_a_store_that_is_not_there_stops_the_launch_and_not_after_minutes(site: Site, store: str, how: str):
    site.begin()
    output = f"{store}://bucket/corpus"
    site.configuration.write_text(configure(output, site.bench.source), encoding="utf-8")
    with nobody(how) as port, environment(without_a_server(port)):
        failed = isogloss("build", site.configuration, "--quiet", timeout=200)
    assert failed.returncode == 2, failed.stderr
    assert f"the store of '{output}' cannot be reached" in failed.stderr
    assert "Check the path, the connection" in failed.stderr
    assert f"{port}" in failed.stderr


def test_a_store_that_goes_away_in_the_middle_ends_the_run_with_its_name(gate: Gate, site: Site):
    output = on_store(gate, site, "gone")
    gate.close(r"(PUT|POST) .*gone/pairs/part", HANG_UP)
    failed = isogloss("build", site.configuration, "--quiet")
    assert failed.returncode == 1
    assert f"{output}/pairs/part-" in failed.stderr
    assert "(5 tries)" in failed.stderr
    gate.open()
    assert not files.exists(f"{output}/pairs/manifest.json")
    assert main(["build", str(site.configuration), "--quiet"]) == 0
    assert stored(f"{output}/corpus") == content(site.bench.built / "corpus")


# Models on stores ---------------------------------------------------------------------------------------


def model_on_store(gate: Gate, name: str) -> str:
    models = PROJECT / "transforms" / "identify" / "models"
    for ending in ("ftz", "json"):
        data = (models / f"embedded.{ending}").read_bytes()
        files.write_bytes(gate.store.within(f"{name}/model.{ending}"), data)
    return gate.store.within(f"{name}/model.ftz")


def build_with_model(site: Site, model: str, *arguments: object, sabotage: str = "") -> subprocess.CompletedProcess:
    with environment({"ISOGLOSS_CACHE": str(site.folder / "cache")}):
        return isogloss(
            *("prepare", site.configuration, "--quiet", "--set", f'identify.model="{model}"', *arguments),
            sabotage=sabotage,
        )


def test_a_model_on_a_store_is_fetched_once_for_all_workers_and_makes_the_same_sentences(gate: Gate, site: Site):
    gate.open()
    site.begin()
    model = model_on_store(gate, "model-once")

    def reads() -> list[str]:
        return [seen for seen in gate.seen if re.search(r"model\.ftz\S*alt=media|^GET \S*/model\.ftz$", seen)]

    gate.seen.clear()
    local_model(model, beside=("json",), cache=str(site.folder / "another"))
    once = reads()  # Google's reader asks again at the end of a file
    assert once
    gate.seen.clear()
    done = build_with_model(site, model, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert reads() == once
    shards = {path: data for path, data in content(site.out / "sentences").items() if path.startswith("part-")}
    assert shards == {path: content(site.bench.built / "sentences")[path] for path in shards}
    assert len(shards) == 3


@pytest.mark.parametrize(("what", "told"), [("vanish", "there is no model file"), ("change", "has the checksum")])
def test_a_model_on_a_store_that_is_another_one_for_the_worker_is_named(gate: Gate, site: Site, what: str, told: str):
    gate.open()
    site.begin()
    model = model_on_store(gate, f"model-{what}")
    where = "transforms.identify.backends.fasttext:FastTextIdentifier.__init__"
    failed = build_with_model(site, model, sabotage=site.sabotage(f"{what}={model}", where))
    assert site.struck() >= 1
    assert failed.returncode == 2, failed.stderr
    assert told in failed.stderr
    assert model in failed.stderr
    assert not (site.out / "sentences" / "manifest.json").exists()


# Options that are lost ----------------------------------------------------------------------------------


def test_the_address_of_a_store_that_only_a_flag_gives_reaches_every_worker(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)  # the gate's, which stays up for the whole file
    with amazon_store() as store:
        credentials = {name: value for name, value in store.environment.items() if "ENDPOINT" not in name}
        with environment(store.environment):
            files.write_bytes(store.within("in/0.jsonl"), site.bench.source.read_bytes())
        site.begin()
        site.configuration.write_text(configure(store.within("flags"), store.within("in/*.jsonl")), encoding="utf-8")
        with environment(credentials | {"HTTPS_PROXY": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}):
            done = isogloss("build", site.configuration, "--quiet", "--workers", 2, "--", *store.flags)
            assert done.returncode == 0, done.stderr
        with environment(store.environment):
            assert stored(store.within("flags/vectors")) == content(site.bench.built / "vectors")


def test_a_flag_that_is_misspelt_stops_the_launch_with_the_nearest(site: Site):
    site.begin()
    failed = isogloss("build", site.configuration, "--", "--s3_endpont_url=http://127.0.0.1:9/")
    assert failed.returncode == 2
    assert "--s3_endpoint_url" in failed.stderr
    assert not site.out.exists()
