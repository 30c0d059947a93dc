"""Ce que les tests partagent : une copie du cours, les vrais scripts lancés dedans, le magasin relu ensuite."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 300  # au-delà, un script est bloqué

# Des options qui laissent moins à faire aux scripts longs, et leur font faire les mêmes appels.
REDUCED = {
    "svm_sweep": ("--C", "1", "10", "100", "--gamma", "0.001", "0.01", "0.03", "0.1"),
    "kmeans_sweep": ("--k-max", "8"),
    "autoencoder": ("--epochs", "6"),
    "checkpoints": ("--epochs", "6", "--every", "2"),
    "compare_representations": ("--seeds", "2"),
    "system_metrics": ("--epochs", "100"),  # assez pour un relevé par seconde
    "measure_storage": ("--runs", "10", "30"),
    "run_project": ("--alphas", "0.1", "1", "--models"),
}


def clean_environment(**changes: str) -> dict[str, str]:
    """L'environnement d'un lecteur : Python sur le PATH, aucune variable de MLflow, sauf `changes`.

    Ni celles d'un serveur d'intégration continue : MLflow s'y croirait, et n'enverrait plus de télémétrie.
    """
    ours = ("MLFLOW_", "_MLFLOW", "PYTEST_", "GIT_", "CI", "GITHUB_", "GITLAB_", "RUNBOT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # sans bytecode gardé, chaque script recompilerait MLflow
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return {**environment, "PYTHONUTF8": "1", **changes}


# Les fichiers lents, du plus long au plus court (.ci/run les lance dans cet ordre) : le dernier à partir occuperait seul la machine.
LONGEST = [
    "test_faults_store", "test_ui", "test_page_04", "test_page_03", "test_databricks_notebooks", "test_team_lifecycle",
    "test_jupyter_execution", "test_faults_kill", "test_03_runs", "test_04_registry", "test_security", "test_page_02",
    "test_team_move", "test_troubles", "test_page_01", "test_01_sweep", "test_exercises", "test_folders", "test_team_course",
    "test_04_gate", "test_troubles_servers", "test_texts_run", "test_04_measures", "test_02_networks", "test_04_serve",
    "test_01_runs", "test_troubles_python", "test_04_azure", "test_store", "test_faults_ctrl_c", "test_04_endpoint",
    "test_03_project", "test_04_readme", "test_check",
]  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Range les fichiers ; ce qui est pour `-m release` ne vient que si on le nomme, même dans un fichier tout entier `slow`."""
    if "release" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("release")])
        items[:] = [item for item in items if not item.get_closest_marker("release")]
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


class Course:
    """Une copie du cours, comme un clone frais, avec un magasin à elle."""

    def __init__(self, root: Path):
        self.root = root
        self.uri = f"sqlite:///{root / 'mlflow.db'}"
        self.done: dict[tuple, subprocess.CompletedProcess] = {}
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
        self.git("init", "-q", "-b", "main")
        self.commit("copie du cours")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "core.autocrlf=false"]
        return subprocess.run(["git", *identity, *arguments], cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, message: str) -> str:
        """Enregistre tout ce qui a changé dans la copie et renvoie le commit complet."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def command(self, script: str, *arguments: str) -> list[str]:
        return [sys.executable, str(self.root / script), *map(str, arguments)]

    def run(self, script: str, *arguments, fails: bool = False, cwd: Path | None = None, timeout: float = SECONDS, **environment: str):
        """Lance un script comme un lecteur ; sauf `fails=True`, il doit réussir et ne rien écrire sur la sortie d'erreur."""
        ended = subprocess.run(
            self.command(script, *arguments), cwd=cwd or self.root, env=clean_environment(**environment),
            capture_output=True, text=True, encoding="utf-8", timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "Traceback" not in ended.stderr, ended.stderr
        if not fails:
            assert (ended.returncode, ended.stderr.strip()) == (0, ""), (
                f"{script} : code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
            )
        return ended

    def once(self, script: str, *arguments):
        """Comme `run`, mais une seule fois par session : le résultat est gardé."""
        key = (script, *arguments)
        if key not in self.done:
            self.done[key] = self.run(script, *arguments)
        return self.done[key]

    def client(self) -> MlflowClient:
        """Le client du magasin de la copie ; `mlflow.*` le lit aussi."""
        mlflow.set_tracking_uri(self.uri)
        with contextlib.chdir(self.root):  # une base qui naît ici note où seront ses fichiers : sous le dossier courant
            client = MlflowClient(self.uri)
            if not (self.root / "mlruns").exists():
                client.search_experiments()
        return client

    def runs(self, experiment: str, filter_string: str = "") -> list:
        """Les runs d'une expérience, du plus récent au plus ancien."""
        client = self.client()
        found = client.get_experiment_by_name(experiment)
        return list(client.search_runs([found.experiment_id], filter_string, max_results=50_000)) if found else []


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Course:
    """La copie que tous les tests partagent : ce qui est lent n'y est fait qu'une fois."""
    return Course(tmp_path_factory.mktemp("cours"))


@pytest.fixture
def fresh_course(tmp_path) -> Course:
    """Une copie pour un seul test, sans magasin."""
    return Course(tmp_path / "clone frais")


@contextmanager
def running(command: list[str], cwd: Path, wait_for: str | None = None, seconds: float = 180, **environment: str):
    """Un programme en arrière-plan, arrêté avec tout son groupe à la sortie ; attend d'abord que l'URL `wait_for` réponde."""
    with open(cwd / "programme.log", "w") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=clean_environment(**environment), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        if wait_for:
            import requests

            end = time.monotonic() + seconds
            while True:
                try:
                    if requests.get(wait_for, timeout=5).ok:
                        break
                except requests.RequestException:
                    pass  # pas encore prêt : c'est ce que l'on attend
                assert process.poll() is None and time.monotonic() < end, (cwd / "programme.log").read_text()
                time.sleep(0.2)
        yield process
    finally:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sent)
                process.wait(10)
                time.sleep(0.2)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue  # déjà fini, ou trop lent : le signal suivant s'en charge
        process.wait(10)


def hears_ctrl_c() -> dict:
    """Les arguments de `Popen` pour qu'un programme entende SIGINT, même si celui qui teste l'ignore (tâche d'arrière-plan)."""
    return {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} if os.name == "posix" else {}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def last_cell(script: str) -> str:
    """Le texte de la dernière cellule Markdown d'un script (« À retenir »), sans les `#`."""
    source = (ROOT / script).read_text(encoding="utf-8")
    cell = source.rpartition("# %% [markdown]")[2].partition("\n# %%")[0]
    return re.sub(r"^# ?", "", cell, flags=re.MULTILINE).strip()


def tables(text: str) -> list[dict[str, str]]:
    """Les lignes des tableaux Markdown de `text`, chacune un dict colonne -> contenu."""
    rows, header = [], None
    for line in text.splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells
        elif not set(line) <= set("|-: "):
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


def numbers(text: str) -> list[str]:
    """Les nombres à virgule de `text`, tels qu'ils sont écrits (`0.953`)."""
    return re.findall(r"(?<![\w.])-?\d+\.\d+(?![\w.])", text)
