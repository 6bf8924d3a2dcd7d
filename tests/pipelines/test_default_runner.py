"""A pipeline in a test must never try to fetch Prism."""

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner


def test_a_pipeline_without_a_runner_runs_on_fn_api_runner():
    with beam.Pipeline() as pipeline:
        assert type(pipeline.runner) is FnApiRunner
        pipeline | beam.Create([1])
