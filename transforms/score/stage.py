"""score: pairs -> pairs with score columns behind them.

What goes in: pairs, with words and links where they were aligned. What comes out: the same pairs, each with every
chosen score; unknown is null. No pair is rejected: a score measures, the configuration of `publish` decides. Order,
cut and duplicates do not matter. Cost: one pass; edit distances of sentences and words are most of it.
"""

from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from schemas.pair import PairBatch
from schemas.reject import RejectBatch
from transforms.common import coders as coders
from transforms.common.accounting import Result
from transforms.common.stage import MapBatches, Outcome, StageFunction
from transforms.score.pairs import score_batch
from transforms.score.settings import ScoreSettings


@dataclass(eq=False, kw_only=True)
class Score(beam.PTransform):  # type: ignore[misc]
    """Measure pairs.

    Attributes:
        settings: which scores.
    """

    settings: ScoreSettings

    def expand(self, batches: beam.PCollection[PairBatch]) -> Outcome:
        """Take the scores of every batch."""
        measured: Outcome = batches | "Measure" >> MapBatches(
            stage="score",
            unit="pair",
            make_function=partial(_make_measure, self.settings),
            given=PairBatch,
            made=PairBatch,
            variety="source_variety>target_variety",
        )
        return measured


def _make_measure(settings: ScoreSettings) -> StageFunction:
    def run(pairs: PairBatch) -> Result[PairBatch]:
        return Result(score_batch(pairs, settings.scores), RejectBatch.empty())

    return run
