"""Leçon 1, le balayage : svm_sweep, ce qu'un arrêt en laisse, resume_sweep, search_runs et le test
qu'il n'ouvre qu'une fois, la recherche sur Spark.
"""

import re
from math import log10
from pathlib import Path

import mlflow
import numpy as np
from lesson_01 import (
    EXPERIMENT,
    README,
    cost_of,
    counted,
    couple,
    end_of,
    is_cross_validated,
    judged,
    model_of,
    wrong,
)
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from texts import in_text, path_of

from patients import known_patients, load_patients, svm

RESUMED = "01_resume_sweep"
SWEEP, RESUME, SEARCH = map(path_of, ("svm_sweep", "resume_sweep", "search_runs"))


def files_of(course, run) -> list[str]:
    return [file.path for file in course.client().list_artifacts(run.info.run_id)]


def test_svm_sweep(lesson):
    printed, parent = lesson.ended("svm_sweep").stdout, lesson.named("svm balayage", EXPERIMENT)
    children = lesson.children(parent)
    couples = {couple(child): child for child in children}
    grid = mlflow.artifacts.load_dict(f"{parent.info.artifact_uri}/grid.json")
    assert set(couples) == {(C, gamma) for C in grid["C"] for gamma in grid["gamma"]}
    assert len(couples) == len(children) == 35
    X, y = known_patients()
    ordered = sorted(children, key=lambda run: run.data.metrics["cv_cost"])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for run in [*ordered[:3], couples[0.1, 0.0001], couples[1.0, 0.3]]:
        answers = cross_val_predict(svm(*couple(run)), X, y, cv=folds)
        assert is_cross_validated(run)
        assert run.data.metrics["cv_cost"] == cost_of(y, answers)
        assert counted(run) == wrong(y, answers)
    for run in children:
        C, gamma = couple(run)
        assert run.info.run_name == f"C={C:g} gamma={gamma:g}"
        missed, false_alarms = counted(run)
        assert run.data.metrics["cv_cost"] == 10 * missed + false_alarms
        log = {"log10_gamma": str(round(log10(gamma), 2))}
        assert run.data.params == {"C": str(C), "gamma": str(gamma)} | log
        assert run.outputs.model_outputs and not run.inputs.dataset_inputs
    assert parent.data.params == {"folds": "5", "seed": "0"}
    assert parent.data.metrics == {"best_cv_cost": ordered[0].data.metrics["cv_cost"]}
    assert parent.data.tags["best_run_id"] == ordered[0].info.run_id
    assert files_of(lesson, parent) == ["grid.json", "metric_against_parameter.png"]
    assert parent.inputs.dataset_inputs[0].dataset.name == "breast_cancer_cv"
    read = Path(mlflow.artifacts.download_artifacts(f"runs:/{ordered[0].info.run_id}/svm"))
    assert len((read / "requirements.txt").read_text().split()) == 5
    again = svm(*couple(ordered[0])).fit(X, y)
    assert (mlflow.sklearn.load_model(str(read)).predict(X) == again.predict(X)).all()

    shown = ("cv_cost", "cv_sensitivity", "cv_specificity", "cv_accuracy")
    accurate = max(children, key=lambda run: run.data.metrics["cv_accuracy"])
    lines = [
        f"{run.info.run_name:18} : "
        + ", ".join(f"{name} {run.data.metrics[name]:.3g}" for name in shown)
        for run in ordered[:5]
    ]
    assert printed.splitlines()[:6] == [
        *lines, f"Meilleure exactitude : {accurate.info.run_name}"
    ]  # fmt: skip


def test_the_last_cell_of_svm_sweep_counts_the_errors(lesson):
    """Le moins cher, les deux suivants, le plus exact ; et l'égalité que la page annonce."""
    text, children = end_of("svm_sweep"), lesson.children(lesson.named("svm balayage", EXPERIMENT))
    ordered = sorted(children, key=lambda run: run.data.metrics["cv_cost"])
    costs = [f"{run.data.metrics['cv_cost']:.0f}" for run in ordered]
    y = known_patients()[1]
    malignant, benign = int(y.sum()), int((1 - y).sum())
    missed, false_alarms = counted(ordered[0])
    said = in_text(
        r"`(.+?)` coûte le moins, (\d+) : (\d+) tumeurs manquées sur (\d+),"
        r" (\d+) fausses alertes sur (\d+)",
        text,
    )
    expected = (costs[0], missed, malignant, false_alarms, benign)
    assert said == (ordered[0].info.run_name, *map(str, expected))
    assert in_text(r"suivants coûtent (\d+) et (\d+)", text) == tuple(costs[1:3])
    more = [(counted(run)[0] - missed, counted(run)[1] - false_alarms) for run in ordered[1:3]]
    assert more == [(0, 1), (0, 3)] and "une et trois fausses alertes de plus" in text
    accurate = max(children, key=lambda run: run.data.metrics["cv_accuracy"])
    assert in_text(r"exactitude est ailleurs, `(.+?)`, qui manque une tumeur de plus", text) == (
        accurate.info.run_name,
    )
    assert counted(accurate)[0] == missed + 1

    tied = {couple(run)[0]: run for run in children if couple(run)[1] == 0.3}
    least = min(run.data.metrics["cv_cost"] for run in tied.values())
    equal = [C for C, run in tied.items() if run.data.metrics["cv_cost"] == least]
    said = in_text(r"À `gamma = 0.3`, de `C = (\d+)` à `C = (\d+)`, c'est le même modèle", README)
    assert said == ("10", "1000")
    assert sorted(equal) == [1, 10, 100, 1000]
    same = [model_of(tied[C])[-1].dual_coef_ for C in (10, 100, 1000)]
    assert np.array_equal(same[0], same[1]) and np.array_equal(same[1], same[2])


def test_large_c_tolerates_fewer_errors_and_large_gamma_reaches_less_far():
    """Ce que disent la grille de svm_sweep et l'en-tête de first_run."""
    data = load_patients()
    fitted = [svm(C, 0.01).fit(data.X_train, data.y_train) for C in (0.01, 1, 100, 10_000)]
    errors = [int((model.predict(data.X_train) != data.y_train).sum()) for model in fitted]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[-1]
    # loin de tout exemple, la décision d'un SVM à noyau RBF n'est plus que sa constante : d'autant
    # plus près que gamma est grand
    far = data.X_train + 4 * data.X_train.std()
    reach = []
    for gamma in (0.001, 0.01, 0.1, 1):
        model = svm(1.0, gamma).fit(data.X_train, data.y_train)
        reach.append(abs(model.decision_function(far) - model[-1].intercept_[0]).mean())
    assert reach == sorted(reach, reverse=True)


def test_search_runs(lesson):
    printed, text, data = lesson.ended("search_runs").stdout, end_of("search_runs"), load_patients()
    [run] = lesson.runs_of("search_runs")
    children = lesson.children(lesson.named("svm balayage", EXPERIMENT))
    found = [child for child in children if child.data.metrics["cv_cost"] < 100]
    best = min(found, key=lambda child: child.data.metrics["cv_cost"])
    assert run.info.run_name == "jugement du meilleur svm" and run.info.status == "FINISHED"
    assert run.data.tags["judged_run_id"] == best.info.run_id and couple(run) == couple(best)
    again = svm(*couple(best)).fit(*known_patients())
    expected = judged(again, data.X_test, data.y_test)
    assert run.data.metrics == {f"test_{name}": value for name, value in expected.items()}
    missed, false_alarms = wrong(data.y_test, again.predict(data.X_test))
    cost = cost_of(data.y_test, again.predict(data.X_test))
    assert run.data.metrics["test_cost"] == cost
    [opened] = run.inputs.dataset_inputs
    assert opened.dataset.name == "breast_cancer_test"
    assert [tag.value for tag in opened.tags] == ["test"]
    promised = f"{best.data.metrics['cv_cost']:.0f}"
    rates = ", ".join(f"{name} {expected[name]:.3f}" for name in ("sensitivity", "specificity"))
    assert printed.splitlines()[:3] == [
        f"Trouvés : {len(found)} couples de coût inférieur à 100",
        f"Retenu : {best.info.run_name}, coût {promised} sur 455 tumeurs",
        f"Test : coût {cost} sur 114 tumeurs, {rates}",
    ]
    said = in_text(r"le coût est (\d+) : (\d+) tumeurs manquées sur (\d+), et une fausse", text)
    assert said == tuple(map(str, (cost, missed, int(data.y_test.sum())))) and false_alarms == 1
    # « trois fois ce que promettait la validation croisée »
    assert "C'est trois fois ce que" in " ".join(text.split())
    assert round(cost / (best.data.metrics["cv_cost"] * 114 / 455)) == 3


def test_the_test_set_opens_once_for_a_couple(scratch):
    """Relancé, même après un second balayage : le jugement est relu, pas refait ; un autre couple
    est jugé à son tour.
    """

    def opened() -> list[str]:
        runs = scratch.runs(EXPERIMENT)
        assert all(
            run.info.run_name == "jugement du meilleur svm"
            for run in runs
            if "test_cost" in run.data.metrics
        )
        return [
            run.info.run_id
            for run in runs
            if any(each.dataset.name == "breast_cancer_test" for each in run.inputs.dataset_inputs)
        ]

    [judgement] = opened()  # celui de la séance
    first = scratch.fork(SEARCH).stdout
    assert opened() == [judgement]
    scratch.fork(scratch.tune(SWEEP, GRID={"C": [1000.0], "gamma": [0.001]}))
    again = scratch.fork(SEARCH).stdout
    assert re.search("^Test : .*$", first, re.MULTILINE)[0] in again and opened() == [judgement]
    scratch.fork(scratch.tune(SWEEP, GRID={"C": [10.0], "gamma": [0.03]}))
    scratch.fork(SEARCH)
    assert len(opened()) == 2
