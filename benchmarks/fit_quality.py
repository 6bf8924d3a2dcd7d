"""Fit the quality score, and say how reliable it is: `python benchmarks/fit_quality.py DATA [--write]`.

Data (DATA is the folder of the shared data sets):
- judged: 1,800 English - French pairs of transread-conf, each judged by two annotators. A judgement of `sure` or
  `unperfect` (loose, but whole) says the same; `partial` and `not corresponding` do not. The label is the share of the
  two; pairs with an `undecidable` are left out. They are aligned among themselves.
- planted: OLDI Seed, two varieties, a third of each side taken away at random, mined (n-grams, k = 4, max, every
  margin) and aligned: the pairs are right where they are the same line. Documents of part 52-99 are fitted on; those of
  0-51, and Ligurian altogether, only measured.

Judged pairs weigh 4, planted ones 1. Reliability on the judged pairs is cross-validated: each of the three files is
measured by a fit on the other two. The shipped fit is on all three.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.stats import spearmanr

from schemas.identity import bucket_of, content_id
from schemas.pair import PairBatch
from transforms.align import align_pairs
from transforms.embed import EmbedSettings, embed_lines
from transforms.mine import MineSettings, mine_vectors
from transforms.mine.margin import margins, mean_cosines
from transforms.mine.neighbours import nearest_both_ways
from transforms.score import score_pairs
from transforms.score.quality import (
    SCORES,
    QualityModel,
    expected_calibration_error,
    feature_names,
    features_of,
    standardized,
)

PLANTED = ("lmo-ita", "fur-ita", "fur-eng", "ary-arz")
HELD_OUT = (*PLANTED, "lij-ita", "lij-eng")
FILES = ("3000-3599", "3600-4199", "4200-4799")
CLASSES = {"sure": 4, "unperfect": 3, "partial": 2, "not corresponding": 1}
JUDGED_WEIGHT = 4.0
K = 4
MODEL = Path(__file__).resolve().parents[1] / "transforms" / "score" / "models" / "quality.json"


class Data(NamedTuple):
    """Pairs with their features and labels; `rank` is the mean judged class, `margin` and `cosine` for comparison."""

    features: np.ndarray
    labels: np.ndarray
    rank: np.ndarray
    margin: np.ndarray
    cosine: np.ndarray

    def take(self, mask: np.ndarray) -> "Data":
        return Data(*(column[mask] for column in self))


def judged(folder: Path) -> tuple[Data, np.ndarray]:
    """Read and measure the judged pairs; gives them and the file of each."""
    rows = []
    for name in FILES:
        lines = (
            (folder / "transread-conf" / "sconf" / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
        )
        for i in range(0, len(lines), 5):
            tags = [re.match(r"\w+ annotation: ([a-z ]+)", lines[i + k])[1].strip() for k in (3, 4)]
            rows.append((name, lines[i + 1], lines[i + 2], tags))
    pairs = [(row[1], row[2]) for row in rows]
    first, second = embed_lines([a for a, _ in pairs], [b for _, b in pairs], EmbedSettings())[:2]
    found = nearest_both_ways(first, second, K)
    cosine = np.asarray(first.multiply(second).sum(axis=1)).ravel()
    margin = margins("ratio", cosine, mean_cosines(found.forward, len(pairs)), mean_cosines(found.backward, len(pairs)))
    decided = np.array(["undecidable" not in row[3] for row in rows])
    labels = np.array([np.mean([tag in ("sure", "unperfect") for tag in row[3]]) for row in rows])
    rank = np.array([np.mean([CLASSES.get(tag, 0) for tag in row[3]]) for row in rows])
    data = Data(measured(pairs), labels, rank, margin, cosine).take(decided)
    return data, np.array([row[0] for row in rows])[decided]


def planted(folder: Path, name: str, parts: range) -> Data:
    """Mine two varieties of OLDI Seed, a third of each side taken away, and measure what is found."""
    seed = folder / "oldi-seed" / "seed"
    source, target = (next(seed.glob(f"{tag}_*")) for tag in name.split("-"))
    texts = [path.read_text(encoding="utf-8").rstrip("\n").split("\n") for path in (source, target)]
    urls = (seed / "metadata.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")[1:]
    part = [bucket_of(content_id("oldi-seed", url.strip().split("#")[0]), 100) for url in urls]
    sides = []
    for path, lines in zip((source, target), texts, strict=True):
        kept = [i for i in range(len(lines)) if part[i] in parts and bucket_of(content_id(path.name, i), 3)]
        sides.append(list({lines[i]: i for i in kept}.values()))
    first, second = embed_lines(
        *([lines[i] for i in side] for lines, side in zip(texts, sides, strict=True)), EmbedSettings()
    )[:2]
    found = mine_vectors(first, second, MineSettings(threshold=0.0, k=K))
    places = [(sides[0][i], sides[1][j]) for i, j in zip(found.source.tolist(), found.target.tolist(), strict=True)]
    cosine = np.array([first[i].multiply(second[j]).sum() for i, j in zip(found.source, found.target, strict=True)])
    labels = np.array([float(i == j) for i, j in places])
    pairs = [(texts[0][i], texts[1][j]) for i, j in places]
    return Data(measured(pairs), labels, labels, found.margin, cosine)


def measured(pairs: list[tuple[str, str]]) -> np.ndarray:
    """Align, score, give the features."""
    aligned = align_pairs(pairs)
    table = score_pairs(pairs, SCORES, aligned=aligned)
    fields = [table.schema.field(name) for name in table.column_names]
    batch = PairBatch.from_columns(
        {f"{side}_{name}": [""] * len(pairs) for side in ("source", "target") for name in
         ("id", "document_id", "variety", "text", "normalized", "robots")}
        | {"pair_id": [""] * len(pairs), "direction": [""] * len(pairs)}
        | {f"{side}_tokens": [getattr(pair, f"{side}_tokens") for pair in aligned] for side in ("source", "target")}
    )  # fmt: skip
    scored = batch.with_scores(fields, {name: table[name].combine_chunks() for name in table.column_names})
    return features_of(scored)


def fit(parts: list[tuple[Data, float]], about: str = "") -> QualityModel:
    """Fit by Newton's method, with a penalty of half the squared coefficients; labels may be shares."""
    features = np.concatenate([data.features for data, _ in parts])
    labels = np.concatenate([data.labels for data, _ in parts])
    weights = np.concatenate([np.full(len(data.labels), weight) for data, weight in parts])
    means, scales = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
    design = np.column_stack([standardized(features, means, scales), np.ones(len(labels))])
    penalty = np.diag([*np.ones(design.shape[1] - 1), 0.0])
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-(design @ beta)))
        gradient = design.T @ (weights * (probability - labels)) + penalty @ beta
        curvature = (design * (weights * probability * (1 - probability))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        beta -= step
        if np.abs(step).max() < 1e-9:
            break
    rounded = [[round(float(value), 6) for value in values] for values in (means, scales, beta[:-1])]
    return QualityModel(
        features=feature_names(),
        means=tuple(rounded[0]),
        scales=tuple(rounded[1]),
        coefficients=tuple(rounded[2]),
        intercept=round(float(beta[-1]), 6),
        data=about,
    )


def report(name: str, probabilities: np.ndarray, data: Data) -> dict[str, float]:
    """Print and give how reliable probabilities are."""
    sure = probabilities >= 0.9
    figures = {
        "pairs": len(data.labels),
        "right": float(data.labels.mean()),
        "ece": expected_calibration_error(probabilities, data.labels),
        "brier": float(np.mean((probabilities - data.labels) ** 2)),
        "kept at .9": float(sure.mean()),
        "right at .9": float(data.labels[sure].mean()) if sure.any() else float("nan"),
    }
    print(
        f"{name:24}"
        + "  ".join(f"{key} {value:.3f}" if key != "pairs" else f"{value:5d}" for key, value in figures.items())
    )
    return figures


def cross_validated(data: Data, file: np.ndarray, more: list[tuple[Data, float]]) -> np.ndarray:
    """Give each judged pair's probability by a fit on the other two files."""
    probabilities = np.zeros(len(file))
    for name in FILES:
        model = fit([(data.take(file != name), JUDGED_WEIGHT), *more])
        probabilities[file == name] = model.probabilities(data.features[file == name])
    return probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--write", action="store_true", help=f"write {MODEL.name} into the package")
    options = parser.parse_args()
    data, file = judged(options.data)
    learned = [(planted(options.data, name, range(52, 100)), 1.0) for name in PLANTED]
    probabilities = cross_validated(data, file, learned)
    report("judged, cross-validated", probabilities, data)
    for name, values in (("quality", probabilities), ("margin", data.margin), ("cosine", data.cosine)):
        print(f"  rank correlation with the judged class: {name} {spearmanr(values, data.rank).statistic:.3f}")
    about = "transread-conf (1,800 English - French, judged), OLDI Seed parts 52-99 (lmo-ita, fur-ita, fur-eng, ary-arz, planted)"
    model = fit([(data, JUDGED_WEIGHT), *learned], about)
    for name in HELD_OUT:
        held = planted(options.data, name, range(52))
        report(f"planted {name}", model.probabilities(held.features), held)
    if options.write:
        MODEL.write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")
        print(f"written: {MODEL}")


if __name__ == "__main__":
    main()
