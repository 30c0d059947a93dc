"""Leçon 1, « Chez vous » : le programme de la page, lancé dans un dossier vide, hors du cours ; et
ce que la page dit ensuite, une phrase après l'autre.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pages
import pytest
import warm
from lesson_01 import EXPERIMENT
from mlflow import MlflowClient
from programs import SECONDS, ended
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from texts import ROOT

PAGE = (ROOT / EXPERIMENT / "README.md").read_text(encoding="utf-8")
TEXT = re.search(r"^## Chez vous\n.*?(?=^## )", PAGE, re.DOTALL | re.MULTILINE)[0]
PROGRAM = next(block for block in pages.blocks(TEXT) if block.language == "python")
PROSE = re.sub(r"\s+", " ", TEXT)


def run_in(folder: Path, code: str, start=warm.forked, **environment: str):
    """Lance ce programme, écrit dans `folder`, depuis ce dossier ; il doit réussir."""
    (folder / "train.py").write_text(code, encoding="utf-8")
    told = start([sys.executable, "train.py"], folder, SECONDS, **environment)
    assert told.returncode == 0, told.stderr
    return told


def runs_of(folder: Path, experiment: str) -> list:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id])) if found else []


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Un dossier vide, hors de tout dépôt, où le programme de la page a été lancé une fois."""
    folder = tmp_path_factory.mktemp("chez moi") / "mes-vins"
    folder.mkdir()
    told = run_in(folder, PROGRAM.text, start=ended)
    (folder.parent / "dit.txt").write_text(told.stderr, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def answers():
    """Les données, et le modèle que le programme apprend, refaits sans MLflow."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    X_train, X_valid, y_train, y_valid = train_test_split(X, y, stratify=y, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0)).fit(X_train, y_train)
    return model, X_valid, y_valid


def test_the_program_fills_the_folder_from_which_it_is_started(home, answers, monkeypatch):
    model, X_valid, y_valid = answers
    assert sorted(path.name for path in home.iterdir()) == ["mlflow.db", "mlruns", "train.py"]
    [run] = runs_of(home, "mes vins")
    assert (run.info.run_name, run.info.status) == ("régression", "FINISHED")
    assert run.data.params == {"C": "1.0"}
    right = (model.predict(X_valid) == y_valid).mean()
    assert run.data.metrics == {"valid_accuracy": right} and right > 0.9
    assert run.data.tags["mlflow.note.content"] == "Pour commencer."
    assert run.info.artifact_uri.startswith(str(home / "mlruns"))
    monkeypatch.chdir(home)
    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    [output] = run.outputs.model_outputs
    again = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    assert again.predict(X_valid).tolist() == model.predict(X_valid).tolist()
    assert again.metadata.signature.inputs.input_names() == list(X_valid.columns)
    assert again.input_example.equals(X_valid.head(3).reset_index(drop=True))
    [folder] = home.glob("mlruns/*/models/*/artifacts")
    assert (folder / "model.skops").is_file() and not list(folder.glob("*.pkl"))


def test_nothing_of_the_course_is_in_it():
    imported = re.findall(r"^(?:import|from) ([\w.]+)", PROGRAM.text, re.MULTILINE)
    assert {name.partition(".")[0] for name in imported} == {"mlflow", "sklearn"}
    assert "`train.py`, un programme entier" in PROSE


def test_outside_git_no_commit_is_noted_and_in_a_repository_it_is(home, fresh_course):
    [run] = runs_of(home, "mes vins")
    assert not [tag for tag in run.data.tags if tag.startswith("mlflow.source.git")]
    assert Path(run.data.tags["mlflow.source.name"]).name == "train.py"
    (fresh_course.root / "train.py").write_text(LOGS, encoding="utf-8")
    commit = fresh_course.commit("mon programme")
    run_in(fresh_course.root, LOGS)
    [run] = runs_of(fresh_course.root, "mes vins")
    assert run.data.tags["mlflow.source.git.commit"] == commit


LOGS = """
import mlflow
mlflow.set_experiment("mes vins")
with mlflow.start_run(run_name="court"):
    mlflow.log_metric("valid_accuracy", 0.5)
"""


def test_from_another_folder_it_is_another_store(home, tmp_path):
    before = [run.info.run_id for run in runs_of(home, "mes vins")]
    (tmp_path / "écrit ici").mkdir()
    (tmp_path / "écrit ici/train.py").write_text(LOGS, encoding="utf-8")
    (tmp_path / "lancé d'ici").mkdir()
    command = [sys.executable, "../écrit ici/train.py"]
    told = warm.forked(command, tmp_path / "lancé d'ici", SECONDS)
    assert told.returncode == 0, told.stderr
    assert [path.name for path in (tmp_path / "écrit ici").iterdir()] == ["train.py"]
    [run] = runs_of(tmp_path / "lancé d'ici", "mes vins")
    assert run.info.run_id not in before
    assert [each.info.run_id for each in runs_of(home, "mes vins")] == before


def test_the_info_lines_are_those_of_a_first_run(home):
    """Dites une fois : la base existe ensuite, et l'expérience aussi."""
    said = (home.parent / "dit.txt").read_text(encoding="utf-8")
    shown, warned = re.search(
        r"\*\*Les lignes INFO\*\* \((.+?)\) et l'avertissement `(.+?)` ne sont", PROSE
    ).groups()
    assert warned in said
    for line in shown.split("`, `"):
        pattern = ".*".join(map(re.escape, line.strip("`").split("...")))
        assert re.search(rf" INFO mlflow.*{pattern}", said), (line, said)
    assert "Traceback" not in said and " ERROR " not in said


HANGING = """
import mlflow
mlflow.set_experiment("mes vins")
mlflow.log_metric("avant", 1.0)  # hors du bloc
print("ouvert", mlflow.active_run().info.run_id)
try:
    mlflow.start_run()
except Exception as error:
    print(error)
mlflow.end_run()
with mlflow.start_run(run_name="après"):
    mlflow.log_metric("après", 2.0)
"""


def test_a_metric_outside_with_opens_a_run_that_bars_the_next_one(tmp_path):
    told = run_in(tmp_path, HANGING)
    run_id = re.search(r"^ouvert (\w+)$", told.stdout, re.MULTILINE)[1]
    message = re.search(r"échoue alors : « (.+?) »", PROSE)[1]
    assert message.replace("...", run_id) in told.stdout and "`mlflow.end_run()`" in PROSE
    after, opened = runs_of(tmp_path, "mes vins")
    assert (opened.info.run_id, opened.data.metrics) == (run_id, {"avant": 1.0})
    assert "au nom tiré au hasard" in PROSE
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", opened.info.run_name)
    assert (after.info.run_name, after.data.metrics) == ("après", {"après": 2.0})


SEARCHES = """
import mlflow
for name in ("mes vins", "mes bières"):
    mlflow.set_experiment(name)
    with mlflow.start_run(run_name=name):
        pass
for name in ("mes vins", "mes bières"):
    mlflow.set_experiment(name)
    print("trouvé", mlflow.search_runs()["tags.mlflow.runName"].tolist())
"""


def test_set_experiment_decides_where_search_runs_looks(tmp_path):
    told = run_in(tmp_path, SEARCHES)
    assert told.stdout == "trouvé ['mes vins']\ntrouvé ['mes bières']\n"
    assert "**`set_experiment`** décide où l'on écrit, et aussi où `search_runs` cherche" in PROSE


def test_a_tracking_uri_sends_the_runs_elsewhere(tmp_path):
    """La variable, puis l'appel : rien dans le dossier d'où l'on lance le programme."""
    here, there = tmp_path / "ici", tmp_path / "là-bas"
    here.mkdir()
    there.mkdir()
    address = f"sqlite:///{there}/mlflow.db"
    called = f"import mlflow\nmlflow.set_tracking_uri({address!r})\n{LOGS}"
    for code, variables in ((LOGS, {"MLFLOW_TRACKING_URI": address}), (called, {})):
        run_in(here, code, **variables)
        assert not (here / "mlflow.db").exists()
    assert len(runs_of(there, "mes vins")) == 2
    assert '`mlflow.set_tracking_uri("http://...")`' in PROSE and "`MLFLOW_TRACKING_URI`" in PROSE


@pytest.mark.slow
def test_autolog_writes_the_score_under_a_name_of_its_own_and_a_pickle(tmp_path, answers):
    """Le même programme, ses trois lignes `log_...` remplacées par une seule et par ce `score`."""
    lines = PROGRAM.text.splitlines()
    logs = [line for line in lines if line.strip().startswith("mlflow.") and "log_" in line]
    assert len(logs) == 3
    kept = [line for line in lines if line not in logs] + ["    model.score(X_valid, y_valid)"]
    kept.insert(lines.index('mlflow.set_experiment("mes vins")'), "mlflow.sklearn.autolog()")
    run_in(tmp_path, "\n".join(kept))
    [run] = runs_of(tmp_path, "mes vins")
    model, X_valid, y_valid = answers
    assert run.data.params["logisticregression__C"] == "1.0" and run.outputs.model_outputs
    named = [name for name in run.data.metrics if not name.startswith("training_")]
    assert named == ["Pipeline_score_X_valid"]
    assert run.data.metrics[named[0]] == (model.predict(X_valid) == y_valid).mean()
    assert [*tmp_path.glob("mlruns/*/models/*/artifacts/*.pkl")]
    told = "tous les réglages, ce `score` sous un nom à lui, et le modèle en pickle"
    assert told in PROSE


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("uv"), reason="uv n'est pas installé")
def test_in_a_uv_project_the_model_notes_the_dependencies_of_the_project(tmp_path):
    """Celles du projet, ici un dossier voisin ; sauf si la variable de store.py le coupe."""
    project = '[project]\nname = "{}"\nversion = "0"\nrequires-python = ">=3.11"\n'
    (tmp_path / "outil").mkdir()
    (tmp_path / "outil/pyproject.toml").write_text(project.format("outil"), encoding="utf-8")
    needed = 'dependencies = ["outil"]\n[tool.uv.sources]\noutil = {path = "outil"}\n'
    ours = project.format("chez-moi") + needed
    (tmp_path / "pyproject.toml").write_text(ours, encoding="utf-8")
    subprocess.run(["uv", "lock", "--offline"], cwd=tmp_path, check=True, capture_output=True)
    for value, guessed in (("true", False), ("false", True)):
        run_in(tmp_path, PROGRAM.text, start=ended, MLFLOW_UV_AUTO_DETECT=value)
        run, *_ = runs_of(tmp_path, "mes vins")
        [output] = run.outputs.model_outputs
        model = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_logged_model(output.model_id)
        asked = Path(model.artifact_location.removeprefix("file://"), "requirements.txt")
        noted = asked.read_text(encoding="utf-8")
        assert ("scipy==" in noted, "./outil" in noted) == (guessed, not guessed), noted
    source = (ROOT / EXPERIMENT / "local/store.py").read_text(encoding="utf-8")
    assert 'setdefault("MLFLOW_UV_AUTO_DETECT", "false")' in source
    assert "MLflow note celles du projet au lieu de les chercher. `store.py` coupe cela" in PROSE


TELEMETRY = """
import mlflow
from mlflow.telemetry import get_telemetry_client
print("statistiques", get_telemetry_client() is not None)
"""


def test_the_variable_of_the_page_stops_the_usage_statistics(tmp_path):
    for value, sent in (("false", "True"), ("true", "False")):
        told = run_in(tmp_path, TELEMETRY, start=ended, MLFLOW_DISABLE_TELEMETRY=value)
        assert told.stdout == f"statistiques {sent}\n", told.stderr
    assert "`MLFLOW_DISABLE_TELEMETRY=true`" in PROSE
