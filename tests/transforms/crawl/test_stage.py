"""The crawl through Beam: rounds, buckets, accounts."""

from pathlib import Path

import apache_beam as beam
import pytest
from tests_crawl import Site, html, settings_for, stored

from schemas.errors import SettingsError
from transforms.common import files
from transforms.common.checkpoint import FinishCheckpoint, Plan, read_manifest
from transforms.crawl import Crawl, CrawlSettings


def run(settings: CrawlSettings, folder: Path) -> tuple[list[str], list[tuple[str, str]], dict[str, int]]:
    """Crawl into a checkpoint, as `isogloss crawl` does, and read the checkpoint."""
    plan = Plan(folder=str(folder), table="page", version=1, code="0")
    with beam.Pipeline() as pipeline:
        (pipeline | Crawl(settings=settings, folder=str(folder)))._asdict() | FinishCheckpoint(plan=plan)
    manifest = read_manifest(str(folder))
    assert manifest is not None
    paths = [shard["path"] for shard in manifest["shards"]]
    assert paths == sorted(str(path.relative_to(folder)) for path in folder.glob("warc/*"))
    sums = {"in": 0, "out": 0, "rejected": 0}
    for row in files.read_parquet(str(folder / "ledger.parquet")).to_pylist():
        sums[row["outcome"]] += row["count"]
    assert manifest["rows"] == sums["out"]
    rejects = [files.read_parquet(str(folder / "rejects" / shard["path"])) for shard in manifest["rejects"]]
    rows = [row for table in rejects for row in table.to_pylist()]
    return paths, sorted((row["url"], row["reason"]) for row in rows), sums


@pytest.fixture
def hosts(site: Site) -> tuple[str, ...]:
    """Two names of one server: each page leads to the other host."""
    names = tuple(f"{name}:{site.port}" for name in ("127.0.0.1", "localhost"))
    first, second = names
    site.page("/", html("Zena", f"http://{second}/due", "/casa"))
    site.page("/due", html("Udin", f"http://{first}/trei", "/doi"))
    site.page("/casa", html("casa"))
    site.page("/doi", html("doi"))
    site.page("/trei", html("trei", f"http://{second}/tardi"))
    site.page("/tardi", html("tardi"))
    return names


@pytest.mark.parametrize(("rounds", "pages"), [(1, 2), (2, 4), (3, 5), (4, 6)])
def test_links_to_other_hosts_are_followed_in_the_next_round(
    site: Site, hosts: tuple[str, ...], tmp_path: Path, rounds: int, pages: int
) -> None:
    settings = settings_for(site, hosts=hosts, rounds=rounds, buckets=3)
    _, rejects, sums = run(settings, tmp_path)
    assert sums == {"in": pages, "out": pages, "rejected": 0}
    assert rejects == []


def test_the_pages_do_not_depend_on_the_number_of_buckets(site: Site, hosts: tuple[str, ...], tmp_path: Path) -> None:
    results = []
    for buckets in (1, 5):
        folder = tmp_path / str(buckets)
        _, rejects, sums = run(settings_for(site, hosts=hosts, rounds=3, buckets=buckets, max_pages=4), folder)
        results.append((stored(folder), rejects, sums))
    assert results[0] == results[1]
    assert results[0][2]["out"] == 4


def test_what_is_left_of_the_pages_is_shared_out_in_the_next_round(
    site: Site, hosts: tuple[str, ...], tmp_path: Path
) -> None:
    """The second host needs one page of its share; the first host gets what is left."""
    first, second = hosts
    site.page("/uno", html("uno"))
    site.page("/", html("Zena", *(f"/{n}" for n in range(6))))
    for n in range(6):
        site.page(f"/{n}", html(f"{n}"))
    settings = settings_for(
        site, seeds=(f"http://{first}/", f"http://{second}/uno"), hosts=hosts, rounds=2, max_pages=7, sitemaps=False
    )
    _, rejects, sums = run(settings, tmp_path)
    assert sums == {"in": 8, "out": 7, "rejected": 1}
    assert [reason for _, reason in rejects] == ["page_limit"]


def test_a_second_run_asks_for_nothing_and_gives_the_same(site: Site, hosts: tuple[str, ...], tmp_path: Path) -> None:
    settings = settings_for(site, seeds=(f"{site.base}/", "ftp://example.org/"), hosts=hosts, rounds=3, buckets=4)
    first = run(settings, tmp_path)
    asked = len(site.asked)
    assert run(settings, tmp_path) == first
    assert len(site.asked) == asked
    assert first[1] == [("ftp://example.org/", "url_invalid")]


def test_a_folder_of_another_crawl_is_refused_when_the_graph_is_built(site: Site, tmp_path: Path) -> None:
    site.page("/", html("Zena"))
    run(settings_for(site), tmp_path)
    with pytest.raises(SettingsError, match="other settings"):
        run(settings_for(site, max_pages=1), tmp_path)
