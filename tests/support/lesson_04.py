"""Ce que les tests de la leçon 4 partagent : le registre relu, sa page, les candidats appris et
jugés une fois par processus.
"""

import re
from functools import cache
from subprocess import CompletedProcess
from types import SimpleNamespace

import mlflow
from copies import Course
from recording import Recorded
from texts import ROOT, last_cell, lesson_text, path_of
from wines import candidates, cross_validated, load_wines

LESSON, MODEL, PRODUCTION = "04_model_registry_azureml", "wine_cultivars", "wine_cultivars_new"
LOCAL = f"{LESSON}/local"
ENDPOINT = ROOT / LESSON / "endpoint"
PAGE = lesson_text(LESSON)
FAMILIES = ("decision_tree", "random_forest", "logistic_regression")
WINES = load_wines()


def script(name: str) -> str:
    return path_of(name)


def end_of(name: str) -> str:
    """La dernière cellule d'un script, d'un trait."""
    return re.sub(r"\s+", " ", last_cell(script(name)))


# --- recalculer


@cache
def fitted(family: str):
    """Ce candidat, appris ici."""
    return candidates()[family].fit(WINES.X_train, WINES.y_train)


@cache
def scores() -> dict[str, dict[str, float]]:
    """Les métriques des trois candidats, recalculées ici."""
    return {
        name: cross_validated(model, WINES.X_train, WINES.y_train)
        for name, model in candidates().items()
    }


# --- relire


def registry(course: Course) -> SimpleNamespace:
    """Le registre tel qu'il est : alias, étiquettes du nom, versions, noms."""
    client = course.client()
    model = client.get_registered_model(MODEL)
    versions = [int(each.version) for each in client.search_model_versions(f"name = '{MODEL}'")]
    return SimpleNamespace(
        aliases={alias: int(version) for alias, version in model.aliases.items()},
        history=[line for key, line in sorted(model.tags.items()) if key.startswith("history_")],
        versions={
            number: client.get_model_version(MODEL, str(number)) for number in sorted(versions)
        },
        names={each.name for each in client.search_registered_models()},
    )


def moves(history: list[str]) -> list[str]:
    """« 1 -> 2 » pour chaque ligne de l'histoire."""
    return [line.split("@champion : ")[1].split(",")[0] for line in history]


def predicted(course: Course, version: int | str, wines=WINES.X_test) -> list[str]:
    """Ce que la version inscrite répond pour ces vins."""
    course.client()
    return mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").predict(wines).tolist()


def one_line(told: CompletedProcess) -> str:
    """Ce que dit un script qui refuse de lui-même."""
    [said] = told.stderr.splitlines()
    assert told.returncode == 1
    return said


def last_line(told: CompletedProcess) -> str:
    """Au bout de la trace, l'erreur de MLflow, du SDK ou de Python, que le script laisse passer."""
    assert told.returncode == 1 and "Traceback" in told.stderr, told.stderr
    return told.stderr.splitlines()[-1]


def with_server(whole: Recorded) -> Recorded:
    """La leçon entière : deploy_local y a bâti l'environnement du serveur d'Azure ML.

    Saute le test si uv manque.
    """
    whole.ended("deploy_local")
    built = whole.root / LESSON / ".venv-server/built-from.txt"
    assert built.read_bytes() == (ENDPOINT / "requirements.txt").read_bytes(), (
        "l'environnement a vieilli : pytest --cache-clear"
    )
    return whole
