# jupyter: non (il crée des ressources dans un compte Azure ; à blanc, le script les montre)
# %% [markdown]
# # Leçon 4, script 10 : le même déploiement, sur Azure
#
# **Question.** Un déploiement bleu/vert chez Azure se fait-il autrement que sur votre machine ?
#
# Sans option, ce script ne fait que vérifier les fichiers ; il n'envoie rien. Avant `--yes`,
# pronostiquez la répartition de 100 requêtes quand le trafic est à 90/10.

# %% [markdown] tags=["local"]
# ```
# uv run --group azure 04_model_registry_azureml/local/10_deploy_azure.py
# uv run --group azure 04_model_registry_azureml/local/10_deploy_azure.py --yes
# uv run --group azure 04_model_registry_azureml/local/10_deploy_azure.py --delete
# ```
#
# Dix secondes sans option. Sur Azure, comptez en dizaines de minutes, image comprise : nous ne
# l'avons pas mesuré.

# %%
import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path

import requests
from azure.ai.ml import MLClient, load_model, load_online_deployment, load_online_endpoint
from azure.identity import DefaultAzureCredential

ENDPOINT = "04_model_registry_azureml/endpoint"  # databricks: "../endpoint"

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Déploie sur Azure ML ce que 09_plan_azure.py a préparé."
)
parser.add_argument(
    "--yes", action="store_true", help="crée les ressources, qui coûtent de l'argent"
)
parser.add_argument(
    "--delete", action="store_true", help="supprime le point de terminaison et ses déploiements"
)
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

open_store()  # passe à la racine du dépôt, où 09_plan_azure.py a écrit

# %% [markdown]
# ## L'espace de travail
#
# Un abonnement, un groupe de ressources, un espace de travail : de l'environnement, ou du
# `config.json` que le portail d'Azure donne à télécharger. Rien de secret ici : l'identité, elle,
# vient de `DefaultAzureCredential`.

# %%
variables = {
    "subscription_id": "AZURE_SUBSCRIPTION_ID",
    "resource_group": "AZURE_RESOURCE_GROUP",
    "workspace_name": "AZURE_ML_WORKSPACE",
}
config = Path("config.json")
saved = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
place = {name: os.environ.get(variables[name]) or saved.get(name) for name in variables}

# %% [markdown]
# ## Ce que le SDK a compris des fichiers
#
# Aucun appel à Azure ici : une clé inconnue ou un type faux se voient avant de payer. Le nom d'un
# point de terminaison est unique dans sa région : le vôtre finit par six signes, tirés de votre
# espace de travail.

# %%
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

# %% [markdown]
# ## Créer
#
# Chaque appel à Azure ML est long : `begin_...` le lance, `result()` l'attend.

# %%
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

# %% [markdown]
# ## Essayer, puis basculer
#
# `invoke` s'adresse à un déploiement par son nom, sans trafic. Pour voir la répartition, on écrit à
# l'adresse publique.

# %%
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

# %% [markdown]
# ## Supprimer

# %%
if args.delete:
    azure.online_endpoints.begin_delete(endpoint.name).result()
    print(
        f"{endpoint.name} et ses déploiements sont supprimés ; les modèles déposés restent,"
        " et ne coûtent que leur stockage."
    )

# %% [markdown]
# ## À retenir
#
# Les mêmes gestes que chez vous : deux déploiements, un essai de `green` sans trafic, 90/10, puis
# tout à `green`. Ce qui change est autour : une identité, un nom unique dans la région, des appels
# longs, et une facture tant que `--delete` n'est pas passé. Ce script a été éprouvé face à un Azure
# simulé, faute de compte.
