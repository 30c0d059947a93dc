"""Le projet entier : prepare, train, validate, chacun un run enfant de celui-ci.

Les artefacts passent par l'identifiant du run.

mlflow run 03_mlflow_project -P alpha=0.42 --env-manager local --experiment-name 03_mlflow_project
"""

import argparse
import logging

# en premier : Ctrl-C n'écrit alors rien de plus
from diabetes import MODELS, model_name, seed, table_path, tree_state

import mlflow
from mlflow.exceptions import ExecutionException
from options import number, short_text

parser = argparse.ArgumentParser(description="Prépare, entraîne, valide.")
parser.add_argument("--model", type=model_name, default="elastic_net", help=", ".join(MODELS))
parser.add_argument("--alpha", type=number(1e-6, 1e6), default=0.1)
parser.add_argument("--l1_ratio", type=number(0, 1), default=0.5)
parser.add_argument("--seed", type=seed, default=0)
parser.add_argument("--csv", type=table_path, default="diabetes")
parser.add_argument("--target", type=short_text, default="progression")
args = parser.parse_args()

logging.getLogger("mlflow").setLevel(logging.WARNING)  # chaque étape dit déjà sa ligne
data = {"csv": args.csv, "target": args.target}
settings = {
    "model": args.model,
    "alpha": args.alpha,
    "l1_ratio": args.l1_ratio,
    "seed": "none" if args.seed is None else args.seed,
}

with mlflow.start_run(
    run_name="workflow", description="prepare, train, validate : un run enfant par étape."
) as workflow:
    if not workflow.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())
    client, source = mlflow.MlflowClient(), workflow.data.tags["mlflow.source.name"]
    try:
        # `local` : les étapes héritent de l'environnement de ce script, quel que soit celui qui l'a
        # bâti.
        prepared = mlflow.projects.run(".", "prepare", parameters=data, env_manager="local")
        trained = mlflow.projects.run(
            ".",
            "train",
            parameters={**settings, **data, "data_run": prepared.run_id},
            env_manager="local",
        )
        validated = mlflow.projects.run(
            ".", "validate", parameters={"run_id": trained.run_id}, env_manager="local"
        )
    except ExecutionException as error:
        raise SystemExit(f"Le projet s'arrête là : {error}") from None
    mlflow.log_metrics(client.get_run(validated.run_id).data.metrics)
    for step in (prepared, trained, validated):  # sinon : le dossier temporaire où Git a cloné
        client.set_tag(step.run_id, "mlflow.source.name", source)
