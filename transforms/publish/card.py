"""The dataset card: `README.md` with the front matter that Hugging Face reads. Pure; equal facts, equal bytes."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from schemas.ledger import LedgerBatch
from schemas.variety import find
from transforms.publish.facts import CorpusFacts, PairFacts, Provenance
from transforms.publish.report import ledger_markdown, to_markdown
from transforms.publish.settings import PublishSettings

HOSTS_SHOWN = 20
SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
)  # fmt: skip
_CREATIVE_COMMONS = re.compile(
    r"(?:creativecommons\.org/licenses/|\bcc[ -])(by(?:-nc)?(?:-(?:sa|nd))?)[/ -]v?(\d\.\d)", re.IGNORECASE
)
_NAMED_LICENCES = {
    "apache-2.0": "apache-2.0",
    "mit": "mit",
    "mpl-2.0": "mpl-2.0",
    "gfdl": "gfdl",
    "odc-by": "odc-by",
}


def make_card(
    facts: CorpusFacts,
    *,
    name: str,
    settings: PublishSettings,
    ledgers: Sequence[LedgerBatch] = (),
    configuration: Mapping[str, Any] | None = None,
) -> str:
    """Write the card.

    Args:
        facts: what the corpus holds.
        name: the corpus's short name; the title where the settings give none.
        settings: title, description, licence, contact, limits.
        ledgers: of all checkpoints that the corpus was made through, its own among them.
        configuration: what the corpus was made by, as plain values; without paths of the machine.
    """
    title = settings.title or name
    parts = [
        front_matter(facts, title, settings),
        f"# {title}",
        settings.description or _description(facts),
        "## Rows",
        _rows(facts),
        _how_to_open(facts),
        "## Columns",
        _columns(facts.schema),
        "## Scores",
        'Quantiles over the rows of each variety pair. A score measures; only the limits under "How it was made" decided.',
        *(_quality(pair, facts.schema) for pair in facts.pairs),
        "## Sources and licences",
        _licences(facts, settings),
        _hosts(facts),
        "## What was left out",
        (
            "Every record that entered a stage went on or was rejected for a reason; shares are of what entered. "
            "`rejects/` holds those that were rejected last, with the score that failed."
        ),
        ledger_markdown(ledgers) or "No ledger was given.",
        "## How it was made",
        _limits(settings),
        f"```json\n{json.dumps(configuration, ensure_ascii=False, indent=2, sort_keys=True)}\n```"
        if configuration
        else "",
        "## Taking something down",
        _contact(settings),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(facts: CorpusFacts, title: str, settings: PublishSettings) -> str:
    """Write the YAML front matter.

    Strings are written as JSON, which is YAML: `no` stays Norwegian.
    """
    tags = sorted({tag for pair in facts.pairs for tag in (pair.source, pair.target)})
    languages = sorted({tag.partition("-")[0] for tag in tags})
    licences = _licence_ids(facts, settings)
    lines = ["---", f"pretty_name: {_quoted(title)}"]
    lines += _listed("language", languages)
    if languages != tags:
        lines += _listed("language_bcp47", tags)
    lines += [f"license: {_quoted(licences[0])}"] if len(licences) == 1 else _listed("license", licences)
    lines += _listed("multilinguality", ["translation"])
    lines += _listed("task_categories", ["translation"])
    lines += _listed("size_categories", [_size(facts.rows)])
    if facts.pairs:
        lines.append("configs:")
        for pair in facts.pairs:
            lines.append(f"- config_name: {_quoted(f'{pair.source}-{pair.target}')}")
            lines.append(f"  data_files: {_quoted(f'{pair.folder}/*.parquet')}")
    return "\n".join([*lines, "---"])


def licence_id(licence: str | None) -> str:
    """Give Hugging Face's identifier of a licence that is given by name or URL.

    Returns:
        Such as `cc-by-sa-4.0`; `unknown` for None, `other` where there is no identifier.
    """
    if licence is None:
        return "unknown"
    folded = licence.strip().lower()
    found = _CREATIVE_COMMONS.search(folded)
    if found:
        return f"cc-{found.group(1)}-{found.group(2)}"
    if re.search(r"\bcc[ -]?0\b|creativecommons\.org/publicdomain/zero", folded):
        return "cc0-1.0"
    return next((known for name, known in _NAMED_LICENCES.items() if name in re.split(r"[\s/,;()]+", folded)), "other")


def _licence_ids(facts: CorpusFacts, settings: PublishSettings) -> list[str]:
    if settings.licence:
        return [licence_id(settings.licence)]
    return sorted({licence_id(origin.licence) for origin in facts.provenance}) or ["unknown"]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _listed(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:", *(f"- {_quoted(value)}" for value in values)] if values else []


def _size(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), "n>1B")


def _named(tag: str) -> str:
    variety = find(tag)
    return f"{variety.name} (`{tag}`)" if variety is not None else f"`{tag}`"


def _description(facts: CorpusFacts) -> str:
    pairs = ", ".join(f"{_named(pair.source)} with {_named(pair.target)}" for pair in facts.pairs)
    return (
        f"Sentence pairs with word links and scores: {pairs or 'none'}. Every row says where its two texts were found."
    )


def _rows(facts: CorpusFacts) -> str:
    cells = [["source", "target", "rows", "files"]]
    cells += [[_named(p.source), _named(p.target), f"{p.rows:,}", f"`{p.folder}/*.parquet`"] for p in facts.pairs]
    return to_markdown([[*row[:2], row[3], row[2]] for row in cells], left=3)


def _how_to_open(facts: CorpusFacts) -> str:
    if not facts.pairs:
        return ""
    first = facts.pairs[0]
    return (
        "```python\nimport polars\n\n"
        'rows = polars.scan_parquet("*-*/*.parquet")          # all variety pairs\n'
        f'rows = polars.read_parquet("{first.folder}/*.parquet")  # one\n```'
    )


def _columns(schema: pa.Schema) -> str:
    cells = [["column", "type", "meaning", "unit", "range", "better"]]
    for spec in schema:
        told = {key.decode(): value.decode() for key, value in (spec.metadata or {}).items()}
        row = [
            f"`{spec.name}`",
            f"`{_type(spec.type)}`",
            *(told.get(key, "") for key in ("meaning", "unit", "range", "better")),
        ]
        cells.append(row)
    return to_markdown(cells, left=6)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return (
            "(" + ", ".join(f"{kind.field(i).name}: {_type(kind.field(i).type)}" for i in range(kind.num_fields)) + ")"
        )
    return str(kind)


def _quality(pair: PairFacts, schema: pa.Schema) -> str:
    cells = [["score", "better", "null", "least", "5 %", "25 %", "median", "75 %", "95 %", "greatest"]]
    for score, spread in pair.scores.items():
        better = (schema.field(score).metadata or {}).get(b"better", b"").decode()
        values = [f"{value:.3f}" for value in spread.quantiles] or [""] * 7
        cells.append([f"`{score}`", better, f"{spread.nulls:,}", *values])
    return f"### {pair.source}-{pair.target}\n\n{to_markdown(cells)}"


def _licences(facts: CorpusFacts, settings: PublishSettings) -> str:
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for origin, rows in facts.provenance.items():
        counted[origin.variety, origin.side, origin.licence or "none declared", origin.robots] += rows
    cells = [["variety", "side", "licence", "robots.txt", "rows"]]
    cells += [
        [f"`{tag}`", side, licence, robots, f"{n:,}"] for (tag, side, licence, robots), n in sorted(counted.items())
    ]
    whole = f"The corpus is published under: {settings.licence}. " if settings.licence else ""
    return (
        f"{whole}Each row keeps the licence that was found with each of its two texts (`source_licence`, "
        f"`target_licence`) and the verdict of robots.txt.\n\n{to_markdown(cells, left=4)}"
    )


def _hosts(facts: CorpusFacts) -> str:
    counted: Counter[tuple[str, str]] = Counter()
    for origin, rows in facts.provenance.items():
        counted[_host(origin), origin.variety] += rows
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    cells = [["host", "variety", "rows"], *([host, f"`{tag}`", f"{n:,}"] for (host, tag), n in ranked[:HOSTS_SHOWN])]
    more = len(ranked) - HOSTS_SHOWN
    return to_markdown(cells) + (f"\n\nAnd {more:,} more." if more > 0 else "")


def _host(origin: Provenance) -> str:
    return origin.host or "(no URL)"


def _limits(settings: PublishSettings) -> str:
    limits = [f"`{score}` at least {limit:g}" for score, limit in sorted(settings.least().items())]
    limits += [f"`{score}` at most {limit:g}" for score, limit in sorted(settings.maximum.items())]
    limits += [f"`{score}` not null" for score in sorted(settings.require)]
    return (
        f"A pair was published when: {'; '.join(limits)}."
        if limits
        else "Every scored pair was published: no limits were set."
    )


def _contact(settings: PublishSettings) -> str:
    whom = f"Write to {settings.contact}" if settings.contact else "Write to whoever gave you this corpus"
    return (
        f"{whom}, with the URL or the `pair_id`. The rows are removed from the files "
        "(`isogloss takedown`), and what was removed is counted above."
    )
