"""The encoders of a run that bring a model of their own: found for a variety, checked before anything runs, kept."""

from collections import OrderedDict
from collections.abc import Sequence

from schemas.errors import SettingsError
from schemas.variety import find
from transforms.common.backends import load_backend
from transforms.embed.interface import Backend, Encoder
from transforms.embed.settings import EmbedSettings
from transforms.embed.space import check_space
from transforms.embed.vector_cache import OnLookup, cached, check_cache
from transforms.embed.views import ViewingEncoder, check_script

ROOM = "embed"
FITTED = "ngram"
"""The encoder that is fitted on the run's own sentences: it has no model to load or to check."""

_KEPT = 3


class Encoders:
    """The encoders of one backend by variety, loaded when they are first asked for.

    Args:
        settings: which model, and how.
        name: of the backend.
        on_lookup: is told what came of looking into the cache of vectors, where there is one.

    Attributes:
        settings, name: as given.
    """

    def __init__(self, settings: EmbedSettings, name: str, on_lookup: OnLookup | None = None) -> None:
        self.settings = settings
        self.name = name
        self._backend: Backend = load_backend(ROOM, name)
        self._on_lookup = on_lookup
        self._loaded: OrderedDict[str, Encoder] = OrderedDict()

    def of(self, variety: str) -> Encoder:
        """Give the encoder of a variety. Three are kept, those used last: a run may have a model for each variety.

        Raises:
            SettingsError: its model cannot be loaded.
        """
        model = self._backend.model_for(self.settings, variety)
        if model not in self._loaded:
            encoder = self._backend(self.settings, model)
            if self.settings.vector_cache:
                encoder = cached(encoder, self.settings.vector_cache, self._on_lookup)
            if self.settings.script != "kept":
                encoder = ViewingEncoder(encoder, self.settings.script)
            self._loaded[model] = encoder
        self._loaded.move_to_end(model)
        while len(self._loaded) > _KEPT:
            self._loaded.popitem(last=False)
        return self._loaded[model]


def check_models(settings: EmbedSettings, varieties: Sequence[str]) -> None:
    """Find and read the models of all varieties, so that a bad one stops the launch and not the run.

    Args:
        settings: of embedding.
        varieties: BCP 47 tags that will be embedded.

    Raises:
        SettingsError: a model that is missing, damaged, hostile or of another architecture, a name that no list has,
            a device that is not there, a variety in `embed.models` that is none; with the path of the setting.
    """
    for tag in settings.models:
        known = find(tag)
        if known is None or known.tag != tag:
            cure = f"Write {known.tag}." if known else "See `isogloss varieties`."
            raise SettingsError(f"{tag!r} is not the tag of a variety", path=f"$.embed.models.{tag}", cure=cure)
    is_dense = any(name != FITTED for name in settings.encoders)
    if settings.vector_cache and is_dense:
        check_cache(settings.vector_cache)
    if settings.space.repairs and not is_dense:
        raise SettingsError(
            f"the space of {FITTED} vectors is sparse, and these repairs are of dense ones",
            path="$.embed.space",
            cure="Leave [embed.space] out, or name a dense encoder in embed.encoders.",
        )
    check_script(settings.script)
    check_space(settings.space, [tag for tag in varieties if tag])
    for name in settings.encoders:
        if name == FITTED:
            continue
        backend: Backend = load_backend(ROOM, name)
        checked = set()
        for variety in varieties:
            try:
                model = backend.model_for(settings, variety)
                if model not in checked:
                    backend.check(settings, model)
                checked.add(model)
            except SettingsError as error:
                if error.path == "$.embed.model" and variety in settings.models:
                    raise SettingsError(error.message, f"$.embed.models.{variety}", error.cure) from error
                raise
