"""Leçon 1, le balayage : svm_sweep, ce qu'un arrêt en laisse, resume_sweep, search_runs et le test
qu'il n'ouvre qu'une fois, la recherche sur Spark.
"""

import re
import signal
import subprocess
from collections import Counter
from math import log10
from pathlib import Path

import mlflow
import numpy as np
import pytest
from copies import until_paused
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
from programs import hears_ctrl_c, reader_environment
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from texts import in_text, numbers, path_of, tables

from patients import cross_validated, known_patients, load_patients, svm
from resume_sweep import GRID

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
    assert more == [(0, 1), (0, 3)] and "une à trois fausses alertes de plus" in text
    accurate = max(children, key=lambda run: run.data.metrics["cv_accuracy"])
    assert in_text(r"exactitude est ailleurs, `(.+?)`, qui manque une tumeur de plus", text) == (
        accurate.info.run_name,
    )
    assert counted(accurate)[0] == missed + 1

    tied = {couple(run)[0]: run for run in children if couple(run)[1] == 0.3}
    least = min(run.data.metrics["cv_cost"] for run in tied.values())
    equal = [C for C, run in tied.items() if run.data.metrics["cv_cost"] == least]
    assert in_text(
        r"À `gamma = 0.3`, (quatre) couples ont le même coût, (\d+) : de `C = (\d+)` à `C = (\d+)`,"
        " c'est le même modèle",
        README,
    ) == ("quatre", f"{least:.0f}", "10", "1000")
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


def assert_whole(course, parent):
    """Douze couples, chacun une fois, aux valeurs d'un balayage simple, et un parent résumé."""
    finished = [run for run in course.children(parent) if run.info.status == "FINISHED"]
    assert len(finished) == len({couple(run) for run in finished}) == 12
    assert all(map(is_cross_validated, finished))
    best = max(
        finished,
        key=lambda run: (run.data.metrics["cv_sensitivity"], run.data.metrics["cv_specificity"]),
    )
    assert parent.info.status == "FINISHED" and parent.data.tags["best_run_id"] == best.info.run_id
    assert "metric_against_parameter.png" in files_of(course, parent)


def test_resume_sweep(lesson):
    printed = lesson.ended("resume_sweep").stdout
    done, left, whole = map(
        int, re.search(r"repris : (\d+) couples .*?, (\d+) .*?, (\d+) en tout", printed).groups()
    )
    assert done >= 3 and done + left == whole == 12
    assert "svm balayage : RUNNING, sans programme -> KILLED" in printed
    assert_whole(lesson, lesson.named("svm balayage", RESUMED))
    statuses = Counter(run.info.status for run in lesson.runs(RESUMED))
    assert (
        statuses["FINISHED"] == 13
        and set(statuses) <= {"FINISHED", "KILLED"}
        and statuses["KILLED"] <= 1
    )
    assert in_text(r"les (\d+) sont là, chacun une fois", end_of("resume_sweep")) == ("12",)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["Ctrl-C", "tué"])
def test_your_own_sweep_that_was_interrupted_is_finished_by_only_resume(fresh_course, end):
    """Ctrl-C a marqué ses runs FAILED ; tué, il est encore RUNNING, et c'est le lecteur qui le dit
    KILLED.
    """
    fresh_course.tune(SWEEP, GRID=GRID)
    fourth = "(C, gamma) == list(product(*GRID.values()))[3]"
    here = fresh_course.pause(SWEEP, "model = svm(C, gamma)", fourth)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    sweep = subprocess.Popen(
        fresh_course.command(SWEEP),
        cwd=fresh_course.root,
        env=reader_environment(),
        **quiet,
        **hears_ctrl_c(),
    )

    def runs(status: str) -> set[str]:
        found = fresh_course.runs(EXPERIMENT, f"attributes.status = '{status}'")
        return {run.info.run_id for run in found}

    try:
        until_paused(sweep, here)
        sweep.send_signal(signal.SIGINT if end == "Ctrl-C" else signal.SIGKILL)
        sweep.wait(60)
    finally:
        sweep.kill()
        sweep.wait()
    done, left = runs("FINISHED"), runs("RUNNING" if end == "tué" else "FAILED")
    assert (len(done), len(left)) == (3, 2)
    if end == "tué":
        assert "Balayage repris" not in fresh_course.fork(RESUME, "--only-resume").stdout
        assert runs("RUNNING") == left  # sans étiquette `process` : pas des siens
        for run_id in left:
            fresh_course.client().set_terminated(run_id, "KILLED")

    fresh_course.fork(RESUME, "--only-resume")
    assert_whole(fresh_course, fresh_course.named("svm balayage", EXPERIMENT))
    after = fresh_course.runs(EXPERIMENT)
    assert done <= runs("FINISHED") and runs("RUNNING") == set()
    # ce qui est fini n'est pas repris, et le run d'un autre programme reste à lui
    other = fresh_course.client().create_run(after[0].info.experiment_id).info.run_id
    assert "Balayage repris" not in fresh_course.fork(RESUME, "--only-resume").stdout
    assert runs("RUNNING") == {other} and len(fresh_course.runs(EXPERIMENT)) == len(after) + 1


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


@pytest.mark.slow
def test_svm_sweep_spark(whole_lesson):
    """Chaque valeur est celle de son couple ; à un ouvrier, la même graine donne les mêmes points,
    au bit près ; à deux, non.
    """
    printed, text = whole_lesson.ended("svm_sweep_spark").stdout, end_of("svm_sweep_spark")
    runs, points = whole_lesson.runs_of("svm_sweep_spark"), []
    searches = [run for run in runs if "workers" in run.data.params]
    assert [run.data.params["workers"] for run in searches] == ["1", "1", "2", "2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for parent in searches:
        trials = whole_lesson.children(parent)
        assert len(trials) == 12 and parent.data.tags["mlflow.note.content"]
        for run in trials:
            assert (
                run.data.metrics["value"]
                == cross_validated(svm(*couple(run)), *known_patients())["cv_sensitivity"]
            )
        assert parent.data.metrics["best_cv_sensitivity"] == max(
            run.data.metrics["value"] for run in trials
        )
        points.append({(*couple(run), run.data.metrics["value"].hex()) for run in trials})
    common = {"1": len(points[0] & points[1]), "2": len(points[2] & points[3])}
    assert {row["ouvriers"]: row["deux recherches de graine 0"] for row in tables(text)} == {
        workers: f"{number} points communs sur 12" for workers, number in common.items()
    }
    assert re.findall(r"la même graine : (\d+) points communs sur 12", printed) == [
        str(number) for number in common.values()
    ]
    best = (
        f"{whole_lesson.named('svm balayage', EXPERIMENT).data.metrics['best_cv_sensitivity']:.3f}"
    )
    assert numbers(text) == [best] == [f"{searches[0].data.metrics['best_cv_sensitivity']:.3f}"]
