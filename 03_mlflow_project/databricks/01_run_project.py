# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_run_project.py par tools/build.py. -->
# MAGIC # Leçon 3, script 1 : un projet, plusieurs variantes
# MAGIC
# MAGIC **Question.** Sur 442 patients diabétiques, une forêt de cent arbres prédit-elle mieux l'évolution
# MAGIC de la maladie qu'un modèle linéaire pénalisé, ElasticNet ?
# MAGIC
# MAGIC Notez votre pronostic, et l'écart que vous attendez : la progression va de 25 à 346, et prédire
# MAGIC toujours la moyenne se trompe de 79 (racine de l'erreur quadratique moyenne, *RMSE*).

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

from pathlib import Path

import matplotlib.pyplot as plt
import mlflow

# COMMAND ----------

dbutils.widgets.text("alphas", "0.1 1 10")
dbutils.widgets.text("models", "random_forest ann")

from types import SimpleNamespace

args = SimpleNamespace(
    alphas=dbutils.widgets.get("alphas").split(),  # une variante ElasticNet par valeur
    models=dbutils.widgets.get("models").split(),  # une variante par modèle
)

# COMMAND ----------

project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une commande, plusieurs variantes
# MAGIC
# MAGIC Le projet est un dossier avec un fichier `MLproject`, qui nomme ses *points d'entrée*.
# MAGIC `mlflow.projects.run` en exécute un dans un processus à lui, attend la fin, et lève une exception
# MAGIC s'il échoue. Lancé pendant qu'un run est ouvert, il en est l'enfant. `env_manager="local"` : avec
# MAGIC les bibliothèques déjà installées ici, sans bâtir un autre environnement.

# COMMAND ----------

variants = [{"model": "elastic_net", "alpha": alpha} for alpha in args.alphas]
variants += [{"model": model} for model in args.models]
mlflow.set_experiment("/Shared/03_mlflow_project")

with mlflow.start_run(
    run_name="variantes",
    description="Le point d'entrée `train`, une fois par variante : un run enfant chacune.",
) as parent:
    mlflow.log_param("variants", len(variants))
    for parameters in variants:
        mlflow.projects.run(
            str(project),
            "train",
            parameters=parameters,
            run_name=" ".join(parameters.values()),  # train.py en donnera un plus précis
            env_manager="local",
        )

    # Chaque variante a noté son run : il suffit de chercher les enfants, du meilleur au moins bon.
    runs = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["metrics.valid_rmse ASC"],
        output_format="list",
    )
    names = [run.info.run_name for run in runs]
    rmse = [run.data.metrics["valid_rmse"] for run in runs]
    mlflow.log_metric("best_valid_rmse", rmse[0])

    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.5 * len(runs)), layout="tight")
    axes.barh(names, rmse)
    axes.invert_yaxis()  # le meilleur en haut
    axes.set_xlabel("RMSE sur la validation (plus petit : mieux)")
    mlflow.log_figure(figure, "variantes.png")
    display(figure)
    plt.close(figure)

print("Du meilleur au moins bon :")
for name, value in zip(names, rmse, strict=True):
    print(f"  RMSE {value:.2f}  {name}")

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
# MAGIC Le modèle linéaire bat la forêt, de 6.54 ; le choix d'`alpha` compte davantage : il en coûte 12.92
# MAGIC de passer de 0.1 à 10. Et avec un autre découpage (la graine 1), l'écart avec la forêt n'est que
# MAGIC de 1.22 : le découpage fait partie de ce qu'il faut pouvoir rejouer.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [03_predict_new]($./03_predict_new)
