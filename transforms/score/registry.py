"""Scores, found by file name: `scores/<name>.py` defines `FIELDS` and `compute`. One file adds one."""

import pkgutil
from collections.abc import Sequence
from functools import cache
from importlib import import_module

import pyarrow as pa

from transforms.score import scores
from transforms.score.interface import Score


@cache
def all_scores() -> tuple[Score, ...]:
    """Give every score, in the order of the file names.

    Raises:
        ValueError: two files define a column of the same name.
    """
    found = []
    owners: dict[str, str] = {}
    for module in sorted(pkgutil.iter_modules(scores.__path__), key=lambda m: m.name):
        if module.name.startswith("_"):
            continue
        loaded = import_module(f"{scores.__name__}.{module.name}")
        for spec in loaded.FIELDS:
            if spec.name in owners:
                raise ValueError(f"{module.name} and {owners[spec.name]} both define the score {spec.name}")
            owners[spec.name] = module.name
        needs, learns = getattr(loaded, "NEEDS", ()), getattr(loaded, "LEARNS", False)
        found.append(Score(module.name, tuple(loaded.FIELDS), loaded.compute, tuple(needs), learns))
    return tuple(found)


def score_fields(names: Sequence[str] = ()) -> list[pa.Field]:
    """Give the columns that these names (of columns or families; none: all) stand for, ordered by name."""
    wanted = set(names)
    fields = [
        spec
        for score in all_scores()
        for spec in score.fields
        if not wanted or score.name in wanted or spec.name in wanted
    ]
    return sorted(fields, key=lambda spec: spec.name)


def wants_models(names: Sequence[str] = ()) -> bool:
    """Do these names (none: all) ask for a score that needs character models?"""
    wanted = {spec.name for spec in score_fields(names)}
    return any(score.learns and wanted & {spec.name for spec in score.fields} for score in all_scores())


def score_names() -> list[str]:
    """List what may be named: columns and families."""
    return sorted(
        {score.name for score in all_scores()} | {spec.name for score in all_scores() for spec in score.fields}
    )
