# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_01_3_query.py par tools/build.py. -->
# MAGIC # Exercice 01-3 : retrouver un run par une question
# MAGIC
# MAGIC **Question.** Votre service n'accepte qu'une fausse alerte sur 285 tumeurs bénignes. Combien des
# MAGIC 35 couples du balayage tiennent cette contrainte, et lequel d'entre eux trouve le plus de tumeurs
# MAGIC malignes ?
# MAGIC
# MAGIC Votre pronostic : le meilleur couple du balayage en fait-il partie ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow
from mlflow import MlflowClient

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une seule réponse
# MAGIC
# MAGIC Si vous avez déjà étiqueté un run, l'étiquette lui est reprise : une question, une réponse.

# COMMAND ----------

client = MlflowClient()
experiment = mlflow.set_experiment("/Shared/01_tracking_supervised")
for run in client.search_runs([experiment.experiment_id], "tags.exercise = '01-3'"):
    client.delete_tag(run.info.run_id, "exercise")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Chercher, puis annoter
# MAGIC
# MAGIC Un run terminé reçoit encore des étiquettes ; sa description en est une, `mlflow.note.content`.

# COMMAND ----------

# Votre code ici : la requête qui ne garde que les couples à une fausse alerte au plus, le plus sensible
found = client.search_runs([experiment.experiment_id], "metrics.cv_specificity > 0")
if not found:
    first = "uv run 01_tracking_supervised/local/04_svm_sweep.py"
    raise SystemExit(f"Aucun couple dans le magasin. Lancez d'abord : {first}")
best = found[0]
client.set_tag(best.info.run_id, "exercise", "01-3")
# Votre code ici : sur ce run, l'étiquette `candidates` (combien de couples tiennent la contrainte) et une

# COMMAND ----------

metrics = best.data.metrics
print(f"{len(found)} couples trouvés ; en tête, {best.info.run_name}")
print(f"sensibilité {metrics['cv_sensitivity']:.3f}, spécificité {metrics['cv_specificity']:.4f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
