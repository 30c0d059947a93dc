"""Les serveurs : ce que `04_measure_server.py` mesure, et ceux que d'autres mesures demandent."""

import sys
from pathlib import Path

import mlflow
from postgres import create_base, start_postgres
from processes import free_port, start, wait_until_ready

from bench import script, seconds

SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def measure(runs: int, rounds: int) -> dict[str, float]:
    """Les rapports de `04_measure_server.py`, lancé comme un lecteur le lance, lus dans le run
    qu'il enregistre.
    """
    seconds(script("measure_server"), "--runs", str(runs), "--rounds", str(rounds))
    (run,) = mlflow.search_runs(
        experiment_names=["measurements"],
        filter_string="run_name = 'serveur'",
        output_format="list",
    )
    return {f"server.{name}": value for name, value in run.data.metrics.items()}


def start_server(folder: Path, base: str = "", workers: int = 2):
    """Un serveur sur cette base, ou sur une base PostgreSQL neuve, arrêté à la fin de ce
    programme ; renvoie son adresse et son programme.
    """
    folder.mkdir(parents=True)
    base, port = base or create_base(start_postgres(folder / "postgres"), "mlflow"), free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", base,
        "--artifacts-destination", str(folder / "files"),
        "--workers", str(workers), "--port", str(port),
    ]  # fmt: skip
    address, log = f"http://127.0.0.1:{port}", folder / "server.log"
    process = start(command, log, **SETTINGS)
    wait_until_ready(process, address, log)
    return address, process
