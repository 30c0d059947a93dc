"""Les exercices de la leçon 1 : la bonne réponse, une autre, et ce que l'on dit aux réponses
fausses.
"""

import numpy as np
from answers_01 import (
    DATA,
    LESSON,
    X,
    Y,
    at,
    distances,
    fitted,
    limit,
    made_up,
    measured,
    query,
    raw,
    scaler,
    sweep,
    threshold,
    tracking,
    tree,
)
from classroom import each
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

OTHER_WORDS = (
    {"accuracy": 71 / 114, "recall": 0.0},
    {"valid_accuracy": 108 / 114, "rappel": 40 / 43},
)


def judge_by(me, scores, model):
    threshold(me, limit(scores), metrics=at(limit(scores), scores), model=model)


def forest(me):
    """Une forêt n'a pas de distance, mais une probabilité : le même seuil s'y place."""
    model = RandomForestClassifier(n_estimators=10, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    judge_by(
        me, cross_val_predict(model, X, Y, cv=folds, method="predict_proba")[:, 1], model.fit(X, Y)
    )


def one_more(me, found: str):
    """Un run hors du balayage tient la contrainte : compté, 9 couples ; sinon, 8."""
    me.run(lesson=LESSON, metrics={"cv_sensitivity": 0.5, "cv_specificity": 1.0})
    query(me, candidates=found)


RIGHT = {
    "01-0 juste": (tracking, "max_depth=3, exactitude 0.916 ; l'arbre se recharge"),
    "01-0 un autre réglage": (lambda me: tracking(me, tree(5), depth=5),),
    "01-0 au second essai": (lambda me: [tracking(me, part="train"), tracking(me)],),
    "01-1 juste": (
        lambda me: scaler(me, raw(), raw(0.001)),
        "exactitude 0.623, sensibilité 0.000 ; avec gamma=0.001, sensibilité 0.930",
    ),
    "01-1 SVC nu": (
        lambda me: scaler(me, SVC(gamma=0.03).fit(DATA.X_train, DATA.y_train), raw(0.0008, C=10)),
    ),
    "01-1 ses mots": (
        lambda me: [
            scaler(me, raw(gamma), metrics=said)
            for gamma, said in zip((0.03, 0.001), OTHER_WORDS, strict=True)
        ],
    ),
    "01-1 au second essai": (
        lambda me: [scaler(me, raw(), part="train"), scaler(me, raw(), raw(0.001))],
    ),
    "01-2 juste": (
        threshold,
        "au seuil -1.812, 170 tumeurs malignes sur 170 et 174 fausses alertes sur 285",
    ),
    "01-2 arrondi": (lambda me: threshold(me, round(limit(), 4), metrics=at(limit())),),
    "01-2 autre SVM": (lambda me: judge_by(me, distances(0.01, 10.0), fitted(0.01, 10.0)),),
    "01-2 une forêt": (forest,),
    "01-2 second essai": (lambda me: [threshold(me, value) for value in (0.0, None, -3.0)],),
    "01-3 juste": (
        query,
        "8 couples tiennent la contrainte ; "
        "« C=1 gamma=0.003 » trouve 154 tumeurs malignes sur 170",
    ),
    "01-3 un run de plus, non compté": (lambda me: one_more(me, "8"),),
}

WRONG = {
    "01-0 une autre expérience": (
        lambda me: tracking(me, lesson="02_tracking_unsupervised"),
        "est dans l'expérience « 02_tracking_unsupervised »",
    ),
    "01-0 sur l'apprentissage": (
        lambda me: tracking(me, part="train"),
        "porte sur les tumeurs apprises",
    ),
    "01-0 sans paramètre": (lambda me: tracking(me, params={}), "il manque le paramètre"),
    "01-0 le paramètre d'un autre": (lambda me: tracking(me, depth=4), "mais l'arbre a 3"),
    "01-0 sans modèle": (
        lambda me: me.run("01-0", params={"max_depth": 3}, metrics={"accuracy": 0.916}),
        "n'a pas de modèle",
    ),
    "01-0 sans métrique": (lambda me: tracking(me, metrics={}), "il manque la métrique `accuracy`"),
    "01-0 métrique inventée": (
        lambda me: tracking(me, metrics={"accuracy": 0.99}),
        "vaut 0.99, mais le modèle du même run donne 0.9161",
    ),
    "01-0 appris sur tout": (
        lambda me: tracking(me, tree(part="all")),
        "a appris sur 569 tumeurs : il en faut 426",
    ),
    "01-0 pas un arbre": (lambda me: tracking(me, raw()), "SVC, pas un arbre"),
    "01-1 préparé": (
        lambda me: scaler(me, make_pipeline(MinMaxScaler(), SVC()).fit(DATA.X_train, DATA.y_train)),
        "préparent",
    ),
    "01-1 un autre gamma": (
        lambda me: scaler(me, raw(0.001), raw(0.01)),
        "gamma=0.001, C=1, gamma=0.01, C=1",
    ),
    "01-1 sur l'apprentissage": (
        lambda me: scaler(me, raw(), part="train"),
        "`accuracy` (1.000) porte sur l'apprentissage",
    ),
    "01-1 sur le test": (lambda me: scaler(me, raw(), part="test"), "porte sur le test"),
    # Ici, la classe bénigne et l'apprentissage donnent la même valeur.
    "01-1 la classe bénigne": (
        lambda me: scaler(me, raw(), metrics=measured(raw()) | {"sensitivity": 1.0}),
        "`sensitivity` (1.000) porte",
    ),
    "01-1 métriques inventées": (
        made_up,
        "`accuracy` vaut 0.982, mais le modèle du même run donne 0.6228",
    ),
    "01-1 métrique absente": (
        lambda me: scaler(me, raw(), metrics={"accuracy": 71 / 114}),
        "il manque la métrique `sensitivity`",
    ),
    "01-1 appris sur tout": (
        lambda me: scaler(me, make_pipeline(SVC(gamma=0.03)).fit(X, Y)),
        "a appris sur 455 tumeurs : il en faut 341",
    ),
    "01-1 la moitié": (lambda me: scaler(me, raw()), "la première moitié y est. Reste un gamma"),
    "01-1 pas assez sensible": (
        lambda me: scaler(me, raw(), raw(1e-7)),
        "votre meilleur essai : 0.698",
    ),
    "01-1 pas un SVM": (
        lambda me: scaler(me, DecisionTreeClassifier().fit(DATA.X_train, DATA.y_train)),
        "DecisionTreeClassifier",
    ),
    "01-1 sans modèle": (lambda me: me.run("01-1", metrics=measured(raw())), "n'a pas de modèle"),
    "01-1 d'autres colonnes": (
        lambda me: me.run(
            "01-1",
            metrics=measured(raw()),
            model=SVC(gamma=0.03).fit(np.eye(341), [0.0, 1.0] * 170 + [0.0]),
        ),
        "n'accepte pas les données de la leçon",
    ),
    "01-1 interrompu": (lambda me: scaler(me, raw(), status="RUNNING"), "RUNNING"),
    "01-2 celui de predict": (
        lambda me: threshold(me, 0.0),
        "au seuil 0.000, 10 tumeurs malignes sur 170",
    ),
    "01-2 trop bas": (lambda me: threshold(me, -2.5), "285 fausses alertes"),
    "01-2 le signe": (lambda me: threshold(me, -limit()), "quel signe ?"),
    "01-2 sur les tumeurs apprises": (
        lambda me: threshold(me, limit(fitted().decision_function(X))),
        "le modèle a apprises",
    ),
    "01-2 les métriques de predict": (
        lambda me: threshold(me, metrics=at(0.0)),
        "celle du seuil d'origine",
    ),
    "01-2 les bonnes, apprises": (
        lambda me: threshold(me, metrics=at(limit(), fitted().decision_function(X))),
        "tumeurs apprises",
    ),
    "01-2 le complément": (
        lambda me: threshold(me, metrics=at(limit()) | {"cv_specificity": 174 / 285}),
        "`cv_specificity` (0.611) est",
    ),
    "01-2 seuil non noté": (
        lambda me: threshold(me, params={}),
        "il manque le paramètre `threshold`",
    ),
    "01-2 seuil en lettres": (
        lambda me: threshold(me, params={"threshold": "bas"}),
        "« bas », qui n'est pas un nombre",
    ),
    "01-3 le plus sensible": (
        lambda me: query(me, (1000.0, 0.001)),
        "« C=1000 gamma=0.001 » donne 6 fausses alertes sur 285",
    ),
    "01-3 aucune fausse alerte": (
        lambda me: query(me, (1.0, 0.001)),
        "un autre couple qui la tient trouve plus de tumeurs",
    ),
    "01-3 le balayage entier": (
        lambda me: query(me, candidates="35"),
        "dit 35 couples : revoyez le filtre",
    ),
    "01-3 compté en trop": (lambda me: query(me, candidates="9"), "9 couples : revoyez le filtre"),
    "01-3 un run de plus, compté": (
        lambda me: one_more(me, "9"),
        "dit 9 couples, ceux de tous les balayages",
    ),
    "01-3 deux balayages comptés": (
        lambda me: [sweep(me), query(me, candidates="16")],
        "dit 16 couples, ceux de tous les balayages",
    ),
    "01-3 description vide": (
        lambda me: query(me, **{"mlflow.note.content": " "}),
        "il manque l'étiquette `mlflow.note.content`",
    ),
    "01-3 description brève": (lambda me: query(me, **{"mlflow.note.content": "ok"}), "dit « ok »"),
    "01-3 le parent": (lambda me: query(me, (None, None)), "n'est pas un couple du balayage"),
    "01-3 deux réponses": (
        lambda me: query(me, (1.0, 0.003), (1000.0, 0.001)),
        "2 runs portent l'étiquette `exercise = 01-3`",
    ),
    "01-3 à moitié": (lambda me: query(me, runs=sweep(me, 12)), "12 couples finis sur 35"),
    "01-3 sensibilité inventée": (
        lambda me: me.client.log_metric(
            query(me, (1.0, 0.001))[1.0, 0.001], "cv_sensitivity", 0.99
        ),
        "la sensibilité notée par « C=1 gamma=0.001 » n'est pas celle de son modèle",
    ),
}


@each(RIGHT, WRONG)
def test_answer(room, case):
    room.judged(*case)
