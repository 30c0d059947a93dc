# databricks: non (ne sert qu'à 04_measure_server.py)
"""Un écrivain : il attend sur son entrée des lignes « magasin expérience combien », écrit autant de
runs, et rend la durée.

`04_measure_server.py` en lance plusieurs : des collègues qui écrivent en même temps que vous.
"""

import os
import sys
import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param


def write_run(client: MlflowClient, experiment: str, number: int) -> str:
    """Un petit run sans modèle (deux paramètres, trois métriques, un fichier) ; renvoie son
    identifiant.
    """
    run_id = client.create_run(experiment, run_name=f"run {number}").info.run_id
    now = int(time.time() * 1000)
    # le nombre d'or : des valeurs toutes différentes, sans tirage
    share = (number * 0.6180339887) % 1
    metrics = [
        Metric(key, share + place, now, 0)
        for place, key in enumerate(("inertia", "silhouette", "ari"))
    ]
    client.log_batch(
        run_id, metrics, [Param("n_clusters", str(number % 19 + 2)), Param("seed", str(number))]
    )
    client.log_text(run_id, str(number), "summary.txt")
    client.set_terminated(run_id)
    return run_id


if __name__ == "__main__":
    clients: dict[str, MlflowClient] = {}
    print("prêt", flush=True)
    for line in sys.stdin:
        uri, experiment, count = line.rsplit(maxsplit=2)  # un dossier peut contenir une espace
        if uri not in clients:
            clients[uri] = MlflowClient(uri)
        start = time.time()
        for number in range(int(count)):
            write_run(clients[uri], experiment, os.getpid() + number)
        print(start, time.time(), flush=True)
