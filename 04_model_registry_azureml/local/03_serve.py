# databricks: non (il lance un serveur sur la machine du lecteur ; Databricks a son propre service de modèles)
# %% [markdown]
# # Leçon 4, script 3 : servir le champion
#
# **Question.** Le service répond avec `@champion`. On déplace l'alias. Que répond le service à la
# requête suivante ?
#
# Notez votre pronostic, et un second : que répond-il à une requête où manque une colonne ?

# %% [markdown]
# ```
# uv run 04_model_registry_azureml/local/03_serve.py
# ```
#
# Trente secondes : le service démarre deux fois.

# %%
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import os
import sys

import mlflow
import requests
from mlflow import MlflowClient, MlflowException

from holders import other_alias
from options import short_text
from servers import free_port, running
from wines import load_wines

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Sert le champion par REST et par lot, et compare les deux au modèle."
)
parser.add_argument(
    "--model", type=short_text, default="wine_cultivars", help="nom du modèle inscrit"
)
args = parser.parse_args()

# %%
os.environ["MLFLOW_TRACKING_URI"] = open_store()  # le service lira le même magasin

# %% [markdown]
# ## Deux versions, un alias
#
# `@live` est l'alias de cette démonstration : il part de `@champion`, et le vrai `@champion` ne
# bouge pas. En face, la version d'avant le champion, ou, si personne n'est avant lui, un candidat.

# %%
client = MlflowClient()
try:
    champion = client.get_model_version_by_alias(args.model, "champion").version
except MlflowException:
    raise SystemExit(
        "Il n'y a pas de @champion. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    ) from None
alias = other_alias(client.get_registered_model(args.model).aliases)
other = client.get_model_version_by_alias(args.model, alias).version

wines = load_wines().X_test
predictions = {}
for version in (champion, other):
    predictions[version] = (
        mlflow.pyfunc.load_model(f"models:/{args.model}/{version}").predict(wines).tolist()
    )
differ = sum(a != b for a, b in zip(predictions[champion], predictions[other], strict=True))
print(
    f"@champion : version {champion}. @{alias} : version {other}. Sur {len(wines)} vins, elles diffèrent {differ} fois."
)


def version_behind(answers: list[str]) -> str:
    """La version dont les réponses sont exactement celles-ci."""
    for version, expected in predictions.items():
        if answers == expected:
            return f"version {version}"
    return "version inconnue"


# %% [markdown]
# ## Le service, le lot, et l'alias qui se déplace
#
# `mlflow models serve` ouvre un service HTTP. Les 45 vins lui sont envoyés en une requête ; puis on
# prédit par lot (*batch*) : charger `models:/...@live`, et lui donner le tableau. Leur vrai
# cultivar ne sert pas : on compare des réponses entre elles.

# %%
port = free_port()
url = f"http://127.0.0.1:{port}"
command = [
    sys.executable,
    "-m",
    "mlflow",
    "models",
    "serve",
    "-m",
    f"models:/{args.model}@live",
    "--env-manager",
    "local",
    "-p",
    str(port),
]
good = {"dataframe_split": wines.to_dict(orient="split", index=False)}
bad = {
    "une colonne manque": {
        "dataframe_split": wines.drop(columns="proline").to_dict(orient="split", index=False)
    },
    "un texte au lieu d'un nombre": {
        "dataframe_split": wines.assign(proline="beaucoup").to_dict(orient="split", index=False)
    },
    "une clé inconnue": {"wines": wines.to_dict(orient="records")},
}


def ask(body: dict) -> requests.Response:
    return requests.post(f"{url}/invocations", json=body, timeout=30)


def compare_answers() -> str:
    """Qui répond en ce moment, par REST et par lot."""
    batch = mlflow.pyfunc.load_model(f"models:/{args.model}@live").predict(wines).tolist()
    return f"REST, {version_behind(ask(good).json()['predictions'])} ; par lot, {version_behind(batch)}."


client.set_registered_model_alias(args.model, "live", champion)
try:
    print("Le service démarre...")
    with running(command, f"{url}/health"):
        print(f"Un vin : {ask({'inputs': wines.head(1).to_dict(orient='records')}).json()}")
        for name, body in bad.items():
            answer = ask(body)
            message = answer.json()["message"].split("Error: ")[-1].splitlines()[0]
            print(f"  {name} : {answer.status_code}, {message[:80]}")
        print(f"@live sur la version {champion} : {compare_answers()}")
        client.set_registered_model_alias(args.model, "live", other)
        print(f"@live sur la version {other} : {compare_answers()}")
    print("Le service redémarre...")
    with running(command, f"{url}/health"):
        print(f"Après redémarrage : {compare_answers()}")
finally:
    client.delete_registered_model_alias(args.model, "live")

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/04_deploy_local.py")

# %% [markdown]
# ## À retenir
#
# Un service charge son modèle au démarrage : l'alias déplacé, il répond encore avec la version 2,
# quand le lot, qui relit l'alias, répond déjà avec la version 1. Il faut le redémarrer. Sur les 45
# vins, les deux versions diffèrent 5 fois : sans cette comparaison, rien ne disait laquelle
# répondait, car `mlflow models serve` ne le dit pas.
