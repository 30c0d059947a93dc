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
# Quinze secondes.

# %%
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.metrics import root_mean_squared_error

# %% tags=["local"]
from store import ROOT, open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
project = Path.cwd().parent  # sur Databricks, un notebook s'exécute dans son dossier, databricks/

# %% tags=["local"]
project = ROOT / "03_mlflow_project"

# %% [markdown]
# ## Choisir le modèle
#
# Le meilleur run `train` terminé, d'après la validation, parmi ceux des données du cours.
# `search_runs` trie et filtre dans le magasin.

# %%
mlflow.set_experiment("03_mlflow_project")
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

# %% [markdown]
# ## Prédire
#
# Le run `train` dit, par `data_run`, où sont les patients mis de côté. Le point d'entrée `predict`
# ne reçoit que leurs mesures ; MLflow les compare à la *signature* du modèle avant de prédire, et
# les prédictions vont dans un nouveau run.

# %%
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

# %%
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

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/01_register_models.py")

# %% [markdown]
# ## À retenir
#
# Moins bien : RMSE de 57.94 sur le test, contre 55.27 sur la validation. Relancé, le script rouvre
# le test et retrouve le même nombre : cela ne gâte rien tant que personne ne choisit d'après lui,
# et le choix, ici, se fait sur `valid_rmse`.
