"""Les serveurs : ce que `03_measure_server.py` mesure, et un serveur sur PostgreSQL pour l'endurance."""

import sys
from pathlib import Path

import mlflow
from postgres import create_base, start_postgres
from team import free_port, start, wait_until_ready

from bench import script, seconds


def measure(runs: int, rounds: int, writers: list[int]) -> dict[str, float]:
    """Les rapports de `03_measure_server.py`, lancé comme un lecteur le lance, lus dans le run qu'il
    enregistre.
    """
    options = ["--runs", str(runs), "--rounds", str(rounds), "--writers", *map(str, writers)]
    seconds(script("02_tracking_unsupervised", "measure_server"), *options)
    (run,) = mlflow.search_runs(
        experiment_names=["measurements"],
        filter_string="run_name = 'serveur'",
        output_format="list",
    )
    return {f"server.{name}": value for name, value in run.data.metrics.items()}


def start_server(folder: Path) -> str:
    """Un serveur sur une base PostgreSQL neuve, arrêtés tous deux à la fin de ce programme ;
    renvoie son adresse.
    """
    folder.mkdir(parents=True)
    base, port = create_base(start_postgres(folder / "postgres"), "mlflow"), free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        base,
        "--workers",
        "2",
        "--port",
        str(port),
    ]
    command += ["--artifacts-destination", str(folder / "files")]
    address, log = f"http://127.0.0.1:{port}", folder / "server.log"
    wait_until_ready(
        start(
            command,
            log,
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
            MLFLOW_DISABLE_TELEMETRY="true",
        ),
        address,
        log,
    )
    return address
