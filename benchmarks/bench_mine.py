"""Exact mining: ours and its peers in one run, the ratio printed.

    python benchmarks/bench_mine.py                       # 100,000 x 100,000 of 1,024 (some minutes)
    python benchmarks/bench_mine.py --rows 20000
    python benchmarks/bench_mine.py --kind sparse --rows 20000

dense: neighbours of both sides, against faiss `IndexFlatIP` searched both ways, as LASER does it (needs the package
faiss-cpu). sparse: n-grams of sentences made of the syllables of an Italian text, or of two files of lines,
against a full product by scipy with top-k per row and column (scikit-learn's brute force), and sparse-dot-topn.
On a machine that does other work compare processor times. Peers run after ours; each peak is the growth of the process's high-water mark while it ran, ours first.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from scipy import sparse

from transforms.mine import approximate, neighbours
from transforms.mine.approximate import BUDGET, likely_neighbours
from transforms.mine.neighbours import nearest_both_ways

K = 4
CHUNK_ROWS = 65_536
"""Four blocks of vectors."""


def main() -> None:
    """Run one kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("dense", "sparse"), default="dense")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=1024)
    parser.add_argument("--files", nargs=2, metavar="FILE", help="sparse: two files of lines instead of made text")
    parser.add_argument("--approximate", action="store_true", help="the approximate search too, with its recall")
    parser.add_argument(
        "--budgets",
        nargs="+",
        type=int,
        default=[BUDGET],
        help="approximate, sparse: additions a vector may cause; a tenth of the budget at a tenth of the rows misses as much",
    )
    parser.add_argument("--alone", action="store_true", help="without the peers: peak memory of ours alone")
    options = parser.parse_args()
    if options.kind == "dense":
        dense(options.rows, options.dimension, options.alone, options.budgets if options.approximate else [])
    else:
        thin(options.rows, options.files, options.alone, options.budgets if options.approximate else [])


def dense(rows: int, dimension: int, alone: bool, budgets: list[int]) -> None:
    """Vectors in noisy pairs, so that some have a true partner."""
    random = np.random.default_rng(2)
    sources = unit(random.standard_normal((rows, dimension), dtype=np.float32))
    targets = sources[random.permutation(rows)]
    targets += random.standard_normal((rows, dimension), dtype=np.float32) * np.float32(1.5 / dimension**0.5)
    unit(targets)
    nearest_both_ways(sources[:9], targets[:9], K)  # compile
    before = peak_mb()
    started = time.process_time()
    ours, ours_s = timed(lambda: nearest_both_ways(sources, targets, K))
    ours_cpu_s = time.process_time() - started
    print(f"dense {rows:,} x {rows:,} x {dimension}, k = {K}, both directions")
    print(
        f"ours                 {ours_s:8.1f} s   processor {ours_cpu_s:8.1f} s   "
        f"peak {peak_mb():,.0f} MB (vectors and start {before:,.0f} MB)"
    )
    if budgets:
        report_approximate(sources, targets, ours, ours_s)
    if alone:
        return
    import faiss

    def search(stored: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = faiss.IndexFlatIP(dimension)
        index.add(stored)
        return index.search(asked, K)

    started = time.process_time()
    (forward, backward), peer_s = timed(lambda: (search(targets, sources), search(sources, targets)))
    peer_cpu_s = time.process_time() - started
    print(f"faiss IndexFlatIP x2 {peer_s:8.1f} s   processor {peer_cpu_s:8.1f} s   peak {peak_mb():,.0f} MB")
    recall = [
        np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(mine.indices, peer[1], strict=True)])
        for mine, peer in ((ours.forward, forward), (ours.backward, backward))
    ]
    print(
        f"ratio {peer_s / ours_s:.2f}   of processor time {peer_cpu_s / ours_cpu_s:.2f}   recall forward {recall[0]:.6f} backward {recall[1]:.6f}"
    )


def thin(rows: int, files: list[str] | None, alone: bool, budgets: list[int]) -> None:
    """TF-IDF of character n-grams."""
    from transforms.embed.backends.ngram import fit_encode
    from transforms.embed.settings import NgramSettings

    sides = [Path(name).read_text(encoding="utf-8").splitlines()[:rows] for name in files] if files else made_text(rows)
    (_, (sources, targets)), embed_s = timed(lambda: fit_encode(sides, NgramSettings()))
    nearest_both_ways(sources[:9], targets[:9], K)  # compile
    before = peak_mb()
    ours, ours_s = timed(lambda: nearest_both_ways(sources, targets, K))
    pairs = sources.shape[0] * targets.shape[0]
    print(
        f"sparse {sources.shape[0]:,} x {targets.shape[0]:,}, {sources.nnz / sources.shape[0]:.0f} features a row, k = {K}"
    )
    print(f"embedding            {embed_s:8.1f} s")
    print(
        f"ours, both ways      {ours_s:8.1f} s   {ours_s / pairs * 1e9:.2f} ns a pair   "
        f"peak {peak_mb():,.0f} MB (vectors and start {before:,.0f} MB)"
    )
    for approximate.BUDGET in budgets:
        print(f"budget {approximate.BUDGET:,}")
        report_approximate(sources, targets, ours, ours_s)
    if alone:
        return
    screened_from, neighbours.SCREENED_PAIRS = neighbours.SCREENED_PAIRS, float("inf")
    plain, plain_s = timed(lambda: nearest_both_ways(sources, targets, K))
    neighbours.SCREENED_PAIRS = screened_from
    same = all(
        a.tobytes() == b.tobytes()
        for mine, other in zip(ours, plain, strict=True)
        for a, b in zip(mine, other, strict=True)
    )
    print(f"ours, not screened   {plain_s:8.1f} s   ratio {plain_s / ours_s:.2f}   the same bits: {same}")
    from sparse_dot_topn import sp_matmul_topn

    a, b = sparse.csr_matrix(sources), sparse.csr_matrix(targets)
    _, topn_s = timed(lambda: (sp_matmul_topn(a, b.T.tocsr(), K), sp_matmul_topn(b, a.T.tocsr(), K)))
    print(f"sparse-dot-topn x2   {topn_s:8.1f} s   ratio {topn_s / ours_s:.2f}")
    (forward, backward), brute_s = timed(lambda: brute_force(a, b))
    print(f"scipy full product   {brute_s:8.1f} s   ratio {brute_s / ours_s:.2f}")
    # Cosines that round alike can change places: compare the cosines.
    wrong = [
        np.abs(np.where(np.isneginf(mine.cosines), 0, mine.cosines) - peer).max()
        for mine, peer in ((ours.forward, forward), (ours.backward, backward))
    ]
    print(f"largest difference of a k-th cosine: forward {wrong[0]:.1e} backward {wrong[1]:.1e}")


def report_approximate(sources, targets, exact: neighbours.BothWays, exact_s: float) -> None:
    """Search likely neighbours both ways; say how many of the exact ones are found."""
    likely_neighbours(sources[:9], [lambda: targets[:9]], K)  # compile
    found, found_s = timed(
        lambda: (
            likely_neighbours(sources, in_chunks(targets), K),
            likely_neighbours(targets, in_chunks(sources), K),
        )
    )
    print(f"approximate, both    {found_s:8.1f} s   ratio {exact_s / found_s:.2f}")
    for name, all_of, some_of in (("forward", exact.forward, found[0]), ("backward", exact.backward, found[1])):
        hits = (all_of.indices[:, :, None] == some_of.indices[:, None, :]).any(axis=2)
        there = all_of.indices != neighbours.MISSING
        # What stands out is what mining is about: a nearest neighbour a fifth nearer than the mean of the k.
        out = all_of.cosines[:, 0] > 1.2 * np.where(there, all_of.cosines, 0).mean(axis=1)
        print(
            f"recall {name:8} nearest {hits[:, 0][there[:, 0]].mean():.4f}   where it stands out "
            f"{hits[out, 0].mean():.4f} ({out.mean():.0%} of the rows)   all {K}: {hits[there].mean():.4f}"
        )


def in_chunks(vectors):
    """Give functions that load as many rows as mining loads."""
    return [lambda start=start: vectors[start : start + CHUNK_ROWS] for start in range(0, vectors.shape[0], CHUNK_ROWS)]


def brute_force(a: sparse.csr_matrix, b: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Multiply slice by slice, partition the rows; keep the best of every column."""
    forward, backward = [], np.zeros((b.shape[0], K), dtype=np.float32)
    for start in range(0, a.shape[0], 1000):
        product = (a[start : start + 1000] @ b.T).toarray()
        forward.append(-np.sort(np.partition(-product, K - 1, axis=1)[:, :K], axis=1))
        both = np.concatenate([backward, product.T], axis=1)
        backward = -np.sort(np.partition(-both, K - 1, axis=1)[:, :K], axis=1)
    return -np.sort(-np.concatenate(forward), axis=1), -np.sort(-backward, axis=1)


def made_text(rows: int) -> list[list[str]]:
    """Lines of words of Zipf-like frequency, and the same lines with a letter changed in every third word."""
    random = np.random.default_rng(3)
    syllables = [c + v + e for c in list("bcdfglmnprstvz") for v in "aeiou" for e in ("", "n", "r", "s")]
    words = ["".join(random.choice(syllables, random.integers(1, 5))) for _ in range(60_000)]
    lines = [[words[min(int(w), 59_999)] for w in random.zipf(1.15, random.integers(6, 32))] for _ in range(rows)]
    changed = [[w[:-1] + "u" if number % 3 == 0 else w for number, w in enumerate(line)] for line in lines]
    order = random.permutation(rows)
    return [[" ".join(line) for line in lines], [" ".join(changed[place]) for place in order]]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Give the rows length 1, in place."""
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def timed(action):
    """Run and time."""
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def peak_mb() -> float:
    """Give the process's high-water mark."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
