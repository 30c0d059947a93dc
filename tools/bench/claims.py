"""Les durées que les pages annoncent, une mesure par affirmation ; les tests comparent le texte à
ce qui en est gardé.

    python tools/bench/claims.py storage 100 300     une seule mesure, ici à deux tailles

Le magasin est celui de MLFLOW_TRACKING_URI.

Chaque mesure a son programme : les serveurs et les requêtes comptées changent celui où ils
passent.
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import LESSONS, PROJECT, script, seconds

READ = ("write_ms", "get_ms", "find_ms", "best_ms", "best_analyzed_ms", "table_ms")


def storage(*sizes: str) -> dict[str, float]:
    """`06_measure_storage.py` à ces tailles, en ms ; et les dix meilleurs à la dernière, quand
    `ANALYZE` a été fait à la première.
    """
    import mlflow
    from measure_storage import milliseconds

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        kept = Path(folder, "store")
        seconds(script("measure_storage"), "--runs", *sizes, "--keep", str(kept))
        grown, small = kept / "mlflow.db", kept / f"analyzed_{sizes[0]}.db"
        with closing(sqlite3.connect(small)) as counted, closing(sqlite3.connect(grown)) as base:
            base.execute("ANALYZE")  # crée la table des comptes
            base.execute("DELETE FROM sqlite_stat1")
            counts = counted.execute("SELECT * FROM sqlite_stat1").fetchall()
            base.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", counts)
            base.commit()
        search = mlflow.MlflowClient(f"sqlite:///{grown}").search_runs
        best = {"order_by": ["metrics.silhouette DESC"], "max_results": 10}
        early = milliseconds(search, ["1"], **best, repeat=3)
    (run,) = mlflow.search_runs(
        experiment_names=["measurements"],
        filter_string="run_name = 'stockage'",
        max_results=1,
        output_format="list",
    )
    found = {f"storage.{name}": run.data.metrics[name] for name in ("batch_ms", "by_hand_ms")}
    for name in READ:
        for point in mlflow.MlflowClient().get_metric_history(run.info.run_id, name):
            found[f"storage.{point.step}.{name}"] = point.value
    return found | {"storage.early_analyze_ms": early}


def log_model() -> dict[str, float]:
    """Les secondes de `log_model` pour un SVM et son exemple, dépendances données ou devinées :
    médiane de trois, après un premier.
    """
    import mlflow
    from patients import load_patients, pins, svm

    data, spent = load_patients(), defaultdict(list)
    model = svm(1.0, 0.03).fit(data.X_train, data.y_train)
    with mlflow.start_run():
        for name, asked in [("first", pins()), *[("given", pins()), ("guessed", None)] * 3]:
            start = time.perf_counter()
            mlflow.sklearn.log_model(
                model, name="model", input_example=data.X_valid.head(3), pip_requirements=asked
            )
            spent[name].append(time.perf_counter() - start)
    return {f"log_model.{name}_s": median(spent[name]) for name in ("guessed", "given")}


def system_metrics(waited: str = "20") -> dict[str, float]:
    """La part de temps de processeur que les relevés ajoutent à l'apprentissage de
    `05_system_metrics.py`.

    Le prix d'un relevé se mesure quand rien ne tourne, pendant `waited` secondes : deux
    apprentissages pareils diffèrent d'autant que lui.
    """
    import mlflow

    seconds(script("system_metrics"))
    watched = mlflow.search_runs(
        experiment_names=["02_tracking_unsupervised"],
        filter_string="run_name = 'observé'",
        output_format="list",
    )
    os.environ["MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"] = "1"
    spent = {}
    for reading in (True, False, True):  # le premier tour importe ce qu'il lui faut
        start = time.process_time()
        with mlflow.start_run(log_system_metrics=reading) as run:
            time.sleep(float(waited))
        spent[reading] = time.process_time() - start
    readings = mlflow.MlflowClient().get_metric_history(
        run.info.run_id, "system/cpu_utilization_percentage"
    )
    price = (spent[True] - spent[False]) / len(readings)
    times = [
        (run.info.end_time - run.info.start_time) / 1000 / run.data.metrics["fit_cpu_seconds"]
        for run in watched
    ]
    return {"system_metrics.share": price * max(times)}


def project() -> dict[str, float]:
    """Les secondes que `mlflow run` ajoute au script de la leçon 3 : la plus courte de trois, de
    l'un et de l'autre.
    """
    by_hand = [f"{PROJECT}/train.py"]
    run = ["-m", "mlflow", "run", PROJECT, "-e", "train", "--env-manager", "local"]
    seconds(*by_hand)  # tout est en mémoire
    spent = [(seconds(*by_hand), seconds(*run)) for _ in range(3)]
    alone, added = map(min, zip(*spent, strict=True))
    return {"project.added_s": added - alone}


def router(requested: str = "300") -> dict[str, float]:
    """Une prédiction demandée au routeur de la leçon 4, en fois la même demandée au serveur : les
    médianes, tour à tour.
    """
    import mlflow
    import requests
    from router import Router
    from servers import deployment
    from wines import candidates, load_wines, requirements, trusted_types

    wines = load_wines()
    model = candidates()["random_forest"].fit(wines.X_train, wines.y_train)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=mlflow.models.infer_signature(wines.X_train, wines.y_train),
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=trusted_types,
        )
    body = {"input_data": wines.X_test.head(1).to_dict(orient="split")}
    session, headers = requests.Session(), {"Authorization": "Bearer mesure"}
    spent = defaultdict(list)
    with TemporaryDirectory() as folder, Router("mesure").listening() as between:
        path = mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=folder)
        with deployment(path) as (url, _):
            between.deployments["blue"] = url
            between.set_traffic(blue=100)
            for _ in range(int(requested)):
                for name, address in {"direct": f"{url}/score", "routed": between.url}.items():
                    start = time.perf_counter()
                    session.post(address, json=body, headers=headers, timeout=30).raise_for_status()
                    spent[name].append(time.perf_counter() - start)
    return {"router.times": median(spent["routed"]) / median(spent["direct"])}


def epoch() -> dict[str, float]:
    """Les métriques d'une époque, envoyées en un appel, en fois une étiquette, la plus petite
    écriture : la médiane de soixante époques.
    """
    import mlflow
    from measure_storage import milliseconds

    client, ratios = mlflow.MlflowClient(), []
    with mlflow.start_run() as run:
        for step in range(60):
            tag = milliseconds(client.set_tag, run.info.run_id, "epoch", step)
            losses = {"loss": 0.5, "val_loss": 0.6}
            ratios.append(milliseconds(mlflow.log_metrics, losses, step=step) / tag)
    return {"epoch.writes": median(ratios)}


LATE = 40  # ms : le plus court retard d'un accusé de réception, sous Linux (TCP_DELACK_MIN)


def team(repeat: str = "100") -> dict[str, float]:
    """Le même run, écrit tour à tour dans SQLite et par un serveur : temps de processeur, en fois
    SQLite, et part des réponses tardives.

    Le serveur a deux programmes, comme celui de `04_measure_server.py` ; `late_share_alone` est la
    part de celui qui n'en a qu'un.
    """
    import psutil
    import requests
    from mlflow import MlflowClient
    from writer import write_run

    from bench.servers import start_server

    def cpu(name: str) -> float:
        """Le temps de processeur de ce programme-ci et, s'il y en a un, du serveur."""
        served = [serving[name], *serving[name].children(recursive=True)] if name in serving else []
        return time.process_time() + sum(sum(each.cpu_times()[:4]) for each in served)

    # l'adresse que MLflow affiche d'un run fini : le sixième appel
    os.environ.pop("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", None)
    answered, send = [], requests.Session.send

    def timed(session, request, **options):
        since = time.perf_counter()
        response = send(session, request, **options)
        answered.append(1000 * (time.perf_counter() - since))
        return response

    requests.Session.send = timed
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        direct = MlflowClient(f"sqlite:///{folder / 'direct.db'}")
        here = direct.create_experiment("volume", artifact_location=(folder / "files").as_uri())
        places, serving = {"sqlite": (direct, here)}, {}
        for workers in (1, 2):
            base = f"sqlite:///{folder / str(workers)}.db"
            address, process = start_server(folder / f"server{workers}", base, workers)
            client, serving[workers] = MlflowClient(address), psutil.Process(process.pid)
            places[workers] = client, client.create_experiment("volume")
        spent, late = defaultdict(float), defaultdict(list)
        for number in range(int(repeat) + 2):
            for name, (client, experiment) in places.items():
                answered.clear()
                before = cpu(name)
                write_run(client, experiment, number)
                # les deux premiers tours : chacun importe et ouvre ce qu'il lui faut
                if number > 1:
                    spent[name] += cpu(name) - before
                    late[name] += [duration >= LATE for duration in answered]
    return {
        "team.calls_cpu": spent[2] / spent["sqlite"],
        "team.late_share": statistics.mean(late[2]),
        "team.late_share_alone": statistics.mean(late[1]),
    }


def alone(name: str, *options: str) -> dict[str, float]:
    """Une de ces mesures, dans son programme."""
    ended = subprocess.run(
        [sys.executable, "-X", "utf8", __file__, name, *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if ended.returncode:
        raise RuntimeError(f"{name} : code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


MEASURES = ("log_model", "system_metrics", "project", "router", "epoch", "team")


def measure() -> dict[str, float]:
    """Tout ce qui est annoncé, le magasin qui grossit mis à part (`storage`)."""
    return {metric: value for name in MEASURES for metric, value in alone(name).items()}


if __name__ == "__main__":
    sys.path[:0] = LESSONS
    from store import open_store

    open_store()
    import mlflow

    mlflow.set_experiment("annonces")
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
