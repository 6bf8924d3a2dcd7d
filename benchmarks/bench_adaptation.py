"""Adaptation: what a run's unlabelled lines give a linear model of close classes, and what they cost.

    python benchmarks/bench_adaptation.py --data ../shared/data [--only WORD] [--kind ngrams]

For every set, on its test lines: macro F1 before and after adaptation to these very lines, what the guard said, the
expected calibration error before and after. The limits of the guard and the weight were chosen on the sets of
`development`; those of `report` were looked at once, afterwards; `harm` are texts that lead astray: skewed ones, ones of
a single variety, ones with a fifth of foreign lines (which are not scored).

A set is written `TAGS: training sources > test sources`; a source is a data set with the first and last of its lines, by
content. Sources of one name hold other lines on both sides.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.train_identifier import embedded_lines
from schemas.identity import content_id
from transforms.identify import IdentifySettings, Labelled, SentenceIdentifier, TrainingPlan, divide, train_identifier
from transforms.identify.adaptation import sample_of
from transforms.identify.calibration import calibration_error, reliability
from transforms.identify.text import as_column
from transforms.identify.training import Part, class_scores

ROMANSH = "rm-puter rm-rumgr rm-surmiran rm-sursilv rm-sutsilv rm-vallader"
ITALO = "it fur lij vec sc co scn"
GERMANIC = "bar bar-IT gsw de nl da"
SWIGSPOT = "gsw de en fr it"
SETS = {
    "development": {
        "6 Romansh idioms, declaration > software": f"{ROMANSH}: udhr 0 100 > mozilla-tmx 0 600",
        "7 Italo-Romance, declaration > encyclopedia, software": f"{ITALO}: udhr 0 100 > oldi-seed 0 600, mozilla-tmx 100 700",
        "2 Arabic, 100 lines each": "ary arz: oldi-seed 0 100 > oldi-seed 500 1500",
        "2 Arabic, 300 lines each": "ary arz: oldi-seed 0 300 > oldi-seed 500 1500",
        "2 Arabic, 300 lines each, text 30 to 1": "ary arz: oldi-seed 0 300 > ary oldi-seed 500 2300, arz oldi-seed 500 560",
        "2 Arabic, 2,000 lines each": "ary arz: oldi-seed 600 2600 > oldi-seed 0 600",
        "8 Italo-Romance, same sources": f"{ITALO} lmo: oldi-seed 500 1000, mozilla-tmx 500 1000 > oldi-seed 0 300, mozilla-tmx 0 300",
        "6 of xSID, 240 lines each": "bar bar-IT gsw de nl da: xsid 60 300 > xsid 0 60",
        "Bornholm and Danish, 100 lines each": "da da-bornholm: bornholmsk 0 100 > bornholmsk 100 1100",
        "4 of SwigSpot > commands": "gsw de en it: swigspot 0 1000 > xsid 0 300",
        "5 of SwigSpot, 30 Swiss German to 1": f"{SWIGSPOT}: swigspot 0 600 > gsw swigspot 3000 5400, de en fr it swigspot 3000 3080",
    },
    "report": {
        "5 German, declaration > any": "gsw de lb nl nds: udhr 0 100 > gsw de swigspot 0 800, lb mozilla-tmx 0 800, gsw de nl xsid 0 300",
        "5 Ibero-Romance, declaration > any": "es ca gl pt ast: udhr 0 100 > es oldi-seed 0 600, ca pilar-aranese 0 600",
        "6 Romance of software, 100 lines each": "fur scn co sc vec frp: mozilla-tmx 0 100 > mozilla-tmx 100 600",
        "5 of Seed, 60 lines each": "it lij lmo fur es: oldi-seed 0 60 > oldi-seed 600 1000",
        "Ligurian and Italian, 500 of ZenaMT > encyclopedia, old prints": "lij it: zenamt 0 500 > oldi-seed 0 600, lij ligurian-norm 0 600",
        "3 Italo-Romance, word list > any": "fur lij scn: gatitos 0 1000 > mozilla-tmx 0 1000, lij zenamt 0 1000, fur oldi-seed 0 500",
        "Aranese and Catalan, 50 lines each": "oc-aranese ca: pilar-aranese 0 50 > pilar-aranese 500 1500",
        "Hokkien and Mandarin, 100 lines each": "nan zh: icorpus-nan 0 100 > icorpus-nan 500 1500",
        "Hokkien and Mandarin, 300 lines each": "nan zh: icorpus-nan 0 300 > icorpus-nan 500 1500",
        "6 Germanic of xSID, 30 lines each": f"{GERMANIC}: xsid 0 30 > xsid 30 300",
        "6 Germanic of xSID, 100 lines each": f"{GERMANIC}: xsid 0 100 > xsid 100 300",
        "4 Scandinavian, declaration > any": "da nb nn sv: udhr 0 100 > da xsid 0 300, da bornholmsk 0 500",
        "6 Romansh idioms, half a declaration": f"{ROMANSH}: udhr 0 35 > udhr 35 100",
        "7 Sinitic, half a declaration": "zh yue wuu hak gan hsn cjy: udhr 0 35 > udhr 35 100",
        "4 South Slavic, half a declaration": "hr bs sr-Latn sl: udhr 0 35 > udhr 35 100",
    },
    "harm": {
        "Hokkien and Mandarin, 300, text 1 to 30": "nan zh: icorpus-nan 0 300 > nan icorpus-nan 500 560, zh icorpus-nan 500 2300",
        "Bornholm and Danish, 100, text 1 to 30": "da da-bornholm: bornholmsk 0 100 > da bornholmsk 100 1900, da-bornholm bornholmsk 100 160",
        "7 Italo-Romance of declarations, text of Ligurian only": f"{ITALO}: udhr 0 100 > lij zenamt 0 1000",
        "2 Arabic, 300 lines each, text of Egyptian only": "ary arz: oldi-seed 0 300 > arz oldi-seed 500 1500",
        "6 Germanic of xSID, 100, text of Bavarian only": f"{GERMANIC}: xsid 0 100 > bar xsid 100 400",
        "2 Arabic, 100 lines each, a fifth of Italian": "ary arz: oldi-seed 0 100 > oldi-seed 500 1500, it oldi-seed 0 500",
        "7 Italo-Romance of declarations, a fifth Spanish, German": f"{ITALO}: udhr 0 100 > oldi-seed 0 600, mozilla-tmx 100 700, es oldi-seed 0 600, de swigspot 0 600",
        "Bornholm and Danish, 100, a fifth of Swiss German": "da da-bornholm: bornholmsk 0 100 > bornholmsk 100 1100, gsw swigspot 0 500",
    },
}  # fmt: skip


def labelled_of(data: Path) -> dict[tuple[str, str], list[Labelled]]:
    """Give the lines of each data set and tag, in an order that follows from content."""
    by: dict[tuple[str, str], list[Labelled]] = {}
    for source, lines in embedded_lines(data):
        for line in dict.fromkeys(line._replace(part=None) for line in lines):
            by.setdefault((source.name, line.tag), []).append(line)
    for rows in by.values():
        rows.sort(key=lambda line: content_id("bench", line.text))
    return by


def lines_of(by: dict[tuple[str, str], list[Labelled]], recipe: str) -> Iterator[Labelled]:
    """Read what a set is made of."""
    tags, _, sides = recipe.partition(": ")
    parts: tuple[Part, ...] = ("train", "test")
    for part, side in zip(parts, sides.split(" > "), strict=True):
        for given in side.split(", "):
            *own, source, first, last = given.split()
            for tag in own or tags.split():
                yield from (x._replace(part=part) for x in by.get((source, tag), [])[int(first) : int(last)])


def macro(truth: list[str], answers: list[str], classes: set[str]) -> float:
    """Give macro F1 over the classes that occur; lines of other classes are not looked at."""
    pairs = [(t, a) for t, a in zip(truth, answers, strict=True) if t in classes]
    scores = class_scores([t for t, _ in pairs], [a for _, a in pairs])
    return sum(score.f1 or 0.0 for score in scores.values()) / len(scores)


def bench(lines: list[Labelled], kind: str, folder: Path) -> str:
    divided = divide(lines, TrainingPlan(quantized=False))
    rows = divided["train"]  # every tenth training line calibrates
    divided["dev"] = [line._replace(part="dev") for line in rows[::10]]
    divided["train"] = [line for place, line in enumerate(rows) if place % 10]
    test, divided["test"] = divided["test"], []
    classes = {line.tag for line in divided["train"]}
    train_identifier(divided, folder / f"model.{kind}", TrainingPlan(quantized=False))
    settings = IdentifySettings(model=str(folder / f"model.{kind}"), minimum_probability=0.0, foreign_threshold=1.0)
    identifier = SentenceIdentifier(settings, sorted(classes))
    truth, texts = [line.tag for line in test], [line.text for line in test]

    def measured() -> tuple[float, float]:
        answers = identifier.answers(texts)
        known = [(answer, tag) for answer, tag in zip(answers, truth, strict=True) if tag in classes]
        right = np.array([answer.tag == tag for answer, tag in known])
        error = calibration_error(reliability([answer.probability or 0.0 for answer, _ in known], right))
        return macro(truth, [answer.tag for answer in answers], classes), error

    before, error = measured()
    report = identifier.learn(sample_of(as_column(texts))["text"].combine_chunks())
    after, error_after = measured()
    said = f"agreement {report.agreement:.3f}" if report.is_used and report.agreement is not None else "left alone"
    return (
        f"{len(rows):,} | {len(test):,} | {before:.4f} | {after:.4f} | {after - before:+.4f} | {said} | "
        f"{error:.3f} | {error_after:.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="", help="sets whose kind or name holds this")
    parser.add_argument("--kind", default="ngrams", choices=("ngrams", "bin"))
    options = parser.parse_args()
    by = labelled_of(options.data)
    print("| set | training | text | before | after | gain | guard | calibration error | after |\n" + "|---" * 9 + "|")
    for group, sets in SETS.items():
        for name, recipe in sets.items():
            if options.only in f"{group}: {name}":
                with tempfile.TemporaryDirectory() as folder:
                    row = bench(list(lines_of(by, recipe)), options.kind, Path(folder))
                print(f"| {group}: {name} | {row}", flush=True)


if __name__ == "__main__":
    main()
