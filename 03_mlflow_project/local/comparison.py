# databricks: non (ne sert qu'à measure_reproducibility)
"""Ce que `measure_reproducibility` fait autour des runs : les relire, se taire, retoucher le code,
dessiner.
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pandas as pd
from launch import git
from matplotlib.figure import Figure
from mlflow.exceptions import ExecutionException
from rich.console import Console

# la progression s'y affiche même pendant `silenced`
SCREEN = Console(file=os.fdopen(os.dup(2), "w"))


@contextmanager
def silenced():
    """Jette ce qu'écrivent les processus lancés dans le bloc : les runs du projet, et `uv` qui
    bâtit un environnement.

    Lève `SystemExit`, en une ligne, si un projet échoue.
    """
    sys.stdout.flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    with open(os.devnull, "wb") as nowhere:
        for number in saved:
            os.dup2(nowhere.fileno(), number)
    try:
        yield
    except ExecutionException as error:
        raise SystemExit(
            f"{error}. Pour voir pourquoi : uv run 03_mlflow_project/local/02_run_from_git.py"
        ) from None
    finally:
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)


def retouched_clone(project: Path, address: str, folder: str) -> str:
    """Clone dans `folder` le dépôt qui est à `address`, y change la graine du découpage, hors
    commit, et renvoie le dossier du projet.
    """
    git(project, "clone", "--quiet", address, f"{folder}/clone")
    inside = git(project, "rev-parse", "--show-prefix")
    file = Path(folder, "clone", inside, "splits.py")
    file.write_text(
        file.read_text(encoding="utf-8").replace("seed: int = 0", "seed: int = 1"), encoding="utf-8"
    )
    return str(file.parent)


def outcome(run) -> dict:
    """Les métriques d'un run et de ses enfants, bit pour bit (`float.hex`), et leurs prédictions,
    caractère par caractère.
    """
    client = mlflow.MlflowClient()
    children = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    )
    found = {}
    for each in [run, *children]:
        step = each.data.tags["mlflow.project.entryPoint"]
        found |= {(step, name): value.hex() for name, value in each.data.metrics.items()}
        if step == "train":
            found["predictions"] = mlflow.artifacts.load_text(
                f"runs:/{each.info.run_id}/valid_predictions.csv"
            )
    return found


def close_left_running(parent) -> None:
    """Marque FAILED les enfants de `parent` que MLflow a laissés RUNNING : un environnement ne
    s'est pas bâti.
    """
    client = mlflow.MlflowClient()
    left = f"tags.mlflow.parentRunId = '{parent.info.run_id}' AND status = 'RUNNING'"
    for child in client.search_runs([parent.info.experiment_id], left):
        client.set_terminated(child.info.run_id, "FAILED")


def draw(table: pd.DataFrame) -> Figure:
    """Une barre par run : les secondes (`replay_seconds`) qu'il a fallu pour le rejouer."""
    figure = Figure(figsize=(7, 3.5), layout="tight")
    axes = figure.subplots()
    axes.barh(
        table.index,
        table["replay_seconds"],
        color=table["identical"].map({True: "tab:green", False: "tab:red"}),
    )
    axes.invert_yaxis()
    axes.set_xlabel("secondes pour rejouer (vert : identique au bit près ; rouge : différent)")
    return figure
