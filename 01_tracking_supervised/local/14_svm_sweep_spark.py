# jupyter: non (il demande Spark et Java ; à deux ouvriers, les couples changent à chaque fois)
# %% [markdown]
# # Leçon 1, script 14 : annexe, le balayage réparti sur Spark
#
# **Question.** Optuna choisit les couples à essayer, Spark en essaie plusieurs à la fois. Que
# gagne-t-on à l'un, et à l'autre, sur les trente-cinq couples de `svm_sweep` ?
#
# Notez deux pronostics : deux recherches de même graine essaient-elles les mêmes couples ? Et s'il
# y a deux ouvriers ?

# %% [markdown] tags=["local"]
# ```
# uv run --group spark 01_tracking_supervised/local/14_svm_sweep_spark.py
# ```
#
# Une minute, après un téléchargement (Spark, 500 Mo) la première fois. Il faut aussi Java 17 ou
# plus, qui écrit d'abord une dizaine de lignes.

# %%
import time
from datetime import datetime

import mlflow
import optuna
from mlflow.optuna.storage import MlflowStorage
from mlflow.pyspark.optuna.study import MlflowSparkStudy

from patients import cross_validated, known_patients, svm

# %%
TRIALS = 12  # essais par recherche
WORKERS = 2  # essais à la fois

# %% tags=["local"]
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt
os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"  # sans quoi chaque essai écrit sa ligne
# Spark Connect, comme le calcul sans serveur
spark = SparkSession.builder.remote(f"local[{WORKERS}]").getOrCreate()
spark.addArtifact(str(Path(__file__).with_name("patients.py")), pyfile=True)  # pour les ouvriers

# %% [markdown]
# ## Un essai
#
# Optuna propose un couple, un ouvrier le juge par la validation croisée de `svm_sweep`. La fonction
# et les données partent chez lui.

# %%
X, y = known_patients()


def cv_cost(trial: optuna.Trial) -> float:
    """Le critère de la leçon, pour le couple que cet essai propose."""
    C = trial.suggest_float("C", 0.1, 1000, log=True)
    gamma = trial.suggest_float("gamma", 0.0001, 0.3, log=True)
    return cross_validated(svm(C, gamma), X, y)["cv_cost"]


# %% [markdown]
# ## Quatre recherches de même graine
#
# `MlflowSparkStudy` écrit tout dans MLflow : la recherche est un run parent, chaque essai un run
# enfant. C'est aussi par là que les ouvriers se concertent. La première recherche de chaque sorte
# prend plus longtemps, car elle démarre ses ouvriers. (Databricks documente cette classe à partir
# de son runtime ML 17.)

# %%
optuna.logging.set_verbosity(optuna.logging.WARNING)
experiment = mlflow.set_experiment("01_tracking_supervised")
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

# %% tags=["local"]
spark.stop()

# %% [markdown]
# ## À retenir
#
# | recherche | essais | plus petit coût |
# |---|---|---|
# | la grille de `05_svm_sweep.py` | 35 | 66 |
# | Optuna, graine 0 | 12 | 64 |
# | Optuna, graines 0 à 11 | 12 | de 64 à 87, 72 en moyenne |
# | au hasard, graines 0 à 11 | 12 | de 64 à 83, 71 en moyenne |
#
# | ouvriers | deux recherches de graine 0 |
# |---|---|
# | 1 | 12 couples communs sur 12 |
# | 2 | aucun garanti ; nous en avons vu 0 à chaque fois |
#
# Optuna fait gagner des essais, douze au lieu de trente-cinq, pour un coût voisin. À douze essais,
# il ne choisit pas mieux que le hasard, car ses dix premiers couples sont tirés au hasard.
#
# Spark fait gagner du temps : ses ouvriers une fois démarrés, deux essais à la fois, et de 0.4 à
# 0.9 fois la durée d'un seul ouvrier, sur cinq lancements. Il sert quand un essai dure.
#
# À deux ouvriers, la graine ne suffit plus : MLflow en donne une nouvelle à chacun, sans quoi ils
# proposeraient les mêmes couples. Pour rejouer une recherche, prenez un seul ouvrier.
