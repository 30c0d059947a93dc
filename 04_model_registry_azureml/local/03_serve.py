# databricks: non (il lance un serveur local ; Databricks a son propre service de modèles)
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
import mlflow
import requests
from mlflow import MlflowClient

from servers import free_port, running
from wines import load_wines

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt, où le service les lira aussi

# %% [markdown]
# ## Deux versions, un alias
#
# `@live` est l'alias de cette démonstration : il part de `@champion`, et le vrai `@champion` ne
# bouge pas. En face, la version d'avant le champion, ou, si personne n'est avant lui, un candidat.

# %%
MODEL = "wine_cultivars"
client = MlflowClient()
aliases = client.get_registered_model(MODEL).aliases
champion = aliases["champion"]
others = [name for name in ("previous", "challenger", "outsider") if name in aliases]
alias = next(name for name in others if aliases[name] != champion)
other = aliases[alias]

wines = load_wines().X_test
predictions = {}
for version in (champion, other):
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}")
    predictions[version] = model.predict(wines).tolist()
differ = sum(a != b for a, b in zip(predictions[champion], predictions[other], strict=True))
print(f"@champion : version {champion}. @{alias} : version {other}.", end=" ")
print(f"Sur {len(wines)} vins, elles diffèrent {differ} fois.")


# la version dont les réponses sont exactement celles-ci
def version_behind(answers: list[str]) -> str:
    found = [f"version {each}" for each, expected in predictions.items() if answers == expected]
    return found[0] if found else "version inconnue"


# %% [markdown]
# ## Le service, le lot, et l'alias qui se déplace
#
# `mlflow models serve` ouvre un service HTTP. Les 45 vins lui sont envoyés en une requête ; puis on
# prédit par lot (*batch*) : charger `models:/...@live`, et lui donner le tableau. Leur vrai
# cultivar ne sert pas : on compare des réponses entre elles.

# %%
port = free_port()
url = f"http://127.0.0.1:{port}"
command = f"mlflow models serve -m models:/{MODEL}@live --env-manager local -p {port}".split()


# l'une des formes que le service accepte : `columns`, et `data`, une ligne par vin
def split(table) -> dict:
    return {"dataframe_split": table.to_dict(orient="split", index=False)}


def ask(body: dict) -> requests.Response:
    return requests.post(f"{url}/invocations", json=body, timeout=30)


# qui répond en ce moment, par REST et par lot
def compare_answers() -> str:
    rest = ask(split(wines)).json()["predictions"]
    batch = mlflow.pyfunc.load_model(f"models:/{MODEL}@live").predict(wines).tolist()
    return f"REST, {version_behind(rest)} ; par lot, {version_behind(batch)}."


bad = {
    "une colonne manque": split(wines.drop(columns="proline")),
    "un texte au lieu d'un nombre": split(wines.assign(proline="beaucoup")),
    "une clé inconnue": {"wines": wines.to_dict(orient="records")},
}
client.set_registered_model_alias(MODEL, "live", champion)
try:
    print("Le service démarre...")
    with running(command, f"{url}/health"):
        print(f"Un vin : {ask({'inputs': wines.head(1).to_dict(orient='records')}).json()}")
        for name, body in bad.items():
            answer = ask(body)
            message = answer.json()["message"].split("Error: ")[-1].splitlines()[0]
            print(f"  {name} : {answer.status_code}, {message[:80]}")
        print(f"@live sur la version {champion} : {compare_answers()}")
        client.set_registered_model_alias(MODEL, "live", other)
        print(f"@live sur la version {other} : {compare_answers()}")
    print("Le service redémarre...")
    with running(command, f"{url}/health"):
        print(f"Après redémarrage : {compare_answers()}")
finally:
    client.delete_registered_model_alias(MODEL, "live")

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/04_deploy_local.py")

# %% [markdown]
# ## À retenir
#
# Un service charge son modèle au démarrage : l'alias déplacé, il répond encore avec la version 2,
# quand le lot, qui relit l'alias, répond déjà avec la version 1. Il faut le redémarrer. Sur les 45
# vins, les deux versions diffèrent 5 fois : sans cette comparaison, rien ne disait laquelle
# répondait, car `mlflow models serve` ne le dit pas.
