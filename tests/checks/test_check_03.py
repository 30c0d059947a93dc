"""Les exercices de la leçon 3 : la bonne réponse, une autre, et ce que l'on dit aux réponses fausses."""

import statistics
from functools import cache

import pytest
from classroom import Classroom
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.metrics import root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from splits import split

LESSON = "03_mlflow_project"
TABLE = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
DATA = split(TABLE.drop(columns="progression"), TABLE["progression"])
OTHER = split(TABLE.drop(columns="progression"), TABLE["progression"], seed=1)


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Classroom:
    return Classroom(tmp_path_factory.mktemp("classe"))


@pytest.fixture(autouse=True)
def opened(room):
    room.open()


@cache
def fitted(kind: str, value: float):
    """Un modèle du projet ; `value` : alpha, ou graine."""
    model = {
        "elastic_net": lambda: ElasticNet(alpha=value, l1_ratio=0.5, max_iter=100_000),
        "random_forest": lambda: RandomForestRegressor(n_estimators=20, random_state=int(value)),
        "ann": lambda: MLPRegressor(hidden_layer_sizes=(8,), max_iter=400, learning_rate_init=0.1, random_state=int(value)),
    }[kind]()
    return make_pipeline(StandardScaler(), model).fit(DATA.X_train, DATA.y_train)


def rmse(model, data=DATA, part="valid") -> float:
    return root_mean_squared_error(getattr(data, f"y_{part}"), model.predict(getattr(data, f"X_{part}")))


def train(room, user, number, kind="elastic_net", value=0.1, *, said=None, real=None, data=DATA, metrics=None, **options) -> str:
    """Un run du point d'entrée `train`. `said` : ce que disent ses paramètres ; `real` : le modèle gardé, s'il diffère."""
    model = fitted(kind, value) if real is None else real
    params = {
        "model": kind,
        "l1_ratio": "0.5",
        "alpha" if kind == "elastic_net" else "seed": f"{value:g}",
        "csv": "diabetes",
        **(said or {}),
    }
    files = {
        f"data/{part}.csv": getattr(data, f"X_{part}").join(getattr(data, f"y_{part}")).to_csv(index=False) for part in ("train", "valid")
    }
    given = {"params": params, "metrics": {"valid_rmse": rmse(model, data)} if metrics is None else metrics, "model": model, "files": files}
    return room.run(user, number, lesson=LESSON, name=f"{kind} {value:g}", **{"project": True, **given, **options})


# --- 03-1


FOREST = rmse(fitted("random_forest", 0))


@cache
def around() -> tuple[float, float]:
    """Deux alphas distants de 0.1, de part et d'autre de la forêt de ces tests."""
    low = next(step / 10 for step in range(1, 100) if rmse(fitted("elastic_net", (step + 1) / 10)) >= FOREST)
    return low, low + 0.1


def alphas(room, user, *values, forest=True, number="03-1", **options):
    if forest:
        train(room, user, number, "random_forest", 0)
    for value in values:
        train(room, user, number, value=value, **options)


@pytest.mark.slow
def test_alpha_right(room):
    alphas(room, "juste", 0.42, 1, 5, *around())
    found = room.verdict("03-1", "juste")
    low, high = around()
    assert (found.state, found.text) == ("fait", f"la forêt ({FOREST:.2f}) gagne à partir d'un alpha compris entre {low:g} et {high:g}")


@pytest.mark.slow
def test_alpha_other_ways(room):
    alphas(room, "sans étiquette", 0.42, 1, 5, *around(), 8, 0.01, number=None)
    assert room.verdict("03-1", "sans étiquette").state == "fait"
    forest = rmse(fitted("random_forest", 3))
    low = next(step / 20 for step in range(1, 200) if rmse(fitted("elastic_net", (step + 1) / 20)) >= forest)
    train(room, "une autre forêt", "03-1", "random_forest", 3)
    alphas(room, "une autre forêt", 0.42, 1, 5, low, low + 0.05, forest=False)
    assert room.verdict("03-1", "une autre forêt").state == "fait"


@pytest.mark.slow
def test_alpha_is_not_confused_by_the_other_exercises(room):
    """Le run menteur de 03-2 (alpha noté 0.42, modèle à 4.2) ne compte pas."""
    alphas(room, "03-1 et 03-2", 0.42, 1, 5, *around())
    train(room, "03-1 et 03-2", "03-2", value=0.42, real=fitted("elastic_net", 4.2))
    assert room.verdict("03-1", "03-1 et 03-2").state == "fait"
    alphas(room, "leçon", 0.1, 1, 10, number=None)
    assert room.verdict("03-1", "leçon").state == "à faire"


ALPHA = {
    "à moitié": (lambda room, user: alphas(room, user, 0.42, 1, 5), "vous savez qu'il est entre 1 et 5 : continuez, il le faut à 0.1 près"),
    "sans forêt": (lambda room, user: alphas(room, user, 0.42, 1, 5, forest=False), "il manque un run de la forêt (`model=random_forest`)"),
    "sans alpha 5": (lambda room, user: alphas(room, user, 0.42, 1, *around()), "il manque un run d'ElasticNet à alpha = 5"),
    "un autre l1_ratio": (
        lambda room, user: alphas(room, user, 0.42, 1, 5, said={"l1_ratio": "0.9"}),
        "il manque un run d'ElasticNet à alpha = 0.42 (l1_ratio à sa valeur d'origine",
    ),
    "hors du projet": (
        lambda room, user: alphas(room, user, 0.42, 1, 5, project=False, forest=False),
        "ne viennent pas du point d'entrée `train` du projet",
    ),
    "sur l'apprentissage": (
        lambda room, user: alphas(room, user, 0.42, 1, 5, metrics={"valid_rmse": rmse(fitted("elastic_net", 1), part="train")}),
        "la RMSE ne monte pas avec alpha",
    ),
    "métrique inventée": (
        lambda room, user: [alphas(room, user, 0.42, 1, 5), train(room, user, "03-1", value=4.9, metrics={"valid_rmse": FOREST - 1})],
        "mais le modèle du même run donne 63.49 : d'où vient-elle ?",
    ),
    "alpha inventé": (
        lambda room, user: [alphas(room, user, 0.42, 1, 5), train(room, user, "03-1", value=4.95, real=fitted("elastic_net", 1.0))],
        "le run dit alpha = 4.95, mais son modèle a 1 : quel code a tourné ?",
    ),
    "en échec": (lambda room, user: alphas(room, user, 0.42, 1, 5, forest=False, status="FAILED"), "a échoué (FAILED)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALPHA)
def test_alpha_wrong(room, name):
    answer, said = ALPHA[name]
    answer(room, name)
    assert said in room.remark("03-1", name)


@pytest.mark.slow
def test_alpha_judged_on_other_patients(room):
    alphas(room, "un autre découpage", 0.42, 1, 5, *around(), data=OTHER)
    assert "n'est pas jugé sur les 89 patients de validation du cours" in room.remark("03-1", "un autre découpage")


# --- 03-2


def pair(room, user, *, first=None, again=None, replay=True, of=None):
    """Un run hors commit (alpha noté 0.42, modèle à 4.2) et son rejeu ; `first`, `again` : les étiquettes qui diffèrent."""
    lied = {"value": 0.42, "real": fitted("elastic_net", 4.2), "tags": {"git.dirty": "true"}}
    original = train(room, user, "03-2", **{**lied, **(first or {})})
    if replay:
        honest = {"value": 0.42, "tags": {}}
        given = {**honest, **(again or {})}
        train(room, user, "03-2", **{**given, "tags": {"replay_of": original if of is None else of, **given["tags"]}})


def test_dirty_right(room):
    pair(room, "juste")
    found = room.verdict("03-2", "juste")
    said = "RMSE 62.56 hors commit, 55.48 rejouée : mêmes paramètres, même commit, et seul `git.dirty` prévenait"
    assert (found.state, found.text) == ("fait", said)


@pytest.mark.slow
def test_dirty_other_way(room):
    """Une autre ligne : le découpage. Le run hors commit est jugé sur d'autres patients, c'est son droit."""
    pair(room, "le découpage", first={"real": fitted("elastic_net", 0.42), "data": OTHER})
    assert room.verdict("03-2", "le découpage").state == "fait"


DIRTY = {
    "sans rejeu": ({"replay": False}, "le premier run est là, mais pas son rejeu : un second run, étiqueté `replay_of`"),
    "rien de changé": ({"replay": False, "first": {"tags": {}}}, "`git.dirty` vaut false : dans ce clone, aucune ligne n'a changé"),
    "rejeu d'un run propre": ({"first": {"tags": {}}}, "son code est celui du commit, il n'y a rien à découvrir"),
    "rejeu du dossier modifié": (
        {"again": {"tags": {"git.dirty": "true"}}},
        "a tourné dans un dossier modifié lui aussi : rejouez depuis Git",
    ),
    "un autre commit": ({"again": {"tags": {"mlflow.source.git.commit": "d" * 40}}}, "n'a pas le même commit que le premier run"),
    "un autre point d'entrée": ({"again": {"tags": {"mlflow.project.entryPoint": "main"}}}, "n'a pas le même point d'entrée"),
    "d'autres paramètres": ({"again": {"said": {"alpha": "4.2"}}}, "n'a pas les mêmes paramètres que le premier run"),
    "de rien": ({"of": "f" * 32}, "`replay_of` ne désigne pas un autre run de l'exercice"),
    "une ligne sans effet": ({"first": {"real": fitted("elastic_net", 0.42)}}, "la même RMSE, 55.48 : la ligne changée ne compte pas"),
    "métrique inventée": ({"again": {"metrics": {"valid_rmse": 50.0}}}, "`valid_rmse` vaut 50, mais le modèle du même run donne 55.48"),
    "sur l'apprentissage": (
        {"again": {"metrics": {"valid_rmse": rmse(fitted("elastic_net", 0.42), part="train")}}},
        "porte sur l'apprentissage : d'où vient-elle ?",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DIRTY)
def test_dirty_wrong(room, name):
    options, said = DIRTY[name]
    pair(room, f"hors commit : {name}", **options)
    assert said in room.remark("03-2", f"hors commit : {name}")


# --- 03-3


NETWORKS = [rmse(fitted("ann", seed)) for seed in range(5)]
LINEAR = rmse(fitted("elastic_net", 0.1))
RIGHT = {"spread": max(NETWORKS) - min(NETWORKS), "wins": sum(value < LINEAR for value in NETWORKS)}


def seeds(room, user, given=range(5), *, linear=True, real=None, number="03-3", metrics=None, said=None):
    parent = room.run(user, number, lesson=LESSON, metrics=RIGHT if metrics is None else metrics)
    for seed in given:
        train(room, user, None, "ann", seed, parent=parent, said=said, real=real)
    if linear:
        train(room, user, None, parent=parent)


@pytest.mark.slow
def test_seeds_right(room):
    seeds(room, "juste")
    found = room.verdict("03-3", "juste")
    said = f"d'une graine à l'autre, la RMSE du réseau bouge de {RIGHT['spread']:.2f} ; {RIGHT['wins']} graine(s) sur 5 battent ElasticNet"
    assert (found.state, found.text) == ("fait", said)


@pytest.mark.slow
def test_seeds_other_way(room):
    """D'autres graines, six, et pas d'étiquette."""
    networks = [rmse(fitted("ann", seed)) for seed in range(10, 16)]
    metrics = {"spread": max(networks) - min(networks), "wins": sum(value < LINEAR for value in networks)}
    seeds(room, "autrement", range(10, 16), metrics=metrics, number=None)
    assert room.verdict("03-3", "autrement").state == "fait"


SEEDS = {
    "une seule": ({"given": [0]}, "il faut cinq graines différentes ; vous avez 0."),
    "la même cinq fois": ({"given": [0] * 5}, "vous avez 0 ; 5 runs, mais la même graine revient"),
    "hasard non fixé": ({"said": {"seed": "none"}}, "une graine vaut `none` : le hasard n'est alors pas fixé"),
    "sans ElasticNet": ({"linear": False}, "il manque ElasticNet parmi les runs enfants"),
    "sans réseau": ({"given": []}, "aucun run enfant du réseau (`model=ann`)"),
    "pas d'écart": ({"metrics": {"wins": 0}}, "il manque la métrique `spread`"),
    "écart inventé": ({"metrics": RIGHT | {"spread": 12.0}}, "la métrique `spread` vaut 12, mais"),
    "victoires à l'envers": ({"metrics": RIGHT | {"wins": 5 - RIGHT["wins"]}}, "compte les défaites : une RMSE plus petite est meilleure"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_seeds_wrong(room, name):
    options, said = SEEDS[name]
    seeds(room, f"graines : {name}", **options)
    assert said in room.remark("03-3", f"graines : {name}")


@pytest.mark.slow
def test_seeds_standard_deviation(room):
    for user, value in (("écart type", statistics.pstdev(NETWORKS)), ("écart type, n - 1", statistics.stdev(NETWORKS))):
        seeds(room, user, metrics=RIGHT | {"spread": value})
        assert "écart type : il faut la pire moins la meilleure" in room.remark("03-3", user)
