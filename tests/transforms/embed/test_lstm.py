"""The BiLSTM on a CPU: equal to torch's, and a text's bits are its own."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.models

from transforms.embed.backends import _lstm  # noqa: E402
from transforms.embed.backends._lstm import CpuLstm, steps_of  # noqa: E402

PIECES = 60


def network(seed: int = 0, *, inner: int = 24, layers: int = 2, bidirectional: bool = True):
    torch.manual_seed(seed)
    embed = torch.nn.Embedding(PIECES, 12, padding_idx=1)
    return embed, torch.nn.LSTM(12, inner, num_layers=layers, bidirectional=bidirectional)


def batch_of(sentences):
    tokens = torch.ones(len(sentences), max(map(len, sentences)), dtype=torch.long)
    for row, sentence in enumerate(sentences):
        tokens[row, : len(sentence)] = torch.tensor(sentence)
    return tokens, torch.tensor([len(sentence) for sentence in sentences])


def vectors_of(encoder, sentences) -> np.ndarray:
    return encoder(*batch_of(sentences)).numpy()


def sentences_of(rng, lengths) -> list[list[int]]:
    return [rng.integers(2, PIECES, length).tolist() for length in sorted(lengths, reverse=True)]


@torch.inference_mode()
def by_torch(embed, lstm, sentences) -> np.ndarray:
    tokens, lengths = batch_of(sentences)
    packed = torch.nn.utils.rnn.pack_padded_sequence(embed(tokens.t()), lengths)
    states, _ = torch.nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], padding_value=float("-inf"))
    return states.amax(dim=0).numpy()


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("lengths", [[1], [5], [3, 3, 3], [40, 17, 17, 5, 2, 1, 1], list(range(1, 70))])
def test_vectors_are_those_of_torch(layers, bidirectional, lengths, rng):
    parts = network(layers=layers, bidirectional=bidirectional)
    sentences = sentences_of(rng, lengths)
    np.testing.assert_allclose(vectors_of(CpuLstm(*parts), sentences), by_torch(*parts, sentences), atol=2e-6)


def test_many_pieces_go_through_several_products(rng):
    parts = network()
    sentences = sentences_of(rng, [90] * 20)  # 1,800 rows
    assert len(list(steps_of(np.full(20, 90)).runs(backward=True))) == 4
    np.testing.assert_allclose(vectors_of(CpuLstm(*parts), sentences), by_torch(*parts, sentences), atol=2e-6)


@pytest.mark.parametrize("eight_bits", [False, True])
def test_a_text_has_the_same_bits_in_any_company_on_any_number_of_threads(eight_bits, rng):
    """At the width of LASER2: at others a machine may choose other sums."""
    encoder = CpuLstm(*network(inner=512, layers=2), eight_bits=eight_bits)
    sentences = sentences_of(rng, [*range(1, 40), 7, 7, 7, 7, 7])
    threads = torch.get_num_threads()
    together = vectors_of(encoder, sentences)
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            for chosen in ([0], [43], [4, 9], range(0, 44, 3), range(20, 44), range(44)):
                some = vectors_of(encoder, [sentences[i] for i in chosen])
                assert some.tobytes() == together[list(chosen)].tobytes()
    finally:
        torch.set_num_threads(threads)


def test_batches_of_any_size_run_beside_one_another(rng):
    encoder = CpuLstm(*network())
    batches = [sentences_of(rng, [length] * (1 + 37 * number % 90)) for number, length in enumerate([9, 2, 14, 5] * 12)]
    alone = [vectors_of(encoder, batch).tobytes() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert [made.tobytes() for made in pool.map(partial(vectors_of, encoder), batches)] == alone


def test_eight_bits_are_near(rng):
    parts = network(inner=64, layers=5)
    sentences = sentences_of(rng, range(1, 60))
    exact, rough = (vectors_of(CpuLstm(*parts, eight_bits=eight), sentences) for eight in (False, True))
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(rough, axis=1)
    assert ((exact * rough).sum(axis=1) / lengths).min() > 0.999
    assert abs(exact - rough).max() > 0


def test_without_onednn_whole_numbers_are_the_same_and_others_near(rng, monkeypatch):
    parts = network(inner=64)
    sentences = sentences_of(rng, range(1, 60))
    exact, rough = (vectors_of(CpuLstm(*parts, eight_bits=eight), sentences) for eight in (False, True))
    monkeypatch.setattr(_lstm, "has_onednn", lambda: False)
    np.testing.assert_allclose(vectors_of(CpuLstm(*parts), sentences), exact, atol=2e-6)
    assert vectors_of(CpuLstm(*parts, eight_bits=True), sentences).tobytes() == rough.tobytes()


@pytest.mark.parametrize("eight_bits", [False, True])
@pytest.mark.parametrize("place", ["weight_ih_l0", "weight_hh_l1_reverse", "bias_ih_l0", "pieces"])
def test_what_is_no_number_is_not_hidden(eight_bits, place):
    embed, lstm = network()
    weights = embed.weight if place == "pieces" else getattr(lstm, place)
    with torch.no_grad():
        weights[3] = float("nan")
    assert not np.isfinite(vectors_of(CpuLstm(embed, lstm, eight_bits=eight_bits), [[3, 4, 5]])).all()


def test_gates_are_near_to_tanh():
    """One unit that shows what goes into it, step after step: cell = tanh(x), hidden = tanh(cell)."""
    values = np.concatenate([np.linspace(-12, 12, 2001), [1e-6, 1e6, -1e6]]).astype(np.float32)[:, None]
    open_gates = np.tile(np.array([30, -30, 0, 30], np.float32), (len(values), 1))
    seen = open_gates.copy()
    seen[:, 2] = values[:, 0]
    ones, none = np.ones(len(values), np.float32), np.zeros_like(seen)
    cell, hidden, states = (np.zeros_like(values) for _ in range(3))
    _lstm._step(seen, ones, none, ones, np.zeros(4, np.float32), cell, hidden, states, 0)
    np.testing.assert_allclose(cell, np.tanh(values.astype(np.float64)), atol=1e-6)
    np.testing.assert_allclose(hidden, np.tanh(np.tanh(values.astype(np.float64))), atol=1e-6)
    assert states.tobytes() == hidden.tobytes()
    assert abs(cell).max() <= 1


def test_steps_lie_end_to_end():
    steps = steps_of(np.array([3, 2, 2]))
    assert steps.offsets.tolist() == [0, 3, 6, 7]
    assert steps.counts() == [3, 3, 1]
    assert list(steps.runs(backward=False)) == [[0, 1, 2]]
    assert list(steps.runs(backward=True)) == [[2, 1, 0]]
