# databricks: non (il copie et répare une base SQLite)
# %% [markdown]
# # Leçon 1, script 12 : la vie d'un magasin
#
# **Question.** Peut-on sauvegarder un magasin pendant qu'un programme y écrit ? Et que devient
# cette sauvegarde, ouverte par un MLflow plus récent ?
#
# Pronostic : la copie sera-t-elle lisible ? complète ? Combien de runs retrouvera-t-on ?

# %% [markdown]
# ```
# uv run 01_tracking_supervised/local/12_store_life.py
# ```
#
# Trente secondes, dans un magasin jetable : le vôtre n'est pas touché.

# %%
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from alembic import command
from alembic.config import Config

# %%
from store import open_store

open_store()
logging.getLogger("alembic").setLevel(logging.WARNING)
folder = TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(folder.name)  # mlflow.db et mlruns/ iront là

# %% [markdown]
# ## Sauvegarder pendant l'écriture
#
# `store_life.py` enregistre soixante runs ; à mi-chemin, on copie. SQLite sait se copier pendant
# qu'on y écrit : sa fonction `backup` attend la fin de l'écriture en cours, ce qu'une simple copie
# de fichier ne fait pas (<https://sqlite.org/backup.html>). La base d'abord, les fichiers ensuite :
# tout run fini de la copie a ainsi son fichier.

# %%
program = [sys.executable, Path(__file__).with_name("store_life.py")]
writer = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
for _ in range(30):
    writer.stdout.readline()
with (
    closing(sqlite3.connect("mlflow.db")) as live,
    closing(sqlite3.connect("sauvegarde.db")) as copy,
):
    live.backup(copy)
    healthy = copy.execute("PRAGMA integrity_check").fetchone()[0]
shutil.copytree("mlruns", "sauvegarde")
written = 30 + len(writer.stdout.readlines())
writer.wait()
print(f"Copie prise après 30 runs ; le programme, lui, en a écrit {written}.")
print(f"Contrôle de la copie : {healthy}")

# %% [markdown]
# ## Restaurer
#
# Le magasin est perdu. La copie reprend sa place, au même endroit, car MLflow garde le chemin
# complet de chaque fichier.

# %%
Path("mlflow.db").unlink()
shutil.rmtree("mlruns")
shutil.copy("sauvegarde.db", "mlflow.db")
shutil.copytree("sauvegarde", "mlruns")


def count(uri: str) -> str:
    """Ce qu'un magasin rend : les runs finis, ceux dont la métrique est juste, ceux dont le fichier
    se relit.
    """
    mlflow.set_tracking_uri(uri)
    finished = mlflow.search_runs(
        experiment_names=["sauvegarde"],
        filter_string="attributes.status = 'FINISHED'",
        output_format="list",
    )
    exact = files = 0
    for run in finished:
        number = int(run.data.params["number"])
        exact += run.data.metrics["value"] == number / 7
        files += mlflow.artifacts.load_text(f"{run.info.artifact_uri}/number.txt") == str(number)
    return f"{len(finished)} runs finis, {exact} métriques justes, {files} fichiers relus"


print(f"Restauré : {count('sqlite:///mlflow.db')}")

# %% [markdown]
# ## Mettre à niveau
#
# Chaque version de MLflow peut changer les tables ; la base dit à quelle *révision* elle en est.
# Pour cet essai seulement, on en fabrique une plus ancienne, en défaisant les trois derniers
# changements. La commande de MLflow la met à niveau ; une copie, elle, est simplement ouverte.


# %%
def revision(path: str) -> str:
    """La révision des tables d'une base SQLite de MLflow."""
    with closing(sqlite3.connect(path)) as base:
        return base.execute("SELECT version_num FROM alembic_version").fetchone()[0]


shutil.copy("sauvegarde.db", "ancienne.db")
config = Config()
config.set_main_option("script_location", str(Path(mlflow.__file__).parent / "store/db_migrations"))
config.set_main_option("sqlalchemy.url", "sqlite:///ancienne.db")
command.downgrade(config, "-3")
shutil.copy("ancienne.db", "copie.db")
print(f"Ancienne, révision {revision('ancienne.db')}")
upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", "sqlite:///ancienne.db"]
subprocess.run(upgrade, check=True, capture_output=True)
print(f"mlflow db upgrade, révision {revision('ancienne.db')} : {count('sqlite:///ancienne.db')}")
print(f"Simplement ouverte : {count('sqlite:///copie.db')}, révision {revision('copie.db')}")

# %% [markdown]
# ## À retenir
#
# La copie, prise pendant l'écriture, est saine : les runs qui étaient finis y sont, au complet.
# Restaurée à sa place, ou mise à niveau, elle rend les mêmes runs, les mêmes métriques, les mêmes
# fichiers.
#
# `mlflow db upgrade` met la base à niveau. Avec cette version de MLflow, ouvrir une base à laquelle
# il manque une table la met aussi à niveau, sans prévenir. Sauvegardez donc la base **et**
# `mlruns/` avant d'installer une nouvelle version.
