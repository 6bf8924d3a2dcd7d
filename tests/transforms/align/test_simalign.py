"""SimAlign in batches gives the links of simalign itself."""

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.align import AlignSettings, tokenize

from .sentences import FRIULIAN_ITALIAN, LIGURIAN_ITALIAN

WORDS = [(tokenize(source), tokenize(target)) for source, target in LIGURIAN_ITALIAN + FRIULIAN_ITALIAN]
AWKWARD = [(["ciao"], ["ciao"]), (["a", "b"], ["c"]), (["☂", "ægua"], ["acqua", "☂", "☂"]), (["."], [".", "."])]
LAYER = 2
pytestmark = pytest.mark.models
pytest.importorskip("torch")
pytest.importorskip("transformers")


def aligner(model, **changes):
    from transforms.align.backends.simalign import SimAlign

    return SimAlign(AlignSettings(aligner="simalign", model=model, layer=LAYER, device="cpu", **changes))


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


def test_a_folder_without_a_model_is_a_clear_error(tmp_path):
    from transforms.align.backends.simalign import SimAlign

    with pytest.raises(SettingsError, match="gives no model"):
        SimAlign(AlignSettings(aligner="simalign", model=str(tmp_path)))
