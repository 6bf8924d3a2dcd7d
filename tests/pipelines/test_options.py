"""Beam's flags are parsed strictly."""

import pytest
from apache_beam.options.pipeline_options import PortableOptions, S3Options, StandardOptions

from pipelines.options import LOCAL_RUNNER, RunnerOptions, parse_beam_flags
from schemas.errors import SettingsError


@pytest.mark.parametrize("name", ["DirectRunner", "directrunner", "Direct", "LocalRunner", "SwitchingDirectRunner"])
def test_direct_runner_means_our_local_runner(name):
    assert parse_beam_flags([f"--runner={name}"]) == RunnerOptions(runner=LOCAL_RUNNER)


def test_no_flags_mean_our_local_runner():
    assert parse_beam_flags([], workers=3) == RunnerOptions(workers=3)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("--temp-location=gs://b/t", "--temp_location"),
        ("--projet=p", "--project"),
        ("--direct_num_worker=2", "--direct_num_workers"),
        ("--s3_endpoint=http://x", "--s3_endpoint_url"),
        ("--Runner=DirectRunner", "--runner"),
    ],
)
def test_a_misspelt_flag_is_refused_with_the_right_one(misspelt, meant):
    with pytest.raises(SettingsError) as caught:
        parse_beam_flags([misspelt])
    assert misspelt.partition("=")[0] in caught.value.message
    assert caught.value.cure == f"Do you mean {meant}?"


def test_a_flag_is_not_abbreviated():
    with pytest.raises(SettingsError, match="no flag --streamin"):
        parse_beam_flags(["--streamin"])


def test_a_flag_like_no_other_is_refused():
    with pytest.raises(SettingsError, match="no flag --qwertz"):
        parse_beam_flags(["--qwertz", "3"])


@pytest.mark.parametrize("word", ["corpus.toml", "-x"])
def test_what_is_no_flag_is_refused(word):
    with pytest.raises(SettingsError, match="is no flag"):
        parse_beam_flags([word])


def test_a_value_of_the_wrong_type_is_refused():
    with pytest.raises(SettingsError, match=r"direct_num_workers.*'two'"):
        parse_beam_flags(["--direct_num_workers=two"])


@pytest.mark.parametrize("name", ["DaskRunner", "dask", "apache_beam.runners.dask.dask_runner.DaskRunner"])
def test_dask_runner_is_refused_and_the_reason_given(name):
    with pytest.raises(SettingsError, match="wrong results") as caught:
        parse_beam_flags(["--runner", name])
    assert "finish_bundle" in caught.value.cure


def test_a_runner_that_does_not_exist_is_refused():
    with pytest.raises(SettingsError) as caught:
        parse_beam_flags(["--runner=DataflwRunner"])
    assert caught.value.cure == "Do you mean DataflowRunner?"


def test_a_runner_that_cannot_be_imported_is_refused():
    with pytest.raises(SettingsError, match="cannot be imported"):
        parse_beam_flags(["--runner=nowhere.Runner"])


@pytest.mark.parametrize(
    ("given", "name"), [("FlinkRunner", "FlinkRunner"), ("portable", "PortableRunner"), ("sparkrunner", "SparkRunner")]
)
def test_other_runners_pass_through(given, name):
    options = parse_beam_flags([f"--runner={given}", "--job_endpoint=localhost:8099", "--environment_type=LOOPBACK"])
    assert options.runner == name
    assert options.beam_options().view_as(StandardOptions).runner == name
    assert options.beam_options().view_as(PortableOptions).environment_type == "LOOPBACK"


def test_flags_of_stores_are_kept():
    options = parse_beam_flags(["--s3_endpoint_url", "http://localhost:1/", "--runner", "DirectRunner"])
    assert options.beam_options().view_as(S3Options).s3_endpoint_url == "http://localhost:1/"


def test_workers_may_be_given_beams_way():
    assert parse_beam_flags(["--direct_num_workers", "2", "--direct_running_mode=multi_processing"]).workers == 2


@pytest.mark.parametrize(
    "flags",
    [["--direct_num_workers=3"], ["--direct_running_mode=multi_threading"], ["--direct_running_mode=in_memory"]],
)
def test_contradictions_about_workers_are_refused(flags):
    with pytest.raises(SettingsError):
        parse_beam_flags(flags, workers=2)


def test_workers_are_of_this_machine():
    with pytest.raises(SettingsError, match="FlinkRunner has flags of its own"):
        parse_beam_flags(["--runner=FlinkRunner"], workers=2)


def test_dataflow_without_what_it_needs_is_refused_before_anything_runs():
    # Without Google's libraries: they are named. With them: the missing project and region are.
    with pytest.raises(SettingsError, match=r"isogloss\[gcp\]|project"):
        parse_beam_flags(["--runner=DataflowRunner"])


def test_options_are_made_anew_for_each_run():
    options = RunnerOptions(flags=("--streaming",))
    first = options.beam_options()
    first.view_as(StandardOptions).streaming = False
    assert options.beam_options().view_as(StandardOptions).streaming is True
