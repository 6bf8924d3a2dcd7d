"""`isogloss train-identifier`: a model from labelled lines; and the labelled lines of the model in the package.

isogloss train-identifier labelled.tsv -o model.ftz
python -m pipelines.train_identifier embedded --data ../shared/data -o transforms/identify/models/embedded.ftz
"""

import argparse
import bz2
import gzip
import html
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

import msgspec

from schemas.errors import SettingsError
from schemas.identity import bucket_of, content_digest, content_id
from transforms.identify.text import prepare_texts
from transforms.identify.training import (
    RECIPE,
    Labelled,
    Part,
    TrainingPlan,
    divide,
    read_labelled,
    train_best,
    train_identifier,
    write_facts,
)

BLOCK_LINES = 50
"""Lines that stand for a document where the data have no documents: neighbours are often of one text."""


@dataclass(frozen=True)
class DataSet:
    """A data set of the embedded model.

    Attributes:
        name: its folder.
        origin: where it comes from.
        licence: of the data.
        read: gives its labelled lines from the folder.
        split: how its parts were cut, in words.
    """

    name: str
    origin: str
    licence: str
    read: Callable[[Path], Iterator[Labelled]]
    split: str


def part_of(kind: str, *names: str | int) -> Part:
    """Give the part of a document by its name: 8 % dev, 8 % test."""
    place = bucket_of(content_id(kind, *names), 100)
    return "dev" if place < 8 else "test" if place < 16 else "train"


# ---------------------------------------------------------------- OLDI Seed: the demo's documents are left out
SEED_LANGUAGES = {
    "eng_Latn": "en", "ita_Latn": "it", "spa_Latn": "es", "lij_Latn": "lij", "lmo_Latn": "lmo", "fur_Latn": "fur",
    "ary_Arab": "ary", "arz_Arab": "arz",
}  # fmt: skip


def seed_part(url: str) -> Literal["demo"] | Part:
    """Give the part of a page of OLDI Seed: below 36 demo, to 43 dev, to 51 test, the rest train."""
    place = bucket_of(content_id("oldi-seed", url.partition("#")[0]), 100)
    return "demo" if place < 36 else "dev" if place < 44 else "test" if place < 52 else "train"


def seed_lines(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Give tag, text and part (demo too) of every line."""
    urls = _lines(folder / "seed" / "metadata.tsv")[1:]
    for name, tag in SEED_LANGUAGES.items():
        for url, text in zip(urls, _lines(folder / "seed" / name), strict=True):
            yield tag, text, seed_part(url.strip())


def _read_seed(folder: Path) -> Iterator[Labelled]:
    for tag, text, part in seed_lines(folder):
        if part != "demo":
            yield Labelled(tag, text, part)  # type: ignore[arg-type]


# ---------------------------------------------------------------- parallel text by lines
def _blocks(name: str, tag: str, lines: Iterable[str]) -> Iterator[Labelled]:
    for number, line in enumerate(lines):
        yield Labelled(tag, line, part_of(name, number // BLOCK_LINES))


def _read_zenamt(folder: Path) -> Iterator[Labelled]:
    for language, tag in (("lij", "lij"), ("ita", "it")):
        yield from _blocks("zenamt", tag, _lines(folder / f"train.{language}"))
        for path in sorted((folder / "valid").glob(f"*.{language}")):
            yield from (Labelled(tag, line, "test") for line in _lines(path))


def _read_aranese(folder: Path) -> Iterator[Labelled]:
    for language, tag in (("aranese", "oc-aranese"), ("catalan", "ca")):
        with gzip.open(folder / f"sentences.{language}.txt.gz", "rt", encoding="utf-8") as file:
            yield from _blocks("pilar-aranese", tag, file)
    for name in ("crawled", "literary"):
        with zipfile.ZipFile(folder / "asturian" / f"{name}.zip") as archive:
            lines = archive.read(f"{name}.txt").decode("utf-8").split("\n")
        # The journal gives each title and summary in English too.
        asturian = (line for line in lines if len(line) >= 8 and not _ENGLISH.search(line))
        yield from _blocks(f"pilar-asturian/{name}", "ast", asturian)


_ENGLISH = re.compile(r"\b(the|of|and|with)\b", re.IGNORECASE)


def _read_icorpus(folder: Path) -> Iterator[Labelled]:
    pairs = zip(_lines(folder / "nan.hanzi_corrected.txt"), _lines(folder / "cmn.raw.txt"), strict=True)
    for number, (hokkien, mandarin) in enumerate(pairs):
        joined = hokkien.replace(" ", "")
        if joined != mandarin.replace(" ", ""):
            part = part_of("icorpus-nan", number // BLOCK_LINES)
            yield Labelled("nan", joined, part)
            yield Labelled("zh", mandarin.replace(" ", ""), part)


def _read_ligurian_spellings(folder: Path) -> Iterator[Labelled]:
    for path in sorted(folder.glob("*.raw")) + sorted(folder.glob("*.norm")):
        yield from _blocks(f"ligurian-norm/{path.stem}", "lij", _lines(path))


def _read_bornholm(folder: Path) -> Iterator[Labelled]:
    sides = (_lines(folder / "parallel.da-bornholm.all"), _lines(folder / "parallel.da.all"))
    for island, danish in zip(*sides, strict=True):
        part = part_of("bornholmsk", danish)
        yield Labelled("da-bornholm", island, part)
        yield Labelled("da", danish, part)
    lines = [line for line in _lines(folder / "bo_da_sent_gubbana.txt") if line.strip()]
    for island, danish in zip(lines[::2], lines[1::2], strict=False):
        part = part_of("bornholmsk", danish)
        yield Labelled("da-bornholm", island, part)
        yield Labelled("da", danish, part)


def _read_fassa(folder: Path) -> Iterator[Labelled]:
    for row in _lines(folder / "full.tsv")[1:]:
        ladin, italian, english, resource = row.split("\t")
        part = part_of("ladin-fassa", resource, ladin[:1])
        for tag, text in (("lld-x-fassa", ladin), ("it", italian), ("en", english)):
            yield Labelled(tag, text.strip('"'), part)


# ---------------------------------------------------------------- lines with labels
def _read_swigspot(folder: Path) -> Iterator[Labelled]:
    for name, tag in (("sg", "gsw"), ("de", "de"), ("en", "en"), ("fr", "fr"), ("it", "it")):
        data = folder / "language-detection" / "data"
        yield from _blocks("swigspot", tag, _lines(data / f"{name}.txt"))
        yield from (Labelled(tag, line, "test") for line in _lines(data / f"valid_{name}.txt"))


XSID = {
    "ar": "ar", "da": "da", "de-ba": "bar", "de-muc": "bar", "de-st": "bar-IT", "de": "de", "en": "en", "gsw": "gsw",
    "id": "id", "it": "it", "ja": "ja", "kk": "kk", "lt": "lt", "nap": "nap", "nl": "nl", "sr": "sr-Latn", "tr": "tr",
    "zh": "zh",
}  # fmt: skip


NORWEGIAN = {"B": "nb", "N": "no-x-nord", "T": "no-x-trond", "V": "no-x-vest"}
"""Dialects of xSID's Norwegian, each by several translators; B is Bokmål."""


def _read_xsid(folder: Path) -> Iterator[Labelled]:
    for name, tag in XSID.items():
        number = ""
        for line in _lines(folder / f"{name}.valid.conll"):
            if line.startswith("# id"):
                number = line.partition("=")[2].strip()
            elif re.match(r"# text ?[=:]", line):
                text = re.split("[=:]", line, maxsplit=1)[1].strip()
                yield Labelled(tag, text.replace(" ", "") if tag in ("ja", "zh") else text, part_of("xsid", number))
    for sentence in (folder / "no.valid.conll").read_text(encoding="utf-8").split("\n\n"):
        head = dict(re.findall(r"^# (\w+) = (.*)$", sentence, re.MULTILINE))
        if head:
            number = head["id"].partition("/")[0]
            yield Labelled(NORWEGIAN[head["dialect"].strip()], head["text"].strip(), part_of("xsid", number))


MOZILLA = {
    "co": "co", "fo": "fo", "frp": "frp", "fur": "fur", "lb": "lb", "ltg": "ltg", "rm-sursilv": "rm-sursilv",
    "rm-vallader": "rm-vallader", "sc": "sc", "scn": "scn", "vec": "vec",
}  # fmt: skip
_PLACEHOLDERS = re.compile(r"<[^>]*>|&\w+;|%\d?\$?\w|\{[^}]*\}|\$\w+|[#&~]")


def _read_mozilla(folder: Path) -> Iterator[Labelled]:
    for name, tag in MOZILLA.items():
        for unit in ET.parse(folder / name / f"{name}_pontoon.tmx").iter("tu"):  # noqa: S314
            english, other = ("".join(seg.itertext()) for seg in unit.iter("seg"))
            part = part_of("mozilla-tmx", english)
            clean = " ".join(_PLACEHOLDERS.sub(" ", other).split())
            if other.strip() != english.strip() and len(clean) >= 8:
                yield Labelled(tag, clean, part)
                yield Labelled("en", " ".join(_PLACEHOLDERS.sub(" ", english).split()), part)


GATITOS = {"fur": "fur", "lij": "lij", "scn": "scn", "oc": "oc", "bho": "bho", "yue": "yue"}


def _read_gatitos(folder: Path) -> Iterator[Labelled]:
    for name, tag in GATITOS.items():
        for row in _lines(folder / f"en_{name}.tsv"):
            english, _, other = row.partition("\t")
            if len(other) >= 4 and other.casefold() != english.casefold():
                yield Labelled(tag, other, "train")


# ---------------------------------------------------------------- declarations and encyclopedias
# The folder's oci_1 to oci_4 are Arpitan (of Fribourg, Savoy, Vaud, Valais), as their own `lang` says.
UDHR = {
    "ace": "ace", "als": "als", "arb": "ar", "ast": "ast", "azj_latn": "az", "ban": "ban", "bel": "be", "ben": "bn",
    "bho": "bho", "bos_latn": "bs", "bug": "bug", "bul": "bg", "cat": "ca", "ces": "cs", "cmn_hans": "zh", "cmn_hant": "zh", "cos": "co",
    "crh": "crh", "dan": "da", "deu_1996": "de", "eml": "eml", "eng": "en", "est": "et", "eus": "eu", "fao": "fo",
    "fin": "fi", "fkv": "fkv", "fra": "fr", "fri": "fy", "fur": "fur", "glg": "gl", "gsw1": "gsw", "hat_kreyol": "ht",
    "hin": "hi", "hrv": "hr", "hsb": "hsb", "ind": "id", "isl": "is", "ita": "it", "jav": "jv", "jpn": "ja",
    "kmr": "kmr", "kor": "ko", "lij": "lij", "lld": "lld", "lnc": "oc", "ltz": "lb", "mad": "mad",
    "mag": "mag", "mai": "mai", "min": "min", "mkd": "mk", "nan": "nan", "nds": "nds", "nep": "ne", "nld": "nl", "nno": "nn",
    "nob": "nb", "oci_1": "frp", "oci_2": "frp", "oci_3": "frp", "oci_4": "frp", "pcd": "pcd", "pcm": "pcm", "pes_1": "fa",
    "pol": "pl", "por_BR": "pt", "por_PT": "pt", "roh_puter": "rm-puter", "roh_rumgr": "rm-rumgr",
    "roh_surmiran": "rm-surmiran", "roh_sursilv": "rm-sursilv", "roh_sutsilv": "rm-sutsilv",
    "roh_vallader": "rm-vallader", "ron_2006": "ro", "rus": "ru", "sco": "sco", "slk": "sk", "slv": "sl", "sme": "se",
    "spa": "es", "src": "sc", "srp_cyrl": "sr", "srp_latn": "sr-Latn", "sun": "su", "swe": "sv", "tur": "tr",
    "ukr": "uk", "urd": "ur", "uzn_latn": "uz", "vec": "vec", "wln": "wa", "wuu": "wuu", "ydd": "yi", "yue": "yue",
    "hak": "hak", "gan": "gan", "hsn": "hsn", "cjy": "cjy",
}  # fmt: skip


def _read_udhr(folder: Path) -> Iterator[Labelled]:
    for name, tag in UDHR.items():
        page = (folder / f"{name}.html").read_text(encoding="utf-8")
        for place, article in enumerate(re.split("<article", page)):
            for piece in re.findall(r"<(?:p|li)[^>]*>(.*?)</(?:p|li)>", article, re.DOTALL):
                text = " ".join(html.unescape(re.sub("<[^>]+>", " ", piece)).split())
                for sentence in re.split(r"(?<=[.;。；।])\s*", text):
                    if len(sentence) >= 4:
                        yield Labelled(tag, sentence, part_of("udhr", place))


def _read_itdi(folder: Path) -> Iterator[Labelled]:
    for name, tag in (("furwiki", "fur"), ("lldwiki", "lld")):
        with bz2.open(next(folder.glob(f"{name}-*.bz2")), "rb") as file:
            yield from _wikipedia(name, tag, file)


def _read_latgalian(folder: Path) -> Iterator[Labelled]:
    with (folder / "smallwiki-latest-pages-articles.xml").open("rb") as file:
        yield from _wikipedia("ltgwiki", "ltg", file)


_MARKUP = re.compile(r"\{\{[^{}]*\}\}|<ref[^>]*/>|<ref.*?</ref>|<[^>]+>|'{2,}|\[https?://\S+\s?|\[\[(?:[^\]|]*\|)?|\]+")


def _wikipedia(name: str, tag: str, file: Any) -> Iterator[Labelled]:
    """Give the running text of articles: lines of prose of 40 characters or more, a few from each page."""
    title = ""
    for _, element in ET.iterparse(file):  # noqa: S314
        kind = element.tag.rpartition("}")[2]
        if kind == "title":
            title = element.text or ""
        elif kind == "text" and ":" not in title:
            prose = [line for line in (element.text or "").split("\n") if line[:1].isalpha() or line[:3] == "'''"]
            for line in prose[:3]:
                text = html.unescape(_MARKUP.sub("", _MARKUP.sub("", line)))
                if len(text) >= 40 and not re.search(r"[{}|=\[\]]", text):
                    yield Labelled(tag, text[:400], part_of(name, title))
        elif kind == "page":
            element.clear()


DATA_SETS = (
    DataSet("oldi-seed", "OLDI Seed, https://github.com/openlanguagedata/seed", "CC BY-SA 4.0", _read_seed,
            "by Wikipedia page; the pages of the demo are left out"),
    DataSet("zenamt", "ZenaMT, https://github.com/ConseggioLigure/data", "CC BY 4.0", _read_zenamt,
            "blocks of 50 lines; its validation sets are in the test part"),
    DataSet("ligurian-norm", "Ligurian spellings, https://github.com/ConseggioLigure/data", "CC BY 4.0",
            _read_ligurian_spellings, "blocks of 50 lines"),
    DataSet("pilar-aranese", "PILAR, https://github.com/transducens/PILAR", "CC0 1.0 (packaging)", _read_aranese,
            "blocks of 50 lines; the Asturian lines were shuffled before"),
    DataSet("mozilla-tmx", "Mozilla localization, https://github.com/mozilla-l10n/mt-training-data", "MPL-2.0",
            _read_mozilla, "by the English string"),
    DataSet("ladin-fassa", "Fassa Ladin, https://github.com/jo-valer/machine-translation-ladin-fascian", "MIT", _read_fassa,
            "by resource and first letter"),
    DataSet("bornholmsk", "Bornholmsk, https://github.com/StrombergNLP/bornholmsk", "CC BY 4.0", _read_bornholm,
            "by the Danish sentence"),
    DataSet("swigspot", "SwigSpot, https://github.com/derlin/SwigSpot_Schwyzertuutsch-Spotting", "Apache-2.0",
            _read_swigspot, "blocks of 50 lines; its validation set is in the test part"),
    DataSet("xsid", "xSID 0.7 (validation), https://github.com/mainlp/xsid", "CC BY-SA 4.0", _read_xsid,
            "by the id that translations share"),
    DataSet("icorpus-nan", "iCorpus, https://github.com/Taiwanese-Corpus/icorpus_ka1_han3-ji7", "CC BY 4.0",
            _read_icorpus, "blocks of 50 lines; pairs with identical sides are left out"),
    DataSet("gatitos", "GATITOS, https://github.com/google-research/url-nlp", "CC BY 4.0", _read_gatitos,
            "all of it in the train part"),
    DataSet("udhr", "Universal Declaration of Human Rights, https://github.com/wooorm/udhr", "public (UN)", _read_udhr,
            "by article, the same in every language"),
    DataSet("itdi-wikipedia-dumps", "Friulian and Ladin Wikipedia, 1 March 2022", "CC BY-SA 3.0", _read_itdi, "by page"),
    DataSet("wikidump-ltg", "Latgalian Wikipedia", "CC BY-SA 3.0", _read_latgalian, "by page"),
)  # fmt: skip


def embedded_lines(data: Path) -> Iterator[tuple[DataSet, list[Labelled]]]:
    """Give the labelled lines of the embedded model, a data set at a time.

    Raises:
        SettingsError: a data set is not there.
    """
    for source in DATA_SETS:
        if not (data / source.name).is_dir():
            raise SettingsError(
                f"{data} has no folder {source.name}", cure="Give the folder of all data sets: --data PATH."
            )
        yield source, list(source.read(data / source.name))


def demo_texts(data: Path) -> Iterator[str]:
    """Give the lines of the demo's documents, which no model of ours may have seen."""
    return (text for _, text, part in seed_lines(data / "oldi-seed") if part == "demo")


def divided_embedded(data: Path, plan: TrainingPlan) -> tuple[dict[Part, list[Labelled]], list[dict[str, Any]]]:
    """Divide the labelled lines of the embedded model; drop what the demo holds too.

    Returns:
        Lines by part; facts about each data set: name, origin, licence, split, digest, lines.
    """
    lines: list[Labelled] = []
    facts = []
    for source, read in embedded_lines(data):
        written = "\n".join("\t".join(map(str, line)) for line in read)
        facts.append(
            {
                "name": source.name,
                "origin": source.origin,
                "licence": source.licence,
                "split": source.split,
                "lines": len(read),
                "digest": content_digest(written.encode("utf-8")),
            }
        )
        lines += read
    divided = divide(lines, plan)
    shown = set(prepare_texts(list(demo_texts(data)), RECIPE))
    return {part: [line for line in chosen if line.text not in shown] for part, chosen in divided.items()}, facts


def main(argv: Sequence[str] | None = None) -> int:
    """Train from the command line.

    Args:
        argv: arguments; those of the process when None.

    Returns:
        0; 2 for wrong arguments or lines.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="isogloss train-identifier",
        description="Train an identifier from lines of `tag TAB text` (and a third field train, dev or test, if you like). "
        "Writes the model, and MODEL.json with its scores. Example: isogloss train-identifier labelled.tsv -o model.ftz",
    )
    parser.add_argument("labelled", help="TSV file; `embedded`: the data sets of the model that comes with the package")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="where the model goes: .ftz (compressed) or .bin: fastText; .ngrams: a linear model, better on few, close "
        "classes, and best to adapt; without an ending: .ngrams or .bin, whichever is better on the development lines",
    )
    parser.add_argument("--data", help="folder of the data sets, for `embedded`")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change the plan, such as epochs=5"
    )
    chosen = parser.parse_args(arguments)
    try:
        output, facts = _train(chosen.labelled, Path(chosen.output), chosen.data, chosen.set)
    except SettingsError as error:
        print(f"isogloss train-identifier: {error}", file=sys.stderr)
        return 2
    for part in ("dev", "test"):
        if part in facts:
            report = facts[part]
            print(
                f"{part}: {report['lines']:,} lines, accuracy {report['accuracy']:.4f}, macro F1 {report['macro_f1']:.4f}"
            )
    for ending, macro_f1 in facts.get("tried", {}).items():
        print(f"tried {ending}: macro F1 {macro_f1:.4f} on dev")
    print(f"{output}: {facts['size_bytes']:,} bytes, {len(facts['labels'])} varieties")
    return 0


def _train(labelled: str, output: Path, data: str | None, changes: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    if output.suffix not in (".ftz", ".bin", ".ngrams", ""):
        raise SettingsError(
            f"the model's name {output.name!r} ends in none of .ftz, .bin, .ngrams",
            path="--output",
            cure="Or give it no ending: then the better kind is chosen.",
        )
    plan = _plan(changes, quantized=output.suffix == ".ftz")
    if labelled != "embedded":
        divided = divide(read_labelled(labelled), plan)
        if not output.suffix:
            return train_best(divided, output, plan)
        return output, train_identifier(divided, output, plan)
    if not output.suffix:
        raise SettingsError("`embedded` needs a name that ends in .ftz", path="--output")
    if data is None:
        raise SettingsError("`embedded` needs the folder of the data sets", path="--data")
    divided, sources = divided_embedded(Path(data), plan)
    facts = train_identifier(divided, output, plan) | {"data": sources}
    write_facts(output, facts)
    output.with_suffix(".md").write_text(card(facts), encoding="utf-8")
    return output, facts


def _plan(changes: Sequence[str], *, quantized: bool) -> TrainingPlan:
    values: dict[str, Any] = {"quantized": quantized}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise SettingsError(f"--set {change}: expected name=value")
        values[name.strip()] = value.strip()
    try:
        return msgspec.convert(values, TrainingPlan, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(TrainingPlan))
        raise SettingsError(f"--set: {error}", cure=f"Known: {known}.") from error


def card(facts: dict[str, Any]) -> str:
    """Write the card of the embedded model from its facts."""
    test = facts["test"]
    sources = "\n".join(
        f"| {d['name']} | {d['origin']} | {d['licence']} | {d['lines']:,} | {d['split']} | `{d['digest']}` |"
        for d in facts["data"]
    )
    classes = "\n".join(
        f"| `{tag}` | {score['lines']:,} | {_percent(score['precision'])} | {_percent(score['recall'])} | {_percent(score['f1'])} |"
        for tag, score in test["classes"].items()
    )
    confusions = "\n".join(f"| `{c['truth']}` | `{c['predicted']}` | {c['lines']:,} |" for c in test["confusions"][:20])
    changes = " ".join(f"--set {name}={value}" for name, value in facts["plan"].items() if name != "quantized")
    return f"""# The embedded identifier

`embedded.ftz`, {facts["size_bytes"]:,} bytes, blake2b `{facts["model_digest"]}`: a fastText classifier over
{len(facts["labels"])} varieties; its labels are BCP 47 tags. It reads letters only (recipe `{facts["recipe"]}`).

Made by (one thread, deterministic):

    python -m pipelines.train_identifier embedded --data ../shared/data -o transforms/identify/models/embedded.ftz

with the plan `{changes}`.
Lines after dividing: {facts["lines"]["train"]:,} train, {facts["lines"]["dev"]:,} dev, {facts["lines"]["test"]:,} test. Settings were
chosen on dev. A line whose letters stand in two parts stays in one of them only, and lines that the demo shows are in none.

## Data

The model is a work made from these texts, which stay under their own licences; with thanks to their makers.

| set | origin | licence | lines | split | blake2b of the labelled lines |
|---|---|---|---|---|---|
{sources}

## Test part

{test["lines"]:,} lines never seen, all {len(test["classes"])} varieties against each other, one answer a line:
accuracy {test["accuracy"]:.4f}, macro F1 {test["macro_f1"]:.4f}. Classes with few lines were tested on the
articles of one declaration or on short commands only: read their figures as a hint.

| variety | lines | precision | recall | F1 |
|---|---|---|---|---|
{classes}

Most frequent confusions:

| is | taken for | lines |
|---|---|---|
{confusions}
"""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


if __name__ == "__main__":
    sys.exit(main())
