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
# Deux minutes, dont l'environnement que `uv` rebâtit, en dernier, et qui demande le réseau.

# %%
import os
import tempfile
import time
from pathlib import Path

import git
import mlflow
import pandas as pd
from matplotlib.figure import Figure

# %%
from store import ROOT, open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
repository = git.Repo(ROOT)
uri = f"{ROOT.as_uri()}/%2Egit#03_mlflow_project"  # comme 02_run_from_git.py
commit = repository.head.commit.hexsha

# %% [markdown]
# ## Rejouer, comparer
#
# Rien n'est pris ailleurs que dans le run : source, commit, point d'entrée, paramètres. Un
# processus neuf exécute le tout. Les métriques sont comparées bit pour bit (`float.hex`), celles
# des runs enfants aussi, et les prédictions caractère par caractère.


# %%
def replay(run, source: str | None = None, env_manager: str = "local"):
    """Rejoue `run`, de `source` ou d'où il dit venir ; renvoie le nouveau run, et les secondes."""
    start = time.perf_counter()
    again = mlflow.projects.run(
        source or run.data.tags["mlflow.source.name"],
        run.data.tags["mlflow.project.entryPoint"],
        version=run.data.tags["mlflow.source.git.commit"],
        parameters=run.data.params,
        env_manager=env_manager,
    )
    return mlflow.get_run(again.run_id), time.perf_counter() - start


def outcome(run) -> dict:
    """Les métriques d'un run et de ses enfants, bit pour bit, et leurs prédictions."""
    children = f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    found = {}
    for each in [run, *mlflow.search_runs(filter_string=children, output_format="list")]:
        step = each.data.tags["mlflow.project.entryPoint"]
        found |= {(step, name): value.hex() for name, value in each.data.metrics.items()}
        if step == "train":
            predictions = f"runs:/{each.info.run_id}/valid_predictions.csv"
            found["predictions"] = mlflow.artifacts.load_text(predictions)
    return found


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
mlflow.set_experiment("measurements")
description = "Six runs, chacun suivi de son double, rejoué à partir de ce que MLflow en a noté."
with (
    tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
    mlflow.start_run(run_name="measure_reproducibility", description=description),
):
    tempfile.tempdir = folder  # les clones de MLflow iront là, et disparaîtront
    repository.clone(f"{folder}/clone")
    file = Path(folder, "clone/03_mlflow_project/diabetes.py")
    file.write_text(file.read_text("utf-8").replace("seed: int = 0", "seed: int = 1"), "utf-8")

    rows, originals = [], {}
    for name, (entry_point, parameters) in cases.items():
        source, version = (uri, commit) if name != "code retouché" else (str(file.parent), None)
        original = mlflow.projects.run(
            source, entry_point, version=version, parameters=parameters, env_manager="local"
        )
        run = mlflow.get_run(original.run_id)
        # d'un dossier, MLflow note le chemin, et l'exécuterait tel qu'il est : une retouche
        edited = "%2Egit#" not in run.data.tags["mlflow.source.name"]
        again, seconds = replay(run, uri if edited else None)
        dirty = run.data.tags["git.dirty"] == "true"
        rows.append((name, outcome(run) == outcome(again), dirty, edited, seconds))
        originals[name] = run

    table = pd.DataFrame(rows, columns=["run", "identical", "dirty", "edited", "replay_seconds"])
    table = table.set_index("run")
    sound = table.loc[["elastic_net", "random_forest", "ann", "workflow"]]
    rate, edits = sound["identical"].mean(), sound["edited"].sum()
    effort = sound["replay_seconds"].mean()
    metrics = {
        "success_rate": rate,
        "replay_seconds": effort,
        "hand_edits": int(edits),
        "control_identical": float(table.loc["sans graine", "identical"]),
        "retouched_identical": float(table.loc["code retouché", "identical"]),
        "retouched_flagged": float(table.loc["code retouché", "dirty"]),
    }
    mlflow.log_metrics(metrics)
    mlflow.log_text(table.to_csv(), "replays.csv")
    figure = Figure(figsize=(7, 3.5), layout="tight")
    axes = figure.subplots()
    colors = table["identical"].map({True: "tab:green", False: "tab:red"})
    axes.barh(table.index, table["replay_seconds"], color=colors)
    axes.invert_yaxis()
    axes.set_xlabel("secondes pour rejouer (vert : identique au bit près ; rouge : différent)")
    mlflow.log_figure(figure, "replays.png")

    for name, row in table.iterrows():
        verdict = "identique au bit près" if row["identical"] else "différent"
        flag = " (git.dirty : le run le disait)" if row["dirty"] else ""
        print(f"{name:14} {verdict}{flag}")
    print(f"Taux de réussite, graine fixée et code dans le commit : {100 * rate:.0f} %.")
    print(f"Effort : une commande, {edits} retouche, {effort:.0f} s en moyenne.", flush=True)

    # Le même double, dans un environnement rebâti de zéro d'après python_env.yaml.
    os.environ["MLFLOW_ENV_ROOT"] = folder
    again, seconds = replay(originals["elastic_net"], env_manager="uv")
    same = outcome(originals["elastic_net"]) == outcome(again)
    mlflow.log_metrics({"rebuilt_seconds": seconds, "rebuilt_identical": same})
    verdict = "identique" if same else "différent"
    print(f"Dans un environnement rebâti de zéro : {verdict}, {seconds:.0f} s en tout.")

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
