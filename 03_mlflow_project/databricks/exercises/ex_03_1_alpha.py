# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_03_1_alpha.py par tools/build.py. -->
# MAGIC # Exercice 03-1 : jusqu'à quel alpha battre la forêt ?
# MAGIC
# MAGIC **Question.** ElasticNet avec `alpha` 0.42, 1 et 5 : lesquels battent la moyenne (RMSE 79.04) ?
# MAGIC Lesquels battent la forêt ? Puis trouvez, à 0.1 près, l'`alpha` à partir duquel la forêt gagne.
# MAGIC
# MAGIC Votre pronostic : trois oui ou non pour la forêt, et un nombre.

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

from pathlib import Path

import mlflow
from mlflow import MlflowClient

# COMMAND ----------

project = Path.cwd().parents[1]  # sur Databricks, un notebook s'exécute dans son dossier

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un essai = un run du projet
# MAGIC
# MAGIC `mlflow.projects.run` attend la fin et donne l'identifiant du run ; le client y ajoute une
# MAGIC étiquette et relit la métrique.

# COMMAND ----------

client = MlflowClient()


def train(**parameters: str) -> float:
    """La RMSE de validation d'un run du point d'entrée `train`."""
    submitted = mlflow.projects.run(
        str(project),
        "train",
        parameters=parameters,
        experiment_name="/Shared/03_mlflow_project",
        env_manager="local",
    )
    client.set_tag(submitted.run_id, "exercise", "03-1")
    return client.get_run(submitted.run_id).data.metrics["valid_rmse"]

# COMMAND ----------

forest = train(model="random_forest")
for alpha in ("0.42", "1", "5"):
    rmse = train(alpha=alpha)
    print(f"alpha {alpha} : RMSE {rmse:.2f}, la forêt {forest:.2f}, la moyenne 79.04", flush=True)

# Votre code ici : d'autres essais, jusqu'à deux alphas distants de 0.1 au plus, l'un qui bat la forêt,
# l'autre non

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
