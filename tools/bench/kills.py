"""Tuer un script à des instants quelconques, puis suivre le chemin que le cours donne : ce qui a
été perdu.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from bench import ROOT
from bench.losses import Store, losses
from course import named

SECONDS = 300  # au-delà, un programme est bloqué
TRIALS = {  # le programme tué, et ce qu'il faut lancer ensuite
    "01_tracking_supervised/local/resume_sweep.py": named("resume_sweep").path,
    named("register_models").path: named("register_models").path,
}


def start(root: Path, script: str) -> subprocess.Popen:
    """Le script, lancé comme par un lecteur, dans un groupe à lui ; ce qu'il écrit va dans
    `root`/écrit.txt.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "_MLFLOW"))
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with open(root / "écrit.txt", "wb") as written:
        return subprocess.Popen(
            [sys.executable, str(root / script)], cwd=root,
            env={**environment, "PYTHONUTF8": "1"}, stdin=subprocess.DEVNULL,
            stdout=written, stderr=written, start_new_session=True,
        )  # fmt: skip


def wait_for_the_store(process: subprocess.Popen, database: Path) -> float:
    """Attend que ce programme tienne `mlflow.db` ouvert (ses imports, ou presque, sont faits), ou
    finisse ; renvoie l'instant.
    """
    end = time.monotonic() + SECONDS
    while process.poll() is None:
        with suppress(psutil.Error):
            if str(database) in [file.path for file in psutil.Process(process.pid).open_files()]:
                break
        if time.monotonic() > end:
            raise TimeoutError(process.args)
        time.sleep(0.02)
    return time.monotonic()


def kill(process: subprocess.Popen, whole_family: bool) -> int:
    """SIGKILL : à lui seul, ou, comme une panne de courant, à tous ceux qu'il a lancés.

    Renvoie combien lui survivent une minute.
    """
    family = []
    with suppress(psutil.NoSuchProcess):
        family = [
            psutil.Process(process.pid),
            *psutil.Process(process.pid).children(recursive=True),
        ]
    for each in family if whole_family else family[:1]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    alive = psutil.wait_procs([each for each in family if each.pid != process.pid], timeout=60)[1]
    for each in alive:
        each.kill()
    return len(alive)


def trial(root: Path, script: str, way_on: str, kills: int = 3) -> dict:
    """Tue `script` à `kills` moments tirés au sort, puis prend le chemin documenté, `way_on`.

    `root` : une copie du cours qui a déjà un magasin. Les moments sont tirés entre l'ouverture du
    magasin et la fin d'un lancement sans accident, qui vient d'être mesuré ici même, et dont le
    magasin est ensuite oublié. Un lancement fini avant son coup ne compte pas, et raccourcit la
    durée où tirer les suivants. Un coup sur deux tue aussi ce que le script a lancé. Renvoie les
    comptes ; `lost` dit ce qui a été perdu, et est vide si tout va bien.
    """
    database, saved, chance = root / "mlflow.db", root / "avant.db", random.Random(f"{script} 0")
    before = Store(root)
    shutil.copy2(database, saved)
    process = start(root, script)
    opened = wait_for_the_store(process, database)
    if process.wait(SECONDS):
        raise RuntimeError((root / "écrit.txt").read_text(encoding="utf-8"))
    seconds, expected = time.monotonic() - opened, Store(root)
    for left in root.glob("mlflow.db-*"):
        left.unlink()
    # la base seule : un fichier de trop dans `mlruns/` ne change rien
    shutil.copy2(saved, database)

    counts, done = {"tried": 0, "finished before the kill": 0, "outlived": 0}, {}
    running = set()
    while counts["tried"] < kills and counts["finished before the kill"] < 3 * kills:
        process = start(root, script)
        opened = wait_for_the_store(process, database)
        try:
            process.wait(chance.uniform(0, seconds))
            counts["finished before the kill"] += 1
            # la machine est moins occupée qu'au premier lancement : les suivants visent plus tôt
            seconds = time.monotonic() - opened
        except subprocess.TimeoutExpired:
            counts["tried"] += 1
        counts["outlived"] += kill(process, whole_family=chance.random() < 0.5)
        cut = Store(root)
        running |= cut.status("RUNNING")
        done |= {run_id: cut.tell(run_id) for run_id in cut.status("FINISHED") - set(before.runs)}

    code = start(root, way_on).wait(SECONDS)
    after = Store(root)
    counts |= {"left RUNNING": len(running), "undescribed": after.undescribed()}
    lost = losses(before, after, expected, done)
    if code:
        lost["relancement"] = [(code, (root / "écrit.txt").read_text(encoding="utf-8"))]
    if counts["outlived"]:
        lost["programmes orphelins"] = [counts["outlived"]]
    return counts | {"lost": lost}


def measure(kills: int, folder: Path) -> dict[str, float]:
    """Tue `kills` fois chacun de ces scripts dans une copie du cours : coups qui l'ont trouvé
    vivant, pertes.
    """
    copy = folder / "copie"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(copy)], check=True)
    # la copie a son magasin
    if start(copy, named("first_run").path).wait(SECONDS):
        raise RuntimeError((copy / "écrit.txt").read_text(encoding="utf-8"))
    trials = [trial(copy, script, way_on, kills) for script, way_on in TRIALS.items()]
    for script, each in zip(TRIALS, trials, strict=True):
        if each["lost"]:
            print(f"{script}, perdu : {each['lost']}", file=sys.stderr)
    return {
        "kills.tried": sum(each["tried"] for each in trials),
        "kills.lost": sum(len(lost) for each in trials for lost in each["lost"].values()),
        "kills.left_running": sum(each["left RUNNING"] for each in trials),
        "kills.undescribed": sum(each["undescribed"] for each in trials),
    }
