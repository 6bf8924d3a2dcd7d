"""Stages alone, on plain files: Unix filters with the same code under them as the runs.

Text goes in and out as UTF-8, byte for byte: bytes that are no UTF-8 pass through where a line is printed
again, and models read the replacement character in their place. Only a newline ends a line; a carriage return
before it and a byte order mark at the head of a file are dropped. An empty line is an ordinary one.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec

from schemas.errors import SettingsError

_LINES = "lines of UTF-8 from files or, without any, from standard input"


def add_commands(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the filters to the command line."""
    _add_extract(commands, command)
    _add_segment(commands, command)
    _add_identify(commands, command)
    _add_pair(commands, command)
    _add_align(commands, command)
    _add_lexicon(commands, command)
    _add_score(commands, command)


def _add_extract(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    added = command(
        commands,
        "extract",
        _extract,
        "web pages -> JSON lines: url, title, text, language hint, alternates",
        """\
Take the main text out of web pages. One JSON object a page: file, url, title, text (blocks
separated by newlines), language (as the page declares it), alternates (the same page in other
languages), licence. A page without main text has an `error` in place of the text; the exit status
is 1 when every page is such a one.

example:
  isogloss extract page.html other.html | jq -r .text
""",
    )
    added.add_argument("pages", nargs="*", metavar="PAGE", help="HTML files; standard input when none is given")
    added.add_argument("--url", help="address of the page, for relative links (one page only)")


def _extract(options: argparse.Namespace) -> int:
    from schemas.errors import RecordError
    from transforms.read import extract_page

    if options.url and len(options.pages) > 1:
        raise SettingsError("--url goes with one page")
    failed = 0
    for path in options.pages or ["-"]:
        body = sys.stdin.buffer.read() if path == "-" else _read_file(path)
        row: dict[str, Any] = {"file": path, "url": options.url}
        try:
            found = extract_page(body, url=options.url)
            row |= {
                "url": options.url or found.canonical,
                "title": found.title,
                "text": found.text,
                "language": found.language_hint,
                "alternates": [{"tag": tag, "url": url} for tag, url in found.alternates],
                "licence": found.licence,
            }
        except RecordError as error:
            row["error"] = str(error)
            failed += 1
        _write(msgspec.json.encode(row).decode("utf-8"))
    return 1 if failed and failed == len(options.pages or ["-"]) else 0


def _add_segment(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    added = command(
        commands,
        "segment",
        _segment,
        "text -> one sentence a line",
        """\
Cut text into sentences, one a line. The rules are those of the variety, or of its standard
language where the variety has none. A line break always ends a sentence; lines without any text
give nothing.

example:
  isogloss segment --variety gsw < text.txt
""",
    )
    added.add_argument("files", nargs="*", metavar="FILE", help=_LINES)
    added.add_argument("--variety", metavar="TAG", help="BCP 47 tag or alias of the text's variety")


def _segment(options: argparse.Namespace) -> None:
    from transforms.segment import split_sentences

    variety = _known_variety(options.variety) if options.variety else None
    for line in _lines(options.files):
        for start, end in split_sentences(_clean(line), variety):
            _write(line[start:end])


def _add_identify(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    added = command(
        commands,
        "identify",
        _identify,
        "lines -> variety, probability, line",
        """\
Identify the variety of every line. Prints: tag TAB probability TAB line; with --top N, N tags and
probabilities before the line. `und` stands for: not determined. With --all a header and further
columns: the answer of the line alone, whether it is in two varieties, its dialectness.

examples:
  isogloss identify < lines.txt
  isogloss identify --expect lij,it --top 2 lines.txt
  isogloss identify --model lid.176.ftz < lines.txt
  isogloss identify --adapt --expect rm-sursilv,rm-vallader,rm-puter lines.txt
  isogloss identify --context --all page.txt
  isogloss identify --model wide.ftz --then narrow.ngrams lines.txt

With --context the lines around help: those up to the next empty line are of one document. With
--then a second model divides what the first one gives to the varieties that the second one knows,
or to those of --among. With --adapt the lines themselves, which are held in memory, teach the model what it could not
know; where that would do harm it is left alone. What was found is said on standard error.
""",
    )
    added.add_argument("files", nargs="*", metavar="FILE", help=_LINES)
    added.add_argument("--model", default="embedded", help="a fastText .bin or .ftz; by default the package's own")
    added.add_argument("--expect", metavar="TAGS", help="varieties that can occur, separated by commas")
    added.add_argument("--top", type=_positive, default=1, metavar="N", help="how many varieties to print (default 1)")
    added.add_argument("--adapt", action="store_true", help="learn from the lines first; needs --expect")
    added.add_argument("--context", action="store_true", help="neighbours help; an empty line ends a document")
    added.add_argument("--then", metavar="MODEL", help="a narrow model that decides among close varieties")
    added.add_argument("--among", metavar="TAGS", help="what --then divides (default: the varieties that it knows)")
    added.add_argument("--all", action="store_true", help="print a header and every column")


_IDENTIFY_COLUMNS = (
    *("variety", "variety_probability", "own_variety", "own_probability"),
    *("mixed_probability", "mixed_variety", "mixed_share", "dialectness"),
)


def _identify(options: argparse.Namespace) -> None:
    from transforms.identify import (
        CascadeSettings,
        IdentifySettings,
        SentenceIdentifier,
        adapt_to_lines,
        identified_lines,
    )

    if options.among and not options.then:
        raise SettingsError("--among goes with --then")
    if options.all and options.top > 1:
        raise SettingsError("--all prints one variety a line: it does not go with --top")
    expected = tuple(_known_variety(tag) for tag in options.expect.split(",")) if options.expect else ()
    among = tuple(_known_variety(tag) for tag in options.among.split(",")) if options.among else ()
    cascade = CascadeSettings(model=options.then, among=among) if options.then else None
    settings = _settings(
        IdentifySettings,
        model=options.model,
        top=options.top,
        cascade=cascade,
        context="document" if options.context else "none",
        mixed_from=0.0 if options.all else None,
    )
    identifier = SentenceIdentifier(settings, expected)
    chunks: Iterable[list[str]] = (
        _documents(_lines(options.files)) if options.context else _chunks(_lines(options.files))
    )
    if options.adapt:
        chunks = list(chunks)
        report = adapt_to_lines(identifier, ([_clean(line) for line in lines] for lines in chunks))
        found = (
            f"{report.moved:.3f} of the lines changed their variety" if report.is_used else f"not used: {report.why}"
        )
        print(f"isogloss identify: adaptation to {report.lines:,} lines: {found}", file=sys.stderr)
    if options.all:
        _write("\t".join([*_IDENTIFY_COLUMNS, "line"]))
    for lines in chunks:
        texts = [_clean(line) for line in lines]
        if options.all:
            made = identified_lines(texts, identifier)
            rows = zip(*(made.texts(name) for name in _IDENTIFY_COLUMNS), lines, strict=True)
            for *cells, line in rows:
                _write("\t".join([*("" if cell is None else _cell(cell) for cell in cells), line]))
            continue
        for line, answer in zip(lines, identifier.answers(texts, in_context=options.context), strict=True):
            _write("\t".join([*_shown(answer, options.top), line]))


def _documents(lines: Iterator[str]) -> Iterator[list[str]]:
    """Gather whole documents, which an empty line ends; one of more lines than a batch has rows is cut."""
    from schemas.table import BATCH_ROWS

    gathered: list[str] = []
    document: list[str] = []
    for line in lines:
        document.append(line)
        if not line.strip() or len(document) == BATCH_ROWS:
            if len(gathered) + len(document) > BATCH_ROWS:
                yield gathered
                gathered = []
            gathered += document
            document = []
    for part in (gathered, document) if len(gathered) + len(document) > BATCH_ROWS else (gathered + document,):
        if part:
            yield part


def _shown(answer: Any, top: int) -> list[str]:
    """Give tags and probabilities, `top` of them; the first is the decision, an unknown probability is empty."""
    from schemas.table import UNDETERMINED

    found: list[tuple[str, float | None]] = [(answer.tag, answer.probability)]
    found += [candidate for candidate in answer.candidates if candidate[0] != answer.tag]
    found = [*found[:top], *[(UNDETERMINED, None)] * (top - len(found))]
    return [value for tag, probability in found for value in (tag, "" if probability is None else f"{probability:.4f}")]


def _add_pair(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    added = command(
        commands,
        "pair",
        _pair,
        "two files of lines -> mined pairs",
        """\
Find the lines of two files that say the same, by margin (Artetxe and Schwenk 2019). Prints:
score TAB source line TAB target line (counted from 1) TAB source TAB target, best first.
A line that stands twice is used once, at its first place; empty lines are left out. A tab within
a line is printed as a space.

examples:
  isogloss pair ligurian.txt italian.txt > pairs.tsv
  isogloss pair --precision 0.95 --probabilities a.txt b.txt
  isogloss pair --retrieval intersect --threshold 1.1 a.txt b.txt
  isogloss pair --monotone chapter.lij.txt chapter.it.txt

With --monotone the two files are one document, a sentence a line, that says the same in the same
order: sentences are aligned many to many, in order (3-4 stands for lines 3 and 4, joined), and the
score is 1 for the same text, about 0 for unrelated ones. What beads look like in these very files
(lengths, nearness, how often sentences are joined or left out) is learned from a first alignment.
""",
    )
    added.add_argument("source", help="file of lines")
    added.add_argument("target", help="file of lines")
    added.add_argument("--encoder", default="ngram", help="ngram (default), laser or sentence_transformers")
    added.add_argument(
        "--model",
        default="",
        help="the encoder's model: a path, or a name such as laser2; of sentence_transformers: a folder",
    )
    added.add_argument("--source-variety", metavar="TAG", help="variety of the source, for encoders that ask")
    added.add_argument("--target-variety", metavar="TAG", help="variety of the target")
    added.add_argument(
        "--vector-cache", default="", metavar="FOLDER", help="where dense vectors are kept and looked up"
    )
    added.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting of [embed], such as embed.precision=int8; can be repeated",
    )
    added.add_argument("--k", type=_positive, default=4, help="neighbours that the margin looks at (default 4)")
    added.add_argument("--margin", default="ratio", choices=("ratio", "distance", "absolute"))
    added.add_argument(
        "--retrieval",
        default="max",
        choices=("forward", "backward", "intersect", "max", "union"),
        help="default max: 1-1",
    )
    added.add_argument(
        "--threshold", type=float, help="least margin; by default chosen so that a pair is more likely right than wrong"
    )
    added.add_argument("--precision", type=float, help="share of right pairs that is wanted, in place of a threshold")
    added.add_argument("--calibration", metavar="CURVE", help="curve that `isogloss calibrate` fitted on judged pairs")
    added.add_argument("--one-pass", action="store_true", help="do not learn from the sure pairs and look again")
    added.add_argument(
        "--probabilities",
        action="store_true",
        help="a column more, behind the score: probability that the pair is right",
    )
    added.add_argument("--monotone", action="store_true", help="align two documents sentence by sentence, in order")
    added.add_argument(
        "--largest",
        type=_positive,
        default=4,
        metavar="N",
        help="monotone: most lines of a pair, both sides (default 4)",
    )


def _pair(options: argparse.Namespace) -> None:
    from transforms.embed import embed_lines
    from transforms.mine import MineSettings, mine_texts

    if options.monotone:
        _pair_monotone(options)
        return
    sides = [_distinct_lines(path) for path in (options.source, options.target)]
    (source_lines, source_texts, source_numbers), (target_lines, target_texts, target_numbers) = sides
    embed = _embed_settings(options)
    mine = _settings(
        MineSettings,
        k=options.k,
        margin=options.margin,
        retrieval=options.retrieval,
        threshold=options.threshold,
        precision=options.precision,
        calibration=options.calibration,
        second_pass=not options.one_pass,
    )
    vectors = _finite(embed_lines(source_texts, target_texts, embed, varieties=_varieties(options)), embed)
    _tell_lookups(vectors)
    mined = mine_texts(vectors.a, vectors.b, (source_texts, target_texts), mine)
    found = mined.pairs.take(mined.is_kept)
    probabilities = mined.probabilities[mined.is_kept].tolist()
    rows = zip(found.margin.tolist(), found.source.tolist(), found.target.tolist(), probabilities, strict=True)
    for score, i, j, probability in sorted(rows, key=lambda row: (-row[0], row[1], row[2])):
        a, b = source_numbers[i], target_numbers[j]
        shown = "\t".join(line.replace("\t", " ") for line in (source_lines[a], target_lines[b]))
        told = ""
        if options.probabilities:
            told = "\t" if math.isnan(probability) else f"\t{probability:.4f}"
        _write(f"{score:.4f}{told}\t{a + 1}\t{b + 1}\t{shown}")


def _pair_monotone(options: argparse.Namespace) -> None:
    import numpy as np

    from transforms.embed import embed_lines
    from transforms.mine import Document, align_documents
    from transforms.normalize import normalize_text

    sides: list[list[tuple[int, str, str]]] = []
    for path in (options.source, options.target):
        cleaned = ((n, line, normalize_text(_clean(line))[0].strip()) for n, line in enumerate(_lines([path]), 1))
        sides.append([row for row in cleaned if row[2]])
    embed = _embed_settings(options)
    # All runs of both sides are embedded together: they must lie in one space.
    runs = [
        [[" ".join(row[2] for row in side[i : i + length]) for i in range(len(side) - length + 1)] for side in sides]
        for length in range(1, max(options.largest, 2))
    ]
    texts = [[text for of_length in runs for text in of_length[place]] for place in (0, 1)]
    vectors = _finite(embed_lines(texts[0], texts[1], embed, varieties=_varieties(options)), embed)
    _tell_lookups(vectors)
    starts = [np.cumsum([0, *(len(of_length[place]) for of_length in runs)]) for place in (0, 1)]
    lengths = [np.array([len(row[2]) for row in side], dtype=np.float64) for side in sides]
    document = Document(
        lambda length: vectors.a[starts[0][length - 1] : starts[0][length]],
        lambda length: vectors.b[starts[1][length - 1] : starts[1][length]],
        (len(sides[0]), len(sides[1])),
        (lengths[0], lengths[1]),
    )
    beads = align_documents([document], largest=options.largest)[0]
    for bead in beads:
        joined = (sides[0][bead.source_start : bead.source_end], sides[1][bead.target_start : bead.target_end])
        if not all(joined) or (options.threshold is not None and 1 - bead.cost < options.threshold):
            continue
        numbers = [f"{rows[0][0]}-{rows[-1][0]}" if len(rows) > 1 else f"{rows[0][0]}" for rows in joined]
        shown = [" ".join(row[1].strip().replace("\t", " ") for row in rows) for rows in joined]
        _write("\t".join([f"{1 - bead.cost:.4f}", *numbers, *shown]))


def _finite(vectors: Any, settings: Any) -> Any:
    """Give the vectors of both sides back; refuse those that are no numbers, with the model that made them."""
    from transforms.mine.neighbours import check_vectors

    for side, rows in (("source", vectors.a), ("target", vectors.b)):
        try:
            check_vectors(rows, side)
        except ValueError as error:
            name = settings.model or settings.encoders[0]
            raise SettingsError(
                f"the encoder {name!r} gives no vectors that can be compared: {error}",
                cure="Use another model; this one's weights are damaged or its precision is too low.",
            ) from error
    return vectors


def _varieties(options: argparse.Namespace) -> tuple[str, str]:
    """Give the varieties of both sides; empty where the options of `pair` name none."""
    source, target = (_known_variety(tag) if tag else "" for tag in (options.source_variety, options.target_variety))
    return source, target


def _embed_settings(options: argparse.Namespace) -> Any:
    """Give the settings of [embed] by the options of `pair`, and check that the models can be used."""
    from pipelines.config import changed
    from transforms.embed import EmbedSettings, check_models

    values: dict[str, Any] = {"encoders": [options.encoder]}
    if options.model and options.encoder == "sentence_transformers":
        values["sentence_transformers"] = {"model": options.model}
    elif options.model:
        values["model"] = options.model
    if options.vector_cache:
        values["vector_cache"] = options.vector_cache
    embed = changed(EmbedSettings, "embed", values, options.set)
    check_models(embed, _varieties(options))
    return embed


def _tell_lookups(vectors: Any) -> None:
    if vectors.found or vectors.made:
        print(
            f"isogloss pair: vectors of {vectors.found:,} texts from the cache, of {vectors.made:,} made",
            file=sys.stderr,
        )


def _distinct_lines(path: str) -> tuple[list[str], list[str], list[int]]:
    """Give all lines of a file, the normalized ones that differ and are not empty, and where each first stands."""
    from transforms.normalize import normalize_text

    lines = list(_lines([path]))
    first: dict[str, int] = {}
    for number, line in enumerate(lines):
        text = normalize_text(_clean(line))[0].strip()
        if text:
            first.setdefault(text, number)
    return lines, list(first), list(first.values())


def _add_align(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    added = command(
        commands,
        "align",
        _align,
        "pairs -> word links (Pharaoh)",
        """\
Link the words of sentence pairs. Reads source TAB target (further columns before them, as
`isogloss pair` prints, are skipped). Prints Pharaoh links, i-j counted from 0, a line a pair (an
empty one for an empty line); with --probabilities i-j:p. The association aligner learns from the
very pairs that it is given: the more, the better. Several aligners, joined by +, vote.

examples:
  isogloss align pairs.tsv > pairs.pharaoh
  isogloss align --aligner simalign --model bert --method itermax --probabilities pairs.tsv
  isogloss align --aligner association+simalign --model bert pairs.tsv
""",
    )
    added.add_argument("pairs", nargs="?", default="-", metavar="PAIRS", help="TSV file; standard input when not given")
    added.add_argument(
        "--aligner", default="association", help="association (default), simalign, eflomal; several vote: a+b"
    )
    added.add_argument("--model", default="", help="simalign: a Hugging Face model folder or name")
    added.add_argument("--method", default="", help="simalign: inter, itermax, mwmf or softmax")
    added.add_argument("--tokenized", action="store_true", help="words are separated by spaces already")
    added.add_argument("--tokens", action="store_true", help="print the words of both sides before the links")
    added.add_argument("--probabilities", action="store_true", help="print i-j:p")


def _align(options: argparse.Namespace) -> None:
    from transforms.align import AlignSettings, align_pairs

    chosen = {"aligner": options.aligner} | {
        name: value for name in ("model", "method") if (value := getattr(options, name))
    }
    settings = _settings(AlignSettings, **chosen)
    pairs = [(_clean(a), _clean(b)) for a, b in _pairs(options.pairs)]
    for found in align_pairs(pairs, settings, tokenized=options.tokenized):
        links = " ".join(
            f"{link.source}-{link.target}:{link.probability:.4f}"
            if options.probabilities and link.probability is not None
            else f"{link.source}-{link.target}"
            for link in found.links
        )
        words = f"{' '.join(found.source_tokens)}\t{' '.join(found.target_tokens)}\t" if options.tokens else ""
        _write(words + links)


_LEXICON_COLUMNS = (
    *("source", "target", "probability", "backward_probability", "confidence", "count", "expected_count"),
    *("source_count", "target_count", "edit_similarity", "dialectness", "is_copy", "is_function_word"),
    *("source_entropy", "target_entropy", "source_variants", "target_variants"),
)


def _add_lexicon(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    added = command(
        commands,
        "lexicon",
        _lexicon,
        "pairs -> word pairs",
        """\
Make a lexicon of sentence pairs: their words are linked, the links are counted. Reads source TAB
target (further columns before them are skipped). Prints source TAB target TAB probability TAB
count, the best translations of a word first. With --all a header and further columns: probability
both ways, confidence (a lower bound), counts, edit similarity, marks of copies and function words,
other spellings (separated by spaces).

examples:
  isogloss lexicon pairs.tsv > lexicon.tsv
  isogloss lexicon --all --minimum-confidence 0.3 pairs.tsv
""",
    )
    added.add_argument("pairs", nargs="?", default="-", metavar="PAIRS", help="TSV file; standard input when not given")
    added.add_argument(
        "--aligner", default="association", help="association (default), simalign, eflomal; several vote: a+b"
    )
    added.add_argument("--model", default="", help="simalign: a Hugging Face model folder or name")
    added.add_argument("--tokenized", action="store_true", help="words are separated by spaces already")
    added.add_argument("--all", action="store_true", help="print a header and every column")
    added.add_argument("--minimum-count", type=int, default=1, metavar="N", help="least links of an entry (default 1)")
    added.add_argument(
        "--minimum-confidence", type=float, default=0.0, metavar="C", help="least confidence of an entry (default 0)"
    )


def _lexicon(options: argparse.Namespace) -> None:
    from transforms.align import AlignSettings, LexiconSettings, align_pairs, make_lexicon

    align = _settings(AlignSettings, aligner=options.aligner, model=options.model or None)
    settings = _settings(LexiconSettings, minimum_count=options.minimum_count)
    pairs = [(_clean(a), _clean(b)) for a, b in _pairs(options.pairs)]
    made = make_lexicon(align_pairs(pairs, align, tokenized=options.tokenized), settings=settings)
    columns = _LEXICON_COLUMNS if options.all else ("source", "target", "probability", "count")
    if options.all:
        _write("\t".join(columns))
    rows = [row for row in made.rows() if row["confidence"] >= options.minimum_confidence]
    for row in sorted(rows, key=lambda row: (row["source"], -row["probability"], row["target"])):
        _write("\t".join(_cell(row[name]) for name in columns))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4f}"
    return " ".join(value) if isinstance(value, list) else str(value)


def _add_score(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    added = command(
        commands,
        "score",
        _score,
        "pairs -> a table of scores",
        """\
Score sentence pairs. Reads source TAB target (further columns before them are skipped). Prints a
TSV with a header: every score, then source and target; an empty field means: not known. What a
score means, its range and which end is good: `isogloss score --list`, docs/scores.md.

examples:
  isogloss score pairs.tsv > scores.tsv
  isogloss score --scores length_ratio,number_agreement pairs.tsv
""",
    )
    added.add_argument("pairs", nargs="?", default="-", metavar="PAIRS", help="TSV file; standard input when not given")
    added.add_argument("--scores", metavar="NAMES", help="which scores, separated by commas (default all)")
    added.add_argument("--source-variety", metavar="TAG", help="what the source should be in, for `identification`")
    added.add_argument("--target-variety", metavar="TAG", help="what the target should be in")
    added.add_argument("--list", action="store_true", help="list the scores and what they mean")


def _score(options: argparse.Namespace) -> None:
    from schemas.table import UNDETERMINED
    from transforms.align import align_pairs
    from transforms.score import score_fields, score_names, score_pairs

    if options.list:
        for spec in score_fields():
            about = {key.decode(): value.decode() for key, value in spec.metadata.items()}
            _write(f"{spec.name}\t{about['range']}\t{about['better']}\t{about['meaning']}")
        return
    names = tuple(name.strip() for name in options.scores.split(",")) if options.scores else ()
    unknown = sorted(set(names) - set(score_names()))
    if unknown:
        raise SettingsError(f"there is no score {unknown[0]!r}", cure="See `isogloss score --list`.")
    pairs = list(_pairs(options.pairs))
    texts = [(_clean(a), _clean(b)) for a, b in pairs]
    table = score_pairs(
        texts,
        names,
        aligned=align_pairs(texts) if texts else [],
        source_variety=options.source_variety or UNDETERMINED,
        target_variety=options.target_variety or UNDETERMINED,
        source_probabilities=_probabilities([a for a, _ in texts], options.source_variety),
        target_probabilities=_probabilities([b for _, b in texts], options.target_variety),
        learn_fluency=True,
    )
    _write("\t".join([*table.column_names, "source", "target"]))
    columns = [column.to_pylist() for column in table.columns]
    for i, (source, target) in enumerate(pairs):
        _write("\t".join([*(_score_cell(column[i]) for column in columns), source, target]))


def _score_cell(value: Any) -> str:
    """Write a score: nothing where it is not known, numbers of a list with spaces between, spans as side:first-last."""
    if isinstance(value, list):
        return " ".join(
            f"{item['side']}:{item['start']}-{item['end'] - 1}" if isinstance(item, dict) else f"{item:.2f}"
            for item in value
        )
    return "" if value is None else f"{value:.4f}"


def _probabilities(texts: list[str], variety: str | None) -> list[float | None] | None:
    """Give the probability of a variety for every text; None when no variety is claimed."""
    from transforms.identify import identify_lines

    if variety is None:
        return None
    tag = _known_variety(variety)
    answers = identify_lines(texts, top=1000)
    return [dict(answer.candidates).get(tag, 0.0) if answer.candidates else None for answer in answers]


def _settings(kind: type, **values: Any) -> Any:
    try:
        return msgspec.convert({name: value for name, value in values.items() if value is not None}, kind, strict=True)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from error


def _known_variety(name: str) -> str:
    from schemas.variety import find

    variety = find(name.strip())
    if variety is None:
        raise SettingsError(f"the variety {name!r} is not in the registry", cure="See `isogloss varieties`.")
    return variety.tag


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> SettingsError:
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return SettingsError(f"there is no file {path!r}")
    return SettingsError(f"{path!r} cannot be read: {error.strerror or error}")


def _lines(paths: Sequence[str]) -> Iterator[str]:
    """Read lines: only a newline ends one, a byte order mark is dropped, other bytes are kept as they are."""
    for path in paths or ["-"]:
        if path == "-":
            yield from _lines_of(sys.stdin.buffer)
            continue
        try:
            with open(path, "rb") as file:  # noqa: PTH123 -- the same for a path as the shell gave it
                yield from _lines_of(file)
        except OSError as error:
            raise _unreadable(path, error) from error


def _lines_of(file: Any) -> Iterator[str]:
    for number, line in enumerate(file):
        data = line.removesuffix(b"\n").removesuffix(b"\r")
        yield (data.removeprefix(b"\xef\xbb\xbf") if number == 0 else data).decode("utf-8", "surrogateescape")


def _pairs(path: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines([path]), start=1):
        columns = line.split("\t") if line else ["", ""]
        if len(columns) < 2:
            raise SettingsError(f"{path}, line {number}: expected source TAB target, got {line[:60]!r}")
        yield columns[-2], columns[-1]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def _chunks(lines: Iterator[str], size: int = 65536) -> Iterator[list[str]]:
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _clean(line: str) -> str:
    """Give the text that models may read: undecodable bytes become the replacement character, one for one."""
    return line if line.isascii() else "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in line)


def _write(line: str, file: TextIO | None = None) -> None:
    (file or sys.stdout).buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
