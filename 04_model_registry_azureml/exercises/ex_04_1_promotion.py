# %% [markdown]
# # Exercice 04-1 : une promotion qui ne doit pas se faire
#
# **Question.** Trois équipes ont inscrit leur modèle et noté son exactitude : 0.967, 1.000 et
# 0.970. Le premier est en service. Qui promouvez-vous, et que répondez-vous aux autres ?
#
# Votre pronostic : avant de lancer, quelle exactitude vous paraît suspecte ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/exercises/ex_04_1_promotion.py
# uv run tools/check.py --exercise 04-1
# ```
#
# Dix secondes. Dans une classe qui partage un serveur, chacun a son modèle inscrit : ajoutez votre
# nom à `MODEL`, plus bas.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from wines import compare, cross_validated, load_wines, requirements

# %% tags=["local"]
from store import open_store

open_store()

# %% [markdown]
# ## Ce que les équipes ont fait
#
# Chacune a noté `accuracy`, mesurée à sa façon. Relancer ce script ajoute trois versions et remet
# la première en service.

# %%
MODEL = "exercise_04_1"  # databricks: "workspace.default.exercise_04_1"
wines = load_wines()
teams = {
    "random_forest": make_pipeline(RandomForestClassifier(n_estimators=50, random_state=0)),
    "k_nearest_neighbors": make_pipeline(KNeighborsClassifier(1)),
    "svm_rbf": make_pipeline(StandardScaler(), SVC()),
}
trusted = [
    "sklearn.tree._tree.Tree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
]
client = MlflowClient()
mlflow.set_experiment("04_model_registry_azureml")

versions, claimed = {}, {}
for name, model in teams.items():
    with mlflow.start_run(run_name=name):
        mlflow.set_tag("exercise", "04-1")
        model.fit(wines.X_train, wines.y_train)
        claimed[name] = cross_validated(model, wines.X_train, wines.y_train)["cv_accuracy"]
        if name == "k_nearest_neighbors":
            claimed[name] = accuracy_score(wines.y_train, model.predict(wines.X_train))
        mlflow.log_metric("accuracy", claimed[name])
        signature = infer_signature(wines.X_train, wines.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name=name,
            signature=signature,
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=trusted,
        )
    versions[name] = mlflow.register_model(logged.model_uri, MODEL).version
    print(f"version {versions[name]} : {name}, exactitude annoncée {claimed[name]:.3f}")
client.set_registered_model_tag(MODEL, "exercise", "04-1")
champion = versions["random_forest"]
client.set_registered_model_alias(MODEL, "champion", champion)

# %% [markdown]
# ## Ce que vous décidez
#
# La règle de la leçon : au moins 0.01 d'exactitude en plus, et aucun cultivar moins bien reconnu,
# sur les mêmes 25 plis pour tous.

# %%
# Votre code ici : jugez chaque candidat (`cross_validated`, `compare`) ; sur sa version, `decision` et
# `reason` ; @champion, s'il le faut
winner = max(claimed, key=claimed.get)  # l'exactitude annoncée fait foi ?
client.set_registered_model_alias(MODEL, "champion", versions[winner])
print(f"promu sur parole : {winner}")

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 04-1")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
