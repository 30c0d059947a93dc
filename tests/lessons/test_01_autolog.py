"""Leçon 1, autolog : ce qu'il écrit de lui-même, recalculé ; ce qu'il n'écrit pas."""

import re
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from lesson_01 import EXPERIMENT, README, cost_of, end_of
from mlflow import MlflowClient
from programs import ended
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from texts import ROOT, in_text

from patients import load_patients

GAMMAS = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]


def pipeline(gamma: float):
    return make_pipeline(StandardScaler(), SVC(gamma=gamma))


def test_autolog_writes_every_parameter_and_the_metrics_of_what_was_learnt(lesson):
    printed, data = lesson.ended("autolog").stdout, load_patients()
    run = lesson.runs_of("autolog")[0]
    model = pipeline(0.3).fit(data.X_train, data.y_train)
    assert (run.info.run_name, run.info.status) == ("svm autolog", "FINISHED")
    assert run.data.params == {key: str(value) for key, value in model.get_params().items()}
    assert len(run.data.params) == 24
    y, learnt = data.y_train, model.predict(data.X_train)
    weighted = {"average": "weighted"}
    expected = {
        "training_accuracy_score": accuracy_score(y, learnt),
        "training_score": model.score(data.X_train, y),
        "training_precision_score": precision_score(y, learnt, **weighted),
        "training_recall_score": recall_score(y, learnt, **weighted),
        "training_f1_score": f1_score(y, learnt, **weighted),
        "Pipeline_score_X_valid": (model.predict(data.X_valid) == data.y_valid).mean(),
    }
    assert run.data.metrics == expected  # ni coût, ni sensibilité de la validation
    lines = [f"  {name:26} {expected[name]:.3f}" for name in sorted(expected)]
    assert printed.splitlines()[:7] == ["24 paramètres, dont svc__gamma = 0.3", *lines]
    figures = [file.path for file in lesson.client().list_artifacts(run.info.run_id)]
    assert [name for name in figures if name.endswith(".png")] == [
        f"training_{name}.png"
        for name in ("confusion_matrix", "precision_recall_curve", "roc_curve")
    ]
    said = in_text(r"Elles valent ([\d.]+), quand la validation donne (\d\.\d+)", end_of("autolog"))
    assert said == ("1.000", f"{expected['Pipeline_score_X_valid']:.3f}")


def test_the_model_of_autolog_is_the_pickle_that_it_warns_about(lesson):
    """Le seul : `log_models=False` n'en laisse pas d'autre ; test_security.py cherche partout."""
    data, warning = load_patients(), lesson.told["scripts"]["autolog"]["stderr"]
    [output], *others = [run.outputs.model_outputs for run in lesson.runs_of("autolog")]
    assert len(others) == 6 and not any(others)
    uri = f"models:/{output.model_id}"
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    assert (folder / "model.pkl").is_file() and not list(folder.glob("*.skops"))
    answers = pipeline(0.3).fit(data.X_train, data.y_train).predict(data.X_valid)
    assert (mlflow.sklearn.load_model(uri).predict(data.X_valid) == answers).all()
    assert "in the pickle or cloudpickle format requires exercising caution" in warning
    assert warning.count("\n") <= 2
    assert "Il écrit les modèles au format pickle, seule fois de la leçon" in " ".join(
        end_of("autolog").split()
    )
    assert "Le modèle est au format pickle" in README
    assert "seule fois de la leçon : l'ouvrir peut exécuter n'importe quel code" in README


def test_a_grid_becomes_a_parent_and_its_five_best_children(lesson):
    printed, data = lesson.ended("autolog").stdout, load_patients()
    parent = lesson.named("grille autolog", EXPERIMENT)
    table = pd.read_csv(
        mlflow.artifacts.download_artifacts(
            run_id=parent.info.run_id, artifact_path="cv_results.csv"
        )
    )
    X, y = data.X_train, data.y_train
    costs = {}
    for gamma in GAMMAS:  # le coût de chaque part, recompté
        parts = [
            cost_of(
                y.iloc[held],
                pipeline(gamma).fit(X.iloc[rest], y.iloc[rest]).predict(X.iloc[held]),
            )
            for rest, held in StratifiedKFold(5).split(X, y)
        ]
        row = table[table["param_svc__gamma"] == gamma].iloc[0]
        assert [-row[f"split{part}_test_score"] for part in range(5)] == parts
        costs[gamma] = np.mean(parts)
    assert len(table) == 7 and table["mean_test_score"].tolist() == pytest.approx(
        [-costs[gamma] for gamma in GAMMAS]
    )
    children = lesson.children(parent)
    kept = {float(run.data.params["svc__gamma"]): run for run in children}
    assert len(children) == len(kept) == 5
    assert set(kept) == set(sorted(costs, key=costs.get)[:5])
    for gamma, run in kept.items():
        assert run.data.metrics["mean_test_score"] == pytest.approx(-costs[gamma])
        assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name)  # tiré au hasard
    best = min(costs, key=costs.get)
    assert parent.data.params["best_svc__gamma"] == str(best)
    assert "Grille : 7 réglages, 5 runs enfants\n" in printed
    assert f"Le meilleur : gamma = {best}\n" in printed
    assert in_text(r"il garde les (cinq) meilleurs essais sur (sept)", end_of("autolog"))


def test_without_with_a_fit_opens_and_closes_its_own_run_and_more_children_can_be_kept(tmp_path):
    """Deux phrases de la page : dans un dossier vide, hors du cours, patients.py excepté."""
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / EXPERIMENT / "local")!r})
import mlflow
from patients import load_patients, svm
from sklearn.model_selection import GridSearchCV

data = load_patients()
mlflow.sklearn.autolog(log_models=False)
svm(1.0, 0.3).fit(data.X_train, data.y_train)
print("ouvert", mlflow.active_run())
mlflow.sklearn.autolog(log_models=False, max_tuning_runs=None)
with mlflow.start_run(run_name="grille"):
    grid = GridSearchCV(svm(1.0, 0.3), {{"svc__gamma": {GAMMAS}}})
    grid.fit(data.X_train, data.y_train)
"""
    told = ended([sys.executable, "-c", code], tmp_path)
    assert (told.returncode, told.stdout) == (0, "ouvert None\n"), told.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs(["0"], order_by=["attributes.start_time ASC"])
    own, children = runs[0], [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert own.info.status == "FINISHED" and own.data.params["svc__gamma"] == "0.3"
    assert {float(run.data.params["svc__gamma"]) for run in children} == set(GAMMAS)
    assert "(`max_tuning_runs=`)" in README
