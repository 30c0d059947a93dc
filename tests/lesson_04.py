"""Ce que les tests de la leçon 4 partagent : les scripts, le registre relu, ce que le README annonce."""

import contextlib
import os
import re
from types import SimpleNamespace

import mlflow
from conftest import ROOT, Course
from filelock import FileLock
from wines import candidates, load_wines, requirements, trusted_types

LESSON, MODEL = "04_model_registry_azureml", "wine_cultivars"
LOCAL = f"{LESSON}/local"
FAMILIES = ("decision_tree", "random_forest", "logistic_regression")


def script(name: str) -> str:
    return f"{LOCAL}/{name}.py"


def registry(course: Course) -> SimpleNamespace:
    """Le registre tel qu'il est : alias, étiquettes du nom, versions, noms."""
    client = course.client()
    model = client.get_registered_model(MODEL)
    versions = sorted(client.search_model_versions(f"name = '{MODEL}'"), key=lambda each: int(each.version))
    return SimpleNamespace(
        aliases={alias: int(version) for alias, version in model.aliases.items()},
        history=[line for key, line in sorted(model.tags.items()) if key.startswith("history_")],
        versions={int(each.version): client.get_model_version(MODEL, each.version) for each in versions},
        names={each.name for each in client.search_registered_models()},
    )


def moves(history: list[str]) -> list[str]:
    """« 1 -> 2 » pour chaque ligne de l'histoire."""
    return [line.split("@champion : ")[1].split(",")[0] for line in history]


def readme() -> str:
    return (ROOT / LESSON / "README.md").read_text(encoding="utf-8")


def is_announced(path: str, output: str) -> None:
    """La sortie d'un script est celle que le README annonce ; `…` y vaut n'importe quoi."""
    block = re.search(rf"```(?:bash)?\nuv run (?:--group azure )?{re.escape(path)}\n```\n\n```text\n(.*?)\n```", readme(), re.DOTALL)[1]
    assert re.fullmatch(re.escape(block).replace("…", ".*?"), output.strip(), re.DOTALL), output


def small_registry(root) -> Course:
    """Un cours au registre tout petit, comme après promote.py : l'arbre est @previous, la forêt @champion."""
    course = Course(root)
    wines = load_wines()
    with contextlib.chdir(course.root):  # MLflow place `mlruns/` sous le dossier courant
        client = course.client()
        mlflow.set_experiment("petit")
    for family, alias in (("decision_tree", "previous"), ("random_forest", "champion")):
        model = candidates()[family].fit(wines.X_train, wines.y_train)
        with mlflow.start_run():
            logged = mlflow.sklearn.log_model(
                model, name=family, signature=mlflow.models.infer_signature(wines.X_train, wines.y_train),
                input_example=wines.X_train.head(3), pip_requirements=requirements,
                serialization_format="skops", skops_trusted_types=trusted_types,
            )  # fmt: skip
        version = mlflow.register_model(logged.model_uri, MODEL)
        client.set_registered_model_alias(MODEL, alias, version.version)
    return course


def request(wines) -> dict:
    """La requête que score.py attend, pour ces vins."""
    return {"input_data": {"columns": list(wines), "index": list(range(len(wines))), "data": wines.to_numpy().tolist()}}


def with_server(course: Course) -> Course:
    """`course`, avec l'environnement du serveur d'Azure ML : bâti une fois dans le dépôt, puis partagé par un lien."""
    import servers

    with FileLock(ROOT / LESSON / ".venv-server.lock") as lock:
        servers.inference_python()
    os.unlink(lock.lock_file)
    link = course.root / LESSON / ".venv-server"
    if not link.exists():
        link.symlink_to(ROOT / LESSON / ".venv-server", target_is_directory=True)
    return course
