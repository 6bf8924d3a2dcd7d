"""Association: a statistical aligner that learns from the run's own pairs. No weights, no download.

IBM model 1 with a diagonal prior begins, a hidden Markov model with a jump table and a null word goes on, in both
directions, which learn by agreement (see `transforms.align.agreement`). Spelling and the beginnings of words are evidence
on the words that counting alone knows little about (see `transforms.align.learning`). This is what links
the rare words, and most words of a small corpus are rare.

In the end the two directions' posterior probabilities of a link are joined by their geometric mean. What this is worth,
seeing how often the words were met and how alike they are, is the link's probability (see
`transforms.align.calibration`), and links over the threshold are given. The symmetrizations of phrase-based translation
can be asked for instead.

Cost: time grows with the cells (source words times target words, summed over pairs), while learning those of at most
`learn_pairs` pairs; memory while learning with their words, each with up to `candidates` entries of about 100 bytes.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.table import field, table
from transforms.align import learning
from transforms.align.agreement import index_entries, link_pairs
from transforms.align.calibration import Evidence, calibrate
from transforms.align.extraction import SYMMETRIZATIONS
from transforms.align.interface import Link, WordPair
from transforms.align.learning import Problem, State, learn, numbered, spelling_classes, spelling_of
from transforms.align.settings import AlignSettings
from transforms.common.hmm import SMALLEST, Corpus, Direction
from transforms.common.models import local_model

ASSOCIATION = table(
    "association",
    2,
    [
        field("source", pa.string(), "Word of the source, letter case folded; null: no word.", nullable=True),
        field("target", pa.string(), "Word of the target, letter case folded; null: no word.", nullable=True),
        field("forward", pa.float32(), "Probability of the target word, given the source word.", range="0 to 1"),
        field("backward", pa.float32(), "Probability of the source word, given the target word.", range="0 to 1"),
        field("count", pa.int64(), "Places of the word in what was learned from; null for two words.", nullable=True),
    ],
)
"""What was learned. Jumps and classes of spelling stand in the schema's metadata, under `isogloss.model`."""

LEAST_PROBABILITY = 1e-6
"""Word pairs that are less likely in both directions are not kept."""
SIDES = ("forward", "backward")
_LEAST_MEAN = 0.01
"""Links that are less likely are not looked at."""
_DIGITS = 6


class Candidates(NamedTuple):
    """What could be links, a row each, ordered by pair, source word, target word.

    Attributes:
        pairs, sources, targets: which pair, and places of the two words in it.
        values: geometric mean of both directions' posteriors.
        evidence: what else is known of the two words.
        marks: 1: the forward direction's best source of the target word; 2: the backward direction's best target of the
            source word; 3: both.
    """

    pairs: NDArray[np.int32]
    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    values: NDArray[np.float64]
    evidence: Evidence
    marks: NDArray[np.uint8]


class Association:
    """Aligner that comes with the package.

    Args:
        settings: threshold, iterations, weight of orthography, and a prior to begin with.

    Raises:
        SettingsError: the prior is no table of associations.
    """

    def __init__(self, settings: AlignSettings) -> None:
        self._settings = settings
        self._model: _Model | None = None
        self._before: _Model | None = _Model(read_association(settings.prior)) if settings.prior else None

    @staticmethod
    def check(settings: AlignSettings) -> None:
        """Refuse settings that cannot be obeyed, before a run is launched; raises SettingsError."""
        if settings.prior:
            read_association(settings.prior)

    def align(self, pairs: Sequence[WordPair]) -> list[list[Link]]:
        """Link the words of every pair; see `transforms.align.interface.Aligner`."""
        if self._model is None:
            return _Model(self.learn(pairs)).align(pairs, self._settings)
        return self._model.align(pairs, self._settings)

    def candidates(self, pairs: Sequence[WordPair]) -> Candidates:
        """Give what could be links, by what was learned before: what calibration is fitted on."""
        assert self._model is not None, "learn first"
        return self._model.candidates(pairs)

    def load(self, learned: bytes) -> None:
        """Take what `train` learned before."""
        self._model = _Model(_opened(learned))

    def train(self, pairs: Sequence[WordPair]) -> bytes:
        """Learn from pairs, in an order that follows from their content; gives the bytes of an Arrow file."""
        return association_bytes(self.learn(pairs))

    def learn(self, pairs: Sequence[WordPair]) -> pa.Table:
        """Do what `train` does; gives the table itself, with the columns of `ASSOCIATION`."""
        problem, state = learn(pairs, self._settings, self.before)
        return association_table(problem, state)

    def begin(self, pairs: Sequence[WordPair], part: int) -> tuple[bytes, bytes, Iterator[bytes]]:
        """See `transforms.align.interface.SpreadAligner`, here and below."""
        problem, corpus = learning.prepare(pairs, self._settings, self.before)
        parts = (learning.corpus_bytes(some) for some in learning.cut(corpus, part))
        return learning.problem_bytes(problem), learning.state_bytes(learning.begin(problem)), parts

    def rounds(self) -> int:
        """Give the number of rounds."""
        return learning.rounds(self._settings)

    def count(self, problem: bytes, state: bytes, part: bytes, turn: int) -> bytes:
        """Count the links that are expected in one part."""
        entries, known = _entries_of(problem), _state_of(state)
        return learning.counts_bytes(learning.count(learning.corpus_of(part), entries, known, self._settings, turn))

    def add(self, counts: Sequence[bytes]) -> bytes:
        """Add counts up: whole numbers, so in any order."""
        return learning.counts_bytes(learning.counts_of(counts))

    def improve(self, problem: bytes, counts: bytes, turn: int) -> bytes:
        """Make the state after a round."""
        known = learning.problem_of(problem)
        return learning.state_bytes(learning.improve(known, learning.counts_of([counts]), self._settings, turn))

    def finish(self, problem: bytes, state: bytes) -> bytes:
        """Give what `train` gives."""
        return association_bytes(association_table(learning.problem_of(problem), learning.state_of(state)))

    @property
    def before(self) -> Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]] | None:
        """What is known of word pairs before learning, for `transforms.align.learning.prepare`."""
        return self._before.entries if self._before else None


BACKEND = Association

_entries_of = lru_cache(maxsize=1)(learning.entries_of)
_state_of = lru_cache(maxsize=1)(learning.state_of)
"""The same bytes come with every part of a round."""


def read_association(path: str) -> pa.Table:
    """Read a table that an earlier run learned.

    Raises:
        SettingsError: there is no such file, or it is another one.
    """
    from transforms.common import files

    try:
        found = _opened(files.read_bytes(local_model(path, setting="$.align.prior")))
    except (OSError, pa.ArrowInvalid) as error:
        raise SettingsError(f"{path!r} is no table of associations: {error}", path="$.align.prior") from error
    if not found.schema.equals(ASSOCIATION):
        raise SettingsError(
            f"{path!r} has the columns {found.schema.names}, expected {ASSOCIATION.names}", path="$.align.prior"
        )
    return found


def association_bytes(learned: pa.Table) -> bytes:
    """Make the bytes of a file that `read_association` reads: Arrow IPC, zstd."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, learned.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(learned)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _opened(data: bytes) -> pa.Table:
    with pa.ipc.open_file(pa.BufferReader(data)) as reader:
        return reader.read_all()


def association_table(problem: Problem, state: State) -> pa.Table:
    """Lay out what was learned, ordered by source, then target; the null's rows come last."""
    forward, backward = state.forward, state.backward
    sources, targets = (pa.array(words, type=pa.string()) for words in (problem.sources, problem.targets))
    kept = np.flatnonzero((forward.words >= LEAST_PROBABILITY) | (backward.words >= LEAST_PROBABILITY))
    about = {
        "jumps": {"forward": forward.jumps.tolist(), "backward": backward.jumps.tolist()},
        "classes": {side: classes.tolist() for side, classes in zip(SIDES, state.classes, strict=True)},
    }
    nothing = [pa.nulls(len(words), pa.string()) for words in (targets, sources)]
    zeros = [np.zeros(len(words), dtype=np.float32) for words in (targets, sources)]
    counts = pa.concat_arrays([pa.nulls(len(kept), pa.int64()), *map(pa.array, problem.frequencies[::-1])])
    data = [
        pa.concat_arrays([sources.take(pa.array(problem.owners[kept])), nothing[0], sources]),
        pa.concat_arrays([targets.take(pa.array(problem.entries.targets[kept])), targets, nothing[1]]),
        pa.array(np.concatenate([forward.words[kept], forward.null, zeros[1]]).astype(np.float32)),
        pa.array(np.concatenate([backward.words[kept], zeros[0], backward.null]).astype(np.float32)),
        counts,
    ]
    schema = ASSOCIATION.with_metadata(dict(ASSOCIATION.metadata) | {"isogloss.model": json.dumps(about)})
    return pa.Table.from_arrays(data, schema=schema)


class _Model:
    """What was learned, ready to be looked up."""

    def __init__(self, table: pa.Table) -> None:
        about = json.loads(table.schema.metadata[b"isogloss.model"])
        self._classes = tuple(np.array(about["classes"][side]) for side in SIDES)
        (self._sources, rows), (self._targets, columns) = (_ranked(table[name]) for name in ("source", "target"))
        values = [np.asarray(table[side]) for side in SIDES]
        counts = np.asarray(table["count"].combine_chunks().fill_null(0))
        nulls = []
        self._met = []
        for words, here, lacking, value in (
            (self._targets, columns, rows, values[0]),
            (self._sources, rows, columns, values[1]),
        ):
            null = np.full(len(words) + 1, SMALLEST)
            null[here[lacking < 0]] = value[lacking < 0]
            nulls.append(null)
            met = np.zeros(len(words) + 1, dtype=np.int64)
            met[here[lacking < 0]] = counts[lacking < 0]
            self._met.append(met)
        kept = np.flatnonzero((rows >= 0) & (columns >= 0))
        keys = rows[kept] * (len(self._targets) + 1) + columns[kept]
        if np.any(keys[1:] < keys[:-1]):
            order = np.argsort(keys, kind="stable")
            kept, keys = kept[order], keys[order]
        self._keys = keys
        self._values = [value[kept] for value in values]
        offsets = np.searchsorted(rows[kept], np.arange(len(self._sources) + 1))
        self._entries = index_entries(offsets.astype(np.int64), columns[kept].astype(np.int32))
        self._directions = [
            Direction(value, null, np.array(about["jumps"][side]))
            for value, null, side in zip(self._values, nulls, SIDES, strict=True)
        ]

    def entries(
        self, sources: Sequence[str], targets: Sequence[str], rows: NDArray[np.int32], columns: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give what is known of word pairs, both ways; 0 where nothing is."""
        if not len(self._keys):
            return np.zeros(len(rows)), np.zeros(len(rows))
        own_rows = np.array([self._sources.get(word, -1) for word in sources], dtype=np.int64)[rows]
        own_columns = np.array([self._targets.get(word, -1) for word in targets], dtype=np.int64)[columns]
        met = (own_rows >= 0) & (own_columns >= 0)
        keys = np.where(met, own_rows * (len(self._targets) + 1) + own_columns, -1)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[places] == keys
        forward, backward = (np.where(known, values[places], 0.0) for values in self._values)
        return forward, backward

    def candidates(self, pairs: Sequence[WordPair]) -> "Candidates":
        """Give what could be links."""
        (sources, source, source_offsets), (targets, target, target_offsets) = (
            numbered(side) for side in ([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        )
        own_sources = np.array([self._sources.get(word, -1) for word in sources], dtype=np.int32)
        own_targets = np.array([self._targets.get(word, -1) for word in targets], dtype=np.int32)
        corpus = Corpus(own_sources[source], source_offsets, own_targets[target], target_offsets)
        classes, class_offsets = _strange(corpus, (sources, source), (targets, target))
        of_pair, rows, columns, means, marks = link_pairs(
            corpus, self._entries, *self._directions, self._classes, classes, class_offsets, _LEAST_MEAN
        )
        some, others = source[source_offsets[of_pair] + rows], target[target_offsets[of_pair] + columns]
        met = np.minimum(self._met[1][own_sources[some]], self._met[0][own_targets[others]])
        evidence = Evidence(met, *spelling_of(spelling_classes(sources, targets, some, others)))
        return Candidates(of_pair, rows, columns, means, evidence, marks)

    def align(self, pairs: Sequence[WordPair], settings: AlignSettings) -> list[list[Link]]:
        """Link words, as the settings say."""
        of_pair, rows, columns, values, evidence, marks = self.candidates(pairs)
        probabilities = np.round(calibrate("association", values, evidence), _DIGITS)
        links: list[list[Link]] = [[] for _ in pairs]
        if settings.symmetrization == "threshold":
            chosen = np.flatnonzero(probabilities >= settings.threshold)
            places = zip(*(column[chosen].tolist() for column in (of_pair, rows, columns, probabilities)), strict=True)
            for p, i, j, probability in places:
                links[p].append(Link(i, j, probability))
            return links
        symmetrize = SYMMETRIZATIONS[settings.symmetrization]
        borders = np.searchsorted(of_pair, np.arange(len(pairs) + 1))
        for p in range(len(pairs)):
            part = slice(borders[p], borders[p + 1])
            cells = list(zip(rows[part].tolist(), columns[part].tolist(), strict=True))
            known = dict(zip(cells, probabilities[part].tolist(), strict=True))
            ahead, back = (
                {cell for cell, mark in zip(cells, marks[part], strict=True) if mark & bit} for bit in (1, 2)
            )
            links[p] = [Link(*cell, known[cell]) for cell in sorted(symmetrize(ahead, back))]
        return links


def _ranked(column: pa.ChunkedArray) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Number the words of a column in their order; gives the numbers by word, and by row: -1 where there is none."""
    encoded = column.combine_chunks().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    ranks = np.empty(len(words) + 1, dtype=np.int64)
    ranks[order] = np.arange(len(words))
    ranks[-1] = -1
    indices = np.asarray(encoded.indices.fill_null(-1)).astype(np.int64)
    return {words[i]: rank for rank, i in enumerate(order)}, ranks[indices]


def _strange(
    corpus: Corpus, sources: tuple[list[str], NDArray[np.int32]], targets: tuple[list[str], NDArray[np.int32]]
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Give the classes of spelling of the cells of pairs that have words never met, and where each pair's begin."""
    number = len(corpus.source_offsets) - 1
    offsets = np.zeros(number + 1, dtype=np.int64)
    rows, columns = [], []
    for p in range(number):
        source = slice(corpus.source_offsets[p], corpus.source_offsets[p + 1])
        target = slice(corpus.target_offsets[p], corpus.target_offsets[p + 1])
        offsets[p + 1] = offsets[p]
        if np.any(corpus.source[source] < 0) or np.any(corpus.target[target] < 0):
            own, other = sources[1][source], targets[1][target]
            rows.append(np.repeat(own, len(other)))
            columns.append(np.tile(other, len(own)))
            offsets[p + 1] += len(own) * len(other)
    if not rows:
        return np.zeros(0, dtype=np.int16), offsets
    return spelling_classes(sources[0], targets[0], np.concatenate(rows), np.concatenate(columns)), offsets
