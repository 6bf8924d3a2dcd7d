"""The run's own lines teach the model; and do no harm."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that

from schemas.errors import SettingsError
from schemas.identity import content_id
from schemas.sentence import SentenceBatch, sentence_id
from transforms.identify import (
    Identify,
    IdentifySettings,
    LearnFromSentences,
    SentenceIdentifier,
    adapt_to_lines,
    divide,
    train_identifier,
)
from transforms.identify.adaptation import (
    RECIPE,
    Adaptation,
    counts_of,
    fit_adaptation,
    folds_of,
    joined_samples,
    sample_of,
)
from transforms.identify.function import Learned
from transforms.identify.text import as_column, prepare_column

WORDS = {
    0: [
        "gatto",
        "è",
        "sul",
        "tetto",
        "della",
        "casa",
        "bella",
        "ragazze",
        "vanno",
        "scuola",
        "giorni",
        "notte",
        "sera",
        "mattina",
        "pane",
        "vino",
        "acqua",
        "fuoco",
    ],
    1: [
        "gjat",
        "al",
        "è",
        "parsore",
        "dal",
        "cuviert",
        "cjase",
        "biele",
        "fantatis",
        "scuele",
        "dîs",
        "gnot",
        "sere",
        "matine",
        "pan",
        "vin",
        "aghe",
        "fûc",
    ],
}


def a_run(lines=400, sure=0.3, right=0.75):
    """Make lines of two varieties, and a model that is sure of some and often wrong on the others."""
    random = np.random.default_rng(5)
    truth = np.arange(lines) % 2
    texts = [" ".join(random.choice(WORDS[kind], 5)) for kind in truth.tolist()]
    is_sure = random.random(lines) < sure
    is_right = is_sure | (random.random(lines) < right)
    best = np.where(is_sure, 0.98, 0.6)
    answer = np.where(is_right, truth, 1 - truth)
    known = np.where(answer[:, None] == np.arange(2), best[:, None], 1 - best[:, None]).astype(np.float32)
    return prepare_column(as_column(texts), RECIPE), known, truth


def test_lines_teach_what_the_model_did_not_know():
    lines, known, truth = a_run()
    adaptation, report = fit_adaptation(lines, known)
    assert report.is_used
    adapted = adaptation.apply(lines, known)
    assert (adapted.argmax(axis=1) == truth).mean() > (known.argmax(axis=1) == truth).mean() + 0.1
    assert adapted.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_order_of_the_lines_has_no_effect():
    lines, known, _ = a_run()
    turned = np.random.default_rng(2).permutation(len(lines))
    other = type(lines)(lines.data, lines.starts[turned], lines.ends[turned])
    first, report = fit_adaptation(lines, known)
    second, again = fit_adaptation(other, known[turned])
    assert np.array_equal(first.tables, second.tables)
    assert report == again


def test_lines_that_contradict_a_sure_model_are_not_believed():
    lines, known, _ = a_run(right=1.0)
    random = np.random.default_rng(3)
    noise = random.permutation(len(known))
    adaptation, report = fit_adaptation(lines, np.where(known > 0.5, 0.98, 0.02).astype(np.float32)[noise])
    assert adaptation is None
    assert "agree with the model" in report.why


def test_too_few_lines_teach_nothing():
    lines, known, _ = a_run(lines=20)
    adaptation, report = fit_adaptation(lines, known)
    assert adaptation is None
    assert report.why == "too few lines or varieties"


def test_a_model_that_is_sure_of_nothing_is_left_alone():
    lines, known, _ = a_run(sure=0.0)
    adaptation, report = fit_adaptation(lines, known)
    assert adaptation is None
    assert "of fewer than 20 lines" in report.why


def labelled_counts():
    texts = [" ".join(words) for words in WORDS.values()]
    return counts_of(prepare_column(as_column(texts), RECIPE), np.eye(2))


def test_counts_of_labelled_lines_help():
    lines, known, truth = a_run(lines=120, sure=0.2, right=0.65)
    alone, _ = fit_adaptation(lines, known)
    helped, report = fit_adaptation(lines, known, labelled_counts())
    assert report.is_used
    right = (helped.apply(lines, known).argmax(axis=1) == truth).mean()
    assert right >= 0.95
    assert alone is None or right >= (alone.apply(lines, known).argmax(axis=1) == truth).mean()


@pytest.mark.parametrize("share", [0.0, 0.03])
def test_a_text_of_one_variety_stays_what_it_is(share):
    lines, known, truth = a_run(lines=600, right=0.8)
    kept = (truth == 0) | (np.random.default_rng(7).random(600) < share)
    text = type(lines)(lines.data, lines.starts[kept], lines.ends[kept])
    adaptation, _ = fit_adaptation(text, known[kept], labelled_counts())
    adapted = known[kept] if adaptation is None else adaptation.apply(text, known[kept])
    assert (adapted.argmax(axis=1) == truth[kept]).mean() >= (known[kept].argmax(axis=1) == truth[kept]).mean()


def test_foreign_lines_in_the_text_do_no_harm():
    lines, known, truth = a_run()
    foreign = [
        f"wir sehen {['das', 'der', 'die', 'den', 'dem', 'des'][n % 6]} haus nummer {'abcdefgh'[n % 8]}"
        for n in range(80)
    ]
    texts = [*lines.texts(), *foreign]
    everything = np.concatenate([known, np.tile(np.array([[0.55, 0.45]], np.float32), (80, 1))])
    mixed = prepare_column(as_column(texts), RECIPE)
    adaptation, _ = fit_adaptation(mixed, everything, labelled_counts())
    adapted = everything if adaptation is None else adaptation.apply(mixed, everything)
    assert (adapted.argmax(axis=1)[:400] == truth).mean() >= (known.argmax(axis=1) == truth).mean()


def test_a_linear_model_brings_its_counts(labelled, plan, tmp_path):
    path = tmp_path / "small.ngrams"
    train_identifier(divide(labelled, plan), path, plan)
    identifier = SentenceIdentifier(IdentifySettings(model=str(path)), ("it", "lij"))
    counts = identifier._labelled_counts()
    assert counts.shape[0] == 2
    lines = [line.text for line in labelled if line.tag == "lij"]
    whole = counts_of(prepare_column(as_column(lines), RECIPE), np.ones((len(lines), 1)))[0]
    assert counts[1].sum() <= whole.sum()
    assert set(np.flatnonzero(counts[1] > 0.5)) <= set(np.flatnonzero(whole))


def test_mass_stays_and_no_evidence_stays_none():
    lines, known, _ = a_run()
    adaptation, _ = fit_adaptation(lines, known)
    half = known * 0.5
    half[0] = 0.0
    adapted = adaptation.apply(lines, half)
    assert adapted.sum(axis=1) == pytest.approx(half.sum(axis=1), abs=1e-5)


def test_an_adaptation_comes_back_from_its_bytes():
    lines, known, _ = a_run()
    adaptation, _ = fit_adaptation(lines, known)
    again = Adaptation.from_bytes(adaptation.to_bytes())
    assert again.weight == adaptation.weight
    assert np.array_equal(again.tables, adaptation.tables)


def test_a_sample_is_that_of_its_parts():
    texts = ["linia " + "abcdefgh"[number % 8] * (1 + number % 5) for number in range(300)] + ["", "12"]
    whole = sample_of(as_column(texts), 25)
    parts = [sample_of(as_column(texts[start : start + 50]), 25) for start in range(0, 302, 50)]
    assert joined_samples(parts[::-1], 25).equals(whole)
    assert len(whole) == 25


def test_texts_that_are_read_alike_stand_once_in_a_sample():
    assert len(sample_of(as_column(["O gatto!", "o gatto", "o gatto 5"]))) == 1


def test_folds_are_about_even():
    lines, _, _ = a_run()
    assert np.bincount(folds_of(lines, 4)).min() > 0.15 * len(lines)


LINES = {
    "it": ["il gatto è sul tetto della casa", "le ragazze vanno a scuola tutti i giorni", "non sono mai stato di sera"],
    "fur": [
        "il gjat al è parsore dal cuviert de cjase",
        "lis fantatis a van a scuele ducj i dîs",
        "jo no soi mai stât",
    ],
}


def many_lines():
    pieces = [line.split() for lines in LINES.values() for line in lines]
    return [" ".join([*a, *b[i:]]) for a in pieces for b in pieces for i in range(len(b))]


def test_adaptation_needs_expected_varieties():
    with pytest.raises(SettingsError, match=r"\$\.identify\.adapt: adaptation needs to know"):
        adapt_to_lines(SentenceIdentifier(IdentifySettings()), [many_lines()])


def test_lines_are_learned_from_in_any_chunks():
    settings, lines = IdentifySettings(), many_lines()
    whole, cut = SentenceIdentifier(settings, ("it", "fur")), SentenceIdentifier(settings, ("it", "fur"))
    assert adapt_to_lines(whole, [lines]) == adapt_to_lines(cut, [lines[:20], lines[20:]])
    assert whole.answers(lines) == cut.answers(lines)


def batch_of(texts):
    document = content_id("document", "test")
    return SentenceBatch.from_rows(
        {
            "sentence_id": sentence_id(document, place, place + 1), "document_id": document, "position": place,
            "start": place, "end": place + 1, "text": text, "normalized": text, "source": "test", "robots": "none",
        }
        for place, text in enumerate(texts)
    )  # fmt: skip


def test_the_stage_learns_what_the_lines_learn():
    lines = many_lines()
    settings = IdentifySettings(adapt=True, context="none")
    identifier = SentenceIdentifier(settings, ("it", "fur"))
    adapt_to_lines(identifier, [lines])
    wanted = [answer.tag for answer in identifier.answers(lines)]
    pipeline = beam.Pipeline()
    given = pipeline | beam.Create([batch_of(lines[:30]), batch_of(lines[30:])]).with_output_types(SentenceBatch)
    taught = given | "learn" >> LearnFromSentences(settings=settings, expected=("it", "fur"))
    outcome = given | "identify" >> Identify(settings=settings, expected=("it", "fur"), taught=taught)

    def told(batches):
        found = {text: tag for b in batches for text, tag in zip(b.texts("text"), b.texts("variety"), strict=True)}
        assert [found[line] for line in lines] == wanted

    def learned(values):
        (value,) = values
        assert (Learned.from_bytes(value).adaptation == b"") == (identifier.adaptation is None)

    assert_that(outcome.made, told, label="told")
    assert_that(taught, learned, label="learned")
    pipeline.run().wait_until_finish()


def test_no_sentences_teach_nothing():
    pipeline = beam.Pipeline()
    given = pipeline | beam.Create([]).with_output_types(SentenceBatch)
    taught = given | LearnFromSentences(settings=IdentifySettings(adapt=True), expected=("it", "fur"))

    def nothing(values):
        assert [Learned.from_bytes(value) for value in values] == [Learned()]

    assert_that(taught, nothing)
    pipeline.run().wait_until_finish()
    assert len(sample_of(pa.array([], type=pa.string()))) == 0
