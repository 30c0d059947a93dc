# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/03_predict_new.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 3, script 3 : de nouveaux patients
# MAGIC
# MAGIC **Question.** Le modèle choisi l'a été parce qu'il se trompait le moins sur 89 patients de
# MAGIC validation. Sur 89 patients qui n'ont servi ni à l'entraîner ni à le choisir, fera-t-il mieux,
# MAGIC aussi bien, moins bien ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./launch

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

import tempfile
from io import StringIO
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from sklearn.metrics import root_mean_squared_error

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/03_mlflow_project")
dbutils.widgets.text("run", "")  # l'identifiant d'un run train ; par défaut, le meilleur sur la validation
dbutils.widgets.text("patients", "")  # un CSV ; par défaut, les patients mis de côté pour le test
dbutils.widgets.text("output", "")  # le CSV à écrire, en plus de l'artefact du run

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    run=short_text(dbutils.widgets.get("run")) if dbutils.widgets.get("run") else None,
    patients=existing_file(dbutils.widgets.get("patients")) if dbutils.widgets.get("patients") else None,
    output=full_path(dbutils.widgets.get("output")) if dbutils.widgets.get("output") else None,
)

# COMMAND ----------

project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# COMMAND ----------

# MAGIC %md
# MAGIC ## Choisir le modèle
# MAGIC
# MAGIC Le meilleur run `train` terminé, d'après la validation, parmi ceux des données du cours.
# MAGIC `search_runs` trie et filtre dans le magasin.

# COMMAND ----------

check_project(project)
trained = "tags.mlflow.project.entryPoint = 'train' AND status = 'FINISHED'"
if not args.run:
    trained += " AND params.csv = 'diabetes'"
experiment = mlflow.set_experiment(args.experiment)
runs = mlflow.search_runs(
    [experiment.experiment_id],
    filter_string=trained,
    order_by=["metrics.valid_rmse ASC"],
    output_format="list",
)
if args.run:
    runs = [run for run in runs if run.info.run_id == args.run]
if not runs:
    wanted = f"de run train terminé {args.run or ''}".strip()
    raise SystemExit(
        f"Pas {wanted} dans l'expérience {args.experiment}. Lancez d'abord : uv run 03_mlflow_project/local/01_run_project.py"
    )
chosen = runs[0]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Prédire
# MAGIC
# MAGIC Le run `train` garde les patients mis de côté dans ses artefacts. Le point d'entrée `predict` ne
# MAGIC reçoit que leurs mesures ; il les compare à la *signature* du modèle avant de prédire, et range
# MAGIC les prédictions dans un nouveau run.

# COMMAND ----------

patients, truth = args.patients, None
if patients is None:
    held_out = pd.read_csv(
        StringIO(mlflow.artifacts.load_text(f"runs:/{chosen.data.tags['data_run']}/data/test.csv"))
    )
    truth = held_out.pop(recorded_parameters(chosen)["target"])
    patients = str(Path(tempfile.mkdtemp(), "patients.csv"))
    held_out.to_csv(patients, index=False)

parameters = {"run_id": chosen.info.run_id, "input": patients, "output": args.output or "none"}
try:
    submitted = mlflow.projects.run(
        str(project), "predict", parameters=parameters, env_manager="local"
    )
except MlflowException as error:  # le projet vient d'écrire pourquoi
    raise SystemExit(f"Pas de prédiction : {reason(error)}") from None

written = mlflow.artifacts.list_artifacts(run_id=submitted.run_id, artifact_path="predictions")[
    0
].path
table = pd.read_csv(StringIO(mlflow.artifacts.load_text(f"runs:/{submitted.run_id}/{written}")))
print(
    f"Modèle : {chosen.info.run_name} (RMSE {chosen.data.metrics['valid_rmse']:.2f} sur la validation)"
)
print(
    f"{len(table)} patients prédits, de {table['predicted'].min():.0f} à {table['predicted'].max():.0f}."
)
if truth is not None:
    rmse = root_mean_squared_error(truth, table["predicted"])
    mlflow.MlflowClient().log_metric(submitted.run_id, "test_rmse", rmse)
    print(f"RMSE {rmse:.2f} sur ces patients, que ni l'entraînement ni le choix n'ont vus.")
print(f"Prédictions : artefact {written} du run {submitted.run_id}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Moins bien : RMSE de 57.94 sur le test, contre 55.27 sur la validation. Relancé, le script rouvre
# MAGIC le test et retrouve le même nombre : cela ne gâte rien tant que personne ne choisit d'après lui,
# MAGIC et le choix, ici, se fait sur `valid_rmse`.
