"""Les exercices de la leçon 3 : la bonne réponse, une autre, et ce que l'on dit aux réponses
fausses.
"""

import statistics
from functools import cache

from classroom import each
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.metrics import root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from parts import split

LESSON = "03_mlflow_project"
TABLE = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})


@cache
def patients(seed=0):
    return split(TABLE.drop(columns="progression"), TABLE["progression"], seed=seed)


@cache
def files(seed: int) -> dict[str, str]:
    """Les deux fichiers qu'un run `train` laisse."""
    data = patients(seed)
    parts = {"train": data.X_train.join(data.y_train), "valid": data.X_valid.join(data.y_valid)}
    return {f"data/{name}.csv": table.to_csv(index=False) for name, table in parts.items()}


@cache
def fitted(kind: str, value: float):
    """Un modèle du projet ; `value` : alpha, ou graine."""
    model = {
        "elastic_net": lambda: ElasticNet(alpha=value, l1_ratio=0.5, max_iter=100_000),
        "random_forest": lambda: RandomForestRegressor(n_estimators=20, random_state=int(value)),
        "ann": lambda: MLPRegressor(
            hidden_layer_sizes=(4,),
            solver="lbfgs",
            alpha=1000,
            max_iter=2000,
            random_state=int(value),
        ),
    }[kind]()
    return make_pipeline(StandardScaler(), model).fit(patients().X_train, patients().y_train)


def linear(alpha: float):
    return fitted("elastic_net", alpha)


@cache
def rmse(model, seed=0, part="valid") -> float:
    data = patients(seed)
    return root_mean_squared_error(
        getattr(data, f"y_{part}"), model.predict(getattr(data, f"X_{part}"))
    )


def train(
    me,
    number,
    kind="elastic_net",
    value=0.1,
    *,
    said=None,
    real=None,
    seed=0,
    noted=None,
    **options,
) -> str:
    """Un run de `train`.

    `said`, `noted` : ses paramètres, sa RMSE, s'ils diffèrent ; `real` : le modèle gardé, s'il
    diffère.
    """
    model = real or fitted(kind, value)
    key = "alpha" if kind == "elastic_net" else "seed"
    params = {"model": kind, "l1_ratio": "0.5", key: f"{value:g}", "csv": "diabetes"} | (said or {})
    given = {
        "params": params,
        "metrics": {"valid_rmse": noted or rmse(model, seed)},
        "model": model,
        "files": files(seed),
    }
    return me.run(
        number, lesson=LESSON, name=f"{kind} {value:g}", **{"project": True, **given, **options}
    )


# --- 03-1


@cache
def around(forest=0, per_unit=10) -> tuple[float, float]:
    """Deux alphas qui se suivent, de part et d'autre d'une forêt."""
    limit = rmse(fitted("random_forest", forest))
    low = next(
        step
        for step in range(per_unit, 5 * per_unit)
        if rmse(linear((step + 1) / per_unit)) >= limit
    )
    return low / per_unit, (low + 1) / per_unit


def alphas(me, *more, forest=0, given=(0.42, 1, 5), number="03-1", **options):
    """La forêt, si `forest` n'est pas None, et ElasticNet à `given` et `more`."""
    if forest is not None:
        train(me, number, "random_forest", forest)
    for value in (*given, *more):
        train(me, number, value=value, **options)


def beside_the_liar(me):
    """Le run menteur de 03-2 (alpha noté 0.42, modèle à 4.2) ne compte pas pour 03-1."""
    alphas(me, *around())
    train(me, "03-2", value=0.42, real=linear(4.2))


# --- 03-2


def pair(me, *, first=None, again=None, replay=True, of=None):
    """Un run hors commit (alpha noté 0.42, modèle à 4.2) et son rejeu ; `first`, `again` : ce qui
    diffère ; `of` : le run désigné.
    """
    original = train(
        me,
        "03-2",
        **{"value": 0.42, "real": linear(4.2), "tags": {"git.dirty": "true"}, **(first or {})},
    )
    if replay:
        tags = {"replay_of": of or original, **(again or {}).get("tags", {})}
        train(me, "03-2", **{"value": 0.42, **(again or {}), "tags": tags})


# --- 03-3


def networks(given=range(5)) -> list[float]:
    return [rmse(fitted("ann", seed)) for seed in given] or [0.0]


def spread_and_wins(given=range(5)) -> dict[str, float]:
    """Ce que le parent doit dire de ces graines."""
    found = networks(given)
    return {
        "spread": max(found) - min(found),
        "wins": sum(value < rmse(linear(0.1)) for value in found),
    }


def seeds(me, given=range(5), *, reference=True, number="03-3", said=None, only=None, **metrics):
    """Un parent et ses réseaux, un par graine ; `only` : tout ce que dit le parent, `metrics` : ce
    qu'il dit autrement que juste.
    """
    parent = me.run(number, lesson=LESSON, metrics=only or spread_and_wins(given) | metrics)
    for seed in given:
        train(me, None, "ann", seed, parent=parent, said=said)
    if reference:
        train(me, None, parent=parent)


def said(number: str) -> str:
    """Ce que check.py doit annoncer d'une réponse juste, recalculé."""
    low, high = around()
    forest, numbers = rmse(fitted("random_forest", 0)), spread_and_wins()
    return {
        "03-1": f"la forêt ({forest:.2f}) gagne à partir d'un alpha compris "
        f"entre {low:g} et {high:g}",
        "03-2": f"RMSE {rmse(linear(4.2)):.2f} hors commit, {rmse(linear(0.42)):.2f} rejouée",
        "03-3": f"bouge de {numbers['spread']:.2f} ; {numbers['wins']} graine(s) sur 5",
    }[number]


RIGHT = {
    "03-1 juste": (lambda me: alphas(me, *around()), lambda: said("03-1")),
    "03-2 juste": (pair, lambda: said("03-2")),
    "03-3 juste": (seeds, lambda: said("03-3")),
    "03-1 une autre forêt, de plus près": (lambda me: alphas(me, *around(3, 20), forest=3),),
    "03-1 à côté de 03-2": (beside_the_liar,),
    # Une autre ligne : le découpage. Le run hors commit est jugé sur d'autres patients, c'est son
    # droit.
    "03-2 le découpage": (lambda me: pair(me, first={"real": linear(0.42), "seed": 1}),),
    "03-3 six autres graines": (lambda me: seeds(me, range(1, 7)),),
}

WRONG = {
    "03-1 à moitié": (alphas, "entre 1 et 5 : continuez, il le faut à 0.1 près"),
    "03-1 sans forêt": (
        lambda me: alphas(me, forest=None),
        "il manque un run de la forêt (`model=random_forest`)",
    ),
    "03-1 sans alpha 5": (
        lambda me: alphas(me, *around(), given=(0.42, 1)),
        "il manque un run d'ElasticNet à alpha = 5",
    ),
    "03-1 un autre l1_ratio": (
        lambda me: alphas(me, said={"l1_ratio": "0.9"}),
        "alpha = 0.42 (l1_ratio à 0.5)",
    ),
    "03-1 hors du projet": (
        lambda me: alphas(me, project=False, forest=None),
        "point d'entrée `train` du projet",
    ),
    "03-1 sur l'apprentissage": (
        lambda me: alphas(me, noted=rmse(linear(1), part="train")),
        "la RMSE ne monte pas avec alpha",
    ),
    "03-1 alpha inventé": (
        lambda me: [alphas(me), train(me, "03-1", value=4.95, real=linear(1))],
        "alpha = 4.95, mais son modèle a 1",
    ),
    "03-1 un autre découpage": (
        lambda me: alphas(me, *around(), seed=1),
        "89 patients de validation du cours",
    ),
    "03-2 sans rejeu": (lambda me: pair(me, replay=False), "un second run, étiqueté `replay_of`"),
    "03-2 rien de changé": (
        lambda me: pair(me, replay=False, first={"tags": {}}),
        "`git.dirty` vaut false",
    ),
    "03-2 rejeu d'un run propre": (
        lambda me: pair(me, first={"tags": {}}),
        "son code est celui du commit",
    ),
    "03-2 rejeu du dossier modifié": (
        lambda me: pair(me, again={"tags": {"git.dirty": "true"}}),
        "rejouez depuis Git",
    ),
    "03-2 un autre commit": (
        lambda me: pair(me, again={"tags": {"mlflow.source.git.commit": "d" * 40}}),
        "même commit",
    ),
    "03-2 un autre point d'entrée": (
        lambda me: pair(me, again={"tags": {"mlflow.project.entryPoint": "main"}}),
        "même point d'entrée",
    ),
    "03-2 d'autres paramètres": (
        lambda me: pair(me, again={"said": {"alpha": "4.2"}}),
        "mêmes paramètres",
    ),
    "03-2 de rien": (
        lambda me: pair(me, of="f" * 32),
        "`replay_of` ne désigne pas un autre run de l'exercice",
    ),
    "03-2 une ligne sans effet": (
        lambda me: pair(me, first={"real": linear(0.42)}),
        "la même RMSE, 55.48",
    ),
    "03-2 métrique inventée": (
        lambda me: pair(me, again={"noted": 50.0}),
        "vaut 50, mais le modèle du même run donne 55.48",
    ),
    "03-2 sur l'apprentissage": (
        lambda me: pair(me, again={"noted": rmse(linear(0.42), part="train")}),
        "porte sur l'apprentissage",
    ),
    "03-3 une seule": (
        lambda me: seeds(me, (0,)),
        "il faut cinq graines différentes ; vous avez 0.",
    ),
    "03-3 la même cinq fois": (
        lambda me: seeds(me, (0,) * 5),
        "vous avez 0",
    ),
    "03-3 hasard non fixé": (lambda me: seeds(me, said={"seed": "none"}), "une graine vaut `none`"),
    "03-3 sans ElasticNet": (lambda me: seeds(me, reference=False), "il manque ElasticNet"),
    "03-3 sans réseau": (lambda me: seeds(me, ()), "aucun run enfant du réseau (`model=ann`)"),
    "03-3 pas d'écart": (lambda me: seeds(me, only={"wins": 0}), "il manque la métrique `spread`"),
    "03-3 victoires à l'envers": (
        lambda me: seeds(me, wins=5 - spread_and_wins()["wins"]),
        "compte les défaites",
    ),
    "03-3 écart type": (
        lambda me: seeds(me, spread=statistics.pstdev(networks())),
        "est un écart type : il faut la pire moins",
    ),
    "03-3 écart type, n - 1": (
        lambda me: seeds(me, spread=statistics.stdev(networks())),
        "est un écart type : il faut la pire moins",
    ),
}


@each(
    RIGHT,
    WRONG,
    {"03-1 les runs de la leçon": (lambda me: alphas(me, given=(0.1, 1, 10), number=None),)},
)
def test_answer(room, case):
    room.judged(*case)
