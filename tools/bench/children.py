"""Un run enfant, pièce par pièce ; puis la façon de la plupart des tutoriels, sur les mêmes
modèles.
"""

import time
from statistics import median

import mlflow
import pandas as pd
from mlflow.models import infer_signature

KINDS = ("bare", "model", "signature", "example")


def child(
    kind: str, model, X, metrics: dict, params: dict, signature, requirements: list[str]
) -> float:
    """Un run enfant comme ceux des balayages, jusqu'à la pièce `kind` comprise ; renvoie sa durée,
    en secondes.
    """
    start = time.perf_counter()
    with mlflow.start_run(run_name=kind, nested=True):
        mlflow.log_params(params)
        if kind == "bare":
            mlflow.log_metrics(metrics)
        else:
            more = {"signature": signature} if kind != "model" else {}
            more |= {"input_example": X.head(3)} if kind == "example" else {}
            logged = mlflow.sklearn.log_model(
                model, name="model", pip_requirements=requirements, **more
            )
            mlflow.log_metrics(metrics, model_id=logged.model_id)
    return time.perf_counter() - start


def naive(model, metrics: dict, params: dict) -> float:
    """Le même run, comme on le lit souvent : un appel par valeur, et `log_model` sans rien d'autre
    que le modèle.
    """
    start = time.perf_counter()
    with mlflow.start_run(nested=True):
        for key, value in params.items():
            mlflow.log_param(key, value)
        for key, value in metrics.items():
            mlflow.log_metric(key, value)
        mlflow.sklearn.log_model(model, name="model")
    return time.perf_counter() - start


def fitted_svms(count: int) -> list[tuple]:
    """Les SVM de `svm_sweep`, entraînés : (modèle, données, métriques, paramètres, signature,
    dépendances).
    """
    from patients import cross_validated, known_patients, pins, svm

    X, y = known_patients()
    signature, grid = infer_signature(X, y.to_numpy()), []
    for C in (0.1, 1.0, 10.0, 100.0, 1000.0):
        for gamma in (0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3):
            grid.append({"C": C, "gamma": gamma})
    # leurs noms et leur nombre comptent, pas leurs valeurs
    scores = cross_validated(svm(**grid[0]), X, y)
    return [
        (svm(**params).fit(X, y), X, scores, params, signature, pins()) for params in grid[:count]
    ]


def fitted_kmeans(count: int) -> list[tuple]:
    """Les K-Means de `kmeans_sweep`, entraînés, sous la même forme."""
    from digits import external_indices, internal_indices, load_images, pins
    from sklearn.cluster import KMeans

    X, y = load_images()
    models = {k: KMeans(n_clusters=k, n_init=1, random_state=0).fit(X) for k in range(2, 2 + count)}
    scores = internal_indices(X, models[2]) | external_indices(y, models[2].labels_)
    signature, requirements = infer_signature(X, models[2].labels_), pins("scikit-learn", "skops")
    return [
        (model, X, scores, {"n_clusters": k, "n_init": 10, "seed": 0}, signature, requirements)
        for k, model in models.items()
    ]


def measure(rounds: int, count: int) -> dict[str, float]:
    """Millisecondes qu'ajoute chaque pièce d'un run enfant, médianes de `rounds` tours, et secondes
    du premier run avec modèle de ce programme ; puis, pour `count` modèles au plus de chaque
    balayage, la durée de la façon naïve en fois la nôtre.
    """
    mlflow.set_experiment("enfants")
    model, X, scores, params, signature, requirements = fitted_svms(1)[0]
    durations = {kind: [] for kind in KINDS}
    with mlflow.start_run():
        for _ in range(rounds + 1):  # le premier tour importe ce qui manque : il compte à part
            for kind in KINDS:
                durations[kind].append(
                    1000 * child(kind, model, X, scores, params, signature, requirements)
                )
    total = pd.Series({kind: median(values[1:]) for kind, values in durations.items()})
    found = {
        f"child.{kind}_ms": value for kind, value in total.diff().fillna(total.iloc[0]).items()
    }
    found["child.ours_ms"] = total["signature"]
    found["child.first_s"] = durations["model"][0] / 1000
    for name, fitted in {
        "svm": fitted_svms(count),
        "kmeans": fitted_kmeans(min(count, 19)),
    }.items():
        with mlflow.start_run():
            ours = sum(child("signature", *each) for each in fitted)
        with mlflow.start_run():
            found[f"naive.{name}"] = sum(naive(each[0], each[2], each[3]) for each in fitted) / ours
    return found
