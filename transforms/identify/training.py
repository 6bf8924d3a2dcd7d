"""Train an identifier from labelled lines: a fastText classifier over character n-grams, small enough to ship.

The same lines and the same plan give the same bytes: one thread, and every choice (part, cut, fragment) follows
from the content of the line.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.identity import bucket_of, content_digest, content_id
from schemas.variety import LABEL_PREFIX, find
from transforms.common.backends import load_backend
from transforms.identify import fit
from transforms.identify.adaptation import counts_of
from transforms.identify.calibration import calibration_error, fit_calibration, reliability
from transforms.identify.interface import Identifier
from transforms.identify.linear import ENDING, LinearModel, train_linear
from transforms.identify.noise import varied
from transforms.identify.settings import IdentifySettings
from transforms.identify.text import as_column, prepare_column, prepare_texts

Part = Literal["train", "dev", "test"]
RECIPE = "letters-1"
"""What lines are divided by, and linear models read."""
FASTTEXT_RECIPE = "letters-2"
"""What fastText models read: of lines that were prepared by `RECIPE` too."""
SENTENCE_BYTES = 30
"""Shorter lines are words and commands. Bytes: scripts with more bytes a character say more in one."""
_TRIES = 4


class Labelled(NamedTuple):
    """A line whose variety is known.

    Attributes:
        tag: BCP 47 tag.
        text: the line.
        part: what it is used for; None: decided by its content.
    """

    tag: str
    text: str
    part: Part | None = None


class TrainingPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is trained. The names of the numbers are fastText's, written out."""

    dimension: Annotated[int, msgspec.Meta(ge=2, le=512, description="Length of the vectors.")] = 16
    shortest_ngram: Annotated[int, msgspec.Meta(ge=1, le=10, description="Characters.")] = 1
    longest_ngram: Annotated[int, msgspec.Meta(ge=1, le=10, description="Characters.")] = 5
    buckets: Annotated[int, msgspec.Meta(ge=1000, description="Rows that n-grams are hashed to.")] = 100_000
    minimum_count: Annotated[int, msgspec.Meta(ge=1, description="Rarer words have no row of their own.")] = 50
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Passes over the lines.")] = 10
    learning_rate: Annotated[
        float, msgspec.Meta(gt=0, le=2, description="Halved and tried again when training diverges.")
    ] = 0.3
    least_lines: Annotated[int, msgspec.Meta(ge=0, description="A class with fewer is repeated, at most 20 times.")] = (
        2000
    )
    least_sentences: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Lines of 30 bytes or more, where a class has fewer, are repeated, at most 20 times: "
            "a word list does not drown them. 0: not.",
        ),
    ] = 0
    most_lines: Annotated[
        int, msgspec.Meta(ge=1, description="A class with more is cut to this many, chosen by content.")
    ] = 20_000
    fragments: Annotated[bool, msgspec.Meta(description="Add a piece of 1 to 6 words of every longer line.")] = True
    variations: Annotated[
        int, msgspec.Meta(ge=0, le=5, description="Times that every training line stands again, in another spelling.")
    ] = 0
    quantized: Annotated[bool, msgspec.Meta(description="Compress the vectors: a twelfth of the size.")] = True
    dev_percent: Annotated[
        int, msgspec.Meta(ge=0, le=50, description="Share of the lines without a part, for development.")
    ] = 10
    test_percent: Annotated[
        int, msgspec.Meta(ge=0, le=50, description="Share of the lines without a part, for the test.")
    ] = 10


class ClassScore(NamedTuple):
    """How well a variety is told, on one part.

    Attributes:
        lines: lines of the variety.
        precision, recall, f1: 0 to 1; None where there is nothing to divide by.
    """

    lines: int
    precision: float | None
    recall: float | None
    f1: float | None


def read_labelled(path: str | Path) -> list[Labelled]:
    """Read lines of `tag TAB text`, or `tag TAB text TAB part` with part train, dev or test.

    Raises:
        SettingsError: a line of another form, an empty text, a tag that is not in the registry, or no UTF-8;
            with its number.
    """
    lines: list[Labelled] = []
    try:
        data = Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"there is no file {str(path)!r}", cure="Give a file of lines: tag TAB text.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: {error}", cure="Convert it: iconv -f LATIN1 -t UTF-8.") from error
    canonical: dict[str, str] = {}
    for number, line in enumerate(data.split("\n"), start=1):
        if not line and number == data.count("\n") + 1:
            continue
        fields = line.rstrip("\r").split("\t")
        if len(fields) not in (2, 3) or (len(fields) == 3 and fields[2] not in ("train", "dev", "test")):
            raise SettingsError(
                f"{path}, line {number}: expected tag TAB text, got {line[:60]!r}",
                cure="A third field is train, dev or test.",
            )
        if not fields[1].strip():
            raise SettingsError(f"{path}, line {number}: the text is empty", cure="Leave the line out.")
        tag = fields[0].strip()
        if tag not in canonical:
            variety = find(tag)
            if variety is None or tag.count("-") > variety.tag.count("-") + 1:
                raise SettingsError(
                    f"{path}, line {number}: the variety {tag!r} is not in the registry",
                    cure="See `isogloss varieties`; one file in schemas/varieties adds one.",
                )
            canonical[tag] = variety.tag
        part: Any = fields[2] if len(fields) == 3 else None
        lines.append(Labelled(canonical[tag], fields[1], part))
    return lines


def divide(lines: Iterable[Labelled], plan: TrainingPlan) -> dict[Part, list[Labelled]]:
    """Give each line its part, and keep the parts apart: what stands in one, letter for letter, stands in no other.

    Lines that the model reads alike (of whatever class) get one part. Where such lines come with different
    parts, the test keeps them before dev, dev before train. Lines without letters are left out, and of lines of one
    class that are read alike one is kept.

    Returns:
        Lines by part, with the text that the model reads, ordered by content id.
    """
    lines = list(lines)
    read = prepare_texts([line.text for line in lines], RECIPE)
    parts: dict[str, Part] = {}
    rank: dict[Part, int] = {"train": 0, "dev": 1, "test": 2}
    for line, text in zip(lines, read, strict=True):
        part = line.part or _part_of(text, plan)
        if text and rank[part] >= rank[parts.get(text, "train")]:
            parts[text] = part
    divided: dict[Part, list[Labelled]] = {"train": [], "dev": [], "test": []}
    for tag, text in {(line.tag, text) for line, text in zip(lines, read, strict=True) if text}:
        divided[parts[text]].append(Labelled(tag, text, parts[text]))
    for chosen in divided.values():
        chosen.sort(key=lambda line: content_id("labelled", line.tag, line.text))
    return divided


def _part_of(text: str, plan: TrainingPlan) -> Part:
    place = bucket_of(content_id("labelled", text), 100)
    if place < plan.test_percent:
        return "test"
    return "dev" if place < plan.test_percent + plan.dev_percent else "train"


def balanced(lines: Sequence[Labelled], plan: TrainingPlan) -> list[Labelled]:
    """Cut large classes, repeat small ones, add other spellings and fragments; in an order that follows from content.

    Args:
        lines: ordered by content id, so that the first of a class are a fair sample.
        plan: `least_lines`, `least_sentences`, `most_lines`, `variations`, `fragments`.
    """
    classes: dict[str, list[Labelled]] = defaultdict(list)
    for line in lines:
        if len(classes[line.tag]) < plan.most_lines:
            classes[line.tag].append(line)
    chosen: list[tuple[str, Labelled]] = []
    for members in classes.values():
        sentences = [line for line in members if _is_sentence(line)]
        others = [line for line in members if not _is_sentence(line)]
        for part, least in ((sentences, plan.least_sentences), (others, 0)):
            grown = with_variations(part, plan)
            if plan.fragments:
                grown = [*grown, *(piece for line in grown for piece in _fragments(line))]
            times = max(_times(plan.least_lines, members), _times(least, part))
            chosen += [(content_id("turn", turn, *line[:2]), line) for turn in range(times) for line in grown]
    return [line for _, line in sorted(chosen, key=lambda entry: entry[0])]


def _times(least: int, lines: Sequence[Labelled]) -> int:
    """Say how often lines stand so that there are at least so many: 1 to 20."""
    return min(20, max(1, -(-least // max(1, len(lines)))))


def _is_sentence(line: Labelled) -> bool:
    return len(line.text.encode("utf-8")) >= SENTENCE_BYTES


def with_variations(lines: Sequence[Labelled], plan: TrainingPlan) -> list[Labelled]:
    """Give lines, and each again in other spellings (`noise.varied`), `variations` times."""
    turned = (line._replace(text=varied(line.text, turn)) for turn in range(plan.variations) for line in lines)
    return [*lines, *turned]


def _fragments(line: Labelled) -> list[Labelled]:
    words = line.text.split(" ")
    if len(words) < 7:
        return []
    seed = int(content_id("fragment", line.text)[:8], 16)
    length = 1 + seed % 6
    start = (seed >> 8) % (len(words) - length)
    return [line._replace(text=" ".join(words[start : start + length]))]


def train_identifier(
    divided: Mapping[Part, Sequence[Labelled]], output: str | Path, plan: TrainingPlan
) -> dict[str, Any]:
    """Train a model and write it with its card's facts beside it (`<output>.json` in place of its ending).

    Args:
        divided: lines by part, as `divide` gives them; `train` must hold two classes at least.
        output: a path that ends in .ftz (quantized) or .bin: a fastText classifier, whose size does not grow with the
            classes; or in .ngrams: a linear model, better on few, close classes.
        plan: how.

    Returns:
        The facts: recipe, scheme, plan, labels, sizes, digests, scores of dev and test by class.

    Raises:
        SettingsError: fewer than two classes, or training diverged at every learning rate that was tried.
    """
    output = Path(output)
    classes = sorted({line.tag for line in divided["train"]})
    if len(classes) < 2:
        raise SettingsError(
            f"expected lines of two varieties at least, got {len(classes)}", cure="Give labelled lines: tag TAB text."
        )
    is_linear = output.suffix == ENDING
    lines = divided["train"] if is_linear else balanced(divided["train"], plan)
    texts = [line.text for line in lines]
    output.parent.mkdir(parents=True, exist_ok=True)
    rate = None
    if is_linear:
        written = "".join(f"{line.tag}\t{line.text}\n" for line in lines).encode("utf-8")
        fit_linear(lines, classes, plan).save(output)
    else:
        texts = prepare_texts(texts, FASTTEXT_RECIPE)
        written = "".join(f"{LABEL_PREFIX}{line.tag} {text}\n" for line, text in zip(lines, texts, strict=True)).encode(
            "utf-8"
        )
        with tempfile.TemporaryDirectory() as folder:
            path, made = Path(folder) / "train.txt", Path(folder) / "model"
            path.write_bytes(written)
            rate = _fit(path, made, plan)
            output.write_bytes(made.read_bytes())
    found: dict[str, Any] = {
        "recipe": RECIPE if is_linear else FASTTEXT_RECIPE,
        "scheme": "isogloss",
        "plan": msgspec.to_builtins(plan),
        "learning_rate_used": rate,
        "labels": classes,
        "lines": {part: len(divided[part]) for part in ("train", "dev", "test")},
        "train_digest": content_digest(written),
        "model_digest": content_digest(output.read_bytes()),
        "size_bytes": output.stat().st_size,
    }
    if not is_linear or not divided["dev"]:
        return measure_model(output, divided, found)
    # Calibrated and scored on dev, a linear model then learns dev too: a tenth more lines, and calibration changes little.
    facts = measure_model(output, {"dev": divided["dev"]}, found)
    fit_linear([*divided["train"], *divided["dev"]], classes, plan).save(output)
    facts["model_digest"] = content_digest(output.read_bytes())
    facts["size_bytes"] = output.stat().st_size
    facts["learned_dev"] = True
    if divided["test"]:
        facts["test"] = _scored(output, divided["test"])
    write_facts(output, facts)
    return facts


def train_best(
    divided: Mapping[Part, Sequence[Labelled]], output: str | Path, plan: TrainingPlan
) -> tuple[Path, dict[str, Any]]:
    """Train a linear and a fastText model and keep the one that is better on dev: by macro F1, the linear one if equal.

    Args:
        divided: as for `train_identifier`, with lines of dev.
        output: a path without ending.
        plan: how.

    Returns:
        Where the model is, with its ending; its facts, with the macro F1 of both on dev as `tried`.

    Raises:
        SettingsError: there is no line of dev to choose by; or as `train_identifier`.
    """
    if not divided["dev"]:
        raise SettingsError(
            "there is no development line to choose the kind of model by",
            cure="Mark lines as dev, set dev_percent, or name the kind: -o model.ngrams or model.bin.",
        )
    made = {ending: Path(f"{output}{ending}") for ending in (ENDING, ".ftz" if plan.quantized else ".bin")}
    with tempfile.TemporaryDirectory(dir=_folder(output)) as folder:
        tried = {ending: Path(folder) / f"model{ending}" for ending in made}
        facts = {}
        for ending, path in tried.items():
            facts[ending] = train_identifier(divided, path, plan)
            path.with_suffix(".json").rename(path.with_suffix(f"{ending}.json"))
        best = max(made, key=lambda ending: facts[ending]["dev"]["macro_f1"])
        tried[best].replace(made[best])
    chosen = facts[best] | {"tried": {ending: found["dev"]["macro_f1"] for ending, found in facts.items()}}
    write_facts(made[best], chosen)
    return made[best], chosen


def _folder(output: str | Path) -> Path:
    folder = Path(output).parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fit_linear(lines: Sequence[Labelled], classes: Sequence[str], plan: TrainingPlan) -> LinearModel:
    """Fit a linear model, in an order that follows from the content of the lines."""
    grown = sorted(with_variations(lines, plan), key=lambda line: content_id("labelled", line.tag, line.text))
    read = prepare_column(as_column([line.text for line in grown]), RECIPE)
    truth = np.array([classes.index(line.tag) for line in grown], dtype=np.int64)
    model = train_linear(read, truth, classes)
    model.log_counts = np.log1p(counts_of(read, np.eye(len(classes))[truth]).T).astype(np.float16)
    return model


def measure_model(output: Path, divided: Mapping[Part, Sequence[Labelled]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Calibrate a model on dev, score it on dev and test, write all into the facts beside it.

    Args:
        output: the model.
        divided: lines by part.
        facts: what is known of it; an older calibration and older scores are replaced.

    Returns:
        The facts.
    """
    facts = {name: value for name, value in facts.items() if name not in ("calibration", "dev", "test")}
    write_facts(output, facts)
    if divided.get("dev"):
        known, truth, characters = _evidence(output, divided["dev"], is_calibrated=False)
        told = truth >= 0
        facts["calibration"] = msgspec.to_builtins(fit_calibration(known[told], truth[told], characters[told]))
        write_facts(output, facts)
    parts: tuple[Part, ...] = ("dev", "test")
    facts |= {part: _scored(output, divided[part]) for part in parts if divided.get(part)}
    write_facts(output, facts)
    return facts


def _scored(output: Path, lines: Sequence[Labelled]) -> dict[str, Any]:
    """Score a model on lines: a report, with its calibration before and after."""
    labels = [*_identifier(output).labels, "und"]
    before, truth, _ = _evidence(output, lines, is_calibrated=False)
    after, _, _ = _evidence(output, lines, is_calibrated=True)
    answers = np.where(after.any(axis=1), after.argmax(axis=1), len(labels) - 1)
    report = score_report([line.tag for line in lines], [labels[label] for label in answers.tolist()])
    for name, found in (("before", before), ("after", after)):
        bins = reliability(found.max(axis=1), found.argmax(axis=1) == truth)
        report[f"calibration_{name}"] = {
            "error": round(calibration_error(bins), 4),
            "bins": [(entry.lines, round(entry.confidence, 4), round(entry.accuracy, 4)) for entry in bins],
        }
    return report


def _identifier(model: str | Path) -> Identifier:
    settings = IdentifySettings(model=str(model))
    made: Identifier = load_backend("identify", settings.kind)(settings.model)
    return made


def _evidence(
    model: Path, lines: Sequence[Labelled], *, is_calibrated: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Give the model's probabilities of lines, the column of each line's label (-1: none), the characters it reads."""
    identifier = _identifier(model)
    if not is_calibrated:
        identifier.calibration = None
    place = {label: column for column, label in enumerate(identifier.labels)}
    texts = [line.text for line in lines]
    truth = np.array([place.get(line.tag, -1) for line in lines], dtype=np.int64)
    recipe = RECIPE if model.suffix == ENDING else FASTTEXT_RECIPE
    characters = prepare_column(as_column(texts), recipe).characters()
    return identifier.identify(as_column(texts)), truth, characters


def write_facts(output: Path, facts: Mapping[str, Any]) -> None:
    """Write the facts of a model beside it."""
    output.with_suffix(".json").write_bytes(
        msgspec.json.format(msgspec.json.encode(facts, order="sorted"), indent=1) + b"\n"
    )


def _fit(lines: Path, output: Path, plan: TrainingPlan) -> float:
    """Run `fit.py`; halve the learning rate while training diverges. Gives the rate that did not."""
    rate = plan.learning_rate
    instructions = lines.with_name("plan.json")
    for _ in range(_TRIES):
        options = {
            "input": str(lines),
            "lr": rate,
            "dim": plan.dimension,
            "epoch": plan.epochs,
            "minn": plan.shortest_ngram,
            "maxn": plan.longest_ngram,
            "bucket": plan.buckets,
            "minCount": plan.minimum_count,
            "loss": "softmax",
            "thread": 1,
            "verbose": 0,
        }
        instructions.write_bytes(
            msgspec.json.encode({"options": options, "quantized": plan.quantized, "output": str(output)})
        )
        done = subprocess.run(  # noqa: S603
            [sys.executable, str(Path(fit.__file__)), str(instructions)],
            env=os.environ | fit.FRESH_MEMORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return rate
        if done.returncode != fit.DIVERGED:
            raise RuntimeError(f"fastText failed with status {done.returncode}:\n{done.stderr[-2000:]}")
        rate /= 2
    raise SettingsError(
        f"training diverged at every learning rate from {plan.learning_rate} to {rate * 2}",
        cure="Give a lower learning_rate, or look at the lines: are there very long ones?",
    )


def predict(model: str | Path, texts: Sequence[str]) -> list[str]:
    """Give the most probable label of each text; `und` where there is none."""
    identifier = _identifier(model)
    found = identifier.identify(as_column(texts))
    answers = np.where(found.any(axis=1), found.argmax(axis=1), -1)
    return ["und" if label < 0 else identifier.labels[label] for label in answers.tolist()]


def score_report(truth: Sequence[str], predicted: Sequence[str], confusions: int = 40) -> dict[str, Any]:
    """Score predictions: accuracy, macro F1 over the classes that occur in truth, each class, the first confusions."""
    scores = class_scores(truth, predicted)
    wrong = Counter((t, p) for t, p in zip(truth, predicted, strict=True) if t != p)
    return {
        "lines": len(truth),
        "accuracy": round(sum(t == p for t, p in zip(truth, predicted, strict=True)) / len(truth), 4),
        "macro_f1": round(sum(score.f1 or 0.0 for score in scores.values()) / len(scores), 4),
        "classes": {
            tag: {
                name: round(value, 4) if isinstance(value, float) else value for name, value in score._asdict().items()
            }
            for tag, score in scores.items()
        },
        "confusions": [
            {"truth": t, "predicted": p, "lines": n}
            for (t, p), n in sorted(wrong.items(), key=lambda entry: (-entry[1], entry[0]))[:confusions]
        ],
    }


def class_scores(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, ClassScore]:
    """Score each class that occurs in truth."""
    lines, answered = Counter(truth), Counter(predicted)
    right = Counter(t for t, p in zip(truth, predicted, strict=True) if t == p)
    scores = {}
    for tag in sorted(lines):
        precision = right[tag] / answered[tag] if answered[tag] else None
        recall = right[tag] / lines[tag]
        f1 = 2 * right[tag] / (lines[tag] + answered[tag])
        scores[tag] = ClassScore(lines[tag], precision, recall, f1)
    return scores
