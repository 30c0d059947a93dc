"""Le projet entier : prepare, train, validate, chacun un run enfant de celui-ci.

Les artefacts passent par l'identifiant du run.

mlflow run 03_mlflow_project -P alpha=0.42 --env-manager local --experiment-name 03_mlflow_project
"""

import argparse
import logging

import mlflow

from diabetes import MODELS, tree_state

parser = argparse.ArgumentParser(description="Prépare, entraîne, valide.")
parser.add_argument("--model", choices=MODELS, default="elastic_net")
parser.add_argument("--alpha", type=float, default=0.1)
parser.add_argument("--l1_ratio", type=float, default=0.5)
parser.add_argument("--seed", default="0")
parser.add_argument("--csv", default="diabetes")
parser.add_argument("--target", default="progression")
args = parser.parse_args()

logging.getLogger("mlflow").setLevel(logging.WARNING)  # chaque étape dit déjà sa ligne

with mlflow.start_run(
    run_name="workflow", description="prepare, train, validate : un run enfant par étape."
) as workflow:
    if not workflow.data.params:  # lancé par `mlflow run`, le run a déjà ses paramètres
        mlflow.log_params(vars(args))
    mlflow.set_tag("git.dirty", tree_state())

    # `local` : les étapes gardent l'environnement de ce script, bâti par uv ou déjà là.
    data = {"csv": args.csv, "target": args.target}
    prepared = mlflow.projects.run(".", "prepare", parameters=data, env_manager="local")
    settings = {**vars(args), "data_run": prepared.run_id}
    trained = mlflow.projects.run(".", "train", parameters=settings, env_manager="local")
    judged = {"run_id": trained.run_id}
    validated = mlflow.projects.run(".", "validate", parameters=judged, env_manager="local")

    client = mlflow.MlflowClient()
    mlflow.log_metrics(client.get_run(validated.run_id).data.metrics)
    source = workflow.data.tags["mlflow.source.name"]
    for step in (prepared, trained, validated):  # sinon : le dossier temporaire où Git a cloné
        client.set_tag(step.run_id, "mlflow.source.name", source)
