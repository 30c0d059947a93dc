# databricks: non (ne sert qu'aux scripts du serveur d'équipe)
"""Un programme lancé par un script : attendu, puis arrêté avec tout ce qu'il a lancé lui-même."""

import atexit
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import requests


def free_port() -> int:
    """Un port libre de cette machine, à utiliser aussitôt."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def at_end(stop, *arguments) -> None:
    """Appellera `stop` à la fin du script, quelle qu'elle soit ; le dernier demandé d'abord."""
    for name in ("SIGTERM", "SIGHUP"):  # kill, ou la fenêtre qu'on ferme : comme Ctrl-C
        if hasattr(signal, name):  # Windows n'a pas le second
            signal.signal(getattr(signal, name), signal.default_int_handler)
    atexit.register(stop, *arguments)


def start(command: list[str], log: Path, **environment: str) -> subprocess.Popen:
    """Lance un programme qui écrit dans `log` ; la fin du script l'arrêtera.

    Dans une session à lui : Ctrl-C s'adresse au script, qui l'arrête quand il n'en a plus besoin.
    """
    with open(log, "w") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    at_end(stop, process)
    return process


def wait_until_ready(
    process: subprocess.Popen, address: str, log: Path, seconds: float = 180
) -> None:
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


def stop(process: subprocess.Popen) -> None:
    """Demande à un programme de `start` de finir, l'attend 15 s, puis tue ce qui reste de lui."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True)
        return
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with suppress(ProcessLookupError):  # plus personne dans son groupe
        os.killpg(process.pid, signal.SIGKILL)
