"""Leçon 2, les représentations : les runs de compare_representations relus, tout ce que le texte en
dit recalculé.
"""

import mlflow
import numpy as np
import pandas as pd
import pytest
from lesson_02 import (
    X, answer, artifact_names, by_step, end_of, expected_output, is_fully_described,
    keras_of_the_scripts, model_uri, network, on_a_pc, script, section, y,
)  # fmt: skip
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from texts import heading, in_text, tables

import digits

pytestmark = pytest.mark.slow
NAMES = ["pixels", "pixels standardisés", "ACP", "autoencodeur"]


def by_seed(points, *preparation) -> list[tuple]:
    """Dix K-Means de dix groupes, un par graine : (le pipeline, son ARI)."""
    models = [make_pipeline(*preparation, KMeans(10, n_init=1, random_state=n)) for n in range(10)]
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


def test_compare_uses_the_encoder_that_was_logged(whole_lesson, parent, runs):
    trained = whole_lesson.named("autoencodeur code=8")
    assert parent.data.params["encoder"] == model_uri(whole_lesson, trained, "encoder")
    assert is_fully_described(parent) and list(runs) == NAMES
    assert artifact_names(whole_lesson, parent) == {"maps.png", "spread.png"}


def test_each_representation_is_recomputed(whole_lesson, runs):
    encoder = network(whole_lesson, whole_lesson.named("autoencodeur code=8"), "encoder")
    codes = encoder(X.to_numpy("float32")).numpy().astype(float)
    seen = (
        X.to_numpy(),
        StandardScaler().fit_transform(X),
        PCA(8, random_state=0).fit_transform(X),
        codes,
    )
    for name, points in zip(NAMES, seen, strict=True):
        models = [KMeans(10, n_init=1, random_state=seed).fit(points) for seed in range(10)]
        indices = pd.DataFrame([digits.external_indices(y, model.labels_) for model in models])
        kept = int(np.argmin([model.inertia_ for model in models]))
        run = runs[name]
        for index in ("ari", "nmi"):
            assert by_step(whole_lesson, run, f"{index}_by_seed") == pytest.approx(
                dict(indices[index]), abs=1e-12
            )
        expected = {
            "ari_mean": indices.ari.mean(), "ari_min": indices.ari.min(),
            "ari_max": indices.ari.max(), "nmi_mean": indices.nmi.mean(),
            "kept_ari": indices.ari[kept],
            "kept_silhouette": silhouette_score(points, models[kept].labels_),
        }  # fmt: skip
        assert {metric: run.data.metrics[metric] for metric in expected} == pytest.approx(
            expected, abs=1e-9
        )
        logged = mlflow.sklearn.load_model(model_uri(whole_lesson, run, "kmeans"))
        groups = logged.predict(codes if name == "autoencodeur" else X)
        assert digits.external_indices(y, groups)["ari"] == pytest.approx(
            indices.ari[kept], abs=1e-12
        )


@on_a_pc
def test_the_text_announces_what_was_found(whole_lesson, metrics):
    assert whole_lesson.ended("compare_representations").stdout == expected_output(
        "compare_representations"
    )
    columns = {
        "ARI moyen": "ari_mean",
        "minimum": "ari_min",
        "maximum": "ari_max",
        "silhouette": "kept_silhouette",
    }
    rows = tables(end_of("compare_representations"))
    assert [row["représentation"] for row in rows] == NAMES
    for row in rows:
        assert {column: row[column] for column in columns} == {
            column: f"{metrics[row['représentation']][name]:.3f}"
            for column, name in columns.items()
        }
    widths = sorted((found["ari_max"] - found["ari_min"], name) for name, found in metrics.items())
    (least, calm), (most, restless) = widths[0], widths[-1]
    in_text(
        rf"déplace l'ARI de {least:.3f} \({calm}\) à {most:.3f} \({restless}\)\.",
        end_of("compare_representations"),
    )

    pixels = metrics["pixels"]
    lowest, highest = in_text(
        r"sur les mêmes pixels, l'ARI va de (\S+) à (\d\.\d+)",
        section(heading("compare_representations")),
    )
    assert (lowest, highest) == (f"{pixels['ari_min']:.3f}", f"{pixels['ari_max']:.3f}")
    # « un écart plus grand que celui des moyennes de l'ACP et des pixels »
    assert (
        pixels["ari_max"] - pixels["ari_min"] > pixels["ari_mean"] - metrics["ACP"]["ari_mean"] > 0
    )


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
    pattern = (
        r"pixels qui varient le moins (\d+) % de la variance, au lieu de (\d+) % ; .*? "
        r"remonter à (\d\.\d+)"
    )
    assert in_text(pattern, end_of("compare_representations")) == (after, before, f"{back:.3f}")
    pattern = r"passent de (\d+) % à (\d+) % .*? remonter de (\S+) à (\d\.\d+)\."
    assert in_text(pattern, answer(5)) == (before, after, f"{low:.3f}", f"{back:.3f}")


def test_drawing_well_is_not_grouping_well(whole_lesson, metrics):
    means = {name: found["ari_mean"] for name, found in metrics.items()}
    trained = whole_lesson.named("autoencodeur code=8").data.metrics
    assert max(means, key=means.get) == "pixels" and means["autoencodeur"] < means["ACP"]
    assert trained["test_mse"] < trained["pca_test_mse"]


def test_silhouettes_compare_within_one_space(metrics):
    """Les groupes de l'ACP, jugés parmi les pixels, n'ont plus la meilleure silhouette."""
    judged = {}
    for name, preparation in {"pixels": [], "ACP": [PCA(8, random_state=0)]}.items():
        tried = by_seed(X, *preparation)
        kept = min((pipeline for pipeline, _ in tried), key=lambda each: each[-1].inertia_)
        judged[name] = silhouette_score(X, kept.predict(X))
    own = {name: found["kept_silhouette"] for name, found in metrics.items()}
    assert max(own, key=own.get) == "ACP" and judged["ACP"] < judged["pixels"]
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


@on_a_pc
@pytest.mark.release  # un apprentissage de plus
def test_another_autoencoder_changes_the_verdict(fresh_course):
    seed, announced = in_text(
        r"appris avec `SEED = (\d+)`, .*?il monte à (\d\.\d+)", end_of("compare_representations")
    )
    fresh_course.run(fresh_course.tune(script("autoencoder"), SEED=int(seed)))
    fresh_course.run(script("compare_representations"))
    assert f"{fresh_course.named('autoencodeur').data.metrics['ari_mean']:.3f}" == announced
