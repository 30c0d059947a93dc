"""Leçon 1, les runs : first_run, full_run, open_model, compare_models, tels qu'un lecteur les
lance.
"""

import itertools
import re
import sys
from pathlib import Path

import mlflow
import pytest
from lesson_01 import EXPERIMENT, LOCAL, announced, end_of, judged, model_of, shown, svm_metrics
from programs import ended
from texts import ROOT, in_text, path_of, tables

from patients import classifiers, load_patients


def test_first_run(lesson):
    *lines, page, _ = lesson.ended("first_run").stdout.splitlines()
    runs = lesson.runs_of("first_run")
    for gamma, run, line in zip((0.0001, 0.03, 0.3, 1), runs, lines, strict=True):
        expected = {name: value for name, value in svm_metrics(gamma).items() if name != "roc_auc"}
        assert (run.info.run_name, run.info.status) == (f"svm gamma={gamma:g}", "FINISHED")
        assert run.data.params == {"gamma": str(gamma)}
        # au bit près ; à gamma = 1, personne n'est en alerte : la précision est NaN
        assert run.data.metrics == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
        assert run.data.tags["question"] == "sensibilité selon gamma"
        assert run.data.tags["mlflow.source.git.commit"] == lesson.git("rev-parse", "HEAD")
        names = ("accuracy", "sensitivity", "specificity")
        said = ", ".join(f"{name} {expected[name]:.3f}" for name in names)
        assert line == f"gamma {gamma:<6g} : {said}"
    page_of = f"#/experiments/{runs[0].info.experiment_id}/runs?workflowType=machine_learning"
    assert page == f"À voir : uv run mlflow ui, puis http://127.0.0.1:5000/{page_of}"


def test_the_last_cell_of_first_run_answers_the_question():
    text, data = end_of("first_run"), load_patients()
    rows = tables(text)
    for row in rows:
        assert announced(row) == shown(svm_metrics(float(row["gamma"])))
    malignant, benign = int(data.y_valid.sum()), int((1 - data.y_valid).sum())
    winner = max(
        (row["gamma"] for row in rows), key=lambda gamma: svm_metrics(float(gamma))["sensitivity"]
    )
    best, kept = svm_metrics(float(winner)), svm_metrics(0.03)
    found = round(best["sensitivity"] * malignant), malignant, round(best["fall_out"] * benign)
    said = in_text(
        r"C'est ([\d.]+) qui trouve le plus .*? : (\d+) sur (\d+), .*? (\d+) fausses alertes", text
    )
    assert said == (winner, *map(str, found))
    assert (
        in_text(r"0\.03 en trouve (\d+), sans aucune", text)
        == (f"{kept['sensitivity'] * malignant:.0f}",)
        and kept["fall_out"] == 0
    )
    assert in_text(r"gamma = 1`, l'exactitude de ([\d.]+)", text) == (
        f"{svm_metrics(1)['accuracy']:.3f}",
    )
    assert svm_metrics(1)["sensitivity"] == 0


def test_full_run(lesson):
    printed, [run], data = (
        lesson.ended("full_run").stdout,
        lesson.runs_of("full_run"),
        load_patients(),
    )
    uri = f"models:/{run.outputs.model_outputs[0].model_id}"
    model = mlflow.sklearn.load_model(uri)
    assert uri in printed
    assert run.data.metrics == judged(model, data.X_valid, data.y_valid) == svm_metrics(0.03)
    assert run.data.tags["mlflow.note.content"]
    assert run.inputs.dataset_inputs[0].dataset.name == "breast_cancer_train"
    assert [file.path for file in lesson.client().list_artifacts(run.info.run_id)] == [
        "confusion_matrix.png"
    ]
    info = mlflow.models.get_model_info(uri)
    assert len(info.signature.inputs.inputs) == 30 and info.saved_input_example_info
    asked = Path(mlflow.artifacts.download_artifacts(uri), "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in asked] == [
        "mlflow",
        "scikit-learn",
        "skops",
        "pandas",
        "numpy",
    ]

    text, said = end_of("full_run"), model.predict(data.X_valid)
    malignant, found = int(data.y_valid.sum()), int(said[data.y_valid == 1].sum())
    assert (
        in_text(r"(\d+) paramètres, (\d+) métriques", text)
        == (str(len(run.data.params)), str(len(run.data.metrics)))
        == ("4", "8")
    )
    assert in_text(r"compte (\d+) tumeurs malignes .*? en trouve (\d+), sans fausse", text) == (
        str(malignant),
        str(found),
    )
    sensitivity = f"{run.data.metrics['sensitivity']:.3f}"
    assert in_text(r"sensibilité, ([\d.]+), .*? à (\d+) patientes", text) == (
        sensitivity,
        str(malignant - found),
    )
    assert run.data.metrics["fall_out"] == 0


def test_open_model(lesson):
    printed, rows, data = (
        lesson.ended("open_model").stdout,
        tables(end_of("open_model")),
        load_patients(),
    )
    assert len(rows) == 3
    for row in rows:
        assert (
            f"{row['données']} : scikit-learn {row['scikit-learn']} ; pyfunc {row['pyfunc']}"
            in printed
        )
    assert (
        "114 prédictions égales sur 114" in printed
        and "114 prédictions égales sur 114" in end_of("open_model")
    )
    assert "Saveurs : python_function, sklearn" in printed
    assert "différences avec ce Python : aucune" in printed
    # la signature elle-même, et non le message
    lesson.client()
    function = mlflow.pyfunc.load_model(re.search(r"models:/\S+", printed)[0])
    for damaged in (
        data.X_valid.drop(columns="mean radius"),
        data.X_valid.astype({"mean radius": str}),
    ):
        with pytest.raises(mlflow.MlflowException):
            function.predict(damaged)


def test_open_model_opens_the_model_of_full_run_after_sweeps_too(scratch):
    printed = scratch.fork(f"{LOCAL}/04_open_model.py").stdout
    assert f"run d'origine : {scratch.named('svm complet').info.run_id}" in printed


def test_on_an_empty_store_a_script_names_the_command_to_run_first(fresh_course):
    for script, first in (
        ("open_model", "full_run"),
        ("search_runs", "svm_sweep"),
        ("annotate_runs", "compare_models"),
    ):
        refused = fresh_course.fork(path_of(script), fails=True)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert (
            refused.stderr.endswith(f"uv run {path_of(first)}\n")
            and refused.stderr.count("\n") == 1
        )
    assert fresh_course.runs(EXPERIMENT) == []


@pytest.mark.slow
def test_compare_models(whole_lesson):
    printed, text, data = (
        whole_lesson.ended("compare_models").stdout,
        end_of("compare_models"),
        load_patients(),
    )
    runs = {run.data.params["model"]: run for run in whole_lesson.runs_of("compare_models")}
    rows, order = tables(text), []
    assert {row["classifieur"] for row in rows} == set(runs) and len(rows) == 7
    for row in rows:
        name = row["classifieur"]
        run = runs[name]
        expected = judged(model_of(run), data.X_valid, data.y_valid)
        assert {key: run.data.metrics[key] for key in expected} == expected, name
        assert announced(row) == shown(expected)
        assert re.search(
            rf"^{name} +" + " +".join(map(re.escape, shown(expected))) + "$", printed, re.MULTILINE
        )
        assert (
            run.data.metrics["fit_seconds"] > 0
            and run.inputs.dataset_inputs
            and run.data.tags["mlflow.note.content"]
        )
        order.append((expected["sensitivity"], expected["specificity"], expected["accuracy"], name))
        if name != "neural_network":  # même code, même graine : mêmes métriques, au bit près
            again = classifiers()[name].fit(data.X_train, data.y_train)
            assert judged(again, data.X_valid, data.y_valid) == expected
    assert order == sorted(order, reverse=True)
    errors = [str(round((1 - accuracy) * len(data.y_valid))) for _, _, accuracy, _ in order[:3]]
    said = in_text(
        r"sensibilité de ([\d.]+), .*? font (\d+), (\d+) et (\d+) erreurs sur (\d+)", text
    )
    assert said == (f"{1 / data.y_valid.sum():.3f}", *errors, str(len(data.y_valid)))
    together = re.search(r"tags.comparison = '.+'", printed)[0]
    assert len(whole_lesson.runs(EXPERIMENT, together)) == 7

    histories = {}
    for key in ("loss", "val_loss"):  # autolog : la perte, époque par époque
        points = whole_lesson.client().get_metric_history(runs["neural_network"].info.run_id, key)
        histories[key] = {point.step: point.value for point in points}
        assert sorted(histories[key]) == list(range(50)) and len(points) == 50
    assert histories["loss"][49] < 0.2
    losses = [histories["val_loss"][epoch] for epoch in range(50)]
    # « chaque époque améliore ici la validation »
    assert all(after < before for before, after in itertools.pairwise(losses))


@pytest.mark.slow
def test_without_tensorflow_six_classifiers_remain(fresh_course, tmp_path):
    """Un Mac Intel : TensorFlow n'y est pas installé."""
    for name in ("tensorflow", "keras"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError({name!r})")
    printed = fresh_course.run(f"{LOCAL}/06_compare_models.py", PYTHONPATH=str(tmp_path)).stdout
    assert "TensorFlow" in printed.splitlines()[0] and "six" in printed.splitlines()[0]
    assert "En tête : logistic_regression" in printed.splitlines()[1]
    runs = fresh_course.runs(EXPERIMENT)
    assert {run.data.params["model"] for run in runs} == set(classifiers())
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.slow
def test_autolog_left_to_itself_writes_the_network_at_each_epoch_and_hides_an_accuracy(tmp_path):
    """À ses réglages d'origine, puis réglé comme ici ; et, si le réseau calcule une exactitude, la
    sienne cache la nôtre.
    """
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / LOCAL)!r})
import mlflow
from patients import load_patients, network

mlflow.set_tracking_uri("sqlite:///mlflow.db")
data, written, write = load_patients(), [], mlflow.log_artifact
def fit(model):
    model.fit(data.X_train, data.y_train, epochs=50, batch_size=32, validation_split=0.2, verbose=0)
def count(*arguments):
    written.append(arguments[1])
    write(*arguments)
mlflow.log_artifact = count
for options in ({{}}, {{"log_models": False, "log_datasets": False, "checkpoint": False}}):
    written.clear()
    mlflow.tensorflow.autolog(**options)
    with mlflow.start_run():
        fit(network(data.X_train))
    print("written", written.count("checkpoints"), len(written))
model = network(data.X_train)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
with mlflow.start_run(run_name="exactitude"):
    fit(model)
    mlflow.log_metric("accuracy", 7.0)
"""
    told = ended([sys.executable, "-c", code], tmp_path)
    assert told.returncode == 0, told.stderr
    (left, _), (ours, nothing) = re.findall(r"^written (\d+) (\d+)$", told.stdout, re.MULTILINE)
    assert (ours, nothing) == ("0", "0") and in_text(
        r"écrit le réseau sur disque (\d+) fois", end_of("compare_models")
    ) == (left,)
    [run] = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(
        ["0"], "attributes.run_name = 'exactitude'"
    )
    assert run.data.metrics["accuracy"] <= 1
