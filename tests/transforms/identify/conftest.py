"""A small model that the tests train."""

import pytest

from transforms.identify import Labelled, TrainingPlan, divide, train_identifier

LINES = {
    "lij": [
        "O gatto o l’é in sciô teito da casa",
        "Mi no son mai stæto à Zena de seia",
        "E figgiæ van à scheua tutti i giorni",
    ],
    "it": [
        "Il gatto è sul tetto della casa",
        "Io non sono mai stato a Genova di sera",
        "Le ragazze vanno a scuola tutti i giorni",
    ],
    "fur": [
        "Il gjat al è parsore dal cuviert de cjase",
        "Jo no soi mai stât a Gjenue di sere",
        "Lis fantatis a van a scuele ducj i dîs",
    ],
    "gsw": ["D Chatz isch uf em Dach vom Huus", "Ich bi no nie z Bärn gsi am Aabe", "D Meitli göi jede Tag i d Schuel"],
}


@pytest.fixture(scope="session")
def labelled():
    words = {tag: [line.split() for line in lines] for tag, lines in LINES.items()}
    made = []
    for tag, lines in words.items():
        for first in lines:
            for second in lines:
                made += [Labelled(tag, " ".join(first[i:] + second[:j])) for i in range(4) for j in range(len(second))]
    return made


@pytest.fixture(scope="session")
def plan():
    return TrainingPlan(
        dimension=8,
        buckets=2000,
        minimum_count=1,
        epochs=15,
        least_lines=0,
        longest_ngram=3,
        quantized=False,
        fragments=False,
    )


@pytest.fixture(scope="session")
def small_model(labelled, plan, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.bin"
    train_identifier(divide(labelled, plan), path, plan)
    return path
