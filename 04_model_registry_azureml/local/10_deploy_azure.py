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

# %% tags=["local"]
from store import ROOT, open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import io
import logging
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path

import requests

from options import full_path
from workspaces import in_one_line, required, unique_name, workspace

try:
    from azure.ai.ml import MLClient, load_model, load_online_deployment, load_online_endpoint
    from azure.identity import DefaultAzureCredential
except ImportError as error:
    raise SystemExit(
        f"Il manque le SDK d'Azure ML ({error.name}) : uv run --group azure ..., ou requirements-azure.txt."
    ) from None

# le SDK annonce en anglais ses classes expérimentales
logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Déploie sur Azure ML ce que 09_plan_azure.py a préparé."
)
parser.add_argument(
    "--files", type=full_path, default=None, help="le dossier endpoint/, s'il est ailleurs"
)  # databricks: "../endpoint"
parser.add_argument(
    "--config",
    type=full_path,
    default="config.json",
    help="l'espace de travail ; les variables AZURE_* l'emportent",
)
parser.add_argument(
    "--yes", action="store_true", help="crée les ressources, qui coûtent de l'argent"
)
parser.add_argument(
    "--delete", action="store_true", help="supprime le point de terminaison et ses déploiements"
)
args = parser.parse_args()

# %% tags=["local"]
open_store()  # passe à la racine du dépôt, où 09_plan_azure.py a écrit
args.files = args.files or str(ROOT / "04_model_registry_azureml/endpoint")

# %% [markdown]
# ## Ce que le SDK a compris des fichiers
#
# Aucun appel à Azure ici : une clé inconnue ou un type faux se voient avant de payer.

# %%
if not Path("azure_upload/green.yml").is_file():
    raise SystemExit("Lancez d'abord : uv run 04_model_registry_azureml/local/09_plan_azure.py")
place = workspace(args.config)
with in_one_line(f"Fichiers refusés, dans {args.files} ou azure_upload"):
    endpoint = load_online_endpoint(f"{args.files}/endpoint.yml")
    deployments = {
        name: load_online_deployment(f"{args.files}/{name}.yml") for name in ("blue", "green")
    }
    models = {name: load_model(f"azure_upload/{name}.yml") for name in deployments}
endpoint.name = unique_name(endpoint.name, place)
for name, deployment in deployments.items():
    machines = f"{deployment.instance_count} machine {deployment.instance_type}"
    print(
        f"{endpoint.name}, {name} : version {models[name].tags['mlflow_version']} du registre, {machines}"
    )
if not (args.yes or args.delete):
    print("Les fichiers sont bons. Rien n'est envoyé. Pour créer : --yes")

# %% [markdown]
# ## Créer
#
# Chaque appel à Azure ML est long : `begin_...` le lance, `result()` l'attend.

# %%
if args.yes or args.delete:
    required(place, args.config)
    names = (place["subscription_id"], place["resource_group"], place["workspace_name"])
    azure = MLClient(DefaultAzureCredential(), *names, show_progress=False)
if args.yes:
    with (
        in_one_line("Azure a refusé. Ce qui est déjà créé se paie, jusqu'à --delete"),
        redirect_stderr(io.StringIO()),
    ):
        print(f"{endpoint.name} ", end="", flush=True)  # le SDK ajoute un point par attente
        azure.online_endpoints.begin_create_or_update(endpoint).result()
        for name, deployment in deployments.items():
            print(f"\n{name} ", end="", flush=True)
            deployment.endpoint_name = endpoint.name
            model = azure.models.create_or_update(models[name])
            deployment.model = model
            azure.online_deployments.begin_create_or_update(deployment).result()
            print(f" déployé, avec le modèle {model.name} version {model.version} d'Azure", end="")
        print()

# %% [markdown]
# ## Essayer, puis basculer
#
# `invoke` s'adresse à un déploiement par son nom, sans trafic. Pour voir la répartition, on écrit à
# l'adresse publique.

# %%
if args.yes:
    sample = Path(args.files, "sample_request.json")
    with in_one_line("Azure a refusé. Ce qui est déjà créé se paie, jusqu'à --delete"):
        print(
            "green, avant tout trafic :",
            azure.online_endpoints.invoke(
                endpoint.name, request_file=str(sample), deployment_name="green"
            ),
        )
        address = azure.online_endpoints.get(endpoint.name).scoring_uri
        key = azure.online_endpoints.get_keys(endpoint.name).primary_key
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        for blue in (100, 90, 0):
            endpoint.traffic = {"blue": blue, "green": 100 - blue}
            azure.online_endpoints.begin_create_or_update(endpoint).result()
            seen = Counter()
            for _ in range(100):
                answer = requests.post(
                    address, data=sample.read_bytes(), headers=headers, timeout=60
                )
                seen[
                    answer.headers.get("azureml-model-deployment", "?")
                    if answer.ok
                    else f"code {answer.status_code}"
                ] += 1
            print(f"Trafic {blue}/{100 - blue}, 100 requêtes : {dict(sorted(seen.items()))}")
    print("Pour ne plus payer : la même commande, avec --delete au lieu de --yes")

# %% [markdown]
# ## Supprimer

# %%
if args.delete:
    with in_one_line("Azure a refusé"):
        azure.online_endpoints.begin_delete(endpoint.name).result()
    print(
        f"{endpoint.name} et ses déploiements sont supprimés ; les modèles déposés restent, et ne coûtent que leur stockage."
    )

# %% [markdown]
# ## À retenir
#
# Les mêmes gestes que chez vous : deux déploiements, un essai de `green` sans trafic, 90/10, puis
# tout à `green`. Ce qui change est autour : une identité, un nom unique dans la région, des appels
# longs, et une facture tant que `--delete` n'est pas passé. Ce script a été éprouvé face à un Azure
# simulé, faute de compte.
