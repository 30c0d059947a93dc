# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/03_predict_new.py par tools/build.py. -->
# MAGIC # Leçon 3, script 3 : de nouveaux patients
# MAGIC
# MAGIC **Question.** Le modèle choisi l'a été parce qu'il se trompait le moins sur 89 patients de
# MAGIC validation. Sur 89 patients qui n'ont servi ni à l'entraîner ni à le choisir, fera-t-il mieux,
# MAGIC aussi bien, moins bien ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.metrics import root_mean_squared_error

# COMMAND ----------

project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# COMMAND ----------

# MAGIC %md
# MAGIC ## Choisir le modèle
# MAGIC
# MAGIC Le meilleur run `train` terminé, d'après la validation, parmi ceux des données du cours.
# MAGIC `search_runs` trie et filtre dans le magasin.

# COMMAND ----------

mlflow.set_experiment("/Shared/03_mlflow_project")
runs = mlflow.search_runs(
    filter_string="tags.mlflow.project.entryPoint = 'train' AND params.csv = 'diabetes'"
    " AND status = 'FINISHED'",
    order_by=["metrics.valid_rmse ASC"],
    output_format="list",
)
if not runs:
    raise SystemExit(
        "Pas de run train terminé. Lancez d'abord :"
        " uv run 03_mlflow_project/local/01_run_project.py"
    )
chosen = runs[0]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Prédire
# MAGIC
# MAGIC Le run `train` dit, par `data_run`, où sont les patients mis de côté. Le point d'entrée `predict`
# MAGIC ne reçoit que leurs mesures ; MLflow les compare à la *signature* du modèle avant de prédire, et
# MAGIC les prédictions vont dans un nouveau run.

# COMMAND ----------

held_out = mlflow.artifacts.download_artifacts(
    run_id=chosen.data.tags["data_run"], artifact_path="data/test.csv"
)
patients = pd.read_csv(held_out)
truth = patients.pop("progression")
file = Path(tempfile.mkdtemp(), "patients.csv")
patients.to_csv(file, index=False)

submitted = mlflow.projects.run(
    str(project),
    "predict",
    parameters={"run_id": chosen.info.run_id, "input": str(file)},
    env_manager="local",
)

# COMMAND ----------

written = "predictions/predictions.csv"
table = pd.read_csv(
    mlflow.artifacts.download_artifacts(run_id=submitted.run_id, artifact_path=written)
)
rmse = root_mean_squared_error(truth, table["predicted"])
mlflow.MlflowClient().log_metric(submitted.run_id, "test_rmse", rmse)

valid_rmse, predicted = chosen.data.metrics["valid_rmse"], table["predicted"]
print(f"Modèle : {chosen.info.run_name} (RMSE {valid_rmse:.2f} sur la validation)")
print(f"{len(table)} patients prédits, de {predicted.min():.0f} à {predicted.max():.0f}.")
print(f"RMSE {rmse:.2f} sur ces patients, que ni l'entraînement ni le choix n'ont vus.")
print(f"Prédictions : artefact {written} du run {submitted.run_id}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Moins bien : RMSE de 57.94 sur le test, contre 55.27 sur la validation. Relancé, le script rouvre
# MAGIC le test et retrouve le même nombre : cela ne gâte rien tant que personne ne choisit d'après lui,
# MAGIC et le choix, ici, se fait sur `valid_rmse`.
