"""Mine sentence pairs between varieties, and select the sentences that take part.

`Select`. What goes in: identified, deduplicated sentences. What comes out: those that are worth mining. Rejected:
duplicates, varieties that are not mined, sentences whose variety is not sure.

`Correspond`. What goes in: references to shards of documents. What comes out: pairs of ids of documents that are
known to correspond (one declares the other's URL, or a configured pattern takes the same text out of both URLs).
Nothing is rejected. Cost: three columns of the documents, one shuffle of their URLs.

`Groups`. What goes in: corpus rows. What comes out: rows of groups, written. Cost: ids and margins of all pairs at one
place (some 400 bytes a pair), one shuffle of the texts.

`Mine`. What goes in: references to blocks of vectors. What comes out: pairs, with the columns of both sentences.
A sentence is rejected when it has no partner, or none whose margin reaches the threshold; a pair when its margin
does not. Neither order nor duplicates of the references' arrival matter: every decision follows from content.

How it goes, per pair of varieties: the grid of source blocks and target blocks is cut into squares; a square is
read and searched for the nearest neighbours of both sides; what the squares found of one block is merged; all
neighbourhoods of the pair of varieties come together once, as numbers, for margins and retrieval; then each
block is read once more for the texts of its sentences. Vectors never pass a shuffle. Where a second pass is wanted, the
sure pairs of the first teach it at one place (words, or a map of dense vectors), every block's vectors are written anew below the vectors' folder, and
the grid is searched again; all is decided once both passes are there.

From a size on (`mine.search`) the search is approximate: a work item then is some blocks of one side, which look for
neighbours among all of the other (`approximate`). It writes the same tables.

Cost: the search, n * m, or n + m where it is approximate. Through the shuffle go 12 * k bytes a sentence and square, and the texts of the kept
pairs once. Memory: two blocks of vectors and the neighbours of a square's blocks for the search;
2 * 12 * k bytes a sentence for the retrieval of one pair of varieties (k = 4, 10 million and 10 million
sentences: 2 GB).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam

from schemas.corpus import CorpusBatch
from schemas.errors import SettingsError
from schemas.group import GroupBatch
from schemas.identity import bucket_of
from schemas.ledger import LedgerBatch
from schemas.pair import PairBatch
from schemas.reject import RejectBatch
from schemas.sentence import SentenceBatch
from transforms.common import coders as coders
from transforms.common import files
from transforms.common.accounting import ledger_entries
from transforms.common.blocks import VectorBlock
from transforms.common.metrics import count
from transforms.common.shards import ShardReference, WriteShards, Written
from transforms.common.stage import MapBatches, Outcome
from transforms.mine.blockwise import (
    BlockNeighbours,
    Fate,
    Half,
    PairOfVarieties,
    Square,
    decide,
    fuse_block,
    halves_of,
    is_taught,
    join_halves,
    merge_neighbours,
    plan_squares,
    search_square,
    teach_blocks,
)
from transforms.mine.documents import Name, correspondences, names_of
from transforms.mine.groups import Edge, find_groups
from transforms.mine.select import SELECT, SelectSentences
from transforms.mine.settings import DocumentSettings, GroupSettings, MineSettings

MINE = "mine"


@dataclass(frozen=True)
class _MakeSelect:
    settings: MineSettings
    varieties: tuple[str, ...]

    def __call__(self) -> SelectSentences:
        return SelectSentences(self.settings, self.varieties)


@dataclass(eq=False, kw_only=True)
class Select(beam.PTransform):  # type: ignore[misc]
    """Select the sentences that are worth mining.

    Attributes:
        settings: `minimum_probability` is used.
        varieties: BCP 47 tags that take part.
    """

    settings: MineSettings
    varieties: Sequence[str]

    def expand(self, sentences: beam.PCollection[SentenceBatch]) -> Outcome:
        """Select from every batch."""
        selected: Outcome = sentences | "Select" >> MapBatches(
            stage=SELECT,
            unit="sentence",
            make_function=_MakeSelect(self.settings, tuple(self.varieties)),
            given=SentenceBatch,
            made=SentenceBatch,
            variety="variety",
        )
        return selected


@dataclass(eq=False, kw_only=True)
class Correspond(beam.PTransform):  # type: ignore[misc]
    """Find documents that are known to correspond: references to shards of documents -> pairs of document ids.

    Attributes:
        settings: what counts as known.
    """

    settings: DocumentSettings

    def expand(self, shards: beam.PCollection[ShardReference]) -> beam.PCollection[tuple[str, str]]:
        """Name every document, gather equal names, pair."""
        return (
            shards
            | "Spread documents" >> beam.Reshuffle()
            | "Name" >> beam.FlatMap(_named, settings=self.settings).with_output_types(tuple[str, Name])
            | "Gather names" >> beam.GroupByKey()
            | "Pair" >> beam.FlatMap(_corresponding).with_output_types(tuple[str, str])
            | "Once each" >> beam.Distinct()
        )


def _named(shard: ShardReference, settings: DocumentSettings) -> Iterator[tuple[str, Name]]:
    columns = files.read_parquet(shard.full_path, ["document_id", "url", "alternates"])
    for document, url, alternates in zip(*(column.to_pylist() for column in columns.columns), strict=True):
        for name in names_of(document, url, alternates, declared=settings.declared, patterns=settings.url_patterns):
            yield name.key, name


def _corresponding(gathered: tuple[str, Iterable[Name]]) -> Iterator[tuple[str, str]]:
    yield from correspondences(list(gathered[1]))


class Mined(NamedTuple):
    """What mining gives."""

    pairs: beam.PCollection[PairBatch]
    rejects: beam.PCollection[RejectBatch]
    ledger: beam.PCollection[LedgerBatch]


@dataclass(eq=False, kw_only=True)
class Mine(beam.PTransform):  # type: ignore[misc]
    """Mine pairs of sentences.

    Attributes:
        settings: k, margin, retrieval, threshold.
        pairs: pairs of varieties, (source, target), as BCP 47 tags.
        folder: folder of the vectors checkpoint; the blocks' own folder is what is read.
        known: pairs of document ids that are known to correspond, as `Correspond` gives them.
        curves: folder of the pairs checkpoint, below which the curves of probabilities are written; empty: they are not.

    Raises:
        SettingsError: a variety is paired with itself, or a pair comes twice.
    """

    settings: MineSettings
    pairs: Sequence[PairOfVarieties]
    folder: str = ""
    known: beam.PCollection | None = None
    curves: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.pairs = tuple((source, target) for source, target in self.pairs)
        for source, target in self.pairs:
            if source == target:
                raise SettingsError(
                    f"{source!r} cannot be mined with itself", path="$.corpus.pairs", cure="Name two varieties."
                )
            if self.pairs.count((source, target)) + self.pairs.count((target, source)) > 1:
                raise SettingsError(
                    f"the pair {source!r}, {target!r} comes twice",
                    path="$.corpus.pairs",
                    cure="Name it once, in one direction.",
                )

    def expand(self, blocks: beam.PCollection[VectorBlock]) -> Mined:
        """Plan, search, merge, decide, join with the texts."""
        squares = (
            blocks
            | "One plan" >> beam.Map(_at_one_place).with_output_types(tuple[int, VectorBlock])
            | "Gather blocks" >> beam.GroupByKey()
            | "Plan squares" >> beam.FlatMap(_plan, pairs=self.pairs, settings=self.settings).with_output_types(Square)
            | "Spread squares" >> beam.Reshuffle()
        )
        known = () if self.known is None else beam.pvalue.AsList(self.known)
        found = squares | "Search and merge" >> _Neighbourhoods(settings=self.settings)
        passes = {"first": found}
        if self.settings.second_pass:
            passes["second"] = self._second_pass(blocks, found, known)
        decided = (
            passes
            | "Gather neighbourhoods" >> beam.CoGroupByKey()
            | "Decide"
            >> beam.FlatMap(_decide, settings=self.settings, known=known, curves=self.curves).with_output_types(Fate)
            | "Spread fates" >> beam.Reshuffle()
        )
        read = _with_accounts(decided | "Read texts" >> beam.ParDo(_ReadTexts()).with_outputs(*_ACCOUNTS, main="made"))
        read.made.element_type = beam.typehints.KV[str, Half]
        joined = _with_accounts(
            read.made
            | "Gather halves" >> beam.GroupByKey()
            | "Join halves" >> beam.ParDo(_Join()).with_outputs(*_ACCOUNTS, main="made")
        )
        joined.made.element_type = PairBatch
        return Mined(
            joined.made,
            (read.rejects, joined.rejects) | "All rejects" >> beam.Flatten(),
            (read.ledger, joined.ledger) | "All entries" >> beam.Flatten(),
        )

    def _second_pass(self, blocks: beam.PCollection[VectorBlock], found: Any, known: Any) -> Any:
        """Learn from the sure pairs, write new vectors, search them."""
        taught = (
            found
            | "Gather first pass" >> beam.GroupByKey()
            | "Teach"
            >> beam.FlatMap(_teach, settings=self.settings, known=known, folder=self.folder).with_output_types(
                tuple[str, str]
            )
        )
        return (
            blocks
            | "Fuse"
            >> beam.FlatMap(_fuse, pairs=self.pairs, taught=beam.pvalue.AsDict(taught)).with_output_types(
                tuple[str, VectorBlock]
            )
            | "Gather fused blocks" >> beam.GroupByKey()
            | "Plan second squares" >> beam.FlatMap(_plan_again, settings=self.settings).with_output_types(Square)
            | "Spread second squares" >> beam.Reshuffle()
            | "Search and merge again" >> _Neighbourhoods(settings=self.settings)
        )


@dataclass(eq=False, kw_only=True)
class _Neighbourhoods(beam.PTransform):  # type: ignore[misc]
    """Search squares; merge what they found of each block. One neighbour more than the margin looks at."""

    settings: MineSettings

    def expand(self, squares: beam.PCollection[Square]) -> beam.PCollection:
        return (
            squares
            | "Search"
            >> beam.ParDo(_Search(self.settings.k + 1, self.settings.device)).with_output_types(
                tuple[str, BlockNeighbours]
            )
            | "Merge" >> beam.CombinePerKey(_Merge())
            | "Drop key" >> beam.Map(_with_pair).with_output_types(tuple[str, BlockNeighbours])
        )


_ACCOUNTS = ("rejects", "ledger")


def _with_accounts(done: Any) -> Outcome:
    rejects, ledger = done.rejects, done.ledger
    rejects.element_type, ledger.element_type = RejectBatch, LedgerBatch
    return Outcome(done.made, rejects, ledger)


def _at_one_place(block: VectorBlock) -> tuple[int, VectorBlock]:
    return 0, block


def _plan(
    gathered: tuple[int, Iterable[VectorBlock]], pairs: Sequence[PairOfVarieties], settings: MineSettings
) -> Iterator[Square]:
    yield from plan_squares(list(gathered[1]), pairs, settings.search, settings.device)


class _Search(beam.DoFn):  # type: ignore[misc]
    def __init__(self, k: int, device: str) -> None:
        self._k = k
        self._device = device

    def process(self, square: Square) -> Iterable[tuple[str, BlockNeighbours]]:
        for found in search_square(square, self._k, self._device):
            yield found.key, found
            if square.asking:
                count(MINE, "approximate searches", found.block.rows)
        if not square.asking:
            count(MINE, "comparisons", sum(b.rows for b in square.sources) * sum(b.rows for b in square.targets))


class _Merge(beam.CombineFn):  # type: ignore[misc]
    """Merge what the squares found of one block. Associative and commutative to the last bit."""

    def create_accumulator(self) -> BlockNeighbours | None:
        return None

    def add_input(self, merged: BlockNeighbours | None, found: BlockNeighbours) -> BlockNeighbours:
        return found if merged is None else merge_neighbours(merged, found)

    def merge_accumulators(self, parts: Iterable[BlockNeighbours | None]) -> BlockNeighbours | None:
        merged = None
        for part in parts:
            if part is not None:
                merged = self.add_input(merged, part)
        return merged

    def extract_output(self, merged: BlockNeighbours) -> BlockNeighbours:
        return merged


def _with_pair(keyed: tuple[str, BlockNeighbours]) -> tuple[str, BlockNeighbours]:
    return keyed[1].name, keyed[1]


def _teach(
    gathered: tuple[str, Iterable[BlockNeighbours]],
    settings: MineSettings,
    known: Iterable[tuple[str, str]],
    folder: str,
) -> Iterator[tuple[str, str]]:
    name, found = gathered[0], list(gathered[1])
    path = teach_blocks(found, settings, known, folder or found[0].block.folder)
    if path is not None:
        yield name, path


def _fuse(
    block: VectorBlock, pairs: Sequence[PairOfVarieties], taught: dict[str, str]
) -> Iterator[tuple[str, VectorBlock]]:
    for source, target in pairs:
        name = f"{source}>{target}"
        if name in taught and block.variety in {source, target} and is_taught(block, taught[name]):
            yield name, fuse_block(block, name, taught[name])


def _plan_again(gathered: tuple[str, Iterable[VectorBlock]], settings: MineSettings) -> Iterator[Square]:
    source, _, target = gathered[0].partition(">")
    yield from plan_squares(list(gathered[1]), [(source, target)], settings.search, settings.device)


def _decide(
    gathered: tuple[str, dict[str, Iterable[BlockNeighbours]]],
    settings: MineSettings,
    known: Iterable[tuple[str, str]],
    curves: str,
) -> Iterator[Fate]:
    passes = gathered[1]
    yield from decide(list(passes["first"]), settings, known, list(passes.get("second", ())), curves)


class _ReadTexts(beam.DoFn):  # type: ignore[misc]
    def process(self, fate: Fate) -> Iterable[Any]:
        halves, rejects, ledger = halves_of(fate)
        count(MINE, "sentences", fate.block.rows)
        for half in halves:
            yield half.key, half
        yield from _accounts(rejects, ledger)


class _Join(beam.DoFn):  # type: ignore[misc]
    def process(self, gathered: tuple[str, Iterable[Half]]) -> Iterable[Any]:
        pairs, rejects, ledger = join_halves(list(gathered[1]))
        count(MINE, "pairs", len(pairs))
        yield from pairs.pieces()
        yield from _accounts(rejects, ledger)


def _accounts(rejects: RejectBatch, ledger: LedgerBatch) -> Iterator[Any]:
    count(MINE, "rejects", len(rejects))
    for piece in rejects.pieces():
        yield beam.pvalue.TaggedOutput("rejects", piece)
    yield beam.pvalue.TaggedOutput("ledger", ledger)


@dataclass(eq=False, kw_only=True)
class Groups(beam.PTransform):  # type: ignore[misc]
    """Join corpus rows to groups of sentences of three and more varieties, and write them.

    Attributes:
        settings: fewest varieties of a group.
        folder: the groups' checkpoint folder.
        shards: ranges of group ids that it is cut into.
    """

    settings: GroupSettings
    folder: str
    shards: int = 1

    def expand(self, rows: beam.PCollection[CorpusBatch]) -> Written:
        """Find the groups at one place, by ids and margins alone; then look up their sentences."""
        ranges = max(self.shards, 1)
        groups = (
            rows
            | "Edges" >> beam.FlatMap(_edges).with_output_types(tuple[int, list[Edge]])
            | "Together" >> beam.GroupByKey()
            | "Find" >> beam.FlatMap(_found, settings=self.settings, ranges=ranges).with_output_types(_Members)
        )
        sentences = rows | "Sentences" >> beam.FlatMap(_sides, ranges=ranges).with_output_types(_Members)
        joined = (groups, sentences) | "Flatten" >> beam.Flatten() | "Gather" >> beam.GroupByKey()
        made = joined | "Look up" >> beam.FlatMap(_looked_up).with_output_types(GroupBatch)
        written = made | "Write" >> WriteShards(
            noun=GroupBatch,
            folder=self.folder,
            shards=self.shards,
            by="group_id",
            order=("group_id", "variety", "sentence_id"),
        )
        counted = made | "Count" >> beam.Map(_grouped).with_output_types(LedgerBatch)
        return Written(written.shards, written.rejects, (written.ledger, counted) | "Ledger" >> beam.Flatten())


_Members = tuple[int, tuple[str, list[dict[str, Any]]]]
"""A range of sentence ids; then what it is (group or sentence) and rows."""


def _edges(rows: CorpusBatch) -> Iterator[tuple[int, list[Edge]]]:
    columns = (rows.texts(name) for name in ("margin", "source_id", "target_id", "source_variety", "target_variety"))
    if len(rows):
        yield 0, [Edge(*values) for values in zip(*columns, strict=True)]


def _found(
    gathered: tuple[int, Iterable[list[Edge]]], settings: GroupSettings, ranges: int
) -> Iterator[tuple[int, tuple[str, list[dict[str, Any]]]]]:
    by_range: dict[int, list[dict[str, Any]]] = {}
    for group in find_groups([edge for part in gathered[1] for edge in part], settings.least_varieties):
        for sentence in group.members.values():
            row = {"sentence_id": sentence, "group_id": group.group_id, "varieties": len(group.members)}
            row |= {"consensus": group.consensus, "weakest_margin": group.weakest_margin}
            by_range.setdefault(bucket_of(sentence, ranges), []).append(row)
    for number, rows in sorted(by_range.items()):
        yield number, ("group", rows)


def _sides(rows: CorpusBatch, ranges: int) -> Iterator[tuple[int, tuple[str, list[dict[str, Any]]]]]:
    names = {"sentence_id": "id", "document_id": "document_id"}
    names |= {name: name for name in ("variety", "text", "url", "licence", "robots")}
    by_range: dict[int, list[dict[str, Any]]] = {}
    for side in ("source", "target"):
        columns = [rows.texts(f"{side}_{column}") for column in names.values()]
        for values in zip(*columns, strict=True):
            by_range.setdefault(bucket_of(values[0], ranges), []).append(dict(zip(names, values, strict=True)))
    for number, found in sorted(by_range.items()):
        yield number, ("sentence", found)


def _looked_up(gathered: tuple[int, Iterable[tuple[str, list[dict[str, Any]]]]]) -> Iterator[GroupBatch]:
    groups: dict[str, dict[str, Any]] = {}
    sentences: dict[str, dict[str, Any]] = {}
    for kind, rows in gathered[1]:
        (groups if kind == "group" else sentences).update({row["sentence_id"]: row for row in rows})
    made = GroupBatch.from_rows(sentences[identifier] | groups[identifier] for identifier in sorted(groups))
    count("groups", "sentences", len(made))
    yield from made.pieces()


def _grouped(rows: GroupBatch) -> LedgerBatch:
    """Enter the sentences of groups; those that are in none stay in the corpus, and are not asked here."""
    entries = [ledger_entries("groups", "sentence", outcome, rows, "variety") for outcome in ("in", "out")]
    return LedgerBatch.concatenate(entries)


coders.register(GroupBatch)
