# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_01_3_query.py par tools/build.py. -->
# MAGIC # Exercice 01-3 : retrouver un run par une question
# MAGIC
# MAGIC **Question.** Votre service n'accepte qu'une fausse alerte sur 285 tumeurs bénignes. Combien des
# MAGIC 35 couples du dernier balayage tiennent cette contrainte, et lequel d'entre eux trouve le plus de
# MAGIC tumeurs malignes ?
# MAGIC
# MAGIC Votre pronostic : le meilleur couple du balayage en fait-il partie ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

import mlflow

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une seule réponse
# MAGIC
# MAGIC Si vous avez déjà étiqueté un run, l'étiquette lui est reprise : une question, une réponse.

# COMMAND ----------

client = mlflow.MlflowClient()
mlflow.set_experiment("/Shared/01_tracking_supervised")
finished = "attributes.run_name = 'svm balayage' AND attributes.status = 'FINISHED'"
if mlflow.search_runs(filter_string=finished, max_results=1).empty:
    first = "uv run 01_tracking_supervised/local/05_svm_sweep.py"
    raise SystemExit(f"Pas encore de balayage fini dans le magasin. Lancez d'abord : {first}")
for run in mlflow.search_runs(filter_string="tags.exercise = '01-3'", output_format="list"):
    client.delete_tag(run.info.run_id, "exercise")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Chercher, puis annoter
# MAGIC
# MAGIC Un run terminé reçoit encore des étiquettes ; sa description en est une, `mlflow.note.content`.

# COMMAND ----------

# Votre code ici : `found`, les enfants du dernier balayage fini qui n'ont qu'une fausse alerte au plus,
# le plus sensible en tête
found = mlflow.search_runs(filter_string="metrics.cv_specificity > 0")
best = found.iloc[0]
shown = f"sensibilité {best['metrics.cv_sensitivity']:.3f}"
shown += f", spécificité {best['metrics.cv_specificity']:.4f}"
print(f"{len(found)} couples trouvés ; en tête, {best['tags.mlflow.runName']} : {shown}")

# Votre code ici : sur ce run, l'étiquette `exercise`, qui vaut « 01-3 », l'étiquette `candidates`
# (combien de couples tiennent la contrainte) et une description qui dit pourquoi lui

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
