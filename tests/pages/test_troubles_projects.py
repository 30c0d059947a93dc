"""DEPANNAGE.md : les projets, et ce qui demande un autre programme.

Chaque ennui est causé, son remède essayé (voir troubles.py).
"""

import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from copies import Course
from mlflow import MlflowException
from programs import reader_environment
from texts import tables
from troubles import MLFLOW, PAGE, TROUBLES, about, cured, typed

pytestmark = pytest.mark.slow
# une étape suffit : la page de la leçon 3 en est une autre preuve
PREPARE = {"--env-manager local": "--env-manager local -e prepare"}
STEP = ["--env-manager", "local", "-e", "prepare"]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    """Une copie du cours où le remède de la première entrée a été tapé."""
    course = Course(tmp_path_factory.mktemp("projets"))
    cured(TROUBLES["No such file or directory: 'None'"], course.root, **PREPARE)
    assert course.runs("03_mlflow_project") and not course.runs("Default")
    return course


def replayed(
    course: Course, *options: str, project: str = "03_mlflow_project", **environment: str
) -> str:
    return typed([*MLFLOW, "run", project, *options], course.root, **environment)


@about("No such file or directory: 'None'")
def test_without_pyenv(trouble, course):
    path = ":".join(
        each
        for each in reader_environment()["PATH"].split(":")
        if not (Path(each) / "pyenv").exists()
    )
    trouble.seen(replayed(course, "--experiment-name", "sans pyenv", PATH=path))
    for title in (
        "pyenv install --skip-existing",
        "Le run du projet est dans Default",
        "Could not find main among entry points",
    ):
        assert TROUBLES[title].cure().lines == trouble.cure().lines


FAKE_PYENV = """#!/bin/sh
if [ "$2" = "--list" ]; then echo "  3.11.15"; echo "  3.12.1"; echo "  3.13.1"; exit 0; fi
echo "BUILD FAILED"; exit 1
"""


@about("pyenv install --skip-existing")
def test_with_pyenv(trouble, course, tmp_path):
    (tmp_path / "pyenv").write_text(FAKE_PYENV)
    (tmp_path / "pyenv").chmod(0o755)
    trouble.seen(
        replayed(
            course,
            "--experiment-name",
            "avec pyenv",
            PATH=f"{tmp_path}:{reader_environment()['PATH']}",
        )
    )


@about("Le run du projet est dans Default")
def test_in_default(trouble, course):
    before = len(course.runs("03_mlflow_project"))
    replayed(course, *STEP)
    assert course.runs("Default") and len(course.runs("03_mlflow_project")) == before


@about("Run with id not found")
def test_relative_address(trouble, course):
    trouble.seen(replayed(course, *STEP, MLFLOW_TRACKING_URI="sqlite:///mlflow.db"))
    assert (course.root / "03_mlflow_project/mlflow.db").exists()  # l'autre base
    before = len(course.runs("03_mlflow_project"))
    cured(trouble, course.root, **PREPARE)
    assert len(course.runs("03_mlflow_project")) == before + 1


@about("Could not find main among entry points")
def test_in_a_subfolder(trouble, course):
    # l'adresse Git et son `#` : l'entrée suivante
    trouble.seen(replayed(course, "--env-manager", "local", project="."))


@about("couldn't find remote ref")
def test_short_commit(trouble, course):
    commit = course.git("rev-parse", "HEAD")
    source = f"file://{course.root.as_posix().replace(' ', '%20')}/%2Egit#03_mlflow_project"
    trouble.seen(
        replayed(course, *STEP, "--experiment-name", "commit", "-v", commit[:7], project=source)
    )
    assert cured(trouble, course.root).strip() == commit
    assert "succeeded" in replayed(
        course, *STEP, "--experiment-name", "commit", "-v", commit, project=source
    )


def test_the_old_option(course):
    """La ligne du tableau « Code ancien » que test_troubles_python laisse."""
    [row] = [
        row
        for row in tables(PAGE.read_text(encoding="utf-8").partition("## Code ancien")[2])
        if "`mlflow run" in row["ancien"]
    ]
    old, new = (row[column].strip("`").split()[3:] for column in ("ancien", "aujourd'hui"))
    assert row["ce que l'on voit"] in replayed(course, *old)
    assert "succeeded" in replayed(course, *new, "-e", "prepare")


# Les runs, et ce qu'un programme importe


@about("Cannot set a deleted experiment")
@pytest.mark.parametrize("number", [0, 1], ids=["restore", "gc"])
def test_deleted_experiment(trouble, course, number):
    store, name = course.client(), f"effacée {number}"
    identifier = store.create_experiment(name, tags={"avant": "oui"})
    store.delete_experiment(identifier)
    with pytest.raises(MlflowException) as refused:
        mlflow.set_experiment(name)
    trouble.seen(str(refused.value))
    cured(trouble, course.root, number, IDENTIFIANT=identifier)
    found = mlflow.set_experiment(name)
    assert ("avant" in found.tags) is (number == 0)  # la même, ou une autre du même nom


LONG = """
import time, mlflow
with mlflow.start_run() as run:
    print(run.info.run_id, flush=True)
    time.sleep(600)
"""


@about("Un run reste RUNNING")
def test_killed_run(trouble, course):
    program = subprocess.Popen(
        [sys.executable, "-c", LONG],
        env=reader_environment(MLFLOW_TRACKING_URI=course.uri),
        cwd=course.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    killed = program.stdout.readline().strip()
    program.kill()
    program.communicate(timeout=60)
    store = course.client()
    assert store.get_run(killed).info.status == "RUNNING"
    exec(trouble.cure(IDENTIFIANT=killed).text, {})
    assert store.get_run(killed).info.status == "KILLED"


@about("module mlflow has no attribute")
def test_shadowed_library(trouble, tmp_path):
    program = tmp_path / "essai.py"
    program.write_text("import mlflow\nprint(mlflow.set_experiment.__name__)\n")
    for shadow in (tmp_path / "mlflow/__init__.py", tmp_path / "mlflow.py"):
        shadow.parent.mkdir(exist_ok=True)
        shadow.write_text("")
        trouble.seen(typed([sys.executable, program], tmp_path))
        if shadow.name == "__init__.py":
            shadow.unlink()  # un dossier sans __init__.py ne gêne pas
    cured(trouble, tmp_path)
    assert typed([sys.executable, program], tmp_path) == "set_experiment\n"
