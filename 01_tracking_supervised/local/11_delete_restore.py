# databricks: non (`mlflow gc` agit sur une base que l'on possède)
# %% [markdown]
# # Leçon 1, script 11 : supprimer, restaurer, vider
#
# **Question.** Vous supprimez un balayage. Que disparaît-il vraiment, et combien de place
# récupérez-vous ?
#
# Pronostic : ses enfants ? ses modèles ? ses fichiers ? Et peut-on revenir en arrière ?

# %% [markdown]
# ```
# uv run 01_tracking_supervised/local/11_delete_restore.py
# ```
#
# Vingt secondes, dans un magasin jetable : le vôtre n'est pas touché.

# %%
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow

from patients import load_patients, pins, svm

# %%
from store import open_store

open_store()
folder = TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(folder.name)  # mlflow.db et mlruns/ iront là
uri = "sqlite:///mlflow.db"
mlflow.set_tracking_uri(uri)
client = mlflow.MlflowClient()
experiment = mlflow.set_experiment("à supprimer")


def count(moment: str) -> None:
    """Écrit ce qu'il y a dans le magasin jetable : runs et modèles que l'on voit, kilo-octets sur
    le disque.
    """
    runs = client.search_runs([experiment.experiment_id])
    models = client.search_logged_models([experiment.experiment_id])
    files = sum(path.stat().st_size for path in Path("mlruns").rglob("*") if path.is_file())
    base = Path("mlflow.db").stat().st_size
    print(f"{moment:35}{len(runs):5}{len(models):9}{files // 1000:10}{base // 1000:8}")


# %% [markdown]
# ## Un petit balayage, et ce qu'il pèse

# %%
data = load_patients()
model = svm(1.0, 0.3).fit(data.X_train, data.y_train)
with mlflow.start_run(run_name="parent") as parent:
    for number in range(3):
        with mlflow.start_run(run_name=f"enfant {number}", nested=True):
            for step in range(3):
                mlflow.log_metrics({f"metric_{i}": i * step for i in range(500)}, step=step)
            mlflow.log_text("x" * 100_000, "journal.txt")
            mlflow.sklearn.log_model(model, name="svm", pip_requirements=pins())
print(f"{'':35}{'runs':>5}{'modèles':>9}{'fichiers':>10}{'base':>8}  (ko)")
count("au départ")

# %% [markdown]
# ## Supprimer n'efface pas
#
# `delete_run` met à la corbeille : le run ne se voit plus, il se restaure. Ses enfants et ses
# modèles ne suivent pas.

# %%
client.delete_run(parent.info.run_id)
count("parent supprimé")
client.restore_run(parent.info.run_id)
count("parent restauré")
for run in client.search_runs([experiment.experiment_id]):
    client.delete_run(run.info.run_id)
count("tous les runs supprimés")

# %% [markdown]
# ## Vider la corbeille
#
# `mlflow gc` efface pour de bon ce qui est à la corbeille. Il veut l'adresse de la base deux fois :
# `--backend-store-uri` dit où effacer les lignes, `--tracking-uri` où chercher les fichiers. Les
# modèles se suppriment à part. Enfin, la base garde sa taille tant que SQLite n'a pas rendu la
# place (`VACUUM`).

# %%
gc = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri]
subprocess.run(gc, check=True, capture_output=True)
count("mlflow gc")
for found in client.search_logged_models([experiment.experiment_id]):
    client.delete_logged_model(found.model_id)
subprocess.run(gc, check=True, capture_output=True)
count("modèles supprimés, mlflow gc")
with closing(sqlite3.connect("mlflow.db")) as base:
    base.execute("VACUUM")
count("VACUUM")
try:
    client.restore_run(parent.info.run_id)
except mlflow.MlflowException:
    print("Restaurer le parent : refusé, il n'existe plus")

# %% [markdown]
# ## À retenir
#
# Supprimer un parent laisse ses enfants, supprimer des runs laisse leurs modèles, et rien de tout
# cela ne libère de place.
#
# Pour la récupérer, supprimez les runs **et** les modèles, puis lancez `mlflow gc`, puis `VACUUM`.
# Jusqu'à `gc`, un run se restaure. Après, il n'existe plus.
