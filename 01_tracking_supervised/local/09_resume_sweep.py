# databricks: non (il lance un programme, puis le tue)
# %% [markdown]
# # Leçon 1, script 9 : reprendre ce qui a été coupé
#
# **Question.** Le courant est coupé au milieu d'un balayage. Que reste-t-il dans le magasin, et
# comment finir sans tout refaire ?
#
# Pronostic : quel statut auront les runs du programme mort, dans une heure ? Et demain ?

# %% [markdown]
# ```
# uv run 01_tracking_supervised/local/09_resume_sweep.py
# ```
#
# Vingt secondes, dans une expérience à part, `01_resume_sweep`. Votre propre balayage a été coupé ?
# Pour finir celui-là : `--experiment 01_tracking_supervised --only-resume`.

# %%
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import product
from pathlib import Path
from platform import node

import mlflow
import psutil
from mlflow.models import infer_signature
from rich.console import Console
from rich.progress import track

from options import short_text
from patients import cross_validated, known_patients, pins, svm, sweep_figure

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Lance un balayage, le tue, puis le finit sans refaire ce qui est fait."
)
parser.add_argument("--experiment", type=short_text, default="01_resume_sweep")
parser.add_argument(
    "--only-resume", action="store_true", help="ne rien lancer ni tuer : finir ce qui a été coupé"
)
args = parser.parse_args()

# %%
open_store()
mlflow.set_experiment(args.experiment)

# %% [markdown]
# ## Couper le courant
#
# `04_svm_sweep.py` part pour douze couples ; après trois, il est tué sans préavis.

# %%
FINISHED = "attributes.status = 'FINISHED'"
if not args.only_resume:
    before = len(mlflow.search_runs(filter_string=FINISHED))
    command = [
        sys.executable,
        Path(__file__).with_name("04_svm_sweep.py"),
        "--experiment",
        args.experiment,
    ]
    command += ["--C", "1", "10", "100", "--gamma", "0.001", "0.01", "0.03", "0.1"]
    sweep = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while len(mlflow.search_runs(filter_string=FINISHED)) < before + 3:
        if sweep.poll() is not None:
            raise SystemExit(
                "Le balayage s'est arrêté de lui-même : lancez 04_svm_sweep.py pour voir pourquoi."
            )
        time.sleep(0.2)
    sweep.kill()
    sweep.wait()
    print("Balayage de 12 couples, tué dès que trois au moins sont finis.")

# %% [markdown]
# ## La règle : un run dont le programme est mort est marqué KILLED
#
# MLflow ne peut pas savoir que le programme est mort : ses runs restent RUNNING. Dans ce cours, une
# étiquette de chaque run dit qui l'écrit : la machine, le numéro du programme, l'heure où il est
# né. Tous nos scripts appliquent cette règle en ouvrant le magasin (`close_orphans`, dans
# `store.py`) ; la voici, pour cette expérience.

# %%
for run in mlflow.search_runs(filter_string="attributes.status = 'RUNNING'", output_format="list"):
    # sans étiquette : pas des nôtres
    machine, number, _ = run.data.tags.get("mlflow.source.process", "ailleurs 0 0").split()
    if machine == node() and not psutil.pid_exists(int(number)):
        mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")
        print(f"  {run.info.run_name} : RUNNING, sans programme -> KILLED")

# %% [markdown]
# ## Reprendre
#
# Le parent dit quels couples il voulait (étiquette `grid`), ses enfants finis disent ceux qui sont
# faits. Les autres sont faits ici, sous le même parent. Ce qui résume le balayage vient en
# dernier : un résumé ne se trouve que sur un balayage fini.

# %%
X, y = known_patients()
signature, requirements = infer_signature(X, y.to_numpy()), pins()
unfinished = "attributes.run_name = 'svm balayage' AND attributes.status != 'FINISHED' AND attributes.status != 'RUNNING'"
for parent in mlflow.search_runs(filter_string=unfinished, output_format="list"):
    grid = json.loads(parent.data.tags["grid"])
    children = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    finished = mlflow.search_runs(filter_string=f"{children} AND {FINISHED}", output_format="list")
    done = {(float(run.data.params["C"]), float(run.data.params["gamma"])) for run in finished}
    left = [couple for couple in product(grid["C"], grid["gamma"]) if couple not in done]

    with mlflow.start_run(run_id=parent.info.run_id):
        # c'est ce programme-ci, désormais, qui écrit dans le parent
        mlflow.set_tags(json.loads(os.environ["MLFLOW_RUN_CONTEXT"]))
        for C, gamma in track(left, "SVM", console=Console(stderr=True), transient=True):
            with mlflow.start_run(run_name=f"C={C:g} gamma={gamma:g}", nested=True):
                model = svm(C, gamma)
                mlflow.log_params({"C": C, "gamma": gamma})
                scores = cross_validated(model, X, y)
                model.fit(X, y)
                logged = mlflow.sklearn.log_model(
                    model, name="svm", signature=signature, pip_requirements=requirements
                )
                mlflow.log_metrics(scores, model_id=logged.model_id)

        best_first = ["metrics.cv_sensitivity DESC", "metrics.cv_specificity DESC"]
        points = mlflow.search_runs(filter_string=f"{children} AND {FINISHED}", order_by=best_first)
        points = points.astype({"params.C": float, "params.gamma": float})
        mlflow.set_tag("best_run_id", points.iloc[0]["run_id"])
        mlflow.log_metric("best_cv_sensitivity", points.iloc[0]["metrics.cv_sensitivity"])
        mlflow.log_figure(sweep_figure(points), "metric_against_parameter.png")
    print(
        f"Balayage repris : {len(done)} couples déjà faits, {len(left)} faits maintenant, {len(points)} en tout"
    )

# %%
statuses = Counter(run.info.status for run in mlflow.search_runs(output_format="list"))
print(
    "Dans l'expérience : "
    + ", ".join(f"{number} runs {status}" for status, number in sorted(statuses.items()))
)

# %% [markdown]
# ## À retenir
#
# Un programme tué laisse RUNNING son parent et l'enfant en cours. Trois couples au moins étaient
# finis : ils ne sont pas refaits, et les 12 sont là, chacun une fois. L'enfant coupé reste KILLED :
# c'est ce qui lui est arrivé.
#
# Pour cela, il a suffi que chaque run dise quel programme l'écrit, et que le parent dise ce qu'il y
# avait à faire.
