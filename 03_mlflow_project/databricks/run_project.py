# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/run_project.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 3, script 1 : un projet, plusieurs variantes
# MAGIC
# MAGIC **Question.** Sur 442 patients diabétiques, une forêt de cent arbres prédit-elle mieux l'évolution de la maladie
# MAGIC qu'un modèle linéaire pénalisé, ElasticNet ?
# MAGIC
# MAGIC Notez votre pronostic, et l'écart que vous attendez : la progression va de 25 à 346, et prédire toujours la moyenne
# MAGIC se trompe de 79 (racine de l'erreur quadratique moyenne, *RMSE*).

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 rich==15.0.0 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./launch

# COMMAND ----------

import tempfile
from pathlib import Path

import mlflow
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

# COMMAND ----------

import shlex
from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/03_mlflow_project")
dbutils.widgets.text("alphas", "0.1 1 10")  # une variante ElasticNet par valeur
dbutils.widgets.text("models", "random_forest ann")  # une variante par modèle

args = SimpleNamespace(
    experiment=dbutils.widgets.get("experiment"),
    alphas=shlex.split(dbutils.widgets.get("alphas")),
    models=shlex.split(dbutils.widgets.get("models")),
)

# COMMAND ----------

project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# COMMAND ----------

# MAGIC %md
# MAGIC ## Toutes les variantes à la fois
# MAGIC
# MAGIC Le projet est un dossier avec un fichier `MLproject`, qui nomme ses *points d'entrée*. Avec `synchronous=False`,
# MAGIC `mlflow.projects.run` rend la main aussitôt : les variantes s'exécutent ensemble, chacune dans son processus et son run.

# COMMAND ----------

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
    mlflow.log_figure(figure, "variantes.png")
    display(figure)
    if runs:
        mlflow.log_metric("best_valid_rmse", runs[0].data.metrics["valid_rmse"])

    for run in runs:
        print(f"RMSE {run.data.metrics['valid_rmse']:.2f}  R² {run.data.metrics['valid_r2']:.3f}  {run.info.run_name}")
    for number, ok in enumerate(succeeded):
        if not ok:
            print(f"Échec de {variants[number]} : {last_line(logs / f'{number}.txt')}")
    if not all(succeeded):
        raise SystemExit(f"Échecs : {succeeded.count(False)} sur {len(variants)} variantes ; dans le magasin, leurs runs sont FAILED.")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | variante | RMSE |
# MAGIC |---|---|
# MAGIC | ElasticNet, `alpha = 0.1` | 55.27 |
# MAGIC | réseau de neurones (`ann`) | 56.02 |
# MAGIC | ElasticNet, `alpha = 1` | 56.62 |
# MAGIC | forêt aléatoire | 61.80 |
# MAGIC | ElasticNet, `alpha = 10` | 68.18 |
# MAGIC
# MAGIC Le modèle linéaire bat la forêt, de 6.54 : avec 264 patients pour apprendre, le plus simple suffit. Mais l'écart tient aussi
# MAGIC au découpage : il n'est plus que de 1.22 avec `random_state=1`. Le découpage fait donc partie de ce qu'il faut pouvoir rejouer.
