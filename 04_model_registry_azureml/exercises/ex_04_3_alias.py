# databricks: non (il lance un serveur sur la machine du lecteur)
# %% [markdown]
# # Exercice 04-3 : l'alias bouge, le service tourne
#
# **Question.** Un service répond avec `models:/...@live`. On déplace `@live` vers une autre
# version, puis on redémarre le service. Sur 45 vins, combien de réponses changent au premier geste,
# combien au second ?
#
# Votre pronostic : deux nombres.

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/exercises/ex_04_3_alias.py
# uv run tools/check.py --exercise 04-3
# ```
#
# Trente secondes : le service démarre deux fois. Dans une classe qui partage un serveur, chacun a
# son modèle inscrit : ajoutez votre nom à `MODEL`, plus bas.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
import mlflow
import pandas as pd
import requests
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from servers import free_port, running
from wines import load_wines, requirements

# %% tags=["local"]
from store import open_store

open_store()

# %% [markdown]
# ## Deux versions

# %%
MODEL = "exercise_04_3"
wines = load_wines()
client = MlflowClient()
mlflow.set_experiment("04_model_registry_azureml")
versions = []
for estimator in (
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(n_estimators=50, random_state=0),
):
    with mlflow.start_run(run_name=type(estimator).__name__):
        model = make_pipeline(estimator).fit(wines.X_train, wines.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name="wines",
            signature=infer_signature(wines.X_train, wines.y_train),
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=["sklearn.tree._tree.Tree"],
        )
    versions.append(mlflow.register_model(logged.model_uri, MODEL).version)
old, new = versions
client.set_registered_model_tag(MODEL, "exercise", "04-3")
client.set_registered_model_alias(MODEL, "live", old)

# %% [markdown]
# ## Le service
#
# Toutes les questions en une requête. `answers` garde une colonne par moment : avant, après le
# déplacement, après redémarrage.

# %%
port = free_port()
command = f"mlflow models serve -m models:/{MODEL}@live --env-manager local -p {port}".split()
body = {"dataframe_split": wines.X_test.to_dict(orient="split", index=False)}


def ask() -> list[str]:
    """Les 45 réponses du service."""
    return requests.post(f"http://127.0.0.1:{port}/invocations", json=body, timeout=30).json()[
        "predictions"
    ]


answers = {}
with running(command, f"http://127.0.0.1:{port}/health"):
    answers["before"] = ask()
    # Votre code ici : déplacez @live vers `new`, et reposez les questions au même service (colonne
    # `moved`)

# Votre code ici : le service est arrêté ; redémarrez-le de même, et reposez les questions (colonne
# `restarted`)

# %%
with mlflow.start_run(run_name="alias déplacé"):
    mlflow.set_tag("exercise", "04-3")
    mlflow.log_params({"model": MODEL, "old_version": old, "new_version": new})
    mlflow.log_text(pd.DataFrame(answers).to_csv(index=False), "answers.csv")
    # Votre code ici : `changed_after_move` et `changed_after_restart` : combien de réponses, à chaque
    # geste, diffèrent de `before`

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 04-3")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
