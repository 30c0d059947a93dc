"""Leçon 2, les points de reprise et les relevés de la machine : les vrais scripts, le magasin relu, les raisons recalculées."""

import re
import subprocess
import sys
import time
from statistics import median

import digits
import mlflow
import numpy as np
import pytest
from conftest import last_cell
from lesson_02 import (
    AUTOENCODER, CHECKPOINTS, SYSTEM, X, answer, by_step, expected_output, history, in_text, is_fully_described, named, section, y,
)  # fmt: skip
from mlflow.entities import LoggedModelStatus
from sklearn.cluster import KMeans
from sklearn.metrics import mean_squared_error

# ------------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture(scope="session")
def saved(course):
    """Le run, et ses points de reprise par époque, de la première à la dernière."""
    digits.import_keras()  # les instructions du script, avant que MLflow ne charge TensorFlow
    course.once(CHECKPOINTS)
    run = named(course, "points de reprise")
    models = [course.client().get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    steps = {output.model_id: output.step for output in run.outputs.model_outputs}
    return run, {steps[model.model_id]: model for model in sorted(models, key=lambda model: steps[model.model_id])}


def metrics_of(model) -> dict[str, float]:
    return {metric.key: metric.value for metric in model.metrics or []}


def test_each_checkpoint_is_a_model_with_its_epoch_and_its_losses(course, saved):
    run, models = saved
    assert is_fully_described(course, run)
    assert list(models) == list(range(5, max(models) + 1, 5))
    inputs = digits.split_images(X, y).X_valid.to_numpy("float32")
    losses = {metric: by_step(course, run, metric) for metric in ("loss", "val_loss")}
    for epoch, model in models.items():
        assert (model.name, model.status, model.source_run_id) == ("checkpoint", LoggedModelStatus.READY, run.info.run_id)
        assert {metric.step for metric in model.metrics} == {epoch}
        assert {name: metrics_of(model)[name] for name in losses} == {name: values[epoch] for name, values in losses.items()}
        reopened = mlflow.tensorflow.load_model(model.model_uri)
        assert mean_squared_error(inputs, reopened(inputs).numpy()) == pytest.approx(metrics_of(model)["val_loss"], rel=1e-5)
        assert mlflow.models.get_model_info(model.model_uri).signature.inputs.to_dict()[0]["tensor-spec"]["shape"] == (-1, 64)


def test_the_first_found_is_the_best_and_it_alone_saw_the_test(course, saved):
    run, models = saved
    valid = {epoch: metrics_of(model)["val_loss"] for epoch, model in models.items()}
    best = min(valid, key=valid.get)
    assert [epoch for epoch, model in models.items() if "test_mse" in metrics_of(model)] == [best]
    test = digits.split_images(X, y).X_test.to_numpy("float32")
    reopened = mlflow.tensorflow.load_model(models[best].model_uri)
    assert mean_squared_error(test, reopened(test).numpy()) == metrics_of(models[best])["test_mse"] == run.data.metrics["test_mse"]
    printed = course.once(CHECKPOINTS).stdout.splitlines()
    ordered = sorted(valid, key=valid.get)
    assert printed[1:-2] == [f"  époque {epoch} : perte de validation {valid[epoch]:.4f}" for epoch in ordered]


def test_checkpoints_announce_what_was_found(course, saved):
    """Les nombres, le rang du dernier, et que le meilleur est, au bit près, le réseau d'`autoencoder.py`."""
    run, models = saved
    valid = {epoch: metrics_of(model)["val_loss"] for epoch, model in models.items()}
    ordered = sorted(valid, key=valid.get)
    last, last_loss, best, best_loss, test = in_text(
        r"reprise, époque (\d+), n'est que troisième : (\S+) sur .*? l'époque (\d+) : (\S+), et (\S+) sur le test", last_cell(CHECKPOINTS)
    )
    assert (int(last), int(best)) == (max(models), ordered[0]) and ordered.index(int(last)) == 2
    assert (last_loss, best_loss) == (f"{valid[int(last)]:.4f}", f"{valid[int(best)]:.4f}")
    assert test == f"{run.data.metrics['test_mse']:.4f}"
    course.once(AUTOENCODER)
    returned = named(course, "autoencodeur code=8")
    assert returned.data.metrics["best_epoch"] == int(best) and returned.data.metrics["test_mse"] == run.data.metrics["test_mse"]
    assert history(course, returned, "val_loss")[int(best) - 1] == valid[int(best)]


def test_the_readme_says_the_same_of_the_checkpoints(course, saved):
    assert course.once(CHECKPOINTS).stdout == expected_output(CHECKPOINTS)
    _, models = saved
    last, last_loss, best, best_loss = in_text(r"époque (\d+), (\S+) ; époque (\d+), (\d\.\d+)\.", answer(4))
    assert [last_loss, best_loss] == [f"{metrics_of(models[int(epoch)])['val_loss']:.4f}" for epoch in (last, best)]
    assert int(last) == max(models) and float(best_loss) < float(last_loss)
    text = section("Script 3")
    assert f"*Logged models ({len(models)})*" in text and f"dont *Step* vaut {best} " in text


def test_without_model_id_the_step_links_and_without_step_nothing_does(course, saved):
    client = course.client()
    experiment = client.create_experiment("sans model_id", artifact_location=(course.root / "sans model_id").as_uri())
    model, found = KMeans(2, n_init=1).fit(X), {}
    for name, step in (("même step", 5), ("sans step", 0)):
        with mlflow.start_run(experiment_id=experiment):
            logged = mlflow.sklearn.log_model(model, name="checkpoint", step=step, pip_requirements=["scikit-learn"])
            mlflow.log_metrics({"val_loss": 0.5}, step=5)
        found[name] = metrics_of(client.get_logged_model(logged.model_id))
    assert found == {"même step": {"val_loss": 0.5}, "sans step": {}}


def test_no_checkpoint_before_the_end_is_said_in_one_line(course, saved):
    ended = course.run(CHECKPOINTS, "--every", "9", "--epochs", "8", "--experiment", "trop tôt", fails=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.strip() == "L'apprentissage s'est arrêté avant l'époque 9 : demandez un --every plus petit."


# ---------------------------------------------------------------------------------------------------------- system_metrics


@pytest.fixture(scope="session")
def observed(course):
    """Le run parent, et ses six enfants, du premier au dernier."""
    course.once(SYSTEM)
    parent = named(course, "autoencodeur seul ou observé")
    found = course.runs("02_tracking_unsupervised", f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    return parent, sorted(found, key=lambda run: run.info.start_time)


def readings(run) -> set[str]:
    return {name for name in run.data.metrics if name.startswith("system/")}


@pytest.mark.slow
@pytest.mark.alone
def test_only_the_observed_runs_have_readings(course, observed):
    parent, runs = observed
    assert is_fully_described(course, parent)
    assert [run.info.run_name for run in runs] == ["seul", "observé"] * 3
    announced = in_text(r"Chaque relevé tient en (\w+) mesures : processeur, mémoire, disque, réseau", last_cell(SYSTEM))[0]
    for run in runs:
        if run.info.run_name == "seul":
            assert not readings(run)
            continue
        assert len(readings(run)) == {"huit": 8}[announced]
        assert all(any(word in name for word in ("cpu", "memory", "disk", "network")) for name in readings(run))
        steps = {name: list(by_step(course, run, name)) for name in readings(run)}
        assert all(found == list(range(len(found))) for found in steps.values()) and len(set(map(len, steps.values()))) == 1
        processor = by_step(course, run, "system/cpu_utilization_percentage")
        assert 0 < max(processor.values()) <= 100


@pytest.mark.slow
def test_a_training_too_short_for_a_reading_is_said_in_one_line(course):
    ended = course.run(SYSTEM, "--epochs", "2", "--interval", "60", "--experiment", "trop court", fails=True)
    assert ended.returncode == 1 and len(ended.stderr.strip().splitlines()) == 1 and "aucun relevé" in ended.stderr


@pytest.mark.slow
@pytest.mark.alone
def test_the_cost_is_the_ratio_of_the_medians_and_stays_small(course, observed, monkeypatch):
    """Le coût d'un relevé se mesure quand rien ne tourne : deux apprentissages pareils diffèrent d'autant que ce que l'on cherche."""
    parent, runs = observed
    found = {name: [run for run in runs if run.info.run_name == name] for name in ("seul", "observé")}
    seconds = {name: median(run.data.metrics["fit_cpu_seconds"] for run in each) for name, each in found.items()}
    assert parent.data.metrics["cost_ratio"] == seconds["observé"] / seconds["seul"]
    assert "Deux apprentissages pareils diffèrent eux-mêmes de quelques pour cent" in " ".join(last_cell(SYSTEM).split())
    assert len({run.data.metrics["fit_cpu_seconds"] for run in found["seul"]}) == 3

    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "1")
    spent = {}
    for watched in (True, False, True):  # le premier tour importe ce qu'il lui faut
        start = time.process_time()
        with mlflow.start_run(experiment_id=parent.info.experiment_id, log_system_metrics=watched) as run:
            time.sleep(8)
        spent[watched] = time.process_time() - start
    reading = (spent[True] - spent[False]) / len(by_step(course, run, "system/cpu_utilization_percentage"))
    share = max(
        reading * (run.info.end_time - run.info.start_time) / 1000 / run.data.metrics["fit_cpu_seconds"] for run in found["observé"]
    )
    bound = int(in_text(r"demande moins de (\d+) % de temps de processeur en plus", last_cell(SYSTEM))[0])
    assert 0 < share < bound / 100, (reading, spent)


@pytest.mark.slow
@pytest.mark.alone
def test_the_readme_says_the_same_of_the_readings(course, observed):
    """Sa sortie, où `…` vaut ce qui change d'une machine à l'autre, et le coût qu'il annonce."""
    pattern = re.escape(expected_output(SYSTEM)).replace("…", r"[\d.]+")
    assert re.fullmatch(pattern, course.once(SYSTEM).stdout)
    bound = in_text(r"demande moins de (\d+) % de temps de processeur en plus", section("Script 5"))
    assert bound == in_text(r"demande moins de (\d+) % de temps de processeur en plus", last_cell(SYSTEM))


@pytest.mark.slow
@pytest.mark.alone
def test_observed_runs_print_their_readings(course, observed):
    parent, runs = observed
    lines = course.once(SYSTEM).stdout.splitlines()
    processor, memory = (
        by_step(course, runs[-1], f"system/{name}") for name in ("cpu_utilization_percentage", "system_memory_usage_megabytes")
    )
    assert lines[:-1] == [
        f"Temps de processeur de l'apprentissage observé : {parent.data.metrics['cost_ratio']:.2f} fois celui de l'apprentissage seul",
        f"Relevés du dernier run : {len(processor)}, de {len(readings(runs[-1]))} mesures chacun",
        f"Processeur : {max(processor.values()):.0f} % au plus ; mémoire : {max(memory.values()):.0f} Mo au plus",
    ]


@pytest.fixture
def elsewhere(course) -> str:
    """Une expérience à part, pour les runs de ce processus."""
    found = course.client().get_experiment_by_name("à part")
    return (
        found.experiment_id if found else course.client().create_experiment("à part", artifact_location=(course.root / "à part").as_uri())
    )


def test_by_default_a_short_run_has_no_reading(course, elsewhere):
    """Ce que le script dit de l'intervalle de dix secondes."""
    with mlflow.start_run(experiment_id=elsewhere, log_system_metrics=True) as run:
        time.sleep(2)
    assert not readings(course.client().get_run(run.info.run_id))


def test_readings_are_those_of_the_whole_machine(course, elsewhere, monkeypatch):
    """Ce run dort ; d'autres programmes occupent tous les cœurs, et le relevé les voit."""
    import psutil

    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "1")
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(psutil.cpu_count())]
    try:
        own = time.process_time()
        with mlflow.start_run(experiment_id=elsewhere, log_system_metrics=True) as run:
            time.sleep(4)
        own = time.process_time() - own
    finally:
        for process in busy:
            process.kill()
            process.wait()
    found = by_step(course, run, "system/cpu_utilization_percentage")
    assert max(found.values()) > 80 and own < 2  # moins de la moitié d'un cœur pour ce processus-ci
    memory = by_step(course, run, "system/system_memory_usage_megabytes")
    assert np.mean(list(memory.values())) > psutil.Process().memory_info().rss / 1e6
