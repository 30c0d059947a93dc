"""Leçon 3, ce que sa page et ses scripts affirment : chaque nombre recalculé, chaque piège
provoqué.
"""

import re
from pathlib import Path

import numpy as np
import pages
import pytest
from lesson_03 import (
    LESSON,
    PAGE,
    announced,
    by_command,
    declared,
    fitted,
    in_grams,
    mean_rmse,
    parts,
    script,
    valid_rmse,
)
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score, root_mean_squared_error
from texts import ROOT, in_text, last_cell, numbers, path_of, tables
from warm import forked

from course import SCRIPTS

PROSE = re.sub(r"\s+", " ", pages.prose(PAGE))
BRIEF = ["run_project", "run_from_git", "predict_new", "model_from_code", "locked_environment"]


def source(name: str) -> str:
    return (ROOT / path_of(name)).read_text(encoding="utf-8").replace("\n# ", " ")


def by_mlflow(*options: str, experiment: str = LESSON) -> str:
    """La commande de la page qui lance `train` par `mlflow run`."""
    asked = ["-e train", *options, "--env-manager local", f"--experiment-name {experiment}"]
    return " ".join([f"uv run mlflow run {LESSON}", *asked])


# --------------------------------------------------------------------------------------------------
# sorties et nombres


@pytest.mark.parametrize(
    "name", [*BRIEF, pytest.param("measure_reproducibility", marks=pytest.mark.slow)]
)
def test_the_page_shows_what_the_script_writes(request, name):
    written = (
        request.getfixturevalue("lesson" if name in BRIEF else "whole_lesson").ended(name).stdout
    )
    # la page l'a lancé d'un dossier modifié, que sa première ligne dit
    shown = announced(script(name))[name == "run_from_git" :]
    assert pages.same_output(shown, written), written


ELASTIC = [
    (f"elastic_net alpha={alpha:g} l1_ratio=0.5", "elastic_net", alpha) for alpha in (0.1, 1, 10)
]
OTHERS = [("random_forest", "random_forest", 0.1), ("ann", "ann", 0.1)]


def variants(seed: int, chosen: list[tuple[str, str, float]]) -> tuple[list[str], list[str]]:
    """Les lignes des étapes, puis le classement, pour des variantes (nom, modèle, alpha) ; `seed` :
    celle du découpage.
    """
    _, X_valid, _, _, y_valid, _ = parts(seed)
    errors = {name: valid_rmse(kind, alpha, seed) for name, kind, alpha in chosen}
    r2 = {
        name: r2_score(y_valid, fitted(kind, alpha, seed).predict(X_valid))
        for name, kind, alpha in chosen
    }
    steps = [
        f"{name} : RMSE {errors[name]:.2f}, R² {r2[name]:.3f} sur 89 lignes de validation"
        for name in errors
    ]
    return steps, [
        "Du meilleur au moins bon :",
        *(f"  RMSE {errors[name]:.2f}  {name}" for name in sorted(errors, key=errors.get)),
    ]


def test_the_outputs_shown_are_what_the_models_give():
    steps, ranked_here = variants(0, [*ELASTIC, *OTHERS])
    assert announced(script("run_project"))[:-2] == [*steps, *ranked_here]
    steps, _ = variants(1, [ELASTIC[0], OTHERS[0]])
    for options, step in zip([(), ("-P model=random_forest",)], steps, strict=True):
        assert announced(by_mlflow(*options, experiment="03_retouche")) == [step]
    assert announced(by_mlflow("-P model=ann")) == variants(0, [OTHERS[1]])[0]
    rows = tables(last_cell(path_of("run_project")))
    assert [row["variante"] for row in rows] == [
        "ElasticNet, `alpha = 0.1`",
        "réseau de neurones (`ann`)",
        "ElasticNet, `alpha = 1`",
        "forêt aléatoire",
        "ElasticNet, `alpha = 10`",
    ]
    assert [row["RMSE"] for row in rows] == [line.split()[1] for line in ranked_here[1:]]


def test_the_data_are_as_the_texts_say():
    y = load_diabetes(return_X_y=True, scaled=False)[1]
    seen, (low, high), mean = len(y), (int(y.min()), int(y.max())), mean_rmse()
    assert (
        in_text(r"(\d+) patients diabétiques, (\w+) mesures", PROSE) == (str(seen), "dix")
        and parts()[0].shape[1] == 10
    )
    assert in_text(r"entre (\d+) et (\d+)\.", PROSE) == (str(low), str(high))
    assert in_text(r"Prédire toujours la moyenne donne ([\d.]+)", PROSE) == (f"{mean:.2f}",)
    header = in_text(
        r"Sur (\d+) patients .* va de (\d+) à (\d+), .* se trompe de (\d+)", source("run_project")
    )
    assert header == (str(seen), str(low), str(high), f"{mean:.0f}")
    sizes = [len(each) for each in parts()[:3]]
    assert in_text(
        r"(\d+) patients servent à apprendre, (\d+) à choisir .*?, (\d+) à juger", PROSE
    ) == tuple(map(str, sizes))
    assert in_text(
        r"sur (\d+) patients de validation\. Sur (\d+) patients", source("predict_new")
    ) == tuple(map(str, sizes[1:]))
    assert (
        len(fitted("random_forest")[-1].estimators_) == 100
        and "de cent arbres" in PROSE
        and "de cent arbres" in source("run_project")
    )
    sparse, ridge = (fitted("elastic_net", 5, l1_ratio=ratio)[-1] for ratio in (1, 0.01))
    # « la part qui met des coefficients à zéro »
    assert (sparse.coef_ == 0).any() and not (ridge.coef_ == 0).any()
    small, large = (np.abs(fitted("elastic_net", alpha)[-1].coef_).sum() for alpha in (0.1, 10))
    assert large < small  # « la force de la pénalité »


def test_the_numbers_of_the_texts():
    gaps = [
        valid_rmse("random_forest", seed=seed) - valid_rmse("elastic_net", seed=seed)
        for seed in (0, 1)
    ]
    penalty = valid_rmse("elastic_net", 10) - valid_rmse("elastic_net", 0.1)
    assert 0 < gaps[1] < gaps[0] < penalty  # « compte davantage »
    forest, other = (f"{gap:.2f}" for gap in gaps)
    assert in_text(r"l'emporte sur la forêt, de ([\d.]+)\.", PROSE) + in_text(
        r"n'est plus que de ([\d.]+) :", PROSE
    ) == (forest, other)
    assert numbers(last_cell(path_of("run_project")).rpartition("|")[2]) == [
        forest,
        f"{penalty:.2f}",
        "0.1",
        other,
    ]
    _, X_valid, X_test, _, y_valid, y_test = parts()
    model = fitted("elastic_net")
    known, unseen = (
        f"{root_mean_squared_error(y, model.predict(X)):.2f}"
        for X, y in ((X_valid, y_valid), (X_test, y_test))
    )
    assert in_text(r"([\d.]+) sur la validation, ([\d.]+) sur le test", PROSE) == (known, unseen)
    assert in_text(r"En mars, vous obtenez une erreur de ([\d.]+),", PROSE) == (known,)
    assert numbers(last_cell(path_of("predict_new"))) == [unseen, known]
    kept, lost = (f"{model.predict(X).mean():.1f}" for X in (X_valid, in_grams()))
    assert in_text(r"la moyenne passe de ([\d.]+) à ([\d.]+)", PROSE) == (kept, lost)
    assert numbers(last_cell(path_of("model_from_code"))) == [kept, lost]
    pins = str(len(declared("python_env.yaml")["dependencies"]))
    assert in_text(r"Le projet fige (\d+) bibliothèques", PROSE) == (pins,)
    assert in_text(
        r"fige les (\d+) bibliothèques .* ces (\d+) versions", source("locked_environment")
    ) == (pins, pins)
    counts = in_text(
        r"donne (\d+) versions sur (\d+), MLflow en devine (\d+)",
        last_cell(path_of("locked_environment")),
    )
    assert counts == ("5", pins, "4")  # comptées par test_03_models


def test_the_table_of_entry_points_is_mlproject():
    entries = declared("MLproject")["entry_points"]
    shown = {
        row["point d'entrée"].strip("`"): re.findall(r"`(\w+)`", row["paramètres"])
        for row in tables(PAGE)
        if "point d'entrée" in row
    }
    assert list(shown) == list(entries)
    for name, entry in entries.items():
        # « les mêmes que `main`, et `data_run` »
        extra = list(entries["main"]["parameters"]) if name == "train" else []
        assert [*extra, *(each for each in shown[name] if each != "main")] == list(
            entry["parameters"]
        )


def test_the_table_of_the_measure_is_what_the_script_prints():
    """Le script écrit ces mots quand la mesure les trouve ; test_03_runs relit la mesure."""
    printed = "\n".join(announced(script("measure_reproducibility")))
    sound, without_seed, retouched, effort = [
        row["résultat"] for row in tables(PAGE) if "ce que l'on mesure" in row
    ]
    assert sound.startswith("4 sur 4, ") and printed.count("identique au bit près\n") == 4
    assert without_seed == retouched == "0 sur 1" and printed.count("différent") == 2
    assert effort == "une commande, aucune retouche" and "une commande, 0 retouche" in printed


def test_every_mlflow_command_names_the_experiment_and_the_environment():
    """Dans la page, et dans l'en-tête des étapes, qui coupe les siennes."""
    typed = [
        line for block in pages.blocks(PAGE) if block.language == "bash" for line in block.lines
    ]
    steps = [path.read_text(encoding="utf-8") for path in (ROOT / LESSON).glob("*.py")]
    headers = [line for step in steps for line in re.sub(r"\\\n *", "", step).splitlines()]
    found = [line for line in (*typed, *headers) if "mlflow run 03" in line]
    assert len(found) == 9  # quatre dans la page, une par étape
    for line in found:
        retouched = "03_retouche" in line and line in typed  # « pour ne rien mélanger »
        experiment = "03_retouche" if retouched else LESSON
        assert line.endswith(f" --env-manager local --experiment-name {experiment}"), line


def test_the_scripts_named_on_databricks_have_a_notebook():
    text = PAGE.partition("## Sur Databricks")[2].partition("\n## ")[0]
    ours = [each for each in SCRIPTS if each.lesson == LESSON]
    named = {each.name for each in ours if f"`{each.stem}`" in text}
    assert named == {
        each.name
        for each in ours
        if (ROOT / LESSON / "databricks" / Path(each.path).name).is_file()
    }


# --------------------------------------------------------------------------------------------------
# les pièges


def test_conda_is_refused_and_the_run_left_running(fresh_course):
    """Deux pièges de la page : le message, et le run qu'il faut fermer soi-même."""
    ended = by_command(
        fresh_course,
        LESSON,
        "-e",
        "prepare",
        "--env-manager",
        "conda",
        "--experiment-name",
        LESSON,
        start=forked,
    )
    message = "python_env project cannot be executed using conda"
    assert message in ended.stderr and f"**`{message}`**" in PAGE
    [run] = fresh_course.runs(LESSON)
    assert run.info.status == "RUNNING"
    client = fresh_course.client()
    client.set_terminated(run.info.run_id, "FAILED")
    assert client.get_run(run.info.run_id).info.status == "FAILED"


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
def test_the_lock_of_a_folder_becomes_the_requirements_of_a_model(scratch, tmp_path, detect):
    """Le verrou est écrit à la main, d'un dépôt de paquets qui n'existe pas : `uv export` n'appelle
    personne.
    """
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "ailleurs"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["six==1.17.0"]\n',
        encoding="utf-8",
    )
    (tmp_path / "uv.lock").write_text(LOCK, encoding="utf-8")
    (tmp_path / "c.json").write_text('{"intercept": 1, "s1": 1, "s2": 1, "s3": 1}')
    (tmp_path / "enregistre.py").write_text(
        "import mlflow, pathlib, pandas as pd\n"
        f"file = {str(ROOT / LESSON / 'follow_up_model.py')!r}\n"
        "example = pd.DataFrame({'s1': [1.0], 's2': [1.0], 's3': [1.0]})\n"
        "settings = {'artifacts': {'coefficients': 'c.json'}, 'model_config': {'threshold': 1}}\n"
        "settings['input_example'] = example\n"
        "model = mlflow.pyfunc.log_model(name='m', python_model=file, **settings)\n"
        "folder = mlflow.artifacts.download_artifacts(model.model_uri)\n"
        "print(pathlib.Path(folder, 'requirements.txt').read_text())\n"
    )
    variables = {
        "MLFLOW_TRACKING_URI": scratch.uri,
        **({"MLFLOW_UV_AUTO_DETECT": detect} if detect else {}),
    }
    ended = scratch.fork(str(tmp_path / "enregistre.py"), cwd=tmp_path, fails=True, **variables)
    assert ended.returncode == 0, ended.stderr
    found = {
        line for line in ended.stdout.splitlines() if "six" in line or "paquets.exemple" in line
    }
    assert found == (
        set() if detect else {"six==1.17.0", "--extra-index-url https://paquets.exemple/simple"}
    )
