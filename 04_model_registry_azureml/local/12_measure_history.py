# databricks: non (il mesure le magasin SQLite de MLflow, que Databricks n'utilise pas)
# %% [markdown]
# # Leçon 4, script 12 : l'ancienne valeur se retrouve-t-elle ?
#
# **Question.** On change un paramètre, une étiquette, un alias ; on supprime un run. MLflow, seul,
# peut-il rendre ce qu'il y avait ?
#
# Pronostiquez pour chacun des sept : paramètre, métrique, étiquette, description, alias, run
# supprimé, version supprimée.

# %% [markdown]
# ```
# uv run 04_model_registry_azureml/local/12_measure_history.py
# ```
#
# Cinq secondes. Tout se passe dans un magasin jetable.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient, MlflowException

from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt ; le magasin jetable a sa propre adresse

LABELS = {
    "parameter": "paramètre",
    "metric": "métrique",
    "tag": "étiquette",
    "description": "description",
    "alias": "alias",
    "run_deletion": "run supprimé",
    "version_deletion": "version supprimée",
}
kept = {}  # chose changée -> l'ancienne valeur se retrouve

# %% [markdown]
# ## Changer, puis chercher

# %%
with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    client = MlflowClient(f"sqlite:///{Path(folder).as_posix()}/throwaway.db")
    experiment_id = client.create_experiment("essai", artifact_location=Path(folder).as_uri())
    run_id = client.create_run(experiment_id).info.run_id

    client.log_param(run_id, "gamma", "ancien")
    try:
        client.log_param(run_id, "gamma", "nouveau")
    except MlflowException as error:
        print(f"Un paramètre ne change pas : {error.message.split('.')[0]}.")
    kept["parameter"] = client.get_run(run_id).data.params["gamma"] == "ancien"

    client.log_metric(run_id, "accuracy", 0.8)
    client.log_metric(run_id, "accuracy", 0.9)
    kept["metric"] = 0.8 in [each.value for each in client.get_metric_history(run_id, "accuracy")]

    client.set_tag(run_id, "decision", "ancien")
    client.set_tag(run_id, "decision", "nouveau")
    kept["tag"] = "ancien" in client.get_run(run_id).data.tags.values()

    # la description d'un run est une étiquette
    client.set_tag(run_id, "mlflow.note.content", "ancien")
    client.set_tag(run_id, "mlflow.note.content", "nouveau")
    kept["description"] = "ancien" in client.get_run(run_id).data.tags.values()

    client.create_registered_model("essai")
    for _ in range(2):
        client.create_model_version("essai", f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias("essai", "champion", "1")
    client.set_registered_model_alias("essai", "champion", "2")
    kept["alias"] = "champion" in client.get_model_version("essai", "1").aliases

    client.delete_run(run_id)
    client.restore_run(run_id)
    kept["run_deletion"] = client.get_run(run_id).data.params == {"gamma": "ancien"}

    client.delete_model_version("essai", "1")
    kept["version_deletion"] = "1" in [
        str(each.version) for each in client.search_model_versions("name = 'essai'")
    ]

# %%
print(
    "L'ancienne valeur se retrouve :",
    ", ".join(LABELS[name] for name, found in kept.items() if found),
)
print("Elle est perdue :", ", ".join(LABELS[name] for name, found in kept.items() if not found))
mlflow.set_experiment("measurements")
with mlflow.start_run(
    run_name="history",
    description="Leçon 4 : l'ancienne valeur se retrouve-t-elle ? 1 : oui, 0 : non.",
):
    mlflow.log_metrics({f"kept_{name}": float(found) for name, found in kept.items()})

# %% [markdown]
# ## À retenir
#
# | ancienne valeur | où |
# |---|---|
# | retrouvée | paramètre, métrique, run supprimé |
# | perdue | étiquette, description, alias, version supprimée |
#
# Ce qui se perd et qui compte s'écrit donc à part, à chaque changement : c'est le rôle des
# étiquettes `history_<date>` de 02_promote.py.
