"""Fit one fastText classifier, in a process of its own: `python fit.py PLAN.json`.

fastText 0.9.3 with one thread initializes only the first tenth of its input matrix (`DenseMatrix::uniform` calls
`uniformThread` for block 0 of 10) and leaves the rest as the memory was. In a process that has worked before,
that is garbage: training then "encounters NaN", or gives another model every time. In a process whose memory is zero when it
is handed out (`MALLOC_PERTURB_=255`, set by the caller: glibc fills it with the complement) training is deterministic,
and does not diverge for this reason. Large blocks straight from the operating system were not enough: a process that
has imported much has freed blocks that are as large.
"""

import json
import sys
from pathlib import Path
from typing import Any

DIVERGED = 3
"""Exit status when training met NaN."""


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
