"""Mine over blocks: plan the squares, search one, merge, decide, and join with the texts. Pure but for reading blocks.

A sentence is known by its block's number and its row there, packed into one integer. Blocks are cut along
sentence ids, so the order of these integers is the order of the ids, for any number of blocks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from schemas.ledger import LedgerBatch
from schemas.pair import (
    DOCUMENT_PRIOR,
    MINED_SCORES,
    MUTUAL_RANK,
    PROBABILITY,
    SOURCE_RANK,
    TARGET_RANK,
    PairBatch,
    pair_id,
)
from schemas.reject import EXCERPT_CHARACTERS, Reason, RejectBatch
from schemas.sentence import SentenceBatch
from schemas.table import BATCH_ROWS
from transforms.common import files
from transforms.common.accounting import reject_entries, rejects_of
from transforms.common.blocks import (
    SPARSE,
    VectorBlock,
    read_dense,
    read_sentence_column,
    read_sentences,
    read_sparse,
    write_dense,
    write_sparse,
)
from transforms.mine.approximate import likely_neighbours
from transforms.mine.documents import number_documents
from transforms.mine.drawing import costs, curve_json, draw
from transforms.mine.fusion import Space, block_cosines, mine_fused
from transforms.mine.lexicon import MOST_PAIRS, Taught, teach
from transforms.mine.mapping import Mapped, teach_map
from transforms.mine.mining import Mined, better, mine_neighbours
from transforms.mine.neighbours import (
    MISSING,
    BothWays,
    Neighbours,
    Vectors,
    completed,
    merge,
    nearest_both_ways,
    no_neighbours,
)
from transforms.mine.precision import LEAST_SURE
from transforms.mine.retrieval import DIRECTIONS, Candidates
from transforms.mine.settings import MineSettings, SearchName

PairOfVarieties = tuple[str, str]

STAGE = "mine"
SECOND_PASS = "second-pass"  # noqa: S105 -- a folder, not a password
"""Folder below that of the vectors: what first passes taught, and the vectors of second passes."""

_WORDS_FILE, _MAP_FILE = "taught.npz", "map.npz"

CURVES = "curves"
"""Folder below that of the pairs: how margins became probabilities."""

SOURCE, TARGET = "source", "target"
_ROW_BITS = 32
_LEAST_SQUARES = 16
_LARGEST_SIDE = 8
_CHUNK_BLOCKS = 4
_LEAST_ASKING, _MOST_ASKING = 4, 16
EXACT_COMPARISONS = 50_000_000_000
"""More than these are searched approximately, unless the settings say otherwise."""
_COPIED = (
    "document_id",
    "variety",
    "variety_probability",
    "text",
    "normalized",
    "url",
    "licence",
    "robots",
)
"""Columns of a sentence that a pair has for either side, besides the id."""


@dataclass(frozen=True)
class Square:
    """A work item of the search: some blocks of the source against some of the target.

    Attributes:
        name: `source>target`.
        sources, targets: blocks; one of the two may be empty, when the variety has no sentences.
        asking: empty where both sides are searched, exactly; source or target where neighbours of that side alone are
            searched, approximately, among all blocks of the other.
    """

    name: str
    sources: tuple[VectorBlock, ...]
    targets: tuple[VectorBlock, ...]
    asking: str = ""


@dataclass(frozen=True, eq=False)
class BlockNeighbours:
    """The nearest neighbours of a block's sentences among those that have been searched.

    Attributes:
        name: `source>target`.
        side: source or target: which side of the pair the block is on.
        block: the block.
        neighbours: indices are packed block numbers and rows.
    """

    name: str
    side: str
    block: VectorBlock
    neighbours: Neighbours

    @property
    def key(self) -> str:
        """What it is of: results with equal keys are merged."""
        return f"{self.name}|{space_of(self.block)}|{self.side}|{self.block.number:06d}"


@dataclass(frozen=True, eq=False)
class Fate:
    """What becomes of the sentences of a block.

    Attributes:
        name, side, block: as in `BlockNeighbours`.
        rows: (p,) int64, the sentence of each pair that touches the block.
        places: (p,) int64, place of the pair among all that were retrieved.
        kept: (p,) bool, whether its margin reaches the threshold.
        cosines, margins, priors, directions, probabilities: (p,) the pair's; the margin has the prior in it, a
            probability that is not known is NaN.
        ranks: (p, 2) int16, of the source and of the target; 0 where not known.
        best: (block.rows,) float64, margin of each sentence's candidate; minus infinity where it has none.
        best_priors: (block.rows,) float64, what documents added to it.
        threshold: the smallest margin that is kept.
    """

    name: str
    side: str
    block: VectorBlock
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    kept: NDArray[np.bool_]
    cosines: NDArray[np.float32]
    margins: NDArray[np.float64]
    priors: NDArray[np.float64]
    directions: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    ranks: NDArray[np.int16]
    best: NDArray[np.float64]
    best_priors: NDArray[np.float64]
    threshold: float


@dataclass(frozen=True, eq=False)
class Half:
    """One side of some pairs, with its text.

    Attributes:
        name, side: as in `BlockNeighbours`.
        chunk: which run of pairs; pairs are joined a run at a time.
        places, kept, cosines, margins, priors, directions, probabilities, ranks, threshold: as in `Fate`.
        sentences: (p) rows, the side's columns.
    """

    name: str
    side: str
    chunk: int
    places: NDArray[np.int64]
    kept: NDArray[np.bool_]
    cosines: NDArray[np.float32]
    margins: NDArray[np.float64]
    priors: NDArray[np.float64]
    directions: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    ranks: NDArray[np.int16]
    threshold: float
    sentences: pa.RecordBatch

    @property
    def key(self) -> str:
        """What it is joined by."""
        return f"{self.name}|{self.chunk:09d}"


def plan_squares(
    blocks: Sequence[VectorBlock], pairs: Sequence[PairOfVarieties], search: SearchName = "auto", device: str = "cpu"
) -> Iterator[Square]:
    """Cut the grid of every pair of varieties into squares, in the space of each encoder.

    A square has one block a side while a side has at most 16 blocks, and up to 8 beyond, so that
    there is work for many workers and little to merge. The cut changes no result. Where the search is
    approximate, a work item is up to 16 blocks of one side, a quarter of it at most, and all blocks of the other.

    Args:
        blocks: of all varieties, in any order.
        pairs: pairs of varieties, (source, target).
        search, device: as in the settings. Dense vectors on a GPU are searched exactly unless told otherwise.
    """
    of_variety: dict[tuple[str, str], list[VectorBlock]] = {}
    for block in sorted(blocks, key=lambda block: (block.variety, block.number)):
        of_variety.setdefault((space_of(block), block.variety), []).append(block)
    for space in sorted({space for space, _ in of_variety}):
        for source, target in pairs:
            sources, targets = of_variety.get((space, source), []), of_variety.get((space, target), [])
            largest = max(len(sources), len(targets))
            side = min(_LARGEST_SIDE, max(1, -(-largest // _LEAST_SQUARES)))
            if sources and targets and _is_approximate(sources, targets, search, device):
                for some in _groups(sources, _asking(sources)):
                    yield Square(f"{source}>{target}", some, tuple(targets), SOURCE)
                for some in _groups(targets, _asking(targets)):
                    yield Square(f"{source}>{target}", tuple(sources), some, TARGET)
                continue
            for some_sources in _groups(sources, side):
                for some_targets in _groups(targets, side):
                    if some_sources or some_targets:
                        yield Square(f"{source}>{target}", some_sources, some_targets)


def _asking(blocks: Sequence[VectorBlock]) -> int:
    """Give how many blocks look for neighbours together: each group reads all blocks of the other side."""
    return min(_MOST_ASKING, max(1, -(-len(blocks) // _LEAST_ASKING)))


def _is_approximate(
    sources: Sequence[VectorBlock], targets: Sequence[VectorBlock], search: SearchName, device: str
) -> bool:
    if search != "auto":
        return search == "approximate"
    if device != "cpu" and sources[0].kind != SPARSE:
        return False
    return sum(block.rows for block in sources) * sum(block.rows for block in targets) > EXACT_COMPARISONS


def space_of(block: VectorBlock) -> str:
    """Give the name of the encoder whose space the block's vectors lie in, such as `ngram`.

    LASER's models share one space, though each variety may have its own.
    """
    return block.encoder.partition(":")[0]


def _groups(blocks: Sequence[VectorBlock], size: int) -> list[tuple[VectorBlock, ...]]:
    """Cut into groups; no blocks are one empty group."""
    return [tuple(blocks[start : start + size]) for start in range(0, len(blocks), size)] or [()]


def search_square(square: Square, k: int, device: str = "cpu") -> Iterator[BlockNeighbours]:
    """Search every source block of a square against every target block.

    Memory: the vectors of two blocks, the neighbours of all; of an approximate search those of 20 blocks.

    Args:
        square: the blocks.
        k: neighbours wanted.
        device: where dense vectors are multiplied.

    Raises:
        ValueError: the two sides' vectors do not fit each other, or hold what is no number.
    """
    if square.asking:
        yield from _search_approximately(square, k)
        return
    backward = [no_neighbours(block.rows, k) for block in square.targets]
    for source in square.sources:
        forward = no_neighbours(source.rows, k)
        source_vectors = read_vectors(source) if square.targets else None
        for place, target in enumerate(square.targets):
            try:
                known = (forward.cosines[:, -1], backward[place].cosines[:, -1])
                found = nearest_both_ways(source_vectors, read_vectors(target), k, known, device)
            except ValueError as error:
                raise ValueError(f"{square.name}: {source.vectors} and {target.vectors}: {error}") from error
            forward = merge(forward, found.forward.shifted(target.number << _ROW_BITS))
            backward[place] = merge(backward[place], found.backward.shifted(source.number << _ROW_BITS))
        yield BlockNeighbours(square.name, SOURCE, source, forward)
    for target, neighbours in zip(square.targets, backward, strict=True):
        yield BlockNeighbours(square.name, TARGET, target, neighbours)


def _search_approximately(square: Square, k: int) -> Iterator[BlockNeighbours]:
    """Search the neighbours of one side of a square."""
    own, others = (square.sources, square.targets) if square.asking == SOURCE else (square.targets, square.sources)
    chunks = [partial(_stacked, some) for some in _groups(others, _CHUNK_BLOCKS)]
    try:
        found = likely_neighbours(_stacked(own), chunks, k)
    except ValueError as error:
        raise ValueError(f"{square.name}: {own[0].vectors} and what it is compared with: {error}") from error
    starts = np.concatenate([[0], np.cumsum([block.rows for block in others])]).astype(np.int64)
    places = np.searchsorted(starts, found.indices, side="right") - 1
    numbers = np.array([block.number for block in others], dtype=np.int64)
    packed = np.where(
        found.indices == MISSING, MISSING, (numbers[places] << _ROW_BITS) + found.indices - starts[places]
    )
    start = 0
    for block in own:
        rows = slice(start, start + block.rows)
        yield BlockNeighbours(square.name, square.asking, block, Neighbours(packed[rows], found.cosines[rows]))
        start += block.rows


def _stacked(blocks: Sequence[VectorBlock]) -> Vectors:
    """Read the vectors of blocks, one below the other."""
    parts = [read_vectors(block) for block in blocks]
    if len(parts) == 1:
        return parts[0]
    if blocks[0].kind == SPARSE:
        return sparse.csr_array(sparse.vstack(parts, format="csr"))
    return np.concatenate(parts)


def read_vectors(block: VectorBlock) -> Vectors:
    """Read a block's vectors, dense or sparse."""
    return read_sparse(block) if block.kind == SPARSE else read_dense(block)


def merge_neighbours(first: BlockNeighbours, second: BlockNeighbours) -> BlockNeighbours:
    """Merge what two disjoint searches found for the same block."""
    return BlockNeighbours(first.name, first.side, first.block, merge(first.neighbours, second.neighbours))


def decide(
    found: Sequence[BlockNeighbours],
    settings: MineSettings,
    known: Iterable[tuple[str, str]] = (),
    again: Sequence[BlockNeighbours] = (),
    folder: str = "",
) -> Iterator[Fate]:
    """Choose the pairs of two varieties and say what becomes of every sentence.

    The curve of probabilities, where there is one, is written below the folder: `curves/<source>-<target>.json` and,
    as a picture, `.svg`.

    Args:
        found: merged neighbours of all blocks of both sides, in any order: k + 1 of them.
        settings: margin, retrieval, threshold, documents.
        known: ids of documents that are known to correspond.
        again: the same of the second pass, where there was one; what finds more counts.
        folder: of the checkpoint of the pairs; none: no curve is written.
    """
    known = list(known)
    fitted, others = _fitted_space(found)
    if again:
        first, second = _mined(fitted, settings, known), _mined(again, settings, known)
        chosen = second if better(first[0], second[0]) is second[0] else first
        fitted = list(again) if chosen is second else fitted
    several = len({space_of(part.block) for part in found}) > 1
    if several:
        chosen = _mined_fused([*fitted, *others], settings, known)
    elif not again:
        chosen = _mined(found, settings, known)
    mined, sources, targets = chosen
    if folder and mined.curve is not None and len(mined.pairs.margin):
        stem = files.join(folder, CURVES, found[0].name.replace(">", "-"))
        told = costs(mined.curve, mined.pairs.margin, mined.probabilities)
        files.write_bytes(f"{stem}.json", curve_json(mined.curve, told))
        files.write_bytes(f"{stem}.svg", draw(mined.curve, mined.pairs.margin).encode())
    yield from _fates(sources, mined, mined.pairs.source, mined.forward)
    yield from _fates(targets, mined, mined.pairs.target, mined.backward)


def _fitted_space(found: Sequence[BlockNeighbours]) -> tuple[list[BlockNeighbours], list[BlockNeighbours]]:
    """Tell the neighbours in the space that a second pass can teach, the sparse one or the only one, from others."""
    if len({space_of(part.block) for part in found}) <= 1:
        return list(found), []
    is_sparse = [part.block.kind == SPARSE for part in found]
    return (
        [part for part, there in zip(found, is_sparse, strict=True) if there],
        [part for part, there in zip(found, is_sparse, strict=True) if not there],
    )


def _mined_fused(
    found: Sequence[BlockNeighbours], settings: MineSettings, known: Iterable[tuple[str, str]]
) -> tuple[Mined, list[BlockNeighbours], list[BlockNeighbours]]:
    """Mine the neighbours of all blocks in several spaces; gives the blocks of both sides too, in order."""
    spaces = []
    for name in sorted({space_of(part.block) for part in found}):
        sources, targets = _sides([part for part in found if space_of(part.block) == name])
        kept = found[0].neighbours.indices.shape[1]
        near = _both_ways(sources, targets, kept, settings)
        blocks = [part.block for part in sources], [part.block for part in targets]
        spaces.append(
            Space(name, BothWays(*(side.first(settings.k) for side in near)), partial(block_cosines, *blocks))
        )
    documents = None
    if settings.documents.prior and sources and targets:
        documents = number_documents(_document_ids(sources), _document_ids(targets), known)
    return mine_fused(spaces, settings, documents), sources, targets


def _sides(found: Sequence[BlockNeighbours]) -> tuple[list[BlockNeighbours], list[BlockNeighbours]]:
    """Give the blocks of both sides, in order."""
    sources, targets = (
        sorted((part for part in found if part.side == side), key=lambda part: part.block.number)
        for side in (SOURCE, TARGET)
    )
    return sources, targets


def _mined(
    found: Sequence[BlockNeighbours], settings: MineSettings, known: Iterable[tuple[str, str]]
) -> tuple[Mined, list[BlockNeighbours], list[BlockNeighbours]]:
    """Mine the neighbours of all blocks; gives the blocks of both sides too, in order."""
    sources, targets = _sides(found)
    kept = found[0].neighbours.indices.shape[1]
    neighbours = _both_ways(sources, targets, kept, settings)
    documents = None
    if settings.documents.prior and sources and targets:
        documents = number_documents(_document_ids(sources), _document_ids(targets), known)
    return mine_neighbours(neighbours, settings, found[0].block.encoder, documents), sources, targets


def teach_blocks(
    found: Sequence[BlockNeighbours], settings: MineSettings, known: Iterable[tuple[str, str]], folder: str
) -> str | None:
    """Learn from the sure pairs of a first pass and write what they taught.

    Memory: the neighbours of all blocks; text and vectors of the pairs that teach, at most `lexicon.MOST_PAIRS`.

    Args:
        found, settings, known: as in `decide`.
        folder: of the vectors checkpoint.

    Returns:
        Path of the file below the folder; None where the sure pairs are too few, a map makes nothing clearer, or there
        are several spaces and none of them is sparse.
    """
    found = _fitted_space(found)[0]
    if not settings.second_pass or not found:
        return None
    mined, sources, targets = _mined(found, settings, known)
    sure = mined.sure
    if len(sure) < LEAST_SURE:
        return None
    ranked = np.argsort(-mined.pairs.margin[sure], kind="stable")[:MOST_PAIRS]
    chosen = mined.pairs.take(sure[np.sort(ranked)])  # by source, then target: by id
    (source_vectors, source_texts), (target_vectors, target_texts) = (
        _rows_of(parts, rows) for parts, rows in ((sources, chosen.source), (targets, chosen.target))
    )
    taught: Taught | Mapped | None
    if found[0].block.kind == SPARSE:
        taught, name = teach(source_vectors, target_vectors, source_texts, target_texts), _WORDS_FILE
    else:
        taught, name = teach_map(source_vectors, target_vectors, source_texts), _MAP_FILE
    if taught is None:
        return None
    path = f"{SECOND_PASS}/{found[0].name.replace('>', '-')}/{name}"
    files.write_bytes(files.join(folder, *path.split("/")), taught.to_bytes())
    return path


def is_taught(block: VectorBlock, path: str) -> bool:
    """Say whether it is the vectors of this block that the first pass taught."""
    return path.endswith(_WORDS_FILE) == (block.kind == SPARSE)


def _rows_of(parts: Sequence[BlockNeighbours], rows: NDArray[np.int64]) -> tuple[Vectors, list[str]]:
    """Read vectors and texts of some sentences of a side, block by block; given back in the order of the rows."""
    offsets = _offsets(parts)
    vectors, texts, places = [], [], []
    for number, part in enumerate(parts):
        here = np.flatnonzero((rows >= offsets[number]) & (rows < offsets[number + 1]))
        if len(here):
            own = rows[here] - offsets[number]
            column = read_sentence_column(part.block, "normalized")
            vectors.append(read_vectors(part.block)[own])
            texts += [column[row] for row in own]
            places.append(here)
    order = np.argsort(np.concatenate(places))
    joined = sparse.csr_array(sparse.vstack(vectors)) if sparse.issparse(vectors[0]) else np.concatenate(vectors)
    return joined[order], [texts[place] for place in order]


def fuse_block(block: VectorBlock, name: str, path: str) -> VectorBlock:
    """Write the vectors of a block for the second pass; gives the reference.

    Args:
        block: of either variety.
        name: `source>target`.
        path: what the first pass taught, below the folder.
    """
    kind, write = (Taught, write_sparse) if block.kind == SPARSE else (Mapped, write_dense)
    taught = kind.from_bytes(files.read_bytes(files.join(block.folder, *path.split("/"))))
    sentences = read_sentences(block)
    source = name.partition(">")[0]
    fused = taught.fuse(read_vectors(block), sentences.texts("normalized"), is_source=block.variety == source)
    made = block._replace(dimension=fused.shape[1], vectors=f"{SECOND_PASS}/{name.replace('>', '-')}/{block.vectors}")
    write(made, sentences.column("sentence_id"), fused)
    return made


def _document_ids(parts: Sequence[BlockNeighbours]) -> list[str]:
    """Read in which document every sentence of a side stands."""
    return [identifier for part in parts for identifier in read_sentence_column(part.block, "document_id")]


def _offsets(parts: Sequence[BlockNeighbours]) -> NDArray[np.int64]:
    """Give the index of the first sentence of each block when the sentences of all blocks are counted through."""
    return np.concatenate([[0], np.cumsum([part.block.rows for part in parts])]).astype(np.int64)


def _both_ways(
    sources: Sequence[BlockNeighbours], targets: Sequence[BlockNeighbours], k: int, settings: MineSettings
) -> BothWays:
    """Join the neighbours of all blocks of both sides, with indices counted through."""
    found = BothWays(_unpacked(sources, targets, k), _unpacked(targets, sources, k))
    blocks = [part.block for part in sources], [part.block for part in targets]
    if sources and targets and _is_approximate(*blocks, settings.search, settings.device):
        return completed(found)
    return found


def _unpacked(parts: Sequence[BlockNeighbours], others: Sequence[BlockNeighbours], k: int) -> Neighbours:
    """Join the neighbours of all blocks of a side, with indices counted through the other side."""
    if not parts:
        return no_neighbours(0, k)
    packed = np.concatenate([part.neighbours.indices for part in parts])
    cosines = np.concatenate([part.neighbours.cosines for part in parts])
    numbers = np.array([other.block.number for other in others], dtype=np.int64)
    there = packed != MISSING
    places = np.searchsorted(numbers, packed[there] >> _ROW_BITS)
    indices = np.full(packed.shape, MISSING, dtype=np.int64)
    indices[there] = _offsets(others)[places] + (packed[there] & ((1 << _ROW_BITS) - 1))
    return Neighbours(indices, cosines)


def _fates(
    parts: Sequence[BlockNeighbours], mined: Mined, sentences: NDArray[np.int64], candidates: Candidates
) -> Iterator[Fate]:
    order = np.argsort(sentences, kind="stable")
    offsets = _offsets(parts)
    cuts = np.searchsorted(sentences[order], offsets)
    for number, part in enumerate(parts):
        places = order[cuts[number] : cuts[number + 1]]
        pairs = mined.pairs.take(places)
        yield Fate(
            part.name,
            part.side,
            part.block,
            sentences[places] - offsets[number],
            places,
            mined.is_kept[places],
            pairs.cosine,
            pairs.margin,
            pairs.prior,
            pairs.direction,
            mined.probabilities[places],
            mined.ranks[places],
            candidates.margins[offsets[number] : offsets[number + 1]],
            candidates.priors[offsets[number] : offsets[number + 1]],
            mined.threshold,
        )


def halves_of(fate: Fate) -> tuple[list[Half], RejectBatch, LedgerBatch]:
    """Read a block's sentences; give its sides of the pairs, its rejected sentences and its ledger entries."""
    sentences = read_sentences(fate.block)
    chunks = fate.places // BATCH_ROWS
    halves = []
    for chunk in np.unique(chunks):
        chosen = np.flatnonzero(chunks == chunk)
        halves.append(
            Half(
                fate.name,
                fate.side,
                int(chunk),
                fate.places[chosen],
                fate.kept[chosen],
                fate.cosines[chosen],
                fate.margins[chosen],
                fate.priors[chosen],
                fate.directions[chosen],
                fate.probabilities[chosen],
                fate.ranks[chosen],
                fate.threshold,
                sentences.take(fate.rows[chosen]).data.select(["sentence_id", *_COPIED]),
            )
        )
    unit = f"{fate.side}_sentence"
    paired = np.zeros(len(sentences), dtype=bool)
    paired[fate.rows[fate.kept]] = True
    rejects = _lonely(sentences, np.flatnonzero(~paired), fate, unit)
    ledger = [
        _counted(unit, "in", len(sentences), fate.name),
        _counted(unit, "out", int(paired.sum()), fate.name),
        reject_entries(rejects),
    ]
    return halves, rejects, LedgerBatch.concatenate(ledger)


def _counted(unit: str, outcome: str, number: int, name: str) -> LedgerBatch:
    row = {"stage": STAGE, "unit": unit, "variety": name, "outcome": outcome, "reason": "", "count": number}
    return LedgerBatch.from_rows([row] if number else [])


def _lonely(sentences: SentenceBatch, rows: NDArray[np.int64], fate: Fate, unit: str) -> RejectBatch:
    """Make the rejects of the sentences that are in no pair."""
    if len(rows) == 0:
        return RejectBatch.empty()
    best = fate.best[rows]
    nothing, low = np.isneginf(best), best < fate.threshold
    taken = "the margin of its candidate is high enough, but the retrieval chose other pairs"
    details = np.where(nothing, "no sentence of the other side resembles it", np.where(low, "", taken))
    rejects = rejects_of(
        sentences,
        rows.tolist(),
        stage=STAGE,
        unit=unit,
        reasons=np.where(low & ~nothing, str(Reason.BELOW_THRESHOLD), str(Reason.NO_PARTNER)).tolist(),
        details=[detail or None for detail in details.tolist()],
        text="text",
    )
    return rejects.replace(
        variety=[fate.name] * len(rows),
        score=pa.array(_decided_by(fate.best_priors[rows]), mask=nothing, type=pa.string()),
        value=pa.array(best, mask=nothing),
        limit=pa.array(np.full(len(rows), fate.threshold), mask=nothing),
    )


def join_halves(halves: Sequence[Half]) -> tuple[PairBatch, RejectBatch, LedgerBatch]:
    """Join both sides of a run of pairs; what is under the threshold is rejected.

    Args:
        halves: all with the same key, in any order.
    """
    source, target = (_joined([half for half in halves if half.side == side]) for side in (SOURCE, TARGET))
    sides, scores = (source[0], target[0]), source[1]
    every: dict[str, Any] = {}
    for side, sentences in zip((SOURCE, TARGET), sides, strict=True):
        every[f"{side}_id"] = sentences["sentence_id"]
        every |= {f"{side}_{name}": sentences[name] for name in _COPIED}
    ids = zip(every["source_id"].to_pylist(), every["target_id"].to_pylist(), strict=True)
    every["pair_id"] = [pair_id(*both) for both in ids]
    every["direction"] = [DIRECTIONS[number] for number in scores.directions]
    every["cosine"], every["margin"] = scores.cosines, scores.margins - scores.priors
    pairs = PairBatch.from_columns(every)
    probabilities = scores.probabilities.astype(np.float32)
    ranks = np.column_stack([scores.ranks, np.sqrt(scores.ranks.astype(np.float64).prod(axis=1))]).astype(np.float32)
    mined = {
        DOCUMENT_PRIOR.name: pa.array(scores.priors.astype(np.float32)),
        PROBABILITY.name: pa.array(probabilities, mask=np.isnan(probabilities)),
    }
    for spec, values in zip((SOURCE_RANK, TARGET_RANK, MUTUAL_RANK), ranks.T, strict=True):
        mined[spec.name] = pa.array(values, mask=values == 0)
    pairs = pairs.with_scores(MINED_SCORES, mined)
    kept, rejected = pairs.filter(scores.kept), pairs.filter(~scores.kept)
    rejects = _too_low(rejected, scores.margins[~scores.kept], scores.priors[~scores.kept], scores)
    ledger = [
        _counted("pair", "in", len(pairs), scores.name),
        _counted("pair", "out", len(kept), scores.name),
        reject_entries(rejects),
    ]
    return kept, rejects, LedgerBatch.concatenate(ledger)


def _joined(halves: Sequence[Half]) -> tuple[pa.Table, Half]:
    """Put the parts of one side of a run in the order of the pairs."""
    places = np.concatenate([half.places for half in halves])
    order = np.argsort(places)
    sentences = pa.Table.from_batches([half.sentences for half in halves]).take(pa.array(order))

    def column(name: str) -> Any:
        return np.concatenate([getattr(half, name) for half in halves])[order]

    return sentences, replace(
        halves[0],
        places=column("places"),
        kept=column("kept"),
        cosines=column("cosines"),
        margins=column("margins"),
        priors=column("priors"),
        directions=column("directions"),
        probabilities=column("probabilities"),
        ranks=column("ranks"),
    )


def _decided_by(priors: NDArray[np.float64]) -> list[str]:
    """Name what was compared with the threshold."""
    return [f"margin + {DOCUMENT_PRIOR.name}" if prior else "margin" for prior in priors.tolist()]


def _too_low(pairs: PairBatch, margins: NDArray[np.float64], priors: NDArray[np.float64], scores: Half) -> RejectBatch:
    rows = len(pairs)
    if rows == 0:
        return RejectBatch.empty()
    return RejectBatch.from_columns(
        {
            "stage": [STAGE] * rows,
            "unit": ["pair"] * rows,
            "record_id": pairs.column("pair_id"),
            "variety": [scores.name] * rows,
            "reason": [str(Reason.BELOW_THRESHOLD)] * rows,
            "url": pairs.column("source_url"),
            "excerpt": [text[:EXCERPT_CHARACTERS] for text in pairs.texts("source_text")],
            "score": _decided_by(priors),
            "value": margins,
            "limit": np.full(rows, scores.threshold),
        }
    )
