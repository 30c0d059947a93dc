"""Leçon 2, le balayage : le magasin relu, les nombres et les raisons annoncés recalculés."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from lesson_02 import (
    FOLDER, X, aside, answer, artifact_names, end_of, expected_output, is_fully_described,
    kmeans, model_uri, script, section, y,
)  # fmt: skip
from sklearn.cluster import KMeans
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
from texts import heading, in_text, tables
from threadpoolctl import threadpool_limits

import digits

CHOSEN = ("k_elbow", "k_silhouette", "k_davies_bouldin", "k_calinski_harabasz", "k_ari")


@pytest.fixture(scope="module")
def sweep(lesson):
    """Le run parent, et ses enfants par nombre de groupes."""
    parent = lesson.named("kmeans k=2 à 20")
    return parent, {int(run.data.params["n_clusters"]): run for run in lesson.children(parent)}


@pytest.fixture(scope="module")
def classes() -> dict[str, float]:
    """Ce que les trois indices disent du partage en vrais chiffres."""
    indices = {
        "silhouette": silhouette_score,
        "davies_bouldin": davies_bouldin_score,
        "calinski_harabasz": calinski_harabasz_score,
    }
    return {name: index(X, y) for name, index in indices.items()}


def test_each_child_holds_its_indices_recomputed_from_its_model(lesson, sweep):
    _, runs = sweep
    assert list(runs) == list(range(2, 21))
    for k, run in runs.items():
        assert run.info.status == "FINISHED" and not artifact_names(lesson, run)
        assert run.data.params == {"n_clusters": str(k), "n_init": "10", "seed": "0"}
        model = mlflow.sklearn.load_model(model_uri(lesson, run, "kmeans"))
        groups = model.predict(X)
        assert run.data.metrics == digits.internal_indices(X, model) | digits.external_indices(
            y, groups
        )
        assert run.data.metrics["inertia"] == pytest.approx(
            ((X.to_numpy() - model.cluster_centers_[groups]) ** 2).sum()
        )


def test_a_logged_model_has_signature_and_requirements(lesson, sweep):
    info = mlflow.models.get_model_info(model_uri(lesson, sweep[1][10], "kmeans"))
    assert info.signature.inputs.input_names() == list(X.columns)
    # sa vérification est ce qu'un `log_model` a de plus cher
    assert info.saved_input_example_info is None
    written = (
        (Path(mlflow.artifacts.download_artifacts(info.model_uri)) / "requirements.txt")
        .read_text()
        .split()
    )
    assert {line.partition("==")[0] for line in written} == {
        "mlflow",
        "scikit-learn",
        "skops",
        "pandas",
        "numpy",
    }


def test_the_parent_says_what_each_index_recommends_and_the_text_too(lesson, sweep):
    parent, runs = sweep
    table = pd.DataFrame({k: run.data.metrics for k, run in runs.items()}).T
    best = (
        table.silhouette.idxmax(),
        table.davies_bouldin.idxmin(),
        table.calinski_harabasz.idxmax(),
        table.ari.idxmax(),
    )
    assert parent.data.metrics == dict(
        zip(CHOSEN, (digits.elbow(list(table.index), list(table.inertia)), *best), strict=True)
    )
    assert is_fully_described(parent)
    assert artifact_names(lesson, parent) == {"indices.png", "centroids.png"}
    found = [
        (str(int(k)), f"{table.ari[k]:.3f}") for k in (parent.data.metrics[name] for name in CHOSEN)
    ]
    assert [(row["groupes"], row["ARI"]) for row in tables(end_of("kmeans_sweep"))[:5]] == found
    assert lesson.ended("kmeans_sweep").stdout == expected_output("kmeans_sweep")


def test_no_index_recommends_ten_groups_and_none_looks_for_the_digits(sweep, classes):
    """Trois indices mettent les neuf groupes de K-Means avant le partage en vrais chiffres ; le
    quatrième préfère le moins de groupes.
    """
    parent, runs = sweep
    assert 10 not in parent.data.metrics.values()
    nine = runs[9].data.metrics
    assert (
        nine["silhouette"] > classes["silhouette"]
        and nine["calinski_harabasz"] > classes["calinski_harabasz"]
    )
    assert nine["davies_bouldin"] < classes["davies_bouldin"]
    for text in (end_of("kmeans_sweep"), section(heading("kmeans_sweep"))):
        said = in_text(
            r"silhouette de (\d\.\d+), (?:et )?le partage en vrais chiffres n'a que (\d\.\d+)", text
        )
        assert said == (f"{nine['silhouette']:.3f}", f"{classes['silhouette']:.3f}")
    pattern = (
        r"silhouette de (\S+), un Davies-Bouldin de (\S+) et un Calinski-Harabasz de "
        r"(\d+) .*? : (\S+), (\S+) et (\d+)\."
    )
    digits_and_groups = [
        (each["silhouette"], each["davies_bouldin"], each["calinski_harabasz"])
        for each in (classes, nine)
    ]
    found = [
        f"{value:.{places}f}"
        for each in digits_and_groups
        for value, places in zip(each, (3, 2, 0), strict=True)
    ]
    assert list(in_text(pattern, answer(1))) == found
    decreasing = [run.data.metrics["calinski_harabasz"] for run in runs.values()]
    assert decreasing == sorted(decreasing, reverse=True) and parent.data.metrics[
        "k_calinski_harabasz"
    ] == min(runs)


def test_the_text_tells_who_shares_a_group(sweep):
    _, runs = sweep
    groups = {k: pd.crosstab(kmeans(k).labels_, y) for k in (9, 10, 11)}
    nine, ten = tables(end_of("kmeans_sweep"))[-2:]
    assert [row["groupes demandés"] for row in (nine, ten)] == ["9", "10"]
    said = [
        in_text(
            rf"« {one} » \((\d+) images\) et « {other} » \((\d+) images\)", " ".join(row.values())
        )
        for row, one, other in ((nine, "trois", "neuf"), (ten, "un", "huit"))
    ]
    (threes, nines), (ones, eights) = [tuple(map(int, each)) for each in said]
    assert (threes, nines) in set(zip(groups[9][3], groups[9][9], strict=True))
    assert (ones, eights) in set(zip(groups[10][1], groups[10][8], strict=True))
    # « un onzième groupe sépare les derniers »
    assert groups[11][[1, 8]].min(axis=1).max() < min(ones, eights) / 4
    # la page : « un même centre y sert à deux chiffres différents »
    assert groups[9].idxmax().duplicated().any()
    assert runs[11].data.metrics["ari"] > runs[10].data.metrics["ari"]


def test_another_seed_moves_the_peak_of_ari(sweep):
    [said] = in_text(r"`SEED = (\d+)`, .*?il se déplace d'un cran", end_of("kmeans_sweep"))
    assert [said] == [*in_text(r"`SEED = (\d+)`, .*?il se déplace d'un cran", answer(2))]
    ari = {k: digits.external_indices(y, kmeans(k, int(said)).labels_)["ari"] for k in range(2, 21)}
    assert abs(max(ari, key=ari.get) - sweep[0].data.metrics["k_ari"]) == 1


def test_a_second_run_wants_nested_and_a_curve_wants_step(scratch):
    elsewhere = aside(scratch, "pièges du suivi")
    with mlflow.start_run(experiment_id=elsewhere) as parent:
        with pytest.raises(Exception, match="already active"):
            mlflow.start_run(experiment_id=elsewhere)
        with mlflow.start_run(experiment_id=elsewhere, nested=True) as child:
            for value in (0.3, 0.2, 0.1):
                mlflow.log_metric("loss", value)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {
        point.step for point in scratch.client().get_metric_history(child.info.run_id, "loss")
    } == {0}


def test_another_process_and_other_threads_give_the_same_bits(fresh_course, sweep):
    """Un vrai programme : le nombre de fils se lit à l'import.

    Sans le fil unique de `digits.py`, il changerait les derniers bits.
    """
    few = fresh_course.tune(script("kmeans_sweep"), K_MAX=5)
    fresh_course.run(few, OMP_NUM_THREADS="3")
    again = {
        run.data.params.get("n_clusters"): run.data.metrics for run in fresh_course.runs(FOLDER)
    }
    # des nombres égaux ont les mêmes bits, à -0.0 près
    assert all(again[str(k)] == sweep[1][k].data.metrics for k in range(2, 6))

    found = {}
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="openmp"):
            found[threads] = KMeans(10, n_init=10, random_state=0).fit(X.to_numpy()).inertia_
    assert found[1] == kmeans(10).inertia_ != found[3] == pytest.approx(found[1], rel=1e-12)


def test_elbow_is_the_farthest_point_under_the_chord():
    assert digits.elbow([2, 3, 4, 5], [10.0, 4.0, 3.0, 2.0]) == 3
    assert digits.elbow([2, 3], [10.0, 5.0]) == 2


def test_a_row_of_images_puts_each_in_its_place():
    rows = {"deux": X.to_numpy()[:2], "trois": X.to_numpy()[2:5]}
    picture = digits.draw_rows(rows, "essai").axes[0].images[0].get_array().filled(np.nan)
    assert picture.shape == (17, 26)
    np.testing.assert_array_equal(picture[9:, 18:], X.to_numpy()[4].reshape(8, 8))
    assert np.isnan(picture[:8, 18:]).all() and np.isnan(picture[8]).all()


def test_what_digits_says_of_kmeans_of_chance_and_of_the_figure():
    """Plus de départs, moins d'inertie ; au hasard, l'ARI vaut 0 et la NMI croît."""
    assert kmeans(10).inertia_ < KMeans(10, n_init=1, random_state=0).fit(X).inertia_
    rng = np.random.default_rng(0)
    drawn = {
        k: pd.DataFrame(
            [digits.external_indices(y, rng.integers(0, k, len(y))) for _ in range(30)]
        ).mean()
        for k in (2, 10, 50)
    }
    assert all(abs(indices.ari) < 0.001 for indices in drawn.values())
    assert 0 < drawn[2].nmi < drawn[10].nmi < drawn[50].nmi < 0.1
    spread = digits.draw_spread({"a": pd.Series([0.1, 0.2]), "b": pd.Series([0.3, 0.5])})
    drawn = [list(line.get_xdata()) for line in spread.axes[0].lines]
    assert drawn == [[0.1, 0.2], [pytest.approx(0.15)], [0.3, 0.5], [0.4]]
