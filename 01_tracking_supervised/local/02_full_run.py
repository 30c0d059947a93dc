# %% [markdown]
# # Leçon 1, script 2 : un run que l'on retrouve
#
# **Question.** Dans six mois, que faudra-t-il avoir gardé pour comprendre cet essai et se resservir
# de son modèle ?
#
# Faites votre liste avant de lire la suite : le script précédent gardait un paramètre, sept
# métriques et une étiquette.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/02_full_run.py
# ```
#
# Dix secondes.

# %%
from importlib.metadata import version

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patients import clinical_metrics, load_patients, risk

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Ce que MLflow saura du modèle
#
# La *signature* dit ce qui entre et ce qui sort. Les *dépendances* disent quelles bibliothèques il
# faut pour le relire ; les vôtres, aux versions d'aujourd'hui.

# %%
data = load_patients()
settings = {"gamma": 0.03, "C": 1.0}
model = make_pipeline(StandardScaler(), SVC(**settings))
model.fit(data.X_train, data.y_train)
predicted = model.predict(data.X_valid)

signature = infer_signature(data.X_valid, predicted)
requirements = [
    f"{library}=={version(library)}"
    for library in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")
]

# %% [markdown]
# ## Le run
#
# Six enregistrements, un par question. Quelles données : `log_input` (leur nom, leur taille, une
# empreinte). Quels réglages : `log_params`. Quel résultat : `log_metrics`. À quoi il ressemble :
# `log_figure`. Quel modèle : `log_model`. Et pourquoi cet essai : `description=`.

# %%
mlflow.set_experiment("01_tracking_supervised")
description = "SVM à noyau RBF, réglages du premier script ; référence pour toute la leçon."
with mlflow.start_run(run_name="svm complet", description=description):
    table = data.X_train.assign(malignant=data.y_train)
    train = mlflow.data.from_pandas(table, name="breast_cancer_train", targets="malignant")
    mlflow.log_input(train, context="training")
    mlflow.log_params({"model": "svm_rbf", **settings, "seed": 0})
    metrics = clinical_metrics(data.y_valid, predicted, risk(model, data.X_valid))
    mlflow.log_metrics(metrics)

    figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        data.y_valid, predicted, display_labels=["bénigne", "maligne"], cmap="Blues", ax=ax
    )
    ax.set(xlabel="prédiction", ylabel="vérité", title="114 tumeurs de validation")
    mlflow.log_figure(figure, "confusion_matrix.png")
    plt.close(figure)

    logged = mlflow.sklearn.log_model(
        model,
        name="svm",
        signature=signature,
        input_example=data.X_valid.head(3),
        pip_requirements=requirements,
    )
# databricks: display(figure)

# %%
shown = ("accuracy", "sensitivity", "specificity", "roc_auc")
print(", ".join(f"{name} {metrics[name]:.3f}" for name in shown))
print(f"Modèle enregistré : {logged.model_uri}")

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/03_open_model.py")

# %% [markdown]
# ## À retenir
#
# Ce run garde 4 paramètres, 8 métriques, un jeu de données, une figure, un modèle et une
# description : de quoi comprendre l'essai, et resservir le modèle, sans relire ce script.
#
# La validation compte 43 tumeurs malignes : le modèle en trouve 41, sans fausse alerte. Sa
# sensibilité, 0.953, tient donc à 2 patientes.
