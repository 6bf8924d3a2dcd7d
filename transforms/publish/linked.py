"""What the links of a corpus make of it: code-switched sentences, projected annotation, interleaved documents. Pure.

- Code-switched: words and short phrases of the source sentence give way to what they are linked with.
- Projection: CoNLL-U sentences of one side in, CoNLL-U of the other side out, along the links (Yarowsky et al. 2001;
  Tiedemann 2014 for dependencies).
- Interleaved: the pairs of two documents in the order of the source, sentence by sentence.

All choices follow from content, so the same corpus gives the same bytes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

from schemas.corpus import CorpusBatch
from schemas.errors import SettingsError
from schemas.identity import content_id

LEAST_PROBABILITY = 0.5
"""Links below this are not followed; one without a probability is."""

_Span = tuple[int, int]


class Phrase(NamedTuple):
    """Words in a row on both sides that are linked with each other and with nothing else.

    Attributes:
        source, target: first word, and one past the last.
    """

    source: _Span
    target: _Span


def write_code_switched(batches: Iterable[CorpusBatch], out: IO[str], *, share: float = 0.3) -> int:
    """Write a JSON object a row that has words to switch: pair_id, varieties, text, spans; give their number.

    Args:
        batches: corpus rows.
        out: gets the lines.
        share: share of the source's words that are switched, more or less, more than 0 to 1.
    """
    written = 0
    for batch in batches:
        for row in batch.rows():
            made = code_switched(row, share)
            if made is None:
                continue
            text, spans = made
            line = {
                "pair_id": row["pair_id"],
                "source_variety": row["source_variety"],
                "target_variety": row["target_variety"],
                "text": text,
                "switched": [{"start": start, "end": end} for start, end in spans],
            }
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            written += 1
    return written


def code_switched(row: Mapping[str, Any], share: float = 0.3) -> tuple[str, list[_Span]] | None:
    """Put target words into the source sentence.

    Phrases are taken in the order of a digest of pair and place, until the share is reached; those that are the same
    on both sides, and punctuation, are none.

    Args:
        row: a corpus row.
        share: as in `write_code_switched`.

    Returns:
        The text, and where in it the target's words stand; None where there is nothing to switch.
    """
    if row["links"] is None:
        return None
    places = {side: token_spans(row[f"{side}_text"], row[f"{side}_tokens"]) for side in ("source", "target")}
    candidates = [
        phrase
        for phrase in phrases(row["links"])
        if _of(row, "source", places, phrase.source).casefold() != _of(row, "target", places, phrase.target).casefold()
        and any(c.isalpha() for c in _of(row, "source", places, phrase.source))
        and any(c.isalpha() for c in _of(row, "target", places, phrase.target))
    ]
    candidates.sort(key=lambda phrase: content_id("switch", row["pair_id"], phrase.source[0]))
    words = sum(any(c.isalpha() for c in token) for token in row["source_tokens"])
    chosen: list[Phrase] = []
    for phrase in candidates:
        if chosen and sum(end - start for (start, end), _ in chosen) >= share * words:
            break
        chosen.append(phrase)
    if not chosen:
        return None
    parts, spans, at, length = [], [], 0, 0
    for phrase in sorted(chosen):
        start, end = places["source"][phrase.source[0]][0], places["source"][phrase.source[1] - 1][1]
        said = _of(row, "target", places, phrase.target)
        length += start - at
        parts += [row["source_text"][at:start], said]
        spans.append((length, length + len(said)))
        length += len(said)
        at = end
    return "".join([*parts, row["source_text"][at:]]), spans


def phrases(links: Sequence[Mapping[str, Any]]) -> list[Phrase]:
    """Give what is linked in one piece: sets of links that share words, where both sides' words stand in a row."""
    followed = [
        (link["source"], link["target"])
        for link in links
        if link["probability"] is None or link["probability"] >= LEAST_PROBABILITY
    ]
    group_of: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for source, target in followed:
        mine = group_of.setdefault((0, source), [])
        other = group_of.setdefault((1, target), mine)
        if other is not mine:
            mine += other
            for one in other:
                group_of[0, one[0]] = group_of[1, one[1]] = mine
        mine.append((source, target))
        group_of[1, target] = mine
    out = []
    for group in {id(group): group for group in group_of.values()}.values():
        sides = [sorted({link[side] for link in group}) for side in (0, 1)]
        if all(side[-1] - side[0] + 1 == len(side) for side in sides):
            out.append(Phrase((sides[0][0], sides[0][-1] + 1), (sides[1][0], sides[1][-1] + 1)))
    return sorted(out)


def token_spans(text: str, tokens: Sequence[str]) -> list[_Span]:
    """Give where each token begins and ends in its text, in code points.

    Raises:
        ValueError: the tokens are not of this text, in this order.
    """
    places, end = [], 0
    for token in tokens:
        start = text.index(token, end)
        end = start + len(token)
        places.append((start, end))
    return places


class Word(NamedTuple):
    """A word of a CoNLL-U sentence: its ten columns, and where it stands in the text."""

    columns: Sequence[str]
    span: _Span


class Annotated(NamedTuple):
    """A CoNLL-U sentence.

    Attributes:
        name: its `sent_id`; empty where it has none.
        text: its `text`.
        words: syntactic words; those of a multi-word token share its span. Empty nodes are left out.
    """

    name: str
    text: str
    words: list[Word]


def read_conllu(lines: Iterable[str]) -> Iterator[Annotated]:
    """Read CoNLL-U sentences.

    Args:
        lines: of a file; sentences end at an empty line.

    Raises:
        ValueError: a line that is none of the format, or words that are not those of the text; with its number.
    """
    comments: dict[str, str] = {}
    rows: list[list[str]] = []
    for number, line in enumerate([*lines, ""], start=1):
        plain = line.rstrip("\r\n")
        if plain.startswith("#"):
            key, _, value = plain[1:].partition("=")
            comments[key.strip()] = value.strip()
        elif plain.strip():
            columns = plain.split("\t")
            if len(columns) != 10:
                raise ValueError(f"line {number}: expected 10 columns separated by tabs, got {len(columns)}")
            rows.append(columns)
        elif rows:
            text = comments.get("text") or " ".join(row[1] for row in rows if row[0].isdecimal())
            try:
                words = _words_in(text, rows)
            except ValueError as error:
                raise ValueError(f"line {number}: a word is not in the text {text[:60]!r}") from error
            yield Annotated(comments.get("sent_id", ""), text, words)
            comments, rows = {}, []


def write_projected(batches: Iterable[CorpusBatch], annotated: Iterable[Annotated], out: IO[str]) -> int:
    """Write what annotation of one side says of the other; give the number of sentences.

    A CoNLL-U sentence belongs to every row that has its text on a side (white space aside), and is projected onto the
    other side. Rows without such a sentence, and sentences without a linked word, are left out.

    Args:
        batches: corpus rows with words and links.
        annotated: sentences, as `read_conllu` gives them.
        out: gets CoNLL-U.
    """
    known = {_folded(sentence.text): sentence for sentence in annotated}
    written = 0
    for batch in batches:
        for row in batch.rows():
            if row["links"] is None:
                continue
            for side, other in (("source", "target"), ("target", "source")):
                sentence = known.get(_folded(row[f"{side}_text"]))
                lines = project(row, sentence, side, other) if sentence is not None else []
                if lines:
                    out.write("\n".join(lines) + "\n\n")
                    written += 1
    return written


def project(row: Mapping[str, Any], sentence: Annotated, side: str, other: str) -> list[str]:
    """Give the CoNLL-U lines of the other side of a row; none where no word of it can be followed.

    Each word of the other side takes tags, features and relation of the word that its best link leads to. Where several
    words lead to one, the best linked of them stands for it, the others hang on it (`dep`). A head that has no
    counterpart gives way to its own head. Words without a link are `PUNCT` or `X` and hang on the root: every
    sentence is a tree with one root.
    """
    tokens = row[f"{other}_tokens"]
    followed = _follow(row, sentence, side, other)
    stands_for: dict[int, int] = {}
    for token, (word, _) in sorted(followed.items(), key=lambda item: (-item[1][1], item[0])):
        stands_for.setdefault(word, token)
    if not stands_for:
        return []
    heads: dict[int, int] = {}
    for word, token in stands_for.items():
        heads[token] = _projected_head(sentence.words, word, stands_for)
    roots = sorted(token for token, head in heads.items() if head < 0)
    root = roots[0]
    spans = token_spans(row[f"{other}_text"], tokens)
    lines = [f"# sent_id = {row['pair_id']}-{other}", f"# text = {_folded(row[f'{other}_text'])}"]
    if sentence.name:
        lines.append(f"# projected_from = {sentence.name}")
    for i, token in enumerate(tokens):
        misc = []
        if i in followed:
            word, probability = followed[i]
            columns = sentence.words[word].columns
            tags, relation = [columns[3], columns[4], columns[5]], columns[7]
            misc.append(f"Projected={probability:.2f}")
            head = heads.get(i, stands_for[word])
            if i not in heads:
                relation = "dep"
            elif head < 0:
                head, relation = (-1, "root") if i == root else (root, "parataxis")
        else:
            is_mark = not any(c.isalnum() for c in token)
            tags, relation, head = ["PUNCT" if is_mark else "X", "_", "_"], "punct" if is_mark else "dep", root
        if i + 1 < len(spans) and spans[i][1] == spans[i + 1][0]:
            misc.append("SpaceAfter=No")
        line = [
            str(i + 1),
            token.replace(" ", "\u00a0"),
            "_",
            *tags,
            str(head + 1),
            relation,
            "_",
            "|".join(misc) or "_",
        ]
        lines.append("\t".join(line))
    return lines


def write_interleaved(batches: Iterable[CorpusBatch], positions: Mapping[str, int], out: IO[str]) -> int:
    """Write a JSON object a pair of documents, its sentences in turn; give the number of objects.

    Args:
        batches: corpus rows.
        positions: place of each source sentence in its document, by sentence id.
        out: gets the lines: ids, URLs, varieties, `pairs` (source, target) in the order of the source, and `text`,
            where the sentences stand one a line, source before target.

    Raises:
        SettingsError: a source sentence has no place.
    """
    documents: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for batch in batches:
        for row in batch.rows():
            documents.setdefault((row["source_document_id"], row["target_document_id"]), []).append(row)
    for (source, target), rows in sorted(documents.items()):
        missing = next((row["source_id"] for row in rows if row["source_id"] not in positions), None)
        if missing is not None:
            raise SettingsError(
                f"the sentence {missing} is not among the sentences",
                cure="Give the checkpoint that the corpus was made of: --sentences OUTPUT/sentences.",
            )
        rows.sort(key=lambda row: (positions[row["source_id"]], row["pair_id"]))
        pairs = [[_folded(row["source_text"]), _folded(row["target_text"])] for row in rows]
        first = rows[0]
        line = {
            "source_document_id": source,
            "target_document_id": target,
            **{
                f"{side}_{name}": first[f"{side}_{name}"]
                for side in ("source", "target")
                for name in ("variety", "url")
            },
            "pairs": pairs,
            "text": "\n".join(text for pair in pairs for text in pair),
        }
        out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return len(documents)


def _of(row: Mapping[str, Any], side: str, places: Mapping[str, list[_Span]], span: _Span) -> str:
    return str(row[f"{side}_text"][places[side][span[0]][0] : places[side][span[1] - 1][1]])


def _words_in(text: str, rows: Sequence[Sequence[str]]) -> list[Word]:
    words, end, shared, last = [], 0, (0, 0), 0
    for columns in rows:
        number, form = columns[0], columns[1]
        if "." in number:  # an empty node
            continue
        if "-" in number:
            start = text.index(form, end)
            shared = (start, start + len(form))
            end, last = shared[1], int(number.partition("-")[2])
            continue
        if int(number) <= last:
            words.append(Word(columns, shared))
            continue
        start = text.index(form, end)
        end = start + len(form)
        words.append(Word(columns, (start, end)))
    return words


def _follow(row: Mapping[str, Any], sentence: Annotated, side: str, other: str) -> dict[int, tuple[int, float]]:
    """Give, for each word of the other side that has a link, the annotated word and the link's probability."""
    folded = _folded(row[f"{side}_text"])
    tokens = [_folded(token) for token in row[f"{side}_tokens"]]
    ours = token_spans(folded, tokens)
    theirs = _refolded(sentence)
    word_of: dict[int, int] = {}
    for i, (start, end) in enumerate(ours):
        # a word of a multi-word token shares its span: the first of them stands for it
        overlaps = [min(end, stop) - max(start, begin) for begin, stop in theirs]
        best = max(range(len(overlaps)), key=lambda j: (overlaps[j], -j), default=-1)
        if best >= 0 and overlaps[best] > 0:
            word_of[i] = best
    followed: dict[int, tuple[int, float]] = {}
    for link in row["links"]:
        probability = 1.0 if link["probability"] is None else link["probability"]
        word = word_of.get(link[side])
        if word is None or probability < LEAST_PROBABILITY:
            continue
        if link[other] not in followed or probability > followed[link[other]][1]:
            followed[link[other]] = (word, probability)
    return followed


def _refolded(sentence: Annotated) -> list[_Span]:
    """Give the words' spans in the text with white space folded."""
    places, length, gap = [], 0, True
    for c in sentence.text:
        places.append(length)
        if not c.isspace():
            length, gap = length + 1, False
        elif not gap:
            length, gap = length + 1, True
    places.append(length)
    return [(places[start], places[end - 1] + 1) for start, end in (word.span for word in sentence.words)]


def _projected_head(words: Sequence[Word], word: int, stands_for: Mapping[int, int]) -> int:
    """Climb from a word to the next head that has a counterpart; -1 at the root, or where heads go in circles."""
    seen = {word}
    while True:
        head = words[word].columns[6]
        if not head.isdecimal() or head == "0":
            return -1
        word = next((i for i, other in enumerate(words) if other.columns[0] == head), -1)
        if word < 0 or word in seen:
            return -1
        if word in stands_for:
            return stands_for[word]
        seen.add(word)


def _folded(text: str) -> str:
    return " ".join(text.split())
