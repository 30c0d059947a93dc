"""Tue un script à des moments au hasard, le relance, et compte ce que le magasin a perdu. Sans pytest : pour les tests et les mesures.

« Perdu » : ce qui manque après le relancement, ce qui est faux, ce qui est en double, ce qui reste à moitié fait. Le but est zéro.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
from mlflow import MlflowClient
from recorded_runs import described, neutral

SECONDS = 300  # au-delà, un programme est bloqué


def reader_environment(**changes: str) -> dict[str, str]:
    """L'environnement d'un lecteur : Python sur le PATH, aucune variable de MLflow, sauf `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW", "PYTEST_", "GIT_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", "PYTHONUTF8": "1", **changes}


def start(root: Path, script: str, *arguments, **environment: str) -> subprocess.Popen:
    """Le script, lancé dans un groupe à lui ; ce qu'il écrit va dans deux fichiers de `root` : voir `said`."""
    with open(root / "sortie.txt", "wb") as output, open(root / "erreurs.txt", "wb") as errors:
        return subprocess.Popen(
            [sys.executable, str(root / script), *map(str, arguments)], cwd=root, env=reader_environment(**environment),
            stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True, **hears_ctrl_c(),
        )  # fmt: skip


def hears_ctrl_c() -> dict:
    """Les arguments de `Popen` pour qu'un programme entende SIGINT, même si celui qui le lance l'ignore (tâche d'arrière-plan)."""
    return {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} if os.name == "posix" else {}


def said(root: Path) -> tuple[str, str]:
    """Ce qu'a écrit le dernier script lancé par `start` : sortie, erreurs."""
    return (root / "sortie.txt").read_text(encoding="utf-8"), (root / "erreurs.txt").read_text(encoding="utf-8")


def has_opened_the_store(process: subprocess.Popen, database: Path) -> bool:
    """Vrai dès que ce programme tient `mlflow.db` ouvert : ses imports, ou presque, sont faits."""
    try:
        return str(database) in [file.path for file in psutil.Process(process.pid).open_files()]
    except psutil.Error:
        return False


def wait_for(condition, process: subprocess.Popen | None = None, seconds: float = SECONDS) -> bool:
    """Attend `condition()` ; False si `process` finit avant. Lève `TimeoutError` au bout de `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            return False
        if time.monotonic() > end:
            raise TimeoutError(condition)
        time.sleep(0.02)
    return True


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """Ce programme et ceux qu'il a lancés."""
    try:
        each = psutil.Process(process.pid)
        return [each, *each.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(process: subprocess.Popen, whole_family: bool) -> int:
    """SIGKILL : à lui seul, ou, comme une panne de courant, à tous ceux qu'il a lancés. Renvoie combien lui survivent une minute."""
    told = family(process)
    for each in told if whole_family else told[:1]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    alive = psutil.wait_procs([each for each in told if each.pid != process.pid], timeout=60)[1]
    for each in alive:
        each.kill()
    return len(alive)


class Snapshot:
    """L'état d'un magasin SQLite, à y remettre : la base seule, car un fichier de trop dans `mlruns/` ne change rien."""

    def __init__(self, root: Path):
        self.database, self.saved = root / "mlflow.db", root / "avant.db"
        shutil.copy2(self.database, self.saved)

    def restore(self):
        for left in self.database.parent.glob("mlflow.db-*"):
            left.unlink()
        shutil.copy2(self.saved, self.database)


class Store:
    """Ce que dit un magasin, sous une forme qui se compare : avant et après, avec ou sans accident."""

    def __init__(self, root: Path):
        with tempfile.TemporaryDirectory() as folder:
            for file in root.glob("mlflow.db*"):  # une copie, à un nom neuf : SQLite garderait en mémoire des pages d'avant `restore`
                shutil.copy2(file, folder)
            client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
            experiments = [each.experiment_id for each in client.search_experiments()]
            self.runs = {run.info.run_id: run for run in client.search_runs(experiments, max_results=50_000)}
            self.models = [each for page in experiments for each in client.search_logged_models([page], max_results=1000)]
            self.registered = {each.name: each for each in client.search_registered_models()}
            self.versions = list(client.search_model_versions())

    def status(self, status: str) -> set[str]:
        return {run_id for run_id, run in self.runs.items() if run.info.status == status}

    def tell(self, run_id: str) -> tuple:
        """Ce qu'un run a reçu : nom, paramètres, métriques, étiquettes."""
        name, _, parameters, metrics = described(self.runs[run_id])
        tags = {(key, neutral(value)) for key, value in self.runs[run_id].data.tags.items() if not key.startswith("mlflow.source.")}
        return name, frozenset(parameters), frozenset(metrics), frozenset(tags)

    def children(self, run_id: str) -> Counter:
        """Ses enfants finis, chacun décrit, et combien de fois il y est."""
        finished = self.status("FINISHED")
        return Counter(self.tell(each) for each in finished if self.runs[each].data.tags.get("mlflow.parentRunId") == run_id)

    def broken_models(self) -> list[str]:
        """Les modèles que l'on croirait prêts (READY, ou d'un run fini) et dont les fichiers ou la fin manquent."""
        ready = {model.model_id for model in self.models if model.status == "READY"}
        missing = [each.model_id for each in self.models if each.model_id in ready and not Path(each.artifact_location, "MLmodel").exists()]
        outputs = [each for run_id in self.status("FINISHED") for each in self.runs[run_id].outputs.model_outputs]
        return missing + [each.model_id for each in outputs if each.model_id not in ready]

    def registry(self) -> dict:
        """Par nom inscrit : les alias, le nombre de lignes d'histoire, celles qui s'y trouvent deux fois, les versions sans description."""
        told = {}
        for name, model in self.registered.items():
            lines = [line.partition(" : ")[2] for key, line in model.tags.items() if key.startswith("history_")]
            versions = {each.version: each for each in self.versions if each.name == name}
            half = [
                number for number, each in versions.items() if each.status != "READY" or not each.description or "family" not in each.tags
            ]
            told[name] = {"aliases": sorted(model.aliases), "lines": len(lines), "twice": len(lines) - len(set(lines)), "half": half}
            told[name]["dangling"] = [alias for alias, number in model.aliases.items() if str(number) not in map(str, versions)]
        return told


def part_of(one: tuple, whole: tuple) -> bool:
    return one[0] == whole[0] and all(mine <= others for mine, others in zip(one[1:], whole[1:], strict=True))


def losses(before: Store, after: Store, expected: Store, done: dict[str, tuple]) -> dict[str, list]:
    """Ce qui, dans `after`, n'est pas ce qu'un lancement sans accident a laissé dans `expected` ; vide si rien n'est perdu.

    `before` : le magasin au départ ; `done` : ce qui était fini après chaque coup, et doit l'être encore.
    """
    wanted = {run_id: expected.tell(run_id) for run_id in expected.status("FINISHED") - set(before.runs)}
    found = {run_id: after.tell(run_id) for run_id in after.status("FINISHED") - set(before.runs)}
    told = {
        "restés RUNNING": [after.runs[each].info.run_name for each in after.status("RUNNING")],
        "manquent": [each for each in set(wanted.values()) if each not in found.values()],
        "faux": [each for each in found.values() if not any(part_of(each, other) for other in wanted.values())],
        "défaits": [run_id for run_id, each in done.items() if found.get(run_id) is None or not part_of(each, found[run_id])],
        "anciens changés": [run_id for run_id in before.runs if after.tell(run_id) != expected.tell(run_id)],
        "modèles": after.broken_models(),
    }
    counted = {each: expected.children(run_id) for run_id, each in wanted.items()}
    told["enfants en double ou manquants"] = [
        each for run_id, each in found.items() if each in counted and after.children(run_id) != counted[each]
    ]
    told["registre"] = [(name, expected.registry().get(name)) for name in expected.registered if name not in after.registered]
    for name, state in after.registry().items():
        if state != expected.registry().get(name):
            told["registre"].append((name, state, expected.registry().get(name)))
    return {name: each for name, each in told.items() if each}


def kill_trial(root: Path, script: str, arguments=(), seed: int = 0, kills: int = 3, way_on: tuple | None = None) -> dict:
    """Tue `script` à `kills` moments tirés au sort, puis prend le chemin documenté : la même commande, ou `way_on`.

    `root` : une copie du cours qui a déjà un magasin. Les moments sont tirés entre l'ouverture du magasin et la fin d'un lancement
    sans accident, qui vient d'être mesuré ici même, et dont le magasin est ensuite oublié. Un lancement fini avant son coup ne compte
    pas, et raccourcit la durée où tirer les suivants. Un coup sur deux tue aussi ce que le script a lancé. Renvoie les comptes ;
    `lost` dit ce qui a été perdu, et est vide si tout va bien.
    """
    database, chance = root / "mlflow.db", random.Random(f"{script} {seed}")
    before, snapshot = Store(root), Snapshot(root)
    process = start(root, script, *arguments)
    wait_for(lambda: has_opened_the_store(process, database), process)
    opened = time.monotonic()
    if process.wait(SECONDS):
        raise RuntimeError(said(root))
    seconds = time.monotonic() - opened
    expected = Store(root)
    snapshot.restore()

    counts = {
        "script": Path(script).stem,
        "seconds": round(seconds, 1),
        "tried": 0,
        "finished before the kill": 0,
        "left RUNNING": 0,
        "outlived": 0,
    }
    done = {}
    while counts["tried"] < kills and counts["finished before the kill"] < 3 * kills:
        process = start(root, script, *arguments)
        wait_for(lambda process=process: has_opened_the_store(process, database), process)
        opened = time.monotonic()
        try:
            process.wait(chance.uniform(0, seconds))
            counts["finished before the kill"] += 1
            seconds = time.monotonic() - opened  # la machine est moins occupée qu'au premier lancement : les suivants visent plus tôt
        except subprocess.TimeoutExpired:
            counts["tried"] += 1
        counts["outlived"] += kill(process, whole_family=chance.random() < 0.5)
        cut = Store(root)
        counts["left RUNNING"] += len(cut.status("RUNNING"))
        done |= {run_id: cut.tell(run_id) for run_id in cut.status("FINISHED") - set(before.runs)}

    process = start(root, *(way_on or (script, *arguments)))
    code = process.wait(SECONDS)
    after = Store(root)
    lost = losses(before, after, expected, done)
    if code:
        lost["relancement"] = [code, *said(root)]
    if counts["outlived"]:
        lost["programmes orphelins"] = [counts["outlived"]]
    counts["KILLED"] = len(after.status("KILLED") - set(before.runs))
    return counts | {"lost": lost}
