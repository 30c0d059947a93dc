# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/deploy_azure.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 4, script 5 : le même déploiement, sur Azure
# MAGIC
# MAGIC **Question.** Qu'est-ce qui part vraiment chez Azure, et qu'est-ce qui coûte de l'argent, même sans une seule requête ?
# MAGIC
# MAGIC Commencez par `dry_run`, qui montre tout et n'envoie rien ; pronostiquez combien de ressources il annonce.

# COMMAND ----------

# MAGIC %pip install azure-ai-ml==1.35.2 azure-identity==1.27.0 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 requests==2.34.2 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./wines

# COMMAND ----------

# MAGIC %run ./workspaces

# COMMAND ----------

import io
import logging
import sys
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import requests
from mlflow import MlflowClient

try:
    from azure.ai.ml import MLClient, load_online_deployment, load_online_endpoint
    from azure.ai.ml.constants import AssetTypes
    from azure.ai.ml.entities import Model
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential
    from marshmallow import ValidationError
except ImportError as error:
    raise SystemExit(f"Il manque le SDK d'Azure ML ({error.name}) : uv run --group azure ..., ou requirements-azure.txt.") from None

logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)  # le SDK annonce en anglais ses classes expérimentales

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("model", "main.default.wine_cultivars")
dbutils.widgets.text("config", "config.json")  # subscription_id, resource_group, workspace_name ; les variables AZURE_* l'emportent
dbutils.widgets.text("files", "../endpoint")  # le dossier endpoint/, s'il est ailleurs
dbutils.widgets.dropdown("dry_run", "non", ["non", "oui"])  # montre ce qui partirait, n'envoie rien
dbutils.widgets.dropdown("yes", "non", ["non", "oui"])  # crée les ressources, qui coûtent de l'argent
dbutils.widgets.dropdown("delete", "non", ["non", "oui"])  # supprime le point de terminaison et ses déploiements

args = SimpleNamespace(
    model=dbutils.widgets.get("model"),
    config=dbutils.widgets.get("config"),
    files=dbutils.widgets.get("files"),
    dry_run=dbutils.widgets.get("dry_run") == "oui",
    yes=dbutils.widgets.get("yes") == "oui",
    delete=dbutils.widgets.get("delete") == "oui",
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Quoi : deux modèles MLflow, avec des étiquettes qui disent d'où ils viennent

# COMMAND ----------

place = workspace(args.config)
if acting := (args.yes or args.delete) and not args.dry_run:
    required(place, args.config)
try:
    endpoint = load_online_endpoint(f"{args.files}/endpoint.yml")
    deployments = {name: load_online_deployment(f"{args.files}/{name}.yml") for name in ("blue", "green")}
except (MlException, ValidationError, OSError) as error:
    raise SystemExit(f"{args.files} : {' '.join(str(error).split())[:200]}") from None
endpoint.name = unique_name(endpoint.name, place)

client = MlflowClient()
folder = TemporaryDirectory()
for name, alias in {} if args.delete else {"blue": "previous", "green": "champion"}.items():
    version = version_of(client, args.model, alias)
    path = mlflow.artifacts.download_artifacts(f"models:/{args.model}/{version.version}", dst_path=f"{folder.name}/{name}/model")
    if not Path(path, "MLmodel").is_file():  # Azure accepterait le dossier, et le service ne démarrerait pas
        raise SystemExit(f"La version {version.version} de {args.model} n'est pas un modèle MLflow : pas de fichier MLmodel.")
    run = client.get_run(mlflow.models.get_model_info(path).run_id)
    commit = run.data.tags.get("mlflow.source.git.commit", "inconnu")
    tags = {"mlflow_version": str(version.version), "mlflow_run_id": run.info.run_id, "git_commit": commit}
    deployments[name].model = Model(path=path, type=AssetTypes.MLFLOW_MODEL, name=args.model.rpartition(".")[2], tags=tags)
    deployments[name].endpoint_name = endpoint.name
    print(f"{name} : version {version.version}, {sum(1 for each in Path(path).rglob('*') if each.is_file())} fichiers, commit {commit[:7]}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le plan et son prix, avant tout

# COMMAND ----------

if not args.delete:
    deployments["green"].dump(sys.stdout)  # blue n'en diffère que par son nom et son modèle
    print(f"Partiraient : 2 modèles, le point de terminaison {endpoint.name} (gratuit) et 2 déploiements.")
    print("Chaque déploiement est une machine louée à l'heure, de l'ordre de 0,2 à 0,3 $, même sans requête, jusqu'à --delete.")
if not acting:
    print("Rien n'est envoyé. Pour créer : --yes")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Créer, essayer, basculer, supprimer
# MAGIC
# MAGIC Pour voir la répartition, on écrit à l'adresse publique : `invoke` garde le dernier `deployment_name` demandé.

# COMMAND ----------

try:
    if acting:
        azure = MLClient(DefaultAzureCredential(), place["subscription_id"], place["resource_group"], place["workspace_name"], show_progress=False)
    if acting and args.delete:
        azure.online_endpoints.begin_delete(endpoint.name).result()
        print(f"{endpoint.name} et ses déploiements sont supprimés ; les modèles déposés restent, et ne coûtent que leur stockage.")
    elif acting:
        print(f"{endpoint.name} ", end="", flush=True)  # le SDK ajoute un point par attente
        azure.online_endpoints.begin_create_or_update(endpoint).result()
        for name, deployment in deployments.items():
            print(f"\n{name} ", end="", flush=True)
            with redirect_stderr(io.StringIO()):  # le SDK y laisse des codes de couleur
                deployment.model = model = azure.models.create_or_update(deployment.model)
                azure.online_deployments.begin_create_or_update(deployment).result()
            print(f" déployé, avec le modèle {model.name} version {model.version} d'Azure", end="")
        sample = f"{args.files}/sample_request.json"
        print("\ngreen, avant tout trafic :", azure.online_endpoints.invoke(endpoint.name, request_file=sample, deployment_name="green"))
        scoring_uri = azure.online_endpoints.get(endpoint.name).scoring_uri
        headers = {"Authorization": f"Bearer {azure.online_endpoints.get_keys(endpoint.name).primary_key}", "Content-Type": "application/json"}
        for blue in (100, 90, 0):
            endpoint.traffic = {"blue": blue, "green": 100 - blue}
            azure.online_endpoints.begin_create_or_update(endpoint).result()
            seen = Counter()
            for _ in range(100):
                answer = requests.post(scoring_uri, data=Path(sample).read_bytes(), headers=headers, timeout=60)
                seen[answer.headers.get("azureml-model-deployment", "?") if answer.ok else answer.status_code] += 1
            print(f"Trafic {blue}/{100 - blue}, 100 requêtes : {dict(sorted(seen.items(), key=str))}")
        print("Pour ne plus payer : la même commande, avec --delete")
except (AzureError, MlException, requests.RequestException) as error:
    bill = "" if args.delete else " Ce qui est déjà créé se paie : --delete."
    raise SystemExit(f"Azure a refusé ({type(error).__name__}) : {' '.join(str(error).split())[:250]}{bill}") from None

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Cinq ressources partent : 2 modèles, 1 point de terminaison, 2 déploiements ; ces derniers coûtent tant qu'ils existent.
# MAGIC Le registre reste le nôtre : `mlflow_version`, `mlflow_run_id` et `git_commit`, étiquettes du modèle déposé, permettent
# MAGIC de remonter au run ; sans elles, Azure ne connaît que son propre numéro de version.
