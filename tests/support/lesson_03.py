"""Ce que les tests de la leçon 3 partagent : recalculer sans le projet, lancer une étape, relire un
run et la page.
"""

import subprocess
import sys
from functools import cache
from io import StringIO
from pathlib import Path

import mlflow
import pages
import pandas as pd
import yaml
from copies import Course
from programs import ended
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from texts import ROOT, lesson_text, path_of

LESSON = "03_mlflow_project"
PAGE = lesson_text(LESSON)
LINEAR = "elastic_net alpha=0.1 l1_ratio=0.5"  # le nom du meilleur run
MLFLOW = str(Path(sys.executable).with_name("mlflow"))


# --------------------------------------------------------------------------------------------------
# recalculer, sans le projet


@cache
def parts(seed: int = 0) -> tuple:
    """X_train, X_valid, X_test, y_train, y_valid, y_test : le découpage que le projet annonce,
    refait ici.
    """
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
    X_train, X_valid, y_train, y_valid = train_test_split(
        X_rest, y_rest, test_size=0.25, random_state=seed
    )
    return X_train, X_valid, X_test, y_train, y_valid, y_test


@cache
def fitted(name: str, alpha: float = 0.1, seed: int = 0, l1_ratio: float = 0.5):
    """Le modèle `name`, refait et entraîné ; `seed` : celle du découpage."""
    network = MLPRegressor(hidden_layer_sizes=(32,), alpha=10, max_iter=1000, random_state=0)
    regressors = {
        "elastic_net": ElasticNet(alpha=alpha, l1_ratio=l1_ratio),
        "random_forest": RandomForestRegressor(random_state=0),
        "ann": TransformedTargetRegressor(network, transformer=StandardScaler()),
    }
    X_train, _, _, y_train, *_ = parts(seed)
    return make_pipeline(StandardScaler(), regressors[name]).fit(X_train, y_train)


def valid_rmse(name: str, alpha: float = 0.1, seed: int = 0) -> float:
    _, X_valid, _, _, y_valid, _ = parts(seed)
    return root_mean_squared_error(y_valid, fitted(name, alpha, seed).predict(X_valid))


def mean_rmse() -> float:
    *_, y_train, y_valid, _ = parts()
    return root_mean_squared_error(y_valid, [y_train.mean()] * len(y_valid))


def in_grams() -> pd.DataFrame:
    """Les patients de la validation, leur cholestérol en g/L."""
    X_valid = parts()[1]
    return X_valid.assign(**X_valid[["s1", "s2", "s3"]] / 100)


# --------------------------------------------------------------------------------------------------
# lancer les étapes


def step(
    course: Course, name: str, *arguments, fails: bool = False
) -> tuple[subprocess.CompletedProcess, object]:
    """Une étape du projet lancée à la main : sa fin, et le run qu'elle a ouvert, ou None."""
    known = len(course.runs("à la main"))
    told = course.fork(
        f"{LESSON}/{name}.py",
        *arguments,
        fails=fails,
        MLFLOW_TRACKING_URI=course.uri,
        MLFLOW_EXPERIMENT_NAME="à la main",
    )
    runs = course.runs("à la main")
    assert len(runs) - known in (0, 1)
    return told, runs[0] if len(runs) > known else None


def by_command(
    course: Course, *arguments: str, cwd: Path | None = None, start=ended, **environment: str
) -> subprocess.CompletedProcess:
    """`mlflow run ...`, tel que le lecteur le tape."""
    return start(
        [sys.executable, MLFLOW, "run", *arguments], cwd or course.root, 300, **environment
    )


# --------------------------------------------------------------------------------------------------
# relire un run


def steps_of(course: Course, parent) -> dict[str, object]:
    return {run.data.tags["mlflow.project.entryPoint"]: run for run in course.children(parent)}


def variant(course: Course, name: str = LINEAR):
    """Le run d'une variante de `run_project`, dans une leçon enregistrée."""
    [run] = [run for run in course.runs_of("run_project") if run.info.run_name == name]
    return run


def text(run, path: str) -> str:
    return mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{path}")


def table(run, path: str, **options) -> pd.DataFrame:
    return pd.read_csv(StringIO(text(run, path)), **options)


def hexes(run) -> dict[str, str]:
    return {name: value.hex() for name, value in run.data.metrics.items()}


def declared(name: str) -> dict:
    """Un fichier YAML du projet."""
    return yaml.safe_load((ROOT / LESSON / name).read_text(encoding="utf-8"))


def announced(command: str) -> list[str]:
    """La sortie que la page montre après cette commande, la dernière de son bloc."""
    return pages.shown(PAGE, command)


def script(name: str, *options: str) -> str:
    """La commande de la page qui lance un script de la leçon."""
    return " ".join([f"uv run {path_of(name)}", *options])
