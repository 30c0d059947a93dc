"""Leçon 2, ce que coûtent un run et un relevé : octets, lignes, écritures comptés ici ; les durées
annoncées, comparées au banc d'essai.
"""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median

import mlflow
import pytest
from lesson_02 import (
    README, artifact_names, aside, by_step, end_of, is_fully_described, model_uri, script, section,
)  # fmt: skip
from mlflow import MlflowClient
from programs import reader_environment
from texts import RECORD, heading, in_text, tables

import measure_storage as costs

FEW, MANY = 10, 50


@pytest.fixture(scope="module")
def weighed(scratch):
    """Le run d'une petite mesure, et le dossier du magasin mesuré, gardé."""
    kept = scratch.root / "magasin mesuré"
    scratch.fork(script("measure_storage"), "--runs", FEW, MANY, "--keep", kept)
    [run] = scratch.runs("measurements")
    return run, kept


# ------------------------------------------------------------------------------------------------
# ce qui se compte


def test_the_measured_bytes_are_those_on_disk(scratch, weighed):
    run, kept = weighed
    empty = (kept / "empty.db").stat().st_size
    assert (
        by_step(scratch, run, "database_bytes_per_run")[MANY]
        == ((kept / "mlflow.db").stat().st_size - empty) / MANY
        > 0
    )
    files = [path for path in (kept / "artifacts").rglob("*") if path.is_file()]
    assert len(files) == MANY
    assert (
        by_step(scratch, run, "artifact_bytes_per_run")[MANY]
        == sum(path.stat().st_size for path in files) / MANY
    )
    assert run.data.metrics["empty_database_bytes"] == empty


def test_the_measured_store_holds_the_runs_and_its_copies_were_analyzed(weighed):
    _, kept = weighed
    for base, wanted in (("mlflow.db", MANY), ("by_hand.db", FEW)):
        runs = MlflowClient(f"sqlite:///{kept / base}").search_runs(["1"], max_results=1000)
        assert sorted(int(run.data.params["seed"]) for run in runs) == list(range(1, wanted + 1))
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert all(set(run.data.metrics) == {"inertia", "silhouette", "ari"} for run in runs)
    assert "sqlite_stat1" not in costs.rows_by_table(kept / "mlflow.db")
    for size in (FEW, MANY):
        rows = costs.rows_by_table(kept / f"analyzed_{size}.db")
        assert rows["runs"] == size and rows["sqlite_stat1"] > 0


def test_a_run_is_rows_in_five_tables(weighed):
    run, kept = weighed
    rows = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/rows_per_run.json"))
    added = costs.rows_by_table(kept / "mlflow.db") - costs.rows_by_table(kept / "empty.db")
    assert {name: count * MANY for name, count in rows.items()} == {
        name: added[name] for name in rows
    }
    assert rows == {"runs": 1, "latest_metrics": 3, "metrics": 3, "params": 2, "tags": 1}


def test_announced_sizes_are_those_of_the_store(lesson, scratch, weighed):
    found = in_text(
        r"base vide pèse (\d+) ko.*?ajoute ensuite (\d\.\d) ko.*?pèse, lui, (\d+) ko", README
    )
    empty, per_run, model = map(float, found)
    assert weighed[0].data.metrics["empty_database_bytes"] / 1000 == pytest.approx(empty, abs=0.5)
    assert by_step(scratch, weighed[0], "database_bytes_per_run")[MANY] / 1000 == pytest.approx(
        per_run, abs=0.3
    )
    folder = Path(
        mlflow.artifacts.download_artifacts(
            model_uri(lesson, lesson.named("kmeans k=10"), "kmeans")
        )
    )
    # les dates et les versions n'ont pas toutes la même longueur
    assert costs.total_bytes(folder) / 1000 == pytest.approx(model, abs=1.5)
    assert model / per_run == pytest.approx(22, abs=1) and "vingt-deux fois son run" in README


def test_each_thing_is_where_the_text_says(lesson):
    rows, run = costs.rows_by_table(lesson.root / "mlflow.db"), lesson.named("kmeans k=10")
    assert (
        rows[
            [
                "runs",
                "params",
                "tags",
                "metrics",
                "latest_metrics",
                "datasets",
                "inputs",
                "logged_models",
            ]
        ].min()
        > 0
    )
    with closing(sqlite3.connect(lesson.root / "mlflow.db")) as base:
        digest, schema = base.execute(
            "SELECT digest, dataset_schema FROM datasets WHERE name = 'digits'"
        ).fetchone()
    assert digest and "pixel_0_0" in schema
    identifier = model_uri(lesson, run, "kmeans").removeprefix("models:/")
    assert (
        lesson.root
        / "mlruns"
        / run.info.experiment_id
        / "models"
        / identifier
        / "artifacts/MLmodel"
    ).is_file()


def test_the_remedy_counts_the_rows_of_the_readers_store(scratch):
    """La ligne du script, telle quelle, sur le magasin du lecteur ; l'optimiseur de SQLite y a de
    quoi ranger ses tables.
    """
    code = in_text(r'`uv run python -c "(import sqlite3; .*?)"`', end_of("measure_storage"))[0]
    subprocess.run(
        [sys.executable, "-c", code], cwd=scratch.root, env=reader_environment(), check=True
    )
    with closing(sqlite3.connect(scratch.root / "mlflow.db")) as base:
        counts = {
            table: int(stat.split()[0])
            for table, stat in base.execute("SELECT tbl, stat FROM sqlite_stat1")
        }
    rows = costs.rows_by_table(scratch.root / "mlflow.db")
    assert counts["runs"] == rows["runs"] and counts["metrics"] == rows["metrics"]


def test_fluent_calls_go_through_the_client(scratch, monkeypatch):
    """Ce que le README dit de `MlflowClient`."""
    sent = []
    monkeypatch.setattr(
        MlflowClient, "log_batch", lambda self, run_id, *arguments, **options: sent.append(run_id)
    )
    with mlflow.start_run(experiment_id=aside(scratch, "client")) as run:
        mlflow.log_metrics({"ari": 0.5})
    assert sent == [run.info.run_id]


def test_an_epoch_and_a_batch_are_one_write(scratch):
    """Les métriques d'une époque partent en un envoi, une transaction ; valeur par valeur, il y en
    a autant que de valeurs.
    """
    with mlflow.start_run(experiment_id=aside(scratch, "époques")):
        before = writes(scratch.root / "mlflow.db")
        mlflow.log_metrics({"loss": 0.5, "val_loss": 0.6}, step=1)
        assert writes(scratch.root / "mlflow.db") == before + 1
        for name in ("loss", "val_loss"):
            mlflow.log_metric(name, 0.4, step=2)
        assert writes(scratch.root / "mlflow.db") == before + 3


def writes(database: Path) -> int:
    """Combien de transactions ont changé cette base : SQLite les compte dans son en-tête."""
    return int.from_bytes(database.read_bytes()[24:28], "big")


@pytest.mark.slow
def test_every_duration_is_measured_at_every_size(whole_lesson):
    [run] = whole_lesson.runs_of("measure_storage")
    for metric in (
        "write_ms",
        "get_ms",
        "find_ms",
        "best_ms",
        "best_analyzed_ms",
        "table_ms",
        "database_bytes_per_run",
    ):
        assert sorted(by_step(whole_lesson, run, metric)) == [100, 300, 1000]
        assert min(by_step(whole_lesson, run, metric).values()) > 0
    assert run.data.metrics["by_hand_ms"] > 0 < run.data.metrics["batch_ms"]
    assert (
        artifact_names(whole_lesson, run) == {"storage.png", "rows_per_run.json"}
        and run.data.tags["mlflow.note.content"]
    )


def test_milliseconds_keeps_the_shortest(monkeypatch):
    called, seconds = [], [0.03, 0.001, 0.02]

    def repeated(once, setup, number, repeat):
        return [once() or seconds[turn] for turn in range(repeat) for _ in range(number)]

    monkeypatch.setattr(costs.timeit, "repeat", repeated)
    assert costs.milliseconds(called.extend, "x", repeat=3) == pytest.approx(1)
    assert called == ["x"] * 3


# ---------------------------------------------------------------------------------------- les
# durées annoncées : le banc d'essai

COLUMNS = {
    "les dix meilleurs": "best_ms",
    "après ANALYZE": "best_analyzed_ms",
    "tous, en tableau": "table_ms",
}


def test_the_announced_table_has_the_ratios_of_the_bench():
    """« Chez vous, retenez les rapports » : à la lecture d'un run, deux fois près ; ce qui se dit
    « fois » suit du tableau.
    """
    text = end_of("measure_storage")
    rows = {
        int(row["runs"]): {
            metric: float(row[name].removesuffix(" ms")) for name, metric in COLUMNS.items()
        }
        for row in tables(text)
    }
    low, high, read, least, most = map(
        int,
        in_text(
            r"de (\d+) à (\d+) ms, en lire un (\d+) ms, en trouver un de (\d+) à (\d+) ms", text
        ),
    )
    assert list(rows) == [100, 1000, 10_000]
    for size, row in rows.items():
        bounds = {
            "write_ms": (low, high),
            "find_ms": (least, most),
            **{metric: (value, value) for metric, value in row.items()},
        }
        for metric, (lowest, highest) in bounds.items():
            ratio = RECORD[f"storage.{size}.{metric}"] / RECORD[f"storage.{size}.get_ms"]
            assert lowest / read / 2 < ratio < 2 * highest / read, (metric, size, ratio)
    for metric in ("write_ms", "get_ms"):  # « à toutes les tailles »
        recorded = [RECORD[f"storage.{size}.{metric}"] for size in rows]
        assert max(recorded) < 2 * min(recorded)
    said = map(
        int,
        in_text(r"il attend (\d+) fois plus ; `ANALYZE`, .*? le rend (\d+) fois plus court", text),
    )
    for announced, (metric, size) in zip(
        said, (("best_ms", 1000), ("best_analyzed_ms", 10_000)), strict=True
    ):
        assert announced == round(rows[10_000]["best_ms"] / rows[size][metric])
        assert (
            1 / 2
            < RECORD["storage.10000.best_ms"] / RECORD[f"storage.{size}.{metric}"] / announced
            < 2
        )


def test_an_early_analyze_still_serves_a_large_store():
    """« Fait à 100 runs, il sert encore à 10 000. »"""
    in_text(r"Fait à 100 runs, il sert encore à 10 000", end_of("measure_storage"))
    assert (
        RECORD["storage.early_analyze_ms"]
        < 2 * RECORD["storage.10000.best_analyzed_ms"]
        < RECORD["storage.10000.best_ms"] / 10
    )


def test_the_readme_says_the_same_of_durations():
    text, script_says = section("La mesure"), end_of("measure_storage")
    assert [row for row in tables(text) if "runs" in row] == tables(script_says)
    found = in_text(
        r"de (\d+) à (\d+) ms à toutes les tailles ; en \*\*lire\*\* un, (\d+) ms ; .*? "
        r"de (\d+) à (\d+) ms\.",
        text,
    )
    assert found == in_text(
        r"de (\d+) à (\d+) ms, en lire un (\d+) ms, en trouver un de (\d+) à (\d+) ms", script_says
    )
    ratios = in_text(
        r"(\d+) fois plus d'attente de 1 000 à 10 000 runs\. .*? devient (\d+) fois plus court",
        text,
    )
    assert ratios == in_text(
        r"il attend (\d+) fois plus ; .*? le rend (\d+) fois plus court", script_says
    )
    batch, by_hand = map(float, in_text(r"(\d+) ms en un envoi, (\d+) valeur par valeur", text))
    assert RECORD["storage.by_hand_ms"] / RECORD["storage.batch_ms"] == pytest.approx(
        by_hand / batch, rel=0.3
    )


def test_children_and_epochs_cost_little():
    """Un balayage de dix-neuf enfants dure moins de 2,4 fois le même sans MLflow ; une époque,
    moins de trois petites écritures.
    """
    assert RECORD["lesson.kmeans_sweep"] < 2.4 and RECORD["epoch.writes"] < 3


# ------------------------------------------------------------------------------------------------
# system_metrics


def readings(run) -> set[str]:
    return {name for name in run.data.metrics if name.startswith("system/")}


@pytest.mark.slow
def test_only_the_observed_runs_have_readings(whole_lesson):
    parent = whole_lesson.named("autoencodeur seul ou observé")
    runs = whole_lesson.children(parent)
    assert is_fully_described(parent)
    assert [run.info.run_name for run in runs] == ["seul", "observé"] * 3
    assert not any(map(readings, runs[::2]))
    assert in_text(
        r"Chaque relevé tient en (\w+) mesures : processeur, mémoire, disque, réseau",
        end_of("system_metrics"),
    ) == ("huit",)
    for run in runs[1::2]:
        found = {name: by_step(whole_lesson, run, name) for name in readings(run)}
        assert len(found) == 8 and all(
            any(kind in name for kind in ("cpu", "memory", "disk", "network")) for name in found
        )
        processor, memory = (
            found["system/cpu_utilization_percentage"],
            found["system/system_memory_usage_megabytes"],
        )
        assert all(list(points) == list(range(len(processor))) for points in found.values())
        assert 0 < max(processor.values()) <= 100

    alone, observed = (
        median(run.data.metrics["fit_cpu_seconds"] for run in each)
        for each in (runs[::2], runs[1::2])
    )
    assert parent.data.metrics["cost_ratio"] == observed / alone
    ratio, last, machine = whole_lesson.ended("system_metrics").stdout.splitlines()
    assert f" {observed / alone:.2f} fois " in ratio and f": {len(processor)}, de 8 mesures" in last
    assert in_text(r"(\d+) % au plus ; .* (\d+) Mo", machine) == (
        f"{max(processor.values()):.0f}",
        f"{max(memory.values()):.0f}",
    )


def test_the_announced_cost_of_readings_bounds_the_one_of_the_bench():
    """Le coût d'un relevé, mesuré quand rien ne tourne : deux apprentissages pareils diffèrent
    d'autant que lui.
    """
    for text in (end_of("system_metrics"), section(heading("system_metrics"))):
        [bound] = in_text(r"demande moins de (\d+) % de temps de processeur en plus", text)
        in_text(r"Deux apprentissages pareils diffèrent eux-mêmes de quelques pour cent", text)
        assert 0 < RECORD["system_metrics.share"] < int(bound) / 100


def test_a_reading_is_of_the_whole_machine_and_none_comes_before_its_interval(scratch, monkeypatch):
    """Dix secondes par défaut ; plus courtes ici.

    `psutil.cpu_percent` ne désigne aucun programme : c'est toute la machine.
    """
    monkeypatch.setattr("psutil.cpu_percent", lambda: 42.0)
    elsewhere = aside(scratch, "relevés")
    with mlflow.start_run(experiment_id=elsewhere, log_system_metrics=True) as brief:
        assert (
            mlflow.tracking.fluent.run_id_to_system_metrics_monitor[
                brief.info.run_id
            ].sampling_interval
            == 10
        )
    assert not readings(scratch.client().get_run(brief.info.run_id))

    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    with mlflow.start_run(experiment_id=elsewhere, log_system_metrics=True) as run:
        for _ in range(600):  # la première vient après un intervalle
            if readings(scratch.client().get_run(run.info.run_id)):
                break
            time.sleep(0.1)
    assert set(by_step(scratch, run, "system/cpu_utilization_percentage").values()) == {42.0}
