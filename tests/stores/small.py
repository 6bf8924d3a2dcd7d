"""A small corpus, for tests that build one many times."""

import json

from pipelines.demo.sample import load_sample

CONFIGURATION = """
[corpus]
name = "small"
output = "{output}"
varieties = ["lij", "it"]
shards = 3

[[read.sources]]
name = "wiki"
path = "{path}"
licence = "CC-BY-SA-4.0"
"""


def configure(output: object, path: object) -> str:
    """Give the TOML of the small corpus."""
    return CONFIGURATION.format(output=output, path=path)


def small_records() -> list[str]:
    """Give a JSON line per document of a few pages in Ligurian and Italian, one without text among them."""
    texts: dict[tuple[str, str], list[str]] = {}
    wanted = sorted({line.document for line in load_sample()})[:8]
    for line in load_sample():
        if line.tag in ("lij", "it") and line.document in wanted:
            texts.setdefault((line.document, line.tag), []).append(line.text)
    found = [{"url": f"{url}#{tag}", "text": "\n".join(lines)} for (url, tag), lines in sorted(texts.items())]
    return [
        json.dumps(record, ensure_ascii=False) for record in [*found, {"url": "https://example.org/empty", "text": ""}]
    ]
