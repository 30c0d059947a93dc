"""Quels scripts sont tués ou interrompus, avec quelles options, et ce qu'ils relisent ; les tests de pannes s'en servent."""

import faults
from conftest import REDUCED, Course
from samples import PREPARED_BY

from course import SCRIPTS

WAY_ON = {"svm_sweep": ("01_tracking_supervised/local/resume_sweep.py", "--experiment", "01_tracking_supervised", "--only-resume")}
NOT_KILLED = {
    "open_model": "n'écrit rien",
    "plan_azure": "n'écrit rien",
    "delete_restore": "écrit dans un magasin jetable",
    "store_life": "écrit dans un magasin jetable",
    "webhook": "écrit dans un magasin jetable",
    "system_metrics": "les appels de kmeans_sweep, et une minute par lancement",
    "svm_sweep_spark": "demande Java, et une minute",
    "team_server": "demande PostgreSQL, et écrit dans un magasin jetable",
    "move_store": "demande PostgreSQL, et écrit dans un magasin jetable",
    "measure_server": "demande PostgreSQL, et quatre minutes",
    "locked_environment": "demande le réseau",
    "measure_reproducibility": "demande deux minutes",
    "rehearse": "bâtit un environnement",
    "deploy_local": "bâtit un environnement",
    "deploy_azure": "demande un compte",
}
KILLED = [script for script in SCRIPTS if script.name not in NOT_KILLED]


PATHS = {script.name: script.path for script in SCRIPTS}


def prepare(copy: Course, name: str):
    """Lance d'abord ce que ce script relit, si ce n'est pas fait."""
    for other in PREPARED_BY.get(name, []):
        copy.once(PATHS[other], *REDUCED.get(other, ()))


def made(folder) -> Course:
    """Une copie du cours dont le magasin est créé ; les scripts y passent l'un après l'autre, et le magasin s'emplit."""
    course = Course(folder)
    course.once(PATHS["first_run"])
    return course


def kill_three_times(copy: Course, name: str):
    """Tue ce script à trois moments, le relance comme le cours le dit, et vérifie que rien n'est perdu."""
    prepare(copy, name)
    counts = faults.kill_trial(copy.root, PATHS[name], REDUCED.get(name, ()), way_on=WAY_ON.get(name))
    print(counts)
    assert counts["tried"] == 3 and not counts["lost"], counts
