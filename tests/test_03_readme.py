"""Leçon 3, ce que sa page affirme : chaque nombre recalculé, chaque piège provoqué."""

import re
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pages
import pytest
import yaml
from conftest import ROOT, clean_environment, tables
from lesson03 import LESSON, LOCAL, README, announced, by_command, mean_rmse, model, parts, script, valid_rmse
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score, root_mean_squared_error

PAGE = README.read_text(encoding="utf-8")
PROSE = re.sub(r"\s+", " ", pages.prose(PAGE))


def variants(seed: int, chosen: list[tuple[str, str, float]]) -> tuple[list[str], list[str]]:
    """Les lignes des étapes, puis le classement, pour des variantes (nom, modèle, alpha) ; `seed` : celle du découpage."""
    X_train, X_valid, _, y_train, y_valid, _ = parts(seed)
    predicted = {name: model(kind, alpha).fit(X_train, y_train).predict(X_valid) for name, kind, alpha in chosen}
    errors = {name: root_mean_squared_error(y_valid, each) for name, each in predicted.items()}
    steps = [
        f"{name} : RMSE {errors[name]:.2f}, R² {r2_score(y_valid, each):.3f} sur 89 lignes de validation"
        for name, each in predicted.items()
    ]
    return steps, ["Du meilleur au moins bon :", *(f"  RMSE {errors[name]:.2f}  {name}" for name in sorted(errors, key=errors.get))]


LINEAR = [(f"elastic_net alpha={alpha:g} l1_ratio=0.5", "elastic_net", alpha) for alpha in (0.1, 1, 10)]
OTHERS = [("random_forest", "random_forest", 0.1), ("ann", "ann", 0.1)]


def test_the_outputs_shown_are_what_the_models_give():
    steps, ranked = variants(0, [*LINEAR, *OTHERS])
    assert announced(script("run_project"))[:-2] == [*steps, *ranked]
    steps, ranked = variants(1, [LINEAR[0], OTHERS[0]])
    retouched = script("run_project", "--experiment", "03_retouche", "--alphas", "0.1", "--models", "random_forest")
    assert announced(retouched)[:-2] == [*steps, *ranked]
    command = f"uv run mlflow run {LESSON} -e train -P model=ann --env-manager local --experiment-name {LESSON}"
    assert announced(command) == variants(0, [OTHERS[1]])[0]


def test_the_data_are_as_the_page_says():
    y = load_diabetes(return_X_y=True, scaled=False)[1]
    assert (len(y), y.min(), y.max()) == (442, 25, 346)
    assert [len(each) for each in parts()[:3]] == [264, 89, 89]
    assert "442 patients diabétiques, dix mesures" in PROSE and "entre 25 et 346" in PROSE
    assert "264 patients servent à apprendre, 89 à choisir (la validation), 89 à juger" in PROSE
    assert f"Prédire toujours la moyenne donne {mean_rmse():.2f} :" in PROSE
    X_train, _, _, y_train, *_ = parts()
    assert len(model("random_forest").fit(X_train, y_train)[-1].estimators_) == 100 and "une **forêt** de cent arbres" in PROSE
    sparse, ridge = (
        model("elastic_net").set_params(elasticnet__alpha=5, elasticnet__l1_ratio=ratio).fit(X_train, y_train)[-1] for ratio in (1, 0.01)
    )
    assert (sparse.coef_ == 0).any() and not (ridge.coef_ == 0).any()  # « la part qui met des coefficients à zéro »
    small, large = (np.abs(model("elastic_net", alpha).fit(X_train, y_train)[-1].coef_).sum() for alpha in (0.1, 10))
    assert large < small  # « la force de la pénalité »


def test_the_numbers_of_the_prose():
    gaps = [valid_rmse("random_forest", seed=seed) - valid_rmse("elastic_net", seed=seed) for seed in (0, 1)]
    penalty = valid_rmse("elastic_net", 10) - valid_rmse("elastic_net", 0.1)
    assert gaps[1] < gaps[0] < penalty
    assert f"ElasticNet l'emporte sur la forêt, de {gaps[0]:.2f}. N'en faites pas une loi : le choix d'" in PROSE
    assert f"L'écart avec la forêt n'est plus que de {gaps[1]:.2f} : un autre découpage suffit." in PROSE
    X_train, X_valid, X_test, y_train, y_valid, y_test = parts()
    fitted = model("elastic_net").fit(X_train, y_train)
    known, unseen = (root_mean_squared_error(y, fitted.predict(X)) for X, y in ((X_valid, y_valid), (X_test, y_test)))
    assert f"{known:.2f} sur la validation, {unseen:.2f} sur le test." in PROSE
    assert f"En mars, vous obtenez une erreur de {known:.2f}" in PROSE
    lost = fitted.predict(X_valid.assign(**X_valid[["s1", "s2", "s3"]] / 100)).mean()
    assert f"la moyenne passe de {fitted.predict(X_valid).mean():.1f} à {lost:.1f} sans un mot" in PROSE
    pins = yaml.safe_load((ROOT / LESSON / "python_env.yaml").read_text(encoding="utf-8"))["dependencies"]
    assert f"Le projet fige {len(pins)} bibliothèques." in PROSE


def test_the_table_of_entry_points_is_mlproject():
    declared = yaml.safe_load((ROOT / LESSON / "MLproject").read_text(encoding="utf-8"))["entry_points"]
    shown = {row["point d'entrée"].strip("`"): re.findall(r"`(\w+)`", row["paramètres"]) for row in tables(PAGE) if "point d'entrée" in row}
    assert list(shown) == list(declared)
    for name, entry in declared.items():
        extra = list(declared["main"]["parameters"]) if name == "train" else []  # « les mêmes que `main`, et `data_run` »
        assert [*extra, *(each for each in shown[name] if each != "main")] == list(entry["parameters"])


def test_the_table_of_the_measure_is_what_the_script_prints():
    """Le script écrit ces mots quand la mesure les trouve ; test_03_runs relit la mesure elle-même."""
    printed = announced(script("measure_reproducibility"))
    rows = {row["ce que l'on mesure"]: row["résultat"] for row in tables(PAGE) if "ce que l'on mesure" in row}
    same = sum(line.endswith("identique au bit près") for line in printed)
    assert rows["taux de réussite, graine fixée et code dans le commit"].startswith(f"{same} sur {same}, ") and same == 4
    assert {rows["taux de réussite, sans graine"], rows["taux de réussite, code retouché hors commit"]} == {"0 sur 1"}
    assert sum("différent" in line for line in printed) == 2
    assert rows["effort"] == "une commande, aucune retouche" and any("une commande, 0 retouche" in line for line in printed)


def test_every_mlflow_command_names_the_experiment_and_the_environment():
    lines = [line for block in pages.blocks(PAGE) if block.language == "bash" for line in block.lines if "mlflow run" in line]
    for line in [*lines, *(line for path in (ROOT / LESSON).glob("*.py") for line in path.read_text(encoding="utf-8").splitlines())]:
        if "mlflow run 03" in line:
            assert "--env-manager local" in line and f"--experiment-name {LESSON}" in line, line


# ------------------------------------------------------------------------------------------------------------ les pièges


def test_conda_is_refused_and_the_run_left_running(fresh_course):
    """Deux pièges de la page : le message, et le run qu'il faut fermer soi-même."""
    ended = by_command(fresh_course, LESSON, "-e", "prepare", "--env-manager", "conda", "--experiment-name", LESSON)
    assert "python_env project cannot be executed using conda" in ended.stderr
    assert "**`python_env project cannot be executed using conda`**" in PAGE
    (run,) = fresh_course.runs(LESSON)
    assert run.info.status == "RUNNING"
    client = fresh_course.client()
    client.set_terminated(run.info.run_id, "FAILED")
    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_without_pyenv_the_message_is_the_one_quoted(fresh_course, tmp_path):
    """Un PATH où il n'y a que Python, MLflow, Git et les commandes du système, pas `pyenv`."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("git", "bash"):
        (tools / name).symlink_to(subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip())
    environment = {**clean_environment(HOME=str(tmp_path)), "PATH": f"{Path(sys.executable).parent}:{tools}"}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYENV")}
    command = [str(Path(sys.executable).parent / "mlflow"), "run", LESSON, "-e", "prepare", "--experiment-name", LESSON]
    ended = subprocess.run(command, cwd=fresh_course.root, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert ended.returncode and "No such file or directory: 'None'" in ended.stderr
    assert "**`No such file or directory: 'None'`" in PAGE


def test_a_parameter_written_twice_is_an_error(course):
    """Question 3 : pourquoi `train.py` ne note pas ses paramètres quand `mlflow run` l'a fait."""
    client = course.client()
    run = client.create_run(mlflow.set_experiment("paramètre").experiment_id)
    client.log_param(run.info.run_id, "target", "'la qualité'")
    with pytest.raises(mlflow.MlflowException, match="Changing param values is not allowed"):
        client.log_param(run.info.run_id, "target", "la qualité")


LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "ailleurs"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "six" }]

[package.metadata]
requires-dist = [{ name = "six", specifier = "==1.17.0" }]

[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://paquets.exemple/simple" }
"""


@pytest.mark.parametrize("detect", ["", "false"])
def test_the_lock_of_a_folder_becomes_the_requirements_of_a_model(course, tmp_path, detect):
    """Le verrou est écrit à la main, d'un dépôt de paquets qui n'existe pas : `uv export` n'appelle personne."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "ailleurs"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["six==1.17.0"]\n', encoding="utf-8"
    )
    (tmp_path / "uv.lock").write_text(LOCK, encoding="utf-8")
    code = (
        "import mlflow, pathlib, pandas as pd\n"
        f"file = {str(ROOT / LESSON / 'follow_up_model.py')!r}\n"
        'pathlib.Path(\'c.json\').write_text(\'{"intercept": 1, "s1": 1, "s2": 1, "s3": 1}\')\n'
        "with mlflow.start_run():\n"
        "    model = mlflow.pyfunc.log_model(name='m', python_model=file, artifacts={'coefficients': 'c.json'},"
        " model_config={'threshold': 1}, input_example=pd.DataFrame({'s1': [1.0], 's2': [1.0], 's3': [1.0]}))\n"
        "print(pathlib.Path(mlflow.artifacts.download_artifacts(model.model_uri), 'requirements.txt').read_text())\n"
    )
    variables = clean_environment(MLFLOW_TRACKING_URI=course.uri, **({"MLFLOW_UV_AUTO_DETECT": detect} if detect else {}))
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    found = {line for line in ended.stdout.splitlines() if "six" in line or "paquets.exemple" in line}
    assert found == (set() if detect else {"six==1.17.0", "--extra-index-url https://paquets.exemple/simple"})


def test_the_scripts_named_on_databricks_have_a_notebook():
    text = re.sub(r"\s+", " ", PAGE.partition("## Sur Databricks")[2].partition("## La mesure")[0])
    named = [name for name in re.findall(r"`(\w+)`", text) if (ROOT / LOCAL / f"{name}.py").is_file()]
    with_notebook = [
        path.stem
        for path in sorted((ROOT / LOCAL).glob("*.py"))
        if not path.read_text(encoding="utf-8").startswith("# databricks: non")
        and 'tags=["parameters"]' in path.read_text(encoding="utf-8")
    ]
    assert sorted(named) == with_notebook
