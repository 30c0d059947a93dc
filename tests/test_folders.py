"""Le cours dans un dossier comme on en a : un espace, un accent, et un dossier parent où l'on ne peut pas écrire."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from conftest import Course


@pytest.fixture(scope="module")
def accented(tmp_path_factory):
    """Une copie du cours dans « été/Jean Dupont », dont le dossier parent est en lecture seule jusqu'à la fin des tests."""
    parent = tmp_path_factory.mktemp("maison") / "été"
    home = parent / "Jean Dupont"
    home.mkdir(parents=True)
    mounts = [] if os.geteuid() else [parent, home]  # root écrit partout, sauf dans un montage en lecture seule
    if mounts and sys.platform == "linux":
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(parent)], check=True)
        home.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(home)], check=True)
    course = Course(home)
    if mounts:
        subprocess.run(["mount", "-o", "remount,ro", str(parent)], check=True)
    else:
        parent.chmod(0o555)
    with pytest.raises(OSError):
        (parent / "essai").mkdir()
    yield course
    if mounts:
        for folder in reversed(mounts):
            subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        parent.chmod(0o755)


SCRIPTS = {
    "01_tracking_supervised/local/first_run.py": [],
    "01_tracking_supervised/local/full_run.py": [],
    "01_tracking_supervised/local/open_model.py": [],
    "01_tracking_supervised/local/svm_sweep.py": ["--C", "1", "--gamma", "0.03"],
    "01_tracking_supervised/local/search_runs.py": [],
    "02_tracking_unsupervised/local/kmeans_sweep.py": ["--k-max", "3"],
    "02_tracking_unsupervised/local/measure_storage.py": ["--runs", "10", "20"],
    "03_mlflow_project/local/run_project.py": ["--alphas", "0.1", "--models"],
    "03_mlflow_project/local/run_from_git.py": ["--entry-point", "train"],
    "03_mlflow_project/local/predict_new.py": [],
    "04_model_registry_azureml/local/register_models.py": [],
    "04_model_registry_azureml/local/promote.py": [],
}


@pytest.mark.slow
def test_the_main_scripts_run_from_such_a_folder(accented):
    """L'un après l'autre, comme un lecteur : chacun réussit, sans un mot sur la sortie d'erreur."""
    for script, arguments in SCRIPTS.items():
        accented.run(script, *arguments)
    inside = {path.name for path in accented.root.iterdir()}
    assert {"mlflow.db", "mlruns"} <= inside
    assert [path.name for path in accented.root.parent.iterdir()] == ["Jean Dupont"]  # rien à côté, « Jean%20Dupont » par exemple
    assert not [path for path in accented.root.rglob("*%20*")]
    (run,) = accented.runs("01_tracking_supervised", "attributes.run_name = 'svm complet'")
    assert Path(run.info.artifact_uri).is_relative_to(accented.root)
    assert mlflow.sklearn.load_model(run.outputs.model_outputs and f"models:/{run.outputs.model_outputs[0].model_id}")


@pytest.mark.slow
def test_servers_and_replays_run_from_such_a_folder(accented):
    for name in ("register_models", "promote", "serve", "deploy_local"):
        accented.run(f"04_model_registry_azureml/local/{name}.py")
