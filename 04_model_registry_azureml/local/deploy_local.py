# databricks: non (elle lance des serveurs sur la machine du lecteur)
# %% [markdown]
# # Leçon 4, script 4 : un déploiement bleu/vert, sans compte
#
# **Question.** On confie 10 % du trafic à la nouvelle version. Sur 200 requêtes, combien lui arrivent, exactement 20 ?
#
# Et si elle tombe en panne alors qu'elle reçoit tout, que voit le client, et combien de temps faut-il pour revenir ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/deploy_local.py
# ```
#
# Une demi-minute ; un peu plus la première fois : uv bâtit l'environnement du serveur d'Azure ML.

# %%
import argparse
import json
import secrets
import time
from collections import Counter
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import mlflow
import requests
from mlflow import MlflowClient

from router import HEADER, Router
from servers import deployment, inference_python, stop
from store import open_store
from wines import load_wines, version_of

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Déploie deux versions côte à côte et fait passer le trafic de l'une à l'autre.")
parser.add_argument("--model", default="wine_cultivars", help="nom du modèle inscrit")
args = parser.parse_args()

# %%
open_store()
client = MlflowClient()
versions = {"blue": version_of(client, args.model, "previous"), "green": version_of(client, args.model, "champion")}
inference_python()

# %% [markdown]
# ## Deux déploiements, une adresse
#
# `blue` sert l'ancien champion, `green` le nouveau : un processus chacun, avec `endpoint/score.py`, sur le serveur même
# qu'Azure ML lance dans ses conteneurs. Devant eux, `router.py` ; le client ne connaît que lui, et une clé.

# %%
wines = load_wines().X_test
key = secrets.token_urlsafe(32)  # tirée à chaque fois, jamais affichée
session = requests.Session()
expected = {}  # pour chaque déploiement, les prédictions du modèle appelé directement
servers = {}


def body(position: int) -> dict:
    wine = wines.iloc[[position]]
    return {"input_data": {"columns": list(wine), "index": [0], "data": wine.to_numpy().tolist()}}


def ask(position: int, given: str = key, **headers: str) -> requests.Response:
    return session.post(router.url, json=body(position), headers={"Authorization": f"Bearer {given}", **headers}, timeout=30)


def send(count: int) -> str:
    """`count` requêtes ; la répartition vue par le client. Chaque réponse 200 est comparée au modèle appelé directement."""
    seen = Counter()
    for number in range(count):
        answer = ask(number % len(wines))
        name = answer.headers[HEADER]
        seen[name if answer.ok else f"{name} {answer.status_code}"] += 1
        if answer.ok and answer.json()["predictions"] != [expected[name][number % len(wines)]]:
            raise SystemExit(f"{name} ne répond pas comme la version {versions[name].version}.")
    return json.dumps(dict(sorted(seen.items())))


def median_ms(url: str) -> float:
    """Le temps médian d'une requête à `url`, en millisecondes, sur 100."""
    times = []
    for _ in range(100):
        start = time.perf_counter()
        session.post(url, json=body(0), headers={"Authorization": f"Bearer {key}", HEADER: "blue"}, timeout=30).raise_for_status()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times)[50]


# %%
with ExitStack() as stack, TemporaryDirectory() as folder:  # à la sortie, tout s'arrête, quoi qu'il arrive
    router = stack.enter_context(Router(key, seed=0).listening())
    for name, version in versions.items():
        path = mlflow.artifacts.download_artifacts(f"models:/{args.model}/{version.version}", dst_path=f"{folder}/{name}")
        expected[name] = mlflow.pyfunc.load_model(path).predict(wines).tolist()
        router.deployments[name], servers[name] = stack.enter_context(deployment(path))
    print(f"blue : version {versions['blue'].version} ; green : version {versions['green'].version}.")

    router.set_traffic(blue=100)
    print(f"Sans clé : {ask(0, given='').status_code}. Déploiement inconnu : {ask(0, **{HEADER: 'red'}).status_code}.")
    print(f"Essai de green avant tout trafic, par l'en-tête : {ask(0, **{HEADER: 'green'}).json()['predictions']}.")
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
    ratio = median_ms(router.url) / median_ms(f"{router.deployments['blue']}/score")
    print(f"Passer par le routeur prend {ratio:.1f} fois le temps d'une requête directe.")

# %% tags=["local"]
print("Tout est arrêté. Ensuite : uv run --group azure 04_model_registry_azureml/local/deploy_azure.py --dry-run")

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
# La répartition est un tirage, pas un compte : 23 sur 200 pour 10 %. Le retour en arrière est un changement de trafic,
# immédiat, tant que l'ancien déploiement tourne encore ; rien ne bascule tout seul quand le nouveau tombe.
