"""Keys of deduplication: what two sentences share when one is the same sentence as the other.

Conservative on purpose. Folded are letter case, punctuation and white space, and the invisible characters that
word processors leave. Kept are every letter, diacritics, digits and symbols (`€`, `+`, and also `% ‰ & @ # §`,
which Unicode counts as punctuation): spellings of a variety that differ are never merged, and neither are
sentences that differ in a number. Punctuation becomes white space and does not vanish, so `l'é` stays apart
from `lé`.
"""

import pyarrow as pa
import pyarrow.compute as pc

# Punctuation (category P) without the signs in it that carry meaning; separators; control characters.
_FOLDED = r"(?:[^\P{P}%‰&@#§]|[\p{Z}\p{Cc}])+"
# Soft hyphen, zero width space, direction marks, byte order mark. The zero width (non-)joiners U+200C and U+200D
# are spelling in Persian, Hindi and Bengali, and stay.
_INVISIBLE = "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+"


def deduplication_keys(texts: pa.Array) -> pa.Array:
    """Make the key of each sentence.

    Lower case is used and not case folding: folding writes `ß` as `ss`, which in German is another spelling.

    Args:
        texts: (n,) strings, no nulls.

    Returns:
        (n,) strings. A text of nothing but punctuation is its own key, in NFC and without white space around it.

    Example:
        >>> deduplication_keys(pa.array(["O l’é bello!", "o l'é  bello"])).to_pylist()
        ['o l é bello', 'o l é bello']
    """
    visible = pc.replace_substring_regex(pc.utf8_normalize(texts, form="NFC"), pattern=_INVISIBLE, replacement="")
    folded = pc.replace_substring_regex(pc.utf8_lower(visible), pattern=_FOLDED, replacement=" ")
    keys = pc.utf8_trim_whitespace(folded)
    return pc.if_else(pc.equal(keys, ""), pc.utf8_trim_whitespace(visible), keys)
