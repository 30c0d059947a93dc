"""Leçon 1, pour aller plus loin : resume_sweep, et la recherche sur Spark."""

import importlib.util
import re
import signal
import subprocess
from collections import Counter
from itertools import product
from pathlib import Path
from platform import node

import pages
import pytest
from copies import until_paused
from lesson_01 import EXPERIMENT, README, couple, end_of, is_cross_validated
from programs import hears_ctrl_c, reader_environment
from texts import in_text, path_of, tables

from course import named
from patients import cross_validated, known_patients, svm
from resume_sweep import GRID

SWEEP, RESUME = path_of("svm_sweep"), path_of("resume_sweep")


def assert_whole(course, parent):
    """Douze couples, chacun une fois, aux valeurs d'un balayage simple, et un parent résumé."""
    finished = [run for run in course.children(parent) if run.info.status == "FINISHED"]
    assert len(finished) == len({couple(run) for run in finished}) == 12
    assert all(map(is_cross_validated, finished))
    best = min(run.data.metrics["cv_cost"] for run in finished)
    cheapest = [run.info.run_id for run in finished if run.data.metrics["cv_cost"] == best]
    assert parent.info.status == "FINISHED" and parent.data.metrics["best_cv_cost"] == best
    assert parent.data.tags["best_run_id"] in cheapest
    files = course.client().list_artifacts(parent.info.run_id)
    assert "metric_against_parameter.png" in [file.path for file in files]


def test_resume_sweep(lesson):
    printed = lesson.ended("resume_sweep").stdout
    done, left, whole = map(
        int, re.search(r"repris : (\d+) couples .*?, (\d+) .*?, (\d+) en tout", printed).groups()
    )
    assert done >= 3 and done + left == whole == 12
    assert "svm balayage : RUNNING, sans programme -> KILLED" in printed
    parent = lesson.named("svm balayage", "01_resume_sweep")
    assert_whole(lesson, parent)
    machine, number = parent.data.tags["process"].split()
    writers = {run.data.tags["process"] for run in lesson.children(parent)}
    # la reprise signe ce qu'elle a fait, et le parent
    assert machine == node() and f"{machine} {number}" in writers and len(writers) == 2
    statuses = Counter(run.info.status for run in lesson.runs("01_resume_sweep"))
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
    fourth = list(product(GRID["C"], GRID["gamma"]))[3]
    here = fresh_course.pause(SWEEP, "model = svm(C, gamma)", f"(C, gamma) == {fourth}")
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


@pytest.mark.slow
def test_svm_sweep_spark(whole_lesson):
    """Chaque coût est celui de son couple ; à un ouvrier, la même graine donne les mêmes couples,
    au bit près ; à deux, non.
    """
    printed, text = whole_lesson.ended("svm_sweep_spark").stdout, end_of("svm_sweep_spark")
    assert pages.same_output(pages.shown(README, named("svm_sweep_spark").command), printed)
    runs, found = whole_lesson.runs_of("svm_sweep_spark"), []
    searches = [run for run in runs if "workers" in run.data.params]
    assert [run.data.params["workers"] for run in searches] == ["1", "1", "2", "2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    X, y = known_patients()
    for parent in searches:
        trials = whole_lesson.children(parent)
        assert len(trials) == 12 and parent.data.tags["mlflow.note.content"]
        for run in trials:
            assert run.data.metrics["value"] == cross_validated(svm(*couple(run)), X, y)["cv_cost"]
        best = min(run.data.metrics["value"] for run in trials)
        assert parent.data.metrics["best_cv_cost"] == best
        at_once = parent.data.metrics["trials_at_once"]
        assert 1 <= at_once <= int(parent.data.params["workers"])
        found.append({couple(run) for run in trials})
    common = [len(found[0] & found[1]), len(found[2] & found[3])]
    assert re.findall(r"la même graine : (\d+) couples communs", printed) == list(map(str, common))
    one, two = (row["deux recherches de graine 0"] for row in tables(text) if "ouvriers" in row)
    assert one == f"{common[0]} couples communs sur 12" and common[0] == 12
    assert in_text(r"aucun garanti ; nous en avons vu (\d+) à chaque fois", two) == (
        str(common[1]),
    )


@pytest.mark.slow
def test_what_optuna_gains_is_trials_and_what_two_workers_lose_is_the_seed(whole_lesson):
    """Sans Spark : douze essais, sur douze graines, d'Optuna puis du hasard ; la grille en a
    trente-cinq.
    """
    optuna = pytest.importorskip("optuna", reason="demande le groupe spark")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, y = known_patients()

    def cv_cost(trial) -> float:
        C = trial.suggest_float("C", 0.1, 1000, log=True)
        gamma = trial.suggest_float("gamma", 0.0001, 0.3, log=True)
        return cross_validated(svm(C, gamma), X, y)["cv_cost"]

    best, first = {}, {}
    for sampler in (optuna.samplers.TPESampler, optuna.samplers.RandomSampler):
        studies = [optuna.create_study(sampler=sampler(seed=seed)) for seed in range(12)]
        for study in studies:
            study.optimize(cv_cost, n_trials=12)
        best[sampler] = [study.best_value for study in studies]
        first[sampler] = [[each.params for each in study.trials[:10]] for study in studies]
    tpe, chance = best.values()
    assert len({str(each) for each in first.values()}) == 1  # les dix premiers : du hasard

    def told(costs: list[float]) -> str:
        return f"de {min(costs):g} à {max(costs):g}, {sum(costs) / len(costs):.0f} en moyenne"

    grid = whole_lesson.named("svm balayage", EXPERIMENT).data.metrics["best_cv_cost"]
    said = [row["plus petit coût"] for row in tables(end_of("svm_sweep_spark")) if "essais" in row]
    assert said == [f"{grid:g}", f"{tpe[0]:g}", told(tpe), told(chance)]

    # deux ouvriers reçoivent le même tirage : MLflow le change, par `reseed_rng`
    twins = [optuna.samplers.TPESampler(seed=0) for _ in range(2)]
    for reseeded in (False, True):
        if reseeded:
            for sampler in twins:
                sampler.reseed_rng()
        pair = [optuna.create_study(sampler=sampler).ask() for sampler in twins]
        drawn = {trial.suggest_float("C", 0.1, 1000, log=True) for trial in pair}
        assert len(drawn) == (2 if reseeded else 1)
    source = Path(importlib.util.find_spec("mlflow").origin).parent / "pyspark/optuna/study.py"
    assert "reseed_sampler = n_jobs > 1" in source.read_text(encoding="utf-8")
