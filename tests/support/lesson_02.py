"""Ce que les tests de la leçon 2 partagent : ses scripts, ses données, comment relire leurs runs et
le texte.
"""

import platform
from functools import cache

import mlflow
import pytest
from pages import shown
from sklearn.cluster import KMeans
from texts import last_cell, lesson_text, path_of

import digits

FOLDER = "02_tracking_unsupervised"
LOCAL = f"{FOLDER}/local"
README = lesson_text(FOLDER)
X, y = digits.load_images()
on_a_pc = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="les décimales de TensorFlow annoncées sont celles d'un PC",
)


def script(name: str) -> str:
    return path_of(name)


def end_of(name: str) -> str:
    """Ce que la dernière cellule d'un script affirme."""
    return last_cell(script(name))


def section(title: str) -> str:
    """Le texte du README sous le premier titre de second rang qui commence ainsi."""
    return README.partition(f"\n## {title}")[2].partition("\n## ")[0]


def answer(number: int) -> str:
    """La réponse repliée d'une question de « Vérifiez-vous »."""
    return section("Vérifiez-vous").partition(f"<summary>{number}. ")[2].partition("</details>")[0]


def expected_output(name: str) -> str:
    """Ce que la page montre après la commande du script."""
    return "\n".join([*shown(README, f"uv run {script(name)}"), ""])


def model_uri(course, run, name: str) -> str:
    models = [
        course.client().get_logged_model(output.model_id) for output in run.outputs.model_outputs
    ]
    return next(model.model_uri for model in models if model.name == name)


def network(course, run, name: str):
    return mlflow.tensorflow.load_model(model_uri(course, run, name))


def artifact_names(course, run) -> set[str]:
    return {file.path for file in course.client().list_artifacts(run.info.run_id)}


def is_fully_described(run) -> bool:
    return bool(
        run.data.tags.get("mlflow.note.content") and run.inputs.dataset_inputs and run.data.params
    )


def keras_of_the_scripts():
    """Keras, chargé comme les scripts le chargent : `digits` a choisi les instructions avant."""
    from tensorflow import keras

    return keras


def history(course, run, metric: str) -> list[float]:
    """Les valeurs d'une métrique, époque par époque."""
    points = sorted(
        course.client().get_metric_history(run.info.run_id, metric), key=lambda point: point.step
    )
    assert [point.step for point in points] == list(range(len(points)))
    return [point.value for point in points]


def by_step(course, run, metric: str) -> dict[int, float]:
    return {
        point.step: point.value
        for point in course.client().get_metric_history(run.info.run_id, metric)
    }


def aside(course, name: str) -> str:
    """Une expérience à part, où un test écrit."""
    return course.client().create_experiment(name, artifact_location=(course.root / name).as_uri())


@cache
def kmeans(k: int, seed: int = 0) -> KMeans:
    return KMeans(k, n_init=10, random_state=seed).fit(X)
