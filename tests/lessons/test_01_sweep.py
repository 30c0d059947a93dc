"""Leçon 1, le balayage : svm_sweep, search_runs et son égalité."""

import re
from itertools import combinations

import mlflow
import pandas as pd
import pytest
from lesson_01 import (
    EXPERIMENT,
    announced,
    couple,
    end_of,
    is_cross_validated,
    judged,
    model_of,
    shown,
)
from scipy.stats import binomtest
from texts import in_text, numbers, path_of, tables

from patients import known_patients, load_patients, risk, svm

SWEEP, SEARCH = map(path_of, ("svm_sweep", "search_runs"))


def files_of(course, run) -> list[str]:
    return [file.path for file in course.client().list_artifacts(run.info.run_id)]


def test_svm_sweep(lesson):
    printed, text, parent = (
        lesson.ended("svm_sweep").stdout,
        end_of("svm_sweep"),
        lesson.named("svm balayage", EXPERIMENT),
    )
    children = lesson.children(parent)
    points = {couple(child): child for child in children}
    assert len(points) == len(children) == 35
    assert all(
        is_cross_validated(points[point]) for point in [(0.1, 0.0001), (1.0, 0.1), (100.0, 0.003)]
    )
    best = max(
        children,
        key=lambda run: (run.data.metrics["cv_sensitivity"], run.data.metrics["cv_specificity"]),
    )
    accurate = max(
        children,
        key=lambda run: (run.data.metrics["cv_accuracy"], run.data.metrics["cv_sensitivity"]),
    )
    assert parent.data.tags["best_run_id"] == best.info.run_id
    assert parent.data.metrics["best_cv_sensitivity"] == best.data.metrics["cv_sensitivity"]
    assert "metric_against_parameter.png" in files_of(lesson, parent)
    assert parent.inputs.dataset_inputs[0].dataset.name == "breast_cancer_cv"

    for run, row in zip((best, accurate), tables(text), strict=True):
        assert (float(row["C"]), float(row["gamma"])) == couple(run)
        assert announced(row) == shown(run.data.metrics, "cv_")
        assert re.search(
            f"{run.info.run_name} .*" + ".*".join(map(re.escape, announced(row))), printed
        )
    malignant = known_patients()[1].sum()
    found = [round(run.data.metrics["cv_sensitivity"] * malignant) for run in (best, accurate)]
    equal = sum(
        run.data.metrics["cv_sensitivity"] == best.data.metrics["cv_sensitivity"]
        for run in children
    )
    said = in_text(
        r"(\d+) tumeurs malignes trouvées sur (\d+), contre (\d+)\."
        r" De plus, (\d+) couples en trouvent (\d+)",
        text,
    )
    assert said == tuple(
        str(int(each)) for each in (found[0], malignant, found[1], equal, found[0])
    )
    assert f"{equal} couples sur 35" in printed


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
    run, predictions = lesson.named("jugement du meilleur svm"), lesson.named("prédictions")
    best = lesson.client().get_run(run.data.params["judged_run_id"])
    assert lesson.named("svm balayage", EXPERIMENT).data.tags["best_run_id"] == best.info.run_id
    model = model_of(best)
    expected = judged(model, data.X_test, data.y_test)
    assert run.data.metrics == {f"test_{name}": value for name, value in expected.items()}
    assert run.inputs.dataset_inputs[0].dataset.name == "breast_cancer_test"
    assert "Test : sensitivity {}, specificity {}, accuracy {}".format(*shown(expected)) in printed

    answers = pd.read_csv(
        mlflow.artifacts.download_artifacts(
            run_id=predictions.info.run_id, artifact_path="predictions.csv"
        )
    )
    known = data.X_valid.head(10)
    # la réponse en tête : l'interface la montre sans défiler
    assert list(answers.columns) == ["malignant", "risk", *known.columns]
    assert answers["malignant"].tolist() == model.predict(known).tolist()
    assert answers["risk"].tolist() == pytest.approx(risk(model, known).tolist(), rel=1e-12)
    assert f"{int(model.predict(known).sum())} alertes sur 10" in printed

    assert [announced(row) for row in tables(text)] == [
        shown(best.data.metrics, "cv_"),
        shown(expected),
    ]
    malignant, found = (
        int(data.y_test.sum()),
        int(model.predict(data.X_test)[data.y_test == 1].sum()),
    )
    assert in_text(r"Sur le test, (\d+) tumeurs malignes sur (\d+)", text) == (
        str(found),
        str(malignant),
    )


def test_seven_couples_tie_and_the_test_cannot_separate_them(lesson):
    """Tout ce que la dernière cellule de search_runs affirme, recalculé : les sept ex aequo, leurs
    42 tumeurs, la moyenne.
    """
    printed, text, data, rows = (
        lesson.ended("search_runs").stdout,
        end_of("search_runs"),
        load_patients(),
        [],
    )
    for run in lesson.children(lesson.named("svm balayage", EXPERIMENT)):
        found = model_of(run).predict(data.X_test)[data.y_test == 1] == 1
        cv, spec = (run.data.metrics[f"cv_{name}"] for name in ("sensitivity", "specificity"))
        rows.append({"name": run.info.run_name, "cv": cv, "spec": spec, "found": found})
    good = [row for row in rows if row["cv"] > 0.9]
    tied = [row for row in rows if row["cv"] == max(row["cv"] for row in rows)]
    kept = max(tied, key=lambda row: row["spec"])
    # la spécificité suffit à départager
    assert sum(row["spec"] == kept["spec"] for row in tied) == 1
    pvalues = []
    for one, other in combinations(tied, 2):
        only_one, only_other = (
            int((one["found"] & ~other["found"]).sum()),
            int((~one["found"] & other["found"]).sum()),
        )
        if only_one + only_other:
            pvalues.append(binomtest(only_one, only_one + only_other).pvalue)
    scores, counts = (
        [row["found"].mean() for row in tied],
        [int(row["found"].sum()) for row in tied],
    )
    mean = [
        sum(row["cv"] for row in good) / len(good),
        sum(row["found"].mean() for row in good) / len(good),
    ]

    top = f"{tied[0]['cv']:.3f}"
    said = in_text(
        r"Trouvés : (\d+) couples .*? supérieure à ([\d.]+) ;"
        r" en tête, (\d+) à égalité, à ([\d.]+)\n",
        printed,
    )
    assert said == (str(len(good)), "0.9", str(len(tied)), top) and len(tied) == 7
    assert f"Retenu, par la spécificité : {kept['name']}" in printed
    assert in_text(r"(\w+) couples étaient à égalité, à ([\d.]+)\.", text) == ("Sept", top)
    bounds = in_text(
        r"ils vont de ([\d.]+) à ([\d.]+) sur le test, et le nôtre est le plus bas", text
    )
    assert bounds == (f"{min(scores):.3f}", f"{max(scores):.3f}") and kept["found"].mean() == min(
        scores
    )
    patients = (
        str(each) for each in (kept["found"].sum(), max(counts), max(counts) - kept["found"].sum())
    )
    assert in_text(
        r"entre (\d+) et (\d+) tumeurs trouvées, l'écart est de (\d+) patientes", text
    ) == tuple(patients)
    assert in_text(r"p = ([\d.]+) : (\d+) tumeurs malignes", text) == (
        f"{min(pvalues):.3f}",
        str(len(kept["found"])),
    )
    assert min(pvalues) > 0.05
    means = in_text(
        r"ses (\d+) couples au-dessus de 0\.9 .*? moyenne ([\d.]+) de .*? et ([\d.]+) sur le test",
        text,
    )
    assert means == (str(len(good)), *(f"{each:.3f}" for each in mean))
    # test_search_runs les recalcule
    in_the_table = {cell for row in tables(text) for cell in row.values()}
    checked = {f"{value:.3f}" for value in (*scores, *mean, tied[0]["cv"], min(pvalues))} | {"0.9"}
    assert set(numbers(text)) <= checked | in_the_table


def test_the_test_set_opens_once_for_a_couple(scratch):
    """Relancé, même après un second balayage : le jugement est relu, pas refait ; un autre couple
    est jugé à son tour.
    """

    def opened() -> list[str]:
        runs = scratch.runs(EXPERIMENT)
        assert all(
            run.info.run_name == "jugement du meilleur svm"
            for run in runs
            if "test_accuracy" in run.data.metrics
        )
        return [
            run.info.run_id
            for run in runs
            if any(each.dataset.name == "breast_cancer_test" for each in run.inputs.dataset_inputs)
        ]

    first, [judgement] = scratch.fork(SEARCH).stdout, opened()
    scratch.fork(scratch.tune(SWEEP, GRID={"C": [1000.0], "gamma": [0.001]}))
    again = scratch.fork(SEARCH).stdout
    assert re.search("^Test : .*$", first, re.MULTILINE)[0] in again and opened() == [judgement]
    scratch.fork(scratch.tune(SWEEP, GRID={"C": [10.0], "gamma": [0.03]}))
    scratch.fork(SEARCH)
    assert len(opened()) == 2
