# databricks: non (ne sert qu'aux scripts du serveur d'équipe)
"""Un programme lancé par un script : attendu, puis arrêté avec tout ce qu'il a lancé lui-même."""

import atexit
import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import requests


def free_port() -> int:
    """Un port libre de cette machine, à utiliser aussitôt."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start(command: list[str], log: Path, **environment: str) -> psutil.Popen:
    """Lance un programme qui écrit dans `log` ; la fin du script l'arrêtera."""
    with open(log, "w") as output:
        process = psutil.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    atexit.register(stop, process)
    return process


def wait_until_ready(process: psutil.Popen, address: str, log: Path, seconds: float = 180) -> None:
    """Attend que `address`/health réponde ; lève `SystemExit`, en une ligne, si le programme
    s'arrête avant, ou tarde plus de `seconds`.
    """
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        with suppress(requests.RequestException):  # pas encore prêt
            requests.get(f"{address}/health", timeout=5).raise_for_status()
            return
        time.sleep(0.2)
    raise SystemExit(f"Le serveur ne répond pas : voyez la fin de {log}.")


def stop(process: psutil.Popen) -> None:
    """Demande à un programme de `start` de finir, l'attend 15 s, puis tue ce qui reste de lui."""
    if not process.is_running():
        return
    family = [*process.children(recursive=True), process]
    process.terminate()
    for each in psutil.wait_procs(family, timeout=15)[1]:
        with suppress(psutil.NoSuchProcess):  # fini entre-temps
            each.kill()
