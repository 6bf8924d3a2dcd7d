"""Do the two sides have the same addresses?"""

import re
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import dice

FIELDS = [
    score_field(
        "url_agreement",
        "Share of the web and mail addresses that both sides have (twice the common ones by all); null when neither"
        " side has any.",
        range="0 to 1",
        better="higher",
    )
]
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"»”]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Compare the addresses as multisets."""
    sides = zip(pairs.texts("source_text"), pairs.texts("target_text"), strict=True)
    values = [dice(addresses_in(source), addresses_in(target)) for source, target in sides]
    return {"url_agreement": pa.array(values, type=pa.float32())}


def addresses_in(text: str) -> Counter[str]:
    """Give the web and mail addresses of a text, without the punctuation behind them."""
    if "@" not in text and "www." not in text and "://" not in text:
        return Counter()
    return Counter(address.rstrip(".,;:!?)'’").casefold() for address in _ADDRESS.findall(text))
