"""Leçon 3, le projet lui-même : ses étapes lancées à la main et par `mlflow run`, ce qu'elles
refusent, leur environnement.
"""

import ast
import re
import shlex
import shutil
import subprocess

import pandas as pd
import pytest
from lesson_03 import (
    LESSON,
    PAGE,
    by_command,
    declared,
    hexes,
    parts,
    step,
    steps_of,
    table,
    text,
    valid_rmse,
    variant,
)
from sklearn.datasets import load_diabetes
from texts import ROOT

from forms.outputs import unexpected

# La forme des tables *wine quality* de l'UCI, récrite avec des virgules : des noms qui ont une
# espace, une cible entière.
WINE = "fixed acidity,volatile acidity,alcohol,la qualité\n" + "".join(
    f"{7 + i % 5 / 10},{0.3 + i % 7 / 100},{9 + i % 30 / 10},{3 + i % 30 // 5}\n"
    for i in range(120)
)
LOCALLY = ["--env-manager", "local", "--experiment-name", LESSON]


# --------------------------------------------------------------------------------------------------
# les étapes


def test_by_hand_or_by_the_project_the_same_bits(lesson, scratch):
    _, run = step(scratch, "train")
    assert run.info.status == "FINISHED" and run.data.params["alpha"] == "0.1"
    assert hexes(run) == hexes(variant(lesson))


def test_an_output_file_holds_what_the_run_holds(lesson, scratch, tmp_path):
    """Une colonne en trop : MLflow le dit, et prédit sans elle."""
    written, patients = tmp_path / "mes prédictions.csv", tmp_path / "patients.csv"
    parts()[2].assign(note="colonne en trop").to_csv(patients, index=False)
    arguments = ["--run_id", variant(lesson).info.run_id, "--input", patients, "--output", written]
    told, run = step(scratch, "predict", *arguments, fails=True)
    assert told.returncode == 0
    assert unexpected(told.stderr).endswith("signature: `['note']`. These inputs will be ignored.")
    assert text(run, "predictions/predictions.csv") == written.read_text(encoding="utf-8")
    assert len(pd.read_csv(written)) == 89


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (parts()[2][["age", "sex"]], "Model is missing inputs ['bmi', 'bp', 's1', "),
        (parts()[2].assign(bmi="maigre"), "Incompatible input types for column bmi."),
    ],
)
def test_patients_that_do_not_fit_are_refused_before_a_run(
    lesson, scratch, tmp_path, patients, message
):
    """Les deux refus que la page annonce ; MLflow les dit."""
    assert message.partition(" [")[0].partition(" for")[0] in PAGE
    patients.to_csv(tmp_path / "patients.csv", index=False)
    arguments = ["--run_id", variant(lesson).info.run_id, "--input", tmp_path / "patients.csv"]
    told, run = step(scratch, "predict", *arguments, fails=True)
    assert (told.returncode, run) == (1, None) and message in told.stderr


@pytest.mark.parametrize(
    ("name", "option"), [("train", "--data_run"), ("validate", "--run_id"), ("predict", "--run_id")]
)
def test_an_unknown_run_is_refused(scratch, tmp_path, name, option):
    patients = tmp_path / "patients.csv"
    parts()[2].to_csv(patients, index=False)
    more = ["--input", patients] if name == "predict" else []
    told, run = step(scratch, name, option, "0" * 32, *more, fails=True)
    assert told.returncode == 1 and "0" * 32 in told.stderr.splitlines()[-1]
    # `train` note déjà ses paramètres quand il cherche les données
    assert (run and run.info.status) == ("FAILED" if name == "train" else None)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--alpha", "0,42"), "argument --alpha: invalid float value: '0,42'"),
        (("--aplha", "1"), "unrecognized arguments: --aplha 1"),
    ],
)
def test_the_project_refuses_what_mlflow_lets_through(scratch, option, message):
    """Deux pièges de la page : une décimale, une faute dans un nom."""
    told, run = step(scratch, "train", *option, fails=True)
    assert (told.returncode, run) == (2, None)
    assert told.stderr.endswith(f"train.py: error: {message}\n")


def test_a_model_no_better_than_the_mean_is_refused(scratch):
    _, constant = step(scratch, "train", "--alpha", "1e5")
    told, refused = step(scratch, "validate", "--run_id", constant.info.run_id, fails=True)
    assert "ne fait pas mieux que la moyenne" in told.stderr and refused.info.status == "FAILED"
    assert refused.data.metrics["valid_rmse"] == pytest.approx(refused.data.metrics["mean_rmse"])


def test_without_a_seed_the_forest_is_another(lesson, scratch):
    """Deux forêts sans graine diffèrent aussi l'une de l'autre : la mesure le dit."""
    _, run = step(scratch, "train", "--model", "random_forest", "--seed", "none")
    assert hexes(run) != hexes(variant(lesson, "random_forest"))


def test_the_parts_keep_the_rows_and_the_columns_of_the_table(scratch, tmp_path):
    whole = load_diabetes(as_frame=True, scaled=False).frame[["target", "age", "bmi"]]
    whole.to_csv(tmp_path / "table.csv", index=False)
    _, prepared = step(scratch, "prepare", "--csv", tmp_path / "table.csv", "--target", "target")
    for name, X in zip(("train", "valid", "test"), parts(), strict=False):
        part = table(prepared, f"data/{name}.csv")
        assert list(part) == list(whole) and (part.to_numpy() == whole.to_numpy()[X.index]).all()


def test_a_dirty_tree_is_told(fresh_course, tmp_path):
    project, teller = fresh_course.root / LESSON, tmp_path / "état.py"
    teller.write_text(
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "from diabetes import tree_state\nprint(tree_state())\n"
    )

    def state(folder=project) -> str:
        return fresh_course.fork(str(teller), folder).stdout.strip()

    (fresh_course.root / "README.md").write_text("hors du projet")
    assert state() == "false"
    (project / "train.py").open("a").write("# retouche\n")
    assert state() == "true"
    fresh_course.commit("retouche")
    assert state() == "false"
    (project / "nouveau.py").write_text("")
    assert state() == "true"
    assert state(shutil.copytree(project, tmp_path / "archive")) == "unknown"


# --------------------------------------------------------------------------------------------------
# mlflow run


@pytest.mark.slow
def test_a_folder_is_run_as_it_is_even_by_its_uri_and_only_our_tag_tells(fresh_course):
    """MLflow prend une URI dont le chemin existe pour un simple dossier, et rien de ce qu'il note
    ne dit la retouche.
    """
    prepare = fresh_course.root / LESSON / "prepare.py"
    prepare.write_text(
        prepare.read_text(encoding="utf-8").replace(', "lignes")', ', "lignes, retouché")'),
        encoding="utf-8",
    )
    command = [f"file://{fresh_course.root}#{LESSON}", "-e", "prepare", *LOCALLY]
    told = by_command(fresh_course, *command)
    assert told.stdout == "264 train + 89 valid + 89 test lignes, retouché\n"
    fresh_course.git("checkout", "-q", ".")
    assert by_command(fresh_course, *command).stdout == "264 train + 89 valid + 89 test lignes\n"
    clean, retouched = fresh_course.runs(LESSON)
    for run, dirty in ((clean, "false"), (retouched, "true")):
        assert (run.info.status, run.data.tags.pop("git.dirty")) == ("FINISHED", dirty)
        assert run.data.tags["mlflow.source.git.commit"] == fresh_course.git("rev-parse", "HEAD")
        # tapé à la racine, rangé à la racine
        assert run.info.artifact_uri.startswith(str(fresh_course.root / "mlruns"))
    own = {"mlflow.runName", "mlflow.log-model.history"}
    first, second = (
        {name: value for name, value in run.data.tags.items() if name not in own}
        for run in (clean, retouched)
    )
    assert first == second
    assert fresh_course.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_mlflow_run_typed_elsewhere_creates_another_store(fresh_course, tmp_path):
    project = str(fresh_course.root / LESSON)
    by_command(fresh_course, project, "-e", "prepare", "--env-manager", "local", cwd=tmp_path)
    assert (tmp_path / "mlflow.db").exists() and not (fresh_course.root / "mlflow.db").exists()


@pytest.mark.slow
def test_a_refused_workflow_is_failed_up_to_its_parent(fresh_course):
    """Celui qui réussit, la page le lance ; la leçon enregistrée aussi, par `run_from_git`."""
    told = by_command(fresh_course, LESSON, "-P", "alpha=1e5", *LOCALLY)
    assert told.returncode == 1 and "ne fait pas mieux que la moyenne" in told.stderr
    [workflow] = [
        run
        for run in fresh_course.runs(LESSON)
        if run.data.tags["mlflow.project.entryPoint"] == "main"
    ]
    steps = steps_of(fresh_course, workflow)
    assert workflow.info.status == "FAILED"
    assert {name: run.info.status for name, run in steps.items()} == {
        "prepare": "FINISHED",
        "train": "FINISHED",
        "validate": "FAILED",
    }
    assert steps["train"].data.metrics["valid_rmse"] == pytest.approx(
        valid_rmse("elastic_net", 1e5), rel=1e-12
    )


@pytest.mark.slow
def test_a_table_with_spaces_by_command_predicted_by_command(fresh_course, tmp_path):
    """Les noms avec une espace traversent MLproject ; notés avec les guillemets du shell, ils se
    relisent sans.
    """
    file, output = tmp_path / "winequality red.csv", tmp_path / "prédit.csv"
    file.write_text(WINE, encoding="utf-8")
    told = by_command(
        fresh_course, LESSON, "-P", f"csv={file}", "-P", "target=la qualité", *LOCALLY
    )
    assert told.returncode == 0, told.stderr
    [train] = [
        run
        for run in fresh_course.runs(LESSON)
        if run.data.tags["mlflow.project.entryPoint"] == "train"
    ]
    assert train.data.params["target"] == "'la qualité'"
    assert [shlex.split(train.data.params[name]) for name in ("csv", "target")] == [
        [str(file)],
        ["la qualité"],
    ]
    assert train.data.metrics["valid_r2"] > 0.8  # la qualité suit l'alcool
    arguments = [
        "-P",
        f"run_id={train.info.run_id}",
        "-P",
        f"input={file}",
        "-P",
        f"output={output}",
    ]
    assert by_command(fresh_course, LESSON, "-e", "predict", *arguments, *LOCALLY).returncode == 0
    assert len(pd.read_csv(output)) == 120


# --------------------------------------------------------------------------------------------------
# l'environnement, le bundle


def pins(lines) -> dict[str, str]:
    return dict(line.partition(" ;")[0].strip().split("==") for line in lines)


def test_both_environments_say_what_requirements_say():
    python_env, conda = declared("python_env.yaml"), declared("conda.yaml")
    course = pins(
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    assert pins(python_env["dependencies"]).items() <= course.items()
    assert conda["dependencies"][0] == f"python={python_env['python']}"
    assert conda["dependencies"][-1] == {"pip": python_env["dependencies"]}


def test_the_project_declares_exactly_the_options_of_its_scripts():
    for name, entry in declared("MLproject")["entry_points"].items():
        tree = ast.parse((ROOT / LESSON / f"{name}.py").read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        options = [
            call.args[0].value for call in calls if getattr(call.func, "attr", "") == "add_argument"
        ]
        assert entry["command"].startswith(f"python {name}.py ")
        assert (
            re.findall(r"--(\w+) \{\1\}", entry["command"])
            == [option[2:] for option in options]
            == list(entry["parameters"])
        )


@pytest.mark.slow
def test_the_uv_environment_is_built_pinned_and_gives_the_same_bits(lesson, scratch, tmp_path):
    envs = tmp_path / "envs"
    arguments = ["-e", "train", "--env-manager", "uv", "--experiment-name", "environnement"]
    told = by_command(scratch, LESSON, *arguments, MLFLOW_ENV_ROOT=str(envs))
    assert told.returncode == 0, told.stderr
    assert hexes(scratch.runs("environnement")[0]) == hexes(variant(lesson))
    [python] = envs.glob("*/bin/python")
    frozen = subprocess.run(
        ["uv", "pip", "freeze", "--python", str(python)], capture_output=True, text=True, check=True
    ).stdout
    # tout ce qui est installé est figé, rien n'est figé pour rien
    assert pins(frozen.splitlines()) == pins(declared("python_env.yaml")["dependencies"])


def test_the_bundle_is_a_job_that_databricks_would_read():
    from databricks.bundles.jobs import Job

    bundle = declared("databricks.yml")
    assert bundle["bundle"]["name"]
    [definition] = bundle["resources"]["jobs"].values()
    job = Job.from_dict(definition)
    keys = [task.task_key for task in job.tasks]
    assert len(set(keys)) == len(keys)
    for task in job.tasks:
        assert {each.task_key for each in task.depends_on} <= set(keys)
        source = (
            ROOT / LESSON / task.notebook_task.notebook_path.replace("databricks/", "local/")
        ).read_text(encoding="utf-8")
        assert not source.startswith("# databricks: non")  # ce script a un notebook
        assert all(f'"--{name}"' in source for name in task.notebook_task.base_parameters or {})
    with pytest.raises(Exception, match="inconnu"):
        Job.from_dict({**definition, "inconnu": 1})
