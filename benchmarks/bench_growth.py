"""How mining grows: the whole walk on two cores, from 10,000 x 10,000 sentences to 1 million x 1 million.

    python benchmarks/bench_growth.py --data ../shared/data --folder build/growth                    # up to 1 million
    python benchmarks/bench_growth.py --data ../shared/data --folder build/growth --sizes 10000 30000
    python benchmarks/bench_growth.py --folder build/growth --report                                  # table and plot again

The corpus of each size: one line in eight of either side is real and has its partner on the other side (iCorpus, Hokkien
and Mandarin, and PILAR, Aranese and Catalan, in equal parts); the others are noise: lines as long as real ones, of words
drawn as often as they stand in the real lines of that side and language, rare ones left out. Which side a line is of
is told by an identifier that the script trains on lines of both (some nine in ten are told right; the others are among
the sentences of the wrong side, whose partners cannot be found).

Each size is `isogloss prepare`, then `isogloss mine` with the embedded encoder, second pass and all, in processes of their
own. Peak memory is the sum over all processes of a run, what they share counted once (PSS), looked at twice a second. Of the pairs that are found the script says how many are partners.
"""

import argparse
import gzip
import json
import math
import random
import subprocess
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

SIDES = ("oc-aranese", "ca")
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
REAL = 8
"""One line in so many is real."""
COMMON = 5
"""Noise is made of words that stand at least so often in real lines: other texts have their own names and rare words."""
DOCUMENT_LINES = 20
TRAINING_LINES = 20_000
RUNS = ("prepare", "mine")


def main() -> None:
    """Measure sizes, or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data", help="folder with icorpus-nan and pilar-aranese")
    parser.add_argument("--folder", default="build/growth", help="where corpora, checkpoints and results go")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="sentences a side")
    parser.add_argument("--runs", nargs="+", default=RUNS, choices=RUNS, help="which of the two to run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], help="changes of the configuration, such as mine.k=8")
    parser.add_argument("--report", action="store_true", help="write table and plot of what has been measured")
    parser.add_argument("--plot", default="docs/growth.svg")
    options = parser.parse_args()
    folder = Path(options.folder)
    if not options.report:
        for size in options.sizes:
            measure(Path(options.data), folder, size, options.runs, options.workers, options.set)
    report(folder, Path(options.plot))


def measure(data: Path, folder: Path, size: int, runs: Sequence[str], workers: int, changes: list[str]) -> None:
    """Make a corpus of this size, run the walk, write down what it took."""
    here = folder / f"{size}"
    here.mkdir(parents=True, exist_ok=True)
    configuration = make_corpus(data, here, size)
    noted = folder / f"{size}.json"
    result = json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else {"size": size}
    for run in runs:
        command = [sys.executable, "-m", "pipelines", run, str(configuration), "--workers", str(workers)]
        for change in changes:
            command += ["--set", change]
        result[run] = {"workers": workers, "changes": changes} | watched(command)
        if run == RUNS[-1]:
            result |= judged(data, here, size)
        noted.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"{size:,} {run}: {result}", flush=True)


def watched(command: list[str]) -> dict[str, float]:
    """Run a command; give wall seconds, processor seconds and the peak of its memory over all processes."""
    started = time.perf_counter()
    process = subprocess.Popen(command)
    seen = {"peak": 0, "cpu": {}}
    ended = threading.Event()

    def watch() -> None:
        root = psutil.Process(process.pid)
        while not ended.wait(0.5):
            total = 0
            try:
                family = [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for member in family:
                try:
                    total += member.memory_full_info().pss
                    times = member.cpu_times()
                    seen["cpu"][member.pid] = times.user + times.system
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            seen["peak"] = max(seen["peak"], total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    if status:
        sys.exit(f"{' '.join(command)} ended with status {status}")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(sum(seen["cpu"].values()), 1),
        "peak_gb": round(seen["peak"] / 1e9, 2),
    }


def make_corpus(data: Path, here: Path, size: int) -> Path:
    """Write both sides, the identifier and the configuration; gives the latter's path."""
    configuration = here / "corpus.toml"
    if configuration.exists():
        return configuration
    real = real_lines(data)
    labelled = here / "labelled.tsv"
    with labelled.open("w", encoding="utf-8") as lines_file:
        for number, side in enumerate(SIDES):
            lines = list(side_lines(real[number], size, number))
            lines_file.writelines(f"{side}\t{line}\n" for line in lines[:TRAINING_LINES])
            random.Random(number).shuffle(lines)  # partners stand in documents that have nothing else in common
            with (here / f"{side}.jsonl").open("w", encoding="utf-8") as file:
                for start in range(0, size, DOCUMENT_LINES):
                    text = "\n".join(lines[start : start + DOCUMENT_LINES])
                    record = {"url": f"https://{side}.example.org/{start}", "text": text}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
    model = here / "sides.ftz"
    subprocess.run(
        [sys.executable, "-m", "pipelines", "train-identifier", str(labelled), "-o", str(model)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    sources = "\n".join(
        f'[[read.sources]]\nname = "{side}"\npath = "{here / side}.jsonl"\nvariety = "{side}"' for side in SIDES
    )
    configuration.write_text(
        f'[corpus]\nname = "growth"\noutput = "{here / "out"}"\nvarieties = {json.dumps(SIDES)}\n'
        f'pairs = [{json.dumps(SIDES)}]\n[identify]\nmodel = "{model}"\nforeign_threshold = 1.0\n{sources}\n',
        encoding="utf-8",
    )
    return configuration


def real_lines(data: Path) -> list[list[list[str]]]:
    """Read the real lines: by side, then by language; lines of one place are partners."""
    icorpus = [
        (data / "icorpus-nan" / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]
        for name in ("nan.hanzi_corrected", "cmn.raw")
    ]
    pilar = []
    for name in ("aranese", "catalan"):
        with gzip.open(data / "pilar-aranese" / f"sentences.{name}.txt.gz", "rt", encoding="utf-8") as file:
            pilar.append([line.rstrip("\n") for line in file])
    sides = []
    for side in range(2):
        kept = []
        for both in (icorpus, pilar):
            pairs = list(dict.fromkeys(zip(*both, strict=True)))
            random.Random(7).shuffle(pairs)
            kept.append([pair[side] for pair in pairs])
        sides.append(kept)
    return sides


def side_lines(languages: list[list[str]], size: int, side: int) -> Iterator[str]:
    """Give the lines of a side in an order without meaning; those of a smaller size are among those of a larger one."""
    models = [words_of(lines) for lines in languages]
    draw = random.Random(100 + side)
    for number in range(size):
        language = number % 2
        if number // 2 % REAL == 0:
            lines = languages[language]
            place = number // 2 // REAL
            if place < len(lines):
                yield lines[place]
                continue
        yield drawn(models[language], draw)


def words_of(lines: list[str]) -> tuple[list[str], array, str]:
    """Give the words of some lines one after the other, but for rare ones, and how long lines are.

    Words are characters where they are not spaced.
    """
    space = " " if sum(" " in line for line in lines) > len(lines) / 3 else ""
    cut = [line.split() if space else list(line) for line in lines]
    counts = Counter(word for words in cut for word in words)
    return [word for words in cut for word in words if counts[word] >= COMMON], array("i", map(len, cut)), space


def drawn(model: tuple[list[str], array, str], draw: random.Random) -> str:
    """Draw a line: as long as a real one, each word as often as it stands in real lines."""
    words, lengths, space = model
    length = lengths[int(draw.random() * len(lengths))]
    return space.join([words[int(draw.random() * len(words))] for _ in range(max(1, length))])


def judged(data: Path, here: Path, size: int) -> dict[str, object]:
    """Count pairs, and partners among them."""
    import polars as pl

    real = real_lines(data)
    partners = set()
    for language in range(2):
        count = len(range(language, size, 2 * REAL))
        partners |= set(list(zip(*(side[language] for side in real), strict=True))[:count])
    pairs = pl.read_parquet(here / "out" / "pairs" / "part-*.parquet", columns=["source_text", "target_text"])
    return {"real": len(partners), "pairs": len(pairs), "right": len(set(pairs.iter_rows()) & partners)}


def report(folder: Path, plot: Path) -> None:
    """Print the table of all sizes that were measured, and draw it."""
    results = sorted((json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")), key=by_size)
    print(
        "| a side | prepare, s | processor, s | peak, GB | mine, s | processor, s | peak, GB "
        "| pairs | partners among them | partners in all |"
    )
    print("|" + "---|" * 10)
    for result in results:
        cells = [f"{result['size']:,}"]
        for run in RUNS:
            took = result.get(run)
            cells += (
                [f"{took['seconds']:,.0f}", f"{took['cpu_seconds']:,.0f}", f"{took['peak_gb']:.2f}"]
                if took
                else ["-"] * 3
            )
        cells += [f"{result[name]:,}" if name in result else "-" for name in ("pairs", "right", "real")]
        print("| " + " | ".join(cells) + " |")
    if results:
        plot.write_text(drawing([result for result in results if RUNS[-1] in result]), encoding="utf-8")


def by_size(result: dict) -> int:
    return int(result["size"])


def drawing(results: list[dict]) -> str:
    """Draw processor seconds and peak memory against the size, both axes logarithmic."""
    width, height, left, bottom = 640, 400, 70, 50
    low, high = 4, 6

    def x(size: float) -> float:
        return left + (math.log10(size) - low) / (high - low) * (width - left - 130)

    def y(value: float) -> float:  # from 0.1 to 10,000
        return height - bottom - (math.log10(value) + 1) / 5 * (height - bottom - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for power in range(-1, 5):
        at = y(10.0**power)
        parts.append(f'<path d="M{left} {at:.1f}H{x(10**high):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for size in SIZES:
        parts.append(f'<path d="M{x(size):.1f} 20V{height - bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(size):.1f}" y="{height - bottom + 18}" text-anchor="middle">{size:,}</text>')
    parts.append(f'<text x="{x(10**5):.1f}" y="{height - 12}" text-anchor="middle">sentences a side</text>')
    for label, colour, run, figure in (
        ("mine, processor s", "#1f4e9c", "mine", "cpu_seconds"),
        ("prepare, processor s", "#7a9cd6", "prepare", "cpu_seconds"),
        ("mine, peak GB", "#b3261e", "mine", "peak_gb"),
        ("prepare, peak GB", "#e2948f", "prepare", "peak_gb"),
    ):
        points = [(x(result["size"]), y(result[run][figure])) for result in results]
        parts.append(
            f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        if points:
            a, b = points[-1]
            parts.append(f'<text x="{a + 8:.1f}" y="{b + 4:.1f}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
