# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/04_model_from_code.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
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

# MAGIC %pip install mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./launch

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

import importlib
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from sklearn.pipeline import Pipeline

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/03_mlflow_project")

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
)

# COMMAND ----------

project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# COMMAND ----------

# MAGIC %md
# MAGIC ## Onze nombres
# MAGIC
# MAGIC Le meilleur modèle linéaire de `run_project` tient en une ordonnée à l'origine et dix pentes, que
# MAGIC l'on ramène aux unités des mesures : un JSON suffit à les garder.

# COMMAND ----------

check_project(project)
experiment = mlflow.set_experiment(args.experiment)
linear = "tags.mlflow.project.entryPoint = 'train' AND status = 'FINISHED' AND params.model = 'elastic_net' AND params.csv = 'diabetes'"
runs = mlflow.search_runs(
    [experiment.experiment_id],
    linear,
    order_by=["metrics.valid_rmse ASC"],
    max_results=1,
    output_format="list",
)
if not runs:
    raise SystemExit(
        "Pas de modèle linéaire dans cette expérience. Lancez d'abord : uv run 03_mlflow_project/local/01_run_project.py"
    )
trained_uri = f"runs:/{runs[0].info.run_id}/model"
pipeline: Pipeline = mlflow.sklearn.load_model(trained_uri)
scaler = pipeline["prepare"].named_transformers_["pipeline"]["standardscaler"]
slopes = pipeline["regress"].coef_ / scaler.scale_
intercept = pipeline["regress"].intercept_ - slopes @ scaler.mean_

valid = pd.read_csv(
    mlflow.artifacts.download_artifacts(f"runs:/{runs[0].data.tags['data_run']}/data/valid.csv")
)
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
numbers.write_text(
    json.dumps({"intercept": intercept, **dict(zip(patients, slopes, strict=True))}),
    encoding="utf-8",
)
sys.path.insert(0, str(code.parent))
module = importlib.import_module("follow_up_model")
logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)  # l'avertissement, dit ci-dessus

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
    print(
        f"{model.name}, ses fichiers :",
        *[
            file.path
            for file in mlflow.artifacts.list_artifacts(model.model_uri)
            if "." in file.path
        ],
    )
before = mlflow.pyfunc.load_model(from_code.model_uri).predict(in_grams)
gap = abs(before["progression"] - pipeline.predict(patients)).max()
print(f"Le modèle lit des g/L, le pipeline des mg/dL : même progression, à {gap:.0e} près.")
print(f"Suivi rapproché : {(before['follow_up'] == 'rapproché').sum()} patients sur {len(before)}.")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le fichier change
# MAGIC
# MAGIC Quelqu'un y perd la conversion. Les deux modèles, enregistrés avant, sont rechargés, comme dans un
# MAGIC programme lancé après.

# COMMAND ----------

code.write_text(
    code.read_text(encoding="utf-8").replace("MG_PER_G = 100", "MG_PER_G = 1"), encoding="utf-8"
)
importlib.reload(module)
for model in (from_code, from_object):
    after = mlflow.pyfunc.load_model(model.model_uri).predict(in_grams)
    print(
        f"{model.name} : progression moyenne {before['progression'].mean():.1f} avant, {after['progression'].mean():.1f} après"
    )

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
