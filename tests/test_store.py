"""Le magasin commun : un seul, à la racine, robuste à ce qui arrive vraiment."""

import filecmp
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests
from conftest import ROOT, clean_environment, free_port, hears_ctrl_c, running
from reader import LIGHT

FIRST = "01_tracking_supervised/local/first_run.py"
EXPERIMENT = "01_tracking_supervised"


@pytest.mark.parametrize(
    ("name", "copies"),
    [("store", 4), ("errors", 5), ("options", 5), ("splits", 4), ("tables", 3)],  # la leçon 3 a des scripts et un projet
)
def test_what_lessons_share_is_the_same_file_in_each(name, copies):
    first, *others = sorted([*ROOT.glob(f"0?_*/local/{name}.py"), *ROOT.glob(f"0?_*/{name}.py")])
    assert len(others) == copies - 1
    for other in others:
        assert filecmp.cmp(first, other, shallow=False), other


def test_started_anywhere_all_runs_are_at_the_root(fresh_course, tmp_path):
    elsewhere = tmp_path / "ailleurs"
    elsewhere.mkdir()
    fresh_course.run(FIRST)
    fresh_course.run(FIRST, cwd=fresh_course.root / "01_tracking_supervised/local")
    fresh_course.run(FIRST, cwd=elsewhere, MLFLOW_TRACKING_URI="")  # vide : comme absente
    runs = fresh_course.runs(EXPERIMENT)
    assert len(runs) == 3
    assert runs[0].data.metrics == runs[1].data.metrics == runs[2].data.metrics
    assert all(run.info.artifact_uri.startswith(str(fresh_course.root / "mlruns")) for run in runs)
    assert not list(elsewhere.iterdir())


def test_tracking_uri_wins_even_relative(fresh_course, tmp_path):
    team = tmp_path / "equipe"
    team.mkdir()
    fresh_course.run(FIRST, cwd=team, MLFLOW_TRACKING_URI="sqlite:///team.db")
    assert (team / "team.db").exists()
    assert not (fresh_course.root / "mlflow.db").exists()


def test_mlflow_ui_without_option_shows_the_runs_and_an_artifact(fresh_course):
    fresh_course.run(FIRST)
    run = fresh_course.runs(EXPERIMENT)[0]
    fresh_course.client().log_text(run.info.run_id, "bonjour", "note.txt")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # `mlflow ui` sans option, au port près : 5000 peut être pris sur la machine qui teste
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port)]
    with running(command, fresh_course.root, wait_for=f"{address}/health", **LIGHT):
        found = requests.post(
            f"{address}/api/2.0/mlflow/runs/search", json={"experiment_ids": [run.info.experiment_id]}, timeout=30
        ).json()["runs"]
        assert [each["info"]["run_id"] for each in found] == [run.info.run_id]
        shown = {metric["key"]: metric["value"] for metric in found[0]["data"]["metrics"]}
        assert shown == run.data.metrics
        artifact = requests.get(f"{address}/get-artifact", params={"run_id": run.info.run_id, "path": "note.txt"}, timeout=30)
        assert artifact.text == "bonjour"


SLOW_RUN = """
import sys; sys.path.insert(0, {folder!r})
from store import open_store
open_store()
import mlflow, time
mlflow.set_experiment("interrompu")
with mlflow.start_run():
    mlflow.log_param("avant", 1)
    print("prêt", flush=True)
    {body}
"""


def interrupted(course, body: str, sent: int | None) -> tuple[str, str]:
    """Lance un run dont le corps est `body`, envoie le signal `sent` une fois le run ouvert.

    Renvoie le statut laissé dans le magasin, et ce qui est écrit sur la sortie d'erreur.
    """
    code = SLOW_RUN.format(folder=str(course.root / "01_tracking_supervised/local"), body=body)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=course.root,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **hears_ctrl_c(),
    )
    assert process.stdout.readline().decode().strip() == "prêt"
    if sent:
        process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    return course.runs("interrompu")[0].info.status, errors.decode()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_and_kill_leave_failed_in_one_line_at_most(fresh_course, name):
    if not hasattr(signal, name):
        pytest.skip(f"{name} n'existe pas sur ce système")
    status, errors = interrupted(fresh_course, "time.sleep(60)", getattr(signal, name))
    assert status == "FAILED"
    assert errors.splitlines() == (
        ["Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste."] if name == "SIGINT" else []
    )


def test_an_error_inside_a_run_leaves_failed_and_its_trace(fresh_course):
    status, errors = interrupted(fresh_course, "1 / 0", None)
    assert status == "FAILED"
    assert "Traceback" in errors and "ZeroDivisionError" in errors


def test_ctrl_c_during_the_imports_is_one_line(fresh_course):
    """`store` s'importe en premier : l'attente la plus longue d'un script, ses imports, s'interrompt aussi proprement."""
    (fresh_course.root / "01_tracking_supervised/local/matplotlib.py").write_text(
        "import time\nprint('importe', flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen(
        fresh_course.command("01_tracking_supervised/local/full_run.py"), cwd=fresh_course.root, env=clean_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **hears_ctrl_c(),
    )  # fmt: skip
    assert process.stdout.readline().decode().strip() == "importe"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.decode().splitlines() == ["Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste."]


def one_line(ended) -> str:
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    return ended.stderr


def test_a_read_only_store_is_said_in_one_line(fresh_course):
    """Un tmpfs remonté en lecture seule : le seul « lecture seule » que root subisse aussi."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("monter un tmpfs demande root sous Linux")
    folder = fresh_course.root / "magasin"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)], check=True)
    try:
        uri = f"sqlite:///{folder}/mlflow.db"
        fresh_course.run(FIRST, MLFLOW_TRACKING_URI=uri)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        assert "refuse l'écriture" in one_line(fresh_course.run(FIRST, fails=True, MLFLOW_TRACKING_URI=uri))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_file_that_is_no_database_is_said_in_one_line(fresh_course):
    (fresh_course.root / "mlflow.db").write_text("ceci n'est pas une base\n" * 100)
    assert "ne répond pas ou refuse" in one_line(fresh_course.run(FIRST, fails=True))


def test_a_moved_clone_is_said_before_anything_is_written(fresh_course, tmp_path):
    fresh_course.run(FIRST)
    moved = tmp_path / "ailleurs"
    fresh_course.root.rename(moved)
    message = one_line(subprocess_run(moved))
    assert str(fresh_course.root) in message and "Remettez-y le dossier" in message
    assert not fresh_course.root.exists()  # sans ce refus, MLflow y recréerait mlruns/
    moved.rename(fresh_course.root)  # la première des deux issues
    fresh_course.run(FIRST)
    assert len(fresh_course.runs(EXPERIMENT)) == 2


def subprocess_run(root):
    return subprocess.run(
        [sys.executable, str(root / FIRST)], cwd=root, env=clean_environment(), capture_output=True, text=True, encoding="utf-8"
    )  # fmt: skip


def test_artifacts_deleted_alone_are_said_in_one_line(fresh_course):
    fresh_course.run("01_tracking_supervised/local/full_run.py")
    shutil.rmtree(fresh_course.root / "mlruns")
    ended = fresh_course.run("01_tracking_supervised/local/open_model.py", fails=True)
    assert ended.returncode == 1
    (message,) = ended.stderr.strip().splitlines()
    assert "Un fichier manque dans mlruns/" in message and "Relancez le script qui l'a produit" in message
    fresh_course.run("01_tracking_supervised/local/full_run.py")  # le remède
    fresh_course.run("01_tracking_supervised/local/open_model.py")


def test_a_secret_in_the_address_of_the_store_is_not_shown(fresh_course):
    ended = fresh_course.run(
        FIRST, fails=True, MLFLOW_TRACKING_URI=f"http://alice:motdepasse@127.0.0.1:{free_port()}", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"
    )
    assert "127.0.0.1" in one_line(ended)
    assert "motdepasse" not in ended.stderr


@pytest.mark.slow
def test_a_server_that_refuses_is_said_within_a_minute(fresh_course):
    start = time.monotonic()
    ended = fresh_course.run(FIRST, fails=True, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{free_port()}")
    assert "ne répond pas" in one_line(ended)
    assert time.monotonic() - start < 60


@pytest.mark.slow
def test_a_server_that_hangs_is_said_within_a_minute(fresh_course):
    """Il accepte la connexion et ne dit plus rien."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        start = time.monotonic()
        ended = fresh_course.run(FIRST, fails=True, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "ne répond pas" in one_line(ended)
        assert time.monotonic() - start < 60


def test_the_runs_of_a_dead_program_are_marked_killed_by_the_next(fresh_course):
    """SIGKILL ne laisse rien faire : le run reste RUNNING, jusqu'à ce qu'un de nos scripts ouvre le magasin."""
    assert interrupted(fresh_course, "time.sleep(60)", signal.SIGKILL) == ("RUNNING", "")
    code = SLOW_RUN.format(folder=str(fresh_course.root / "01_tracking_supervised/local"), body="sys.stdin.readline()")
    alive = subprocess.Popen(
        [sys.executable, "-c", code], cwd=fresh_course.root, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    while (line := alive.stdout.readline().decode().strip()) != "prêt":
        assert line == "Runs laissés RUNNING par un programme mort, marqués KILLED : 1."
    client = fresh_course.client()
    other_machine = client.create_run(fresh_course.runs("interrompu")[0].info.experiment_id, tags={"mlflow.source.process": "ailleurs 1 2"})
    no_one = client.create_run(other_machine.info.experiment_id)
    first = fresh_course.run(FIRST).stdout
    assert "KILLED" not in first
    found = {run.info.run_id: run.info.status for run in fresh_course.runs("interrompu")}
    assert found.pop(other_machine.info.run_id) == found.pop(no_one.info.run_id) == "RUNNING"
    assert sorted(found.values()) == ["KILLED", "RUNNING"]  # celui du programme mort, celui du vivant
    alive.communicate(b"\n", timeout=60)
    assert sorted(run.info.status for run in fresh_course.runs("interrompu")) == ["FINISHED", "KILLED", "RUNNING", "RUNNING"]


STOPPED_IN_A_CALLBACK = """
import sys; sys.path.insert(0, {folder!r})
import errors, os, signal, time
errors.listen(quiet={quiet})
class Thing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))
thing = Thing()
del thing
time.sleep(5); print("jamais arrêté")
"""


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C ne s'y envoie pas de la même façon")
@pytest.mark.parametrize(
    ("quiet", "said"), [(False, "Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste.\n"), (True, "")]
)
def test_a_stop_heard_where_python_would_swallow_it_waits_for_its_turn(quiet, said):
    """`__del__`, une référence faible qui s'efface : une exception y est imprimée, puis oubliée."""
    code = STOPPED_IN_A_CALLBACK.format(folder=str(ROOT / "01_tracking_supervised/local"), quiet=quiet)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), timeout=60, **hears_ctrl_c()
    )
    assert (ended.stdout, ended.stderr) == ("", said) and ended.returncode != 0
