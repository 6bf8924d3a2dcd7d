"""Mining of shuffled comparable documents, with and without what their documents tell.

    python benchmarks/bench_documents.py ../shared/data/oldi-seed/seed [test|development]

Documents are the Wikipedia pages of OLDI Seed. Either side keeps a random two thirds of its lines, in no order, so
half of what is left has its partner; a line that stands twice is used once; a pair is right when the two lines have
the same number. Development: documents of parts 36 to 67; test: 68 to 99 (what was chosen was chosen on
development). without: no documents; found: the program finds out which documents correspond; known: it is told so.
First pass alone, at one fixed margin.
"""

import sys
from pathlib import Path

import numpy as np

from schemas.identity import bucket_of, content_id
from transforms.embed.backends.ngram import fit_encode
from transforms.embed.settings import NgramSettings
from transforms.mine import MineSettings, mine_vectors, number_documents

PAIRS = (
    ("lij_Latn", "ita_Latn"),
    ("lmo_Latn", "ita_Latn"),
    ("fur_Latn", "ita_Latn"),
    ("fur_Latn", "eng_Latn"),
    ("ary_Arab", "arz_Arab"),
)
PARTS = {"development": (36, 68), "test": (68, 100)}
SEEDS = 3


def main(folder: Path, split: str) -> None:
    """Measure every pair."""
    print(f"{split}, mean of {SEEDS} choices of lines: precision recall F1")
    for names in PAIRS:
        for kind in ("without", "found", "known"):
            precision, recall, f1 = measure(folder, names, kind, split)
            print(f"{names[0][:3]}-{names[1][:3]} {kind:8} {precision:.4f} {recall:.4f} {f1:.4f}")


def measure(folder: Path, names: tuple[str, str], kind: str, split: str) -> tuple[float, float, float]:
    """Give mean precision, recall and F1 over some choices of lines."""
    figures = np.mean([measure_once(folder, names, kind, split, seed) for seed in range(SEEDS)], axis=0)
    return float(figures[0]), float(figures[1]), float(figures[2])


# One fixed margin for all, so that what is compared is the documents' evidence and not where the program cuts.
THRESHOLD = 1.15


def measure_once(folder: Path, names: tuple[str, str], kind: str, split: str, seed: int) -> tuple[float, float, float]:
    """Choose lines, mine, compare."""
    urls = [line.partition("#")[0] for line in read_lines(folder / "metadata.tsv")[1:]]
    least, end = PARTS[split]
    pool = [i for i, url in enumerate(urls) if least <= bucket_of(content_id("oldi-seed", url), 100) < end]
    random = np.random.default_rng(seed)
    sides = []
    for name in names:
        text = read_lines(folder / name)
        first: dict[str, int] = {}
        for number in random.permutation(pool)[: len(pool) * 2 // 3].tolist():
            first.setdefault(text[number], number)
        sides.append(first)
    _, (source, target) = fit_encode([list(side) for side in sides], NgramSettings())
    documents = None
    if kind != "without":
        known = [(url, url) for url in sorted(set(urls))] if kind == "known" else []
        documents = number_documents(*([urls[number] for number in side.values()] for side in sides), known)
    pairs = mine_vectors(source, target, MineSettings(threshold=THRESHOLD), documents)
    a, b = (np.array(list(side.values())) for side in sides)
    right = int((a[pairs.source] == b[pairs.target]).sum())
    precision, recall = right / len(pairs.source), right / len(np.intersect1d(a, b))
    return precision, recall, 2 * precision * recall / (precision + recall)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "test")
