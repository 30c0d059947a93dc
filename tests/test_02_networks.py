"""Leçon 2, l'autoencodeur et les représentations : les vrais scripts, le magasin relu, nombres et raisons recalculés."""

import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import digits
import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import clean_environment, last_cell, running, tables
from lesson_02 import (
    AUTOENCODER, COMPARE, FOLDER, SWEEP, X, artifact_names, by_step, children, expected_output, history, in_text, is_fully_described,
    answer, model_uri, named, section, y,
)  # fmt: skip
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error, silhouette_score
from sklearn.preprocessing import StandardScaler

PC = platform.machine() in ("x86_64", "AMD64")
on_a_pc = pytest.mark.skipif(not PC, reason="les décimales de TensorFlow annoncées sont celles d'un PC ; les scripts le disent")


@pytest.fixture(scope="session")
def trained(course):
    digits.import_keras()  # les instructions du script, avant que MLflow ne charge TensorFlow
    course.once(AUTOENCODER)
    return named(course, "autoencodeur code=8")


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
    images = digits.split_images(X, y)
    autoencoder = mlflow.tensorflow.load_model(model_uri(course, trained, "autoencoder"))
    encoder = mlflow.tensorflow.load_model(model_uri(course, trained, "encoder"))
    test, valid = images.X_test.to_numpy("float32"), images.X_valid.to_numpy("float32")
    assert mean_squared_error(test, autoencoder(test).numpy()) == trained.data.metrics["test_mse"]
    assert mean_squared_error(valid, autoencoder(valid).numpy()) == pytest.approx(min(history(course, trained, "val_loss")), rel=1e-5)
    assert encoder(test).shape == (300, 8)
    np.testing.assert_array_equal(encoder(test), autoencoder.layers[0](test))
    saved = keras.saving.load_model(mlflow.artifacts.download_artifacts(f"{trained.info.artifact_uri}/checkpoints/best.keras"))
    np.testing.assert_array_equal(saved(test), autoencoder(test))
    pca = PCA(8, random_state=0).fit(images.X_train)
    rebuilt = pca.inverse_transform(pca.transform(images.X_test))
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
    elsewhere = course.client().create_experiment("pièges", artifact_location=(course.root / "pièges").as_uri())
    with mlflow.start_run(experiment_id=elsewhere), pytest.raises(FileNotFoundError):
        mlflow.keras.log_model(encoder, name="encoder", input_example=X.head(2).to_numpy("float32"), pip_requirements=["keras"])


def test_split_is_a_partition_and_keeps_rows_with_their_classes():
    images = digits.split_images(X, y)
    assert [len(part) for part in images] == [1197, 300, 300] * 2
    assert sorted(index for part in images[:3] for index in part.index) == list(X.index)
    for inputs, classes in zip(images[:3], images[3:], strict=True):
        pd.testing.assert_series_equal(classes, y[inputs.index])


@on_a_pc
def test_autoencoder_announces_what_it_found(course, trained):
    assert course.once(AUTOENCODER).stdout == expected_output(AUTOENCODER)
    text, metrics = last_cell(AUTOENCODER), trained.data.metrics
    valid = history(course, trained, "val_loss")
    network, pca, stopped, best, validation = in_text(
        r"une erreur de (\S+) ; l'ACP de même taille en fait (\d\.\d+)\. .*? (\d+) époques, et c'est la (\d+)e .*? validation (\d\.\d+)",
        text,
    )
    assert (network, pca) == (f"{metrics['test_mse']:.4f}", f"{metrics['pca_test_mse']:.4f}")
    assert (int(stopped), int(best), validation) == (len(valid), metrics["best_epoch"], f"{min(valid):.4f}")


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
    stopped = in_text(r"avec AVX-512, la même graine s'arrête après (\d+) époques", last_cell(AUTOENCODER))[0]
    assert len(history(course, named(course, "autoencodeur code=8", "AVX-512"), "loss")) == int(stopped)


@pytest.mark.skipif(sys.platform != "linux", reason="le chargement de CUDA n'est essayé par TensorFlow que sous Linux")
def test_no_variable_silences_tensorflow():
    """Ce que dit `import_keras` : la variable ne suffit pas ; lui se tait (`Course.run` le vérifie à chaque script)."""
    ended = subprocess.run(
        [sys.executable, "-c", "import tensorflow"], env=clean_environment(TF_CPP_MIN_LOG_LEVEL="2"), capture_output=True, text=True
    )
    assert ended.returncode == 0 and "cuda" in ended.stderr


@pytest.mark.slow
def test_the_best_epoch_survives_a_killed_machine(fresh_course):
    """« L'envoyer aussitôt au magasin, c'est ne rien perdre » : tué net, l'apprentissage laisse sa meilleure époque."""
    fresh_course.run(SWEEP, "--k-max", "2")  # le magasin existe : le relire ne gêne plus sa création
    with running(fresh_course.command(AUTOENCODER), fresh_course.root) as process:
        end = time.monotonic() + 240
        while len(by_step(fresh_course, fresh_course.runs(FOLDER)[0], "loss")) < 4:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    run = fresh_course.runs(FOLDER)[0]
    assert run.info.status == "RUNNING"  # personne n'a pu le fermer
    valid = history(fresh_course, run, "val_loss")
    saved = digits.import_keras().saving.load_model(mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/checkpoints/best.keras"))
    inputs = digits.split_images(X, y).X_valid.to_numpy("float32")
    kept = mean_squared_error(inputs, saved(inputs).numpy())
    assert kept <= min(valid[:-1]) * (1 + 1e-5)  # tué, au pire, entre les pertes de la dernière époque et son envoi


def test_the_readme_says_which_instructions(course, trained):
    usual, other = (
        int(found) for found in in_text(r"s'en tient à AVX2, (\d+) époques ; avec AVX-512 .*? s'arrête après (\d+)\.", section("Pièges"))
    )
    assert usual == len(history(course, trained, "loss"))
    assert other == int(in_text(r"avec AVX-512, la même graine s'arrête après (\d+) époques", last_cell(AUTOENCODER))[0])


def test_a_model_cut_short_is_not_ready(course, trained):
    """Ce que le README dit de `READY` : un modèle commencé et jamais fini se trouve, mais pas avec ce statut."""
    client = course.client()
    elsewhere = client.create_experiment("coupé", artifact_location=(course.root / "coupé").as_uri())
    client.create_logged_model(elsewhere, name="encoder")
    found = mlflow.search_logged_models([elsewhere], filter_string="name = 'encoder'", output_format="list")
    assert [model.status == "READY" for model in found] == [False]


# ------------------------------------------------------------------------------------------------- compare_representations


@pytest.fixture(scope="session")
def compared(course, trained):
    """Le run parent, et ses enfants par représentation."""
    course.once(COMPARE)
    parent = named(course, "comparaison des représentations")
    return parent, {run.info.run_name: run for run in children(course, parent)}


def seen_by_kmeans(course, trained) -> dict[str, np.ndarray]:
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
            assert by_step(course, runs[name], f"{index}_by_seed") == pytest.approx(dict(indices[index]), abs=1e-12)
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
    widths = {name: run.data.metrics["ari_max"] - run.data.metrics["ari_min"] for name, run in runs.items()}
    least, most = (choose(widths, key=widths.get) for choose in (min, max))
    said = f"la graine de K-Means, en changer déplace l'ARI de {widths[least]:.3f} ({least}) à {widths[most]:.3f} ({most})."
    assert said in " ".join(last_cell(COMPARE).split())


def test_standardizing_weighs_what_hardly_varies(compared):
    """La part de la variance des vingt pixels les moins variables, et ce que les retirer rend à l'ARI."""
    _, runs = compared
    scaled = pd.DataFrame(StandardScaler().fit_transform(X), columns=X.columns)
    least = X.var().nsmallest(20).index
    shares = [100 * table.var()[least].sum() / table.var().sum() for table in (scaled, X)]
    ari = digits.cluster_with_seeds(scaled.drop(columns=least), [], y, 10)[0].ari.mean()
    *announced, back = in_text(
        r"pixels qui varient le moins (\d+) % de la variance, au lieu de (\d+) % ; .*? remonter à (\d\.\d+)", last_cell(COMPARE)
    )
    assert announced == [f"{share:.0f}" for share in shares]
    assert back == f"{ari:.3f}" and ari > runs["pixels standardisés"].data.metrics["ari_mean"]


def test_drawing_well_is_not_grouping_well(trained, compared):
    _, runs = compared
    means = {name: run.data.metrics["ari_mean"] for name, run in runs.items()}
    assert max(means, key=means.get) == "pixels"
    assert trained.data.metrics["test_mse"] < trained.data.metrics["pca_test_mse"]
    assert means["autoencodeur"] < means["ACP"]


def test_silhouettes_compare_within_one_space(compared):
    """Les groupes de l'ACP, jugés parmi les pixels, n'ont plus la meilleure silhouette."""
    _, runs = compared
    kept = {}
    for name, preparation in {"pixels": [], "ACP": [PCA(8, random_state=0)]}.items():
        by_seed, pipelines = digits.cluster_with_seeds(X, preparation, y, 10)
        kept[name] = silhouette_score(X, pipelines[by_seed.inertia.idxmin()].predict(X))
    assert in_text(r"de l'ACP ont (\d\.\d+), moins que les (\d\.\d+) des pixels", last_cell(COMPARE)) == (
        f"{kept['ACP']:.3f}",
        f"{kept['pixels']:.3f}",
    )
    silhouettes = {name: run.data.metrics["kept_silhouette"] for name, run in runs.items()}
    assert max(silhouettes, key=silhouettes.get) == "ACP" and kept["ACP"] < kept["pixels"]


@on_a_pc
def test_the_readme_says_the_same_of_the_representations(compared):
    _, runs = compared
    text, metrics = section("Script 4"), {name: run.data.metrics for name, run in runs.items()}
    lowest, highest = in_text(r"sur les mêmes pixels, l'ARI va de (\S+) à (\d\.\d+)", text)
    assert (lowest, highest) == (f"{metrics['pixels']['ari_min']:.3f}", f"{metrics['pixels']['ari_max']:.3f}")
    # « un écart plus grand que celui des moyennes de l'ACP et des pixels »
    assert metrics["pixels"]["ari_max"] - metrics["pixels"]["ari_min"] > metrics["pixels"]["ari_mean"] - metrics["ACP"]["ari_mean"] > 0
    pca, pixels = in_text(r"silhouette de l'ACP \((\S+)\) ne prouve-t-elle .*? les pixels \((\S+)\) \?", answer(3))
    assert (pca, pixels) == tuple(f"{metrics[name]['kept_silhouette']:.3f}" for name in ("ACP", "pixels"))
    judged = in_text(r"n'ont plus que (\d\.\d+)\.", answer(3))
    assert judged == in_text(r"de l'ACP ont (\d\.\d+), moins", last_cell(COMPARE))
    before, after, low, high = in_text(r"passent de (\d+) % à (\d+) % .*? remonter de (\S+) à (\d\.\d+)\.", answer(5))
    assert low == f"{metrics['pixels standardisés']['ari_mean']:.3f}"
    assert (after, before, high) == in_text(r"varient le moins (\d+) % .*? de (\d+) % ; .*? remonter à (\d\.\d+)", last_cell(COMPARE))


@pytest.mark.release  # un apprentissage de plus
@on_a_pc
def test_another_autoencoder_changes_the_verdict(course, compared):
    seed, announced = in_text(r"appris avec `--seed (\d+)`, il monte à (\d\.\d+)", last_cell(COMPARE))
    course.run(AUTOENCODER, "--experiment", "autre graine", "--seed", seed)
    course.run(COMPARE, "--experiment", "autre graine")
    assert f"{named(course, 'autoencodeur', 'autre graine').data.metrics['ari_mean']:.3f}" == announced


# ------------------------------------------------------------------------------------------------ ce qui manque, ce qui est faux


@pytest.fixture
def without_tensorflow(tmp_path) -> dict[str, str]:
    """L'environnement d'une machine pour laquelle TensorFlow n'existe pas."""
    (tmp_path / "tensorflow.py").write_text("raise ImportError('TensorFlow n’existe pas ici')", encoding="utf-8")
    return {"PYTHONPATH": str(tmp_path)}


def said_in_one_line(ended) -> str:
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    return ended.stderr.strip()


def test_without_tensorflow_one_line_says_so(fresh_course, without_tensorflow):
    for script in (AUTOENCODER, COMPARE):
        assert "demande TensorFlow" in said_in_one_line(fresh_course.run(script, fails=True, **without_tensorflow))
    assert not fresh_course.runs(FOLDER)


def test_without_an_encoder_one_line_gives_the_command(fresh_course):
    line = said_in_one_line(fresh_course.run(COMPARE, fails=True))
    assert line.endswith(f"Lancez d'abord : uv run {AUTOENCODER}")
    assert not fresh_course.runs(FOLDER)


def test_an_encoder_whose_files_are_gone_is_said_in_one_line(fresh_course):
    fresh_course.run(AUTOENCODER, "--epochs", "1")
    shutil.rmtree(fresh_course.root / "mlruns")
    assert said_in_one_line(fresh_course.run(COMPARE, fails=True)).startswith("Un fichier manque dans mlruns/")
    assert {run.info.status for run in fresh_course.runs(FOLDER)} == {"FINISHED"}


@pytest.mark.parametrize(
    ("script", "argument", "message"),
    [
        (AUTOENCODER, "--code-size=0", "« 0 » : il faut un entier entre 1 et 64."),
        (COMPARE, "--seeds=dix", "« dix » : il faut un entier entre 2 et 100."),
    ],
)
def test_a_bad_argument_is_refused_before_touching_the_store(fresh_course, script, argument, message):
    assert said_in_one_line(fresh_course.run(script, argument, fails=True)) == message
    assert not (fresh_course.root / "mlflow.db").exists()
