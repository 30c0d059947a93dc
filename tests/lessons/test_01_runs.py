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
from programs import ended, free_port, running
from texts import ROOT, in_text, tables

from patients import classifiers, load_patients


def test_first_run(lesson):
    printed, [run] = lesson.ended("first_run").stdout, lesson.runs_of("first_run")
    expected = {name: value for name, value in svm_metrics(0.03).items() if name != "roc_auc"}
    assert (run.info.run_name, run.info.status) == ("svm gamma=0.03", "FINISHED")
    assert (run.data.params, run.data.metrics) == ({"gamma": "0.03"}, expected)
    assert run.data.tags["question"] == "sensibilité selon gamma"
    assert run.data.tags["mlflow.source.git.commit"] == lesson.git("rev-parse", "HEAD")
    for name in ("accuracy", "sensitivity", "specificity"):
        assert f"{name} {expected[name]:.3f}" in printed.splitlines()[0]
    page = f"http://127.0.0.1:5000/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
    assert "uv run mlflow ui, puis" in printed.splitlines()[1] and printed.splitlines()[2] == page


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


@pytest.mark.slow
def test_first_run_gives_the_address_of_the_store_that_it_wrote_to(fresh_course, tmp_path):
    team = f"sqlite:///{tmp_path}/team.db"
    printed = fresh_course.fork(f"{LOCAL}/01_first_run.py", MLFLOW_TRACKING_URI=team).stdout
    assert f'uv run mlflow ui --backend-store-uri "{team}", puis' in printed

    port = free_port()
    server = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    server += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    with running(
        server,
        tmp_path,
        wait_for=f"http://127.0.0.1:{port}/health",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    ):
        printed = fresh_course.fork(
            f"{LOCAL}/01_first_run.py",
            MLFLOW_TRACKING_URI=f"http://lectrice:secret@127.0.0.1:{port}",
        ).stdout
        address, experiment, run = re.search(
            r" : (http\S+/#/experiments/(\d+)/runs/(\w+)\?\S+)", printed
        ).groups()
        assert (
            address.startswith(f"http://127.0.0.1:{port}/#")
            and "secret" not in printed
            and ":5000" not in printed
        )
        assert (
            mlflow.MlflowClient(f"http://127.0.0.1:{port}").get_run(run).info.experiment_id
            == experiment
        )


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
    printed = scratch.fork(f"{LOCAL}/03_open_model.py").stdout
    assert f"run d'origine : {scratch.named('svm complet').info.run_id}" in printed


def test_on_an_empty_store_a_script_names_the_command_to_run_first_and_a_bad_option_leaves_no_run(
    fresh_course,
):
    for script, first in (
        ("open_model", "full_run"),
        ("search_runs", "svm_sweep"),
        ("annotate_runs", "compare_models"),
    ):
        refused = fresh_course.fork(f"{LOCAL}/{script}.py", fails=True)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert (
            refused.stderr.endswith(f"uv run {LOCAL}/{first}.py\n")
            and refused.stderr.count("\n") == 1
        )
    refused = fresh_course.fork(f"{LOCAL}/01_first_run.py", "--gamma", "0,3", fails=True)
    assert refused.returncode in (1, 2) and "0,3" in refused.stderr
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
            again = classifiers(data.X_train)[name].fit(data.X_train, data.y_train)
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
def test_the_logged_network_travels_with_its_class(whole_lesson, tmp_path):
    """Relu d'un dossier vide, par un Python qui ne connaît pas patients.py."""
    run = whole_lesson.named("neural_network breast_cancer")
    code = (
        f"import mlflow; mlflow.set_tracking_uri({whole_lesson.uri!r}); "
        f"model = mlflow.pyfunc.load_model('runs:/{run.info.run_id}/neural_network'); "
        "print(model.predict(model.input_example).tolist())"
    )
    alone = ended([sys.executable, "-c", code], tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.splitlines()[-1] == str(
        model_of(run).predict(load_patients().X_valid.head(3)).tolist()
    ), alone.stderr


@pytest.mark.slow
def test_without_tensorflow_six_classifiers_remain(fresh_course, tmp_path):
    """Un Mac Intel : TensorFlow n'y est pas installé."""
    for name in ("tensorflow", "keras"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError({name!r})")
    printed = fresh_course.run(f"{LOCAL}/05_compare_models.py", PYTHONPATH=str(tmp_path)).stdout
    assert "TensorFlow" in printed.splitlines()[0] and "six" in printed.splitlines()[0]
    assert "En tête : logistic_regression" in printed.splitlines()[1]
    runs = fresh_course.runs(EXPERIMENT)
    assert {run.data.params["model"] for run in runs} == set(
        classifiers(load_patients().X_train)
    ) - {"neural_network"}
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.slow
def test_autolog_left_to_itself_writes_the_network_at_each_epoch_and_hides_an_accuracy(tmp_path):
    """À ses réglages d'origine, puis réglé comme ici ; et, si le réseau calcule une exactitude, la
    sienne cache la nôtre.
    """
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / LOCAL)!r})
import mlflow
from patients import classifiers, import_keras, load_patients

keras = import_keras()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
data, written, write, build = load_patients(), [], mlflow.log_artifact, keras.Sequential.compile
model = classifiers(data.X_train)["neural_network"]
def count(*arguments):
    written.append(arguments[1])
    write(*arguments)
mlflow.log_artifact = count
for options in ({{}}, {{"log_models": False, "log_datasets": False, "checkpoint": False}}):
    written.clear()
    mlflow.tensorflow.autolog(**options)
    with mlflow.start_run():
        model.fit(data.X_train, data.y_train)
    print("written", written.count("checkpoints"), len(written))
keras.Sequential.compile = lambda self, **given: build(self, **given, metrics=["accuracy"])
with mlflow.start_run(run_name="exactitude"):
    model.fit(data.X_train, data.y_train)
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
