"""SIGKILL à des moments au hasard de chaque script qui enregistre, puis le chemin documenté : rien n'est perdu."""

import os
import signal
import sqlite3

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
KILLED = [script.name for script in SCRIPTS if script.name not in NOT_KILLED]


PATHS = {script.name: script.path for script in SCRIPTS}
PREPARED_BY = {
    "search_runs": ["svm_sweep"],
    "annotate_runs": ["compare_models"],
    "compare_representations": ["autoencoder"],
    "predict_new": ["run_project"],
    "model_from_code": ["run_project"],
    "promote": ["register_models"],
    "gate": ["register_models"],
    "copy_to_production": ["register_models"],
    "serve": ["register_models"],
    "measure_traceability": ["register_models"],
    "measure_history": ["register_models"],
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Course:
    """Une copie dont le magasin est créé ; les scripts y passent l'un après l'autre, et le magasin s'emplit."""
    course = Course(tmp_path_factory.mktemp("tués"))
    course.once(PATHS["first_run"])
    return course


def prepare(copy: Course, name: str):
    """Lance d'abord ce que ce script relit, si ce n'est pas fait."""
    for other in PREPARED_BY.get(name, []):
        copy.once(PATHS[other], *REDUCED.get(other, ()))


@pytest.mark.parametrize("name", KILLED)
def test_a_script_killed_three_times_then_launched_again_has_lost_nothing(copy, name):
    prepare(copy, name)
    counts = faults.kill_trial(copy.root, PATHS[name], REDUCED.get(name, ()), way_on=WAY_ON.get(name))
    print(counts)
    assert counts["tried"] > 0 and not counts["lost"], counts


CTRL_C = "Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste."
INTERRUPTED = [  # sans model_from_code : Ctrl-C pendant qu'il efface un dossier temporaire y laisse une trace, à reprendre
    "full_run", "svm_sweep", "compare_models", "rich_run", "kmeans_sweep", "autoencoder", "checkpoints", "compare_representations",
    "run_project", "register_models", "promote", "gate",
]  # fmt: skip
OPEN_RUN = "SELECT count(*) FROM runs WHERE status = 'RUNNING'"
OPEN_STEP = (
    "SELECT count(*) FROM runs JOIN tags USING (run_uuid) WHERE status = 'RUNNING' AND key = 'data_run'"  # l'étape en est à son travail
)


@pytest.mark.parametrize("name", INTERRUPTED)
def test_ctrl_c_in_a_run_is_one_line_and_the_run_is_failed(copy, name):
    """Ctrl-C comme un terminal l'envoie : au script et à tout ce qu'il a lancé."""
    prepare(copy, name)
    before, query = faults.Store(copy.root), OPEN_STEP if name == "run_project" else OPEN_RUN
    database = sqlite3.connect(f"file:{copy.root / 'mlflow.db'}?mode=ro", uri=True)
    script = faults.start(copy.root, PATHS[name], *REDUCED.get(name, ()))
    assert faults.wait_for(lambda: database.execute(query).fetchone()[0], script), faults.said(copy.root)
    database.close()
    os.killpg(script.pid, signal.SIGINT)
    assert script.wait(faults.SECONDS) != 0
    assert faults.said(copy.root)[1].strip().splitlines() == [CTRL_C]
    after = faults.Store(copy.root)
    new = {after.runs[run_id].info.status for run_id in set(after.runs) - set(before.runs)}
    assert not after.status("RUNNING") and "FAILED" in new and not after.broken_models()
