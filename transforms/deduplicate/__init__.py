"""Deduplicate: sentences -> sentences with their cluster of duplicates. Nothing is deleted."""

from transforms.deduplicate.clusters import annotate, cluster_ids
from transforms.deduplicate.key import deduplication_keys
from transforms.deduplicate.settings import DeduplicateSettings
from transforms.deduplicate.stage import Deduplicate

__all__ = ["Deduplicate", "DeduplicateSettings", "annotate", "cluster_ids", "deduplication_keys"]
