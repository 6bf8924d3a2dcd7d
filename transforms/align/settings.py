"""Settings of word alignment: the section `[align]` of the configuration."""

from typing import Annotated, Literal

import msgspec

from transforms.common.models import model_setting


class AlignSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the words of pairs are linked."""

    aligner: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[a-z][a-z0-9_]*(\+[a-z][a-z0-9_]*)*$",
            description="association (learns from the run's own pairs), simalign, or eflomal; several vote: association+simalign.",
        ),
    ] = "association"
    max_words: Annotated[
        int, msgspec.Meta(ge=1, le=32767, description="Most words of a sentence; longer pairs are rejected.")
    ] = 500

    # simalign
    model: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            description="simalign: bert, xlmr, a Hugging Face name, a model folder, or its address (gs://, s3://, or "
            "https:// of an archive, with #sha256=).",
            extra=model_setting(),
        ),
    ] = "bert"
    method: Annotated[
        Literal["inter", "itermax", "mwmf", "softmax"],
        msgspec.Meta(
            description="simalign: mutual best, two rounds of it, the best matching; or awesome-align's: likely both ways."
        ),
    ] = "inter"
    softmax_threshold: Annotated[
        float, msgspec.Meta(gt=0, lt=1, description="softmax: least probability of a link, each way.")
    ] = 0.001
    layer: Annotated[int, msgspec.Meta(ge=0, le=200, description="simalign: layer whose vectors are compared.")] = 8
    token_type: Annotated[
        Literal["bpe", "word"], msgspec.Meta(description="simalign: compare pieces of words, or means over words.")
    ] = "bpe"  # noqa: S105 -- a kind of token, not a password
    distortion: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="simalign: how much distance from the diagonal counts; 0: not at all."),
    ] = 0.0
    batch_tokens: Annotated[int, msgspec.Meta(ge=16, description="simalign: most word pieces of one forward pass.")] = (
        4096
    )
    device: Annotated[str, msgspec.Meta(description="simalign: cpu, cuda, or auto: cuda where there is one.")] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "float16", "int8"],
        msgspec.Meta(
            description="simalign: auto is float16 on a GPU, float32 on a CPU; int8 is faster on a CPU, and other links are given for some words."
        ),
    ] = "auto"

    # association
    threshold: Annotated[
        float,
        msgspec.Meta(gt=0, lt=1, description="association, and several aligners: least probability of a link."),
    ] = 0.55
    symmetrization: Annotated[
        Literal["threshold", "intersection", "union", "grow-diag-final-and"],
        msgspec.Meta(
            description="association: how the links of both directions become one; threshold: those of a likely link."
        ),
    ] = "threshold"
    lexical_iterations: Annotated[
        int, msgspec.Meta(ge=1, le=50, description="association: rounds of learning words by themselves.")
    ] = 6
    sequence_iterations: Annotated[
        int, msgspec.Meta(ge=0, le=50, description="association: rounds of learning words in sequence (HMM).")
    ] = 5
    orthography: Annotated[
        float,
        msgspec.Meta(ge=0, description="association: weight of spelling in the prior, in counted words; 0: none."),
    ] = 10.0
    beginnings: Annotated[
        float,
        msgspec.Meta(ge=0, description="association: weight of the words' first letters in the prior; 0: none."),
    ] = 10.0
    learn_pairs: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="association: most pairs of a variety pair that are learned from, chosen by content; all are linked. 0: all.",
        ),
    ] = 200_000
    candidates: Annotated[
        int,
        msgspec.Meta(
            ge=1, description="association: words that a word may be linked to; bounds the memory of learning."
        ),
    ] = 100
    spread: Annotated[
        bool,
        msgspec.Meta(
            description="association: learn from large variety pairs on all workers? The same links; worth it from some 10,000 pairs on."
        ),
    ] = False
    learn_at_once: Annotated[
        int,
        msgspec.Meta(
            ge=0, description="association, spread: most pairs of a variety pair that one worker learns from."
        ),
    ] = 10_000
    prior: Annotated[
        str,
        msgspec.Meta(
            description="association: a table learned before (*.arrow), to learn on from; empty: none.",
            extra=model_setting(),
        ),
    ] = ""


class LexiconSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `[lexicon]`: what becomes of the links beside the corpus."""

    make: Annotated[bool, msgspec.Meta(description="Make a lexicon of every published variety pair?")] = True
    minimum_count: Annotated[
        int, msgspec.Meta(ge=1, description="Least links of an entry; 1: every word pair that was linked once.")
    ] = 1
    function_word_share: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=1,
            description="Share of a variety's words from which on a word with several translations is marked as a function word.",
        ),
    ] = 0.002
    examples: Annotated[int, msgspec.Meta(ge=0, le=100, description="Most example pairs of an entry.")] = 3
