"""Join pairs to groups of sentences of three and more varieties. Pure.

Pairs are taken from the largest margin down; a pair joins the groups of its two sentences when the joined group holds
no variety twice (union-find with that condition). So a cycle that does not close, where a way over a third variety
leads to another sentence, is cut at its weakest pair. Equal margins are decided by the ids.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.group import group_id


class Edge(NamedTuple):
    """A pair of the corpus.

    Attributes:
        margin: of the pair.
        source_id, target_id: its sentences.
        source_variety, target_variety: their varieties.
    """

    margin: float
    source_id: str
    target_id: str
    source_variety: str
    target_variety: str


class Group(NamedTuple):
    """Sentences that say the same.

    Attributes:
        group_id: content id.
        members: sentence ids by variety, ordered by variety.
        consensus: share of the mined variety pairs within it that are pairs, 0 to 1.
        weakest_margin: smallest margin of its pairs.
    """

    group_id: str
    members: dict[str, str]
    consensus: float
    weakest_margin: float


def find_groups(edges: Sequence[Edge], least_varieties: int = 3) -> Iterator[Group]:
    """Find the groups of a corpus.

    Args:
        edges: all pairs, in any order.
        least_varieties: fewest varieties of a group.

    Returns:
        Groups in the order of their ids; no sentence stands in two.
    """
    parents: dict[str, str] = {}
    members: dict[str, dict[str, str]] = {}

    def root(sentence: str) -> str:
        while parents[sentence] != sentence:
            parents[sentence] = parents[parents[sentence]]
            sentence = parents[sentence]
        return sentence

    ordered = sorted(edges, key=lambda edge: (-edge.margin, edge.source_id, edge.target_id))
    for edge in ordered:
        for sentence, variety in ((edge.source_id, edge.source_variety), (edge.target_id, edge.target_variety)):
            if sentence not in parents:
                parents[sentence], members[sentence] = sentence, {variety: sentence}
        a, b = root(edge.source_id), root(edge.target_id)
        if a == b or members[a].keys() & members[b].keys():
            continue
        if len(members[a]) < len(members[b]):
            a, b = b, a
        parents[b] = a
        members[a] |= members.pop(b)
    inside: dict[str, list[Edge]] = {}
    for edge in ordered:
        if root(edge.source_id) == root(edge.target_id):
            inside.setdefault(root(edge.source_id), []).append(edge)
    mined = {frozenset((edge.source_variety, edge.target_variety)) for edge in edges}
    found = []
    for top, of_variety in members.items():
        if len(of_variety) < least_varieties:
            continue
        possible = sum(pair <= of_variety.keys() for pair in mined)
        agreeing = {frozenset((edge.source_variety, edge.target_variety)) for edge in inside[top]}
        found.append(
            Group(
                group_id(of_variety.values()),
                dict(sorted(of_variety.items())),
                len(agreeing) / possible,
                min(edge.margin for edge in inside[top]),
            )
        )
    yield from sorted(found, key=lambda group: group.group_id)
