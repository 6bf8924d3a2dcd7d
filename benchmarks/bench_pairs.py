"""Mining with known answers: F1, precision and recall at the program's own threshold, and whether asked precisions are met.

    python benchmarks/bench_pairs.py ../shared/data/oldi-seed/seed            # whole OLDI Seed, about two minutes
    python benchmarks/bench_pairs.py ../shared/data/oldi-seed/seed --part dev  # documents 36-67 of 100; test: 68-99
    python benchmarks/bench_pairs.py ../shared/data --further                   # icorpus-nan and xsid, the same protocol

Each side keeps a random two thirds of its lines, shuffled, so half of what is left has its partner; a line that stands
twice is used once; a pair is right when the two lines have the same number. `once` is the first pass alone.
"""

import argparse
from pathlib import Path

import numpy as np

from schemas.identity import bucket_of, content_id
from transforms.embed.backends.ngram import fit_encode
from transforms.embed.settings import NgramSettings
from transforms.mine import MineSettings
from transforms.mine.mining import Mined, mine_texts

PAIRS = (
    ("lij_Latn", "ita_Latn"),
    ("lmo_Latn", "ita_Latn"),
    ("fur_Latn", "ita_Latn"),
    ("fur_Latn", "eng_Latn"),
    ("ary_Arab", "arz_Arab"),
)
PARTS = {"all": (0, 100), "dev": (36, 68), "test": (68, 100)}
FURTHER = ("gsw-de", "de-ba-de", "de-st-de", "de-muc-de", "nap-it", "gsw-de-st")
"""Validation queries of xSID, 300 a side: assistant queries, short and much alike."""
ICORPUS_LINES = 3000
ASKED = (0.9, 0.95)


def main() -> None:
    """Measure every pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=sorted(PARTS), default="all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--further", action="store_true", help="icorpus-nan and xsid; the folder is that of all data")
    options = parser.parse_args()
    if options.further:
        further(options.folder, options.seeds)
        return
    for names in PAIRS:
        for seed in range(options.seeds):
            sides = halves(options.folder, names, options.part, seed)
            once, twice = mined(sides, second_pass=False), mined(sides, second_pass=True)
            label = f"{names[0][:3]}-{names[1][:3]} {options.part} {seed}"
            print(f"{label}  once  {told(once, sides)}", flush=True)
            print(f"{label}  twice {told(twice, sides)}", flush=True)


def further(data: Path, seeds: int) -> None:
    """Measure sets whose lines stand side by side: Taiwanese Hokkien with Mandarin, and the queries of xSID."""
    folder = data / "icorpus-nan"
    columns = {
        "nan-cmn": [
            (folder / name).read_text("utf-8").splitlines() for name in ("nan.hanzi_corrected.txt", "cmn.raw.txt")
        ]
    }
    for name in FURTHER:
        source, _, target = name.rpartition("-de-st" if name.endswith("-de-st") else "-")
        pair = (source, "de-st" if name.endswith("-de-st") else target)
        queries = [_queries(data / "xsid" / f"{side}.valid.conll") for side in pair]
        common = sorted(queries[0].keys() & queries[1].keys())
        columns[name] = [[side[number] for number in common] for side in queries]
    for name, texts in columns.items():
        for seed in range(seeds):
            lines = np.arange(len(texts[0]))
            if len(lines) > ICORPUS_LINES:
                lines = np.sort(np.random.default_rng(seed).permutation(lines)[:ICORPUS_LINES])
            sides = chosen(texts, lines, np.random.default_rng(seed))
            print(
                f"{name} {len(sides[0][0])} + {len(sides[1][0])} {seed}  {told(mined(sides, second_pass=True), sides)}",
                flush=True,
            )


def _queries(path: Path) -> dict[str, str]:
    """Read the texts of a file of xSID by their ids."""
    found, number = {}, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, value = line.removeprefix("#").partition(":" if ":" in line.partition("=")[0] else "=")
        if line.startswith("#") and name.strip() == "id":
            number = value.strip()
        if line.startswith("#") and name.strip() == "text":
            found[number] = value.strip()
    return found


Side = tuple[list[str], np.ndarray]


def halves(folder: Path, names: tuple[str, str], part: str, seed: int) -> tuple[Side, Side]:
    """Give the texts and line numbers that each side keeps."""
    texts = [(folder / name).read_text(encoding="utf-8").splitlines() for name in names]
    return chosen(texts, np.array(lines_of(folder, part)), np.random.default_rng(seed))


def chosen(texts: list[list[str]], pool: np.ndarray, random: np.random.Generator) -> tuple[Side, Side]:
    """Keep a random two thirds of the lines of each side, shuffled; a line that stands twice is used once."""
    sides = []
    for text in texts:
        first: dict[str, int] = {}
        for number in np.sort(random.permutation(pool)[: len(pool) * 2 // 3]):
            first.setdefault(text[number], int(number))
        items = list(first.items())
        order = random.permutation(len(items))
        sides.append(([items[place][0] for place in order], np.array([items[place][1] for place in order])))
    return sides[0], sides[1]


def lines_of(folder: Path, part: str) -> list[int]:
    """Give the lines whose documents fall in a part."""
    urls = [row.partition("#")[0].strip() for row in (folder / "metadata.tsv").read_text("utf-8").splitlines()[1:]]
    low, high = PARTS[part]
    return [i for i, url in enumerate(urls) if low <= bucket_of(content_id("oldi-seed", url), 100) < high]


def mined(sides: tuple[Side, Side], *, second_pass: bool) -> Mined:
    """Mine as `isogloss pair` does."""
    (source, _), (target, _) = sides
    _, (a, b) = fit_encode([source, target], NgramSettings())
    return mine_texts(a, b, (source, target), MineSettings(second_pass=second_pass))


def figures(found: Mined, sides: tuple[Side, Side], threshold: float) -> tuple[float, float, float]:
    """Give F1, precision and recall at a threshold."""
    (_, source), (_, target) = sides
    kept = found.pairs.take(found.pairs.margin >= threshold)
    right = int((source[kept.source] == target[kept.target]).sum())
    gold = len(np.intersect1d(source, target))
    return 2 * right / (len(kept.source) + gold), right / max(len(kept.source), 1), right / gold


def best_f1(found: Mined, sides: tuple[Side, Side]) -> float:
    """Give the best F1 over all thresholds: what nobody without the answers can choose."""
    (_, source), (_, target) = sides
    order = np.argsort(-found.pairs.margin, kind="stable")
    right = np.cumsum((source[found.pairs.source] == target[found.pairs.target])[order])
    gold = len(np.intersect1d(source, target))
    return float((2 * right / (np.arange(1, len(order) + 1) + gold)).max())


def told(found: Mined, sides: tuple[Side, Side]) -> str:
    """Print figures."""
    f1, precision, recall = figures(found, sides, found.threshold)
    text = f"F1 {f1:.4f} (P {precision:.3f} R {recall:.3f}; best {best_f1(found, sides):.4f})"
    for asked in ASKED if found.curve else ():
        _, precision, recall = figures(found, sides, found.curve.threshold(found.pairs.margin, asked))
        text += f"  asked {asked}: P {precision:.3f} R {recall:.3f}"
    return text


if __name__ == "__main__":
    main()
