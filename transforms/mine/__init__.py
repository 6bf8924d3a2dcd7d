"""mine: vectors of two sides -> pairs, by the margin over exact nearest neighbours.

On a graph: `Select`, then (after embedding) `Mine`. In memory: `mine_vectors`; with a
second pass: `mine_texts`.

The names are imported when they are asked for: settings stay light, and only graphs need Beam.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from transforms.mine.settings import (
    DEFAULT_THRESHOLDS,
    DocumentSettings,
    GroupSettings,
    MineSettings,
    default_threshold,
)

if TYPE_CHECKING:
    from transforms.mine.documents import SentenceDocuments, number_documents
    from transforms.mine.drawing import costs, curve_json, draw
    from transforms.mine.evidence import Document, align_documents
    from transforms.mine.groups import Edge, Group, find_groups
    from transforms.mine.margin import margins, mean_cosines
    from transforms.mine.mining import mine_texts, mine_vectors
    from transforms.mine.monotone import Bead, added_up, align_monotone
    from transforms.mine.neighbours import BothWays, Neighbours, merge, nearest_both_ways
    from transforms.mine.precision import Curve, judged_curve, read_curve
    from transforms.mine.retrieval import DIRECTIONS, Pairs, candidates, retrieve
    from transforms.mine.select import SelectSentences
    from transforms.mine.stage import Correspond, Groups, Mine, Mined, Select

__all__ = [
    "DEFAULT_THRESHOLDS",
    "DIRECTIONS",
    "Bead",
    "BothWays",
    "Correspond",
    "Curve",
    "Document",
    "DocumentSettings",
    "Edge",
    "Group",
    "GroupSettings",
    "Groups",
    "Mine",
    "MineSettings",
    "Mined",
    "Neighbours",
    "Pairs",
    "Select",
    "SelectSentences",
    "SentenceDocuments",
    "added_up",
    "align_documents",
    "align_monotone",
    "candidates",
    "costs",
    "curve_json",
    "default_threshold",
    "draw",
    "find_groups",
    "judged_curve",
    "margins",
    "mean_cosines",
    "merge",
    "mine_texts",
    "mine_vectors",
    "nearest_both_ways",
    "number_documents",
    "read_curve",
    "retrieve",
]

_HOMES = {
    "documents": ("SentenceDocuments", "number_documents"),
    "drawing": ("costs", "curve_json", "draw"),
    "evidence": ("Document", "align_documents"),
    "groups": ("Edge", "Group", "find_groups"),
    "margin": ("margins", "mean_cosines"),
    "mining": ("mine_texts", "mine_vectors"),
    "precision": ("Curve", "judged_curve", "read_curve"),
    "monotone": ("Bead", "added_up", "align_monotone"),
    "neighbours": ("BothWays", "Neighbours", "merge", "nearest_both_ways"),
    "retrieval": ("DIRECTIONS", "Pairs", "candidates", "retrieve"),
    "select": ("SelectSentences",),
    "stage": ("Correspond", "Groups", "Mine", "Mined", "Select"),
}


def __getattr__(name: str) -> Any:
    """Import a name from its file."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"transforms.mine.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
