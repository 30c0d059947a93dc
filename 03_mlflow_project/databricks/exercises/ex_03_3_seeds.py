# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_03_3_seeds.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Exercice 03-3 : un classement à une graine près ?
# MAGIC
# MAGIC **Question.** Dans la leçon, le réseau (`ann`) est battu par ElasticNet de 0.75. Relancez-le avec
# MAGIC les graines 0 à 4 : de combien sa RMSE bouge-t-elle, et combien de graines battent ElasticNet ?
# MAGIC
# MAGIC Votre pronostic : l'écart entre la meilleure et la pire graine, et un nombre de victoires sur
# MAGIC cinq.

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ../launch

# COMMAND ----------

# MAGIC %run ../options

# COMMAND ----------

from pathlib import Path

import mlflow

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/03_mlflow_project")

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
)

# COMMAND ----------

project = next(
    (folder for folder in Path.cwd().parents if (folder / "MLproject").is_file()), Path.cwd()
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un parent qui résume ses enfants
# MAGIC
# MAGIC Lancé pendant qu'un run est ouvert, un run de projet en est l'enfant : le parent porte la réponse,
# MAGIC les enfants la prouvent.

# COMMAND ----------

check_project(project)
# Votre code ici : une variante par graine, de 0 à 4, en plus d'ElasticNet
variants = [{"model": "elastic_net"}, {"model": "ann", "seed": "0"}]

experiment = mlflow.set_experiment(args.experiment)
with mlflow.start_run(
    run_name="réseau, graine par graine", description="Cinq graines du réseau, et ElasticNet."
) as parent:
    mlflow.set_tag("exercise", "03-3")
    for parameters in variants:
        mlflow.projects.run(
            str(project),
            "train",
            parameters=parameters,
            run_name=" ".join(parameters.values()),
            env_manager="local",
        )

    finished = f"tags.mlflow.parentRunId = '{parent.info.run_id}' AND status = 'FINISHED'"
    runs = mlflow.search_runs([experiment.experiment_id], finished, output_format="list")
    networks = [run.data.metrics["valid_rmse"] for run in runs if run.data.params["model"] == "ann"]
    (linear,) = [
        run.data.metrics["valid_rmse"] for run in runs if run.data.params["model"] == "elastic_net"
    ]
    # Votre code ici : sur le parent, `spread` (la pire RMSE du réseau moins la meilleure) et `wins`
    print(
        f"ElasticNet {linear:.2f} ; réseau, {len(networks)} graines : de {min(networks):.2f} à {max(networks):.2f}"
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
