"""Leçon 3, ce qu'un modèle emporte : son code, ses dépendances."""

import json
import os
import shutil
import sys
from inspect import signature
from pathlib import Path

import mlflow
import numpy as np
import pytest
from copies import Course
from lesson_03 import LESSON, declared, fitted, in_grams, parts
from programs import ended
from texts import path_of

PINS = declared("python_env.yaml")["dependencies"]
CLOSE = 200  # au-delà, le suivi est rapproché


def logged(course: Course, name: str):
    """Le dernier modèle enregistré de ce nom, et le dossier de ses fichiers."""
    client = course.client()
    experiment = client.get_experiment_by_name(LESSON).experiment_id
    latest = [{"field_name": "creation_time", "ascending": False}]
    found = next(
        each
        for each in client.search_logged_models([experiment], order_by=latest)
        if each.name == name
    )
    return found, Path(mlflow.artifacts.download_artifacts(found.model_uri))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


# --------------------------------------------------------------------------------------------------
# model_from_code


def test_the_model_from_code_is_the_pipeline_with_its_steps_before_and_after(lesson):
    found, folder = logged(lesson, "follow_up")
    predicted = mlflow.pyfunc.load_model(found.model_uri).predict(in_grams())
    expected = fitted("elastic_net").predict(parts()[1])
    assert predicted["progression"].to_numpy() == pytest.approx(expected, rel=1e-9)
    assert (predicted["follow_up"] == np.where(expected > CLOSE, "rapproché", "ordinaire")).all()
    assert (
        f"{(expected > CLOSE).sum()} patients sur {len(expected)}"
        in lesson.ended("model_from_code").stdout
    )
    coefficients = json.loads((folder / "artifacts/coefficients.json").read_text())
    # « onze nombres »
    assert set(coefficients) == {"intercept", *parts()[0]} and len(coefficients) == 11
    assert mlflow.models.get_model_info(found.model_uri).signature.inputs.input_names() == list(
        parts()[0]
    )


def test_no_pickle_and_the_very_file(lesson):
    _, folder = logged(lesson, "follow_up")
    assert (folder / "follow_up_model.py").read_bytes() == (
        lesson.root / LESSON / "follow_up_model.py"
    ).read_bytes()
    # rien que du texte
    assert {Path(name).suffix for name in files(folder)} <= {".json", ".yaml", ".txt", ".py", ""}
    _, pickled = logged(lesson, "follow_up_pickled")
    assert files(folder) - files(pickled) == {"follow_up_model.py"}
    assert files(pickled) - files(folder) == {"python_model.pkl"}
    assert b"FollowUp" in (pickled / "python_model.pkl").read_bytes()
    # « que le nom de sa classe »
    assert b"MG_PER_G" not in (pickled / "python_model.pkl").read_bytes()


def test_the_code_changes_and_only_the_pickled_model_changes_with_it(lesson):
    """Les deux moyennes recalculées : celle du pipeline, et celle du même sans conversion.

    La page et le script disent les mêmes.
    """
    kept, lost = (
        fitted("elastic_net").predict(parts()[1]).mean(),
        fitted("elastic_net").predict(in_grams()).mean(),
    )
    lines = lesson.ended("model_from_code").stdout.splitlines()
    means = [line.partition("moyenne ")[2] for line in lines if "moyenne" in line]
    assert means == [f"{kept:.1f} avant, {kept:.1f} après", f"{kept:.1f} avant, {lost:.1f} après"]
    source = (lesson.root / LESSON / "follow_up_model.py").read_text(encoding="utf-8")
    assert "MG_PER_G = 100" in source  # le script a changé une copie


def test_where_pickles_are_refused_only_the_model_from_code_loads(scratch, tmp_path):
    """Relu dans un programme qui n'a pas le fichier : l'objet ne s'y charge même pas sans
    l'interdiction.
    """
    uris = [
        logged(scratch, name)[0].model_uri for name in ("follow_up", "follow_up_pickled", "model")
    ]
    (tmp_path / "relit.py").write_text(
        "import mlflow, os\n"
        "databricks = {'DATABRICKS_RUNTIME_VERSION': '17.3'}\n"
        "for allowed, place in (('true', {}), ('false', {}), ('false', databricks)):\n"
        "    os.environ |= {'MLFLOW_ALLOW_PICKLE_DESERIALIZATION': allowed, **place}\n"
        f"    for uri in {uris!r}:\n"
        "        try:\n"
        "            print('oui' if mlflow.pyfunc.load_model(uri) else '')\n"
        "        except Exception as error:\n"
        "            print(error)\n"
    )
    told = scratch.fork(
        str(tmp_path / "relit.py"), fails=True, MLFLOW_TRACKING_URI=scratch.uri
    ).stdout.splitlines()
    with_it, without, databricks = (told[start : start + 3] for start in (0, 3, 6))
    assert databricks == with_it  # « sauf sur Databricks, qui n'en tient pas compte »
    assert with_it == ["oui", "No module named 'follow_up_model'", "oui"]
    assert without[0] == "oui" and "saved in cloudpickle format" in without[1]
    assert "whose trusted-types allow-list is read from the model itself" in without[2]


def test_loading_the_model_from_code_runs_its_file(lesson, tmp_path):
    """« Charger l'un ou l'autre exécute du code. »"""
    copied, marker = (
        shutil.copytree(logged(lesson, "follow_up")[1], tmp_path / "modèle"),
        tmp_path / "exécuté",
    )
    code = copied / "follow_up_model.py"
    code.write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
        + code.read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    mlflow.pyfunc.load_model(str(copied))
    assert marker.exists()


# --------------------------------------------------------------------------------------------------
# locked_environment


def pinned(lines) -> set[str]:
    return {line.partition(";")[0].strip() for line in lines}


def test_the_four_lists_are_counted(lesson):
    """Le nombre de versions du projet que chaque modèle dit, relu dans ses fichiers."""
    lines = lesson.ended("locked_environment").stdout.splitlines()
    counts = {"model": 5, "guessed": 4, "pinned": len(PINS), "locked": len(PINS)}
    for line, (name, count) in zip(lines, counts.items(), strict=False):
        _, folder = logged(lesson, name)
        said = pinned((folder / "requirements.txt").read_text(encoding="utf-8").splitlines())
        assert (
            len(said & pinned(PINS)) == count
            and f" {count} versions du projet sur {len(PINS)}" in line
        )
        assert said - pinned(PINS) == (
            {f"mlflow=={mlflow.__version__}"} if name == "guessed" else set()
        )
        # ce que le modèle importe, et rien de ce que l'entraînement importait
        if name == "guessed":
            assert any(pin.startswith("pandas==") for pin in said) and not any(
                "scikit-learn" in pin for pin in said
            )
        assert (
            (folder / "uv.lock").exists()
            == (folder / "pyproject.toml").exists()
            == (name == "locked")
        )
    hashes = (logged(lesson, "locked")[1] / "uv.lock").read_text(encoding="utf-8").count("sha256:")
    assert lines[3].endswith(f", {hashes} empreintes") and hashes > len(PINS)
    assert "uv_project_path" in signature(mlflow.pyfunc.log_model).parameters
    # « propre aux modèles pyfunc »
    assert "uv_project_path" not in signature(mlflow.sklearn.log_model).parameters


@pytest.mark.slow
def test_an_environment_built_from_the_lock_is_the_lock(lesson, tmp_path):
    """`mlflow.models.predict(env_manager="uv")` prend uv.lock, et non requirements.txt."""
    found, folder = logged(lesson, "locked")
    code = (
        "import mlflow, pandas as pd\n"
        f"table = pd.read_json({str(folder / 'input_example.json')!r}, orient='split')\n"
        "table = table.astype(float)\n"
        f"mlflow.models.predict({found.model_uri!r}, input_data=table, env_manager='uv')\n"
    )
    told = ended(
        [sys.executable, "-c", code],
        tmp_path,
        MLFLOW_TRACKING_URI=lesson.uri,
        MLFLOW_ENV_ROOT=str(tmp_path / "envs"),
    )
    assert told.returncode == 0, told.stderr
    assert '"follow_up"' in told.stdout and "uv sync completed successfully" in told.stderr
    assert {f"+ {pin}" for pin in pinned(PINS)} <= {
        line.strip() for line in told.stderr.splitlines()
    }


def test_what_uv_says_is_said_and_nothing_is_half_written(scratch, tmp_path):
    (tmp_path / "uv").write_text("#!/bin/sh\necho 'erreur: pas de réseau' >&2; exit 1\n")
    (tmp_path / "uv").chmod(0o755)
    before = len(scratch.runs(LESSON))
    told = scratch.fork(
        path_of("locked_environment"),
        fails=True,
        PATH=os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"]),
    )
    assert told.returncode == 1 and told.stderr.startswith("erreur: pas de réseau\n")
    assert len(scratch.runs(LESSON)) == before
