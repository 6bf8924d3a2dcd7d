"""Configuration: what is refused, where, and with which cure."""

from pathlib import Path

import pytest

from pipelines.config import load_configuration, make_configuration, plain
from schemas.errors import SettingsError

CORPUS = {"name": "ligurian", "output": "build/ligurian", "varieties": ["lij", "it"]}
READ = {"sources": [{"name": "lines", "path": "lij.txt", "format": "lines", "variety": "lij"}]}


def refused(values: dict) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        make_configuration(values)
    return caught.value


def test_a_small_configuration_is_enough():
    configuration = make_configuration({"corpus": CORPUS, "read": READ})
    assert configuration.mine.k == 4
    assert configuration.corpus.wanted_pairs() == (("lij", "it"),)


def test_a_misspelt_key_is_refused_with_its_path_and_the_right_spelling():
    error = refused({"corpus": CORPUS, "read": READ, "mine": {"retreival": "max"}})
    assert error.path == "$.mine"
    assert "retreival" in error.message
    assert "'retrieval'" in error.cure


def test_an_unknown_section_is_refused():
    error = refused({"corpus": CORPUS, "read": READ, "minning": {}})
    assert error.path == "$"
    assert "'mine'" in error.cure


def test_a_wrong_type_is_refused_with_its_path():
    assert refused({"corpus": CORPUS, "read": READ, "mine": {"k": "four"}}).path == "$.mine.k"


def test_a_missing_field_is_refused():
    error = refused({"corpus": {"name": "x", "output": "y"}, "read": READ})
    assert "varieties" in error.message
    assert error.path == "$.corpus"


def test_nothing_to_read_is_refused():
    assert "nothing to read" in refused({"corpus": CORPUS}).message


def test_an_unknown_variety_is_refused_with_its_place():
    error = refused({"corpus": {**CORPUS, "varieties": ["lij", "itt"]}, "read": READ})
    assert error.path == "$.corpus.varieties[1]"


def test_an_alias_stands_for_its_tag():
    configuration = make_configuration({"corpus": {**CORPUS, "varieties": ["ligurian", "it"]}, "read": READ})
    assert configuration.corpus.wanted_varieties() == ("lij", "it")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([["lij", "fur"]], "not among the varieties"),
        ([["lij", "lij"]], "with itself"),
        ([["lij", "it"], ["it", "lij"]], "stands twice"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(pairs, message):
    assert message in refused({"corpus": {**CORPUS, "pairs": pairs}, "read": READ}).message


def test_without_pairs_every_variety_stands_beside_its_standard_language():
    configuration = make_configuration({"corpus": {**CORPUS, "varieties": ["lij", "lmo", "it"]}, "read": READ})
    assert configuration.corpus.wanted_pairs() == (("lij", "it"), ("lmo", "it"))


def test_a_change_on_the_command_line_is_applied(tmp_path: Path):
    path = tmp_path / "corpus.toml"
    path.write_text(
        '[corpus]\nname = "a"\noutput = "b"\nvarieties = ["lij", "it"]\n[[read.sources]]\nname = "x"\npath = "y.txt"\n'
    )
    assert load_configuration(str(path), ["mine.k=8", "mine.retrieval=intersect"]).mine.k == 8


def test_a_change_without_a_value_is_refused(tmp_path: Path):
    path = tmp_path / "corpus.toml"
    path.write_text('[corpus]\nname = "a"\n')
    with pytest.raises(SettingsError, match=r"expected section\.key=value"):
        load_configuration(str(path), ["mine.k"])


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path):
    path = tmp_path / "corpus.toml"
    path.write_text("corpus = [")
    with pytest.raises(SettingsError, match="no TOML"):
        load_configuration(str(path))


def test_a_missing_file_is_refused_and_the_recipes_are_named():
    with pytest.raises(SettingsError) as caught:
        load_configuration("no-such-file.toml")
    assert "demo" in caught.value.cure


def test_plain_values_are_the_same_for_equal_settings():
    one = make_configuration({"corpus": CORPUS, "read": READ, "mine": {"k": 4}})
    other = make_configuration({"read": READ, "corpus": CORPUS})
    assert plain(one.mine) == plain(other.mine)
