"""Variety: a language or dialect that text can be in, and what the stages need to know of it.

One TOML file a variety, `schemas/varieties/<tag>.toml`; adding a file adds a variety. Names are BCP 47 tags.
The same letters mean different things to different sources (`als` is Alemannic on Wikipedia and Tosk
Albanian in ISO 639-3), so aliases carry the source that uses them, and labels the identifier that gives them.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated

import msgspec

IDENTIFIERS = ("isogloss", "lid.176", "glotlid", "openlid")
"""Identifiers whose labels are known. The models trained here (`isogloss`) use tags as labels."""

LABEL_PREFIX = "__label__"
"""fastText's mark of a label."""

_WELL_FORMED = re.compile(
    r"(?:[a-z]{2,3}|x(?=-))"  # language; or private use alone
    r"(?:-[A-Z][a-z]{3})?"  # script
    r"(?:-(?:[A-Z]{2}|[0-9]{3}))?"  # region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-x(?:-[a-z0-9]{1,8})+)?"  # private use
)


class Alias(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that some source uses for the variety."""

    name: Annotated[str, msgspec.Meta(min_length=1, description="The name, such as `als`.")]
    source: Annotated[str, msgspec.Meta(min_length=1, description="Who uses it so, such as `wikipedia`, `iso639-3`.")]


class Variety(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language or dialect."""

    tag: Annotated[
        str, msgspec.Meta(min_length=2, description="BCP 47 tag; private-use subtags where there is no code.")
    ]
    name: Annotated[str, msgspec.Meta(min_length=1, description="Its name in English.")]
    script: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][a-z]{3}$", description="ISO 15924 code of the usual script.")]
    family: Annotated[str, msgspec.Meta(min_length=1, description="Continuum or branch that it belongs to.")]
    autonym: Annotated[str | None, msgspec.Meta(description="Its name in itself.")] = None
    standard: Annotated[
        str | None,
        msgspec.Meta(description="Tag of the nearest standard language, which stands in for what knows no dialect."),
    ] = None
    glottocode: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]{4}[0-9]{4}$")] | None,
        msgspec.Meta(description="Glottolog's code."),
    ] = None
    splitter: Annotated[
        str | None, msgspec.Meta(description="Language code for sentencex; null: the standard language's.")
    ] = None
    laser: Annotated[
        str | None, msgspec.Meta(description="Language code in laser-encoders' lists, such as `lij_Latn`.")
    ] = None
    romanization: Annotated[str | None, msgspec.Meta(description="Name of the usual romanization.")] = None
    licence_notes: Annotated[str | None, msgspec.Meta(description="What to know about the licences of its texts.")] = (
        None
    )
    samples: Annotated[tuple[str, ...], msgspec.Meta(description="Sentences in the variety.")] = ()
    aliases: Annotated[tuple[Alias, ...], msgspec.Meta(description="Other names, with the source of each.")] = ()
    labels: Annotated[
        dict[str, tuple[str, ...]], msgspec.Meta(description="Labels of the variety in each identifier's model.")
    ] = msgspec.field(default_factory=dict)


def is_well_formed(tag: str) -> bool:
    """Is this a BCP 47 tag in its usual letter case (`zh-Hant`, `de-CH`, `oc-gascon`, `nds-x-olb`)?"""
    return _WELL_FORMED.fullmatch(tag) is not None


@cache
def registry() -> Mapping[str, Variety]:
    """Give all varieties by tag, in the order of the tags. Read once.

    Raises:
        ValueError: a file of the registry is wrong; which one, and why.
    """
    found: dict[str, Variety] = {}
    folder = files("schemas") / "varieties"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".toml"):
            continue
        try:
            variety = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Variety)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise ValueError(f"schemas/varieties/{file.name}: {error}") from error
        if f"{variety.tag}.toml" != file.name:
            raise ValueError(f"schemas/varieties/{file.name} describes {variety.tag!r}: name it {variety.tag}.toml")
        found[variety.tag] = variety
    return MappingProxyType(found)


def find(name: str, source: str | None = None) -> Variety | None:
    """Find a variety by tag, alias or name.

    Looked up in this order: what `source` calls so; the tag, in any letter case and with `_` for `-`; what any
    source calls so, if they agree; the English name or the autonym, if only one variety bears it; then the
    same with the last subtag left away (`it-IT` is found as `it`).

    Args:
        name: such as `lij`, `it-IT`, `de_CH`, `Ligurian`.
        source: who uses the name, such as `wikipedia`: `als` is `gsw` there.

    Returns:
        The variety; None when there is none, or when the name is used for several.

    Example:
        >>> find("als").name, find("als", source="wikipedia").tag
        ('Tosk Albanian', 'gsw')
    """
    key = _key(name)
    tags, by_source, by_alias, by_name = _names()
    while key:
        tag = by_source.get((source.casefold(), key)) if source else None
        tag = tag or tags.get(key) or by_alias.get(key) or by_name.get(key)
        if tag:
            return registry()[tag]
        key = key.rpartition("-")[0]
        if key[-2:-1] == "-":  # a subtag of one letter (the x of private use) only stands before others
            key = key[:-2]
    return None


def search(text: str) -> list[Variety]:
    """Find varieties by a part of tag, name, autonym, alias or family, or by a whole code or label.

    Args:
        text: in any letter case, `_` for `-`; empty: all.

    Returns:
        First those that bear the text as a whole (as tag, name, alias, code or label), then the others, both in the order
        of the tags.

    Example:
        >>> [variety.tag for variety in search("als")][:2]
        ['als', 'gsw']
    """
    wanted = _key(text)
    whole: list[Variety] = []
    partly: list[Variety] = []
    for variety in registry().values():
        labels = [label for many in variety.labels.values() for label in many]
        names = [variety.tag, variety.name, variety.autonym or "", *(alias.name for alias in variety.aliases)]
        keys = [_key(name) for name in names]
        if wanted and wanted in (*keys, *(_key(code or "") for code in (variety.glottocode, variety.laser, *labels))):
            whole.append(variety)
        elif any(wanted in key for key in (*keys, _key(variety.family))):
            partly.append(variety)
    return whole + partly


def fallbacks(tag: str) -> tuple[str, ...]:
    """Give the variety, its standard language, that one's standard language, and so on.

    A tag that is not in the registry stands alone.

    Example:
        >>> fallbacks("rm-sursilv")
        ('rm-sursilv', 'rm')
    """
    variety = find(tag)
    if variety is None:
        return (tag,)
    chain: list[str] = []
    following: str | None = variety.tag
    while following is not None and following not in chain:
        chain.append(following)
        following = registry()[following].standard
    return tuple(chain)


def splitter_of(tag: str | None) -> str:
    """Give the language whose sentence splitting serves the variety: its own, its standard language's, or English's."""
    for known in fallbacks(tag) if tag else ():
        variety = registry().get(known)
        if variety is not None and variety.splitter:
            return variety.splitter
    return "en"


def laser_of(tag: str) -> str | None:
    """Give the language code under which LASER serves the variety: its own or its standard language's."""
    for known in fallbacks(tag):
        variety = registry().get(known)
        if variety is not None and variety.laser:
            return variety.laser
    return None


def tag_of_label(identifier: str, label: str) -> str | None:
    """Give the tag that an identifier's label stands for.

    Args:
        identifier: one of `IDENTIFIERS`.
        label: as the model gives it, with or without `__label__`.

    Returns:
        The tag; None when no variety claims the label.
    """
    return labels_of(identifier).get(label.removeprefix(LABEL_PREFIX))


@cache
def labels_of(identifier: str) -> Mapping[str, str]:
    """Give all labels of an identifier that the registry knows, with their tags.

    Raises:
        KeyError: the identifier is none of `IDENTIFIERS`.
    """
    if identifier not in IDENTIFIERS:
        raise KeyError(f"no identifier {identifier!r}; known: {', '.join(IDENTIFIERS)}")
    own = {tag: tag for tag in registry()} if identifier == "isogloss" else {}
    claimed = {label: v.tag for v in registry().values() for label in v.labels.get(identifier, ())}
    return MappingProxyType(own | claimed)


def _key(name: str) -> str:
    return name.strip().replace("_", "-").casefold()


@cache
def _names() -> tuple[dict[str, str], dict[tuple[str, str], str], dict[str, str], dict[str, str]]:
    tags, by_source = {}, {}
    aliases: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    for tag, variety in registry().items():
        tags[_key(tag)] = tag
        for alias in variety.aliases:
            by_source[alias.source.casefold(), _key(alias.name)] = tag
            aliases.setdefault(_key(alias.name), set()).add(tag)
        for name in (variety.name, variety.autonym):
            if name:
                names.setdefault(_key(name), set()).add(tag)
    return tags, by_source, _only(aliases), _only(names)


def _only(candidates: Mapping[str, set[str]]) -> dict[str, str]:
    return {key: next(iter(tags)) for key, tags in candidates.items() if len(tags) == 1}
