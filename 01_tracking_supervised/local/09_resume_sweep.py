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
# Vingt secondes, dans une expérience à part, `01_resume_sweep`. L'option `--only-resume` finit
# votre propre balayage.

# %%
import argparse
import subprocess
import sys
import time
from collections import Counter
from itertools import product
from pathlib import Path
from platform import node

import mlflow
import psutil

from resume_sweep import PROCESS, run_couples, summarize

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Lance un balayage, le tue, puis le finit sans refaire ce qui est fait."
)
parser.add_argument(
    "--only-resume",
    action="store_true",
    help="ne rien lancer ni tuer : finir les balayages de svm_sweep qui ont été interrompus",
)
args = parser.parse_args()

# %%
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt
mlflow.set_experiment("01_tracking_supervised" if args.only_resume else "01_resume_sweep")

# %% [markdown]
# ## Couper le courant
#
# `resume_sweep.py` part pour douze couples ; après trois, il est tué sans préavis.

# %%
FINISHED = "attributes.status = 'FINISHED'"
if not args.only_resume:
    before = len(mlflow.search_runs(filter_string=FINISHED))
    sweep = subprocess.Popen([sys.executable, Path(__file__).with_name("resume_sweep.py")])
    while sweep.poll() is None and len(mlflow.search_runs(filter_string=FINISHED)) < before + 3:
        time.sleep(0.2)
    sweep.kill()
    sweep.wait()
    print("Balayage de 12 couples, tué dès que trois au moins sont finis.")

# %% [markdown]
# ## Un run dont le programme est mort est marqué KILLED
#
# MLflow ne peut pas savoir que le programme est mort : ses runs restent RUNNING. Dans ce balayage,
# une étiquette que ce cours ajoute, `process`, dit qui écrit chaque run : la machine, et le numéro
# du programme. Il reste à chercher ceux dont le programme n'existe plus.

# %%
running_here = f"attributes.status = 'RUNNING' AND tags.process LIKE '{node()} %'"
for run in mlflow.search_runs(filter_string=running_here, output_format="list"):
    pid = int(run.data.tags["process"].split()[1])
    if not psutil.pid_exists(pid):
        mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")
        print(f"  {run.info.run_name} : RUNNING, sans programme -> KILLED")

# %% [markdown]
# ## Reprendre
#
# Le parent dit quels couples il voulait (`grid.json`), ses enfants finis disent ceux qui sont
# faits. Les autres passent par la même fonction, `run_couples`, sous le même parent. Le résumé
# s'écrit en dernier, quand tous les couples sont faits.

# %%
unfinished = (
    "attributes.run_name = 'svm balayage'"
    " AND attributes.status != 'FINISHED' AND attributes.status != 'RUNNING'"
)
for parent in mlflow.search_runs(filter_string=unfinished, output_format="list"):
    grid = mlflow.artifacts.load_dict(f"runs:/{parent.info.run_id}/grid.json")
    children = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    finished = mlflow.search_runs(filter_string=f"{children} AND {FINISHED}", output_format="list")
    done = {(float(run.data.params["C"]), float(run.data.params["gamma"])) for run in finished}
    left = [couple for couple in product(grid["C"], grid["gamma"]) if couple not in done]

    with mlflow.start_run(run_id=parent.info.run_id):
        mlflow.set_tag("process", PROCESS)  # c'est ce programme-ci, désormais, qui écrit ici
        run_couples(left)
        total = summarize(parent.info.run_id)
    counted = f"{len(done)} couples déjà faits, {len(left)} faits maintenant, {total} en tout"
    print(f"Balayage repris : {counted}")

# %%
statuses = Counter(run.info.status for run in mlflow.search_runs(output_format="list"))
counted = ", ".join(f"{number} runs {status}" for status, number in sorted(statuses.items()))
print(f"Dans l'expérience : {counted}")

# %% [markdown]
# ## À retenir
#
# Un programme tué laisse RUNNING son parent et l'enfant en cours. Trois couples au moins étaient
# finis : ils ne sont pas refaits, et les 12 sont là, chacun une fois. L'enfant coupé reste KILLED :
# c'est ce qui lui est arrivé.
#
# Pour cela, il a suffi que chaque run dise quel programme l'écrit, que le parent dise ce qu'il y
# avait à faire, et qu'une seule fonction serve au balayage et à sa reprise.
