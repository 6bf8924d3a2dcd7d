"""Fit the calibration of links, and say how reliable it is: `python benchmarks/fit_links.py DATA`.

Gold links (DATA is the folder of the shared data sets): awesome-align's English - French and Romanian - English,
alibi-fren (French - English stories), and the invented dialects of Italian and German, 600 and 248 sentences each. The
aligner learns from the sentences themselves, as `tests/quality/test_alignment.py` does. Fitted on the even sentences
of all but the sets of 248; measured on the odd ones, and, to see how it carries over, with the language pair left out
of the fit altogether. Each language pair weighs the same. A link is right when it is among the possible ones. Prints
the weights for `transforms/align/calibration.py`.
"""

import argparse
import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from transforms.align import AlignSettings
from transforms.align.backends.association import Association
from transforms.align.calibration import CALIBRATIONS, FEATURES, calibration_error, features

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = {"en-fr": 0.5, "fr-en-stories": 0.5, "ro-en": 1.0, "invented-it-600": 1.0, "invented-de-600": 1.0}
"""Sets of the fit and their weights."""
SAME = (
    {"en-fr", "fr-en-stories"},
    {"ro-en"},
    {"invented-it-600", "invented-it-248"},
    {"invented-de-600", "invented-de-248"},
)
PENALTY = 1e-6


class Links(NamedTuple):
    """Links that could be given: features, whether right (and sure), whether of an even sentence; sure links of the gold."""

    features: np.ndarray
    is_right: np.ndarray
    is_sure: np.ndarray
    is_even: np.ndarray
    sure_even: int
    sure_odd: int

    def error_rate(self, is_given, *, odd_only):
        """Give the alignment error rate (Och and Ney 2003) of what is given."""
        given = is_given & ~self.is_even if odd_only else is_given
        sure = self.sure_odd + (0 if odd_only else self.sure_even)
        hits = (given & self.is_sure).sum() + (given & self.is_right).sum()
        return 1 - hits / (given.sum() + sure)


def gold_sets(folder):
    """Give {name: (pairs, more pairs to learn from, gold)}."""
    path = ROOT / "tests" / "quality" / "test_alignment.py"
    spec = importlib.util.spec_from_file_location("gold", path)
    gold = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gold)
    en_fr, en_fr_gold = gold.awesome_align(folder / "awesome-align-gold", "enfr")
    ro_en, ro_en_gold = gold.awesome_align(folder / "awesome-align-gold", "roen")
    stories, stories_gold = gold.alibi(folder / "alibi-fren")
    sets = {
        "en-fr": (en_fr, gold.turned(stories), en_fr_gold),
        "ro-en": (ro_en, [], ro_en_gold),
        "fr-en-stories": (stories, gold.turned(en_fr), stories_gold),
    }
    for language in ("it", "de"):
        for number in (248, 600):
            pairs, links = gold.invented(folder, language, number)
            sets[f"invented-{language}-{number}"] = (pairs, [], links)
    return sets


def measured(pairs, more, gold):
    """Learn, and give the links that could be given."""
    aligner = Association(AlignSettings())
    aligner.load(aligner.train([*pairs, *more]))
    found = aligner.candidates(pairs)
    cells = list(zip(found.pairs.tolist(), found.sources.tolist(), found.targets.tolist(), strict=True))
    sure, right = (np.array([(i, j) in gold[p][kind] for p, i, j in cells]) for kind in (0, 1))
    number = [sum(len(links) for links, _ in gold[half::2]) for half in (0, 1)]
    return Links(features(found.values, found.evidence), right, sure, found.pairs % 2 == 0, *number)


def fit(parts):
    """Fit by minimizing the mean log loss; parts are (features, right, weight of the whole part)."""
    design = np.concatenate([part[0] for part in parts])
    right = np.concatenate([part[1] for part in parts]).astype(float)
    weights = np.concatenate([np.full(len(part[1]), part[2] / len(part[1])) for part in parts])

    def loss(beta):
        z = design @ beta
        away = np.r_[0.0, beta[1:]]
        gradient = design.T @ (weights * (1 / (1 + np.exp(-z)) - right)) + 2 * PENALTY * away
        return (weights * (np.logaddexp(0, z) - right * z)).sum() + PENALTY * (away**2).sum(), gradient

    return minimize(loss, np.zeros(design.shape[1]), jac=True, method="BFGS").x


def given(features_, weights):
    """Give the probabilities, and which links reach the threshold."""
    probabilities = 1 / (1 + np.exp(-(features_ @ np.asarray(weights))))
    return probabilities, probabilities >= AlignSettings().threshold


def all_measured(folder):
    return {name: measured(*data) for name, data in gold_sets(folder).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    sets = all_measured(options.data)
    fitted = fit(
        [(sets[n].features[sets[n].is_even], sets[n].is_right[sets[n].is_even], w) for n, w in LANGUAGES.items()]
    )
    print("weights: (" + ", ".join(f"{value:.3f}" for value in fitted) + ")  # " + ", ".join(FEATURES))
    print(
        f"{'set':18}  links  right  said  calibration error on odd sentences (shipped weights), with the language pair"
        " left out of the fit; alignment error on odd sentences, on all"
    )
    for name, links in sets.items():
        same = next(group for group in SAME if name in group)
        rest = fit([(sets[n].features, sets[n].is_right, w) for n, w in LANGUAGES.items() if n not in same])
        said, is_given = given(links.features, CALIBRATIONS["association"])
        held = is_given & ~links.is_even
        apart, is_apart = given(links.features, rest)
        print(
            f"{name:18} {held.sum():6d}  {links.is_right[held].mean():.3f}  {said[held].mean():.3f}"
            f"  {calibration_error(said[held], links.is_right[held]):.3f}"
            f"  {calibration_error(apart[is_apart], links.is_right[is_apart]):.3f}"
            f"  {links.error_rate(is_given, odd_only=True):.3f}  {links.error_rate(is_given, odd_only=False):.3f}"
        )


if __name__ == "__main__":
    main()
