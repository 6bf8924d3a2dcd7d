"""Context: what the neighbours of a sentence, its document and its host tell of its variety, as a prior.

A line of two words often fits several varieties equally well; what stands around it then decides. Let p_j(t) be the
probability of the variety t for sentence j of a document, from its own text. The others of the document vote:

    m_i(t) = sum over j != i of (page + near * decay ** |i - j|) * p_j(t)  +  host * h(t),   page = min(v, most / n)
    b_i(t) = max(a + m_i(t), (a + max over u of m_i(u)) / limit)
    p'_i(t) = p_i(t) b_i(t) / sum over u of p_i(u) b_i(u)

with n sentences in the document and `a` votes for every variety beforehand. A long document does not outvote the
neighbours, because all of it has at most `most` votes. h(t) is the share of t among the sentences of
the host's other documents.
A sentence never votes for itself. No prior odds are beyond `limit` : 1, so the context cannot overrule a sentence whose
own odds are better than that: one whose own probability is at least limit / (1 + limit) keeps its variety.

All varieties of the model take part, also those that are not expected: a French paragraph makes its short lines
foreign. Where a document has one sentence and nothing is known of its host, the answer is the sentence's own.
The constants were chosen on the dev pages of OLDI Seed (`benchmarks/bench_evidence.py`).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

PSEUDO_VOTES = 0.1
PAGE_VOTE = 0.3
MOST_PAGE_VOTES = 20.0
NEAR_VOTE = 3.0
DECAY = 0.5
HOST_VOTES = 2.0
LIMIT = 100.0
HALF_KNOWN = 5.0
"""Sentences of a host at which its opinion counts half."""
WHOLE = 4096
"""Votes are counted in whole parts of one: sums are then the same in any order."""
MOST_HOSTS = 100_000
MOST_VARIETIES = 12
"""Varieties that are kept of a host."""


def seen_in_context(
    probabilities: NDArray[np.float32],
    documents: NDArray[np.int64],
    hosts: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Give the probability of every variety in the light of the sentences around.

    Args:
        probabilities: (n, t) of each sentence by itself; a row of zeros is a sentence without evidence, and stays.
        documents: (n,) number of each sentence's document; the sentences of one stand together, in their order.
        hosts: (n, t) shares of the varieties in the other documents of each sentence's host; zeros where nothing
            is known; None where nothing is known of any.

    Returns:
        (n, t), rows of which add up as they did.
    """
    made = np.empty_like(probabilities)
    known = np.zeros((0, probabilities.shape[1]), dtype=np.float32) if hosts is None else hosts
    _look_around(
        probabilities,
        documents,
        known,
        PSEUDO_VOTES,
        PAGE_VOTE,
        MOST_PAGE_VOTES,
        NEAR_VOTE,
        DECAY,
        HOST_VOTES,
        LIMIT,
        made,
    )
    return made


class HostVotes(msgspec.Struct, frozen=True):
    """What the sentences of hosts say by themselves.

    Attributes:
        hosts: names, ascending.
        bounds: where the entries of each host begin, and their number at the end.
        tags: variety of each entry.
        votes: of each entry, in parts of `WHOLE`.
    """

    hosts: tuple[str, ...] = ()
    bounds: tuple[int, ...] = (0,)
    tags: tuple[str, ...] = ()
    votes: tuple[int, ...] = ()

    @classmethod
    def of(cls, counted: Iterable[tuple[str, dict[str, int]]]) -> Self:
        """Lay out the votes of hosts, each of which stands once; order has no effect."""
        hosts, bounds, tags, votes = [], [0], [], []
        for host, by_tag in sorted(counted, key=lambda entry: entry[0]):
            for tag, count in sorted(by_tag.items()):
                tags.append(tag)
                votes.append(count)
            hosts.append(host)
            bounds.append(len(tags))
        return cls(tuple(hosts), tuple(bounds), tuple(tags), tuple(votes))

    def by_host(self, tags: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Give the votes of each host over these tags."""
        place = {tag: column for column, tag in enumerate(tags)}
        found = {}
        for row, host in enumerate(self.hosts):
            votes = np.zeros(len(tags), dtype=np.int64)
            for entry in range(self.bounds[row], self.bounds[row + 1]):
                if self.tags[entry] in place:
                    votes[place[self.tags[entry]]] = self.votes[entry]
            found[host] = votes
        return found


def frequent(votes: dict[str, int]) -> dict[str, int]:
    """Keep the most frequent varieties of a host."""
    return dict(sorted(votes.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_VARIETIES])


def most_heard(hosts: list[tuple[str, dict[str, int]]]) -> list[tuple[str, dict[str, int]]]:
    """Keep the hosts with the most votes; of as many, those whose names come first."""
    return sorted(hosts, key=lambda entry: (-sum(entry[1].values()), entry[0]))[:MOST_HOSTS]


def host_of(url: str | None) -> str:
    """Give the host of a URL; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "") if url else ""
    except ValueError:
        return ""


def votes_of(probabilities: NDArray[np.float32], bounds: Sequence[int]) -> NDArray[np.int64]:
    """Add up the probabilities of each document's sentences in parts of `WHOLE`: (documents, t).

    Args:
        probabilities: (n, t).
        bounds: where the sentences of each document begin, and n.
    """
    if len(bounds) < 2:
        return np.zeros((0, probabilities.shape[1]), dtype=np.int64)
    return np.add.reduceat(np.rint(probabilities * np.float32(WHOLE)).astype(np.int64), list(bounds[:-1]), axis=0)


def shares_of(votes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give what hosts say, by their votes (n, t): shares that add up to less than 1 where little is known."""
    whole = np.maximum(votes, 0) / WHOLE
    made: NDArray[np.float32] = (whole / (whole.sum(axis=1, keepdims=True) + HALF_KNOWN)).astype(np.float32)
    return made


@njit(cache=True, nogil=True)
def _look_around(
    own: Any, documents: Any, hosts: Any, pseudo: float, page: float, most_page: float, near: float, decay: float, host: float,
    limit: float, out: Any,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    lines, kinds = own.shape
    total = np.empty(kinds, dtype=np.float64)
    before = np.empty(kinds, dtype=np.float64)
    after = np.empty(kinds, dtype=np.float64)
    prior = np.empty(kinds, dtype=np.float64)
    first = 0
    while first < lines:
        last = first
        while last < lines and documents[last] == documents[first]:
            last += 1
        vote = min(page, most_page / (last - first))
        total[:] = 0.0
        after[:] = 0.0
        # Backwards: what stands behind each sentence waits in `out`.
        for row in range(last - 1, first - 1, -1):
            for t in range(kinds):
                out[row, t] = after[t]
                after[t] = decay * (after[t] + own[row, t])
                total[t] += own[row, t]
        before[:] = 0.0
        for row in range(first, last):
            for t in range(kinds):
                votes = vote * (total[t] - own[row, t]) + near * (before[t] + out[row, t])
                prior[t] = pseudo + max(votes, 0.0)
                before[t] = decay * (before[t] + own[row, t])
            if len(hosts) > 0:
                for t in range(kinds):
                    prior[t] += host * hosts[row, t]
            most = 0.0
            for t in range(kinds):
                most = max(most, prior[t])
            least = most / limit
            mass, weighed = 0.0, 0.0
            for t in range(kinds):
                prior[t] = max(prior[t], least) * own[row, t]
                mass += own[row, t]
                weighed += prior[t]
            share = mass / weighed if weighed > 0.0 else 0.0
            for t in range(kinds):
                out[row, t] = prior[t] * share
        first = last
