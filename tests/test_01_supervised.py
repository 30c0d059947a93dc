"""Leçon 1 : les scripts tels qu'un lecteur les lance, le magasin relu, les nombres annoncés recalculés."""

import argparse
import ast
import math
import re
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, clean_environment, last_cell, numbers, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from exact_values import hard_values, identical
from patients import classifiers, clinical_metrics, load_patients, load_table, read_patients, read_table, risk

LOCAL = "01_tracking_supervised/local"
EXPERIMENT = "01_tracking_supervised"


def named(course, name: str):
    """Le dernier run de ce nom."""
    found = course.runs(EXPERIMENT, f"attributes.run_name = '{name}'")
    assert found, name
    return found[0]


def type_function(script: str, name: str):
    """La fonction `type=` d'un script, sans lancer le script."""
    tree = ast.parse((ROOT / LOCAL / script).read_text(encoding="utf-8"))
    definition = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    namespace = {"argparse": argparse, "Path": Path}
    exec(compile(ast.Module([definition], []), script, "exec"), namespace)
    return namespace[name]


def svm_metrics(gamma: float) -> dict[str, float]:
    data, _, _ = load_patients()
    model = make_pipeline(StandardScaler(), SVC(gamma=gamma)).fit(data.X_train, data.y_train)
    return clinical_metrics(data.y_valid, model.predict(data.X_valid), risk(model, data.X_valid))


def test_data_and_metrics_have_the_announced_sizes_and_definitions():
    data, X_test, y_test = load_patients()
    assert (len(data.X_train), len(data.X_valid), len(X_test)) == (341, 114, 114)
    assert sum(y.sum() for y in (data.y_train, data.y_valid, y_test)) == 212
    # 3 malignes trouvées, 1 manquée, 2 fausses alertes, 4 bénignes reconnues
    truth, said = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    score = [0.9, 0.8, 0.7, 0.3, 0.6, 0.6, 0.2, 0.1, 0.1, 0.1]
    assert clinical_metrics(truth, said, score) == pytest.approx(
        {"accuracy": 7 / 10, "sensitivity": 3 / 4, "specificity": 4 / 6, "precision": 3 / 5, "npv": 4 / 5, "fall_out": 2 / 6, "fdr": 2 / 5, "roc_auc": 22 / 24}
    )
    nobody = clinical_metrics([1, 0], [0, 0])
    assert math.isnan(nobody["precision"]) and math.isnan(nobody["fdr"]) and nobody["sensitivity"] == 0


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
    assert printed.splitlines()[0] == "gamma 0.03 : " + ", ".join(f"{name} {expected[name]:.3f}" for name in ("accuracy", "sensitivity", "specificity"))

    text = last_cell(f"{LOCAL}/first_run.py")
    for row in tables(text):
        metrics = svm_metrics(float(row["gamma"]))
        assert [row["exactitude"], row["sensibilité"], row["spécificité"]] == [
            f"{metrics[name]:.3f}" for name in ("accuracy", "sensitivity", "specificity")
        ]
    assert f"l'exactitude de {svm_metrics(1)['accuracy']:.3f}" in text


def test_full_run(course):
    printed = course.once(f"{LOCAL}/full_run.py").stdout
    run = named(course, "svm complet")
    data, _, _ = load_patients()
    logged = mlflow.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", output_format="list")
    model = mlflow.sklearn.load_model(logged[0].model_uri)
    said = model.predict(data.X_valid)
    assert run.data.metrics == clinical_metrics(data.y_valid, said, risk(model, data.X_valid)) == svm_metrics(0.03)
    assert len(run.data.params) == 4 and len(run.data.metrics) == 8
    assert run.data.tags["mlflow.note.content"]
    assert run.inputs.dataset_inputs[0].dataset.name == "breast_cancer_train"
    assert [file.path for file in course.client().list_artifacts(run.info.run_id)] == ["confusion_matrix.png"]
    info = mlflow.models.get_model_info(logged[0].model_uri)
    assert len(info.signature.inputs.inputs) == 30 and info.saved_input_example_info

    given, guessed = (re.search(rf"Exigences {choice} en ([\d.]+) s : (.*)", printed) for choice in ("données", "devinées"))
    assert given[2] == "mlflow, scikit-learn, skops, pandas, numpy"
    assert "rich" in guessed[2].split(", ")
    assert float(guessed[1]) > 10 * float(given[1])

    text = last_cell(f"{LOCAL}/full_run.py")
    malignant, found = int(data.y_valid.sum()), int(said[data.y_valid == 1].sum())
    assert f"compte\n{malignant} tumeurs malignes : le modèle en trouve {found}, sans fausse alerte" in text
    assert run.data.metrics["fall_out"] == 0
    assert f"{run.data.metrics['sensitivity']:.3f}, tient donc à {malignant - found} patientes" in text
    assert "4 paramètres, 8 métriques" in text


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
    data, _, _ = load_patients()
    function = mlflow.pyfunc.load_model(uri)
    for damaged in (data.X_valid.drop(columns="mean radius"), data.X_valid.astype({"mean radius": str})):
        with pytest.raises(mlflow.MlflowException):
            function.predict(damaged)


@pytest.mark.slow
def test_open_model_without_a_model_says_what_to_run(fresh_course):
    ended = fresh_course.run(f"{LOCAL}/open_model.py", fails=True)
    assert (ended.returncode, ended.stderr.strip()) == (1, "Pas encore de modèle « svm » dans le magasin : lancez d'abord full_run.py.")


def cross_validated(C: float, gamma: float) -> dict[str, float]:
    data, _, _ = load_patients()
    X, y = pd.concat([data.X_train, data.X_valid]), pd.concat([data.y_train, data.y_valid])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    distance = cross_val_predict(make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma)), X, y, cv=folds, method="decision_function")
    return {f"cv_{name}": value for name, value in clinical_metrics(y, (distance > 0).astype(float), distance).items()}


def test_svm_sweep(course):
    printed = course.once(f"{LOCAL}/svm_sweep.py").stdout
    parent = named(course, "svm balayage")
    children = course.runs(EXPERIMENT, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    points = {(float(child.data.params["C"]), float(child.data.params["gamma"])): child for child in children}
    assert len(points) == len(children) == 35
    for point in [(0.1, 0.0001), (1.0, 0.1), (100.0, 0.003)]:
        stored, expected = points[point].data.metrics, cross_validated(*point)
        assert {name: value for name, value in stored.items() if value == value} == {k: v for k, v in expected.items() if v == v}
        assert set(stored) == set(expected)
    best = max(children, key=lambda run: (run.data.metrics["cv_sensitivity"], run.data.metrics["cv_specificity"]))
    accurate = max(children, key=lambda run: (run.data.metrics["cv_accuracy"], run.data.metrics["cv_sensitivity"]))
    assert parent.data.tags["best_run_id"] == best.info.run_id
    assert parent.data.metrics["best_cv_sensitivity"] == best.data.metrics["cv_sensitivity"]
    assert "metric_against_parameter.png" in [file.path for file in course.client().list_artifacts(parent.info.run_id)]
    assert parent.inputs.dataset_inputs[0].dataset.name == "breast_cancer_cv"

    text = last_cell(f"{LOCAL}/svm_sweep.py")
    for run, row in zip((best, accurate), tables(text), strict=True):
        metrics = run.data.metrics
        assert [float(row["C"]), float(row["gamma"])] == [float(run.data.params["C"]), float(run.data.params["gamma"])]
        assert [row["sensibilité"], row["spécificité"], row["exactitude"]] == [
            f"{metrics[f'cv_{name}']:.3f}" for name in ("sensitivity", "specificity", "accuracy")
        ]
    found = [round(run.data.metrics["cv_sensitivity"] * 170) for run in (best, accurate)]
    assert f"{found[0]} tumeurs malignes trouvées sur 170,\ncontre {found[1]}" in text
    assert "35 couples, dont 0 déjà faits" in printed


@pytest.mark.slow
def test_svm_sweep_killed_then_resumed_does_every_point_once(fresh_course):
    arguments = ["--C", "1", "10", "100", "--gamma", "0.001", "0.01", "0.03", "0.1"]
    sweep = subprocess.Popen(
        fresh_course.command(f"{LOCAL}/svm_sweep.py", *arguments), cwd=fresh_course.root, env=clean_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 120
    while not (fresh_course.root / "mlruns").exists():  # la base n'est prête qu'avec le premier modèle
        assert sweep.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    while len(fresh_course.runs(EXPERIMENT, "attributes.status = 'FINISHED'")) < 3:
        assert sweep.poll() is None and time.monotonic() < end
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    before = {run.info.run_id: run.info.status for run in fresh_course.runs(EXPERIMENT)}
    assert "RUNNING" in before.values()

    printed = fresh_course.run(f"{LOCAL}/svm_sweep.py", *arguments).stdout
    already = int(re.search(r"12 couples, dont (\d+) déjà faits", printed)[1])
    assert already == list(before.values()).count("FINISHED") >= 3
    after = fresh_course.runs(EXPERIMENT)
    assert {run.info.status for run in after} <= {"FINISHED", "KILLED"}
    parents = [run for run in after if "grid" in run.data.tags]
    assert len(parents) == 1
    done = [(run.data.params["C"], run.data.params["gamma"]) for run in after if run.info.status == "FINISHED" and run is not parents[0]]
    assert len(done) == len(set(done)) == 12
    # un balayage fini est un balayage fini : le suivant repart de zéro
    assert "dont 0 déjà faits" in fresh_course.run(f"{LOCAL}/svm_sweep.py", "--C", "1", "--gamma", "0.01").stdout


def test_compare_models(course):
    course.once(f"{LOCAL}/compare_models.py")
    data, _, _ = load_patients()
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
        assert [row["sensibilité"], row["spécificité"], row["exactitude"]] == [
            f"{expected[key]:.3f}" for key in ("sensitivity", "specificity", "accuracy")
        ]
        assert run.data.metrics["fit_seconds"] > 0 and run.inputs.dataset_inputs and run.data.tags["mlflow.note.content"]
        order.append((expected["sensitivity"], expected["specificity"], expected["accuracy"], name))
        if name != "neural_network":  # même code, même graine : mêmes métriques, au bit près
            again = classifiers(data.X_train)[name].fit(data.X_train, data.y_train)
            assert clinical_metrics(data.y_valid, again.predict(data.X_valid), risk(again, data.X_valid)) == expected
    assert order == sorted(order, reverse=True)
    errors = [round((1 - accuracy) * 114) for _, _, accuracy, _ in order[:3]]
    text = last_cell(f"{LOCAL}/compare_models.py")
    assert f"font {errors[0]}, {errors[1]} et {errors[2]} erreurs sur 114" in text
    assert f"sensibilité de {1 / data.y_valid.sum():.3f}" in text


def test_autolog_draws_the_loss_epoch_by_epoch(course):
    course.once(f"{LOCAL}/compare_models.py")
    run = named(course, "neural_network breast_cancer")
    for key in ("loss", "val_loss"):
        history = course.client().get_metric_history(run.info.run_id, key)
        assert [point.step for point in sorted(history, key=lambda point: point.step)] == list(range(50))
    assert run.data.metrics["loss"] < 0.2


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
    data, _, _ = load_patients()
    model = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/neural_network")
    assert ended.stdout.strip().splitlines()[-1] == str(model.predict(data.X_valid.head(3)).tolist()), ended.stderr


@pytest.mark.slow
def test_autolog_left_to_itself_more_than_doubles_the_training(tmp_path):
    code = f"""
import logging, sys, time; sys.path.insert(0, {str(ROOT / LOCAL)!r})
from patients import classifiers, import_keras, load_patients
import mlflow
logging.getLogger("mlflow").setLevel(logging.ERROR)
import_keras()
data, _, _ = load_patients()
model = classifiers(data.X_train)["neural_network"]
def seconds():
    start = time.perf_counter(); model.fit(data.X_train, data.y_train); return time.perf_counter() - start
seconds()
alone = seconds()
for options in (dict(log_models=False, log_datasets=False, checkpoint=False), dict()):
    mlflow.tensorflow.autolog(**options)
    with mlflow.start_run():
        print("ratio", seconds() / alone)
"""
    ended = subprocess.run(["python", "-c", code], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=300)
    light, heavy = (float(line.split()[1]) for line in ended.stdout.splitlines() if line.startswith("ratio"))
    assert heavy > 2 and light < heavy, (light, heavy, ended.stderr)


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
    course.run(f"{LOCAL}/compare_models.py", "--csv", path.name, "--target", "malade", "--positive", "oui", "--drop", "numéro", cwd=tmp_path)
    data, _, _ = load_table(str(path), "malade", "oui", ["numéro"])
    for name in classifiers(data.X_train):
        run = named(course, f"{name} mes patients")
        model = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/{name}")
        expected = clinical_metrics(data.y_valid, model.predict(data.X_valid), risk(model, data.X_valid))
        assert {key: run.data.metrics[key] for key in expected} == expected
        assert expected["accuracy"] > 0.6


def test_search_runs(course, tmp_path):
    course.once(f"{LOCAL}/svm_sweep.py")
    printed = course.once(f"{LOCAL}/search_runs.py").stdout
    run = named(course, "jugement du meilleur svm")
    best = course.client().get_run(run.data.params["judged_run_id"])
    parent = named(course, "svm balayage")
    assert parent.data.tags["best_run_id"] == best.info.run_id

    _, X_test, y_test = load_patients()
    model = mlflow.sklearn.load_model(f"runs:/{best.info.run_id}/svm")
    expected = clinical_metrics(y_test, model.predict(X_test), risk(model, X_test))
    assert run.data.metrics == {f"test_{name}": value for name, value in expected.items()}

    answers = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="predictions.csv", dst_path=str(tmp_path)))
    assert answers["malignant"].tolist() == model.predict(X_test.head(10)).tolist()
    assert answers["risk"].tolist() == pytest.approx(risk(model, X_test.head(10)).tolist(), rel=1e-12)

    text = last_cell(f"{LOCAL}/search_runs.py")
    for row, metrics in zip(tables(text), ({k[3:]: v for k, v in best.data.metrics.items()}, expected), strict=True):
        assert [row["sensibilité"], row["spécificité"], row["exactitude"]] == [
            f"{metrics[name]:.3f}" for name in ("sensitivity", "specificity", "accuracy")
        ]
    malignant, found = int(y_test.sum()), int(model.predict(X_test)[y_test == 1].sum())
    assert f"{found} tumeurs malignes sur {malignant}" in text and f"{found} tumeurs malignes trouvées sur {malignant}" in printed
    assert f"patiente pèse ici {1 / malignant:.3f}" in text


def test_search_runs_on_the_readers_own_patients(course, tmp_path):
    course.once(f"{LOCAL}/svm_sweep.py")
    _, X_test, _ = load_patients()
    X_test.head(4)[X_test.columns[::-1]].to_csv(tmp_path / "mes.csv", index=False, sep=";", decimal=",")
    assert "alertes sur 4" in course.run(f"{LOCAL}/search_runs.py", "--patients", "mes.csv", cwd=tmp_path).stdout

    X_test.rename(columns={"worst area": "worst aera"}).to_csv(tmp_path / "faux.csv", index=False)
    before = len(course.runs(EXPERIMENT))
    ended = course.run(f"{LOCAL}/search_runs.py", "--patients", "faux.csv", cwd=tmp_path, fails=True)
    assert ended.returncode == 1 and ended.stderr.strip().endswith("il manque 1 colonne(s) sur 30, la première est 'worst area'.")
    assert len(course.runs(EXPERIMENT)) == before


def test_measure_tracking(course):
    printed = course.once(f"{LOCAL}/measure_tracking.py").stdout
    run = course.runs("measurements", "attributes.run_name = '01 exactitude et intégrité'")[0]
    table = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="exactness.csv"), keep_default_na=False)
    read = {row["nature"]: row for row in table.to_dict("records")}
    values = hard_values()
    assert {kind: len(sent) for kind, sent in values.items()} == {kind: row["valeurs"] for kind, row in read.items()}
    # ce que l'on sait de l'IEEE 754 et des limites dit ce que le magasin doit rendre
    representable = sum(int(float(value)) == value for value in values["entiers au-delà de 2^53"]) / 500
    altered = {"zéro négatif": 0, "infinis": 0, "entiers au-delà de 2^53": representable}
    for kind, row in read.items():
        assert row["exactes"] == pytest.approx(0 if "de trop" in kind else altered.get(kind, 1)), kind
    share = sum(row["exactes"] * row["valeurs"] for row in read.values()) / sum(row["valeurs"] for row in read.values())
    assert run.data.metrics["exact_share"] == pytest.approx(share) and run.data.metrics["complete_share"] == 1
    for kind, sent in (("tué", 50), ("erreur", 50), ("écrivain 1", 100), ("écrivain 2", 100)):
        assert re.search(rf"run {kind} +{sent} métriques envoyées, {sent} retrouvées", printed), printed
    assert "statut RUNNING" in printed and "statut FAILED" in printed

    for row in tables(last_cell(f"{LOCAL}/measure_tracking.py")):
        for kind, measured in read.items():
            if row["nature"].startswith(kind) or kind.startswith(row["nature"].partition(" (")[0]):
                assert row["exactes"] == f"{measured['exactes']:.1%}", kind
    assert str(math.nextafter(math.inf, 0)) in last_cell(f"{LOCAL}/measure_tracking.py")


def test_identical_is_bit_for_bit():
    assert identical(math.nan, math.nan) and identical(0.0, 0.0) and identical("é", "é") and identical(3, 3.0)
    assert not identical(-0.0, 0.0) and not identical(2**53 + 1, float(2**53)) and not identical("é", None) and not identical(1.0, None)


# Mauvaises entrées


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("first_run.py", ["--gamma", "inf"], "inf n'est pas entre 1e-6 et 100"),
        ("svm_sweep.py", ["--C", "0"], "0 n'est pas entre 1e-6 et 1e6"),
        ("compare_models.py", ["--csv", "x.csv"], "--csv et --target vont ensemble"),
    ],
)
def test_a_bad_option_is_refused_by_argparse(course, script, arguments, said):
    ended = course.run(f"{LOCAL}/{script}", *arguments, fails=True)
    assert ended.returncode == 2 and said in ended.stderr and ended.stdout == ""


def test_a_missing_table_is_said_in_one_line_and_leaves_no_run(course):
    ended = course.run(f"{LOCAL}/compare_models.py", "--csv", "absent.csv", "--target", "y", fails=True)
    assert ended.returncode == 1 and len(ended.stderr.strip().splitlines()) == 1 and "lecture impossible" in ended.stderr
    assert not course.runs(EXPERIMENT, "attributes.status = 'RUNNING'")


@given(st.text())
def test_number_options_take_a_number_in_range_or_refuse(text):
    for function, low, high in ((type_function("first_run.py", "gamma"), 1e-6, 100), (type_function("svm_sweep.py", "positive"), 1e-6, 1e6)):
        try:
            value = function(text)
        except (argparse.ArgumentTypeError, ValueError):  # les deux deviennent l'erreur d'argparse
            continue
        assert low <= value <= high


@pytest.mark.parametrize("text", ["-1", "0", "nan", "inf", "-inf", "1e7"])
def test_number_options_refuse(text):
    for function in (type_function("first_run.py", "gamma"), type_function("svm_sweep.py", "positive")):
        with pytest.raises(argparse.ArgumentTypeError):
            function(text)


def refused(function, *arguments) -> str:
    with pytest.raises(SystemExit) as stopped:
        function(*arguments)
    message = str(stopped.value.code)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "vide"),
        (b"  \n \n", "vide"),
        (b"une seule colonne\n1\n2\n", "ce n'est pas un CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\x00,\x00", "ce n'est pas un CSV"),
        (b'a,b\n"ouvert,2\n3,4\n', "ce n'est pas un CSV"),
        (b"a,b\n1,2,3\n", "ce n'est pas un CSV"),
        (b"a,b\n1,1e300\n", "au-delà de 1e30"),
        (b"a,b\n1,inf\n", "au-delà de 1e30"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert said in refused(read_table, str(path))


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    assert "lecture impossible" in refused(read_table, str(tmp_path / "absent.csv"))
    assert "lecture impossible" in refused(read_table, str(tmp_path))


@settings(max_examples=300, deadline=None)
@given(content=st.one_of(st.binary(max_size=300), st.text(alphabet="ab1;,.\t\n\" é-", max_size=200).map(str.encode)))
def test_any_file_gives_a_table_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hypothesis.csv"
    path.write_bytes(content)
    try:
        table = read_table(str(path))
    except SystemExit as stopped:
        assert len(str(stopped.code).splitlines()) == 1
    else:
        assert table.shape[1] >= 2


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", ","), ("\t", ".")])
def test_tables_of_every_dialect_read_the_same(tmp_path, separator, decimal):
    data, X_test, y_test = load_table(str(own_table(tmp_path / "x.csv", separator=separator, decimal=decimal)), "malade", "oui", ["numéro"])
    assert list(X_test.columns) == ["âge", "couleur"] and X_test["âge"].dtype == float
    assert len(data.X_train) + len(data.X_valid) + len(X_test) == 300
    assert set(y_test) == {0.0, 1.0}


def test_the_rarest_value_is_positive_by_default(tmp_path):
    path = tmp_path / "x.csv"
    pd.DataFrame({"x": range(60), "y": [1] * 20 + [2] * 40}).to_csv(path, index=False)
    data, _, y_test = load_table(str(path), "y")
    assert data.y_train.sum() + data.y_valid.sum() + y_test.sum() == 20
    data, _, y_test = load_table(str(path), "y", "2")
    assert data.y_train.sum() + data.y_valid.sum() + y_test.sum() == 40


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        ({}, ("absente",), "pas de colonne 'absente'"),
        ({}, ("y", None, ["absente"]), "pas de colonne 'absente'"),
        ({}, ("y", "3"), "'3' n'est pas une valeur"),
        ({}, ("y", None, ["x"]), "il ne reste aucune colonne"),
        ({"y": [1] * 60}, ("y",), "a 1 valeurs"),
        ({"y": [0, 1, 2] * 20}, ("y",), "a 3 valeurs"),
        ({"y": [1] * 55 + [0] * 5}, ("y",), "trop peu de lignes (60, dont 5 de la classe rare)"),
        ({"x": range(30), "y": [0, 1] * 15}, ("y",), "trop peu de lignes (30"),
    ],
)
def test_a_table_that_does_not_suit_is_refused(tmp_path, changes, arguments, said):
    path = tmp_path / "x.csv"
    pd.DataFrame({"x": range(60), "y": [0, 1] * 30, **changes} if len(changes) < 2 else changes).to_csv(path, index=False)
    assert said in refused(load_table, str(path), *arguments)


@pytest.mark.parametrize(("content", "said"), [("a,b\n", "aucune ligne"), ("a,c\n1,2\n", "il manque 1"), ("a,b\n1,x\n", "'b' doit"), ("a,b\n1,\n", "'b' doit")])
def test_new_patients_that_do_not_suit_are_refused(tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_text(content)
    assert said in refused(read_patients, str(path), ["a", "b"])


# Le texte de la leçon


def readme_blocks() -> list[tuple[str, str]]:
    """Les couples (script, sortie annoncée) du README : une commande, puis un bloc `text`. Un `…` tient lieu de ce qui varie."""
    text = (ROOT / "01_tracking_supervised/README.md").read_text(encoding="utf-8")
    return re.findall(r"uv run (01_tracking_supervised/local/\w+\.py)\n```\n+```text\n(.*?)```", text, re.DOTALL)


def test_the_readme_announces_what_the_scripts_print(course):
    blocks = readme_blocks()
    assert {Path(script).name for script, _ in blocks} >= {
        "first_run.py", "full_run.py", "open_model.py", "svm_sweep.py", "compare_models.py", "search_runs.py", "measure_tracking.py"
    }  # fmt: skip
    for script, announced in blocks:
        printed = course.once(script).stdout
        pattern = re.escape(announced.strip()).replace("…", ".*?")
        assert re.fullmatch(pattern, printed.strip(), re.DOTALL), f"{script}\n--- annoncé\n{announced}\n--- écrit\n{printed}"


def test_every_decimal_of_the_readme_is_in_a_script_or_its_output():
    text = (ROOT / "01_tracking_supervised/README.md").read_text(encoding="utf-8")
    said = "".join(path.read_text(encoding="utf-8") for path in (ROOT / LOCAL).glob("*.py")) + "".join(block for _, block in readme_blocks())
    assert not [number for number in numbers(text) if number not in said]
