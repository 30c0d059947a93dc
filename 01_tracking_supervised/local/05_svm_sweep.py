# %% [markdown]
# # Leçon 1, script 5 : un balayage
#
# **Question.** Un SVM a un second réglage, `C` : plus il est grand, moins le modèle tolère
# d'erreurs sur les cas appris. Quel couple (`C`, `gamma`) coûte le moins, et est-ce celui qui a la
# meilleure exactitude ? Trente-cinq couples : notez le vôtre.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/05_svm_sweep.py
# ```
#
# Quinze secondes.

# %%
from itertools import product
from math import log10

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature

from patients import cross_validated, known_patients, pins, svm, sweep_figure

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
GRID = {
    "C": [0.1, 1.0, 10.0, 100.0, 1000.0],
    "gamma": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
}
X, y = known_patients()
signature = infer_signature(X, y.to_numpy())
# la même liste pour trente-cinq modèles : MLflow n'a pas à la deviner trente-cinq fois
requirements = pins()

# %% [markdown]
# ## Un parent, un enfant par couple
#
# Chaque couple est évalué par *validation croisée* sur les 455 tumeurs hors test : cinq parts,
# chacune prédite par un modèle qui a appris sur les quatre autres. Ce qui est commun va au parent,
# ce qui est propre au couple va à l'enfant : `nested=True` en fait un enfant du run ouvert.

# %%
mlflow.set_experiment("01_tracking_supervised")
description = "SVM RBF : chaque couple (C, gamma) jugé par validation croisée."
with mlflow.start_run(run_name="svm balayage", description=description) as parent:
    mlflow.log_dict(GRID, "grid.json")
    mlflow.log_params({"folds": 5, "seed": 0})
    table = X.assign(malignant=y)
    known = mlflow.data.from_pandas(table, name="breast_cancer_cv", targets="malignant")
    mlflow.log_input(known, context="training")

    for C, gamma in product(GRID["C"], GRID["gamma"]):
        with mlflow.start_run(run_name=f"C={C:g} gamma={gamma:g}", nested=True):
            model = svm(C, gamma)
            # l'interface n'a pas d'axe logarithmique : on lui donne le logarithme
            mlflow.log_params({"C": C, "gamma": gamma, "log10_gamma": round(log10(gamma), 2)})
            mlflow.log_metrics(cross_validated(model, X, y))
            model.fit(X, y)
            mlflow.sklearn.log_model(
                model, name="svm", signature=signature, pip_requirements=requirements
            )

    # le parent résume ce que ses enfants ont enregistré
    couples = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["metrics.cv_cost ASC"],
    )
    mlflow.set_tag("best_run_id", couples["run_id"][0])
    mlflow.log_metric("best_cv_cost", couples["metrics.cv_cost"][0])
    figure = sweep_figure(couples)
    mlflow.log_figure(figure, "metric_against_parameter.png")
    plt.close(figure)
# databricks: display(figure)

# %%
shown = ["cv_cost", "cv_sensitivity", "cv_specificity", "cv_accuracy"]
cheapest = couples.head(5)
for _, row in cheapest.iterrows():
    scores = ", ".join(f"{name} {row[f'metrics.{name}']:.3g}" for name in shown)
    print(f"{row['tags.mlflow.runName']:18} : {scores}")
accurate = couples.loc[couples["metrics.cv_accuracy"].idxmax()]
print(f"Meilleure exactitude : {accurate['tags.mlflow.runName']}")

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/06_compare_models.py")

# %% [markdown]
# ## À retenir
#
# `C=1000 gamma=0.001` coûte le moins, 66 : 6 tumeurs manquées sur 170, 6 fausses alertes sur 285.
# Les deux suivants coûtent 67 et 69 : une et trois fausses alertes de plus. La meilleure exactitude
# est ailleurs, `C=100 gamma=0.003`, qui manque une tumeur de plus.
#
# Comme chaque couple est un run, on changera de critère sans rien réentraîner.
