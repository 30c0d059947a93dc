"""Étape 2 : entraîne un modèle, le mesure sur la validation, l'enregistre.

    mlflow run 03_mlflow_project -e train -P model=random_forest --env-manager local --experiment-name 03_mlflow_project

Avec `data_run`, les données sont celles qu'un run `prepare` a rangées ; sans lui, l'étape découpe
elle-même, de la même façon.
"""

import argparse
from importlib.metadata import version
from tempfile import TemporaryDirectory

import diabetes  # en premier : Ctrl-C n'écrit alors rien de plus
import mlflow
import pandas as pd
from mlflow.models import infer_signature
from options import number, short_text
from splits import split

parser = argparse.ArgumentParser(description="Entraîne un modèle de régression.")
parser.add_argument(
    "--model", type=diabetes.model_name, default="elastic_net", help=", ".join(diabetes.MODELS)
)
parser.add_argument(
    "--alpha", type=number(1e-6, 1e6), default=0.1, help="ElasticNet : force de la pénalité"
)
parser.add_argument(
    "--l1_ratio", type=number(0, 1), default=0.5, help="ElasticNet : part de la pénalité L1"
)
parser.add_argument(
    "--seed",
    type=diabetes.seed,
    default=0,
    help="un entier, ou « none » pour ne pas fixer le hasard",
)
parser.add_argument(
    "--csv",
    type=diabetes.table_path,
    default="diabetes",
    help="« diabetes », ou le chemin absolu d'un CSV",
)
parser.add_argument("--target", type=short_text, default="progression", help="la colonne à prédire")
parser.add_argument("--data_run", default="none", help="le run `prepare` dont prendre les données")
args = parser.parse_args()

temporary = TemporaryDirectory()
if args.data_run == "none":
    data, table = temporary.name, diabetes.load_table(args.csv, args.target)
    diabetes.write_parts(
        split(table.drop(columns=args.target), table[args.target]), list(table), data
    )
else:
    try:
        data = mlflow.artifacts.download_artifacts(
            run_id=args.data_run, artifact_path="data", dst_path=temporary.name
        )
    except mlflow.MlflowException:
        raise SystemExit(f"{args.data_run} n'est pas un run `prepare` de ce magasin.") from None
parts = diabetes.read_parts(data, args.target)  # relues d'un CSV, comme celles de `prepare`

model = diabetes.make_model(args.model, parts.X_train, args.alpha, args.l1_ratio, args.seed)
name = (
    f"elastic_net alpha={args.alpha:g} l1_ratio={args.l1_ratio:g}"
    if args.model == "elastic_net"
    else args.model
)

with mlflow.start_run(
    run_name=name, description=f"{args.model} : prédit `{args.target}`, mesuré sur la validation."
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tags(
        {
            "git.dirty": diabetes.tree_state(),
            "data_run": run.info.run_id if args.data_run == "none" else args.data_run,
        }
    )
    dataset = mlflow.data.from_pandas(
        parts.X_train.join(parts.y_train), targets=args.target, name=args.csv
    )
    try:
        mlflow.log_input(dataset, "training")
    # un run lancé au même instant vient de l'ajouter : cette fois, il sera trouvé
    except mlflow.MlflowException:
        mlflow.log_input(dataset, "training")
    model.fit(parts.X_train, parts.y_train)
    predicted = model.predict(parts.X_valid)
    metrics = diabetes.regression_metrics(parts.y_valid, predicted, "valid")
    mlflow.log_metrics(metrics)
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(parts.X_train, model.predict(parts.X_train)),
        input_example=parts.X_train.head(3),
        pip_requirements=[
            f"{package}=={version(package)}"
            for package in ("mlflow-skinny", "scikit-learn", "pandas", "numpy", "skops")
        ],
        # au rechargement, aucun code ne s'exécute hors des types déclarés
        serialization_format="skops",
        skops_trusted_types=diabetes.TRUSTED_TYPES,
    )
    mlflow.log_text(
        pd.DataFrame({"true": parts.y_valid, "predicted": predicted}).to_csv(index=False),
        "valid_predictions.csv",
    )
    if args.data_run == "none":
        mlflow.log_artifacts(data, "data")

print(
    f"{name} : RMSE {metrics['valid_rmse']:.2f}, R² {metrics['valid_r2']:.3f} sur {len(predicted)} lignes de validation"
)
