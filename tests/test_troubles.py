"""DEPANNAGE.md, première partie : démarrer, l'interface, le magasin. Chaque ennui est causé, son message retrouvé, son remède essayé."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from conftest import ROOT, clean_environment, free_port, running
from reader import Reader
from troubles import PAGE, TROUBLES, about

FIRST = "01_tracking_supervised/local/first_run.py"
MLFLOW = [sys.executable, "-m", "mlflow"]
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}
NOT_CAUSED = {"Windows": "pas éprouvées", "azureml-mlflow": "nous ne l'avons pas exécuté"}


def typed(command: list, folder: Path, **environment: str) -> str:
    """Tout ce qu'écrit une commande, sortie et erreur ensemble."""
    ended = subprocess.run(
        command, cwd=folder, env=clean_environment(**{**QUIET, **environment}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return ended.stdout


def cured(trouble, folder: Path, number: int = 0, **words: str) -> str:
    """Tape le remède dans `folder` ; il doit réussir. Renvoie la sortie de sa dernière commande."""
    with ExitStack() as stack:
        reader = Reader(folder, stack, set_up=True)
        reader.variables.update(QUIET)
        ended = reader.type(trouble.cure(number, **words))
    assert ended.code == 0, ended
    return ended.output


def test_every_entry_is_caused_or_says_that_it_is_not():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    caused = re.findall(r'^@about\("([^"]+)"\)$', source, flags=re.MULTILINE)
    assert len(caused) == len(set(caused))
    assert set(caused) | set(NOT_CAUSED) == set(TROUBLES)
    for title, words in NOT_CAUSED.items():
        assert words in TROUBLES[title].text


def test_every_entry_has_one_form_and_a_line_in_the_table():
    table = PAGE.read_text(encoding="utf-8").partition("## Démarrer")[0]
    for title, trouble in TROUBLES.items():
        if title != "Windows":
            assert "**Que faire.**" in trouble.text, title
            assert "**Pourquoi.**" in trouble.text or title == "Repartir d'un magasin vide", title
    import pages

    listed = set(re.findall(r"\(#([^)]+)\)", table))
    assert listed == {next(iter(pages.anchors(f"### {title}"))) for title in TROUBLES} | {"code-ancien-code-daujourdhui"}


# Démarrer


@about("Failed to spawn, ou can't open file")
@pytest.mark.skipif(not shutil.which("uv"), reason="uv manque")
def test_wrong_folder(trouble, fresh_course):
    folder = fresh_course.root / "tests"
    by_uv = typed(["uv", "run", "--no-project", "--offline", FIRST], folder)
    trouble.seen(by_uv, typed([sys.executable, FIRST], folder))
    assert "accuracy 0.982" in cured(trouble, folder)


@about("No module named")
def test_wrong_python(trouble, fresh_course):
    trouble.seen(typed([sys.executable, "-S", FIRST], fresh_course.root))
    assert "accuracy 0.982" in cured(trouble, fresh_course.root)


SYSTEM_PYTHON = Path("/usr/bin/python3")
MANAGED = list(Path("/usr/lib").glob("python3*/EXTERNALLY-MANAGED"))


@about("externally-managed-environment")
@pytest.mark.skipif(not MANAGED or not SYSTEM_PYTHON.exists(), reason="demande le Python de Debian ou d'Ubuntu")
def test_managed_python(trouble, tmp_path):
    trouble.seen(typed([SYSTEM_PYTHON, "-m", "pip", "install", "--no-index", "uv"], tmp_path))
    cured(trouble, tmp_path)
    inside = typed([tmp_path / ".venv/bin/python", "-m", "pip", "install", "--no-index", "uv"], tmp_path)
    assert "externally-managed" not in inside and "No matching distribution" in inside


@about("Lancez d'abord")
def test_out_of_order(trouble, fresh_course):
    said = typed([sys.executable, "01_tracking_supervised/local/open_model.py"], fresh_course.root)
    trouble.seen(said)
    assert said.rpartition("Lancez d'abord : ")[2].strip() == trouble.cure().lines[0]
    assert "114 prédictions égales sur 114" in cured(trouble, fresh_course.root)


@about("N'est pas un nombre")
def test_comma(trouble, fresh_course):
    trouble.seen(typed([sys.executable, FIRST, "--gamma", "0,3"], fresh_course.root))
    assert "gamma 0.3 :" in cured(trouble, fresh_course.root)


@about("Interrompu")
def test_ctrl_c(trouble, fresh_course):
    command = [sys.executable, fresh_course.root / "01_tracking_supervised/local/full_run.py"]
    process = subprocess.Popen(
        command, cwd=fresh_course.root, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while not (fresh_course.root / "mlflow.db").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    trouble.seen(process.communicate(timeout=120)[0])
    assert "Modèle enregistré" in typed(command, fresh_course.root)
    assert trouble.cure().lines == ["uv run 01_tracking_supervised/local/full_run.py"]


# L'interface


def experiments(port: int) -> list[str]:
    found = requests.get(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search", params={"max_results": 10}, timeout=60).json()
    return [each["name"] for each in found["experiments"]]


@pytest.mark.slow
@about("L'interface est vide")
def test_empty_ui(trouble, fresh_course):
    fresh_course.run(FIRST)
    folder = fresh_course.root / "03_mlflow_project"
    port = free_port()
    with running([*MLFLOW, "ui", "--port", str(port)], folder, wait_for=f"http://127.0.0.1:{port}/health", **QUIET):
        assert experiments(port) == ["Default"]
    assert (folder / "mlflow.db").exists()  # la base égarée
    back, start = trouble.cure().lines
    assert typed(["bash", "-c", f"{back} && pwd"], folder).strip() == str(fresh_course.root)
    with ExitStack() as stack:
        reader = Reader(fresh_course.root, stack)
        reader.type(trouble.cure()._replace(lines=[start]))
        assert "01_tracking_supervised" in experiments(reader.ports[5000])


@about("address already in use")
@pytest.mark.slow
def test_port_taken(trouble, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        trouble.seen(typed([*MLFLOW, "ui", "--port", str(taken.getsockname()[1])], tmp_path))
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        reader.type(trouble.cure())
        assert experiments(reader.ports[5001]) == ["Default"]


@pytest.mark.slow
@about("Invalid Host header")
def test_host_header(trouble, tmp_path):
    port = free_port()

    def asked(port: int, host: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{port}/version", headers={"Host": host}, timeout=60)

    with running([*MLFLOW, "server", "--port", str(port)], tmp_path, wait_for=f"http://127.0.0.1:{port}/health", **QUIET):
        refused = asked(port, f"mlflow.lan:{port}")
        assert refused.status_code == 403
        trouble.seen(refused.text)
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        reader.type(trouble.cure())
        for host in ("mlflow.lan", f"mlflow.lan:{reader.ports[5002]}"):
            assert asked(reader.ports[5002], host).status_code == 200, host


# Le nom des machines que le programme cherche, écrit dans un fichier ; aucune n'est jointe.
WITNESS = """
import os, socket
def witness(host, *arguments, _real=socket.getaddrinfo, **options):
    if str(host) not in ("127.0.0.1", "localhost"):
        open(os.environ["WITNESS"], "a").write(f"{host}\\n")
        raise socket.gaierror("personne")
    return _real(host, *arguments, **options)
socket.getaddrinfo = witness
"""


@pytest.mark.slow
@about("Le pare-feu signale un appel vers l'extérieur")
def test_telemetry(trouble, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    asked = tmp_path / "noms.txt"
    witness = {"PYTHONPATH": str(tmp_path), "WITNESS": str(asked)}
    [named] = re.findall(r"`…([\w.-]+)`", trouble.text)
    port = free_port()
    with running([*MLFLOW, "ui", "--port", str(port)], tmp_path, wait_for=f"http://127.0.0.1:{port}/health", **witness):
        end = time.monotonic() + 60
        while not asked.exists() and time.monotonic() < end:
            time.sleep(0.5)
    assert named in asked.read_text()
    asked.unlink()
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        reader.variables.update(witness)
        reader.type(trouble.cure(0))
        reader.type(trouble.cure(1))
        time.sleep(15)
    assert not asked.exists()


# Le magasin


@about("Ce magasin a été créé dans")
def test_moved_clone(trouble, fresh_course, tmp_path):
    fresh_course.run(FIRST)
    moved = tmp_path / "ailleurs"
    fresh_course.root.rename(moved)
    trouble.seen(typed([sys.executable, FIRST], moved))
    moved.rename(fresh_course.root)  # remis à sa place
    fresh_course.run(FIRST)
    fresh_course.root.rename(moved)
    cured(trouble, moved)  # ou vidé
    assert "accuracy 0.982" in typed([sys.executable, FIRST], moved)


@about("Un fichier manque dans mlruns/")
def test_artifacts_deleted(trouble, fresh_course):
    fresh_course.run("01_tracking_supervised/local/full_run.py")
    shutil.rmtree(fresh_course.root / "mlruns")
    trouble.seen(typed([sys.executable, "01_tracking_supervised/local/open_model.py"], fresh_course.root))
    cured(trouble, fresh_course.root)
    fresh_course.run("01_tracking_supervised/local/open_model.py")


@about("out-of-date database schema")
def test_other_version(trouble, fresh_course):
    import sqlite3

    fresh_course.run(FIRST)
    head = revision(fresh_course.root)
    with sqlite3.connect(fresh_course.root / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    database.close()
    trouble.seen(typed([*MLFLOW, "experiments", "search"], fresh_course.root))
    assert "Le magasin est d'une autre version de MLflow." in typed([sys.executable, FIRST], fresh_course.root)
    upgraded = typed([*MLFLOW, "db", "upgrade", "sqlite:///mlflow.db"], fresh_course.root)
    assert re.search(r"`(Can't .+?)`", trouble.text)[1] in upgraded
    assert "accuracy 0.982" in cured(trouble, fresh_course.root)
    # une base plus ancienne, elle, est mise à jour sans rien demander
    older_database(fresh_course.root / "ancienne.db")
    assert revision(fresh_course.root, "ancienne.db") != head
    typed([*MLFLOW, "experiments", "search"], fresh_course.root, MLFLOW_TRACKING_URI="sqlite:///ancienne.db")
    assert revision(fresh_course.root, "ancienne.db") == head


def revision(folder: Path, name: str = "mlflow.db") -> str:
    import sqlite3

    database = sqlite3.connect(folder / name)
    [(number,)] = database.execute("SELECT version_num FROM alembic_version")
    database.close()
    return number


def older_database(path: Path) -> None:
    """Une base telle que la version d'avant la dernière migration l'aurait faite."""
    import sqlalchemy
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    config = _get_alembic_config(f"sqlite:///{path}")
    scripts = ScriptDirectory.from_config(config)
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, scripts.get_revision(scripts.get_current_head()).down_revision)
    engine.dispose()


OPENING = """
import sys, time
from pathlib import Path
import mlflow
import mlflow.store.tracking.sqlalchemy_store
Path(f"pret{sys.argv[1]}").touch()
while not Path("partez").exists():
    time.sleep(0.001)
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.search_experiments()
"""


def together(folder: Path, programs: int = 4) -> str:
    """Ce qu'écrivent des programmes qui ouvrent la même base au même instant."""
    for path in [*folder.glob("pret*"), *folder.glob("partez")]:
        path.unlink()
    command = [sys.executable, "-c", OPENING]
    started = [
        subprocess.Popen(
            [*command, str(number)], cwd=folder, env=clean_environment(**QUIET), stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True
        )
        for number in range(programs)
    ]
    while len(list(folder.glob("pret*"))) < programs:
        assert all(each.poll() is None for each in started)
        time.sleep(0.1)
    (folder / "partez").touch()
    return "".join(each.communicate(timeout=300)[0] for each in started)


@pytest.mark.slow
@about("table already exists, duplicate column name")
def test_created_together(trouble, tmp_path):
    for _ in range(5):  # une course : le plus souvent perdue du premier coup
        said = together(tmp_path)
        if "OperationalError" in said:
            break
        (tmp_path / "mlflow.db").unlink()
    trouble.seen(said)
    assert re.search(r"\(sqlite3.OperationalError\) (table \S+ already exists|duplicate column name: \S+)", said)
    assert "Default" in cured(trouble, tmp_path)
    assert "Error" not in together(tmp_path)


@about("Le magasin ne répond pas")
def test_dead_server(trouble, fresh_course):
    address = f"http://127.0.0.1:{free_port()}"
    trouble.seen(typed([sys.executable, FIRST], fresh_course.root, MLFLOW_TRACKING_URI=address))
    with ExitStack() as stack:
        reader = Reader(fresh_course.root, stack)
        reader.variables["MLFLOW_TRACKING_URI"] = address
        assert "accuracy 0.982" in reader.type(trouble.cure()).output


@about("Repartir d'un magasin vide")
def test_start_again(trouble, fresh_course):
    fresh_course.run(FIRST)
    cured(trouble, fresh_course.root)
    fresh_course.run(FIRST)
    assert len(fresh_course.runs("01_tracking_supervised")) == 1


@about("La ligne de commande lit un autre magasin")
def test_command_line_elsewhere(trouble, fresh_course):
    fresh_course.run(FIRST)
    folder = fresh_course.root / "02_tracking_unsupervised"
    assert "01_tracking_supervised" not in typed([*MLFLOW, "experiments", "search"], folder)
    trouble.seen(typed([*MLFLOW, "runs", "list", "--experiment-id", "1"], folder))
    assert "01_tracking_supervised" in cured(trouble, folder)


@pytest.mark.slow
@about("Un dossier Jean%20Dupont")
def test_percent_encoded_folder(trouble, tmp_path):
    folder, ghost = tmp_path / "Jean Dupont", tmp_path / "Jean%20Dupont"
    folder.mkdir()
    typed([*MLFLOW, "experiments", "search"], folder)
    assert ghost.is_dir() and list(ghost.iterdir()) == []
    ghost.rmdir()
    with ExitStack() as stack:
        reader = Reader(folder, stack)
        reader.type(trouble.cure())
        assert experiments(reader.ports[5000]) == ["Default"]
    assert not ghost.exists()


ONE_FILE = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment(sys.argv[2])
with mlflow.start_run() as run:
    mlflow.log_text("bonjour", "salut.txt")
print(run.info.artifact_uri)
"""


@pytest.mark.slow
@about("Les fichiers restent sur mon poste")
def test_artifacts_on_the_client(trouble, tmp_path):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with running([*MLFLOW, "server", "--no-serve-artifacts", "--port", str(port)], tmp_path, wait_for=f"{address}/health", **QUIET):
        said = typed([sys.executable, "-c", ONE_FILE, address, "avant"], tmp_path)
    trouble.seen(said)
    assert Path(said.strip().splitlines()[-1], "salut.txt").is_file()  # écrit par le client, à ce chemin, sur sa machine
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        reader.type(trouble.cure())
        said = typed([sys.executable, "-c", ONE_FILE, f"http://127.0.0.1:{reader.ports[5003]}", "après"], tmp_path)
    assert said.strip().splitlines()[-1].startswith("mlflow-artifacts:/")
