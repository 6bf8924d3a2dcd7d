"""The stage, the lines, the embedded model on a labelled sample."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to

from schemas.errors import SettingsError
from schemas.identity import content_id
from schemas.ledger import add_up, imbalances
from schemas.sentence import SentenceBatch, sentence_id
from transforms.identify import (
    Identify,
    IdentifySettings,
    LearnFromSentences,
    SentenceIdentifier,
    identified_batch,
    identify_lines,
)
from transforms.identify.calibration import calibration_error, reliability
from transforms.identify.function import Learned

SAMPLE = Path(__file__).resolve().parents[2] / "quality" / "identify.tsv"
LIGURIAN = "O gatto o l’é in sciô teito da casa, e o no veu chinâ zù."
ITALIAN = "Il gatto è salito sul tetto della casa e non vuole scendere."
DEMO = ("lij", "lmo", "fur", "it")


def sentences(texts, hints):
    document = content_id("document", "test")
    return SentenceBatch.from_rows(
        {
            "sentence_id": sentence_id(document, place, place + 1),
            "document_id": document,
            "position": place,
            "start": place,
            "end": place + 1,
            "text": text,
            "normalized": text,
            "language_hint": hint,
            "source": "test",
            "robots": "none",
        }
        for place, (text, hint) in enumerate(zip(texts, hints, strict=True))
    )


def sample(tags=()):
    rows = [line.split("\t") for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    return [(tag, text) for tag, text in rows if not tags or tag in tags]


def test_lines_of_the_sample_are_told(floor):
    rows = sample()
    found = identify_lines([text for _, text in rows])
    right = sum(answer.tag == tag for answer, (tag, _) in zip(found, rows, strict=True))
    assert right / len(rows) >= floor("identify.sample.accuracy")


def test_lines_of_the_demo_varieties_are_told(floor):
    rows = sample(DEMO)
    found = identify_lines([text for _, text in rows], expected=DEMO)
    right = sum(answer.tag == tag for answer, (tag, _) in zip(found, rows, strict=True))
    assert right / len(rows) >= floor("identify.sample.accuracy.demo")


def test_foreign_lines_are_undetermined():
    (found,) = identify_lines(["Les enfants jouent dans le jardin de la maison depuis ce matin."], expected=DEMO, top=2)
    assert found.tag == "und"
    assert found.probability is None
    assert found.candidates[0][0] == "fr"


@pytest.mark.parametrize("line", ["", "  ", "12:30", "…", "😀"])
def test_lines_without_letters_have_no_variety(line):
    assert identify_lines([line]) == [("und", None, ())]


def test_no_lines_give_no_answers():
    assert identify_lines([]) == []


def test_a_batch_answers_as_its_lines_do():
    lines = [text for _, text in sample()][:40]
    assert identify_lines(lines, expected=DEMO, top=3) == [
        identify_lines([line], expected=DEMO, top=3)[0] for line in lines
    ]


def test_the_stage_keeps_every_sentence_and_counts_by_hint():
    texts = ["O gatto o l’é in sciô teito da casa.", "", "Il gatto è salito sul tetto della casa."]
    batch = sentences(texts, ["lij", None, "lij"])
    pipeline = beam.Pipeline()
    outcome = pipeline | beam.Create([batch]).with_output_types(SentenceBatch) | Identify(expected=("lij", "it"))

    def told(batches):
        (made,) = batches
        assert made.texts("variety") == ["lij", "und", "it"]
        assert made.texts("sentence_id") == batch.texts("sentence_id")
        assert made.texts("variety_probability")[1] is None
        assert made.texts("varieties")[1] == []
        for tag, candidates in zip(["lij", "it"], made.texts("varieties")[::2], strict=True):
            assert candidates[0]["tag"] == tag
            assert sum(candidate["probability"] for candidate in candidates) == pytest.approx(1.0, abs=1e-5)

    def counted(batches):
        total = add_up(batches)
        assert imbalances(total) == []
        entered = {row["variety"]: row["count"] for row in total.rows() if row["outcome"] == "in"}
        assert entered == {"lij": 2, "und": 1}

    assert_that(outcome.made, told, label="told")
    assert_that(outcome.ledger, counted, label="counted")
    assert_that(outcome.rejects, equal_to([]), label="no rejects")
    pipeline.run().wait_until_finish()


def test_the_other_documents_of_its_host_speak_for_a_short_sentence():
    lines = [("a.example", LIGURIAN), ("a.example", "Casa"), ("b.example", ITALIAN), ("b.example", "Casa")]
    rows = [
        row | {"document_id": content_id("document", place), "url": f"https://{host}/{place}"}
        for place, (row, (host, _)) in enumerate(
            zip(sentences([text for _, text in lines], [None] * 4).rows(), lines, strict=True)
        )
    ]
    settings = IdentifySettings(context="host")
    pipeline = beam.Pipeline()
    given = pipeline | beam.Create([SentenceBatch.from_rows(rows)]).with_output_types(SentenceBatch)
    taught = given | "learn" >> LearnFromSentences(settings=settings, expected=("lij", "it"))
    outcome = given | "identify" >> Identify(settings=settings, expected=("lij", "it"), taught=taught)

    def told(batches):
        (made,) = batches
        alone, around = made.texts("own_probability"), made.texts("context_probability")
        assert made.texts("own_variety")[1] == made.texts("own_variety")[3]
        assert alone[1] == alone[3]
        assert around[1] != around[3]
        assert made.texts("variety") == made.texts("context_variety")

    def counted(values):
        (value,) = values
        assert Learned.from_bytes(value).hosts.hosts == ("a.example", "b.example")

    assert_that(outcome.made, told, label="told")
    assert_that(taught, counted, label="counted")
    pipeline.run().wait_until_finish()


def test_without_context_the_sentence_alone_decides():
    batch = sentences([LIGURIAN, "Casa"], [None, None])
    made = identified_batch(batch, SentenceIdentifier(IdentifySettings(context="none")))
    assert made.texts("variety") == made.texts("own_variety")
    assert made.texts("context_variety") == [None, None]
    decided_alone = identified_batch(batch, SentenceIdentifier(IdentifySettings(context_decides=False)))
    assert decided_alone.texts("variety") == made.texts("own_variety")
    assert decided_alone.texts("context_variety")[0] == "lij"


def test_a_variety_that_the_model_cannot_tell_is_refused_when_the_stage_is_made():
    with pytest.raises(SettingsError, match="cannot tell stq"):
        Identify(expected=("stq", "de"))


def test_a_missing_model_is_refused_when_the_stage_is_made():
    with pytest.raises(SettingsError, match="there is no model file"):
        Identify(settings=IdentifySettings(model="nowhere.bin"))


def test_an_unknown_backend_is_refused_when_the_stage_is_made():
    with pytest.raises(SettingsError, match="no backend 'langid'"):
        Identify(settings=IdentifySettings(backend="langid"))


@pytest.mark.slow
@pytest.mark.data
def test_the_whole_test_part(shared_data, floor):
    from pipelines.train_identifier import divided_embedded
    from transforms.identify import TrainingPlan
    from transforms.identify.model_file import model_path
    from transforms.identify.training import predict, score_report

    divided, _ = divided_embedded(shared_data, TrainingPlan())
    report = score_report(
        [line.tag for line in divided["test"]], predict(model_path("embedded"), [line.text for line in divided["test"]])
    )
    assert report["accuracy"] >= floor("identify.test.accuracy")
    assert report["macro_f1"] >= floor("identify.test.macro_f1")
    truth = np.array([line.tag for line in divided["test"]], dtype=object)
    answers = identify_lines(
        [line.text for line in divided["test"]], settings=IdentifySettings(minimum_probability=0.0)
    )
    right = np.array([answer.tag for answer in answers], dtype=object) == truth
    error = calibration_error(reliability([answer.probability or 0.0 for answer in answers], right))
    assert 1 - error >= floor("identify.test.one_minus_calibration_error")


@pytest.mark.data
def test_the_demo_varieties_on_the_test_pages(shared_data, floor):
    from pipelines.train_identifier import seed_lines

    rows = [(tag, text) for tag, text, part in seed_lines(shared_data / "oldi-seed") if part == "test" and tag in DEMO]
    found = identify_lines([text for _, text in rows], expected=DEMO)
    for variety in DEMO:
        answers = [answer.tag for answer, (tag, _) in zip(found, rows, strict=True) if tag == variety]
        assert answers.count(variety) / len(answers) >= floor(f"identify.test.accuracy.{variety}")
