"""Precision and recall of mining with n-grams at the default thresholds, and the lowest threshold with precision .95.

    python benchmarks/bench_thresholds.py ../shared/data/oldi-seed/seed

Only documents that the demo does not use (part 36 and up of 100). Each side keeps a random two thirds of its lines;
a line that stands twice is used once; a pair is right when the two lines have the same number.
"""

import sys
from pathlib import Path

import numpy as np

from schemas.identity import bucket_of, content_id
from transforms.embed.backends.ngram import fit_encode
from transforms.embed.settings import NgramSettings
from transforms.mine import MineSettings, default_threshold, mine_vectors

SIDES = (("lij_Latn", "ita_Latn"), ("lmo_Latn", "ita_Latn"), ("fur_Latn", "ita_Latn"))
FURTHER = (("fur_Latn", "eng_Latn"), ("ary_Arab", "arz_Arab"))
FIRST_PART = 36


def main(folder: Path) -> None:
    """Measure."""

    def lines(name: str) -> list[str]:
        return (folder / name).read_text(encoding="utf-8").splitlines()

    urls = [line.partition("#")[0] for line in lines("metadata.tsv")[1:]]
    pool = [i for i, url in enumerate(urls) if bucket_of(content_id("oldi-seed", url), 100) >= FIRST_PART]
    print(f"{len(pool)} lines")
    for margin in ("ratio", "distance", "absolute"):
        threshold = default_threshold("ngram", margin)
        for group in (SIDES, FURTHER):
            measured = [measure(lines, pool, names, seed, margin) for names in group for seed in range(3)]
            at_default = np.array([figures[0] for figures in measured])
            lowest = max(figures[1] for figures in measured)
            print(
                f"{margin:9} {' '.join(f'{a[:3]}-{b[:3]}' for a, b in group):24} at {threshold}: "
                f"precision least {at_default[:, 0].min():.3f} mean {at_default[:, 0].mean():.3f}, "
                f"recall least {at_default[:, 1].min():.3f} mean {at_default[:, 1].mean():.3f}; "
                f"precision .95 in all from {lowest:.3f}"
            )


def measure(lines, pool, names, seed, margin):
    """Give (precision, recall) at the default threshold, and the lowest threshold with precision .95."""
    random = np.random.default_rng(seed)
    kept = [np.sort(random.permutation(pool)[: len(pool) * 2 // 3]) for _ in names]
    sides = []
    for name, numbers in zip(names, kept, strict=True):
        text = lines(name)
        first: dict[str, int] = {}
        for number in numbers:
            first.setdefault(text[number], int(number))
        sides.append(first)
    _, (source, target) = fit_encode([list(side) for side in sides], NgramSettings())
    pairs = mine_vectors(source, target, MineSettings(margin=margin, threshold=-1))
    source_lines, target_lines = (np.array(list(side.values())) for side in sides)
    right = source_lines[pairs.source] == target_lines[pairs.target]
    order = np.argsort(-pairs.margin, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= 0.95)
    kept_pairs = pairs.margin >= default_threshold("ngram", margin)
    gold = len(np.intersect1d(source_lines, target_lines))
    return (right[kept_pairs].mean(), right[kept_pairs].sum() / gold), pairs.margin[order][enough.max()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
