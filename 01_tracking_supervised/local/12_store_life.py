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
import tempfile
from contextlib import closing
from pathlib import Path

import mlflow
from alembic import command
from alembic.config import Config

# %%
from store import open_store

open_store()
logging.getLogger("alembic").setLevel(logging.WARNING)
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
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
print(
    f"Copie prise après 30 runs ; le programme, lui, en a écrit {written}."
    f" Contrôle de la copie : {healthy}"
)

# %% [markdown]
# ## Restaurer
#
# Le magasin est perdu ; la copie reprend sa place, au même endroit : MLflow garde le chemin complet
# de chaque fichier.

# %%
Path("mlflow.db").unlink()
shutil.rmtree("mlruns")
shutil.copy("sauvegarde.db", "mlflow.db")
shutil.copytree("sauvegarde", "mlruns")


def count(uri: str) -> str:
    """Ce qu'un magasin rend : les runs finis, ceux dont la métrique est juste, ceux dont le fichier
    se relit.
    """
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("sauvegarde")
    finished = client.search_runs(
        [experiment.experiment_id], "attributes.status = 'FINISHED'", max_results=5000
    )
    numbers = [int(run.info.run_name.removeprefix("run ")) for run in finished]
    exact = sum(
        run.data.metrics["value"] == number / 7
        for run, number in zip(finished, numbers, strict=True)
    )
    texts = [mlflow.artifacts.load_text(f"{run.info.artifact_uri}/number.txt") for run in finished]
    files = sum(text == str(number) for text, number in zip(texts, numbers, strict=True))
    return f"{len(finished)} runs finis, {exact} métriques justes, {files} fichiers relus"


print(f"Restauré : {count('sqlite:///mlflow.db')}")

# %% [markdown]
# ## Mettre à niveau
#
# Chaque version de MLflow peut changer les tables ; la base dit à quelle révision elle en est. On
# en fabrique une plus ancienne, en défaisant les trois derniers changements. Puis on l'ouvre, et
# l'on met à niveau sa jumelle.


# %%
def revision(path: str) -> str:
    with closing(sqlite3.connect(path)) as base:
        return base.execute("SELECT version_num FROM alembic_version").fetchone()[0]


shutil.copy("sauvegarde.db", "ancienne.db")
config = Config()
config.set_main_option("script_location", str(Path(mlflow.__file__).parent / "store/db_migrations"))
config.set_main_option("sqlalchemy.url", "sqlite:///ancienne.db")
command.downgrade(config, "-3")
shutil.copy("ancienne.db", "jumelle.db")
print(f"Ancienne, révision {revision('ancienne.db')}")
subprocess.run(
    [sys.executable, "-m", "mlflow", "db", "upgrade", "sqlite:///jumelle.db"],
    check=True,
    capture_output=True,
)
print(f"mlflow db upgrade, révision {revision('jumelle.db')} : {count('sqlite:///jumelle.db')}")
print(f"Simplement ouverte : {count('sqlite:///ancienne.db')}, révision {revision('ancienne.db')}")
os.chdir(Path(__file__).parent)  # Windows ne supprime pas le dossier où l'on se trouve

# %% [markdown]
# ## À retenir
#
# La copie, prise pendant l'écriture, est saine et cohérente : ce qui était fini y est, au complet.
# Restaurée à sa place, ou mise à niveau, elle rend les mêmes runs, les mêmes métriques, les mêmes
# fichiers.
#
# `mlflow db upgrade` met la base à niveau. Avec cette version de MLflow, ouvrir une base à laquelle
# il manque une table la met aussi à niveau, sans prévenir. Sauvegardez donc la base **et**
# `mlruns/` avant d'installer une nouvelle version.
