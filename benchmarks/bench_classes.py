"""Close varieties: training and adaptation, with peers on the same split.

    python benchmarks/bench_classes.py --data ../shared/data        (some minutes)
    python benchmarks/bench_classes.py labelled.tsv                 (tag TAB text, or tag TAB text TAB part)

For every set of classes, macro F1 on its test part:
fasttext   train_supervised with its defaults, on the raw line in lower case, one thread
svm        scikit-learn: TF-IDF of character 1-5-grams within words (sublinear), LinearSVC(C=1)
ours       `isogloss train-identifier -o model.bin` (fastText) and `-o model.ngrams` (linear), the seconds that it takes,
           and the expected calibration error on the test part
adapted    ours after adaptation to the unlabelled test lines, and what the guard said

The sets that are built from the data folder: classes that share a domain with their training lines (`same`), and
classes that were trained on another one or on few lines (`other`): there adaptation has something to give.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.train_identifier import embedded_lines
from schemas.identity import content_id
from transforms.identify import IdentifySettings, Labelled, SentenceIdentifier, TrainingPlan, divide, read_labelled
from transforms.identify.adaptation import sample_of
from transforms.identify.calibration import calibration_error, reliability
from transforms.identify.fit import FRESH_MEMORY
from transforms.identify.text import as_column
from transforms.identify.training import class_scores, train_identifier

DEFAULTS = (
    "import sys, fasttext; m = fasttext.train_supervised(sys.argv[1], thread=1, verbose=0); m.save_model(sys.argv[2])"
)
ROMANSH = ("rm-puter", "rm-rumgr", "rm-surmiran", "rm-sursilv", "rm-sutsilv", "rm-vallader")
ITALO = ("it", "fur", "lij", "vec", "sc", "co", "scn")


def sets(data: Path) -> Iterator[tuple[str, list[Labelled]]]:
    """Give the sets of classes with their labelled lines."""
    by: dict[tuple[str, str], list[Labelled]] = {}
    for source, lines in embedded_lines(data):
        for line in lines:
            by.setdefault((source.name, line.tag), []).append(line)
    for rows in by.values():
        rows.sort(key=lambda line: content_id("bench", line.text))

    def of(source: str, tag: str, first: int, last: int, part: str | None = None) -> list[Labelled]:
        return [line._replace(part=part or line.part) for line in by.get((source, tag), [])[first:last]]

    italo = (*ITALO, "lmo")
    sources = ("oldi-seed", "mozilla-tmx", "zenamt")
    yield "same: Italo-Romance, 8 classes", [x for tag in italo for s in sources for x in of(s, tag, 0, 6000)]
    yield "same: SwigSpot, 5 classes", [x for t in ("gsw", "de", "en", "fr", "it") for x in of("swigspot", t, 0, 6000)]
    yield (
        "same: xSID, 6 classes",
        [x for t in ("bar", "bar-IT", "gsw", "de", "nl", "da") for x in of("xsid", t, 0, 900)],
    )
    yield "same: Arabic, 2 classes", [x for t in ("ary", "arz") for x in of("oldi-seed", t, 0, 6000)]
    yield (
        "other: Romansh, 6 idioms, declarations -> software",
        [x for t in ROMANSH for x in of("udhr", t, 0, 100, "train")]
        + [x for t in ROMANSH for x in of("mozilla-tmx", t, 0, 2000, "test")],
    )
    yield (
        "other: Italo-Romance, 7 classes, declarations -> encyclopedia, software",
        [x for t in ITALO for x in of("udhr", t, 0, 100, "train")]
        + of("mozilla-tmx", "scn", 0, 60, "train")
        + [x for t in ITALO for s in ("oldi-seed", "mozilla-tmx") for x in of(s, t, 100, 1600, "test")],
    )
    yield (
        "other: Arabic, 2 classes, 100 lines each",
        [x for t in ("ary", "arz") for x in of("oldi-seed", t, 0, 100, "train")]
        + [x for t in ("ary", "arz") for x in of("oldi-seed", t, 100, 2100, "test")],
    )
    yield (
        "other: Bornholm and Danish, 100 lines each",
        [x for t in ("da", "da-bornholm") for x in of("bornholmsk", t, 0, 100, "train")]
        + [x for t in ("da", "da-bornholm") for x in of("bornholmsk", t, 100, 2100, "test")],
    )
    yield (
        "other: SwigSpot -> commands (xSID), 4 classes",
        [x for t in ("gsw", "de", "en", "it") for x in of("swigspot", t, 0, 4000, "train")]
        + [x for t in ("gsw", "de", "en", "it") for x in of("xsid", t, 0, 300, "test")],
    )
    yield (
        "skewed: SwigSpot, 30 Swiss German lines to one of each other",
        [x for t in ("gsw", "de", "en", "fr", "it") for x in of("swigspot", t, 0, 3000, "train")]
        + [
            x
            for t in ("gsw", "de", "en", "fr", "it")
            for x in of("swigspot", t, 3000, 6000 if t == "gsw" else 3100, "test")
        ],
    )


def macro(truth: list[str], answers: list[str]) -> float:
    scores = class_scores(truth, answers)
    return sum(score.f1 or 0.0 for score in scores.values()) / len(scores)


def by_fasttext(train: list[Labelled], test: list[str], folder: Path) -> list[str]:
    from fasttext.FastText import _FastText

    lines, model = folder / "defaults.txt", folder / "defaults.bin"
    lines.write_text("".join(f"__label__{line.tag} {line.text}\n" for line in train), encoding="utf-8")
    subprocess.run([sys.executable, "-c", DEFAULTS, str(lines), str(model)], check=True, env=os.environ | FRESH_MEMORY)
    found, _ = _FastText(model_path=str(model)).f.multilinePredict([text + "\n" for text in test], 1, 0.0, "replace")
    return [labels[0].removeprefix("__label__") if labels else "und" for labels in found]


def by_svm(train: list[Labelled], test: list[str]) -> list[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True, min_df=2)
    model = LinearSVC(random_state=0).fit(vectors.fit_transform([x.text for x in train]), [x.tag for x in train])
    return list(model.predict(vectors.transform(test)))


def bench(name: str, labelled: list[Labelled], folder: Path) -> None:
    plan = TrainingPlan(quantized=False, dev_percent=10)
    divided = divide(labelled, plan)
    if not divided["dev"]:  # every tenth training line calibrates
        rows = divided["train"]
        divided["dev"] = [line._replace(part="dev") for line in rows[::10]]
        divided["train"] = [line for place, line in enumerate(rows) if place % 10]
    train = [*divided["train"], *divided["dev"]]
    truth, texts = [line.tag for line in divided["test"]], [line.text for line in divided["test"]]
    classes = sorted({line.tag for line in divided["train"]})
    print(f"{name}: {len(classes)} classes, {len(train):,} training lines, {len(texts):,} test lines")
    print(
        f"  fasttext {macro(truth, by_fasttext(train, texts, folder)):.4f}  svm {macro(truth, by_svm(train, texts)):.4f}",
        flush=True,
    )
    found = {kind: own(kind, divided, plan, classes, truth, texts, folder) for kind in ("bin", "ngrams")}
    best = max(("ngrams", "bin"), key=lambda kind: found[kind][0])
    print(f"  `-o model` keeps .{best} (dev {found['ngrams'][0]:.4f} and {found['bin'][0]:.4f}): {found[best][1]:.4f}")


def own(kind, divided, plan, classes, truth, texts, folder) -> tuple[float, float]:
    model = folder / f"ours.{kind}"
    start = time.perf_counter()
    facts = train_identifier({**divided, "test": []}, model, plan)
    seconds = time.perf_counter() - start
    identifier = SentenceIdentifier(
        IdentifySettings(model=str(model), minimum_probability=0.0, foreign_threshold=1.0), classes
    )
    answers = identifier.answers(texts)
    ours = macro(truth, [answer.tag for answer in answers])
    right = np.array([answer.tag == tag for answer, tag in zip(answers, truth, strict=True)])
    error = calibration_error(reliability([answer.probability or 0.0 for answer in answers], right))
    report = identifier.learn(sample_of(as_column(texts))["text"].combine_chunks())
    adapted = macro(truth, [answer.tag for answer in identifier.answers(texts)])
    print(
        f"  ours .{kind:6} {ours:.4f} ({seconds:.0f} s, error {error:.3f})  adapted {adapted:.4f} ({adapted - ours:+.4f})"
        + (f"  guard: {report.why}" if report.why else ""),
        flush=True,
    )
    return facts["dev"]["macro_f1"], ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", nargs="*")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    given = [(path, read_labelled(path)) for path in options.labelled]
    built = sets(options.data) if options.data else iter(())
    for name, lines in [*given, *built]:
        with tempfile.TemporaryDirectory() as folder:
            bench(name, lines, Path(folder))


if __name__ == "__main__":
    main()
