"""Leçon 3, les scripts : ce qu'ils affichent, ce qu'ils laissent dans le magasin, ce qui échoue, ce qui se rejoue."""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from conftest import ROOT, Course, clean_environment, hears_ctrl_c, last_cell, numbers, tables
from lesson03 import (
    LESSON,
    LOCAL,
    WINE,
    Step,
    announced,
    assert_announced,
    by_command,
    children,
    hexes,
    mean_rmse,
    model,
    parts,
    restored_signals,
    script,
    valid_rmse,
)
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

# --------------------------------------------------------------------------------------------------------- run_project


@pytest.fixture(scope="module")
def variants(course):
    """Trois variantes, dont deux qui ne peuvent pas réussir."""
    ended = course.run(f"{LOCAL}/run_project.py", "--alphas", "0.1", "beaucoup", "0,42", "--models", fails=True)
    found = course.runs(LESSON)
    parent = next(run for run in found if run.info.run_name == "variantes")
    return ended, parent, [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def test_variants_are_ranked_and_the_failing_one_is_shown(variants):
    ended, parent, runs = variants
    done, *failures, title, ranked = ended.stdout.splitlines()
    rmse = f"{valid_rmse('elastic_net'):.2f}"
    assert done == f"elastic_net alpha=0.1 l1_ratio=0.5 : RMSE {rmse}, R² {valid_r2('elastic_net'):.3f} sur 89 lignes de validation"
    assert (title, ranked) == ("Du meilleur au moins bon :", f"  RMSE {rmse}  elastic_net alpha=0.1 l1_ratio=0.5")
    by_alpha = {run.data.params["alpha"]: run for run in runs}
    assert failures == [
        f"Échec de {{'model': 'elastic_net', 'alpha': '{alpha}'}} : Run (ID '{by_alpha[alpha].info.run_id}') failed"
        for alpha in ("beaucoup", "0,42")
    ]
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "« beaucoup » n'est pas un nombre.",
        "« 0,42 » n'est pas un nombre ; les décimales s'écrivent avec un point : 0.42.",
        "Échecs : 2 sur 3 variantes ; dans le magasin, leurs runs sont FAILED.",
    ]
    assert parent.info.status == "FAILED"
    assert {alpha: (run.info.run_name, run.info.status) for alpha, run in by_alpha.items()} == {
        "0.1": ("elastic_net alpha=0.1 l1_ratio=0.5", "FINISHED"),
        "beaucoup": ("elastic_net beaucoup", "FAILED"),
        "0,42": ("elastic_net 0,42", "FAILED"),
    }


def test_a_variant_is_recorded_in_full_and_right(course, variants):
    run = next(run for run in variants[2] if run.info.status == "FINISHED")
    X_train, X_valid, X_test, _, y_valid, _ = parts()
    table = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="valid_predictions.csv"))
    assert (table["true"] == y_valid.to_numpy()).all()
    assert run.data.metrics == {
        "valid_rmse": root_mean_squared_error(table["true"], table["predicted"]),
        "valid_mae": mean_absolute_error(table["true"], table["predicted"]),
        "valid_r2": r2_score(table["true"], table["predicted"]),
    }
    assert run.data.metrics["valid_rmse"] == pytest.approx(valid_rmse("elastic_net"), rel=1e-12)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict(X_valid) == pytest.approx(table["predicted"].to_numpy(), rel=1e-12)
    assert loaded.metadata.get_input_schema().input_names() == list(X_train)
    assert run.data.tags["git.dirty"] == "false"
    assert run.data.tags["mlflow.source.git.commit"] == course.git("rev-parse", "HEAD")
    assert run.data.tags["mlflow.note.content"]
    assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["diabetes"]
    held_out = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="data/test.csv"))
    assert (held_out.drop(columns="progression").to_numpy() == X_test.to_numpy()).all()


def valid_r2(name: str) -> float:
    X_train, X_valid, _, y_train, y_valid, _ = parts()
    return r2_score(y_valid, model(name).fit(X_train, y_train).predict(X_valid))


def script_text(name: str) -> str:
    return (ROOT / LOCAL / f"{name}.py").read_text(encoding="utf-8").replace("\n# ", " ")


def test_what_run_project_says_to_remember():
    cell = last_cell(f"{LOCAL}/run_project.py")
    known = {
        "ElasticNet, `alpha = 0.1`": valid_rmse("elastic_net", 0.1),
        "réseau de neurones (`ann`)": valid_rmse("ann"),
        "ElasticNet, `alpha = 1`": valid_rmse("elastic_net", 1),
        "forêt aléatoire": valid_rmse("random_forest"),
        "ElasticNet, `alpha = 10`": valid_rmse("elastic_net", 10),
    }
    assert {row["variante"]: row["RMSE"] for row in tables(cell)} == {name: f"{value:.2f}" for name, value in known.items()}
    forest, other_forest = (valid_rmse("random_forest", seed=seed) - valid_rmse("elastic_net", seed=seed) for seed in (0, 1))
    penalty = valid_rmse("elastic_net", 10) - valid_rmse("elastic_net", 0.1)
    assert 0 < forest < penalty  # « compte davantage »
    assert numbers(cell.partition("Le modèle linéaire")[2]) == [f"{forest:.2f}", f"{penalty:.2f}", "0.1", f"{other_forest:.2f}"]


def test_what_the_headers_say_of_the_data():
    y = load_diabetes(return_X_y=True, scaled=False)[1]
    assert (len(y), y.min(), y.max(), round(mean_rmse())) == (442, 25, 346, 79)
    header = script_text("run_project")
    assert (
        "Sur 442 patients" in header and "de 25 à 346" in header and "se trompe de 79 " in header and "une forêt de cent arbres" in header
    )
    assert len(model("random_forest")[-1].fit(*parts()[0:4:3]).estimators_) == 100
    assert "sur 89 patients de validation. Sur 89 patients" in script_text("predict_new") and [len(each) for each in parts()[1:3]] == [
        89,
        89,
    ]


# --------------------------------------------------------------------------------------------------------- predict_new


def test_new_patients_are_predicted_by_the_best_run(course, variants):
    ended = course.once(f"{LOCAL}/predict_new.py")
    predicted = next(run for run in course.runs(LESSON) if run.data.tags.get("mlflow.project.entryPoint") == "predict")
    X_train, _, X_test, y_train, _, y_test = parts()
    expected = model("elastic_net").fit(X_train, y_train).predict(X_test)
    table = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=predicted.info.run_id, artifact_path="predictions/predictions.csv"))
    assert list(table) == ["predicted", *X_test]  # la progression n'est pas donnée au modèle
    assert table["predicted"].to_numpy() == pytest.approx(expected, rel=1e-12)
    rmse = root_mean_squared_error(y_test, table["predicted"])
    assert predicted.data.metrics == {"predicted_rows": 89.0, "test_rmse": rmse}
    assert predicted.info.status == "FINISHED"
    assert_announced(announced(script("predict_new")), ended.stdout)
    assert f"RMSE {rmse:.2f} sur ces patients" in ended.stdout
    assert f"(RMSE {valid_rmse('elastic_net'):.2f} sur la validation)" in ended.stdout
    assert numbers(last_cell(f"{LOCAL}/predict_new.py")) == [f"{rmse:.2f}", f"{valid_rmse('elastic_net'):.2f}"]


def test_predict_new_again_finds_the_same_model_and_the_same_number(course, variants):
    first, second = course.once(f"{LOCAL}/predict_new.py"), course.run(f"{LOCAL}/predict_new.py")
    assert first.stdout.splitlines()[:-2] == second.stdout.splitlines()[:-2]


@pytest.mark.parametrize("arguments", [["--experiment", "vide"], ["--run", "0" * 32], ["--run", "' OR 1"]])
def test_without_a_trained_run_the_command_to_type_is_said(course, arguments):
    ended = course.run(f"{LOCAL}/predict_new.py", *arguments, fails=True)
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1
    assert ended.stderr.endswith(" Lancez d'abord : uv run 03_mlflow_project/local/run_project.py\n")


def test_patients_that_do_not_fit_get_one_line_of_the_project(course, variants, tmp_path):
    file = tmp_path / "patients.csv"
    file.write_text("age,sex\n59,2\n", encoding="utf-8")
    ended = course.run(f"{LOCAL}/predict_new.py", "--patients", file, fails=True)
    assert ended.stdout == "patients.csv : 1 lignes ; nombres : age, sex\n"
    why, what = ended.stderr.splitlines()
    assert "il manque bmi, bp, s1, s2, s3, s4, s5, s6." in why and what.startswith("Pas de prédiction : Run (ID '")


# -------------------------------------------------------------------------------------------------------- run_from_git


@pytest.fixture(scope="module")
def from_git(course):
    return course.once(f"{LOCAL}/run_from_git.py"), next(
        run for run in course.runs(LESSON) if run.data.tags.get("mlflow.project.entryPoint") == "main"
    )


def test_the_clone_is_cloned_and_its_workflow_runs(course, from_git):
    ended, workflow = from_git
    assert_announced(announced(script("run_from_git"))[1:], ended.stdout)  # rien n'est modifié, ici
    commit = course.git("rev-parse", "HEAD")
    assert workflow.info.status == "FINISHED"
    assert workflow.data.tags["mlflow.source.git.commit"] == commit
    assert workflow.data.tags["mlflow.source.name"].endswith(f"%2Egit#{LESSON}")
    assert workflow.data.tags["git.dirty"] == "false"
    for name in ("mlflow.source.name", "mlflow.source.git.commit", "mlflow.project.entryPoint", "git.dirty"):
        assert f"  {name} = {workflow.data.tags[name]}\n" in ended.stdout
    steps = children(course, workflow)
    assert {name: run.info.status for name, run in steps.items()} == dict.fromkeys(("prepare", "train", "validate"), "FINISHED")
    assert {run.data.tags["mlflow.source.name"] for run in steps.values()} == {workflow.data.tags["mlflow.source.name"]}
    assert steps["train"].data.tags["data_run"] == steps["prepare"].info.run_id
    assert steps["validate"].data.params["run_id"] == steps["train"].info.run_id
    assert workflow.data.metrics == steps["validate"].data.metrics
    assert workflow.data.metrics["valid_rmse"] == steps["train"].data.metrics["valid_rmse"]


def test_by_project_or_by_hand_the_same_bits(course, from_git):
    train = children(course, from_git[1])["train"]
    assert hexes(train) == hexes(Step(course, "train").run)


@pytest.fixture(scope="module")
def zipped(course, tmp_path_factory) -> Path:
    """Ce que contient une archive ZIP du dépôt : les fichiers, sans `.git`."""
    root = tmp_path_factory.mktemp("archive")
    for name in course.git("ls-files", LESSON).splitlines():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((course.root / name).read_bytes())
    return root


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--version", "absente"], "couldn't find remote ref absente"),
        (["--version", "0123abcd"], "les 40 caractères d'un commit"),
        (["--version", "0123456789" * 4], "ne s'exécute pas"),
        (["--uri", "file:///rien.git#ici"], "does not appear to be a git repository"),
        (["--uri", "https://127.0.0.1:9/rien.git"], "ne s'exécute pas"),
        (["--entry-point", "absent"], "Could not find absent among entry points"),
        ("zip", "n'est pas dans un clone Git"),
    ],
)
def test_a_git_address_that_does_not_work_is_said_in_one_line(course, zipped, monkeypatch, arguments, message):
    """Dans ce processus : il s'agit de l'erreur, et démarrer Python sept fois coûterait une minute."""
    path = (zipped if arguments == "zip" else course.root) / LOCAL / "run_from_git.py"
    monkeypatch.setattr(sys, "argv", ["run_from_git.py", *(arguments if arguments != "zip" else [])])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", course.uri)
    before = len(course.runs(LESSON))
    with restored_signals(), pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(path), run_name="__main__")
    assert message in stopped.value.code and "\n" not in stopped.value.code
    assert len(course.runs(LESSON)) == before  # aucun run n'a été ouvert


@pytest.mark.slow
def test_branch_tag_and_commit_of_a_bare_repository(course, tmp_path):
    """Deux commits : la version exécutée est bien celle demandée, même dans un chemin avec une espace."""
    source, bare = tmp_path / "source", tmp_path / "un dépôt.git"
    subprocess.run(["git", "clone", "-q", str(course.root), str(source)], check=True)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source), "-c", "user.name=test", "-c", "user.email=test@localhost", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("tag", "v1")
    project = source / LESSON / "MLproject"
    project.write_text(project.read_text(encoding="utf-8").replace("default: 0.1}", "default: 10}"), encoding="utf-8")
    git("commit", "-qam", "alpha = 10 par défaut")
    first, second = git("rev-parse", "v1"), git("rev-parse", "HEAD")
    subprocess.run(["git", "clone", "-q", "--bare", str(source), str(bare)], check=True)
    for version, commit, alpha in (("v1", first, "0.1"), ("main", second, "10"), (first, first, "0.1"), (None, second, "10")):
        arguments = ["--uri", f"file://{bare}#{LESSON}", "--entry-point", "train", "--experiment", "dépôt nu"]
        course.run(f"{LOCAL}/run_from_git.py", *arguments, *(["--version", version] if version else []))
        run = course.runs("dépôt nu")[0]
        assert (run.info.status, run.data.params["alpha"], run.data.tags["mlflow.source.git.commit"]) == ("FINISHED", alpha, commit)
        assert run.data.metrics["valid_rmse"] == pytest.approx(valid_rmse("elastic_net", float(alpha)), rel=1e-12)


@pytest.mark.slow
def test_changes_out_of_a_commit_are_not_run_from_git(fresh_course):
    """Le chemin de cette copie a une espace."""
    (fresh_course.root / LESSON / "train.py").write_text("raise SystemExit('la retouche')\n")
    ended = fresh_course.run(f"{LOCAL}/run_from_git.py", "--entry-point", "train")
    assert ended.stdout.startswith("Votre dossier a des modifications hors commit : elles ne seront pas exécutées.\n")
    assert fresh_course.runs(LESSON)[0].data.tags["git.dirty"] == "false"


# ------------------------------------------------------------------------------------------------ mlflow run, tel quel


def test_mlflow_run_from_the_root_writes_to_the_root_store(fresh_course, tmp_path):
    ended = by_command(fresh_course, LESSON, "-e", "prepare", "--env-manager", "local", "--experiment-name", LESSON)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "264 train + 89 valid + 89 test lignes\n"
    run = fresh_course.runs(LESSON)[0]
    assert (run.info.status, run.data.tags["mlflow.project.entryPoint"]) == ("FINISHED", "prepare")
    assert run.info.artifact_uri.startswith(str(fresh_course.root / "mlruns"))
    assert fresh_course.git("status", "--porcelain") == ""


def test_a_folder_is_run_as_it_is_even_by_its_uri_and_only_our_tag_tells(fresh_course):
    """Ce que `run_from_git` et `clone_uri` disent de MLflow : il prend une URI dont le chemin existe pour un simple dossier."""
    prepare = fresh_course.root / LESSON / "prepare.py"
    prepare.write_text(prepare.read_text(encoding="utf-8").replace(', "lignes")', ', "lignes, retouché")'), encoding="utf-8")
    uri = f"file://{fresh_course.root}#{LESSON}"
    ended = by_command(fresh_course, uri, "-e", "prepare", "--env-manager", "local", "--experiment-name", LESSON)
    assert ended.stdout == "264 train + 89 valid + 89 test lignes, retouché\n"
    tags = fresh_course.runs(LESSON)[0].data.tags
    assert tags["mlflow.source.git.commit"] == fresh_course.git("rev-parse", "HEAD")
    assert tags.pop("git.dirty") == "true"
    prepare.write_text(prepare.read_text(encoding="utf-8").replace(", retouché", ""), encoding="utf-8")
    by_command(fresh_course, uri, "-e", "prepare", "--env-manager", "local", "--experiment-name", LESSON)
    clean = fresh_course.runs(LESSON)[0].data.tags
    assert clean.pop("git.dirty") == "false"
    own = {"mlflow.runName", "mlflow.log-model.history"}
    assert {name: value for name, value in tags.items() if name not in own} == {
        name: value for name, value in clean.items() if name not in own
    }


@pytest.fixture
def awkward_course(tmp_path):
    """Un clone dont le chemin a une espace et des accents, dans un dossier où rien d'autre ne peut être créé."""
    parent = tmp_path / "Jean Dupont" / "été"
    course = Course(parent / "cours")
    parent.chmod(0o555)
    yield course
    assert list(parent.iterdir()) == [course.root]  # pas de dossier « Jean%20Dupont » à côté
    parent.chmod(0o755)
    assert [path.name for path in tmp_path.iterdir()] == ["Jean Dupont"]


@pytest.mark.slow
def test_the_lesson_runs_in_a_folder_with_a_space_and_an_accent(awkward_course):
    awkward_course.run(f"{LOCAL}/run_project.py", "--alphas", "0.42", "--models")
    awkward_course.run(f"{LOCAL}/predict_new.py")
    variant = next(run for run in awkward_course.runs(LESSON) if run.data.params.get("alpha") == "0.42")
    assert variant.data.metrics["valid_rmse"] == pytest.approx(valid_rmse("elastic_net", 0.42), rel=1e-12)
    assert Path(variant.info.artifact_uri).is_relative_to(awkward_course.root / "mlruns")

    from launch import clone_uri, recorded_source

    uri = clone_uri(awkward_course.root / LESSON)
    assert uri == f"{(awkward_course.root / '.git').as_uri().removesuffix('.git')}%2Egit#{LESSON}"
    assert variant.data.tags["mlflow.source.name"] == f"file://{awkward_course.root}#{LESSON}"  # MLflow n'encode pas
    assert recorded_source(variant) == (uri, True)
    addresses = (None, f"{awkward_course.root.as_uri()}#{LESSON}", f"file://{awkward_course.root}#{LESSON}")
    for address in addresses:
        arguments = ["--entry-point", "prepare", *(["--uri", address] if address else [])]
        assert "264 train + 89 valid + 89 test lignes\n" in awkward_course.run(f"{LOCAL}/run_from_git.py", *arguments).stdout
        run = awkward_course.runs(LESSON)[0]
        assert run.data.tags["mlflow.source.name"] == uri and recorded_source(run) == (uri, False)


def test_a_bare_repository_whose_name_is_an_accent_is_cloned(course, tmp_path):
    from launch import git_uri

    for name in ("été", "depot", "un dépôt.git"):
        bare, clone = tmp_path / name, tmp_path / "clone" / name
        subprocess.run(["git", "clone", "-q", "--bare", str(course.root), str(bare)], check=True)
        uri, inside = git_uri(f"{bare}#{LESSON}").split("#")
        assert inside == LESSON and not Path(uri.removeprefix("file://")).exists()
        subprocess.run(["git", "clone", "-q", uri, str(clone)], check=True)
        assert (clone / LESSON / "MLproject").is_file()


@pytest.mark.slow
def test_the_workflow_by_command_and_its_refusal(fresh_course):
    for alpha, status in (("0.42", "FINISHED"), ("1e5", "FAILED")):
        ended = by_command(fresh_course, LESSON, "-P", f"alpha={alpha}", "--env-manager", "local", "--experiment-name", LESSON)
        assert ended.returncode == (status == "FAILED"), ended.stderr
        workflow = next(run for run in fresh_course.runs(LESSON) if run.data.tags["mlflow.project.entryPoint"] == "main")
        assert workflow.info.status == status
        if status == "FINISHED":
            command = f"uv run mlflow run {LESSON} -P alpha=0.42 --env-manager local --experiment-name {LESSON}"
            assert_announced(announced(command), ended.stdout)
        steps = children(fresh_course, workflow)
        assert {name: run.info.status for name, run in steps.items()} == {"prepare": "FINISHED", "train": "FINISHED", "validate": status}
        assert steps["train"].data.metrics["valid_rmse"] == pytest.approx(valid_rmse("elastic_net", float(alpha)), rel=1e-12)
    assert "Refusé : le modèle ne fait pas mieux que la moyenne." in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_mlflow_run_elsewhere_needs_the_address_of_the_store(fresh_course, tmp_path):
    project = str(fresh_course.root / LESSON)
    by_command(fresh_course, project, "-e", "prepare", "--env-manager", "local", cwd=tmp_path)
    assert (tmp_path / "mlflow.db").exists() and not (fresh_course.root / "mlflow.db").exists()
    by_command(fresh_course, project, "-e", "prepare", "--env-manager", "local", cwd=tmp_path, MLFLOW_TRACKING_URI=fresh_course.uri)
    assert len(fresh_course.runs("Default")) == 1


@pytest.mark.slow
def test_a_table_with_spaces_by_command_predicted_by_command(fresh_course, tmp_path):
    """Les noms avec une espace traversent MLproject, et les paramètres notés se relisent."""
    file = tmp_path / "winequality red.csv"
    file.write_text(WINE.replace("quality", "la qualité"), encoding="utf-8")
    arguments = ["-P", f"csv={file}", "-P", "target=la qualité", "--env-manager", "local", "--experiment-name", LESSON]
    assert by_command(fresh_course, LESSON, *arguments).returncode == 0
    train = next(run for run in fresh_course.runs(LESSON) if run.data.tags["mlflow.project.entryPoint"] == "train")
    from launch import recorded_parameters

    assert recorded_parameters(train)["csv"] == str(file)
    output = tmp_path / "prédit.csv"
    arguments = ["-e", "predict", "-P", f"run_id={train.info.run_id}", "-P", f"input={file}", "-P", f"output={output}"]
    assert by_command(fresh_course, LESSON, *arguments, "--env-manager", "local").returncode == 0
    assert len(pd.read_csv(output)) == 120


def interrupt(course: Course, number: int, group: bool) -> tuple[int, str]:
    """Lance `run_project`, attend que sa deuxième variante soit au travail, et envoie un signal ; code de sortie, sortie d'erreur."""
    process = subprocess.Popen(
        course.command(f"{LOCAL}/run_project.py"), cwd=course.root, env=clean_environment(), text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **hears_ctrl_c(),
    )  # fmt: skip
    assert process.stdout.readline().startswith("elastic_net alpha=0.1")
    end = time.monotonic() + 120
    while len([run for run in course.runs(LESSON) if "git.dirty" in run.data.tags]) < 2:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    os.killpg(process.pid, number) if group else os.kill(process.pid, number)
    _, errors = process.communicate(timeout=120)  # la fin du tube : plus aucun processus n'y écrit
    return process.returncode, errors


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C ne s'y envoie pas de la même façon")
@pytest.mark.slow
def test_ctrl_c_stops_the_variant_too_and_is_said_in_one_line(fresh_course):
    code, errors = interrupt(fresh_course, signal.SIGINT, group=True)
    assert code != 0
    assert errors.splitlines() == ["Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste."]
    assert sorted(run.info.status for run in fresh_course.runs(LESSON)) == ["FAILED", "FAILED", "FINISHED"]


@pytest.mark.skipif(os.name != "posix", reason="kill ne s'y envoie pas de la même façon")
@pytest.mark.slow
def test_a_killed_run_project_leaves_no_run_running(fresh_course):
    code, errors = interrupt(fresh_course, signal.SIGTERM, group=False)
    assert (code, errors) == (128 + signal.SIGTERM, "")
    assert "RUNNING" not in {run.info.status for run in fresh_course.runs(LESSON)}  # la variante en cours a fini


@pytest.mark.slow
@pytest.mark.alone
def test_mlflow_run_adds_at_most_four_seconds(fresh_course):
    """Une mesure des deux. Sur une machine lente, quatre secondes valent trois fois l'import de MLflow."""

    def seconds(command: list[str]) -> float:
        start = time.monotonic()
        environment = clean_environment(MLFLOW_TRACKING_URI=fresh_course.uri)
        subprocess.run(command, cwd=fresh_course.root, env=environment, check=True, capture_output=True)
        return time.monotonic() - start

    by_hand = [sys.executable, str(fresh_course.root / LESSON / "train.py")]
    project = [str(Path(sys.executable).parent / "mlflow"), "run", LESSON, "-e", "train", "--env-manager", "local"]
    seconds(by_hand)  # le magasin et les .pyc
    alone, run = min(seconds(by_hand) for _ in range(2)), min(seconds(project) for _ in range(2))
    assert run - alone <= max(4, 3 * seconds([sys.executable, "-c", "import mlflow"]))


# -------------------------------------------------------------------------------------------- measure_reproducibility


def assert_measured(course: Course) -> None:
    """Ce que `measure_reproducibility` a laissé dans ce magasin est ce qu'il en dit. Appelé par test_page_03, qui le lance."""
    measure = next(run for run in course.runs("measurements") if run.info.run_name == "measure_reproducibility")
    replays = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=measure.info.run_id, artifact_path="replays.csv"), index_col="run")
    sound = ["elastic_net", "random_forest", "ann", "workflow"]
    assert replays["identical"].to_dict() == {**dict.fromkeys(sound, True), "sans graine": False, "code retouché": False}
    assert replays["dirty"].to_dict() == {**dict.fromkeys(sound, False), "sans graine": False, "code retouché": True}
    metrics = measure.data.metrics
    assert (metrics["success_rate"], metrics["hand_edits"]) == (1.0, 0.0)
    assert (metrics["control_identical"], metrics["retouched_identical"], metrics["retouched_flagged"]) == (0.0, 0.0, 1.0)
    family = course.client().search_runs([measure.info.experiment_id], f"tags.mlflow.parentRunId = '{measure.info.run_id}'")
    assert {run.info.status for run in [measure, *family]} == {"FINISHED"}
    forests = [run for run in family if run.data.params.get("model") == "random_forest" and run.data.params["seed"] == "0"]
    assert len(forests) == 2 and hexes(forests[0]) == hexes(forests[1])
    # Rien de ce que MLflow note ne distingue le code retouché : mêmes étiquettes `mlflow.*`, un commit, des paramètres.
    trains = [run for run in family if run.data.tags["mlflow.project.entryPoint"] == "train" and run.data.params["model"] == "elastic_net"]
    retouched = next(run for run in trains if run.data.tags["git.dirty"] == "true")
    sane = next(run for run in trains if run.data.tags["git.dirty"] == "false" and "mlflow.project.env" not in run.data.tags)
    own = [sorted(name for name in run.data.tags if name.startswith("mlflow.")) for run in (sane, retouched)]
    assert own[0] == own[1] and sane.data.params == retouched.data.params
    assert sane.data.tags["mlflow.source.git.commit"] == retouched.data.tags["mlflow.source.git.commit"]
    rows = {
        row["run"]: (row["son double est identique"], row["`git.dirty`"])
        for row in tables(last_cell(f"{LOCAL}/measure_reproducibility.py"))
    }
    same = replays["identical"]
    assert rows == {
        "ElasticNet, forêt, réseau, workflow": (f"{same[sound].sum()} sur 4", "false"),
        "forêt sans graine": (f"{int(same['sans graine'])} sur 1", "false"),
        "code retouché hors commit": (f"{int(same['code retouché'])} sur 1", "true"),
    }
    assert metrics["rebuilt_identical"] == 1.0  # dans un environnement rebâti de zéro


ONCE = """
first, launch = [], mlflow.projects.run


def launched_once(*arguments, **options):
    if options["env_manager"] == "local":
        first[:] = first or [launch(*arguments, **options)]
        return first[0]
    return launch(*arguments, **options)


mlflow.projects.run = launched_once
mlflow.set_experiment(args.experiment)
"""


@pytest.mark.slow
def test_without_uv_the_rest_is_still_measured(fresh_course, tmp_path):
    """`uv` échoue. Les douze autres lancements, que test_page_03 fait, n'en font ici qu'un : le même run sert douze fois."""
    script = fresh_course.root / LOCAL / "measure_reproducibility.py"
    before, opening, after = script.read_text(encoding="utf-8").partition("mlflow.set_experiment(args.experiment)\n")
    assert opening
    script.write_text(before + ONCE.lstrip() + after, encoding="utf-8")
    fresh_course.commit("un lancement pour douze")  # il lance le projet tel que le dernier commit le donne
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "uv").write_text("#!/bin/sh\necho 'pas de réseau' >&2; exit 1\n")
    (fake / "uv").chmod(0o755)
    # le script place l'environnement Python en tête du PATH ; `uv` ne s'y trouve pas
    path = f"{fake}:{clean_environment()['PATH']}"
    ended = fresh_course.run(f"{LOCAL}/measure_reproducibility.py", timeout=1800, PATH=path)
    assert "non mesuré" in ended.stdout
    statuses = [run.info.status for run in fresh_course.runs("measurements")]
    assert statuses.count("FAILED") == 1 and "RUNNING" not in statuses
