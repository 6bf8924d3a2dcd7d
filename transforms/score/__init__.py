"""score: pairs -> pairs with score columns behind them."""

from transforms.score.pairs import score_batch, score_pairs
from transforms.score.registry import score_fields, score_names
from transforms.score.settings import ScoreSettings
from transforms.score.stage import Score

__all__ = ["Score", "ScoreSettings", "score_batch", "score_fields", "score_names", "score_pairs"]
