"""Dialects with known links, made by noise on standard sentences: what word aligners are tried on.

The noise mimics how a dialect stands to its standard language (after DialUp, Bafna et al. 2024): regular correspondences
of sounds on most words, other words for some (the same one for a word wherever it stands), words that fall together
with their neighbour, words put in or left out, neighbours that change places. Every choice is made by a digest of
the word, or of the sentence and the place, so the same sentences give the same dialect everywhere.
"""

import hashlib
import re

SOUNDS = {
    # northern Italian: voiced and simplified consonants, final vowels lost, diphthongs, palatals
    "it": [
        (r"(?<=[aeiou])t(?=[aeiou])", "d"),
        (r"(?<=[aeiou])c(?=[aou])", "g"),
        (r"([bcdfglmnprstvz])\1", r"\1"),
        (r"chi", "ci"),
        (r"gli", "gi"),
        (r"uo", "eu"),
        (r"zion", "sion"),
        (r"qu", "c"),
        (r"(?<=\w\w)[eo]$", ""),
        (r"(?<=\w\w)i$", "e"),
        (r"^sc(?=[ei])", "s"),
        (r"v(?=[aou])", "u"),
    ],
    # Alemannic and Bavarian: no new diphthongs, endings lost, affricates, vowels rounded the other way
    "de": [
        (r"ei", "ii"),
        (r"au", "uu"),
        (r"eu|äu", "üü"),
        (r"^ge(?=[bdfgkpst])", "g"),
        (r"(?<=\w\w)en$", "e"),
        (r"(?<=\w\w)e$", ""),
        (r"st(?=[pt]?\w)", "scht"),
        (r"^k", "ch"),
        (r"ü(?!ü)", "i"),
        (r"ö", "e"),
        (r"nd", "ng"),
        (r"lich", "li"),
    ],
}
"""Sound correspondences by language: a pattern and what stands for it; each holds for most words, not for all."""
OTHER_WORD, MERGED, PUT_IN, LEFT_OUT, SWAPPED = 0.25, 0.1, 0.12, 0.1, 0.06
"""Share of kinds of words with another word, and of places with each of the other changes.

Chosen towards the links of Ligurian, Lombard and Friulian with Italian in OLDI Seed, as the association aligner finds
them (first 1,500 sentences): there .26-.29 of the linked words have an edit similarity below .5, .28-.35 are written
alike, .22-.24 of all words have no link. The invented ones are milder: .24, .38 and .13.
"""
SOUND_HOLDS = 0.85
_PUT_IN = ("a", "l", "el", "se", "da")
_SYLLABLES = ("ba", "gru", "tsi", "mo", "fel", "nar", "ku", "schö", "rin", "do", "pe", "wu")


def share(*parts):
    """Give a number from 0 to 1 that follows from the parts alone."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def dialect_word(word, language):
    """Say a standard word in the dialect; what has no letters stays."""
    if not any(c.isalpha() for c in word):
        return word
    lower = word.casefold()
    if share("other", language, lower) < OTHER_WORD:
        syllables = 1 + int(share("length", lower) * min(len(lower), 9) / 3)
        return "".join(_SYLLABLES[int(share("syllable", lower, i) * len(_SYLLABLES))] for i in range(syllables + 1))
    for number, (pattern, replacement) in enumerate(SOUNDS[language]):
        if share("sound", language, number, lower) < SOUND_HOLDS:
            lower = re.sub(pattern, replacement, lower)
    return lower if not word[0].isupper() else lower[:1].upper() + lower[1:]


def invent(words, language):
    """Say a sentence in the dialect.

    Args:
        words: of a standard sentence.
        language: `it` or `de`.

    Returns:
        The dialect's words, and the links (dialect word, standard word) from 0.
    """
    text = " ".join(words)
    made = []  # a dialect word and the places of the standard words that it says
    for i, word in enumerate(words):
        lettered = any(c.isalpha() for c in word)
        if lettered and share("in", text, i) < PUT_IN:
            made.append((_PUT_IN[int(share("which", text, i) * len(_PUT_IN))], ()))
        if lettered and share("out", text, i) < LEFT_OUT:
            continue
        said = dialect_word(word, language)
        short = made and words[i - 1].isalpha() and len(words[i - 1]) < 4 and made[-1][1] == (i - 1,)
        if short and lettered and share("merge", text, i) < MERGED:
            made[-1] = (made[-1][0] + said, (i - 1, i))
        else:
            made.append((said, (i,)))
    for k in range(len(made) - 1):
        if all(any(c.isalpha() for c in made[n][0]) for n in (k, k + 1)) and share("swap", text, k) < SWAPPED:
            made[k], made[k + 1] = made[k + 1], made[k]
    return [word for word, _ in made], {(k, i) for k, (_, places) in enumerate(made) for i in places}


def invented_pairs(sentences, language):
    """Give (dialect, standard) word pairs and their links for tokenized standard sentences."""
    pairs, gold = [], []
    for words in sentences:
        dialect, links = invent(words, language)
        if dialect and words:
            pairs.append((dialect, list(words)))
            gold.append((links, links))
    return pairs, gold
