"""Configuration: one TOML file a corpus, read into strict structs.

Each section is the settings of the room that has its name; `[corpus]` says what is wanted. An unknown key,
a wrong type, a missing field stops the launch with the path and the cure.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from pipelines.dataflow import DataflowSettings
from schemas.errors import SettingsError
from schemas.variety import find
from transforms.align import AlignSettings, LexiconSettings
from transforms.common import files
from transforms.crawl import CrawlSettings
from transforms.deduplicate import DeduplicateSettings
from transforms.embed import EmbedSettings
from transforms.identify import IdentifySettings
from transforms.mine import GroupSettings, MineSettings
from transforms.normalize import NormalizeSettings
from transforms.publish import PublishSettings
from transforms.read import ReadSettings, Source
from transforms.score import ScoreSettings
from transforms.segment import SegmentSettings

Section = TypeVar("Section")


class CorpusSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What corpus is wanted, and where it goes."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Short name, for the card.")]
    output: Annotated[str, msgspec.Meta(min_length=1, description="Folder (or gs://, s3://) of all checkpoints.")]
    varieties: Annotated[
        tuple[str, ...],
        msgspec.Meta(min_length=1, description="Varieties that are expected, BCP 47 tags or aliases."),
    ]
    pairs: Annotated[
        tuple[tuple[str, str], ...],
        msgspec.Meta(description="Variety pairs to mine; none given: every variety with its standard language."),
    ] = ()
    shards: Annotated[
        int, msgspec.Meta(ge=1, le=4096, description="Ranges of ids that documents, sentences and pairs are cut into.")
    ] = 8

    def wanted_varieties(self) -> tuple[str, ...]:
        """Give the varieties as BCP 47 tags, in the order of the configuration."""
        return tuple(dict.fromkeys(_tag(name, f"$.corpus.varieties[{i}]") for i, name in enumerate(self.varieties)))

    def wanted_pairs(self) -> tuple[tuple[str, str], ...]:
        """Give the variety pairs as BCP 47 tags.

        Raises:
            SettingsError: a side that is not among the varieties, a pair of one variety with itself, a pair
                that stands twice, or no pair at all.
        """
        varieties = self.wanted_varieties()
        if not self.pairs:
            return self._standard_pairs(varieties)
        wanted: list[tuple[str, str]] = []
        for i, sides in enumerate(self.pairs):
            source, target = (_tag(name, f"$.corpus.pairs[{i}][{side}]") for side, name in enumerate(sides))
            for side, tag in enumerate((source, target)):
                if tag not in varieties:
                    raise SettingsError(
                        f"{tag!r} is not among the varieties of the corpus ({', '.join(varieties)})",
                        path=f"$.corpus.pairs[{i}][{side}]",
                        cure="Add it to corpus.varieties.",
                    )
            if source == target:
                raise SettingsError(f"a pair of {source!r} with itself", path=f"$.corpus.pairs[{i}]")
            if (source, target) in wanted or (target, source) in wanted:
                raise SettingsError(f"the pair {source}-{target} stands twice", path=f"$.corpus.pairs[{i}]")
            wanted.append((source, target))
        return tuple(wanted)

    def _standard_pairs(self, varieties: Sequence[str]) -> tuple[tuple[str, str], ...]:
        standards = {tag: variety.standard for tag in varieties if (variety := find(tag)) and variety.standard}
        wanted = [(tag, standard) for tag, standard in standards.items() if standard in varieties and standard != tag]
        if not wanted:
            raise SettingsError(
                "no variety stands beside its standard language",
                path="$.corpus.pairs",
                cure='Name the pairs to mine, such as pairs = [["lij", "it"]].',
            )
        return tuple(wanted)


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A corpus from seeds to Parquet. Only `[corpus]` and one of `[crawl]` and `[read]` must be there."""

    corpus: CorpusSettings
    crawl: CrawlSettings | None = None
    read: ReadSettings = msgspec.field(default_factory=ReadSettings)
    normalize: NormalizeSettings = msgspec.field(default_factory=NormalizeSettings)
    segment: SegmentSettings = msgspec.field(default_factory=SegmentSettings)
    identify: IdentifySettings = msgspec.field(default_factory=IdentifySettings)
    deduplicate: DeduplicateSettings = msgspec.field(default_factory=DeduplicateSettings)
    embed: EmbedSettings = msgspec.field(default_factory=EmbedSettings)
    mine: MineSettings = msgspec.field(default_factory=MineSettings)
    align: AlignSettings = msgspec.field(default_factory=AlignSettings)
    score: ScoreSettings = msgspec.field(default_factory=ScoreSettings)
    publish: PublishSettings = msgspec.field(default_factory=PublishSettings)
    dataflow: DataflowSettings = msgspec.field(default_factory=DataflowSettings)
    lexicon: LexiconSettings = msgspec.field(default_factory=LexiconSettings)
    groups: GroupSettings = msgspec.field(default_factory=GroupSettings)

    def folder(self, checkpoint: str) -> str:
        """Give the folder of a checkpoint: pages, documents, sentences, vectors, pairs, corpus, lexicon, groups."""
        return files.join(self.corpus.output, checkpoint)

    def sources(self) -> ReadSettings:
        """Give what is read: the configured sources, and the crawl's pages where there is a crawl."""
        if self.crawl is None:
            return self.read
        pages = Source(
            name="crawl",
            path=files.join(self.folder("pages"), "warc"),
            format="warc",
            variety=self.crawl.variety,
            licence=self.crawl.licence,
        )
        return msgspec.structs.replace(self.read, sources=(pages, *self.read.sources))

    def check(self) -> None:
        """Check what one section alone cannot know.

        Raises:
            SettingsError: nothing to read; pairs that make no sense; a precision of which nothing can be known.
        """
        if self.crawl is None and not self.read.sources:
            raise SettingsError(
                "there is nothing to read",
                path="$",
                cure="Give a [crawl] section with seeds, or [[read.sources]] with paths.",
            )
        if len(self.embed.encoders) > 1 and self.mine.precision is not None and not self.mine.calibration:
            raise SettingsError(
                "the precision of fused margins is known by judged pairs only",
                path="$.mine.precision",
                cure="Give mine.calibration (see `isogloss calibrate`), or mine.threshold, or one encoder.",
            )
        self.corpus.wanted_pairs()


def load_configuration(path: str, changes: Sequence[str] = ()) -> Configuration:
    """Read a configuration file and apply `section.key=value` changes.

    Args:
        path: a TOML file, or the name of a recipe that comes with the package (`demo`).
        changes: such as `mine.k=8`; the value is read as TOML, and as plain text where it is none.

    Raises:
        SettingsError: the file is missing or no TOML, or a value is refused; with the path and the cure.
    """
    return make_configuration(_apply(_read_toml(path), changes))


def changed(kind: type[Section], section: str, values: Mapping[str, Any], changes: Sequence[str]) -> Section:
    """Make the settings of one section from plain values and `section.key=value` changes.

    Raises:
        SettingsError: a value is refused, or a change is one of another section; with the path.
    """
    applied = _apply({section: dict(values)}, changes)
    others = sorted(set(applied) - {section})
    if others:
        raise SettingsError(f"--set {others[0]}: only settings of [{section}] can be set here")
    try:
        return msgspec.convert(applied[section], kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(error, f"$.{section}") from error


def make_configuration(values: Mapping[str, Any]) -> Configuration:
    """Make a checked configuration from plain values, as TOML gives them.

    Raises:
        SettingsError: with the path into the configuration and, where there is one, the cure.
    """
    try:
        configuration = msgspec.convert(values, Configuration, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(error) from error
    configuration.check()
    return configuration


def plain(settings: Any) -> Any:
    """Give settings as plain values for a manifest: defaults included, keys in order."""
    return msgspec.to_builtins(settings, order="deterministic")


def recipe_names() -> list[str]:
    """List the configurations that come with the package."""
    return sorted(path.stem for path in _recipes().glob("*.toml"))


def _recipes() -> Path:
    return Path(__file__).parent / "recipes"


def _read_toml(path: str) -> dict[str, Any]:
    recipe = _recipes() / f"{path}.toml"
    try:
        data = recipe.read_bytes() if recipe.is_file() and "/" not in path else files.read_bytes(path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SettingsError(
            f"there is no configuration file {path!r}",
            cure=f"Give a TOML file, or one of the recipes: {', '.join(recipe_names())}.",
        ) from error
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from error


def _apply(values: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    for change in changes:
        where, equals, written = change.partition("=")
        keys = where.strip().split(".")
        if not equals or not all(keys):
            raise SettingsError(f"--set {change}: expected section.key=value", cure="For example: --set mine.k=8")
        section = values
        for key in keys[:-1]:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise SettingsError(f"--set {change}: {key} is no section")
        try:
            section[keys[-1]] = tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError:
            section[keys[-1]] = written
    return values


def _tag(name: str, path: str) -> str:
    variety = find(name)
    if variety is None:
        from schemas.variety import registry

        near = difflib.get_close_matches(name, registry(), n=3)
        hint = f" Do you mean {' or '.join(near)}?" if near else ""
        raise SettingsError(
            f"the variety {name!r} is not in the registry", path=path, cure=f"See `isogloss varieties`.{hint}"
        )
    return variety.tag


_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]+)`")
_PLACE = re.compile(r" - at `(?:key in )?(\$[^`]*)`$")


def _explained(error: msgspec.ValidationError, root: str = "$") -> SettingsError:
    message = str(error)
    place = _PLACE.search(message)
    path = root + place.group(1)[1:] if place else root
    message = _PLACE.sub("", message)
    unknown = _UNKNOWN_FIELD.search(message)
    if not unknown:
        return SettingsError(message[0].lower() + message[1:], path=path)
    known = _fields_at(path)
    near = difflib.get_close_matches(unknown.group(1), known, n=1, cutoff=0.5)
    hint = f"Do you mean {near[0]!r}? " if near else ""
    return SettingsError(
        f"there is no setting {unknown.group(1)!r}", path=path, cure=f"{hint}Known here: {', '.join(sorted(known))}."
    )


def _fields_at(path: str) -> list[str]:
    kind: Any = Configuration
    for key in re.findall(r"\.([A-Za-z_]\w*)", path):
        kind = next((f.type for f in msgspec.structs.fields(kind) if f.encode_name == key), None)
        kind = _struct_in(kind)
        if kind is None:
            return []
    return [f.encode_name for f in msgspec.structs.fields(kind)]


def _struct_in(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    for inner in getattr(kind, "__args__", ()):
        found = _struct_in(inner)
        if found is not None:
            return found
    return None
