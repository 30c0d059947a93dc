# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/launch.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Lancer un projet
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, les appels à MLflow mis à part : garder ce qu'un projet écrit, relire
# MAGIC ses paramètres, donner à Git l'adresse d'un clone.

# COMMAND ----------

import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.utils.process import ShellCommandException

# MLflow lance `python` et `mlflow` par leur nom : que ce soient ceux de cet environnement, et qu'ils ne disent que l'utile.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que le projet écrit

# COMMAND ----------

@contextmanager
def captured(log: Path):
    """Envoie dans le fichier `log` tout ce qu'écrivent les processus lancés dans le bloc, même s'ils vivent plus longtemps.

    `mlflow.projects.run` laisse ses processus écrire sur le terminal ; ils prennent pour sortie celle du moment où ils naissent.
    Lève `SystemExit`, en une ligne, si le projet ne peut pas être lu ou échoue.
    """
    sys.stdout.flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    with open(log, "wb") as file:
        for number in saved:
            os.dup2(file.fileno(), number)
    try:
        yield
    except (MlflowException, ShellCommandException, OSError) as error:
        raise SystemExit(last_line(log) or reason(error)) from None
    finally:
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)


def last_line(log: Path) -> str:
    """La dernière ligne que le projet lui-même a écrite dans `log` ; vide s'il n'a rien écrit."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip() and " mlflow" not in line), "")


def reason(error: BaseException) -> str:
    """Une ligne d'une erreur qui en a vingt : celle où Git dit ce qui l'arrête, sinon la première."""
    return (re.search("fatal: (.+?)'?$", str(error), re.MULTILINE) or re.search("(.*)", str(error)))[1]


def recorded_parameters(run) -> dict[str, str]:
    """Les paramètres d'un run de projet, tels qu'ils ont été donnés.

    MLflow note la valeur comme le shell l'a reçue : `a b` devient `'a b'`. Rejouer le run demande d'ôter ces guillemets.
    """
    return {name: "".join(shlex.split(value)) for name, value in run.data.params.items()}

# COMMAND ----------

# MAGIC %md
# MAGIC ## D'où vient le code

# COMMAND ----------

def git(folder: Path, *arguments: str) -> str:
    """Ce que répond `git` dans `folder`. Lève `SystemExit`, en une ligne, sans Git ou hors d'un clone."""
    try:
        ended = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("Git n'est pas installé : https://git-scm.com/downloads") from None
    if ended.returncode:
        raise SystemExit(f"{folder} n'est pas dans un clone Git avec un commit (archive ZIP ?) : git clone, ou --uri https://...#sous-dossier")
    return ended.stdout.strip()


def clone_uri(folder: Path) -> str:
    """L'URI `file://...#sous-dossier` du dépôt qui contient `folder`, telle que MLflow la donne à cloner à Git.

    MLflow prend pour un simple dossier toute URI dont le chemin existe : il exécuterait le dossier tel qu'il est, ou,
    avec une version, y ferait `git checkout`. Un caractère encodé (`%2Egit`) suffit : Git seul sait le lire.
    """
    uri = Path(git(folder, "rev-parse", "--path-format=absolute", "--git-common-dir")).as_uri()
    inside = git(folder, "rev-parse", "--show-prefix").rstrip("/")
    encoded = f"{uri[:-4]}%2Egit" if uri.endswith(".git") else f"{uri[:-1]}%{ord(uri[-1]):02X}"
    return f"{encoded}#{inside}" if inside else encoded


def recorded_source(run) -> tuple[str, bool]:
    """L'URI à donner pour rejouer un run de projet, et si elle diffère de celle que MLflow a notée."""
    source = run.data.tags["mlflow.source.name"]
    folder = Path(source.removeprefix("file://").replace("#", "/"))
    return (clone_uri(folder), True) if folder.is_dir() else (source, False)
