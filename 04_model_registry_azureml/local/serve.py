# databricks: non (elle lance un serveur sur la machine du lecteur ; Databricks a son propre service de modèles)
# %% [markdown]
# # Leçon 4, script 3 : servir le champion
#
# **Question.** Le service répond avec `@champion`. On déplace l'alias. Que répond le service à la requête suivante ?
#
# Notez votre pronostic, et un second : que répond-il à une requête où manque une colonne ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/serve.py
# ```
#
# Quarante secondes : le service démarre deux fois.

# %%
import argparse
import os
import sys

import mlflow
import requests
from mlflow import MlflowClient

from servers import free_port, running
from store import open_store
from wines import load_wines, version_of

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Sert le champion par REST et par lot, et compare les deux au modèle.")
parser.add_argument("--model", default="wine_cultivars", help="nom du modèle inscrit")
args = parser.parse_args()

# %%
os.environ["MLFLOW_TRACKING_URI"] = open_store()  # le service lira le même magasin

# %% [markdown]
# ## Deux versions, un alias
#
# `@live` est l'alias de cette démonstration : il part de `@champion`, et le vrai `@champion` ne bouge pas.

# %%
client = MlflowClient()
champion, previous = (version_of(client, args.model, alias) for alias in ("champion", "previous"))
wines = load_wines().X_test
new, old = (mlflow.pyfunc.load_model(f"models:/{args.model}/{each.version}").predict(wines).tolist() for each in (champion, previous))
differ = sum(a != b for a, b in zip(new, old, strict=True))
print(f"Sur {len(wines)} vins, les versions {champion.version} et {previous.version} diffèrent {differ} fois.")


def who(answers: list[str]) -> str:
    """La version dont les réponses sont exactement celles-ci."""
    return f"version {dict([(tuple(new), champion.version), (tuple(old), previous.version)]).get(tuple(answers), 'inconnue')}"


def ask(url: str, body: dict) -> requests.Response:
    return requests.post(f"{url}/invocations", json=body, timeout=30)


# %% [markdown]
# ## Le service, le lot, et l'alias qui se déplace
#
# Tout le jeu de test en une requête REST, puis par lot : charger `models:/...@live` et prédire.

# %%
good = {"dataframe_split": wines.to_dict(orient="split", index=False)}
url = f"http://127.0.0.1:{(port := free_port())}"
command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{args.model}@live", "--env-manager", "local", "-p", str(port)]
bad = {
    "une colonne manque": {"dataframe_split": wines.drop(columns="proline").to_dict(orient="split", index=False)},
    "un texte au lieu d'un nombre": {"dataframe_split": wines.assign(proline="beaucoup").to_dict(orient="split", index=False)},
    "une clé inconnue": {"wines": wines.to_dict(orient="records")},
}


def batch() -> list[str]:
    return mlflow.pyfunc.load_model(f"models:/{args.model}@live").predict(wines).tolist()


client.set_registered_model_alias(args.model, "live", champion.version)
try:
    with running(command, f"{url}/health"):
        print(f"Un vin : {ask(url, {'inputs': wines.head(1).to_dict(orient='records')}).json()}")
        print(f"REST : {who(ask(url, good).json()['predictions'])}. Par lot : {who(batch())}.")
        for name, body in bad.items():
            answer = ask(url, body)
            print(f"  {name} : {answer.status_code}, {answer.json()['message'].split('Error: ')[-1].splitlines()[0][:80]}")
        client.set_registered_model_alias(args.model, "live", previous.version)
        print(f"L'alias passe à la version {previous.version}.")
        print(f"REST : {who(ask(url, good).json()['predictions'])}. Par lot : {who(batch())}.")
    with running(command, f"{url}/health"):
        print(f"Après redémarrage, REST : {who(ask(url, good).json()['predictions'])}.")
finally:
    client.delete_registered_model_alias(args.model, "live")

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/deploy_local.py")

# %% [markdown]
# ## À retenir
#
# Un service charge son modèle au démarrage : l'alias déplacé, il répond encore avec la version 2, quand le lot, qui relit
# l'alias, répond déjà avec la version 1. Il faut le redémarrer. Sur les 45 vins, les deux versions diffèrent 5 fois : sans
# cette comparaison, rien ne disait laquelle répondait, car `mlflow models serve` ne le dit pas.
