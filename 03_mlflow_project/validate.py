"""Étape 3 : relit le modèle d'un run et échoue s'il ne fait pas mieux que la moyenne.

    mlflow run 03_mlflow_project -e validate -P run_id=... --env-manager local
"""

import argparse

import mlflow
import numpy as np
from sklearn.metrics import root_mean_squared_error

from diabetes import read_parts, tree_state

parser = argparse.ArgumentParser(description="Compare un modèle à la moyenne, sur la validation.")
parser.add_argument("--run_id", required=True, help="le run `train` à juger")
args = parser.parse_args()

try:
    trained = mlflow.get_run(args.run_id)
    model = mlflow.sklearn.load_model(f"runs:/{args.run_id}/model")
    parts = read_parts(mlflow.artifacts.download_artifacts(run_id=trained.data.tags["data_run"], artifact_path="data"))
except (mlflow.MlflowException, KeyError):
    raise SystemExit(f"{args.run_id} n'est pas un run `train` de ce magasin.") from None

(target,) = set(parts["train"]).difference(model.feature_names_in_)
y_train, y_valid = parts["train"][target], parts["valid"][target]

with mlflow.start_run(run_name="validate", description="Le modèle fait-il mieux que prédire toujours la moyenne ?") as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    rmse = root_mean_squared_error(y_valid, model.predict(parts["valid"].drop(columns=target)))
    mean_rmse = root_mean_squared_error(y_valid, np.full(len(y_valid), y_train.mean()))
    mlflow.log_metrics({"valid_rmse": rmse, "mean_rmse": mean_rmse})
    print(f"RMSE {rmse:.2f} pour le modèle, {mean_rmse:.2f} pour la moyenne", flush=True)
    if not rmse < mean_rmse:
        raise SystemExit("Refusé : le modèle ne fait pas mieux que la moyenne.")
