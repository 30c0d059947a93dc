"""Étape 3 : relit le modèle d'un run et échoue s'il ne fait pas mieux que la moyenne.

mlflow run 03_mlflow_project -e validate -P run_id=... --env-manager local --experiment-name
03_mlflow_project
"""

import argparse

from diabetes import read_parts, tree_state  # en premier : Ctrl-C n'écrit alors rien de plus

import mlflow
import numpy as np
from sklearn.metrics import root_mean_squared_error
from tables import read_table

parser = argparse.ArgumentParser(description="Compare un modèle à la moyenne, sur la validation.")
parser.add_argument("--run_id", required=True, help="le run `train` à juger")
args = parser.parse_args()

try:
    trained = mlflow.get_run(args.run_id)
    model = mlflow.sklearn.load_model(f"runs:/{args.run_id}/model")
    data = mlflow.artifacts.download_artifacts(
        run_id=trained.data.tags["data_run"], artifact_path="data"
    )
except (mlflow.MlflowException, KeyError):
    raise SystemExit(f"{args.run_id} n'est pas un run `train` de ce magasin.") from None

columns = set(read_table(f"{data}/train.csv")[0])
(target,) = columns.difference(model.feature_names_in_)
parts = read_parts(data, target)

with mlflow.start_run(
    run_name="validate", description="Le modèle fait-il mieux que prédire toujours la moyenne ?"
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    rmse = root_mean_squared_error(parts.y_valid, model.predict(parts.X_valid))
    mean_rmse = root_mean_squared_error(
        parts.y_valid, np.full(len(parts.y_valid), parts.y_train.mean())
    )
    mlflow.log_metrics({"valid_rmse": rmse, "mean_rmse": mean_rmse})
    print(f"RMSE {rmse:.2f} pour le modèle, {mean_rmse:.2f} pour la moyenne", flush=True)
    if not rmse < mean_rmse:
        raise SystemExit("Refusé : le modèle ne fait pas mieux que la moyenne.")
