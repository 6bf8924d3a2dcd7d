"""Fit one fastText classifier, in a process of its own: `python fit.py PLAN.json`.

fastText 0.9.3 with one thread initializes only the first tenth of its input matrix (`DenseMatrix::uniform` calls
`uniformThread` for block 0 of 10) and leaves the rest as the memory was. Where that is garbage, training "encounters
NaN" at any learning rate, or gives another model every time. So the caller sets `FRESH_MEMORY`: glibc then hands out
memory that is zero, and training is deterministic, and does not diverge for this reason. Large blocks straight from the
operating system were not enough: a process that has imported much has freed blocks that are as large.
"""

import json
import sys
from pathlib import Path
from typing import Any

DIVERGED = 3
"""Exit status when training met NaN."""
FRESH_MEMORY = {"MALLOC_PERTURB_": "255"}
"""Environment of the process: glibc fills new blocks with the complement of this number, which is 0."""


def main(plan: dict[str, Any]) -> int:
    """Train, compress, write.

    Args:
        plan: `options` of fastText's train_supervised; `quantized`; `output`, where the model goes.

    Returns:
        0, or `DIVERGED`.
    """
    import fasttext

    try:
        model = fasttext.train_supervised(**plan["options"])
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        return DIVERGED
    if plan["quantized"]:
        model.quantize(input=None, qnorm=True, retrain=False, cutoff=0, dsub=2)
    model.save_model(plan["output"])
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
