# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/10_deploy_azure.py par tools/build.py. -->
# MAGIC # Leçon 4, script 10 : le même déploiement, sur Azure
# MAGIC
# MAGIC **Question.** Un déploiement bleu/vert chez Azure se fait-il autrement que sur votre machine ?
# MAGIC
# MAGIC Sans option, ce script ne fait que vérifier les fichiers ; il n'envoie rien. Avant `yes`,
# MAGIC pronostiquez la répartition de 100 requêtes quand le trafic est à 90/10.

# COMMAND ----------

# MAGIC %pip install azure-ai-ml==1.35.2 azure-identity==1.27.0 requests==2.34.2
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path

import requests
from azure.ai.ml import MLClient, load_model, load_online_deployment, load_online_endpoint
from azure.identity import DefaultAzureCredential

dbutils.widgets.text("ENDPOINT", "../endpoint")
ENDPOINT = dbutils.widgets.get("ENDPOINT")

# COMMAND ----------

dbutils.widgets.dropdown("yes", "non", ["non", "oui"])
dbutils.widgets.dropdown("delete", "non", ["non", "oui"])

from types import SimpleNamespace

args = SimpleNamespace(
    yes=dbutils.widgets.get("yes") == "oui",  # crée les ressources, qui coûtent de l'argent
    delete=dbutils.widgets.get("delete") == "oui",  # supprime le point de terminaison et ses déploiements
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## L'espace de travail
# MAGIC
# MAGIC Un abonnement, un groupe de ressources, un espace de travail : de l'environnement, ou du
# MAGIC `config.json` que le portail d'Azure donne à télécharger. Rien de secret ici : l'identité, elle,
# MAGIC vient de `DefaultAzureCredential`.

# COMMAND ----------

variables = {
    "subscription_id": "AZURE_SUBSCRIPTION_ID",
    "resource_group": "AZURE_RESOURCE_GROUP",
    "workspace_name": "AZURE_ML_WORKSPACE",
}
config = Path("config.json")
saved = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
place = {name: os.environ.get(variables[name]) or saved.get(name) for name in variables}

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que le SDK a compris des fichiers
# MAGIC
# MAGIC Aucun appel à Azure ici : une clé inconnue ou un type faux se voient avant de payer. Le nom d'un
# MAGIC point de terminaison est unique dans sa région : le vôtre finit par six signes, tirés de votre
# MAGIC espace de travail.

# COMMAND ----------

names = ("blue", "green")
models = {name: load_model(f"azure_upload/{name}.yml") for name in names}  # de 09_plan_azure.py
endpoint = load_online_endpoint(f"{ENDPOINT}/endpoint.yml")
deployments = {name: load_online_deployment(f"{ENDPOINT}/{name}.yml") for name in names}
digest = hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()
endpoint.name = f"{endpoint.name}-{digest[:6]}"
for name, deployment in deployments.items():
    version = models[name].tags["mlflow_version"]
    machines = f"{deployment.instance_count} machine {deployment.instance_type}"
    print(f"{endpoint.name}, {name} : version {version} du registre, {machines}")
if not (args.yes or args.delete):
    print("Les fichiers sont bons. Rien n'est envoyé. Pour créer : --yes")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Créer
# MAGIC
# MAGIC Chaque appel à Azure ML est long : `begin_...` le lance, `result()` l'attend.

# COMMAND ----------

if args.yes or args.delete:
    if missing := [variables[name] for name in place if not place[name]]:
        sys.exit(f"Il manque, dans l'environnement ou dans config.json : {', '.join(missing)}.")
    azure = MLClient(DefaultAzureCredential(), *place.values(), show_progress=False)
if args.yes:
    print("Ce qui est créé se paie jusqu'à --delete, même si la suite échoue.")
    azure.online_endpoints.begin_create_or_update(endpoint).result()
    for name, deployment in deployments.items():
        deployment.endpoint_name = endpoint.name
        model = azure.models.create_or_update(models[name])
        deployment.model = model
        azure.online_deployments.begin_create_or_update(deployment).result()
        # le SDK écrit un point par attente
        print(f"\n{name} déployé, avec le modèle {model.name} version {model.version} d'Azure")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Essayer, puis basculer
# MAGIC
# MAGIC `invoke` s'adresse à un déploiement par son nom, sans trafic. Pour voir la répartition, on écrit à
# MAGIC l'adresse publique.

# COMMAND ----------

if args.yes:
    sample = f"{ENDPOINT}/sample_request.json"
    answer = azure.online_endpoints.invoke(
        endpoint.name, request_file=sample, deployment_name="green"
    )
    print("green, avant tout trafic :", answer)
    address = azure.online_endpoints.get(endpoint.name).scoring_uri
    key = azure.online_endpoints.get_keys(endpoint.name).primary_key
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for blue in (100, 90, 0):
        endpoint.traffic = {"blue": blue, "green": 100 - blue}
        azure.online_endpoints.begin_create_or_update(endpoint).result()
        seen = Counter()
        for _ in range(100):
            answer = requests.post(address, Path(sample).read_bytes(), headers=headers, timeout=60)
            by = answer.headers.get("azureml-model-deployment", "?")
            seen[by if answer.ok else f"code {answer.status_code}"] += 1
        print(f"Trafic {blue}/{100 - blue}, 100 requêtes : {dict(sorted(seen.items()))}")
    print("Pour ne plus payer : la même commande, avec --delete au lieu de --yes")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Supprimer

# COMMAND ----------

if args.delete:
    azure.online_endpoints.begin_delete(endpoint.name).result()
    print(
        f"{endpoint.name} et ses déploiements sont supprimés ; les modèles déposés restent,"
        " et ne coûtent que leur stockage."
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Les mêmes gestes que chez vous : deux déploiements, un essai de `green` sans trafic, 90/10, puis
# MAGIC tout à `green`. Ce qui change est autour : une identité, un nom unique dans la région, des appels
# MAGIC longs, et une facture tant que `delete` n'est pas passé. Ce script a été éprouvé face à un Azure
# MAGIC simulé, faute de compte.
