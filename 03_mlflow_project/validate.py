"""Étape 3 : relit le modèle d'un run et échoue s'il ne fait pas mieux que la moyenne.

mlflow run 03_mlflow_project -e validate -P run_id=... --env-manager local \
    --experiment-name 03_mlflow_project
"""

import argparse

import mlflow
from sklearn.dummy import DummyRegressor
from sklearn.metrics import root_mean_squared_error

from diabetes import read_table, tree_state

parser = argparse.ArgumentParser(description="Compare un modèle à la moyenne, sur la validation.")
parser.add_argument("--run_id", required=True, help="le run `train` à juger")
args = parser.parse_args()

trained = mlflow.get_run(args.run_id)
model = mlflow.sklearn.load_model(f"runs:/{args.run_id}/model")
data = mlflow.artifacts.download_artifacts(
    run_id=trained.data.tags["data_run"], artifact_path="data"
)
train, valid = (read_table(f"{data}/{part}.csv") for part in ("train", "valid"))
[target] = train.columns.difference(model.feature_names_in_)  # ce que le modèle n'a pas reçu
mean = DummyRegressor().fit(train, train[target])  # prédit toujours la moyenne

with mlflow.start_run(
    run_name="validate", description="Le modèle fait-il mieux que prédire toujours la moyenne ?"
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    rmse = root_mean_squared_error(valid[target], model.predict(valid[model.feature_names_in_]))
    mean_rmse = root_mean_squared_error(valid[target], mean.predict(valid))
    mlflow.log_metrics({"valid_rmse": rmse, "mean_rmse": mean_rmse})
    print(f"RMSE {rmse:.2f} pour le modèle, {mean_rmse:.2f} pour la moyenne", flush=True)
    if rmse >= mean_rmse:
        raise SystemExit("Refusé : le modèle ne fait pas mieux que la moyenne.")
