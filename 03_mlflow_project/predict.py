"""Prédit un nouveau tableau avec le modèle d'un run ; les prédictions vont dans un nouveau run, et
dans `output` s'il est donné.

mlflow run 03_mlflow_project -e predict -P run_id=... -P input=/chemin/table.csv \
    --env-manager local --experiment-name 03_mlflow_project
"""

import argparse

import mlflow

from diabetes import read_table, tree_state

parser = argparse.ArgumentParser(description="Prédit un tableau avec le modèle d'un run.")
parser.add_argument("--run_id", required=True, help="le run `train` dont prendre le modèle")
parser.add_argument("--input", required=True, help="le chemin complet d'un CSV")
parser.add_argument("--output", default="none", help="le chemin complet du CSV à écrire")
args = parser.parse_args()

table = read_table(args.input)
model = mlflow.pyfunc.load_model(f"runs:/{args.run_id}/model")
table.insert(0, "predicted", model.predict(table))

with mlflow.start_run(
    run_name="predict", description=f"Prédictions du modèle du run {args.run_id}."
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    mlflow.log_metric("predicted_rows", len(table))
    mlflow.log_text(table.to_csv(index=False), "predictions/predictions.csv")

written = ""
if args.output != "none":
    table.to_csv(args.output, index=False)
    written = f", écrites dans {args.output}"
print(f"{len(table)} lignes prédites{written}")
