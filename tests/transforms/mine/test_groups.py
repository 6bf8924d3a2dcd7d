"""Sentences of several varieties that say the same come together, and no variety twice."""

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.corpus import CorpusBatch
from schemas.group import group_id
from schemas.identity import content_id
from schemas.pair import PairBatch, pair_id
from transforms.mine import Groups, GroupSettings
from transforms.mine.groups import Edge, find_groups

VARIETIES = ("fur", "it", "lij", "lmo")


def edge(first, second, margin=1.5):
    """A pair of sentences whose names begin with their variety, such as `lij1`."""
    return Edge(margin, first, second, first.rstrip("0123456789"), second.rstrip("0123456789"))


def members(groups):
    return [sorted(group.members.values()) for group in groups]


def test_pairs_with_one_pivot_are_a_group():
    (group,) = find_groups([edge("lij1", "it1", 1.4), edge("fur1", "it1", 1.2), edge("lmo1", "it1", 1.3)])
    assert group.members == {"fur": "fur1", "it": "it1", "lij": "lij1", "lmo": "lmo1"}
    assert (group.consensus, group.weakest_margin) == (1.0, 1.2)
    assert group.group_id == group_id(["it1", "lij1", "fur1", "lmo1"])


def test_two_varieties_are_no_group():
    assert list(find_groups([edge("lij1", "it1"), edge("lij2", "it2")])) == []


def test_a_cycle_that_closes_has_full_consensus():
    (group,) = find_groups([edge("lij1", "it1"), edge("fur1", "it1"), edge("lij1", "fur1")])
    assert group.consensus == 1.0


def test_a_cycle_that_does_not_close_is_cut_at_its_weakest_pair():
    groups = list(find_groups([edge("lij1", "it1", 1.5), edge("fur1", "it1", 1.4), edge("lij1", "fur2", 1.2)]))
    assert members(groups) == [["fur1", "it1", "lij1"]]
    assert groups[0].consensus == pytest.approx(2 / 3)


def test_two_groups_of_the_same_varieties_stay_apart():
    chain = [edge("lij1", "it1", 1.9), edge("fur1", "it1", 1.8), edge("lij2", "it2", 1.9), edge("fur2", "it2", 1.8)]
    groups = list(find_groups([*chain, edge("lij1", "fur2", 1.1)]))
    assert sorted(members(groups)) == [["fur1", "it1", "lij1"], ["fur2", "it2", "lij2"]]


def test_no_pairs_give_no_groups():
    assert list(find_groups([])) == []


edges = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.sampled_from([1.1, 1.2, 1.5])
    ),
    max_size=25,
).map(lambda rows: [edge(f"{VARIETIES[a]}{i}", f"{VARIETIES[b]}{j}", margin) for a, b, i, j, margin in rows if a < b])


@given(edges, st.randoms(use_true_random=False))
def test_no_sentence_stands_twice_no_variety_twice_in_any_order(rows, random):
    rows = list({(row.source_id, row.target_id): row for row in rows}.values())
    groups = list(find_groups(rows))
    every = [sentence for group in groups for sentence in group.members.values()]
    assert len(every) == len(set(every))
    for group in groups:
        assert len(group.members) >= 3
        assert all(sentence.startswith(variety) for variety, sentence in group.members.items())
        assert 0 < group.consensus <= 1
    shuffled = random.sample(rows, len(rows))
    assert list(find_groups(shuffled)) == groups


TEXTS = {
    "lij": ["Zena a l'é o capoleugo da Liguria.", "O mâ o l'é cado."],
    "lmo": ["Genoa l'è el capoluogh de la Liguria."],
    "fur": ["Gjenue e je il cjâf lûc de Ligurie.", "Il mâr al è cjalt."],
    "it": ["Genova è il capoluogo della Liguria.", "Il mare è caldo."],
}


def corpus_rows():
    """The first lines of all varieties with Italian, the second ones without Lombard."""
    rows = []
    for number in (0, 1):
        for tag in ("lij", "lmo", "fur"):
            if number < len(TEXTS[tag]):
                ids = [content_id("sentence", of, number) for of in (tag, "it")]
                row = {"pair_id": pair_id(*ids), "direction": "both", "cosine": 0.5, "margin": 1.5 - number / 4}
                for side, of, identifier in zip(("source", "target"), (tag, "it"), ids, strict=True):
                    row |= {f"{side}_id": identifier, f"{side}_document_id": content_id("document", of)}
                    row |= {f"{side}_{name}": TEXTS[of][number] for name in ("text", "normalized")}
                    row |= {f"{side}_variety": of, f"{side}_robots": "allowed", f"{side}_url": f"https://e.org/{of}"}
                rows.append(row)
    return CorpusBatch.from_pairs(PairBatch.from_rows(rows))


@pytest.mark.parametrize("size", [1, 5])
def test_groups_are_written_with_the_texts_of_their_sentences(tmp_path, size):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        batches = pipeline | beam.Create(list(corpus_rows().pieces(size))).with_output_types(CorpusBatch)
        _ = batches | Groups(settings=GroupSettings(), folder=str(tmp_path))
    rows = pq.read_table(next(tmp_path.glob("*.parquet"))).to_pylist()
    groups = {}
    for row in rows:
        groups.setdefault(row["group_id"], {})[row["variety"]] = row["text"]
    assert sorted(groups.values(), key=len) == [
        {tag: TEXTS[tag][1] for tag in ("fur", "it", "lij")},
        {tag: TEXTS[tag][0] for tag in ("fur", "it", "lij", "lmo")},
    ]
    assert {(row["varieties"], row["weakest_margin"], row["consensus"]) for row in rows} == {(4, 1.5, 1), (3, 1.25, 1)}
    assert [(row["group_id"], row["variety"]) for row in rows] == sorted(
        (row["group_id"], row["variety"]) for row in rows
    )
