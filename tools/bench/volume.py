"""Le magasin qui grossit : un run de plus, les requêtes des leçons, deux scripts."""

from statistics import median

import mlflow
from mlflow import MlflowClient
from measure_server import milliseconds, multiply
from writer import write_run

from bench import changed, script, seconds
from bench.children import child, fitted_svms


def queries(client: MlflowClient, experiment: str) -> dict[str, float]:
    """Millisecondes des requêtes que font les scripts des leçons."""

    def asked(query: str, **options) -> float:
        return milliseconds(client.search_runs, [experiment], query, repeat=3, **options)

    named = "attributes.run_name = 'run 7' AND attributes.status = 'FINISHED'"
    sorted_by = ["metrics.ari DESC", "metrics.silhouette DESC"]
    return {
        "running": asked("attributes.status = 'RUNNING'"),
        "by_name": asked(named, max_results=1),
        "children": asked("tags.mlflow.parentRunId = 'aucun'", order_by=sorted_by),
        "best": asked("", order_by=sorted_by[1:], max_results=10),
    }


def measure(sizes: list[int]) -> dict[str, float]:
    """À chaque taille, en fois la plus petite : un run nu, un run enfant avec son modèle, quatre
    requêtes, `first_run` et `search_runs`.

    Le magasin est celui des scripts (`MLFLOW_TRACKING_URI`, une base SQLite) : ils y travaillent
    parmi tous ces runs. Les runs ajoutés sont dans leur expérience.
    """
    uri = mlflow.get_tracking_uri()
    client, fitted = MlflowClient(), fitted_svms(1)[0]
    experiment = mlflow.set_experiment("01_tracking_supervised").experiment_id
    # ce que `search_runs` demande
    few = {"C": [1.0], "gamma": [0.01, 0.03]}
    seconds("-c", changed(script("svm_sweep"), GRID=few))
    first, known = write_run(client, experiment, 7), 0
    absolute: dict[int, dict[str, float]] = {}
    for size in sizes:
        multiply(uri, first, size - known)
        known = size
        found = {"run": median(milliseconds(write_run, client, experiment, 1) for _ in range(20))}
        with mlflow.start_run():
            found["child"] = median(1000 * child("signature", *fitted) for _ in range(11))
        found |= queries(client, experiment)
        for name in ("first_run", "search_runs"):
            found[name] = min(1000 * seconds(script(name)) for _ in range(2))
        absolute[size] = found
    smallest = absolute[sizes[0]]
    return {
        f"volume_{size}.{name}": value / smallest[name]
        for size in sizes[1:]
        for name, value in absolute[size].items()
    }
