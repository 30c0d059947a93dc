# %% [markdown]
# # Leçon 1, script 6 : sept classifieurs côte à côte
#
# **Question.** Sur 114 tumeurs de validation, lequel de sept classifieurs coûte le moins ?
# Classez d'avance : régression logistique, k plus proches voisins, arbre de décision, forêt
# aléatoire, Bayes naïf, SVM, réseau de neurones.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/06_compare_models.py
# ```
#
# Quinze secondes.

# %%
import time

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay

from patients import classifiers, clinical_metrics, load_patients, pins, risk, trusted_types

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Des runs de même forme
#
# Mêmes noms de paramètres et de métriques, mêmes données, mêmes artefacts : c'est ce qui rend les
# runs comparables dans l'interface. L'étiquette `comparison` les rassemble. `trusted_types` est la
# liste des types auxquels nous faisons confiance : arbre, forêt et réseau en ont besoin.

# %%
data = load_patients()
table = data.X_train.assign(malignant=data.y_train)
train = mlflow.data.from_pandas(table, name="breast_cancer_train", targets="malignant")

mlflow.set_experiment("01_tracking_supervised")
comparison = time.strftime("breast_cancer %Y-%m-%d %H:%M:%S")
ranking = {}
for name, model in classifiers().items():
    description = f"{name}, évalué sur les {len(data.X_valid)} tumeurs de validation."
    with mlflow.start_run(run_name=f"{name} breast_cancer", description=description):
        mlflow.set_tag("comparison", comparison)
        mlflow.log_input(train, context="training")
        mlflow.log_param("model", name)

        start = time.perf_counter()
        model.fit(data.X_train, data.y_train)
        mlflow.log_metric("fit_seconds", time.perf_counter() - start)

        predicted = model.predict(data.X_valid)
        ranking[name] = clinical_metrics(data.y_valid, predicted, risk(model, data.X_valid))
        mlflow.log_metrics(ranking[name])
        matrix = ConfusionMatrixDisplay.from_predictions(data.y_valid, predicted, cmap="Blues")
        mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
        # databricks: display(matrix.figure_)
        plt.close(matrix.figure_)
        mlflow.sklearn.log_model(
            model,
            name=name,
            input_example=data.X_valid.head(3),
            pip_requirements=pins(),
            skops_trusted_types=trusted_types,
        )

# %%
shown = ["cost", "sensitivity", "specificity", "accuracy"]
print(pd.DataFrame(ranking).T[shown].sort_values("cost", kind="stable").round(3))

# %% tags=["local"]
print(f"Dans l'interface, pour ne voir que ces runs : tags.comparison = '{comparison}'")
print("Ensuite : uv run 01_tracking_supervised/local/07_search_runs.py")

# %% [markdown]
# ## À retenir
#
# Deux classifieurs coûtent 1, une fausse alerte chacun : la régression logistique et le réseau de
# neurones sont à égalité, et une égalité se dit. Sans tumeur manquée ne veut pas dire infaillible :
# sur 43 tumeurs malignes, une de plus ou de moins déplace la sensibilité de 0.023.
