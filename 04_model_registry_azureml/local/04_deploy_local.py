# databricks: non (il lance des serveurs sur la machine du lecteur)
# %% [markdown]
# # Leçon 4, script 4 : un déploiement bleu/vert, sans compte
#
# **Question.** On confie 10 % du trafic à la nouvelle version. Sur 200 requêtes, en reçoit-elle
# exactement 20 ?
#
# Et si elle tombe en panne alors qu'elle reçoit tout, que voit le client, et que faut-il faire pour
# revenir ?

# %% [markdown]
# ```
# uv run 04_model_registry_azureml/local/04_deploy_local.py
# ```
#
# Trente secondes ; la première fois, uv bâtit en plus l'environnement du serveur d'Azure ML.

# %%
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import secrets
from collections import Counter
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import mlflow
import requests
from mlflow import MlflowClient, MlflowException

from holders import other_alias
from options import short_text
from router import HEADER, Router
from servers import deployment, inference_python, stop
from wines import load_wines

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Déploie deux versions côte à côte et fait passer le trafic de l'une à l'autre."
)
parser.add_argument(
    "--model", type=short_text, default="wine_cultivars", help="nom du modèle inscrit"
)
args = parser.parse_args()

# %%
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
client = MlflowClient()
try:
    champion = client.get_model_version_by_alias(args.model, "champion").version
except MlflowException:
    raise SystemExit(
        "Il n'y a pas de @champion. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    ) from None
alias = other_alias(client.get_registered_model(args.model).aliases)
versions = {"blue": client.get_model_version_by_alias(args.model, alias).version, "green": champion}
inference_python()  # l'environnement du serveur, bâti s'il manque

# %% [markdown]
# ## Deux déploiements, une adresse
#
# `blue` sert la version d'avant (ou, si personne n'est avant le champion, un candidat), `green` le
# champion : un processus chacun, avec `endpoint/score.py`, sur le serveur même qu'Azure ML lance
# dans ses conteneurs. Devant eux, `router.py`, qui joue le point de terminaison ; le client ne
# connaît que lui, et une clé.

# %%
wines = load_wines().X_test
key = secrets.token_urlsafe(32)  # tirée à chaque fois, jamais affichée
session = requests.Session()
expected = {}  # pour chaque déploiement, les prédictions du modèle appelé directement
servers = {}


def ask(position: int, given: str = key, **headers: str) -> requests.Response:
    """Un vin du test, envoyé au routeur."""
    wine = wines.iloc[[position]]
    body = {"input_data": {"columns": list(wine), "index": [0], "data": wine.to_numpy().tolist()}}
    return session.post(
        router.url, json=body, headers={"Authorization": f"Bearer {given}", **headers}, timeout=30
    )


def send(count: int) -> str:
    """`count` requêtes ; la répartition vue par le client.

    Chaque réponse 200 est comparée au modèle appelé directement.
    """
    seen = Counter()
    for number in range(count):
        position = number % len(wines)
        answer = ask(position)
        name = answer.headers[HEADER]
        seen[name if answer.ok else f"{name} {answer.status_code}"] += 1
        if answer.ok and answer.json()["predictions"] != [expected[name][position]]:
            raise SystemExit(f"{name} ne répond pas comme la version {versions[name]}.")
    return ", ".join(f"{name} {times}" for name, times in sorted(seen.items()))


# %%
# à la sortie, tout s'arrête, quoi qu'il arrive
with ExitStack() as stack, TemporaryDirectory() as folder:
    router = stack.enter_context(Router(key, seed=0).listening())
    for name, version in versions.items():
        print(f"{name} démarre, avec la version {version}.")
        path = mlflow.artifacts.download_artifacts(
            f"models:/{args.model}/{version}", dst_path=f"{folder}/{name}"
        )
        expected[name] = mlflow.pyfunc.load_model(path).predict(wines).tolist()
        router.deployments[name], servers[name] = stack.enter_context(deployment(path))

    router.set_traffic(blue=100)
    print(
        f"Sans clé : {ask(0, given='').status_code}. Déploiement inconnu : {ask(0, **{HEADER: 'red'}).status_code}."
    )
    print(
        f"Essai de green avant tout trafic, par l'en-tête : {ask(0, **{HEADER: 'green'}).json()['predictions']}."
    )
    router.set_traffic(blue=90, green=10)
    print(f"90/10, 200 requêtes : {send(200)}")
    router.set_traffic(green=100)
    print(f"0/100, 50 requêtes : {send(50)}")
    stop(servers["green"])
    print(f"green en panne, 10 requêtes : {send(10)}")
    router.set_traffic(blue=100)
    print(f"Retour en arrière, 50 requêtes : {send(50)}")
    router.delete("green")
    print(f"green supprimé : {ask(0, **{HEADER: 'green'}).status_code}.")

# %% tags=["local"]
print("Tout est arrêté. Le cours est fini : à vous, avec PROJET.md")

# %% [markdown]
# ## À retenir
#
# | trafic | requêtes | réponses |
# |---|---|---|
# | 90/10 | 200 | blue 177, green 23 |
# | 0/100 | 50 | green 50 |
# | 0/100, green en panne | 10 | 503, toutes |
# | retour à 100/0 | 50 | blue 50 |
#
# Chaque requête est tirée au sort : 23 sur 200, et non 20. Le retour en arrière est un changement
# de trafic, qui vaut dès la requête suivante, tant que l'ancien déploiement tourne encore ; rien ne
# bascule tout seul quand le nouveau tombe.
