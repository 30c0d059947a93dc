"""Un script copié chez soi, à côté des modules de son sujet, deux lignes ôtées : il va jusqu'au
bout, et MLflow range où il est.
"""

import shutil
import sys

import pytest
from course import SCRIPTS
from lesson_01 import LOCAL, svm_metrics
from mlflow import MlflowClient
from programs import ended
from texts import ROOT

CORE = [script for script in SCRIPTS if script.core and script.path.startswith(LOCAL)]
OURS = ("from store import open_store", "open_store()")


def copied(script, folder):
    """Lance le script dans `folder`, sans ses deux lignes."""
    lines = (ROOT / script.path).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(OURS)]
    assert len(lines) - len(kept) == 2, script.path
    (folder / "essai.py").write_text("\n".join(kept), encoding="utf-8")
    found = ended([sys.executable, "essai.py"], folder)
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
    return found


@pytest.fixture
def folder(tmp_path):
    chosen = tmp_path / "chez moi"
    chosen.mkdir()
    shutil.copy(ROOT / LOCAL / "patients.py", chosen)
    return chosen


def runs(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = '01_tracking_supervised'")
    return client.search_runs([experiment.experiment_id], max_results=1000)


def test_the_first_script_fills_the_readers_own_folder(folder):
    copied(CORE[0], folder)
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == [
        "essai.py", "mlflow.db", "patients.py",
    ]  # fmt: skip
    costs = {run.data.params["gamma"]: run.data.metrics["cost"] for run in runs(folder)}
    assert costs == {"0.0001": 260, "0.03": 20, "0.3": 12, "1": 430}
    assert costs == {gamma: svm_metrics(float(gamma))["cost"] for gamma in costs}


@pytest.mark.slow
def test_so_do_all_the_scripts_of_the_core_one_after_the_other(folder):
    written = 0
    for script in CORE:
        copied(script, folder)
        assert len(runs(folder)) >= written, script.path
        written = len(runs(folder))
    # quatre, autolog et sa grille de cinq, deux, le balayage et ses 35 enfants, sept, un jugement
    assert written == 4 + 7 + 2 + 36 + 7 + 1
    # autolog, full_run (le refusé ne laisse pas de MLmodel), les enfants, les sept classifieurs
    assert len(list(folder.glob("mlruns/*/models/*/artifacts/MLmodel"))) == 1 + 2 + 35 + 7
    assert {run.info.status for run in runs(folder)} == {"FINISHED"}
