"""Étape 2 : entraîne un modèle, le mesure sur la validation, l'enregistre.

    mlflow run 03_mlflow_project -e train -P model=random_forest --env-manager local

Avec `data_run`, les données sont celles qu'un run `prepare` a rangées ; sans lui, l'étape découpe elle-même, de la même façon.
"""

import argparse
from importlib.metadata import version
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
from mlflow.models import infer_signature

from diabetes import (
    MODELS,
    TRUSTED_TYPES,
    load_table,
    make_model,
    number,
    read_parts,
    regression_metrics,
    seed,
    split,
    table_path,
    tree_state,
    write_parts,
)

parser = argparse.ArgumentParser(description="Entraîne un modèle de régression.")
parser.add_argument("--model", choices=MODELS, default="elastic_net")
parser.add_argument("--alpha", type=number(1e-6, 1e6), default=0.1, help="ElasticNet : force de la pénalité")
parser.add_argument("--l1_ratio", type=number(0, 1), default=0.5, help="ElasticNet : part de la pénalité L1")
parser.add_argument("--seed", type=seed, default=0, help="un entier, ou « none » pour ne pas fixer le hasard")
parser.add_argument("--csv", type=table_path, default="diabetes", help="« diabetes », ou le chemin absolu d'un CSV")
parser.add_argument("--target", default="progression", help="la colonne à prédire")
parser.add_argument("--data_run", default="none", help="le run `prepare` dont prendre les données")
args = parser.parse_args()

if args.data_run == "none":
    with TemporaryDirectory() as folder:  # relues d'un CSV, comme celles de `prepare` : sinon, R² différerait aux derniers bits
        write_parts(split(load_table(args.csv, args.target)), folder)
        parts = read_parts(folder)
else:
    parts = read_parts(mlflow.artifacts.download_artifacts(run_id=args.data_run, artifact_path="data"))
X_train, y_train = parts["train"].drop(columns=args.target), parts["train"][args.target]
X_valid, y_valid = parts["valid"].drop(columns=args.target), parts["valid"][args.target]

model = make_model(args.model, X_train, args.alpha, args.l1_ratio, args.seed)
name = f"elastic_net alpha={args.alpha:g} l1_ratio={args.l1_ratio:g}" if args.model == "elastic_net" else args.model

with mlflow.start_run(run_name=name, description=f"{args.model} : prédit `{args.target}`, mesuré sur la validation.") as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tags({"git.dirty": tree_state(), "data_run": run.info.run_id if args.data_run == "none" else args.data_run})
    dataset = mlflow.data.from_pandas(parts["train"], targets=args.target, name=args.csv)
    try:
        mlflow.log_input(dataset, "training")
    except mlflow.MlflowException:  # une variante lancée au même instant vient de l'ajouter : cette fois, il sera trouvé
        mlflow.log_input(dataset, "training")
    model.fit(X_train, y_train)
    predicted = model.predict(X_valid)
    metrics = regression_metrics(y_valid, predicted, "valid")
    mlflow.log_metrics(metrics)
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(X_train, model.predict(X_train)),
        input_example=X_train.head(3),
        pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow-skinny", "scikit-learn", "pandas", "numpy", "skops")],
        skops_trusted_types=TRUSTED_TYPES,
    )
    with TemporaryDirectory() as folder:
        pd.DataFrame({"true": y_valid, "predicted": predicted}).to_csv(f"{folder}/valid_predictions.csv", index=False)
        mlflow.log_artifact(f"{folder}/valid_predictions.csv")
    if args.data_run == "none":
        with TemporaryDirectory() as folder:
            write_parts(parts, folder)
            mlflow.log_artifacts(folder, "data")

print(f"{name} : RMSE {metrics['valid_rmse']:.2f}, R² {metrics['valid_r2']:.3f} sur {len(y_valid)} lignes de validation")
