# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_03_1_alpha.py par tools/build.py. -->
# MAGIC # Exercice 03-1, solution : jusqu'à quel alpha battre la forêt ?
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

# solution : d'autres essais, jusqu'à deux alphas distants de 0.1 au plus, l'un qui bat la forêt,
# l'autre non
low, high = 1.0, 5.0
while high - low > 0.1:
    middle = (low + high) / 2
    if train(alpha=str(middle)) < forest:
        low = middle
    else:
        high = middle
print(f"La forêt gagne à partir d'un alpha compris entre {low} et {high}.")
# fin

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | variante | RMSE | bat la moyenne | bat la forêt |
# MAGIC |---|---|---|---|
# MAGIC | `alpha = 0.42` | 55.48 | oui | oui |
# MAGIC | `alpha = 1` | 56.62 | oui | oui |
# MAGIC | forêt | 61.80 | oui | |
# MAGIC | `alpha = 5` | 63.62 | oui | non |
# MAGIC
# MAGIC Tous battent la moyenne : c'est une barre basse. La forêt ne gagne qu'à partir d'un `alpha`
# MAGIC compris entre 3.625 et 3.6875, trouvé en six runs, chacun dans le magasin avec son paramètre. « Le
# MAGIC modèle linéaire bat la forêt » ne veut donc rien dire sans `alpha`.
