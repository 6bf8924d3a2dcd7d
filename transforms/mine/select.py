"""Select the sentences that are worth mining: one a cluster of duplicates, of a wanted variety, probable enough."""

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.reject import Reason, RejectBatch
from schemas.sentence import SentenceBatch
from schemas.table import UNDETERMINED
from transforms.common.accounting import Result, rejects_of
from transforms.mine.settings import MineSettings

SELECT = "select"


@dataclass(frozen=True)
class SelectSentences:
    """Keep what is no duplicate, of a wanted variety, and probable enough; the first reason that holds counts.

    Attributes:
        settings: `minimum_probability` is used.
        varieties: BCP 47 tags that take part in mining.
    """

    settings: MineSettings
    varieties: Collection[str]

    def __call__(self, sentences: SentenceBatch) -> Result[SentenceBatch]:
        """Select from one batch."""
        varieties = pc.fill_null(sentences.column("variety"), UNDETERMINED)
        probabilities = pc.fill_null(sentences.column("variety_probability"), 0.0)
        duplicate = pc.fill_null(sentences.column("is_duplicate"), False)
        undetermined = pc.equal(varieties, UNDETERMINED)
        unwanted = pc.invert(pc.is_in(varieties, value_set=pa.array(sorted(self.varieties), type=pa.string())))
        # The column is float32: compare with what the limit is there.
        uncertain = pc.less(probabilities, pa.scalar(self.settings.minimum_probability, type=pa.float32()))
        reasons = pc.case_when(
            pc.make_struct(duplicate, undetermined, unwanted, uncertain),
            *(
                pa.scalar(str(reason))
                for reason in (
                    Reason.DUPLICATE,
                    Reason.VARIETY_UNDETERMINED,
                    Reason.VARIETY_NOT_WANTED,
                    Reason.VARIETY_UNCERTAIN,
                )
            ),
        )
        wanted = pc.is_null(reasons)
        return Result(sentences.filter(wanted), self._rejects(sentences, reasons))

    def _rejects(self, sentences: SentenceBatch, reasons: pa.Array) -> RejectBatch:
        listed = reasons.to_pylist()
        chosen = [row for row, reason in enumerate(listed) if reason is not None]
        rejects = rejects_of(
            sentences,
            chosen,
            stage=SELECT,
            unit="sentence",
            reasons=[listed[row] for row in chosen],
            variety="variety",
            text="text",
        )
        if not chosen:
            return rejects
        uncertain = pc.equal(rejects.column("reason"), str(Reason.VARIETY_UNCERTAIN))
        probabilities = sentences.take(chosen).column("variety_probability").cast(pa.float64())
        nothing = pa.scalar(None, type=pa.float64())
        return rejects.replace(
            score=pc.if_else(uncertain, pa.scalar("variety_probability"), pa.scalar(None, type=pa.string())),
            value=pc.if_else(uncertain, probabilities, nothing),
            limit=pc.if_else(uncertain, pa.scalar(self.settings.minimum_probability), nothing),
        )
