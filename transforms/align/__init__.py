"""align: pairs -> pairs with the words of both sides and the links between them; links -> lexicon."""

from typing import TYPE_CHECKING

from transforms.align.interface import AlignedPair, Aligner, Link, TrainedAligner
from transforms.align.settings import AlignSettings, LexiconSettings
from transforms.align.tokens import spans, tokenize
from transforms.common.doors import late

if TYPE_CHECKING:
    from transforms.align.lexicon import add_generality, make_lexicon
    from transforms.align.pairs import align_pairs, make_aligner
    from transforms.align.stage import Align, Lexicon

__all__ = [
    "Align",
    "AlignSettings",
    "AlignedPair",
    "Aligner",
    "Lexicon",
    "LexiconSettings",
    "Link",
    "TrainedAligner",
    "add_generality",
    "align_pairs",
    "make_aligner",
    "make_lexicon",
    "spans",
    "tokenize",
]

__getattr__ = late(
    __name__,
    lexicon=("add_generality", "make_lexicon"),
    pairs=("align_pairs", "make_aligner"),
    stage=("Align", "Lexicon"),
)
