"""Ce que `pytest -m slow` éprouve sur un échantillon de scripts, et `pytest -m release` sur les autres, avant une publication."""

import pytest

from course import SCRIPTS, Script

# Un ou deux par façon d'enregistrer : un run, un modèle, des tables et des images, un parent et ses enfants, un réseau époque par
# époque, un projet, un registre.
SAMPLE = {"first_run", "full_run", "rich_run", "svm_sweep", "kmeans_sweep", "autoencoder", "run_project", "register_models", "promote"}
PREPARED_BY = {
    "open_model": ["full_run"],
    "search_runs": ["svm_sweep"],
    "annotate_runs": ["compare_models"],
    "compare_representations": ["autoencoder"],
    "predict_new": ["run_project"],
    "model_from_code": ["run_project"],
    "promote": ["register_models"],
    "gate": ["register_models", "promote"],
    "copy_to_production": ["register_models", "promote"],
    "serve": ["register_models"],
    "measure_traceability": ["register_models"],
    "measure_history": ["register_models"],
}


def sampled(scripts: list[Script], *marks) -> list:
    """Ces scripts, en paramètres de test qui ont ces marques ; ceux qui ne sont pas de l'échantillon ont aussi `release`."""
    release = {script: [] if script.name in SAMPLE else [pytest.mark.release] for script in scripts}
    return [pytest.param(script, id=script.name, marks=[*marks, *release[script]]) for script in scripts]


def up_to(wanted: Script, among: list[Script]) -> list[Script]:
    """Ce script, précédé de ce qu'il relit et de ceux de l'échantillon qui sont avant lui dans la leçon, dans l'ordre du cours."""
    asked = SAMPLE | {wanted.name, *PREPARED_BY.get(wanted.name, [])}
    before = SCRIPTS[: SCRIPTS.index(wanted) + 1]
    return [script for script in before if script in among and script.lesson == wanted.lesson and script.name in asked]
