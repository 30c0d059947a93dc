# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/07_annotate_runs.py par tools/build.py. -->
# MAGIC # Leçon 1, script 7 : annoter après coup, et retrouver
# MAGIC
# MAGIC **Question.** Un run est fini depuis un mois, et vous venez de le relire. Que peut-on encore y
# MAGIC changer ?
# MAGIC
# MAGIC Pronostic, pour chacun : une étiquette, la description, une métrique de plus, un paramètre mal
# MAGIC noté.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import sys

import mlflow

# COMMAND ----------

experiment = mlflow.set_experiment("/Shared/01_tracking_supervised")
last = mlflow.search_runs(
    filter_string="tags.comparison LIKE 'breast_cancer %' AND attributes.status = 'FINISHED'",
    max_results=1,
)
if last.empty:
    first = "uv run 01_tracking_supervised/local/05_compare_models.py"
    sys.exit(f"Pas encore de runs à relire. Lancez d'abord : {first}")
comparison = f"tags.comparison = '{last['tags.comparison'][0]}'"
client = mlflow.MlflowClient()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Relire
# MAGIC
# MAGIC Un critère manquait : combien de tumeurs malignes chaque classifieur manque-t-il ? Rien à
# MAGIC réentraîner, la sensibilité est dans le magasin. La conclusion est une annotation : une étiquette,
# MAGIC qui se cherche, et la description, qui se lit.

# COMMAND ----------

malignant = int(load_patients().y_valid.sum())
for run in mlflow.search_runs(filter_string=comparison, output_format="list"):
    missed = round(malignant * (1 - run.data.metrics["sensitivity"]))
    verdict = "retenu" if missed == 0 else "écarté"
    client.log_metric(run.info.run_id, "missed", missed)
    client.set_tag(run.info.run_id, "review", verdict)
    description = run.data.tags["mlflow.note.content"].partition("\n\n")[0]
    description += f"\n\nRelu : {missed} tumeurs malignes manquées."
    client.set_tag(run.info.run_id, "mlflow.note.content", description)
    mlflow.set_logged_model_tags(run.outputs.model_outputs[0].model_id, {"review": verdict})

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
# MAGIC Par l'étiquette, par un mot de la description, par la métrique, ou du côté des modèles : quatre
# MAGIC portes vers les mêmes classifieurs.

# COMMAND ----------

searches = {
    "par l'étiquette": "tags.review = 'retenu'",
    "par la description": "tags.mlflow.note.content LIKE '%Relu : 0 tumeurs%'",
    "par la métrique": "metrics.missed = 0",
}
for title, filter_string in searches.items():
    found = mlflow.search_runs(
        filter_string=f"{comparison} AND {filter_string}", output_format="list"
    )
    print(f"Retrouvés {title} : {', '.join(sorted(run.data.params['model'] for run in found))}")
models = mlflow.search_logged_models(
    [experiment.experiment_id], "tags.review = 'retenu'", output_format="list"
)
print(f"Modèles annotés « retenu » : {', '.join(sorted({model.name for model in models}))}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | dans un run fini | |
# MAGIC |---|---|
# MAGIC | étiquette, description | se changent |
# MAGIC | métrique | s'ajoute |
# MAGIC | paramètre | ne se réécrit pas |
# MAGIC
# MAGIC Relire, c'est écrire dans le magasin ce que l'on en a conclu. Une étiquette posée aujourd'hui se
# MAGIC cherche demain : deux classifieurs retenus, cinq écartés, sans rien réentraîner.
