"""publish: pairs -> corpus. Limits, Parquet by variety pair, card, report, exports, take-down."""

from transforms.publish.decide import check_names, decide, score_names
from transforms.publish.settings import PublishSettings
from transforms.publish.stage import Publish

__all__ = ["Publish", "PublishSettings", "check_names", "decide", "score_names"]
