"""Leçon 2, le balayage : le vrai script, le magasin relu, les nombres et les raisons annoncés recalculés."""

import subprocess
import sys
from pathlib import Path

import course as course_plan
import digits
import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import clean_environment, last_cell, tables
from lesson_02 import (
    FOLDER,
    SWEEP,
    X,
    answer,
    artifact_names,
    children,
    expected_output,
    in_text,
    is_fully_described,
    kmeans,
    model_uri,
    named,
    section,
    y,
)
from sklearn.cluster import KMeans
from sklearn.manifold import trustworthiness
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score


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


def test_a_logged_model_has_signature_and_requirements(course, sweep):
    _, runs = sweep
    info = mlflow.models.get_model_info(model_uri(course, runs[10], "kmeans"))
    assert info.signature.inputs.input_names() == list(X.columns)
    assert info.saved_input_example_info is None  # sa vérification est ce qu'un `log_model` a de plus cher
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


def test_no_index_recommends_ten_groups_and_none_looks_for_the_digits(sweep):
    """« Ils ne cherchent pas les chiffres » : trois indices mettent les neuf groupes de K-Means avant le partage en vrais chiffres."""
    parent, runs = sweep
    assert 10 not in parent.data.metrics.values()
    nine, digit = in_text(r"silhouette de (\d\.\d+), le partage en vrais chiffres n'a que (\d\.\d+)", last_cell(SWEEP))
    found = runs[9].data.metrics
    assert (nine, digit) == (f"{found['silhouette']:.3f}", f"{silhouette_score(X, y):.3f}")
    assert found["silhouette"] > silhouette_score(X, y)
    assert found["davies_bouldin"] < davies_bouldin_score(X, y)
    assert found["calinski_harabasz"] > calinski_harabasz_score(X, y)


def test_sweep_tells_who_shares_a_group(sweep):
    _, runs = sweep
    groups = {k: pd.crosstab(kmeans(k).labels_, y) for k in (9, 10, 11)}
    threes, nines, ones, eights = (int(found) for found in in_text(
        r"À 9 groupes, (\d+) « trois » et (\d+) « neuf » sont ensemble ; à 10, ce sont (\d+) « un » et (\d+) « huit »", last_cell(SWEEP)
    ))  # fmt: skip
    assert (threes, nines) in set(zip(groups[9][3], groups[9][9], strict=True))
    assert (ones, eights) in set(zip(groups[10][1], groups[10][8], strict=True))
    assert groups[10][3].idxmax() != groups[10][9].idxmax()
    together = groups[11][[1, 8]].min(axis=1).max()  # « un onzième groupe les sépare »
    assert together < min(ones, eights) / 4 and groups[11][1].idxmax() != groups[11][8].idxmax()
    assert runs[11].data.metrics["ari"] > runs[10].data.metrics["ari"]


def test_the_readme_says_the_same_of_the_indices(sweep):
    _, runs = sweep
    found = runs[9].data.metrics
    text = section("Script 1")
    assert in_text(r"les 9 groupes de K-Means ont une silhouette de (\S+), et le partage en vrais chiffres n'a que (\d\.\d+)", text) == (
        f"{found['silhouette']:.3f}",
        f"{silhouette_score(X, y):.3f}",
    )
    classes = [f"{silhouette_score(X, y):.3f}", f"{davies_bouldin_score(X, y):.2f}", f"{calinski_harabasz_score(X, y):.0f}"]
    groups = [f"{found['silhouette']:.3f}", f"{found['davies_bouldin']:.2f}", f"{found['calinski_harabasz']:.0f}"]
    pattern = r"silhouette de (\S+), un Davies-Bouldin de (\S+) et un Calinski-Harabasz de (\d+) ; .*? les trois : (\S+), (\S+) et (\d+)\."
    assert list(in_text(pattern, answer(1))) == classes + groups
    seed, peak = in_text(r"avec `--seed (\d+)`, le sommet passe à (\d+)", answer(2))
    assert (seed, peak) == in_text(r"`--seed (\d+)`, le sommet de l'ARI passe à (\d+) groupes", last_cell(SWEEP))


def test_which_digits_share_a_center():
    """« Jusqu'à 9 groupes, le 3 et le 9 partagent un centre ; jusqu'à 10, le 1 et le 8. »"""
    found = in_text(
        r"Jusqu'à (\d+) groupes, le (\d) et le (\d) partagent un centre ; jusqu'à (\d+), le (\d) et le (\d)\.", section("Script 1")
    )
    for last, a, b in (map(int, found[:3]), map(int, found[3:])):
        shared = {k: len(set(pd.crosstab(kmeans(k).labels_, y)[[a, b]].idxmax())) == 1 for k in range(2, last + 2)}
        assert [k for k, same in shared.items() if not same] == [last + 1]


def test_a_second_run_wants_nested(course, sweep):
    elsewhere = course.client().create_experiment("imbriqués", artifact_location=(course.root / "imbriqués").as_uri())
    with mlflow.start_run(experiment_id=elsewhere):
        with pytest.raises(Exception, match="already active"):
            mlflow.start_run(experiment_id=elsewhere)
        with mlflow.start_run(experiment_id=elsewhere, nested=True) as child:
            pass
    assert "mlflow.parentRunId" in course.client().get_run(child.info.run_id).data.tags


def test_without_step_there_is_no_curve(course, sweep):
    """Le premier piège du README."""
    client = course.client()
    elsewhere = client.create_experiment("sans step", artifact_location=(course.root / "sans step").as_uri())
    with mlflow.start_run(experiment_id=elsewhere) as run:
        for value in (0.3, 0.2, 0.1):
            mlflow.log_metric("loss", value)
    assert {point.step for point in client.get_metric_history(run.info.run_id, "loss")} == {0}


def test_the_readme_announces_its_time():
    minutes = in_text(r"dont moins de (\w+) minutes de calcul", section("Objectif"))[0]
    seconds = sum(script.seconds for script in course_plan.SCRIPTS if script.lesson == FOLDER and "team" not in script.needs)
    assert 60 * ({"trois": 3, "quatre": 4, "cinq": 5}[minutes] - 1) < seconds < 60 * {"trois": 3, "quatre": 4, "cinq": 5}[minutes]


def test_calinski_harabasz_decreases_with_each_group(sweep):
    parent, runs = sweep
    values = [run.data.metrics["calinski_harabasz"] for _, run in sorted(runs.items())]
    assert all(after < before for before, after in zip(values, values[1:], strict=False))
    assert parent.data.metrics["k_calinski_harabasz"] == min(runs)


def test_another_seed_moves_the_peak_of_ari(sweep):
    parent, _ = sweep
    seed, peak = (int(found) for found in in_text(r"`--seed (\d+)`, le sommet de l'ARI passe à (\d+) groupes", last_cell(SWEEP)))
    ari = {k: digits.external_indices(y, kmeans(k, seed).labels_)["ari"] for k in range(2, 21)}
    assert max(ari, key=ari.get) == peak != parent.data.metrics["k_ari"]


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


FIT = """
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
print(KMeans(10, n_init=10, random_state=0).fit(load_digits().data / 16).inertia_.hex())
"""


def test_without_a_single_thread_the_last_bits_change():
    """Ce que `digits.py` dit de `threadpool_limits`."""
    found = [
        subprocess.run(
            [sys.executable, "-c", FIT], env=clean_environment(OMP_NUM_THREADS=threads), capture_output=True, text=True, check=True
        ).stdout
        for threads in ("1", "3")
    ]
    assert found[0] != found[1]
    assert float.fromhex(found[0]) == pytest.approx(float.fromhex(found[1]), rel=1e-12)


def test_kmeans_keeps_the_start_of_lowest_inertia():
    """« K-Means choisit ainsi » : plus de départs, jamais plus d'inertie."""
    assert kmeans(10).inertia_ < KMeans(10, n_init=1, random_state=0).fit(X).inertia_


def test_by_chance_ari_is_zero_and_nmi_grows_with_the_number_of_groups():
    rng = np.random.default_rng(0)
    ari, nmi = {}, {}
    for k in (2, 10, 50):
        drawn = pd.DataFrame([digits.external_indices(y, rng.integers(0, k, len(y))) for _ in range(30)])
        ari[k], nmi[k] = drawn.ari.mean(), drawn.nmi.mean()
    assert all(abs(value) < 0.001 for value in ari.values())
    assert 0 < nmi[2] < nmi[10] < nmi[50] < 0.1


def test_maps_keep_neighbours():
    """« t-SNE garde voisines les images voisines »."""
    figure = digits.draw_maps({name: X.to_numpy() for name in "abcd"}, y, n=200)
    for ax in figure.axes:
        drawn = ax.collections[0].get_offsets()
        assert len(drawn) == 200
        assert trustworthiness(X[:200], drawn, n_neighbors=5) > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--k-max", "1"], "« 1 » : il faut un entier entre 2 et 50."),
        (["--seed", "-1"], "« -1 » : il faut un entier entre 0 et 4294967295."),
        (["--experiment", ""], "« » : il faut un nom"),
    ],
)
def test_a_bad_argument_is_refused_before_touching_the_store(fresh_course, arguments, message):
    option, value = arguments
    ended = fresh_course.run(SWEEP, f"{option}={value}", fails=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(message.replace("« »", "«  »")) and ended.stderr.count("\n") == 1
    assert not (fresh_course.root / "mlflow.db").exists()
