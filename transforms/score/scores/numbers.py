"""Do the two sides have the same numbers?"""

import re
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import dice

FIELDS = [
    score_field(
        "number_agreement",
        "Share of the numbers that both sides have (twice the common ones by all); digits of any script, separators"
        " left out, Roman numerals of two letters and more (I, V, X) as numbers; null when neither side has any.",
        range="0 to 1",
        better="higher",
    )
]
_NUMBER = re.compile(r"\d+(?:[.,'’٫٬\u00a0\u202f]\d+)*")
_ROMAN = re.compile(r"\b[IVX]{2,}(?![^\W_])")
_WELL_FORMED = re.compile(r"(X{0,3})(IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10}


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Compare the numbers as multisets."""
    sides = zip(pairs.texts("source_text"), pairs.texts("target_text"), strict=True)
    values = [dice(numbers_in(source), numbers_in(target)) for source, target in sides]
    return {"number_agreement": pa.array(values, type=pa.float32())}


def numbers_in(text: str) -> Counter[str]:
    """Give the numbers of a text, in ASCII digits without separators.

    Example:
        >>> sorted(numbers_in("Nel XIX secolo 1.234,5 o ١٢"))
        ['12', '12345', '19']
    """
    found = Counter(_digits(number) for number in _NUMBER.findall(text))
    if not text.isupper():  # where all is written in capitals, a word can look like a numeral
        found.update(str(_roman(numeral)) for numeral in _ROMAN.findall(text) if _WELL_FORMED.fullmatch(numeral))
    return found


def _digits(number: str) -> str:
    return "".join(str(int(c)) for c in number if c.isdecimal()).lstrip("0") or "0"


def _roman(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
