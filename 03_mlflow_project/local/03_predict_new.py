# %% [markdown]
# # Leçon 3, script 3 : de nouveaux patients
#
# **Question.** Le modèle choisi l'a été parce qu'il se trompait le moins sur 89 patients de
# validation. Sur 89 patients qui n'ont servi ni à l'entraîner ni à le choisir, fera-t-il mieux,
# aussi bien, moins bien ?

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/local/03_predict_new.py
# ```
#
# Quinze secondes. Avec vos propres patients : `--patients FICHIER.csv`, et `--output FICHIER.csv`
# pour garder le résultat.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import tempfile
from io import StringIO
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from sklearn.metrics import root_mean_squared_error

from launch import check_project, reason, recorded_parameters
from options import existing_file, full_path, short_text

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Prédit de nouveaux patients avec le modèle d'un run.")
parser.add_argument(
    "--experiment", type=short_text, default="03_mlflow_project"
)  # databricks: "/Shared/03_mlflow_project"
parser.add_argument(
    "--run",
    type=short_text,
    help="l'identifiant d'un run train ; par défaut, le meilleur sur la validation",
)
parser.add_argument(
    "--patients",
    type=existing_file,
    help="un CSV ; par défaut, les patients mis de côté pour le test",
)
parser.add_argument(
    "--output", type=full_path, help="le CSV à écrire, en plus de l'artefact du run"
)
args = parser.parse_args()

# %%
project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# %% tags=["local"]
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
project = Path(__file__).resolve().parents[1]

# %% [markdown]
# ## Choisir le modèle
#
# Le meilleur run `train` terminé, d'après la validation, parmi ceux des données du cours.
# `search_runs` trie et filtre dans le magasin.

# %%
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

# %% [markdown]
# ## Prédire
#
# Le run `train` garde les patients mis de côté dans ses artefacts. Le point d'entrée `predict` ne
# reçoit que leurs mesures ; il les compare à la *signature* du modèle avant de prédire, et range
# les prédictions dans un nouveau run.

# %%
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

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/01_register_models.py")

# %% [markdown]
# ## À retenir
#
# Moins bien : RMSE de 57.94 sur le test, contre 55.27 sur la validation. Relancé, le script rouvre
# le test et retrouve le même nombre : cela ne gâte rien tant que personne ne choisit d'après lui,
# et le choix, ici, se fait sur `valid_rmse`.
