"""Les scripts des leçons, reconnus au nom que MLflow note dans `mlflow.source.name`, quelle que
soit leur forme (script, notebook).
"""

from pathlib import Path

from checks.learner import Learner
from course import SCRIPTS, Script, bare

# Ceux dont aucun run du magasin ne porte le nom : ils ne font que lire, servir, préparer, ou
# travaillent dans un magasin à jeter.
TRACELESS = {
    "open_model", "delete_restore", "store_life", "copy_to_production", "webhook", "serve", "deploy_local", "plan_azure", "deploy_azure",
    "team_server", "move_store",
}  # fmt: skip
# Ceux qui laissent autre chose qu'un run à leur nom : un run du projet, une étiquette sur le run
# d'un autre script.
TRACES = {
    "annotate_runs": "tags.review LIKE '%'",
    "run_from_git": "tags.mlflow.project.entryPoint = 'main'",
    "predict_new": "tags.mlflow.project.entryPoint = 'predict'",
}
OPTIONAL = {"spark", "java", "azure", "team"}  # ce que tout le monde n'a pas
FINISHED = "attributes.status = 'FINISHED'"


def expected(lesson: str) -> list[Script]:
    """Les scripts d'une leçon que l'on attend de chacun, dans l'ordre de lecture."""
    return [
        script
        for script in SCRIPTS
        if script.lesson == lesson
        and script.name not in TRACELESS
        and not OPTIONAL & set(script.needs)
    ]


def done(learner: Learner, script: Script) -> bool:
    """Vrai si un run fini du magasin vient de ce script."""
    if script.name in TRACES:
        return bool(learner.search(f"{TRACES[script.name]} AND {FINISHED}", script.lesson, most=1))
    if learner.search(
        f"tags.mlflow.source.name LIKE '%local____{script.name}.py' AND {FINISHED}", most=1
    ):  # un `_` de LIKE vaut n'importe quel caractère : local/02_full_run.py
        return True
    runs = learner.search(f"tags.mlflow.source.name LIKE '%{script.name}%' AND {FINISHED}", most=50)
    return any(
        bare(Path(run.data.tags["mlflow.source.name"].replace("\\", "/")).stem) == script.name
        for run in runs
    )


def summary(learner: Learner, lesson: str) -> str:
    """« Leçon 1 : 5 scripts sur 8 faits. Ensuite : uv run ... »"""
    scripts = expected(lesson)
    left = [script for script in scripts if not done(learner, script)]
    count = len(scripts) - len(left)
    following = f" Ensuite : {left[0].command}" if left else ""
    return f"Leçon {int(lesson[:2])} : {count} script{'s' if count > 1 else ''} sur {len(scripts)} fait{'s' if count > 1 else ''}.{following}"
