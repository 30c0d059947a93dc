"""Les scripts des leçons, reconnus au nom que MLflow note dans `mlflow.source.name`, quelle que soit leur forme (script, notebook)."""

import re

from checks.learner import Learner
from course import SCRIPTS, Script

# Ceux dont aucun run ne porte le nom : ils ne font que lire, servir ou déployer.
TRACELESS = {"open_model", "serve", "deploy_local", "deploy_azure"}
# Ceux qui lancent le projet : le run porte le nom du projet, pas le leur.
PROJECTS = {
    "run_from_git": "tags.mlflow.project.entryPoint = 'main'",
    "predict_new": "tags.mlflow.project.entryPoint = 'predict'",
}
OPTIONAL = {"spark", "java", "azure"}  # ce que tout le monde n'a pas


def expected(lesson: str) -> list[Script]:
    """Les scripts d'une leçon que l'on attend de chacun, dans l'ordre de lecture."""
    return [script for script in SCRIPTS if script.lesson == lesson and script.name not in TRACELESS and not OPTIONAL & set(script.needs)]


def done(learner: Learner, script: Script) -> bool:
    """Vrai si un run fini du magasin vient de ce script."""
    if script.name in PROJECTS:
        return bool(learner.search(f"{PROJECTS[script.name]} AND attributes.status = 'FINISHED'", script.lesson, most=1))
    runs = learner.search(f"tags.mlflow.source.name LIKE '%{script.name}%' AND attributes.status = 'FINISHED'", most=20)
    return any(re.split(r"[/\\]", run.data.tags["mlflow.source.name"])[-1].removesuffix(".py") == script.name for run in runs)


def summary(learner: Learner, lesson: str) -> str:
    """« Leçon 1 : 5 scripts sur 8 faits. Ensuite : uv run ... »"""
    scripts = expected(lesson)
    left = [script for script in scripts if not done(learner, script)]
    count = len(scripts) - len(left)
    following = f" Ensuite : uv run {left[0].path}" if left else ""
    return (
        f"Leçon {int(lesson[:2])} : {count} script{'s' if count > 1 else ''} sur {len(scripts)} fait{'s' if count > 1 else ''}.{following}"
    )
