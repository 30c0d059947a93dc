"""Leçon 3, le projet lui-même : ses étapes recalculées, ce qu'elles refusent, leur environnement."""

import ast
import re
import runpy
import subprocess
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from lesson03 import LESSON, WINE, Step, by_command, children, hexes, mean_rmse, parts, restored_signals, text, valid_rmse
from sklearn.datasets import load_diabetes


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
        (parts()[2].head(2).assign(bmi="maigre").to_csv(index=False), "bmi n'a pas le type attendu (des nombres)."),
        ("", "le fichier est vide"),
        ("age\n", "aucune ligne sous les titres"),
        ("age,age\n1,2\n", "deux colonnes s'appellent 'age'"),
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


@pytest.mark.parametrize("name", ["train", "validate", "predict"])
def test_an_unknown_run_gets_one_line(course, tmp_path, name):
    patients = tmp_path / "patients.csv"
    parts()[2].to_csv(patients, index=False)
    option = "--data_run" if name == "train" else "--run_id"
    step = Step(course, name, option, "0" * 32, *(["--input", patients] if name == "predict" else []))
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
    ("arguments", "message"),
    [
        (["--alpha", "beaucoup"], "« beaucoup » n'est pas un nombre."),
        (["--alpha", "0,42"], "« 0,42 » n'est pas un nombre ; les décimales s'écrivent avec un point : 0.42."),
        (["--alpha", "-1"], "« -1 » : il faut un nombre entre 1e-06 et 1e+06."),
        (["--alpha", "nan"], "« nan » : il faut un nombre entre 1e-06 et 1e+06."),
        (["--l1_ratio", "1.5"], "« 1.5 » : il faut un nombre entre 0 et 1."),
        (["--seed", "1.5"], "« 1.5 » : il faut un entier entre 0 et 4294967295."),
        (["--model", "svm"], "« svm » : il faut l'un de ces modèles : elastic_net, random_forest, ann."),
        (["--csv", "relatif.csv"], "« relatif.csv » n'est pas un chemin absolu : le projet s'exécute dans son propre dossier."),
        (["--target", ""], "« » : il faut un nom de 1 à 250 caractères affichables."),
    ],
)
def test_the_project_refuses_in_one_line_what_mlflow_lets_through(course, arguments, message):
    step = Step(course, "train", *arguments)
    assert (step.end.replace("«  »", "« »"), step.run) == (message, None)


def test_a_misspelled_parameter_is_refused(course, capsys):
    step = Step(course, "train", "--aplha", "1")
    assert (step.end, step.run) == (2, None)
    assert "--aplha" in capsys.readouterr().err


def test_the_wine_tables_of_the_uci_work_as_they_are(course, tmp_path, capsys):
    """Leur forme : séparateur `;`, noms entre guillemets et avec une espace, cible entière."""
    file = tmp_path / "winequality red.csv"
    file.write_text(WINE, encoding="utf-8")
    run = Step(course, "train", "--csv", file, "--target", "quality").run
    assert "winequality red.csv : 120 lignes ; nombres : fixed acidity, volatile acidity, alcohol, quality\n" in capsys.readouterr().out
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


def test_the_parts_keep_the_columns_in_the_order_of_the_table(course, tmp_path):
    table = load_diabetes(as_frame=True, scaled=False).frame[["target", "age", "bmi"]]
    file = tmp_path / "table.csv"
    table.to_csv(file, index=False)
    prepared = Step(course, "prepare", "--csv", file, "--target", "target").run
    for name, rows in (("train", 264), ("valid", 89), ("test", 89)):
        part = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=prepared.info.run_id, artifact_path=f"data/{name}.csv"))
        assert (list(part), len(part)) == (["target", "age", "bmi"], rows)
    assert (part.to_numpy() == table.to_numpy()[parts()[2].index]).all()


def test_a_dirty_tree_is_told(fresh_course, tmp_path):
    project = fresh_course.root / LESSON

    def state(folder: Path) -> str:
        with restored_signals():
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
        calls = [
            node for node in ast.walk(ast.parse((ROOT / LESSON / f"{name}.py").read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ]
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
