"""The job that is sent to Dataflow: hints by stage, and what is refused before anything is sent."""

import json
import shutil
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DebugOptions
from servers import Store

from pipelines.config import load_configuration
from pipelines.dataflow import lay_hints
from pipelines.mine import mine
from pipelines.options import RunnerOptions, parse_beam_flags
from pipelines.progress import Progress
from pipelines.run import Run
from pipelines.runner import LocalRunner
from schemas.errors import SettingsError
from transforms.common import files

GPU = b"type:nvidia-l4;count:1;install-nvidia-driver"
IMAGE = "--sdk_container_image=example.org/isogloss:test"


def dataflow(google: Store, *more: str) -> RunnerOptions:
    places = (f"--temp_location={google.within('temp')}", f"--staging_location={google.within('staging')}")
    wanted = ("--runner=DataflowRunner", "--project=isogloss-test", "--region=europe-west4", "--no_auth", *places)
    return parse_beam_flags([*wanted, *more])


def run_of(options: RunnerOptions, output: object, *changes: str) -> Run:
    changed = [f'corpus.output="{output}"', 'corpus.varieties=["lij", "it"]', 'corpus.pairs=[["lij", "it"]]', *changes]
    return Run(configuration=load_configuration("demo", changed), options=options, progress=Progress(quiet=True))


def described(google: Store, local: Path, *changes: str) -> Any:
    """Describe the job that mines the small corpus of this machine."""
    run = run_of(dataflow(google, "--dry_run=True"), local / "out", "mine.k=5", *changes)
    mine(run)
    return run.described["mine"].job


def upload_sentences(local: Path, output: str) -> None:
    folder = local / "out" / "sentences"
    for path in folder.rglob("*.*"):
        if path.is_file():
            files.write_bytes(f"{output}/sentences/{path.relative_to(folder).as_posix()}", path.read_bytes())


def hints(job: Any) -> dict[str, dict[str, bytes]]:
    """Give the hints of each step of a job that has no steps within, by label."""
    components = job.proto_pipeline.components
    found = {}
    for transform in components.transforms.values():
        if not transform.subtransforms and transform.environment_id:
            given = components.environments[transform.environment_id].resource_hints
            found[transform.unique_name] = {urn.split(":")[-2]: value for urn, value in given.items()}
    return found


def steps(found: dict[str, dict[str, bytes]], hint: str) -> dict[str, bytes]:
    return {label: given[hint] for label, given in found.items() if hint in given}


def below(label: str, found: dict[str, dict[str, bytes]]) -> set[str]:
    return {step for step in found if step == label or step.startswith(f"{label}/")}


def test_stages_that_need_memory_ask_for_it_and_no_others(google: Store, local: Path):
    job = described(google, local, "dataflow.mine_memory_gib=48", "dataflow.embed_memory_gib=12")
    found = hints(job)
    memory = steps(found, "min_ram_bytes")
    expected = {"mine": 48, "embed/Embed": 12, "align/Learn": 16}
    assert set(memory) == set.union(*(below(label, found) for label in expected))
    for label, gib in expected.items():
        assert {memory[step] for step in below(label, found)} == {str(gib << 30).encode()}
    assert len(memory) < len(found)
    assert steps(found, "accelerator") == {}
    assert not job.options.view_as(DebugOptions).lookup_experiment("no_use_multiple_sdk_containers")


@pytest.mark.models
def test_models_on_cuda_ask_for_a_gpu_where_they_run_and_nowhere_else(google: Store, local: Path, tmp_path: Path):
    bert = {
        "model_type": "bert",
        "num_hidden_layers": 12,
        "hidden_size": 24,
        "num_attention_heads": 2,
        "vocab_size": 99,
    }
    (tmp_path / "config.json").write_text(json.dumps(bert))
    job = described(
        google,
        local,
        'embed.encoders=["laser"]',
        'embed.device="cuda"',
        'align.aligner="simalign"',
        'align.device="cuda"',
        f'align.model="{tmp_path}"',
        f'dataflow.accelerator="{GPU.decode()}"',
    )
    found = hints(job)
    on_gpu = steps(found, "accelerator")
    assert set(on_gpu) == below("embed/Embed", found) | below("align/Link", found)
    assert any("BeamML_RunInference" in step for step in on_gpu)
    assert set(on_gpu.values()) == {GPU}
    assert set(steps(found, "min_ram_bytes")) == below("mine", found)
    assert job.options.view_as(DebugOptions).lookup_experiment("no_use_multiple_sdk_containers")


def test_on_this_machine_no_step_has_a_hint(local: Path, monkeypatch: pytest.MonkeyPatch):
    graphs = []
    run_as_ever = LocalRunner.run_pipeline

    def look(runner: LocalRunner, pipeline: beam.Pipeline, options: object) -> object:
        graphs.append(pipeline.to_runner_api())
        return run_as_ever(runner, pipeline, options)

    monkeypatch.setattr(LocalRunner, "run_pipeline", look)
    run = run_of(parse_beam_flags([]), local / "here", "dataflow.mine_memory_gib=48")
    shutil.copytree(local / "out" / "sentences", local / "here" / "sentences", dirs_exist_ok=True)
    mine(run)
    assert len(graphs) == 1
    assert all(not environment.resource_hints for environment in graphs[0].components.environments.values())


def test_a_hint_on_a_step_that_is_not_there_is_a_bug():
    pipeline = beam.Pipeline(runner="FnApiRunner")
    pipeline | "work" >> beam.Create([1])
    with pytest.raises(LookupError, match="no step embed/Embed"):
        lay_hints(pipeline, {"embed/Embed": {"min_ram": "1GiB"}})


def test_a_job_that_is_only_described_changes_nothing(google: Store, local: Path):
    before = {path: path.stat().st_mtime_ns for path in local.rglob("*")}
    described(google, local, "mine.k=3")
    assert {path: path.stat().st_mtime_ns for path in local.rglob("*")} == before


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("$.corpus.output", ()),
        ("$.align.prior", ('align.prior="learned.arrow"',)),
        ("$.read.sources[0].path", ('read.sources=[{name="a", path="here/*.txt"}]',)),
    ],
)
def test_a_path_of_this_machine_is_refused(google: Store, local: Path, place: str, changes: tuple[str, ...]):
    output = local / "out" if place == "$.corpus.output" else google.within("refused")
    if place != "$.corpus.output":
        upload_sentences(local, str(output))
    with pytest.raises(SettingsError, match="on this machine") as caught:
        mine(run_of(dataflow(google, IMAGE), output, "mine.k=5", *changes))
    assert caught.value.path == place


def test_workers_without_the_package_are_refused(google: Store, local: Path):
    output = google.within("bare")
    upload_sentences(local, output)
    with pytest.raises(SettingsError, match="nothing brings isogloss to the workers"):
        mine(run_of(dataflow(google), output, "mine.k=5"))


def test_a_gpu_for_all_beside_gpus_for_steps_is_refused(google: Store, local: Path):
    run = run_of(
        dataflow(google, "--dry_run=True", f"--dataflow_service_options=worker_accelerator={GPU.decode()}"),
        local / "out",
        'embed.encoders=["laser"]',
        'embed.device="cuda"',
    )
    with pytest.raises(SettingsError, match="exclude each other"):
        mine(run)


def test_a_misspelt_flag_of_dataflow_is_refused(google: Store):
    with pytest.raises(SettingsError, match=r"no flag --tempp_location") as caught:
        dataflow(google, "--tempp_location=gs://x/y")
    assert "--temp_location" in caught.value.cure


def test_a_whole_build_is_no_template(google: Store, local: Path):
    from pipelines.build import build

    with pytest.raises(SettingsError, match="one run"):
        build(run_of(dataflow(google, IMAGE, f"--template_location={google.within('t')}"), local / "out"))
