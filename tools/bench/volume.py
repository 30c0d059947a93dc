"""Le magasin qui grossit : ce que coûtent un run de plus, les requêtes des leçons, et deux scripts."""

from pathlib import Path
from statistics import median

import mlflow
from costs import milliseconds
from mlflow import MlflowClient
from serving import multiply
from writer import write_run

from bench import script, seconds
from bench.children import child, fitted_svms


def queries(client: MlflowClient, experiment: str) -> dict[str, float]:
    """Millisecondes des requêtes que font les scripts des leçons."""
    asked = {
        # à chaque ouverture du magasin
        "running": {"filter_string": "attributes.status = 'RUNNING'"},
        "by_name": {"filter_string": "attributes.run_name = 'run 7' AND attributes.status = 'FINISHED'", "max_results": 1},
        "children": {
            "filter_string": "tags.mlflow.parentRunId = 'aucun'", "order_by": ["metrics.ari DESC", "metrics.silhouette DESC"],
        },
        "best": {"order_by": ["metrics.silhouette DESC"], "max_results": 10},
    }  # fmt: skip
    return {
        name: milliseconds(client.search_runs, [experiment], repeat=3, **options)
        for name, options in asked.items()
    }


def measure(sizes: list[int], folder: Path) -> dict[str, float]:
    """À chaque taille, en fois la plus petite : un run nu, un run enfant avec son modèle, quatre
    requêtes, `first_run` et `search_runs`.

    Le magasin est celui des scripts (`MLFLOW_TRACKING_URI`, une base SQLite) : ils y travaillent
    parmi tous ces runs. Les runs ajoutés sont dans leur expérience.
    """
    uri = mlflow.get_tracking_uri()
    client, fitted = MlflowClient(), fitted_svms(1)[0]
    experiment = mlflow.set_experiment("01_tracking_supervised").experiment_id
    # ce que `search_runs` demande
    seconds(script("01_tracking_supervised", "svm_sweep"), "--C", "1", "--gamma", "0.01", "0.03")
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
            found[name] = min(
                1000 * seconds(script("01_tracking_supervised", name)) for _ in range(2)
            )
        absolute[size] = found
    smallest = absolute[sizes[0]]
    return {
        f"volume_{size}.{name}": value / smallest[name]
        for size in sizes[1:]
        for name, value in absolute[size].items()
    }
