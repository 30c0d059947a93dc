# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/14_svm_sweep_spark.py par tools/build.py. -->
# MAGIC # Leçon 1, script 14 : annexe, le balayage réparti sur Spark
# MAGIC
# MAGIC **Question.** Vingt machines essaient vingt réglages à la fois. Que gagne-t-on sur `svm_sweep`, et
# MAGIC que perd-on ?
# MAGIC
# MAGIC Notez deux pronostics : deux recherches de même graine essaient-elles les mêmes points ? Et s'il y
# MAGIC a deux ouvriers ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 optuna==5.0.0 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import time
from datetime import datetime

import mlflow
import optuna
from mlflow.optuna.storage import MlflowStorage
from mlflow.pyspark.optuna.study import MlflowSparkStudy
from sklearn.metrics import recall_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

TRIALS = 12  # essais par recherche
WORKERS = 2  # essais à la fois

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un essai
# MAGIC
# MAGIC Optuna propose un point, un ouvrier le juge par la validation croisée de `svm_sweep` ; fonction et
# MAGIC données partent chez lui.

# COMMAND ----------

X, y = known_patients()
folds = StratifiedKFold(5, shuffle=True, random_state=0)


def cv_sensitivity(trial: optuna.Trial) -> float:
    C = trial.suggest_float("C", 0.1, 1000, log=True)
    gamma = trial.suggest_float("gamma", 0.0001, 0.3, log=True)
    model = make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))
    return recall_score(y, cross_val_predict(model, X, y, cv=folds), pos_label=1.0)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Quatre recherches de même graine
# MAGIC
# MAGIC `MlflowSparkStudy` écrit tout dans MLflow : la recherche est un run parent, chaque essai un run
# MAGIC enfant. C'est aussi par là que les ouvriers se concertent. (Databricks la documente à partir de
# MAGIC son runtime ML 17.)

# COMMAND ----------

optuna.logging.set_verbosity(optuna.logging.WARNING)
client = mlflow.MlflowClient()
experiment_id = mlflow.set_experiment("/Shared/01_tracking_supervised").experiment_id
storage = MlflowStorage(experiment_id)
points = {}

print(f"Spark {spark.version}, {TRIALS} essais par recherche")
print("ouvriers  à la fois  secondes  meilleure sensibilité")
for search, workers in enumerate((1, 1, WORKERS, WORKERS), start=1):
    name = f"svm spark {datetime.now():%Y-%m-%d %H:%M:%S} recherche {search}"
    study = MlflowSparkStudy(
        name, storage, sampler=optuna.samplers.TPESampler(seed=0), direction="maximize"
    )
    parent_id = storage.get_study_id_from_name(name)
    children_of = f"tags.`mlflow.parentRunId` = '{parent_id}'"
    begin = time.perf_counter()
    study.optimize(cv_sensitivity, n_trials=TRIALS, n_jobs=workers)
    seconds = time.perf_counter() - begin

    trials = client.search_runs([experiment_id], children_of, max_results=1000)
    points[search] = {(trial.data.params["C"], trial.data.params["gamma"]) for trial in trials}
    best = max(trial.data.metrics["value"] for trial in trials)
    together = 0
    for one in trials:  # combien d'essais étaient en cours quand celui-ci a commencé, lui compris ?
        start = one.info.start_time
        begun = [each for each in trials if each.info.start_time <= start < each.info.end_time]
        together = max(together, len(begun))
    with mlflow.start_run(run_id=parent_id):
        mlflow.log_params({"workers": workers, "trials": TRIALS, "sampler_seed": 0})
        mlflow.log_metrics(
            {"best_cv_sensitivity": best, "search_seconds": seconds, "trials_at_once": together}
        )
        mlflow.set_tag(
            "mlflow.note.content",
            "SVM RBF : recherche bayésienne (Optuna), essais répartis par Spark.",
        )
    print(f"{workers:8}{together:11}{seconds:10.1f}{best:23.3f}", flush=True)

for title, one, two in (("Un ouvrier", 1, 2), (f"{WORKERS} ouvriers", 3, 4)):
    common = f"{len(points[one] & points[two])} points communs sur {TRIALS}"
    print(f"{title}, deux fois la même graine : {common}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Douze essais trouvent une sensibilité de 0.965, celle du meilleur des trente-cinq couples du
# MAGIC balayage.
# MAGIC
# MAGIC | ouvriers | deux recherches de graine 0 |
# MAGIC |---|---|
# MAGIC | 1 | 12 points communs sur 12 |
# MAGIC | 2 | 0 points communs sur 12 |
# MAGIC
# MAGIC Avec deux ouvriers, la graine ne suffit plus. Pour rejouer une recherche, un seul ouvrier.
