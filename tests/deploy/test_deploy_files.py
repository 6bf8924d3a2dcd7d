"""What `deploy/` holds: Google's documented forms, parsed by Google's own types; commands, printed and checked."""

import ast
import json
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Self

import pytest

from pipelines.cli import make_parser
from pipelines.launch import RUNS, command_of
from pipelines.options import parse_beam_flags

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROJECT = DEPLOY.parent
MISSING = "the client of Dataflow is not installed: make install-cloud"


def metadata() -> dict:
    return json.loads((DEPLOY / "metadata.json").read_text())


@pytest.fixture
def google_types():
    return pytest.importorskip("google.cloud.dataflow_v1beta3.types", reason=MISSING)


def test_the_metadata_has_googles_form(google_types):
    read = google_types.TemplateMetadata.from_json(json.dumps(metadata()), ignore_unknown_fields=False)
    assert [parameter.name for parameter in read.parameters] == [p["name"] for p in metadata()["parameters"]]
    spec = {"image": "example.org/isogloss", "metadata": metadata(), "sdkInfo": {"language": "PYTHON"}}
    assert google_types.ContainerSpec.from_json(json.dumps(spec), ignore_unknown_fields=False).metadata == read


@pytest.mark.parametrize("parameter", metadata()["parameters"], ids=lambda parameter: parameter["name"])
def test_every_parameter_has_a_help_text_and_a_regular_expression(parameter: dict):
    assert re.fullmatch(r"[a-z][a-z_]*", parameter["name"])
    assert parameter["label"]
    assert len(parameter["helpText"]) > 20
    assert parameter["regexes"]
    for expression in parameter["regexes"]:
        assert expression.startswith("^")
        assert expression.endswith("$")
        assert not re.match(expression, "")


def fits(parameters: dict[str, str]) -> bool:
    known = {parameter["name"]: parameter for parameter in metadata()["parameters"]}
    needed = {name for name, parameter in known.items() if not parameter.get("isOptional")}
    return needed <= set(parameters) <= set(known) and all(
        re.match(expression, value) for name, value in parameters.items() for expression in known[name]["regexes"]
    )


def test_parameters_that_the_launcher_understands_fit_and_others_do_not():
    good = {"run": "mine", "configuration": "gs://a-bucket/a/corpus.toml"}
    assert all(fits(good | {"run": run}) for run in RUNS)
    assert fits(
        good | {"changes": "mine.k=8;publish.minimum.margin=1.1", "dataflow_service_options": "shuffle_mode=service"}
    )
    for wrong in (
        {"run": "build"},
        {"configuration": "corpus.toml"},
        {"configuration": "gs://a-bucket/*.toml"},
        {"changes": "k"},
        {"number_of_worker_harness_threads": "0"},
        {"dataflow_service_options": "worker_accelerator=type:nvidia-l4"},
        {"unknown": "x"},
    ):
        assert not fits(good | wrong)


def test_what_the_launcher_makes_is_a_command_line_with_flags_that_beam_knows():
    own = ["--run=mine", "--configuration=gs://b/c.toml", "--changes=mine.k=8; publish.minimum.margin=1.1"]
    # As the launcher's container gets them: https://cloud.google.com/dataflow/docs/guides/templates/using-flex-templates
    given = ["--project=p", "--region=r", "--job_name=j", "--template_location=gs://b/t", "--temp_location=gs://b/x"]
    command = command_of([*own, *given], "example.org/isogloss:1")
    cut = command.index("--")
    options = make_parser().parse_args(command[:cut])
    assert (options.command, options.configuration) == ("mine", "gs://b/c.toml")
    assert options.changes == ["mine.k=8", "publish.minimum.margin=1.1"]
    assert command[cut + 1] == "--runner=DataflowRunner"
    assert command[-1] == "--sdk_container_image=example.org/isogloss:1"
    parse_beam_flags([flag for flag in command[cut + 1 :] if not flag.startswith("--runner")])
    assert "--sdk_container_image=other" in command_of([*own, "--sdk_container_image=other"], "example.org/isogloss:1")
    with pytest.raises(SystemExit):
        command_of(["--run=build", "--configuration=x"])


def launch_request(google_types, body: dict):
    return google_types.LaunchFlexTemplateRequest.from_json(
        json.dumps(body), ignore_unknown_fields=False
    ).launch_parameter


def test_the_schedule_launches_what_the_template_takes(google_types):
    bash = shutil.which("bash")
    done = subprocess.run(
        [bash, str(DEPLOY / "schedule.sh")],
        env={
            "PATH": "/usr/bin:/bin",
            "PROJECT": "my-project",
            "REGION": "europe-west4",
            "BUCKET": "my-bucket",
            "DRY_RUN": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "projects/my-project/locations/europe-west4/flexTemplates:launch" in done.stdout
    body = (DEPLOY / "schedule.json").read_text().replace("BUCKET", "my-bucket").replace("PROJECT", "my-project")
    launch = launch_request(google_types, json.loads(body))
    assert fits(dict(launch.parameters))
    assert launch.container_spec_gcs_path == "gs://my-bucket/templates/isogloss.json"


def test_the_dag_launches_the_runs_one_after_the_other(google_types, monkeypatch: pytest.MonkeyPatch):
    source = (DEPLOY / "airflow_dag.py").read_text()
    tasks: list = []

    class Operator:
        def __init__(self, **settings: object) -> None:
            self.settings, self.before = settings, []
            tasks.append(self)

        def __rshift__(self, other: "Operator") -> "Operator":
            other.before.append(self)
            return other

    class Dag:
        def __init__(self, **settings: object) -> None:
            assert settings["max_active_runs"] == 1

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    class Variable:
        @staticmethod
        def get(name: str) -> str:
            return {"isogloss_project": "my-project", "isogloss_region": "r", "isogloss_bucket": "my-bucket"}[name]

    contents = {
        "airflow.sdk": {"DAG": Dag, "Variable": Variable},
        "airflow.providers.google.cloud.operators.dataflow": {"DataflowStartFlexTemplateOperator": Operator},
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("airflow"):
            module = types.ModuleType(node.module)
            vars(module).update(contents[node.module])
            monkeypatch.setitem(sys.modules, node.module, module)
    exec(compile(source, "airflow_dag.py", "exec"), {"__name__": "dag"})
    assert [task.settings["task_id"] for task in tasks] == list(RUNS)
    assert [task.before for task in tasks] == [[], *([task] for task in tasks[:-1])]
    for task in tasks:
        launch = launch_request(google_types, task.settings["body"])
        assert launch.parameters["run"] == task.settings["task_id"]
        assert fits(dict(launch.parameters))


def stages() -> dict[str, list[str]]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if match := re.match(r"FROM \S+ AS (\S+)$", line):
            name = match.group(1)
            found[name] = []
        elif name and line and not line.startswith("#"):
            found[name].append(line)
    return found


def test_the_image_has_the_pins_of_the_makefile_and_beams_boot():
    text = (DEPLOY / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["/opt/apache/beam/boot"]' in stages()["runtime"]
    assert all(f"FROM runtime AS {variant}\n" in text for variant in ("cpu", "gpu"))
    pins = set(re.findall(r"requirements/([a-z]+\.txt)", text))
    assert pins == {"base.txt", "source.txt", "cloud.txt", "models.txt", "torch.txt"}
    makefile = (PROJECT / "Makefile").read_text()
    assert all(f"$(PINS)/{name}" in makefile for name in pins)
    beam = re.search(r"^apache-beam==(\S+)$", (PROJECT / "requirements/base.txt").read_text(), re.MULTILINE).group(1)
    assert f"ARG BEAM={beam}\n" in text


def test_one_version_of_python_runs_everything_in_the_image():
    text = (DEPLOY / "Dockerfile").read_text()
    version = re.search(r"^ARG PYTHON=(3\.\d+)$", text, re.MULTILINE).group(1)
    bases = {name: base for base, name in re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)}
    assert re.findall(r"^FROM (python\S+) AS (\S+)$", text, re.MULTILINE) == [
        ("python:${PYTHON}-slim", "build"),  # the virtual environment is made here
        ("python:${PYTHON}-slim", "runtime"),  # and runs here
    ]
    assert bases["beam"] == "apache/beam_python${PYTHON}_sdk:${BEAM}"
    assert f"/python{version.replace('.', '')}-template-launcher-base" in text
    assert version in re.search(r'requires-python = "(.*)"', (PROJECT / "pyproject.toml").read_text()).group(1)
    for variant in ("runtime", "gpu"):
        assert any("PATH=/opt/isogloss/bin:" in line for line in stages()[variant])


def test_what_the_image_copies_is_there_and_not_ignored():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    for lines in stages().values():
        for line in lines:
            if line.startswith("COPY ") and "--from=" not in line:
                for source in line.split()[1:-1]:
                    assert source.split("/")[0] in kept
                    if source != "README.md":  # written last of all
                        assert (PROJECT / source).exists()


def make(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", "--dry-run", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_prints_the_commands_of_image_and_template():
    given = ("PROJECT=p", "REGION=europe-west4", "BUCKET=my-bucket")
    image = make("image", "VARIANT=gpu", "TORCH_INDEX=https://example.org/cu", *given)
    assert image.returncode == 0, image.stderr
    assert "--build-arg TORCH_INDEX=https://example.org/cu" in image.stdout
    assert re.search(r"docker build --file deploy/Dockerfile --target gpu", image.stdout)
    assert "docker push" in image.stdout
    template = make("template", *given)
    assert "gcloud dataflow flex-template build gs://my-bucket/templates/isogloss.json" in template.stdout
    assert "--metadata-file deploy/metadata.json" in template.stdout
    assert "--sdk-language PYTHON" in template.stdout
