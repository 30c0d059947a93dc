"""Leçon 3, les scripts : ce qu'ils laissent dans le magasin, ce qui échoue, ce qui se rejoue."""

import shutil
import subprocess

import mlflow
import pytest
from lesson_03 import (
    LESSON,
    LINEAR,
    PAGE,
    announced,
    fitted,
    hexes,
    mean_rmse,
    parts,
    script,
    steps_of,
    table,
    text,
    valid_rmse,
    variant,
)
from programs import reader_environment
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from texts import last_cell, path_of, tables

# --------------------------------------------------------------------------------------------------
# run_project


def test_five_variants_are_the_children_of_one_run(lesson):
    parent, *variants = lesson.runs_of("run_project")
    assert (parent.info.run_name, parent.data.params["variants"]) == ("variantes", "5")
    assert {run.data.tags["mlflow.parentRunId"] for run in variants} == {parent.info.run_id}
    assert {run.info.status for run in (parent, *variants)} == {"FINISHED"} and len(variants) == 5
    assert parent.data.metrics["best_valid_rmse"] == variant(lesson).data.metrics["valid_rmse"]
    assert [each.path for each in lesson.client().list_artifacts(parent.info.run_id)] == [
        "variantes.png"
    ]


def test_a_variant_is_recorded_in_full_and_right(lesson):
    run = variant(lesson)
    X_train, X_valid, X_test, _, y_valid, _ = parts()
    recorded = table(run, "valid_predictions.csv")
    assert (recorded["true"] == y_valid.to_numpy()).all()
    assert run.data.metrics == {
        "valid_rmse": root_mean_squared_error(recorded["true"], recorded["predicted"]),
        "valid_mae": mean_absolute_error(recorded["true"], recorded["predicted"]),
        "valid_r2": r2_score(recorded["true"], recorded["predicted"]),
    }
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict(X_valid) == pytest.approx(recorded["predicted"].to_numpy(), rel=1e-12)
    assert loaded.metadata.get_input_schema().input_names() == list(X_train)
    assert run.data.tags["git.dirty"] == "false"
    assert run.data.tags["mlflow.source.git.commit"] == lesson.git("rev-parse", "HEAD")
    assert run.data.tags["mlflow.note.content"]
    assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["diabetes"]
    assert (
        table(run, "data/test.csv").drop(columns="progression").to_numpy() == X_test.to_numpy()
    ).all()


@pytest.mark.parametrize(
    ("kind", "name"), [("elastic_net", LINEAR), ("random_forest", "random_forest"), ("ann", "ann")]
)
def test_the_models_are_those_announced(lesson, kind, name):
    run = variant(lesson, name)
    assert run.data.metrics["valid_rmse"] == pytest.approx(valid_rmse(kind), rel=1e-9)
    X_valid = parts()[1]
    loaded = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict(X_valid) == pytest.approx(fitted(kind).predict(X_valid), rel=1e-9)


def test_an_impossible_variant_is_said_and_its_run_is_failed(scratch):
    """La page montre argparse, puis l'exception de MLflow."""
    options = ("--alphas", "beaucoup", "--models")
    ended = scratch.fork(path_of("run_project"), *options, fails=True)
    failed, parent = scratch.runs(LESSON)[:2]
    assert (ended.returncode, failed.info.status, parent.info.status) == (1, "FAILED", "FAILED")
    assert (failed.info.run_name, parent.info.run_name) == ("elastic_net beaucoup", "variantes")
    told = announced(script("run_project", "--alphas", "0.1", "beaucoup", "--models"))
    assert told[2] in ended.stderr.splitlines()
    assert ended.stderr.splitlines()[-1] == told[-1].replace("…", failed.info.run_id)


# --------------------------------------------------------------------------------------------------
# predict_new


def test_new_patients_are_predicted_by_the_best_run(lesson):
    [run] = lesson.runs_of("predict_new")
    _, _, X_test, _, _, y_test = parts()
    predicted = table(run, "predictions/predictions.csv")
    assert list(predicted) == ["predicted", *X_test]  # la progression n'est pas donnée au modèle
    assert predicted["predicted"].to_numpy() == pytest.approx(
        fitted("elastic_net").predict(X_test), rel=1e-12
    )
    assert run.data.metrics == {
        "predicted_rows": 89.0,
        "test_rmse": root_mean_squared_error(y_test, predicted["predicted"]),
    }
    chosen = lesson.client().get_run(run.data.params["run_id"])
    # run_from_git a refait le même, au bit près
    assert (run.info.status, hexes(chosen)) == ("FINISHED", hexes(variant(lesson)))


def test_predict_new_again_finds_the_same_model_and_the_same_number(lesson, scratch):
    again = scratch.fork(path_of("predict_new")).stdout.splitlines()
    # l'identifiant du run est un autre
    assert lesson.ended("predict_new").stdout.splitlines()[:-2] == again[:-2]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("predict_new", "run_project"),
        ("model_from_code", "run_project"),
        ("locked_environment", "model_from_code"),
    ],
)
def test_without_the_run_it_needs_a_script_says_what_to_type(fresh_course, name, first):
    ended = fresh_course.fork(path_of(name), fails=True)
    [said] = ended.stderr.splitlines()
    assert ended.returncode == 1 and said.endswith(f"Lancez d'abord : uv run {path_of(first)}")


# --------------------------------------------------------------------------------------------------
# run_from_git


@pytest.fixture(scope="module")
def workflow(lesson):
    return next(
        run
        for run in lesson.runs_of("run_from_git")
        if run.data.tags["mlflow.project.entryPoint"] == "main"
    )


def test_the_clone_is_cloned_and_its_workflow_runs(lesson, workflow):
    tags = workflow.data.tags
    assert tags["mlflow.source.git.commit"] == lesson.git("rev-parse", "HEAD")
    assert tags["mlflow.source.name"].endswith(f"%2Egit#{LESSON}") and tags["git.dirty"] == "false"
    for name in (
        "mlflow.source.name",
        "mlflow.source.git.commit",
        "mlflow.project.entryPoint",
        "git.dirty",
    ):
        assert f"  {name} = {tags[name]}\n" in lesson.ended("run_from_git").stdout
    steps = steps_of(lesson, workflow)
    assert {name: run.info.status for name, run in steps.items()} == dict.fromkeys(
        ("prepare", "train", "validate"), "FINISHED"
    )
    assert {run.data.tags["mlflow.source.name"] for run in steps.values()} == {
        tags["mlflow.source.name"]
    }


def test_steps_pass_their_data_by_run_id(lesson, workflow):
    prepared, trained, judged = (
        steps_of(lesson, workflow)[name] for name in ("prepare", "train", "validate")
    )
    assert prepared.data.metrics == {"train_rows": 264.0, "valid_rows": 89.0, "test_rows": 89.0}
    assert (
        trained.data.tags["data_run"] == prepared.info.run_id
        and judged.data.params["run_id"] == trained.info.run_id
    )
    rmse = trained.data.metrics["valid_rmse"]
    assert (
        workflow.data.metrics
        == judged.data.metrics
        == {"valid_rmse": rmse, "mean_rmse": pytest.approx(mean_rmse(), rel=1e-12)}
    )
    # d'un dossier ou d'un commit, en mémoire ou par les artefacts d'un run : les mêmes bits
    assert hexes(trained) == hexes(variant(lesson))
    assert text(trained, "valid_predictions.csv") == text(variant(lesson), "valid_predictions.csv")


def test_the_address_of_a_clone_survives_a_space_and_an_accent(lesson, workflow):
    """La leçon est enregistrée dans un tel dossier : l'adresse l'encode, rien n'est né à côté."""
    uri = f"{lesson.root.as_uri()}/%2Egit#{LESSON}"
    assert workflow.data.tags["mlflow.source.name"] == uri and " " not in uri and "é" not in uri
    # d'un dossier, MLflow note le chemin tel qu'il est
    assert variant(lesson).data.tags["mlflow.source.name"] == f"file://{lesson.root}#{LESSON}"
    assert lesson.told["beside"] == [lesson.root.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--version", "0123abcd"], "Unable to checkout version '0123abcd' of git repo"),
        (["--uri", "file:///rien.git#ici"], "does not appear to be a git repository"),
    ],
)
def test_what_git_or_mlflow_refuses_is_said_and_opens_no_run(scratch, arguments, message):
    """Le premier : `--version` veut un commit entier."""
    before = len(scratch.runs(LESSON))
    ended = scratch.fork(path_of("run_from_git"), *arguments, fails=True)
    assert ended.returncode == 1 and message in ended.stderr
    assert len(scratch.runs(LESSON)) == before


@pytest.mark.parametrize("name", ["run_from_git", "measure_reproducibility"])
def test_outside_a_clone_git_says_so(scratch, tmp_path, name):
    """Les fichiers d'une archive ZIP, sans `.git` : ce que la page en dit."""
    shutil.copytree(scratch.root / LESSON, tmp_path / LESSON)
    ended = scratch.fork(str(tmp_path / path_of(name)), fails=True, MLFLOW_TRACKING_URI=scratch.uri)
    refused = ended.stderr.splitlines()[-1].partition(":")[0]
    assert (ended.returncode, refused) == (1, "git.exc.InvalidGitRepositoryError")
    assert f"`{refused.rpartition('.')[2]}`" in PAGE


@pytest.mark.slow
def test_branch_tag_and_commit_of_a_bare_repository(scratch, tmp_path):
    """Deux commits : la version exécutée est bien celle demandée, même d'un chemin qui a une espace
    et un accent. Le point d'entrée `main` y est l'entraînement seul.
    """
    source, bare = tmp_path / "source", tmp_path / "un dépôt.git"
    subprocess.run(["git", "clone", "-q", str(scratch.root), str(source)], check=True)
    project = source / LESSON / "MLproject"

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        command = ["git", "-C", str(source), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def committed(before: str, after: str) -> str:
        written = project.read_text(encoding="utf-8")
        assert before in written
        project.write_text(written.replace(before, after), encoding="utf-8")
        git("commit", "-qam", after)
        return git("rev-parse", "HEAD")

    first = committed("python main.py", "python train.py")
    git("tag", "v1")
    second = committed("default: 0.1}", "default: 10}")
    subprocess.run(["git", "clone", "-q", "--bare", str(source), str(bare)], check=True)
    for version, commit, alpha in (
        ("v1", first, "0.1"),
        ("main", second, "10"),
        (first, first, "0.1"),
        (None, second, "10"),
    ):
        asked = ["--version", version] if version else []
        scratch.fork(path_of("run_from_git"), "--uri", f"{bare.as_uri()}#{LESSON}", *asked)
        run = scratch.runs(LESSON)[0]
        assert (run.info.status, run.data.params["alpha"]) == ("FINISHED", alpha)
        assert run.data.tags["mlflow.source.git.commit"] == commit
        assert run.data.metrics["valid_rmse"] == pytest.approx(
            valid_rmse("elastic_net", float(alpha)), rel=1e-12
        )


# --------------------------------------------------------------------------------------------------
# measure_reproducibility


@pytest.mark.slow
def test_the_measure_is_what_the_text_says_of_it(whole_lesson):
    measure, *runs = whole_lesson.runs_of("measure_reproducibility")
    replays = table(measure, "replays.csv", index_col="run")
    sound = ["elastic_net", "random_forest", "ann", "workflow"]
    same, dirty = replays["identical"], replays["dirty"]
    assert same.to_dict() == {
        **dict.fromkeys(sound, True),
        "sans graine": False,
        "code retouché": False,
    }
    assert dirty.to_dict() == {
        **dict.fromkeys(sound, False),
        "sans graine": False,
        "code retouché": True,
    }
    metrics = {
        name: value for name, value in measure.data.metrics.items() if not name.endswith("_seconds")
    }
    wrong = {"control_identical": 0.0, "retouched_identical": 0.0, "retouched_flagged": 1.0}
    # rebâti de zéro : identique
    assert metrics == {"success_rate": 1.0, "hand_edits": 0.0, "rebuilt_identical": 1.0, **wrong}
    assert {run.info.status for run in (measure, *runs)} == {"FINISHED"}
    forests = [
        run
        for run in runs
        if run.data.params.get("model") == "random_forest" and run.data.params["seed"] == "0"
    ]
    assert len(forests) == 2 and hexes(forests[0]) == hexes(forests[1])
    # Rien de ce que MLflow note ne distingue le code retouché : mêmes étiquettes `mlflow.*`, un
    # commit, des paramètres.
    trains = [
        run
        for run in runs
        if run.data.tags["mlflow.project.entryPoint"] == "train"
        and run.data.params["model"] == "elastic_net"
    ]
    retouched = next(run for run in trains if run.data.tags["git.dirty"] == "true")
    sane = next(
        run
        for run in trains
        if run.data.tags["git.dirty"] == "false" and "mlflow.project.env" not in run.data.tags
    )
    own = [
        sorted(name for name in run.data.tags if name.startswith("mlflow."))
        for run in (sane, retouched)
    ]
    assert own[0] == own[1] and sane.data.params == retouched.data.params
    assert (
        sane.data.tags["mlflow.source.git.commit"]
        == retouched.data.tags["mlflow.source.git.commit"]
    )
    shown = tables(last_cell(path_of("measure_reproducibility")))
    assert {row["run"]: (row["son double est identique"], row["`git.dirty`"]) for row in shown} == {
        "ElasticNet, forêt, réseau, workflow": (f"{same[sound].sum()} sur 4", "false"),
        "forêt sans graine": (f"{int(same['sans graine'])} sur 1", "false"),
        "code retouché hors commit": (f"{int(same['code retouché'])} sur 1", "true"),
    }


ONCE = """
first, launch = [], mlflow.projects.run
def launched_once(*arguments, **options):
    if options["env_manager"] == "uv" or not first:
        first.append(launch(*arguments, **options))
    return first[0]
mlflow.projects.run = launched_once
"""


@pytest.mark.slow
def test_without_uv_the_rest_is_already_measured(fresh_course, tmp_path):
    """`uv` échoue, en dernier : la page dit que le reste est mesuré, et qu'un run reste RUNNING.

    Les douze autres lancements, la leçon enregistrée les a : ici, le même run sert douze fois.
    """
    measure = fresh_course.root / path_of("measure_reproducibility")
    opening = 'mlflow.set_experiment("measurements")\n'
    source = measure.read_text(encoding="utf-8")
    assert source.count(opening) == 1
    measure.write_text(source.replace(opening, ONCE + opening), encoding="utf-8")
    # il lance le projet tel que le dernier commit le donne
    fresh_course.commit("un lancement pour douze")
    (tmp_path / "uv").write_text("#!/bin/sh\necho 'pas de réseau' >&2; exit 1\n")
    (tmp_path / "uv").chmod(0o755)
    ended = fresh_course.run(
        path_of("measure_reproducibility"),
        fails=True,
        PATH=f"{tmp_path}:{reader_environment()['PATH']}",
    )
    assert ended.returncode == 1 and "Effort : une commande" in ended.stdout
    assert "rebâti" not in ended.stdout
    rebuilt, _, measured = fresh_course.runs("measurements")
    assert [run.info.status for run in (rebuilt, measured)] == ["RUNNING", "FAILED"]
    assert {"success_rate", "retouched_flagged"} <= set(measured.data.metrics)
    assert "**Un run reste RUNNING** : son environnement n'a pas pu être bâti" in PAGE
