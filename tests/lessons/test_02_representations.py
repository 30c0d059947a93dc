"""Leçon 2, les représentations : les runs de compare_representations relus, tout ce que le texte en
dit recalculé.
"""

import mlflow
import numpy as np
import pandas as pd
import pytest
from lesson_02 import (
    X, answer, artifact_names, end_of, expected_output, is_fully_described,
    keras_of_the_scripts, model_uri, network, on_a_pc, section, y,
)  # fmt: skip
from scipy.stats import mannwhitneyu, ttest_1samp
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from texts import heading, in_text, tables

import digits

pytestmark = pytest.mark.slow
NAMES = ["pixels", "pixels standardisés", "ACP", *(f"autoencodeur {n}" for n in range(6))]


def by_seed(points, *preparation, seeds=range(10)) -> list[tuple]:
    """Des K-Means de dix groupes, un par graine : (le pipeline, son ARI)."""
    models = [make_pipeline(*preparation, KMeans(10, n_init=1, random_state=n)) for n in seeds]
    return [
        (model.fit(points), digits.external_indices(y, model[-1].labels_)["ari"])
        for model in models
    ]


@pytest.fixture(scope="module")
def parent(whole_lesson):
    whole_lesson.ended("compare_representations")
    # avant que MLflow ne charge TensorFlow : ses instructions sont celles du script
    keras_of_the_scripts()
    return whole_lesson.named("comparaison des représentations")


@pytest.fixture(scope="module")
def runs(whole_lesson, parent) -> dict:
    """Les enfants, par représentation."""
    return {run.info.run_name: run for run in whole_lesson.children(parent)}


@pytest.fixture(scope="module")
def metrics(runs) -> dict[str, dict[str, float]]:
    return {name: run.data.metrics for name, run in runs.items()}


@pytest.fixture(scope="module")
def encoders(whole_lesson) -> list:
    """L'encodeur du script 2, puis les cinq autres, réappris."""
    first = network(whole_lesson, whole_lesson.named("autoencodeur code=8"), "encoder")
    return [first, *(learned(seed)[1] for seed in range(1, 6))]


def learned(seed: int) -> tuple:
    """L'autoencodeur de cette graine, et son encodeur."""
    networks = digits.build_autoencoder(seed=seed)
    digits.fit_autoencoder(networks[0], digits.split_images(X, y))
    return networks


def test_compare_uses_the_encoder_that_was_logged(whole_lesson, parent, runs):
    trained = whole_lesson.named("autoencodeur code=8")
    assert parent.data.params["encoder"] == model_uri(whole_lesson, trained, "encoder")
    assert is_fully_described(parent) and list(runs) == NAMES
    assert artifact_names(whole_lesson, parent) == {"ari_by_seed.json", "spread.png"}


def test_each_representation_is_recomputed(parent, runs, encoders, whole_lesson):
    images = X.to_numpy("float32")
    codes = [encoder(images).numpy().astype(float) for encoder in encoders]
    seen = (
        X.to_numpy(),
        StandardScaler().fit_transform(X),
        PCA(8, random_state=0).fit_transform(X),
        *codes,
    )
    table = mlflow.artifacts.load_dict(f"{parent.info.artifact_uri}/ari_by_seed.json")
    assert table["columns"] == NAMES
    table = dict(zip(NAMES, zip(*table["data"], strict=True), strict=True))
    for name, points in zip(NAMES, seen, strict=True):
        models = [KMeans(10, n_init=1, random_state=seed).fit(points) for seed in range(10)]
        ari = [digits.external_indices(y, model.labels_)["ari"] for model in models]
        kept = int(np.argmin([model.inertia_ for model in models]))
        run = runs[name]
        assert list(table[name]) == pytest.approx(ari, abs=1e-9)
        expected = {
            "ari_mean": np.mean(ari), "ari_min": min(ari), "ari_max": max(ari),
            "silhouette": silhouette_score(points, models[kept].labels_),
        }  # fmt: skip
        assert run.data.metrics == pytest.approx(expected, abs=1e-9)
        logged = mlflow.sklearn.load_model(model_uri(whole_lesson, run, "kmeans"))
        inputs = pd.DataFrame(points).add_prefix("code_") if name.startswith("auto") else X
        groups = logged.predict(inputs)
        assert digits.external_indices(y, groups)["ari"] == pytest.approx(ari[kept], abs=1e-12)


@on_a_pc
def test_the_text_announces_what_was_found(whole_lesson, metrics):
    assert whole_lesson.ended("compare_representations").stdout == expected_output(
        "compare_representations"
    )
    columns = {
        "ARI moyen": "ari_mean",
        "minimum": "ari_min",
        "maximum": "ari_max",
        "silhouette": "silhouette",
    }
    rows = tables(end_of("compare_representations"))
    assert [row["représentation"] for row in rows] == [*NAMES[:3], "l'autoencodeur du script 2"]
    for row, name in zip(rows, NAMES[:4], strict=True):
        assert {column: row[column] for column in columns} == {
            column: f"{metrics[name][metric]:.3f}" for column, metric in columns.items()
        }
    pixels = metrics["pixels"]
    lowest, highest = in_text(
        r"sur les mêmes pixels, l'ARI va de (\S+) à (\d\.\d+)",
        section(heading("compare_representations")),
    )
    assert (lowest, highest) == (f"{pixels['ari_min']:.3f}", f"{pixels['ari_max']:.3f}")


def test_standardizing_weighs_what_hardly_varies(metrics):
    """La part de la variance des vingt pixels les moins variables, et ce que les retirer rend à
    l'ARI.
    """
    scaled = pd.DataFrame(StandardScaler().fit_transform(X), columns=X.columns)
    least = X.var().nsmallest(20).index
    before, after = (
        f"{100 * table.var()[least].sum() / table.var().sum():.0f}" for table in (X, scaled)
    )
    low = metrics["pixels standardisés"]["ari_mean"]
    back = np.mean([ari for _, ari in by_seed(scaled.drop(columns=least))])
    assert back > low
    pattern = r"passent de (\d+) % à (\d+) % .*? remonter de (\S+) à (\d\.\d+)\."
    assert in_text(pattern, answer(5)) == (before, after, f"{low:.3f}", f"{back:.3f}")


@on_a_pc
@pytest.mark.release  # douze apprentissages
def test_drawing_well_is_not_grouping_well(whole_lesson, metrics):
    """« Tous les six redessinent mieux que l'ACP », et rien ne les départage d'elle quand il s'agit
    de grouper, même sur douze graines.
    """
    trained = whole_lesson.named("autoencodeur code=8").data.metrics
    unseen = digits.split_images(X, y).X_test.to_numpy("float32")
    means, errors = [], []
    for seed in range(12):
        autoencoder, encoder = learned(seed)
        errors.append(mean_squared_error(unseen, autoencoder(unseen).numpy()))
        codes = encoder(X.to_numpy("float32")).numpy().astype(float)
        means.append(np.mean([ari for _, ari in by_seed(codes)]))
    assert max(errors) < trained["pca_test_mse"] / 1.5
    assert [metrics[name]["ari_mean"] for name in NAMES[3:]] == pytest.approx(means[:6], abs=1e-9)
    assert ttest_1samp(means, metrics["ACP"]["ari_mean"]).pvalue > 0.2


@on_a_pc
def test_the_seed_of_the_network_reverses_the_verdict(metrics):
    """« L'autoencodeur 0 fait moins bien qu'elle, l'autoencodeur 1 mieux »."""
    first, second = (metrics[f"autoencodeur {n}"]["ari_mean"] for n in range(2))
    assert first < metrics["ACP"]["ari_mean"] < second
    assert max(metrics, key=lambda name: metrics[name]["ari_mean"]) == "pixels"


def test_pixels_win_over_thirty_seeds():
    """« Les simples pixels gagnent » : pas seulement sur les dix graines du script."""
    starts = range(30)
    pixels, acp, scaled = (
        [ari for _, ari in by_seed(X, *preparation, seeds=starts)]
        for preparation in ([], [PCA(8, random_state=0)], [StandardScaler()])
    )
    assert np.mean(pixels) > np.mean(acp) > np.mean(scaled)
    assert mannwhitneyu(pixels, acp, alternative="greater").pvalue < 0.01


def test_silhouettes_compare_within_one_space(metrics):
    """Les groupes de l'ACP, jugés parmi les pixels, n'ont plus la meilleure silhouette."""
    judged = {}
    for name, preparation in {"pixels": [], "ACP": [PCA(8, random_state=0)]}.items():
        tried = by_seed(X, *preparation)
        kept = min((pipeline for pipeline, _ in tried), key=lambda each: each[-1].inertia_)
        judged[name] = silhouette_score(X, kept.predict(X))
    own = {name: found["silhouette"] for name, found in metrics.items()}
    assert max(NAMES[:4], key=own.get) == "ACP" and judged["ACP"] < judged["pixels"]
    said = in_text(
        r"de l'ACP ont (\d\.\d+), moins que les (\d\.\d+) des pixels",
        end_of("compare_representations"),
    )
    assert said == (f"{judged['ACP']:.3f}", f"{judged['pixels']:.3f}")
    said = in_text(
        r"silhouette de l'ACP \((\S+)\) ne prouve-t-elle .*? les pixels \((\S+)\) \?.*? "
        r"n'ont plus que (\d\.\d+)\.",
        answer(3),
    )
    assert said == (f"{own['ACP']:.3f}", f"{own['pixels']:.3f}", f"{judged['ACP']:.3f}")
