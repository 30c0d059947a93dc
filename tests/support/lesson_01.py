"""Ce que les tests de la leçon 1 partagent : ses scripts, comment relire leurs runs, ce qu'un SVM
doit valoir.
"""

from functools import cache

import mlflow
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
    uri = f"models:/{output.model_id}"
    keras = "tensorflow" in mlflow.models.get_model_info(uri).flavors
    return (mlflow.tensorflow if keras else mlflow.sklearn).load_model(uri)


def answers(model, X):
    """La classe que le modèle donne à chaque ligne ; un réseau ne rend qu'une probabilité."""
    return model.predict(X) if hasattr(model, "classes_") else (risk(model, X) > 0.5).astype(float)


def judged(model, X, y) -> dict[str, float]:
    return clinical_metrics(y, answers(model, X), risk(model, X))


@cache
def svm_metrics(gamma: float) -> dict[str, float]:
    """Les huit métriques d'un SVM de ce `gamma`, recalculées."""
    data = load_patients()
    return judged(svm(1.0, gamma).fit(data.X_train, data.y_train), data.X_valid, data.y_valid)


def is_cross_validated(run) -> bool:
    """Ses métriques sont celles de la validation croisée de son couple, au bit près ; un NaN
    n'égale qu'un NaN.
    """
    expected = cross_validated(svm(*couple(run)), *known_patients())
    return {name: value.hex() for name, value in run.data.metrics.items()} == {
        name: float(value).hex() for name, value in expected.items()
    }


def shown(metrics: dict[str, float], prefix: str = "") -> list[str]:
    """Sensibilité, spécificité, exactitude, telles que les scripts et les tableaux les écrivent."""
    return [f"{metrics[prefix + name]:.3f}" for name in ("sensitivity", "specificity", "accuracy")]


def announced(row: dict[str, str]) -> list[str]:
    """Les trois mêmes, dans une ligne d'un tableau du texte."""
    return [row["sensibilité"], row["spécificité"], row["exactitude"]]
