"""Monotone sentence alignment against known answers, beside a plain length-based aligner (Gale and Church 1993).

    python benchmarks/bench_monotone.py ../shared/data [test|development]

oldi-seed: the Wikipedia pages of OLDI Seed; on either side, of each page, a tenth of the sentences is missing, some are
cut at a comma, some are joined with the next, all at random (`--seed`); beads that must be found are the smallest
sets of sentences that cover the same lines. Development: parts 36 to 67; test: 68 to 99. alibi-fren: five French
stories and their English translations, whose aligned lines are cut into sentences (development: the first two). udhr:
the Universal Declaration of Human Rights, its paragraphs cut into sentences; paragraphs of an article correspond by
their numbers where both sides have as many, else the article as a whole. Strict: a bead counts when both sides are
right; lax: when it shares a sentence on both sides with one that is (Véronis and Langlais 2000); F1 over all
documents; sentences alone do not count.

once: the first way alone; ours: learned from it and aligned again, all documents of a set together; alone: each document
by itself, as `isogloss pair --monotone` does; by length: Gale and Church.
"""

import math
import re
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from schemas.identity import bucket_of, content_id
from transforms.embed.backends.ngram import fit_encode
from transforms.embed.settings import NgramSettings
from transforms.mine.evidence import Document, align_documents
from transforms.mine.monotone import Bead
from transforms.segment import split_sentences

PAIRS = (("lij_Latn", "ita_Latn"), ("fur_Latn", "eng_Latn"), ("ary_Arab", "arz_Arab"))
DECLARATIONS = {
    "development": (("cos", "ita"), ("ltz", "deu_1996"), ("oci_1", "cat")),
    "test": (("lij", "ita"), ("fur", "ita"), ("vec", "ita"), ("roh_sursilv", "roh_vallader"), ("gsw1", "deu_1996")),
}
PARTS = {"development": (36, 68), "test": (68, 100)}
MISSING, CUT, JOINED = 0.1, 0.15, 0.15

Side = list[tuple[str, frozenset[int]]]
"""Sentences of a document, with the lines that they are made of."""
Beads = set[tuple[tuple[int, ...], tuple[int, ...]]]


def main(data: Path, split: str) -> None:
    """Measure all sets."""
    sets = [(f"{a[:3]}-{b[:3]}", oldi_documents(data, (a, b), split)) for a, b in PAIRS]
    sets.append(("fra-eng", alibi_documents(data, split)))
    sets += [(f"udhr {a}-{b}", [declaration(data, (a, b))]) for a, b in DECLARATIONS[split]]
    for name, documents in sets:
        sentences = sum(len(side) for document in documents for side in document)
        print(f"{name}: {len(documents)} documents, {sentences} sentences", flush=True)
        laid = laid_out(documents)
        for kind, align in (
            ("once", lambda laid=laid: align_documents(laid, rounds=0)),
            ("ours", lambda laid=laid: align_documents(laid)),
            ("alone", lambda laid=laid: [align_documents([document])[0] for document in laid]),
            ("by length", lambda documents=documents: by_lengths(documents)),
        ):
            start = time.perf_counter()
            beads = align()
            took = time.perf_counter() - start
            strict, lax = measure(documents, lambda _, beads=beads: beads)
            print(f"  {kind:9}  strict {strict:.4f}  lax {lax:.4f}  ({took:.1f} s)", flush=True)


def oldi_documents(data: Path, names: tuple[str, str], split: str, seed: int = 0) -> list[tuple[Side, Side]]:
    """Make documents of OLDI Seed."""
    folder = data / "oldi-seed" / "seed"
    urls = [line.partition("#")[0] for line in read_lines(folder / "metadata.tsv")[1:]]
    texts = [read_lines(folder / name) for name in names]
    random = np.random.default_rng(seed)
    pages: dict[str, list[int]] = {}
    for number, url in enumerate(urls):
        if PARTS[split][0] <= bucket_of(content_id("oldi-seed", url), 100) < PARTS[split][1]:
            pages.setdefault(url, []).append(number)
    made = [tuple(disturbed([(text[i], i) for i in numbers], random) for text in texts) for numbers in pages.values()]
    return [(source, target) for source, target in made if source and target]


def disturbed(lines: Sequence[tuple[str, int]], random: np.random.Generator) -> Side:
    """Leave lines out, cut some at a comma, join some with the one before."""
    made: Side = []
    for text, number in lines:
        if random.random() < MISSING:
            continue
        words = text.split(" ")
        cuts = [place for place in range(3, len(words) - 3) if words[place - 1][-1:] in tuple(",;:،؛")]
        if cuts and random.random() < CUT:
            cut = cuts[int(random.integers(len(cuts)))]
            made += [(" ".join(words[:cut]), frozenset([number])), (" ".join(words[cut:]), frozenset([number]))]
        elif made and random.random() < JOINED:
            before, owners = made[-1]
            made[-1] = (f"{before} {text}", owners | {number})
        else:
            made.append((text, frozenset([number])))
    return made


def alibi_documents(data: Path, split: str) -> list[tuple[Side, Side]]:
    """Cut the aligned lines of the stories into sentences."""
    documents = []
    stories = sorted((data / "alibi-fren" / "ali").iterdir())
    for story in stories[:2] if split == "development" else stories[2:]:
        names = next(story.glob("ali_w2w_*.txt")).stem.removeprefix("ali_w2w_").split("_")
        sides = []
        for name, variety in zip(names, ("fr", "en"), strict=True):
            lines = [line.partition("\t")[2] for line in read_lines(story / f"{name}_sents.txt") if line]
            sides.append(
                [
                    (line[start:end], frozenset([number]))
                    for number, line in enumerate(lines)
                    for start, end in split_sentences(line, variety)
                ]
            )
        documents.append((sides[0], sides[1]))
    return documents


def declaration(data: Path, names: tuple[str, str]) -> tuple[Side, Side]:
    """Cut the paragraphs of two declarations into sentences; what belongs together has the same numbers."""
    articles = [_articles((data / "udhr" / f"{name}.html").read_text(encoding="utf-8")) for name in names]
    sides: tuple[Side, Side] = ([], [])
    for number, paragraphs in enumerate(zip(*articles, strict=True)):
        is_even = len(paragraphs[0]) == len(paragraphs[1])
        for side, name, own in zip(sides, names, paragraphs, strict=True):
            for place, text in enumerate(own):
                owner = frozenset([number * 1000 + (place if is_even else 0)])
                side += [(text[a:b], owner) for a, b in split_sentences(text, _VARIETIES.get(name[:3]))]
    return sides


_VARIETIES = {
    "ita": "it",
    "deu": "de",
    "cat": "ca",
    "gsw": "gsw",
    "lij": "lij",
    "fur": "fur",
    "vec": "vec",
    "ltz": "lb",
}


def _articles(page: str) -> list[list[str]]:
    """Give the paragraphs of the preamble and of each article."""
    blocks = [match.group() for match in re.finditer(r"<(header|article)\b.*?</\1>", page, re.DOTALL)]
    return [
        [" ".join(text.split()) for text in re.findall(r"<(?:p|li)\b[^>]*>([^<]+)", block) if text.strip()]
        for block in blocks
    ]


def answers(source: Side, target: Side) -> Beads:
    """Give the beads that must be found: sentences that are connected through the lines that they are made of."""
    groups: list[tuple[set[int], set[int], set[int]]] = []
    for place, side in enumerate((source, target)):
        for sentence, (_, owners) in enumerate(side):
            touched = [group for group in groups if group[2] & owners]
            merged: tuple[set[int], set[int], set[int]] = (set(), set(), set(owners))
            for group in touched:
                for part, theirs in zip(merged, group, strict=True):
                    part.update(theirs)
            merged[place].add(sentence)
            groups = [group for group in groups if group not in touched] + [merged]
    return {(tuple(sorted(a)), tuple(sorted(b))) for a, b, _ in groups if a and b}


def measure(documents: Sequence[tuple[Side, Side]], align) -> tuple[float, float]:
    """Give strict and lax F1."""
    counts = np.zeros(5)
    for (source, target), beads in zip(documents, align(documents), strict=True):
        known = answers(source, target)
        found = {
            (tuple(range(b.source_start, b.source_end)), tuple(range(b.target_start, b.target_end))) for b in beads
        }
        found = {(a, b) for a, b in found if a and b}
        counts += (
            len(found & known),
            len(found),
            len(known),
            sum(any(touch(bead, other) for other in known) for bead in found),
            sum(any(touch(bead, other) for other in found) for bead in known),
        )
    right, found, known, near, reached = counts
    return harmonic(right / found, right / known), harmonic(near / found, reached / known)


def touch(bead, other) -> bool:
    """Do two beads share a sentence on both sides?"""
    return all(set(mine) & set(theirs) for mine, theirs in zip(bead, other, strict=True))


def harmonic(a: float, b: float) -> float:
    """Give the harmonic mean."""
    return 2 * a * b / (a + b) if a + b else 0.0


def by_vectors(documents: Sequence[tuple[Side, Side]]) -> list[list[Bead]]:
    """Align all documents together."""
    return align_documents(laid_out(documents))


def laid_out(documents: Sequence[tuple[Side, Side]]) -> list[Document]:
    """Give documents with n-gram vectors, of joined sentences too."""
    texts = [[text for document in documents for text, _ in document[place]] for place in (0, 1)]
    encoder, _ = fit_encode(texts, NgramSettings())
    made = []
    for sides in documents:
        lines = [[text for text, _ in side] for side in sides]
        runs = [
            cache(
                lambda length, side=side: encoder.encode(
                    [" ".join(side[i : i + length]) for i in range(len(side) - length + 1)]
                )
            )
            for side in lines
        ]
        lengths = [np.array([len(text) for text in side], dtype=np.float64) for side in lines]
        made.append(Document(runs[0], runs[1], (len(lines[0]), len(lines[1])), (lengths[0], lengths[1])))
    return made


PRIORS = {(1, 1): 0.89, (1, 0): 0.00495, (0, 1): 0.00495, (2, 1): 0.0445, (1, 2): 0.0445, (2, 2): 0.011}


def by_lengths(documents: Sequence[tuple[Side, Side]]) -> list[list[Bead]]:
    """Align by lengths in characters: Gale and Church's model, with their priors and variance; the ratio is measured."""
    totals = [sum(len(text) for document in documents for text, _ in document[place]) for place in (0, 1)]
    return [_by_lengths(*sides, totals[1] / totals[0]) for sides in documents]


def _by_lengths(source: Side, target: Side, ratio: float) -> list[Bead]:
    sums = [np.concatenate([[0], np.cumsum([len(text) for text, _ in side])]) for side in (source, target)]
    n, m = len(source), len(target)
    best = np.full((n + 1, m + 1), math.inf)
    came = {}
    best[0, 0] = 0
    for i in range(n + 1):
        for j in range(m + 1):
            for (a, b), prior in PRIORS.items():
                if i < a or j < b or math.isinf(best[i - a, j - b]):
                    continue
                x, y = sums[0][i] - sums[0][i - a], sums[1][j] - sums[1][j - b]
                mean = (x + y / ratio) / 2
                delta = (y - x * ratio) / math.sqrt(max(mean, 1) * 6.8)
                tail = max(math.erfc(abs(delta) / math.sqrt(2)), 1e-300)
                cost = best[i - a, j - b] - math.log(prior) - math.log(tail)
                if cost < best[i, j]:
                    best[i, j], came[i, j] = cost, (a, b)
    found = []
    i, j = n, m
    while i or j:
        a, b = came[i, j]
        found.append(Bead(i - a, i, j - b, j, 0.0))
        i, j = i - a, j - b
    return found[::-1]


def read_lines(path: Path) -> list[str]:
    """Read the lines of a file."""
    return path.read_text(encoding="utf-8").strip("\n").split("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "test")
