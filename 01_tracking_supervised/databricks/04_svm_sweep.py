# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/04_svm_sweep.py par tools/build.py. -->
# MAGIC # Leçon 1, script 4 : un balayage
# MAGIC
# MAGIC **Question.** Un SVM a deux réglages, `C` et `gamma`. Quel couple trouve le plus de tumeurs
# MAGIC malignes, et est-ce celui qui a la meilleure exactitude ?
# MAGIC
# MAGIC Trente-cinq couples : notez le vôtre.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import json
from itertools import product

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature

# COMMAND ----------

# plus C est grand, moins le modèle tolère d'erreurs ; plus gamma est grand, plus l'influence de
# chaque cas est courte
GRID = {
    "C": [0.1, 1.0, 10.0, 100.0, 1000.0],
    "gamma": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
}

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un parent, un enfant par couple
# MAGIC
# MAGIC Chaque couple est jugé par *validation croisée* sur les 455 tumeurs hors test : cinq parts,
# MAGIC chacune prédite par un modèle qui a appris sur les quatre autres. Ce qui est commun va au parent,
# MAGIC ce qui est propre au couple va à l'enfant : `nested=True` en fait un enfant du run ouvert.
# MAGIC `model_id=` rattache les métriques au modèle aussi. L'étiquette `grid` garde les couples voulus :
# MAGIC `09_resume_sweep.py` s'en sert pour finir un balayage coupé.

# COMMAND ----------

X, y = known_patients()
signature, requirements = infer_signature(X, y.to_numpy()), pins()
couples = list(product(GRID["C"], GRID["gamma"]))

mlflow.set_experiment("/Shared/01_tracking_supervised")
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
display(figure)

# COMMAND ----------

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

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | ce que l'on veut | C | gamma | sensibilité | spécificité | exactitude |
# MAGIC |---|---|---|---|---|---|
# MAGIC | la meilleure sensibilité | 1000 | 0.001 | 0.965 | 0.979 | 0.974 |
# MAGIC | la meilleure exactitude | 100 | 0.003 | 0.959 | 0.989 | 0.978 |
# MAGIC
# MAGIC Les deux critères ne désignent pas le même couple, et l'écart est d'une patiente : 164 tumeurs
# MAGIC malignes trouvées sur 170, contre 163. De plus, 7 couples en trouvent 164 : parmi eux, c'est la
# MAGIC spécificité qui a choisi.
# MAGIC
# MAGIC Un balayage où chaque couple est un run permet de changer de critère après coup, sans rien
# MAGIC réentraîner.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [05_compare_models]($./05_compare_models)
