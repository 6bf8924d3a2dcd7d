"""Documents help to mine: shuffled comparable documents of OLDI Seed that nothing was chosen on."""

from importlib.util import module_from_spec, spec_from_file_location

import pytest

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def bench(project):
    spec = spec_from_file_location("bench_documents", project / "benchmarks" / "bench_documents.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("names", [("lij_Latn", "ita_Latn"), ("fur_Latn", "eng_Latn"), ("ary_Arab", "arz_Arab")])
def test_documents_raise_precision_and_recall(bench, shared_data, floor, names):
    folder = shared_data / "oldi-seed" / "seed"
    without = bench.measure_once(folder, names, "without", "test", 0)
    found = bench.measure_once(folder, names, "found", "test", 0)
    known = bench.measure_once(folder, names, "known", "test", 0)
    assert min(found[0], known[0]) >= without[0]
    assert min(found[1], known[1]) >= without[1]
    assert found[2] >= floor(f"mine.documents.{names[0][:3]}-{names[1][:3]}.f1")
