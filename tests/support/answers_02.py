"""Répondre aux exercices de la leçon 2, juste ou non ; chaque modèle n'est calculé qu'une fois."""

from copy import deepcopy
from functools import cache

import pandas as pd
from digits import elbow, load_images, split_images
from mlflow.entities import LoggedModelOutput
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.metrics import adjusted_rand_score, mean_squared_error, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LESSON = "02_tracking_unsupervised"
X, Y = load_images()
IMAGES = split_images(X, Y)
WINES = load_wine(as_frame=True).data


@cache
def kmeans(k: int, seed=0, n_init=1) -> KMeans:
    return KMeans(k, n_init=n_init, random_state=seed).fit(X)


def tagged_as(number: str | None, who: str) -> tuple:
    """L'étiquette du parent, puis celle de ses enfants ; `who` : parent, enfants ou tous."""
    return number if who != "enfants" else None, number if who != "parent" else None


# --- 02-0


@cache
def mixture(k: int, covariance="full"):
    model = GaussianMixture(k, covariance_type=covariance, random_state=0)
    return make_pipeline(StandardScaler(), model).fit(WINES)


@cache
def bic(k: int, covariance="full") -> float:
    model = mixture(k, covariance)
    return float(model[-1].bic(model[:-1].transform(WINES)))


def mixtures(
    me,
    ks=range(1, 6),
    *,
    model=mixture,
    score=bic,
    tags="parent",
    lesson=LESSON,
    param="n_components",
    nested=True,
    status="FINISHED",
    child_status=None,
    parent_params=None,
    **chosen,
):
    """Un parent et ses enfants ; `model`, `score` : ce que garde et ce que note l'enfant de `k`
    groupes ; `child_status` : les enfants qui ne sont pas finis.
    """
    ours, theirs = tagged_as("02-0", tags if nested else "tous")
    right = {} if parent_params or not ks else {"k_bic": min(ks, key=bic)}
    told = {name: value for name, value in (right | chosen).items() if value is not None}
    parent = me.run(
        ours, lesson=lesson, name="mélanges", metrics=told, params=parent_params, status=status
    )
    for k in ks:
        me.run(
            theirs,
            lesson=lesson,
            name=f"k={k}",
            parent=parent if nested else None,
            params={param: k},
            metrics={} if score is None else {"bic": score(k)},
            model=model and model(k),
            status=(child_status or {}).get(k, "FINISHED"),
        )


@cache
def alone(k: int) -> GaussianMixture:
    """Le mélange, sans la mise à l'échelle qui le précède."""
    return mixture(k)[-1]


@cache
def unscaled(k: int) -> GaussianMixture:
    """Un mélange appris sur les mesures telles quelles."""
    return GaussianMixture(k, covariance_type="diag", random_state=0).fit(WINES)


@cache
def partition(k: int):
    return make_pipeline(StandardScaler(), KMeans(k, n_init=1, random_state=0)).fit(WINES)


# --- 02-1 : check.py n'y recalcule que deux modèles, le meilleur pour la silhouette et pour l'ARI ;
# le reste peut s'inventer


@cache
def grouped(k: int, kind="acp"):
    reducers = {
        "acp": [PCA(8, random_state=0)],
        "svd": [TruncatedSVD(8, random_state=0)],
        "six": [PCA(6, random_state=0)],
        "pixels": [],
    }
    return make_pipeline(*reducers[kind], KMeans(k, n_init=1, random_state=0)).fit(X)


@cache
def measured(k: int, kind="acp", pixels=False) -> dict[str, float]:
    """Ce que note le run de `k` groupes ; `pixels` : la silhouette mesurée sur les pixels."""
    found = {
        "inertia": 1000 / k,
        "silhouette": 0.05,
        "davies_bouldin": 1 + abs(k - 13),
        "calinski_harabasz": 900 - 10 * k,
        "ari": 0.1,
    }
    if k in (9, 12):
        model = grouped(k, kind)
        seen = X if pixels or kind == "pixels" else model[:-1].transform(X)
        found["ari"] = float(adjusted_rand_score(Y, model.predict(X)))
        found["silhouette"] = float(silhouette_score(seen, model.predict(X)))
    return found


def indices(
    me,
    kind="acp",
    *,
    upto=20,
    models=True,
    factor=1.0,
    pixels=False,
    number="02-1",
    only=None,
    as_params=False,
    tags="parent",
    stopped=None,
    **chosen,
):
    """Un parent et ses enfants ; `factor` : ce qui multiplie chaque silhouette ; `only` : tout ce
    que dit le parent ; `stopped` : l'enfant qui a échoué.
    """
    best = {"k_elbow": elbow([*range(2, 21)], [1000 / k for k in range(2, 21)])}
    best |= {"k_silhouette": 9, "k_davies_bouldin": 13, "k_calinski_harabasz": 2, "k_ari": 12}
    ours, theirs = tagged_as(number, tags)
    said = {"params" if as_params else "metrics": only or best | chosen}
    parent = me.run(ours, lesson=LESSON, name="k par indice", **said)
    for k in range(2, upto + 1):
        metrics = measured(k, kind, pixels)
        metrics = metrics | {"silhouette": metrics["silhouette"] * factor}
        model = grouped(k, kind) if k in (9, 12) and models else None
        me.run(
            theirs,
            lesson=LESSON,
            name=f"k={k}",
            parent=parent,
            params={"n_clusters": k},
            metrics=metrics,
            model=model,
            status="FAILED" if k == stopped else "FINISHED",
        )


# --- 02-2 : de chaque courbe, seul le sommet est recalculé


def curve(seed: int) -> dict[int, float]:
    return {k: 0.5 for k in range(8, 16)} | {
        top(seed): float(adjusted_rand_score(Y, kmeans(top(seed), seed).labels_))
    }


def top(seed: int) -> int:
    return 12 + seed % 2


def seed_run(me, seed, history=None, model="sommet", wrap=False, number="02-2", **params):
    model = kmeans(top(seed), seed) if model == "sommet" else model
    me.run(
        number,
        lesson=LESSON,
        name=f"graine {seed}",
        params={"seed": seed, "n_init": 1, "n_clusters": top(seed)} | params,
        history=("ari", history or curve(seed)),
        model=make_pipeline(model) if wrap else model,
    )


def ten(me):
    for seed in range(10):
        seed_run(me, seed)


def seeds(me, **first):
    """Dix graines ; `first` est à la graine 0 : check.py la regarde d'abord, les autres n'ont pas
    besoin de modèle.
    """
    for seed in range(1, 10):
        seed_run(me, seed, model=None)
    seed_run(me, 0, **first)


def other_seeds(me):
    """D'autres graines, un modèle dans un pipeline, et des courbes plus longues."""
    for seed in range(10, 0, -1):
        seed_run(me, seed, history={7: 0.4, **curve(seed), 16: 0.5}, wrap=seed == 10)


# --- 02-3

EPOCHS = (39, 79, 119, 159, 199)  # comptées depuis 0


def lessons_for(images: str) -> pd.DataFrame:
    """Ce qu'un réseau apprend : les 60 images, ou ces 60 et d'autres qu'il ne devrait pas voir."""
    few = IMAGES.X_train.head(60)
    more = {"validation": IMAGES.X_valid, "un peu": IMAGES.X_valid.head(60), "test": IMAGES.X_test}
    if images == "toutes":
        return IMAGES.X_train
    return few if images == "60" else pd.concat([few, more[images]])


@cache
def learned(images="60") -> dict[int, MLPRegressor]:
    """Le réseau de l'exercice, toutes les 40 époques."""
    seen, kept = lessons_for(images), {}
    network = MLPRegressor(
        hidden_layer_sizes=(64, 16, 64), learning_rate_init=0.005, batch_size=20, random_state=0
    )
    for epoch in range(200):
        network.partial_fit(seen, seen)
        if epoch in EPOCHS:
            kept[epoch] = deepcopy(network)
    return kept


@cache
def by_lbfgs() -> dict[int, MLPRegressor]:
    """Des réseaux appris autrement : un par durée, sans `partial_fit`."""
    few, settings = IMAGES.X_train.head(60), {"solver": "lbfgs", "random_state": 0}
    return {
        turns: MLPRegressor(max_iter=turns, **settings).fit(few, few)
        for turns in (100, 200, 400, 800)
    }


def error(model, part="valid") -> float:
    images = IMAGES.X_train.head(60) if part == "train" else getattr(IMAGES, f"X_{part}")
    return mean_squared_error(images, model.predict(images))


@cache
def mse(epoch: int, part="valid") -> float:
    return error(learned()[epoch], part)


def checkpoints(
    me,
    epochs=EPOCHS,
    part="valid",
    step=None,
    noted=True,
    factor=1.0,
    number="02-3",
    params=None,
    **metrics,
):
    """Un run et ses points de reprise.

    `part` : où `valid_mse` se mesure ; `metrics` : ce que le run dit autrement que juste.
    """
    right = {"best_step": 79, "test_mse_best": mse(79, "test"), "test_mse_last": mse(199, "test")}
    told = {name: value for name, value in (right | metrics).items() if value is not None}
    run_id = me.run(number, lesson=LESSON, metrics=told, params=params)
    for epoch in epochs:
        at = epoch if step is None else step
        # check.py lit d'abord le dernier : lui seul est faux
        told = (epoch, part, noted, factor) if epoch == 199 else epoch
        if told in me.models:
            me.client.log_outputs(run_id, [LoggedModelOutput(me.models[told], at)])
            continue
        me.models[told] = me.log(run_id, learned()[epoch], at, own=True)
        if noted or epoch < 199:
            value = factor * mse(epoch, part) if epoch == 199 else mse(epoch)
            me.client.log_metric(run_id, "valid_mse", value, step=epoch, model_id=me.models[told])


def other_models(me, models: dict):
    """02-3, avec d'autres modèles (époque -> modèle), et ce qu'ils valent vraiment."""
    valid = {step: error(model) for step, model in models.items()}
    best, last = min(valid, key=valid.get), max(valid)
    metrics = {"best_step": best}
    metrics |= {"test_mse_best": error(models[best], "test")}
    metrics |= {"test_mse_last": error(models[last], "test")}
    run_id = me.run("02-3", lesson=LESSON, metrics=metrics)
    for step, model in models.items():
        logged = me.log(run_id, model, step, own=True)
        me.client.log_metric(run_id, "valid_mse", valid[step], step=step, model_id=logged)
