"""Is the precision that was asked for met, on documents that nothing was chosen on, also where right pairs are rare?

    python benchmarks/bench_precision.py ../shared/data/oldi-seed/seed [--part test|dev] [--seeds 2]

Two sides of OLDI Seed: a share of the sentences of each has its partner on the other side, the rest has none. A half:
1,200 a side; a fifth and a twentieth: 1,000 a side. What was chosen was chosen on `dev` (documents 36-67 of 100); `test` is
documents 68-99. Nobody judges a pair: the program calibrates itself on what it mines. Precision and recall are of all
seeds together; `kept` is the number of pairs they were counted on: the fewer, the more a precision is by chance.
"""

import argparse
from pathlib import Path

import numpy as np
from bench_pairs import PAIRS, PARTS, Side, figures, lines_of, mined

SHARES = ((0.5, 1200), (0.2, 1000), (0.05, 1000))
ASKED = (0.9, 0.95)


def main() -> None:
    """Measure every pair and share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=sorted(PARTS), default="test")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    print("pair     share  F1    " + "  asked  got    +-     recall kept" * len(ASKED))
    for names in PAIRS:
        for share, size in SHARES:
            counted = [
                measured(options.folder, names, options.part, seed, share, size) for seed in range(options.seeds)
            ]
            line = f"{names[0][:3]}-{names[1][:3]}  {share:<5}  {np.mean([f1 for f1, _ in counted]):.4f}"
            for place, asked in enumerate(ASKED):
                kept, right, gold = np.sum([rows[place] for _, rows in counted], axis=0)
                got = right / max(kept, 1)
                error = (asked * (1 - asked) / max(kept, 1)) ** 0.5
                line += f"  {asked:<5}  {got:.3f}  {error:.3f}  {right / gold:.3f}  {kept}"
            print(line, flush=True)


def measured(folder: Path, names: tuple[str, str], part: str, seed: int, share: float, size: int):
    """Give F1 at the program's threshold; and for each asked precision how many were kept, were right, could be."""
    sides = halves(folder, names, part, seed, share, size)
    found = mined(sides, second_pass=True)
    gold = len(np.intersect1d(sides[0][1], sides[1][1]))
    rows = []
    for asked in ASKED:
        threshold = found.curve.threshold(found.pairs.margin, asked) if found.curve else found.threshold
        kept = found.pairs.take(found.pairs.margin >= threshold)
        right = int((sides[0][1][kept.source] == sides[1][1][kept.target]).sum())
        rows.append((len(kept.source), right, gold))
    return figures(found, sides, found.threshold)[0], rows


def halves(folder: Path, names: tuple[str, str], part: str, seed: int, share: float, size: int) -> tuple[Side, Side]:
    """Give the texts and line numbers of two sides, of which a share is on both."""
    random = np.random.default_rng(seed)
    pool = random.permutation(np.array(lines_of(folder, part)))
    both = round(size * share)
    alone = min(size - both, (len(pool) - both) // 2)
    chosen = (pool[: both + alone], np.concatenate([pool[:both], pool[both + alone : both + 2 * alone]]))
    sides = []
    for name, numbers in zip(names, chosen, strict=True):
        text = (folder / name).read_text(encoding="utf-8").splitlines()
        first: dict[str, int] = {}
        for number in np.sort(numbers):
            first.setdefault(text[number], int(number))
        items = list(first.items())
        order = random.permutation(len(items))
        sides.append(([items[place][0] for place in order], np.array([items[place][1] for place in order])))
    return sides[0], sides[1]


if __name__ == "__main__":
    main()
