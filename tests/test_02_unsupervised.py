"""Leçon 2 : les vrais scripts, le magasin relu, les nombres annoncés recalculés."""

import json
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import costs
import digits
import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Course, clean_environment, last_cell, tables
from mlflow import MlflowClient
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error, silhouette_score
from sklearn.preprocessing import StandardScaler

FOLDER = "02_tracking_unsupervised"
SWEEP, AUTOENCODER, COMPARE, MEASURE = (
    f"{FOLDER}/local/{name}.py" for name in ("kmeans_sweep", "autoencoder", "compare_representations", "measure_storage")
)
PC = platform.machine() in ("x86_64", "AMD64")
on_a_pc = pytest.mark.skipif(not PC, reason="les décimales de TensorFlow annoncées sont celles d'un PC ; les scripts le disent")
X, y = digits.load_images()


def named(course: Course, name: str, experiment: str = FOLDER):
    """Le plus récent run de ce nom."""
    return next(run for run in course.runs(experiment) if run.info.run_name == name)


def children(course: Course, parent) -> list:
    return course.runs(FOLDER, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")


def model_uri(course: Course, run, name: str) -> str:
    models = [course.client().get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    return next(model.model_uri for model in models if model.name == name)


def artifact_names(course: Course, run) -> set[str]:
    return {file.path for file in course.client().list_artifacts(run.info.run_id)}


def is_fully_described(course: Course, run) -> bool:
    return bool(run.data.tags.get("mlflow.note.content") and run.inputs.dataset_inputs and run.data.params)


def expected_output(script: str) -> str:
    """Le bloc ```text qui suit la commande du script dans le README de la leçon."""
    readme = (ROOT / FOLDER / "README.md").read_text(encoding="utf-8")
    return re.search(rf"uv run {re.escape(script)}\n```.*?```text\n(.*?)```", readme, re.DOTALL)[1]


@cache
def kmeans(k: int, seed: int = 0) -> KMeans:
    return KMeans(k, n_init=10, random_state=seed).fit(X)


# ------------------------------------------------------------------------------------------------------------ kmeans_sweep


@pytest.fixture(scope="session")
def sweep(course):
    """Le run parent, et ses enfants par nombre de groupes."""
    course.once(SWEEP)
    parent = named(course, "kmeans k=2 à 20")
    return parent, {int(run.data.params["n_clusters"]): run for run in children(course, parent)}


def test_each_child_holds_its_indices_recomputed_from_its_model(course, sweep):
    _, runs = sweep
    assert sorted(runs) == list(range(2, 21))
    for k, run in runs.items():
        assert run.info.status == "FINISHED"
        assert run.data.params == {"n_clusters": str(k), "n_init": "10", "seed": "0"}
        uri = model_uri(course, run, "kmeans")
        model = mlflow.sklearn.load_model(uri)
        groups = model.predict(X)
        assert run.data.metrics == digits.internal_indices(X, model) | digits.external_indices(y, groups)
        assert run.data.metrics["inertia"] == pytest.approx(((X.to_numpy() - model.cluster_centers_[groups]) ** 2).sum())


def test_a_logged_model_has_signature_example_and_requirements(course, sweep):
    _, runs = sweep
    info = mlflow.models.get_model_info(model_uri(course, runs[10], "kmeans"))
    assert info.signature.inputs.input_names() == list(X.columns)
    example = mlflow.pyfunc.load_model(info.model_uri).input_example
    pd.testing.assert_frame_equal(example, X.head(3))
    written = (Path(mlflow.artifacts.download_artifacts(info.model_uri)) / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in written} == {"mlflow", "scikit-learn", "skops", "pandas", "numpy"}


def test_parent_says_what_each_index_recommends(course, sweep):
    parent, runs = sweep
    table = pd.DataFrame({k: run.data.metrics for k, run in sorted(runs.items())}).T
    assert parent.data.metrics == {
        "k_elbow": digits.elbow(list(table.index), list(table.inertia)),
        "k_silhouette": table.silhouette.idxmax(),
        "k_davies_bouldin": table.davies_bouldin.idxmin(),
        "k_calinski_harabasz": table.calinski_harabasz.idxmax(),
        "k_ari": table.ari.idxmax(),
    }
    assert is_fully_described(course, parent)
    assert artifact_names(course, parent) == {"indices.png", "centroids.png"}
    assert not artifact_names(course, runs[2])


def test_sweep_announces_what_it_found(course, sweep):
    parent, runs = sweep
    rows = tables(last_cell(SWEEP))
    assert [int(row["groupes"]) for row in rows] == list(parent.data.metrics[name] for name in (
        "k_elbow", "k_silhouette", "k_davies_bouldin", "k_calinski_harabasz", "k_ari",
    ))  # fmt: skip
    for row in rows:
        assert row["ARI"] == f"{runs[int(row['groupes'])].data.metrics['ari']:.3f}"
    assert course.once(SWEEP).stdout == expected_output(SWEEP)


def test_sweep_tells_who_shares_a_group():
    text = last_cell(SWEEP)
    groups = {k: pd.crosstab(kmeans(k).labels_, y) for k in (9, 10, 11)}
    threes, nines, ones, eights = (int(found) for found in re.search(
        r"(\d+) « trois » et\s+(\d+) « neuf ».*?(\d+) « un »\s+et\s+(\d+) « huit »", text, re.DOTALL
    ).groups())  # fmt: skip
    assert (threes, nines) in set(zip(groups[9][3], groups[9][9]))
    assert (ones, eights) in set(zip(groups[10][1], groups[10][8]))
    assert groups[10][3].idxmax() != groups[10][9].idxmax()
    assert groups[11][1].idxmax() != groups[11][8].idxmax()


def test_calinski_harabasz_only_decreases(sweep):
    _, runs = sweep
    values = [run.data.metrics["calinski_harabasz"] for _, run in sorted(runs.items())]
    assert values == sorted(values, reverse=True)


def test_another_seed_moves_the_peak_of_ari():
    seed, peak = (int(found) for found in re.search(r"`--seed (\d+)` déplace le sommet de l'ARI à (\d+)", last_cell(SWEEP)).groups())
    ari = {k: digits.external_indices(y, kmeans(k, seed).labels_)["ari"] for k in range(2, 21)}
    assert max(ari, key=ari.get) == peak


def test_two_processes_give_the_same_bits(course, sweep):
    _, runs = sweep
    course.run(SWEEP, "--k-max", "5", "--experiment", "encore", OMP_NUM_THREADS="3")  # le nombre de fils n'y change rien
    again = {run.data.params.get("n_clusters"): run.data.metrics for run in course.runs("encore")}
    for k in range(2, 6):
        assert {name: value.hex() for name, value in again[str(k)].items()} == {
            name: value.hex() for name, value in runs[k].data.metrics.items()
        }


def test_elbow_is_the_farthest_point_under_the_chord():
    assert digits.elbow([2, 3, 4, 5], [10.0, 4.0, 3.0, 2.0]) == 3
    assert digits.elbow([2], [10.0]) == 2
    assert digits.elbow([2, 3], [10.0, 5.0]) == 2


def test_mosaic_puts_each_image_in_its_place():
    picture = digits.mosaic([X.to_numpy()[:2], X.to_numpy()[2:5]])
    assert picture.shape == (17, 26)
    np.testing.assert_array_equal(picture[9:, 18:], X.to_numpy()[4].reshape(8, 8))
    assert np.isnan(picture[:8, 18:]).all() and np.isnan(picture[8]).all()


# ------------------------------------------------------------------------------------------------------------- autoencoder


@pytest.fixture(scope="session")
def trained(course):
    course.once(AUTOENCODER)
    return named(course, "autoencodeur code=8")


def history(course: Course, run, metric: str) -> list[float]:
    points = sorted(course.client().get_metric_history(run.info.run_id, metric), key=lambda point: point.step)
    assert [point.step for point in points] == list(range(1, len(points) + 1))
    return [point.value for point in points]


def test_each_epoch_is_logged_until_validation_stagnates(course, trained):
    losses, valid = history(course, trained, "loss"), history(course, trained, "val_loss")
    assert len(losses) == len(valid)
    best = int(np.argmin(valid)) + 1
    assert trained.data.metrics["best_epoch"] == best == len(valid) - int(trained.data.params["patience"])
    assert is_fully_described(course, trained)
    assert artifact_names(course, trained) == {"checkpoints", "reconstructions.png"}


def test_logged_networks_are_those_of_the_best_epoch(course, trained):
    """Les deux modèles et le point de reprise donnent les valeurs enregistrées, et partagent leurs poids."""
    keras = digits.import_keras()
    images = digits.split_images(X)
    autoencoder = mlflow.tensorflow.load_model(model_uri(course, trained, "autoencoder"))
    encoder = mlflow.tensorflow.load_model(model_uri(course, trained, "encoder"))
    test, valid = images.test.to_numpy("float32"), images.valid.to_numpy("float32")
    assert mean_squared_error(test, autoencoder(test).numpy()) == trained.data.metrics["test_mse"]
    assert mean_squared_error(valid, autoencoder(valid).numpy()) == pytest.approx(min(history(course, trained, "val_loss")), rel=1e-5)
    assert encoder(test).shape == (300, 8)
    np.testing.assert_array_equal(encoder(test), autoencoder.layers[0](test))
    saved = keras.saving.load_model(mlflow.artifacts.download_artifacts(f"{trained.info.artifact_uri}/checkpoints/best.keras"))
    np.testing.assert_array_equal(saved(test), autoencoder(test))
    pca = PCA(8, random_state=0).fit(images.train)
    rebuilt = pca.inverse_transform(pca.transform(images.test))
    assert trained.data.metrics["pca_test_mse"] == pytest.approx(mean_squared_error(test, rebuilt), rel=1e-12)
    assert autoencoder.count_params() == int(trained.data.params["weights"])


def test_signature_refuses_another_size(course, trained):
    served = mlflow.pyfunc.load_model(model_uri(course, trained, "encoder"))
    assert served.predict(X.head(2).to_numpy("float32")).shape == (2, 8)
    with pytest.raises(mlflow.MlflowException):
        served.predict(np.zeros((2, 63), "float32"))


def test_two_pitfalls_are_still_true(course, trained):
    """Le jour où MLflow les corrige, le README doit changer."""
    experiment = [trained.info.experiment_id]
    assert mlflow.search_logged_models(experiment, filter_string="name = 'encoder'", output_format="list")[0].status == "READY"
    assert mlflow.search_logged_models(experiment, filter_string="name = 'encoder' AND status = 'READY'", output_format="list") == []
    encoder = mlflow.tensorflow.load_model(model_uri(course, trained, "encoder"))
    mlflow.set_experiment("pièges")
    with mlflow.start_run(), pytest.raises(FileNotFoundError):
        mlflow.keras.log_model(encoder, name="encoder", input_example=X.head(2).to_numpy("float32"), pip_requirements=["keras"])


def test_split_is_a_partition():
    images = digits.split_images(X)
    assert [len(part) for part in images] == [1197, 300, 300]
    assert sorted(index for part in images for index in part.index) == list(X.index)


@on_a_pc
def test_autoencoder_announces_what_it_found(course, trained):
    assert course.once(AUTOENCODER).stdout == expected_output(AUTOENCODER)
    text, metrics = last_cell(AUTOENCODER), trained.data.metrics
    valid = history(course, trained, "val_loss")
    assert re.findall(r"\d\.\d{4}", text) == [f"{value:.4f}" for value in (metrics["test_mse"], metrics["pca_test_mse"], min(valid))]
    stopped, best = (int(found) for found in re.search(r"après (\d+) époques, et c'est la (\d+)e", text).groups())
    assert (stopped, best) == (len(valid), metrics["best_epoch"])


def test_two_processes_learn_the_same_bits(course, trained):
    course.run(AUTOENCODER, "--experiment", "encore", "--epochs", "6")
    again = named(course, "autoencodeur code=8", "encore")
    for metric in ("loss", "val_loss"):
        first = [value.hex() for value in history(course, trained, metric)[:6]]
        assert [value.hex() for value in history(course, again, metric)] == first


def has_avx512() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "avx512f" in cpuinfo.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not has_avx512(), reason="ce processeur n'a pas (ou ne dit pas avoir) les instructions AVX-512")
def test_other_instructions_learn_another_network(course):
    course.run(AUTOENCODER, "--experiment", "AVX-512", ONEDNN_MAX_CPU_ISA="ALL")
    readme = (ROOT / FOLDER / "README.md").read_text(encoding="utf-8")
    usual, other = (int(found) for found in re.search(r"(\d+) époques avec les instructions AVX2,\s+(\d+) avec AVX-512", readme).groups())
    assert len(history(course, named(course, "autoencodeur code=8", "AVX-512"), "loss")) == other
    assert expected_output(AUTOENCODER).startswith(f"{usual} époques")


# ------------------------------------------------------------------------------------------------- compare_representations


@pytest.fixture(scope="session")
def compared(course, trained):
    """Le run parent, et ses enfants par représentation."""
    course.once(COMPARE)
    parent = named(course, "comparaison des représentations")
    return parent, {run.info.run_name: run for run in children(course, parent)}


def seen_by_kmeans(course: Course, trained) -> dict[str, np.ndarray]:
    codes = digits.encode(mlflow.tensorflow.load_model(model_uri(course, trained, "encoder")), X)
    return {
        "pixels": X.to_numpy(),
        "pixels standardisés": StandardScaler().fit_transform(X),
        "ACP": PCA(8, random_state=0).fit_transform(X),
        "autoencodeur": codes.to_numpy(),
    }


def test_compare_uses_the_encoder_that_was_logged(course, trained, compared):
    parent, runs = compared
    assert parent.data.params["encoder"] == model_uri(course, trained, "encoder")
    assert is_fully_described(course, parent)
    assert artifact_names(course, parent) == {"maps.png", "spread.png"}
    assert list(runs)[::-1] == ["pixels", "pixels standardisés", "ACP", "autoencodeur"]


def test_each_representation_is_recomputed(course, trained, compared):
    _, runs = compared
    for name, points in seen_by_kmeans(course, trained).items():
        models = [KMeans(10, n_init=1, random_state=seed).fit(points) for seed in range(10)]
        indices = pd.DataFrame([digits.external_indices(y, model.labels_) for model in models])
        metrics = runs[name].data.metrics
        for index in ("ari", "nmi"):
            points_logged = course.client().get_metric_history(runs[name].info.run_id, f"{index}_by_seed")
            assert {point.step: point.value for point in points_logged} == pytest.approx(dict(indices[index]), abs=1e-12)
            assert metrics[f"{index}_mean"] == pytest.approx(indices[index].mean(), abs=1e-12)
        assert (metrics["ari_min"], metrics["ari_max"]) == pytest.approx((indices.ari.min(), indices.ari.max()), abs=1e-12)
        kept = int(np.argmin([model.inertia_ for model in models]))
        assert metrics["kept_ari"] == pytest.approx(indices.ari[kept], abs=1e-12)
        assert metrics["kept_silhouette"] == pytest.approx(silhouette_score(points, models[kept].labels_), abs=1e-9)
        logged = mlflow.sklearn.load_model(model_uri(course, runs[name], "kmeans"))
        inputs = digits.encode(mlflow.tensorflow.load_model(model_uri(course, trained, "encoder")), X) if name == "autoencodeur" else X
        assert digits.external_indices(y, logged.predict(inputs))["ari"] == pytest.approx(metrics["kept_ari"], abs=1e-12)


@on_a_pc
def test_compare_announces_what_it_found(course, compared):
    _, runs = compared
    assert course.once(COMPARE).stdout == expected_output(COMPARE)
    columns = {"ARI moyen": "ari_mean", "minimum": "ari_min", "maximum": "ari_max", "silhouette": "kept_silhouette"}
    rows = tables(last_cell(COMPARE))
    assert [row["représentation"] for row in rows] == list(runs)[::-1]
    for row in rows:
        metrics = runs[row["représentation"]].data.metrics
        assert {column: row[column] for column in columns} == {column: f"{metrics[name]:.3f}" for column, name in columns.items()}
    pixels = runs["pixels"].data.metrics
    assert re.search(r"elle vaut (\d\.\d+) d'ARI", last_cell(COMPARE))[1] == f"{pixels['ari_max'] - pixels['ari_min']:.3f}"


@pytest.mark.slow
def test_without_an_encoder_it_learns_the_same_one(course, compared):
    _, runs = compared
    for _ in range(2):  # la seconde fois, elle retrouve celui que la première a enregistré
        course.run(COMPARE, "--experiment", "sans encodeur", "--seeds", "2")
        again = named(course, "autoencodeur", "sans encodeur")
        first = course.client().get_metric_history(runs["autoencodeur"].info.run_id, "ari_by_seed")
        values = course.client().get_metric_history(again.info.run_id, "ari_by_seed")
        assert [point.value for point in values] == [point.value for point in first[:2]]
    assert len([run for run in course.runs("sans encodeur") if run.info.run_name == "autoencodeur sans courbes"]) == 1


@pytest.mark.slow
@on_a_pc
def test_another_autoencoder_changes_the_verdict(course):
    seed, announced = re.search(r"`--seed (\d+)`, il monte à (\d\.\d+)", last_cell(COMPARE)).groups()
    course.run(AUTOENCODER, "--experiment", "autre graine", "--seed", seed)
    course.run(COMPARE, "--experiment", "autre graine")
    assert f"{named(course, 'autoencodeur', 'autre graine').data.metrics['ari_mean']:.3f}" == announced


# --------------------------------------------------------------------------------------------------------- measure_storage

SIZES = (20, 60, 180)


@pytest.fixture(scope="session")
def weighed(course):
    """Le run de la mesure, et le dossier du magasin mesuré."""
    kept = course.root / "magasin mesuré"
    course.once(MEASURE, "--runs", *SIZES, "--keep", kept)
    return named(course, "stockage", "measurements"), kept


def by_size(course: Course, run, metric: str) -> dict[int, float]:
    return {point.step: point.value for point in course.client().get_metric_history(run.info.run_id, metric)}


def test_the_measured_bytes_are_those_on_disk(course, weighed):
    run, kept = weighed
    added = (kept / "mlflow.db").stat().st_size - (kept / "empty.db").stat().st_size
    assert by_size(course, run, "database_bytes_per_run")[SIZES[-1]] == added / SIZES[-1] > 0
    files = [path for path in (kept / "artifacts").rglob("*") if path.is_file()]
    assert len(files) == SIZES[-1]
    assert by_size(course, run, "artifact_bytes_per_run")[SIZES[-1]] == sum(path.stat().st_size for path in files) / SIZES[-1]
    assert run.data.metrics["empty_database_bytes"] == (kept / "empty.db").stat().st_size


def test_the_measured_store_holds_the_runs_and_its_copies_were_analyzed(course, weighed):
    run, kept = weighed
    client = MlflowClient(f"sqlite:///{kept / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("volume").experiment_id
    runs = client.search_runs([experiment], max_results=1000)
    assert len(runs) == SIZES[-1]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(int(run.data.params["seed"]) for run in runs) == list(range(SIZES[-1]))
    with sqlite3.connect(kept / "mlflow.db") as base:
        assert not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchall()
    for size in SIZES:
        with sqlite3.connect(kept / f"analyzed_{size}.db") as base:
            assert base.execute("SELECT count(*) FROM runs").fetchone() == (size,)
            assert base.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0
    by_hand = MlflowClient(f"sqlite:///{kept / 'by_hand.db'}").search_runs([experiment], max_results=1000)
    same = {run.data.params["seed"]: set(run.data.metrics) for run in by_hand}
    assert same == {str(number): {"inertia", "silhouette", "ari"} for number in range(SIZES[0])}


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
        durations = by_size(course, run, metric)
        assert sorted(durations) == list(SIZES)
        assert all(0 < value < 60_000 for value in durations.values())
    assert run.data.metrics["by_hand_ms"] > run.data.metrics["batch_ms"] > 0  # écrits tour à tour : comparables
    assert {"storage.png", "rows_per_run.json"} == artifact_names(course, run)
    assert run.data.tags["mlflow.note.content"]


def test_milliseconds_keeps_the_shortest():
    waits = iter((0.03, 0.001, 0.02))
    assert 1 <= costs.milliseconds(lambda: time.sleep(next(waits)), repeat=3) < 20


@pytest.mark.slow
def test_announced_costs_hold_on_a_larger_store(course):
    """Écrire ne ralentit pas, tout lire croît avec le nombre de runs, `ANALYZE` rend le tri plus rapide."""
    course.run(MEASURE, "--runs", "150", "1500", "--experiment", "grande mesure", timeout=1800)
    run = named(course, "stockage", "grande mesure")
    small, large = ({metric: by_size(course, run, metric).get(n) for metric in run.data.metrics} for n in (150, 1500))
    assert large["write_ms"] < 3 * small["write_ms"]
    assert large["get_ms"] < 4 * small["get_ms"]
    assert large["table_ms"] > 4 * small["table_ms"]
    assert large["best_ms"] > 2 * large["best_analyzed_ms"]
    assert large["database_bytes_per_run"] == pytest.approx(small["database_bytes_per_run"], rel=0.15)


def test_the_text_quotes_one_and_the_same_measure():
    """Le tableau du script est un extrait de celui du README, et leurs phrases en découlent."""
    readme = (ROOT / FOLDER / "README.md").read_text(encoding="utf-8")
    full = {row["runs"]: row for row in tables(readme) if "runs" in row}
    for row in tables(last_cell(MEASURE)):
        same = full[row["runs"]]
        quoted = [row[column].removesuffix(" ms") for column in ("écrire", "en trouver un", "les dix meilleurs", "après ANALYZE", "tous")]
        columns = ("écrire", "en trouver un", "les dix meilleurs", "après `ANALYZE`", "tous, en tableau")
        assert quoted == [same[column] for column in columns]
    small, large = ({column: int(value) for column, value in full[runs].items()} for runs in ("1000", "10000"))
    assert 70 < large["les dix meilleurs"] / small["les dix meilleurs"] < 100  # « près de cent fois »
    assert 90 < large["les dix meilleurs"] / large["après `ANALYZE`"] < 130  # « cent fois »


def test_announced_sizes_are_those_of_the_store(course, sweep, weighed):
    _, runs = sweep
    run, _ = weighed
    readme = (ROOT / FOLDER / "README.md").read_text(encoding="utf-8")
    empty, per_run, model = (float(found) for found in re.search(
        r"base vide pèse (\d+) ko.*?ajoute ensuite (\d\.\d) ko.*?pèse, lui, (\d+) ko", readme, re.DOTALL
    ).groups())  # fmt: skip
    assert run.data.metrics["empty_database_bytes"] / 1000 == pytest.approx(empty, abs=0.5)
    folder = Path(mlflow.artifacts.download_artifacts(model_uri(course, runs[10], "kmeans")))
    assert costs.total_bytes(folder) / 1000 == pytest.approx(model, abs=1.5)  # les dates et les versions n'ont pas toutes la même longueur
    assert by_size(course, run, "database_bytes_per_run")[SIZES[-1]] / 1000 == pytest.approx(per_run, abs=0.3)
    assert model / per_run == pytest.approx(25, abs=1)


def test_each_thing_is_where_the_text_says(course, sweep):
    _, runs = sweep
    rows = costs.rows_by_table(course.root / "mlflow.db")
    assert rows[["runs", "params", "tags", "metrics", "latest_metrics", "datasets", "inputs", "logged_models"]].min() > 0
    with sqlite3.connect(course.root / "mlflow.db") as base:
        name, digest, schema = base.execute("SELECT name, digest, dataset_schema FROM datasets WHERE name = 'digits'").fetchone()
    assert digest and "pixel_0_0" in schema
    uri = model_uri(course, runs[10], "kmeans")
    experiment = runs[10].info.experiment_id
    assert (course.root / "mlruns" / experiment / "models" / uri.removeprefix("models:/") / "artifacts" / "MLmodel").is_file()


# --------------------------------------------------------------------------------------------------------------- vitesse


@pytest.mark.slow
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
def test_an_epoch_costs_one_small_write(course):
    """15 ms au plus, sur un disque où une écriture seule (une étiquette) en prend 5 : trois écritures au plus, ici."""
    code = EPOCHS.format(folder=str(course.root / FOLDER / "local"))
    ended = subprocess.run([sys.executable, "-c", code], cwd=course.root, env=clean_environment(), capture_output=True, text=True)
    assert float(ended.stdout) < 3, ended.stderr


# ------------------------------------------------------------------------------------------------------ mauvaises entrées


@pytest.mark.parametrize("text", ["1", "51", "abc", "2.5", "", "-3"])
def test_a_whole_number_out_of_bounds_is_refused_in_french(text):
    with pytest.raises(digits.argparse.ArgumentTypeError, match="n'est pas un entier entre 2 et 50"):
        digits.whole_number(text, 2, 50)


def test_bounds_are_accepted():
    assert [digits.whole_number(text, 2, 50) for text in ("2", "50")] == [2, 50]
    assert [costs.size(text) for text in ("10", "100000")] == [10, 100_000]


def test_keep_wants_an_empty_folder(tmp_path):
    assert costs.new_folder(str(tmp_path)) == tmp_path
    assert costs.new_folder(str(tmp_path / "nouveau")) == tmp_path / "nouveau"
    (tmp_path / "fichier").touch()
    for refused in (tmp_path, tmp_path / "fichier"):
        with pytest.raises(digits.argparse.ArgumentTypeError, match="n'est pas un dossier vide"):
            costs.new_folder(str(refused))


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (SWEEP, ["--k-max", "1"], "n'est pas un entier entre 2 et 50"),
        (MEASURE, ["--runs", "300", "100"], "les tailles doivent être croissantes"),
        pytest.param(AUTOENCODER, ["--code-size", "0"], "n'est pas un entier entre 1 et 64", marks=pytest.mark.slow),
        pytest.param(COMPARE, ["--seeds", "dix"], "n'est pas un entier entre 2 et 100", marks=pytest.mark.slow),
    ],
)
def test_a_bad_argument_is_refused_before_touching_the_store(fresh_course, script, arguments, message):
    ended = fresh_course.run(script, *arguments, fails=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert not (fresh_course.root / "mlflow.db").exists()


@pytest.mark.slow
def test_an_encoder_whose_files_are_gone_is_said_in_one_line(fresh_course):
    fresh_course.run(AUTOENCODER, "--epochs", "1")
    shutil.rmtree(fresh_course.root / "mlruns")
    ended = fresh_course.run(COMPARE, fails=True)
    assert ended.returncode == 1
    assert len(ended.stderr.strip().splitlines()) == 1 and "Relancez autoencoder.py" in ended.stderr
    assert {run.info.status for run in fresh_course.runs(FOLDER)} == {"FINISHED"}
