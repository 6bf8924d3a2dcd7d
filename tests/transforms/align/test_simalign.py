"""SimAlign in batches gives the links of simalign itself."""

import json
import shutil

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.align import AlignSettings, tokenize

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN
from .small_bert import make_bert

WORDS = [(tokenize(source), tokenize(target)) for source, target in LIGURIAN_ITALIAN + FRIULIAN_ITALIAN]
AWKWARD = [(["ciao"], ["ciao"]), (["a", "b"], ["c"]), (["☂", "ægua"], ["acqua", "☂", "☂"]), (["."], [".", "."])]
LAYER = 2
pytestmark = pytest.mark.models
pytest.importorskip("torch")
pytest.importorskip("transformers")


def aligner(model, **changes):
    from transforms.align.backends.simalign import SimAlign

    return SimAlign(
        AlignSettings(**({"aligner": "simalign", "model": model, "layer": LAYER, "device": "cpu"} | changes))
    )


def positions(links):
    return [[(link.source, link.target) for link in of_pair] for of_pair in links]


@pytest.mark.parametrize("token_type", ["bpe", "word"])
@pytest.mark.parametrize("distortion", [0.0, 0.4])
def test_links_are_those_of_simalign(bert, token_type, distortion):
    simalign = pytest.importorskip("simalign")
    peer = simalign.SentenceAligner(
        model=bert, token_type=token_type, matching_methods="mai", layer=LAYER, distortion=distortion
    )
    pairs = WORDS + AWKWARD
    expected = [peer.get_word_aligns(list(source), list(target)) for source, target in pairs]
    for method in ("inter", "itermax", "mwmf"):
        found = aligner(bert, method=method, token_type=token_type, distortion=distortion).align(pairs)
        assert positions(found) == [links[method] for links in expected]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("token_type", ["bpe", "word"])
def test_links_of_500_real_pairs_are_those_of_simalign(tmp_path, shared_data, token_type):
    simalign = pytest.importorskip("simalign")
    texts = [
        (shared_data / "oldi-seed" / "seed" / name).read_text("utf-8").split("\n")[:500]
        for name in ("lij_Latn", "ita_Latn")
    ]
    model = str(make_bert(tmp_path / "bert", texts[0] + texts[1], layers=12, width=96, vocabulary=4000, longest=512))
    pairs = [(tokenize(source), tokenize(target)) for source, target in zip(*texts, strict=True)]
    peer = simalign.SentenceAligner(model=model, token_type=token_type, matching_methods="mai", layer=8)
    expected = [peer.get_word_aligns(list(source), list(target)) for source, target in pairs]
    for method in ("inter", "itermax", "mwmf"):
        found = aligner(model, method=method, token_type=token_type, layer=8).align(pairs)
        assert positions(found) == [links[method] for links in expected]


def test_vectors_of_different_words_stay_apart_in_a_deep_random_model(tmp_path):
    # what the tests above stand on: were all vectors alike, links would be decided by rounding
    model = str(make_bert(tmp_path / "bert", [" ".join(source) for source, _ in WORDS], layers=12, width=96))
    ours = aligner(model, layer=8, token_type="word")
    (piece,) = ours._pieces([sorted({word for source, _ in WORDS for word in source})[:30]])
    vectors = ours._vectors([piece], {0})[0].numpy()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = (units @ units.T)[~np.eye(len(units), dtype=bool)]
    assert np.median(alike) < 0.5


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "XLMRoberta"])
@pytest.mark.parametrize("layer", [0, 1, 3])
def test_sentences_end_to_end_have_the_vectors_that_transformers_gives(kind, layer):
    import torch
    import transformers

    from transforms.align.backends._packed import Packed

    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=40,
        initializer_range=0.3,
        pad_token_id=1,
    )
    model = getattr(transformers, f"{kind}Model")(config).eval()
    sentences = [[(7 * i + j) % 47 + 2 for j in range(length)] for i, length in enumerate([1, 2, 2, 9, 9, 9, 30])]
    for sentence, found in zip(sentences, Packed(model, layer)(sentences), strict=True):
        with torch.no_grad():
            hidden = model(input_ids=torch.tensor([sentence]), output_hidden_states=True).hidden_states[layer][0]
        np.testing.assert_allclose(found.numpy(), hidden.numpy(), atol=2e-5)


def test_models_that_are_not_packed_give_the_links_of_simalign(bert, tmp_path):
    simalign = pytest.importorskip("simalign")
    import torch
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel

    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(3)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=48, n_layers=3, n_heads=4, hidden_dim=96, initializer_range=0.2
    )
    DistilBertModel(config).save_pretrained(tmp_path)
    peer = simalign.SentenceAligner(model=str(tmp_path), matching_methods="a", layer=LAYER)
    expected = [peer.get_word_aligns(list(source), list(target))["inter"] for source, target in WORDS]
    assert positions(aligner(str(tmp_path)).align(WORDS)) == expected


def test_eight_bits_stay_near_and_do_not_depend_on_the_neighbours():
    import torch

    from transforms.align.backends._packed import _EightBits

    torch.manual_seed(5)
    weight, bias = torch.randn(64, 48), torch.randn(64)
    rows = torch.randn(20, 48) * torch.logspace(-3, 3, 20)[:, None]
    product = _EightBits(weight, bias, -1.0)
    made, exact = product(rows), rows @ weight.T + bias
    assert torch.equal(made, torch.cat([product(row) for row in rows.split(1)]))
    assert torch.all((made - exact).norm(dim=1) < 0.05 * (exact - bias).norm(dim=1))
    assert torch.equal(product(torch.zeros(1, 48)), bias[None])


def test_most_links_in_eight_bits_are_those_of_simalign(bert):
    exact, fast = (positions(aligner(bert, precision=name).align(WORDS)) for name in ("float32", "int8"))
    same = sum(len(set(a) & set(b)) for a, b in zip(exact, fast, strict=True))
    assert 2 * same > 0.9 * sum(len(links) for found in (exact, fast) for links in found)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_precision_that_cannot_be_had_is_refused_before_the_run(bert, tmp_path, precision):
    from transforms.align.backends.simalign import SimAlign

    about = {"model_type": "distilbert", "n_layers": 3}
    (tmp_path / "config.json").write_text(json.dumps(about), "utf-8")
    settings = AlignSettings(aligner="simalign", model=str(tmp_path), layer=LAYER, device="cpu", precision=precision)
    with pytest.raises(SettingsError) as caught:
        SimAlign.check(settings)
    assert caught.value.path == "$.align.precision"


def test_a_sentence_of_5000_words_is_linked_to_its_end(bert):
    words = ["di"] * 4999 + ["quarcösa"]
    assert positions(aligner(bert, token_type="word").align([(words, words[-1:]), (words[-1:], words)])) == [
        [(4999, 0)],
        [(0, 4999)],
    ]


@pytest.mark.parametrize("token_type", ["bpe", "word"])
def test_small_batches_give_the_same_links(bert, token_type):
    whole = aligner(bert, token_type=token_type).align(WORDS)
    small = aligner(bert, token_type=token_type, batch_tokens=16)
    for found in (small.align(WORDS), [small.align([pair])[0] for pair in WORDS]):
        for links, expected in zip(found, whole, strict=True):
            assert [link[:2] for link in links] == [link[:2] for link in expected]
            # a product of another shape rounds differently, and so may the last digit of a probability
            assert [link.probability for link in links] == pytest.approx(
                [link.probability for link in expected], abs=2e-4
            )


def test_probabilities_lie_between_0_and_1_and_add_up_to_at_most_one_a_word(bert):
    for source_links in aligner(bert, token_type="word").align(WORDS):
        assert source_links
        for side in (0, 1):
            sums: dict[int, float] = {}
            for link in source_links:
                assert 0 <= link.probability <= 1
                sums[link[side]] = sums.get(link[side], 0.0) + link.probability
            assert max(sums.values()) <= 1.001


def test_softmax_links_what_is_likely_both_ways(bert):
    ours = aligner(bert, method="softmax", token_type="word", softmax_threshold=0.05)
    for (source, target), links in zip(WORDS, ours.align(WORDS), strict=True):
        first, second = (
            ours._vectors([piece], {0})[0].numpy().astype(float) for piece in ours._pieces([source, target])
        )
        products = first @ second.T
        likely = [np.exp(products - products.max(axis=side, keepdims=True)) for side in (1, 0)]
        forward, backward = (
            cells / cells.sum(axis=side, keepdims=True) for cells, side in zip(likely, (1, 0), strict=True)
        )
        sure = np.argwhere(np.minimum(forward, backward) > 0.0501)
        found = {link[:2] for link in links}
        assert {tuple(cell) for cell in sure.tolist()} <= found
        assert found <= {tuple(cell) for cell in np.argwhere(np.minimum(forward, backward) > 0.0499).tolist()}
        for link in links:
            expected = np.sqrt(forward[link.source, link.target] * backward[link.source, link.target])
            assert link.probability == pytest.approx(expected, abs=2e-4)


def test_a_long_sentence_is_linked_to_its_end(bert):
    source, target = ([word for pair in WORDS for word in pair[side]] for side in (0, 1))
    links = aligner(bert, method="mwmf", token_type="word").align([(source, target)])[0]
    shorter = min(range(2), key=lambda side: len((source, target)[side]))
    assert {link[shorter] for link in links} == set(range(min(len(source), len(target))))


def test_windows_cover_every_piece_once():
    from transforms.align.backends.simalign import _windows

    for pieces in range(1, 60):
        windows = _windows(pieces, 10)
        taken = [i for _, (begin, end) in windows for i in range(begin, end)]
        assert taken == list(range(pieces))
        assert all(start <= begin and end <= start + 10 for start, (begin, end) in windows)


def test_each_piece_of_a_long_sentence_has_the_vector_of_its_window(bert):
    from transforms.align.backends.simalign import _Sentence, _windows

    ours = aligner(bert)
    (whole,) = ours._pieces([[word for source, _ in WORDS for word in source]])
    assert len(whole.ids) > 3 * ours._window
    together = ours._vectors([whole], {0})[0]
    assert len(together) == len(whole.ids)
    for start, (begin, end) in _windows(len(whole.ids), ours._window):
        ids = whole.ids[start : start + ours._window]
        alone = ours._vectors([_Sentence(ids, np.arange(len(ids)))], {0})[0]
        np.testing.assert_allclose(together[begin:end], alone[begin - start : end - start], atol=1e-5)


def test_a_word_without_pieces_has_no_link(bert):
    found = aligner(bert, token_type="word").align([(["\u200b", "ciao"], ["ciao"])])[0]
    assert {link.source for link in found} <= {1}


@pytest.mark.parametrize(
    ("change", "path"), [({"model": "no/such/folder/at/all"}, "$.align.model"), ({"layer": 7}, "$.align.layer")]
)
def test_a_model_that_is_none_is_a_clear_error(bert, change, path, monkeypatch):
    from transforms.align.backends.simalign import SimAlign

    settings = AlignSettings(**({"aligner": "simalign", "model": bert, "layer": LAYER} | change))
    for refuse in (SimAlign, SimAlign.check):
        with pytest.raises(SettingsError) as caught:
            refuse(settings)
        assert caught.value.path == path


def _spoiled(bert, folder, spoil):
    shutil.copytree(bert, folder / "model")
    spoil(folder / "model")
    return AlignSettings(aligner="simalign", model=str(folder / "model"), layer=LAYER, device="cpu")


def _cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _of_another_size(folder):
    about = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(about | {"hidden_size": 64}), "utf-8")


def _of_another_model(folder):
    import torch
    from safetensors.torch import save_file

    save_file({"encoder.weight": torch.zeros(2)}, folder / "model.safetensors", metadata={"format": "pt"})


def _without_a_vocabulary(folder):
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def _with_a_larger_vocabulary(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["paròlle"])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut_short, "gives no model"),
        (_of_another_size, "gives no model"),
        (_of_another_model, "lack .* of the weights"),
        (_without_a_vocabulary, "no vocabulary"),
        (_with_a_larger_vocabulary, "pieces up to"),
        (lambda folder: (folder / "config.json").write_text("{"), "gives no model"),
        (lambda folder: (folder / "model.safetensors").unlink(), "gives no model"),
    ],
)
def test_broken_model_files_are_a_clear_error(bert, tmp_path, spoil, said):
    from transforms.align.backends.simalign import SimAlign

    with pytest.raises(SettingsError, match=said) as caught:
        SimAlign(_spoiled(bert, tmp_path, spoil))
    assert caught.value.path == "$.align.model"


def test_a_folder_without_a_model_is_a_clear_error(tmp_path):
    from transforms.align.backends.simalign import SimAlign

    with pytest.raises(SettingsError, match="gives no model"):
        SimAlign(AlignSettings(aligner="simalign", model=str(tmp_path)))
