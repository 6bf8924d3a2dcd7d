"""Alignment of batches and of plain text pairs: pure functions around an aligner."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.errors import RecordError
from schemas.pair import LINK, PairBatch
from schemas.reject import Reason
from transforms.align.interface import AlignedPair, Aligner, Link, WordPair
from transforms.align.settings import AlignSettings
from transforms.align.tokens import tokenize
from transforms.align.votes import Votes
from transforms.common.accounting import Result, rejects_of
from transforms.common.backends import load_backend
from transforms.common.bisect import bisect_failures

STAGE = "align"
UNIT = "pair"
VARIETY = "source_variety>target_variety"


def aligner_class(settings: AlignSettings) -> Any:
    """Give the class of the aligner that the settings name, for several the one that gathers their votes.

    Raises:
        SettingsError: there is no such aligner, or its library is not installed.
    """
    return Votes if "+" in settings.aligner else load_backend("align", settings.aligner)


def make_aligner(settings: AlignSettings) -> Aligner:
    """Make the aligner that the settings name.

    Raises:
        SettingsError: there is no such aligner, its library is not installed, or its model is none.
    """
    aligner: Aligner = aligner_class(settings)(settings)
    return aligner


def align_pairs(
    pairs: Sequence[tuple[str, str]], settings: AlignSettings | None = None, *, tokenized: bool = False
) -> list[AlignedPair]:
    """Link the words of plain text pairs.

    An aligner that learns does so from these pairs, in their order by content.

    Args:
        pairs: source and target texts.
        settings: which aligner, and how; `max_words` is obeyed: longer pairs get no links.
        tokenized: whether words are separated by white space already.

    Returns:
        Words and links of every pair, in order.

    Example:
        >>> align_pairs([("l'ægua", "l'acqua")])[0].source_tokens
        ["l'", 'ægua']
    """
    settings = settings or AlignSettings()
    words = [tuple((text.split() if tokenized else tokenize(text)) for text in pair) for pair in pairs]
    usable = [i for i, pair in enumerate(words) if all(1 <= len(side) <= settings.max_words for side in pair)]
    order = sorted(usable, key=lambda i: words[i])
    aligner = make_aligner(settings)
    links: list[list[Link]] = [[] for _ in words]
    for i, found in zip(order, _links([(words[i][0], words[i][1]) for i in order], aligner), strict=True):
        links[i] = [] if isinstance(found, RecordError) else found
    return [AlignedPair(source, target, found) for (source, target), found in zip(words, links, strict=True)]


def tokenize_pairs(batch: PairBatch, settings: AlignSettings) -> Result[PairBatch]:
    """Put the words of both sides, as found, into the batch; reject pairs without words on a side and with too many."""
    sides = [[tokenize(text) for text in batch.texts(f"{side}_text")] for side in ("source", "target")]
    bad: dict[int, tuple[Reason, str]] = {}
    for i, (source, target) in enumerate(zip(*sides, strict=True)):
        for side, words in (("source", source), ("target", target)):
            if not words:
                bad.setdefault(i, (Reason.EMPTY, f"the {side} has no words"))
            elif len(words) > settings.max_words:
                bad.setdefault(
                    i, (Reason.TOO_MANY_WORDS, f"the {side} has {len(words)} words, at most {settings.max_words}")
                )
    rejects = rejects_of(
        batch,
        bad,
        stage=STAGE,
        unit=UNIT,
        reasons=[str(reason) for reason, _ in bad.values()],
        details=[detail for _, detail in bad.values()],
        variety=VARIETY,
        text="source_text",
    )
    kept = [i for i in range(len(batch)) if i not in bad]
    source, target = ([side[i] for i in kept] for side in sides)
    return Result(batch.take(kept).replace(source_tokens=source, target_tokens=target), rejects)


def link_pairs(batch: PairBatch, aligner: Aligner) -> Result[PairBatch]:
    """Link the words of a batch that has them; pairs that the aligner refuses become rejects."""
    found = _links(word_pairs(batch), aligner)
    good = [i for i, links in enumerate(found) if not isinstance(links, RecordError)]
    bad = {i: error for i, error in enumerate(found) if isinstance(error, RecordError)}
    rejects = rejects_of(
        batch,
        bad,
        stage=STAGE,
        unit=UNIT,
        reasons=[str(error.reason) for error in bad.values()],
        details=[error.detail for error in bad.values()],
        variety=VARIETY,
        text="source_text",
    )
    made = batch if not bad else batch.take(good)
    return Result(
        made.replace(links=links_array([links for links in found if not isinstance(links, RecordError)])), rejects
    )


def word_pairs(batch: PairBatch) -> list[WordPair]:
    """Give the words of both sides of every pair."""
    return list(zip(batch.texts("source_tokens"), batch.texts("target_tokens"), strict=True))


def links_array(links: Sequence[Sequence[Link]]) -> pa.Array:
    """Lay links out as the column `links` of pairs."""
    offsets = np.zeros(len(links) + 1, dtype=np.int32)
    np.cumsum([len(of_pair) for of_pair in links], out=offsets[1:]) if links else None
    flat: Iterable[Link] = list(chain.from_iterable(links))
    columns = list(zip(*flat, strict=True)) or [(), (), ()]
    values = pa.StructArray.from_arrays(
        [pa.array(column, type=spec.type) for column, spec in zip(columns, LINK, strict=True)], fields=list(LINK)
    )
    return pa.ListArray.from_arrays(pa.array(offsets), values).cast(pa.list_(LINK))


def _links(pairs: Sequence[WordPair], aligner: Aligner) -> Sequence[list[Link] | RecordError]:
    return bisect_failures(aligner.align, pairs)
