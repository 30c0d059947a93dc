"""Écrire longtemps, à plusieurs, puis tout relire : chaque valeur annoncée doit être là, telle
quelle.

python tools/bench/soak.py SECONDES GRAINE EXPÉRIENCE      un écrivain ; le magasin est celui de
MLFLOW_TRACKING_URI
"""

import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

# de chaque run : les points d'une métrique, et ses paramètres ; un appel en accepte mille en tout
VALUES, TEXTS = 900, 5


def write(seconds: float, seed: int, experiment: str) -> None:
    """Écrit des runs pendant ce temps, valeurs tirées d'après la graine ; annonce chacun d'une
    ligne JSON, une fois fini.
    """
    client, draw, end = MlflowClient(), random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        values = [draw.uniform(-1e9, 1e9) for _ in range(VALUES)]
        texts = [f"{draw.getrandbits(64):x}é" for _ in range(TEXTS)]
        run_id = client.create_run(experiment).info.run_id
        metrics = [Metric("value", value, 0, step) for step, value in enumerate(values)]
        client.log_batch(run_id, metrics, [Param(f"p{i}", text) for i, text in enumerate(texts)])
        client.set_terminated(run_id)
        print(json.dumps({"run": run_id, "values": values, "texts": texts}), flush=True)


def lost(line: str) -> int:
    """Combien de valeurs d'un run annoncé manquent ou diffèrent, dans le magasin de
    MLFLOW_TRACKING_URI.
    """
    client, told = MlflowClient(), json.loads(line)
    history = {each.step: each.value for each in client.get_metric_history(told["run"], "value")}
    params = client.get_run(told["run"]).data.params
    missing = sum(history.get(step) != value for step, value in enumerate(told["values"]))
    return missing + sum(params.get(f"p{i}") != text for i, text in enumerate(told["texts"]))


def measure(seconds: float, writers: int) -> dict[str, float]:
    """`writers` programmes écrivent ensemble pendant ce temps dans le magasin courant : valeurs
    écrites, valeurs perdues.
    """
    client = MlflowClient()
    experiment = client.create_experiment(f"endurance {writers}")
    with ExitStack() as stack:  # dans des fichiers : un tuyau plein ferait attendre l'écrivain
        told = [
            stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            for _ in range(writers)
        ]
        commands = [
            [sys.executable, "-X", "utf8", __file__, str(seconds), str(seed), experiment]
            for seed in range(writers)
        ]
        programs = [
            subprocess.Popen(command, stdout=file)
            for command, file in zip(commands, told, strict=True)
        ]
        if any([program.wait() for program in programs]):
            raise RuntimeError("un écrivain s'est arrêté sur une erreur")
        for file in told:
            file.seek(0)
        # d'un serveur, MLflow écrit aussi l'adresse de chaque run
        lines = [line for file in told for line in file if line.startswith("{")]
    # un programme par cœur
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        return {
            "values": (VALUES + TEXTS) * len(lines),
            "lost": sum(pool.map(lost, lines, chunksize=20)),
        }


if __name__ == "__main__":
    write(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
