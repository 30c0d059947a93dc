"""Leçon 1, les runs : first_run, full_run, open_model, compare_models, annotate_runs, tels qu'un
lecteur les lance.
"""

import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from lesson_01 import (
    EXPERIMENT,
    LOCAL,
    README,
    cost_of,
    end_of,
    judged,
    model_of,
    svm_metrics,
    wrong,
)
from mlflow.exceptions import MlflowException
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from texts import in_text, path_of

from patients import classifiers, clinical_metrics, load_patients

GAMMAS = (0.0001, 0.03, 0.3, 1)


def predicted(gamma: float):
    """Ce qu'un SVM de scikit-learn, appris ici sans module du cours, répond en validation."""
    data = load_patients()
    model = make_pipeline(StandardScaler(), SVC(gamma=gamma)).fit(data.X_train, data.y_train)
    return model.predict(data.X_valid)


def test_first_run(lesson):
    *lines, page, _ = lesson.ended("first_run").stdout.splitlines()
    runs, y = lesson.runs_of("first_run"), load_patients().y_valid
    for gamma, run, line in zip(GAMMAS, runs, lines, strict=True):
        expected = svm_metrics(gamma)
        assert (run.info.run_name, run.info.status) == (f"svm gamma={gamma:g}", "FINISHED")
        assert run.data.params == {"gamma": str(gamma)}
        # au bit près ; à gamma = 1, personne n'est en alerte : la précision est NaN
        assert run.data.metrics == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
        assert run.data.metrics["cost"] == cost_of(y, predicted(gamma))
        assert run.data.metrics["accuracy"] == (predicted(gamma) == y).mean()
        assert run.data.tags["question"] == "coût selon gamma"
        assert run.data.tags["mlflow.source.git.commit"] == lesson.git("rev-parse", "HEAD")
        said = ", ".join(f"{name} {expected[name]:.3f}" for name in ("accuracy", "sensitivity"))
        assert line == f"gamma {gamma:<6g} : cost {cost_of(y, predicted(gamma)):3.0f}, {said}"
    page_of = f"#/experiments/{runs[0].info.experiment_id}/runs?workflowType=machine_learning"
    assert page == f"À voir : uv run mlflow ui, puis http://127.0.0.1:5000/{page_of}"


def test_the_last_cell_of_first_run_answers_the_question():
    text, y = end_of("first_run"), load_patients().y_valid
    costs = {gamma: cost_of(y, predicted(gamma)) for gamma in GAMMAS}
    kept, next_one, *_ = sorted(costs, key=costs.get)
    assert costs[kept] < costs[next_one]  # personne à égalité
    said = in_text(r"`gamma = ([\d.]+)` coûte le moins, (\d+) : une tumeur manquée sur (\d+)", text)
    assert said == (str(kept), str(costs[kept]), str(int(y.sum())))
    assert wrong(y, predicted(kept)) == (1, 2) and "et deux fausses alertes" in text
    said = in_text(r"`([\d.]+)` en manque deux, sans fausse alerte, et coûte (\d+)", text)
    assert said == (str(next_one), str(costs[next_one]))
    assert wrong(y, predicted(next_one)) == (2, 0)
    assert in_text(r"suite garde ([\d.]+)\.", text) == (str(kept),)
    accuracy = f"{(predicted(1) == y).mean():.3f}"
    assert in_text(r"gamma = 1`, l'exactitude de ([\d.]+)", text) == (accuracy,)
    assert not predicted(1).any()


def test_the_criterion_is_the_same_everywhere(lesson):
    """Le plus petit coût : la suite garde le gamma de first_run, le balayage et search_runs
    prennent le couple le moins cher, annotate_runs ne retient que ce qui coûte peu.
    """
    cheapest = min(lesson.runs_of("first_run"), key=lambda run: run.data.metrics["cost"])
    assert lesson.named("svm complet").data.params["gamma"] == cheapest.data.params["gamma"]
    assert lesson.named("svm autolog").data.params["svc__gamma"] == cheapest.data.params["gamma"]
    compared = classifiers()["svm_rbf"][-1]
    assert (str(compared.gamma), compared.C) == (cheapest.data.params["gamma"], 1.0)
    sweep = lesson.named("svm balayage", EXPERIMENT)
    best = min(lesson.children(sweep), key=lambda run: run.data.metrics["cv_cost"])
    assert sweep.data.tags["best_run_id"] == best.info.run_id
    judgement = lesson.named("jugement du meilleur svm")
    assert judgement.data.tags["judged_run_id"] == best.info.run_id
    reviewed = lesson.runs_of("compare_models")
    kept = [run for run in reviewed if run.data.tags["review"] == "retenu"]
    others = [run for run in reviewed if run not in kept]
    assert max(run.data.metrics["cost"] for run in kept) < min(
        run.data.metrics["cost"] for run in others
    )


def artifact(run, name: str) -> str:
    return mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)


def test_full_run(lesson):
    printed, data = lesson.ended("full_run").stdout, load_patients()
    run, forest = lesson.runs_of("full_run")
    assert (run.info.run_name, forest.info.run_name) == ("svm complet", "forêt")
    model = model_of(run)
    answers = model.predict(data.X_valid)
    assert answers.tolist() == predicted(0.3).tolist()
    assert run.data.metrics == judged(model, data.X_valid, data.y_valid) == svm_metrics(0.3)
    assert run.data.metrics["cost"] == cost_of(data.y_valid, answers)
    assert run.data.params == {"model": "svm_rbf", "C": "1.0", "gamma": "0.3", "seed": "0"}
    assert "moindre coût" in run.data.tags["mlflow.note.content"]
    [known] = run.inputs.dataset_inputs
    assert known.dataset.name == "breast_cancer_train"
    assert [tag.value for tag in known.tags] == ["training"]
    table = data.X_train.assign(malignant=data.y_train)
    assert known.dataset.digest == mlflow.data.from_pandas(table, targets="malignant").digest
    files = [file.path for file in lesson.client().list_artifacts(run.info.run_id)]
    assert files == ["confusion_matrix.png", "errors.csv"]
    assert np.asarray(Image.open(artifact(run, files[0]))).std() > 10  # autre chose que du blanc
    errors = pd.read_csv(artifact(run, "errors.csv"), index_col="patient")
    mistaken = data.X_valid[answers != data.y_valid]
    assert list(errors.index) == list(mistaken.index) and len(errors) == 3
    assert errors["malignant"].tolist() == data.y_valid[mistaken.index].tolist()
    assert errors["score"].tolist() == pytest.approx(model.decision_function(mistaken).tolist())
    assert errors[mistaken.columns].to_numpy() == pytest.approx(mistaken.to_numpy())

    logged = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert (logged.name, logged.status) == ("svm_complet", "READY")
    info = mlflow.models.get_model_info(logged.model_uri)
    assert info.signature.inputs.input_names() == list(data.X_valid.columns)
    assert {str(kind) for kind in info.signature.inputs.input_types()} == {"DataType.double"}
    example = mlflow.pyfunc.load_model(logged.model_uri).input_example
    assert example.equals(data.X_valid.head(3).reset_index(drop=True))
    shown = ", ".join(f"{name} {run.data.metrics[name]:.3f}" for name in ("sensitivity", "roc_auc"))
    assert f"cost 12, {shown} ; {len(errors)} erreurs" in printed and logged.model_uri in printed
    told = in_text(r"garde (\d+) paramètres, (\d+) métriques", end_of("full_run"))
    assert told == (str(len(run.data.params)), str(len(run.data.metrics)))


def test_a_forest_is_refused_then_accepted(lesson):
    """Le premier essai reste, FAILED, parmi les modèles de l'expérience ; le second se relit."""
    _, forest = lesson.runs_of("full_run")
    printed, data, client = lesson.ended("full_run").stdout, load_patients(), lesson.client()
    found = client.search_logged_models(
        [forest.info.experiment_id], f"source_run_id = '{forest.info.run_id}'"
    )
    assert {model.name for model in found} == {"forest"}
    assert sorted(str(model.status) for model in found) == ["FAILED", "READY"]
    [ready] = [model for model in found if model.status == "READY"]
    assert f"Forêt acceptée : {ready.model_uri}\n" in printed
    assert "Forêt refusée : The saved sklearn model references untrusted types.\n" in printed
    again = RandomForestClassifier(random_state=0).fit(data.X_train, data.y_train)
    answers = again.predict(data.X_valid)
    read = mlflow.sklearn.load_model(ready.model_uri)
    assert read.predict(data.X_valid).tolist() == answers.tolist()
    # écrites avant le modèle, elles ont survécu au refus
    assert forest.data.metrics == clinical_metrics(data.y_valid, answers)
    assert forest.data.metrics["cost"] == cost_of(data.y_valid, answers)
    assert forest.info.status == "FINISHED" and forest.data.tags["mlflow.note.content"]


def test_open_model(lesson):
    lines, data = lesson.ended("open_model").stdout.splitlines(), load_patients()
    uri, files = re.fullmatch(r"(models:/m-\w+) est un dossier : (.+)", lines[0]).groups()
    assert uri == f"models:/{lesson.named('svm complet').outputs.model_outputs[0].model_id}"
    lesson.client()
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    assert files.split(", ") == sorted(path.name for path in folder.iterdir())
    assert "model.skops" in files and "pkl" not in files
    pipeline, function = mlflow.sklearn.load_model(uri), mlflow.pyfunc.load_model(uri)
    usual = pipeline.predict(data.X_valid)
    assert (function.predict(data.X_valid) == usual).all() and len(usual) == 114
    assert lines[1] == "Pipeline et PyFuncModel : 114 prédictions égales sur 114"
    assert lines[2].startswith(f"Signature : {data.X_valid.shape[1]} colonnes, 'mean radius'")
    # ce que chaque saveur fait de chaque tableau abîmé, et non ce que le script en écrit
    forgotten = data.X_valid.drop(columns="mean radius")
    as_text = data.X_valid.astype({"mean radius": str})
    reversed_columns = data.X_valid[data.X_valid.columns[::-1]]
    for refused in (forgotten, reversed_columns):
        with pytest.raises(ValueError):
            pipeline.predict(refused)
    for refused in (forgotten, as_text):
        with pytest.raises(MlflowException):
            function.predict(refused)
    assert (pipeline.predict(as_text) == usual).all()
    assert (function.predict(reversed_columns) == usual).all()
    same = "prédit (114 réponses inchangées)"
    assert lines[3:6] == [
        "une colonne oubliée : scikit-learn refuse ; pyfunc refuse",
        f"un nombre devenu texte : scikit-learn {same} ; pyfunc refuse",
        f"les colonnes à l'envers : scikit-learn refuse ; pyfunc {same}",
    ]


def test_open_model_opens_the_newest_model_of_full_run_among_all_others(scratch):
    """Le balayage et la comparaison en ont enregistré quarante-deux depuis."""
    [old] = [output.model_id for output in scratch.named("svm complet").outputs.model_outputs]
    assert f"models:/{old} est" in scratch.fork(f"{LOCAL}/04_open_model.py").stdout
    scratch.fork(f"{LOCAL}/03_full_run.py")
    [new] = [output.model_id for output in scratch.named("svm complet").outputs.model_outputs]
    assert new != old
    assert f"models:/{new} est" in scratch.fork(f"{LOCAL}/04_open_model.py").stdout


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


def test_compare_models(lesson):
    printed, text, data = (
        lesson.ended("compare_models").stdout, end_of("compare_models"), load_patients()
    )  # fmt: skip
    runs = {run.data.params["model"]: run for run in lesson.runs_of("compare_models")}
    assert set(runs) == set(classifiers()) and len(runs) == 7
    shown, forms = [], set()
    for name, run in runs.items():
        read = model_of(run)
        expected = judged(read, data.X_valid, data.y_valid)
        # même code, même graine : mêmes métriques, au bit près
        again = classifiers()[name].fit(data.X_train, data.y_train)
        assert judged(again, data.X_valid, data.y_valid) == expected
        assert expected["cost"] == cost_of(data.y_valid, again.predict(data.X_valid))
        assert {key: run.data.metrics[key] for key in expected} == expected, name
        assert run.info.run_name == f"{name} breast_cancer" and run.data.metrics["fit_seconds"] > 0
        assert run.data.tags["mlflow.note.content"].startswith(f"{name}. Relu : ")
        assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["breast_cancer_train"]
        files = tuple(file.path for file in lesson.client().list_artifacts(run.info.run_id))
        forms.add((tuple(run.data.params), tuple(sorted(run.data.metrics)), files))
        asked = Path(
            mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/{name}"),
            "requirements.txt",
        )
        assert len(asked.read_text().split()) == 5
        rates = [f"{expected[each]:.3f}" for each in ("sensitivity", "specificity", "accuracy")]
        shown.append((expected["cost"], [name, f"{expected['cost']:.1f}", *rates]))
    assert len(forms) == 1  # des runs de même forme, que l'interface compare
    rows = [row for _, row in sorted(shown, key=lambda each: each[0])]
    assert [line.split() for line in printed.splitlines()[1:8]] == rows
    together = re.search(r"tags.comparison = '.+'", printed)[0]
    found = lesson.runs(EXPERIMENT, together)
    assert {run.info.run_id for run in found} == {run.info.run_id for run in runs.values()}

    # l'égalité, dite comme telle
    least = min(run.data.metrics["cost"] for run in runs.values())
    tied = [name for name, run in runs.items() if run.data.metrics["cost"] == least]
    assert tied == ["logistic_regression", "neural_network"] and "à égalité" in text
    for name in tied:
        again = classifiers()[name].fit(data.X_train, data.y_train)
        assert wrong(data.y_valid, again.predict(data.X_valid)) == (0, 1)
    assert in_text(r"(\w+) classifieurs coûtent (\d+), une fausse alerte chacun", text) == (
        "Deux", f"{least:.0f}",
    )  # fmt: skip
    malignant = int(data.y_valid.sum())
    assert in_text(r"sur (\d+) tumeurs malignes, .* sensibilité de ([\d.]+)\.", text) == (
        str(malignant), f"{1 / malignant:.3f}",
    )  # fmt: skip


def test_three_of_the_seven_classifiers_need_a_declared_type(tmp_path):
    """Sur trente colonnes, les k plus proches voisins n'ont pas d'arbre : skops les accepte."""
    data, refused = load_patients(), set()
    for name, model in classifiers().items():
        model.fit(data.X_train, data.y_train)
        try:
            mlflow.sklearn.save_model(model, tmp_path / name, pip_requirements=["scikit-learn"])
        except MlflowException as error:
            assert "references untrusted types" in str(error)
            refused.add(name)
    assert refused == {"decision_tree", "random_forest", "neural_network"}
    assert "Trois des sept modèles ont besoin de `skops_trusted_types=`" in README


def test_annotate_runs(lesson, tmp_path):
    printed, data = lesson.ended("annotate_runs").stdout, load_patients()
    runs = lesson.runs_of("compare_models")
    together = f"tags.comparison = '{runs[0].data.tags['comparison']}'"
    kept = set()
    for run in runs:
        answers = model_of(run).predict(data.X_valid)
        missed, _ = wrong(data.y_valid, answers)
        verdict = "retenu" if cost_of(data.y_valid, answers) <= 20 else "écarté"
        assert run.data.metrics["missed"] == missed and run.info.status == "FINISHED"
        assert run.data.tags["review"] == verdict
        name = run.data.params["model"]
        assert run.data.tags["mlflow.note.content"] == (
            f"{name}. Relu : {verdict}, {missed} tumeurs malignes manquées."
        )
        kept |= {name} if verdict == "retenu" else set()
    # par l'étiquette, par la description, par la métrique
    assert printed.count(f" : {', '.join(sorted(kept))}\n") == 3
    assert "Paramètre : refusé. Changing param values is not allowed." in printed
    words = {3: "trois", 4: "quatre"}
    assert in_text(r"(\w+) classifieurs retenus, (\w+) écartés", end_of("annotate_runs")) == (
        words[len(kept)], words[7 - len(kept)],
    )  # fmt: skip

    course = lesson.copy(tmp_path / "cours")  # annoter deux fois n'empile rien
    before = [(run.data.tags, run.data.metrics) for run in course.runs(EXPERIMENT, together)]
    course.fork(f"{LOCAL}/08_annotate_runs.py")
    again = [(run.data.tags, run.data.metrics) for run in course.runs(EXPERIMENT, together)]
    assert again == before and len(again) == 7
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        course.client().log_param(runs[0].info.run_id, "model", "un autre nom")
