"""Repairs of a space: exact sums, the directions and maps that were planted are found, and what cannot be is refused."""

from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.embed import EmbedSettings, MapSettings, SpaceSettings, check_models
from transforms.embed.space import (
    Moments,
    Space,
    add_moments,
    check_space,
    fit_map,
    fit_turn,
    moments_of,
    read_seed_pairs,
    repaired,
)

ROWS, DIMENSION = 500, 12
WHOLE = SpaceSettings(centre=True, whiten=True)


def units(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def vectors(rng) -> np.ndarray:
    made = rng.standard_normal((ROWS, DIMENSION)) * np.linspace(0.5, 2, DIMENSION) + 0.7
    return units(made).astype(np.float16).astype(np.float32)


def bits(moments: Moments) -> tuple:
    sums = {tag: each.tobytes() for tag, each in sorted(moments.sums.items())}
    return dict(moments.rows), sums, moments.products.tobytes()


@pytest.mark.parametrize("seed", range(5))
def test_any_cut_and_order_of_the_vectors_gives_the_same_bits(vectors, seed):
    rng = np.random.default_rng(seed)
    whole = add_moments([moments_of(vectors[:300], "lij", WHOLE), moments_of(vectors[300:], "it", WHOLE)])
    cuts = np.sort(rng.choice(np.arange(1, ROWS), size=rng.integers(1, 9), replace=False))
    pieces = []
    for begin, end in zip([0, *cuts], [*cuts, ROWS], strict=True):
        rows = rng.permutation(np.arange(begin, end))
        pieces += [
            moments_of(vectors[rows[rows < 300]], "lij", WHOLE),
            moments_of(vectors[rows[rows >= 300]], "it", WHOLE),
        ]
    rng.shuffle(pieces)
    middle = len(pieces) // 2
    assert bits(add_moments([add_moments(pieces[:middle]), add_moments(pieces[middle:])])) == bits(whole)


def test_sums_are_those_of_a_slow_obvious_version(vectors):
    moments = moments_of(vectors, "lij", WHOLE)
    np.testing.assert_allclose(moments.sums["lij"] / 2**16, vectors.astype(np.float64).sum(axis=0), atol=ROWS * 2**-17)
    counted = [[int(value * 2**16) for value in np.rint(vectors[:, i] * 2.0**16) / 2**16] for i in range(3)]
    exact = [[sum(a * b for a, b in zip(one, other, strict=True)) for other in counted] for one in counted]
    np.testing.assert_array_equal(moments.products[:3, :3], exact)
    assert moments.rows == {"lij": ROWS}
    assert moments_of(vectors, "lij", SpaceSettings(centre=True)).products.size == 0


def test_centring_takes_the_mean_of_each_variety_away(vectors):
    settings = SpaceSettings(centre=True)
    moments = add_moments([moments_of(vectors[:200], "lij", settings), moments_of(vectors[200:], "it", settings)])
    space = fit_turn(moments, settings)
    expected = units(vectors[:200].astype(np.float64) - vectors[:200].astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(repaired(vectors[:200], "lij", space), expected, atol=1e-4)


def test_whitening_gives_all_directions_the_same_variance(vectors):
    space = fit_turn(moments_of(vectors, "lij", WHOLE), WHOLE)
    turned = (vectors - space.means["lij"]) @ space.turn
    variances = np.cov(turned.T)
    np.testing.assert_allclose(variances, np.eye(DIMENSION) * variances[0, 0], atol=1e-3 * variances[0, 0])


def test_an_outlier_dimension_is_taken_out(rng):
    made = rng.standard_normal((ROWS, DIMENSION)) * 0.1
    made[:, 5] += np.where(rng.random(ROWS) < 0.5, -3, 3)
    vectors = units(made)
    settings = SpaceSettings(remove_directions=1)
    left = repaired(vectors, "lij", fit_turn(moments_of(vectors, "lij", settings), settings))
    assert np.abs(vectors[:, 5]).min() > 0.9
    assert np.abs(left[:, 5]).max() < 0.1
    np.testing.assert_allclose(np.linalg.norm(left, axis=1), 1)


def test_a_rotation_is_found_and_pairs_with_it(rng):
    turn = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0]
    source = units(rng.standard_normal((ROWS, DIMENSION)))
    target = units(source @ turn + 0.05 * rng.standard_normal((ROWS, DIMENSION)))
    seeds = MapSettings(source="lij", target="it", pairs="seeds.tsv")
    found = fit_map(source[:100], target[:100], seeds)
    np.testing.assert_allclose(found @ found.T, np.eye(DIMENSION), atol=1e-10)
    np.testing.assert_allclose(found, turn, atol=0.05)
    mapped = repaired(source[100:], "lij", Space(maps={"lij": found}))
    assert (np.argmax(mapped @ target[100:].T, axis=1) == np.arange(ROWS - 100)).mean() > 0.99
    assert (np.argmax(source[100:] @ target[100:].T, axis=1) == np.arange(ROWS - 100)).mean() < 0.1
    np.testing.assert_array_equal(repaired(target, "it", Space(maps={"lij": found})), repaired(target, "it", Space()))


def test_ridge_finds_a_map_that_is_no_rotation(rng):
    bend = rng.standard_normal((DIMENSION, DIMENSION)) * np.linspace(0.2, 3, DIMENSION)
    source = units(rng.standard_normal((ROWS, DIMENSION)))
    target = units(source @ bend)

    def distance(method: str) -> float:
        seeds = MapSettings(source="lij", target="it", pairs="seeds.tsv", method=method, ridge=0.01)
        mapped = repaired(source, "lij", Space(maps={"lij": fit_map(source, target, seeds)}))
        return float(np.linalg.norm(mapped - target))

    assert distance("ridge") < 0.6 * distance("orthogonal")


def test_rows_of_zeros_stay_and_no_vectors_fit_nothing(vectors):
    space = fit_turn(moments_of(vectors, "lij", WHOLE), WHOLE)
    with_zero = vectors.copy()
    with_zero[3] = 0
    assert not repaired(with_zero, "lij", space)[3].any()
    assert moments_of(with_zero, "lij", WHOLE).rows == {"lij": ROWS - 1}
    empty = fit_turn(add_moments([]), WHOLE)
    assert (dict(empty.means), empty.turn) == ({}, None)
    assert repaired(vectors[:0], "lij", space).shape == (0, DIMENSION)


def test_more_directions_than_there_are_are_refused(vectors):
    settings = SpaceSettings(remove_directions=DIMENSION)
    with pytest.raises(SettingsError, match="12 directions cannot be removed from vectors of 12 values"):
        fit_turn(moments_of(vectors, "lij", settings), settings)


def test_a_repair_has_a_name_of_its_own(vectors):
    spaces = [Space()] + [
        fit_turn(moments_of(vectors, "lij", settings), settings) for settings in (WHOLE, SpaceSettings(centre=True))
    ]
    names = {space.name_of("laser:abc") for space in spaces}
    assert len(names) == 3
    assert all(name.startswith("laser:") for name in names)


def seed_file(folder: Path, text: str) -> str:
    path = folder / "seeds.tsv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_seed_pairs_are_read_with_their_quotes(tmp_path):
    lines = "".join(f'o "gatto" {n}\til gatto {n}\tmore\n' for n in range(10)) + "\n\tempty\n"
    source, target = read_seed_pairs(seed_file(tmp_path, "\ufeff" + lines), "$.x")
    assert source[0] == 'o "gatto" 0'
    assert target[9] == "il gatto 9"
    assert len(source) == len(target) == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [("no tab\n" * 20, "line 1: expected source TAB target"), ("a\tb\n" * 9, "9 pairs, too few"), ("", "0 pairs")],
)
def test_seed_pairs_that_cannot_be_used_are_refused_with_their_path(tmp_path, text, expected):
    settings = SpaceSettings(maps=(MapSettings(source="lij", target="it", pairs=seed_file(tmp_path, text)),))
    with pytest.raises(SettingsError, match=expected) as told:
        check_space(settings, ["lij", "it"])
    assert told.value.path == "$.embed.space.maps[0].pairs"
    with pytest.raises(SettingsError, match="no file"):
        check_space(SpaceSettings(maps=(MapSettings(source="lij", target="it", pairs="none.tsv"),)), ["lij", "it"])


def test_varieties_that_are_not_embedded_or_are_mapped_twice_are_refused(tmp_path):
    pairs = seed_file(tmp_path, "a\tb\n" * 20)

    def maps(*sides: tuple[str, str]) -> SpaceSettings:
        return SpaceSettings(maps=tuple(MapSettings(source=a, target=b, pairs=pairs) for a, b in sides))

    check_space(maps(("lij", "it"), ("fur", "it")), ["lij", "it", "fur"])
    with pytest.raises(SettingsError, match="'fur' is none of the varieties") as told:
        check_space(maps(("fur", "it")), ["lij", "it"])
    assert told.value.path == "$.embed.space.maps[0].source"
    for sides in ([("lij", "it"), ("lij", "fur")], [("lij", "it"), ("fur", "lij")]):
        with pytest.raises(SettingsError, match="mapped again"):
            check_space(maps(*sides), ["lij", "it", "fur"])


def test_repairs_need_a_dense_encoder():
    with pytest.raises(SettingsError, match="sparse") as told:
        check_models(EmbedSettings(space=SpaceSettings(centre=True)), ["lij", "it"])
    assert told.value.path == "$.embed.space"
