# databricks: non (la mesure porte sur Git et sur les environnements de votre machine)
# %% [markdown]
# # Leçon 3, mesure : un run est-il reproductible, et à quel prix ?
#
# **Question.** On vous donne un run, et rien d'autre que ce que MLflow en a noté. Retrouverez-vous les mêmes métriques,
# au dernier bit ? Les mêmes prédictions ? Notez un pronostic pour un modèle linéaire, une forêt, un réseau de neurones,
# puis pour une forêt sans graine et pour un code retouché après le commit.

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/local/measure_reproducibility.py
# ```
#
# Deux minutes, dont l'environnement que `uv` rebâtit (`--env-manager local` s'en passe).

# %%
import argparse
import os
import tempfile
import time
from pathlib import Path

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from launch import captured, clone_uri, git, recorded_parameters, recorded_source
from store import open_store

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Rejoue des runs à partir de ce que MLflow en a noté.")
parser.add_argument("--experiment", default="measurements")
parser.add_argument("--env-manager", choices=["uv", "local"], default="uv", help="uv : rebâtit aussi l'environnement ; local : non")
args = parser.parse_args()

# %%
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
project = Path(__file__).resolve().parents[1]
uri, commit = clone_uri(project), git(project, "rev-parse", "HEAD")
client = mlflow.MlflowClient()
screen = Console(file=os.fdopen(os.dup(2), "w"))  # la progression, pendant que `captured` détourne la sortie d'erreur

# %% [markdown]
# ## Rejouer, comparer
#
# Rien n'est pris ailleurs que dans le run : source, commit, point d'entrée, paramètres. Un processus neuf exécute le tout.

# %%
def replay(run, env_manager: str = "local") -> str:
    """Rejoue `run` et renvoie l'identifiant du nouveau."""
    (source, _), entry_point = recorded_source(run), run.data.tags["mlflow.project.entryPoint"]
    commit, parameters = run.data.tags["mlflow.source.git.commit"], recorded_parameters(run)
    return mlflow.projects.run(source, entry_point, version=commit, parameters=parameters, env_manager=env_manager).run_id


def outcome(run_id: str) -> dict:
    """Les métriques du run et de ses enfants, bit pour bit (`float.hex`), et leurs prédictions."""
    children = client.search_runs([experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    found = {}
    for each in [client.get_run(run_id), *children]:
        step = each.data.tags["mlflow.project.entryPoint"]
        found |= {(step, name): value.hex() for name, value in each.data.metrics.items()}
        if step == "train":
            found["predictions"] = mlflow.artifacts.load_text(f"runs:/{each.info.run_id}/valid_predictions.csv")
    return found

# %%
cases = {
    "elastic_net": ("train", {"model": "elastic_net"}),
    "random_forest": ("train", {"model": "random_forest"}),
    "ann": ("train", {"model": "ann"}),
    "workflow": ("main", {"alpha": "0.42"}),
    "sans graine": ("train", {"model": "random_forest", "seed": "none"}),
    "code retouché": ("train", {}),
}
experiment_id = mlflow.set_experiment(args.experiment).experiment_id
description = "Six runs, chacun suivi de son double, rejoué à partir de ce que MLflow en a noté."
temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
with temporary as folder, mlflow.start_run(run_name="measure_reproducibility", description=description) as measure:
    tempfile.tempdir, log = folder, Path(folder, "projet.txt")  # les clones de MLflow iront là, et disparaîtront
    git(project, "clone", "--quiet", uri.partition("#")[0], f"{folder}/clone")
    retouched = Path(folder, "clone", project.name, "diabetes.py")
    code = retouched.read_text(encoding="utf-8")
    retouched.write_text(code.replace("random_state=0", "random_state=1"), encoding="utf-8")  # un autre découpage, hors commit
    rows, originals = [], {}
    for name, (entry_point, parameters) in track(cases.items(), "Runs et doubles", transient=True, console=screen):
        source, version = (str(retouched.parent), None) if name == "code retouché" else (uri, commit)
        with captured(log):
            original = mlflow.projects.run(source, entry_point, version=version, parameters=parameters, env_manager="local")
            originals[name] = run = client.get_run(original.run_id)
            start = time.perf_counter()
            again = replay(run)
            seconds = time.perf_counter() - start
        dirty, same = run.data.tags["git.dirty"] == "true", outcome(original.run_id) == outcome(again)
        rows.append((name, same, dirty, recorded_source(run)[1], seconds))
    table = pd.DataFrame(rows, columns=["run", "identical", "dirty", "edited", "replay_seconds"]).set_index("run")
    sound = table.loc[["elastic_net", "random_forest", "ann", "workflow"]]  # graine fixée, code dans le commit
    mlflow.log_metrics({"success_rate": sound["identical"].mean(), "replay_seconds": sound["replay_seconds"].mean()})
    mlflow.log_metric("hand_edits", int(sound["edited"].sum()))
    mlflow.log_metric("control_identical", float(table.loc["sans graine", "identical"]))
    mlflow.log_metric("retouched_identical", float(table.loc["code retouché", "identical"]))
    mlflow.log_metric("retouched_flagged", float(table.loc["code retouché", "dirty"]))
    mlflow.log_text(table.to_csv(), "replays.csv")
    figure = Figure(figsize=(7, 3.5), layout="tight")
    axes = figure.subplots()
    axes.barh(table.index, table["replay_seconds"], color=table["identical"].map({True: "tab:green", False: "tab:red"}))
    axes.invert_yaxis()
    axes.set_xlabel("secondes pour rejouer (vert : identique au bit près ; rouge : différent)")
    mlflow.log_figure(figure, "replays.png")

    if args.env_manager == "uv":
        os.environ["MLFLOW_ENV_ROOT"] = folder  # un environnement neuf
        start = time.perf_counter()
        try:
            with captured(log):
                again = replay(originals["elastic_net"], "uv")
            seconds, same = time.perf_counter() - start, outcome(originals["elastic_net"].info.run_id) == outcome(again)
            mlflow.log_metrics({"rebuilt_seconds": seconds, "rebuilt_identical": same})
            rebuilt = f"{'identique' if same else 'différent'}, {seconds:.0f} s en tout"
        except SystemExit as error:  # sans réseau, ou sans uv : MLflow laisserait ce run RUNNING
            rebuilt = f"non mesuré ({error})"
            children = f"tags.mlflow.parentRunId = '{measure.info.run_id}'"
            for left in client.search_runs([experiment_id], f"{children} AND status = 'RUNNING'"):
                client.set_terminated(left.info.run_id, "FAILED")

# %%
for name, row in table.iterrows():
    verdict = "identique au bit près" if row["identical"] else "différent"
    print(f"{name:14} {verdict}" + (" (git.dirty : le run le disait)" if row["dirty"] else ""))
print(f"Taux de réussite, graine fixée et code dans le commit : {sound['identical'].mean():.0%}.")
print(f"Effort : une commande, {sound['edited'].sum()} retouche, {sound['replay_seconds'].mean():.0f} s en moyenne.")
if args.env_manager == "uv":
    print(f"Dans un environnement rebâti de zéro : {rebuilt}.")

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/register_models.py")

# %% [markdown]
# ## À retenir
#
# | run | son double est identique | `git.dirty` |
# |---|---|---|
# | ElasticNet, forêt, réseau, workflow | 4 sur 4 | false |
# | forêt sans graine | 0 sur 1 | false |
# | code retouché hors commit | 0 sur 1 | true |
#
# Une commande, aucune retouche : avec une graine et un commit, MLflow rend le run au bit près. Il ne fixe pas la graine, et ne voit
# pas le code retouché : les deux derniers ont un commit et des paramètres, comme les autres.
