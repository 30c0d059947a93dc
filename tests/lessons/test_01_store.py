"""Leçon 1, ce que devient un run ensuite : rich_run, delete_restore, store_life."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import mlflow
import numpy as np
import pages
import pandas as pd
import pytest
from lesson_01 import README, end_of, model_of
from PIL import Image
from programs import ended, reader_environment
from texts import in_text, path_of, tables

from patients import cost, load_patients, svm

GAMMAS = (0.0001, 0.3, 1)


def test_rich_run(lesson, tmp_path):
    printed, [run] = lesson.ended("rich_run").stdout, lesson.runs_of("rich_run")
    data, client = load_patients(), lesson.client()
    fitted = {gamma: svm(1.0, gamma).fit(data.X_train, data.y_train) for gamma in GAMMAS}
    costs = {
        name: {gamma: cost(y, model.predict(X)) for gamma, model in fitted.items()}
        for name, X, y in (
            ("breast_cancer_train", data.X_train, data.y_train),
            ("breast_cancer_valid", data.X_valid, data.y_valid),
        )
    }
    train, valid = costs.values()
    found = client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
    )
    logged = {float(model.params["gamma"]): model for model in found}
    assert set(logged) == set(GAMMAS)
    for gamma, model in logged.items():  # chaque modèle garde les deux, avec leur jeu de données
        assert {metric.dataset_name: metric.value for metric in model.metrics} == {
            name: each[gamma] for name, each in costs.items()
        }
    steps = {logged[gamma].model_id: step for step, gamma in enumerate(GAMMAS)}
    assert {each.model_id: each.step for each in run.outputs.model_outputs} == steps
    assert {each.dataset.name for each in run.inputs.dataset_inputs} == set(costs)
    assert run.data.metrics == {"cost": valid[1]}  # le run, la dernière écrite
    assert f"qu'un coût : {valid[1]:g}\n" in printed

    errors = client.load_table(run.info.experiment_id, "errors.json", [run.info.run_id])
    for gamma, model in fitted.items():
        wrong = data.X_valid.index[model.predict(data.X_valid) != data.y_valid]
        listed = errors[np.isclose(errors["gamma"], gamma)]  # relu à un bit près
        assert list(listed["tumeur"]) == list(wrong)
        scores = model.decision_function(data.X_valid.loc[wrong])
        assert listed["score"].tolist() == pytest.approx(scores.tolist())
        assert f"gamma={gamma:g} : {len(wrong)} tumeurs" in printed
    listed = client.list_artifacts(run.info.run_id, "images")
    images = [file.path for file in listed if file.path.endswith(".png")]
    shown = sorted(re.search(r"scores\+step\+(\d)", path)[1] for path in images)
    assert shown == ["0", "1", "2"]
    for path in images:
        picture = Image.open(
            mlflow.artifacts.download_artifacts(
                run_id=run.info.run_id, artifact_path=path, dst_path=str(tmp_path)
            )
        )
        assert np.asarray(picture).std() > 10  # autre chose qu'une page blanche

    for name, each in costs.items():  # à égalité, MLflow range le plus récent d'abord
        order = sorted(reversed(GAMMAS), key=each.get)
        ranked = ", ".join(f"{each[gamma]:g} pour gamma={gamma:g}" for gamma in order)
        assert f"Coût sur {name} : {ranked}\n" in printed
    assert train[0.3] == train[1] == 0 and valid[1] == max(valid.values())
    assert max(fitted[1].decision_function(data.X_valid)) < 0  # aucune alerte
    text = end_of("rich_run")
    for row in tables(text):
        gamma = float(row["gamma"])
        said = [
            f"{train[gamma]:g}",
            f"{valid[gamma]:g}",
            str(np.isclose(errors["gamma"], gamma).sum()),
        ]
        assert list(row.values())[1:] == said
    assert [f"les {len(data.X_train)} apprises" in key for key in tables(text)[0]][1]
    assert in_text(r"dernière valeur écrite, (\d+)\.", text) == (f"{valid[1]:g}",)


@pytest.mark.slow
def test_old_runs_move_by_the_command_of_the_table(tmp_path):
    """MLflow 2 rangeait ses runs dans des fichiers : la commande que la page donne les porte."""
    written = """
import mlflow
mlflow.set_tracking_uri("file:./mlruns")
mlflow.set_experiment("ancienne")
with mlflow.start_run(run_name="vieux run"):
    mlflow.log_metric("rmse", 1.5)
    mlflow.log_text("vieux fichier", "note.txt")
"""
    old = ended([sys.executable, "-c", written], tmp_path, MLFLOW_ALLOW_FILE_STORE="true")
    assert old.returncode == 0, old.stderr
    [command] = re.findall(r"`(mlflow migrate-filestore [^`]+)`", README)
    moved = ended([sys.executable, "-m", *command.split()], tmp_path)
    assert moved.returncode == 0, moved.stderr
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/anciens.db")
    experiment = client.get_experiment_by_name("ancienne")
    [run] = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "vieux run" and run.data.metrics == {"rmse": 1.5}
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/note.txt") == "vieux fichier"


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
    assert pages.same_output(pages.shown(README, f"uv run {path_of('store_life')}"), printed)
    taken, written = map(
        int,
        re.search(
            r"après (\d+) runs ; .*? écrit (\d+)\.\nContrôle de la copie : ok\n", printed
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
