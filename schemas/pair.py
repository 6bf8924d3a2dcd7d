"""Pair: two sentences that may say the same, with links between their words and scores.

The columns of the pair itself are fixed; score columns (`schemas.score`) stand behind them, in the order
of their names.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from schemas.identity import content_id
from schemas.score import is_score, score_field
from schemas.table import Batch, field, table

LINK = pa.struct(
    [
        field("source", pa.int16(), "Word of the source sentence, counted from 0."),
        field("target", pa.int16(), "Word of the target sentence, counted from 0."),
        field(
            "probability",
            pa.float32(),
            "Probability of the link, 0 to 1; null where the aligner gives none.",
            nullable=True,
        ),
    ]
)


def _side(side: str) -> list[pa.Field]:
    return [
        field(f"{side}_id", pa.string(), f"Sentence id of the {side}."),
        field(f"{side}_document_id", pa.string(), f"Document of the {side} sentence."),
        field(f"{side}_variety", pa.string(), f"BCP 47 tag of the {side}."),
        field(
            f"{side}_variety_probability",
            pa.float32(),
            f"Probability of the {side}'s variety.",
            nullable=True,
            range="0 to 1",
        ),
        field(f"{side}_text", pa.string(), f"The {side} sentence as found."),
        field(f"{side}_normalized", pa.string(), f"The {side} sentence after normalization."),
        field(f"{side}_url", pa.string(), f"Where the {side} was found.", nullable=True),
        field(f"{side}_licence", pa.string(), f"Licence of the {side} text.", nullable=True),
        field(f"{side}_robots", pa.string(), f"Verdict of robots.txt on the {side}'s page."),
    ]


MARGIN = score_field(
    "margin",
    "Cosine of the pair against the mean cosine of both sentences to their nearest neighbours (Artetxe and Schwenk 2019).",
    range="ratio: 0 and up; distance: -2 to 2; absolute: -1 to 1",
    better="higher",
)
DOCUMENT_PRIOR = score_field(
    "document_prior",
    "What the two sentences' documents added to the margin when the pair was chosen: little above 0 where the documents "
    "correspond, below 0 where theirs are others, 0 where documents tell nothing. `margin` is without it.",
    range="some -0.5 to 0.5, in units of the ratio margin",
    better="higher",
)
COSINE = score_field("cosine", "Cosine of the two sentence vectors.", range="-1 to 1", better="higher")
PROBABILITY = score_field(
    "probability",
    "Probability that the pair is right, by its margin: from judged pairs where a curve was fitted on them, else from what "
    "sentences make of the rest when their partner is taken away. Null where pairs are too few to tell.",
    range="0 to 1",
    better="higher",
)
SOURCE_RANK, TARGET_RANK = (
    score_field(
        f"{side}_rank",
        f"Place of the {side} among the {other}'s nearest sentences by cosine, from 1; of several encoders the best place. "
        "Null where it is not among the k that were looked at.",
        range="1 to k",
        better="lower",
    )
    for side, other in (("source", "target"), ("target", "source"))
)
MUTUAL_RANK = score_field(
    "mutual_rank",
    "Geometric mean of `source_rank` and `target_rank`: 1 where each sentence is the other's nearest. Null where one of them "
    "is null.",
    range="1 to k",
    better="lower",
)
MINED_SCORES = (DOCUMENT_PRIOR, MUTUAL_RANK, PROBABILITY, SOURCE_RANK, TARGET_RANK)
"""Scores that mining gives beside the fixed `cosine` and `margin`."""

PAIR = table(
    "pair",
    1,
    [
        field("pair_id", pa.string(), "Content id of the two sentence ids."),
        *_side("source"),
        *_side("target"),
        field(
            "direction",
            pa.string(),
            "Whose candidate the pair was: forward (the source's best), backward (the target's best), both.",
        ),
        field("source_tokens", pa.list_(pa.string()), "Words of the source; null before alignment.", nullable=True),
        field("target_tokens", pa.list_(pa.string()), "Words of the target; null before alignment.", nullable=True),
        field(
            "links", pa.list_(LINK), "Words that translate each other, ordered; null before alignment.", nullable=True
        ),
        COSINE,
        MARGIN,
    ],
)


class PairBatch(Batch):
    """Pairs; score columns may stand behind the fixed ones."""

    SCHEMA = PAIR
    ID = "pair_id"
    __slots__ = ()

    @classmethod
    def fits(cls, schema: pa.Schema) -> bool:
        """Are the first fields the pair's, and all further ones scores?"""
        fixed = len(PAIR)
        return (
            len(schema) >= fixed
            and all(schema.field(i).equals(PAIR.field(i)) for i in range(fixed))
            and all(is_score(schema.field(i)) for i in range(fixed, len(schema)))
        )

    def with_scores(self, fields: Sequence[pa.Field], columns: Mapping[str, pa.Array]) -> "PairBatch":
        """Give the pairs with these score columns added behind, ordered by name."""
        present = {self.data.schema.field(i).name: i for i in range(len(PAIR), len(self.data.schema))}
        every = {name: (self.data.schema.field(i), self.data.column(i)) for name, i in present.items()}
        every |= {spec.name: (spec, columns[spec.name]) for spec in fields}
        ordered = [every[name] for name in sorted(every)]
        schema = pa.schema([*PAIR, *(spec for spec, _ in ordered)], metadata=PAIR.metadata)
        arrays = [*(self.data.column(i) for i in range(len(PAIR))), *(array for _, array in ordered)]
        return PairBatch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def pair_id(source: str, target: str) -> str:
    """Make the id of a pair from its two sentence ids."""
    return content_id("pair", source, target)
