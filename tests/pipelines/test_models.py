"""Which settings name a model, and how a launch pins them."""

import msgspec
import pytest

from pipelines.config import Configuration, make_configuration
from pipelines.models import digest_of_local_models, model_settings, with_pinned_models
from schemas.errors import SettingsError
from transforms.common.models import BESIDE

HEX = "0" * 64
VALUES = {
    "corpus": {"name": "tiny", "output": "out", "varieties": ["lij", "it"]},
    "read": {"sources": [{"name": "lines", "path": "*.txt"}]},
    "identify": {"model": f"https://example.org/lid.ftz#sha256={HEX}"},
    "embed": {"models": {"lij": "laser3:lij_Latn"}},
    "align": {"prior": "prior.arrow"},
}


def marked(kind: object) -> set[str]:
    """Names of all settings whose description says that they take a file that was made before."""
    return {
        f"{section.encode_name}.{field.encode_name}"
        for section in msgspec.structs.fields(kind)
        if isinstance(section.type, type) and issubclass(section.type, msgspec.Struct)
        for field in msgspec.structs.fields(section.type)
        if any(BESIDE in (part.extra or {}) for part in metas(field.type))
    }


def metas(kind: object) -> list[msgspec.Meta]:
    parts = getattr(kind, "__metadata__", ())
    inner = [meta for part in getattr(kind, "__args__", ()) for meta in metas(part)]
    return [*parts, *inner]


def test_every_setting_that_takes_a_model_is_marked():
    assert marked(Configuration) >= {
        *("identify.model", "embed.model", "embed.models", "align.model", "align.prior", "mine.calibration"),
    }


def test_the_models_of_a_configuration_are_told_with_their_settings():
    told = dict(model_settings(make_configuration(VALUES)))
    assert told["$.identify.model"] == VALUES["identify"]["model"]
    assert told["$.embed.models.lij"] == "laser3:lij_Latn"
    assert told["$.align.prior"] == "prior.arrow"
    assert "$.mine.calibration" not in told


def test_names_local_paths_and_what_has_its_checksum_stay_as_they_are():
    configuration = make_configuration(VALUES)
    assert with_pinned_models(configuration) == configuration


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.embed.models.lij", {"embed": {"models": {"lij": "https://example.org/lij.pt"}}}),
        ("$.identify.cascade.model", {"identify": {"cascade": {"model": "https://example.org/narrow.ngrams"}}}),
    ],
)
def test_a_model_that_cannot_be_trusted_stops_the_launch_with_its_setting(path: str, values: dict):
    with pytest.raises(SettingsError, match="needs its SHA-256") as caught:
        with_pinned_models(make_configuration(VALUES | values))
    assert caught.value.path == path


def test_models_of_this_machine_are_inputs_by_their_content(tmp_path):
    curve, laser = tmp_path / "curve.json", tmp_path / "lij.pt"
    for path in (curve, laser, tmp_path / "lij.spm"):
        path.write_bytes(b"one")
    more = {"mine": {"calibration": str(curve)}, "embed": {"models": {"lij": str(laser)}}}
    configuration = make_configuration(VALUES | more)
    assert digest_of_local_models(make_configuration(VALUES), "embed", "mine", "align") == {}

    def digest() -> dict[str, str]:
        return digest_of_local_models(configuration, "embed", "mine", "align")

    first = digest()
    assert first.keys() == {"models"}
    assert digest() == first
    assert digest_of_local_models(configuration, "align") == {}
    for path in (curve, laser, tmp_path / "lij.spm"):
        path.write_bytes(b"two")
        assert digest() != first
        path.write_bytes(b"one")
    assert digest() == first
