"""Des serveurs locaux, sur 127.0.0.1 : lancés, attendus, arrêtés avec tout ce qu'ils ont lancé."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

import psutil
import requests

LESSON = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """Un port libre de cette machine, à utiliser aussitôt."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(command: list, url: str, **environment: str):
    """Lance `command`, avec `environment` en plus, et attend que `url` réponde ; donne le serveur.
    À la sortie du bloc, rien n'en reste. Lève `SystemExit` s'il n'a pas répondu en deux minutes.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # mlflow, uvicorn
    given = {**os.environ, "PATH": path, **environment}
    with TemporaryFile("w+") as log:
        server = psutil.Popen([*map(str, command)], env=given, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 120
            while not answers(url):
                if server.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    sys.exit(f"{url} n'a pas démarré : {log.read().strip()[-300:]}")
                time.sleep(0.1)
            yield server
        finally:
            stop(server)


def answers(url: str) -> bool:
    """Vrai si `url` répond sans erreur."""
    with suppress(requests.RequestException):
        return requests.get(url, timeout=5).ok
    return False


def stop(server: psutil.Popen) -> None:
    """Arrête ce serveur et ce qu'il a lancé ; revient quand il n'en reste rien."""
    family = [*server.children(recursive=True), server] if server.is_running() else []
    for process in family:
        with suppress(psutil.NoSuchProcess):  # déjà fini
            process.kill()
    psutil.wait_procs(family)


def inference_python() -> Path:
    """Le Python du serveur d'Azure ML, dans `.venv-server`, que uv bâtit s'il manque ou a vieilli.

    Ses versions, celles de `endpoint/requirements.txt`, ne vont pas avec celles du cours.
    """
    folder, requirements = LESSON / ".venv-server", LESSON / "endpoint/requirements.txt"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    built = folder / "built-from.txt"
    if not built.exists() or built.read_bytes() != requirements.read_bytes():
        print("L'environnement du serveur d'Azure ML se bâtit (une fois, 350 Mo)...", flush=True)
        uv = ["uv", "--quiet"]
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, folder], check=True)
        install = [*uv, "pip", "install", "--python", python, "-r", requirements]
        subprocess.run(install, check=True)
        built.write_bytes(requirements.read_bytes())
    return python


@contextmanager
def deployment(model: str | Path, code: str | Path = LESSON / "endpoint"):
    """Le dossier `code` (score.py) sur le dossier `model`, par le serveur qu'Azure ML lance dans
    ses conteneurs, avec ses variables. Donne l'adresse, sans `/score`, et le serveur.
    """
    address = f"127.0.0.1:{free_port()}"
    # azmlinfsrv, la commande d'Azure, lance l'un ou l'autre de même, mais écoute partout
    posix, windows = ["gunicorn", "--timeout", "300", "--bind"], ["waitress", "--listen"]
    listen = [*(windows if os.name == "nt" else posix), address]
    command = [inference_python(), "-m", *listen, "azureml_inference_server_http.server.entry:app"]
    azure = {
        "AZUREML_MODEL_DIR": str(model),
        "AML_APP_ROOT": str(code),
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "PYTHONDONTWRITEBYTECODE": "1",  # rien ne s'ajoute au dossier `code`
    }
    with running(command, f"http://{address}", **azure) as server:
        yield f"http://{address}", server
