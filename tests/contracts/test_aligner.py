"""What every aligner keeps to, whatever its backend: `transforms.align.interface.Aligner`."""

import runpy
from pathlib import Path

import pytest

from schemas.variety import registry
from transforms.align import Aligner, AlignSettings, Link, make_aligner, tokenize
from transforms.common.backends import backend_names, load_backend

HERE = Path(__file__).parent
MAKER = HERE.parent / "transforms" / "align" / "small_bert.py"
SAMPLES = [text for variety in registry().values() for text in variety.samples]
PAIRS = [
    (["Doî", "libbri"], ["Due", "libri"]),
    ([], ["Due"]),
    (["Doî"], []),
    ([], []),
    (["台", "灣"], ["台", "湾", "。"]),
    (["كتابٌ"], ["كتاب", "!"]),
    (["e\u0301", "\u200b", "👍🏽"], ["é"]),
    (["x"] * 300, ["y"] * 200),
    (["Doî", "libbri"], ["Due", "libri"]),
]
WITH_THEMSELVES = [(words, words) for words in map(tokenize, SAMPLES[:40])]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    made = {}

    def of(name):
        if "eflomal" in name:
            pytest.importorskip("eflomal")
        if "simalign" not in name:
            return AlignSettings(aligner=name)
        pytest.importorskip("torch")
        if "simalign" not in made:
            folder = tmp_path_factory.mktemp("model") / "bert"
            texts = SAMPLES or [word for pair in PAIRS for side in pair for word in side]
            made["simalign"] = str(runpy.run_path(str(MAKER))["make_bert"](folder, texts))
        return AlignSettings(aligner=name, model=made["simalign"], layer=2, device="cpu")

    return of


TOGETHER = ["association+eflomal", "association+simalign", "simalign+eflomal"]
ALIGNERS = [
    pytest.param(name, marks=[pytest.mark.models] if "simalign" in name else [])
    for name in [*backend_names("align"), *TOGETHER]
]


@pytest.fixture(params=ALIGNERS)
def aligner(request, settings):
    made = make_aligner(settings(request.param))
    if "eflomal" in request.param:
        # its random numbers are its own: what it learned once gives the same links, learning again may not
        made.load(made.train([*PAIRS, *WITH_THEMSELVES]))
    return made


def test_it_is_an_aligner_and_can_check_its_settings(aligner):
    assert isinstance(aligner, Aligner)
    assert callable(type(aligner).check)


def test_no_pairs_give_no_links(aligner):
    assert aligner.align([]) == []


def test_one_answer_a_pair_in_order_and_nothing_for_a_side_without_words(aligner):
    found = aligner.align(PAIRS)
    assert len(found) == len(PAIRS)
    assert found[1] == found[2] == found[3] == []
    assert found[0] == found[-1]


def test_links_are_ordered_distinct_and_inside_the_sentences(aligner):
    for (source, target), links in zip(PAIRS, aligner.align(PAIRS), strict=True):
        cells = [(link.source, link.target) for link in links]
        assert cells == sorted(set(cells))
        assert all(0 <= i < len(source) and 0 <= j < len(target) for i, j in cells)
        assert all(isinstance(link, Link) and type(link.source) is int for link in links)
        assert all(link.probability is None or 0 <= link.probability <= 1 for link in links)


def test_the_same_input_gives_the_same_links(aligner):
    assert aligner.align(PAIRS) == aligner.align(PAIRS)


def test_tuples_are_as_good_as_lists(aligner):
    assert aligner.align([(tuple(s), tuple(t)) for s, t in PAIRS]) == aligner.align(PAIRS)


def test_the_samples_of_the_varieties_can_be_aligned_with_themselves(aligner):
    found = aligner.align(WITH_THEMSELVES)
    hits = sum(link.source == link.target for links in found for link in links)
    assert hits > 0.9 * sum(map(len, found)) > 0


@pytest.mark.parametrize("name", backend_names("align"))
def test_a_backend_is_found_by_its_file_name(name):
    if name in {"simalign", "eflomal"}:
        pytest.importorskip({"simalign": "torch"}.get(name, name))
    assert hasattr(load_backend("align", name), "align")
