"""Ctrl-C dans un run de chaque script : une ligne, un run FAILED, rien à moitié fait."""

import os
import signal
import sqlite3

import faults
import pytest
from conftest import REDUCED, Course
from killed_scripts import PATHS, made, prepare

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="SIGKILL et les groupes de programmes sont de POSIX")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Course:
    """Une copie dont le magasin est créé ; les scripts y passent l'un après l'autre, et le magasin s'emplit."""
    return made(tmp_path_factory.mktemp("tués"))


CTRL_C = "Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste."
# Un par façon d'enregistrer.
INTERRUPTED = ["full_run", "svm_sweep", "autoencoder", "run_project", "register_models", "promote"]
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
