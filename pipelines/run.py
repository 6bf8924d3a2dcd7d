"""What the runs share: a configuration, a runner, and the question whether a checkpoint is there already."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apache_beam as beam

from pipelines import VERSION
from pipelines.config import Configuration, plain
from pipelines.dataflow import check_job, hints_of, lay_hints, prepared
from pipelines.progress import Progress
from pipelines.runner import RunnerOptions, RunResult, run_pipeline
from schemas.errors import SettingsError
from schemas.identity import content_digest
from transforms.common import files
from transforms.common.checkpoint import Plan, clear, is_finished, read_manifest


@dataclass(kw_only=True)
class Run:
    """One launch: what is wanted, how it is run, and what it has shown so far.

    Attributes:
        configuration: the checked configuration.
        options: runner, workers, Beam's own flags.
        progress: what a person sees meanwhile.
        dry_run: say what would be done, do nothing.
        again: make every checkpoint anew, finished or not.
        seconds: wall time of every run that was executed, by name; `stage_seconds` by stage within them.
        described: what Beam's runner gave, by name of the run.
    """

    configuration: Configuration
    options: RunnerOptions
    progress: Progress
    dry_run: bool = False
    again: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)

    def plan(self, checkpoint: str, table: str, version: int, settings: dict[str, Any], inputs: dict[str, str]) -> Plan:
        """Say what a checkpoint will be.

        Args:
            checkpoint: its folder's name.
            table: name of its noun's table.
            version: of that table.
            settings: sections that its bytes depend on.
            inputs: digests of what it is made of.
        """
        return Plan(
            folder=self.configuration.folder(checkpoint),
            table=table,
            version=version,
            code=VERSION,
            configuration={name: plain(section) for name, section in settings.items()},
            inputs=inputs,
        )

    def execute(
        self, name: str, plans: list[Plan], build: Callable[[beam.Pipeline], Any], *, resumes: bool = False
    ) -> None:
        """Run a graph that makes these checkpoints, unless they are finished.

        Args:
            name: of the run.
            plans: the checkpoints, first to last. Those that are not finished are cleared first.
            build: lays the graph.
            resumes: the run goes on from its own state, so nothing is cleared.
        """
        folder = plans[-1].folder
        if self.options.is_dataflow and not self.options.is_described:
            check_job(self.configuration, self.options)
        if self.again and not self.dry_run and not self.options.is_described:
            for plan in plans:
                clear(plan.folder)
        if all(is_finished(plan) for plan in plans):
            self.progress.note(f"{name}: {folder} is finished, made of the same inputs by the same settings")
            return
        if self.dry_run:
            self.progress.note(f"{name}: would make {', '.join(plan.folder for plan in plans)}")
            return
        if not resumes and not self.options.is_described:
            for plan in plans:
                if not is_finished(plan):
                    clear(plan.folder)
        started = time.monotonic()
        if self.options.is_dataflow:
            result = self._send(name, build)
        else:
            result = run_pipeline(build, self.options, self.progress, name=name)
        self.seconds[name] = time.monotonic() - started
        for stage, seconds in result.stage_seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds
        self.described[name] = result.beam_result
        if not result.is_finished:
            self.progress.note(f"{name}: the job was described, not run")
            return
        for plan in plans:
            if not is_finished(plan):
                raise RuntimeError(f"{name} ended, and {plan.folder} has no manifest of this run")

    def _send(self, name: str, build: Callable[[beam.Pipeline], Any]) -> RunResult:
        hints = hints_of(name, self.configuration)

        def build_hinted(pipeline: beam.Pipeline) -> None:
            build(pipeline)
            lay_hints(pipeline, hints)

        return run_pipeline(build_hinted, prepared(self.options, hints), self.progress, name=name)


def digest_of(folder: str, made_by: str) -> str:
    """Give the content digest of a finished checkpoint.

    Raises:
        SettingsError: it is not there.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise SettingsError(
            f"{folder} is no finished checkpoint", cure=f"Run `isogloss {made_by}` first, or `isogloss build`."
        )
    return str(manifest["digest"])


def model_digest(model: str) -> str:
    """Give the digest of a model file that a setting names by path; empty for one that it names otherwise."""
    if not files.is_local(model) or not Path(model).is_file():
        return ""
    return content_digest(Path(model).read_bytes())
