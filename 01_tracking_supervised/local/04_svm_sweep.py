# %% [markdown]
# # Leçon 1, script 4 : un balayage
#
# **Question.** Un SVM a deux réglages, `C` et `gamma`. Quel couple trouve le plus de tumeurs
# malignes, et est-ce celui qui a la meilleure exactitude ?
#
# Trente-cinq couples : notez le vôtre.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/04_svm_sweep.py
# ```
#
# Quinze secondes.

# %%
import json
from itertools import product

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature

from patients import cross_validated, known_patients, pins, svm, sweep_figure

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
# plus C est grand, moins le modèle tolère d'erreurs ; plus gamma est grand, plus l'influence de
# chaque cas est courte
GRID = {
    "C": [0.1, 1.0, 10.0, 100.0, 1000.0],
    "gamma": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
}

# %% [markdown]
# ## Un parent, un enfant par couple
#
# Chaque couple est jugé par *validation croisée* sur les 455 tumeurs hors test : cinq parts,
# chacune prédite par un modèle qui a appris sur les quatre autres. Ce qui est commun va au parent,
# ce qui est propre au couple va à l'enfant : `nested=True` en fait un enfant du run ouvert.
# `model_id=` rattache les métriques au modèle aussi. L'étiquette `grid` garde les couples voulus :
# `09_resume_sweep.py` s'en sert pour finir un balayage coupé.

# %%
X, y = known_patients()
signature, requirements = infer_signature(X, y.to_numpy()), pins()
couples = list(product(GRID["C"], GRID["gamma"]))

mlflow.set_experiment("01_tracking_supervised")
description = "SVM RBF : chaque couple (C, gamma) jugé par validation croisée."
with mlflow.start_run(run_name="svm balayage", description=description) as parent:
    mlflow.set_tag("grid", json.dumps(GRID))
    mlflow.log_params({"points": len(couples), "folds": 5, "seed": 0})
    table = X.assign(malignant=y)
    known = mlflow.data.from_pandas(table, name="breast_cancer_cv", targets="malignant")
    mlflow.log_input(known, context="training")

    for C, gamma in couples:
        with mlflow.start_run(run_name=f"C={C:g} gamma={gamma:g}", nested=True):
            model = svm(C, gamma)
            mlflow.log_params({"C": C, "gamma": gamma})
            scores = cross_validated(model, X, y)
            model.fit(X, y)
            logged = mlflow.sklearn.log_model(
                model, name="svm", signature=signature, pip_requirements=requirements
            )
            mlflow.log_metrics(scores, model_id=logged.model_id)

    # le parent résume ce que ses enfants ont enregistré
    best_first = ["metrics.cv_sensitivity DESC", "metrics.cv_specificity DESC"]
    points = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=best_first
    )
    points = points.astype({"params.C": float, "params.gamma": float})
    best = points.iloc[0]
    mlflow.set_tag("best_run_id", best["run_id"])
    mlflow.log_metric("best_cv_sensitivity", best["metrics.cv_sensitivity"])
    figure = sweep_figure(points)
    mlflow.log_figure(figure, "metric_against_parameter.png")
    plt.close(figure)
# databricks: display(figure)

# %%
accurate = points.sort_values(["metrics.cv_accuracy", "metrics.cv_sensitivity"]).iloc[-1]
for title, row in (("Meilleure sensibilité", best), ("Meilleure exactitude", accurate)):
    scores = ", ".join(
        f"{metric} {row[f'metrics.cv_{metric}']:.3f}"
        for metric in ("sensitivity", "specificity", "accuracy")
    )
    print(f"{title} : {row['tags.mlflow.runName']} ({scores})")
equal = (points["metrics.cv_sensitivity"] == best["metrics.cv_sensitivity"]).sum()
print(
    f"À égalité de sensibilité : {equal} couples sur {len(points)}, départagés par la spécificité"
)

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/05_compare_models.py")

# %% [markdown]
# ## À retenir
#
# | ce que l'on veut | C | gamma | sensibilité | spécificité | exactitude |
# |---|---|---|---|---|---|
# | la meilleure sensibilité | 1000 | 0.001 | 0.965 | 0.979 | 0.974 |
# | la meilleure exactitude | 100 | 0.003 | 0.959 | 0.989 | 0.978 |
#
# Les deux critères ne désignent pas le même couple, et l'écart est d'une patiente : 164 tumeurs
# malignes trouvées sur 170, contre 163. De plus, 7 couples en trouvent 164 : parmi eux, c'est la
# spécificité qui a choisi.
#
# Un balayage où chaque couple est un run permet de changer de critère après coup, sans rien
# réentraîner.
