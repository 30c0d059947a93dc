"""Étape 1 : lit le tableau, le découpe et range les trois parts dans les artefacts du run.

mlflow run 03_mlflow_project -e prepare --env-manager local --experiment-name 03_mlflow_project
"""

import argparse

import mlflow

from diabetes import load_table, split, tree_state

parser = argparse.ArgumentParser(description="Découpe un tableau en train, valid et test.")
parser.add_argument("--csv", default="diabetes", help="« diabetes », ou le chemin complet d'un CSV")
parser.add_argument("--target", default="progression", help="la colonne à prédire")
args = parser.parse_args()

parts = split(load_table(args.csv, args.target))

with mlflow.start_run(
    run_name="prepare", description="Le découpage : 60 % train, 20 % valid, 20 % test."
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    dataset = mlflow.data.from_pandas(parts["train"], targets=args.target, name=args.csv)
    mlflow.log_input(dataset, "training")
    for name, part in parts.items():
        mlflow.log_metric(f"{name}_rows", len(part))
        mlflow.log_text(part.to_csv(index=False), f"data/{name}.csv")

print(" + ".join(f"{len(part)} {name}" for name, part in parts.items()), "lignes")
