"""SIGKILL à des moments au hasard de chaque script qui enregistre, puis le chemin documenté : rien n'est perdu."""

import os

import faults
import pytest
from conftest import Course

from course import SCRIPTS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="SIGKILL et les groupes de programmes sont de POSIX")]

SWEEP = ("--C", "1", "10", "100", "--gamma", "0.001", "0.01", "0.03", "0.1")
REDUCED = {  # moins à faire, les mêmes appels
    "svm_sweep": SWEEP,
    "kmeans_sweep": ("--k-max", "8"),
    "autoencoder": ("--epochs", "6"),
    "checkpoints": ("--epochs", "6", "--every", "2"),
    "compare_representations": ("--seeds", "2"),
    "system_metrics": ("--epochs", "2"),
    "measure_storage": ("--runs", "10", "30"),
    "run_project": ("--alphas", "0.1", "1", "--models"),
}
WAY_ON = {"svm_sweep": ("01_tracking_supervised/local/resume_sweep.py", "--experiment", "01_tracking_supervised", "--only-resume")}
NOT_KILLED = {
    "open_model": "n'écrit rien",
    "plan_azure": "n'écrit rien",
    "delete_restore": "écrit dans un magasin jetable",
    "store_life": "écrit dans un magasin jetable",
    "webhook": "écrit dans un magasin jetable",
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


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Course:
    """Une copie dont le magasin est créé ; les scripts y passent dans l'ordre de lecture, et s'y préparent donc les uns les autres."""
    course = Course(tmp_path_factory.mktemp("tués"))
    course.run(KILLED[0].path)
    return course


@pytest.mark.parametrize("script", KILLED, ids=[script.name for script in KILLED])
def test_a_script_killed_three_times_then_launched_again_has_lost_nothing(copy, script):
    counts = faults.kill_trial(copy.root, script.path, REDUCED.get(script.name, ()), way_on=WAY_ON.get(script.name))
    print(counts)
    assert counts["tried"] > 0 and not counts["lost"], counts
