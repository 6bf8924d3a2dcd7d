"""Lexicon: count linked words, and make entries of the counts. Pure functions on batches and tables.

`tally` counts a batch, `merge` adds counts up, `make_entries` makes the entries of one variety pair of them, and
`add_generality` looks over all variety pairs of a run. Counts are whole numbers (probabilities in millionths), so
their sums are the same in any order.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.identity import content_id
from schemas.lexicon import LexiconBatch, entry_id
from schemas.table import UNDETERMINED, Batch
from transforms.align.correspondences import learn_correspondences, likenesses
from transforms.align.interface import AlignedPair
from transforms.align.settings import LexiconSettings
from transforms.common.similarity import edit_similarities, fold

TALLY = pa.schema(
    [
        pa.field("source", pa.string()),  # null where a target word's occurrences are counted
        pa.field("target", pa.string()),  # null where a source word's are
        pa.field("count", pa.int64()),
        pa.field("mass", pa.int64()),
        pa.field("examples", pa.list_(pa.string())),
    ]
)
"""Counts of one variety pair: links between two words, and occurrences of each word."""

MILLIONTHS = 1_000_000
SIGMAS = 1.6448536269514722
"""One-sided 95 % of the normal distribution."""
RELATED = 0.5
"""Least likeness of two words that are taken for related."""
TRANSLATIONS = 5
"""Most probable translations of a word that generality looks at."""

FUNCTION_WORD_BITS = 0.5
"""Least entropy of what a frequent word is linked with that makes it a function word: a name has one translation."""
VERY_FREQUENT = 5
"""A word this many times as frequent is one at any entropy (`e` and `e`)."""

_KEYS = ["source", "target"]


class _Links(NamedTuple):
    """Links of all pairs, end to end: pair, places of the two words, probability (NaN where there is none)."""

    owners: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def tally(rows: Batch, settings: LexiconSettings | None = None) -> dict[tuple[str, str], pa.Table]:
    """Count the linked words of a batch.

    Args:
        rows: pairs or corpus rows with words and links; a row without links only counts its words, one without
            words counts nothing. Tokens without a letter are no words.
        settings: how many examples are kept.

    Returns:
        A table `TALLY` a variety pair, in the order of the pairs.
    """
    settings = settings or LexiconSettings()
    places = list(zip(rows.texts("source_variety"), rows.texts("target_variety"), strict=True))
    if len(set(places)) <= 1:
        return {place: _tally(rows, settings.examples) for place in set(places)}
    return {
        place: _tally(rows.filter([other == place for other in places]), settings.examples)
        for place in sorted(set(places))
    }


def merge(tallies: Iterable[pa.Table], settings: LexiconSettings | None = None) -> pa.Table:
    """Add counts of one variety pair up; the result is ordered by its words and the same for any cut."""
    settings = settings or LexiconSettings()
    tables = list(tallies)
    if not tables:
        return TALLY.empty_table()
    frame = _frame(pa.concat_tables(tables))
    summed = frame.group_by(_KEYS).agg(
        pl.col("count").sum(),
        pl.col("mass").sum(),
        pl.col("examples").explode().drop_nulls().unique().sort().head(settings.examples),
    )
    return summed.sort(_KEYS).to_arrow().cast(TALLY)


def make_entries(
    counts: pa.Table, source_variety: str, target_variety: str, settings: LexiconSettings | None = None
) -> LexiconBatch:
    """Make the entries of a variety pair, ordered by source, then target; generality is null yet.

    Args:
        counts: all counts of the variety pair, merged.
        source_variety, target_variety: BCP 47 tags.
        settings: least count of an entry, mark of function words.
    """
    settings = settings or LexiconSettings()
    frame = _frame(counts)
    links = frame.filter(pl.col("source").is_not_null() & pl.col("target").is_not_null())
    words = {
        side: frame.filter(pl.col(other).is_null()).select(side, pl.col("count").alias(f"{side}_count"))
        for side, other in (("source", "target"), ("target", "source"))
    }
    totals = {side: max(int(words[side][f"{side}_count"].sum()), 1) for side in words}
    links = links.join(words["source"], on="source").join(words["target"], on="target")
    mass = pl.col("mass")
    links = links.with_columns(
        probability=mass / mass.sum().over("source"), backward_probability=mass / mass.sum().over("target")
    ).with_columns(
        source_entropy=_entropy("probability").over("source"),
        target_entropy=_entropy("backward_probability").over("target"),
    )
    links = links.filter(pl.col("count") >= settings.minimum_count).sort(_KEYS)
    sources, targets = links["source"].to_list(), links["target"].to_list()
    plain = [fold(word) for word in sources], [fold(word) for word in targets]
    variants = {side: _variants(links, side) for side in _KEYS}
    number = np.maximum(links["source_count"].to_numpy(), links["target_count"].to_numpy()).astype(np.float64)
    expected = links["mass"].to_numpy() / MILLIONTHS
    alike = edit_similarities(*plain)
    function = [_is_function_word(links, side, totals[side], settings.function_word_share) for side in _KEYS]
    columns = {
        name: links[name].to_numpy()
        for name in ("count", "source_count", "target_count", "probability", "backward_probability")
    }
    return LexiconBatch.from_columns(
        columns
        | {
            "entry_id": [entry_id(source_variety, target_variety, a, b) for a, b in zip(sources, targets, strict=True)],
            "source_variety": [source_variety] * len(links),
            "target_variety": [target_variety] * len(links),
            "source": sources,
            "target": targets,
            "expected_count": expected,
            "confidence": wilson_lower(np.minimum(expected, number), number).astype(np.float32),
            "edit_similarity": alike,
            "source_variants": variants["source"],
            "target_variants": variants["target"],
            "is_copy": [a == b for a, b in zip(sources, targets, strict=True)],
            "is_function_word": function[0] | function[1],
            "source_entropy": np.abs(links["source_entropy"].to_numpy()),
            "target_entropy": np.abs(links["target_entropy"].to_numpy()),
            "dialectness": _dialectness(links, plain),
            "example_pairs": links["examples"].to_arrow(),
        }
        | {name: columns[name].astype(np.float32) for name in ("probability", "backward_probability")}
    )


def add_generality(lexicons: Sequence[LexiconBatch]) -> list[LexiconBatch]:
    """Say of every word how widely it is used over the varieties of a run.

    For a word w of variety v and another variety x: what x says for w (its translations in the lexicon of v and x; or,
    where they have none, over each variety that has a lexicon with both) is compared with w. generality(w) = mean
    over x of sum over x's words w' of p(w' | w) likeness(w, w'), where a likeness below `RELATED` counts as 0: such
    words are not related. Correspondences of letters are learned for v and x, so a regular change of sound does not
    make another word. (In the spirit of the Arabic Generality Score: alignment, then etymology-aware distance.)

    Args:
        lexicons: one a variety pair, every pair once.

    Returns:
        The same entries, in the same order, with both columns of generality; null for words that can be compared
        with fewer than two other varieties.
    """
    steps = _translations(lexicons)
    varieties = sorted({tag for pair in steps for tag in pair})
    generality: dict[str, dict[str, float]] = {}
    for tag in varieties:
        sums: dict[str, float] = {}
        numbers: dict[str, int] = {}
        for other in varieties:
            for word, value in _usage(steps, varieties, tag, other).items():
                sums[word] = sums.get(word, 0.0) + value
                numbers[word] = numbers.get(word, 0) + 1
        generality[tag] = {word: sums[word] / number for word, number in numbers.items() if number >= 2}
    out = []
    for lexicon in lexicons:
        columns = {}
        for side in _KEYS:
            tags, words = lexicon.texts(f"{side}_variety"), lexicon.texts(side)
            values = [generality[tag].get(word) for tag, word in zip(tags, words, strict=True)]
            columns[f"{side}_generality"] = pa.array(values, type=pa.float32())
        out.append(lexicon.replace(**columns))
    return out


def make_lexicon(
    pairs: Sequence[AlignedPair],
    source_variety: str = UNDETERMINED,
    target_variety: str = UNDETERMINED,
    settings: LexiconSettings | None = None,
) -> LexiconBatch:
    """Make the lexicon of plain aligned pairs, as `align_pairs` gives them.

    Example:
        >>> from transforms.align import align_pairs
        >>> make_lexicon(align_pairs([("ægua", "acqua")])).texts("target")
        ['acqua']
    """
    ids = [content_id("line", i, *pair.source_tokens, ">", *pair.target_tokens) for i, pair in enumerate(pairs)]
    counted = [
        _tally_of(
            ids,
            [pair.source_tokens for pair in pairs],
            [pair.target_tokens for pair in pairs],
            _flat_links(pairs),
            (settings or LexiconSettings()).examples,
        )
    ]
    return make_entries(merge(counted, settings), source_variety, target_variety, settings)


def wilson_lower(successes: NDArray[np.float64], trials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the lower end of the one-sided 95 % Wilson score interval of a share.

    Args:
        successes: (n,) 0 to `trials`; need not be whole.
        trials: (n,) more than 0.
    """
    share, z = successes / trials, SIGMAS**2 / trials
    low = (share + z / 2 - SIGMAS * np.sqrt((share * (1 - share) + z / 4) / trials)) / (1 + z)
    return np.clip(low, 0.0, 1.0)  # type: ignore[no-any-return]


@lru_cache(maxsize=65536)
def skeleton(word: str) -> str:
    """Give what spellings of a word have in common: no marks, apostrophes or hyphens, and no letter doubled.

    Empty for words of less than three letters: there the mark is the word (`a` and `à`, `e` and `é`).

    Example:
        >>> skeleton("Fàccia-e"), skeleton("facia-e"), skeleton("à")
        ('faciae', 'faciae', '')
    """
    plain = fold(word)
    kept = [c for i, c in enumerate(plain) if unicodedata.category(c)[0] in "LN" and plain[i - 1 : i] != c]
    return "".join(kept) if len(kept) >= 3 else ""


def _tally(rows: Batch, examples: int) -> pa.Table:
    worded = pc.and_(pc.is_valid(rows.column("source_tokens")), pc.is_valid(rows.column("target_tokens")))
    rows = rows.filter(worded)
    column = rows.column("links")
    flat = column.flatten()
    owners = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
    first, second, probabilities = (flat.field(i).to_numpy(zero_copy_only=False) for i in range(3))
    links = _Links(owners, first.astype(np.int64), second.astype(np.int64), probabilities.astype(np.float64))
    return _tally_of(rows.texts("pair_id"), rows.texts("source_tokens"), rows.texts("target_tokens"), links, examples)


def _flat_links(pairs: Sequence[AlignedPair]) -> _Links:
    owners = np.repeat(np.arange(len(pairs)), [len(pair.links) for pair in pairs])
    flat = [link for pair in pairs for link in pair.links]
    probabilities = np.array([np.nan if link.probability is None else link.probability for link in flat])
    places = [np.array([link[side] for link in flat], dtype=np.int64) for side in (0, 1)]
    return _Links(owners, places[0], places[1], probabilities)


def _tally_of(
    ids: Sequence[str],
    sources: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    links: _Links,
    examples: int,
) -> pa.Table:
    owners = links.owners
    source_words, source_starts = _flat_words(sources)
    target_words, target_starts = _flat_words(targets)
    first = source_words[source_starts[owners] + links.sources] if len(owners) else source_words[:0]
    second = target_words[target_starts[owners] + links.targets] if len(owners) else target_words[:0]
    known = np.where(np.isnan(links.probabilities), 1.0, links.probabilities)
    counted = pl.DataFrame(
        {
            "source": pl.Series(first, dtype=pl.String),
            "target": pl.Series(second, dtype=pl.String),
            "mass": np.rint(known * MILLIONTHS).astype(np.int64),
            "pair_id": pl.Series(np.array(ids, dtype=object)[owners] if len(owners) else [], dtype=pl.String),
        }
    ).filter((pl.col("source") != "") & (pl.col("target") != ""))
    linked = counted.group_by(_KEYS).agg(
        count=pl.len().cast(pl.Int64),
        mass=pl.col("mass").sum(),
        examples=pl.col("pair_id").unique().sort().head(examples),
    )
    parts = [linked]
    for side, words in (("source", source_words), ("target", target_words)):
        other = "target" if side == "source" else "source"
        occurring = pl.DataFrame({side: pl.Series(words, dtype=pl.String)}).filter(pl.col(side) != "")
        parts.append(
            occurring.group_by(side)
            .agg(count=pl.len().cast(pl.Int64))
            .with_columns(
                pl.lit(None, dtype=pl.String).alias(other),
                mass=pl.lit(0, dtype=pl.Int64),
                examples=pl.lit([], dtype=pl.List(pl.String)),
            )
            .select(linked.columns)
        )
    return pl.concat(parts).sort(_KEYS).to_arrow().cast(TALLY)


def _flat_words(sentences: Sequence[Sequence[str]]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Lay words end to end, folded; what has no letter becomes empty."""
    starts = np.zeros(len(sentences) + 1, dtype=np.int64)
    if len(sentences):
        np.cumsum([len(sentence) for sentence in sentences], out=starts[1:])
    return np.array([_word(word) for sentence in sentences for word in sentence], dtype=object), starts


@lru_cache(maxsize=65536)
def _word(token: str) -> str:
    return token.casefold() if any(c.isalpha() for c in token) else ""


def _entropy(name: str) -> pl.Expr:
    share = pl.col(name)
    return -(share * share.log(2)).fill_nan(0.0).sum()


def _is_function_word(links: pl.DataFrame, side: str, total: int, share: float) -> NDArray[np.bool_]:
    """Tell frequent words that are linked with many others, and very frequent ones; a frequent name is neither."""
    shares = links[f"{side}_count"].to_numpy() / total
    spread = links[f"{side}_entropy"].to_numpy() >= FUNCTION_WORD_BITS
    return np.asarray((shares >= share) & (spread | (shares >= VERY_FREQUENT * share)))


def _variants(links: pl.DataFrame, side: str) -> list[list[str]]:
    """Give, for each entry, the other words of the side with the same skeleton and the same partner."""
    other = "target" if side == "source" else "source"
    words, partners = links[side].to_list(), links[other].to_list()
    keys = [(skeleton(word), partner) for word, partner in zip(words, partners, strict=True)]
    groups: dict[tuple[str, str], list[str]] = {}
    for key, word in zip(keys, words, strict=True):
        groups.setdefault(key, []).append(word)
    return [sorted(set(groups[key]) - {word}) if key[0] else [] for key, word in zip(keys, words, strict=True)]


def _dialectness(links: pl.DataFrame, plain: tuple[list[str], list[str]]) -> NDArray[np.float32]:
    if not len(links):
        return np.zeros(0, dtype=np.float32)
    known = learn_correspondences(*plain, links["probability"].to_numpy() * links["backward_probability"].to_numpy())
    alike = likenesses(known, *plain)
    means = links.select("source", "probability", alike=pl.Series(alike)).select(
        (pl.col("probability") * pl.col("alike")).sum().over("source") / pl.col("probability").sum().over("source")
    )
    return (1.0 - means.to_series().to_numpy()).clip(0.0, 1.0).astype(np.float32)  # type: ignore[no-any-return]


def _translations(lexicons: Sequence[LexiconBatch]) -> dict[tuple[str, str], pl.DataFrame]:
    """Give the most probable translations by direction: columns word, said, probability (they sum to 1 a word)."""
    found: dict[tuple[str, str], pl.DataFrame] = {}
    for lexicon in lexicons:
        if not len(lexicon):
            continue
        frame = _frame(pa.Table.from_batches([lexicon.data]))
        tags = frame["source_variety"][0], frame["target_variety"][0]
        for pair, word, said, share in (
            (tags, "source", "target", "probability"),
            (tags[::-1], "target", "source", "backward_probability"),
        ):
            found[pair] = _most_probable(frame.select(word=word, said=said, probability=pl.col(share).cast(pl.Float64)))
    return found


def _most_probable(steps: pl.DataFrame) -> pl.DataFrame:
    best = steps.sort(["word", "probability", "said"], descending=[False, True, False]).group_by(
        "word", maintain_order=True
    )
    return best.head(TRANSLATIONS).with_columns(pl.col("probability") / pl.col("probability").sum().over("word"))


def _usage(
    steps: Mapping[tuple[str, str], pl.DataFrame], varieties: Sequence[str], tag: str, other: str
) -> dict[str, float]:
    """Say of each word of a variety how probably another one uses a related word for it, by likeness."""
    if tag == other:
        return {}
    said = steps.get((tag, other))
    if said is None:
        over = [
            steps[tag, middle]
            .join(steps[middle, other], left_on="said", right_on="word", suffix="_further")
            .select("word", said="said_further", probability=pl.col("probability") * pl.col("probability_further"))
            for middle in varieties
            if (tag, middle) in steps and (middle, other) in steps
        ]
        if not over:
            return {}
        # whole millionths: their sum does not depend on the order in which groups are met
        summed = (
            pl.concat(over)
            .with_columns((pl.col("probability") * MILLIONTHS).round().cast(pl.Int64))
            .group_by("word", "said")
            .agg(pl.col("probability").sum())
            .with_columns(pl.col("probability") / MILLIONTHS)
            .filter(pl.col("probability") > 0)
        )
        said = _most_probable(summed)
    words, others = ([fold(word) for word in said[name]] for name in ("word", "said"))
    known = learn_correspondences(words, others, said["probability"].to_numpy())
    alike = likenesses(known, words, others)
    alike[alike < RELATED] = 0.0
    found = (
        said.with_columns(value=pl.col("probability") * pl.Series(alike))
        .group_by("word", maintain_order=True)
        .agg(pl.col("value").sum())
    )
    return dict(zip(found["word"].to_list(), found["value"].to_list(), strict=True))


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame), "a table is a frame"
    return frame
