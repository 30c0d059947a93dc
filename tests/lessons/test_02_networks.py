"""Leçon 2, l'autoencodeur et ses points de reprise : le magasin relu, nombres et raisons
recalculés.
"""

import logging
import signal
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from lesson_02 import (
    FOLDER, X, answer, artifact_names, aside, by_step, end_of, expected_output, history,
    is_fully_described,
    keras_of_the_scripts, model_uri, network, on_a_pc, script, section, y,
)  # fmt: skip
from mlflow.entities import LoggedModelStatus
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from programs import running
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error
from texts import heading, in_text

import digits

IMAGES = digits.split_images(X, y)
VALID, UNSEEN = (part.to_numpy("float32") for part in (IMAGES.X_valid, IMAGES.X_test))


@pytest.fixture(scope="module")
def trained(lesson):
    lesson.ended("autoencoder")
    # avant que MLflow ne charge TensorFlow : ses instructions sont celles du script
    keras_of_the_scripts()
    return lesson.named("autoencodeur code=8")


# ------------------------------------------------------------------------------------------------
# autoencoder


def test_each_epoch_is_logged_until_validation_stagnates(lesson, trained):
    losses, valid = history(lesson, trained, "loss"), history(lesson, trained, "val_loss")
    best, metrics = int(np.argmin(valid)), trained.data.metrics
    assert metrics["best_epoch"] == best == len(losses) - 1 - int(trained.data.params["patience"])
    assert is_fully_described(trained)
    assert artifact_names(lesson, trained) == {"model_summary.txt", "reconstructions.png"}
    # « la même perte envoyée sans époque : toutes ses valeurs sont au pas 0 »
    points = lesson.client().get_metric_history(trained.info.run_id, "validation_loss")
    assert {point.step for point in points} == {0} and len(points) == len(valid)
    assert sorted(point.value for point in points) == pytest.approx(sorted(valid))


def test_logged_networks_are_those_of_the_best_epoch(lesson, trained):
    """Les deux modèles donnent les valeurs enregistrées et partagent leurs poids ; l'ACP est
    refaite.
    """
    autoencoder, encoder = (
        network(lesson, trained, "autoencoder"),
        network(lesson, trained, "encoder"),
    )
    metrics = trained.data.metrics
    assert mean_squared_error(UNSEEN, autoencoder(UNSEEN).numpy()) == metrics["test_mse"]
    assert mean_squared_error(VALID, autoencoder(VALID).numpy()) == pytest.approx(
        min(history(lesson, trained, "val_loss")), rel=1e-5
    )
    assert encoder(UNSEEN).shape == (300, 8)
    np.testing.assert_array_equal(encoder(UNSEEN), autoencoder.layers[0](UNSEEN))
    pca = PCA(8, random_state=0).fit(IMAGES.X_train.to_numpy("float32"))
    rebuilt = pca.inverse_transform(pca.transform(UNSEEN))
    assert metrics["pca_test_mse"] == pytest.approx(mean_squared_error(UNSEEN, rebuilt), rel=1e-6)

    served = mlflow.pyfunc.load_model(model_uri(lesson, trained, "encoder"))
    assert served.predict(X.head(2).to_numpy("float32")).shape == (2, 8)
    with pytest.raises(mlflow.MlflowException):
        served.predict(np.zeros((2, 63), "float32"))


@pytest.mark.slow
def test_what_autolog_writes_beside_the_callback(scratch):
    """Le tableau de la page, colonne par colonne."""
    runs = {}
    for name in ("callback", "autolog"):
        mlflow.tensorflow.autolog(disable=name == "callback")
        try:
            with mlflow.start_run(experiment_id=aside(scratch, f"ce qu'écrit {name}")) as run:
                callbacks = [mlflow.tensorflow.MlflowCallback()] if name == "callback" else []
                found = digits.fit_autoencoder(
                    digits.build_autoencoder()[0], IMAGES, callbacks
                ).history
        finally:
            mlflow.tensorflow.autolog(disable=True)
        runs[name] = scratch.client().get_run(run.info.run_id)
    callback, autolog = runs.values()
    assert history(scratch, callback, "val_loss") == pytest.approx(found["val_loss"])
    # « de même, puis celles de l'époque rendue »
    assert history(scratch, autolog, "val_loss") == pytest.approx(
        [*found["val_loss"], min(found["val_loss"])]
    )
    optimizer, settings = callback.data.params, autolog.data.params
    assert optimizer and all(name.startswith("opt_") for name in optimizer)
    assert optimizer.keys() < settings.keys()
    assert (settings["batch_size"], settings["patience"]) == ("64", "5")
    assert not callback.inputs.dataset_inputs and not callback.outputs.model_outputs
    assert {each.dataset.name for each in autolog.inputs.dataset_inputs} == {"dataset"}
    assert network(scratch, autolog, "model").count_params() == (
        digits.build_autoencoder()[0].count_params()
    )
    assert artifact_names(scratch, callback) == {"model_summary.txt"}
    assert artifact_names(scratch, autolog) == {
        "model_summary.txt",
        "checkpoints",
        "tensorboard_logs",
    }


@pytest.mark.slow
def test_a_store_that_refuses_leaves_a_finished_run_with_half_a_curve(
    fresh_course, monkeypatch, caplog
):
    """« MLflow écrit `Failed to log run data`, et l'apprentissage continue »."""
    written, sent = SqlAlchemyStore.log_batch, []

    def refuse(self, run_id, metrics, params, tags):
        sent.append(metrics)
        if metrics and len(sent) > 9:
            raise OSError("disque plein")
        return written(self, run_id, metrics, params, tags)

    monkeypatch.setattr(SqlAlchemyStore, "log_batch", refuse)
    monkeypatch.setattr(logging.getLogger("mlflow"), "propagate", True)  # caplog écoute la racine
    with mlflow.start_run(experiment_id=aside(fresh_course, "un magasin qui refuse")) as run:
        callbacks = [mlflow.tensorflow.MlflowCallback()]
        losses = digits.fit_autoencoder(digits.build_autoencoder()[0], IMAGES, callbacks).history
    assert "Failed to log run data" in caplog.text
    assert fresh_course.client().get_run(run.info.run_id).info.status == "FINISHED"
    kept = by_step(fresh_course, run, "loss")
    assert 0 < len(kept) < len(losses["loss"])


def test_three_pitfalls_are_still_true(scratch, trained):
    """Le jour où MLflow les corrige, le README doit changer ; un modèle commencé et jamais fini
    n'est pas `READY`.
    """
    elsewhere, named_encoder = aside(scratch, "pièges des modèles"), "name = 'encoder'"
    [found] = mlflow.search_logged_models(
        [trained.info.experiment_id], filter_string=named_encoder, output_format="list"
    )
    assert found.status == "READY"
    ready = mlflow.search_logged_models(
        [trained.info.experiment_id],
        filter_string=f"{named_encoder} AND status = 'READY'",
        output_format="list",
    )
    assert ready == []
    encoder = network(scratch, trained, "encoder")
    with mlflow.start_run(experiment_id=elsewhere), pytest.raises(FileNotFoundError):
        mlflow.keras.log_model(
            encoder,
            name="refusé",
            input_example=X.head(2).to_numpy("float32"),
            pip_requirements=["keras"],
        )
    scratch.client().create_logged_model(elsewhere, name="encoder")
    [cut_short] = mlflow.search_logged_models(
        [elsewhere], filter_string=named_encoder, output_format="list"
    )
    assert cut_short.status != "READY"


def test_split_is_a_partition_and_keeps_rows_with_their_classes():
    assert [len(part) for part in IMAGES] == [1197, 300, 300] * 2
    assert sorted(index for part in IMAGES[:3] for index in part.index) == list(X.index)
    for inputs, classes in zip(IMAGES[:3], IMAGES[3:], strict=True):
        pd.testing.assert_series_equal(classes, y[inputs.index])


@on_a_pc
def test_the_text_announces_what_the_network_found(lesson, trained):
    assert lesson.ended("autoencoder").stdout == expected_output("autoencoder")
    metrics, losses = trained.data.metrics, history(lesson, trained, "val_loss")
    said = in_text(
        r"une erreur de (\S+) ; l'ACP de même taille en fait (\d\.\d+)\.", end_of("autoencoder")
    )
    assert said == tuple(f"{metrics[name]:.4f}" for name in ("test_mse", "pca_test_mse"))
    usual, other = in_text(
        r"s'en tient à AVX2, (\d+) époques ; avec AVX-512 .*? s'arrête après (\d+)\.",
        section("Pièges"),
    )
    assert usual == str(len(losses)) and other == with_avx512()


def with_avx512() -> str:
    return in_text(
        r"avec AVX-512, la même graine s'arrête après (\d+) époques", end_of("autoencoder")
    )[0]


def has_avx512() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "avx512f" in cpuinfo.read_text()


@pytest.mark.release
@pytest.mark.skipif(
    not has_avx512(), reason="ce processeur n'a pas (ou ne dit pas avoir) les instructions AVX-512"
)
def test_other_instructions_learn_another_network(fresh_course):
    fresh_course.run(script("autoencoder"), ONEDNN_MAX_CPU_ISA="ALL")
    assert (
        str(len(history(fresh_course, fresh_course.named("autoencodeur code=8"), "loss")))
        == with_avx512()
    )


# ------------------------------------------------------------------------------------------------
# checkpoints


@pytest.fixture(scope="module")
def saved(lesson, trained):
    """Le run, et ses points de reprise par époque, de la première à la dernière."""
    run = lesson.named("points de reprise")
    models = {
        output.step: lesson.client().get_logged_model(output.model_id)
        for output in run.outputs.model_outputs
    }
    return run, dict(sorted(models.items()))


def metrics_of(model) -> dict[str, float]:
    return {metric.key: metric.value for metric in model.metrics or []}


def losses_of(models: dict) -> dict[int, float]:
    """Les pertes de validation, de la plus petite à la plus grande, par époque."""
    found = {epoch: metrics_of(model)["val_loss"] for epoch, model in models.items()}
    return dict(sorted(found.items(), key=lambda each: each[1]))


def test_each_checkpoint_is_a_model_with_its_epoch_and_its_losses(lesson, saved):
    run, models = saved
    assert is_fully_described(run)
    assert list(models) == list(range(4, max(models) + 1, 5))
    losses = {metric: by_step(lesson, run, metric) for metric in ("loss", "val_loss")}
    for epoch, model in models.items():
        assert (model.name, model.status, model.source_run_id) == (
            "checkpoint",
            LoggedModelStatus.READY,
            run.info.run_id,
        )
        assert {metric.step for metric in model.metrics} == {epoch}
        assert {name: metrics_of(model)[name] for name in losses} == {
            name: values[epoch] for name, values in losses.items()
        }
        reopened = mlflow.tensorflow.load_model(model.model_uri)
        assert mean_squared_error(VALID, reopened(VALID).numpy()) == pytest.approx(
            metrics_of(model)["val_loss"], rel=1e-5
        )
        assert mlflow.models.get_model_info(model.model_uri).signature.inputs.to_dict()[0][
            "tensor-spec"
        ]["shape"] == (-1, 64)


def test_the_best_is_found_and_it_alone_saw_the_test(lesson, saved):
    run, models = saved
    valid = losses_of(models)
    best, *_ = valid
    assert [epoch for epoch, model in models.items() if "test_mse" in metrics_of(model)] == [best]
    reopened = mlflow.tensorflow.load_model(models[best].model_uri)
    assert (
        mean_squared_error(UNSEEN, reopened(UNSEEN).numpy())
        == metrics_of(models[best])["test_mse"]
        == run.data.metrics["test_mse"]
    )
    printed = [line.split() for line in lesson.ended("checkpoints").stdout.splitlines()[1:-3]]
    assert [(line[1], line[-1]) for line in printed] == [
        (str(epoch), f"{loss:.4f}") for epoch, loss in valid.items()
    ]


def test_two_processes_learn_the_same_bits(lesson, trained, saved):
    """Chaque point de reprise a, au bit près, les pertes de la même époque d'`02_autoencoder.py` ;
    le meilleur est le réseau qu'il rend.
    """
    run, models = saved
    for metric in ("loss", "val_loss"):
        other = history(lesson, trained, metric)
        assert {epoch: value.hex() for epoch, value in by_step(lesson, run, metric).items()} == {
            n: other[n].hex() for n in models
        }
    best, *_ = losses_of(models)
    assert (
        trained.data.metrics["best_epoch"] == best
        and trained.data.metrics["test_mse"] == run.data.metrics["test_mse"]
    )


@on_a_pc
def test_the_text_announces_the_checkpoints(lesson, saved):
    """Les nombres, et le rang du dernier, dans le script et sur la page."""
    run, models = saved
    valid = losses_of(models)
    best, last = next(iter(valid)), max(models)
    assert list(valid).index(last) == 2
    numbers = (str(last), f"{valid[last]:.4f}", str(best), f"{valid[best]:.4f}")
    pattern = (
        r"celui de l'époque (\d+), n'est que troisième : (\S+) sur .*? celui de l'époque (\d+) : "
        r"(\S+), et (\S+) sur le test"
    )
    assert in_text(pattern, end_of("checkpoints")) == (
        *numbers,
        f"{run.data.metrics['test_mse']:.4f}",
    )
    assert in_text(r"époque (\d+), (\S+) ; époque (\d+), (\d\.\d+)\.", answer(4)) == numbers
    in_text(
        rf"\*Logged models \({len(models)}\)\* .*? dont \*Step\* vaut {best} ",
        section(heading("checkpoints")),
    )
    assert lesson.ended("checkpoints").stdout == expected_output("checkpoints")


def test_the_callback_keeps_one_file_which_is_the_same_network(lesson, saved):
    run, models = saved
    best, *_ = losses_of(models)
    assert {
        file.path for file in lesson.client().list_artifacts(run.info.run_id, "checkpoints")
    } == {
        "checkpoints/latest_checkpoint.weights.h5",
        "checkpoints/latest_checkpoint_metrics.json",
    }
    blank, _ = digits.build_autoencoder(seed=1)
    theirs = mlflow.tensorflow.load_checkpoint(model=blank, run_id=run.info.run_id)
    ours = mlflow.tensorflow.load_model(models[best].model_uri)
    np.testing.assert_array_equal(theirs(UNSEEN), ours(UNSEEN))


def test_a_whole_network_is_not_reopened_when_its_loss_has_only_a_name(scratch, caplog):
    """« Il en avertit à chaque fois, et `load_checkpoint` échoue... » : et la cure du piège."""
    keras, train = keras_of_the_scripts(), IMAGES.X_train.to_numpy("float32")
    for name, loss in {"nom": "mse", "objet": keras.losses.MeanSquaredError()}.items():
        autoencoder, _ = digits.build_autoencoder()
        autoencoder.compile(optimizer="adam", loss=loss)
        caplog.clear()
        with mlflow.start_run(experiment_id=aside(scratch, f"perte : {name}")) as run:
            callback = mlflow.tensorflow.MlflowModelCheckpointCallback(monitor="loss")
            autoencoder.fit(train, train, epochs=3, verbose=0, callbacks=[callback])
        assert sum("HDF5" in each.getMessage() for each in caplog.records) == 3
        if name == "nom":
            with pytest.raises(ValueError, match="Could not deserialize 'keras.metrics.mse'"):
                mlflow.tensorflow.load_checkpoint(run_id=run.info.run_id)
        else:
            again = mlflow.tensorflow.load_checkpoint(run_id=run.info.run_id)
            np.testing.assert_array_equal(again(UNSEEN), autoencoder(UNSEEN))


@pytest.mark.slow
def test_a_killed_machine_leaves_what_is_in_the_store(fresh_course):
    """« Une machine qui s'arrête en chemin n'emporte pas ce qui est déjà dans le magasin »."""
    # le magasin existe : le relire ne gêne plus sa création
    experiment = fresh_course.client().create_experiment(FOLDER)

    def ready():
        found = fresh_course.client().search_logged_models([experiment])
        return [model for model in found if model.status == LoggedModelStatus.READY]

    with running(fresh_course.command(script("checkpoints")), fresh_course.root) as process:
        end = time.monotonic() + 240
        while len(ready()) < 2:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    [run] = fresh_course.runs(FOLDER)
    assert run.info.status == "RUNNING"  # personne n'a pu le fermer
    keras_of_the_scripts()
    for model in ready()[-2:]:  # les deux premiers : leurs pertes étaient déjà envoyées
        reopened = mlflow.tensorflow.load_model(model.model_uri)
        assert metrics_of(model)["val_loss"] == pytest.approx(
            mean_squared_error(VALID, reopened(VALID).numpy()), rel=1e-5
        )


def test_without_model_id_the_step_links_and_zero_is_a_step(scratch):
    experiment, found = aside(scratch, "sans model_id"), {}
    model = KMeans(2, n_init=1).fit(X)
    steps = {"même step": (5, 5), "modèle seul": (5, None), "ni l'un ni l'autre": (0, None)}
    for name, (of_model, of_metric) in steps.items():
        with mlflow.start_run(experiment_id=experiment):
            logged = mlflow.sklearn.log_model(
                model, name="checkpoint", step=of_model, pip_requirements=["scikit-learn"]
            )
            mlflow.log_metrics({"val_loss": 0.5}, step=of_metric)
        found[name] = metrics_of(scratch.client().get_logged_model(logged.model_id))
    linked = {"val_loss": 0.5}
    assert list(found.values()) == [linked, {}, linked]


# ------------------------------------------------------------------------------------------------
# ce qui manque


@pytest.mark.slow
def test_without_an_encoder_the_command_to_run_first_is_said(fresh_course):
    told = fresh_course.run(script("compare_representations"), fails=True)
    assert told.returncode == 1 and told.stdout == ""
    assert told.stderr.rstrip().endswith(f"Lancez d'abord : uv run {script('autoencoder')}")
    assert fresh_course.runs(FOLDER) == []
