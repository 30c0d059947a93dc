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
from contextlib import ExitStack, closing
from pathlib import Path

import pages
import pytest
from copies import Course
from programs import free_port, hears_ctrl_c, reader_environment
from texts import ROOT
from troubles import FIRST, MLFLOW, NOT_CAUSED, PAGE, TROUBLES, about, cured, launched, reader_in, typed

FULL, OPEN = "01_tracking_supervised/local/full_run.py", "01_tracking_supervised/local/open_model.py"


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Course:
    course = Course(tmp_path_factory.mktemp("rempli"))
    course.fork(FIRST)
    return course


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("modèles"))


def test_every_entry_is_caused_or_says_that_it_is_not():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    caused = re.findall(r'^@about\("([^"]+)"\)$', source, flags=re.MULTILINE)
    assert len(caused) == len(set(caused))
    assert set(caused) | set(NOT_CAUSED) == set(TROUBLES)
    assert [title for title, words in NOT_CAUSED.items() if words not in TROUBLES[title].text] == []


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
    said = launched(OPEN, models.root)
    trouble.seen(said)
    assert said.rpartition("Lancez d'abord : ")[2].strip() == trouble.cure().lines[0]
    assert "114 prédictions égales sur 114" in cured(trouble, models.root)


@pytest.mark.slow
@about("N'est pas un nombre")
def test_comma(trouble, filled):
    trouble.seen(launched(FIRST, filled.root, "--gamma", "0,3"))
    assert "gamma 0.3 :" in cured(trouble, filled.root)


def read(database: Path, query: str) -> list:
    """La première colonne de ce que répond cette base, lue sans MLflow ; rien tant qu'elle n'existe pas."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as base:
        return [first for first, *_ in base.execute(query)]


@pytest.mark.slow
@about("Interrompu")
def test_ctrl_c(trouble, filled):
    statuses, base = "SELECT status FROM runs ORDER BY start_time", filled.root / "mlflow.db"
    process = subprocess.Popen(
        filled.command(FULL), cwd=filled.root, env=reader_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        **hears_ctrl_c(),
    )  # fmt: skip
    while "RUNNING" not in read(base, statuses):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    trouble.seen(process.communicate(timeout=120)[0])
    assert read(base, statuses)[-1] == "FAILED"  # comme le message le dit
    assert "Modèle enregistré" in cured(trouble, filled.root)


# Le magasin


@pytest.mark.slow
@about("Ce magasin a été créé dans")
def test_moved_clone(trouble, filled, tmp_path):
    moved = shutil.copytree(filled.root, tmp_path / "ailleurs")  # l'original, à sa place, sert encore aux autres tests
    trouble.seen(launched(FIRST, moved))
    cured(trouble, moved)
    assert "accuracy 0.982" in launched(FIRST, moved)


@pytest.mark.slow
@about("Un fichier manque dans mlruns/")
def test_artifacts_deleted(trouble, models):
    models.fork(FULL)
    shutil.rmtree(models.root / "mlruns")
    trouble.seen(launched(OPEN, models.root))
    cured(trouble, models.root)
    models.fork(OPEN)


@pytest.mark.slow
@about("out-of-date database schema")
def test_other_version(trouble, filled, tmp_path):
    revision, base, older = "SELECT version_num FROM alembic_version", tmp_path / "mlflow.db", tmp_path / "ancienne.db"
    shutil.copy(filled.root / "mlflow.db", base)
    [head] = read(base, revision)
    with closing(sqlite3.connect(base)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        newer.commit()
    opened = typed([*MLFLOW, "experiments", "search"], tmp_path)
    trouble.seen(opened, launched(FIRST, filled.root, MLFLOW_TRACKING_URI=f"sqlite:///{base}"))
    upgraded = typed([*MLFLOW, "db", "upgrade", "sqlite:///mlflow.db"], tmp_path)
    assert re.search(r"`(Can't .+?)`", trouble.text)[1] in upgraded
    assert "accuracy 0.982" in cured(trouble, filled.root)
    # une base plus ancienne, elle, est mise à jour sans rien demander
    older_database(older)
    assert read(older, revision) != [head]
    typed([*MLFLOW, "experiments", "search"], tmp_path, MLFLOW_TRACKING_URI="sqlite:///ancienne.db")
    assert read(older, revision) == [head]


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


@pytest.mark.slow
@about("table already exists, duplicate column name")
def test_created_together(trouble, tmp_path):
    four = [sys.executable, "-c", OPENING]
    for _ in range(5):  # une course : le plus souvent perdue du premier coup
        said = typed(four, tmp_path)
        if "OperationalError" in said:
            break
        (tmp_path / "mlflow.db").unlink()
    trouble.seen(said)
    assert re.search(r"\(sqlite3.OperationalError\) (table \S+ already exists|duplicate column name: \S+)", said)
    assert "Default" in cured(trouble, tmp_path)
    assert "Error" not in typed(four, tmp_path)


@pytest.mark.slow
@about("Le magasin ne répond pas")
def test_dead_server(trouble, filled):
    address = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # on n'attend pas
    trouble.seen(launched(FIRST, filled.root, **address))
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
    filled.fork(FIRST)
    assert len(filled.runs("01_tracking_supervised")) == 1
