"""`isogloss calibrate`: judged pairs -> the curve of probabilities by score, as JSON and as a picture."""

import argparse
import math
from pathlib import Path

from schemas.errors import SettingsError

_RIGHT = {"1": True, "1.0": True, "right": True, "yes": True, "true": True}
_WRONG = {"0": False, "0.0": False, "wrong": False, "no": False, "false": False}


def calibrate(options: argparse.Namespace) -> None:
    """Fit and write the curve, draw it beside, print what each precision costs.

    Raises:
        SettingsError: a line that is not score TAB judgement, or judgements that no curve can be fitted on.
    """
    import numpy as np

    from pipelines.filters import _lines, _write
    from transforms.mine import costs, curve_json, draw, judged_curve

    scores, right = [], []
    for number, line in enumerate(_lines([options.judged]), start=1):
        if not line.strip():
            continue
        score, judgement = [*line.split("\t"), ""][:2]
        known = (_RIGHT | _WRONG).get(judgement.strip().casefold())
        try:
            scores.append(float(score))
        except ValueError as error:
            raise SettingsError(f"{options.judged}, line {number}: {score[:40]!r} is no score") from error
        if known is None:
            raise SettingsError(
                f"{options.judged}, line {number}: expected a judgement, right or wrong, got {judgement[:40]!r}",
                cure="Write score TAB 1 or 0 (or right, wrong), then anything.",
            )
        right.append(known)
    try:
        curve = judged_curve(scores, right)
    except ValueError as error:
        raise SettingsError(f"{options.judged}: {error}") from error
    values, judgements = np.array(scores, dtype=np.float64), np.array(right, dtype=np.float64)
    told = costs(curve, values, judgements)
    output = Path(options.output)
    output.write_bytes(curve_json(curve, told))
    output.with_suffix(".svg").write_text(draw(curve, values, judgements), encoding="utf-8")
    _write("precision\tscore\tpairs\tof the right ones")
    for cost in told:
        least = math.inf if cost.threshold is None else cost.threshold
        _write(f"{cost.precision}\t{least:.4f}\t{cost.pairs}\t{cost.recall:.3f}")
