"""Measure an identifier on labelled lines: scores by class, confusions, calibration, a reliability plot.

python -m pipelines.evaluate_identifier embedded --data ../shared/data --plot docs/reliability.svg --table table.md \
    --beside lid.176.ftz
python -m pipelines.evaluate_identifier labelled.tsv --model model.ftz
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.train_identifier import divided_embedded, embedded_lines
from schemas.errors import SettingsError
from schemas.variety import labels_of
from transforms.identify.calibration import Bin, calibration_error, reliability, reliability_svg
from transforms.identify.function import SentenceIdentifier
from transforms.identify.settings import IdentifySettings
from transforms.identify.text import as_column, prepare_texts
from transforms.identify.training import RECIPE, Labelled, TrainingPlan, read_labelled, score_report


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate from the command line.

    Args:
        argv: arguments; those of the process when None.

    Returns:
        0; 2 for wrong arguments or lines.
    """
    parser = argparse.ArgumentParser(prog="python -m pipelines.evaluate_identifier", description=__doc__)
    parser.add_argument("labelled", help="TSV file; `embedded`: the test part of the model in the package")
    parser.add_argument("--data", type=Path, help="folder of the data sets, for `embedded`")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--beside", metavar="MODEL", help="another model, whose scores on the same lines stand beside")
    parser.add_argument("--plot", type=Path, help="where the reliability plot goes, as SVG")
    parser.add_argument("--table", type=Path, help="where the table of classes goes, as Markdown")
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        _evaluate(options)
    except SettingsError as error:
        print(f"evaluate_identifier: {error}", file=sys.stderr)
        return 2
    return 0


def _evaluate(options: argparse.Namespace) -> None:
    lines = _lines(options)
    ours = answers_of(options.model, lines)
    other = answers_of(options.beside, lines) if options.beside else None
    for name, found in ((options.model, ours), (options.beside, other)):
        if found is not None:
            report, bins = found["report"], found["after"]
            print(
                f"{Path(name).name}: {report['lines']:,} lines, accuracy {report['accuracy']:.4f}, macro F1 "
                f"{report['macro_f1']:.4f}, calibration error {calibration_error(found['before']):.4f} before, "
                f"{calibration_error(bins):.4f} after"
            )
    if options.plot:
        curves: list[tuple[str, Sequence[Bin]]] = [
            ("before calibration", ours["before"]),
            ("after calibration", ours["after"]),
        ]
        options.plot.write_text(reliability_svg(curves), encoding="utf-8")
    if options.table:
        options.table.write_text(table(ours["report"], other["report"] if other else None), encoding="utf-8")


def _lines(options: argparse.Namespace) -> list[Labelled]:
    if options.labelled != "embedded":
        return read_labelled(options.labelled)
    if options.data is None:
        raise SettingsError("`embedded` needs the folder of the data sets", path="--data")
    test = {(line.tag, line.text) for line in divided_embedded(options.data, TrainingPlan())[0]["test"]}
    # Other models read the line as it was written, ours its letters: so the lines as found are taken.
    found: dict[tuple[str, str], Labelled] = {}
    for _, rows in embedded_lines(options.data):
        for line, read in zip(rows, prepare_texts([row.text for row in rows], RECIPE), strict=True):
            if (line.tag, read) in test:
                found.setdefault((line.tag, read), line)
    return list(found.values())


def answers_of(model: str, lines: Sequence[Labelled]) -> dict[str, Any]:
    """Let a model answer: a report, and reliability bins before and after calibration."""
    identifier = SentenceIdentifier(IdentifySettings(model=model, minimum_probability=0.0, top=1))
    truth = [line.tag for line in lines]
    texts = [line.text for line in lines]
    answers = identifier.answers(texts)
    predicted = [answer.tag for answer in answers]
    right = np.array([tag == answer for tag, answer in zip(truth, predicted, strict=True)])
    confidence = np.array([answer.probability or 0.0 for answer in answers])
    return {
        "report": score_report(truth, predicted, confusions=100_000),
        "before": reliability(*_uncalibrated(identifier, as_column(texts), truth)),
        "after": reliability(confidence, right),
    }


def _uncalibrated(identifier: SentenceIdentifier, texts: pa.StringArray, truth: Sequence[str]) -> tuple[Any, Any]:
    """Give confidence and correctness of a model's own probabilities."""
    model = identifier.model
    known = labels_of(model.scheme)
    calibration, model.calibration = model.calibration, None
    try:
        found = model.identify(texts)
    finally:
        model.calibration = calibration
    tags = np.array([known.get(label, "und") for label in model.labels], dtype=object)
    return found.max(axis=1), tags[found.argmax(axis=1)] == np.array(truth, dtype=object)


def table(report: dict[str, Any], other: dict[str, Any] | None) -> str:
    """Write scores by class and the most frequent confusions as Markdown."""
    confused: dict[str, list[str]] = {}
    for entry in report["confusions"]:
        confused.setdefault(entry["truth"], []).append(f"`{entry['predicted']}` {entry['lines']}")
    head = "| variety | lines | precision | recall | F1 | taken for |" + (" lid.176: recall | F1 |" if other else "")
    rows = [head, "|---" * (head.count("|") - 1) + "|"]
    for tag, score in report["classes"].items():
        cells = [f"`{tag}`", f"{score['lines']:,}", *(_shown(score[name]) for name in ("precision", "recall", "f1"))]
        cells.append(", ".join(confused.get(tag, [])[:4]))
        if other:
            cells += [_shown(other["classes"][tag][name]) for name in ("recall", "f1")]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
