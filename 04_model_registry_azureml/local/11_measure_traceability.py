# databricks: non (il rejoue le code de votre dépôt Git, commit par commit)
# %% [markdown]
# # Leçon 4, script 11 : d'où vient cette prédiction ?
#
# **Question.** D'une réponse du service, retrouve-t-on le modèle, le run, le code, les données ? Et
# est-ce vrai ?
#
# Pronostiquez : si le code a été modifié sans `git commit` avant l'entraînement, qui s'en
# aperçoit ?

# %% [markdown]
# ```
# uv run 04_model_registry_azureml/local/11_measure_traceability.py
# ```
#
# Trente secondes. Rien n'est abîmé dans votre magasin : les dégâts sont faits dans un magasin
# jetable.

# %%
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient

from store import open_store
from traceability import DAMAGES, LINKS, commit_time, installed, links_figure, replayed_metrics
from traceability import register_without_commit
from wines import cross_validated, load_wines, requirements, source_url

MODEL = "wine_cultivars"

open_store()  # mlflow.db et mlruns/, à la racine du dépôt
client = MlflowClient()
wines = load_wines()
asked = wines.X_test.head(5)

# %% [markdown]
# ## Remonter, et vérifier
#
# Tout part de `model_id`, que `score.py` met dans sa réponse. Un maillon ne compte que s'il se
# retrouve et se vérifie : le modèle refait la prédiction ; l'empreinte des données est recalculée ;
# les métriques aussi, une fois avec le modèle, une fois avec le code du commit ; les versions
# demandées sont celles installées ; les dates se suivent. L'auteur n'est que recoupé.


# %%
def trace(client: MlflowClient, answer: dict, X, code: Path) -> dict[str, bool]:
    """Pour chaque maillon de `LINKS`, s'il se retrouve et se vérifie."""
    # X : les mesures des vins d'apprentissage ; code : le dossier de wines.py, dans son dépôt
    found = dict.fromkeys(LINKS, False)
    model = client.get_logged_model(answer["model_id"])
    place = model.artifact_location
    loaded = mlflow.sklearn.load_model(place)
    found["model"] = loaded.predict(asked).tolist() == answer["predictions"]
    registered = json.loads(model.tags.get("mlflow.modelVersions", "[]"))
    versions = [client.get_model_version(each["name"], each["version"]) for each in registered]
    files = {client.get_model_version_download_uri(each.name, each.version) for each in versions}
    found["version"] = files == {place}
    listed = mlflow.artifacts.download_artifacts(f"{place}/requirements.txt")
    found["environment"] = installed(Path(listed))
    if not model.source_run_id:
        return found

    run = client.get_run(model.source_run_id)
    found["run"] = model.model_id in [each.model_id for each in run.outputs.model_outputs]
    found["author"] = run.data.tags["mlflow.user"] == model.tags["mlflow.user"]
    settings = {name: str(value) for name, value in loaded[-1].get_params().items()}
    found["parameters"] = settings.items() <= run.data.params.items()
    dataset = mlflow.data.from_pandas(X.assign(cultivar=wines.y_train), targets="cultivar")
    found["data"] = [each.dataset.digest for each in run.inputs.dataset_inputs] == [dataset.digest]
    metrics = {name: value for name, value in run.data.metrics.items() if name.startswith("cv_")}
    found["metrics"] = cross_validated(loaded, X, wines.y_train) == metrics
    commit = run.data.tags.get("mlflow.source.git.commit", "aucun")
    found["commit"] = replayed_metrics(code, commit).get(run.data.params.get("family")) == metrics
    dates = [commit_time(code, commit), run.info.start_time, model.creation_timestamp]
    dates += [*(each.creation_timestamp for each in versions), answer["time"]]
    found["time"] = None not in dates and dates == sorted(dates)
    return found


def answer_of(model_uri: str) -> dict:
    """Ce qu'un service répond pour cinq vins, comme `score.py`, et l'heure."""
    model = mlflow.pyfunc.load_model(model_uri)
    predictions, now = model.predict(asked).tolist(), int(time.time() * 1000)
    return {"predictions": predictions, "model_id": model.metadata.model_id, "time": now}


def broken(found: dict[str, bool]) -> str:
    """Le nom français des maillons qui ne tiennent pas, ou « aucun »."""
    return ", ".join(LINKS[link] for link, holds in found.items() if not holds) or "aucun"


# %% [markdown]
# ## Vos modèles : les trois versions qui portent un alias

# %%
here = Path(__file__).parent
answers, traces = [], []
for version in sorted(set(client.get_registered_model(MODEL).aliases.values()), key=int):
    answers.append(answer_of(f"models:/{MODEL}/{version}"))
    traces.append(trace(client, answers[-1], wines.X_train, here))
    print(f"version {version}, {len(asked)} prédictions : maillons rompus, {broken(traces[-1])}")
links = {link: sum(each[link] for each in traces) / len(traces) for link in LINKS}
true_share = sum(links.values()) / len(links)
count = len(asked) * len(answers)
counted = f"{count} prédictions, {len(LINKS)} maillons"
print(f"Maillons retrouvés et vrais : {100 * true_share:.0f} % ({counted}).")

# %% [markdown]
# ## Des dégâts, et ce que la mesure en remarque
#
# Les deux derniers demandent d'entraîner : dans une copie du code, avec son dépôt Git et son
# magasin, on modifie wines.py sans commit avant 01_register_models.py ; puis on inscrit un modèle
# hors de tout run.

# %%
first = answers[0]
wrong = {**first, "predictions": ["cultivar_9"] * 5}
changed = wines.X_train.copy()
changed.iloc[0, 0] += 0.01  # le premier vin a un centième de degré d'alcool de plus
damages = {
    "changed_answer": trace(client, wrong, wines.X_train, here),
    "false_time": trace(client, {**first, "time": 0}, wines.X_train, here),
    "one_value_changed": trace(client, first, changed, here),
}
with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    store = f"sqlite:///{Path(folder).as_posix()}/throwaway.db"
    code = register_without_commit(Path(folder), store)
    yours = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    regression = mlflow.sklearn.load_model(f"models:/{MODEL}@outsider")
    kept = {"registered_model_name": "no_run", "pip_requirements": requirements}
    mlflow.sklearn.log_model(regression, name="regression", **kept)
    for name, uri in {"dirty_tree": f"{MODEL}@challenger", "no_run": "no_run/1"}.items():
        damages[name] = trace(MlflowClient(), answer_of(f"models:/{uri}"), wines.X_train, code)
    mlflow.set_tracking_uri(yours)
for name, found in damages.items():
    print(f"Dégât « {DAMAGES[name]} », maillons rompus : {broken(found)}")

# %%
rows = {"vos modèles": links} | {DAMAGES[name]: found for name, found in damages.items()}
mlflow.set_experiment("measurements")
description = "Leçon 4 : maillons vrais, et maillons que des dégâts rompent."
with mlflow.start_run(run_name="traceability", description=description):
    mlflow.log_params({"model": MODEL, "predictions": count})
    mlflow.log_metric("links_true_share", true_share)
    mlflow.log_metrics({f"link_{link}": share for link, share in links.items()})
    lost = {f"broken_by_{name}": list(each.values()).count(False) for name, each in damages.items()}
    mlflow.log_metrics(lost)
    asked_wines = mlflow.data.from_pandas(asked, source=source_url, name="wine_recognition_asked")
    mlflow.log_input(asked_wines)
    mlflow.log_figure(links_figure(rows), "links.png")
print("La figure et les chiffres sont dans l'expérience measurements du magasin : uv run mlflow ui")

# %% [markdown]
# ## À retenir
#
# Sur un clone Git, les 10 maillons se retrouvent et sont vrais pour 15 prédictions sur 15. Sans
# `model_id` dans la réponse, rien ne commence.
#
# | dégât | maillons rompus |
# |---|---|
# | une réponse changée | modèle |
# | une heure fausse | dates |
# | un vin changé | données |
# | du code hors commit | commit |
# | pas de run | run, commit, données, paramètres, métriques, auteur, dates |
#
# MLflow note le commit sans dire que le code était modifié : c'est le rejeu qui le voit. Un vin
# changé d'un centième de degré ne déplace aucune métrique : c'est l'empreinte qui le voit.
