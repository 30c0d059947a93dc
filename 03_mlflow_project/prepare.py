"""Étape 1 : lit le tableau, le découpe et range les trois morceaux dans les artefacts du run.

    mlflow run 03_mlflow_project -e prepare --env-manager local
"""

import argparse
from tempfile import TemporaryDirectory

import mlflow

from diabetes import load_table, split, table_path, tree_state, write_parts

parser = argparse.ArgumentParser(description="Découpe un tableau en train, valid et test.")
parser.add_argument("--csv", type=table_path, default="diabetes", help="« diabetes », ou le chemin absolu d'un CSV")
parser.add_argument("--target", default="progression", help="la colonne à prédire")
args = parser.parse_args()

# Avant d'ouvrir le run : un mauvais fichier est dit en une ligne, et `mlflow run` marque le run FAILED.
parts = split(load_table(args.csv, args.target))

with mlflow.start_run(run_name="prepare", description="Le découpage : 60 % train, 20 % valid, 20 % test.") as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    mlflow.log_input(mlflow.data.from_pandas(parts["train"], targets=args.target, name=args.csv), "training")
    mlflow.log_metrics({f"{name}_rows": len(part) for name, part in parts.items()})
    with TemporaryDirectory() as folder:
        write_parts(parts, folder)
        mlflow.log_artifacts(folder, "data")

print(" + ".join(f"{len(part)} {name}" for name, part in parts.items()), "lignes")
