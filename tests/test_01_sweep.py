"""Leçon 1, le balayage : svm_sweep, ce qu'un arrêt en laisse, resume_sweep, search_runs et son égalité."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import combinations

import mlflow
import pandas as pd
import pytest
from conftest import clean_environment, last_cell, numbers, tables
from scipy.stats import binomtest
from test_01_runs import EXPERIMENT, LOCAL, named, one_line, shown

from patients import clinical_metrics, cross_validated, known_patients, load_patients, risk, svm

FEW = ["--C", "1", "10", "100", "--gamma", "0.001", "0.01", "0.03", "0.1"]  # douze couples
RESUMED = "01_resume_sweep"


def children_of(course, parent, experiment: str = EXPERIMENT) -> list:
    return course.runs(experiment, f"tags.mlflow.parentRunId = '{parent.info.run_id}'")


def couple(run) -> tuple[float, float]:
    return float(run.data.params["C"]), float(run.data.params["gamma"])


def same(one: dict[str, float], other: dict[str, float]) -> bool:
    """Les mêmes métriques, au bit près ; un NaN n'égale qu'un NaN."""
    return {name: value.hex() for name, value in one.items()} == {name: float(value).hex() for name, value in other.items()}


def test_svm_sweep(course):
    printed = course.once(f"{LOCAL}/svm_sweep.py").stdout
    parent = named(course, "svm balayage")
    children = children_of(course, parent)
    points = {couple(child): child for child in children}
    assert len(points) == len(children) == 35
    X, y = known_patients()
    for point in [(0.1, 0.0001), (1.0, 0.1), (100.0, 0.003)]:
        assert same(points[point].data.metrics, cross_validated(svm(*point), X, y))
    best = max(children, key=lambda run: (run.data.metrics["cv_sensitivity"], run.data.metrics["cv_specificity"]))
    accurate = max(children, key=lambda run: (run.data.metrics["cv_accuracy"], run.data.metrics["cv_sensitivity"]))
    assert parent.data.tags["best_run_id"] == best.info.run_id
    assert parent.data.metrics["best_cv_sensitivity"] == best.data.metrics["cv_sensitivity"]
    assert "metric_against_parameter.png" in [file.path for file in course.client().list_artifacts(parent.info.run_id)]
    assert parent.inputs.dataset_inputs[0].dataset.name == "breast_cancer_cv"

    text = last_cell(f"{LOCAL}/svm_sweep.py")
    for run, row in zip((best, accurate), tables(text), strict=True):
        metrics = {name.removeprefix("cv_"): value for name, value in run.data.metrics.items()}
        assert (float(row["C"]), float(row["gamma"])) == couple(run)
        assert [row["sensibilité"], row["spécificité"], row["exactitude"]] == shown(metrics)
        assert (
            f"{run.info.run_name} (sensitivity {row['sensibilité']}, specificity {row['spécificité']}, accuracy {row['exactitude']})"
            in printed
        )
    found = [round(run.data.metrics["cv_sensitivity"] * y.sum()) for run in (best, accurate)]
    assert f"{found[0]} tumeurs malignes trouvées sur {int(y.sum())},\ncontre {found[1]}" in text
    equal = [run for run in children if run.data.metrics["cv_sensitivity"] == best.data.metrics["cv_sensitivity"]]
    assert f"{len(equal)} couples en trouvent {found[0]}" in text
    assert f"À égalité de sensibilité : {len(equal)} couples sur 35, départagés par la spécificité" in printed


def test_large_c_tolerates_fewer_errors_and_large_gamma_reaches_less_far():
    """Ce que disent les aides de --C et de --gamma, et l'en-tête de first_run."""
    data = load_patients()
    errors = [
        int((svm(C, 0.01).fit(data.X_train, data.y_train).predict(data.X_train) != data.y_train).sum()) for C in (0.01, 1, 100, 10_000)
    ]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[-1]
    # loin de tout exemple, la décision d'un SVM à noyau RBF n'est plus que sa constante : d'autant plus près que gamma est grand
    far = data.X_train + 4 * data.X_train.std()
    reach = []
    for gamma in (0.001, 0.01, 0.1, 1):
        model = svm(1.0, gamma).fit(data.X_train, data.y_train)
        reach.append(abs(model.decision_function(far) - model[-1].intercept_[0]).mean())
    assert reach == sorted(reach, reverse=True)


def hears_ctrl_c():
    """Dans l'enfant : Ctrl-C l'interrompt, même si le programme de test, lancé en arrière-plan, l'ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def started(course, script: str, *arguments) -> subprocess.Popen:
    """Un script lancé en arrière-plan."""
    command, pipe = course.command(f"{LOCAL}/{script}", *arguments), subprocess.PIPE
    posix = {} if sys.platform == "win32" else {"preexec_fn": hears_ctrl_c}
    return subprocess.Popen(command, cwd=course.root, env=clean_environment(), stdout=pipe, stderr=pipe, text=True, **posix)


def after_children(course, sweep: subprocess.Popen, number: int, experiment: str = EXPERIMENT):
    """Attend que `number` enfants soient finis."""
    end = time.monotonic() + 120
    while not (course.root / "mlruns").exists():  # la base n'est prête qu'avec le premier modèle
        assert sweep.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    while len(course.runs(experiment, "attributes.status = 'FINISHED'")) < number:
        assert sweep.poll() is None and time.monotonic() < end


def assert_whole(course, parent, experiment: str = EXPERIMENT):
    """Douze couples, chacun une fois, aux valeurs d'un balayage sans histoire, et un parent qui les résume."""
    finished = [run for run in children_of(course, parent, experiment) if run.info.status == "FINISHED"]
    assert len(finished) == len({couple(run) for run in finished}) == 12
    X, y = known_patients()
    for run in finished:
        assert same(run.data.metrics, cross_validated(svm(*couple(run)), X, y))
    best = max(finished, key=lambda run: (run.data.metrics["cv_sensitivity"], run.data.metrics["cv_specificity"]))
    parent = course.client().get_run(parent.info.run_id)
    assert parent.info.status == "FINISHED" and parent.data.tags["best_run_id"] == best.info.run_id
    assert "metric_against_parameter.png" in [file.path for file in course.client().list_artifacts(parent.info.run_id)]


@pytest.mark.slow
def test_resume_sweep(course):
    printed = course.once(f"{LOCAL}/resume_sweep.py").stdout
    done, left = map(int, re.search(r"Balayage repris : (\d+) couples déjà faits, (\d+) faits maintenant, 12 en tout", printed).groups())
    assert done >= 3 and done + left == 12
    assert "svm balayage : RUNNING, sans programme -> KILLED" in printed
    parent = named(course, "svm balayage", RESUMED)
    assert_whole(course, parent, RESUMED)
    statuses = Counter(run.info.status for run in course.runs(RESUMED))
    assert statuses["FINISHED"] == 13 and set(statuses) <= {"FINISHED", "KILLED"} and statuses["KILLED"] <= 1
    assert "les 12 sont là, chacun une fois" in last_cell(f"{LOCAL}/resume_sweep.py").replace("\n", " ")


@pytest.mark.slow
def test_a_sweep_that_was_killed_is_finished_by_only_resume(fresh_course):
    sweep = started(fresh_course, "svm_sweep.py", *FEW)
    after_children(fresh_course, sweep, 3)
    sweep.kill()
    sweep.communicate()
    before = fresh_course.runs(EXPERIMENT)
    done = {run.info.run_id for run in before if run.info.status == "FINISHED"}
    assert "RUNNING" in {run.info.status for run in before}

    fresh_course.run(f"{LOCAL}/resume_sweep.py", "--experiment", EXPERIMENT, "--only-resume")
    parent = named(fresh_course, "svm balayage")
    assert_whole(fresh_course, parent)
    after = fresh_course.runs(EXPERIMENT)
    assert {run.info.status for run in after} <= {"FINISHED", "KILLED"} and done <= {run.info.run_id for run in after}
    # ce qui est fini n'est pas repris ; un run sans l'étiquette du cours, d'un autre programme, reste à lui
    other = fresh_course.client().create_run(parent.info.experiment_id).info.run_id
    assert "Balayage repris" not in fresh_course.run(f"{LOCAL}/resume_sweep.py", "--experiment", EXPERIMENT, "--only-resume").stdout
    assert fresh_course.client().get_run(other).info.status == "RUNNING"


@pytest.mark.slow
def test_a_sweep_that_was_killed_is_marked_when_it_starts_again(fresh_course):
    sweep = started(fresh_course, "svm_sweep.py", *FEW)
    after_children(fresh_course, sweep, 1)
    sweep.kill()
    sweep.communicate()
    running = [run.info.run_id for run in fresh_course.runs(EXPERIMENT, "attributes.status = 'RUNNING'")]
    printed = fresh_course.run(f"{LOCAL}/svm_sweep.py", *FEW).stdout
    assert "couples sur 12" in printed
    assert running and {fresh_course.client().get_run(run_id).info.status for run_id in running} == {"KILLED"}
    assert_whole(fresh_course, named(fresh_course, "svm balayage"))


@pytest.mark.slow
def test_two_sweeps_at_once_do_not_disturb_each_other(fresh_course):
    first = started(fresh_course, "svm_sweep.py", *FEW)
    after_children(fresh_course, first, 1)
    fresh_course.run(f"{LOCAL}/svm_sweep.py", *FEW)
    assert first.wait(120) == 0
    runs = fresh_course.runs(EXPERIMENT)
    assert Counter(run.info.status for run in runs) == {"FINISHED": 26}
    for parent in (run for run in runs if run.info.run_name == "svm balayage"):
        assert_whole(fresh_course, parent)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C ne s'envoie pas à un seul programme sous Windows")
def test_a_sweep_stopped_by_ctrl_c_is_failed_then_finished(fresh_course):
    sweep = started(fresh_course, "svm_sweep.py", *FEW)
    after_children(fresh_course, sweep, 2)
    sweep.send_signal(signal.SIGINT)
    _, said = sweep.communicate(timeout=60)
    assert sweep.returncode != 0 and said.strip().splitlines() == [
        "Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste."
    ]
    assert named(fresh_course, "svm balayage").info.status == "FAILED"
    fresh_course.run(f"{LOCAL}/resume_sweep.py", "--experiment", EXPERIMENT, "--only-resume")
    assert_whole(fresh_course, named(fresh_course, "svm balayage"))


def test_search_runs(course, tmp_path):
    course.once(f"{LOCAL}/svm_sweep.py")
    printed = course.once(f"{LOCAL}/search_runs.py").stdout
    run = named(course, "jugement du meilleur svm")
    best = course.client().get_run(run.data.params["judged_run_id"])
    assert named(course, "svm balayage").data.tags["best_run_id"] == best.info.run_id

    data = load_patients()
    model = mlflow.sklearn.load_model(f"runs:/{best.info.run_id}/svm")
    expected = clinical_metrics(data.y_test, model.predict(data.X_test), risk(model, data.X_test))
    assert run.data.metrics == {f"test_{name}": value for name, value in expected.items()}
    assert run.inputs.dataset_inputs[0].dataset.name == "breast_cancer_test"
    assert "Test : sensitivity {}, specificity {}, accuracy {}".format(*shown(expected)) in printed

    predictions = named(course, "prédictions")
    path = mlflow.artifacts.download_artifacts(run_id=predictions.info.run_id, artifact_path="predictions.csv", dst_path=str(tmp_path))
    answers, known = pd.read_csv(path), data.X_valid.head(10)
    assert list(answers.columns) == ["malignant", "risk", *known.columns]  # la réponse en tête : l'interface la montre sans défiler
    assert answers["malignant"].tolist() == model.predict(known).tolist()
    assert answers["risk"].tolist() == pytest.approx(risk(model, known).tolist(), rel=1e-12)
    assert f"{int(model.predict(known).sum())} alertes sur 10" in printed

    rows = tables(last_cell(f"{LOCAL}/search_runs.py"))
    for row, metrics in zip(rows, ({key[3:]: value for key, value in best.data.metrics.items()}, expected), strict=True):
        assert [row["sensibilité"], row["spécificité"], row["exactitude"]] == shown(metrics)
    malignant, found = int(data.y_test.sum()), int(model.predict(data.X_test)[data.y_test == 1].sum())
    assert f"Sur le test, {found} tumeurs malignes sur {malignant}." in last_cell(f"{LOCAL}/search_runs.py")


def test_seven_couples_tie_and_the_test_cannot_separate_them(course):
    """Tout ce que la dernière cellule de search_runs affirme, recalculé : les sept ex aequo, leurs 42 tumeurs, la moyenne."""
    course.once(f"{LOCAL}/svm_sweep.py")
    printed = course.once(f"{LOCAL}/search_runs.py").stdout
    data = load_patients()
    rows = []
    for run in children_of(course, named(course, "svm balayage")):
        said = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/svm").predict(data.X_test)
        metrics = run.data.metrics
        found = said[data.y_test == 1] == 1
        rows.append({"name": run.info.run_name, "cv": metrics["cv_sensitivity"], "spec": metrics["cv_specificity"], "found": found})
    good = [row for row in rows if row["cv"] > 0.9]
    tied = [row for row in rows if row["cv"] == max(row["cv"] for row in rows)]
    kept = max(tied, key=lambda row: row["spec"])
    assert sum(row["spec"] == kept["spec"] for row in tied) == 1  # la spécificité suffit à départager
    pvalues = []
    for one, other in combinations(tied, 2):
        only_one, only_other = int((one["found"] & ~other["found"]).sum()), int((~one["found"] & other["found"]).sum())
        if only_one + only_other:
            pvalues.append(binomtest(only_one, only_one + only_other).pvalue)
    scores = [row["found"].mean() for row in tied]

    assert f"{len(good)} couples de sensibilité supérieure à 0.9 ; en tête, {len(tied)} à égalité, à {tied[0]['cv']:.3f}\n" in printed
    assert f"Retenu, par la spécificité : {kept['name']}" in printed and len(tied) == 7
    text = last_cell(f"{LOCAL}/search_runs.py").replace("\n", " ")
    assert f"Sept couples étaient à égalité, à {tied[0]['cv']:.3f}" in text
    assert f"ils vont de {min(scores):.3f} à {max(scores):.3f} sur le test, et le nôtre est le plus bas" in text and kept[
        "found"
    ].mean() == min(scores)
    assert f"entre {kept['found'].sum()} et {max(row['found'].sum() for row in tied)} tumeurs trouvées" in text
    assert f"l'écart est de {max(row['found'].sum() for row in tied) - kept['found'].sum()} patientes" in text
    assert f"p = {min(pvalues):.3f} : {len(kept['found'])} tumeurs malignes" in text and min(pvalues) > 0.05
    mean = sum(row["cv"] for row in good) / len(good), sum(row["found"].mean() for row in good) / len(good)
    said = f"ses {len(good)} couples au-dessus de 0.9 ont en moyenne {mean[0]:.3f} de sensibilité en validation croisée, et {mean[1]:.3f}"
    assert said in text
    shown_in_the_table = {
        cell for row in tables(last_cell(f"{LOCAL}/search_runs.py")) for cell in row.values()
    }  # test_search_runs les recalcule
    checked = {f"{value:.3f}" for value in (*scores, *mean, tied[0]["cv"], min(pvalues))} | {"0.9"}
    assert set(numbers(text)) <= checked | shown_in_the_table


@pytest.mark.slow
def test_the_test_set_opens_once_for_a_couple(fresh_course):
    """Relancé, même avec d'autres patientes ou après un second balayage : le jugement est relu, pas refait."""
    fresh_course.run(f"{LOCAL}/svm_sweep.py", "--C", "1000", "--gamma", "0.001")
    first = fresh_course.run(f"{LOCAL}/search_runs.py").stdout
    load_patients().X_train.head(3).to_csv(fresh_course.root / "mes.csv", index=False)
    again = fresh_course.run(f"{LOCAL}/search_runs.py", "--patients", "mes.csv").stdout
    fresh_course.run(f"{LOCAL}/svm_sweep.py", "--C", "1000", "--gamma", "0.001")
    third = fresh_course.run(f"{LOCAL}/search_runs.py").stdout
    line = re.search("^Test : .*$", first, re.MULTILINE)[0]
    assert line in again and line in third
    runs = fresh_course.runs(EXPERIMENT)
    opened = [run for run in runs if any(each.dataset.name == "breast_cancer_test" for each in run.inputs.dataset_inputs)]
    assert [run.info.run_name for run in opened] == ["jugement du meilleur svm"]
    # un autre couple est un autre modèle : il est jugé à son tour
    fresh_course.run(f"{LOCAL}/svm_sweep.py", "--C", "10", "--gamma", "0.03")
    fresh_course.run(f"{LOCAL}/search_runs.py")
    assert len(fresh_course.runs(EXPERIMENT, "attributes.run_name = 'jugement du meilleur svm'")) == 2


def test_search_runs_on_the_readers_own_patients(course, tmp_path):
    course.once(f"{LOCAL}/svm_sweep.py")
    X = load_patients().X_test
    X.head(4)[X.columns[::-1]].to_csv(tmp_path / "mes.csv", index=False, sep=";", decimal=",")
    printed = course.run(f"{LOCAL}/search_runs.py", "--patients", "mes.csv", cwd=tmp_path).stdout
    assert "alertes sur 4" in printed and "mes.csv : 4 lignes ; nombres : worst fractal dimension" in printed

    X.rename(columns={"worst area": "worst aera"}).to_csv(tmp_path / "faux.csv", index=False)
    before = len(course.runs(EXPERIMENT))
    ended = course.run(f"{LOCAL}/search_runs.py", "--patients", "faux.csv", cwd=tmp_path, fails=True)
    assert ended.returncode == 1 and ended.stderr.strip().endswith("il manque 1 colonne(s) sur 30, la première est 'worst area'.")
    assert len(course.runs(EXPERIMENT)) == before


def test_a_sweep_without_a_good_couple_says_what_to_run(fresh_course):
    fresh_course.run(f"{LOCAL}/svm_sweep.py", "--C", "0.1", "--gamma", "0.0001")
    said = one_line(fresh_course.run(f"{LOCAL}/search_runs.py", fails=True))
    assert said.startswith("Aucun couple de ce balayage ne dépasse 0.9") and said.endswith(f"uv run {LOCAL}/svm_sweep.py")
