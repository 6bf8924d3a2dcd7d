"""The stage: blocks are cut by content, counted, and the same bytes for any cut and order of the input."""

import pickle
import random
from hashlib import sha256
from pathlib import Path

import apache_beam as beam
import msgspec
import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.identity import bucket_of, content_id
from schemas.ledger import LedgerBatch, imbalances
from schemas.sentence import SentenceBatch, sentence_id
from transforms.common.blocks import VectorBlock, read_dense, read_sentences, read_sparse
from transforms.embed import Embed, EmbedSettings, MapSettings, SpaceSettings, embed_lines
from transforms.embed.stage import _Handler, check


def sentence_batch(texts: list[str], variety: str = "lij") -> SentenceBatch:
    rows = []
    for position, text in enumerate(texts):
        document = content_id("document", variety, text)
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


def run(
    batches: list[SentenceBatch], folder: Path, settings: EmbedSettings
) -> tuple[list[VectorBlock], list, LedgerBatch]:
    """Run the stage; gives what came out of its three outputs."""
    names = ("blocks", "rejects", "ledger")
    with beam.Pipeline() as pipeline:
        out = (
            pipeline
            | beam.Create(batches, reshuffle=False).with_output_types(SentenceBatch)
            | Embed(settings=settings, folder=str(folder))
        )
        for name in names:
            kept = getattr(out, name) | f"List {name}" >> beam.combiners.ToList().without_defaults()
            _ = kept | f"Keep {name}" >> beam.Map(_pickle, str(folder / f"{name}.pickle"))
    got = {}
    for name in names:
        path = folder / f"{name}.pickle"
        got[name] = pickle.loads(path.read_bytes()) if path.is_file() else []
        path.unlink(missing_ok=True)
    ledger = LedgerBatch.concatenate([LedgerBatch.from_rows(rows) for rows in got["ledger"]])
    return sorted(VectorBlock(*block) for block in got["blocks"]), got["rejects"], ledger


def _pickle(values: list, path: str) -> None:
    plain = [value.rows() if hasattr(value, "rows") and callable(value.rows) else tuple(value) for value in values]
    Path(path).write_bytes(pickle.dumps(plain))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


SETTINGS = EmbedSettings(block_rows=4)


def test_blocks_hold_the_sentences_of_their_range_with_their_vectors(tmp_path, sentences):
    italian, others = sentences[1:6:2], sentences[::2]
    blocks, rejects, ledger = run(
        [sentence_batch(italian, "it"), sentence_batch(others, "lij")],
        tmp_path,
        msgspec.structs.replace(SETTINGS, block_rows=2),
    )
    assert rejects == []
    assert imbalances(ledger) == []
    assert sum(block.rows for block in blocks if block.variety == "it") == len(italian)
    expected = embed_lines([*italian, *others], [], msgspec.structs.replace(SETTINGS))
    by_text = dict(zip([*italian, *others], expected.a.toarray(), strict=True))
    seen = []
    for block in blocks:
        rows = read_sentences(block)
        ids = rows.texts("sentence_id")
        number_of_blocks = 2 if block.variety == "it" else 3
        assert ids == sorted(ids)
        assert {bucket_of(i, number_of_blocks) for i in ids} == {block.number}
        assert block.kind == "sparse"
        assert block.encoder == expected.encoder
        vectors = read_sparse(block)
        assert vectors.shape == (block.rows, block.dimension)
        np.testing.assert_array_equal(vectors.toarray(), [by_text[text] for text in rows.texts("text")])
        seen += rows.texts("text")
    assert sorted(seen) == sorted([*italian, *others])


def test_the_bytes_do_not_depend_on_cuts_and_order(tmp_path, sentences):
    whole = sentence_batch(sentences)
    shuffled = list(range(len(sentences)))
    random.Random(3).shuffle(shuffled)
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    blocks, _, _ = run([whole], one, SETTINGS)
    again, _, _ = run(list(whole.take(shuffled).pieces(5)), other, SETTINGS)
    assert digests(one) == digests(other)
    assert [block[1:] for block in blocks] == [block[1:] for block in again]


def test_what_cannot_be_read_is_rejected_and_counted(tmp_path, sentences):
    texts = [*sentences[:4], " ", "\u200b\u00ad", "😀"]
    blocks, rejects, ledger = run([sentence_batch(texts)], tmp_path, SETTINGS)
    assert sum(block.rows for block in blocks) == 5
    assert [row["reason"] for rows in rejects for row in rows] == ["not_encodable"] * 2
    assert imbalances(ledger) == []
    counted = {(row["outcome"], row["reason"]): row["count"] for row in ledger.rows()}
    assert counted == {("in", ""): 7, ("out", ""): 5, ("rejected", "not_encodable"): 2}


@pytest.mark.parametrize("batches", [[], [SentenceBatch.empty()], [sentence_batch([" "])]])
def test_nothing_to_embed_gives_no_blocks(tmp_path, batches):
    blocks, _, ledger = run(batches, tmp_path, SETTINGS)
    assert blocks == []
    assert imbalances(ledger) == []


def test_checking_keeps_the_order_and_the_rest():
    result = check(sentence_batch(["a", "\t", "b"]))
    assert result.made.texts("text") == ["a", "b"]
    assert result.rejects.texts("variety") == ["lij"]


@pytest.mark.models
def test_laser_embeds_blocks_through_run_inference(tmp_path, laser_folder, sentences):
    pytest.importorskip("sacremoses")
    settings = EmbedSettings(encoders=("laser",), model=str(laser_folder / "laser2.pt"), device="cpu", block_rows=5)
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    whole = sentence_batch(sentences)
    blocks, _, ledger = run([whole], one, settings)
    assert imbalances(ledger) == []
    expected = embed_lines(sentences, [], settings)
    by_text = dict(zip(sentences, expected.a, strict=True))
    for block in blocks:
        assert (block.kind, block.dimension, block.encoder) == ("dense", 24, expected.encoder)
        stored = read_dense(block)
        np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(stored, [by_text[t] for t in read_sentences(block).texts("text")], atol=1e-3)
    run(list(whole.take(list(reversed(range(len(sentences))))).pieces(3)), other, settings)
    assert digests(one) == digests(other)


@pytest.mark.models
@pytest.mark.parametrize("name", ["laser2", "laser3-maxpool"])
def test_a_cache_of_vectors_changes_no_byte(tmp_path, sentences, name):
    pytest.importorskip("sacremoses")
    reference = Path(__file__).with_name("laser_reference") / f"{name}.pt"
    plain = EmbedSettings(encoders=("laser",), model=str(reference), device="cpu", block_rows=5)
    kept = msgspec.structs.replace(plain, vector_cache=str(tmp_path / "kept"))
    folders = {each: tmp_path / each for each in ("plain", "partly", "filled", "found")}
    for folder in folders.values():
        folder.mkdir()
    run([sentence_batch(sentences)], folders["plain"], plain)
    run([sentence_batch(sentences[::3])], folders["partly"], msgspec.structs.replace(kept, block_rows=3))
    run([sentence_batch(sentences)], folders["filled"], kept)
    before = digests(tmp_path / "kept")
    run([sentence_batch(sentences)], folders["found"], kept)
    assert digests(folders["plain"]) == digests(folders["filled"]) == digests(folders["found"])
    assert digests(tmp_path / "kept") == before
    again = embed_lines(["another", *sentences[:4]], sentences[4:], kept)
    assert (again.found, again.made) == (len(sentences), 1)
    alone = embed_lines(["another", *sentences[:4]], sentences[4:], plain)
    assert (alone.a.tobytes(), alone.b.tobytes()) == (again.a.tobytes(), again.b.tobytes())


@pytest.mark.models
def test_a_repaired_space_is_the_same_for_any_cut_and_with_a_cache(tmp_path, sentences):
    pytest.importorskip("sacremoses")
    reference = Path(__file__).with_name("laser_reference") / "laser2.pt"
    (tmp_path / "seeds.tsv").write_text(
        "".join(f"{a} {n}\t{b} {n}\n" for n, (a, b) in enumerate([(sentences[0], sentences[1])] * 12)), encoding="utf-8"
    )
    space = SpaceSettings(
        centre=True,
        remove_directions=1,
        whiten=True,
        maps=(MapSettings(source="lij", target="it", pairs=str(tmp_path / "seeds.tsv")),),
    )
    plain = EmbedSettings(encoders=("laser",), model=str(reference), device="cpu", block_rows=5, space=space)
    kept = msgspec.structs.replace(plain, vector_cache=str(tmp_path / "kept"))
    folders = {each: tmp_path / each for each in ("one", "other", "kept-run")}
    for folder in folders.values():
        folder.mkdir()
    lij, it = sentence_batch(sentences), sentence_batch(sentences[1::2], "it")
    blocks, _, ledger = run([lij, it], folders["one"], plain)
    run([*it.pieces(2), *lij.take(list(reversed(range(len(sentences))))).pieces(3)], folders["other"], plain)
    run([lij, it], folders["kept-run"], kept)
    assert imbalances(ledger) == []
    assert digests(folders["one"]) == digests(folders["other"]) == digests(folders["kept-run"])
    sides = embed_lines(sentences, sentences[1::2], plain, ("lij", "it"))
    by_text = {
        "lij": dict(zip(sentences, sides.a, strict=True)),
        "it": dict(zip(sentences[1::2], sides.b, strict=True)),
    }
    for block in blocks:
        expected = [by_text[block.variety][text] for text in read_sentences(block).texts("text")]
        np.testing.assert_allclose(read_dense(block), expected, atol=2e-3)
        before = read_dense(block._replace(vectors=block.vectors.replace(".arrow", ".before.arrow")))
        assert np.abs(before - read_dense(block)).max() > 0.01
    assert {block.encoder for block in blocks} == {sides.encoder}


def test_ngrams_of_a_romanized_view_are_those_of_its_lines(tmp_path, sentences):
    pytest.importorskip("anyascii")
    settings = msgspec.structs.replace(SETTINGS, script="both")
    blocks, _, _ = run([sentence_batch(sentences)], tmp_path, settings)
    expected = embed_lines(sentences, [], settings)
    by_text = dict(zip(sentences, expected.a.toarray(), strict=True))
    for block in blocks:
        assert block.encoder == expected.encoder
        rows = read_sentences(block).texts("text")
        np.testing.assert_array_equal(read_sparse(block).toarray(), [by_text[text] for text in rows])


@pytest.mark.models
def test_several_encoders_write_their_vectors_beside_the_same_sentences(tmp_path, laser_folder, sentences):
    pytest.importorskip("sacremoses")
    settings = EmbedSettings(
        encoders=("ngram", "laser"), model=str(laser_folder / "laser2.pt"), device="cpu", block_rows=5
    )
    folders = {name: tmp_path / name for name in ("both", "again", "ngram", "laser")}
    for folder in folders.values():
        folder.mkdir()
    whole = sentence_batch(sentences)
    blocks, _, ledger = run([whole], folders["both"], settings)
    assert imbalances(ledger) == []
    run(list(whole.take(list(reversed(range(len(sentences))))).pieces(3)), folders["again"], settings)
    both = digests(folders["both"])
    assert both == digests(folders["again"])
    for name in ("ngram", "laser"):
        alone, _, _ = run([whole], folders[name], msgspec.structs.replace(settings, encoders=(name,)))
        ours = [block for block in blocks if block.encoder.startswith(f"{name}:")]
        assert [(b.number, b.rows, b.kind, b.dimension, b.encoder, b.sentences) for b in ours] == [
            (b.number, b.rows, b.kind, b.dimension, b.encoder, b.sentences) for b in alone
        ]
        single = digests(folders[name])
        for block, lone in zip(ours, alone, strict=True):
            assert both[block.vectors] == single[lone.vectors]
            assert both[block.sentences] == single[lone.sentences]
    assert len(blocks) == 2 * len({block.sentences for block in blocks})


def test_an_encoder_is_named_once():
    with pytest.raises(ValueError, match="twice"):
        EmbedSettings(encoders=("ngram", "ngram"))


def test_lines_are_embedded_by_one_encoder(sentences):
    with pytest.raises(SettingsError, match="one encoder") as told:
        embed_lines(sentences, sentences, EmbedSettings(encoders=("ngram", "laser")))
    assert told.value.path == "$.embed.encoders"


def test_the_handler_pickles_nothing_to_count_bytes():
    block = VectorBlock("folder", "lij", 0, 3, "dense", 0, "a.parquet", "a.arrow", "")
    handler = _Handler(EmbedSettings(), "laser")
    assert handler.get_num_bytes([block]) == len("folder" + "a.parquet")
    assert handler.should_skip_batching()
