"""Vectors are kept by content: found again bit for bit, by any number of writers, and never believed when damaged."""

import threading
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.embed import EmbedSettings
from transforms.embed.encoders import check_models
from transforms.embed.vector_cache import CachedEncoder, VectorCache, cached, keys_of

TEXTS = ["O gatto o mangia o ratto.", "Il gatto mangia il topo.", "", "القاهرة عاصمة مصر", "a\u2028b", "\ud800"]
DIMENSION = 6


class Hashing:
    """Vectors made of a text's digest; counts what it embeds."""

    kind = "dense"
    dimension = DIMENSION
    name = "hashing:0123456789abcdef0123456789abcdef"
    is_steady = True

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def encode(self, texts):
        self.embedded += texts
        digests = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIMENSION).digest() for text in texts]
        vectors = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, DIMENSION).astype(np.float32) - 127.5
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def halves(encoder, texts) -> bytes:
    return encoder.encode(texts).astype(np.float16).tobytes()


def parts(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.rglob(f"*{ending}"))


def test_a_text_is_embedded_once_over_encoders_and_corpora(tmp_path):
    expected = halves(Hashing(), TEXTS)
    first, second = Hashing(), Hashing()
    told = []
    assert halves(CachedEncoder(first, str(tmp_path), lambda *n: told.append(n)), TEXTS * 2) == expected * 2
    again = CachedEncoder(second, str(tmp_path), lambda *n: told.append(n))
    assert halves(again, ["new", *TEXTS[::-1]]) == halves(Hashing(), ["new", *TEXTS[::-1]])
    assert sorted(first.embedded) == sorted(TEXTS)
    assert second.embedded == ["new"]
    assert told == [(0, 6), (6, 1)]


def test_no_texts_need_no_folder(tmp_path):
    encoder = CachedEncoder(Hashing(), str(tmp_path / "none"))
    assert encoder.encode([]).shape == (0, DIMENSION)
    assert not (tmp_path / "none").exists()


def test_what_another_writer_adds_meanwhile_is_seen(tmp_path):
    one, other = Hashing(), Hashing()
    first, second = (CachedEncoder(encoder, str(tmp_path)) for encoder in (one, other))
    first.encode(TEXTS[:2])
    second.encode(TEXTS[:3])
    first.encode(TEXTS[:3])
    assert one.embedded == sorted(TEXTS[:2])
    assert other.embedded == [""]


def test_another_encoder_finds_nothing(tmp_path):
    CachedEncoder(Hashing(), str(tmp_path)).encode(TEXTS)
    other = Hashing()
    other.name = "hashing:another"
    CachedEncoder(other, str(tmp_path)).encode(TEXTS)
    assert len(other.embedded) == len(TEXTS)


def test_the_files_are_named_by_their_content_and_equal_for_equal_content(tmp_path):
    for name, texts in (("one", TEXTS), ("other", TEXTS[::-1])):
        CachedEncoder(Hashing(), str(tmp_path / name)).encode(texts)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("one", "other")
    )
    assert one == other
    assert all(blake2b(data, digest_size=16).hexdigest() == name.split(".")[0] for name, data in one.items())


def test_many_writers_at_once_leave_a_cache_that_is_whole(tmp_path):
    texts = [f"sentence {n}" for n in range(300)]
    expected = halves(Hashing(), texts)
    got = [b""] * 6

    def work(number: int) -> None:
        encoder = CachedEncoder(Hashing(), str(tmp_path))
        for begin in range(0, 300, 50):
            encoder.encode(texts[begin + number : begin + number + 50])
        got[number] = halves(encoder, texts)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [expected] * 6
    idle = Hashing()
    assert halves(CachedEncoder(idle, str(tmp_path)), texts) == expected
    assert idle.embedded == []


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


@pytest.mark.parametrize("ending", [".keys", ".float16"])
@pytest.mark.parametrize("damage", [cut, flipped, lambda _: b"", lambda data: data + b"\0", None])
def test_a_damaged_file_is_named_ignored_and_made_again(tmp_path, caplog, ending, damage):
    expected = halves(Hashing(), TEXTS)
    CachedEncoder(Hashing(), str(tmp_path)).encode(TEXTS)
    (path,) = parts(tmp_path, ending)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    again = Hashing()
    assert halves(CachedEncoder(again, str(tmp_path)), TEXTS) == expected
    assert sorted(again.embedded) == sorted(TEXTS)
    if (ending, damage) != (".keys", None):
        assert str(path) in caplog.text
    idle = Hashing()
    assert halves(CachedEncoder(idle, str(tmp_path)), TEXTS) == expected
    assert idle.embedded == []


def test_a_writer_killed_between_its_two_files_leaves_nothing_that_is_believed(tmp_path):
    CachedEncoder(Hashing(), str(tmp_path)).encode(TEXTS)
    (keys,) = parts(tmp_path, ".keys")
    keys.unlink()
    (keys.parent / f".{keys.name}.1-2.tmp").write_bytes(b"half a fi")
    again = Hashing()
    CachedEncoder(again, str(tmp_path)).encode(TEXTS)
    assert sorted(again.embedded) == sorted(TEXTS)
    assert keys.exists()


def test_keys_whose_first_halves_agree_are_told_apart(tmp_path):
    cache = VectorCache(str(tmp_path), "e:1", 1)
    keys = np.array([[5, 1], [5, 2], [7, 1]], dtype=np.uint64)
    cache.add(keys, np.array([[1], [2], [3]], dtype=np.float16))
    found, vectors = cache.find(np.array([[5, 3], [5, 1], [7, 1], [9, 9], [0, 0]], dtype=np.uint64))
    assert found.tolist() == [False, True, True, False, False]
    assert vectors[[1, 2], 0].tolist() == [1, 3]


def test_keys_are_digests_of_the_whole_text():
    keys = keys_of(["a", "b", "a "])
    assert keys.shape == (3, 2)
    assert len({tuple(key) for key in keys.tolist()}) == 3


def test_an_encoder_whose_vectors_depend_on_company_is_refused(tmp_path):
    unsteady = Hashing()
    unsteady.is_steady = False
    with pytest.raises(SettingsError, match="depend on the texts") as told:
        cached(unsteady, str(tmp_path))
    assert told.value.path == "$.embed.vector_cache"


def test_a_cache_that_is_a_file_stops_the_launch(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    settings = EmbedSettings(encoders=("laser",), vector_cache=str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="expected a folder") as told:
        check_models(settings, [])
    assert told.value.path == "$.embed.vector_cache"
