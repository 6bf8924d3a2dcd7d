"""align: pairs -> pairs with the words of both sides and the links between them."""

from transforms.align.interface import AlignedPair, Aligner, Link, TrainedAligner
from transforms.align.pairs import align_pairs, make_aligner
from transforms.align.settings import AlignSettings
from transforms.align.stage import Align
from transforms.align.tokens import spans, tokenize

__all__ = [
    "Align",
    "AlignSettings",
    "AlignedPair",
    "Aligner",
    "Link",
    "TrainedAligner",
    "align_pairs",
    "make_aligner",
    "spans",
    "tokenize",
]
