"""Leçon 1, ce que devient un run ensuite : rich_run, annotate_runs, delete_restore, store_life."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import clean_environment, last_cell, tables
from mlflow.exceptions import MlflowException
from PIL import Image
from test_01_runs import EXPERIMENT, LOCAL, named, one_line

from patients import load_patients, risk, svm

GAMMAS = (0.0001, 0.03, 1)


def test_rich_run(course, tmp_path):
    printed = course.once(f"{LOCAL}/rich_run.py").stdout
    run, data = named(course, "svm trois gamma"), load_patients()
    fitted = {gamma: svm(1.0, gamma).fit(data.X_train, data.y_train) for gamma in GAMMAS}
    train = {gamma: model.score(data.X_train, data.y_train) for gamma, model in fitted.items()}
    valid = {gamma: model.score(data.X_valid, data.y_valid) for gamma, model in fitted.items()}

    logged = {
        float(model.params["gamma"]): model
        for model in course.client().search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    }
    assert set(logged) == set(GAMMAS)
    for gamma, model in logged.items():  # chaque modèle garde les deux, avec leur juge
        assert {metric.dataset_name: metric.value for metric in model.metrics} == {
            "breast_cancer_train": train[gamma],
            "breast_cancer_valid": valid[gamma],
        }
    assert {each.model_id: each.step for each in run.outputs.model_outputs} == {
        logged[gamma].model_id: step for step, gamma in enumerate(GAMMAS)
    }
    assert {each.dataset.name for each in run.inputs.dataset_inputs} == {"breast_cancer_train", "breast_cancer_valid"}
    assert run.data.metrics["accuracy"] == valid[1]  # le run, la dernière écrite

    errors = course.client().load_table(run.info.experiment_id, "errors.json", [run.info.run_id])
    for gamma, model in fitted.items():
        wrong = data.X_valid.index[model.predict(data.X_valid) != data.y_valid]
        listed = errors[errors["gamma"] == gamma]
        assert list(listed["tumeur"]) == list(wrong)
        assert listed["distance"].tolist() == pytest.approx(risk(model, data.X_valid.loc[wrong]).tolist())
        assert f"errors.json, gamma={gamma:g} : {len(wrong)} tumeurs mal classées" in printed
    images = [file.path for file in course.client().list_artifacts(run.info.run_id, "images") if file.path.endswith(".png")]
    assert sorted(re.search(r"distances\+step\+(\d)", path)[1] for path in images) == ["0", "1", "2"]
    for path in images:
        picture = Image.open(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path, dst_path=str(tmp_path)))
        assert np.asarray(picture).std() > 10  # autre chose qu'une page blanche

    best = {"breast_cancer_train": max(train, key=train.get), "breast_cancer_valid": max(valid, key=valid.get)}
    for judge, scores in (("breast_cancer_train", train), ("breast_cancer_valid", valid)):
        assert f"Selon {judge}, le meilleur est gamma={best[judge]:g} : {scores[best[judge]]:.3f}" in printed
    text = last_cell(f"{LOCAL}/rich_run.py")
    for row in tables(text):
        gamma = float(row["gamma"])
        assert (
            row["exactitude sur l'apprentissage"] == f"{train[gamma]:.3f}" and row["exactitude sur la validation"] == f"{valid[gamma]:.3f}"
        )
        assert int(row["erreurs de validation"]) == (errors["gamma"] == gamma).sum()
    assert f"gardé à l'écran que {valid[1]:.3f}" in text
    assert best == {"breast_cancer_train": 1, "breast_cancer_valid": 0.03}


def test_annotate_runs(course):
    course.once(f"{LOCAL}/compare_models.py")
    printed = course.once(f"{LOCAL}/annotate_runs.py").stdout
    comparison = named(course, "svm_rbf breast_cancer").data.tags["comparison"]
    runs = course.runs(EXPERIMENT, f"tags.comparison = '{comparison}'")
    assert len(runs) == 7
    data, kept = load_patients(), set()
    for run in runs:
        model = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/{run.data.params['model']}")
        missed = int((model.predict(data.X_valid)[data.y_valid == 1] == 0).sum())
        assert run.data.metrics["missed"] == missed and run.info.status == "FINISHED"
        assert run.data.tags["review"] == ("retenu" if missed == 0 else "écarté")
        assert run.data.tags["mlflow.note.content"].endswith(f"\n\nRelu : {missed} tumeurs malignes manquées.")
        logged = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
        assert logged.tags["review"] == run.data.tags["review"]
        with pytest.raises(MlflowException, match="Changing param values is not allowed"):
            course.client().log_param(run.info.run_id, "model", "un autre nom")
        if missed == 0:
            kept.add(run.data.params["model"])
    names = ", ".join(sorted(kept))
    for title in ("Retrouvés par l'étiquette", "Retrouvés par la description", "Retrouvés par la métrique", "Modèles annotés « retenu »"):
        assert f"{title} : {names}\n" in printed
    assert "Paramètre : refusé. Changing param values is not allowed." in printed
    words = {2: "deux", 5: "cinq"}
    assert f"{words[len(kept)]}\nclassifieurs retenus, {words[7 - len(kept)]} écartés" in last_cell(f"{LOCAL}/annotate_runs.py")


def test_annotating_twice_does_not_pile_up(course):
    course.once(f"{LOCAL}/compare_models.py")
    course.once(f"{LOCAL}/annotate_runs.py")
    before = named(course, "svm_rbf breast_cancer").data
    course.run(f"{LOCAL}/annotate_runs.py")
    after = named(course, "svm_rbf breast_cancer").data
    assert (after.tags, after.metrics) == (before.tags, before.metrics)


def test_annotate_runs_on_an_empty_store_names_the_command_to_run_first(fresh_course):
    said = one_line(fresh_course.run(f"{LOCAL}/annotate_runs.py", fails=True))
    assert said == f"Pas encore de runs à relire. Lancez d'abord : uv run {LOCAL}/compare_models.py"


def test_delete_restore(course):
    before = course.runs(EXPERIMENT)
    printed = course.once(f"{LOCAL}/delete_restore.py").stdout
    assert len(course.runs(EXPERIMENT)) == len(before)  # le magasin commun n'est pas touché
    rows = re.findall(r"^(.{35}) +(\d+) +(\d+) +(\d+) +(\d+)$", printed, re.MULTILINE)
    counted = {moment.strip(): tuple(map(int, numbers)) for moment, *numbers in rows}
    start = counted["au départ"]
    assert start[:2] == (4, 3) and start[2] > 300 and start[3] > 1000
    assert counted["parent supprimé"] == (3, *start[1:])  # ses enfants restent, ses fichiers aussi
    assert counted["parent restauré"] == start
    assert counted["tous les runs supprimés"] == (0, *start[1:])  # les modèles restent
    runs, models, files, base = counted["mlflow gc"]
    assert (runs, models, base) == (0, 3, start[3]) and 0 < files <= start[2] - 300  # les trois journaux de 100 ko
    assert counted["modèles supprimés, mlflow gc"] == (0, 0, 0, start[3])
    assert counted["VACUUM"][:3] == (0, 0, 0) and counted["VACUUM"][3] < start[3] / 2
    assert "Restaurer le parent : refusé, il n'existe plus" in printed


def test_gc_wants_both_addresses(tmp_path):
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", "sqlite:///mlflow.db"]
    ended = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1 and "Tracking URL is not set" in ended.stderr
    ended = subprocess.run(
        [*command, "--tracking-uri", "sqlite:///mlflow.db"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr


def test_a_deleted_run_leaves_a_model_that_still_predicts(tmp_path, monkeypatch):
    """« Supprimer des runs laisse leurs modèles » : ils se rechargent."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_experiment("x")
    data = load_patients()
    with mlflow.start_run() as run:
        logged = mlflow.sklearn.log_model(svm(1.0, 0.03).fit(data.X_train, data.y_train), name="svm", pip_requirements=["scikit-learn"])
    mlflow.delete_run(run.info.run_id)
    assert mlflow.sklearn.load_model(logged.model_uri).score(data.X_valid, data.y_valid) > 0.9


def test_store_life(course):
    printed = course.once(f"{LOCAL}/store_life.py").stdout
    taken, written = map(
        int, re.search(r"Copie prise après (\d+) runs ; le programme, lui, en a écrit (\d+). Contrôle de la copie : ok", printed).groups()
    )
    assert (taken, written) == (30, 60)
    counts = [tuple(map(int, found)) for found in re.findall(r"(\d+) runs finis, (\d+) métriques justes, (\d+) fichiers relus", printed)]
    assert len(counts) == 3 and len(set(counts)) == 1  # restauré, mis à niveau, simplement ouvert : les mêmes
    assert len(set(counts[0])) == 1 and taken <= counts[0][0] < written
    old = re.search(r"^Ancienne, révision (\w+)$", printed, re.MULTILINE)[1]
    upgraded = re.search(r"^mlflow db upgrade, révision (\w+) :", printed, re.MULTILINE)[1]
    opened = re.search(r"^Simplement ouverte : .*, révision (\w+)$", printed, re.MULTILINE)[1]
    assert old != upgraded == opened


def test_a_backup_while_another_writes_is_whole_each_time(tmp_path):
    """Vingt copies prises pendant l'écriture : toutes saines, jamais moins de runs que la précédente."""
    writer = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("x")
for number in range(10_000):
    with mlflow.start_run():
        mlflow.log_metrics({"a": number, "b": -number})
    print(number, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", writer], cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        seen = []
        for _ in range(20):
            process.stdout.readline()
            with closing(sqlite3.connect(tmp_path / "mlflow.db")) as live, closing(sqlite3.connect(tmp_path / "copie.db")) as copy:
                live.backup(copy)
                assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                finished = copy.execute("SELECT run_uuid FROM runs WHERE status = 'FINISHED'").fetchall()
                metrics = pd.read_sql("SELECT run_uuid, key, value FROM latest_metrics", copy).pivot(
                    index="run_uuid", columns="key", values="value"
                )
            assert {run_id for (run_id,) in finished} <= set(metrics.index) and (metrics["a"] == -metrics["b"]).all()
            seen.append(len(finished))
        assert seen == sorted(seen) and seen[-1] >= 20
    finally:
        process.kill()
        process.wait()
