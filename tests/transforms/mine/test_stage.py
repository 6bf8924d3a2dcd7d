"""The graph gives the pairs of the pure functions, whatever the blocks, and accounts for every sentence."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from schemas.document import DocumentBatch
from schemas.errors import SettingsError
from schemas.identity import content_id
from schemas.ledger import LedgerBatch, add_up, imbalances
from schemas.pair import PairBatch, pair_id
from schemas.reject import RejectBatch
from schemas.sentence import SentenceBatch
from transforms.common.blocks import VectorBlock, block_paths, write_dense, write_sentences, write_sparse
from transforms.common.coders import BatchCoder, encode_batch
from transforms.common.shards import write_shard
from transforms.mine import (
    Correspond,
    DocumentSettings,
    Mine,
    MineSettings,
    Select,
    curve_json,
    judged_curve,
    mine_vectors,
    read_curve,
)
from transforms.mine import blockwise as planned
from transforms.mine.blockwise import (
    Square,
    decide,
    halves_of,
    join_halves,
    merge_neighbours,
    plan_squares,
    search_square,
)

LIGURIAN = [
    "A Liguria a l'é 'na region d'Italia.",
    "O pesto o se fa co-o baxeicò, i pigneu e l'euio.",
    "Zena a l'é o capoleugo da Liguria.",
    "O Cristòffa Combo o l'é nasciuo à Zena.",
    "O mâ o l'é ciù cado de stæ.",
    "Unn-a lengua romansa occidentale.",
    "E oxelle chi vivan in sciâ costa.",
]
ITALIAN = [
    "La Liguria è una regione d'Italia.",
    "Il pesto si fa con il basilico, i pinoli e l'olio.",
    "Genova è il capoluogo della Liguria.",
    "Cristoforo Colombo è nato a Genova.",
    "Il mare è più caldo d'estate.",
    "Il treno parte alle sette del mattino.",
]
FRIULIAN = ["La Ligurie e je une regjon de Italie.", "Il mâr al è plui cjalt di istât."]
TEXTS = {"lij": LIGURIAN, "it": ITALIAN, "fur": FRIULIAN, "lmo": []}


def sentences(variety, texts):
    batch = SentenceBatch.from_rows(
        [
            {
                "sentence_id": content_id("sentence", variety, text),
                "document_id": content_id("document", variety),
                "position": position,
                "start": 0,
                "end": len(text),
                "text": text,
                "normalized": text.lower(),
                "variety": variety,
                "variety_probability": 0.75,
                "is_duplicate": False,
                "source": "prove",
                "url": f"https://{variety}.example.org/",
                "licence": "CC BY-SA 4.0",
                "robots": "allowed",
            }
            for position, text in enumerate(texts)
        ]
    )
    order = np.argsort(batch.texts("sentence_id")) if len(batch) else []
    return batch.take(order)


def trigram_vectors(sides):
    """Count character trigrams; rare ones weigh more; rows of length 1."""
    grams = [[Counter(text[i : i + 3] for i in range(len(text) - 2)) for text in side] for side in sides]
    every = Counter(gram for side in grams for counts in side for gram in counts)
    columns = {gram: column for column, gram in enumerate(sorted(every))}
    matrices = []
    for side in grams:
        dense = np.zeros((len(side), len(columns)))
        for row, counts in enumerate(side):
            for gram, number in counts.items():
                dense[row, columns[gram]] = number / every[gram]
        lengths = np.linalg.norm(dense, axis=1, keepdims=True)
        matrices.append(sparse.csr_array((dense / lengths).astype(np.float32)))
    return matrices


def make_blocks(folder, cuts, kind="sparse", texts=None):
    """Write the vectors of all varieties in `cuts` blocks each."""
    sides = {variety: sentences(variety, lines) for variety, lines in (texts or TEXTS).items()}
    matrices = trigram_vectors([side.texts("normalized") for side in sides.values()])
    blocks = []
    for (variety, side), matrix in zip(sides.items(), matrices, strict=True):
        for number, rows in enumerate(np.array_split(np.arange(len(side)), cuts)):
            if len(side) == 0:
                continue
            paths = block_paths(variety, number, cuts)
            block = VectorBlock(str(folder), variety, number, len(rows), kind, matrix.shape[1], *paths, "ngram:test")
            part = side.take(rows)
            write_sentences(block, part)
            if kind == "sparse":
                write_sparse(block, part.column("sentence_id"), matrix[rows])
            else:
                write_dense(block, part.column("sentence_id"), matrix[rows].toarray())
            blocks.append(block)
    return blocks


def save(batch, folder, name):
    """Write a batch where the test can read it: a graph's functions run on a copy of this module."""
    with tempfile.NamedTemporaryFile(prefix=f"{name}-", dir=folder, delete=False) as file:
        file.write(encode_batch(batch))


def save_line(folder, words):
    with tempfile.NamedTemporaryFile("w", prefix="line-", dir=folder, delete=False) as file:
        file.write(" ".join(words))


def outputs(make):
    """Run a graph; `make` gives a NamedTuple of collections. Gives the batches of each by name."""
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            for name, collection in make(pipeline)._asdict().items():
                _ = collection | f"Save {name}" >> beam.Map(save, folder=folder, name=name)
        found = {}
        for path in sorted(Path(folder).iterdir()):
            name = path.name.partition("-")[0]
            noun = {"rejects": RejectBatch, "ledger": LedgerBatch, "made": SentenceBatch, "pairs": PairBatch}[name]
            found.setdefault(name, []).append(BatchCoder(noun).decode(path.read_bytes()))
        return found


def run(blocks, pairs, settings):
    """Run the graph; gives pairs and rejects in order, and the ledger."""
    found = outputs(
        lambda pipeline: (
            pipeline
            | beam.Create(blocks, reshuffle=False).with_output_types(VectorBlock)
            | Mine(settings=settings, pairs=pairs)
        )
    )
    made = PairBatch.concatenate(found.get("pairs", []))
    rejects = RejectBatch.concatenate(found.get("rejects", []))
    return (
        made.take(np.argsort(made.texts("pair_id")) if len(made) else []),
        sorted(rejects.rows(), key=lambda row: (row["unit"], row["record_id"], row["variety"])),
        add_up(found.get("ledger", [])),
    )


@pytest.mark.parametrize("retrieval", ["max", "union"])
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_any_number_of_blocks_gives_the_same_bytes(tmp_path, retrieval, kind):
    settings = MineSettings(k=2, retrieval=retrieval, threshold=1.2)
    results = []
    for cuts in (1, 3):
        blocks = make_blocks(tmp_path / str(cuts), cuts, kind)
        results.append(run(blocks[::-1] if cuts == 3 else blocks, [("lij", "it"), ("fur", "it")], settings))
    (pairs, rejects, ledger), (other_pairs, other_rejects, other_ledger) = results
    assert len(pairs) > 0
    assert pairs == other_pairs
    assert rejects == other_rejects
    assert ledger == other_ledger
    assert imbalances(ledger) == []


def bent_blocks(folder, cuts, shared=700, lonely=300, dimension=64):
    """Write dense vectors of two sides; the first sentences belong together, and the space of the source is bent."""
    random = np.random.default_rng(1)
    meant = random.standard_normal((shared, dimension))
    turned = np.linalg.qr(random.standard_normal((dimension, dimension)))[0]
    blocks = []
    for variety, bend in (("lij", 0.55 * np.eye(dimension) + 0.45 * turned), ("it", np.eye(dimension))):
        noisy = meant + 0.75 * random.standard_normal(meant.shape)
        rows = np.concatenate([noisy, random.standard_normal((lonely, dimension))]) @ bend
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        texts = [f"{'it' if number < shared else variety} {number}" for number in range(len(rows))]
        order = np.argsort([content_id("sentence", variety, text) for text in texts])
        side = sentences(variety, texts)
        for number, part in enumerate(np.array_split(np.arange(len(rows)), cuts)):
            paths = block_paths(variety, number, cuts)
            block = VectorBlock(str(folder), variety, number, len(part), "dense", dimension, *paths, "laser:test")
            write_sentences(block, side.take(part))
            write_dense(block, side.take(part).column("sentence_id"), rows[order][part])
            blocks.append(block)
    return blocks


def test_a_second_pass_maps_dense_vectors_in_any_number_of_blocks(tmp_path):
    results = {}
    for cuts, second_pass in ((1, True), (3, True), (3, False)):
        blocks = bent_blocks(tmp_path / f"{cuts}{second_pass}", cuts)
        results[cuts, second_pass] = run(blocks, [("lij", "it")], MineSettings(second_pass=second_pass))
    assert results[1, True] == results[3, True]
    pairs, _, ledger = results[1, True]
    assert imbalances(ledger) == []
    assert (tmp_path / "1True" / "second-pass" / "lij-it" / "map.npz").exists()

    def right(pairs):
        return sum(a == b for a, b in zip(pairs.texts("source_text"), pairs.texts("target_text"), strict=True))

    once = results[3, False][0]
    assert right(pairs) > 1.05 * right(once)
    assert right(pairs) / len(pairs) > right(once) / len(once) - 0.03


def test_the_right_lines_find_each_other_and_every_sentence_is_accounted_for(tmp_path):
    blocks = make_blocks(tmp_path, 2)
    pairs, rejects, ledger = run(blocks, [("lij", "it")], MineSettings(threshold=1.5))
    found = {(row["source_text"], row["target_text"]) for row in pairs.rows()}
    assert found <= set(zip(LIGURIAN, ITALIAN, strict=False))
    assert len(found) >= 4
    for row in pairs.rows():
        assert row["pair_id"] == pair_id(row["source_id"], row["target_id"])
        assert row["margin"] >= 1.5
        assert (row["source_variety"], row["target_variety"], row["direction"]) == ("lij", "it", "both")
        assert row["source_url"] == "https://lij.example.org/"
        assert row["links"] is None
    lonely = {row["excerpt"]: row for row in rejects if row["unit"] == "source_sentence"}
    assert "Unn-a lengua romansa occidentale." in lonely
    assert all(row["variety"] == "lij>it" and row["stage"] == "mine" for row in rejects)
    counted = {(row["unit"], row["outcome"]): row["count"] for row in ledger.rows() if row["outcome"] != "rejected"}
    assert counted["source_sentence", "in"] == len(LIGURIAN)
    assert counted["target_sentence", "in"] == len(ITALIAN)
    assert (
        counted["source_sentence", "out"] == counted["target_sentence", "out"] == counted["pair", "out"] == len(pairs)
    )
    assert imbalances(ledger) == []


def test_a_reject_says_which_score_failed_which_limit(tmp_path):
    blocks = make_blocks(tmp_path, 1)
    pairs, rejects, ledger = run(blocks, [("lij", "it")], MineSettings(threshold=99.0))
    assert len(pairs) == 0
    low = [row for row in rejects if row["reason"] == "below_threshold"]
    assert {row["unit"] for row in low} == {"pair", "source_sentence", "target_sentence"}
    assert all(row["score"] == "margin" and 0 < row["value"] < 99 == row["limit"] for row in low)
    assert imbalances(ledger) == []


def test_known_documents_decide_between_sentences_that_are_equally_alike(tmp_path):
    """The same two sentences stand in two documents of each side; which belong together only the documents tell."""
    texts = {"lij": ["Bona seia à tutti.", "A Zena cieuve."], "it": ["Buona sera a tutti.", "A Genova piove."]}
    doubled = {tag: [f"{text} {number}" for number in ("7", "8") for text in lines] for tag, lines in texts.items()}
    sides = {tag: sentences(tag, lines) for tag, lines in doubled.items()}
    documents = {
        tag: [f"{tag}-{'same' if text.endswith('7') else 'other'}" for text in side.texts("text")]
        for tag, side in sides.items()
    }
    known = [("lij-same", "it-other"), ("it-same", "lij-other")]
    matrices = trigram_vectors([[text[:-2] for text in side.texts("normalized")] for side in sides.values()])
    blocks = []
    for (tag, side), matrix in zip(sides.items(), matrices, strict=True):
        block = VectorBlock(
            str(tmp_path), tag, 0, len(side), "sparse", matrix.shape[1], *block_paths(tag, 0, 1), "ngram:test"
        )
        write_sentences(block, side.replace(document_id=documents[tag]))
        write_sparse(block, side.column("sentence_id"), matrix)
        blocks.append(block)
    settings = MineSettings(k=4, threshold=0.5)

    def mined(known):
        found = outputs(
            lambda pipeline: (
                pipeline
                | beam.Create(blocks, reshuffle=False).with_output_types(VectorBlock)
                | Mine(
                    settings=settings, pairs=[("lij", "it")], known=known and pipeline | "known" >> beam.Create(known)
                )
            )
        )
        return PairBatch.concatenate(found["pairs"]).rows()

    told = mined(known)
    assert len(told) == 4
    assert all(row["source_text"][-1] != row["target_text"][-1] for row in told)
    assert all(row["document_prior"] > 0 for row in told)
    assert all(row["margin"] + row["document_prior"] >= 0.5 for row in told)


def test_pages_that_declare_each_other_and_urls_that_match_correspond(tmp_path):
    rows = [
        {
            "document_id": f"{number}{tag}",
            "source": "s",
            "url": f"https://e.org/{tag}/{page}",
            "text": "t",
            "robots": "none",
        }
        for number, page in enumerate(("zena", "mâ"))
        for tag in ("lij", "it")
    ]
    rows[0]["alternates"] = [{"tag": "it", "url": "https://e.org/it/zena"}, {"tag": "lij", "url": rows[0]["url"]}]
    batch = DocumentBatch.from_rows(rows)
    shards = [
        write_shard(str(tmp_path), f"part-{n}.parquet", pa.Table.from_batches([piece.data]))
        for n, piece in enumerate(batch.pieces(3))
    ]

    def found(settings):
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            pairs = pipeline | beam.Create(shards) | Correspond(settings=settings)
            _ = pairs | beam.Map(lambda pair: save_line(tmp_path, pair))
        lines = sorted(path.read_text() for path in tmp_path.glob("line-*"))
        for path in tmp_path.glob("line-*"):
            path.unlink()
        return lines

    assert found(DocumentSettings()) == ["0it 0lij"]
    assert found(DocumentSettings(declared=False, url_patterns=("/(?:lij|it)/(.*)",))) == ["0it 0lij", "1it 1lij"]
    assert found(DocumentSettings(url_patterns=("/(?:lij|it)/(.*)",))) == ["0it 0lij", "1it 1lij"]


def test_a_side_without_sentences_leaves_the_other_without_partners(tmp_path):
    blocks = make_blocks(tmp_path, 2)
    pairs, rejects, ledger = run(blocks, [("lij", "lmo"), ("lmo", "it"), ("lmo", "ast")], MineSettings())
    assert len(pairs) == 0
    assert {row["reason"] for row in rejects} == {"no_partner"}
    assert len(rejects) == len(LIGURIAN) + len(ITALIAN)
    assert all(row["score"] is None and row["value"] is None for row in rejects)
    assert imbalances(ledger) == []


def test_one_sentence_on_each_side(tmp_path):
    blocks = make_blocks(tmp_path, 1, texts={"lij": LIGURIAN[:1], "it": ITALIAN[:1]})
    pairs, _, _ = run(blocks, [("lij", "it")], MineSettings(threshold=1.0))
    assert pairs.texts("source_text") == LIGURIAN[:1]
    assert pairs.texts("margin") == [1.0]


def test_no_blocks_give_no_pairs():
    pairs, rejects, ledger = run([], [("lij", "it")], MineSettings())
    assert (len(pairs), len(rejects), len(ledger)) == (0, 0, 0)


def test_blocks_agree_with_mining_in_memory(tmp_path):
    settings = MineSettings(k=3, retrieval="max", threshold=1.1)
    blocks = make_blocks(tmp_path, 3)
    pairs, _, _ = run(blocks, [("lij", "it")], settings)
    whole = make_blocks(tmp_path / "whole", 1)
    source, target = (next(b for b in whole if b.variety == tag) for tag in ("lij", "it"))
    expected = mine_vectors(planned.read_vectors(source), planned.read_vectors(target), settings)
    assert sorted(pairs.texts("cosine")) == sorted(expected.cosine.tolist())
    assert sorted(pairs.texts("margin")) == sorted(expected.margin.astype(np.float32).tolist())


def test_squares_cover_the_grid_once():
    def block(variety, number):
        return VectorBlock("f", variety, number, 1, "sparse", 1, "", "", "ngram:x")

    blocks = [block("lij", n) for n in range(37)] + [block("it", n) for n in range(5)]
    squares = list(plan_squares(blocks[::-1], [("lij", "it")]))
    cells = [(s.number, t.number) for square in squares for s in square.sources for t in square.targets]
    assert sorted(cells) == [(s, t) for s in range(37) for t in range(5)]
    assert {len(square.sources) for square in squares} <= {3, 1}


def test_pairs_are_joined_run_by_run(tmp_path, monkeypatch):
    monkeypatch.setattr(planned, "BATCH_ROWS", 2)
    blocks = make_blocks(tmp_path, 2)
    merged = {}
    for square in plan_squares(blocks, [("lij", "it")]):
        for found in search_square(square, 4):
            merged[found.key] = merge_neighbours(merged[found.key], found) if found.key in merged else found
    runs = {}
    for fate in decide(list(merged.values())[::-1], MineSettings(threshold=1.2)):
        for half in halves_of(fate)[0]:
            runs.setdefault(half.key, []).append(half)
    joined = [join_halves(halves)[0] for halves in runs.values()]
    assert len(runs) > 1
    ids = [i for pairs in joined for i in pairs.texts("pair_id")]
    whole, _, _ = run(blocks, [("lij", "it")], MineSettings(threshold=1.2))
    assert sorted(ids) == whole.texts("pair_id")


def test_the_curve_of_each_pair_of_varieties_is_written_and_drawn(tmp_path):
    curve = judged_curve([1.0, 1.3], [False, True])
    (tmp_path / "judged.json").write_bytes(curve_json(curve, []))
    blocks = make_blocks(tmp_path, 1)
    found = [part for square in plan_squares(blocks, [("lij", "it")]) for part in search_square(square, 5)]
    settings = MineSettings(calibration=str(tmp_path / "judged.json"))
    fates = [list(decide(found, settings, folder=str(tmp_path / "pairs"))) for _ in range(2)]
    assert len(fates[0]) == len(fates[1]) == 2
    written = sorted(path.name for path in (tmp_path / "pairs" / "curves").iterdir())
    assert written == ["lij-it.json", "lij-it.svg"]
    assert read_curve(str(tmp_path / "pairs" / "curves" / "lij-it.json")) == curve
    costs = json.loads((tmp_path / "pairs" / "curves" / "lij-it.json").read_bytes())["costs"]
    assert [cost["precision"] for cost in costs] == [0.8, 0.9, 0.95, 0.99]
    assert all(0 <= cost["recall"] <= 1 for cost in costs)


def test_vectors_of_other_spaces_are_refused_with_their_files(tmp_path):
    lij = next(b for b in make_blocks(tmp_path / "a", 1) if b.variety == "lij")
    it = next(b for b in make_blocks(tmp_path / "b", 1, texts={"it": ITALIAN}) if b.variety == "it")
    with pytest.raises(ValueError, match=r"lij>it: lij/part-00000-of-00001.arrow and it/.*dimensions"):
        list(search_square(Square("lij>it", (lij,), (it,)), 4))


@pytest.mark.parametrize("pairs", [[("lij", "lij")], [("lij", "it"), ("lij", "it")], [("lij", "it"), ("it", "lij")]])
def test_pairs_that_make_no_sense_are_refused_when_the_graph_is_built(pairs):
    with pytest.raises(SettingsError):
        Mine(settings=MineSettings(), pairs=pairs)


def test_select_counts_what_it_rejects():
    given = sentences("lij", LIGURIAN)
    found = outputs(
        lambda pipeline: (
            pipeline
            | beam.Create([given], reshuffle=False).with_output_types(SentenceBatch)
            | Select(settings=MineSettings(minimum_probability=0.8), varieties=["lij"])
        )
    )
    ledger = add_up(found["ledger"])
    assert imbalances(ledger) == []
    assert {(row["outcome"], row["count"]) for row in ledger.rows()} == {("in", 7), ("rejected", 7)}


def test_large_pairs_are_searched_approximately_unless_the_settings_say_otherwise(monkeypatch):
    def block(variety, number):
        return VectorBlock("f", variety, number, 100, "sparse", 1, "", "", "ngram:x")

    blocks = [block("lij", n) for n in range(18)] + [block("it", n) for n in range(2)] + [block("fur", 0)]
    monkeypatch.setattr(planned, "EXACT_COMPARISONS", 1800 * 200 - 1)
    pairs = [("lij", "it"), ("lij", "fur")]
    squares = list(plan_squares(blocks, pairs))
    large = [square for square in squares if square.name == "lij>it"]
    assert all(square.asking == "" for square in squares if square.name == "lij>fur")
    asked = {"source": [], "target": []}
    for square in large:
        own, others = (square.sources, square.targets)[:: 1 if square.asking == "source" else -1]
        asked[square.asking] += [block.number for block in own]
        assert [block.number for block in others] == list(range(len(others)))
    assert asked == {"source": list(range(18)), "target": [0, 1]}
    assert {square.asking for square in plan_squares(blocks, pairs, "exact")} == {""}
    dense = [block._replace(kind="dense") for block in blocks]
    assert {square.asking for square in plan_squares(dense, pairs, device="cuda")} == {""}
    assert "source" in {square.asking for square in plan_squares(dense, pairs)}
    assert {square.asking for square in plan_squares(blocks, pairs, "approximate")} == {"source", "target"}
    monkeypatch.setattr(planned, "EXACT_COMPARISONS", 1800 * 200)
    assert {square.asking for square in plan_squares(blocks, pairs)} == {""}


def test_an_approximate_search_of_few_sentences_gives_the_pairs_of_the_exact_one(tmp_path):
    blocks = make_blocks(tmp_path, 3)
    results = [
        run(blocks, [("lij", "it")], MineSettings(k=3, threshold=1.1, search=search))
        for search in ("exact", "approximate")
    ]
    assert len(results[0][0]) > 0
    assert results[0] == results[1]
