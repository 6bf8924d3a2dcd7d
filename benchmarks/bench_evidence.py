"""What identification adds to the answer of a line: context, mixtures, dialectness, cascade; on documents of OLDI Seed.

    python benchmarks/bench_evidence.py --data ../shared/data                  the test pages
    python benchmarks/bench_evidence.py --data ../shared/data --part dev       those that the constants were chosen on

The pages of the `test` and `demo` parts were never seen by the embedded model, and no constant was chosen on them. Pages
are rebuilt in each of eight varieties; for the context their sentences are cut at punctuation into pieces of all lengths.
"""

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipelines.train_identifier import DATA_SETS, SEED_LANGUAGES, _lines, seed_part
from schemas.identity import content_id
from transforms.identify import CascadeSettings, IdentifySettings, Labelled, SentenceIdentifier, TrainingPlan
from transforms.identify.context import seen_in_context, shares_of, votes_of
from transforms.identify.text import as_column
from transforms.identify.training import divide, train_identifier

PIECES = re.compile(r"(?<=[,;:.!?،؛])\s+|\s+(?=\()|(?<=\))\s+")
LENGTHS = ((1, 15), (15, 30), (30, 60), (60, 10_000))
PARAGRAPH = 4


class Pages:
    """The pages of one part, in each variety.

    Args:
        data: folder of all data sets.
        part: dev, test or demo.
        most: pages to take.
    """

    def __init__(self, data: Path, part: str, most: int) -> None:
        folder = data / "oldi-seed" / "seed"
        urls = [url.partition("#")[0].strip() for url in _lines(folder / "metadata.tsv")[1:]]
        self.text = {tag: _lines(folder / name) for name, tag in SEED_LANGUAGES.items()}
        self.pages: dict[str, list[int]] = {}
        for row, url in enumerate(urls):
            if seed_part(url) == part:
                self.pages.setdefault(url, []).append(row)
        self.pages = dict(sorted(self.pages.items(), key=lambda page: content_id("page", page[0]))[:most])
        self.lines = [row for rows in self.pages.values() for row in rows]

    def documents(self):
        """Give tag and pieces of every page in every variety."""
        for rows in self.pages.values():
            for tag, lines in self.text.items():
                pieces = [piece for row in rows for piece in PIECES.split(lines[row])]
                yield tag, [piece for piece in pieces if any(map(str.isalpha, piece))]


def context(pages: Pages) -> None:
    """Accuracy by length of line, alone, among neighbours, and with other pages of the host."""
    identifier = SentenceIdentifier(IdentifySettings())
    documents = list(pages.documents())
    texts = [text for _, pieces in documents for text in pieces]
    bounds = np.r_[0, np.cumsum([len(pieces) for _, pieces in documents])]
    own = identifier.probabilities(as_column(texts))
    truth = np.repeat([identifier.tags.index(tag) for tag, _ in documents], np.diff(bounds))
    numbers = np.repeat(np.arange(len(documents)), np.diff(bounds))
    around = seen_in_context(own, numbers)
    # Hosts with one variety each, as most have: the page's sentences of the same variety on other pages.
    tags = np.array([tag for tag, _ in documents])
    votes = votes_of(own, bounds)
    others = np.array([votes[tags == tag].sum(axis=0) for tag in tags]) - votes
    hosts = np.repeat(shares_of(others), np.diff(bounds), axis=0)
    alone = np.arange(len(texts))
    columns = {
        "alone": own,
        "document": around,
        "document and host": seen_in_context(own, numbers, hosts),
        "host only": seen_in_context(own, alone, hosts),
    }
    sizes = np.array([len(text) for text in texts])
    print(f"context: {len(texts):,} pieces of {len(documents)} documents; accuracy")
    print(f"{'characters':>12} {'pieces':>7} " + " ".join(f"{name:>18}" for name in columns))
    for least, most in (*LENGTHS, (1, 10_000)):
        chosen = (sizes >= least) & (sizes < most)
        right = [f"{(found.argmax(axis=1) == truth)[chosen].mean():>18.4f}" for found in columns.values()]
        print(f"{least:>5}-{most - 1:<6} {chosen.sum():>7,} " + " ".join(right))
    flipped = (own.argmax(axis=1) == truth) & (around.argmax(axis=1) != truth)
    print(f"right alone and wrong in context: {flipped.mean():.4f} of the pieces")
    foreign_paragraph(own, truth, bounds, len(pages.text))


def foreign_paragraph(own, truth, bounds, varieties) -> None:
    """A paragraph of another variety in the middle of each page."""
    rows, numbers, is_foreign = [], [], []
    for number in range(len(bounds) - 1):
        other = number - number % varieties + (number + 1 + number // varieties % (varieties - 1)) % varieties
        own_rows, other_rows = (list(range(bounds[n], bounds[n + 1])) for n in (number, other))
        if min(len(own_rows), len(other_rows)) < 3 * PARAGRAPH:
            continue
        middle, start = len(own_rows) // 2, len(other_rows) // 2
        rows += [*own_rows[:middle], *other_rows[start : start + PARAGRAPH], *own_rows[middle:]]
        is_foreign += [False] * middle + [True] * PARAGRAPH + [False] * (len(own_rows) - middle)
        numbers += [number] * (len(own_rows) + PARAGRAPH)
    foreign = np.array(is_foreign)
    found = seen_in_context(own[rows], np.array(numbers))
    for name, chosen in (("the paragraph", foreign), ("the rest", ~foreign)):
        alone = (own[rows].argmax(axis=1) == truth[rows])[chosen].mean()
        around = (found.argmax(axis=1) == truth[rows])[chosen].mean()
        print(f"one foreign paragraph of {PARAGRAPH} pieces, {name}: alone {alone:.4f}, in context {around:.4f}")


def mixed_lines(pages: Pages):
    """Give kind, text, variety and second variety: lines as they are, two halves, a quotation inserted."""
    tags = list(pages.text)
    pairs = [(a, b) for a in tags for b in tags if a != b and (a[:2] == "ar") == (b[:2] == "ar")]
    for row in pages.lines:
        yield from (("as it is", pages.text[tag][row], tag, "") for tag in tags)
        for turn in range(4):
            seed = int(content_id("mix", row, turn)[:8], 16)
            first, second = pairs[seed % len(pairs)]
            a = pages.text[first][row].split()
            b = pages.text[second][pages.lines[seed // 64 % len(pages.lines)]].split()
            yield "two halves", " ".join(a[: len(a) // 2] + b[len(b) // 2 :]), first, second
            size, place = 4 + seed // 7 % 5, seed // 11 % (len(a) + 1)
            start = seed // 13 % max(1, len(b) - size)
            yield "quotation", " ".join(a[:place] + b[start : start + size] + a[place:]), first, second


def mixtures(pages: Pages) -> None:
    """Recall of mixes and false alarms on lines as they are."""
    rows = list(mixed_lines(pages))
    kinds = np.array([kind for kind, *_ in rows])
    texts = as_column([text for _, text, _, _ in rows])
    for least in (0.005, 0.0):
        identifier = SentenceIdentifier(IdentifySettings(mixed_from=least))
        found = identifier.mixtures(texts, identifier.probabilities(texts))
        values = np.nan_to_num(found.probabilities)
        flagged = values >= 0.5
        named = np.array([identifier.tags[kind] if kind >= 0 else "" for kind in found.kinds])
        false_alarms = flagged[kinds == "as it is"].mean()
        print(
            f"mixtures, mixed_from {least}: flagged of {(kinds == 'as it is').sum():,} lines as they are {false_alarms:.4f}"
        )
        for kind in ("two halves", "quotation"):
            chosen = kinds == kind
            right = np.array([name in (a, b) for name, (_, _, a, b) in zip(named, rows, strict=True)])[
                chosen & flagged
            ].mean()
            recall = flagged[chosen].mean()
            area = area_under(values[chosen], values[kinds == "as it is"])
            print(
                f"  {kind}: {chosen.sum():,} lines, recall {recall:.4f}, precision beside as many lines as they are "
                f"{recall / (recall + false_alarms):.4f}, second variety right {right:.4f}, AUC {area:.4f}"
            )


def dialectness(pages: Pages, data: Path, part: str) -> None:
    """How well the score orders lines of dialects before those of their standard language."""
    identifier = SentenceIdentifier(IdentifySettings())
    lines = {tag: [texts[row] for row in pages.lines] for tag, texts in pages.text.items()}
    if part != "demo":
        swigspot = next(source for source in DATA_SETS if source.name == "swigspot")
        for line in swigspot.read(data / "swigspot"):
            if line.tag in ("gsw", "de") and line.part == part:
                lines.setdefault(line.tag, []).append(line.text)
    for dialects, standard in ((("lij", "lmo", "fur"), "it"), (("gsw",), "de")):
        for dialect in dialects:
            if dialect not in lines:
                continue
            values = []
            for tag in (dialect, standard):
                texts = as_column(lines[tag])
                probabilities = identifier.probabilities(texts)
                column = np.full(len(texts), identifier.tags.index(tag), dtype=np.int32)
                values.append(identifier.dialectness(texts, probabilities, column))
            sizes = [np.array([len(text) for text in lines[tag]]) for tag in (dialect, standard)]
            correlation = np.corrcoef(ranks(values[0]), ranks(sizes[0]))[0, 1]
            print(
                f"dialectness, {dialect} - {standard}: {len(values[0]):,} and {len(values[1]):,} lines, medians "
                f"{np.median(values[0]):.3f} and {np.median(values[1]):.3f}, AUC {area_under(*values):.4f}, rank "
                f"correlation with length within {dialect} {correlation:.3f}"
            )
    mixes = [
        (share, " ".join([*a[: round(len(a) * share / 4)], *b[round(len(b) * share / 4) :]]))
        for row in pages.lines
        for tag in ("lij", "lmo", "fur")
        for a, b in [(pages.text[tag][row].split(), pages.text["it"][row].split())]
        for share in range(5)
    ]
    texts = as_column([text for _, text in mixes])
    column = np.full(len(mixes), identifier.tags.index("it"), dtype=np.int32)
    values = identifier.dialectness(texts, identifier.probabilities(texts), column)
    shares = np.array([share for share, _ in mixes])
    print(
        "dialectness of lines 0 to 4 quarters dialect: means "
        + ", ".join(f"{values[shares == share].mean():.3f}" for share in range(5))
        + f"; rank correlation {np.corrcoef(ranks(values), ranks(shares))[0, 1]:.3f}"
    )


def cascade(data: Path, part: str, wide: str) -> None:
    """A wide model, then one trained on the train pages for Moroccan and Egyptian Arabic alone."""
    folder = data / "oldi-seed" / "seed"
    urls = [url.strip() for url in _lines(folder / "metadata.tsv")[1:]]
    parts = [seed_part(url) for url in urls]
    lines = [
        Labelled(tag, text, of)
        for name, tag in (("ary_Arab", "ary"), ("arz_Arab", "arz"))
        for of, text in zip(parts, _lines(folder / name), strict=True)
        if of != "demo"
    ]
    chosen = [line for line in lines if line.part == part]
    texts, truth = [line.text for line in chosen], np.array([line.tag for line in chosen])
    with TemporaryDirectory() as place:
        narrow = Path(place) / "arabic.ngrams"
        plan = TrainingPlan()
        train_identifier(divide(lines, plan), narrow, plan)
        settings = IdentifySettings(model=wide, minimum_probability=0.0)
        among = ("ar", "ary", "arz")
        both = IdentifySettings(
            model=wide, minimum_probability=0.0, cascade=CascadeSettings(model=str(narrow), among=among)
        )
        for name, given in (("wide alone", settings), ("wide, then narrow", both)):
            answers = SentenceIdentifier(given).answers(texts)
            right = np.array([answer.tag for answer in answers]) == truth
            sure = np.array([answer.probability or 0.0 for answer in answers])
            print(
                f"cascade, {Path(wide).name}, {len(texts):,} lines of ary and arz: {name}: accuracy {right.mean():.4f}, "
                f"mean probability {sure.mean():.4f}"
            )


def ranks(values) -> np.ndarray:
    """Give ranks; equal values share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def area_under(high, low) -> float:
    """Give the area under the curve of telling `high` from `low`: how often a high one is above a low one."""
    together = ranks(np.r_[high, low])[: len(high)]
    return float((together.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("dev", "test", "demo"), default="test")
    parser.add_argument("--pages", type=int, default=20, help="most pages to take")
    parser.add_argument("--wide", default="embedded", help="the wide model of the cascade")
    parser.add_argument("--only", choices=("context", "mixtures", "dialectness", "cascade"))
    options = parser.parse_args()
    pages = Pages(options.data, options.part, options.pages)
    print(f"{options.part}: {len(pages.pages)} pages, {len(pages.lines)} lines in each of {len(pages.text)} varieties")
    if options.only in (None, "context"):
        context(pages)
    if options.only in (None, "mixtures"):
        mixtures(pages)
    if options.only in (None, "dialectness"):
        dialectness(pages, options.data, options.part)
    if options.only in (None, "cascade") and options.part != "demo":
        cascade(options.data, options.part, options.wide)


if __name__ == "__main__":
    main()
