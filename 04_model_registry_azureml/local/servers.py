"""Des serveurs locaux, sur 127.0.0.1 : lancés, attendus, arrêtés avec tout ce qu'ils ont lancé eux-mêmes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import requests


def free_port() -> int:
    """Un port libre de cette machine, à utiliser aussitôt."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def stop(process: subprocess.Popen) -> None:
    """Arrête `process` et ses descendants ; revient quand il n'en reste aucun, 10 s au plus tard."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
        process.wait(10)
        return
    for sent, seconds in ((signal.SIGTERM, 8), (signal.SIGKILL, 2)):
        end = time.monotonic() + seconds
        try:
            os.killpg(process.pid, sent)
            while time.monotonic() < end:
                process.poll()  # sans quoi un enfant terminé resterait dans son groupe
                os.killpg(process.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return  # plus personne dans le groupe


@contextmanager
def running(command: list[str], health_url: str, seconds: float = 90, **environment: str) -> Iterator[subprocess.Popen]:
    """Lance `command` avec `environment` en plus, attend que `health_url` réponde, et l'arrête à la sortie du bloc.

    L'entrée standard du programme est un tube : sa fin lui apprend que nous ne sommes plus là. Lève `SystemExit`, en
    une ligne, s'il s'arrête ou ne répond pas dans les `seconds` secondes.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # il y cherchera python et uvicorn
    with TemporaryFile() as log:
        process = subprocess.Popen(
            command, env={**os.environ, "PATH": path, **environment}, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
        try:
            end = time.monotonic() + seconds
            while not answers(health_url):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    last = (log.read().decode(errors="replace").strip().splitlines() or ["sans un mot"])[-1]
                    raise SystemExit(f"Le serveur {health_url} n'a pas démarré : {last[:300]}")
                time.sleep(0.1)
            yield process
        finally:
            stop(process)
            process.stdin.close()


def answers(url: str) -> bool:
    """Vrai si `url` répond 200."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False  # pas encore prêt
