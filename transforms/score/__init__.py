"""score: pairs -> pairs with score columns behind them."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.score.registry import score_fields, score_names
from transforms.score.settings import ScoreSettings

if TYPE_CHECKING:
    from transforms.score.pairs import score_batch, score_pairs
    from transforms.score.stage import LearnFluency, Score

__all__ = ["LearnFluency", "Score", "ScoreSettings", "score_batch", "score_fields", "score_names", "score_pairs"]

__getattr__ = late(__name__, pairs=("score_batch", "score_pairs"), stage=("LearnFluency", "Score"))
