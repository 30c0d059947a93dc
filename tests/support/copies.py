"""Des copies du cours, comme un clone frais : les vrais scripts s'y lancent, leur magasin s'y
relit.
"""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import mlflow
import warm
from filelock import FileLock
from mlflow import MlflowClient
from programs import SECONDS, ended

from forms.outputs import unexpected

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (".png", ".ipynb", ".dbc")  # la moitié du dépôt, dont peu de tests ont besoin
shared = Path()  # un dossier que tous les processus de tests partagent : conftest.py le donne


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def files(heavy: bool) -> list[str]:
    """Ce que Git suit ou suivrait : les images, notebooks et archives, ou tout le reste."""
    names = git(ROOT, "ls-files", "-co", "--exclude-standard").splitlines()
    return [name for name in names if (ROOT / name).is_file() and name.endswith(HEAVY) == heavy]


def copy(names: list[str], root: Path) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)


@cache
def template() -> Path:
    """La copie dont viennent toutes les autres : un dépôt Git d'un commit, fait une seule fois."""
    folder = shared / "modèle"
    with FileLock(shared / "modèle.lock"):
        if not folder.exists():
            being_made = shared / "modèle en cours"
            copy(files(heavy=False), being_made)
            git(being_made, "init", "-q", "-b", "main")
            for name, value in {
                "user.name": "test",
                "user.email": "test@localhost",
                "core.autocrlf": "false",
            }.items():
                git(being_made, "config", name, value)
            (being_made / ".git/info/exclude").write_text(
                "".join(f"*{suffix}\n" for suffix in HEAVY)
            )
            git(being_made, "add", "-A")
            git(being_made, "commit", "-qm", "copie du cours")
            being_made.rename(folder)
    return folder


def until_paused(process: subprocess.Popen, marker: Path) -> None:
    """Attend qu'un programme arrive où `Course.pause` l'arrête."""
    while marker.read_text() != "ici":
        assert process.poll() is None, "le programme a fini avant sa pause"
        time.sleep(0.02)


class Course:
    """Une copie du cours dans `root`, sans magasin ; `whole` : avec ses images, ses notebooks et
    ses archives.
    """

    def __init__(self, root: Path, whole: bool = False):
        self.root = root
        self.uri = f"sqlite:///{root / 'mlflow.db'}"
        shutil.copytree(template(), root, symlinks=True, dirs_exist_ok=True)
        if whole:
            copy(files(heavy=True), root)

    def git(self, *arguments: str) -> str:
        return git(self.root, *arguments)

    def commit(self, message: str) -> str:
        """Enregistre tout ce qui a changé dans la copie et renvoie le commit complet."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def command(self, script: str, *arguments) -> list[str]:
        return [sys.executable, str(self.root / script), *map(str, arguments)]

    def run(
        self,
        script: str,
        *arguments,
        fails=False,
        cwd: Path | None = None,
        timeout=SECONDS,
        start=ended,
        **environment: str,
    ):
        """Lance un script comme un lecteur ; sauf `fails=True`, il doit réussir et n'avertir de
        rien : ce que MLflow et TensorFlow disent d'eux-mêmes n'est pas un avertissement.
        """
        told = start(self.command(script, *arguments), cwd or self.root, timeout, **environment)
        if not fails:
            assert (told.returncode, unexpected(told.stderr)) == (0, ""), (
                f"{script} : code {told.returncode}\n{told.stdout}\n{told.stderr}"
            )
        return told

    def tune(self, script: str, **constants) -> str:
        """Change, dans la copie, la valeur de constantes en tête d'un script ; renvoie `script`."""
        path = self.root / script
        text = path.read_text(encoding="utf-8")
        for name, value in constants.items():
            # une valeur, ou un dictionnaire sur plusieurs lignes
            text, count = re.subn(
                rf"^{name} = (\{{\n(.*\n)*?\}}$|[^#\n]*?(?=  #|$))",
                f"{name} = {value!r}",
                text,
                flags=re.MULTILINE,
            )
            assert count == 1, f"{script} n'a pas une constante {name}, et une seule"
        path.write_text(text, encoding="utf-8")
        return script

    def pause(self, script: str, before: str, when: str = "True") -> Path:
        """Fait attendre la copie d'un script avant la ligne qui commence par `before`, si `when` ;
        renvoie le fichier dont la disparition le laisse repartir (voir `until_paused`).

        Un signal y tombe hors des écritures de MLflow, où il laisserait parfois le run RUNNING.
        """
        marker, path = self.root / "pause", self.root / script
        text = path.read_text(encoding="utf-8")
        [line] = [each for each in text.splitlines() if each.strip().startswith(before)]
        margin = line.removesuffix(line.lstrip())
        wait = [
            f"if {when} and os.path.exists({str(marker)!r}):",
            f"    open({str(marker)!r}, 'w').write('ici')",
            f"    while os.path.exists({str(marker)!r}): time.sleep(0.02)",
        ]
        added = "".join(f"{margin}{each}\n" for each in ("import os, time", *wait))
        path.write_text(text.replace(f"{line}\n", f"{added}{line}\n"), encoding="utf-8")
        marker.touch()
        return marker

    def fork(self, script: str, *arguments, **options):
        """Comme `run`, dans un programme déjà chaud : pour une ligne ou une autre option, sans
        TensorFlow (voir warm.py).
        """
        return self.run(script, *arguments, start=warm.forked, **options)

    def client(self) -> MlflowClient:
        """Le client du magasin de la copie ; `mlflow.*` le lit aussi."""
        mlflow.set_tracking_uri(self.uri)
        # une base qui naît ici note où seront ses fichiers : sous le dossier courant
        with contextlib.chdir(self.root):
            client = MlflowClient(self.uri)
            if not (self.root / "mlruns").exists():
                client.search_experiments()
        return client

    def runs(self, experiment: str, filter_string: str = "") -> list:
        """Les runs d'une expérience, du plus récent au plus ancien."""
        client = self.client()
        found = client.get_experiment_by_name(experiment)
        return (
            list(client.search_runs([found.experiment_id], filter_string, max_results=50_000))
            if found
            else []
        )

    def named(self, name: str, experiment: str = ""):
        """Le plus récent run de ce nom, dans une expérience ou dans tout le magasin."""
        client = self.client()
        where = [
            found.experiment_id
            for found in client.search_experiments()
            if experiment in ("", found.name)
        ]
        return client.search_runs(where, f"attributes.run_name = '{name}'", max_results=1)[0]

    def children(self, parent) -> list:
        """Les enfants d'un run, du plus ancien au plus récent."""
        of_it = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
        return list(
            self.client().search_runs([parent.info.experiment_id], of_it, max_results=50_000)
        )[::-1]


def bring_store(old: Path, new: Path) -> None:
    """Copie dans `new` ce que des scripts ont produit dans `old`, et change chaque adresse du
    magasin : MLflow les note entières.
    """
    for name in filter(None, git(old, "ls-files", "-o", "-z").split("\0")):
        if not name.startswith("mlflow.db") and "/.venv" not in name:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(old / name, new / name)
    for environment in old.glob("*/.venv*"):
        (new / environment.relative_to(old)).symlink_to(
            environment, target_is_directory=environment.is_dir()
        )
    with (
        contextlib.closing(sqlite3.connect(old / "mlflow.db")) as base,
        contextlib.closing(sqlite3.connect(new / "mlflow.db")) as copied,
    ):
        base.backup(copied)
        pairs = [
            (str(old), str(new)),
            (old.as_uri().removeprefix("file://"), new.as_uri().removeprefix("file://")),
        ]
        for (table,) in copied.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            for _, column, kind, *_ in copied.execute(f'PRAGMA table_info("{table}")').fetchall():
                if kind.upper().startswith(("VARCHAR", "TEXT", "CLOB")):
                    for before, after in pairs:
                        change = f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?)'
                        change += f' WHERE instr("{column}", ?)'
                        copied.execute(change, (before, after, before))
        copied.commit()
    os.utime(new / "mlflow.db")
