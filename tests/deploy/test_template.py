"""A template staged on Google's store: what lies there makes the corpus of a local run, byte for byte."""

import json
from pathlib import Path

import pytest
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from servers import Store
from small import configure

from pipelines.cli import main
from pipelines.options import parse_beam_flags
from pipelines.runner import LocalRunner
from transforms.common import files


def flags(google: Store, *more: str) -> list[str]:
    return [
        "--",
        "--runner=DataflowRunner",
        "--project=isogloss-test",
        "--region=europe-west4",
        f"--temp_location={google.within('temp')}",
        f"--staging_location={google.within('staging')}",
        "--sdk_container_image=example.org/isogloss:test",
        "--no_auth",
        *more,
    ]


def run_staged(template: str) -> None:
    """Run a staged template's graph in this process."""
    job = json.loads(files.read_bytes(template))
    proto = beam_runner_api_pb2.Pipeline()
    proto.ParseFromString(files.read_bytes(_pipeline_url(job)))
    for environment in proto.components.environments.values():
        assert environment.urn == "beam:env:docker:v1"
        environment.urn = python_urns.EMBEDDED_PYTHON
        environment.payload = b""
    options = parse_beam_flags([]).beam_options()
    LocalRunner().run_via_runner_api(proto, options).wait_until_finish()


def _pipeline_url(job: dict) -> str:
    options = job["environment"]["sdkPipelineOptions"]["options"]
    return str(options["pipelineUrl"])


@pytest.mark.slow
def test_what_is_staged_makes_the_same_corpus(google: Store, local: Path, records: list[str], tmp_path: Path):
    files.write_bytes(google.within("in/0.jsonl"), ("\n".join(records) + "\n").encode())
    output = google.within("staged")
    toml = configure(output, google.within("in/*.jsonl"))
    configuration = google.within("small.toml")
    files.write_bytes(configuration, toml.encode())
    for run in ("prepare", "mine", "publish"):
        template = google.within(f"templates/{run}")
        assert main([run, configuration, "--quiet", *flags(google, f"--template_location={template}")]) == 0
        run_staged(template)
    for checkpoint in ("vectors", "pairs", "corpus"):
        here = local / "out" / checkpoint
        ours = {path.relative_to(here).as_posix(): path.read_bytes() for path in here.rglob("*") if path.is_file()}
        root = f"{output}/{checkpoint}/"
        assert {file.path.removeprefix(root): files.read_bytes(file.path) for file in files.match(root)} == ours
        assert len(ours) >= 4
