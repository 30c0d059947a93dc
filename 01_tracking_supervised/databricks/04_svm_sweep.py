# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/04_svm_sweep.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 1, script 4 : un balayage
# MAGIC
# MAGIC **Question.** Un SVM a deux réglages, `C` et `gamma`. Quel couple trouve le plus de tumeurs
# MAGIC malignes, et est-ce celui qui a la meilleure exactitude ?
# MAGIC
# MAGIC Trente-cinq couples : notez le vôtre.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 rich==15.0.0 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import json
from itertools import product

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from rich.console import Console
from rich.progress import track

# COMMAND ----------

import shlex
from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/01_tracking_supervised")
dbutils.widgets.text("C", "0.1 1.0 10.0 100.0 1000.0")  # plus C est grand, moins il tolère d'erreurs
dbutils.widgets.text("gamma", "0.0001 0.001 0.003 0.01 0.03 0.1 0.3")  # plus gamma est grand, plus l'influence de chaque cas est courte

if not dbutils.widgets.get("C").strip():
    raise SystemExit("Le réglage « C » est vide : remplissez-le en haut de la page, puis relancez.")
if not dbutils.widgets.get("gamma").strip():
    raise SystemExit("Le réglage « gamma » est vide : remplissez-le en haut de la page, puis relancez.")
args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    C=[number(1e-6, 1e6)(word) for word in shlex.split(dbutils.widgets.get("C"))],
    gamma=[number(1e-6, 1e6)(word) for word in shlex.split(dbutils.widgets.get("gamma"))],
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un parent, un enfant par couple
# MAGIC
# MAGIC Chaque couple est jugé par *validation croisée* sur les 455 tumeurs hors test : cinq parts,
# MAGIC chacune prédite par un modèle qui a appris sur les quatre autres. Ce qui est commun va au parent,
# MAGIC ce qui est propre au couple va à l'enfant : `nested=True` en fait un enfant du run ouvert.
# MAGIC `model_id=` rattache les métriques au modèle aussi. L'étiquette `grid` garde les couples voulus :
# MAGIC le script suivant s'en sert pour finir un balayage coupé.

# COMMAND ----------

X, y = known_patients()
signature, requirements = infer_signature(X, y.to_numpy()), pins()
grid = {"C": sorted(set(args.C)), "gamma": sorted(set(args.gamma))}
couples = list(product(grid["C"], grid["gamma"]))

mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name="svm balayage", tags={"grid": json.dumps(grid)}) as parent:
    mlflow.set_tag(
        "mlflow.note.content", "SVM RBF : chaque couple (C, gamma) jugé par validation croisée."
    )
    mlflow.log_params({"points": len(couples), "folds": 5, "seed": 0})
    mlflow.log_input(
        mlflow.data.from_pandas(
            X.assign(malignant=y), name="breast_cancer_cv", targets="malignant"
        ),
        context="training",
    )

    for C, gamma in track(couples, "SVM", console=Console(stderr=True), transient=True):
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
