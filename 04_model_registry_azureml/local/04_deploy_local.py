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
import secrets
from collections import Counter
from contextlib import ExitStack

import mlflow
import requests

from router import HEADER, Router
from servers import deployment, inference_python, stop
from wines import load_wines

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Deux déploiements, une adresse
#
# `blue` sert la version d'avant (ou, si personne n'est avant le champion, un candidat), `green` le
# champion : un processus chacun, avec `endpoint/score.py`, sur le serveur même qu'Azure ML lance
# dans ses conteneurs. Devant eux, `router.py`, qui joue le point de terminaison ; le client ne
# connaît que lui, et une clé.

# %%
MODEL = "wine_cultivars"
aliases = mlflow.MlflowClient().get_registered_model(MODEL).aliases
champion = aliases["champion"]
others = [aliases.get(alias) for alias in ("previous", "challenger", "outsider")]
blue = next(version for version in others if version not in (None, champion))
versions = {"blue": blue, "green": champion}
inference_python()  # l'environnement du serveur, bâti s'il manque

wines = load_wines().X_test
key = secrets.token_urlsafe(32)  # tirée à chaque fois, jamais affichée
servers, expected = {}, {}  # par déploiement, son serveur, et ce que répond le modèle lui-même


# un vin du test, envoyé au routeur
def ask(position: int, given: str = key, **headers: str) -> requests.Response:
    wine = wines.iloc[[position]]
    body = {"input_data": {"columns": list(wine), "index": [0], "data": wine.to_numpy().tolist()}}
    headers["Authorization"] = f"Bearer {given}"
    return requests.post(router.url, json=body, headers=headers, timeout=30)


# `count` requêtes, et leur répartition ; une réponse 200 est celle du modèle lui-même
def send(count: int) -> str:
    seen = Counter()
    for number in range(count):
        position = number % len(wines)
        answer = ask(position)
        name = answer.headers[HEADER]
        seen[name if answer.ok else f"{name} {answer.status_code}"] += 1
        assert not answer.ok or answer.json()["predictions"] == [expected[name][position]]
    return ", ".join(f"{name} {times}" for name, times in sorted(seen.items()))


# %%
# à la sortie, tout s'arrête, quoi qu'il arrive
with ExitStack() as stack:
    router = stack.enter_context(Router(key, seed=0).listening())
    for name, version in versions.items():
        print(f"{name} démarre, avec la version {version}.")
        path = mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version}")
        expected[name] = mlflow.pyfunc.load_model(path).predict(wines).tolist()
        router.deployments[name], servers[name] = stack.enter_context(deployment(path))

    router.set_traffic(blue=100)
    print(f"Sans clé : {ask(0, given='').status_code}.", end=" ")
    print(f"Déploiement inconnu : {ask(0, **{HEADER: 'red'}).status_code}.")
    tried = ask(0, **{HEADER: "green"}).json()["predictions"]
    print(f"Essai de green avant tout trafic, par l'en-tête : {tried}.")
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
