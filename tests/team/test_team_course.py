"""Le cours sur un serveur d'équipe : les mêmes scripts, sans une ligne changée, et les mêmes
valeurs que sur SQLite ; une classe y est jugée, espace par espace.
"""

import csv
import sys

import mlflow
import pytest
from measure_tracking import hard_numbers, hard_texts, identical
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from recorded_runs import WITHOUT_RUN, depends_on_the_machine, described, neutral
from recording import recorded
from team_servers import SECONDS, team_server
from texts import ROOT
from warm import forked

from course import SCRIPTS

pytestmark = pytest.mark.release

# Ils ont leur propre magasin ou leur propre serveur, et n'enregistrent rien ailleurs, sinon sa
# taille ; ou ils demandent un outil de plus.
ELSEWHERE = {
    "delete_restore", "store_life", "svm_sweep_spark", "measure_storage", "webhook", "serve",
    "rehearse", "deploy_local", "plan_azure",
    "deploy_azure",
}  # fmt: skip
PATHS = {script.name: script.path for script in SCRIPTS}


def runs(client: MlflowClient) -> dict[str, object]:
    """Tous les runs d'un magasin, par identifiant."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_id: run for run in client.search_runs(experiments, max_results=50_000)}


def models(client: MlflowClient, runs: set[str]) -> list[tuple]:
    """Les modèles de ces runs : nom, état, réglages, et métriques au bit près."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return sorted(
        (model.name, str(model.status), sorted(model.params.items()),
         sorted((each.key, each.value.hex(), each.step, each.dataset_name or "")
                for each in model.metrics or []
                if not depends_on_the_machine(each.key)))
        for page in experiments for model in client.search_logged_models([page])
        if model.source_run_id in runs
    )  # fmt: skip


def registry(client: MlflowClient) -> dict:
    """Les modèles inscrits : description, alias, étiquettes et versions.

    Sans description, SQLite rend None et le serveur un texte vide.
    """
    found = {}
    for model in client.search_registered_models():
        versions = [
            (
                str(each.version),
                each.description or "",
                each.status,
                {name: neutral(value) for name, value in each.tags.items()},
            )
            for each in client.search_model_versions(f"name = '{model.name}'")
        ]
        aliases = {alias: str(number) for alias, number in model.aliases.items()}
        found[model.name] = (
            model.description or "",
            aliases,
            sorted(map(neutral, model.tags.values())),
            sorted(versions, key=repr),
        )
    return found


def told(found: list) -> list[tuple]:
    """Ces runs, décrits ; `resume_sweep` coupe un balayage au hasard : un enfant y est peut-être
    resté, KILLED.
    """
    return sorted(described(run) for run in found if run.info.status != "KILLED")


@pytest.mark.parametrize(
    "lesson", ["01_tracking_supervised", "02_tracking_unsupervised", "04_model_registry_azureml"]
)
def test_a_lesson_records_on_the_server_what_it_recorded_on_sqlite(
    course, folder, lesson, monkeypatch
):
    """Les runs de chaque script, une fois la leçon lancée ; leurs modèles, et les métriques qui s'y
    rattachent ; le registre.
    """
    session, served = recorded(lesson, slow=True), {}
    names = [name for name in session.names() if name not in ELSEWHERE]
    with team_server(course, folder, users=("alice",)) as team:
        for name in names:
            course.run(PATHS[name], **team.account("alice"))
            client = team.client(monkeypatch, "alice")
            served[name] = set(runs(client)) - set().union(*served.values())
        found = runs(client)
        there = {name: told([found[run_id] for run_id in added]) for name, added in served.items()}
        models_there, registry_there = models(client, set(found)), registry(client)
    here = {
        name: told([run for run in session.runs_of(name) if run.info.lifecycle_stage == "active"])
        for name in names
    }
    for name in names:
        assert there[name] == here[name] and bool(here[name]) == (name not in WITHOUT_RUN), name
    kept = {run.info.run_id for name in names for run in session.runs_of(name)}
    assert models_there == models(session.client(), kept) != []
    if lesson.startswith("04"):
        assert registry_there == registry(session.client()) and "wine_cultivars" in registry_there


def read_back(client: MlflowClient, experiment: str, sent: list) -> list:
    """Ce que l'on relit de ces valeurs, dans le même ordre : un nombre est une métrique, un texte
    un paramètre.
    """
    run_id = client.create_run(experiment).info.run_id
    section, wrap, room = "metrics", lambda key, value: Metric(key, value, 0, 0), 500
    if isinstance(sent[0], str):
        section, wrap, room = "params", Param, 50
    items = [(f"{number:04}", value) for number, value in enumerate(sent)]
    for start in range(0, len(items), room):
        client.log_batch(run_id, **{section: [wrap(*item) for item in items[start : start + room]]})
    found = getattr(client.get_run(run_id).data, section)
    return [found.get(key) for key, _ in items]


def test_hard_values_are_read_back_as_from_sqlite(team, monkeypatch):
    """Les valeurs de `measure_tracking`, par le serveur : les mêmes se relisent, les autres
    changent pareil, à deux différences près.

    PostgreSQL garde le signe de -0.0, que SQLite perd ; il refuse le caractère NUL, que SQLite
    accepte.
    """
    here, there = team.course.client(), team.client(monkeypatch, "alice")
    near, far = here.create_experiment("exactitude"), there.create_experiment("exactitude")
    zero = "zéro négatif"
    for kind, sent in (hard_numbers() | hard_texts("paramètre")).items():
        read, served = read_back(here, near, sent), read_back(there, far, sent)
        assert len(read) == len(sent) and None not in read, kind
        assert [identical(*pair) for pair in zip(read, served, strict=True)] == [
            kind != zero
        ] * len(sent), kind
        if kind == zero:
            assert identical(served[0], -0.0) and identical(read[0], 0.0)
    assert read_back(here, near, ["a\0b"]) == ["a\0b"]
    with pytest.raises(mlflow.MlflowException, match="NUL"):
        read_back(there, far, ["a\0b"])


def test_a_class_is_judged_by_its_workspaces_whatever_name_a_run_bears(team, monkeypatch, tmp_path):
    """Alice répond ; bob signe de son nom une réponse fausse ; carol n'a rien fait."""
    team.accounts("add", "carol")
    answer = "01_tracking_supervised/solutions/ex_01_0_tracking.py"
    team.course.fork(answer, **team.account("alice"))
    bob = team.client(monkeypatch, "bob")
    experiment = bob.create_experiment("01_tracking_supervised")
    signed = bob.create_run(experiment, tags={"mlflow.user": "alice", "exercise": "01-0"}).info
    bob.set_terminated(signed.run_id)
    table = tmp_path / "classe.csv"
    command = [sys.executable, str(ROOT / "tools/check.py"), "--by-user", "--lesson", "01"]
    told = forked(
        [*command, "--csv", str(table)], ROOT, SECONDS, **team.account("admin", "default")
    )
    assert told.returncode == 1, told
    rows = csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines())
    found = {row["apprenant"]: row for row in rows}
    assert list(found) == ["alice", "bob", "carol"]
    assert [found[name]["faits"] for name in found] == ["1", "0", "0"]
    assert found["alice"]["01-0"] == "fait" and found["carol"]["01-0"] == "à faire"
    assert "n'a pas de modèle" in found["bob"]["01-0"]
    # un apprenant n'y voit que sa copie
    mine = forked([*command, "--csv", str(table)], ROOT, SECONDS, **team.account("bob"))
    assert mine.returncode == 1 and "alice" not in mine.stdout, mine
    assert [line.partition(",")[0] for line in table.read_text("utf-8-sig").splitlines()[1:]] == [
        "bob"
    ]
