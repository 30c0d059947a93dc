"""Les exercices de la leçon 1 : la bonne réponse, une autre, et ce que l'on dit à cinq réponses fausses de chacun."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from classroom import Classroom
from patients import clinical_metrics, load_patients
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

DATA = load_patients()
X, Y = pd.concat([DATA.X_train, DATA.X_valid]), pd.concat([DATA.y_train, DATA.y_valid])


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Classroom:
    return Classroom(tmp_path_factory.mktemp("classe"))


@pytest.fixture(autouse=True)
def opened(room):
    room.open()


# --- 01-1


def raw(gamma=0.03, **options):
    return make_pipeline(SVC(gamma=gamma, **options)).fit(DATA.X_train, DATA.y_train)


def measured(model, part="valid") -> dict[str, float]:
    found = clinical_metrics(getattr(DATA, f"y_{part}"), model.predict(getattr(DATA, f"X_{part}")))
    return {name: found[name] for name in ("accuracy", "sensitivity", "specificity")}


def hand_in(room, user, *models, part="valid", number="01-1", **options):
    for model in models:
        room.run(user, number, lesson="01_tracking_supervised", metrics=measured(model, part), model=model, **options)


def test_scaler_right(room):
    hand_in(room, "juste", raw(), raw(0.001))
    found = room.verdict("01-1", "juste")
    assert (found.state, found.text) == (
        "fait",
        "sans mise à l'échelle, exactitude 0.623, sensibilité 0.000 ; avec gamma=0.001, sensibilité 0.930",
    )


@pytest.mark.slow
def test_scaler_other_ways(room):
    hand_in(room, "SVC nu", SVC(gamma=0.03).fit(DATA.X_train, DATA.y_train), raw(0.0008, C=10))
    assert room.verdict("01-1", "SVC nu").state == "fait"
    hand_in(room, "sans étiquette", raw(), raw(0.001), number=None)
    assert room.verdict("01-1", "sans étiquette").state == "fait"
    for model, metrics in ((raw(), {"accuracy": 71 / 114, "recall": 0.0}), (raw(0.001), {"valid_accuracy": 108 / 114, "rappel": 40 / 43})):
        room.run("ses mots", "01-1", metrics=metrics, model=model)
    assert room.verdict("01-1", "ses mots").state == "fait"
    hand_in(room, "au second essai", raw(), part="train")
    hand_in(room, "au second essai", raw(), raw(0.001))
    assert room.verdict("01-1", "au second essai").state == "fait"


def trained_on_everything(room, user):
    model = make_pipeline(SVC(gamma=0.03)).fit(X, Y)
    room.run(user, "01-1", metrics=measured(model), model=model)


def made_up(room, user):
    """Le bon modèle, et les métriques du modèle mis à l'échelle."""
    room.run(user, "01-1", metrics={"accuracy": 0.982, "sensitivity": 0.953}, model=raw())


SCALER = {
    "toujours préparé": (
        lambda room, user: hand_in(room, user, make_pipeline(MinMaxScaler(), SVC(gamma=0.03)).fit(DATA.X_train, DATA.y_train)),
        "préparent tous les données avant le SVM",
    ),
    "un autre gamma": (lambda room, user: hand_in(room, user, raw(0.001), raw(0.01)), "gamma=0.001, C=1, gamma=0.01, C=1 : on ne change"),
    "un autre C": (lambda room, user: hand_in(room, user, raw(C=10)), "gamma=0.03, C=10 : on ne change qu'une chose à la fois"),
    "sur l'apprentissage": (
        lambda room, user: hand_in(room, user, raw(), part="train"),
        "`accuracy` (1.000) porte sur l'apprentissage : d'où viennent vos prédictions ?",
    ),
    "sur le test": (lambda room, user: hand_in(room, user, raw(), part="test"), "porte sur le test, qui ne s'ouvre pas pour choisir"),
    "la classe bénigne": (
        lambda room, user: room.run(user, "01-1", metrics={"accuracy": 71 / 114, "sensitivity": 1.0}, model=raw()),
        "`sensitivity` (1.000) porte sur l'apprentissage",  # ici, les deux méprises donnent la même valeur
    ),
    "métriques inventées": (made_up, "`accuracy` vaut 0.982, mais le modèle du même run donne 0.6228"),
    "métrique absente": (
        lambda room, user: room.run(user, "01-1", metrics={"accuracy": 71 / 114}, model=raw()),
        "il manque la métrique `sensitivity`",
    ),
    "appris sur tout": (trained_on_everything, "a appris aussi sur la validation : il en faut 341"),
    "la moitié": (lambda room, user: hand_in(room, user, raw()), "la première moitié y est. Reste un gamma"),
    "pas assez sensible": (lambda room, user: hand_in(room, user, raw(), raw(1e-7)), "votre meilleur essai : 0.698"),
    "second inventé": (
        lambda room, user: [
            hand_in(room, user, raw()),
            room.run(user, "01-1", metrics={"accuracy": 0.99, "sensitivity": 0.99}, model=raw(1e-7)),
        ],
        "`accuracy` vaut 0.99, mais le modèle du même run",
    ),
    "pas un SVM": (
        lambda room, user: hand_in(room, user, DecisionTreeClassifier(max_depth=2).fit(DATA.X_train, DATA.y_train)),
        "il y a un DecisionTreeClassifier, pas un SVM",
    ),
    "sans modèle": (
        lambda room, user: room.run(user, "01-1", metrics=measured(raw())),
        "n'a pas de modèle : sans lui, rien ne se recalcule",
    ),
    "interrompu": (lambda room, user: hand_in(room, user, raw(), status="RUNNING"), "n'est pas fini (RUNNING)"),
    "en échec": (lambda room, user: hand_in(room, user, raw(), status="FAILED"), "a échoué (FAILED)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCALER)
def test_scaler_wrong(room, name):
    answer, said = SCALER[name]
    answer(room, name)
    assert said in room.remark("01-1", name)


# --- 01-2


@cache
def distances(gamma=0.03, C=1.0) -> np.ndarray:
    model = make_pipeline(StandardScaler(), SVC(gamma=gamma, C=C))
    return cross_val_predict(model, X, Y, cv=StratifiedKFold(5, shuffle=True, random_state=0), method="decision_function")


@cache
def fitted(gamma=0.03, C=1.0):
    return make_pipeline(StandardScaler(), SVC(gamma=gamma, C=C)).fit(X, Y)


def at(threshold: float, scores=None) -> dict[str, float]:
    found = clinical_metrics(Y, ((distances() if scores is None else scores) >= threshold).astype(float))
    return {"cv_sensitivity": found["sensitivity"], "cv_specificity": found["specificity"]}


LIMIT = float(distances()[Y == 1.0].min())


def seuil(room, user, threshold=LIMIT, metrics=None, **options):
    given = {
        "number": "01-2",
        "params": {"threshold": threshold},
        "metrics": at(threshold) if metrics is None else metrics,
        "model": fitted(),
    }
    room.run(user, **{**given, **options})


@pytest.mark.slow
def test_threshold_right(room):
    seuil(room, "juste")
    found = room.verdict("01-2", "juste")
    assert (found.state, found.text) == ("fait", "au seuil -1.812, 170 tumeurs malignes sur 170 et 174 fausses alertes sur 285")


@pytest.mark.slow
def test_threshold_other_ways(room):
    seuil(room, "arrondi", round(LIMIT, 4), metrics=at(LIMIT))
    assert room.verdict("01-2", "arrondi").state == "fait"
    other = float(distances(0.01, 10.0)[Y == 1.0].min())
    seuil(room, "autre SVM", other, metrics=at(other, distances(0.01, 10.0)), model=fitted(0.01, 10.0))
    assert room.verdict("01-2", "autre SVM").state == "fait"
    seuil(room, "sans étiquette", number=None, lesson="01_tracking_supervised")
    assert room.verdict("01-2", "sans étiquette").state == "fait"
    seuil(room, "second essai", 0.0)
    seuil(room, "second essai")
    seuil(room, "second essai", -3.0)
    assert room.verdict("01-2", "second essai").state == "fait"


@pytest.mark.slow
def test_threshold_by_probability(room):
    """Une forêt n'a pas de distance, mais une probabilité : le même seuil s'y place."""
    forest = RandomForestClassifier(n_estimators=10, random_state=0)
    scores = cross_val_predict(forest, X, Y, cv=StratifiedKFold(5, shuffle=True, random_state=0), method="predict_proba")[:, 1]
    limit = float(scores[Y == 1.0].min())
    seuil(room, "forêt", limit, metrics=at(limit, scores), model=forest.fit(X, Y))
    assert room.verdict("01-2", "forêt").state == "fait"


THRESHOLD = {
    "celui de predict": (lambda room, user: seuil(room, user, 0.0), "au seuil 0.000, 10 tumeurs malignes sur 170 restent manquées"),
    "pas assez bas": (lambda room, user: seuil(room, user, -0.9), "au seuil -0.900, 2 tumeurs malignes sur 170 restent manquées"),
    "trop bas": (lambda room, user: seuil(room, user, -2.5), "plus bas que nécessaire : 285 fausses alertes"),
    "le signe": (lambda room, user: seuil(room, user, -LIMIT), "à l'opposé, aucune : quel signe ?"),
    "sur les tumeurs apprises": (
        lambda room, user: seuil(room, user, float(fitted().decision_function(X)[Y == 1.0].min())),
        "suffit aux tumeurs que le modèle a apprises ; en validation croisée, il en manque",
    ),
    "les métriques de predict": (lambda room, user: seuil(room, user, metrics=at(0.0)), "est celle du seuil d'origine, celui de `predict`"),
    "les bonnes, mais apprises": (
        lambda room, user: seuil(room, user, metrics=at(LIMIT, fitted().decision_function(X))),
        "porte sur les tumeurs apprises : prenez les distances de la validation croisée",
    ),
    "le complément": (
        lambda room, user: seuil(room, user, metrics={"cv_sensitivity": 1.0, "cv_specificity": 174 / 285}),
        "`cv_specificity` (0.611) est la part des fausses alertes, son complément",
    ),
    "spécificité inventée": (
        lambda room, user: seuil(room, user, metrics={"cv_sensitivity": 1.0, "cv_specificity": 0.98}),
        "`cv_specificity` vaut 0.98, mais le modèle du même run donne 0.3895",
    ),
    "seuil non noté": (lambda room, user: seuil(room, user, params={}), "il manque le paramètre `threshold`"),
    "seuil en lettres": (lambda room, user: seuil(room, user, params={"threshold": "bas"}), "vaut « bas », qui n'est pas un nombre"),
    "sans modèle": (lambda room, user: seuil(room, user, model=None), "n'a pas de modèle"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", THRESHOLD)
def test_threshold_wrong(room, name):
    answer, said = THRESHOLD[name]
    answer(room, f"seuil {name}")
    assert said in room.remark("01-2", f"seuil {name}")


# --- 01-3


GRID = [(C, gamma) for C in (0.1, 1.0, 10.0, 100.0, 1000.0) for gamma in (0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)]


def sweep(room, user, points=35, models=((1.0, 0.003),), forged=None) -> dict[tuple, str]:
    """Le balayage de la leçon, ses métriques recalculées ; les modèles, pour les couples de `models` seulement."""
    parent = room.run(user, lesson="01_tracking_supervised", name="svm balayage", tags={"grid": "C gamma"})
    found = {(None, None): parent}
    for C, gamma in GRID[:points]:
        metrics = at(0.0, distances(gamma, C)) | ((forged or {}).get((C, gamma), {}))
        model = fitted(gamma, C) if (C, gamma) in models else None
        params = {"C": C, "gamma": gamma}
        found[C, gamma] = room.run(
            user,
            lesson="01_tracking_supervised",
            name=f"C={C:g} gamma={gamma:g}",
            params=params,
            metrics=metrics,
            parent=parent,
            model=model,
        )
    return found


@pytest.fixture(scope="module")
def swept(room) -> dict[tuple, str]:
    room.open()
    return sweep(room, "balayage", models=((1.0, 0.003), (1000.0, 0.001), (1.0, 0.001), (100.0, 0.003)))


@pytest.fixture
def answer(room, swept):
    """Étiquette un couple du balayage, le temps d'un test."""
    tagged = []

    def hand(point, **tags):
        given = {"exercise": "01-3", "candidates": "8", "mlflow.note.content": "Une fausse alerte au plus ; le plus sensible.", **tags}
        for key, value in given.items():
            room.client.set_tag(swept[point], key, value)
        tagged.append(swept[point])

    yield hand
    for run_id in tagged:
        for key in ("exercise", "candidates", "mlflow.note.content"):
            if key in room.client.get_run(run_id).data.tags:
                room.client.delete_tag(run_id, key)


@pytest.mark.slow
def test_query_right(room, answer):
    answer((1.0, 0.003))
    found = room.verdict("01-3", "balayage")
    said = "8 couples tiennent la contrainte ; « C=1 gamma=0.003 » trouve 154 tumeurs malignes sur 170"
    assert (found.state, found.text) == ("fait", said)


@pytest.mark.slow
def test_query_counted_over_everything_is_accepted(room, answer):
    """Un run de plus, hors du balayage, tient la contrainte : 9 est alors une réponse aussi juste que 8."""
    run_id = room.run("balayage", lesson="01_tracking_supervised", metrics={"cv_sensitivity": 0.5, "cv_specificity": 1.0})
    answer((1.0, 0.003), candidates="9")
    assert room.verdict("01-3", "balayage").state == "fait"
    room.client.delete_run(run_id)
    assert "l'étiquette `candidates` dit 9 couples : revoyez le filtre" in room.remark("01-3", "balayage")


QUERY = {
    "le plus sensible": ((1000.0, 0.001), {}, "« C=1000 gamma=0.001 » donne 6 fausses alertes sur 285 ; il en faut une au plus"),
    "le plus exact": ((100.0, 0.003), {}, "donne 3 fausses alertes sur 285"),
    "aucune fausse alerte": ((1.0, 0.001), {}, "tient la contrainte, mais un autre couple qui la tient trouve plus de tumeurs"),
    "le balayage compté": ((1.0, 0.003), {"candidates": "35"}, "dit 35 couples : c'est le balayage entier, que garde votre filtre ?"),
    "mal compté": ((1.0, 0.003), {"candidates": "4"}, "dit 4 couples : revoyez le filtre"),
    "description vide": ((1.0, 0.003), {"mlflow.note.content": " "}, "il manque l'étiquette `mlflow.note.content` (la description)"),
    "description brève": ((1.0, 0.003), {"mlflow.note.content": "ok"}, "dit « ok » : dans six mois, personne n'en saura plus"),
    "compte vide": ((1.0, 0.003), {"candidates": ""}, "il manque l'étiquette `candidates`"),
    "le parent": ((None, None), {}, "n'est pas un couple du balayage : c'est un de ses enfants"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUERY)
def test_query_wrong(room, answer, name):
    point, tags, said = QUERY[name]
    answer(point, **tags)
    assert said in room.remark("01-3", "balayage")


@pytest.mark.slow
def test_query_two_answers(room, answer):
    answer((1.0, 0.003))
    answer((1000.0, 0.001))
    assert "2 runs portent l'étiquette `exercise = 01-3` : une question, une réponse" in room.remark("01-3", "balayage")


@pytest.mark.slow
def test_query_half_a_sweep(room):
    found = sweep(room, "à moitié", points=12)
    room.client.set_tag(found[1.0, 0.003], "exercise", "01-3")
    assert "ce balayage n'a que 12 couples finis sur 35" in room.remark("01-3", "à moitié")


@pytest.mark.slow
def test_query_forged_sweep(room):
    """Un couple dont la sensibilité est inventée l'emporte ; son modèle le dément."""
    found = sweep(room, "faussaire", models=((1.0, 0.001),), forged={(1.0, 0.001): {"cv_sensitivity": 0.99}})
    room.client.set_tag(found[1.0, 0.001], "exercise", "01-3")
    assert "la sensibilité notée par « C=1 gamma=0.001 » n'est pas celle de son modèle" in room.remark("01-3", "faussaire")
