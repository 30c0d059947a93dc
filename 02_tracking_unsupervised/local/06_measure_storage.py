# databricks: non (il mesure un magasin SQLite local ; là-bas, le magasin est un service)
# %% [markdown]
# # Leçon 2, script 6 : ce que coûte un run
#
# **Question.** Où MLflow range-t-il ce que vous enregistrez, et à partir de combien de runs faut-il
# s'en soucier ? Pronostic : quand le magasin passe de 100 à 10 000 runs, écrire un run de plus
# devient-il plus lent ? Et trouver le meilleur ?

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/local/06_measure_storage.py
# uv run 02_tracking_unsupervised/local/06_measure_storage.py --runs 100 1000 10000
# ```
#
# Trente secondes ; la seconde commande, plusieurs minutes. Le magasin mesuré est à part, effacé à
# la fin, sauf `--keep DOSSIER`.

# %%
import argparse
import shutil
import tempfile
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from rich.console import Console
from rich.progress import track

from measure_storage import analyzed_copy, milliseconds, rows_by_table, total_bytes
from measure_storage import draw_costs, show_costs

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Mesure ce que coûte un run : octets et durées.")
parser.add_argument("--runs", type=int, nargs="+", default=[100, 300, 1000], help="les tailles")
parser.add_argument("--keep", type=Path, help="un dossier neuf, où garder le magasin mesuré")
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

if min(args.runs) < 10:
    parser.error("argument --runs: chaque taille compte au moins dix runs")
temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # Windows garde la base ouverte
folder = (args.keep or Path(temporary.name, "store")).absolute()
folder.mkdir(parents=True)
open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un magasin à mesurer
#
# Le magasin le plus simple : une base SQLite pour ce qui se cherche (paramètres, métriques,
# étiquettes), un dossier pour les fichiers. Chaque run est petit, et sans modèle : deux paramètres,
# trois métriques, un fichier.

# %%
database, empty, by_hand_database = folder / "mlflow.db", folder / "empty.db", folder / "by_hand.db"
artifacts = folder / "artifacts"
home = mlflow.get_tracking_uri()
mlflow.set_tracking_uri(f"sqlite:///{database}")
client = MlflowClient()
client.search_experiments()  # crée la base
shutil.copy(database, empty)
shutil.copy(database, by_hand_database)
by_hand = MlflowClient(f"sqlite:///{by_hand_database}")
experiment = client.create_experiment("volume", artifact_location=artifacts.as_uri())
# même numéro : mêmes bases vides
by_hand.create_experiment("volume", artifact_location=(folder / "by_hand").as_uri())
rng = np.random.default_rng(0)


def write(client: MlflowClient, number: int, batch: bool) -> None:
    """Un run, en un envoi (`batch`) ou valeur par valeur."""
    inertia, silhouette, ari = rng.random(3).tolist()
    params = {"n_clusters": str(number % 19 + 2), "seed": str(number)}
    metrics = {"inertia": inertia, "silhouette": silhouette, "ari": ari}
    run_id = client.create_run(experiment, run_name=f"run {number}").info.run_id
    if batch:
        now = int(time.time() * 1000)
        points = [Metric(key, value, timestamp=now, step=0) for key, value in metrics.items()]
        settings = [Param(key, value) for key, value in params.items()]
        client.log_batch(run_id, metrics=points, params=settings)
    else:
        for key, value in params.items():
            client.log_param(run_id, key, value)
        for key, value in metrics.items():
            client.log_metric(run_id, key, value)
    client.log_text(run_id, str(metrics), "summary.txt")
    client.set_terminated(run_id)


# %% [markdown]
# ## Écrire, et mesurer à chaque taille
#
# Les premiers runs sont écrits deux fois, tour à tour : en un envoi, puis valeur par valeur dans
# une autre base. Les dix meilleurs sont cherchés deux fois aussi : dans la base telle quelle, puis
# dans une copie où la commande `ANALYZE` de SQLite a compté les lignes. La base elle-même n'est
# jamais analysée : ces comptes y resteraient.

# %%
best = {"experiment_ids": [experiment], "order_by": ["metrics.silhouette DESC"], "max_results": 10}
rows, batch_ms, by_hand_ms = [], [], []
sizes, bar = sorted(args.runs), Console(stderr=True)
for number in track(range(1, sizes[-1] + 1), "Écriture des runs", transient=True, console=bar):
    batch_ms.append(milliseconds(write, client, number, batch=True))
    if number <= sizes[0]:
        by_hand_ms.append(milliseconds(write, by_hand, number, batch=False))
    if number in sizes:
        copy = analyzed_copy(database, folder / f"analyzed_{number}.db")
        analyzed = MlflowClient(f"sqlite:///{copy}")
        wanted = f"params.seed = '{number // 2}'"
        run_id = client.search_runs([experiment], wanted)[0].info.run_id
        rows.append({
            "runs": number,
            "database_bytes_per_run": (database.stat().st_size - empty.stat().st_size) / number,
            "artifact_bytes_per_run": total_bytes(artifacts) / number,
            "write_ms": np.median(batch_ms[-100:]),
            "get_ms": milliseconds(client.get_run, run_id, repeat=3),
            "find_ms": milliseconds(client.search_runs, [experiment], wanted, repeat=3),
            "best_ms": milliseconds(client.search_runs, **best, repeat=3),
            "best_analyzed_ms": milliseconds(analyzed.search_runs, **best, repeat=3),
            "table_ms": milliseconds(mlflow.search_runs, [experiment], repeat=2),
        })  # fmt: skip
table = pd.DataFrame(rows).set_index("runs")
per_run = (rows_by_table(database) - rows_by_table(empty)) // sizes[-1]
per_run = per_run[per_run > 0].to_dict()

# %%
weight, one, many = empty.stat().st_size, np.median(batch_ms[: sizes[0]]), np.median(by_hand_ms)
mlflow.set_tracking_uri(home)
mlflow.set_experiment("measurements")
about = "Ce que coûte un run dans un magasin SQLite, selon le nombre de runs."
with mlflow.start_run(run_name="stockage", description=about):
    mlflow.log_param("runs", " ".join(map(str, sizes)))
    mlflow.log_metrics({"empty_database_bytes": weight, "batch_ms": one, "by_hand_ms": many})
    for n, values in table.iterrows():
        mlflow.log_metrics(values.to_dict(), step=n)
    mlflow.log_dict(per_run, "rows_per_run.json")
    mlflow.log_figure(draw_costs(table), "storage.png")
temporary.cleanup()

# %%
lines = ", ".join(f"{name} {count}" for name, count in per_run.items())
print(f"Un run, ce sont des lignes : {lines}")
print(f"Une base vide pèse {weight / 1000:.0f} ko ;", end=" ")
print("ensuite, par run (octets), et par opération (ms) :")
print(show_costs(table))
print(f"Écrire un run : {one:.0f} ms en un envoi, {many:.0f} ms valeur par valeur.")

# %% tags=["local"]
print("Sans serveur d'équipe, la leçon 3 : uv run 03_mlflow_project/local/01_run_project.py")

# %% [markdown]
# ## À retenir
#
# | runs | les dix meilleurs | après ANALYZE | tous, en tableau |
# |---|---|---|---|
# | 100 | 6 ms | 5 ms | 25 ms |
# | 1000 | 57 ms | 8 ms | 255 ms |
# | 10000 | 4862 ms | 36 ms | 3408 ms |
#
# (Machine à deux cœurs, au repos.) À toutes les tailles, écrire un run y prend de 16 à 19 ms, en
# lire un 3 ms, en trouver un de 3 à 6 ms. Chez vous, retenez les rapports : c'est le tri qui
# s'effondre. De 1 000 à 10 000 runs, il attend 85 fois plus ; `ANALYZE`, qui compte les lignes de
# chaque table, le rend 135 fois plus court, sur les mêmes 10 000 runs. Une ligne suffit : `uv run
# python -c "import sqlite3; sqlite3.connect('mlflow.db').execute('ANALYZE')"`. Fait à 100 runs, il
# sert encore à 10 000.
