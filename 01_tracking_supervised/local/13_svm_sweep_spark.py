# jupyter: non (il demande Spark et Java, et deux recherches à deux ouvriers ne donnent pas les mêmes points)
# %% [markdown]
# # Leçon 1, script 13 : annexe, le balayage réparti sur Spark
#
# **Question.** Vingt machines essaient vingt réglages à la fois. Que gagne-t-on sur `svm_sweep`, et
# que perd-on ?
#
# Notez deux pronostics : deux recherches de même graine essaient-elles les mêmes points ? Et s'il y
# a deux ouvriers ?

# %% [markdown] tags=["local"]
# ```
# uv run --group spark 01_tracking_supervised/local/13_svm_sweep_spark.py
# ```
#
# Une minute, après un téléchargement (Spark, 500 Mo) la première fois. Il faut aussi Java 17 ou
# plus.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

from importlib.util import find_spec

if not find_spec("pyspark") or not find_spec("optuna"):
    raise SystemExit(
        "Spark et Optuna manquent : uv run --group spark 01_tracking_supervised/local/13_svm_sweep_spark.py"
    )

# %%
import argparse
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

from options import short_text, whole_number
from patients import known_patients

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="La recherche du meilleur SVM, un essai par run, répartie par Spark."
)
parser.add_argument(
    "--experiment", type=short_text, default="01_tracking_supervised"
)  # databricks: "/Shared/01_tracking_supervised"
parser.add_argument("--trials", type=whole_number(1, 1000), default=12, help="essais par recherche")
parser.add_argument("--workers", type=whole_number(1, 1000), default=2, help="essais à la fois")
args = parser.parse_args()

# %% tags=["local"]
import os
import sys
import warnings

from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

open_store()
# « pandas 3 » : rien de ce que l'on utilise
warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")
os.environ["PYSPARK_PYTHON"] = sys.executable
stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(devnull, 2)  # la machine Java écrit ses avertissements hors de Python
try:
    # Spark Connect, comme le calcul sans serveur
    spark = SparkSession.builder.remote(f"local[{args.workers}]").getOrCreate()
except PySparkRuntimeError:
    raise SystemExit(
        "Spark ne démarre pas : il lui faut Java 17 ou plus (https://adoptium.net)."
    ) from None
finally:
    os.dup2(stderr, 2)

# %% [markdown]
# ## Un essai
#
# Optuna propose un point, un ouvrier le juge par la validation croisée de `svm_sweep` ; fonction et
# données partent chez lui.

# %%
X, y = known_patients()
folds = StratifiedKFold(5, shuffle=True, random_state=0)


def cv_sensitivity(trial: optuna.Trial) -> float:
    C = trial.suggest_float("C", 0.1, 1000, log=True)
    gamma = trial.suggest_float("gamma", 0.0001, 0.3, log=True)
    model = make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))
    return recall_score(y, cross_val_predict(model, X, y, cv=folds), pos_label=1.0)


# %% [markdown]
# ## Quatre recherches de même graine
#
# `MlflowSparkStudy` écrit tout dans MLflow : la recherche est un run parent, chaque essai un run
# enfant. C'est aussi par là que les ouvriers se concertent. (Databricks la documente à partir de
# son runtime ML 17.)

# %%
optuna.logging.set_verbosity(optuna.logging.WARNING)
client = mlflow.MlflowClient()
experiment_id = mlflow.set_experiment(args.experiment).experiment_id
storage = MlflowStorage(experiment_id)
points = {}

print(
    f"Spark {spark.version}, {args.trials} essais par recherche\nouvriers  à la fois  secondes  meilleure sensibilité"
)
for search, workers in enumerate((1, 1, args.workers, args.workers), start=1):
    name = f"svm spark {datetime.now():%Y-%m-%d %H:%M:%S} recherche {search}"
    study = MlflowSparkStudy(
        name, storage, sampler=optuna.samplers.TPESampler(seed=0), direction="maximize"
    )
    parent_id = storage.get_study_id_from_name(name)
    children_of = f"tags.`mlflow.parentRunId` = '{parent_id}'"
    begin = time.perf_counter()
    try:
        study.optimize(cv_sensitivity, n_trials=args.trials, n_jobs=workers)
    except BaseException:  # Ctrl-C : ni la recherche ni ses essais ne resteront RUNNING
        left = client.search_runs(
            [experiment_id], f"{children_of} AND attributes.status = 'RUNNING'", max_results=1000
        )
        for run_id in (parent_id, *(run.info.run_id for run in left)):
            client.set_terminated(run_id, "KILLED")
        raise
    seconds = time.perf_counter() - begin

    trials = client.search_runs([experiment_id], children_of, max_results=1000)
    points[search] = {(trial.data.params["C"], trial.data.params["gamma"]) for trial in trials}
    best = max(trial.data.metrics["value"] for trial in trials)
    together = 0
    for one in trials:  # combien d'essais étaient en cours quand celui-ci a commencé, lui compris ?
        begun = [
            each
            for each in trials
            if each.info.start_time <= one.info.start_time < each.info.end_time
        ]
        together = max(together, len(begun))
    with mlflow.start_run(run_id=parent_id):
        mlflow.log_params({"workers": workers, "trials": args.trials, "sampler_seed": 0})
        mlflow.log_metrics(
            {"best_cv_sensitivity": best, "search_seconds": seconds, "trials_at_once": together}
        )
        mlflow.set_tag(
            "mlflow.note.content",
            "SVM RBF : recherche bayésienne (Optuna), essais répartis par Spark.",
        )
    print(f"{workers:8}{together:11}{seconds:10.1f}{best:23.3f}", flush=True)

for title, one, two in (("Un ouvrier", 1, 2), (f"{args.workers} ouvriers", 3, 4)):
    print(
        f"{title}, deux fois la même graine : {len(points[one] & points[two])} points communs sur {args.trials}"
    )

# %% tags=["local"]
spark.stop()

# %% [markdown]
# ## À retenir
#
# Douze essais trouvent une sensibilité de 0.965, celle du meilleur des trente-cinq couples du
# balayage.
#
# | ouvriers | deux recherches de graine 0 |
# |---|---|
# | 1 | 12 points communs sur 12 |
# | 2 | 0 points communs sur 12 |
#
# Avec deux ouvriers, la graine ne suffit plus. Pour rejouer une recherche, un seul ouvrier.
