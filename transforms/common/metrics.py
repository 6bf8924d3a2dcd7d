"""Counters that show a run's progress. They inform; the ledger is what counts."""

from apache_beam.metrics import Metrics

NAMESPACE = "isogloss"


def count(stage: str, unit: str, number: int) -> None:
    """Add to the counter `<stage>-<unit>`, such as `identify-sentences`: once a batch, not once a record."""
    if number:
        Metrics.counter(NAMESPACE, f"{stage}-{unit}").inc(number)
