"""Is the target a copy of the source, and no translation?

Close varieties share many words, and a good pair of them is near-identical. What they do not share is long
stretches of running text: between Ligurian or Lombard and Italian, four equal words in a row are rare. So
what counts as copied is words in such stretches, names and numbers left out.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from schemas.pair import PairBatch
from schemas.score import score_field
from transforms.score.words import has_letters, names_in, share

RUN = 4
"""Words in a row that are equal on both sides and so count as copied."""

FIELDS = [
    score_field(
        "copy",
        "Share of the target's words that stand in stretches of at least four words (or the whole of a shorter side)"
        " that the source has word for word; letter case does not count; names and numbers are left out."
        " Null when the target has no other words.",
        range="0 to 1",
        better="lower",
    ),
    score_field(
        "copy_share",
        "Share of the target's words, names and numbers among them, that the source has too, each as often; letter case"
        " does not count. Null when the target has no words.",
        range="0 to 1",
        better="neither",
    ),
    score_field(
        "identical",
        "1 when the two sides have the same letters and digits in the same order, letter case aside; 0 otherwise;"
        " null when neither has any.",
        range="0 or 1",
        better="lower",
    ),
]
_WORD = re.compile(r"[^\W_]+|[.!?…:]+")
_LETTERS = re.compile(r"[\W_]+")


def compute(pairs: PairBatch) -> Mapping[str, pa.Array]:
    """Look for equal stretches."""
    copied: list[float | None] = []
    shared: list[float | None] = []
    identical: list[float | None] = []
    for source, target in zip(pairs.texts("source_text"), pairs.texts("target_text"), strict=True):
        words = _WORD.findall(source), _WORD.findall(target)
        copied.append(_copied(*words))
        counted = [Counter(word.casefold() for word in side if word[0].isalnum()) for side in words]
        shared.append(share((counted[0] & counted[1]).total(), counted[1].total()))
        sides = [_LETTERS.sub("", text).casefold() for text in (source, target)]
        identical.append(float(sides[0] == sides[1]) if any(sides) else None)
    columns = {"copy": copied, "copy_share": shared, "identical": identical}
    return {name: pa.array(values, type=pa.float32()) for name, values in columns.items()}


def _copied(source: Sequence[str], target: Sequence[str]) -> float | None:
    names = names_in(target)
    counted = [i for i, word in enumerate(target) if has_letters(word) and not names[i]]
    own = [i for i, word in enumerate(target) if word[0].isalnum()]
    words = [target[i].casefold() for i in own]
    others = [word.casefold() for word in source if word[0].isalnum()]
    run = min(RUN, len(words), len(others))
    if not counted:
        return None
    if run == 0:
        return 0.0
    stretches = {tuple(others[i : i + run]) for i in range(len(others) - run + 1)}
    covered: set[int] = set()
    for start in range(len(words) - run + 1):
        if tuple(words[start : start + run]) in stretches:
            covered.update(own[start : start + run])
    return share(sum(i in covered for i in counted), len(counted))
