"""Lancer des programmes comme un lecteur : son environnement, un script qui finit, un serveur que
l'on arrête.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import requests

SECONDS = 300  # au-delà, un script est bloqué
# Les serveurs ouverts par les tests : un processus au lieu de cinq, et pas de statistiques
# envoyées.
LIGHT = {
    "MLFLOW_WORKERS": "1",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def reader_environment(**changes: str) -> dict[str, str]:
    """L'environnement d'un lecteur : Python sur le PATH, aucune variable de MLflow, sauf `changes`.

    Ni celles d'un serveur d'intégration continue : MLflow s'y croirait, et n'enverrait plus de
    télémétrie.
    """
    ours = ("MLFLOW_", "_MLFLOW", "PYTEST_", "GIT_", "CI", "GITHUB_", "GITLAB_", "RUNBOT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # sans bytecode gardé, chaque script recompilerait MLflow
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return {**environment, "PYTHONUTF8": "1", **changes}


def ended(
    command: list[str], cwd: Path, timeout: float = SECONDS, **environment: str
) -> subprocess.CompletedProcess:
    """Un programme lancé jusqu'au bout : son code, ses deux sorties."""
    return subprocess.run(
        command, cwd=cwd, env=reader_environment(**environment), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, encoding="utf-8", timeout=timeout,
    )  # fmt: skip


@contextmanager
def running(
    command: list[str],
    cwd: Path,
    wait_for: str | None = None,
    seconds: float = 180,
    **environment: str,
):
    """Un programme en arrière-plan, arrêté avec tout son groupe à la sortie ; attend d'abord que
    l'URL `wait_for` réponde.
    """
    with open(cwd / "programme.log", "w") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=reader_environment(**environment), stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + seconds
        while wait_for and not answers(wait_for):
            assert process.poll() is None and time.monotonic() < end, (
                cwd / "programme.log"
            ).read_text()
            time.sleep(0.2)
        yield process
    finally:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sent)
                process.wait(10)
                time.sleep(0.2)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue  # déjà fini, ou trop lent : le signal suivant s'en charge
        process.wait(10)


def answers(url: str) -> bool:
    """Vrai si `url` répond, et bien, en moins de cinq secondes."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def hears_ctrl_c() -> dict:
    """Les arguments de `Popen` pour qu'un programme entende SIGINT, même si celui qui teste
    l'ignore (tâche d'arrière-plan).
    """
    return (
        {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        if os.name == "posix"
        else {}
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
