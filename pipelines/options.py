"""Options of a run: how many workers, which runner, and Beam's own flags, checked.

Beam drops a flag that it does not know with a warning; here it is refused, because a misspelt
`--temp_location` is noticed an hour later otherwise.
"""

import difflib
import logging
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, StandardOptions, TestOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

from schemas.errors import SettingsError

LOCAL_RUNNER = "LocalRunner"
"""Our own runner; what `--runner=DirectRunner` means on our command line."""

_LOCAL_NAMES = ("localrunner", "directrunner", "switchingdirectrunner")
_DATAFLOW_NAMES = ("dataflowrunner", "testdataflowrunner")
_WHERE = "Beam flags (after --)"


@dataclass(frozen=True, kw_only=True)
class RunnerOptions:
    """How a pipeline is run.

    Attributes:
        workers: worker processes on this machine; 1: everything in this process.
        runner: `LocalRunner`, or the name of a Beam runner.
        flags: Beam's flags as given, without runner and number of workers.
    """

    workers: int = 1
    runner: str = LOCAL_RUNNER
    flags: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Does our own runner run it?"""
        return self.runner == LOCAL_RUNNER

    @property
    def is_dataflow(self) -> bool:
        """Does Dataflow run it?"""
        return self.runner.rsplit(".", 1)[-1].lower() in _DATAFLOW_NAMES

    @property
    def is_described(self) -> bool:
        """Is the job only described (`--dry_run`), so that nothing may change anywhere?"""
        return not self.is_local and bool(self.beam_options().view_as(TestOptions).dry_run)

    @property
    def is_launch_only(self) -> bool:
        """Is the job only described or staged, so that there is nothing to wait for?"""
        options = self.beam_options()
        is_described = options.view_as(TestOptions).dry_run or options.view_as(GoogleCloudOptions).template_location
        return not self.is_local and bool(is_described)

    def beam_options(self) -> PipelineOptions:
        """Make Beam's options anew; Beam changes them while it runs."""
        options = PipelineOptions(list(self.flags))
        if not self.is_local:
            options.view_as(StandardOptions).runner = self.runner
        return options


def reach_stores(options: RunnerOptions) -> None:
    """Let this process read and write stores with the credentials and addresses that Beam's flags give.

    Checkpoints are looked at before a graph is laid; Beam hands its flags to file systems with the graph only.
    """
    FileSystems.set_options(options.beam_options())


class _StrictParser(ArgumentParser):
    """Knows every flag that Beam knows, and raises where argparse would end the process."""

    def __init__(self) -> None:
        super().__init__(prog="beam", allow_abbrev=False, add_help=False, argument_default=SUPPRESS, usage="")

    def add_value_provider_argument(self, *names: str, **settings: Any) -> None:
        self.add_argument(*names, **settings)

    def add_argument(self, *names: Any, **settings: Any) -> Any:
        # What was not given stays unset, and whether a flag is needed is the runner's question.
        return super().add_argument(*names, **settings | {"default": SUPPRESS, "required": False})

    def error(self, message: str) -> NoReturn:
        raise SettingsError(message, path=_WHERE)

    def known_flags(self) -> list[str]:
        return sorted(name for name in self._option_string_actions if name.startswith("--"))


def parse_beam_flags(flags: Sequence[str], *, workers: int = 1) -> RunnerOptions:
    """Check Beam's flags, strictly, and say how the pipeline is run.

    Args:
        flags: what follows `--` on the command line, such as `--runner=DataflowRunner`.
        workers: worker processes that the command line asks for.

    Raises:
        SettingsError: an unknown or misspelt flag (with the nearest known one), a value of the wrong type,
            a runner that does not exist, that is not installed, or that gives wrong results (DaskRunner).

    Example:
        >>> parse_beam_flags(["--runner=DirectRunner"], workers=2)
        RunnerOptions(workers=2, runner='LocalRunner', flags=())
    """
    parser = _flag_parser()
    given, unknown = parser.parse_known_args(list(flags))
    if unknown:
        raise _unknown_flag(unknown, parser.known_flags())
    runner = _runner_name(getattr(given, "runner", None) or LOCAL_RUNNER)
    kept = _without(flags, ("--runner", "--direct_num_workers", "--direct_running_mode"))
    if runner == LOCAL_RUNNER:
        workers = _local_workers(
            workers, getattr(given, "direct_num_workers", None), getattr(given, "direct_running_mode", None)
        )
    elif workers != 1:
        raise SettingsError(
            f"--workers is for this machine; {runner} has flags of its own",
            path="--workers",
            cure="For Dataflow: -- --num_workers=N --max_num_workers=N.",
        )
    options = RunnerOptions(workers=workers, runner=runner, flags=tuple(kept))
    if runner.lower() in _DATAFLOW_NAMES:
        _check_dataflow(options)
    return options


def _flag_parser() -> _StrictParser:
    parser = _StrictParser()
    for options in PipelineOptions.__subclasses__():
        if options.__module__.startswith("apache_beam."):
            options._add_argparse_args(parser)  # noqa: SLF001
    return parser


def _unknown_flag(unknown: Sequence[str], known: Sequence[str]) -> SettingsError:
    first = next((word for word in unknown if word.startswith("-")), unknown[0])
    name = first.partition("=")[0]
    if not name.startswith("--"):
        return SettingsError(f"{first!r} is no flag", path=_WHERE, cure="Flags look like --name=value.")
    near = difflib.get_close_matches(name.replace("-", "_").replace("__", "--", 1), known, n=1, cutoff=0.7)
    cure = f"Do you mean {near[0]}?" if near else "See the options of the runner in Beam's documentation."
    return SettingsError(f"Beam has no flag {name}", path=_WHERE, cure=cure)


def _without(flags: Sequence[str], names: Sequence[str]) -> list[str]:
    """Give the flags without these, whether written `--name=value` or `--name value`."""
    kept: list[str] = []
    skip_value = False
    for flag in flags:
        if skip_value:
            skip_value = False
        elif flag in names:
            skip_value = True
        elif flag.partition("=")[0] not in names:
            kept.append(flag)
    return kept


def _local_workers(workers: int, beam_workers: int | None, mode: str | None) -> int:
    if mode == "multi_threading":
        raise SettingsError(
            "threads share one interpreter lock, and model libraries are not made for them",
            path="--direct_running_mode",
            cure="Leave it out: one worker runs in this process, --workers N runs in N processes.",
        )
    if beam_workers is not None and beam_workers < 1:
        raise SettingsError(
            f"expected 1 or more, got {beam_workers}", path="--direct_num_workers", cure="Use --workers N."
        )
    if beam_workers is not None and workers not in (1, beam_workers):
        raise SettingsError(
            f"--workers {workers} and --direct_num_workers={beam_workers} differ",
            cure="Leave out --direct_num_workers.",
        )
    chosen = beam_workers or workers
    if mode == "in_memory" and chosen != 1:
        raise SettingsError(
            f"in_memory is one process, and {chosen} workers are wanted",
            path="--direct_running_mode",
            cure="Leave it out.",
        )
    return chosen


def _runner_name(given: str) -> str:
    """Give the runner's name as Beam writes it.

    Raises:
        SettingsError: it is DaskRunner, or nobody's name.
    """
    last = given.rsplit(".", 1)[-1].lower()
    if last in ("dask", "daskrunner"):
        raise SettingsError(
            "DaskRunner gives wrong results and says nothing",
            path="--runner",
            cure=(
                "It drops what finish_bundle gives, mixes tagged outputs, and computes one branch only (Beam 2.77). "
                "Use --workers N here, or DataflowRunner, FlinkRunner, PortableRunner elsewhere."
            ),
        )
    names = {name.lower(): name for name in StandardOptions.KNOWN_RUNNER_NAMES}
    for candidate in (last, f"{last}runner"):
        if candidate in _LOCAL_NAMES:
            return LOCAL_RUNNER
        if candidate in names and "." not in given:
            return str(names[candidate])
    if "." in given:
        module, _, name = given.rpartition(".")
        try:
            getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise SettingsError(f"the runner {given} cannot be imported: {error}", path="--runner") from error
        return given
    near = difflib.get_close_matches(last, names, n=1)
    cure = f"Do you mean {names[near[0]]}?" if near else f"Beam's runners: {', '.join(sorted(names.values()))}."
    raise SettingsError(f"there is no runner {given!r}", path="--runner", cure=cure)


def _check_dataflow(options: RunnerOptions) -> None:
    try:
        import_module("apache_beam.runners.dataflow.internal.apiclient")
    except ImportError as error:
        raise SettingsError(
            f"Dataflow needs the libraries of Google Cloud, and {error.name or error} is not installed",
            path="--runner",
            cure="pip install 'isogloss[gcp]'",
        ) from error
    runner = getattr(import_module("apache_beam.runners.dataflow.dataflow_runner"), "DataflowRunner")()  # noqa: B009
    beam_options = options.beam_options()
    if beam_options.view_as(TestOptions).dry_run:
        return
    errors = PipelineOptionsValidator(beam_options, runner).validate()
    if errors:
        raise SettingsError(
            " ".join(errors),
            path=_WHERE,
            cure="Dataflow needs at least --project, --region and --temp_location=gs://...",
        )


logging.getLogger("apache_beam.options.pipeline_options").addFilter(
    # Beam says so of every pipeline that runs without Google's libraries.
    lambda record: "Unable to create default GCS bucket" not in record.getMessage()
)
