# %% [markdown]
# # Leçon 3, script 1 : un projet, plusieurs variantes
#
# **Question.** Sur 442 patients diabétiques, une forêt de cent arbres prédit-elle mieux l'évolution de la maladie
# qu'un modèle linéaire pénalisé, ElasticNet ?
#
# Notez votre pronostic, et l'écart que vous attendez : la progression va de 25 à 346, et prédire toujours la moyenne
# se trompe de 79 (racine de l'erreur quadratique moyenne, *RMSE*).

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/local/run_project.py
# ```
#
# Vingt secondes. Essayez ensuite `--alphas 0.1 beaucoup` : MLflow ne vérifie pas les types, le projet si.

# %%
import argparse
import tempfile
from pathlib import Path

import mlflow
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from launch import captured, last_line

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Lance plusieurs variantes du projet à la fois et les classe.")
parser.add_argument("--experiment", default="03_mlflow_project")  # databricks: "/Shared/03_mlflow_project"
parser.add_argument("--alphas", nargs="*", default=["0.1", "1", "10"], help="une variante ElasticNet par valeur")
parser.add_argument("--models", nargs="*", default=["random_forest", "ann"], help="une variante par modèle")
args = parser.parse_args()

# %%
project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt
project = Path(__file__).resolve().parents[1]

# %% [markdown]
# ## Toutes les variantes à la fois
#
# Le projet est un dossier avec un fichier `MLproject`, qui nomme ses *points d'entrée*. Avec `synchronous=False`,
# `mlflow.projects.run` rend la main aussitôt : les variantes s'exécutent ensemble, chacune dans son processus et son run.

# %%
if not (project / "MLproject").is_file():
    raise SystemExit(f"Pas de MLproject dans {project} : ouvrez la leçon dans un dossier Git (une archive .dbc ne contient que des notebooks).")

variants = [{"model": "elastic_net", "alpha": alpha} for alpha in args.alphas] + [{"model": model} for model in args.models]
logs = Path(tempfile.mkdtemp())
client = mlflow.MlflowClient()
experiment_id = mlflow.set_experiment(args.experiment).experiment_id
description = "Le point d'entrée `train`, une fois par variante : un run enfant chacune."

with mlflow.start_run(run_name="variantes", description=description) as parent:
    mlflow.log_param("variants", len(variants))
    submitted = []
    try:
        for number, parameters in enumerate(variants):
            with captured(logs / f"{number}.txt"):
                submitted.append(
                    mlflow.projects.run(str(project), "train", parameters=parameters, env_manager="local", synchronous=False)
                )
        waiting = track(submitted, "Variantes", transient=True, console=Console(stderr=True))
        succeeded = [each.wait() for each in waiting]
    finally:  # Ctrl-C : MLflow arrêterait les processus, mais laisserait leurs runs RUNNING
        for each in submitted:
            each.cancel()
        children = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
        for left in client.search_runs([experiment_id], f"{children} AND status = 'RUNNING'"):
            client.set_terminated(left.info.run_id, "KILLED")

    runs = [client.get_run(each.run_id) for each, ok in zip(submitted, succeeded, strict=True) if ok]
    runs.sort(key=lambda run: run.data.metrics["valid_rmse"])
    figure = Figure(figsize=(7, 0.5 + 0.5 * max(len(runs), 1)), layout="tight")
    axes = figure.subplots()
    axes.barh([run.info.run_name for run in runs], [run.data.metrics["valid_rmse"] for run in runs])
    axes.invert_yaxis()  # le meilleur en haut
    axes.set_xlabel("RMSE sur la validation (plus petit : mieux)")
    mlflow.log_figure(figure, "variantes.png")  # databricks: display(figure)
    if runs:
        mlflow.log_metric("best_valid_rmse", runs[0].data.metrics["valid_rmse"])

    for run in runs:
        print(f"RMSE {run.data.metrics['valid_rmse']:.2f}  R² {run.data.metrics['valid_r2']:.3f}  {run.info.run_name}")
    for number, ok in enumerate(succeeded):
        if not ok:
            print(f"Échec de {variants[number]} : {last_line(logs / f'{number}.txt')}")
    if not all(succeeded):
        raise SystemExit(f"Échecs : {succeeded.count(False)} sur {len(variants)} variantes ; dans le magasin, leurs runs sont FAILED.")

# %% tags=["local"]
print("Les runs sont dans le magasin. Pour les voir : uv run mlflow ui")
print("Ensuite : uv run 03_mlflow_project/local/run_from_git.py")

# %% [markdown]
# ## À retenir
#
# | variante | RMSE |
# |---|---|
# | ElasticNet, `alpha = 0.1` | 55.27 |
# | réseau de neurones (`ann`) | 56.02 |
# | ElasticNet, `alpha = 1` | 56.62 |
# | forêt aléatoire | 61.80 |
# | ElasticNet, `alpha = 10` | 68.18 |
#
# Le modèle linéaire bat la forêt, de 6.54 : avec 264 patients pour apprendre, le plus simple suffit. Mais l'écart tient aussi
# au découpage : il n'est plus que de 1.22 avec `random_state=1`. Le découpage fait donc partie de ce qu'il faut pouvoir rejouer.
