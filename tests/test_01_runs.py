"""Leçon 1, les runs : first_run, full_run, open_model, compare_models, tels qu'un lecteur les lance."""

import itertools
import os
import re
import sqlite3
import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, clean_environment, free_port, last_cell, running, tables

from patients import classifiers, clinical_metrics, load_patients, load_table, risk, svm

LOCAL = "01_tracking_supervised/local"
EXPERIMENT = "01_tracking_supervised"


def named(course, name: str, experiment: str = EXPERIMENT):
    """Le dernier run de ce nom."""
    found = course.runs(experiment, f"attributes.run_name = '{name}'")
    assert found, name
    return found[0]


def one_line(ended) -> str:
    """L'unique ligne d'erreur d'un script qui refuse, sans rien avoir écrit d'autre."""
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    return ended.stderr.strip()


def svm_metrics(gamma: float) -> dict[str, float]:
    data = load_patients()
    model = svm(1.0, gamma).fit(data.X_train, data.y_train)
    return clinical_metrics(data.y_valid, model.predict(data.X_valid), risk(model, data.X_valid))


def shown(metrics: dict[str, float]) -> list[str]:
    return [f"{metrics[name]:.3f}" for name in ("sensitivity", "specificity", "accuracy")]


def test_first_run(course):
    printed = course.once(f"{LOCAL}/first_run.py").stdout
    run = named(course, "svm gamma=0.03")
    expected = svm_metrics(0.03)
    del expected["roc_auc"]
    assert run.data.metrics == expected
    assert run.data.params == {"gamma": "0.03"}
    assert run.data.tags["question"] == "sensibilité selon gamma"
    assert run.data.tags["mlflow.source.git.commit"] == course.git("rev-parse", "HEAD")
    assert run.info.status == "FINISHED"
    assert printed.splitlines()[0] == "gamma 0.03 : " + ", ".join(
        f"{name} {expected[name]:.3f}" for name in ("accuracy", "sensitivity", "specificity")
    )
    page = f"http://127.0.0.1:5000/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
    assert printed.splitlines()[1].endswith("dans un second terminal : uv run mlflow ui, puis") and printed.splitlines()[2] == page


def test_the_last_cell_of_first_run_answers_the_question():
    text = last_cell(f"{LOCAL}/first_run.py")
    rows = tables(text)
    for row in rows:
        metrics = svm_metrics(float(row["gamma"]))
        assert [row["sensibilité"], row["spécificité"], row["exactitude"]] == shown(metrics)
    data = load_patients()
    malignant, benign = int(data.y_valid.sum()), int((1 - data.y_valid).sum())
    winner = max(rows, key=lambda row: float(row["sensibilité"]))
    best, kept = svm_metrics(float(winner["gamma"])), svm_metrics(0.03)
    assert (
        f"C'est {winner['gamma']} qui trouve le plus de tumeurs malignes : {round(best['sensitivity'] * malignant)} sur {malignant}" in text
    )
    assert f"au prix de {round(best['fall_out'] * benign)} fausses alertes" in text
    assert f"0.03 en trouve {round(kept['sensitivity'] * malignant)}, sans aucune\nfausse alerte" in text and kept["fall_out"] == 0
    assert f"l'exactitude de {svm_metrics(1)['accuracy']:.3f}" in text and svm_metrics(1)["sensitivity"] == 0


def test_first_run_gives_the_address_of_the_store_that_it_wrote_to(fresh_course, tmp_path):
    team = f"sqlite:///{tmp_path}/team.db"
    printed = fresh_course.run(f"{LOCAL}/first_run.py", MLFLOW_TRACKING_URI=team).stdout
    assert f'uv run mlflow ui --backend-store-uri "{team}", puis' in printed

    port = free_port()
    server = [
        "python",
        "-m",
        "mlflow",
        "server",
        "--port",
        str(port),
        "--workers",
        "1",
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/server.db",
    ]
    with running(server, tmp_path, wait_for=f"http://127.0.0.1:{port}/health", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        printed = fresh_course.run(f"{LOCAL}/first_run.py", MLFLOW_TRACKING_URI=f"http://lectrice:secret@127.0.0.1:{port}").stdout
        address = re.search(r"Le run est sur le serveur : (\S+)", printed)[1]
        experiment, run = re.search(r"/#/experiments/(\d+)/runs/(\w+)\?", address).groups()
        assert address.startswith(f"http://127.0.0.1:{port}/#") and "secret" not in printed and "5000" not in printed
        assert mlflow.MlflowClient(f"http://127.0.0.1:{port}").get_run(run).info.experiment_id == experiment


def test_full_run(course):
    printed = course.once(f"{LOCAL}/full_run.py").stdout
    run = named(course, "svm complet")
    data = load_patients()
    logged = mlflow.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", output_format="list")
    assert f"Modèle enregistré : {logged[0].model_uri}" in printed
    model = mlflow.sklearn.load_model(logged[0].model_uri)
    said = model.predict(data.X_valid)
    assert run.data.metrics == clinical_metrics(data.y_valid, said, risk(model, data.X_valid)) == svm_metrics(0.03)
    assert len(run.data.params) == 4 and len(run.data.metrics) == 8
    assert run.data.tags["mlflow.note.content"]
    assert run.inputs.dataset_inputs[0].dataset.name == "breast_cancer_train"
    assert [file.path for file in course.client().list_artifacts(run.info.run_id)] == ["confusion_matrix.png"]
    info = mlflow.models.get_model_info(logged[0].model_uri)
    assert len(info.signature.inputs.inputs) == 30 and info.saved_input_example_info
    asked = Path(mlflow.artifacts.download_artifacts(logged[0].model_uri), "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in asked] == ["mlflow", "scikit-learn", "skops", "pandas", "numpy"]

    text = last_cell(f"{LOCAL}/full_run.py")
    malignant, found = int(data.y_valid.sum()), int(said[data.y_valid == 1].sum())
    assert f"compte {malignant} tumeurs malignes : le modèle en trouve {found}, sans fausse alerte" in text
    assert run.data.metrics["fall_out"] == 0
    assert f"{run.data.metrics['sensitivity']:.3f}, tient donc à\n{malignant - found} patientes" in text
    assert "4 paramètres, 8 métriques, un jeu de données, une figure, un modèle et une description" in text


def test_open_model(course):
    course.once(f"{LOCAL}/full_run.py")
    printed = course.once(f"{LOCAL}/open_model.py").stdout
    rows = tables(last_cell(f"{LOCAL}/open_model.py"))
    assert len(rows) == 3
    for row in rows:
        assert f"{row['données']} : scikit-learn {row['scikit-learn']} ; pyfunc {row['pyfunc']}" in printed
    assert "114 prédictions égales sur 114" in printed and "114 prédictions égales sur 114" in last_cell(f"{LOCAL}/open_model.py")
    assert "Saveurs : python_function, sklearn" in printed
    assert "différences avec ce Python : aucune" in printed
    # la signature elle-même, et non le message
    uri = re.search(r"models:/\S+", printed)[0]
    data = load_patients()
    function = mlflow.pyfunc.load_model(uri)
    for damaged in (data.X_valid.drop(columns="mean radius"), data.X_valid.astype({"mean radius": str})):
        with pytest.raises(mlflow.MlflowException):
            function.predict(damaged)


@pytest.mark.slow
def test_open_model_opens_the_model_of_full_run_after_a_sweep_too(fresh_course):
    fresh_course.run(f"{LOCAL}/full_run.py")
    fresh_course.run(f"{LOCAL}/svm_sweep.py", "--C", "1", "--gamma", "0.03")
    printed = fresh_course.run(f"{LOCAL}/open_model.py").stdout
    assert f"run d'origine : {named(fresh_course, 'svm complet').info.run_id}" in printed


@pytest.mark.parametrize(("script", "first"), [("open_model", "full_run"), ("search_runs", "svm_sweep")])
def test_on_an_empty_store_a_script_names_the_command_to_run_first(fresh_course, script, first):
    ended = fresh_course.run(f"{LOCAL}/{script}.py", fails=True)
    assert one_line(ended).endswith(f"Lancez d'abord : uv run {LOCAL}/{first}.py")


def test_a_deleted_mlruns_is_said_in_one_line(fresh_course):
    fresh_course.run(f"{LOCAL}/full_run.py")
    (fresh_course.root / "mlruns").rename(fresh_course.root / "mlruns ailleurs")
    assert one_line(fresh_course.run(f"{LOCAL}/open_model.py", fails=True)).startswith("Un fichier manque dans mlruns/")


def test_a_store_cut_while_it_was_created_is_said_in_one_line(fresh_course):
    """Tuée pendant les deux secondes de sa création, la base a une partie de ses tables : MLflow ne la relira plus."""
    with sqlite3.connect(fresh_course.root / "mlflow.db") as base:
        base.execute("CREATE TABLE entity_associations (id INTEGER)")
    os.utime(fresh_course.root / "mlflow.db", (0, 0))  # récente, elle serait attendue dix secondes : on la crée peut-être encore
    said = one_line(fresh_course.run(f"{LOCAL}/first_run.py", fails=True))
    assert said == "Le magasin a été interrompu pendant sa création. Supprimez mlflow.db, encore vide, puis relancez."


def test_compare_models(course):
    printed = course.once(f"{LOCAL}/compare_models.py").stdout
    data = load_patients()
    rows = tables(last_cell(f"{LOCAL}/compare_models.py"))
    assert len(rows) == 7
    order = []
    for row in rows:
        name = row["classifieur"]
        run = named(course, f"{name} breast_cancer")
        logged = mlflow.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", output_format="list")
        model = mlflow.sklearn.load_model(logged[0].model_uri)
        expected = clinical_metrics(data.y_valid, model.predict(data.X_valid), risk(model, data.X_valid))
        assert {key: run.data.metrics[key] for key in expected} == expected, name
        assert [row["sensibilité"], row["spécificité"], row["exactitude"]] == shown(expected)
        assert re.search(rf"^{name} +" + " +".join(map(re.escape, shown(expected))) + "$", printed, re.MULTILINE)
        assert run.data.metrics["fit_seconds"] > 0 and run.inputs.dataset_inputs and run.data.tags["mlflow.note.content"]
        order.append((expected["sensitivity"], expected["specificity"], expected["accuracy"], name))
        if name != "neural_network":  # même code, même graine : mêmes métriques, au bit près
            again = classifiers(data.X_train)[name].fit(data.X_train, data.y_train)
            assert clinical_metrics(data.y_valid, again.predict(data.X_valid), risk(again, data.X_valid)) == expected
    assert order == sorted(order, reverse=True)
    fits = {run.data.params["model"]: run.data.metrics["fit_seconds"] for run in course.runs(EXPERIMENT, "params.data = 'breast_cancer'")}
    assert fits.pop("neural_network") > sum(fits.values())  # « surtout celles du réseau »
    errors = [round((1 - accuracy) * 114) for _, _, accuracy, _ in order[:3]]
    text = last_cell(f"{LOCAL}/compare_models.py")
    assert f"font {errors[0]}, {errors[1]} et {errors[2]} erreurs sur 114" in text
    assert f"sensibilité de {1 / data.y_valid.sum():.3f}" in text
    together = re.search(r"pour ne voir que ces 7 runs : (tags.comparison = '.+')", printed)[1]
    assert len(course.runs(EXPERIMENT, together)) == 7


def test_autolog_draws_the_loss_epoch_by_epoch(course):
    course.once(f"{LOCAL}/compare_models.py")
    run = named(course, "neural_network breast_cancer")
    for key in ("loss", "val_loss"):
        history = course.client().get_metric_history(run.info.run_id, key)
        assert [point.step for point in sorted(history, key=lambda point: point.step)] == list(range(50))
    assert run.data.metrics["loss"] < 0.2
    assert "car chaque époque améliore ici la validation" in last_cell(f"{LOCAL}/compare_models.py").replace("\n", " ")
    losses = [point.value for point in sorted(history, key=lambda point: point.step)]  # `val_loss`, la dernière relue
    assert all(after < before for before, after in itertools.pairwise(losses))


WITHOUT_TENSORFLOW = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.mark.slow
def test_without_tensorflow_six_classifiers_remain(fresh_course, tmp_path):
    """Un Mac Intel : TensorFlow n'y est pas installé."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TENSORFLOW)
    printed = fresh_course.run(f"{LOCAL}/compare_models.py", PYTHONPATH=str(tmp_path)).stdout
    assert printed.startswith(
        "TensorFlow n'est pas installé : six classifieurs, sans le réseau de neurones.\nEn tête : logistic_regression"
    )
    runs = fresh_course.runs(EXPERIMENT)
    assert {run.info.run_name.partition(" ")[0] for run in runs} == set(classifiers(load_patients().X_train)) - {"neural_network"}
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.slow
def test_the_logged_network_travels_with_its_class(course, tmp_path):
    """Relu d'un dossier vide, par un Python qui ne connaît pas patients.py."""
    course.once(f"{LOCAL}/compare_models.py")
    run = named(course, "neural_network breast_cancer")
    code = (
        f"import mlflow; mlflow.set_tracking_uri({course.uri!r}); "
        f"model = mlflow.pyfunc.load_model('runs:/{run.info.run_id}/neural_network'); "
        "print(model.predict(model.input_example).tolist())"
    )
    ended = subprocess.run(["python", "-c", code], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    model = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/neural_network")
    assert ended.stdout.strip().splitlines()[-1] == str(model.predict(load_patients().X_valid.head(3)).tolist()), ended.stderr


@pytest.mark.slow
@pytest.mark.alone
def test_autolog_left_to_itself_writes_the_network_at_each_epoch_and_takes_longer(tmp_path):
    code = f"""
import logging, sys, time; sys.path.insert(0, {str(ROOT / LOCAL)!r})
from patients import classifiers, import_keras, load_patients
import mlflow
logging.getLogger("mlflow").setLevel(logging.ERROR)
import_keras()
data = load_patients()
model = classifiers(data.X_train)["neural_network"]
written, write = [], mlflow.log_artifact
def count(*arguments):
    written.append(arguments[1]); write(*arguments)
mlflow.log_artifact = count
def seconds(**options):
    mlflow.tensorflow.autolog(**options)
    with mlflow.start_run():
        start = time.perf_counter(); model.fit(data.X_train, data.y_train); return time.perf_counter() - start
seconds(disable=True)
alone = seconds(disable=True)
kept = seconds(log_models=False, log_datasets=False, checkpoint=False)
assert written == []
print("result", kept / alone, seconds() / alone, written.count("checkpoints"))
"""
    ended = subprocess.run(["python", "-c", code], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=300)
    [result] = re.findall(r"^result (\S+) (\S+) (\d+)$", ended.stdout, re.MULTILINE)
    ours, left, written = map(float, result)
    said = int(re.search(r"écrit le réseau sur disque (\d+) fois", (ROOT / LOCAL / "compare_models.py").read_text(encoding="utf-8"))[1])
    assert (written, left > 1.4, ours < left) == (said, True, True), (result, ended.stderr)


def own_table(path: Path, rows: int = 300, separator: str = ";", decimal: str = ",") -> Path:
    rng = np.random.default_rng(0)
    age, colour = rng.normal(50, 10, rows), rng.choice(["rouge", "vert", None], rows)
    sick = np.where((age > 50) ^ (rng.random(rows) < 0.05), "oui", "non")
    table = pd.DataFrame({"numéro": range(rows), "âge": np.where(rng.random(rows) < 0.1, np.nan, age), "couleur": colour, "malade": sick})
    table.to_csv(path, sep=separator, decimal=decimal, index=False)
    return path


@pytest.mark.slow
def test_compare_models_on_the_readers_own_table(course, tmp_path):
    path = own_table(tmp_path / "mes patients.csv")
    arguments = ["--csv", path.name, "--target", "malade", "--positive", "oui", "--drop", "numéro"]
    printed = course.run(f"{LOCAL}/compare_models.py", *arguments, cwd=tmp_path).stdout
    assert printed.startswith("mes patients.csv : 300 lignes ; nombres : numéro, âge ; texte : couleur, malade\n")
    data, _ = load_table(str(path), "malade", "oui", ["numéro"])
    for name in classifiers(data.X_train):
        run = named(course, f"{name} mes patients")
        model = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/{name}")
        expected = clinical_metrics(data.y_valid, model.predict(data.X_valid), risk(model, data.X_valid))
        assert {key: run.data.metrics[key] for key in expected} == expected
        assert expected["accuracy"] > 0.6


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("first_run.py", ["--gamma", "inf"], "« inf » : il faut un nombre entre 1e-06 et 100."),
        ("first_run.py", ["--gamma", "0,3"], "les décimales s'écrivent avec un point : 0.3"),
        ("svm_sweep.py", ["--gamma=--"], "« -- » n'est pas un"),  # une valeur ; depuis Python 3.13, argparse le donne : un nombre
        ("first_run.py", ["--experiment", ""], "il faut un nom de 1 à 250 caractères affichables"),
        ("svm_sweep.py", ["--C", "0"], "« 0 » : il faut un nombre entre 1e-06 et 1e+06."),
        ("compare_models.py", ["--csv", "absent.csv", "--target", "y"], "il n'y a pas de fichier à cet endroit"),
        ("compare_models.py", ["--target", "y"], "--csv et --target vont ensemble"),
        ("search_runs.py", ["--patients", "absent.csv"], "il n'y a pas de fichier à cet endroit"),
    ],
)
def test_a_bad_option_is_refused_in_one_line_and_leaves_no_run(course, script, arguments, said):
    before = len(course.runs(EXPERIMENT))
    ended = course.run(f"{LOCAL}/{script}", *arguments, fails=True)
    assert said in ended.stderr and ended.stdout == "" and ended.returncode in (1, 2)
    assert len(course.runs(EXPERIMENT)) == before
