"""Turn a pure function on batches into a step of a graph that accounts for every record.

What goes in: batches of one noun. What comes out: batches of the same or another noun, rejects, and
ledger entries. Order and duplicates do not matter. Cost: that of the function; counting is per batch.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam

from schemas.ledger import LedgerBatch
from schemas.reject import RejectBatch
from schemas.table import Batch
from transforms.common import coders as coders
from transforms.common.accounting import Result, ledger_entries, parent_entries, reject_entries
from transforms.common.metrics import count


class Outcome(NamedTuple):
    """What a stage gives."""

    made: beam.PCollection
    rejects: beam.PCollection[RejectBatch]
    ledger: beam.PCollection[LedgerBatch]


StageFunction = Callable[..., Result[Any]]


@dataclass(eq=False, kw_only=True)
class MapBatches(beam.PTransform):  # type: ignore[misc]
    """Run a pure function on every batch, and count.

    Attributes:
        stage: name of the stage, in rejects, ledger and counters.
        unit: what goes in: page, document, sentence, pair.
        make_function: gives the function, once a worker (heavy things are loaded there); must be picklable:
            a module's function, a dataclass with `__call__`, or a `functools.partial`.
        given, made: the nouns that go in and come out.
        variety: column of the given noun that holds the variety on entering; empty: `und` for all.
        parent: where the made noun is another one: its column that names the given record, and the given
            noun's id is counted as gone out when a row of `made` names it.
        made_unit: the made noun's unit, where it is another one; its rows are entered as yielded.
        made_variety: column of the made noun that tells the variety on entering; `variety` when empty.
        extra: a collection of one value, which the function gets as its second argument.
        together: column of the made noun; rows with one value that the function gives one after another stay in one
            batch (see `Batch.pieces`).
    """

    stage: str
    unit: str
    make_function: Callable[[], StageFunction]
    given: type[Batch]
    made: type[Batch]
    variety: str = ""
    parent: str = ""
    made_unit: str = ""
    made_variety: str = ""
    extra: beam.PCollection | None = None
    together: str = ""

    def expand(self, batches: beam.PCollection) -> Outcome:
        """Apply the function to each batch."""
        more = () if self.extra is None else (beam.pvalue.AsSingleton(self.extra),)
        run = beam.ParDo(_RunBatch(self), *more).with_input_types(self.given, *[Any] * len(more))
        done = batches | "Run" >> run.with_outputs("rejects", "ledger", main="made")
        made, rejects, ledger = done.made, done.rejects, done.ledger
        made.element_type, rejects.element_type, ledger.element_type = self.made, RejectBatch, LedgerBatch
        return Outcome(made, rejects, ledger)


class _RunBatch(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: MapBatches) -> None:
        self._stage = settings.stage
        self._unit = settings.unit
        self._make_function = settings.make_function
        self._variety = settings.variety
        self._parent = settings.parent
        self._made_unit = settings.made_unit
        self._made_variety = settings.made_variety or settings.variety
        self._together = settings.together
        self._function: StageFunction | None = None

    def setup(self) -> None:
        self._function = self._make_function()

    def process(self, batch: Batch, *extra: Any) -> Iterable[Any]:
        assert self._function is not None, "setup runs before process"
        entries = [ledger_entries(self._stage, self._unit, "in", batch, self._variety)]
        result = self._function(batch, *extra)
        if self._parent:
            entries.append(parent_entries(self._stage, self._unit, result.made, self._parent, self._made_variety))
            entries.append(ledger_entries(self._stage, self._made_unit, "yielded", result.made, self._made_variety))
        else:
            entries.append(ledger_entries(self._stage, self._unit, "out", result.made, self._made_variety))
        entries.append(reject_entries(result.rejects))
        if result.ledger is not None:
            entries.append(result.ledger)
        count(self._stage, f"{self._unit}s", len(batch))
        count(self._stage, "rejects", len(result.rejects))
        yield from result.made.pieces(together=self._together)
        for piece in result.rejects.pieces():
            yield beam.pvalue.TaggedOutput("rejects", piece)
        yield beam.pvalue.TaggedOutput("ledger", LedgerBatch.concatenate(entries))


class AddUp(beam.CombineFn):  # type: ignore[misc]
    """Combines by a function that adds up any number of values, none among them; any order must give the same.

    Args:
        add: a module's function from values to their sum.
    """

    def __init__(self, add: Callable[[Iterable[Any]], Any]) -> None:
        self._add = add

    def create_accumulator(self) -> Any:
        """Give the sum of nothing."""
        return self._add([])

    def add_input(self, total: Any, value: Any) -> Any:
        """Add a value."""
        return self._add([total, value])

    def merge_accumulators(self, totals: Iterable[Any]) -> Any:
        """Add sums."""
        return self._add(totals)

    def extract_output(self, total: Any) -> Any:
        """Give the sum."""
        return total
