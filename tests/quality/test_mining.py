"""Mining of OLDI Seed with a random two thirds of either side: F1 at the threshold that the program chooses.

The figures are those of `benchmarks/bench_pairs.py`, whose halves and counting are used.
"""

import importlib.util

import pytest

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def bench(project):
    spec = importlib.util.spec_from_file_location("bench_pairs", project / "benchmarks" / "bench_pairs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("lij_Latn", "ita_Latn"),
        ("lmo_Latn", "ita_Latn"),
        ("fur_Latn", "ita_Latn"),
        ("fur_Latn", "eng_Latn"),
        ("ary_Arab", "arz_Arab"),
    ],
)
def test_the_whole_of_oldi_seed(bench, shared_data, floor, source, target):
    sides = bench.halves(shared_data / "oldi-seed" / "seed", (source, target), "all", 0)
    found = bench.mined(sides, second_pass=True)
    f1, _, _ = bench.figures(found, sides, found.threshold)
    assert f1 >= floor(f"mine.oldi-seed.{source[:3]}-{target[:3]}.f1")
    for asked in (0.9, 0.95):
        _, precision, recall = bench.figures(found, sides, found.curve.threshold(found.pairs.margin, asked))
        assert precision >= asked - 0.02
        assert recall >= 0.95
