"""Monotone alignment of documents made of OLDI Seed, and of stories, that nothing was chosen on."""

from importlib.util import module_from_spec, spec_from_file_location

import pytest

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def bench(project):
    spec = spec_from_file_location("bench_monotone", project / "benchmarks" / "bench_monotone.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("names", [("lij_Latn", "ita_Latn"), ("fur_Latn", "eng_Latn"), ("ary_Arab", "arz_Arab")])
def test_sentences_find_each_other_far_better_than_by_length(bench, shared_data, floor, names):
    documents = bench.oldi_documents(shared_data, names, "test")
    strict, lax = bench.measure(documents, bench.by_vectors)
    name = f"mine.monotone.{names[0][:3]}-{names[1][:3]}"
    assert strict >= floor(f"{name}.strict_f1")
    assert lax >= floor(f"{name}.lax_f1")
    assert strict > bench.measure(documents, bench.by_lengths)[0] + 0.2


def test_stories_in_languages_that_share_few_words_find_each_other(bench, shared_data, floor):
    documents = bench.alibi_documents(shared_data, "test")
    strict, lax = bench.measure(documents, bench.by_vectors)
    assert strict > bench.measure(documents, bench.by_lengths)[0]
    assert strict >= floor("mine.monotone.fra-eng.strict_f1")
    assert lax >= floor("mine.monotone.fra-eng.lax_f1")


@pytest.mark.parametrize("names", [("lij", "ita"), ("roh_sursilv", "roh_vallader"), ("gsw1", "deu_1996")])
def test_sentences_of_declarations_find_their_article(bench, shared_data, floor, names):
    documents = [bench.declaration(shared_data, names)]
    strict, lax = bench.measure(documents, bench.by_vectors)
    name = f"mine.monotone.udhr.{names[0]}-{names[1]}"
    assert strict >= floor(f"{name}.strict_f1")
    assert lax >= floor(f"{name}.lax_f1")
