"""The association aligner as pairs grow: time, peak memory, and what learning from a sample costs in links.

    python benchmarks/bench_association.py grow [--sizes 10000 30000 100000 300000 1000000] [--plot docs/association.svg]
    python benchmarks/bench_association.py sample            # known links (invented dialect): all pairs, or a part, learned
    python benchmarks/bench_association.py workers --pairs 30000     # the stage, learning spread: 1 and 2 workers

Pairs: Aranese - Catalan (PILAR) and Taiwanese Hokkien - Mandarin (iCorpus), 128,251 together, shuffled, then the same
again with other spellings: in each further round 15 % of the words of four letters and more are spelled otherwise, the
same way wherever they stand, and a tenth of the words is left out. So the vocabulary grows with the pairs, as in real
text. Every size runs in a process of its own, so that its peak memory is its own; `input` is what the word lists take.
"""

import argparse
import gzip
import hashlib
import os
import random
import re
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from transforms.align import AlignSettings, tokenize  # noqa: E402
from transforms.align.backends.association import Association  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
OTHER_SPELLING, LEFT_OUT = 0.15, 0.1
AT_ONCE = 5_000


def read_lines(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return text.rstrip("\n").split("\n")


def base_pairs(most):
    pilar = [read_lines(DATA / "pilar-aranese" / f"sentences.{name}.txt.gz") for name in ("aranese", "catalan")]
    hokkien = [DATA / "icorpus-nan" / name for name in ("nan.hanzi_corrected.txt", "cmn.raw.txt")]
    pairs = list(zip(*pilar, strict=True)) + list(zip(*map(read_lines, hokkien), strict=True))
    random.Random(1).shuffle(pairs)
    worded = []
    for pair in pairs:
        words = tuple(tokenize(side) for side in pair)
        if all(1 <= len(side) <= 500 for side in words):
            worded.append(words)
            if len(worded) == most:
                break
    return worded


def spelled(word, number):
    """Spell a word as in a round: one letter doubled, lost or changed, or as it is."""
    if len(word) < 4 or not word.isalpha():
        return word
    digest = hashlib.blake2b(f"{number} {word}".encode(), digest_size=8).digest()
    if digest[0] >= OTHER_SPELLING * 256:
        return word
    place = 1 + digest[1] % (len(word) - 2)
    middle = (word[place] * 2, "", "aeioubdgptkl"[digest[3] % 12])[digest[2] % 3]
    return word[:place] + middle + word[place + 1 :]


def write_pairs(path, most):
    base = base_pairs(most)
    made = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for number in range(-(-most // len(base))):
            words = {}
            noise = random.Random(number)
            for pair in base[: most - made]:
                sides = pair
                if number:
                    sides = [
                        [words.setdefault(word, spelled(word, number)) for word in side if noise.random() >= LEFT_OUT]
                        or side
                        for side in pair
                    ]
                out.write("\t".join(" ".join(side) for side in sides) + "\n")
                made += 1


def read_pairs(path, number):
    pairs = []
    with path.open(encoding="utf-8", newline="\n") as source:
        for line in source:
            pairs.append(tuple([sys.intern(word) for word in side.split(" ")] for side in line[:-1].split("\t")))
            if len(pairs) == number:
                break
    return pairs


def peak_mb():
    """Give the peak of this process' own memory; `ru_maxrss` would begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def times():
    return time.perf_counter(), time.process_time()


def spent(before):
    """Give wall and CPU seconds since."""
    return [now - then for now, then in zip(times(), before, strict=True)]


def one(path, number, learn_pairs):
    """Learn from and link the first pairs of a file; prints a line of figures."""
    settings = AlignSettings(learn_pairs=learn_pairs)
    Association(settings).align([(["a"], ["b"])] * 3)  # compiled, or read from the cache of compiled code
    Association(settings).load(Association(settings).train([(["a"], ["b"])] * 3))
    pairs = read_pairs(path, number)
    cells = sum(len(source) * len(target) for source, target in pairs)
    words = [len({word for pair in pairs for word in pair[side]}) for side in (0, 1)]
    of_input = peak_mb()
    aligner = Association(settings)
    start = times()
    learned = aligner.train(pairs)
    learn, learn_cpu = spent(start)
    of_learning = peak_mb()
    start = times()
    aligner.load(learned)
    links = 0
    for begin in range(0, len(pairs), AT_ONCE):
        links += sum(map(len, aligner.align(pairs[begin : begin + AT_ONCE])))
    link, link_cpu = spent(start)
    print(
        f"{len(pairs)}\t{cells / 1e6:.1f}\t{words[0]}\t{words[1]}\t{min(learn_pairs or len(pairs), len(pairs))}\t{learn:.1f}"
        f"\t{learn_cpu:.1f}\t{link:.1f}\t{link_cpu:.1f}\t{links / len(pairs):.2f}\t{len(learned) / 1e6:.1f}"
        f"\t{of_input:.0f}\t{of_learning:.0f}\t{peak_mb():.0f}",
        flush=True,
    )


COLUMNS = (
    "pairs", "M cells", "source words", "target words", "learned from", "learn s", "CPU s", "link s", "CPU s", "links a pair",
    "table MB", "input MB", "peak learning MB", "peak MB",
)  # fmt: skip


def grow(options):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.tsv")
        write_pairs(path, max(options.sizes))
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
        for number in options.sizes:
            command = [sys.executable, __file__, "one", "--path", str(path), "--pairs", str(number)]
            command += ["--learn-pairs", str(options.learn_pairs)]
            row = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split("\t")
            print("| " + " | ".join(row) + " |", flush=True)
            rows.append([float(value) for value in row])
    if options.plot:
        Path(options.plot).write_text(plot(rows), encoding="utf-8")


def plot(rows):
    """Draw CPU seconds and peak memory over pairs, all axes logarithmic, as an SVG."""
    from math import log10

    lines = {
        "learning, CPU s": ("#1b6ca8", [(row[0], row[6]) for row in rows]),
        "linking, CPU s": ("#c8553d", [(row[0], row[8]) for row in rows]),
        "peak memory, MB": ("#3a7d44", [(row[0], row[13]) for row in rows]),
    }
    top = max(value for _, points in lines.values() for _, value in points)
    decades = range(4), range(max(1, int(log10(top)) + 2))

    def at(pairs, value):
        x, y = log10(max(pairs, 1e3)) - 3, log10(max(value, 1))
        return 60 + x / 3 * 420, 300 - y / (len(decades[1]) - 1) * 270

    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="660" height="345" font-family="sans-serif" font-size="12">']
    out.append('<rect width="660" height="345" fill="white"/>')
    for power in decades[0]:
        x = at(10 ** (3 + power), 1)[0]
        out.append(
            f'<path d="M{x:.0f} 30V300" stroke="#ddd"/><text x="{x:.0f}" y="318" text-anchor="middle">1e{power + 3}</text>'
        )
    for power in decades[1]:
        y = at(1e3, 10**power)[1]
        out.append(
            f'<path d="M60 {y:.0f}H480" stroke="#ddd"/><text x="52" y="{y + 4:.0f}" text-anchor="end">1e{power}</text>'
        )
    out.append('<text x="270" y="338" text-anchor="middle">pairs</text>')
    for number, (name, (colour, points)) in enumerate(lines.items()):
        places = [at(*point) for point in points]
        out.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
        )
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        out.append(f'<text x="490" y="{60 + 20 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def sampled(_options):
    """Tell what learning from a part costs: alignment error against the known links of an invented dialect."""
    make = runpy.run_path(str(ROOT / "tests" / "quality" / "invented_dialect.py"))["invented_pairs"]
    lines = read_lines(DATA / "oldi-seed" / "seed" / "ita_Latn")
    pairs, gold = make([tokenize(line) for line in lines if line.strip()], "it")
    for part in (0, len(pairs) // 2, len(pairs) // 5, len(pairs) // 20):
        aligner = Association(AlignSettings(learn_pairs=part))
        aligner.load(aligner.train(pairs))
        hits = sizes = 0
        for links, (sure, _) in zip(aligner.align(pairs), gold, strict=True):
            cells = {(link.source, link.target) for link in links}
            hits, sizes = hits + 2 * len(cells & sure), sizes + len(cells) + len(sure)
        print(
            f"invented Italian, {len(pairs)} pairs, learned from {part or len(pairs)}: AER {1 - hits / sizes:.3f}",
            flush=True,
        )


def with_workers(options):
    """Run the stage with 1 and 2 workers, and learning at one place; all must write the same links."""
    import apache_beam as beam
    import pyarrow.parquet as pq

    from pipelines.options import parse_beam_flags
    from pipelines.progress import Progress
    from pipelines.runner import run_pipeline
    from schemas.pair import PairBatch
    from transforms.align import Align
    from transforms.common.shards import WriteShards

    digests = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.tsv")
        write_pairs(path, options.pairs)
        for workers, spread in ((1, False), (1, True), (2, True)):
            place = Path(folder, f"{workers}-{spread}")
            settings = AlignSettings(spread=spread, learn_at_once=0, learn_pairs=options.learn_pairs)

            def batches(start, path=str(path)):
                # travels to the workers by value: it brings its own imports
                from itertools import islice
                from pathlib import Path

                from schemas.pair import PairBatch, pair_id

                rows = []
                with Path(path).open(encoding="utf-8", newline="\n") as source:
                    for number, line in enumerate(islice(source, start, start + 2000), start):
                        sides = dict(zip(("source", "target"), line[:-1].split("\t"), strict=True))
                        row = {"pair_id": pair_id(f"a{number}", f"b{number}"), "direction": "both"}
                        for side, text in sides.items():
                            row |= {f"{side}_{name}": text for name in ("text", "normalized")}
                            row |= {f"{side}_id": f"{side}{number}", f"{side}_document_id": "d"}
                            row |= {
                                f"{side}_robots": "allowed",
                                f"{side}_variety": {"source": "oc", "target": "ca"}[side],
                            }
                        rows.append(row)
                yield PairBatch.from_rows(rows)

            def build(pipeline, settings=settings, place=place, batches=batches):
                pairs = (
                    pipeline
                    | beam.Create(list(range(0, options.pairs, 2000)))
                    | "Spread" >> beam.Reshuffle()
                    | "Read" >> beam.FlatMap(batches).with_output_types(PairBatch)
                )
                made = (pairs | Align(settings=settings, folder=str(place))).made
                _ = made | "Write" >> WriteShards(
                    noun=PairBatch, folder=str(place / "out"), shards=4, by="pair_id", order=("pair_id",), partition=()
                )

            start = time.perf_counter()
            run_pipeline(build, parse_beam_flags([], workers=workers), Progress(quiet=True), name="align")
            wall = time.perf_counter() - start
            digest = hashlib.blake2b(digest_size=8)
            for shard in sorted(place.rglob("*.parquet")):
                digest.update(shard.read_bytes())
                links = pq.read_table(shard, columns=["links"]).num_rows
            digests[workers, spread] = digest.hexdigest()
            print(
                f"{options.pairs} pairs, {workers} worker(s), learning {'spread' if spread else 'at one place'}: {wall:.0f} s,"
                f" digest of all written files {digest.hexdigest()}, last file has {links} pairs", flush=True,
            )  # fmt: skip
    print("the same bytes" if len(set(digests.values())) == 1 else "DIFFERENT BYTES")
    return 0 if len(set(digests.values())) == 1 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["grow", "one", "sample", "workers"])
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--pairs", type=int, default=30_000)
    parser.add_argument("--learn-pairs", type=int, default=AlignSettings().learn_pairs)
    parser.add_argument("--path", type=Path)
    parser.add_argument("--plot", help="file of the plot, an SVG")
    options = parser.parse_args()
    if options.what == "one":
        one(options.path, options.pairs, options.learn_pairs)
        return 0
    return {"grow": grow, "sample": sampled, "workers": with_workers}[options.what](options) or 0


if __name__ == "__main__":
    sys.exit(main())
