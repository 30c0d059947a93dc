"""Le projet final : ses cinq étapes faites, puis ce que l'on dit à ce qui manque ou trompe ; le tableau inventé et sa règle."""

import io
import re
from functools import cache

import mlflow
import numpy as np
import pandas as pd
import pytest
from checks.catalog import verdict
from checks.learner import Course, Learner
from checks.project import STEPS
from classroom import Classroom
from texts import ROOT
from make_customers import FLIPPED, MISSING, NOISE, customers, rule
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from splits import split

NUMBERS, REASON = ["age", "facture_mensuelle", "usage_heures"], "motif_depart"  # vide pour qui n'est pas parti
TABLE = pd.read_csv(io.StringIO(customers(300, 0)[0].to_csv(index=False))).dropna(subset=NUMBERS)
DATA = split(TABLE[[*NUMBERS, REASON]], TABLE["depense_annuelle"])
STAYED = DATA.X_test[DATA.X_test[REASON].isna()]
WHY = "un départ manqué coûte plus qu'un appel inutile"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Classroom:
    return Classroom(tmp_path_factory.mktemp("classe"))


@pytest.fixture
def room(made) -> Classroom:
    made.open()
    return made


def step(room, number: int, user: str):
    """Ce que check.py dit de l'étape `number` d'une personne."""
    return verdict(STEPS[number - 1], Learner(Course(room.client), user))


def compare(room, user, count=7, accuracy=0.93, choices=(WHY,), data="clients"):
    """Étape 1 : `count` classifieurs, dont les premiers sont retenus."""
    for rank in range(count):
        tags = {"comparison": f"{data} {user}"} | ({"choice": choices[rank]} if rank < len(choices) else {})
        metrics = {"accuracy": accuracy - 0.01 * rank * (accuracy < 1), "sensitivity": 0.8}
        room.run(user, lesson="01_tracking_supervised", name=f"modèle {rank}", params={"data": data}, metrics=metrics, tags=tags)


@cache
def groups(k: int):
    return make_pipeline(StandardScaler(), KMeans(k, n_init=2, random_state=0)).fit(DATA.X_train[NUMBERS])


def group(room, user, counts=(2, 3, 4), chosen=3, model=None, said=None, why="la plus haute silhouette, et des centres lisibles"):
    """Étape 2 : un run par nombre de groupes ; `chosen` est retenu, avec `model` pour preuve."""
    parent = room.run(user, lesson="02_tracking_unsupervised")
    for k in counts:
        kept = {"model": model or groups(k), "tags": {"choice": why}} if k == chosen else {}
        room.run(user, lesson="02_tracking_unsupervised", parent=parent, params={"n_clusters": said or k}, **kept)


@cache
def spending(alpha: float):
    model = DummyRegressor(strategy="constant", constant=0.0) if alpha < 0 else ElasticNet(alpha=alpha)
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="aucun"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer((StandardScaler(), NUMBERS), (words, [REASON]))
    return make_pipeline(columns, model).fit(DATA.X_train, DATA.y_train)


def train(room, user, alpha=0.1, rmse=None, **options) -> str:
    """Étape 3 : un run du projet sur le tableau, avec ses données."""
    model = spending(alpha)
    files = {
        f"data/{part}.csv": getattr(DATA, f"X_{part}").join(getattr(DATA, f"y_{part}")).to_csv(index=False) for part in ("train", "valid")
    }
    real = root_mean_squared_error(DATA.y_valid, model.predict(DATA.X_valid))
    params = {"csv": "/ici/clients.csv", "target": "depense_annuelle", "alpha": alpha, "model": "elastic_net"}
    given = {"params": params, "metrics": {"valid_rmse": real if rmse is None else rmse}, "model": model, "files": files}
    run_id = room.run(user, lesson="03_mlflow_project", project=True, **{**given, **options})
    mlflow.set_experiment(experiment_id=room.client.get_run(run_id).info.experiment_id)  # un autre test a pu en choisir une
    with mlflow.start_run(run_id=run_id):
        mlflow.log_input(mlflow.data.from_pandas(DATA.X_train, name="clients"))
    return run_id


def promote(room, user, alphas=(0.1, 5.0), champion="1", reason="RMSE 29 sur la validation, contre 90") -> str:
    """Étape 4 : une version par alpha ; `champion` reçoit l'alias."""
    name = f"depense_{user}"
    for alpha in alphas:
        room.version(name, train(room, user, alpha))
    if champion:
        room.client.set_registered_model_alias(name, "champion", champion)
        if reason:
            room.client.set_model_version_tag(name, champion, "reason", reason)
    return name


def trace(room, user, prediction=None, rows=1, columns=(*NUMBERS, REASON), **links):
    """Étape 5 : une prédiction, et d'où elle vient ; `links` : les maillons qui diffèrent."""
    name = promote(room, user)
    version = room.client.get_model_version_by_alias(name, "champion")
    source = room.client.get_run(version.run_id)
    honest = {
        "model": name,
        "version": version.version,
        "run_id": version.run_id,
        "commit": "c" * 40,
        "data": source.inputs.dataset_inputs[0].dataset.digest,
    }
    params = {key: value for key, value in (honest | links).items() if value is not None}
    answer = float(spending(0.1).predict(STAYED.head(1))[0]) if prediction is None else prediction
    files = {"request.csv": STAYED[list(columns)].head(rows).to_csv(index=False)}
    room.run(
        user, lesson="04_model_registry_azureml", params=params, metrics={"prediction": answer}, files=files, tags={"project": "trace"}
    )


def test_every_step_done(room):
    user = "juste"
    compare(room, user)
    group(room, user)
    trace(room, user)
    found = [step(room, number, user) for number in range(1, 6)]
    assert [each.state for each in found] == ["fait"] * 5, found
    said = [each.text for each in found]
    assert said[0] == "« modèle 0 » retenu parmi 7 (sensibilité 0.800)"
    assert said[1] == "3 groupes retenus, d'après 3 colonnes, parmi 3 essais"
    assert said[2].startswith("2 runs depuis un commit ; le meilleur, « essai » : RMSE ")
    assert said[3].startswith("depense_juste, version 1 promue : RMSE ") and said[3].endswith("RMSE 29 sur la validation, contre 90")
    assert re.fullmatch(r"la prédiction [\d.]+ vient de depense_juste, version 1, du run \w{8}, du commit cccccccc", said[4])


def test_nothing_done_yet(room):
    compare(room, "leçon seule", data="breast_cancer")
    assert [step(room, number, "leçon seule").state for number in range(1, 6)] == ["à faire"] * 5
    ended = room.check("--project", "--hint")
    assert ended.returncode in (0, 1) and "Leçon" not in ended.stdout and len(re.findall(r"^  [1-5]  ", ended.stdout, re.MULTILINE)) == 5


WRONG = {
    "une fuite": (
        1,
        compare,
        {"accuracy": 1.0},
        "7 classifieurs sur 7 ne font aucune faute : une colonne donne-t-elle la réponse ? (--drop)",
    ),
    "trois classifieurs": (1, compare, {"count": 3}, "n'a que 3 classifieurs finis : il en faut six au moins"),
    "sans choix": (1, compare, {"choices": ()}, "mais aucun run n'est retenu : une étiquette `choice`, sur un seul run"),
    "deux choix": (1, compare, {"choices": (WHY, WHY)}, "mais 2 runs sont retenus"),
    "choix muet": (1, compare, {"choices": ("svm",)}, "dit « svm » : dans six mois, personne n'en saura plus"),
    "un seul k": (2, group, {"counts": (3,)}, "un seul nombre de groupes ne se compare à rien"),
    "k qui ment": (2, group, {"said": 5}, "`n_clusters` vaut 5, mais le modèle a 3 groupes"),
    "pas un K-Means": (2, group, {"model": make_pipeline(SVC())}, "est un SVC, pas un K-Means"),
    "les images": (2, group, {"model": KMeans(3, n_init=1).fit(np.eye(64))}, "groupe les images de la leçon 2 : il faut votre tableau"),
    "k sans raison": (2, group, {"why": "3"}, "dit « 3 » : dans six mois"),
    "hors commit": (3, train, {"tags": {"git.dirty": "true"}}, "son code n'est pas celui d'un commit (`git.dirty`)"),
    "un seul run": (3, train, {}, "un seul run propre : il en faut deux au moins"),
    "une version": (4, promote, {"alphas": (0.1,)}, "n'a qu'une version : promouvoir, c'est choisir entre deux au moins"),
    "personne": (4, promote, {"champion": None}, "ne porte @champion : rien n'est promu"),
    "sans raison": (4, promote, {"reason": None}, "il manque l'étiquette `reason` sur la version 1, promue : pourquoi elle ?"),
    "le pire": (4, promote, {"champion": "2"}, "@champion (version 2) a une RMSE de"),
    "maillon absent": (5, trace, {"commit": None}, "la trace ne dit pas `commit`"),
    "autre modèle": (5, trace, {"model": "ailleurs"}, "la trace parle de ailleurs, version 1 : le registre a"),
    "autre run": (5, trace, {"run_id": "0" * 32}, "le run de la version 1 n'est pas celui que dit la trace"),
    "autre commit": (5, trace, {"commit": "d" * 40}, "le commit de la trace n'est pas celui du run"),
    "autres données": (5, trace, {"data": "abcdef12"}, "l'empreinte des données (`data`) n'est pas celle"),
    "inventée": (5, trace, {"prediction": 123.45}, "la prédiction notée est 123.45 ; la version 1 répond"),
    "deux clients": (5, trace, {"rows": 2}, "request.csv contient le client prédit : une ligne de titres et une ligne de valeurs"),
    "colonne absente": (5, trace, {"columns": ["age"]}, "request.csv n'a pas la colonne facture_mensuelle que le modèle demande"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_wrong(room, name):
    number, answer, options, said = WRONG[name]
    answer(room, name, **options)
    found = step(room, number, name)
    assert found.state == "à revoir" and said in found.text, found


@pytest.mark.slow
def test_the_best_run_is_recomputed(room):
    """La RMSE du meilleur run vient de son modèle ; et il doit faire mieux que la moyenne."""
    train(room, "inventée", 5.0)
    train(room, "inventée", 0.1, rmse=1.0)
    assert "la métrique `valid_rmse` vaut 1, mais le modèle du même run donne" in step(room, 3, "inventée").text
    train(room, "rien appris", -1.0)
    train(room, "rien appris", -1.0)
    assert "ne fait pas mieux que la moyenne" in step(room, 3, "rien appris").text


@pytest.mark.slow
def test_another_way(room):
    """Deux comparaisons, la seconde sans fuite ; une forêt de plus ; une troisième version promue plus tard."""
    compare(room, "autrement", accuracy=1.0, choices=())
    compare(room, "autrement", count=6, data="mes_clients")
    assert step(room, 1, "autrement").state == "fait"
    name = promote(room, "autrement", alphas=(5.0, 0.1), champion="2")
    assert step(room, 4, "autrement").state == "fait"
    room.version(name, train(room, "autrement", 0.01))
    room.client.set_registered_model_alias(name, "champion", "3")
    room.client.set_model_version_tag(name, "3", "reason", "la plus petite RMSE des trois")
    assert step(room, 4, "autrement").state == "fait"


@pytest.mark.slow
def test_what_a_service_answers_is_accepted(room):
    """Reçu par un service, un texte absent est `None` : la réponse n'est pas celle d'un fichier, et elle est vraie aussi."""
    read, served = STAYED.head(1), STAYED.head(1).astype({REASON: object})
    served.loc[:, REASON] = None
    answers = [float(spending(0.1).predict(each)[0]) for each in (read, served)]
    assert answers[0] != answers[1]
    trace(room, "par le service", prediction=answers[1])
    assert step(room, 5, "par le service").state == "fait"


# --- Le tableau inventé


@pytest.mark.parametrize("seed", [0, 1])
def test_the_rule_is_the_one_that_is_told(seed):
    """Recalculée ligne à ligne, la règle annoncée par `--rule` explique le tableau, au hasard annoncé près."""
    table, truth = customers(20_000, seed)
    often = (table["abonnement"] == "mensuel") & (table["appels_support"] >= 3)
    leaves = often | (table["retards"] >= 3)
    assert (leaves == truth["leaves"]).all()
    assert abs(((table["parti"] == "oui") != leaves).mean() - FLIPPED) < 0.005
    known = table.dropna()
    spent = 12 * known["facture_mensuelle"] + 5 * known["usage_heures"] - 60 * (known["abonnement"] == "annuel")
    assert abs((known["depense_annuelle"] - spent).std() - NOISE) < 0.5
    assert abs(table["usage_heures"].isna().mean() - MISSING) < 0.005
    assert ((table["motif_depart"] == "") == (table["parti"] == "non")).all()
    told = "\n".join(rule(table, truth))
    for said in (
        "au moins 3 appels, ou au moins 3 retards ; puis 5 %",
        "12 facture_mensuelle + 5 usage_heures - 60 si annuel",
        "écart type 25",
    ):
        assert said in told
    ages = [table["age"][truth["group"] == number].mean() for number in range(3)]
    assert [round(age) for age in ages] == [24, 43, 68]


def test_the_same_draw_for_everyone():
    first, again, other = (customers(100, seed)[0] for seed in (0, 0, 1))
    assert first.equals(again) and not first.equals(other)


def test_the_page_says_what_can_be_forged():
    """Le tableau de PROJET.md est celui de check.py, exercice par exercice."""
    from checks.catalog import EXERCISES

    text = (ROOT / "PROJET.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| (0\d-\d) \| (.+) \|$", text, re.MULTILINE))
    assert told == {each.number: each.forgeable for each in EXERCISES if each.forgeable}
    sure = ", ".join(each.number for each in EXERCISES if not each.forgeable)
    assert f"Rien ne peut être forgé dans {sure}" in text
