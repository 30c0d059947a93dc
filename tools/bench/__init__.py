"""Ce que `tools/benchmark.py` mesure : un module par question.

Chaque nombre compare deux choses de la même exécution.

`startup` : d'où vient la durée d'un script ; `works` : les leçons avec et sans MLflow ;
`children` : un run enfant, pièce par pièce, et la façon de la plupart des tutoriels ; `volume` : le
magasin à 100, 1 000 et 10 000 runs ; `servers` : le même run à travers des serveurs ; `soak` :
écrire longtemps à plusieurs, tout relire ; `kills` : tuer un script, puis suivre le chemin que le
cours donne, `losses` jugeant ce qui manque ; `claims` : les durées que les pages annoncent.
`catalog` nomme les mesures, et les montre.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [
    str(ROOT / lesson / "local")
    for lesson in (
        "01_tracking_supervised",
        "02_tracking_unsupervised",
        "04_model_registry_azureml",
    )
]
PROJECT = str(ROOT / "03_mlflow_project")


def seconds(*command: str) -> float:
    """La durée d'une commande Python, lancée du dossier courant ; lève `RuntimeError`, avec ce
    qu'elle a écrit, si elle échoue.
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    # sans bytecode gardé, chaque script recompilerait MLflow
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *command],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if ended.returncode:
        raise RuntimeError(f"{command} : code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return time.perf_counter() - start


def script(lesson: str, name: str) -> str:
    """Le chemin complet d'un script : `script("01_tracking_supervised", "first_run")`."""
    return str(ROOT / lesson / "local" / f"{name}.py")
