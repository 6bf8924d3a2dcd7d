"""eflomal (Östling and Tiedemann 2016): Gibbs sampling with fertilities, run by its own package.

eflomal is GPL-3: it is no dependency of this project, only called where a user has installed it. It aligns a text as a
whole and gives links without probabilities, in both directions; `align.symmetrization` joins them
(`threshold`, which needs probabilities, counts as grow-diag-final-and). What is "learned" from a run's pairs are their
very links, by the words of the pair. Its random numbers are its own: two runs differ in a few links.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import eflomal

from transforms.align.extraction import SYMMETRIZATIONS, Cell
from transforms.align.interface import Link, WordPair
from transforms.align.settings import AlignSettings


class Eflomal:
    """Aligner that is an optional extra.

    Args:
        settings: symmetrization.
    """

    def __init__(self, settings: AlignSettings) -> None:
        name = settings.symmetrization
        self._symmetrize = SYMMETRIZATIONS["grow-diag-final-and" if name == "threshold" else name]
        self._learned: dict[str, list[Link]] | None = None

    @staticmethod
    def check(settings: AlignSettings) -> None:
        """Refuse nothing: every setting can be obeyed."""

    def align(self, pairs: Sequence[WordPair]) -> list[list[Link]]:
        """Link the words of every pair; see `transforms.align.interface.Aligner`."""
        learned = self._learn(pairs) if self._learned is None else self._learned
        return [learned[_key(pair)] if pair[0] and pair[1] else [] for pair in pairs]

    def train(self, pairs: Sequence[WordPair]) -> bytes:
        """Align the pairs; gives their links as JSON."""
        links = {key: [link[:2] for link in found] for key, found in self._learn(pairs).items()}
        return json.dumps(links, sort_keys=True).encode()

    def load(self, learned: bytes) -> None:
        """Take what `train` gave."""
        self._learned = {key: [Link(*cell) for cell in cells] for key, cells in json.loads(learned).items()}

    def _learn(self, pairs: Sequence[WordPair]) -> dict[str, list[Link]]:
        whole = list({_key(pair): pair for pair in pairs if pair[0] and pair[1]}.items())
        if not whole:
            return {}
        # a word of eflomal's input is what stands between white space, and its own lower case is not ours
        texts = [
            [" ".join("".join(word.split()).casefold() or "_" for word in pair[side]) + "\n" for _, pair in whole]
            for side in (0, 1)
        ]
        with TemporaryDirectory() as folder:
            paths = [Path(folder, name) for name in ("forward", "backward")]
            eflomal.Aligner().align(
                *texts, links_filename_fwd=str(paths[0]), links_filename_rev=str(paths[1]), quiet=True
            )
            ahead, back = (_read(path) for path in paths)
        return {
            key: [Link(*cell) for cell in sorted(self._symmetrize(one, other))]
            for (key, _), one, other in zip(whole, ahead, back, strict=True)
        }


BACKEND = Eflomal


def _key(pair: WordPair) -> str:
    return json.dumps([list(side) for side in pair], ensure_ascii=False)


def _read(path: Path) -> list[set[Cell]]:
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        cells = (cell.split("-") for cell in line.split())
        found.append({(int(i), int(j)) for i, j in cells})
    return found
