"""A small corpus: real sentences in four varieties, scored, published by the real stage."""

import apache_beam as beam
import pyarrow as pa
import pytest

from schemas.identity import content_id
from schemas.pair import PairBatch, pair_id
from schemas.score import score_field
from transforms.common.checkpoint import FinishCheckpoint, Plan
from transforms.publish import Publish, PublishSettings

CC = "https://creativecommons.org/licenses/by-sa/4.0/"
SENTENCES = [
    ("lij", "O porto de Zena o l'é grande.", "it", "Il porto di Genova è grande."),
    ("lij", "Bondì.", "it", "Buongiorno."),
    ("lij", "Gh'é do vento <fòrte> & ciêuve.", "it", "C'è vento <forte> & piove."),
    ("lmo", "Quand la tüsa gh’avea dersett ànn.", "it", "Quando la ragazza aveva diciassette anni."),
    ("lmo", "El dì l'è bel.", "it", "Il giorno è bello."),
    ("fur", "La cjase e je grande.", "it", "La casa è grande."),
    ("fur", "O soi a Udin.", "it", "Sono a Udine."),
]
SCORES = (
    score_field("copy", "Share of characters that are the same.", range="0 to 1", better="neither"),
    score_field(
        "numbers", "Share of numbers found on both sides; null without numbers.", range="0 to 1", better="higher"
    ),
)


def make_pairs(sentences=SENTENCES, margins=None, copies=None, numbers=None, aligned=True):
    rows = []
    for i, (source, source_text, target, target_text) in enumerate(sentences):
        sides = {}
        for side, tag, text in (("source", source, source_text), ("target", target, target_text)):
            sides |= {
                f"{side}_id": content_id("sentence", tag, text),
                f"{side}_document_id": content_id("document", tag, i // 2),
                f"{side}_variety": tag,
                f"{side}_variety_probability": 0.9,
                f"{side}_text": text,
                f"{side}_normalized": text.lower(),
                f"{side}_url": f"https://example.org/{tag}/{i // 2}.html",
                f"{side}_licence": CC if tag != "fur" else None,
                f"{side}_robots": "allowed" if tag != "lmo" else "none",
            }
        words = (source_text.split(), target_text.split())
        rows.append(
            {
                "pair_id": pair_id(sides["source_id"], sides["target_id"]),
                **sides,
                "direction": "both",
                "source_tokens": words[0] if aligned else None,
                "target_tokens": words[1] if aligned else None,
                "links": [{"source": n, "target": n, "probability": 0.5} for n in range(min(map(len, words)))]
                if aligned
                else None,
                "cosine": 0.5,
                "margin": margins[i] if margins else 1.0 + i / 10,
            }
        )
    batch = PairBatch.from_rows(rows)
    columns = {
        "copy": pa.array(copies or [0.1] * len(rows), pa.float32()),
        "numbers": pa.array(numbers or [None] * len(rows), pa.float32()),
    }
    return batch.with_scores(SCORES, columns)


def publish_pairs(folder, batches, settings=None, name="corpus"):
    """Run the stage on batches, finish the checkpoint, give its folder."""
    settings = settings or PublishSettings()
    plan = Plan(folder=str(folder / name), table="corpus", version=1, code="0.test", configuration={"name": "test"})
    with beam.Pipeline() as pipeline:
        written = pipeline | beam.Create(batches) | "publish" >> Publish(settings=settings, folder=plan.folder)
        written._asdict() | FinishCheckpoint(plan=plan)
    return plan.folder


@pytest.fixture(scope="session")
def make():
    """Make scored pairs; see `make_pairs`."""
    return make_pairs


@pytest.fixture(scope="session")
def publish():
    """Publish batches of pairs; see `publish_pairs`."""
    return publish_pairs


@pytest.fixture
def pairs():
    return make_pairs()


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A corpus of three variety pairs, one pair left out; tests must not change it."""
    return publish_pairs(
        tmp_path_factory.mktemp("published"), [make_pairs()], PublishSettings(minimum={"margin": 1.05})
    )
