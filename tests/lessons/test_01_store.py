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
from lesson_01 import EXPERIMENT, LOCAL, answers, end_of, model_of
from mlflow.exceptions import MlflowException
from PIL import Image
from programs import ended, reader_environment
from texts import in_text, tables

from patients import load_patients, risk, svm

GAMMAS = (0.0001, 0.03, 1)


def test_rich_run(lesson, tmp_path):
    printed, [run], data = (
        lesson.ended("rich_run").stdout,
        lesson.runs_of("rich_run"),
        load_patients(),
    )
    fitted = {gamma: svm(1.0, gamma).fit(data.X_train, data.y_train) for gamma in GAMMAS}
    scores = {
        "breast_cancer_train": {
            gamma: model.score(data.X_train, data.y_train) for gamma, model in fitted.items()
        },
        "breast_cancer_valid": {
            gamma: model.score(data.X_valid, data.y_valid) for gamma, model in fitted.items()
        },
    }
    train, valid = scores.values()
    logged = {
        float(model.params["gamma"]): model
        for model in lesson.client().search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
        )
    }
    assert set(logged) == set(GAMMAS)
    for gamma, model in logged.items():  # chaque modèle garde les deux, avec leur juge
        assert {metric.dataset_name: metric.value for metric in model.metrics} == {
            judge: each[gamma] for judge, each in scores.items()
        }
    steps = {logged[gamma].model_id: step for step, gamma in enumerate(GAMMAS)}
    assert {each.model_id: each.step for each in run.outputs.model_outputs} == steps
    assert {each.dataset.name for each in run.inputs.dataset_inputs} == set(scores)
    assert run.data.metrics["accuracy"] == valid[1]  # le run, la dernière écrite

    errors = lesson.client().load_table(run.info.experiment_id, "errors.json", [run.info.run_id])
    for gamma, model in fitted.items():
        wrong = data.X_valid.index[model.predict(data.X_valid) != data.y_valid]
        listed = errors[errors["gamma"] == gamma]
        assert list(listed["tumeur"]) == list(wrong)
        assert listed["distance"].tolist() == pytest.approx(
            risk(model, data.X_valid.loc[wrong]).tolist()
        )
        assert f"gamma={gamma:g} : {len(wrong)} tumeurs" in printed
    images = [
        file.path
        for file in lesson.client().list_artifacts(run.info.run_id, "images")
        if file.path.endswith(".png")
    ]
    assert sorted(re.search(r"distances\+step\+(\d)", path)[1] for path in images) == [
        "0",
        "1",
        "2",
    ]
    for path in images:
        picture = Image.open(
            mlflow.artifacts.download_artifacts(
                run_id=run.info.run_id, artifact_path=path, dst_path=str(tmp_path)
            )
        )
        assert np.asarray(picture).std() > 10  # autre chose qu'une page blanche

    best = {judge: max(each, key=each.get) for judge, each in scores.items()}
    assert best == {"breast_cancer_train": 1, "breast_cancer_valid": 0.03}
    for judge, gamma in best.items():
        assert f"{judge}, le meilleur est gamma={gamma:g} : {scores[judge][gamma]:.3f}" in printed
    text = end_of("rich_run")
    for row in tables(text):
        gamma = float(row["gamma"])
        said = [f"{train[gamma]:.3f}", f"{valid[gamma]:.3f}", str((errors["gamma"] == gamma).sum())]
        assert list(row.values())[1:] == said
    assert in_text(r"gardé à l'écran que ([\d.]+)\.", text) == (f"{valid[1]:.3f}",)


@pytest.mark.slow
def test_annotate_runs(whole_lesson, tmp_path):
    printed, data = whole_lesson.ended("annotate_runs").stdout, load_patients()
    together = (
        f"tags.comparison = '{whole_lesson.named('svm_rbf breast_cancer').data.tags['comparison']}'"
    )
    runs = whole_lesson.runs(EXPERIMENT, together)
    assert len(runs) == 7
    kept = set()
    for run in runs:
        missed = int((answers(model_of(run), data.X_valid)[data.y_valid == 1] == 0).sum())
        assert run.data.metrics["missed"] == missed and run.info.status == "FINISHED"
        assert run.data.tags["review"] == ("retenu" if missed == 0 else "écarté")
        assert (
            run.data.tags["mlflow.note.content"].count("Relu : ") == 1
            and f"Relu : {missed} " in run.data.tags["mlflow.note.content"]
        )
        logged = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
        assert logged.tags["review"] == run.data.tags["review"]
        if missed == 0:
            kept.add(run.data.params["model"])
    # par l'étiquette, la description, la métrique, et les modèles
    assert printed.count(f" : {', '.join(sorted(kept))}\n") == 4
    assert "Changing param values is not allowed" in printed
    words = {2: "deux", 5: "cinq"}
    assert in_text(r"(\w+) classifieurs retenus, (\w+) écartés", end_of("annotate_runs")) == (
        words[len(kept)],
        words[7 - len(kept)],
    )

    course = whole_lesson.copy(tmp_path / "cours")  # annoter deux fois n'empile rien
    before = [(run.data.tags, run.data.metrics) for run in course.runs(EXPERIMENT, together)]
    course.fork(f"{LOCAL}/08_annotate_runs.py")
    assert [
        (run.data.tags, run.data.metrics) for run in course.runs(EXPERIMENT, together)
    ] == before
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        course.client().log_param(runs[0].info.run_id, "model", "un autre nom")


def test_delete_restore(lesson):
    printed = lesson.ended("delete_restore").stdout
    assert lesson.runs_of("delete_restore") == []  # le magasin commun n'est pas touché
    rows = re.findall(r"^(.{35}) +(\d+) +(\d+) +(\d+) +(\d+)$", printed, re.MULTILINE)
    counted = {moment.strip(): tuple(map(int, numbers)) for moment, *numbers in rows}
    start = counted["au départ"]
    assert start[:2] == (4, 3) and start[2] > 300 and start[3] > 1000
    assert counted["parent supprimé"] == (3, *start[1:])  # ses enfants restent, ses fichiers aussi
    assert counted["parent restauré"] == start
    assert counted["tous les runs supprimés"] == (0, *start[1:])  # les modèles restent
    runs, models, files, base = counted["mlflow gc"]
    # les trois journaux de 100 ko
    assert (runs, models, base) == (0, 3, start[3]) and 0 < files <= start[2] - 300
    assert counted["modèles supprimés, mlflow gc"] == (0, 0, 0, start[3])
    assert counted["VACUUM"][:3] == (0, 0, 0) and counted["VACUUM"][3] < start[3] / 2
    assert "Restaurer le parent : refusé" in printed


@pytest.mark.slow
def test_gc_wants_both_addresses(tmp_path):
    """Avec les deux, `11_delete_restore.py` l'emploie."""
    refused = ended(
        [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", "sqlite:///mlflow.db"],
        tmp_path,
    )
    assert refused.returncode == 1 and "Tracking URL is not set" in refused.stderr


def test_a_deleted_run_leaves_a_model_that_still_predicts(scratch):
    """« Supprimer des runs laisse leurs modèles » : ils se rechargent."""
    run, data = scratch.named("svm complet"), load_patients()
    scratch.client().delete_run(run.info.run_id)
    assert model_of(run).score(data.X_valid, data.y_valid) > 0.9


@pytest.mark.slow
def test_store_life(whole_lesson):
    printed = whole_lesson.ended("store_life").stdout
    taken, written = map(
        int,
        re.search(
            r"après (\d+) runs ; .*? écrit (\d+)\. Contrôle de la copie : ok", printed
        ).groups(),
    )
    assert (taken, written) == (30, 60)
    counts = [
        tuple(map(int, found))
        for found in re.findall(
            r"(\d+) runs finis, (\d+) métriques justes, (\d+) fichiers relus", printed
        )
    ]
    # restauré, mis à niveau, simplement ouvert : les mêmes
    assert len(counts) == 3 and len(set(counts)) == 1
    assert len(set(counts[0])) == 1 and taken <= counts[0][0] < written
    old, upgraded, opened = re.findall(r"révision (\w+)", printed)
    assert old != upgraded == opened


WRITER = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("x")
for number in range(10_000):
    with mlflow.start_run():
        mlflow.log_metrics({"a": number, "b": -number})
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_backup_while_another_writes_is_whole_each_time(tmp_path):
    """Vingt copies prises pendant l'écriture : toutes saines, jamais moins de runs que la
    précédente.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER], cwd=tmp_path, env=reader_environment(), **pipes
    )
    try:
        seen = []
        for _ in range(20):
            process.stdout.readline()
            with (
                closing(sqlite3.connect(tmp_path / "mlflow.db")) as live,
                closing(sqlite3.connect(tmp_path / "copie.db")) as copy,
            ):
                live.backup(copy)
                assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                finished = copy.execute(
                    "SELECT run_uuid FROM runs WHERE status = 'FINISHED'"
                ).fetchall()
                values = pd.read_sql("SELECT run_uuid, key, value FROM latest_metrics", copy)
            metrics = values.pivot(index="run_uuid", columns="key", values="value")
            assert {run_id for (run_id,) in finished} <= set(metrics.index) and (
                metrics["a"] == -metrics["b"]
            ).all()
            seen.append(len(finished))
        assert seen == sorted(seen) and seen[-1] >= 20
    finally:
        process.kill()
        process.wait()
