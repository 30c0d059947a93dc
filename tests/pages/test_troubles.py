"""DEPANNAGE.md : démarrer, le magasin.

Chaque ennui est causé, son message retrouvé, son remède essayé (voir troubles.py).
"""

import inspect
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from copies import Course, until_paused
from mlflow.store.db import utils
from programs import LIGHT, ended, free_port, hears_ctrl_c, reader_environment
from texts import ROOT
from troubles import FIRST, MLFLOW, TROUBLES, about, cured, launched, reader_in, typed

pytestmark = pytest.mark.slow
FULL, OPEN = (
    "01_tracking_supervised/local/03_full_run.py",
    "01_tracking_supervised/local/04_open_model.py",
)
EXPERIMENT = "01_tracking_supervised"
SWEEP = "01_tracking_supervised/local/05_svm_sweep.py"


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Course:
    """Une copie où le premier script a tourné, pour tous ceux qui ne l'abîment pas."""
    course = Course(tmp_path_factory.mktemp("rempli"))
    course.fork(FIRST)
    return course


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("modèles"))


def read(database: Path, query: str) -> list:
    """La première colonne de ce que répond cette base, lue sans MLflow ; rien tant qu'elle n'existe
    pas.
    """
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as base:
        return [first for first, *_ in base.execute(query)]


def statuses(course: Course) -> list[str]:
    """Le statut de chaque run, du premier au dernier."""
    return read(course.root / "mlflow.db", "SELECT status FROM runs ORDER BY start_time")


# Démarrer


@pytest.mark.skipif(not shutil.which("uv"), reason="uv manque")
@about("Failed to spawn, ou can't open file")
def test_wrong_folder(trouble, filled):
    folder = filled.root / "tests"
    trouble.seen(
        typed(["uv", "run", "--no-project", "--offline", FIRST], folder),
        typed([sys.executable, FIRST], folder),
    )
    assert "accuracy 0.982" in cured(trouble, folder)


@about("No module named")
def test_wrong_python(trouble, tmp_path):
    trouble.seen(typed([sys.executable, "-S", ROOT / FIRST], tmp_path))
    # il vient d'être tapé
    assert trouble.cure().lines == TROUBLES["Failed to spawn, ou can't open file"].cure().lines[1:]


@pytest.mark.skipif(
    not list(Path("/usr/lib").glob("python3*/EXTERNALLY-MANAGED")),
    reason="demande le Python de Debian ou d'Ubuntu",
)
@about("externally-managed-environment")
def test_managed_python(trouble, tmp_path):
    install = ["-m", "pip", "install", "--no-index", "uv"]
    trouble.seen(typed(["/usr/bin/python3", *install], tmp_path))
    cured(trouble, tmp_path)
    assert "No matching distribution" in typed([tmp_path / ".venv/bin/python", *install], tmp_path)


@about("Lancez d'abord")
def test_out_of_order(trouble, models):
    said = launched(OPEN, models.root)
    trouble.seen(said)
    assert said.rpartition("Lancez d'abord : ")[2].strip() == trouble.cure().lines[0]
    assert "114 prédictions égales sur 114" in cured(trouble, models.root)


BARE = """
import mlflow
import pandas as pd
from mlflow.models import infer_signature

mlflow.set_experiment("mes essais")
infer_signature(pd.DataFrame({"age": [41, 62]}))
with mlflow.start_run():
    mlflow.log_metric("valid_accuracy", 0.97)
"""


@about("Creating initial MLflow database tables")
def test_lines_that_are_no_errors(trouble, tmp_path):
    (tmp_path / "mien.py").write_text(BARE)
    told = ended([sys.executable, "mien.py"], tmp_path, **LIGHT)
    trouble.seen(told.stderr)
    assert told.returncode == 0
    assert read(tmp_path / "mlflow.db", "SELECT status FROM runs") == ["FINISHED"]
    (tmp_path / "mlflow.db").unlink()
    (tmp_path / "mien.py").write_text(trouble.cure().text + BARE)
    assert "INFO" not in typed([sys.executable, "mien.py"], tmp_path)


@about("Un second mlflow.db")
def test_second_store(trouble, tmp_path):
    program, sub = tmp_path / "mien.py", tmp_path / "sous-dossier"
    program.write_text(BARE)
    sub.mkdir()
    for folder in (tmp_path, sub):
        typed([sys.executable, program], folder)
        assert read(folder / "mlflow.db", "SELECT status FROM runs") == ["FINISHED"]
    shutil.rmtree(sub)
    sub.mkdir()
    program.write_text(trouble.cure().text + BARE)
    typed([sys.executable, program], sub)
    assert list(sub.iterdir()) == []
    assert len(read(tmp_path / "mlflow.db", "SELECT status FROM runs")) == 2


@about("invalid float value")
def test_comma(trouble, filled):
    options = ["--env-manager", "local", "-e", "train", "-P", "alpha=0,3"]
    trouble.seen(typed([*MLFLOW, "run", "03_mlflow_project", *options], filled.root))
    cured(trouble, filled.root)
    assert filled.runs("03_mlflow_project")[0].data.params["alpha"] == "0.3"


def interrupted(course: Course, script: str, before: str, when: str = "True") -> str:
    """Ce qu'écrit un script coupé par Ctrl-C avant cette ligne."""
    here = course.pause(script, before, when)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(
        course.command(script), cwd=course.root, env=reader_environment(), **streams,
        **hears_ctrl_c(),
    )  # fmt: skip
    until_paused(process, here)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0]
    here.unlink()
    return said


@about("KeyboardInterrupt")
def test_ctrl_c(trouble, filled):
    said = interrupted(filled, FULL, "table = data.X_train")
    trouble.seen(said)
    assert said.splitlines()[-1] == "KeyboardInterrupt" and "Traceback" in said
    assert statuses(filled)[-1] == "FAILED"  # comme l'entrée le dit
    assert "Modèle enregistré" in cured(trouble, filled.root)


def test_ctrl_c_in_the_sweep(fresh_course):
    """Une grille de quatre couples, coupée au troisième : le remède fait les deux qui manquent,
    sous le même parent.
    """
    fresh_course.tune(SWEEP, GRID={"C": [1.0, 10.0], "gamma": [0.01, 0.1]})
    interrupted(fresh_course, SWEEP, "model = svm(C, gamma)", "(C, gamma) == (10.0, 0.01)")
    done = [
        run.info.run_id for run in fresh_course.runs(EXPERIMENT, "attributes.status='FINISHED'")
    ]
    assert len(done) == 2 and set(statuses(fresh_course)) == {"FINISHED", "FAILED"}
    cured(TROUBLES["KeyboardInterrupt"], fresh_course.root, 1)
    [parent] = fresh_course.runs(EXPERIMENT, "attributes.run_name = 'svm balayage'")
    finished = [run for run in fresh_course.children(parent) if run.info.status == "FINISHED"]
    assert parent.info.status == "FINISHED" and parent.data.metrics["best_cv_cost"] > 0
    assert {run.info.run_id for run in finished} > set(done)
    couples = [(run.data.params["C"], run.data.params["gamma"]) for run in finished]
    assert sorted(couples) == [("1.0", "0.01"), ("1.0", "0.1"), ("10.0", "0.01"), ("10.0", "0.1")]


# Ctrl-C, à l'instant où la base écrit
INTERRUPTED = """
import mlflow, sqlalchemy

@sqlalchemy.event.listens_for(sqlalchemy.Engine, "do_executemany")
def ctrl_c(cursor, statement, parameters, context):
    if "INTO params" in statement:
        cursor.executemany(statement, parameters)
        raise KeyboardInterrupt

mlflow.set_experiment("interrompu")
with mlflow.start_run():
    mlflow.log_params({"C": 1, "gamma": 2})
"""


def test_ctrl_c_while_the_base_is_written(filled):
    said = typed([sys.executable, "-c", INTERRUPTED], filled.root)
    text = TROUBLES["KeyboardInterrupt"].text
    assert "attend vingt secondes par run" in text  # le délai que MLflow demande à SQLite
    assert "PRAGMA busy_timeout = 20000" in inspect.getsource(utils)
    assert "KeyboardInterrupt" in said and "(sqlite3.OperationalError) database is locked" in said
    assert statuses(filled)[-1] == "RUNNING"


# Le magasin


@about("Ce magasin a été créé dans")
def test_moved_clone(trouble, filled, tmp_path):
    # l'original, à sa place, sert encore aux autres tests
    moved = shutil.copytree(filled.root, tmp_path / "ailleurs")
    trouble.seen(launched(FIRST, moved))
    cured(trouble, moved)
    assert "accuracy 0.982" in launched(FIRST, moved)


@about("No such artifact")
def test_artifacts_deleted(trouble, models):
    models.fork(FULL)
    shutil.rmtree(models.root / "mlruns")
    trouble.seen(launched(OPEN, models.root))
    cured(trouble, models.root)
    models.fork(OPEN)


@about("out-of-date database schema")
def test_newer_version(trouble, filled, tmp_path):
    """D'une base plus ancienne, qui se met à niveau en s'ouvrant, store_life (leçon 1) fait la
    démonstration.
    """
    base = shutil.copy(filled.root / "mlflow.db", tmp_path)
    with closing(sqlite3.connect(base)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        newer.commit()
    trouble.seen(typed([*MLFLOW, "experiments", "search"], tmp_path))
    trouble.seen(launched(FIRST, filled.root, MLFLOW_TRACKING_URI=f"sqlite:///{base}"))
    upgraded = typed([*MLFLOW, "db", "upgrade", "sqlite:///mlflow.db"], tmp_path)
    assert re.search(r"`(Can't .+?)`", trouble.text)[1] in upgraded
    assert "accuracy 0.982" in cured(trouble, filled.root)


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


@about("table already exists, duplicate column name")
def test_created_together(trouble, tmp_path):
    four = [sys.executable, "-c", OPENING]
    for _ in range(5):  # une course : le plus souvent perdue du premier coup
        said = typed(four, tmp_path)
        if "OperationalError" in said:
            break
        (tmp_path / "mlflow.db").unlink()
    trouble.seen(said)
    assert re.search(
        r"\(sqlite3.OperationalError\) (table \S+ already exists|duplicate column name: \S+)", said
    )
    assert "Default" in cured(trouble, tmp_path)
    assert "Error" not in typed(four, tmp_path)


@about("Max retries exceeded")
def test_dead_server(trouble, filled):
    # on n'attend pas
    address = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    assert all(f"`{name}=1`" in trouble.text for name in list(address)[1:])
    trouble.seen(launched(FIRST, filled.root, **address))
    with ExitStack() as stack:
        assert (
            "accuracy 0.982" in reader_in(filled.root, stack, **address).type(trouble.cure()).output
        )


@about("database is locked")
def test_locked_base(trouble, models):
    models.fork(FULL)
    before = read(models.root / "mlflow.db", "SELECT run_uuid FROM runs WHERE status = 'FINISHED'")
    with closing(sqlite3.connect(models.root / "mlflow.db")) as browser:
        browser.execute("BEGIN EXCLUSIVE")
        trouble.seen(launched(FULL, models.root))
    assert "Modèle enregistré" in cured(trouble, models.root)
    after = read(models.root / "mlflow.db", "SELECT run_uuid FROM runs WHERE status = 'FINISHED'")
    assert set(before) < set(after)


@about("La ligne de commande lit un autre magasin")
def test_command_line_elsewhere(trouble, filled):
    folder = filled.root / "02_tracking_unsupervised"
    said = typed([*MLFLOW, "experiments", "search"], folder)
    trouble.seen(said)
    assert "01_tracking_supervised" not in said
    assert "01_tracking_supervised" in cured(trouble, folder)


@about("Repartir d'un magasin vide")
def test_start_again(trouble, fresh_course):
    fresh_course.fork(FIRST)
    cured(trouble, fresh_course.root)
    fresh_course.fork(FIRST)
    assert len(fresh_course.runs("01_tracking_supervised")) == 4  # ceux de ce lancement, seuls
