"""Les accidents : plusieurs programmes à la fois, serveur tué, disque plein, Ctrl-C, dossier
déplacé.

Ce qui était enregistré reste.
"""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import warm
from bench.losses import Store
from copies import Course, until_paused
from lesson_01 import EXPERIMENT
from programs import LIGHT, SECONDS, free_port, hears_ctrl_c, reader_environment, running
from texts import path_of
from troubles import TROUBLES

FIRST, FULL, SWEEP = map(path_of, ("first_run", "full_run", "svm_sweep"))
PROGRAM = f"{EXPERIMENT}/local/essai.py"
FORM = """
from store import open_store
open_store()
import os, sys, time
import mlflow
mlflow.set_experiment("essai")
with mlflow.start_run():
    mlflow.log_metric("x", 0, step=0)
    print("prêt", flush=True)
    {body}
"""


def written(course: Course, body: str) -> list[str]:
    """La commande d'un programme de la forme des leçons, dont le run exécute `body`."""
    (course.root / PROGRAM).write_text(FORM.format(body=body), encoding="utf-8")
    return course.command(PROGRAM)


def started(course: Course, command: list[str], **environment: str) -> subprocess.Popen:
    """Un programme, dans un groupe à lui, dont on lit la sortie ligne à ligne."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=course.root, env=reader_environment(**environment), stdin=pipe, stdout=pipe,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", start_new_session=True,
        **hears_ctrl_c(),
    )  # fmt: skip


def heard(process: subprocess.Popen, line: str) -> None:
    """Attend que le programme écrive cette ligne."""
    said = []
    while (last := process.stdout.readline()).strip() != line:
        said.append(last)
        assert last, said


def run_of(course: Course):
    [run] = course.runs("essai")
    return run


def values(course: Course) -> list[tuple[int, float]]:
    return sorted(
        (point.step, point.value)
        for point in course.client().get_metric_history(run_of(course).info.run_id, "x")
    )


# --- Un run interrompu


def test_an_error_in_a_run_leaves_it_failed_and_its_trace(fresh_course):
    ended = warm.forked(written(fresh_course, "1 / 0"), fresh_course.root, 60)
    assert (
        ended.returncode == 1
        and "Traceback" in ended.stderr
        and "ZeroDivisionError" in ended.stderr
    )
    assert run_of(fresh_course).info.status == "FAILED" and values(fresh_course) == [(0, 0.0)]


def test_ctrl_c_leaves_a_run_failed_with_what_it_had_recorded(fresh_course):
    program = started(fresh_course, written(fresh_course, "time.sleep(600)"))
    heard(program, "prêt")
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=60)
    assert program.returncode != 0
    assert run_of(fresh_course).info.status == "FAILED" and values(fresh_course) == [(0, 0.0)]


@pytest.mark.slow
def test_ctrl_c_in_a_sweep_leaves_the_parent_and_the_current_child_failed(fresh_course):
    """Comme un terminal l'envoie : au script et à tout ce qu'il a lancé.

    Les enfants finis le restent, avec leurs modèles.
    """
    fourth = "(C, gamma) == list(product(*GRID.values()))[3]"
    here = fresh_course.pause(SWEEP, "model = svm(C, gamma)", fourth)
    sweep = started(fresh_course, fresh_course.command(SWEEP))
    until_paused(sweep, here)
    os.killpg(sweep.pid, signal.SIGINT)
    sweep.communicate(timeout=60)
    store = Store(fresh_course.root)
    assert sweep.returncode != 0 and not store.status("RUNNING") and not store.broken_models()
    assert len(store.status("FINISHED")) == 3
    failed = [store.runs[run_id].data.tags for run_id in store.status("FAILED")]
    assert [tags for tags in failed if "mlflow.parentRunId" not in tags] and len(failed) == 2


# --- Un dossier déplacé


def test_a_moved_clone_is_said_in_one_line_before_anything_is_written(fresh_course, tmp_path):
    fresh_course.fork(FIRST)
    root, moved = fresh_course.root, tmp_path / "ailleurs"
    root.rename(moved)
    fresh_course.root = moved
    ended = fresh_course.fork(FIRST, fails=True)
    [line] = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (1, "") and str(root) in line
    assert not root.exists()  # sans ce refus, MLflow y recréerait mlruns/
    moved.rename(root)  # la première des deux issues
    fresh_course.root = root
    fresh_course.fork(FIRST)
    assert len(fresh_course.runs(EXPERIMENT)) == 8  # quatre par lancement


# --- Plusieurs programmes à la fois


@pytest.mark.slow
def test_eight_programs_at_once_on_a_fresh_clone(fresh_course):
    """Huit fois le premier script : ils créent la base ensemble."""
    programs = [started(fresh_course, fresh_course.command(FIRST)) for _ in range(8)]
    said = [program.communicate(timeout=SECONDS)[0] for program in programs]
    assert [program.returncode for program in programs] == [0] * 8, said
    runs = fresh_course.runs(EXPERIMENT)
    assert [run.info.status for run in runs] == ["FINISHED"] * 32  # quatre gamma chacun
    found = {
        (run.data.params["gamma"], *sorted((k, v.hex()) for k, v in run.data.metrics.items()))
        for run in runs
    }
    assert len(found) == 4 and all(len(metrics) == 9 for _, *metrics in found)


# --- Le serveur


@contextmanager
def server(course: Course, port: int):
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
    with running(
        command, course.root, wait_for=f"http://127.0.0.1:{port}/health", **LIGHT
    ) as process:
        yield process


@pytest.mark.slow
def test_a_server_killed_and_back_during_a_run_loses_no_metric(fresh_course):
    """SIGKILL au serveur pendant que cent métriques partent ; un autre prend sa place.

    Toutes sont là, une fois.
    """
    port = free_port()
    body = (
        "for step in range(1, 101):"
        " print(step, flush=True), mlflow.log_metric('x', step / 7, step=step)"
    )
    with server(fresh_course, port) as process:
        # plus d'essais, plus rapprochés : un serveur met longtemps à revenir sur une machine
        # occupée
        waits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "7", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}
        program = started(
            fresh_course,
            written(fresh_course, body),
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}",
            **waits,
        )
        heard(program, "30")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with server(fresh_course, port):
        said = program.communicate(timeout=SECONDS)[0]
    assert program.returncode == 0, said
    assert run_of(fresh_course).info.status == "FINISHED"
    assert values(fresh_course) == [(step, step / 7) for step in range(101)]


@pytest.mark.slow
def test_a_server_gone_for_good_stops_the_run_and_keeps_what_it_had(fresh_course):
    port = free_port()
    with server(fresh_course, port):
        command = written(fresh_course, "sys.stdin.readline(), mlflow.log_metric('x', 1, step=1)")
        waits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
        program = started(
            fresh_course, command, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}", **waits
        )
        heard(program, "prêt")
    program.communicate("\n", timeout=SECONDS)
    assert program.returncode == 1
    assert run_of(fresh_course).info.status == "RUNNING" and values(fresh_course) == [(0, 0.0)]


# --- Le disque


@pytest.fixture
def small_disk(tmp_path):
    """Une copie du cours, déjà un run, sur un disque à elle, et le fichier qui l'emplit."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("monter un tmpfs demande root sous Linux")
    disk = tmp_path / "petit disque"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(disk)], check=True)
    try:
        course = Course(disk / "clone")
        course.fork(FULL)
        yield course, disk / "rempli"
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_costs_only_the_run_that_met_it(small_disk):
    """Plein au milieu d'un run : la base s'ouvre encore, un fichier du modèle n'entre plus."""
    course, filler = small_disk
    before = course.named("svm complet")
    free = os.statvfs(course.root)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - 100_000)
    ended = warm.forked(course.command(FULL), course.root, SECONDS)
    said = "database or disk is full"
    assert ended.returncode == 1 and said in ended.stderr
    assert f"`{said}`" in TROUBLES["database is locked"].text
    filler.unlink()
    course.fork(FULL)
    store = Store(course.root)
    # MLflow n'a pas pu y écrire sa fin : l'entrée dit qu'un run peut rester RUNNING
    assert len(store.status("RUNNING")) == 1
    assert store.broken_models() == []
    assert (
        len(store.status("FINISHED")) == 4
        and store.runs[before.info.run_id].data.metrics == before.data.metrics
    )
