# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/08_annotate_runs.py par tools/build.py. -->
# MAGIC # Leçon 1, script 8 : annoter après coup, et retrouver
# MAGIC
# MAGIC **Question.** Un run est fini depuis un mois, et vous venez de le relire. Que peut-on encore y
# MAGIC changer ? Pronostic, pour chacun : une étiquette, la description, une métrique de plus, un
# MAGIC paramètre mal noté.

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

import sys

import mlflow

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
last = mlflow.search_runs(
    filter_string="tags.comparison LIKE 'breast_cancer %' AND attributes.status = 'FINISHED'",
    max_results=1,
)
if last.empty:
    first = "uv run 01_tracking_supervised/local/06_compare_models.py"
    sys.exit(f"Pas encore de runs à relire. Lancez d'abord : {first}")
comparison = f"tags.comparison = '{last['tags.comparison'][0]}'"

# COMMAND ----------

# MAGIC %md
# MAGIC ## Relire
# MAGIC
# MAGIC Combien de tumeurs malignes chaque classifieur manque-t-il, sur les 43 de la validation ? Rien à
# MAGIC réentraîner, la sensibilité est dans le magasin. La conclusion est une annotation : « retenu » si
# MAGIC le coût ne dépasse pas 20, dans une étiquette et dans la description.
# MAGIC
# MAGIC `mlflow.log_metric` écrit dans le run ouvert ; `MlflowClient`, dans un run que l'on désigne, sans
# MAGIC l'ouvrir.

# COMMAND ----------

MALIGNANT = 43  # tumeurs malignes de la validation
client = mlflow.MlflowClient()
for run in mlflow.search_runs(filter_string=comparison, output_format="list"):
    missed = round(MALIGNANT * (1 - run.data.metrics["sensitivity"]))
    verdict = "retenu" if run.data.metrics["cost"] <= 20 else "écarté"
    client.log_metric(run.info.run_id, "missed", missed)
    client.set_tag(run.info.run_id, "review", verdict)
    note = f"{run.data.params['model']}. Relu : {verdict}, {missed} tumeurs malignes manquées."
    client.set_tag(run.info.run_id, "mlflow.note.content", note)  # la description

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce qui ne change plus
# MAGIC
# MAGIC Un paramètre dit ce qui a été fait : MLflow refuse de le réécrire.

# COMMAND ----------

try:
    client.log_param(last["run_id"][0], "model", "un autre nom")
except mlflow.MlflowException as error:
    print(f"Paramètre : refusé. {str(error).partition(' for run')[0]}")
status = client.get_run(last["run_id"][0]).info.status
print(f"Étiquette, description, métrique de plus : acceptées ; le run est toujours {status}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Retrouver
# MAGIC
# MAGIC On retrouve un run par l'étiquette, par un mot de la description ou par la métrique.

# COMMAND ----------

searches = {
    "par l'étiquette": "tags.review = 'retenu'",
    "par la description": "tags.mlflow.note.content LIKE '%Relu : retenu%'",
    "par la métrique": "metrics.missed <= 2",
}
for title, condition in searches.items():
    found = mlflow.search_runs(filter_string=f"{comparison} AND {condition}")
    print(f"Retrouvés {title} : {', '.join(sorted(found['params.model']))}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Dans un run fini, l'étiquette et la description se changent, une métrique s'ajoute, un paramètre
# MAGIC ne se réécrit pas. Relire, c'est écrire dans le magasin ce que l'on en a conclu : trois
# MAGIC classifieurs retenus, quatre écartés, sans rien réentraîner.
