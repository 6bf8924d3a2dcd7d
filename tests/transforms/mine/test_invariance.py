"""Blocks, workers and the order of arrival change no byte of what is mined: random corpora, cut and merged at random."""

import itertools
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from schemas.identity import content_id
from schemas.sentence import SentenceBatch
from transforms.common.blocks import VectorBlock, block_paths, write_dense, write_sentences, write_sparse
from transforms.mine import approximate
from transforms.mine import blockwise as planned
from transforms.mine.blockwise import (
    decide,
    halves_of,
    join_halves,
    merge_neighbours,
    plan_squares,
    search_square,
)
from transforms.mine.settings import MineSettings

TAGS = ("lij", "it")
K = 3


def corpus(rows, seed, distinct):
    """Sentences of a side in the order of their ids, and vectors of both kinds; some stand several times."""
    sides = {}
    for tag, number in zip(TAGS, rows, strict=True):
        random = np.random.default_rng([seed, TAGS.index(tag)])
        batch = SentenceBatch.from_rows(
            [
                {
                    "sentence_id": content_id("sentence", tag, str(place)),
                    "document_id": content_id("document", tag, str(place // 3)),
                    "position": place,
                    "start": 0,
                    "end": 1,
                    "text": f"{tag} {place}",
                    "normalized": f"{tag} {place}",
                    "variety": tag,
                    "variety_probability": 0.9,
                    "is_duplicate": False,
                    "source": "prove",
                    "robots": "none",
                }
                for place in range(number)
            ]
        )
        values = random.random((distinct, 24)) * (random.random((distinct, 24)) < 0.4)
        values[:, 0] += 0.01
        values = values[random.integers(0, distinct, number)]
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        sides[tag] = (batch.take(np.argsort(batch.texts("sentence_id")) if number else []), values.astype(np.float32))
    return sides


def write_blocks(folder, sides, cuts, kind):
    blocks = []
    for tag, edges in zip(TAGS, cuts, strict=True):
        batch, values = sides[tag]
        places = [0, *sorted(edge % (len(batch) + 1) for edge in edges), len(batch)]
        parts = [(a, b) for a, b in itertools.pairwise(places) if a < b]
        for number, (start, stop) in enumerate(parts):
            paths = block_paths(tag, number, len(parts))
            block = VectorBlock(folder, tag, number, stop - start, kind, 24, *paths, "ngram:test")
            part = batch.take(np.arange(start, stop))
            write_sentences(block, part)
            if kind == "sparse":
                write_sparse(block, part.column("sentence_id"), sparse.csr_array(values[start:stop]))
            else:
                write_dense(block, part.column("sentence_id"), values[start:stop])
            blocks.append(block)
    return blocks


def mined(blocks, settings, random):
    """Mine as workers would: squares in any order, results merged in any grouping, blocks and halves in any order.

    Gives the bytes of the pairs in order, and of all rejects.
    """
    squares = list(plan_squares(blocks, [TAGS], settings.search))
    found = {}
    for place in random.permutation(len(squares)):
        for part in search_square(squares[place], settings.k + 1):
            found.setdefault(part.key, []).append(part)
    merged = []
    for parts in found.values():
        while len(parts) > 1:
            first, second = (parts.pop(int(random.integers(len(parts)))) for _ in range(2))
            parts.append(merge_neighbours(first, second))
        merged.append(parts[0])
    if not merged:
        return [], []
    runs, rejects = {}, []
    for fate in decide([merged[place] for place in random.permutation(len(merged))], settings):
        halves, rejected, _ = halves_of(fate)
        rejects += rejected.rows()
        for half in halves:
            runs.setdefault(half.key, []).append(half)
    rows = []
    for halves in runs.values():
        kept, rejected, _ = join_halves([halves[place] for place in random.permutation(len(halves))])
        rows += kept.rows()
        rejects += rejected.rows()
    return sorted(map(repr, rows)), sorted(map(repr, rejects))


edges = st.lists(st.integers(0, 40), max_size=5)
drawn = st.tuples(st.integers(0, 30), st.integers(0, 30))


@settings(max_examples=12, deadline=None)
@given(
    drawn,
    st.integers(0, 10**6),
    st.sampled_from([1, 4, 1000]),
    st.tuples(edges, edges),
    st.sampled_from(["sparse", "dense"]),
    st.sampled_from(["forward", "backward", "intersect", "union", "max"]),
    st.sampled_from(["ratio", "distance", "absolute"]),
)
def test_any_cut_any_order_and_any_grouping_give_the_same_pairs(rows, seed, distinct, cuts, kind, retrieval, margin):
    chosen = MineSettings(k=K, retrieval=retrieval, margin=margin, threshold=0.5, search="exact")
    sides = corpus(rows, seed, distinct)
    with tempfile.TemporaryDirectory() as folder:
        one = mined(write_blocks(f"{folder}/one", sides, ((), ()), kind), chosen, np.random.default_rng(0))
        many = mined(write_blocks(f"{folder}/many", sides, cuts, kind), chosen, np.random.default_rng(seed))
    assert one == many


@settings(max_examples=8, deadline=None)
@given(drawn, st.integers(0, 10**6), st.tuples(edges, edges), st.sampled_from(["sparse", "dense"]))
def test_an_approximate_search_does_not_depend_on_order_and_grouping(rows, seed, cuts, kind):
    """Nor, where vectors are sparse, on blocks; cells of dense vectors are made of some blocks at a time."""
    chosen = MineSettings(k=K, threshold=0.5, search="approximate")
    sides = corpus(rows, seed, 1000)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(planned, "_CHUNK_BLOCKS", 2)
        patch.setattr(approximate, "BUDGET", 20)
        patch.setattr(approximate, "CANDIDATES", 4)
        patch.setattr(approximate, "PROBES", 2)
        blocks = write_blocks(f"{folder}/many", sides, cuts, kind)
        first = mined(blocks, chosen, np.random.default_rng(0))
        again = mined(blocks[::-1], chosen, np.random.default_rng(seed))
        whole = mined(write_blocks(f"{folder}/one", sides, ((), ()), kind), chosen, np.random.default_rng(0))
    assert first == again
    assert kind == "dense" or first == whole
