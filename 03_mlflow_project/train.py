"""Étape 2 : entraîne un modèle, le mesure sur la validation, l'enregistre.

    mlflow run 03_mlflow_project -e train -P model=random_forest --env-manager local \
        --experiment-name 03_mlflow_project

Avec `data_run`, les données sont celles qu'un run `prepare` a rangées ; sans lui, l'étape découpe
elle-même, de la même façon, et les range dans son propre run.
"""

import argparse
from importlib.metadata import version

import mlflow
import pandas as pd
from mlflow.models import infer_signature

import diabetes

parser = argparse.ArgumentParser(description="Entraîne un modèle de régression.")
parser.add_argument("--model", choices=diabetes.MODELS, default="elastic_net")
parser.add_argument("--alpha", type=float, default=0.1, help="ElasticNet : force de la pénalité")
parser.add_argument("--l1_ratio", type=float, default=0.5, help="ElasticNet : part de pénalité L1")
parser.add_argument("--seed", default="0", help="un entier, ou « none » : le hasard n'est pas fixé")
parser.add_argument("--csv", default="diabetes", help="« diabetes », ou le chemin complet d'un CSV")
parser.add_argument("--target", default="progression", help="la colonne à prédire")
parser.add_argument("--data_run", default="none", help="le run `prepare` dont prendre les données")
args = parser.parse_args()

seed = None if args.seed == "none" else int(args.seed)
title = args.model
if args.model == "elastic_net":
    title += f" alpha={args.alpha:g} l1_ratio={args.l1_ratio:g}"

with mlflow.start_run(
    run_name=title, description=f"{args.model} : prédit `{args.target}`, mesuré sur la validation."
) as run:
    if not run.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))

    data_run = args.data_run
    if data_run == "none":
        data_run = run.info.run_id
        table = diabetes.load_table(args.csv, args.target)
        for name, part in diabetes.split(table).items():
            mlflow.log_text(part.to_csv(index=False), f"data/{name}.csv")
    mlflow.set_tags({"git.dirty": diabetes.tree_state(), "data_run": data_run})

    # Relues d'un run dans les deux cas : les mêmes nombres, rangés de même en mémoire, donc le même
    # résultat au bit près.
    stored = mlflow.get_run(data_run).info.artifact_uri
    data = mlflow.artifacts.download_artifacts(f"{stored}/data")
    train, valid = (diabetes.read_table(f"{data}/{name}.csv") for name in ("train", "valid"))
    dataset = mlflow.data.from_pandas(train, targets=args.target, name=args.csv)
    mlflow.log_input(dataset, "training")

    y_train, y_valid = train.pop(args.target), valid.pop(args.target)
    model = diabetes.make_model(args.model, train, args.alpha, args.l1_ratio, seed)
    model.fit(train, y_train)
    predicted = model.predict(valid)
    metrics = diabetes.regression_metrics(y_valid, predicted, "valid")
    mlflow.log_metrics(metrics)
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(train, model.predict(train)),
        input_example=train.head(3),
        pip_requirements=[
            f"{package}=={version(package)}"
            for package in ("mlflow-skinny", "scikit-learn", "pandas", "numpy", "skops")
        ],
        # au rechargement, aucun code ne s'exécute hors des types déclarés
        serialization_format="skops",
        skops_trusted_types=diabetes.TRUSTED_TYPES,
    )
    predictions = pd.DataFrame({"true": y_valid, "predicted": predicted})
    mlflow.log_text(predictions.to_csv(index=False), "valid_predictions.csv")

print(
    f"{title} : RMSE {metrics['valid_rmse']:.2f}, R² {metrics['valid_r2']:.3f}"
    f" sur {len(predicted)} lignes de validation"
)
