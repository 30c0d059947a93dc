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
# Trente secondes. Rien n'est abîmé dans votre magasin : les dégâts sont faits dans un magasin à
# jeter.

# %%
from store import ROOT, open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient, MlflowException

from damages import DAMAGES, one_value_changed, train_on_a_dirty_tree
from evidence import (
    LINKS,
    all_installed,
    broken,
    commit_time,
    in_order,
    links_figure,
    replayed_metrics,
)
from options import short_text
from wines import cross_validated, load_wines, source_url

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Vérifie, maillon par maillon, d'où viennent des prédictions."
)
parser.add_argument("--experiment", type=short_text, default="measurements")
parser.add_argument("--model", type=short_text, default="wine_cultivars")
args = parser.parse_args()

# %%
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
def trace(client: MlflowClient, answer: dict, X, repository: Path) -> dict[str, bool]:
    """Pour chaque maillon de `LINKS`, s'il se retrouve et se vérifie ; `X` : les mesures des vins
    d'apprentissage.
    """
    found = dict.fromkeys(LINKS, False)
    try:
        model = client.get_logged_model(answer["model_id"])
    except MlflowException:
        return found
    loaded = mlflow.sklearn.load_model(model.artifact_location)
    found["model"] = loaded.predict(asked).tolist() == answer["predictions"]
    registered = json.loads(model.tags.get("mlflow.modelVersions", "[]"))
    versions = [client.get_model_version(each["name"], each["version"]) for each in registered]
    files = [client.get_model_version_download_uri(each.name, each.version) for each in versions]
    found["version"] = files != [] and set(files) == {model.artifact_location}
    found["environment"] = all_installed(
        mlflow.artifacts.load_text(f"{model.artifact_location}/requirements.txt")
    )
    if not model.source_run_id:
        return found

    run = client.get_run(model.source_run_id)
    found["run"] = model.model_id in [each.model_id for each in run.outputs.model_outputs]
    found["author"] = run.data.tags["mlflow.user"] == model.tags["mlflow.user"]
    found["parameters"] = {
        name: str(value) for name, value in loaded[-1].get_params().items()
    }.items() <= run.data.params.items()
    dataset = mlflow.data.from_pandas(X.assign(cultivar=wines.y_train), targets="cultivar")
    found["data"] = [each.dataset.digest for each in run.inputs.dataset_inputs] == [dataset.digest]
    metrics = {name: value for name, value in run.data.metrics.items() if name.startswith("cv_")}
    found["metrics"] = cross_validated(loaded, X, wines.y_train) == metrics
    commit = run.data.tags.get("mlflow.source.git.commit", "")
    found["commit"] = (
        replayed_metrics(repository, commit).get(run.data.params.get("family")) == metrics
    )
    since = [commit_time(repository, commit), run.info.start_time, model.creation_timestamp]
    found["time"] = in_order(
        [*since, *(each.creation_timestamp for each in versions), answer["time"]]
    )
    return found


def answer_of(model_uri: str) -> dict:
    """Ce qu'un service répond pour cinq vins, comme `score.py`, et l'heure."""
    model = mlflow.pyfunc.load_model(model_uri)
    return {
        "predictions": model.predict(asked).tolist(),
        "model_id": model.metadata.model_id,
        "time": int(time.time() * 1000),
    }


# %% [markdown]
# ## Vos modèles : les trois versions qui portent un alias

# %%
try:
    aliases = client.get_registered_model(args.model).aliases
except MlflowException:
    raise SystemExit(
        "Aucun modèle inscrit. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    ) from None
answers, traces = [], []
for version in sorted(set(aliases.values()), key=int):
    answers.append(answer_of(f"models:/{args.model}/{version}"))
    traces.append(trace(client, answers[-1], wines.X_train, ROOT))
    print(f"version {version}, {len(asked)} prédictions : maillons rompus, {broken(traces[-1])}")
links = {link: sum(each[link] for each in traces) / len(traces) for link in LINKS}
true_share = sum(links.values()) / len(links)
print(
    f"Maillons retrouvés et vrais : {100 * true_share:.0f} % ({len(asked) * len(answers)} prédictions, {len(LINKS)} maillons)."
)

# %% [markdown]
# ## Des dégâts, et ce que la mesure en remarque

# %%
first = answers[0]
damages = {
    "changed_answer": trace(
        client, {**first, "predictions": ["cultivar_9"] * 5}, wines.X_train, ROOT
    ),
    "false_time": trace(client, {**first, "time": 0}, wines.X_train, ROOT),
    "one_value_changed": trace(client, first, one_value_changed(wines.X_train), ROOT),
}
with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    store = f"sqlite:///{Path(folder).as_posix()}/throwaway.db"
    repository, dirty, orphan = train_on_a_dirty_tree(Path(folder), Path(__file__).parent, store)
    throwaway = MlflowClient(store)
    for name, model_id in {"dirty_tree": dirty, "no_run": orphan}.items():
        answer = answer_of(throwaway.get_logged_model(model_id).artifact_location)
        damages[name] = trace(throwaway, answer, wines.X_train, repository)
for name, found in damages.items():
    print(f"Dégât « {DAMAGES[name]} », maillons rompus : {broken(found)}")

# %%
mlflow.set_experiment(args.experiment)
with mlflow.start_run(
    run_name="traceability",
    description="Leçon 4 : maillons vrais, et maillons que des dégâts rompent.",
):
    mlflow.log_params({"model": args.model, "predictions": len(asked) * len(answers)})
    mlflow.log_metric("links_true_share", true_share)
    mlflow.log_metrics({f"link_{link}": share for link, share in links.items()})
    mlflow.log_metrics(
        {f"broken_by_{name}": len(LINKS) - sum(found.values()) for name, found in damages.items()}
    )
    mlflow.log_input(
        mlflow.data.from_pandas(asked, source=source_url, name="wine_recognition_asked")
    )
    mlflow.log_figure(
        links_figure(
            {"vos modèles": links, **{DAMAGES[name]: found for name, found in damages.items()}}
        ),
        "links.png",
    )
print(
    f"La figure et les chiffres sont dans l'expérience {args.experiment} du magasin : uv run mlflow ui"
)

# %% [markdown]
# ## À retenir
#
# Sur un clone Git, les 10 maillons se retrouvent et sont vrais pour 15 prédictions sur 15. Sans
# `model_id` dans la réponse, rien ne commence : un modèle inconnu, et aucun maillon ne tient.
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
