"""Several encoders, from sentences to pairs: both spaces are written, searched, and fused; cuts and orders change no bit."""

import importlib.util
import tempfile
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest

from pipelines.config import make_configuration
from schemas.errors import SettingsError
from schemas.identity import content_id
from schemas.ledger import LedgerBatch, add_up, imbalances
from schemas.pair import PairBatch
from schemas.reject import RejectBatch
from schemas.sentence import SentenceBatch, sentence_id
from transforms.common.blocks import (
    VectorBlock,
    read_dense,
    read_sentences,
    read_sparse,
    write_dense,
    write_sentences,
    write_sparse,
)
from transforms.common.coders import BatchCoder, encode_batch
from transforms.embed import Embed, EmbedSettings, embed_lines
from transforms.mine import DocumentSettings, Mine, MineSettings
from transforms.mine.fusion import mine_matrices_fused

pytest.importorskip("torch")
if importlib.util.find_spec("laser_encoders") is None:
    pytest.skip("laser_encoders is not installed", allow_module_level=True)
pytestmark = pytest.mark.models

CHECKPOINT = Path(__file__).resolve().parents[1] / "transforms" / "embed" / "laser_reference" / "laser2.pt"
TEXTS = {
    "lij": [
        "A Liguria a l'é 'na region d'Italia.",
        "O pesto o se fa co-o baxeicò, i pigneu e l'euio.",
        "Zena a l'é o capoleugo da Liguria.",
        "O Cristòffa Combo o l'é nasciuo à Zena.",
        "O mâ o l'é ciù cado de stæ.",
        "Unn-a lengua romansa occidentale.",
        "E oxelle chi vivan in sciâ costa.",
    ],
    "it": [
        "La Liguria è una regione d'Italia.",
        "Il pesto si fa con il basilico, i pinoli e l'olio.",
        "Genova è il capoluogo della Liguria.",
        "Cristoforo Colombo è nato a Genova.",
        "Il mare è più caldo d'estate.",
        "Il treno parte alle sette del mattino.",
    ],
}
ENCODERS = ("ngram", "laser")
EMBED = EmbedSettings(encoders=ENCODERS, model=str(CHECKPOINT), device="cpu")
MINE = MineSettings(k=2, threshold=0.5)


def sentences(variety: str) -> SentenceBatch:
    rows = []
    for position, text in enumerate(TEXTS[variety]):
        document = content_id("document", variety)
        rows.append(
            {
                "sentence_id": sentence_id(document, position, position + len(text)),
                "document_id": document,
                "position": position,
                "start": 0,
                "end": len(text),
                "text": text,
                "normalized": text,
                "variety": variety,
                "variety_probability": 0.9,
                "source": "test",
                "robots": "not_checked",
            }
        )
    return SentenceBatch.from_rows(rows)


def save(batch, folder: str, name: str) -> None:
    with tempfile.NamedTemporaryFile(prefix=f"{name}-", dir=folder, delete=False) as file:
        file.write(encode_batch(batch))


def save_block(block: VectorBlock, folder: str) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="block-", dir=folder, delete=False) as file:
        file.write("\n".join(str(value) for value in block))


def embedded(batches: list[SentenceBatch], folder: Path) -> list[VectorBlock]:
    with tempfile.TemporaryDirectory() as kept:
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            out = (
                pipeline
                | beam.Create(batches, reshuffle=False).with_output_types(SentenceBatch)
                | Embed(settings=EMBED, folder=str(folder))
            )
            _ = out.blocks | beam.Map(save_block, folder=kept)
        found = []
        for path in Path(kept).iterdir():
            values = path.read_text().split("\n")
            found.append(
                VectorBlock(*(int(value) if kind is int else value for value, kind in zip(values, KINDS, strict=True)))
            )
    return sorted(found)


KINDS = [VectorBlock.__annotations__[name] for name in VectorBlock._fields]


def mined(blocks: list[VectorBlock], settings: MineSettings) -> tuple[PairBatch, list, LedgerBatch]:
    nouns = {"pairs": PairBatch, "rejects": RejectBatch, "ledger": LedgerBatch}
    found = {name: [] for name in nouns}
    with tempfile.TemporaryDirectory() as kept:
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            made = (
                pipeline
                | beam.Create(blocks, reshuffle=False).with_output_types(VectorBlock)
                | Mine(settings=settings, pairs=[("lij", "it")], folder=blocks[0].folder)
            )
            for name in nouns:
                _ = getattr(made, name) | f"Save {name}" >> beam.Map(save, folder=kept, name=name)
        for path in sorted(Path(kept).iterdir()):
            name = path.name.partition("-")[0]
            found[name].append(BatchCoder(nouns[name]).decode(path.read_bytes()))
    pairs = PairBatch.concatenate(found["pairs"])
    rejects = RejectBatch.concatenate(found["rejects"]).rows()
    return (
        pairs.take(np.argsort(pairs.texts("pair_id"))),
        sorted(rejects, key=lambda row: (row["unit"], row["record_id"])),
        add_up(found["ledger"]),
    )


def cut_again(blocks: list[VectorBlock], folder: Path, cuts: int) -> list[VectorBlock]:
    """Write the same vectors in other blocks."""
    made = []
    for block in blocks:
        rows = read_sentences(block)
        vectors = read_sparse(block) if block.kind == "sparse" else read_dense(block)
        for number, part in enumerate(np.array_split(np.arange(block.rows), cuts)):
            name = f"{block.variety}/{number}-of-{cuts}"
            one = block._replace(
                folder=str(folder),
                number=number,
                rows=len(part),
                sentences=f"{name}.parquet",
                vectors=f"{name}.{block.kind}.arrow",
            )
            write_sentences(one, rows.take(part))
            write = write_sparse if block.kind == "sparse" else write_dense
            write(one, rows.take(part).column("sentence_id"), vectors[part])
            made.append(one)
    return made


@pytest.fixture(scope="module")
def blocks(tmp_path_factory) -> list[VectorBlock]:
    return embedded([sentences("lij"), sentences("it")], tmp_path_factory.mktemp("both"))


@pytest.mark.parametrize("weights", [{}, {"ngram": 0.7, "laser": 0.3}])
def test_the_graph_gives_what_memory_gives(blocks, weights):
    settings = MineSettings(k=2, threshold=0.5, weights=weights, documents=DocumentSettings(prior=False))
    pairs, _, ledger = mined(blocks, settings)
    assert imbalances(ledger) == []
    sides = {}
    for name in ENCODERS:
        of_space = {block.variety: block for block in blocks if block.encoder.startswith(name)}
        sides[name] = tuple(
            read_sparse(of_space[v]) if name == "ngram" else read_dense(of_space[v]) for v in ("lij", "it")
        )
    alone = mine_matrices_fused(sides, settings)
    assert len(pairs) > 0
    assert len(pairs) == int(alone.is_kept.sum())
    np.testing.assert_allclose(
        np.sort(pairs.column("margin").to_numpy()), np.sort(alone.pairs.margin[alone.is_kept]), atol=1e-9
    )


def test_cuts_and_orders_change_no_bit(blocks, tmp_path):
    one = mined(cut_again(blocks, tmp_path / "one", 1), MINE)
    for cuts in (2, 3):
        other = mined(cut_again(blocks, tmp_path / str(cuts), cuts)[::-1], MINE)
        assert one[0] == other[0]
        assert one[1] == other[1]
        assert one[2] == other[2]
    assert len(one[0]) > 0


def test_arrival_changes_no_bit(blocks, tmp_path):
    again = embedded([*sentences("it").take([3, 0, 5]).pieces(), sentences("lij"), sentences("it").take([4, 2, 1])],
                     tmp_path)  # fmt: skip
    one, other = mined(blocks, MINE), mined(again, MINE)
    assert one[0] == other[0]
    assert one[1] == other[1]


def test_both_spaces_take_part(blocks):
    def margins(**weights: float) -> list[float]:
        return mined(blocks, MineSettings(k=2, threshold=-99.0, weights=weights))[0].column("margin").to_pylist()

    assert len({tuple(margins(ngram=1.0)), tuple(margins(laser=1.0)), tuple(margins(ngram=1.0, laser=1.0))}) == 3


def test_memory_takes_the_vectors_of_lines():
    sides = {}
    for name in ENCODERS:
        two = embed_lines(
            TEXTS["lij"], TEXTS["it"], EmbedSettings(encoders=(name,), model=str(CHECKPOINT), device="cpu")
        )
        sides[name] = (two.a, two.b)
    mined_in_memory = mine_matrices_fused(sides, MINE)
    right = [(s, t) for s, t in zip(*mined_in_memory.pairs[:2], strict=True) if s == t]
    assert len(right) >= 4


def test_a_precision_of_fused_margins_needs_judged_pairs():
    values = {
        "corpus": {"name": "tiny", "output": "out", "varieties": ["lij", "it"]},
        "read": {"sources": [{"name": "lines", "path": "*.txt", "format": "text", "variety": "lij"}]},
        "embed": {"encoders": list(ENCODERS)},
    }
    with pytest.raises(SettingsError) as told:
        make_configuration(values | {"mine": {"precision": 0.9}})
    assert told.value.path == "$.mine.precision"
    assert make_configuration(values | {"mine": {"precision": 0.9, "calibration": "curve.json"}}).mine.calibration
