"""align: pairs -> pairs with the words of both sides and the links between them.

What goes in: mined pairs, in any order and any cut. What comes out: the same pairs with `source_tokens`,
`target_tokens` and `links`. A pair is rejected when a side has no words (`empty`) or more than `max_words`
(`too_many_words`). Order and duplicates do not matter.

An aligner that learns (`association`) learns from all pairs of a variety pair, ordered by pair id, and writes what
it learned under the checkpoint's folder; the batches wait for it, then are linked in parallel. It learns at one
place, or, where the settings say `spread`, in rounds: every worker counts the links that are expected in its parts of
the pairs (a map), the counts are added up (a combine; they are whole numbers, so the sum is exact in any order), one
worker makes the next state. What is learned is the same bytes either way, for any number of workers.
Cost: memory of the learning worker: the words of at most `learn_pairs` pairs, chosen by pair id before they are
gathered, and some 100 bytes for each word pair that may be linked, of which a word has up to `candidates`. Every worker
that links holds what was learned: some 50 bytes for each word pair. Other aligners are one pass over the batches.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from schemas.corpus import CorpusBatch
from schemas.identity import bucket_of
from schemas.ledger import LedgerBatch
from schemas.lexicon import LexiconBatch
from schemas.pair import PairBatch
from schemas.reject import RejectBatch
from transforms.align.interface import SpreadAligner, TrainedAligner, WordPair
from transforms.align.lexicon import add_generality, make_entries, merge, tally
from transforms.align.pairs import STAGE, UNIT, VARIETY, aligner_class, link_pairs, make_aligner, tokenize_pairs
from transforms.align.settings import AlignSettings, LexiconSettings
from transforms.common import coders as coders
from transforms.common import files
from transforms.common.accounting import Result, ledger_entries
from transforms.common.shards import WriteShards, Written
from transforms.common.stage import MapBatches, Outcome, StageFunction

ARTIFACTS = "alignment"
"""Folder, below the checkpoint's, of what aligners learned: one file a variety pair."""

LEXICON_STAGE = "lexicon"

PARTS = 32
LEAST_PART = 1024
"""A spread variety pair is cut into so many parts, of so many pairs at least: each part's counts pass a shuffle."""
_BUCKETS = 1 << 20
_MARGIN = 1.05
"""Pairs that are gathered to choose a sample from, per pair of it: bucket sizes vary."""
_LEARNED_COLUMNS = ("pair_id", "source_tokens", "target_tokens")
_LEARNED_KEPT = 4
_ADDED_AT_ONCE = 8


@dataclass(eq=False, kw_only=True)
class Align(beam.PTransform):  # type: ignore[misc]
    """Link the words of pairs.

    Attributes:
        settings: which aligner, and how.
        folder: the pairs' checkpoint folder; what is learned goes to `alignment/` below it.
    """

    settings: AlignSettings
    folder: str

    def __post_init__(self) -> None:
        super().__init__()
        backend = aligner_class(self.settings)
        backend.check(self.settings)
        self._learns = issubclass(backend, TrainedAligner)
        self._samples = issubclass(backend, SpreadAligner)
        self._spreads = self.settings.spread and self._samples

    def expand(self, batches: beam.PCollection[PairBatch]) -> Outcome:
        """Cut into words; learn, where the aligner learns; link."""
        if not self._learns:
            linked: Outcome = batches | "Link" >> _map_batches(partial(_make_linker, self.settings))
            return linked
        worded = batches | "Words" >> _map_batches(partial(_make_tokenizer, self.settings))
        number = (
            worded.made
            | "Count" >> beam.FlatMap(_pairs_by_variety_pair).with_output_types(beam.typehints.KV[str, int])
            | "Add up" >> beam.CombinePerKey(sum)
        )
        gathered = (
            worded.made
            | "By variety pair"
            >> beam.FlatMap(
                _words_by_variety_pair,
                number=beam.pvalue.AsDict(number),
                most=self.settings.learn_pairs if self._samples else 0,
            ).with_output_types(beam.typehints.KV[str, bytes])
            | "Gather" >> beam.GroupByKey()
        )
        if self._spreads:
            learned = gathered | "Learn" >> _LearnSpread(self.settings, self.folder)
        else:
            learn = beam.ParDo(_Learn(self.settings, self.folder)).with_output_types(_PATHS)
            learned = gathered | "Learn" >> learn
        made = worded.made | "Link" >> beam.ParDo(
            _LinkLearned(self.settings), learned=beam.pvalue.AsDict(learned)
        ).with_output_types(PairBatch)
        return Outcome(made, worded.rejects, worded.ledger)


_PATHS = beam.typehints.KV[str, str]


class _LearnSpread(beam.PTransform):  # type: ignore[misc]
    """Learn from large variety pairs in rounds, from small ones at one place."""

    def __init__(self, settings: AlignSettings, folder: str) -> None:
        super().__init__()
        self._settings = settings
        self._folder = folder

    def expand(self, gathered: beam.PCollection) -> beam.PCollection:
        """Lay out; count and improve, round by round; finish."""
        settings, folder = self._settings, self._folder
        aligner = _spread_aligner(settings)
        laid_out = gathered | "Lay out" >> beam.ParDo(_LayOut(settings, folder)).with_outputs(
            "parts", "states", main="learned"
        )
        parts, states, small = laid_out.parts, laid_out.states, laid_out.learned
        for collection in (parts, states, small):
            collection.element_type = _PATHS
        parts = parts | "Spread" >> beam.Reshuffle()
        for turn in range(aligner.rounds()):
            states = (
                parts
                | f"Count {turn + 1}"
                >> beam.ParDo(_CountLinks(settings, turn), states=beam.pvalue.AsDict(states)).with_output_types(
                    beam.typehints.KV[str, bytes]
                )
                | f"Add {turn + 1}" >> beam.CombinePerKey(_AddCounts(settings))
                | f"Improve {turn + 1}" >> beam.ParDo(_Improve(settings, folder, turn)).with_output_types(_PATHS)
            )
        large = states | "Finish" >> beam.ParDo(_Finish(settings, folder)).with_output_types(_PATHS)
        # the working files go when nothing upstream can be run again: behind a shuffle
        _ = large | "When finished" >> beam.Reshuffle() | "Clear" >> beam.ParDo(_Clear(folder))
        learned: beam.PCollection = (small, large) | "Both" >> beam.Flatten()
        return learned


def _spread_aligner(settings: AlignSettings) -> SpreadAligner:
    aligner = make_aligner(settings)
    assert isinstance(aligner, SpreadAligner), "only aligners that can be spread come here"
    return aligner


def _pairs_of(pieces: Iterable[bytes]) -> list[WordPair]:
    words = pa.concat_tables([_opened(piece) for piece in pieces]).sort_by("pair_id")
    return list(zip(_shared(words["source_tokens"]), _shared(words["target_tokens"]), strict=True))


def _shared(column: pa.ChunkedArray) -> list[list[str]]:
    """Give lists of words in which equal words are one object: `to_pylist` makes one of every place."""
    lists = pa.concat_arrays(column.chunks)
    encoded = lists.flatten().dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)[np.asarray(encoded.indices)]
    borders = np.cumsum([0, *np.asarray(lists.value_lengths())]).tolist()
    return [words[start:stop].tolist() for start, stop in pairwise(borders)]


def _learned_path(folder: str, key: str) -> str:
    return files.join(folder, ARTIFACTS, f"{key.replace('>', '-')}.arrow")


def _working_path(folder: str, key: str, name: str) -> str:
    return files.join(folder, ARTIFACTS, "working", key.replace(">", "-"), f"{name}.npz")


class _LayOut(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: AlignSettings, folder: str) -> None:
        self._settings = settings
        self._folder = folder

    def process(self, gathered: tuple[str, Iterable[bytes]]) -> Iterable[Any]:
        key, pieces = gathered
        pairs = _pairs_of(pieces)
        aligner = _spread_aligner(self._settings)
        if len(pairs) <= self._settings.learn_at_once:
            path = _learned_path(self._folder, key)
            files.write_bytes(path, aligner.train(pairs))
            yield key, path
            return
        problem, state, parts = aligner.begin(pairs, max(LEAST_PART, -(-len(pairs) // PARTS)))
        for number, part in enumerate(parts):
            path = _working_path(self._folder, key, f"part-{number:05d}")
            files.write_bytes(path, part)
            yield beam.pvalue.TaggedOutput("parts", (key, path))
        files.write_bytes(_working_path(self._folder, key, "problem"), problem)
        path = _working_path(self._folder, key, "state-00")
        files.write_bytes(path, state)
        yield beam.pvalue.TaggedOutput("states", (key, path))


def _beside(path: str, name: str) -> str:
    return files.join(path.replace("\\", "/").rpartition("/")[0], f"{name}.npz")


class _CountLinks(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: AlignSettings, turn: int) -> None:
        self._settings = settings
        self._turn = turn

    def setup(self) -> None:
        self._aligner = _spread_aligner(self._settings)
        self._read = lru_cache(maxsize=2)(files.read_bytes)  # problem and state: the same for all parts

    def process(self, part: tuple[str, str], states: Mapping[str, str]) -> Iterable[tuple[str, bytes]]:
        key, path = part
        state = self._read(states[key])
        problem = self._read(_beside(path, "problem"))
        yield key, self._aligner.count(problem, state, files.read_bytes(path), self._turn)


class _AddCounts(beam.CombineFn):  # type: ignore[misc]
    """Adds several at a time: sums of many parts are as large as the whole."""

    def __init__(self, settings: AlignSettings) -> None:
        self._settings = settings

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, waiting: list[bytes], counts: bytes) -> list[bytes]:
        return self.merge_accumulators([waiting, [counts]])

    def merge_accumulators(self, parts: Iterable[list[bytes]]) -> list[bytes]:
        waiting = [counts for part in parts for counts in part]
        return waiting if len(waiting) < _ADDED_AT_ONCE else self.compact(waiting)

    def compact(self, waiting: list[bytes]) -> list[bytes]:
        return [_spread_aligner(self._settings).add(waiting)] if len(waiting) > 1 else waiting

    def extract_output(self, waiting: list[bytes]) -> bytes:
        return self.compact(waiting)[0]


class _Improve(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: AlignSettings, folder: str, turn: int) -> None:
        self._settings = settings
        self._folder = folder
        self._turn = turn

    def process(self, counted: tuple[str, bytes]) -> Iterable[tuple[str, str]]:
        key, counts = counted
        problem = files.read_bytes(_working_path(self._folder, key, "problem"))
        path = _working_path(self._folder, key, f"state-{self._turn + 1:02d}")
        files.write_bytes(path, _spread_aligner(self._settings).improve(problem, counts, self._turn))
        yield key, path


class _Finish(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: AlignSettings, folder: str) -> None:
        self._settings = settings
        self._folder = folder

    def process(self, state: tuple[str, str]) -> Iterable[tuple[str, str]]:
        key, at = state
        problem = files.read_bytes(_working_path(self._folder, key, "problem"))
        path = _learned_path(self._folder, key)
        files.write_bytes(path, _spread_aligner(self._settings).finish(problem, files.read_bytes(at)))
        yield key, path


class _Clear(beam.DoFn):  # type: ignore[misc]
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, learned: tuple[str, str]) -> None:
        path = _working_path(self._folder, learned[0], "problem")
        files.delete_below(path.replace("\\", "/").rpartition("/")[0], [".npz"])


def _map_batches(make_function: Any) -> MapBatches:
    return MapBatches(
        stage=STAGE, unit=UNIT, make_function=make_function, given=PairBatch, made=PairBatch, variety=VARIETY
    )


def _make_tokenizer(settings: AlignSettings) -> StageFunction:
    return partial(tokenize_pairs, settings=settings)


def _make_linker(settings: AlignSettings) -> StageFunction:
    aligner = make_aligner(settings)

    def run(batch: PairBatch) -> Result[PairBatch]:
        worded = tokenize_pairs(batch, settings)
        linked = link_pairs(worded.made, aligner)
        return Result(linked.made, RejectBatch.concatenate([worded.rejects, linked.rejects]))

    return run


def _pairs_by_variety_pair(batch: PairBatch) -> Iterable[tuple[str, int]]:
    for key, rows in _by_variety_pair(batch):
        yield key, len(rows)


def _words_by_variety_pair(batch: PairBatch, number: Mapping[str, int], most: int) -> Iterable[tuple[str, bytes]]:
    """Give the words that are learned from; of more than `most` pairs (0: any number) some more than these, by id."""
    for key, rows in _by_variety_pair(batch):
        below = _BUCKETS * _MARGIN * most / number[key] if 0 < most < number[key] else _BUCKETS
        chosen = rows.filter([bucket_of(identifier, _BUCKETS) < below for identifier in rows.texts("pair_id")])
        words = pa.Table.from_batches([chosen.data]).select(_LEARNED_COLUMNS).replace_schema_metadata()
        yield key, _ipc(words)


def _by_variety_pair(batch: PairBatch) -> Iterable[tuple[str, PairBatch]]:
    keys = [">".join(pair) for pair in zip(batch.texts("source_variety"), batch.texts("target_variety"), strict=True)]
    for key in sorted(set(keys)):
        yield key, batch.filter([other == key for other in keys])


class _Learn(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: AlignSettings, folder: str) -> None:
        self._settings = settings
        self._folder = folder

    def process(self, gathered: tuple[str, Iterable[bytes]]) -> Iterable[tuple[str, str]]:
        key, pieces = gathered
        aligner = make_aligner(self._settings)
        assert isinstance(aligner, TrainedAligner), "only aligners that learn come here"
        path = _learned_path(self._folder, key)
        files.write_bytes(path, aligner.train(_pairs_of(pieces)))
        yield key, path


class _LinkLearned(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: AlignSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        self._aligner = lru_cache(maxsize=_LEARNED_KEPT)(self._load)

    def process(self, batch: PairBatch, learned: Mapping[str, str]) -> Iterable[PairBatch]:
        for key, rows in _by_variety_pair(batch):
            linked = link_pairs(rows, self._aligner(learned[key]))
            # every pair was accounted for when its words were cut: a learning aligner refuses none
            assert len(linked.rejects) == 0, "an aligner that learned from a pair refused it"
            yield linked.made

    def _load(self, path: str) -> TrainedAligner:
        aligner = make_aligner(self._settings)
        assert isinstance(aligner, TrainedAligner), "only aligners that learn come here"
        aligner.load(files.read_bytes(path))
        return aligner


coders.register(LexiconBatch)


@dataclass(eq=False, kw_only=True)
class Lexicon(beam.PTransform):  # type: ignore[misc]
    """Make a lexicon of every variety pair from aligned corpus rows, and write it.

    Batches are counted where they are, the counts added up by variety pair; entries are made of the sums, one variety
    pair at a place, and generality at one place for all. No row is rejected. Cost: one pass; memory of that last
    place: some 500 bytes an entry.

    Attributes:
        settings: least count, mark of function words, examples.
        folder: the lexicon's checkpoint folder; a variety pair's entries go to `<source>-<target>/` below it.
    """

    settings: LexiconSettings
    folder: str

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, rows: beam.PCollection[CorpusBatch]) -> Written:
        """Count, add up, make entries, compare varieties, write."""
        counted = rows | "Count" >> beam.ParDo(_Count(self.settings)).with_outputs("ledger", main="counts")
        counts, entered = counted.counts, counted.ledger
        counts.element_type, entered.element_type = beam.typehints.KV[str, bytes], LedgerBatch
        made = (
            counts
            | "Add up" >> beam.CombinePerKey(_AddUp(self.settings)).with_output_types(beam.typehints.KV[str, bytes])
            | "Entries"
            >> beam.Map(_entries_of, settings=self.settings).with_output_types(beam.typehints.KV[int, bytes])
            | "Together" >> beam.GroupByKey()
            | "Compare" >> beam.ParDo(_Compare()).with_outputs("ledger", main="made")
        )
        entries, yielded = made.made, made.ledger
        entries.element_type, yielded.element_type = LexiconBatch, LedgerBatch
        written = entries | "Write" >> WriteShards(
            noun=LexiconBatch,
            folder=self.folder,
            shards=1,
            by="entry_id",
            order=("source", "target"),
            partition=("source_variety", "target_variety"),
        )
        return Written(written.shards, written.rejects, (entered, yielded) | "Ledger" >> beam.Flatten())


class _Count(beam.DoFn):  # type: ignore[misc]
    def __init__(self, settings: LexiconSettings) -> None:
        self._settings = settings

    def process(self, rows: CorpusBatch) -> Iterable[Any]:
        for (source, target), counts in tally(rows, self._settings).items():
            yield f"{source}>{target}", _ipc(counts)
        entries = [ledger_entries(LEXICON_STAGE, UNIT, outcome, rows, VARIETY) for outcome in ("in", "out")]
        yield beam.pvalue.TaggedOutput("ledger", LedgerBatch.concatenate(entries))


class _AddUp(beam.CombineFn):  # type: ignore[misc]
    """Counts as Arrow streams: whole numbers, so any order of sums gives the same."""

    def __init__(self, settings: LexiconSettings) -> None:
        self._settings = settings

    def create_accumulator(self) -> bytes:
        return _ipc(merge([], self._settings))

    def add_input(self, total: bytes, counts: bytes) -> bytes:
        return self.merge_accumulators([total, counts])

    def merge_accumulators(self, totals: Iterable[bytes]) -> bytes:
        return _ipc(merge([_opened(total) for total in totals], self._settings))

    def extract_output(self, total: bytes) -> bytes:
        return total


def _entries_of(counts: tuple[str, bytes], settings: LexiconSettings) -> tuple[int, bytes]:
    source, _, target = counts[0].partition(">")
    made = make_entries(_opened(counts[1]), source, target, settings)
    return 0, _ipc(pa.Table.from_batches([made.data]))


class _Compare(beam.DoFn):  # type: ignore[misc]
    def process(self, gathered: tuple[int, Iterable[bytes]]) -> Iterable[Any]:
        lexicons = [LexiconBatch.from_table(_opened(data)) for data in gathered[1]]
        lexicons = sorted((lexicon for lexicon in lexicons if len(lexicon)), key=_varieties_of)
        for lexicon in add_generality(lexicons):
            yield from lexicon.pieces()
            entries = ledger_entries(LEXICON_STAGE, "entry", "yielded", lexicon, VARIETY)
            yield beam.pvalue.TaggedOutput("ledger", entries)


def _varieties_of(lexicon: LexiconBatch) -> tuple[str, str]:
    first = lexicon.data.slice(0, 1)
    return first.column("source_variety")[0].as_py(), first.column("target_variety")[0].as_py()


def _ipc(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _opened(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
