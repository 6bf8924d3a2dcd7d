"""Identification: the stage's function and fastText's own binding, lines a second on one core, by length of line.

    python benchmarks/bench_identify.py                 lines that come with the tests, repeated with other words
    python benchmarks/bench_identify.py LINES.txt ...   lines of yours

The stage's figure holds everything: reading the Arrow column, features, all labels, calibration, context, dialectness,
the decisions, the new columns; `alone` leaves the context out, `mixed` looks for mixtures too (`mixed_from` .005): half of
these lines are mixtures, since they are made by joining others. The library's holds the call alone, for one label, on lines that are prepared already. Processor time.
"""

import argparse
import time
from pathlib import Path

from schemas.identity import content_id
from schemas.sentence import SentenceBatch, sentence_id
from transforms.identify import IdentifySettings
from transforms.identify.function import IdentifySentences
from transforms.identify.model_file import model_path
from transforms.identify.text import prepare_texts

SAMPLE = Path(__file__).resolve().parents[1] / "tests" / "quality" / "identify.tsv"
LENGTHS = ((1, 30), (30, 60), (60, 120), (120, 250), (250, 2000))
LINES = 40_000


def sample() -> list[str]:
    """Make many lines out of few: windows of the sample's lines, so that words differ as in running text."""
    lines = [line.split("\t", 1)[1] for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    words = [line.split() for line in lines]
    joined = [
        [*a[i:], *b[:j], *a[:i]] for n, a in enumerate(words) for b in words[n % 7 :: 7] for i, j in ((0, 3), (2, 9))
    ]
    return [*lines, *(" ".join(line) for line in joined)]


def batches(texts: list[str]) -> list[SentenceBatch]:
    """Put lines into batches of 8,192."""
    document = content_id("document", "bench")
    made = []
    for start in range(0, len(texts), 8192):
        part = texts[start : start + 8192]
        rows = range(start, start + len(part))
        zeros = [0] * len(part)
        made.append(
            SentenceBatch.from_columns(
                {
                    "sentence_id": [sentence_id(document, row, row + 1) for row in rows],
                    "document_id": [document] * len(part),
                    "position": list(rows), "start": zeros, "end": zeros,
                    "text": part, "normalized": part,
                    "source": ["bench"] * len(part), "robots": ["none"] * len(part),
                }
            )
        )  # fmt: skip
    return made


def lines_per_second(run, lines: int) -> float:
    """Time the best of three runs."""
    times = []
    for _ in range(3):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return lines / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    texts = [line for file in options.files for line in Path(file).read_text(encoding="utf-8").splitlines()] or sample()

    from fasttext.FastText import _FastText

    library = _FastText(model_path=str(model_path(options.model))).f
    function = IdentifySentences(IdentifySettings(model=options.model))()
    alone = IdentifySentences(IdentifySettings(model=options.model, context="none"))()
    mixed = IdentifySentences(IdentifySettings(model=options.model, mixed_from=0.005))()
    restricted = IdentifySentences(IdentifySettings(model=options.model), ("lij", "it", "lmo", "fur"))()
    print(
        f"{'characters':>12} {'lines':>8} {'stage':>10} {'alone':>10} {'mixed':>10} {'4 expected':>10} {'fastText':>10}  stage / fastText"
    )
    for least, most in (*LENGTHS, (1, 2000)):
        chosen = [text for text in texts if least <= len(text) < most]
        if not chosen:
            continue
        chosen = (chosen * (1 + LINES // len(chosen)))[:LINES]
        given = batches(chosen)
        prepared = [
            line + "\n" for line in prepare_texts(chosen, "letters-1" if options.model == "embedded" else "plain")
        ]
        ours = lines_per_second(lambda: [function(batch) for batch in given], len(chosen))  # noqa: B023
        fewer = lines_per_second(lambda: [restricted(batch) for batch in given], len(chosen))  # noqa: B023
        more = lines_per_second(lambda: [mixed(batch) for batch in given], len(chosen))  # noqa: B023
        less = lines_per_second(lambda: [alone(batch) for batch in given], len(chosen))  # noqa: B023
        theirs = lines_per_second(lambda: library.multilinePredict(prepared, 1, 0.0, "replace"), len(chosen))  # noqa: B023
        print(
            f"{least:>5}-{most - 1:<6} {len(chosen):>8,} {ours:>10,.0f} {less:>10,.0f} {more:>10,.0f} {fewer:>10,.0f} {theirs:>10,.0f}  {ours / theirs:.1f}"
        )


if __name__ == "__main__":
    main()
