"""Identify: find the variety of each sentence.

What goes in: sentences. What comes out: the same sentences with `variety`, `variety_probability` and
`varieties`. Nothing is rejected: what cannot be told is `und`. Order and duplicates have no effect. Cost: that
of the model, which is loaded once a worker; the embedded one takes some microseconds a sentence.
"""

from dataclasses import dataclass, field

import apache_beam as beam

from schemas.sentence import SentenceBatch
from transforms.common.stage import MapBatches, Outcome
from transforms.identify.function import IdentifySentences, check_settings
from transforms.identify.settings import IdentifySettings


@dataclass(eq=False, kw_only=True)
class Identify(beam.PTransform):  # type: ignore[misc]
    """Identify sentences.

    Attributes:
        settings: which model, and when its answer is taken.
        expected: tags that can occur; empty: any that the model knows.
    """

    settings: IdentifySettings = field(default_factory=IdentifySettings)
    expected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__init__()
        check_settings(self.settings, self.expected)

    def expand(self, sentences: beam.PCollection[SentenceBatch]) -> Outcome:
        """Run the model on every batch."""
        outcome: Outcome = sentences | "Identify" >> MapBatches(
            stage="identify",
            unit="sentence",
            make_function=IdentifySentences(self.settings, tuple(self.expected)),
            given=SentenceBatch,
            made=SentenceBatch,
            variety="language_hint",
        )
        return outcome
