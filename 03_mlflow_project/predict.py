"""Prédit un nouveau tableau avec le modèle d'un run ; les prédictions vont dans un nouveau run, et
dans `output` s'il est donné.

mlflow run 03_mlflow_project -e predict -P run_id=... -P input=/chemin/table.csv --env-manager local
--experiment-name 03_mlflow_project
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

# en premier : Ctrl-C n'écrit alors rien de plus
from diabetes import absolute, output_path, tree_state

import mlflow
import pandas as pd
from tables import read_table

parser = argparse.ArgumentParser(description="Prédit un tableau avec le modèle d'un run.")
parser.add_argument("--run_id", required=True, help="le run `train` dont prendre le modèle")
parser.add_argument(
    "--input",
    type=absolute,
    required=True,
    help="le chemin absolu d'un CSV, avec les colonnes de l'entraînement",
)
parser.add_argument(
    "--output",
    type=output_path,
    default="none",
    help="le chemin absolu du CSV à écrire, ou « none »",
)
args = parser.parse_args()

table, taken_for = read_table(args.input)
print(taken_for, flush=True)
try:
    model = mlflow.pyfunc.load_model(f"runs:/{args.run_id}/model")
except mlflow.MlflowException:
    raise SystemExit(f"{args.run_id} n'est pas un run avec un modèle dans ce magasin.") from None

# La signature dit ce que le modèle attend ; MLflow le vérifierait aussi, avec une trace de vingt
# lignes.
columns = model.metadata.get_input_schema().input_names()
if missing := [name for name in columns if name not in table]:
    raise SystemExit(
        f"{args.input} : il manque {', '.join(missing)}. Le modèle attend : {', '.join(columns)}."
    )
try:
    predicted = model.predict(table[columns])
except mlflow.MlflowException:
    wanted = dict(zip(columns, model.metadata.get_input_schema().pandas_types(), strict=True))
    wrong = [
        name
        for name in columns
        if pd.api.types.is_numeric_dtype(table[name]) == (wanted[name] is object)
    ]
    kinds = {"du texte" if wanted[name] is object else "des nombres" for name in wrong}
    raise SystemExit(
        f"{args.input} : {', '.join(wrong)} n'a pas le type attendu ({', '.join(sorted(kinds))})."
    ) from None

with mlflow.start_run(
    run_name="predict", description=f"Prédictions du modèle du run {args.run_id}."
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    mlflow.log_metric("predicted_rows", len(table))
    with TemporaryDirectory() as folder:
        written = Path(args.output or f"{folder}/predictions.csv")
        try:
            pd.DataFrame({"predicted": predicted}).join(
                table.drop(columns="predicted", errors="ignore")
            ).to_csv(written, index=False)
        except OSError as error:
            raise SystemExit(f"{written} : écriture impossible ({error.strerror}).") from None
        mlflow.log_artifact(written, "predictions")

print(f"{len(table)} lignes prédites" + (f", écrites dans {args.output}" if args.output else ""))
