"""Dataflow: which machine a step needs, and what a job must have before it is sent off.

Hints are laid on the finished graph by label, and on Dataflow only: on a local runner a step with hints of
its own runs apart from its neighbours, and what lies between them stays in memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import apache_beam as beam
import msgspec
from apache_beam.options.pipeline_options import GoogleCloudOptions, SetupOptions, WorkerOptions
from apache_beam.pipeline import PipelineVisitor
from apache_beam.transforms.resources import merge_resource_hints, parse_resource_hints

from pipelines.options import RunnerOptions
from schemas.errors import SettingsError
from transforms.common import files
from transforms.embed import EmbedSettings

if TYPE_CHECKING:
    from pipelines.config import Configuration

Hints = Mapping[str, Mapping[str, str]]
"""Label of a step, such as `embed/Embed` -> its resource hints, as Beam writes them."""

_ONE_PROCESS = "no_use_multiple_sdk_containers"
"""The experiment that gives a worker one Python process instead of one a core."""


class DataflowSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The machines of a job on Dataflow. They decide what it costs, not what it makes: no manifest holds them."""

    accelerator: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^type:[a-z0-9-]+;count:[1-9]\d*(;install-nvidia-driver(:[a-z0-9.-]+)?)?$",
            description="GPU of the steps that run a model on cuda, as Dataflow names it.",
        ),
    ] = "type:nvidia-tesla-t4;count:1;install-nvidia-driver"
    embed_memory_gib: Annotated[
        int, msgspec.Meta(ge=1, le=8192, description="Least memory of a worker that embeds on the CPU.")
    ] = 8
    mine_memory_gib: Annotated[
        int, msgspec.Meta(ge=1, le=8192, description="Least memory of a worker that searches and retrieves pairs.")
    ] = 16
    align_memory_gib: Annotated[
        int, msgspec.Meta(ge=1, le=8192, description="Least memory of the worker that learns alignments.")
    ] = 16


def hints_of(run: str, configuration: "Configuration") -> Hints:
    """Give the hints of a run's steps, by label.

    A GPU is asked for where the configuration says `device = "cuda"`; `auto` stays on the CPU, because
    nobody pays for a GPU by accident.
    """
    if run != "mine":
        return {}
    settings = configuration.dataflow
    gpu = {"accelerator": settings.accelerator}
    hints: dict[str, Mapping[str, str]] = {"mine": _memory(settings.mine_memory_gib)}
    encoders = configuration.embed.encoders
    for name in encoders:
        on_gpu = name != "ngram" and configuration.embed.device == "cuda"
        label = "embed/Embed" if len(encoders) == 1 else f"embed/Embed by {name}"
        hints[label] = gpu if on_gpu else _memory(settings.embed_memory_gib)
    aligners = configuration.align.aligner.split("+")
    on_gpu = "simalign" in aligners and configuration.align.device.startswith("cuda")
    memory = _memory(settings.align_memory_gib)
    if "simalign" in aligners:
        hints["align/Link"] = gpu if on_gpu else memory
    if aligners != ["simalign"]:
        # where several vote, what their votes are worth is learned by running all of them
        hints["align/Learn"] = {**gpu, **memory} if on_gpu else memory
    return hints


def _memory(gib: int) -> dict[str, str]:
    return {"min_ram": f"{gib}GiB"}


def lay_hints(pipeline: beam.Pipeline, hints: Hints) -> None:
    """Lay hints on the steps of a graph and on all that is within them.

    Raises:
        LookupError: the graph has no step of that label; a step was renamed.
    """
    visitor = _Hinting(hints)
    pipeline.visit(visitor)
    if visitor.missing:
        raise LookupError(f"the graph has no step {', '.join(sorted(visitor.missing))}: a hint is laid on nothing")


class _Hinting(PipelineVisitor):  # type: ignore[misc]
    def __init__(self, hints: Hints) -> None:
        self._hints = {label: parse_resource_hints(dict(given)) for label, given in hints.items()}
        self.missing = set(hints)

    def enter_composite_transform(self, node: Any) -> None:
        self.visit_transform(node)

    def visit_transform(self, node: Any) -> None:
        for label, given in self._hints.items():
            if node.full_label == label or node.full_label.startswith(f"{label}/"):
                node.resource_hints = merge_resource_hints(node.resource_hints, given)
                self.missing.discard(label)


def prepared(options: RunnerOptions, hints: Hints) -> RunnerOptions:
    """Give the options of a job with these hints: where it has a GPU, one process a worker, so one model a GPU.

    Raises:
        SettingsError: a GPU for all workers is asked for beside one for single steps.
    """
    if not any("accelerator" in given for given in hints.values()):
        return options
    services = options.beam_options().view_as(GoogleCloudOptions).dataflow_service_options or []
    if any(service.startswith("worker_accelerator") for service in services):
        raise SettingsError(
            "a GPU for every worker and GPUs for single steps exclude each other",
            path="--dataflow_service_options",
            cure='Leave out worker_accelerator; steps with device = "cuda" ask for [dataflow] accelerator.',
        )
    return replace(options, flags=(*options.flags, f"--experiments={_ONE_PROCESS}"))


def checked_here(settings: EmbedSettings, options: RunnerOptions) -> EmbedSettings:
    """Give the settings by which this machine can check models that workers on Dataflow run: their GPU is not here."""
    if not options.is_dataflow:
        return settings
    return msgspec.structs.replace(settings, device="cpu", precision="auto")


def check_job(configuration: "Configuration", options: RunnerOptions) -> None:
    """Check, before anything is sent, that Dataflow's workers can see what the job reads and have what it runs.

    Raises:
        SettingsError: a path of this machine, or workers without the package.
    """
    for place, path in paths_of(configuration):
        if files.is_local(path):
            raise SettingsError(
                f"{path!r} is on this machine, and workers on Dataflow do not see it",
                path=place,
                cure="Copy it to a bucket, and give its gs:// path.",
            )
    beam_options = options.beam_options()
    setup = beam_options.view_as(SetupOptions)
    if beam_options.view_as(WorkerOptions).sdk_container_image or setup.setup_file or setup.extra_packages:
        return
    raise SettingsError(
        "nothing brings isogloss to the workers",
        path="--sdk_container_image",
        cure="Give the image that `make image` built; or, without models, a wheel: --extra_package=isogloss-*.whl.",
    )


def paths_of(configuration: "Configuration") -> Iterator[tuple[str, str]]:
    """Give the path of every setting that names a file or folder which workers read or write, and what it says."""
    yield "$.corpus.output", configuration.corpus.output
    for i, source in enumerate(configuration.read.sources):
        yield f"$.read.sources[{i}].path", source.path
    if configuration.crawl is not None and configuration.crawl.earlier:
        yield "$.crawl.earlier", configuration.crawl.earlier
    if configuration.embed.vector_cache:
        yield "$.embed.vector_cache", configuration.embed.vector_cache
    for i, seed in enumerate(configuration.embed.space.maps):
        yield f"$.embed.space.maps[{i}].pairs", seed.pairs
    if configuration.align.prior:
        yield "$.align.prior", configuration.align.prior
    if configuration.mine.calibration:
        yield "$.mine.calibration", configuration.mine.calibration
