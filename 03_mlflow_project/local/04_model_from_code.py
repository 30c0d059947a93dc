# %% [markdown]
# # Leçon 3, script 4 : un modèle fait de code
#
# **Question.** Votre laboratoire donne le cholestérol en g/L, le modèle le veut en mg/dL, et le
# médecin veut savoir qui suivre de près. Ces deux étapes, avant et après le modèle, sont du code :
# où va-t-il quand on enregistre le modèle ?
#
# Pronostic : on enregistre le même modèle de deux façons, par son fichier `.py` et par son objet
# Python (un *pickle* : l'objet figé en octets). Puis quelqu'un change le fichier. Lequel des deux
# modèles déjà enregistrés change ?

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/local/04_model_from_code.py
# ```
#
# Dix secondes, après `01_run_project.py`, dont il reprend le modèle linéaire.

# %%
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

# %% tags=["local"]
from store import ROOT, open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# %% tags=["local"]
project = ROOT / "03_mlflow_project"

# %% [markdown]
# ## Onze nombres
#
# Le meilleur modèle linéaire du script 1 tient en une ordonnée à l'origine et dix pentes, que
# l'on ramène aux unités des mesures : un JSON suffit à les garder.

# %%
mlflow.set_experiment("03_mlflow_project")
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

# %% [markdown]
# ## Le même modèle, deux fois
#
# `python_model` reçoit un chemin : MLflow range le fichier, dont la dernière ligne, `set_model`,
# dit ce qu'est le modèle. Il reçoit un objet : MLflow le fige par *pickle*, et avertit que relire
# un *pickle* peut exécuter n'importe quel code.

# %%
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

# %% [markdown]
# ## Le fichier change
#
# Quelqu'un y perd la conversion. Les deux modèles, enregistrés avant, sont rechargés, comme dans un
# programme lancé après.

# %%
changed = code.read_text(encoding="utf-8").replace("MG_PER_G = 100", "MG_PER_G = 1")
code.write_text(changed, encoding="utf-8")
importlib.reload(module)
for model in (from_code, from_object):
    after = mlflow.pyfunc.load_model(model.model_uri).predict(in_grams)
    means = [table["progression"].mean() for table in (before, after)]
    print(f"{model.name} : progression moyenne {means[0]:.1f} avant, {means[1]:.1f} après")

# %% [markdown]
# ## Là où l'on ne veut pas de pickle
#
# Une variable d'environnement les refuse, sauf sur Databricks, qui n'en tient pas compte. `skops`,
# le format du pipeline, est refusé avec eux : la liste des types qu'il admet est lue dans le modèle
# lui-même.

# %%
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

# %% [markdown]
# ## À retenir
#
# Enregistré par son fichier, le modèle emporte son code : la moyenne reste à 163.3 quand l'original
# change. Enregistré par son objet, il n'emporte que le nom de sa classe, qui vient d'un module
# importé : la moyenne passe à 249.5, sans un mot. Charger l'un ou l'autre exécute du code ; mais
# celui du premier se lit. Et des trois modèles, le pipeline compris, c'est le seul qui se charge
# quand les *pickles* sont refusés.
