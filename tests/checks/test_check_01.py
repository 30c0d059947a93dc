"""Les exercices de la leçon 1 : la bonne réponse, une autre, et ce que l'on dit aux réponses fausses."""

from answers_01 import DATA, LESSON, X, Y, at, distances, fitted, limit, made_up, measured, query, raw, scaler, sweep, threshold
from classroom import each
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

OTHER_WORDS = ({"accuracy": 71 / 114, "recall": 0.0}, {"valid_accuracy": 108 / 114, "rappel": 40 / 43})


def forest(me):
    """Une forêt n'a pas de distance, mais une probabilité : le même seuil s'y place."""
    model = RandomForestClassifier(n_estimators=10, random_state=0)
    scores = cross_val_predict(model, X, Y, cv=StratifiedKFold(5, shuffle=True, random_state=0), method="predict_proba")[:, 1]
    threshold(me, limit(scores), metrics=at(limit(scores), scores), model=model.fit(X, Y))


def another_svm(me):
    scores = distances(0.01, 10.0)
    threshold(me, limit(scores), metrics=at(limit(scores), scores), model=fitted(0.01, 10.0))


def one_more(me, found: str):
    """Un run hors du balayage tient la contrainte : compté ou non, 9 ou 8 couples."""
    me.run(lesson=LESSON, metrics={"cv_sensitivity": 0.5, "cv_specificity": 1.0})
    query(me, candidates=found)


RIGHT = {
    "01-1": {
        "juste": (lambda me: scaler(me, raw(), raw(0.001)), "exactitude 0.623, sensibilité 0.000 ; avec gamma=0.001, sensibilité 0.930"),
        "SVC nu": (lambda me: scaler(me, SVC(gamma=0.03).fit(DATA.X_train, DATA.y_train), raw(0.0008, C=10)),),
        "sans étiquette": (lambda me: scaler(me, raw(), raw(0.001), number=None),),
        "ses mots": (lambda me: [scaler(me, raw(gamma), metrics=said) for gamma, said in zip((0.03, 0.001), OTHER_WORDS, strict=True)],),
        "au second essai": (lambda me: [scaler(me, raw(), part="train"), scaler(me, raw(), raw(0.001))],),
    },
    "01-2": {
        "juste": (threshold, "au seuil -1.812, 170 tumeurs malignes sur 170 et 174 fausses alertes sur 285"),
        "arrondi": (lambda me: threshold(me, round(limit(), 4), metrics=at(limit())),),
        "autre SVM": (another_svm,),
        "une forêt": (forest,),
        "sans étiquette": (lambda me: threshold(me, number=None),),
        "second essai": (lambda me: [threshold(me, value) for value in (0.0, None, -3.0)],),
    },
    "01-3": {
        "juste": (query, "8 couples tiennent la contrainte ; « C=1 gamma=0.003 » trouve 154 tumeurs malignes sur 170"),
        "tout compté": (lambda me: one_more(me, "9"),),
        "balayage compté": (lambda me: one_more(me, "8"),),
    },
}

WRONG = {
    "01-1": {
        "préparé": (lambda me: scaler(me, make_pipeline(MinMaxScaler(), SVC()).fit(DATA.X_train, DATA.y_train)), "préparent"),
        "un autre gamma": (lambda me: scaler(me, raw(0.001), raw(0.01)), "gamma=0.001, C=1, gamma=0.01, C=1"),
        "un autre C": (lambda me: scaler(me, raw(C=10)), "gamma=0.03, C=10"),
        "sur l'apprentissage": (lambda me: scaler(me, raw(), part="train"), "`accuracy` (1.000) porte sur l'apprentissage"),
        "sur le test": (lambda me: scaler(me, raw(), part="test"), "porte sur le test"),
        "la classe bénigne": (  # les deux méprises donnent la même valeur
            lambda me: scaler(me, raw(), metrics={"accuracy": 71 / 114, "sensitivity": 1.0}),
            "`sensitivity` (1.000) porte sur l'apprentissage",
        ),
        "métriques inventées": (made_up, "`accuracy` vaut 0.982, mais le modèle du même run donne 0.6228"),
        "métrique absente": (lambda me: scaler(me, raw(), metrics={"accuracy": 71 / 114}), "il manque la métrique `sensitivity`"),
        "appris sur tout": (lambda me: scaler(me, make_pipeline(SVC(gamma=0.03)).fit(X, Y)), "la validation : il en faut 341"),
        "la moitié": (lambda me: scaler(me, raw()), "la première moitié y est. Reste un gamma"),
        "pas assez sensible": (lambda me: scaler(me, raw(), raw(1e-7)), "votre meilleur essai : 0.698"),
        "pas un SVM": (lambda me: scaler(me, DecisionTreeClassifier().fit(DATA.X_train, DATA.y_train)), "DecisionTreeClassifier"),
        "sans modèle": (lambda me: me.run("01-1", metrics=measured(raw())), "n'a pas de modèle"),
        "interrompu": (lambda me: scaler(me, raw(), status="RUNNING"), "RUNNING"),
        "en échec": (lambda me: scaler(me, raw(), status="FAILED"), "FAILED"),
    },
    "01-2": {
        "celui de predict": (lambda me: threshold(me, 0.0), "au seuil 0.000, 10 tumeurs malignes sur 170"),
        "pas assez bas": (lambda me: threshold(me, -0.9), "au seuil -0.900, 2 tumeurs malignes sur 170"),
        "trop bas": (lambda me: threshold(me, -2.5), "285 fausses alertes"),
        "le signe": (lambda me: threshold(me, -limit()), "quel signe ?"),
        "sur les tumeurs apprises": (lambda me: threshold(me, limit(fitted().decision_function(X))), "le modèle a apprises"),
        "les métriques de predict": (lambda me: threshold(me, metrics=at(0.0)), "celle du seuil d'origine"),
        "les bonnes, apprises": (lambda me: threshold(me, metrics=at(limit(), fitted().decision_function(X))), "tumeurs apprises"),
        "le complément": (
            lambda me: threshold(me, metrics={"cv_sensitivity": 1.0, "cv_specificity": 174 / 285}),
            "`cv_specificity` (0.611) est la part des fausses alertes",
        ),
        "spécificité inventée": (
            lambda me: threshold(me, metrics={"cv_sensitivity": 1.0, "cv_specificity": 0.98}),
            "`cv_specificity` vaut 0.98, mais le modèle du même run donne 0.3895",
        ),
        "seuil non noté": (lambda me: threshold(me, params={}), "il manque le paramètre `threshold`"),
        "seuil en lettres": (lambda me: threshold(me, params={"threshold": "bas"}), "« bas », qui n'est pas un nombre"),
        "sans modèle": (lambda me: threshold(me, model=None), "n'a pas de modèle"),
    },
    "01-3": {
        "le plus sensible": (lambda me: query(me, (1000.0, 0.001)), "« C=1000 gamma=0.001 » donne 6 fausses alertes sur 285"),
        "le plus exact": (lambda me: query(me, (100.0, 0.003)), "donne 3 fausses alertes sur 285"),
        "aucune fausse alerte": (lambda me: query(me, (1.0, 0.001)), "un autre couple qui la tient trouve plus de tumeurs"),
        "le balayage entier": (lambda me: query(me, candidates="35"), "35 couples : c'est le balayage entier"),
        "mal compté": (lambda me: query(me, candidates="4"), "4 couples : revoyez le filtre"),
        "compté en trop": (lambda me: query(me, candidates="9"), "9 couples : revoyez le filtre"),
        "description vide": (lambda me: query(me, **{"mlflow.note.content": " "}), "il manque l'étiquette `mlflow.note.content`"),
        "description brève": (lambda me: query(me, **{"mlflow.note.content": "ok"}), "dit « ok »"),
        "compte vide": (lambda me: query(me, candidates=""), "il manque l'étiquette `candidates`"),
        "le parent": (lambda me: query(me, (None, None)), "n'est pas un couple du balayage"),
        "deux réponses": (lambda me: query(me, (1.0, 0.003), (1000.0, 0.001)), "2 runs portent l'étiquette `exercise = 01-3`"),
        "à moitié": (lambda me: query(me, runs=sweep(me, 12)), "12 couples finis sur 35"),
        "sensibilité inventée": (
            lambda me: me.client.log_metric(query(me, (1.0, 0.001))[1.0, 0.001], "cv_sensitivity", 0.99),
            "la sensibilité notée par « C=1 gamma=0.001 » n'est pas celle de son modèle",
        ),
    },
}


@each(RIGHT)
def test_right(room, number, name):
    room.judged(number, name, "fait", *RIGHT[number][name])


@each(WRONG)
def test_wrong(room, number, name):
    room.judged(number, name, "à revoir", *WRONG[number][name])
