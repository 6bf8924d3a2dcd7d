"""How many of the pairs that an exact search keeps does the approximate one keep, at a budget like that of a million?

    python benchmarks/bench_approximate.py ../shared/data [--rows 30000] [--budgets 983] [--candidates 96 24 8]

The sides are those of `bench_growth.py`, mined in memory, both passes, the threshold chosen by the program. With 30,000 of
a million lines an n-gram stands in 3 of 100 lines that have it, so 983 additions there reach as far as 32,768 do among a
million; of the lines that share as much with a line as its partner does there are fewer too, so the truth lies between
the whole number of candidates and 3 in 100 of it (fewer than the neighbours of the margin tell nothing).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_growth import REAL, real_lines, side_lines

from transforms.embed.ngrams import (
    add_frequencies,
    chunks,
    count_ngrams,
    fit_space,
    stack,
    text_frequencies,
    weigh,
)
from transforms.embed.settings import NgramSettings
from transforms.mine import approximate
from transforms.mine.mining import Mined, better, mine_neighbours, teach_from
from transforms.mine.neighbours import BothWays, Vectors, completed, nearest_both_ways
from transforms.mine.settings import MineSettings

SETTINGS = MineSettings()
Pairs = set[tuple[int, int]]
Search = Callable[[Vectors, Vectors], BothWays]


def main() -> None:
    """Mine exactly, then approximately."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--budgets", nargs="+", type=int, default=[983])
    parser.add_argument("--candidates", nargs="+", type=int, default=[96, 24, 8])
    options = parser.parse_args()
    real = real_lines(options.data)
    texts = tuple(list(dict.fromkeys(side_lines(real[side], options.rows, side))) for side in range(2))
    partners = partners_of(real, texts, options.rows)
    vectors = vectors_of(texts)
    print("                          processor s   kept  precision  recall   of what exact keeps: all, right")
    exact = mined(vectors, texts, exact_search)
    tell("exact", exact, exact, partners)
    for budget in options.budgets:
        for candidates in options.candidates:
            approximate.BUDGET, approximate.CANDIDATES = budget, candidates
            tell(f"{budget:,}, {candidates}", mined(vectors, texts, approximate_search), exact, partners)


def partners_of(real: list[list[list[str]]], texts: tuple[list[str], list[str]], rows: int) -> Pairs:
    """Give the lines that are partners, by their numbers."""
    places = [{line: number for number, line in enumerate(side)} for side in texts]
    partners = set()
    for language in range(2):
        count = len(range(language, rows, 2 * REAL))
        for source, target in list(zip(*(side[language] for side in real), strict=True))[:count]:
            partners.add((places[0][source], places[1][target]))
    return partners


def vectors_of(texts: tuple[list[str], list[str]]) -> list[Vectors]:
    """Give the n-gram vectors of both sides."""
    settings = NgramSettings()
    space = fit_space(add_frequencies(text_frequencies(side, settings) for side in texts), settings)
    return [
        stack([weigh(count_ngrams(part, settings), space) for part in chunks(side)], len(space.keys)) for side in texts
    ]


def exact_search(source: Vectors, target: Vectors) -> BothWays:
    """Search exactly."""
    return nearest_both_ways(source, target, SETTINGS.k + 1)


def approximate_search(source: Vectors, target: Vectors) -> BothWays:
    """Search approximately, as a run does."""
    k = SETTINGS.k + 1
    return completed(
        BothWays(
            approximate.likely_neighbours(source, [lambda: target], k),
            approximate.likely_neighbours(target, [lambda: source], k),
        )
    )


def mined(vectors: list[Vectors], texts: tuple[list[str], list[str]], search: Search) -> list[tuple[str, Mined, float]]:
    """Mine twice; gives both passes and which counts, with the processor seconds of their searches."""
    started = time.process_time()
    first = mine_neighbours(search(*vectors), SETTINGS, "ngram")
    passes = [("first pass", first, time.process_time() - started)]
    taught = teach_from(first, *vectors, texts)
    if taught is not None:
        fused = [taught.fuse(vectors[side], texts[side], is_source=side == 0) for side in range(2)]
        started = time.process_time()
        second = mine_neighbours(search(*fused), SETTINGS, "ngram")
        name = "second pass" if better(first, second) is second else "second pass (not believed)"
        passes.append((name, second, time.process_time() - started))
    return passes


def tell(
    name: str, passes: list[tuple[str, Mined, float]], exact: list[tuple[str, Mined, float]], partners: Pairs
) -> None:
    """Print what the passes found."""
    for (which, found, seconds), (_, known, _) in zip(passes, exact, strict=False):
        kept, there = kept_of(found), kept_of(known)
        right = kept & partners
        print(
            f"{name:10} {which:14} {seconds:12.1f} {len(kept):6,} {len(right) / max(len(kept), 1):10.3f} "
            f"{len(right) / len(partners):7.3f} {len(kept & there) / len(there):16.4f} "
            f"{len(right & there) / len(there & partners):.4f}",
            flush=True,
        )


def kept_of(found: Mined) -> Pairs:
    """Give the pairs that are kept."""
    kept = np.flatnonzero(found.is_kept)
    return set(zip(found.pairs.source[kept].tolist(), found.pairs.target[kept].tolist(), strict=True))


if __name__ == "__main__":
    main()
