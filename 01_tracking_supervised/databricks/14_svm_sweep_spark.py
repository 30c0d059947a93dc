# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/14_svm_sweep_spark.py par tools/build.py. -->
# MAGIC # Leçon 1, script 14 : annexe, le balayage réparti sur Spark
# MAGIC
# MAGIC **Question.** Optuna choisit les couples à essayer, Spark en essaie plusieurs à la fois. Que
# MAGIC gagne-t-on à l'un, et à l'autre, sur les trente-cinq couples de `svm_sweep` ?
# MAGIC
# MAGIC Notez deux pronostics : deux recherches de même graine essaient-elles les mêmes couples ? Et s'il
# MAGIC y a deux ouvriers ?

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

# COMMAND ----------

TRIALS = 12  # essais par recherche
WORKERS = 2  # essais à la fois

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un essai
# MAGIC
# MAGIC Optuna propose un couple, un ouvrier le juge par la validation croisée de `svm_sweep`. La fonction
# MAGIC et les données partent chez lui.

# COMMAND ----------

X, y = known_patients()


def cv_cost(trial: optuna.Trial) -> float:
    """Le critère de la leçon, pour le couple que cet essai propose."""
    C = trial.suggest_float("C", 0.1, 1000, log=True)
    gamma = trial.suggest_float("gamma", 0.0001, 0.3, log=True)
    return cross_validated(svm(C, gamma), X, y)["cv_cost"]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Quatre recherches de même graine
# MAGIC
# MAGIC `MlflowSparkStudy` écrit tout dans MLflow : la recherche est un run parent, chaque essai un run
# MAGIC enfant. C'est aussi par là que les ouvriers se concertent. La première recherche de chaque sorte
# MAGIC prend plus longtemps, car elle démarre ses ouvriers. (Databricks documente cette classe à partir
# MAGIC de son runtime ML 17.)

# COMMAND ----------

optuna.logging.set_verbosity(optuna.logging.WARNING)
experiment = mlflow.set_experiment("/Shared/01_tracking_supervised")
storage = MlflowStorage(experiment.experiment_id)
description = "SVM RBF : couples proposés par Optuna, essais répartis par Spark."
couples = {}

print("ouvriers  à la fois  secondes  plus petit coût")
for search, workers in enumerate((1, 1, WORKERS, WORKERS), start=1):
    name = f"svm spark {datetime.now():%Y-%m-%d %H:%M:%S} recherche {search}"
    sampler = optuna.samplers.TPESampler(seed=0)
    study = MlflowSparkStudy(name, storage, sampler=sampler, direction="minimize")
    begin = time.perf_counter()
    study.optimize(cv_cost, n_trials=TRIALS, n_jobs=workers)
    seconds = time.perf_counter() - begin

    trials = study.trials
    couples[search] = {(trial.params["C"], trial.params["gamma"]) for trial in trials}
    # combien d'essais étaient en cours quand l'un a commencé, lui compris ?
    together = max(
        sum(each.datetime_start <= one.datetime_start < each.datetime_complete for each in trials)
        for one in trials
    )
    parent_id = storage.get_study_id_from_name(name)
    with mlflow.start_run(run_id=parent_id, description=description):
        mlflow.log_params({"workers": workers, "trials": TRIALS, "sampler_seed": 0})
        mlflow.log_metrics(
            {
                "best_cv_cost": study.best_value,
                "search_seconds": seconds,
                "trials_at_once": together,
            }
        )
    print(f"{workers:8}{together:11}{seconds:10.1f}{study.best_value:17.0f}", flush=True)

for title, one, two in (("Un ouvrier", 1, 2), (f"{WORKERS} ouvriers", 3, 4)):
    common = f"{len(couples[one] & couples[two])} couples communs sur {TRIALS}"
    print(f"{title}, deux fois la même graine : {common}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | recherche | essais | plus petit coût |
# MAGIC |---|---|---|
# MAGIC | la grille de `05_svm_sweep.py` | 35 | 66 |
# MAGIC | Optuna, graine 0 | 12 | 64 |
# MAGIC | Optuna, graines 0 à 11 | 12 | de 64 à 87, 72 en moyenne |
# MAGIC | au hasard, graines 0 à 11 | 12 | de 64 à 83, 71 en moyenne |
# MAGIC
# MAGIC | ouvriers | deux recherches de graine 0 |
# MAGIC |---|---|
# MAGIC | 1 | 12 couples communs sur 12 |
# MAGIC | 2 | aucun garanti ; nous en avons vu 0 à chaque fois |
# MAGIC
# MAGIC Optuna fait gagner des essais, douze au lieu de trente-cinq, pour un coût voisin. À douze essais,
# MAGIC il ne choisit pas mieux que le hasard, car ses dix premiers couples sont tirés au hasard.
# MAGIC
# MAGIC Spark fait gagner du temps : ses ouvriers une fois démarrés, deux essais à la fois, et de 0.4 à
# MAGIC 0.9 fois la durée d'un seul ouvrier, sur cinq lancements. Il sert quand un essai dure.
# MAGIC
# MAGIC À deux ouvriers, la graine ne suffit plus : MLflow en donne une nouvelle à chacun, sans quoi ils
# MAGIC proposeraient les mêmes couples. Pour rejouer une recherche, prenez un seul ouvrier.
