"""Les scripts des leçons, reconnus au nom que MLflow note dans `mlflow.source.name`, quelle que
soit leur forme (script, notebook), avec leur numéro ou sans.
"""

from pathlib import Path

from checks.learner import DONE, Learner
from course import SCRIPTS, Script, bare

# Ceux dont aucun run du magasin ne porte le nom : ils ne font que lire, servir, préparer, ou
# travaillent dans un magasin à jeter.
TRACELESS = {
    "open_model", "delete_restore", "store_life", "copy_to_production", "webhook", "serve",
    "deploy_local", "plan_azure", "deploy_azure", "team_server", "accounts", "move_store",
}  # fmt: skip
# Ceux qui laissent autre chose qu'un run à leur nom : un run du projet, une étiquette sur le run
# d'un autre script.
TRACES = {
    "annotate_runs": "tags.review LIKE '%'",
    "run_from_git": "tags.mlflow.project.entryPoint = 'main'",
    "predict_new": "tags.mlflow.project.entryPoint = 'predict'",
}


def expected(lesson: str) -> list[Script]:
    """Ceux du tronc commun d'une leçon qui laissent une trace, dans l'ordre de lecture."""
    core = [script for script in SCRIPTS if script.lesson == lesson and script.core]
    return [script for script in core if script.name not in TRACELESS]


def name_of(run) -> str:
    """Le nom du script d'où vient un run, sans dossier, suffixe ni numéro."""
    return bare(Path(run.data.tags["mlflow.source.name"].replace("\\", "/")).stem)


def done(learner: Learner, script: Script) -> bool:
    """Vrai si un run fini du magasin vient de ce script."""
    if script.name in TRACES:
        return bool(learner.search(f"{TRACES[script.name]} AND {DONE}", script.lesson, most=1))
    runs = learner.search(f"tags.mlflow.source.name LIKE '%{script.name}%' AND {DONE}", most=100)
    return any(name_of(run) == script.name for run in runs)


def summary(learner: Learner, lesson: str) -> str:
    """« Leçon 1 : 5 faits, des 6 scripts qui laissent un run. Ensuite : uv run ... »"""
    scripts = expected(lesson)
    left = [script for script in scripts if not done(learner, script)]
    count = len(scripts) - len(left)
    following = f" Ensuite : {left[0].command}" if left else ""
    told = f"{count} fait{'s' if count > 1 else ''}, des {len(scripts)} scripts qui laissent un run"
    return f"Leçon {int(lesson[:2])} : {told}.{following}"
