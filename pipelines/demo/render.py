"""Draw an aligned pair in the terminal: every source word over the words that it is linked with.

The links can be read without colour: linked words stand one under the other, and carry the same number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta", "bright_green")
UNLINKED = "dim"
MARGIN_COLUMNS = 2


def groups(links: Sequence[tuple[int, int]], sources: int, targets: int) -> list[tuple[list[int], list[int]]]:
    """Gather words that links hold together, in the order of the source; then source and target words left alone.

    Args:
        links: (source, target) word numbers, from 0.
        sources: words of the source.
        targets: words of the target.

    Returns:
        Groups of (source words, target words), rising. Each word stands in exactly one. A group whose one
        side is empty is a word without a link.
    """
    parent = list(range(sources + targets))

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return node

    for source, target in links:
        first, second = sorted((root(source), root(sources + target)))
        parent[second] = first
    gathered: dict[int, tuple[list[int], list[int]]] = {}
    for node in range(sources + targets):
        sides = gathered.setdefault(root(node), ([], []))
        sides[node >= sources].append(node - sources if node >= sources else node)
    return sorted(gathered.values(), key=lambda sides: _place(sides, sources, targets))


def _place(sides: tuple[list[int], list[int]], sources: int, targets: int) -> tuple[float, int]:
    """A group's place on the line: that of its first source word; of a lone target word, its relative place."""
    if sides[0]:
        return float(sides[0][0]), 0
    return sides[1][0] / max(targets, 1) * sources, 1


def draw_pair(row: Mapping[str, Any], width: int = 100) -> RenderableType:
    """Draw a corpus row.

    Args:
        row: `source_variety`, `target_variety`, `source_text`, `target_text`, `source_tokens`, `target_tokens`
            (null without alignment), `links` (mappings with `source` and `target`).
        width: columns of the terminal.
    """
    source_tag, target_tag = row["source_variety"], row["target_variety"]
    label = max(cell_len(source_tag), cell_len(target_tag)) + MARGIN_COLUMNS
    head = [
        _labelled(source_tag, label, row["source_text"], "bold"),
        _labelled(target_tag, label, row["target_text"], "bold"),
    ]
    if row.get("source_tokens") is None or row.get("target_tokens") is None or row.get("links") is None:
        return Group(*head)
    sources, targets = row["source_tokens"], row["target_tokens"]
    links = [(link["source"], link["target"]) for link in row["links"]]
    lines: list[RenderableType] = list(head)
    top, numbers, bottom = _rows(label, source_tag, target_tag)
    number = 0
    for source_words, target_words in groups(links, len(sources), len(targets)):
        above = " ".join(sources[i] for i in source_words)
        below = " ".join(targets[i] for i in target_words)
        linked = bool(source_words and target_words)
        number += linked
        mark = str(number) if linked else "·"
        style = COLOURS[(number - 1) % len(COLOURS)] if linked else UNLINKED
        columns = max(cell_len(above), cell_len(below), cell_len(mark)) + MARGIN_COLUMNS
        if top.cell_len + columns > width and top.cell_len > label:
            lines += [Text(), top, numbers, bottom]
            top, numbers, bottom = _rows(label, source_tag, target_tag)
        for line, word in ((top, above), (numbers, mark), (bottom, below)):
            line.append(word, style)
            line.append(" " * (columns - cell_len(word)))
    if top.cell_len > label:
        lines += [Text(), top, numbers, bottom]
    return Group(*lines)


def _rows(label: int, source: str, target: str) -> tuple[Text, Text, Text]:
    return (
        Text(source.ljust(label), no_wrap=True),
        Text(" " * label, no_wrap=True),
        Text(target.ljust(label), no_wrap=True),
    )


def _labelled(tag: str, label: int, text: str, style: str) -> Text:
    line = Text(tag.ljust(label))
    line.append(text, style)
    return line
