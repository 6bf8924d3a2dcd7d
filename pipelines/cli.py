"""The command line: runs on a configuration, stages alone on plain files, and a look at what there is."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pipelines import VERSION
from schemas.errors import IsoglossError, SettingsError

EXIT_SETTINGS = 2
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

_DESCRIPTION = """\
Build aligned dialect corpora: crawl, normalize, identify varieties, mine sentence pairs,
align their words, score them, publish Parquet. Every record is accounted for.

Runs, on a configuration (one TOML file a corpus, or the name of a recipe):
  build       the whole walk
  crawl       seeds -> pages (WARC)
  prepare     pages and files -> documents and sentences
  mine        sentences -> pairs with links and scores
  publish     pairs -> corpus (Parquet, card, ledger)
  demo        all of it on a small web site that comes with the package

Stages alone, on plain files, as filters:
  extract     web pages -> JSON lines
  segment     text -> one sentence a line
  identify    lines -> variety, probability, line
  pair        two files of lines -> mined pairs
  align       pairs -> word links (Pharaoh)
  lexicon     pairs -> word pairs with probabilities
  score       pairs -> a table of scores
  train-identifier   labelled lines -> a fastText model
  calibrate   judged pairs -> probabilities by score

What there is:
  varieties   list and search the varieties
  inspect     what a checkpoint holds, and whether it is whole
  export      a corpus as TMX, Moses, JSON lines, Pharaoh
  takedown    remove a URL or an id from a corpus
"""
_EPILOG = """\
examples:
  isogloss build corpus.toml --workers 4
  isogloss build corpus.toml --set mine.k=8 -- --runner=DataflowRunner --project=my-project --region=europe-west4
  isogloss identify < lines.txt
  isogloss pair ligurian.txt italian.txt > pairs.tsv

Beam's own flags follow `--`. Exit status: 0 done, 1 the run failed, 2 a setting was refused.
`isogloss COMMAND --help` says more about each.
"""

_EVERYDAY = ("This output type hint will be ignored", "This input type hint will be ignored", "apitools not found")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; those of the process when not given.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    beam_flags: list[str] = []
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, beam_flags = arguments[:cut], arguments[cut + 1 :]
    parser = make_parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 0
    options.beam_flags = beam_flags
    _quiet_beam()
    if beam_flags and not options.takes_beam_flags:
        parser.error(f"{options.command} takes no Beam flags")
    try:
        return int(options.run(options) or 0)
    except SettingsError as error:
        print(f"isogloss: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    except IsoglossError as error:
        print(f"isogloss: {error}", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("isogloss: interrupted; the same command goes on where it was", file=sys.stderr)
        return EXIT_INTERRUPTED


def _quiet_beam() -> None:
    """Let warnings through, but for those that Beam gives on every graph of stages with several outputs."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: not record.getMessage().startswith(_EVERYDAY))
    logging.basicConfig(level=logging.WARNING, format="isogloss: %(levelname)s: %(message)s", handlers=[handler])


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    from pipelines import filters, tools

    parser = argparse.ArgumentParser(
        prog="isogloss", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=_Formatter
    )
    parser.add_argument("--version", action="version", version=f"isogloss {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    _add_runs(commands)
    filters.add_commands(commands, command)
    tools.add_commands(commands, command)
    return parser


def command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    help: str,
    description: str,
    *,
    takes_beam_flags: bool = False,
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: where to.
        name: of the command.
        run: does it; gives the exit status, None for 0.
        help: a line.
        description: what it does, what goes in and comes out, with an example.
        takes_beam_flags: may Beam's flags follow `--`?
    """
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=description, formatter_class=_Formatter
    )
    added.set_defaults(run=run, command=name, takes_beam_flags=takes_beam_flags)
    return added


_RUNS = {
    "build": (
        "the whole walk: crawl, prepare, mine, publish",
        """\
Make the corpus that CONFIG describes, from seeds or files to Parquet. Checkpoints that are
finished and were made of the same inputs by the same settings are used as they are, so a run
that was stopped goes on where it was.

example:
  isogloss build corpus.toml --workers 2
""",
    ),
    "crawl": (
        "seeds -> pages (WARC)",
        """\
Fetch the pages of [crawl]: robots.txt is obeyed (unreachable means no), hosts are visited one
request at a time with a delay, nothing outside the configured hosts is fetched. Pages are kept
as WARC under OUTPUT/pages. A crawl that was stopped goes on.

example:
  isogloss crawl corpus.toml
""",
    ),
    "prepare": (
        "pages and files -> documents and sentences",
        """\
Read pages and files, take out the main text, normalize it (the text as found is kept), cut it
into sentences, identify their varieties, mark duplicates. Writes OUTPUT/documents and
OUTPUT/sentences.

example:
  isogloss prepare corpus.toml --set identify.minimum_probability=0.6
""",
    ),
    "mine": (
        "sentences -> pairs with links and scores",
        """\
Embed the sentences of every variety, find the pairs that say the same by margin, align their
words, score them. Writes OUTPUT/vectors and OUTPUT/pairs.

example:
  isogloss mine corpus.toml --set mine.retrieval=intersect
""",
    ),
    "publish": (
        "pairs -> corpus (Parquet, card, ledger), lexicon",
        """\
Apply the limits of [publish] to the scored pairs and write OUTPUT/corpus: Parquet by variety
pair, manifest, ledger, rejects with the score that failed, and a dataset card; and OUTPUT/lexicon,
the word pairs of its links.

example:
  isogloss publish corpus.toml --set publish.minimum.margin=1.1
""",
    ),
}


def _add_runs(commands: Any) -> None:
    for name, (help_line, description) in _RUNS.items():
        added = command(commands, name, _run, help_line, description, takes_beam_flags=True)
        added.add_argument("configuration", metavar="CONFIG", help="TOML file, or the name of a recipe")
        added.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            dest="changes",
            help="change a setting, such as mine.k=8",
        )
        add_run_options(added)
        added.add_argument(
            "--dry-run", action="store_true", help="check everything, say what would be done, do nothing"
        )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that runs a pipeline."""
    parser.add_argument(
        "--workers", type=_positive, default=1, metavar="N", help="worker processes on this machine (default 1)"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--again", action="store_true", help="make every checkpoint anew, though it is finished")


def _run(options: argparse.Namespace) -> None:
    from pipelines.worker import thread_settings

    os.environ.update(thread_settings())  # before numpy: equal bytes for one process and for many
    from importlib import import_module

    from pipelines.config import load_configuration
    from pipelines.dataflow import paths_of
    from pipelines.models import model_settings, with_pinned_models
    from pipelines.options import parse_beam_flags, reach_stores
    from pipelines.progress import Progress
    from pipelines.run import Run
    from transforms.common import files

    runner_options = parse_beam_flags(options.beam_flags, workers=options.workers)
    reach_stores(runner_options)
    files.check_reachable([options.configuration])
    configuration = load_configuration(options.configuration, options.changes)
    models = (model for _, model in model_settings(configuration) if not model.startswith("http"))
    files.check_reachable([*(path for _, path in paths_of(configuration)), *models])
    run = Run(
        configuration=with_pinned_models(configuration),
        options=runner_options,
        progress=Progress(quiet=options.quiet),
        dry_run=options.dry_run,
        again=options.again,
    )
    getattr(import_module(f"pipelines.{options.command}"), options.command)(run)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
