"""Deduplicate: sentences -> sentences with their cluster of duplicates. Nothing is deleted."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.deduplicate.settings import DeduplicateSettings

if TYPE_CHECKING:
    from transforms.deduplicate.clusters import annotate, cluster_ids
    from transforms.deduplicate.key import deduplication_keys
    from transforms.deduplicate.stage import Deduplicate

__all__ = ["Deduplicate", "DeduplicateSettings", "annotate", "cluster_ids", "deduplication_keys"]

__getattr__ = late(__name__, clusters=("annotate", "cluster_ids"), key=("deduplication_keys",), stage=("Deduplicate",))
