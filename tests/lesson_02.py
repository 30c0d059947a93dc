"""Ce que les tests de la leçon 2 partagent : ses scripts, ses données, comment relire ses runs."""

import re
from functools import cache

import digits
from conftest import ROOT, Course
from sklearn.cluster import KMeans

FOLDER = "02_tracking_unsupervised"
SWEEP, AUTOENCODER, CHECKPOINTS, COMPARE, SYSTEM, MEASURE = (
    f"{FOLDER}/local/{name}.py"
    for name in ("kmeans_sweep", "autoencoder", "checkpoints", "compare_representations", "system_metrics", "measure_storage")
)
X, y = digits.load_images()


def named(course: Course, name: str, experiment: str = FOLDER):
    """Le plus récent run de ce nom."""
    return next(run for run in course.runs(experiment) if run.info.run_name == name)


def children(course: Course, parent) -> list:
    return course.runs(FOLDER, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")


def model_uri(course: Course, run, name: str) -> str:
    models = [course.client().get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    return next(model.model_uri for model in models if model.name == name)


def artifact_names(course: Course, run) -> set[str]:
    return {file.path for file in course.client().list_artifacts(run.info.run_id)}


def is_fully_described(course: Course, run) -> bool:
    return bool(run.data.tags.get("mlflow.note.content") and run.inputs.dataset_inputs and run.data.params)


README = (ROOT / FOLDER / "README.md").read_text(encoding="utf-8")


def expected_output(script: str) -> str:
    """Le bloc ```text qui suit la commande du script dans le README de la leçon."""
    return re.search(rf"uv run {re.escape(script)}\n```.*?```text\n(.*?)```", README, re.DOTALL)[1]


def section(title: str) -> str:
    """Le texte du README sous le premier titre de second rang qui commence ainsi."""
    return README.partition(f"\n## {title}")[2].partition("\n## ")[0]


def answer(number: int) -> str:
    """La réponse repliée d'une question de « Vérifiez-vous »."""
    return section("Vérifiez-vous").partition(f"<summary>{number}. ")[2].partition("</details>")[0]


@cache
def kmeans(k: int, seed: int = 0) -> KMeans:
    return KMeans(k, n_init=10, random_state=seed).fit(X)


def history(course: Course, run, metric: str) -> list[float]:
    """Les valeurs d'une métrique, époque par époque."""
    points = sorted(course.client().get_metric_history(run.info.run_id, metric), key=lambda point: point.step)
    assert [point.step for point in points] == list(range(1, len(points) + 1))
    return [point.value for point in points]


def by_step(course: Course, run, metric: str) -> dict[int, float]:
    return {point.step: point.value for point in course.client().get_metric_history(run.info.run_id, metric)}


def in_text(pattern: str, text: str) -> tuple[str, ...]:
    """Ce qu'un texte annonce, lu dans le texte : les groupes de `pattern` ; un blanc y vaut aussi un retour à la ligne."""
    found = re.search(pattern.replace(" ", r"\s+"), text, re.DOTALL)
    assert found, f"« {pattern} » ne se lit plus dans le texte"
    return found.groups()
