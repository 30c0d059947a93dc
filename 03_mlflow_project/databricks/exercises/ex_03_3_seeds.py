# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_03_3_seeds.py par tools/build.py. -->
# MAGIC # Exercice 03-3 : un classement à une graine près ?
# MAGIC
# MAGIC **Question.** Dans la leçon, le réseau (`ann`) est battu par ElasticNet de 0.75. Relancez-le avec
# MAGIC les graines 0 à 4 : de combien sa RMSE bouge-t-elle, et combien de graines battent ElasticNet ?
# MAGIC
# MAGIC Votre pronostic : l'écart entre la meilleure et la pire graine, et un nombre de victoires sur
# MAGIC cinq.

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

from pathlib import Path

import mlflow

# COMMAND ----------

project = Path.cwd().parents[1]  # sur Databricks, un notebook s'exécute dans son dossier

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un parent qui résume ses enfants
# MAGIC
# MAGIC Lancé pendant qu'un run est ouvert, un run de projet en est l'enfant : le parent porte la réponse,
# MAGIC les enfants la prouvent.

# COMMAND ----------

# Votre code ici : une variante par graine, de 0 à 4, en plus d'ElasticNet
variants = [{"model": "elastic_net"}, {"model": "ann", "seed": "0"}]

mlflow.set_experiment("/Shared/03_mlflow_project")
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

    children = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    runs = mlflow.search_runs(filter_string=children, output_format="list")
    networks = [run.data.metrics["valid_rmse"] for run in runs if run.data.params["model"] == "ann"]
    [linear] = [
        run.data.metrics["valid_rmse"] for run in runs if run.data.params["model"] == "elastic_net"
    ]
    # Votre code ici : sur le parent, `spread` (la pire RMSE du réseau moins la meilleure) et `wins`
    # (combien de graines battent ElasticNet)
    print(
        f"ElasticNet {linear:.2f} ; réseau, {len(networks)} graines :"
        f" de {min(networks):.2f} à {max(networks):.2f}"
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
