"""La séance enregistrée : chaque script du cours, une fois, comme un lecteur le lance, dans
l'endroit le plus ingrat.

Un magasin par leçon, dans un dossier qui a une espace et un accent ; les scripts partent d'un autre
dossier, des secrets dans l'environnement et dans l'adresse `origin` du clone. Ce que chacun a
écrit, son code et ses runs sont gardés dans `.pytest_cache/d/session`, sous une clé faite de ce
dont ils dépendent : les processus de tests se les partagent, et le lancement suivant les retrouve.
`pytest --cache-clear` les oublie.

La séance brève compte les scripts annoncés à vingt secondes au plus ; l'autre, pour `-m slow`, part
d'elle et y ajoute le reste.
"""

import hashlib
import json
import os
import platform
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from copies import ROOT, Course, bring_store
from filelock import FileLock, Timeout
from programs import ended
from run_course import missing
from sqlalchemy import event
from sqlalchemy.engine import Engine

from course import LESSONS, SCRIPTS, Script
from forms.outputs import unexpected

KEPT = ROOT / ".pytest_cache/d/session"
BRIEF = 20  # secondes annoncées
BY_HAND = {  # ceux-là ont leurs propres tests
    "team_server": "un serveur, qui attend dans son terminal",
    "move_store": "demande un serveur d'équipe",
    "measure_server": "quatre minutes, et PostgreSQL",
}


def scripts_of(lesson: str, slow: bool) -> list[Script]:
    """Les scripts de cette séance, dans l'ordre de lecture ; sans ceux à qui il manque un outil."""

    def brief(script: Script) -> bool:
        return script.seconds <= BRIEF and "azure" not in script.needs

    mine = [script for script in SCRIPTS if script.lesson == lesson and script.name not in BY_HAND]
    return [script for script in mine if brief(script) != slow and missing(script) is None]


def key(lesson: str, slow: bool) -> str:
    """De quoi cette séance dépend : les fichiers de la leçon qui s'exécutent, les versions, ses
    scripts, et ce fichier.
    """
    made = hashlib.sha256(
        f"{[*scripts_of(lesson, slow)]} {sys.version} {platform.machine()}".encode()
    )
    code = [
        path
        for path in (ROOT / lesson).rglob("*")
        if path.suffix in (".py", ".yaml", ".yml", ".json") or path.name == "MLproject"
    ]
    aside = {
        "databricks",
        "jupyter",
        "Images",
        "exercises",
        "solutions",
        ".venv-server",
        "__pycache__",
    }
    sources = [path for path in code if not aside & set(path.relative_to(ROOT).parts)]
    for path in [
        *sorted(sources),
        *(ROOT / lesson).glob("endpoint/requirements.txt"),
        ROOT / "requirements.txt",
        Path(__file__),
    ]:
        made.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return made.hexdigest()[:12]


class Recorded(Course):
    """Une leçon enregistrée : elle se lit, et rien ne s'y lance ni ne s'y écrit (voir `copy`)."""

    def __init__(self, lesson: str, slow: bool):
        self.lesson, self.slow = lesson, slow
        part = f"{lesson[:2]}{' entière' if slow else ''}"
        self.folder = KEPT / f"{part} {key(lesson, slow)}"
        self.others = [path for path in KEPT.glob(f"{part} ????????????") if path != self.folder]
        self.root = self.folder / "été/Jean Dupont/cours-mlflow"
        self.uri = f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def done(self) -> bool:
        """Vrai si elle est enregistrée ; une séance où un script a échoué ne sert qu'au lancement
        qui l'a vue.
        """
        if not (self.folder / "séance.json").exists():
            return False
        return not self.failures() or self.told["launch"] == launch()

    @property
    def told(self) -> dict:
        return json.loads((self.folder / "séance.json").read_text(encoding="utf-8"))

    def failures(self) -> list[str]:
        return [
            name
            for name, each in self.told["scripts"].items()
            if each["code"] or unexpected(each["stderr"])
        ]

    @property
    def secret(self) -> str:
        """Ce qui était dans l'environnement et dans l'adresse du clone, et ne doit être nulle part
        ailleurs.
        """
        return self.told["secret"]

    def names(self) -> list[str]:
        return list(self.told["scripts"])

    def ended(self, name: str) -> CompletedProcess:
        """La fin de ce script : il a réussi, et rien écrit sur la sortie d'erreur.

        Saute le test s'il lui manquait un outil.
        """
        if name not in self.told["scripts"]:
            [script] = [each for each in SCRIPTS if each.name == name]
            assert missing(script), f"{name} n'est pas de cette séance"
            pytest.skip(missing(script))
        told = self.told["scripts"][name]
        assert (told["code"], unexpected(told["stderr"])) == (0, ""), (
            f"{name} : code {told['code']}\n{told['stdout']}\n{told['stderr']}"
        )
        return CompletedProcess(name, told["code"], told["stdout"], told["stderr"])

    def runs_of(self, name: str) -> list:
        """Les runs que ce script a créés et que l'on peut encore lire, du plus ancien au plus
        récent.
        """
        self.ended(name)
        return [self.client().get_run(run_id) for run_id in self.told["scripts"][name]["runs"]]

    def run(self, *_, **__):
        raise AssertionError("rien ne se lance dans une leçon enregistrée : prenez-en une copie")

    def copy(self, root: Path) -> Course:
        """Une copie du cours d'aujourd'hui, avec ce magasin et les commits que ses runs nomment :
        on y lance ce que l'on veut.
        """
        copied = Course(root)
        shutil.rmtree(root / ".git")
        shutil.copytree(self.root / ".git", root / ".git")
        if copied.git("status", "--porcelain"):
            copied.commit("les fichiers d'aujourd'hui")
        bring_store(self.root, root)
        return copied

    def record(self) -> None:
        """Lance les scripts ; ce qu'ils ont écrit va dans `séance.json`, en une fois, à la fin."""
        for old in (*self.others, self.folder):
            shutil.rmtree(old, ignore_errors=True)
        self.root.parent.mkdir(parents=True)
        if self.slow:
            before = recorded(self.lesson)
            before.copy(self.root)
            told = before.told | {"launch": launch()}
        else:
            Course(self.root)
            told = {
                "launch": launch(),
                "secret": f"s3cr3t-{os.urandom(6).hex()}-jamais-enregistre",
                "scripts": {},
            }
            self.git(
                "remote",
                "add",
                "origin",
                f"https://lectrice:{told['secret']}@exemple.invalid/cours.git",
            )
        away = self.folder / "d'ailleurs"
        away.mkdir()
        planted = dict.fromkeys(
            ("WAREHOUSE_PASSWORD", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"), told["secret"]
        )
        for script in scripts_of(self.lesson, self.slow):
            known = self.run_ids()
            program = ended(self.command(script.path), away, 1200, **planted)
            told["scripts"][script.name] = {
                "code": program.returncode, "stdout": program.stdout, "stderr": program.stderr,
                "runs": [each for each in self.run_ids() if each not in known],
            }  # fmt: skip
        told["beside"] = sorted(
            path.name for place in (self.root.parent, away) for path in place.iterdir()
        )
        (self.folder / "séance.json").write_text(
            json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8"
        )

    def run_ids(self) -> list[str]:
        """Les runs de la base, du plus ancien au plus récent ; lue sans MLflow, qui l'ouvrirait."""
        if not (self.root / "mlflow.db").exists():
            return []
        with closing(sqlite3.connect(self.root / "mlflow.db")) as base:
            return [
                run_id
                for (run_id,) in base.execute(
                    "SELECT run_uuid FROM runs ORDER BY start_time, rowid"
                )
            ]


def launch() -> str:
    """Ce lancement de pytest, que tous ses processus partagent."""
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))


@cache
def recorded(lesson: str, slow: bool = False) -> Recorded:
    """La leçon `lesson` enregistrée, faite si elle ne l'est pas.

    Un autre processus y travaille déjà ? Celui-ci enregistre en attendant une leçon que personne
    n'a commencée.
    """
    wanted = Recorded(lesson, slow)
    KEPT.mkdir(parents=True, exist_ok=True)
    while not wanted.done:
        for each in (wanted, *(Recorded(other, slow) for other in LESSONS if other != lesson)):
            if each.done:
                continue
            try:
                with FileLock(KEPT / f"{each.folder.name}.lock", timeout=0):
                    if not each.done:
                        each.record()
                    break
            except Timeout:
                continue
        else:
            time.sleep(0.5)
    return wanted


@event.listens_for(Engine, "connect")
def forbid_writing(connection, _) -> None:
    """Un test qui écrirait dans une leçon enregistrée est arrêté par SQLite."""
    if isinstance(connection, sqlite3.Connection):
        [(*_, path), *_] = connection.execute("PRAGMA database_list").fetchall()
        if path.startswith(str(KEPT)):
            connection.execute("PRAGMA query_only = ON")
