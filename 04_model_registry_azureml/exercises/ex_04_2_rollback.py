# %% [markdown]
# # Exercice 04-2 : revenir en arrière
#
# **Question.** La version promue hier ne répond plus jamais `cultivar_2`. Rendez le service à la
# version d'avant, sans rien effacer : qui relira l'histoire doit comprendre ce qui s'est passé.
#
# Votre pronostic : combien de gestes, et combien de fichiers copiés ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/exercises/ex_04_2_rollback.py
# uv run tools/check.py --exercise 04-2
# ```
#
# Dix secondes. Dans une classe qui partage un serveur, chacun a son modèle inscrit : ajoutez votre
# nom à `MODEL`, plus bas.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
from datetime import UTC, datetime

import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from wines import load_wines, requirements

# %% tags=["local"]
from store import open_store

open_store()

# %% [markdown]
# ## La promotion d'hier
#
# Une forêt en service, un arbre réduit à une question (`max_depth=1`) par erreur, promu sans être
# regardé.

# %%
MODEL = "exercise_04_2"  # databricks: "workspace.default.exercise_04_2"
wines = load_wines()
yesterday = {
    "random_forest": make_pipeline(RandomForestClassifier(n_estimators=50, random_state=0)),
    "decision_tree": make_pipeline(DecisionTreeClassifier(max_depth=1, random_state=0)),
}
client = MlflowClient()
mlflow.set_experiment("04_model_registry_azureml")

versions = []
for name, model in yesterday.items():
    with mlflow.start_run(run_name=name):
        mlflow.set_tag("exercise", "04-2")
        model.fit(wines.X_train, wines.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name=name,
            signature=infer_signature(wines.X_train, wines.y_train),
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=["sklearn.tree._tree.Tree"],
        )
    versions.append(mlflow.register_model(logged.model_uri, MODEL).version)
good, bad = versions
now = datetime.now(UTC)
client.set_registered_model_tag(MODEL, "exercise", "04-2")
client.set_registered_model_tag(
    MODEL,
    f"history_{now:%Y%m%d_%H%M%S_%f}",
    f"{now:%Y-%m-%d %H:%M} UTC, @champion : {good} -> {bad}",
)
client.set_registered_model_alias(MODEL, "champion", bad)

# %% [markdown]
# ## Le symptôme

# %%
champion = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
answered = champion.predict(wines.X_train)
count = sum(answered == "cultivar_2")
print(f"@champion : version {bad}. Sur {len(answered)} vins, réponses cultivar_2 : {count}")

# %% [markdown]
# ## À vous
#
# L'alias d'abord : c'est lui que le service lit. Puis ce que le registre, seul, oublierait.

# %%
# Votre code ici : @champion à la version d'avant ; sur la fautive, `decision` et `reason` ; sur le nom,
# une étiquette `history_...` de plus

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 04-2")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
