"""Do the two sides have the same punctuation?"""

import re
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import dice

FIELDS = [
    score_field(
        "punctuation_agreement",
        "Share of the punctuation marks that both sides have (twice the common ones by all); marks of like use in"
        " other scripts are the same, apostrophes and hyphens are left out; null when neither side has any.",
        range="0 to 1",
        better="higher",
    )
]
_KINDS = {
    ".": ".。．۔।॥｡",
    ",": ",،、，､",
    "?": "?？؟",
    "!": "!！",
    ":": ":：",
    ";": ";；؛",
    '"': '"«»“”„‟「」『』《》',
    "(": "(（[",
    ")": ")）]",
    "-": "–—",
}
_KIND_OF = {ord(mark): kind for kind, marks in _KINDS.items() for mark in marks}
_OTHERS = re.compile("[^" + re.escape("".join(_KINDS)) + "]+")


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Compare the marks as multisets."""
    sides = zip(pairs.texts("source_text"), pairs.texts("target_text"), strict=True)
    values = [dice(marks_in(source), marks_in(target)) for source, target in sides]
    return {"punctuation_agreement": pa.array(values, type=pa.float32())}


def marks_in(text: str) -> Counter[str]:
    """Give the punctuation marks of a text, by their kind; an ellipsis is three full stops."""
    plain = text.replace("…", "...").replace("-", "").translate(_KIND_OF)
    return Counter(_OTHERS.sub("", plain))
