"""Clusters of exact duplicates: their ids, their sizes, their representatives. Pure functions on Arrow data."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.sentence import SentenceBatch, cluster_id
from schemas.table import UNDETERMINED, Batch, field, table
from transforms.deduplicate.key import deduplication_keys

CLUSTER_MEMBER = table(
    "cluster_member",
    1,
    [
        field("cluster_id", pa.string(), "Cluster of the sentence."),
        field("sentence_id", pa.string(), "The sentence."),
        field("document_range", pa.int32(), "Range of document ids that the sentence is gathered in."),
    ],
)

DUPLICATE = table(
    "duplicate",
    1,
    [
        field("sentence_id", pa.string(), "A sentence of a cluster of two or more."),
        field("cluster_size", pa.int32(), "Sentences in the cluster.", unit="sentences"),
        field("is_duplicate", pa.bool_(), "Does another sentence represent the cluster?"),
        field("document_range", pa.int32(), "Range of document ids that the sentence is gathered in."),
    ],
)


class ClusterMemberBatch(Batch):
    """Sentences with their cluster, without their text."""

    SCHEMA = CLUSTER_MEMBER
    ID = "sentence_id"
    __slots__ = ()


class DuplicateBatch(Batch):
    """Sentences of clusters of two or more. A sentence that is alone in its cluster has no row."""

    SCHEMA = DUPLICATE
    ID = "sentence_id"
    __slots__ = ()


def cluster_ids(sentences: SentenceBatch) -> pa.Array:
    """Make the id of each sentence's cluster from its variety (`und` where null) and the key of its normalized text.

    Returns:
        (n,) strings.
    """
    varieties = pc.fill_null(sentences.column("variety"), UNDETERMINED).to_pylist()
    keys = deduplication_keys(sentences.column("normalized")).to_pylist()
    return pa.array([cluster_id(*parts) for parts in zip(varieties, keys, strict=True)], type=pa.string())


def duplicates_of(members: ClusterMemberBatch) -> DuplicateBatch:
    """Find size and representative of each cluster: the sentence with the smallest id represents it.

    Args:
        members: whole clusters, in any order; sentence ids are unique.

    Returns:
        The members of clusters of two or more, ordered by cluster and sentence.
    """
    rows = pa.Table.from_batches([members.data]).sort_by([("cluster_id", "ascending"), ("sentence_id", "ascending")])
    clusters = rows["cluster_id"].combine_chunks().dictionary_encode()
    codes = clusters.indices.to_numpy() if isinstance(clusters, pa.DictionaryArray) else np.zeros(0, dtype=np.int32)
    sizes = np.bincount(codes, minlength=1)[codes] if len(codes) else np.zeros(0, dtype=np.int64)
    first = np.r_[True, codes[1:] != codes[:-1]] if len(codes) else np.zeros(0, dtype=bool)
    several = pa.array(sizes > 1)
    found = DuplicateBatch.from_columns(
        {
            "sentence_id": rows["sentence_id"],
            "cluster_size": pa.array(sizes, type=pa.int32()),
            "is_duplicate": pa.array(~first),
            "document_range": rows["document_range"],
        }
    )
    return found.filter(several)


def apply_duplicates(sentences: SentenceBatch, duplicates: DuplicateBatch) -> SentenceBatch:
    """Set size and `is_duplicate` of sentences that carry their cluster id already.

    Args:
        sentences: with `cluster_id`.
        duplicates: what `duplicates_of` found; rows of other sentences do no harm.

    Returns:
        The same sentences in the same order.
    """
    if len(sentences) == 0:
        return sentences
    if len(duplicates) == 0:
        return sentences.replace(cluster_size=[1] * len(sentences), is_duplicate=[False] * len(sentences))
    places = pc.index_in(sentences.column("sentence_id"), value_set=duplicates.column("sentence_id"))
    sizes = pc.fill_null(duplicates.column("cluster_size").take(places), 1)
    repeated = pc.fill_null(duplicates.column("is_duplicate").take(places), False)
    return sentences.replace(cluster_size=sizes, is_duplicate=repeated)


def annotate(sentences: SentenceBatch) -> SentenceBatch:
    """Deduplicate one batch that is the whole corpus: for files and for tests.

    Returns:
        The same sentences in the same order, with cluster_id, cluster_size and is_duplicate.
    """
    clustered = sentences.replace(cluster_id=cluster_ids(sentences))
    return apply_duplicates(clustered, duplicates_of(members_of(clustered, np.zeros(len(sentences), dtype=np.int64))))


def members_of(sentences: SentenceBatch, document_ranges: np.ndarray) -> ClusterMemberBatch:
    """Give what finding duplicates needs to know of sentences: no text.

    Args:
        sentences: with `cluster_id`.
        document_ranges: (n,) range of each sentence's document.
    """
    return ClusterMemberBatch.from_columns(
        {
            "cluster_id": sentences.column("cluster_id"),
            "sentence_id": sentences.column("sentence_id"),
            "document_range": pa.array(document_ranges, type=pa.int32()),
        }
    )
