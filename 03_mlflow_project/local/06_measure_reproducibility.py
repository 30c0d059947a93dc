# databricks: non (la mesure porte sur Git et sur les environnements de votre machine)
# %% [markdown]
# # Leçon 3, script 6 : un run est-il reproductible, et à quel prix ?
#
# **Question.** On vous donne un run, et rien d'autre que ce que MLflow en a noté. Retrouverez-vous
# les mêmes métriques, au bit près ? Les mêmes prédictions ? Notez un pronostic pour un modèle
# linéaire, une forêt, un réseau de neurones, puis pour une forêt sans graine et pour un code
# retouché après le commit.

# %% [markdown]
# ```
# uv run 03_mlflow_project/local/06_measure_reproducibility.py
# ```
#
# Deux minutes, dont l'environnement que `uv` rebâtit (`--env-manager local` s'en passe).

# %%
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import os
import tempfile
import time
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.utils.process import ShellCommandException
from rich.progress import track

from comparison import SCREEN, close_left_running, draw, outcome, retouched_clone, silenced
from launch import clone_uri, git, reason, recorded_parameters, recorded_source
from options import short_text

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Rejoue des runs à partir de ce que MLflow en a noté.")
parser.add_argument("--experiment", type=short_text, default="measurements")
parser.add_argument(
    "--env-manager",
    choices=["uv", "local"],
    default="uv",
    help="uv : rebâtit aussi l'environnement ; local : non",
)
args = parser.parse_args()

# %%
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
project = Path(__file__).resolve().parents[1]
uri, commit = clone_uri(project), git(project, "rev-parse", "HEAD")
client = mlflow.MlflowClient()

# %% [markdown]
# ## Rejouer, comparer
#
# Rien n'est pris ailleurs que dans le run : source, commit, point d'entrée, paramètres. Un
# processus neuf exécute le tout. Les métriques sont comparées bit pour bit (`float.hex`), celles
# des runs enfants aussi, et les prédictions caractère par caractère.


# %%
def replay(run, env_manager: str = "local"):
    """Rejoue `run` et renvoie le nouveau run."""
    source, entry_point = recorded_source(run)[0], run.data.tags["mlflow.project.entryPoint"]
    commit, parameters = run.data.tags["mlflow.source.git.commit"], recorded_parameters(run)
    return client.get_run(
        mlflow.projects.run(
            source, entry_point, version=commit, parameters=parameters, env_manager=env_manager
        ).run_id
    )


# %% [markdown]
# ## Six runs, et leurs doubles
#
# Quatre ont une graine et un code qui est dans le commit. À la forêt « sans graine », il manque la
# première ; au « code retouché », le second : il découpe autrement, hors commit.

# %%
cases = {
    "elastic_net": ("train", {"model": "elastic_net"}),
    "random_forest": ("train", {"model": "random_forest"}),
    "ann": ("train", {"model": "ann"}),
    "workflow": ("main", {"alpha": "0.42"}),
    "sans graine": ("train", {"model": "random_forest", "seed": "none"}),
    "code retouché": ("train", {}),
}
mlflow.set_experiment(args.experiment)
description = "Six runs, chacun suivi de son double, rejoué à partir de ce que MLflow en a noté."
temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
with (
    temporary as folder,
    mlflow.start_run(run_name="measure_reproducibility", description=description) as measure,
):
    tempfile.tempdir = folder  # les clones de MLflow iront là, et disparaîtront
    retouched = retouched_clone(project, uri.partition("#")[0], folder)
    rows, originals = [], {}
    for name, (entry_point, parameters) in track(
        cases.items(), "Runs et doubles", transient=True, console=SCREEN
    ):
        source, version = (retouched, None) if name == "code retouché" else (uri, commit)
        with silenced():
            original = mlflow.projects.run(
                source, entry_point, version=version, parameters=parameters, env_manager="local"
            )
            run = originals[name] = client.get_run(original.run_id)
            start = time.perf_counter()
            again = replay(run)
            seconds = time.perf_counter() - start
        dirty, same = run.data.tags["git.dirty"] == "true", outcome(run) == outcome(again)
        rows.append((name, same, dirty, recorded_source(run)[1], seconds))
    table = pd.DataFrame(
        rows, columns=["run", "identical", "dirty", "edited", "replay_seconds"]
    ).set_index("run")
    sound = table.loc[["elastic_net", "random_forest", "ann", "workflow"]]
    mlflow.log_metrics(
        {
            "success_rate": sound["identical"].mean(),
            "replay_seconds": sound["replay_seconds"].mean(),
            "hand_edits": int(sound["edited"].sum()),
            "control_identical": float(table.loc["sans graine", "identical"]),
            "retouched_identical": float(table.loc["code retouché", "identical"]),
            "retouched_flagged": float(table.loc["code retouché", "dirty"]),
        }
    )
    mlflow.log_text(table.to_csv(), "replays.csv")
    mlflow.log_figure(draw(table), "replays.png")

    # Le même double, dans un environnement rebâti de zéro d'après python_env.yaml.
    rebuilt = None
    if args.env_manager == "uv":
        os.environ["MLFLOW_ENV_ROOT"] = folder
        start = time.perf_counter()
        try:
            with silenced(), SCREEN.status("Environnement"):
                again = replay(originals["elastic_net"], "uv")
            seconds, same = (
                time.perf_counter() - start,
                outcome(originals["elastic_net"]) == outcome(again),
            )
            mlflow.log_metrics({"rebuilt_seconds": seconds, "rebuilt_identical": same})
            rebuilt = f"{'identique' if same else 'différent'}, {seconds:.0f} s en tout"
        # sans réseau, ou sans uv
        except (MlflowException, ShellCommandException, OSError) as error:
            rebuilt = f"non mesuré ({reason(error)})"
            close_left_running(measure)

# %%
for name, row in table.iterrows():
    verdict = "identique au bit près" if row["identical"] else "différent"
    print(f"{name:14} {verdict}" + (" (git.dirty : le run le disait)" if row["dirty"] else ""))
rate = 100 * sound["identical"].mean()
print(f"Taux de réussite, graine fixée et code dans le commit : {rate:.0f} %.")
print(
    f"Effort : une commande, {sound['edited'].sum()} retouche, {sound['replay_seconds'].mean():.0f} s en moyenne."
)
if rebuilt:
    print(f"Dans un environnement rebâti de zéro : {rebuilt}.")

# %%

# %% [markdown]
# ## À retenir
#
# | run | son double est identique | `git.dirty` |
# |---|---|---|
# | ElasticNet, forêt, réseau, workflow | 4 sur 4 | false |
# | forêt sans graine | 0 sur 1 | false |
# | code retouché hors commit | 0 sur 1 | true |
#
# Une commande, aucune retouche : avec une graine et un commit, MLflow rend ici le run au bit près.
# Il ne fixe pas la graine ; et rien de ce qu'il note ne distingue le code retouché de celui du
# commit : il a fallu notre étiquette, `git.dirty`.
