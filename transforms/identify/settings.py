"""Settings of identification."""

from typing import Annotated, Literal

import msgspec

from transforms.common.models import model_setting

LabelScheme = Literal["isogloss", "lid.176", "glotlid", "openlid"]


ContextName = Literal["none", "document", "host"]


def _kind(backend: str, model: str) -> str:
    return backend or ("ngrams" if model.partition("#")[0].endswith(".ngrams") else "fasttext")


class CascadeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second, narrow model, which decides among close varieties."""

    model: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            description="Path or address of a model file (.bin, .ftz, .ngrams).",
            extra=model_setting("json"),
        ),
    ]
    backend: Annotated[str, msgspec.Meta(description="Kind of model; empty: that of the model's ending.")] = ""
    labels: Annotated[LabelScheme | None, msgspec.Meta(description="Whose labels it has; null: found out.")] = None
    among: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Varieties whose probability under the wide model the narrow one divides; none given: those that it knows."
        ),
    ] = ()

    @property
    def kind(self) -> str:
        """Name of the backend."""
        return _kind(self.backend, self.model)


class IdentifySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model identifies, and when its answer is taken."""

    backend: Annotated[
        str,
        msgspec.Meta(
            description="Kind of model: a file name in transforms/identify/backends; "
            "empty: that of the model's ending, .ngrams or another."
        ),
    ] = ""
    model: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            description="Path or address (gs://, s3://, https://...#sha256=) of a model file (.bin, .ftz, .ngrams), or `embedded`: "
            "the one that comes with the package.",
            extra=model_setting("json"),
        ),
    ] = "embedded"
    labels: Annotated[
        LabelScheme | None,
        msgspec.Meta(
            description="Whose labels the model has; null: the scheme that knows most of them. Unknown labels count as foreign."
        ),
    ] = None
    minimum_probability: Annotated[float, msgspec.Meta(ge=0, le=1, description="Below it the variety is `und`.")] = 0.5
    foreign_threshold: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=1,
            description="A sentence is `und` when a variety that is not expected is the most probable of all and has at least "
            "this probability before restriction; 1: hardly ever.",
        ),
    ] = 0.7
    top: Annotated[int, msgspec.Meta(ge=1, le=100, description="Most probable varieties kept in `varieties`.")] = 3
    adapt: Annotated[
        bool,
        msgspec.Meta(
            description="Learn from the run's own unlabelled sentences, and fall back to the model where that would do harm. "
            "Reads and splits the documents twice."
        ),
    ] = False
    coverage: Annotated[
        Annotated[float, msgspec.Meta(gt=0, lt=1)] | None,
        msgspec.Meta(
            description="`varieties` then is the set that holds the true variety with this probability (of at most `top`); "
            "null: the `top` most probable ones. Needs a calibrated model."
        ),
    ] = None

    cascade: Annotated[
        CascadeSettings | None, msgspec.Meta(description="A second model, which decides among close varieties.")
    ] = None
    context: Annotated[
        ContextName,
        msgspec.Meta(
            description="What lends a sentence evidence: `none`; its neighbours and its `document`; or these and the `host` "
            "(reads and splits the documents twice)."
        ),
    ] = "document"
    context_decides: Annotated[
        bool,
        msgspec.Meta(
            description="`variety`, by which later stages go, is that in context; false: that of the sentence alone."
        ),
    ] = True
    mixed_from: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=1,
            description="A sentence is looked at window by window, whether it is in two varieties, when its second variety has at "
            "least this probability, such as .005; 0: every one, which finds more and takes several times as long; 1: none.",
        ),
    ] = 1.0

    @property
    def kind(self) -> str:
        """Name of the backend."""
        return _kind(self.backend, self.model)

    @property
    def goes_by_context(self) -> bool:
        """Is the variety in context the one that later stages go by?"""
        return self.context_decides and self.context != "none"

    @property
    def looks_before(self) -> bool:
        """Are the documents read once before, to learn from them?"""
        return self.adapt or self.context == "host"
