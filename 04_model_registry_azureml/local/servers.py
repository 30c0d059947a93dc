"""Des serveurs locaux, sur 127.0.0.1 : lancés, attendus, arrêtés avec tout ce qu'ils ont lancé.

Chacun a un gardien, ce même fichier lancé comme un programme, qui attend au bout d'un tube. Quand
nous fermons le tube, ou que nous ne sommes plus là, même tués par SIGKILL, il arrête le serveur.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

import requests

LESSON = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """Un port libre de cette machine, à utiliser aussitôt."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(command: list, url: str, **environment: str):
    """Lance `command`, avec `environment` en plus, et attend que `url` réponde ; donne le gardien.
    À la sortie du bloc, rien n'en reste. Lève `SystemExit` s'il n'a pas répondu en deux minutes.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # mlflow, uvicorn
    given = {**os.environ, "PATH": path, **environment}
    with TemporaryFile("w+") as log:
        guard = subprocess.Popen(
            [sys.executable, __file__, *map(str, command)],
            env=given,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C s'adresse à nous seuls
        )
        try:
            end = time.monotonic() + 120
            while not answers(url):
                if guard.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    sys.exit(f"{url} n'a pas démarré : {log.read().strip()[-300:]}")
                time.sleep(0.1)
            yield guard
        finally:
            stop(guard)


def answers(url: str) -> bool:
    """Vrai si `url` répond sans erreur."""
    with suppress(requests.RequestException):
        return requests.get(url, timeout=5).ok
    return False


def stop(guard: subprocess.Popen) -> None:
    """Arrête le serveur de ce gardien ; revient quand il n'en reste rien."""
    guard.stdin.close()
    guard.wait()


def guard_until_the_pipe_closes(command: list[str]) -> None:
    """Le gardien : lance `command`, et l'arrête, avec ses descendants, quand le tube se ferme."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    pipe = threading.Thread(target=os.read, args=(0, 1), daemon=True)
    pipe.start()
    while pipe.is_alive() and server.poll() is None:
        time.sleep(0.05)
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(server.pid)])
    else:
        os.killpg(0, signal.SIGKILL)  # tout le groupe, dont ce gardien


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
    ses conteneurs, avec ses variables. Donne l'adresse, sans `/score`, et le gardien.
    """
    address = f"127.0.0.1:{free_port()}"
    # azmlinfsrv, la commande d'Azure, lance l'un ou l'autre de même, mais écoute partout
    posix, windows = ["gunicorn", "--timeout", "300", "--bind"], ["waitress", "--listen"]
    server = [*(windows if os.name == "nt" else posix), address]
    command = [inference_python(), "-m", *server, "azureml_inference_server_http.server.entry:app"]
    azure = {
        "AZUREML_MODEL_DIR": str(model),
        "AML_APP_ROOT": str(code),
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "PYTHONDONTWRITEBYTECODE": "1",  # rien ne s'ajoute au dossier `code`
    }
    with running(command, f"http://{address}", **azure) as guard:
        yield f"http://{address}", guard


if __name__ == "__main__":
    guard_until_the_pipe_closes(sys.argv[1:])
