"""Scores of batches and of plain text pairs: pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from schemas.identity import content_id
from schemas.pair import LINK, PairBatch, pair_id
from schemas.table import UNDETERMINED
from transforms.score.characters import CharacterModel, count_texts
from transforms.score.registry import all_scores, score_fields, wants_models


def score_batch(
    pairs: PairBatch, names: Sequence[str] = (), *, models: Mapping[str, CharacterModel] | None = None
) -> PairBatch:
    """Put scores behind the columns of pairs.

    Args:
        pairs: with or without words and links; scores that need them are null without.
        names: columns or families; none: all.
        models: a character model a variety; without one, fluency is null, or stays as the pairs have it already.
    """
    fields = score_fields(names)
    wanted = {spec.name for spec in fields}
    asked = set(wanted)
    for score in all_scores():
        if wanted & {spec.name for spec in score.fields}:
            asked.update(score.needs)
    columns: dict[str, pa.Array] = {}
    for score in sorted(all_scores(), key=lambda score: bool(score.needs)):
        mine = [spec for spec in score.fields if spec.name in asked]
        if score.learns and models is None:  # measured before, or never
            present = set(pairs.data.schema.names)
            columns |= {
                spec.name: pairs.column(spec.name) if spec.name in present else pa.nulls(len(pairs), spec.type)
                for spec in mine
            }
            continue
        if not mine:
            continue
        given = pairs
        if score.needs:
            needed = [spec for other in all_scores() for spec in other.fields if spec.name in score.needs]
            given = pairs.with_scores(needed, columns)
        computed = score.compute(given, models) if score.learns else score.compute(given)
        for spec in mine:
            columns[spec.name] = computed[spec.name].cast(spec.type)
    return pairs.with_scores(fields, columns)


def score_pairs(
    pairs: Sequence[tuple[str, str]],
    names: Sequence[str] = (),
    *,
    aligned: Sequence[Any] | None = None,
    source_variety: str = UNDETERMINED,
    target_variety: str = UNDETERMINED,
    source_probabilities: Sequence[float | None] | None = None,
    target_probabilities: Sequence[float | None] | None = None,
    learn_fluency: bool = False,
) -> pa.Table:
    """Score plain text pairs.

    Args:
        pairs: source and target texts.
        names: columns or families; none: all.
        aligned: what `transforms.align.align_pairs` gives for these pairs (`source_tokens`, `target_tokens`,
            `links`); without it, scores that need links are null.
        source_variety, target_variety: BCP 47 tags, where they are known.
        source_probabilities, target_probabilities: of the varieties; without them, identification is null.
        learn_fluency: learn a character model of each side from these very texts; without, fluency is null.

    Returns:
        A column a score, a row a pair, in order.

    Example:
        >>> score_pairs([("Doî libbri", "Due libri")], ["length_ratio"])["length_ratio"].to_pylist()
        [0.8999999761581421]
    """
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    ids = [
        [content_id("line", side, i, text) for i, text in enumerate(texts)]
        for side, texts in (("s", sources), ("t", targets))
    ]
    nothing = [""] * len(pairs)
    found = list(aligned) if aligned is not None else []
    batch = PairBatch.from_columns(
        {
            "pair_id": [pair_id(a, b) for a, b in zip(*ids, strict=True)],
            "direction": ["both"] * len(pairs),
            "source_tokens": [pair.source_tokens for pair in found] if found else None,
            "target_tokens": [pair.target_tokens for pair in found] if found else None,
            "links": pa.array([[_link(link) for link in pair.links] for pair in found], type=pa.list_(LINK))
            if found
            else None,
        }
        | _side("source", ids[0], sources, source_variety, source_probabilities, nothing)
        | _side("target", ids[1], targets, target_variety, target_probabilities, nothing)
    )
    models: dict[str, CharacterModel] = {}
    if learn_fluency and wants_models(names):
        by_tag: dict[str, list[str]] = {}
        for tag, texts in (("source", sources), ("target", targets)):
            by_tag.setdefault(tag, []).extend(texts)
        models = {tag: CharacterModel.of(count_texts(texts)) for tag, texts in by_tag.items()}
        batch = batch.replace(source_variety=["source"] * len(pairs), target_variety=["target"] * len(pairs))
    scored = score_batch(batch, names, models=models)
    fields = score_fields(names)
    return pa.Table.from_arrays([scored.column(spec.name) for spec in fields], schema=pa.schema(fields))


def _link(link: Any) -> dict[str, Any]:
    return {"source": link.source, "target": link.target, "probability": link.probability}


def _side(
    side: str,
    ids: list[str],
    texts: list[str],
    variety: str,
    probabilities: Sequence[float | None] | None,
    nothing: list[str],
) -> dict[str, Any]:
    return {
        f"{side}_id": ids,
        f"{side}_document_id": nothing,
        f"{side}_variety": [variety] * len(texts),
        f"{side}_variety_probability": pa.array(probabilities, type=pa.float32())
        if probabilities is not None
        else None,
        f"{side}_text": texts,
        f"{side}_normalized": texts,
        f"{side}_robots": ["not_checked"] * len(texts),
    }
