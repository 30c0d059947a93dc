"""DEPANNAGE.md, première partie : démarrer, le magasin. Chaque ennui est causé, son message retrouvé, son remède essayé.

Deux copies du cours servent à tous ceux qui n'en abîment pas une : `filled`, où le premier script a tourné, et `models`.
"""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pages
import pytest
from conftest import ROOT, Course, clean_environment, free_port, hears_ctrl_c
from troubles import FIRST, MLFLOW, NOT_CAUSED, PAGE, TROUBLES, about, cured, reader_in, typed

FULL, OPEN = "01_tracking_supervised/local/full_run.py", "01_tracking_supervised/local/open_model.py"


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Course:
    course = Course(tmp_path_factory.mktemp("rempli"))
    course.run(FIRST)
    return course


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("modèles"))


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
    listed = set(re.findall(r"\(#([^)]+)\)", table))
    assert listed == {next(iter(pages.anchors(f"### {title}"))) for title in TROUBLES} | {"code-ancien-code-daujourdhui"}


# Démarrer


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("uv"), reason="uv manque")
@about("Failed to spawn, ou can't open file")
def test_wrong_folder(trouble, filled):
    folder = filled.root / "tests"
    by_uv = typed(["uv", "run", "--no-project", "--offline", FIRST], folder)
    trouble.seen(by_uv, typed([sys.executable, FIRST], folder))
    assert "accuracy 0.982" in cured(trouble, folder)


@about("No module named")
def test_wrong_python(trouble, tmp_path):
    trouble.seen(typed([sys.executable, "-S", ROOT / FIRST], tmp_path))
    back, again = TROUBLES["Failed to spawn, ou can't open file"].cure().lines
    assert trouble.cure().lines == [again]  # ce remède-là vient d'être tapé


SYSTEM_PYTHON = Path("/usr/bin/python3")
MANAGED = list(Path("/usr/lib").glob("python3*/EXTERNALLY-MANAGED"))


@pytest.mark.slow
@pytest.mark.skipif(not MANAGED or not SYSTEM_PYTHON.exists(), reason="demande le Python de Debian ou d'Ubuntu")
@about("externally-managed-environment")
def test_managed_python(trouble, tmp_path):
    trouble.seen(typed([SYSTEM_PYTHON, "-m", "pip", "install", "--no-index", "uv"], tmp_path))
    cured(trouble, tmp_path)
    inside = typed([tmp_path / ".venv/bin/python", "-m", "pip", "install", "--no-index", "uv"], tmp_path)
    assert "externally-managed" not in inside and "No matching distribution" in inside


@pytest.mark.slow
@about("Lancez d'abord")
def test_out_of_order(trouble, models):
    said = typed([sys.executable, OPEN], models.root)
    trouble.seen(said)
    assert said.rpartition("Lancez d'abord : ")[2].strip() == trouble.cure().lines[0]
    assert "114 prédictions égales sur 114" in cured(trouble, models.root)


@pytest.mark.slow
@about("N'est pas un nombre")
def test_comma(trouble, filled):
    trouble.seen(typed([sys.executable, FIRST, "--gamma", "0,3"], filled.root))
    assert "gamma 0.3 :" in cured(trouble, filled.root)


def statuses(course: Course) -> list[str]:
    """L'état des runs de la copie, du plus ancien au plus récent ; rien tant que la base n'existe pas."""
    if not (course.root / "mlflow.db").exists():
        return []
    database = sqlite3.connect(f"file:{course.root / 'mlflow.db'}?mode=ro", uri=True)
    try:
        return [status for (status,) in database.execute("SELECT status FROM runs ORDER BY start_time")]
    finally:
        database.close()


@pytest.mark.slow
@about("Interrompu")
def test_ctrl_c(trouble, filled):
    command = [sys.executable, filled.root / FULL]
    process = subprocess.Popen(
        command, cwd=filled.root, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **hears_ctrl_c()
    )
    while "RUNNING" not in statuses(filled):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    trouble.seen(process.communicate(timeout=120)[0])
    assert statuses(filled)[-1] == "FAILED"  # comme le message le dit
    assert "Modèle enregistré" in cured(trouble, filled.root)


# Le magasin


@pytest.mark.slow
@about("Ce magasin a été créé dans")
def test_moved_clone(trouble, filled, tmp_path):
    moved = shutil.copytree(filled.root, tmp_path / "ailleurs")  # l'original, à sa place, sert encore aux autres tests
    trouble.seen(typed([sys.executable, FIRST], moved))
    cured(trouble, moved)
    assert "accuracy 0.982" in typed([sys.executable, FIRST], moved)


@pytest.mark.slow
@about("Un fichier manque dans mlruns/")
def test_artifacts_deleted(trouble, models):
    if not (models.root / "mlruns").exists():
        models.run(FULL)
    shutil.rmtree(models.root / "mlruns")
    trouble.seen(typed([sys.executable, OPEN], models.root))
    cured(trouble, models.root)
    models.run(OPEN)


@pytest.mark.slow
@about("out-of-date database schema")
def test_other_version(trouble, filled, tmp_path):
    shutil.copy(filled.root / "mlflow.db", tmp_path)
    head = revision(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    database.close()
    address = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    trouble.seen(typed([*MLFLOW, "experiments", "search"], tmp_path), typed([sys.executable, FIRST], filled.root, **address))
    upgraded = typed([*MLFLOW, "db", "upgrade", "sqlite:///mlflow.db"], tmp_path)
    assert re.search(r"`(Can't .+?)`", trouble.text)[1] in upgraded
    assert "accuracy 0.982" in cured(trouble, filled.root)
    # une base plus ancienne, elle, est mise à jour sans rien demander
    older_database(tmp_path / "ancienne.db")
    assert revision(tmp_path, "ancienne.db") != head
    typed([*MLFLOW, "experiments", "search"], tmp_path, MLFLOW_TRACKING_URI="sqlite:///ancienne.db")
    assert revision(tmp_path, "ancienne.db") == head


def revision(folder: Path, name: str = "mlflow.db") -> str:
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
import multiprocessing, sys
import mlflow, mlflow.store.tracking.sqlalchemy_store

def open_store(start):
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    start.wait()
    mlflow.search_experiments()

fork = multiprocessing.get_context("fork")  # MLflow n'est importé qu'une fois
start = fork.Barrier(4)
programs = [fork.Process(target=open_store, args=(start,)) for _ in range(4)]
for program in programs:
    program.start()
for program in programs:
    program.join()
"""


def together(folder: Path) -> str:
    """Ce qu'écrivent quatre programmes qui ouvrent la même base au même instant."""
    return typed([sys.executable, "-c", OPENING], folder)


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


@pytest.mark.slow
@about("Le magasin ne répond pas")
def test_dead_server(trouble, filled):
    address = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # on n'attend pas
    trouble.seen(typed([sys.executable, FIRST], filled.root, **address))
    with ExitStack() as stack:
        assert "accuracy 0.982" in reader_in(filled.root, stack, **address).type(trouble.cure()).output


@pytest.mark.slow
@about("La ligne de commande lit un autre magasin")
def test_command_line_elsewhere(trouble, filled):
    folder = filled.root / "02_tracking_unsupervised"
    said = typed([*MLFLOW, "experiments", "search"], folder)
    trouble.seen(said)
    assert "01_tracking_supervised" not in said
    assert "01_tracking_supervised" in cured(trouble, folder)


@pytest.mark.slow
@about("Repartir d'un magasin vide")
def test_start_again(trouble, filled):
    assert (filled.root / "mlflow.db").exists()
    cured(trouble, filled.root)
    filled.run(FIRST)
    assert len(filled.runs("01_tracking_supervised")) == 1
