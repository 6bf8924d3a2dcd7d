"""Links do not depend on who made them: one worker or two, learning spread over them or at one place.

Runs go through the project's own runner, so two workers are two processes. Every written file is compared, byte by
byte: what was learned, and the pairs with their links.
"""

import random

import apache_beam as beam
import pytest

from pipelines.options import parse_beam_flags
from pipelines.runner import run_pipeline
from schemas.pair import PairBatch
from transforms.align import Align, AlignSettings
from transforms.align.stage import LEAST_PART
from transforms.common.shards import WriteShards

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN
from .test_stage import batch_of

LEARN_PAIRS = LEAST_PART + 176
"""Two parts: one for each of two workers. Of Ligurian there are more pairs, so a sample is taken; of Friulian fewer."""


def made_pairs(pairs, number):
    """Make pairs of real ones: of each side a third of the words is left out, at random."""
    noise = random.Random(4)
    made = set()
    while len(made) < number:
        for pair in pairs:
            sides = ([word for word in side.split() if noise.random() > 1 / 3] for side in pair)
            made.add(tuple(" ".join(words) or "?" for words in sides))
    return sorted(made)


@pytest.fixture(scope="module")
def batches():
    ligurian, friulian = made_pairs(LIGURIAN_ITALIAN, LEARN_PAIRS + 400), made_pairs(FRIULIAN_ITALIAN, LEAST_PART + 50)
    assert LEAST_PART < len(friulian) < LEARN_PAIRS < len(ligurian)
    return [*batch_of(ligurian).pieces(200), *batch_of(friulian, "fur").pieces(200)]


def written(folder, batches, *, workers, spread):
    """Run the stage; gives all files that it and the writing of its pairs left, by path."""
    settings = AlignSettings(
        spread=spread, learn_at_once=0, learn_pairs=LEARN_PAIRS, lexical_iterations=2, sequence_iterations=1
    )

    def build(pipeline):
        pairs = pipeline | beam.Create(batches) | beam.Reshuffle()
        made = (pairs | Align(settings=settings, folder=str(folder))).made
        _ = made | "Write" >> WriteShards(
            noun=PairBatch, folder=str(folder / "out"), shards=2, by="pair_id", order=("pair_id",), partition=()
        )

    run_pipeline(build, parse_beam_flags([], workers=workers))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_workers_write_the_bytes_of_one_and_spread_learning_those_of_learning_at_one_place(tmp_path, batches):
    runs = [
        written(tmp_path / f"{workers}-{spread}", batches, workers=workers, spread=spread)
        for workers, spread in ((1, False), (1, True), (2, True))
    ]
    at_one_place, spread, by_two = runs
    assert {"alignment/lij-it.arrow", "alignment/fur-it.arrow"} < set(at_one_place)
    assert sum(name.endswith(".parquet") for name in at_one_place) == 2
    assert spread == at_one_place
    assert by_two == at_one_place
