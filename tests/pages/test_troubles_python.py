"""DEPANNAGE.md, seconde partie : les runs, les modèles, les projets, l'ancien code. Chaque ennui est causé, son remède exécuté."""

import logging
import re
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from copies import Course
from lesson_01 import RECORD
from mlflow import MlflowClient, MlflowException
from pages import blocks, same_output
from programs import reader_environment
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, root_mean_squared_error
from sklearn.tree import DecisionTreeRegressor
from texts import tables
from troubles import FIRST, MLFLOW, PAGE, TROUBLES, about, cured, launched, typed

X, Y = load_diabetes(return_X_y=True, as_frame=True)
PINS = ["scikit-learn"]  # des dépendances données : MLflow n'a rien à deviner


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Un dossier et son magasin, que ces tests partagent."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def guessed(monkeypatch) -> list:
    """Les fois où MLflow aurait ouvert un second Python pour deviner des dépendances : quatre secondes chacune."""
    asked = []
    monkeypatch.setattr(mlflow.models, "infer_pip_requirements", lambda *arguments, **options: asked.append(arguments) or PINS)
    return asked


@pytest.fixture(autouse=True)
def store(folder, monkeypatch, guessed):
    """Le magasin de `folder`, vu d'ici : les programmes de la page s'y exécutent."""
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment("Default")
    yield MlflowClient()
    mlflow.end_run()
    mlflow.sklearn.autolog(disable=True)


def executed(trouble, capsys, number: int = 0, **words: str) -> str:
    """Exécute le remède, un bloc Python, et renvoie ce qu'il écrit."""
    capsys.readouterr()
    exec(compile(trouble.cure(number, **words).text, trouble.title, "exec"), {"__name__": "page"})
    return capsys.readouterr().out


# Les runs


@about("Changing param values is not allowed")
def test_parameter_changed(trouble, store, capsys):
    with mlflow.start_run():
        mlflow.log_param("C", 1)
        with pytest.raises(MlflowException) as refused:
            mlflow.log_param("C", 2)
    trouble.seen(str(refused.value))
    executed(trouble, capsys)
    assert {run.info.run_name: run.data.params["C"] for run in store.search_runs(["0"]) if run.info.run_name.startswith("C=")} == {
        "C=1": "1",
        "C=2": "2",
    }


@pytest.mark.slow
@about("Cannot set a deleted experiment")
@pytest.mark.parametrize("number", [0, 1], ids=["restore", "gc"])
def test_deleted_experiment(trouble, store, folder, number):
    name = f"effacée {number}"
    identifier = store.create_experiment(name, tags={"avant": "oui"})
    store.delete_experiment(identifier)
    with pytest.raises(MlflowException) as refused:
        mlflow.set_experiment(name)
    trouble.seen(str(refused.value))
    cured(trouble, folder, number, IDENTIFIANT=identifier)
    found = mlflow.set_experiment(name)
    assert ("avant" in found.tags) is (number == 0)  # la même, ou une autre du même nom


@pytest.mark.slow
@about("Un run reste RUNNING")
def test_killed_run(trouble, folder, capsys, fresh_course):
    script = fresh_course.root / FIRST
    waiting = "    print(run.info.run_id, flush=True); import time; time.sleep(600)\n    mlflow.log_"
    (script.parent / "essai.py").write_text(script.read_text(encoding="utf-8").replace("    mlflow.log_", waiting, 1), encoding="utf-8")
    command = [sys.executable, script.parent / "essai.py"]
    process = subprocess.Popen(command, cwd=fresh_course.root, env=reader_environment(), stdout=subprocess.PIPE, text=True)
    run_id = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    # le remède, sur une copie de la base ; puis un script du cours, qui s'en charge lui-même
    shutil.copy(fresh_course.root / "mlflow.db", folder / "copie.db")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'copie.db'}")
    assert MlflowClient().get_run(run_id).info.status == "RUNNING"
    executed(trouble, capsys, IDENTIFIANT=run_id)
    assert MlflowClient().get_run(run_id).info.status == "KILLED"
    trouble.seen(launched(FIRST, fresh_course.root))


@about("autolog n'enregistre rien")
def test_autolog_too_late(trouble, store, capsys):
    before = len(store.search_runs(["0"]))
    Ridge(alpha=0.5).fit(X, Y)
    mlflow.sklearn.autolog(log_models=False)
    assert len(store.search_runs(["0"])) == before
    mlflow.sklearn.autolog(disable=True)
    assert executed(trouble, capsys) == "1.0\n"
    assert len(store.search_runs(["0"])) == before + 1


@about("module mlflow has no attribute")
@pytest.mark.parametrize("shadow", ["mlflow.py", "mlflow/__init__.py"])
def test_shadowed_library(trouble, tmp_path, shadow):
    program = tmp_path / "essai.py"
    program.write_text("import mlflow\nprint(mlflow.set_experiment.__name__)\n")
    (tmp_path / shadow).parent.mkdir(exist_ok=True)
    (tmp_path / shadow).write_text("")
    trouble.seen(typed([sys.executable, program], tmp_path))
    if shadow == "mlflow.py":
        cured(trouble, tmp_path)
    else:
        (tmp_path / shadow).unlink()  # un dossier sans __init__.py ne gêne pas
    assert typed([sys.executable, program], tmp_path) == "set_experiment\n"


# Les modèles


@about("untrusted types")
def test_untrusted_types(trouble, store, capsys):
    tree = DecisionTreeRegressor().fit(X, Y)
    with mlflow.start_run(), pytest.raises(MlflowException) as refused:
        mlflow.sklearn.log_model(tree, name="arbre", pip_requirements=PINS)
    trouble.seen(str(refused.value))
    assert "sklearn.tree._tree.Tree" in str(refused.value)
    executed(trouble, capsys)
    [model] = [each for each in store.search_logged_models(["0"]) if each.name == "arbre" and each.status == "READY"]
    assert mlflow.sklearn.load_model(model.model_uri).predict(X.to_numpy()).shape == (442,)


@about("Le modèle n'est pas dans les artefacts du run")
def test_where_is_the_model(trouble, capsys):
    trouble.seen(executed(trouble, capsys))


@about("Can not safely convert float64 to int64")
def test_integer_column(trouble, capsys):
    from mlflow.models import infer_signature

    ages = pd.DataFrame({"age": [41, 62]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = infer_signature(ages, [1.0, 2.0])
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(Ridge().fit(ages, [1.0, 2.0]), name="ages", signature=signature, pip_requirements=PINS)
    with pytest.raises(MlflowException) as refused:
        mlflow.pyfunc.load_model(info.model_uri).predict(pd.DataFrame({"age": [41, None]}))
    trouble.seen(str(refused.value), executed(trouble, capsys))


@about("log_model est lent")
def test_slow_log_model(trouble, capsys, guessed):
    """Sans dépendances, MLflow les devine ; avec celles du remède, non. La durée est celle que le banc d'essai a mesurée."""
    with mlflow.start_run():
        mlflow.sklearn.log_model(Ridge().fit(X, Y), name="ridge")
    assert len(guessed) == 1
    executed(trouble, capsys)
    assert len(guessed) == 1
    assert "Quatre secondes ou plus" in trouble.text and RECORD["log_model.guessed_s"] >= 4 > 10 * RECORD["log_model.given_s"]


@about("Logged model with ID not found")
def test_model_without_version(trouble, store):
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(Ridge().fit(X, Y), name="vin", pip_requirements=PINS)
    for _ in range(2):
        mlflow.register_model(info.model_uri, "wine_cultivars")
    store.set_registered_model_alias("wine_cultivars", "champion", "1")
    wrong, *right = re.findall(r"`(models:/wine_cultivars[^`]*)`", trouble.text)
    with pytest.raises(MlflowException) as refused:
        mlflow.sklearn.load_model(wrong)
    trouble.seen(str(refused.value))
    assert len(right) == 2
    for address in right:
        assert mlflow.sklearn.load_model(address).predict(X).shape == (442,)


@about("filesystem tracking backend")
def test_file_store(trouble, capsys):
    mlflow.set_tracking_uri("file:./mlruns")
    with pytest.raises(MlflowException) as refused:
        mlflow.search_experiments()
    trouble.seen(str(refused.value))
    assert "mlflow migrate-filestore" in str(refused.value)
    assert executed(trouble, capsys).strip()


# Les projets

RUN = ["run", "03_mlflow_project"]
PREPARE = {"--env-manager local": "--env-manager local -e prepare"}  # une étape suffit, là où le remède tient à autre chose


@pytest.fixture(scope="module")
def replayed(tmp_path_factory) -> Course:
    """Une copie du cours où le remède de la première entrée a été tapé : les autres donnent le même."""
    course = Course(tmp_path_factory.mktemp("projets"))
    cured(TROUBLES["No such file or directory: 'None'"], course.root, **PREPARE)
    assert course.runs("03_mlflow_project") and not course.runs("Default")
    return course


@pytest.mark.slow
@about("No such file or directory: 'None'")
def test_project_without_pyenv(trouble, replayed):
    path = ":".join(each for each in reader_environment()["PATH"].split(":") if not (Path(each) / "pyenv").exists())
    trouble.seen(typed([*MLFLOW, *RUN, "--experiment-name", "sans pyenv"], replayed.root, PATH=path))


FAKE_PYENV = """#!/bin/sh
if [ "$2" = "--list" ]; then echo "  3.11.15"; echo "  3.12.1"; echo "  3.13.1"; exit 0; fi
echo "BUILD FAILED"; exit 1
"""


@pytest.mark.slow
@about("pyenv install --skip-existing")
def test_project_with_pyenv(trouble, replayed, tmp_path):
    (tmp_path / "pyenv").write_text(FAKE_PYENV)
    (tmp_path / "pyenv").chmod(0o755)
    path = f"{tmp_path}:{reader_environment()['PATH']}"
    trouble.seen(typed([*MLFLOW, *RUN, "--experiment-name", "avec pyenv"], replayed.root, PATH=path))
    assert trouble.cure().lines == TROUBLES["No such file or directory: 'None'"].cure().lines


@pytest.mark.slow
@about("Le run du projet est dans Default")
def test_project_in_default(trouble, replayed):
    before = len(replayed.runs("03_mlflow_project"))
    typed([*MLFLOW, *RUN, "--env-manager", "local", "-e", "prepare"], replayed.root)
    assert replayed.runs("Default") and len(replayed.runs("03_mlflow_project")) == before
    assert trouble.cure().lines == TROUBLES["No such file or directory: 'None'"].cure().lines


@pytest.mark.slow
@about("Run with id not found")
def test_project_and_relative_address(trouble, replayed):
    command = [*MLFLOW, *RUN, "--env-manager", "local", "-e", "prepare"]
    trouble.seen(typed(command, replayed.root, MLFLOW_TRACKING_URI="sqlite:///mlflow.db"))
    assert (replayed.root / "03_mlflow_project/mlflow.db").exists()  # l'autre base
    before = len(replayed.runs("03_mlflow_project"))
    cured(trouble, replayed.root, **PREPARE)
    assert len(replayed.runs("03_mlflow_project")) == before + 1


@pytest.mark.slow
@about("Could not find main among entry points")
def test_project_in_a_subfolder(trouble, replayed):
    trouble.seen(typed([*MLFLOW, "run", ".", "--env-manager", "local"], replayed.root))
    assert trouble.cure().lines == TROUBLES["No such file or directory: 'None'"].cure().lines
    # l'adresse Git avec son `#` est celle de l'entrée suivante


@pytest.mark.slow
@about("couldn't find remote ref")
def test_short_commit(trouble, replayed):
    commit = replayed.git("rev-parse", "HEAD")
    source = f"file://{replayed.root.as_posix().replace(' ', '%20')}/%2Egit#03_mlflow_project"
    command = [*MLFLOW, "run", source, "--env-manager", "local", "-e", "prepare", "--experiment-name", "commit", "-v"]
    trouble.seen(typed([*command, commit[:7]], replayed.root))
    assert cured(trouble, replayed.root).strip() == commit
    said = typed([*command, commit], replayed.root)
    assert "succeeded" in said, said


# Code ancien, code d'aujourd'hui

OLD_AND_NEW = tables(PAGE.read_text(encoding="utf-8").partition("## Code ancien")[2])


@pytest.fixture(scope="module")
def names(folder):
    """Ce que les lignes du tableau supposent déjà là."""
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    model = Ridge().fit(X, Y)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="ridge", pip_requirements=PINS)
    mlflow.register_model(info.model_uri, "vins")
    client = MlflowClient()
    client.transition_model_version_stage("vins", "1", "Production")
    client.set_registered_model_alias("vins", "champion", "1")
    return {
        **{"mlflow": mlflow, "model": model, "client": client, "run": run, "model_uri": info.model_uri},
        **{"data": X.assign(target=Y), "y": Y, "y_pred": model.predict(X), "project": str(folder / "projet")},
        **{"mean_squared_error": mean_squared_error, "root_mean_squared_error": root_mean_squared_error},
    }


def said_by(code: str, names: dict, folder: Path, capfd) -> str:
    """Ce que dit une ligne du tableau : une erreur et son type, les avertissements, ou rien."""
    if code.startswith("mlflow run "):
        return typed([*MLFLOW, *code.split()[1:], "--experiment-name", "projets"], folder)
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(code, dict(names))
            if "set_tracking_uri" in code:
                mlflow.search_experiments()
            error = ""
        except Exception as raised:  # c'est ce que le tableau montre : le type et le message
            error = f"{type(raised).__name__}, {raised}"
    mine = [
        str(each.message) for each in caught if "deprecated since" in str(each.message) or "API has been deprecated" in str(each.message)
    ]
    return "\n".join([error, *mine, capfd.readouterr().err])


def cost(row: dict) -> list:
    return [pytest.mark.slow] if "mlflow run" in row["ancien"] else []


@pytest.mark.parametrize("row", [pytest.param(row, id=row["ancien"], marks=cost(row)) for row in OLD_AND_NEW])
def test_old_and_new_code(row, names, folder, capfd, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger="mlflow")  # ce que MLflow dit à un lecteur
    old, new = (row[column].strip("`") for column in ("ancien", "aujourd'hui"))
    monkeypatch.setenv("PATH", reader_environment()["PATH"])  # un projet lance le premier `python` du PATH
    if "project" in old + new:
        for place in ("projet", "03_mlflow_project"):  # un projet de rien : ce sont les options que l'on compare
            (folder / place).mkdir(exist_ok=True)
            (folder / place / "MLproject").write_text("entry_points: {main: {command: python --version}}")
    said = said_by(old, names, folder, capfd)
    announced = row["ce que l'on voit"]
    if announced.startswith("rien"):
        assert said.strip() == "", said
    else:
        kind, _, message = announced.replace("`", "").rpartition(", ")
        assert message in said.replace("`", ""), said
        assert said.startswith(f"{kind}, ") if kind.endswith(("Error", "Exception")) else not re.match(r"\w+(Error|Exception), ", said)
    said = said_by(new, names, folder, capfd)
    assert "Error" not in said and "Exception" not in said and "deprecated" not in said, said


def test_the_rewritten_example_runs(capsys):
    """Le dernier programme de la page s'exécute et donne le nombre qu'elle montre."""
    *_, program, shown = blocks(PAGE.read_text(encoding="utf-8"))
    exec(compile(program.text, "exemple", "exec"), {})
    assert same_output(shown.lines, capsys.readouterr().out)
