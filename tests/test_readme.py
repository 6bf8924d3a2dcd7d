"""What README and docs say can be done, can be done: commands, configurations, targets, files."""

import re
import tomllib
from pathlib import Path

import pytest

from pipelines.cli import make_parser
from pipelines.config import make_configuration
from pipelines.options import parse_beam_flags

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
SMALL = {
    "corpus": {"name": "small", "output": "build/small", "varieties": ["lij", "it"]},
    "read": {"sources": [{"name": "lines", "path": "lij.txt"}]},
}


def blocks(page: Path, kind: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Give every command line of ours in README, without what explains it beside it."""
    found = []
    for block in blocks(PROJECT / "README.md", "(?:sh|bash|console)?"):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.match(r"(?:\$ )?(?:\.venv/bin/)?isogloss (\S.*)", line)
            if command:
                found.append(re.split(r"\s{3,}|\s[<>|#]\s?", command[1])[0])
    return found


def configurations() -> list[tuple[str, str]]:
    return [(page.name, block) for page in PAGES for block in blocks(page, "toml")]


def test_readme_has_commands_and_configurations():
    assert len(commands()) >= 8
    assert configurations()


@pytest.mark.parametrize("command", commands())
def test_a_command_is_one_that_the_parser_takes(command):
    words, _, flags = command.partition(" -- ")
    assert make_parser().parse_args(words.split()).command == words.split()[0]
    if flags:
        if "DataflowRunner" in flags:
            pytest.importorskip("google.auth", reason="the libraries of Google Cloud are not installed")
        parse_beam_flags(flags.split(), workers=1)


@pytest.mark.parametrize(("page", "text"), configurations())
def test_a_configuration_is_one_that_is_taken(page, text):
    """A whole one as it is; some sections beside a small corpus."""
    values = tomllib.loads(text)
    taken = make_configuration(values if "corpus" in values else SMALL | values)
    assert taken.corpus.wanted_pairs()


@pytest.mark.parametrize("block", blocks(PROJECT / "README.md", "python"))
def test_a_piece_of_python_compiles(block):
    assert compile(block, "README.md", "exec").co_code


def test_every_target_of_make_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", README, flags=re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_linked_to_is_there(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []
