"""Ce que les tests de la leçon 1 partagent : ses scripts, comment relire leurs runs, ce qu'un SVM
doit valoir.
"""

from functools import cache

import mlflow
import numpy as np
from texts import last_cell, lesson_text, path_of

from patients import clinical_metrics, cross_validated, known_patients, load_patients, risk, svm

EXPERIMENT = "01_tracking_supervised"
LOCAL = f"{EXPERIMENT}/local"
README = lesson_text(EXPERIMENT)


def end_of(script: str) -> str:
    """Ce que la dernière cellule d'un script affirme."""
    return last_cell(path_of(script))


def couple(run) -> tuple[float, float]:
    return float(run.data.params["C"]), float(run.data.params["gamma"])


def model_of(run):
    """Le modèle, relu, d'un run qui n'en a produit qu'un."""
    [output] = run.outputs.model_outputs
    return mlflow.sklearn.load_model(f"models:/{output.model_id}")


def judged(model, X, y) -> dict[str, float]:
    return clinical_metrics(y, model.predict(X), risk(model, X))


@cache
def svm_metrics(gamma: float) -> dict[str, float]:
    """Les neuf métriques d'un SVM de ce `gamma`, recalculées."""
    data = load_patients()
    return judged(svm(1.0, gamma).fit(data.X_train, data.y_train), data.X_valid, data.y_valid)


def wrong(y, predicted) -> tuple[int, int]:
    """Tumeurs malignes manquées, fausses alertes ; comptées une à une, sans `patients.cost`."""
    y, predicted = np.asarray(y), np.asarray(predicted)
    return int(((y == 1) & (predicted == 0)).sum()), int(((y == 0) & (predicted == 1)).sum())


def cost_of(y, predicted) -> int:
    missed, false_alarms = wrong(y, predicted)
    return 10 * missed + false_alarms


def counted(run) -> tuple[int, int]:
    """Manquées et fausses alertes d'un couple du balayage, d'après ses métriques `cv_`."""
    y = known_patients()[1]
    missed = (1 - run.data.metrics["cv_sensitivity"]) * y.sum()
    return round(missed), round(run.data.metrics["cv_fall_out"] * (1 - y).sum())


def is_cross_validated(run) -> bool:
    """Ses métriques sont celles de la validation croisée de son couple, au bit près ; un NaN
    n'égale qu'un NaN.
    """
    expected = cross_validated(svm(*couple(run)), *known_patients())
    return {name: value.hex() for name, value in run.data.metrics.items()} == {
        name: float(value).hex() for name, value in expected.items()
    }
