"""Des serveurs locaux, sur 127.0.0.1 : lancés, attendus, arrêtés avec tout ce qu'ils ont lancé
eux-mêmes.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryFile

import requests

LESSON = Path(__file__).resolve().parents[1]

# Le serveur d'Azure ML écoute partout si on le lance par sa commande ; ici, sur 127.0.0.1.
INFERENCE_SERVER = """
import importlib, sys
system = "win" if sys.platform == "win32" else "linux"
importlib.import_module("azureml_inference_server_http.amlserver_" + system).run("127.0.0.1", int(sys.argv[1]), 1)
"""
# Lance le serveur, et attend la fin de son entrée standard : quoi qu'il nous arrive, même un
# SIGKILL, il s'arrête avec nous.
GUARD = """
import os, signal, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    while os.read(0, 1):
        pass
    if os.name == "posix":
        os.killpg(0, signal.SIGTERM)
    subprocess.run(["taskkill", "/T", "/F", "/PID", str(server.pid)])
threading.Thread(target=watch, daemon=True).start()
sys.exit(server.wait())
"""


def inference_python() -> Path:
    """Le Python de l'environnement du serveur d'Azure ML, `.venv-server` dans la leçon ; uv le
    bâtit s'il manque ou a vieilli.

    Ses versions, figées dans `endpoint/requirements.txt`, ne vont pas avec celles du cours. Lève
    `SystemExit`, en une ligne, si uv est absent ou échoue.
    """
    folder, requirements = LESSON / ".venv-server", LESSON / "endpoint" / "requirements.txt"
    built = folder / "built-from.txt"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not built.exists() or built.read_bytes() != requirements.read_bytes():
        print("L'environnement du serveur d'Azure ML se bâtit (une fois, 350 Mo)...", flush=True)
        for command in (
            ["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            ["uv", "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)],
        ):
            try:
                subprocess.run(command, check=True, capture_output=True, text=True)
            except FileNotFoundError:
                raise SystemExit(
                    "uv est introuvable : voir https://docs.astral.sh/uv/, ou `pip install uv`."
                ) from None
            except subprocess.CalledProcessError as error:
                raise SystemExit(
                    f"uv n'a pas pu bâtir {folder.name} : {(error.stderr.strip().splitlines() or ['?'])[-1]}"
                ) from None
        built.write_bytes(requirements.read_bytes())
    return python


@contextmanager
def deployment(
    model: str | Path, code: str | Path = LESSON / "endpoint"
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Un déploiement local : le dossier `code` (score.py) sur le dossier `model`, par le serveur
    d'Azure ML.

    Donne l'adresse, sans `/score`, et le processus. Les noms des variables sont ceux d'Azure.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    azure = {
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AML_APP_ROOT": str(code),
        "AZUREML_MODEL_DIR": str(model),
    }
    command = [str(inference_python()), "-c", INFERENCE_SERVER, str(port)]
    with running(command, url, PYTHONDONTWRITEBYTECODE="1", **azure) as process:
        yield url, process


def free_port() -> int:
    """Un port libre de cette machine, à utiliser aussitôt."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def stop(process: subprocess.Popen) -> None:
    """Arrête `process` et ses descendants ; revient quand il n'en reste aucun, 10 s au plus tard."""
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False
        )
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
def running(
    command: list[str], health_url: str, seconds: float = 120, **environment: str
) -> Iterator[subprocess.Popen]:
    """Lance `command` avec `environment` en plus, attend que `health_url` réponde, et l'arrête à la
    sortie du bloc.

    L'entrée standard du gardien est un tube : sa fin lui apprend que nous ne sommes plus là. Lève
    `SystemExit`, en une ligne, s'il s'arrête ou ne répond pas dans les `seconds` secondes.
    """
    # il y cherchera python et uvicorn
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", GUARD, *command], env={**os.environ, "PATH": path, **environment},
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            end = time.monotonic() + seconds
            while not answers(health_url):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    last = (
                        log.read().decode(errors="replace").strip().splitlines() or ["sans un mot"]
                    )[-1]
                    raise SystemExit(f"Le serveur {health_url} n'a pas démarré : {last[:300]}")
                time.sleep(0.1)
            yield process
        finally:
            stop(process)
            process.stdin.close()


@contextmanager
def receiving(handle: Callable[[Message, str], int]) -> Iterator[tuple[str, list[int]]]:
    """Le temps du bloc, un récepteur HTTP sur 127.0.0.1 : `handle(en-têtes, corps)` rend le code de
    la réponse à chaque POST.

    Donne son adresse, et la liste des codes répondus, qui s'allonge. Les messages sont traités un à
    un.
    """
    codes = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(
                errors="replace"
            )
            code = handle(self.headers, body)
            self.send_response(code)
            self.end_headers()
            codes.append(code)

        def log_message(self, *_):
            """Rien sur le terminal."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", codes
    finally:
        server.shutdown()
        server.server_close()


def wait_until(ready: Callable[[], bool], seconds: float = 60) -> None:
    """Revient dès que `ready()` est vrai.

    Lève `SystemExit`, en une ligne, au bout de `seconds` secondes.
    """
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"Rien n'est venu en {seconds:.0f} secondes.")
        time.sleep(0.1)


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Le temps du bloc, ce que ce processus et ceux qu'il lance écrivent sur le terminal va dans le
    fichier `path`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with open(path, "wb") as journal:
        for number in (1, 2):
            os.dup2(journal.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def last_error(journal: Path) -> str:
    """La dernière ligne du fichier `journal` qui annonce une erreur (`error: ...`,
    `ValueError: ...`), ou « sans un mot ».
    """
    lines = journal.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [line for line in lines if re.match(r"(error|\w+Error): ", line)]
    return found[-1][:200] if found else "sans un mot"


def answers(url: str) -> bool:
    """Vrai si `url` répond 200."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False  # pas encore prêt
