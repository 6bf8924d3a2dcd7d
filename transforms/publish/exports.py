"""A published corpus in the formats of other tools: TMX 1.4b, Moses, JSON lines, Pharaoh, and what its links make of it.

Readers of the corpus's own shards, in the order of the manifest, a shard at a time. Texts are the texts as
found. The formats that have a sentence a line get white space folded, or a line break would shift all lines
behind it. TMX is XML, which has no place for some control characters: those are left out.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal
from xml.sax.saxutils import escape, quoteattr

from schemas.corpus import CorpusBatch
from schemas.errors import SettingsError
from transforms.common import files
from transforms.common.checkpoint import shard_references
from transforms.common.shards import ShardReference, read_shard
from transforms.publish.decide import score_names
from transforms.publish.linked import Annotated, read_conllu, write_code_switched, write_interleaved, write_projected

Format = Literal["tmx", "moses", "jsonl", "pharaoh", "code-switched", "conllu", "interleaved"]
TOOL = "isogloss"

_ENDINGS = {
    "tmx": ".tmx",
    "jsonl": ".jsonl",
    "code-switched": ".code-switched.jsonl",
    "conllu": ".conllu",
    "interleaved": ".interleaved.jsonl",
}
"""What is put behind the output's name, in formats of one file."""

# What XML 1.0 cannot hold, section 2.2: control characters, surrogates, U+FFFE and U+FFFF.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_tmx(batches: Iterable[CorpusBatch], out: IO[str]) -> int:
    """Write TMX 1.4b, a `<tu>` a row, scores as `<prop>`; give the number of rows.

    Args:
        batches: corpus rows, of one or several variety pairs.
        out: a text file, UTF-8.
    """
    out.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">\n'
        f'<header creationtool="{TOOL}" creationtoolversion="1" segtype="sentence" o-tmf="Parquet" adminlang="en" '
        'srclang="*all*" datatype="plaintext"/>\n<body>\n'
    )
    written = 0
    for batch in batches:
        scores = score_names(batch.data.schema)
        for row in batch.rows():
            out.write(_unit(row, scores))
        written += len(batch)
    out.write("</body>\n</tmx>\n")
    return written


def write_moses(batches: Iterable[CorpusBatch], source_out: IO[str], target_out: IO[str]) -> int:
    """Write two files of one sentence a line; give the number of lines.

    Args:
        batches: corpus rows of one variety pair.
        source_out: gets the source sentences.
        target_out: gets the target sentences.
    """
    written = 0
    for batch in batches:
        source_out.writelines(f"{_one_line(text)}\n" for text in batch.texts("source_text"))
        target_out.writelines(f"{_one_line(text)}\n" for text in batch.texts("target_text"))
        written += len(batch)
    return written


def write_jsonl(batches: Iterable[CorpusBatch], out: IO[str]) -> int:
    """Write a JSON object a row, every column in it; give the number of rows."""
    written = 0
    for batch in batches:
        out.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in batch.rows())
        written += len(batch)
    return written


def write_pharaoh(batches: Iterable[CorpusBatch], links_out: IO[str], tokens_out: IO[str]) -> int:
    """Write word links (`0-0 1-2`, counted from 0) and the words they count; give the number of lines.

    A row without alignment has an empty line of links, and its texts cut at white space for words.

    Args:
        batches: corpus rows of one variety pair.
        links_out: gets the links.
        tokens_out: gets `source words ||| target words`, as word aligners read them.
    """
    written = 0
    for batch in batches:
        for row in batch.rows():
            links = " ".join(f"{link['source']}-{link['target']}" for link in row["links"] or [])
            sides = [_words(row[f"{side}_tokens"], row[f"{side}_text"]) for side in ("source", "target")]
            links_out.write(f"{links}\n")
            tokens_out.write(" ||| ".join(sides) + "\n")
        written += len(batch)
    return written


def export(
    folder: str, to: Format, output: str, *, share: float = 0.3, annotations: str = "", sentences: str = ""
) -> list[Path]:
    """Write a corpus in another format; give the files.

    Args:
        folder: a finished corpus.
        to: the format.
        output: path that the names of the files start with, such as `out/corpus`: `corpus.tmx`, `corpus.jsonl`,
            `corpus.lij-it.lij` and `corpus.lij-it.it` (Moses), `corpus.lij-it.links` and `corpus.lij-it.tokens`,
            `corpus.code-switched.jsonl`, `corpus.conllu`, `corpus.interleaved.jsonl`. An ending that is added need not
            be given, but may; in a folder (one that is there, or a path with a slash at its end) files start with `corpus`.
        share: code-switched: share of the words that are switched.
        annotations: conllu: file of CoNLL-U sentences of one side, to project onto the other.
        sentences: interleaved: the checkpoint of sentences, whose order is taken; by default the one beside the corpus.

    Raises:
        SettingsError: the folder is no finished corpus, or what the format needs is missing.
    """
    shards = _shards(folder)
    prefix = _prefix(output, _ENDINGS.get(to, ""))
    prefix.parent.mkdir(parents=True, exist_ok=True)
    if to in ("code-switched", "conllu", "interleaved"):
        return [_export_linked(folder, shards, to, prefix, share, annotations, sentences)]
    if to in ("tmx", "jsonl"):
        path = prefix.with_name(prefix.name + _ENDINGS[to])
        write: Callable[[Iterable[CorpusBatch], IO[str]], int] = write_tmx if to == "tmx" else write_jsonl
        with path.open("w", encoding="utf-8", newline="\n") as out:
            write(_rows(shards), out)
        return [path]
    written = []
    for name, (source, target), rows in _by_pair(shards):
        ends = (source, target) if to == "moses" else ("links", "tokens")
        first, second = (prefix.with_name(f"{prefix.name}.{name}.{end}") for end in ends)
        with (
            first.open("w", encoding="utf-8", newline="\n") as one,
            second.open("w", encoding="utf-8", newline="\n") as other,
        ):
            (write_moses if to == "moses" else write_pharaoh)(rows, one, other)
        written += [first, second]
    return written


def _prefix(output: str, ending: str) -> Path:
    if output.endswith(("/", os.sep)) or Path(output).is_dir():
        return Path(output) / "corpus"
    return Path(output.removesuffix(ending))


def _export_linked(
    folder: str, shards: list[ShardReference], to: Format, prefix: Path, share: float, annotations: str, sentences: str
) -> Path:
    path = prefix.with_name(prefix.name + _ENDINGS[to])
    annotated = _read_annotations(annotations) if to == "conllu" else []
    positions = _positions(sentences or files.join(str(folder), "..", "sentences")) if to == "interleaved" else {}
    with path.open("w", encoding="utf-8", newline="\n") as out:
        if to == "code-switched":
            write_code_switched(_rows(shards), out, share=share)
        elif to == "conllu":
            write_projected(_rows(shards), annotated, out)
        else:
            write_interleaved(_rows(shards), positions, out)
    return path


def _read_annotations(path: str) -> list[Annotated]:
    if not path:
        raise SettingsError("conllu needs annotated sentences", cure="Give --annotations FILE, in CoNLL-U.")
    try:
        return list(read_conllu(files.read_bytes(path).decode("utf-8").split("\n")))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no file {path!r}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is no CoNLL-U: {error}") from error


def _positions(folder: str) -> dict[str, int]:
    """Read the place of every sentence in its document."""
    try:
        shards = shard_references(folder)
    except FileNotFoundError as error:
        raise SettingsError(str(error), cure="Give --sentences FOLDER: OUTPUT/sentences.") from error
    tables = [files.read_parquet(shard.full_path, ["sentence_id", "position"]) for shard in shards]
    return {
        name: place
        for table in tables
        for name, place in zip(table["sentence_id"].to_pylist(), table["position"].to_pylist(), strict=True)
    }


def _shards(folder: str) -> list[ShardReference]:
    try:
        return shard_references(folder)
    except FileNotFoundError as error:
        raise SettingsError(str(error), cure="Give the folder of a corpus: OUTPUT/corpus.") from error


def _rows(shards: Iterable[ShardReference]) -> Iterator[CorpusBatch]:
    for shard in shards:
        yield from read_shard(CorpusBatch, shard).pieces()


def _by_pair(shards: list[ShardReference]) -> Iterator[tuple[str, tuple[str, str], Iterator[CorpusBatch]]]:
    """Give the rows by the folder of their variety pair; all rows of a folder have one pair."""
    by_folder: dict[str, list[ShardReference]] = {}
    for shard in shards:
        by_folder.setdefault(shard.path.rpartition("/")[0], []).append(shard)
    for name, mine in sorted(by_folder.items()):
        first = read_shard(CorpusBatch, mine[0]).data.slice(0, 1).to_pylist()[0]
        yield name, (first["source_variety"], first["target_variety"]), _rows(mine)


def _unit(row: dict[str, Any], scores: list[str]) -> str:
    props = [(score, row[score]) for score in scores if row[score] is not None]
    lines = [f"<tu tuid={quoteattr(row['pair_id'])}>"]
    lines += [f"<prop type={quoteattr(score)}>{_number(value)}</prop>" for score, value in props]
    for side in ("source", "target"):
        lines.append(f"<tuv xml:lang={quoteattr(row[f'{side}_variety'])}>")
        lines += [
            f"<prop type={quoteattr(name)}>{escape(_xml(row[f'{side}_{name}']))}</prop>"
            for name in ("url", "licence")
            if row[f"{side}_{name}"]
        ]
        lines.append(f"<seg>{escape(_xml(row[f'{side}_text']))}</seg></tuv>")
    return "".join([*lines, "</tu>\n"])


def _number(value: float | bool) -> str:
    # Nine significant digits give a float32 back exactly.
    return f"{value:.9g}" if isinstance(value, float) else str(value).lower()


def _xml(text: str) -> str:
    return _NOT_XML.sub("", text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _words(tokens: list[str] | None, text: str) -> str:
    return _one_line(text) if tokens is None else " ".join(_one_line(token) for token in tokens)
