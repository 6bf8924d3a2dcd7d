"""Two models in cascade: a wide one that knows many varieties, and a narrow one for a few close ones.

With q the probabilities of the wide model, G the varieties that the narrow one decides among and n its probabilities,

    p(t) = q(t)                              for t outside of G,
    p(t) = n(t) * sum of q(u) over u in G    for t that the narrow model knows.

The wide model says how much there is of the group, the narrow one who gets it. Where both are calibrated so is the
product, on lines like those that the narrow model was calibrated on. A line of which the narrow model makes nothing is
divided as the wide one divides it, or evenly.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.variety import find, labels_of
from transforms.identify.calibration import Calibration
from transforms.identify.interface import Identifier

SCHEME = "isogloss"
LEAST_MASS = 1e-5
"""Probability of the group below which the narrow model is not asked."""

Described = tuple[Sequence[str], str]
"""Labels of a model and their scheme."""


class CascadeIdentifier:
    """A wide and a narrow model as one; its labels are BCP 47 tags.

    Args:
        wide: says how much probability the group has.
        narrow: divides it.
        among: tags of the group; empty: those that the narrow model knows, and their parts.

    Raises:
        SettingsError: the wide model knows none of the group, or the narrow one has labels without a variety.
    """

    def __init__(self, wide: Identifier, narrow: Identifier, among: Sequence[str] = ()) -> None:
        described = ((wide.labels, wide.scheme), (narrow.labels, narrow.scheme))
        self.labels = cascade_labels(*described, among)
        self.scheme = SCHEME
        known = narrow.calibration
        # Its sharpness serves the close varieties; its sets were fitted without the others, so they promise nothing here.
        self.calibration = (
            Calibration(intercept=known.intercept, slope=known.slope, lines=known.lines) if known else None
        )
        self._wide, self._narrow = wide, narrow
        place = {tag: column for column, tag in enumerate(self.labels)}
        tags = _tags(*described[0])
        group = _group(described, among)
        self._in_group = np.array([tag in group for tag in tags])
        self._column = np.array([place.get(tag, -1) for tag in tags], dtype=np.int64)
        self._narrow_column = np.array([place[tag] for tag in _tags(*described[1])], dtype=np.int64)

    def identify(self, texts: pa.StringArray) -> NDArray[np.float32]:
        """Give the probability of every label: (n, labels)."""
        wide = self._wide.identify(texts)
        made = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        for label in np.flatnonzero(~self._in_group).tolist():
            made[:, self._column[label]] += wide[:, label]
        mass = wide[:, self._in_group].sum(axis=1)
        asked = np.flatnonzero(mass >= LEAST_MASS)
        shares = np.zeros((len(texts), len(self._narrow_column)), dtype=np.float32)
        if len(asked):
            shares[asked] = self._narrow.identify(texts.take(pa.array(asked)))
        unknown = np.flatnonzero(~shares.any(axis=1))
        shares[unknown] = self._fallback(wide[unknown])
        for label, column in enumerate(self._narrow_column.tolist()):
            made[:, column] += shares[:, label] * mass
        return made

    def _fallback(self, wide: NDArray[np.float32]) -> NDArray[np.float32]:
        """Divide as the wide model does among the varieties that both know; evenly where it knows none."""
        own = np.zeros((len(wide), len(self._narrow_column)), dtype=np.float32)
        for label, column in enumerate(self._narrow_column.tolist()):
            own[:, label] = wide[:, self._in_group & (self._column == column)].sum(axis=1)
        total = own.sum(axis=1, keepdims=True)
        even = np.float32(1 / own.shape[1])
        made: NDArray[np.float32] = np.where(total > 0, own / np.where(total > 0, total, 1), even).astype(np.float32)
        return made


def cascade_labels(wide: Described, narrow: Described, among: Sequence[str] = ()) -> tuple[str, ...]:
    """Give the labels of a cascade: those of the wide model outside of the group, then those of the narrow one.

    Raises:
        SettingsError: as `CascadeIdentifier`.
    """
    group = _group((wide, narrow), among)
    outside = (tag for tag in _tags(*wide) if tag not in group)
    return tuple(dict.fromkeys([*outside, *_tags(*narrow)]))


def _group(described: tuple[Described, Described], among: Sequence[str]) -> set[str]:
    wide, narrow = (_tags(*entry) for entry in described)
    strange = [tag for tag in narrow if ":" in tag]
    if strange:
        raise SettingsError(
            f"the registry does not know the label {strange[0].partition(':')[2]!r} of the narrow model",
            path="$.identify.cascade.model",
            cure="Train with BCP 47 tags as labels, or name the label in schemas/varieties/*.toml.",
        )
    wanted = []
    for name in among:
        variety = find(name)
        if variety is None:
            raise SettingsError(
                f"the variety {name!r} is not in the registry",
                path="$.identify.cascade.among",
                cure="See `isogloss varieties`.",
            )
        wanted.append(variety.tag)
    wanted = wanted or list(narrow)
    # Where the wide model knows the whole only (`rm` for `rm-sursilv`), or parts only, these stand for what is wanted.
    group = {tag for tag in wide if any(tag == known or tag.startswith(f"{known}-") for known in wanted)}
    for known in wanted:
        whole = known
        while whole and whole not in wide:
            whole = whole.rpartition("-")[0]
        if whole:
            group.add(whole)
    if not group:
        raise SettingsError(
            f"the wide model knows none of the varieties that the narrow one decides among: {', '.join(wanted)}",
            path="$.identify.cascade.among",
            cure="Name the varieties of the wide model that the narrow one divides, such as `ar` for Moroccan and Egyptian.",
        )
    return group


def _tags(labels: Sequence[str], scheme: str) -> list[str]:
    """Give the tag of each label; `scheme:label` where the registry knows none."""
    known = labels_of(scheme)
    return [known.get(label, f"{scheme}:{label}") for label in labels]
