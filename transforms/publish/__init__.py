"""publish: pairs -> corpus. Limits, Parquet by variety pair, card, report, exports, take-down."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.publish.decide import check_names, decide, score_names
from transforms.publish.exports import export, write_jsonl, write_moses, write_pharaoh, write_tmx
from transforms.publish.inspect import Inspection, inspect_checkpoint
from transforms.publish.inspect import to_text as inspection_text
from transforms.publish.linked import read_conllu, write_code_switched, write_interleaved, write_projected
from transforms.publish.report import ledger_markdown, ledger_text, make_reports
from transforms.publish.settings import PublishSettings
from transforms.publish.takedown import Request, TakenDown, take_down
from transforms.publish.write_card import rewrite_card, write_card

if TYPE_CHECKING:
    from transforms.publish.stage import Publish

__all__ = [
    "Inspection",
    "Publish",
    "PublishSettings",
    "Request",
    "TakenDown",
    "check_names",
    "decide",
    "export",
    "inspect_checkpoint",
    "inspection_text",
    "ledger_markdown",
    "ledger_text",
    "make_reports",
    "read_conllu",
    "rewrite_card",
    "score_names",
    "take_down",
    "write_card",
    "write_code_switched",
    "write_interleaved",
    "write_jsonl",
    "write_moses",
    "write_pharaoh",
    "write_projected",
    "write_tmx",
]

__getattr__ = late(__name__, stage=("Publish",))
