"""What there is, and what can be done with it: varieties, inspect, export, takedown, train-identifier, demo."""

import argparse
import os
from collections.abc import Callable
from typing import Any

from schemas.errors import SettingsError

Command = Callable[..., argparse.ArgumentParser]


def add_commands(commands: Any, command: Command) -> None:
    """Add the tools to the command line."""
    _add_demo(commands, command)
    _add_varieties(commands, command)
    _add_inspect(commands, command)
    _add_export(commands, command)
    _add_takedown(commands, command)
    _add_train(commands, command)
    _add_calibrate(commands, command)


def _add_demo(commands: Any, command: Command) -> None:
    from pipelines.cli import add_run_options

    added = command(
        commands,
        "demo",
        _demo,
        "the whole walk on a small web site that comes with the package",
        """\
Serve a small web site in Ligurian, Lombard, Friulian and Italian on loopback (a sample of OLDI
Seed, CC BY-SA 4.0), crawl it, build the corpus of the three varieties with Italian, and compare
with the known answers. Needs no network, no account and no model. Figures: OUTPUT/summary.json.

example:
  isogloss demo --workers 2
""",
        takes_beam_flags=True,
    )
    added.add_argument("--output", default="", metavar="FOLDER", help="where to (default build/demo)")
    added.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help="change a setting"
    )
    add_run_options(added)


def _demo(options: argparse.Namespace) -> None:
    from pipelines.worker import thread_settings

    os.environ.update(thread_settings())  # before numpy: equal bytes for one process and for many
    from pipelines.demo.command import demo

    demo(options)


def _add_varieties(commands: Any, command: Command) -> None:
    added = command(
        commands,
        "varieties",
        _varieties,
        "list and search the varieties",
        """\
List the varieties that isogloss knows: tag, name, own name, script, standard language, family. A
TEXT is searched for in tags, names, aliases and families; as a whole also in Glottocodes and in the
labels of lid.176, GlotLID, OpenLID and LASER. What matches as a whole comes first. With --json
everything that is known, an object a line. One file adds a variety: docs/varieties.md.

examples:
  isogloss varieties
  isogloss varieties occitan
  isogloss varieties --json als
""",
    )
    added.add_argument("text", nargs="?", default="", metavar="TEXT", help="what to search for")
    added.add_argument("--json", action="store_true", help="print everything that is known, as JSON lines")


def _varieties(options: argparse.Namespace) -> int:
    import msgspec

    from pipelines.filters import _write
    from schemas.variety import search

    found = search(options.text)
    for variety in found:
        if options.json:
            _write(msgspec.json.encode(variety).decode("utf-8"))
            continue
        row = (variety.tag, variety.name, variety.autonym, variety.script, variety.standard, variety.family)
        _write("\t".join(value or "-" for value in row))
    return 0 if found else 1


def _add_inspect(commands: Any, command: Command) -> None:
    added = command(
        commands,
        "inspect",
        _inspect,
        "what a checkpoint holds, and whether it is whole",
        """\
Show what a checkpoint holds: table, rows, shards, ledger, first rows. Every file is compared with
the digest in the manifest; a file that is missing, changed or unknown is named, and the exit
status is 1.

example:
  isogloss inspect build/demo/corpus
""",
    )
    added.add_argument("folder", metavar="PATH", help="folder of a checkpoint: pages, documents, ..., corpus")
    added.add_argument("--rows", type=int, default=3, metavar="N", help="rows to show (default 3)")


def _inspect(options: argparse.Namespace) -> int:
    from pipelines.filters import _write
    from transforms.publish import inspect_checkpoint, inspection_text

    found = inspect_checkpoint(options.folder, rows=options.rows)
    _write(inspection_text(found).rstrip("\n"))
    return 0 if found.is_whole else 1


_FORMATS = ("tmx", "moses", "jsonl", "pharaoh", "code-switched", "conllu", "interleaved")


def _add_export(commands: Any, command: Command) -> None:
    added = command(
        commands,
        "export",
        _export,
        "a corpus as TMX, Moses, JSON lines, Pharaoh; code-switched, projected, interleaved",
        """\
Write a corpus in the format of other tools: tmx (1.4b, scores as properties), moses (two files of
lines a variety pair), jsonl, pharaoh (words, and links i-j). Or what its links make of it:
code-switched (target words in the source sentence, with their spans), conllu (annotation of one
side, from --annotations, projected onto the other), interleaved (pairs of documents, sentence by
sentence).

examples:
  isogloss export build/demo/corpus --to tmx -o demo.tmx
  isogloss export build/demo/corpus --to moses -o moses/
  isogloss export build/demo/corpus --to code-switched --share 0.5 -o mixed
  isogloss export build/demo/corpus --to conllu --annotations italian.conllu -o projected
""",
    )
    added.add_argument("folder", metavar="PATH", help="folder of a corpus")
    added.add_argument("--to", required=True, choices=_FORMATS, help="the format")
    added.add_argument("-o", "--output", required=True, metavar="PATH", help="start of the files' names, or a folder")
    added.add_argument("--share", type=float, default=0.3, help="code-switched: share of words to switch (default 0.3)")
    added.add_argument("--annotations", default="", metavar="FILE", help="conllu: sentences of one side, in CoNLL-U")
    added.add_argument("--sentences", default="", metavar="FOLDER", help="interleaved: default OUTPUT/sentences")


def _export(options: argparse.Namespace) -> None:
    from pipelines.filters import _write
    from transforms.publish import export

    if not 0 < options.share <= 1:
        raise SettingsError(f"--share: expected more than 0 and at most 1, got {options.share:g}")
    more = {name: getattr(options, name) for name in ("share", "annotations", "sentences")}
    for path in export(options.folder, options.to, options.output, **more):
        _write(str(path))


def _add_takedown(commands: Any, command: Command) -> None:
    added = command(
        commands,
        "takedown",
        _takedown,
        "remove a URL or an id from a corpus",
        """\
Remove everything that was found at a URL, or that has a content id (document, sentence or pair),
from a checkpoint: the shards that hold it are rewritten, the ledger counts it as taken_down, its
text is gone from the rejects too. Do it for every checkpoint that you keep.

examples:
  isogloss takedown build/demo/corpus --url http://example.org/page.html
  isogloss takedown build/demo/sentences --id 0123456789abcdef0123456789abcdef
""",
    )
    added.add_argument("folder", metavar="PATH", help="folder of a checkpoint")
    asked = added.add_mutually_exclusive_group(required=True)
    asked.add_argument("--url", help="everything found at this URL")
    asked.add_argument("--id", metavar="ID", help="everything with this content id")


def _takedown(options: argparse.Namespace) -> None:
    from pipelines.filters import _write
    from transforms.publish import Request, take_down

    done = take_down(options.folder, Request(url=options.url, identifier=options.id))
    _write(f"{done.rows} rows removed from {len(done.shards)} shards, {done.blanked} older rejects blanked")


def _add_train(commands: Any, command: Command) -> None:
    added = command(
        commands,
        "train-identifier",
        _train,
        "labelled lines -> a fastText model",
        """\
Train a model that tells varieties apart. LABELLED holds lines of: tag TAB text. Writes the model
and, beside it, a card with the data's digests, the split and the scores of each class.

example:
  isogloss train-identifier labelled.tsv -o model.ftz
""",
    )
    added.add_argument("labelled", metavar="LABELLED", help="TSV: tag TAB text")
    added.add_argument("-o", "--output", required=True, metavar="MODEL", help="where the model goes (.ftz or .bin)")
    added.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="change the training, such as epochs=5",
    )


def _train(options: argparse.Namespace) -> int:
    from pipelines import train_identifier

    changes = [word for change in options.changes for word in ("--set", change)]
    status = train_identifier.main([options.labelled, "-o", options.output, *changes])
    if status not in (0, None):
        raise SettingsError("no model was made")
    return 0


def _add_calibrate(commands: Any, command: Command) -> None:
    added = command(
        commands,
        "calibrate",
        _calibrate,
        "judged pairs -> probabilities by score",
        """\
Fit the probability that a pair is right, by its score. JUDGED holds lines of: score TAB 1 or 0 (or
right, wrong); what stands behind is not read, so the output of `isogloss pair` with a judgement put
in its second column will do. Writes the curve as JSON, for mine.calibration, draws it beside (SVG),
and prints which score each precision asks for, and how many of the right pairs it keeps.

example:
  isogloss calibrate judged.tsv -o lij-it.json
  isogloss pair --calibration lij-it.json --precision 0.95 ligurian.txt italian.txt
""",
    )
    added.add_argument("judged", metavar="JUDGED", help="TSV: score TAB judgement")
    added.add_argument("-o", "--output", required=True, metavar="CURVE", help="where the curve goes (.json)")


def _calibrate(options: argparse.Namespace) -> None:
    from pipelines.calibrate import calibrate

    calibrate(options)
