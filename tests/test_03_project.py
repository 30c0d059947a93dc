"""Leçon 3 : le projet, lancé de toutes les façons, relu et recalculé ; ce qui échoue ; ce qui se rejoue."""

import ast
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from conftest import ROOT, Course, clean_environment, last_cell, numbers, tables
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LESSON = "03_mlflow_project"
LOCAL = f"{LESSON}/local"
README = ROOT / LESSON / "README.md"


# ------------------------------------------------------------------------------------------------ recalculer, sans le projet


def parts(seed: int = 0) -> tuple:
    """X_train, X_valid, X_test, y_train, y_valid, y_test : le découpage que le projet annonce, refait ici."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
    X_train, X_valid, y_train, y_valid = train_test_split(X_rest, y_rest, test_size=0.25, random_state=seed)
    return X_train, X_valid, X_test, y_train, y_valid, y_test


def model(name: str, alpha: float = 0.1):
    network = MLPRegressor(hidden_layer_sizes=(32,), alpha=10, max_iter=1000, random_state=0)
    regressors = {
        "elastic_net": ElasticNet(alpha=alpha, l1_ratio=0.5),
        "random_forest": RandomForestRegressor(random_state=0),
        "ann": TransformedTargetRegressor(network, transformer=StandardScaler()),
    }
    return make_pipeline(StandardScaler(), regressors[name])


def valid_rmse(name: str, alpha: float = 0.1, seed: int = 0) -> float:
    X_train, X_valid, _, y_train, y_valid, _ = parts(seed)
    return root_mean_squared_error(y_valid, model(name, alpha).fit(X_train, y_train).predict(X_valid))


def mean_rmse() -> float:
    *_, y_train, y_valid, _ = parts()
    return root_mean_squared_error(y_valid, [y_train.mean()] * len(y_valid))


# ------------------------------------------------------------------------------------------------------- lancer les étapes


class Step:
    """Une étape du projet exécutée dans ce processus : la fin (None, ou ce qui l'a arrêtée) et le run."""

    def __init__(self, course: Course, name: str, *arguments, run: bool = True):
        self.client = course.client()
        experiment = mlflow.set_experiment("en direct").experiment_id
        before = {run.info.run_id for run in self.client.search_runs([experiment])}
        folder, self.end = str(course.root / LESSON), None
        saved = sys.argv, sys.path[:]
        sys.argv = [f"{name}.py", *map(str, arguments)]
        sys.path.insert(0, folder)
        sys.modules.pop("diabetes", None)
        try:
            runpy.run_path(f"{folder}/{name}.py", run_name="__main__")
        except SystemExit as error:
            self.end = error.code
        finally:
            sys.argv, sys.path[:] = saved
            sys.modules.pop("diabetes", None)
        created = [run for run in self.client.search_runs([experiment]) if run.info.run_id not in before]
        assert len(created) <= 1
        self.run = created[0] if created else None


def by_command(course: Course, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    """`mlflow run ...`, tel que le lecteur le tape."""
    command = [str(Path(sys.executable).parent / "mlflow"), "run", *arguments]
    return subprocess.run(
        command, cwd=cwd or course.root, env=clean_environment(**environment), capture_output=True, text=True, encoding="utf-8", timeout=300
    )


def children(course: Course, parent) -> dict[str, object]:
    found = course.client().search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    return {run.data.tags["mlflow.project.entryPoint"]: run for run in found}


def text(run, path: str) -> str:
    return mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{path}")


def hexes(run) -> dict[str, str]:
    return {name: value.hex() for name, value in run.data.metrics.items()}


def announced(number: int) -> list[str]:
    """Les lignes de la `number`-ième sortie que le README annonce ; « … » y remplace ce qui varie."""
    return re.findall(r"```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[number].splitlines()


def assert_announced(number: int, stdout: str) -> None:
    """Les lignes annoncées sont, dans l'ordre, le début de celles qui ont été écrites."""
    for expected, line in zip(announced(number), stdout.splitlines(), strict=False):
        assert re.fullmatch(re.escape(expected).replace("…", ".+"), line), (expected, line)
    assert len(stdout.splitlines()) >= len(announced(number))


# --------------------------------------------------------------------------------------------------------- run_project


@pytest.fixture(scope="module")
def variants(course):
    """Deux variantes, dont une qui ne peut pas réussir."""
    ended = course.run(f"{LOCAL}/run_project.py", "--alphas", "0.1", "beaucoup", "--models", fails=True)
    found = course.runs(LESSON)
    parent = next(run for run in found if run.info.run_name == "variantes")
    return ended, parent, [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def test_variants_are_ranked_and_the_failing_one_is_shown(variants):
    ended, parent, runs = variants
    first, failed, *rest = ended.stdout.splitlines()
    assert first.startswith(f"RMSE {valid_rmse('elastic_net'):.2f} ") and first.endswith("elastic_net alpha=0.1 l1_ratio=0.5")
    assert failed.startswith("Échec de") and "'beaucoup' n'est pas un nombre" in failed
    assert not rest
    assert ended.returncode == 1
    assert ended.stderr.strip() == "Échecs : 1 sur 2 variantes ; dans le magasin, leurs runs sont FAILED."
    assert parent.info.status == "FAILED"
    assert sorted((run.data.params["alpha"], run.info.status) for run in runs) == [("0.1", "FINISHED"), ("beaucoup", "FAILED")]


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
    gap, other_gap = (valid_rmse("random_forest", seed=seed) - valid_rmse("elastic_net", seed=seed) for seed in (0, 1))
    assert numbers(cell.partition("Le modèle linéaire")[2]) == [f"{gap:.2f}", f"{other_gap:.2f}"]


def test_what_the_readme_announces_of_the_models():
    shown = {
        "elastic_net alpha=0.1 l1_ratio=0.5": model("elastic_net"),
        "ann": model("ann"),
        "elastic_net alpha=1 l1_ratio=0.5": model("elastic_net", 1),
        "random_forest": model("random_forest"),
        "elastic_net alpha=10 l1_ratio=0.5": model("elastic_net", 10),
    }
    X_train, X_valid, _, y_train, y_valid, _ = parts()
    predicted = {name: each.fit(X_train, y_train).predict(X_valid) for name, each in shown.items()}
    errors = {name: root_mean_squared_error(y_valid, each) for name, each in predicted.items()}
    assert announced(1) == [f"RMSE {errors[name]:.2f}  R² {r2_score(y_valid, predicted[name]):.3f}  {name}" for name in sorted(errors, key=errors.get)]
    readme = README.read_text(encoding="utf-8")
    gaps = [valid_rmse("random_forest", seed=seed) - valid_rmse("elastic_net", seed=seed) for seed in (0, 1)]
    assert f"ElasticNet l'emporte sur la forêt, de {gaps[0]:.2f}." in readme
    assert f"l'écart n'est plus que de {gaps[1]:.2f}." in readme
    assert f"Prédire toujours la moyenne donne {mean_rmse():.2f}" in readme
    y = load_diabetes(return_X_y=True, scaled=False)[1]
    assert (len(y), y.min(), y.max()) == (442, 25, 346) and "442 patients" in readme and "entre 25 et 346" in readme


@pytest.mark.slow
def test_run_project_prints_what_the_readme_announces(fresh_course):
    assert_announced(1, fresh_course.run(f"{LOCAL}/run_project.py").stdout)
    assert {run.info.status for run in fresh_course.runs(LESSON)} == {"FINISHED"}


# --------------------------------------------------------------------------------------------------------- predict_new


def test_new_patients_are_predicted_by_the_best_run(course, variants):
    ended = course.once(f"{LOCAL}/predict_new.py")
    predicted = next(run for run in course.runs(LESSON) if run.data.tags.get("mlflow.project.entryPoint") == "predict")
    X_train, _, X_test, y_train, _, y_test = parts()
    expected = model("elastic_net").fit(X_train, y_train).predict(X_test)
    table = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=predicted.info.run_id, artifact_path="predictions/predictions.csv"))
    assert list(table) == [*X_test, "predicted"]  # la progression n'est pas donnée au modèle
    assert table["predicted"].to_numpy() == pytest.approx(expected, rel=1e-12)
    rmse = root_mean_squared_error(y_test, table["predicted"])
    assert predicted.data.metrics == {"predicted_rows": 89.0, "test_rmse": rmse}
    assert predicted.info.status == "FINISHED"
    assert_announced(3, ended.stdout)
    assert f"RMSE {rmse:.2f} sur ces patients" in ended.stdout
    assert f"(RMSE {valid_rmse('elastic_net'):.2f} sur la validation)" in ended.stdout
    assert numbers(last_cell(f"{LOCAL}/predict_new.py")) == [f"{valid_rmse('elastic_net'):.2f}", f"{rmse:.2f}"]


@pytest.fixture(scope="module")
def trained(course):
    """Le run d'un entraînement, sans `mlflow run`."""
    step = Step(course, "train", "--alpha", "0.42")
    assert step.end is None and step.run.info.status == "FINISHED"
    return step.run


def test_an_output_file_holds_what_the_run_holds(course, trained, tmp_path):
    written = tmp_path / "mes prédictions.csv"
    patients = tmp_path / "patients.csv"
    parts()[2].assign(note="colonne en trop").to_csv(patients, index=False, sep=";")
    step = Step(course, "predict", "--run_id", trained.info.run_id, "--input", patients, "--output", written)
    assert step.end is None
    assert text(step.run, f"predictions/{written.name}") == written.read_text(encoding="utf-8")
    assert len(pd.read_csv(written)) == 89


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("age,sex\n59,2\n", "il manque bmi, bp, s1, s2, s3, s4, s5, s6"),
        (parts()[2].head(2).assign(bmi="maigre").to_csv(index=False), "bmi n'a pas le type attendu"),
        ("", "le fichier est vide"),
        ("age\n", "ce n'est pas un CSV"),
        (None, "lecture impossible"),
    ],
)
def test_bad_patients_get_one_line(course, trained, tmp_path, content, message):
    file = tmp_path / "patients.csv"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    step = Step(course, "predict", "--run_id", trained.info.run_id, "--input", file)
    assert message in step.end and "\n" not in step.end
    assert step.run is None  # refusé avant d'ouvrir un run


def test_missing_values_are_imputed(course, trained, tmp_path):
    file = tmp_path / "patients.csv"
    parts()[2].head(3).assign(bmi=[None, 25, 30]).to_csv(file, index=False)
    assert Step(course, "predict", "--run_id", trained.info.run_id, "--input", file).run.data.metrics == {"predicted_rows": 3.0}


@pytest.mark.parametrize("name", ["validate", "predict"])
def test_an_unknown_run_gets_one_line(course, tmp_path, name):
    patients = tmp_path / "patients.csv"
    parts()[2].to_csv(patients, index=False)
    step = Step(course, name, "--run_id", "0" * 32, *(["--input", patients] if name == "predict" else []))
    assert "0" * 32 in step.end and "\n" not in step.end


# ---------------------------------------------------------------------------------------------------------- les étapes


def test_steps_pass_their_data_by_run_id(course, trained):
    prepared = Step(course, "prepare").run
    assert prepared.data.metrics == {"train_rows": 264.0, "valid_rows": 89.0, "test_rows": 89.0}
    again = Step(course, "train", "--alpha", "0.42", "--data_run", prepared.info.run_id).run
    assert again.data.tags["data_run"] == prepared.info.run_id
    assert hexes(again) == hexes(trained)  # par un CSV ou en mémoire : les mêmes bits
    assert text(again, "valid_predictions.csv") == text(trained, "valid_predictions.csv")
    judged = Step(course, "validate", "--run_id", again.info.run_id).run
    assert judged.data.metrics == {"valid_rmse": trained.data.metrics["valid_rmse"], "mean_rmse": pytest.approx(mean_rmse(), rel=1e-12)}


def test_a_model_no_better_than_the_mean_is_refused(course):
    constant = Step(course, "train", "--alpha", "1e5").run
    refused = Step(course, "validate", "--run_id", constant.info.run_id)
    assert "ne fait pas mieux que la moyenne" in refused.end
    assert refused.run.info.status == "FAILED"
    assert refused.run.data.metrics["valid_rmse"] == pytest.approx(refused.run.data.metrics["mean_rmse"])


@pytest.mark.parametrize("name", ["random_forest", "ann"])
def test_the_other_models(course, name):
    run = Step(course, "train", "--model", name).run
    assert run.data.metrics["valid_rmse"] == pytest.approx(valid_rmse(name), rel=1e-9)
    assert (mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model").predict(parts()[1]) > 0).all()


def test_without_a_seed_two_forests_differ(course):
    first, second = (Step(course, "train", "--model", "random_forest", "--seed", "none").run for _ in range(2))
    assert hexes(first) != hexes(second)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--alpha", "beaucoup"],
        ["--alpha", "-1"],
        ["--alpha", "nan"],
        ["--l1_ratio", "1.5"],
        ["--seed", "1.5"],
        ["--model", "svm"],
        ["--csv", "relatif.csv"],
        ["--inconnu", "1"],
    ],
)
def test_argparse_refuses_what_mlflow_lets_through(course, arguments, capsys):
    step = Step(course, "train", *arguments)
    assert (step.end, step.run) == (2, None)
    assert "error:" in capsys.readouterr().err


WINE = '"fixed acidity";"volatile acidity";"alcohol";"quality"\n' + "".join(
    f"{7 + i % 5 / 10};{0.3 + i % 7 / 100};{9 + i % 30 / 10};{3 + i % 30 // 5}\n" for i in range(120)
)


def test_the_wine_tables_of_the_uci_work_as_they_are(course, tmp_path):
    """Leur forme : séparateur `;`, noms entre guillemets et avec une espace, cible entière."""
    file = tmp_path / "winequality red.csv"
    file.write_text(WINE, encoding="utf-8")
    run = Step(course, "train", "--csv", file, "--target", "quality").run
    loaded = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    assert list(loaded.feature_names_in_) == ["fixed acidity", "volatile acidity", "alcohol"]
    assert run.data.metrics["valid_r2"] > 0.8  # la qualité suit l'alcool
    assert Step(course, "validate", "--run_id", run.info.run_id).end is None


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        (WINE, "goût", "pas de colonne 'goût'. Colonnes : fixed acidity, volatile acidity, alcohol, quality."),
        (WINE.replace(";3\n", ";bon\n"), "quality", "n'est pas une colonne de nombres"),
        ("\n".join(WINE.splitlines()[:20]), "quality", "il faut 50 lignes"),
        (re.sub(r";\d\n", ";5\n", WINE), "quality", "est constante"),
        (WINE.replace("7.1", "1e300"), "quality", "au-delà de 1e30"),
    ],
)
def test_a_bad_table_gets_one_line(course, tmp_path, content, target, message):
    file = tmp_path / "table.csv"
    file.write_text(content, encoding="utf-8")
    step = Step(course, "prepare", "--csv", file, "--target", target)
    assert message in step.end and "\n" not in step.end
    assert step.run is None


def test_text_columns_and_missing_values_are_prepared_in_the_pipeline(course, tmp_path):
    table = pd.concat([load_diabetes(as_frame=True, scaled=False).frame.assign(ville=["Lyon", "Nice, sud"] * 221)])
    table.loc[::7, "bmi"] = None
    file = tmp_path / "table.csv"
    table.to_csv(file, index=False, sep="\t", decimal=",")
    prepared = Step(course, "prepare", "--csv", file, "--target", "target").run
    direct, passed = (
        Step(course, "train", "--csv", file, "--target", "target", "--data_run", source).run for source in ("none", prepared.info.run_id)
    )
    assert hexes(direct) == hexes(passed)
    assert mlflow.sklearn.load_model(f"runs:/{direct.info.run_id}/model").feature_names_in_[-1] == "ville"


def test_a_dirty_tree_is_told(fresh_course, tmp_path):
    project = fresh_course.root / LESSON

    def state(folder: Path) -> str:
        return runpy.run_path(str(folder / "diabetes.py"))["tree_state"]()

    assert state(project) == "false"
    (fresh_course.root / "README.md").write_text("hors du projet")
    assert state(project) == "false"
    (project / "train.py").open("a").write("# retouche\n")
    assert state(project) == "true"
    fresh_course.commit("retouche")
    (project / "nouveau.py").write_text("")
    assert state(project) == "true"
    zipped = tmp_path / "archive"
    zipped.mkdir()
    (zipped / "diabetes.py").write_bytes((project / "diabetes.py").read_bytes())
    assert state(zipped) == "unknown"


# -------------------------------------------------------------------------------------------------------- run_from_git


@pytest.fixture(scope="module")
def from_git(course):
    return course.once(f"{LOCAL}/run_from_git.py"), next(
        run for run in course.runs(LESSON) if run.data.tags.get("mlflow.project.entryPoint") == "main"
    )


def test_the_clone_is_cloned_and_its_workflow_runs(course, from_git):
    ended, workflow = from_git
    assert_announced(2, ended.stdout)
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
        (["--version", "0123abcd"], "ses 40 caractères"),
        (["--version", "0123456789" * 4], "ne s'exécute pas"),
        (["--uri", "file:///rien.git#ici"], "does not appear to be a git repository"),
        (["--uri", "https://127.0.0.1:9/rien.git"], "ne s'exécute pas"),
        (["--entry-point", "absent"], "Could not find absent among entry points"),
        ("zip", "n'est pas dans un clone Git"),
    ],
)
def test_a_git_address_that_does_not_work_is_said_in_one_line(course, zipped, monkeypatch, arguments, message):
    """Dans ce processus : il s'agit de l'erreur, et démarrer Python sept fois coûterait une minute."""
    script = (zipped if arguments == "zip" else course.root) / LOCAL / "run_from_git.py"
    monkeypatch.setattr(sys, "argv", ["run_from_git.py", *(arguments if arguments != "zip" else [])])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", course.uri)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = len(course.runs(LESSON))
    try:
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(script), run_name="__main__")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
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


@pytest.mark.slow
def test_the_workflow_by_command_and_its_refusal(fresh_course):
    for alpha, status in (("0.42", "FINISHED"), ("1e5", "FAILED")):
        ended = by_command(fresh_course, LESSON, "-P", f"alpha={alpha}", "--env-manager", "local", "--experiment-name", LESSON)
        assert ended.returncode == (status == "FAILED"), ended.stderr
        workflow = next(run for run in fresh_course.runs(LESSON) if run.data.tags["mlflow.project.entryPoint"] == "main")
        assert workflow.info.status == status
        if status == "FINISHED":
            assert_announced(0, ended.stdout)
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


@pytest.mark.slow
def test_a_killed_run_project_leaves_no_run_running(fresh_course):
    process = subprocess.Popen(fresh_course.command(f"{LOCAL}/run_project.py"), cwd=fresh_course.root, env=clean_environment())
    end = time.monotonic() + 120
    while len(fresh_course.runs(LESSON)) < 4:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.5)
    process.terminate()
    assert process.wait(60) != 0
    assert "RUNNING" not in {run.info.status for run in fresh_course.runs(LESSON)}


@pytest.mark.slow
def test_mlflow_run_adds_at_most_four_seconds(fresh_course):
    """Une mesure des deux. Sur une machine lente, quatre secondes valent trois fois l'import de MLflow."""

    def seconds(command: list[str]) -> float:
        start = time.monotonic()
        environment = clean_environment(MLFLOW_TRACKING_URI=fresh_course.uri)
        subprocess.run(command, cwd=fresh_course.root, env=environment, check=True, capture_output=True)
        return time.monotonic() - start

    script = [sys.executable, str(fresh_course.root / LESSON / "train.py")]
    project = [str(Path(sys.executable).parent / "mlflow"), "run", LESSON, "-e", "train", "--env-manager", "local"]
    seconds(script)  # le magasin et les .pyc
    alone, run = min(seconds(script) for _ in range(2)), min(seconds(project) for _ in range(2))
    assert run - alone <= max(4, 3 * seconds([sys.executable, "-c", "import mlflow"]))


# ------------------------------------------------------------------------------------------- l'environnement, le bundle


def pins(lines) -> dict[str, str]:
    return dict(line.partition(" ;")[0].strip().split("==") for line in lines)


def test_both_environments_say_what_requirements_say():
    python_env = yaml.safe_load((ROOT / LESSON / "python_env.yaml").read_text(encoding="utf-8"))
    conda = yaml.safe_load((ROOT / LESSON / "conda.yaml").read_text(encoding="utf-8"))
    course = pins(line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#"))
    assert pins(python_env["dependencies"]).items() <= course.items()
    assert conda["dependencies"][0] == f"python={python_env['python']}"
    assert conda["dependencies"][-1] == {"pip": python_env["dependencies"]}


def test_the_project_declares_exactly_the_options_of_its_scripts():
    declared = yaml.safe_load((ROOT / LESSON / "MLproject").read_text(encoding="utf-8"))["entry_points"]
    for name, entry in declared.items():
        calls = [node for node in ast.walk(ast.parse((ROOT / LESSON / f"{name}.py").read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        options = [call.args[0].value for call in calls if getattr(call.func, "attr", "") == "add_argument"]
        assert entry["command"].startswith(f"python {name}.py ")
        assert re.findall(r"--(\w+) \{\1\}", entry["command"]) == [option[2:] for option in options] == list(entry["parameters"])


@pytest.mark.slow
def test_the_uv_environment_is_built_pinned_and_gives_the_same_bits(course, tmp_path):
    envs = tmp_path / "envs"
    arguments = ["-e", "main", "-P", "alpha=0.42", "--env-manager", "uv", "--experiment-name", "environnement"]
    ended = by_command(course, LESSON, *arguments, MLFLOW_ENV_ROOT=str(envs))
    assert ended.returncode == 0, ended.stderr
    workflow = next(run for run in course.runs("environnement") if run.data.tags["mlflow.project.entryPoint"] == "main")
    assert hexes(children(course, workflow)["train"]) == hexes(Step(course, "train", "--alpha", "0.42").run)
    (python,) = envs.glob("*/bin/python")
    frozen = subprocess.run(["uv", "pip", "freeze", "--python", str(python)], capture_output=True, text=True, check=True).stdout
    declared = yaml.safe_load((ROOT / LESSON / "python_env.yaml").read_text(encoding="utf-8"))["dependencies"]
    assert pins(frozen.splitlines()) == pins(declared)  # tout ce qui est installé est figé, rien n'est figé pour rien


def test_the_bundle_is_a_job_that_databricks_would_read():
    from databricks.bundles.jobs import Job

    bundle = yaml.safe_load((ROOT / LESSON / "databricks.yml").read_text(encoding="utf-8"))
    assert bundle["bundle"]["name"]
    (definition,) = bundle["resources"]["jobs"].values()
    job = Job.from_dict(definition)
    keys = [task.task_key for task in job.tasks]
    assert len(set(keys)) == len(keys)
    for task in job.tasks:
        assert {each.task_key for each in task.depends_on} <= set(keys)
        script = ROOT / LESSON / task.notebook_task.notebook_path.replace("databricks/", "local/")
        source = script.read_text(encoding="utf-8")
        assert not source.startswith("# databricks: non")  # ce script a un notebook
        assert all(f'"--{name}"' in source for name in task.notebook_task.base_parameters)
    with pytest.raises(Exception, match="inconnu"):
        Job.from_dict({**definition, "inconnu": 1})


# -------------------------------------------------------------------------------------------- measure_reproducibility


def assert_measured(course: Course) -> object:
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
    rows = {row["run"]: (row["son double est identique"], row["`git.dirty`"]) for row in tables(last_cell(f"{LOCAL}/measure_reproducibility.py"))}
    same = replays["identical"]
    assert rows == {
        "ElasticNet, forêt, réseau, workflow": (f"{same[sound].sum()} sur 4", "false"),
        "forêt sans graine": (f"{int(same['sans graine'])} sur 1", "false"),
        "code retouché hors commit": (f"{int(same['code retouché'])} sur 1", "true"),
    }
    return measure


@pytest.mark.slow
def test_reproducibility_is_measured_and_an_environment_rebuilt(fresh_course):
    ended = fresh_course.run(f"{LOCAL}/measure_reproducibility.py", timeout=1800)
    measure = assert_measured(fresh_course)
    assert_announced(4, ended.stdout)
    assert measure.data.metrics["rebuilt_identical"] == 1.0
    assert "Dans un environnement rebâti de zéro : identique" in ended.stdout
    assert fresh_course.git("status", "--porcelain") == ""  # vos fichiers n'ont pas bougé


@pytest.mark.slow
def test_without_uv_the_rest_is_still_measured(fresh_course, tmp_path):
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
