"""Identify: sentences -> sentences with their varieties and probabilities."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.identify.settings import CascadeSettings, IdentifySettings

if TYPE_CHECKING:
    from transforms.identify.decide import Decisions, Restriction
    from transforms.identify.function import (
        IdentifySentences,
        SentenceIdentifier,
        adapt_to_lines,
        identified_batch,
        identified_lines,
        identify_lines,
        make_identifier,
    )
    from transforms.identify.interface import Identifier
    from transforms.identify.stage import Identify, LearnFromSentences
    from transforms.identify.training import Labelled, TrainingPlan, divide, read_labelled, train_identifier

__all__ = [
    "CascadeSettings",
    "Decisions",
    "Identifier",
    "Identify",
    "IdentifySentences",
    "IdentifySettings",
    "Labelled",
    "LearnFromSentences",
    "Restriction",
    "SentenceIdentifier",
    "TrainingPlan",
    "adapt_to_lines",
    "divide",
    "identified_batch",
    "identified_lines",
    "identify_lines",
    "make_identifier",
    "read_labelled",
    "train_identifier",
]

__getattr__ = late(
    __name__,
    decide=("Decisions", "Restriction"),
    function=(
        "IdentifySentences",
        "SentenceIdentifier",
        "adapt_to_lines",
        "identified_batch",
        "identified_lines",
        "identify_lines",
        "make_identifier",
    ),
    interface=("Identifier",),
    stage=("Identify", "LearnFromSentences"),
    training=("Labelled", "TrainingPlan", "divide", "read_labelled", "train_identifier"),
)
