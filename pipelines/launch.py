"""The launcher of the Flex Template: the template's parameters, as Dataflow hands them over, to a run.

Dataflow starts this in the launcher's container, with every parameter as `--name=value` and its own flags
(`--runner`, `--project`, `--template_location`, ...) beside them. What a run must know of the checkpoints that
are there, it reads here, at the time of the launch: the same template serves every launch.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from pipelines.cli import main as isogloss

RUNS = ("crawl", "prepare", "mine", "publish")
IMAGE_VARIABLE = "ISOGLOSS_IMAGE"
"""The name of the image that this runs in; workers run in the same."""


def command_of(arguments: Sequence[str], image: str = "") -> list[str]:
    """Make the command line of a run from the template's parameters.

    Args:
        arguments: `--run=mine --configuration=gs://... --changes=mine.k=8;mine.threshold=1.05`, and Beam's flags.
        image: for the workers, where no flag names one.

    Example:
        >>> command_of(["--run=mine", "--configuration=gs://b/c.toml", "--changes=mine.k=8", "--region=r"])
        ['mine', 'gs://b/c.toml', '--quiet', '--set', 'mine.k=8', '--', '--region=r']
    """
    parser = argparse.ArgumentParser(prog="launch", allow_abbrev=False)
    parser.add_argument("--run", required=True, choices=RUNS)
    parser.add_argument("--configuration", required=True)
    parser.add_argument("--changes", default="")
    given, flags = parser.parse_known_args(list(arguments))
    if image and not any(flag.partition("=")[0] == "--sdk_container_image" for flag in flags):
        flags.append(f"--sdk_container_image={image}")
    if not any(flag.partition("=")[0] == "--runner" for flag in flags):
        flags.insert(0, "--runner=DataflowRunner")
    changes = [change.strip() for change in given.changes.split(";") if change.strip()]
    sets = [word for change in changes for word in ("--set", change)]
    return [given.run, given.configuration, "--quiet", *sets, "--", *flags]


def main(argv: Sequence[str] | None = None) -> int:
    """Launch a run.

    Args:
        argv: the parameters; those of the process when not given.

    Returns:
        The exit status of the run's launch.
    """
    arguments = sys.argv[1:] if argv is None else argv
    return isogloss(command_of(arguments, os.environ.get(IMAGE_VARIABLE, "")))


if __name__ == "__main__":
    sys.exit(main())
