# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/svm_sweep.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 1, script 4 : un balayage
# MAGIC
# MAGIC **Question.** Où se trouve le meilleur couple (`C`, `gamma`) d'un SVM, et la meilleure exactitude désigne-t-elle le même
# MAGIC couple que la meilleure sensibilité ?
# MAGIC
# MAGIC Trente-cinq couples : notez le vôtre. Et que restera-t-il si le courant est coupé au vingtième ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 rich==15.0.0 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import argparse
from importlib.metadata import version
from itertools import product

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from mlflow.models import infer_signature
from rich.console import Console
from rich.progress import track
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def positive(text: str) -> float:
    """Un nombre entre 1e-6 et 1e6, sinon l'erreur d'argparse."""
    if 1e-6 <= (value := float(text)) <= 1e6:
        return value
    raise argparse.ArgumentTypeError(f"{text} n'est pas entre 1e-6 et 1e6")

# COMMAND ----------

import shlex
from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/01_tracking_supervised")
dbutils.widgets.text("C", "0.1 1.0 10.0 100.0 1000.0")  # tolérance aux erreurs
dbutils.widgets.text("gamma", "0.0001 0.001 0.003 0.01 0.03 0.1 0.3")  # portée

if not dbutils.widgets.get("C").strip():
    raise SystemExit("Le réglage « C » est vide : remplissez-le en haut de la page, puis relancez.")
if not dbutils.widgets.get("gamma").strip():
    raise SystemExit("Le réglage « gamma » est vide : remplissez-le en haut de la page, puis relancez.")
args = SimpleNamespace(
    experiment=dbutils.widgets.get("experiment"),
    C=[positive(word) for word in shlex.split(dbutils.widgets.get("C"))],
    gamma=[positive(word) for word in shlex.split(dbutils.widgets.get("gamma"))],
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Reprendre au lieu de refaire
# MAGIC
# MAGIC Une étiquette du parent dit quelle grille il parcourt : une recherche le retrouve. Un programme tué laisse ses runs RUNNING
# MAGIC pour toujours ; on les marque KILLED, ce qu'ils sont. Les enfants finis ne sont pas refaits.

# COMMAND ----------

grid = list(product(sorted(set(args.C)), sorted(set(args.gamma))))
grid_tag = f"C {sorted(set(args.C))} gamma {sorted(set(args.gamma))}"

experiment = mlflow.set_experiment(args.experiment)
unfinished_parent = f"tags.grid = '{grid_tag}' AND attributes.status != 'FINISHED'"
unfinished = mlflow.search_runs([experiment.experiment_id], unfinished_parent, output_format="list")
parent_id = unfinished[0].info.run_id if unfinished else None

done = set()
children_of = f"tags.`mlflow.parentRunId` = '{parent_id}'"
for child in mlflow.search_runs([experiment.experiment_id], children_of, output_format="list") if parent_id else []:
    if child.info.status == "RUNNING":
        mlflow.MlflowClient().set_terminated(child.info.run_id, "KILLED")
    elif child.info.status == "FINISHED":
        done.add((float(child.data.params["C"]), float(child.data.params["gamma"])))
left = [point for point in grid if point not in done]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un parent, un enfant par couple
# MAGIC
# MAGIC Chaque couple est jugé par validation croisée en cinq parts sur les 455 tumeurs hors test. Ce qui est commun va au parent.

# COMMAND ----------

patients, _, _ = load_patients()
X, y = pd.concat([patients.X_train, patients.X_valid]), pd.concat([patients.y_train, patients.y_valid])
folds = StratifiedKFold(5, shuffle=True, random_state=0)
signature = infer_signature(X, y.to_numpy())
requirements = [f"{library}=={version(library)}" for library in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")]

with mlflow.start_run(run_id=parent_id, run_name="svm balayage") as parent:
    mlflow.set_tags({"grid": grid_tag, "mlflow.note.content": "SVM RBF : chaque couple (C, gamma) jugé par validation croisée."})
    mlflow.log_params({"points": len(grid), "folds": 5, "seed": 0})
    mlflow.log_input(mlflow.data.from_pandas(X.assign(malignant=y), name="breast_cancer_cv", targets="malignant"), context="training")

    for C, gamma in track(left, "SVM", console=Console(stderr=True), transient=True):
        with mlflow.start_run(run_name=f"C={C:g} gamma={gamma:g}", nested=True):
            mlflow.log_params({"C": C, "gamma": gamma})
            model = make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))
            distance = cross_val_predict(model, X, y, cv=folds, method="decision_function")
            metrics = clinical_metrics(y, (distance > 0).astype(float), distance)
            mlflow.log_metrics({f"cv_{metric}": value for metric, value in metrics.items()})
            model.fit(X, y)
            mlflow.sklearn.log_model(model, name="svm", signature=signature, input_example=X.head(3), pip_requirements=requirements)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le parent résume
# MAGIC
# MAGIC Tout est relu dans le magasin : peu importe en combien de fois le balayage s'est fait.

# COMMAND ----------

finished = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' AND attributes.status = 'FINISHED'"
points = mlflow.search_runs([experiment.experiment_id], finished).astype({"params.C": float, "params.gamma": float})
best = points.sort_values(["metrics.cv_sensitivity", "metrics.cv_specificity"]).iloc[-1]
accurate = points.sort_values(["metrics.cv_accuracy", "metrics.cv_sensitivity"]).iloc[-1]

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, metric, title in zip(axes, ("sensitivity", "accuracy"), ("sensibilité", "exactitude"), strict=True):
    for C, line in points.sort_values("params.gamma").groupby("params.C"):
        ax.plot(line["params.gamma"], line[f"metrics.cv_{metric}"], marker="o", label=f"C = {C:g}")
    ax.set(xscale="log", xlabel="gamma", title=f"{title} (validation croisée)", ylim=(0.5, 1))
axes[0].legend()
display(figure)
with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_figure(figure, "metric_against_parameter.png")
    mlflow.set_tag("best_run_id", best["run_id"])
    mlflow.log_metric("best_cv_sensitivity", best["metrics.cv_sensitivity"])
plt.close(figure)

for title, row in (("Meilleure sensibilité", best), ("Meilleure exactitude", accurate)):
    scores = (f"{metric} {row[f'metrics.cv_{metric}']:.3f}" for metric in ("sensitivity", "specificity", "accuracy"))
    print(f"{title} : C={row['params.C']:g} gamma={row['params.gamma']:g} ({', '.join(scores)})")
print(f"{len(points)} couples, dont {len(done)} déjà faits")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | ce que l'on veut | C | gamma | sensibilité | spécificité | exactitude |
# MAGIC |---|---|---|---|---|---|
# MAGIC | la meilleure sensibilité | 1000 | 0.001 | 0.965 | 0.979 | 0.974 |
# MAGIC | la meilleure exactitude | 100 | 0.003 | 0.959 | 0.989 | 0.978 |
# MAGIC
# MAGIC Les deux critères ne désignent pas le même couple, et l'écart est d'une patiente : 164 tumeurs malignes trouvées sur 170,
# MAGIC contre 163. Un balayage où chaque point est un run permet de changer de critère après coup, sans rien réentraîner.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [compare_models]($./compare_models)
