"""Identify: sentences -> sentences with their varieties and probabilities."""

from transforms.identify.decide import Decisions, Restriction, decide
from transforms.identify.function import IdentifySentences, identified_batch, identify_lines, make_identifier
from transforms.identify.interface import Identifier, Predictions
from transforms.identify.settings import IdentifySettings
from transforms.identify.stage import Identify
from transforms.identify.training import Labelled, TrainingPlan, divide, read_labelled, train_identifier

__all__ = [
    "Decisions",
    "Identifier",
    "Identify",
    "IdentifySentences",
    "IdentifySettings",
    "Labelled",
    "Predictions",
    "Restriction",
    "TrainingPlan",
    "decide",
    "divide",
    "identified_batch",
    "identify_lines",
    "make_identifier",
    "read_labelled",
    "train_identifier",
]
