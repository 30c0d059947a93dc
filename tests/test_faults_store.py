"""Le magasin dans l'adversité : plusieurs programmes à la fois, serveur qui tombe, disque plein, verrou, corbeille, variables oubliées.

Chaque essai dit ce que voit le lecteur (une ligne), ce qui est gardé, et que le lancement suivant remet tout en ordre.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import faults
import pytest
import requests
from conftest import Course, clean_environment, free_port, running
from faults import has_opened_the_store, wait_for
from troubles import FIRST, about, cured

pytestmark = pytest.mark.slow

EXPERIMENT = "01_tracking_supervised"
FULL = "01_tracking_supervised/local/full_run.py"
CLOSED = "Runs laissés RUNNING par un programme mort, marqués KILLED : 1."
SLOW_RUN = """
import sys; sys.path.insert(0, {folder!r})
from store import open_store
open_store()
import mlflow
mlflow.set_experiment("en cours")
with mlflow.start_run():
    mlflow.log_metric("x", 0, step=0)
    print("prêt", flush=True)
    sys.stdin.readline()
    {body}
"""


class Writer:
    """Un programme qui a ouvert un run et attend que l'on dise `go()` pour exécuter `body`."""

    def __init__(self, course: Course, body: str, **environment: str):
        code = SLOW_RUN.format(folder=str(course.root / "01_tracking_supervised/local"), body=body)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=course.root, env=clean_environment(**environment), stdin=pipe, stdout=pipe, stderr=pipe,
            text=True, encoding="utf-8",
        )  # fmt: skip
        self.before = []
        while (line := self.process.stdout.readline().strip()) != "prêt":
            assert line, self.process.stderr.read()
            self.before.append(line)

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, list[str]]:
        """Son code de sortie, et les lignes de sa sortie d'erreur."""
        _, errors = self.process.communicate(timeout=faults.SECONDS)
        return self.process.returncode, errors.strip().splitlines()


def run_of(course: Course, experiment: str = "en cours"):
    return course.runs(experiment)[0]


def values(course: Course, run) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in course.client().get_metric_history(run.info.run_id, "x"))


# --- Plusieurs programmes à la fois


def together(course: Course, commands: list[tuple]) -> list[str]:
    """Ce qu'écrivent des scripts lancés ensemble ; tous doivent réussir."""
    started = [
        subprocess.Popen(
            course.command(*command), cwd=course.root, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for command in commands
    ]
    outputs = [process.communicate(timeout=faults.SECONDS)[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(commands), outputs
    return outputs


TWICE = [
    (FULL,),
    ("01_tracking_supervised/local/rich_run.py",),
    ("02_tracking_unsupervised/local/kmeans_sweep.py", "--k-max", "4"),
    ("03_mlflow_project/local/run_project.py", "--alphas", "1", "--models"),
]


def test_eight_programs_at_once_on_a_fresh_clone_then_on_a_full_store(fresh_course):
    """Huit fois le premier script, qui créent donc la base ensemble ; puis quatre scripts, deux fois chacun, sur ce qui est déjà là."""
    together(fresh_course, [(FIRST,)] * 8)
    first = fresh_course.runs(EXPERIMENT)
    assert [run.info.status for run in first] == ["FINISHED"] * 8
    assert len({tuple(sorted(run.data.metrics.items())) for run in first}) == 1 and first[0].data.metrics

    together(fresh_course, TWICE * 2)
    store = faults.Store(fresh_course.root)
    assert store.status("FINISHED") == set(store.runs) and not store.broken_models()
    found = Counter(store.tell(run_id) for run_id in set(store.runs) - {run.info.run_id for run in first})
    assert set(found.values()) == {2}, found  # chacun deux fois, mêmes valeurs au bit près
    assert found.total() == 2 * (1 + 1 + 4 + 2)


@pytest.mark.parametrize("first", ["l'interface", "le script"])
def test_the_interface_and_a_script_create_the_store_together(fresh_course, first):
    """L'un ouvre `mlflow.db` quand l'autre vient de commencer : les deux vont au bout, et le run se voit."""
    port, database = free_port(), fresh_course.root / "mlflow.db"
    address = f"http://127.0.0.1:{port}"
    interface = [sys.executable, "-m", "mlflow", "ui", "--port", str(port)]
    if first == "le script":
        script = faults.start(fresh_course.root, FIRST)
        time.sleep(1)  # l'interface a plus à importer : elles se rejoignent ainsi à une seconde près
    with running(interface, fresh_course.root, MLFLOW_DISABLE_TELEMETRY="true") as ui:
        if first == "l'interface":
            wait_for(database.exists, ui)
            script = faults.start(fresh_course.root, FIRST)
        assert script.wait(faults.SECONDS) == 0, faults.said(fresh_course.root)

        def answers() -> bool:
            try:
                return requests.get(f"{address}/health", timeout=5).ok
            except requests.RequestException:
                return False

        assert wait_for(answers, ui), (fresh_course.root / "programme.log").read_text()
        [run] = fresh_course.runs(EXPERIMENT)
        found = requests.get(f"{address}/api/2.0/mlflow/runs/get", params={"run_id": run.info.run_id}, timeout=60).json()["run"]
        assert {each["key"]: each["value"] for each in found["data"]["metrics"]} == run.data.metrics


def test_a_script_that_finds_half_a_base_waits_for_the_rest(fresh_course):
    """Une base dont la création est en cours : le script attend qu'elle soit finie, et n'y touche pas d'ici là."""
    fresh_course.run(FIRST)
    database, whole = fresh_course.root / "mlflow.db", fresh_course.root / "entière.db"
    database.rename(whole)
    sqlite3.connect(database).execute("CREATE TABLE experiments (experiment_id INTEGER)").connection.close()
    script = faults.start(fresh_course.root, FIRST)
    wait_for(lambda: has_opened_the_store(script, database) or (database.with_name("mlflow.db.lock")).exists(), script)
    for _ in range(20):
        os.utime(database)  # la création avance
        time.sleep(0.1)
        tables = sqlite3.connect(database).execute("SELECT count(*) FROM sqlite_master").fetchone()
        assert script.poll() is None and tables == (1,)
    os.replace(whole, database)
    assert script.wait(faults.SECONDS) == 0, faults.said(fresh_course.root)
    assert [run.info.status for run in fresh_course.runs(EXPERIMENT)] == ["FINISHED"] * 2


def test_the_first_opening_killed_at_any_moment_is_finished_by_the_next(fresh_course):
    """Quatre clones neufs, le script tué à quatre moments de la seconde où il crée la base : le suivant la crée, sans rien demander."""
    tried = 0
    for moment in range(4):
        for left in [*fresh_course.root.glob("mlflow.db*"), fresh_course.root / "mlruns"]:
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        script = faults.start(fresh_course.root, FIRST)
        wait_for((fresh_course.root / "mlflow.db.lock").exists, script)  # elle commence
        time.sleep(0.3 * moment)
        tried += script.poll() is None
        faults.kill(script, whole_family=True)
        before = len(faults.Store(fresh_course.root).runs)  # lu dans une copie, qu'un magasin effacé puis refait ne trompe pas
        fresh_course.run(FIRST)
        after = faults.Store(fresh_course.root)
        assert len(after.runs) == before + 1 and after.status("FINISHED") | after.status("KILLED") == set(after.runs)
    print(f"création de la base tuée {tried} fois, rien de perdu")
    assert tried >= 3


# --- Le serveur


@contextmanager
def server(course: Course, port: int):
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with running(command, course.root, wait_for=f"http://127.0.0.1:{port}/health", **quiet) as process:
        yield process


def test_a_server_killed_and_restarted_during_a_run_loses_no_metric(fresh_course):
    """SIGKILL au serveur pendant que cent métriques partent ; un autre prend sa place. Toutes sont là, une fois."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    body = "for step in range(1, 101): print(step, flush=True), mlflow.log_metric('x', step / 7, step=step)"
    with server(fresh_course, port) as process:
        # plus d'essais que le réglage du cours, qui attend dix secondes : un serveur en met plus à revenir sur une machine occupée
        writer = Writer(fresh_course, body, MLFLOW_TRACKING_URI=address, MLFLOW_HTTP_REQUEST_MAX_RETRIES="7")
        writer.go()
        while writer.process.stdout.readline().strip() != "30":
            assert writer.process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with server(fresh_course, port):
        code, errors = writer.end()
    assert code == 0, errors
    run = run_of(fresh_course)
    assert run.info.status == "FINISHED"
    assert values(fresh_course, run) == [(step, step / 7) for step in range(101)]


@contextmanager
def relay(port: int, target: str):
    """Le serveur `target`, à un autre port : hors du bloc, ce port refuse toute connexion."""

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self):
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = requests.request(self.command, target + self.path, data=sent, headers={"Content-Type": "application/json"}, timeout=60)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET

        def log_message(self, *_):
            """Rien : seul ce qui échoue doit se lire."""

    with ThreadingHTTPServer(("127.0.0.1", port), Relay) as served:
        Thread(target=served.serve_forever).start()
        try:
            yield
        finally:
            served.shutdown()


def test_a_server_away_for_ten_seconds_is_waited_for(fresh_course):
    """Ce que dit store.py, avec son réglage : un relais qui disparaît dix secondes, puis revient."""
    inside, port = free_port(), free_port()
    target, address = f"http://127.0.0.1:{inside}", f"http://127.0.0.1:{port}"
    with server(fresh_course, inside):
        with relay(port, target):
            writer = Writer(fresh_course, "mlflow.log_metric('x', 0.5, step=1)", MLFLOW_TRACKING_URI=address)
        writer.go()
        away = time.monotonic()
        time.sleep(10)
        assert writer.process.poll() is None  # il attend
        with relay(port, target):
            code, errors = writer.end()
        assert code == 0 and time.monotonic() - away > 10, errors
    assert values(fresh_course, run_of(fresh_course)) == [(0, 0.0), (1, 0.5)]


def test_a_server_that_never_comes_back_is_said_and_the_run_mended_at_the_next_start(fresh_course):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with server(fresh_course, port):
        writer = Writer(fresh_course, "mlflow.log_metric('x', 1, step=1)", MLFLOW_TRACKING_URI=address)
    writer.go()
    code, errors = writer.end()
    assert code == 1
    assert [line for line in errors if "WARNING" not in line] == [
        "Le magasin ne répond plus : ce qui n'était pas encore envoyé est perdu, et le run reste RUNNING."
    ], errors
    assert run_of(fresh_course).info.status == "RUNNING"
    with server(fresh_course, port):
        assert CLOSED in fresh_course.run(FIRST, MLFLOW_TRACKING_URI=address).stdout
    run = run_of(fresh_course)
    assert run.info.status == "KILLED" and values(fresh_course, run) == [(0, 0)]


# --- Le disque


@pytest.fixture
def small_disk(tmp_path):
    """Une copie du cours, déjà un run, sur un disque à elle, et de quoi le remplir : `fill(octets)` n'y laisse que cela."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("monter un tmpfs demande root sous Linux")
    disk = tmp_path / "petit disque"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(disk)], check=True)

    def fill(left: int):
        (disk / "rempli").unlink(missing_ok=True)
        free = os.statvfs(disk)
        with open(disk / "rempli", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - left))

    try:
        course = Course(disk / "clone")
        course.run(FULL)
        yield course, fill
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


FULL_DISK = "Le magasin refuse l'écriture : le disque est plein. Faites de la place, puis relancez."


@about("Le magasin refuse l'écriture")
def test_a_full_disk_is_said_in_one_line_and_costs_only_the_run_that_met_it(trouble, small_disk):
    """Plein d'avance, ou au milieu d'un run, où la base ou un fichier du modèle n'entre plus."""
    course, fill = small_disk
    kept = {run.info.run_id: run.data.metrics for run in course.runs(EXPERIMENT)}
    refused = 0
    for left in (0, 20_000, 50_000, 100_000, 150_000):
        fill(left)
        ended = course.run(FULL, fails=True)
        if ended.returncode:
            refused += 1
            assert ended.stderr.strip().splitlines() == [FULL_DISK], (left, ended.stderr)
            trouble.seen(ended.stderr)
    assert refused >= 3
    (course.root.parent / "rempli").unlink()
    cured(trouble, course.root)
    store = faults.Store(course.root)
    assert not store.status("RUNNING") and not store.broken_models()
    assert all(store.runs[run_id].data.metrics == metrics for run_id, metrics in kept.items())
    assert len(store.status("FINISHED")) == 1 + 5 - refused + 1
    print(f"disque plein : {refused} runs refusés, rien d'autre de perdu")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="monter un dossier demande root sous Linux")
@pytest.mark.parametrize(
    ("folder", "body", "status"),
    [("mlruns", "mlflow.log_text('bonjour', 'salut.txt')", "FAILED"), (".", "mlflow.log_metric('x', 1, step=1)", "RUNNING")],
    ids=["les fichiers", "la base"],
)
def test_a_disk_that_becomes_read_only_during_a_run_is_said_in_one_line(fresh_course, folder, body, status):
    place = fresh_course.root / folder
    fresh_course.run(FULL)
    writer = Writer(fresh_course, body)
    subprocess.run(["mount", "--bind", str(place), str(place)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        writer.go()
        code, errors = writer.end()
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    assert code == 1 and len(errors) == 1 and errors[0].startswith("Le magasin refuse l'écriture : "), errors
    assert run_of(fresh_course).info.status == status
    assert (CLOSED in fresh_course.run(FIRST).stdout) is (status == "RUNNING")
    store = faults.Store(fresh_course.root)
    assert not store.status("RUNNING") and values(fresh_course, run_of(fresh_course)) == [(0, 0)]


# --- Un verrou


@contextmanager
def locked(course: Course):
    """La base, occupée par un autre programme (ici, ce test), que personne ne peut plus lire ni écrire."""
    base = sqlite3.connect(course.root / "mlflow.db", isolation_level=None)
    base.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        base.execute("COMMIT")
        base.close()


LOCKED = "un autre programme l'occupe depuis plus de vingt secondes. Fermez-le, puis relancez."


def test_a_store_locked_for_ten_seconds_is_waited_for(fresh_course):
    """À l'ouverture, et au milieu d'un run."""
    fresh_course.run(FIRST)
    with locked(fresh_course):
        script = faults.start(fresh_course.root, FIRST)
        wait_for(lambda: has_opened_the_store(script, fresh_course.root / "mlflow.db"), script)
        time.sleep(10)
        assert script.poll() is None
    assert script.wait(faults.SECONDS) == 0
    writer = Writer(fresh_course, "[mlflow.log_metric('x', step / 7, step=step) for step in range(1, 20)]")
    with locked(fresh_course):
        writer.go()
        time.sleep(10)
        assert writer.process.poll() is None
    assert writer.end() == (0, [])
    assert values(fresh_course, run_of(fresh_course)) == [(step, step / 7) for step in range(20)]
    assert {run.info.status for run in fresh_course.runs(EXPERIMENT)} == {"FINISHED"}


def test_a_store_locked_for_a_minute_is_said_in_one_line_and_the_run_mended_at_the_next_start(fresh_course):
    """MLflow attend vingt secondes la base, puis vingt encore pour fermer le run : deux programmes à la fois, pour aller plus vite."""
    fresh_course.run(FIRST)
    writer = Writer(fresh_course, "mlflow.log_metric('x', 1, step=1)")
    with locked(fresh_course):
        start = time.monotonic()
        writer.go()
        script = faults.start(fresh_course.root, FIRST)
        assert script.wait(faults.SECONDS) == 1
        assert writer.end() == (1, [f"Le magasin refuse l'écriture : {LOCKED}"])
        assert time.monotonic() - start > 40  # mesuré : MLflow a bien attendu deux fois
    said, errors = faults.said(fresh_course.root)
    assert not said and errors.strip().endswith(f"ne répond pas ou refuse l'écriture : {LOCKED}") and len(errors.splitlines()) == 1
    assert run_of(fresh_course).info.status == "RUNNING"
    assert CLOSED in fresh_course.run(FIRST).stdout
    assert run_of(fresh_course).info.status == "KILLED" and values(fresh_course, run_of(fresh_course)) == [(0, 0)]


# --- La corbeille, et ce qui reste dans l'environnement


def test_a_deleted_experiment_is_said_in_one_line_with_the_command_that_restores_it(fresh_course):
    fresh_course.run(FIRST)
    [before] = fresh_course.runs(EXPERIMENT)
    fresh_course.client().delete_experiment(before.info.experiment_id)
    ended = fresh_course.run(FIRST, fails=True)
    assert ended.returncode == 1
    [line] = ended.stderr.strip().splitlines()
    assert line.startswith(f"L'expérience « {EXPERIMENT} » est à la corbeille. Pour l'en sortir : ")
    _, _, *command = line.rpartition(" : ")[2].split()
    subprocess.run([sys.executable, "-m", *command], cwd=fresh_course.root, env=clean_environment(), check=True, capture_output=True)
    fresh_course.run(FIRST)
    assert before.info.run_id in [run.info.run_id for run in fresh_course.runs(EXPERIMENT)] and len(fresh_course.runs(EXPERIMENT)) == 2


def test_variables_left_in_the_environment_do_not_divert_a_run(fresh_course):
    """Un run d'un autre, une expérience d'un autre, un numéro qui n'existe pas : le script écrit dans son expérience, un run à lui."""
    fresh_course.run(FIRST)
    client = fresh_course.client()
    other = client.create_experiment("celle d'un autre", artifact_location=(fresh_course.root / "autre").as_uri())
    [old] = fresh_course.runs(EXPERIMENT)
    theirs = client.create_run(other).info.run_id
    left = [
        {"MLFLOW_RUN_ID": old.info.run_id},
        {"MLFLOW_RUN_ID": theirs},
        {"MLFLOW_RUN_ID": "0" * 32, "MLFLOW_EXPERIMENT_ID": "77"},
        {"MLFLOW_EXPERIMENT_NAME": "celle d'un autre", "MLFLOW_EXPERIMENT_ID": "77"},
        {"MLFLOW_EXPERIMENT_NAME": "jamais créée"},
    ]
    for each in left:
        fresh_course.run(FIRST, **each)
    fresh_course.run("03_mlflow_project/local/run_project.py", "--alphas", "1", "--models", **left[3])
    assert len(fresh_course.runs(EXPERIMENT)) == 1 + len(left)
    assert [run.info.run_id for run in fresh_course.runs("celle d'un autre")] == [theirs]
    assert client.get_run(theirs).data.metrics == {} and client.get_run(old.info.run_id).info.end_time == old.info.end_time
    assert len(fresh_course.runs("03_mlflow_project")) == 2
    assert client.get_experiment_by_name("jamais créée") is None
