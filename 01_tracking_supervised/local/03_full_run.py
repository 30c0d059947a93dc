# %% [markdown]
# # Leçon 1, script 3 : un run que l'on retrouve
#
# **Question.** Dans six mois, que faudra-t-il avoir gardé pour comprendre cet essai et se resservir
# de son modèle ? Écrivez votre liste avant de lire la suite.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/03_full_run.py
# ```
#
# Vingt secondes : MLflow cherche deux fois de quelles bibliothèques un modèle dépend.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patients import clinical_metrics, load_patients

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
data = load_patients()
model = make_pipeline(StandardScaler(), SVC(C=1.0, gamma=0.3))
model.fit(data.X_train, data.y_train)
predicted, scores = model.predict(data.X_valid), model.decision_function(data.X_valid)

# %% [markdown]
# ## Un enregistrement par question
#
# - Pourquoi cet essai ? `description=`.
# - Sur quelles données ? `log_input` en garde le nom, la taille et une empreinte.
# - Quels réglages, quels résultats ? `log_params`, `log_metrics`.
# - Quelles erreurs ? `log_figure` garde une figure, `log_artifact` un fichier quelconque.
# - Quel modèle ? `log_model`, avec sa *signature* (ce qui entre, ce qui sort) et un exemple.

# %%
mlflow.set_experiment("01_tracking_supervised")
description = "Le SVM de moindre coût du premier script ; référence pour toute la leçon."
with mlflow.start_run(run_name="svm complet", description=description):
    table = data.X_train.assign(malignant=data.y_train)
    train = mlflow.data.from_pandas(table, name="breast_cancer_train", targets="malignant")
    mlflow.log_input(train, context="training")
    mlflow.log_params({"model": "svm_rbf", "C": 1.0, "gamma": 0.3, "seed": 0})
    metrics = clinical_metrics(data.y_valid, predicted, scores)
    mlflow.log_metrics(metrics)

    matrix = ConfusionMatrixDisplay.from_predictions(data.y_valid, predicted, cmap="Blues")
    mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
    plt.close(matrix.figure_)
    errors = data.X_valid.assign(malignant=data.y_valid, score=scores)[predicted != data.y_valid]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "errors.csv"
        errors.to_csv(path, index_label="patient")
        mlflow.log_artifact(path)

    logged = mlflow.sklearn.log_model(
        model,
        name="svm_complet",
        signature=infer_signature(data.X_valid, predicted),
        input_example=data.X_valid.head(3),
    )
# databricks: display(matrix.figure_)
shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in ("sensitivity", "roc_auc"))
print(f"cost {metrics['cost']:.0f}, {shown} ; {len(errors)} erreurs dans errors.csv")
print(f"Modèle enregistré : {logged.model_uri}")

# %% [markdown]
# ## Une forêt est d'abord refusée
#
# MLflow relit avec *skops* le modèle qu'il vient d'écrire, et skops ne relit que les types qu'il
# tient pour sûrs. L'arbre de scikit-learn n'en est pas : à vous de dire que vous lui faites
# confiance.

# %%
with mlflow.start_run(run_name="forêt", description="Le type d'un arbre doit être déclaré."):
    forest = RandomForestClassifier(random_state=0).fit(data.X_train, data.y_train)
    mlflow.log_metrics(clinical_metrics(data.y_valid, forest.predict(data.X_valid)))
    try:
        mlflow.sklearn.log_model(forest, name="forest")
    except mlflow.MlflowException as error:
        print(f"Forêt refusée : {str(error).partition('.')[0]}.")
    logged = mlflow.sklearn.log_model(
        forest, name="forest", skops_trusted_types=["sklearn.tree._tree.Tree"]
    )
print(f"Forêt acceptée : {logged.model_uri}")

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/04_open_model.py")

# %% [markdown]
# ## À retenir
#
# Ce run garde 4 paramètres, 9 métriques, un jeu de données, une figure, un fichier, un modèle et
# une description : de quoi comprendre l'essai, et resservir le modèle, sans relire ce script.
#
# Ce qui est écrit avant un refus reste dans le run : enregistrez le modèle en dernier, après les
# métriques.
