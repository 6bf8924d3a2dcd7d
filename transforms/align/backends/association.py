"""Association: a statistical aligner that learns from the run's own pairs. No weights, no download.

IBM model 1 with a diagonal prior begins, a hidden Markov model with a jump table and a null word goes on, in
both directions (see `transforms.common.hmm`). The two directions' posterior probabilities of a link are joined by
their geometric mean; links over the threshold are given, and that mean is their probability.

Spelling is evidence: word pairs are put in classes by their edit similarity and length, the mean probability of a
class is learned along with the words, and it is the prior of every pair in the class. So spelling counts
for as much as the two varieties are alike: for much between Ligurian and Italian, for little between Romansh and
German. This is what links the rare words, on which counting alone knows nothing.

Cost: time grows with the cells (source words times target words, summed over pairs); memory while learning is
about 4 bytes a cell and 100 bytes a distinct word pair.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.table import field, table
from transforms.common.hmm import (
    JUMP_LIMIT,
    JUMPS,
    SMALLEST,
    Corpus,
    Direction,
    Entries,
    count_lexical,
    count_sequences,
    find_entries,
    normalize,
    posteriors,
)
from transforms.align.interface import Link, WordPair
from transforms.align.settings import AlignSettings
from transforms.common.similarity import codes_of, fold, similarities

ASSOCIATION = table(
    "association",
    1,
    [
        field("source", pa.string(), "Word of the source, letter case folded; null: no word.", nullable=True),
        field("target", pa.string(), "Word of the target, letter case folded; null: no word.", nullable=True),
        field("forward", pa.float32(), "Probability of the target word, given the source word.", range="0 to 1"),
        field("backward", pa.float32(), "Probability of the source word, given the target word.", range="0 to 1"),
    ],
)
"""What was learned. Jumps and classes of spelling stand in the schema's metadata, under `isogloss.model`."""

BASE_PRIOR = 0.001
"""Dirichlet parameter of every word pair: small, so that few translations of a word are likely."""
LEARNED_PRIOR = 10.0
"""Counted words that a probability learned before is worth."""
LEAST_PROBABILITY = 1e-6
"""Word pairs that are less likely in both directions are not kept."""
_LENGTHS = (3, 5)
_STEPS = 10
CLASSES = (len(_LENGTHS) + 2) * (_STEPS + 1)
"""Classes of spelling: similarity in tenths, by length of the shorter word; signs without letters apart."""


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
            return _Model(self.learn(pairs)).align(pairs, self._settings.threshold)
        return self._model.align(pairs, self._settings.threshold)

    def load(self, learned: bytes) -> None:
        """Take what `train` learned before."""
        self._model = _Model(_opened(learned))

    def train(self, pairs: Sequence[WordPair]) -> bytes:
        """Learn from pairs, in an order that follows from their content; gives the bytes of an Arrow file."""
        return association_bytes(self.learn(pairs))

    def learn(self, pairs: Sequence[WordPair]) -> pa.Table:
        """Do what `train` does; gives the table itself, with the columns of `ASSOCIATION`."""
        sources, source_corpus, source_offsets = _numbered([source for source, _ in pairs])
        targets, target_corpus, target_offsets = _numbered([target for _, target in pairs])
        corpus = Corpus(source_corpus, source_offsets, target_corpus, target_offsets)
        entries = find_entries(corpus, len(sources), len(targets))
        if len(entries.cells) and entries.cells[-1] < 0:
            raise SettingsError("more than 2^31 distinct word pairs", path="$.align.aligner", cure="Align in parts.")
        owners = np.repeat(np.arange(len(sources), dtype=np.int32), np.diff(entries.offsets))
        spelling = _spelling_classes(sources, targets, owners, entries.targets)
        before = self._before.entries(sources, targets, owners, entries.targets) if self._before else None
        sides = [
            _learn(
                corpus,
                entries,
                backward=backward,
                given=entries.targets if backward else owners,
                given_words=len(targets if backward else sources),
                made=np.bincount(
                    source_corpus if backward else target_corpus, minlength=len(sources if backward else targets)
                ),
                spelling=spelling,
                before=None if before is None else before[int(backward)],
                settings=self._settings,
            )
            for backward in (False, True)
        ]
        return _table(sources, targets, owners, entries.targets, sides)


BACKEND = Association


def read_association(path: str) -> pa.Table:
    """Read a table that an earlier run learned.

    Raises:
        SettingsError: there is no such file, or it is another one.
    """
    from transforms.common import files

    try:
        found = _opened(files.read_bytes(path))
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


def _learn(
    corpus: Corpus,
    entries: Entries,
    *,
    backward: bool,
    given: NDArray[np.int32],
    given_words: int,
    made: NDArray[np.int64],
    spelling: NDArray[np.int16],
    before: NDArray[np.float64] | None,
    settings: AlignSettings,
) -> tuple[Direction, NDArray[np.float64]]:
    """Learn one direction; gives it and the mean probability of each class of spelling."""
    number = len(given)
    words = np.full(number, 1.0)
    null = made / max(made.sum(), 1)
    jumps = np.full(JUMPS, 1.0 / JUMPS)
    classes = np.zeros(CLASSES)
    if number == 0:
        return Direction(words, null, jumps), classes
    for iteration in range(settings.lexical_iterations + settings.sequence_iterations):
        counts = np.zeros(number)
        null_counts = np.zeros(len(null))
        jump_counts = np.zeros(JUMPS)
        if iteration < settings.lexical_iterations:
            count_lexical(corpus, entries, words, null, backward, counts, null_counts)
        else:
            if iteration == settings.lexical_iterations:
                jumps = np.exp(-np.abs(np.arange(JUMPS) - JUMP_LIMIT - 1) / 2.0)
                jumps /= jumps.sum()
            count_sequences(corpus, entries, Direction(words, null, jumps), backward, counts, null_counts, jump_counts)
            jumps = (jump_counts + 1.0) / (jump_counts + 1.0).sum()
        totals = np.bincount(given, weights=counts, minlength=given_words)
        opportunities = np.bincount(spelling, weights=totals[given], minlength=CLASSES)
        classes = np.bincount(spelling, weights=counts, minlength=CLASSES) / np.maximum(opportunities, SMALLEST)
        prior = BASE_PRIOR + settings.orthography * classes[spelling]
        if before is not None:
            prior += LEARNED_PRIOR * before
        words = normalize(counts, prior, given, given_words)
        null = (null_counts + 0.01) / (null_counts + 0.01).sum()
    return Direction(words, null, jumps), classes


class _Model:
    """What was learned, ready to be looked up."""

    def __init__(self, table: pa.Table) -> None:
        about = json.loads(table.schema.metadata[b"isogloss.model"])
        self._jumps = [np.array(about["jumps"][side]) for side in ("forward", "backward")]
        self._classes = [np.array(about["classes"][side]) for side in ("forward", "backward")]
        source = table["source"].combine_chunks()
        target = table["target"].combine_chunks()
        both = np.asarray(source.is_valid()) & np.asarray(target.is_valid())
        self._sources = {word: i for i, word in enumerate(sorted(set(source.drop_null().to_pylist())))}
        self._targets = {word: i for i, word in enumerate(sorted(set(target.drop_null().to_pylist())))}
        forward, backward = (np.asarray(table[name]).astype(np.float64) for name in ("forward", "backward"))
        self._null = [np.full(len(self._targets) + 1, SMALLEST), np.full(len(self._sources) + 1, SMALLEST)]
        for words, valid, null, values in (
            (self._targets, np.asarray(source.is_null()), self._null[0], forward),
            (self._sources, np.asarray(target.is_null()), self._null[1], backward),
        ):
            column = target if words is self._targets else source
            for row in np.flatnonzero(valid):
                null[words[column[int(row)].as_py()]] = values[row]
        kept = np.flatnonzero(both)
        rows = np.array([self._sources[w] for w in source.take(kept).to_pylist()], dtype=np.int64)
        columns = np.array([self._targets[w] for w in target.take(kept).to_pylist()], dtype=np.int64)
        keys = rows * (len(self._targets) + 1) + columns
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._values = [values[kept][order] for values in (forward, backward)]

    def entries(
        self, sources: Sequence[str], targets: Sequence[str], rows: NDArray[np.int32], columns: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give what is known of word pairs, both ways; 0 where nothing is."""
        own_rows = np.array([self._sources.get(word, -1) for word in sources], dtype=np.int64)[rows]
        own_columns = np.array([self._targets.get(word, -1) for word in targets], dtype=np.int64)[columns]
        known, places = self._find(own_rows, own_columns)
        return tuple(
            np.where(known, values[places], 0.0) if len(values) else np.zeros(len(rows)) for values in self._values
        )  # type: ignore[return-value]

    def align(self, pairs: Sequence[WordPair], threshold: float) -> list[list[Link]]:
        """Link words whose two posteriors' geometric mean is over the threshold."""
        out: list[list[Link]] = []
        scratch = np.zeros(JUMPS)
        for source, target in pairs:
            if not source or not target:
                out.append([])
                continue
            forward, backward, source_null, target_null = self._cells(source, target)
            ahead, _ = posteriors(np.ascontiguousarray(forward.T), target_null, self._jumps[0], scratch)
            back, _ = posteriors(backward, source_null, self._jumps[1], scratch)
            joint = np.sqrt(np.clip(ahead.T, 0.0, 1.0) * np.clip(back, 0.0, 1.0))
            rows, columns = np.nonzero(joint >= threshold)
            found = zip(rows.tolist(), columns.tolist(), joint[rows, columns].tolist(), strict=True)
            out.append([Link(i, j, p) for i, j, p in found])
        return out

    def _cells(self, source: Sequence[str], target: Sequence[str]) -> tuple[NDArray[np.float64], ...]:
        """Look up a sentence pair: (source, target) probabilities both ways, and those of no word."""
        source_words, target_words = ([word.casefold() for word in side] for side in (source, target))
        rows = np.array([self._sources.get(word, -1) for word in source_words])
        columns = np.array([self._targets.get(word, -1) for word in target_words])
        shape = (len(rows), len(columns))
        grid_rows, grid_columns = np.repeat(rows, shape[1]), np.tile(columns, shape[0])
        known, places = self._find(grid_rows, grid_columns)
        strange = (grid_rows < 0) | (grid_columns < 0)
        sides = []
        spelling = (
            _spelling_classes(
                source_words,
                target_words,
                np.repeat(np.arange(shape[0], dtype=np.int32), shape[1]),
                np.tile(np.arange(shape[1], dtype=np.int32), shape[0]),
            )
            if strange.any()
            else None
        )
        for values, classes in zip(self._values, self._classes, strict=True):
            cells = np.full(len(grid_rows), SMALLEST)
            if len(values):
                cells = np.where(known, values[places], cells)
            if spelling is not None:  # a word that was never met: what its spelling says
                cells = np.where(strange, np.maximum(classes[spelling], SMALLEST), cells)
            sides.append(cells.reshape(shape))
        return sides[0], sides[1], self._null[1][rows], self._null[0][columns]

    def _find(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        keys = np.where((rows >= 0) & (columns >= 0), rows * (len(self._targets) + 1) + columns, -1)
        places = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        known = self._keys[places] == keys if len(self._keys) else np.zeros(len(keys), dtype=np.bool_)
        return known, places


def _numbered(sentences: Iterable[Sequence[str]]) -> tuple[list[str], NDArray[np.int32], NDArray[np.int64]]:
    """Number the words of sentences by their folded letter case, in the order of the words."""
    folded = [[word.casefold() for word in sentence] for sentence in sentences]
    words = sorted({word for sentence in folded for word in sentence})
    numbers = {word: i for i, word in enumerate(words)}
    offsets = np.zeros(len(folded) + 1, dtype=np.int64)
    if folded:
        np.cumsum([len(sentence) for sentence in folded], out=offsets[1:])
    return words, np.array([numbers[word] for sentence in folded for word in sentence], dtype=np.int32), offsets


def _spelling_classes(
    sources: Sequence[str], targets: Sequence[str], rows: NDArray[np.int32], columns: NDArray[np.int32]
) -> NDArray[np.int16]:
    """Give the class of spelling of word pairs: (pairs,) int16 below `CLASSES`."""
    plain = [[fold(word) for word in side] for side in (sources, targets)]
    (a, a_offsets), (b, b_offsets) = (codes_of(side) for side in plain)
    alike = similarities(a, a_offsets, b, b_offsets, rows.astype(np.int64), columns.astype(np.int64))
    lengths = np.minimum(np.diff(a_offsets)[rows], np.diff(b_offsets)[columns])
    wordless = [np.array([not any(c.isalpha() for c in word) for word in side], dtype=np.bool_) for side in plain]
    group = np.searchsorted(np.array(_LENGTHS), lengths, side="right")
    group = np.where(wordless[0][rows] | wordless[1][columns], len(_LENGTHS) + 1, group) if len(rows) else group
    step = np.floor(alike * _STEPS + 1e-6).astype(np.int64)
    return np.asarray(group * (_STEPS + 1) + step, dtype=np.int16)


def _table(
    sources: Sequence[str],
    targets: Sequence[str],
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    sides: Sequence[tuple[Direction, NDArray[np.float64]]],
) -> pa.Table:
    """Lay out what was learned, ordered by source, then target; the null's rows come last."""
    (forward, forward_classes), (backward, backward_classes) = sides
    kept = np.flatnonzero((forward.words >= LEAST_PROBABILITY) | (backward.words >= LEAST_PROBABILITY))
    kept = kept[np.lexsort((columns[kept], rows[kept]))]
    source = pa.array(sources, type=pa.string()).take(pa.array(rows[kept]))
    target = pa.array(targets, type=pa.string()).take(pa.array(columns[kept]))
    about = {
        "jumps": {"forward": forward.jumps.tolist(), "backward": backward.jumps.tolist()},
        "classes": {"forward": forward_classes.tolist(), "backward": backward_classes.tolist()},
    }
    nothing = [pa.nulls(len(words), pa.string()) for words in (targets, sources)]
    zeros = [np.zeros(len(words), dtype=np.float32) for words in (targets, sources)]
    data = [
        pa.concat_arrays([source, nothing[0], pa.array(sources, type=pa.string())]),
        pa.concat_arrays([target, pa.array(targets, type=pa.string()), nothing[1]]),
        pa.array(np.concatenate([forward.words[kept], forward.null, zeros[1]]).astype(np.float32)),
        pa.array(np.concatenate([backward.words[kept], zeros[0], backward.null]).astype(np.float32)),
    ]
    schema = ASSOCIATION.with_metadata(dict(ASSOCIATION.metadata) | {"isogloss.model": json.dumps(about)})
    return pa.Table.from_arrays(data, schema=schema)
