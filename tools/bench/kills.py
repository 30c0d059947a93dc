"""Tuer un script à des instants quelconques, puis suivre le chemin que le cours donne : ce qui a été perdu."""

import subprocess
import sys
from pathlib import Path

from bench import ROOT

RESUME = ("01_tracking_supervised/local/resume_sweep.py", "--experiment", "01_tracking_supervised", "--only-resume")
TRIALS = {  # le script, ses options, et ce qu'il faut lancer ensuite, si ce n'est pas lui
    "01_tracking_supervised/local/svm_sweep.py": (("--C", "1", "10", "100", "--gamma", "0.001", "0.01", "0.03", "0.1"), RESUME),
    "04_model_registry_azureml/local/register_models.py": ((), None),
}


def measure(kills: int, folder: Path) -> dict[str, float]:
    """Tue `kills` fois chacun de ces scripts dans une copie du cours : coups qui l'ont trouvé vivant, pertes.

    Le jugement est celui des tests (`tests/faults.py`) : une perte est ce qui manque, est faux, en double, ou reste RUNNING.
    """
    sys.path.append(str(ROOT / "tests"))
    from faults import kill_trial, reader_environment

    copy = folder / "copie"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(copy)], check=True)
    first = [sys.executable, str(copy / "01_tracking_supervised/local/first_run.py")]
    subprocess.run(first, env=reader_environment(), check=True, capture_output=True)  # la copie a son magasin
    trials = [kill_trial(copy, script, options, 0, kills, way_on) for script, (options, way_on) in TRIALS.items()]
    for trial in trials:
        if trial["lost"]:
            print(f"{trial['script']}, perdu : {trial['lost']}", file=sys.stderr)
    return {
        "kills.tried": sum(trial["tried"] for trial in trials),
        "kills.lost": sum(len(lost) for trial in trials for lost in trial["lost"].values()),
        "kills.left_running": sum(trial["left RUNNING"] for trial in trials),
    }
