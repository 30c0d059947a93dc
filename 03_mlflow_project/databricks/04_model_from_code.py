# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/04_model_from_code.py par tools/build.py. -->
# MAGIC # Leçon 3, script 4 : un modèle fait de code
# MAGIC
# MAGIC **Question.** Votre laboratoire donne le cholestérol en g/L, le modèle le veut en mg/dL, et le
# MAGIC médecin veut savoir qui suivre de près. Ces deux étapes, avant et après le modèle, sont du code :
# MAGIC où va-t-il quand on enregistre le modèle ?
# MAGIC
# MAGIC Pronostic : on enregistre le même modèle de deux façons, par son fichier `.py` et par son objet
# MAGIC Python (un *pickle* : l'objet figé en octets). Puis quelqu'un change le fichier. Lequel des deux
# MAGIC modèles déjà enregistrés change ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 pandas==3.1.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

# COMMAND ----------

project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# COMMAND ----------

# MAGIC %md
# MAGIC ## Onze nombres
# MAGIC
# MAGIC Le meilleur modèle linéaire du script 1 tient en une ordonnée à l'origine et dix pentes, que
# MAGIC l'on ramène aux unités des mesures : un JSON suffit à les garder.

# COMMAND ----------

mlflow.set_experiment("/Shared/03_mlflow_project")
runs = mlflow.search_runs(
    filter_string="tags.mlflow.project.entryPoint = 'train' AND params.csv = 'diabetes'"
    " AND params.model = 'elastic_net' AND status = 'FINISHED'",
    order_by=["metrics.valid_rmse ASC"],
    output_format="list",
)
if not runs:
    raise SystemExit(
        "Pas de modèle linéaire dans cette expérience. Lancez d'abord :"
        " uv run 03_mlflow_project/local/01_run_project.py"
    )
trained_uri = f"runs:/{runs[0].info.run_id}/model"
pipeline = mlflow.sklearn.load_model(trained_uri)
scaler = pipeline["prepare"].named_transformers_["pipeline"]["standardscaler"]
slopes = pipeline["regress"].coef_ / scaler.scale_
intercept = pipeline["regress"].intercept_ - slopes @ scaler.mean_

data = mlflow.artifacts.download_artifacts(
    run_id=runs[0].data.tags["data_run"], artifact_path="data"
)
valid = pd.read_csv(f"{data}/valid.csv")
patients = valid[pipeline.feature_names_in_]
in_grams = patients.assign(**patients[["s1", "s2", "s3"]] / 100)  # le cholestérol : total, LDL, HDL

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le même modèle, deux fois
# MAGIC
# MAGIC `python_model` reçoit un chemin : MLflow range le fichier, dont la dernière ligne, `set_model`,
# MAGIC dit ce qu'est le modèle. Il reçoit un objet : MLflow le fige par *pickle*, et avertit que relire
# MAGIC un *pickle* peut exécuter n'importe quel code.

# COMMAND ----------

# une copie du fichier, que l'on pourra changer
code = Path(tempfile.mkdtemp(), "follow_up_model.py")
code.write_bytes((project / "follow_up_model.py").read_bytes())
numbers = code.with_name("coefficients.json")
coefficients = {"intercept": intercept, **dict(zip(patients, slopes, strict=True))}
numbers.write_text(json.dumps(coefficients), encoding="utf-8")
sys.path.insert(0, str(code.parent))
module = importlib.import_module("follow_up_model")

settings = {
    "artifacts": {"coefficients": str(numbers)},
    "model_config": {"threshold": 200},
    "input_example": in_grams.head(3),
    "pip_requirements": [
        *mlflow.pyfunc.get_default_pip_requirements(),
        f"pandas=={pd.__version__}",
    ],
}
with mlflow.start_run(
    run_name="modèle fait de code", description="Le même modèle, par son fichier et par son objet."
):
    from_code = mlflow.pyfunc.log_model(name="follow_up", python_model=str(code), **settings)
    from_object = mlflow.pyfunc.log_model(
        name="follow_up_pickled", python_model=module.FollowUp(), **settings
    )

for model in (from_code, from_object):
    files = [file.path for file in mlflow.artifacts.list_artifacts(model.model_uri)]
    print(f"{model.name}, ses fichiers :", *[file for file in files if "." in file])
before = mlflow.pyfunc.load_model(from_code.model_uri).predict(in_grams)
gap = abs(before["progression"] - pipeline.predict(patients)).max()
same = "la même" if gap < 1e-10 else "une autre"
print(f"Le modèle lit des g/L, le pipeline des mg/dL : à 1e-10 près, {same} progression.")
print(f"Suivi rapproché : {(before['follow_up'] == 'rapproché').sum()} patients sur {len(before)}.")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le fichier change
# MAGIC
# MAGIC Quelqu'un y perd la conversion. Les deux modèles, enregistrés avant, sont rechargés, comme dans un
# MAGIC programme lancé après.

# COMMAND ----------

changed = code.read_text(encoding="utf-8").replace("MG_PER_G = 100", "MG_PER_G = 1")
code.write_text(changed, encoding="utf-8")
importlib.reload(module)
for model in (from_code, from_object):
    after = mlflow.pyfunc.load_model(model.model_uri).predict(in_grams)
    means = [table["progression"].mean() for table in (before, after)]
    print(f"{model.name} : progression moyenne {means[0]:.1f} avant, {means[1]:.1f} après")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Là où l'on ne veut pas de pickle
# MAGIC
# MAGIC Une variable d'environnement les refuse, sauf sur Databricks, qui n'en tient pas compte. `skops`,
# MAGIC le format du pipeline, est refusé avec eux : la liste des types qu'il admet est lue dans le modèle
# MAGIC lui-même.

# COMMAND ----------

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
for name, uri in (
    ("follow_up", from_code.model_uri),
    ("follow_up_pickled", from_object.model_uri),
    ("pipeline", trained_uri),
):
    try:
        mlflow.pyfunc.load_model(uri)
        print(f"Sans pickle, {name} : se charge")
    except MlflowException:
        print(f"Sans pickle, {name} : refusé")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Enregistré par son fichier, le modèle emporte son code : la moyenne reste à 163.3 quand l'original
# MAGIC change. Enregistré par son objet, il n'emporte que le nom de sa classe, qui vient d'un module
# MAGIC importé : la moyenne passe à 249.5, sans un mot. Charger l'un ou l'autre exécute du code ; mais
# MAGIC celui du premier se lit. Et des trois modèles, le pipeline compris, c'est le seul qui se charge
# MAGIC quand les *pickles* sont refusés.
