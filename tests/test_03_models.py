"""Leçon 3, ce qu'un modèle emporte : son code, ses dépendances."""

import json
import os
import re
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, Course, clean_environment, last_cell
from lesson03 import LESSON, LOCAL, model, parts

PINS = yaml.safe_load((ROOT / LESSON / "python_env.yaml").read_text(encoding="utf-8"))["dependencies"]


def logged(course: Course, name: str):
    """Le dernier modèle enregistré de ce nom, et le dossier de ses fichiers."""
    client = course.client()
    experiment = client.get_experiment_by_name(LESSON).experiment_id
    latest = [{"field_name": "creation_time", "ascending": False}]
    found = next(each for each in client.search_logged_models([experiment], order_by=latest) if each.name == name)
    return found, Path(mlflow.artifacts.download_artifacts(found.model_uri))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


# ----------------------------------------------------------------------------------------------------- model_from_code


@pytest.fixture(scope="module")
def linear(course):
    """Un run d'ElasticNet dans l'expérience de la leçon."""
    course.run(f"{LOCAL}/run_project.py", "--alphas", "0.1", "--models")
    return course


@pytest.fixture(scope="module")
def both_ways(linear):
    return linear.once(f"{LOCAL}/model_from_code.py")


def in_grams() -> pd.DataFrame:
    X_valid = parts()[1]
    return X_valid.assign(**X_valid[["s1", "s2", "s3"]] / 100)


def expected() -> np.ndarray:
    X_train, X_valid, _, y_train, *_ = parts()
    return model("elastic_net").fit(X_train, y_train).predict(X_valid)


def test_the_model_from_code_is_the_pipeline_with_its_steps_before_and_after(course, both_ways):
    found, folder = logged(course, "follow_up")
    predicted = mlflow.pyfunc.load_model(found.model_uri).predict(in_grams())
    assert predicted["progression"].to_numpy() == pytest.approx(expected(), rel=1e-9)
    assert (predicted["follow_up"] == np.where(expected() > 200, "rapproché", "ordinaire")).all()
    close = int((expected() > 200).sum())
    assert f"Suivi rapproché : {close} patients sur 89.\n" in both_ways.stdout
    coefficients = json.loads((folder / "artifacts/coefficients.json").read_text())
    assert set(coefficients) == {"intercept", *parts()[0]} and len(coefficients) == 11  # « Onze nombres »
    assert mlflow.models.get_model_info(found.model_uri).signature.inputs.input_names() == list(parts()[0])


def test_no_pickle_and_the_very_file(course, both_ways):
    _, folder = logged(course, "follow_up")
    assert (folder / "follow_up_model.py").read_bytes() == (course.root / LESSON / "follow_up_model.py").read_bytes()
    for path in folder.rglob("*.*"):
        assert path.suffix in (".json", ".yaml", ".txt", ".py", ".pyc") or path.name == "__pycache__"  # rien que du texte
    _, pickled = logged(course, "follow_up_pickled")
    assert files(folder) - files(pickled) == {"follow_up_model.py"}
    assert files(pickled) - files(folder) == {"python_model.pkl"}
    for name, each in (("follow_up", folder), ("follow_up_pickled", pickled)):
        assert f"{name}, ses fichiers : {' '.join(sorted(path.name for path in each.glob('*.*')))}\n" in both_ways.stdout
    assert b"FollowUp" in (pickled / "python_model.pkl").read_bytes()
    assert b"MG_PER_G" not in (pickled / "python_model.pkl").read_bytes()  # « que le nom de sa classe »


def test_the_code_changes_and_only_the_pickled_model_changes_with_it(course, both_ways):
    """Les deux nombres du texte, recalculés : la moyenne du pipeline, et celle du même sans conversion."""
    X_train, _, _, y_train, *_ = parts()
    kept, lost = expected().mean(), model("elastic_net").fit(X_train, y_train).predict(in_grams()).mean()
    assert f"follow_up : progression moyenne {kept:.1f} avant, {kept:.1f} après\n" in both_ways.stdout
    assert f"follow_up_pickled : progression moyenne {kept:.1f} avant, {lost:.1f} après\n" in both_ways.stdout
    assert re.findall(r"(?<![\w.])\d+\.\d(?!\w)", last_cell(f"{LOCAL}/model_from_code.py")) == [f"{kept:.1f}", f"{lost:.1f}"]
    source = (course.root / LESSON / "follow_up_model.py").read_text(encoding="utf-8")
    assert "MG_PER_G = 100" in source  # le script a changé une copie


def test_where_pickles_are_refused_only_the_model_from_code_loads(course, both_ways):
    """Relu dans un programme qui n'a pas le fichier : l'objet ne s'y charge même pas sans l'interdiction."""
    assert (
        "Sans pickle, follow_up : se charge\nSans pickle, follow_up_pickled : refusé\nSans pickle, pipeline : refusé\n" in both_ways.stdout
    )
    uris = [logged(course, name)[0].model_uri for name in ("follow_up", "follow_up_pickled", "model")]
    code = (
        "import mlflow, os\n"
        "for allowed, place in (('true', {}), ('false', {}), ('false', {'DATABRICKS_RUNTIME_VERSION': '17.3'})):\n"
        "    os.environ |= {'MLFLOW_ALLOW_PICKLE_DESERIALIZATION': allowed, **place}\n"
        f"    for uri in {uris!r}:\n"
        "        try:\n"
        "            print('oui' if mlflow.pyfunc.load_model(uri) else '')\n"
        "        except Exception as error:\n"
        "            print(error)\n"
    )
    variables = clean_environment(MLFLOW_TRACKING_URI=course.uri)
    ended = subprocess.run([sys.executable, "-c", code], cwd=course.root, env=variables, capture_output=True, text=True, encoding="utf-8")
    with_it, without, databricks = (ended.stdout.splitlines()[start : start + 3] for start in (0, 3, 6))
    assert databricks == with_it  # « sauf sur Databricks, qui n'en tient pas compte »
    assert with_it == ["oui", "No module named 'follow_up_model'", "oui"]
    assert without[0] == "oui" and "saved in cloudpickle format" in without[1]
    assert "whose trusted-types allow-list is read from the model itself" in without[2]


def test_loading_the_model_from_code_runs_its_file(course, both_ways, tmp_path):
    """« Charger l'un ou l'autre exécute du code. »"""
    _, folder = logged(course, "follow_up")
    marker = tmp_path / "exécuté"
    copied = tmp_path / "modèle"
    shutil.copytree(folder, copied)
    code = copied / "follow_up_model.py"
    code.write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n" + code.read_text(encoding="utf-8").partition('"""\n\n')[2],
        encoding="utf-8",
    )
    mlflow.pyfunc.load_model(str(copied))
    assert marker.exists()


def test_without_a_linear_model_the_command_is_said(course):
    ended = course.run(f"{LOCAL}/model_from_code.py", "--experiment", "vide", fails=True)
    assert ended.stderr == "Pas de modèle linéaire dans cette expérience. Lancez d'abord : uv run 03_mlflow_project/local/run_project.py\n"


# -------------------------------------------------------------------------------------------------- locked_environment


def pinned(lines) -> set[str]:
    return {line.partition(";")[0].strip() for line in lines}


@pytest.fixture(scope="module")
def locked(both_ways, course):
    return course.once(f"{LOCAL}/locked_environment.py")


@pytest.mark.slow
def test_the_four_lists_are_counted(course, locked):
    """Le nombre de versions du projet que chaque modèle dit, relu dans ses fichiers."""
    names = {"donnée par train.py": "model", "devinée par MLflow": "guessed", "python_env.yaml": "pinned", "uv_project_path": "locked"}
    lines = locked.stdout.splitlines()
    counts = []
    for line, (shown, name) in zip(lines, names.items(), strict=False):
        _, folder = logged(course, name)
        said = pinned((folder / "requirements.txt").read_text(encoding="utf-8").splitlines())
        counts.append(len(said & pinned(PINS)))
        others = said - pinned(PINS)
        assert line.startswith(f"{shown:20} {counts[-1]:2} versions du projet sur {len(PINS)}")
        if name == "guessed":  # ce que le modèle importe, et rien de ce que l'entraînement importait
            assert {line.partition("==")[0] for line in said} >= {"mlflow", "pandas"} and not any("scikit-learn" in line for line in said)
        assert others == ({f"mlflow=={mlflow.__version__}"} if name == "guessed" else set())
        assert (folder / "uv.lock").exists() == (folder / "pyproject.toml").exists() == (name == "locked")
    assert "uv_project_path" in signature(mlflow.pyfunc.log_model).parameters
    assert "uv_project_path" not in signature(mlflow.sklearn.log_model).parameters  # « propre aux modèles pyfunc »
    assert counts == [5, 4, 58, 58] and len(PINS) == 58
    hashes = (logged(course, "locked")[1] / "uv.lock").read_text(encoding="utf-8").count("sha256:")
    assert lines[3].endswith(f", {hashes} empreintes") and hashes > 58
    text = (ROOT / LOCAL / "locked_environment.py").read_text(encoding="utf-8")
    assert "fige les 58 bibliothèques" in text and "ces 58 versions" in text
    assert "donne 5 versions sur 58, MLflow en devine 4" in last_cell(f"{LOCAL}/locked_environment.py")


@pytest.mark.slow
def test_an_environment_built_from_the_lock_is_the_lock(course, locked, tmp_path):
    """`mlflow.models.predict(env_manager="uv")` prend uv.lock, et non requirements.txt."""
    found, folder = logged(course, "locked")
    code = (
        "import mlflow, pandas as pd\n"
        f"table = pd.read_json({str(folder / 'input_example.json')!r}, orient='split').astype(float)\n"
        f"mlflow.models.predict({found.model_uri!r}, input_data=table, env_manager='uv')\n"
    )
    variables = clean_environment(MLFLOW_TRACKING_URI=course.uri, MLFLOW_ENV_ROOT=str(tmp_path / "envs"))
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True, encoding="utf-8", timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert '"follow_up"' in ended.stdout and "uv sync completed successfully" in ended.stderr
    assert {f"+ {pin}" for pin in pinned(PINS)} <= {line.strip() for line in ended.stderr.splitlines()}


@pytest.mark.parametrize(
    ("script", "message"),
    [("#!/bin/sh\necho 'erreur: pas de réseau' >&2; exit 1\n", "uv ne pose pas de verrou : erreur: pas de réseau"), (None, "Il faut uv")],
)
def test_without_uv_or_network_one_line(course, both_ways, tmp_path, script, message):
    if script:
        (tmp_path / "uv").write_text(script, encoding="utf-8")
        (tmp_path / "uv").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    ended = course.run(f"{LOCAL}/locked_environment.py", fails=True, PATH=path)
    assert ended.stderr.startswith(message) and len(ended.stderr.splitlines()) == 1


def test_without_the_models_the_command_is_said(course):
    ended = course.run(f"{LOCAL}/locked_environment.py", "--experiment", "vide", fails=True)
    assert ended.stderr == "Il manque un modèle. Lancez d'abord : uv run 03_mlflow_project/local/model_from_code.py\n"
