"""Étape 1 : lit le tableau, le découpe et range les trois parts dans les artefacts du run.

mlflow run 03_mlflow_project -e prepare --env-manager local --experiment-name 03_mlflow_project
"""

import argparse
from tempfile import TemporaryDirectory

# en premier : Ctrl-C n'écrit alors rien de plus
from diabetes import PARTS, load_table, table_path, tree_state, write_parts

import mlflow
from options import short_text
from splits import split

parser = argparse.ArgumentParser(description="Découpe un tableau en train, valid et test.")
parser.add_argument(
    "--csv", type=table_path, default="diabetes", help="« diabetes », ou le chemin absolu d'un CSV"
)
parser.add_argument("--target", type=short_text, default="progression", help="la colonne à prédire")
args = parser.parse_args()

# Avant d'ouvrir le run : un mauvais fichier est dit en une ligne, et `mlflow run` marque le run
# FAILED.
table = load_table(args.csv, args.target)
parts = split(table.drop(columns=args.target), table[args.target])
rows = {name: len(getattr(parts, f"y_{name}")) for name in PARTS}

with mlflow.start_run(
    run_name="prepare", description="Le découpage : 60 % train, 20 % valid, 20 % test."
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    train = parts.X_train.join(parts.y_train)
    mlflow.log_input(mlflow.data.from_pandas(train, targets=args.target, name=args.csv), "training")
    mlflow.log_metrics({f"{name}_rows": count for name, count in rows.items()})
    with TemporaryDirectory() as folder:
        write_parts(parts, list(table), folder)
        mlflow.log_artifacts(folder, "data")

print(" + ".join(f"{count} {name}" for name, count in rows.items()), "lignes")
