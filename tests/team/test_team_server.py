"""Le serveur d'équipe, lancé pour de vrai : ce qu'il promet, ce qu'il refuse, "
"ce qu'il ne perd pas."""

import re
import socket
import subprocess

# en premier : sans le groupe `team`, il fait sauter le fichier
from team_servers import (
    FIRST, READY, SCRIPT, command_lines, first_run_in, listening, stopped_by,
)  # fmt: skip

import mlflow
import postgres
import pytest
import requests
from mlflow.server.auth.client import AuthServiceClient

from texts import lesson_text

pytestmark = pytest.mark.release

EXPERIMENT = "01_tracking_supervised"
# ce que la page de la leçon cite
[REFUSED] = re.findall(
    r"^mlflow\S+: API request .*Permission denied'$",
    lesson_text("02_tracking_unsupervised"),
    re.MULTILINE,
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        *(
            (["--users", name], "lettres sans accent")
            for name in ("alice:x", "Zoé", "../x", "$(id)")
        ),
        (["--restore", "absent.dump"], "pas de fichier absent.dump"),
        (["--port", "beaucoup"], "invalid int value: 'beaucoup'"),
    ],
)
def test_a_bad_option_starts_nothing(course, tmp_path, arguments, said):
    ended = course.fork(SCRIPT, "--folder", tmp_path / "équipe", *arguments, fails=True)
    assert ended.returncode == 2 and said in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "équipe").exists()


def test_a_taken_port_starts_nothing(course, tmp_path):
    folder = tmp_path / "équipe"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = stopped_by(course, SCRIPT, "--folder", folder, "--port", port)
    assert "Address already in use" in said.splitlines()[-1] and not folder.exists()


def test_it_says_what_a_learner_needs_and_nothing_else(team):
    *accounts, backup, ready = team.text.splitlines()
    assert [line.partition("=")[0] for line in accounts] == [
        "Montré cette seule fois : MLFLOW_TRACKING_USERNAME"
    ] * 2
    assert (
        set(team.passwords) == {"alice", "bob", "admin"}
        and min(map(len, team.passwords.values())) >= 12
    )
    assert backup.startswith("Sauvegarder la base, sans rien arrêter : ") and "pg_dump" in backup
    assert (
        ready == f"{READY} : MLFLOW_TRACKING_URI={team.uri} ;"
        f" Ctrl-C l'arrête, les données restent dans {team.folder}."
    )
    assert team.errors == []


def test_nothing_listens_outside_loopback(team):
    assert listening(team) == {"127.0.0.1"}
    (prise,) = (team.folder / "postgres").glob(".s.PGSQL.*[0-9]")
    assert prise.stat().st_mode & 0o077 == 0


def test_bob_reads_what_alice_writes_and_does_not_change_it(team, course, monkeypatch):
    for script in (FIRST, "01_tracking_supervised/local/03_full_run.py"):
        course.fork(script, **team.account("alice"))
    bob = team.client(monkeypatch, "bob")
    experiment = bob.get_experiment_by_name(EXPERIMENT)
    (run,) = bob.search_runs([experiment.experiment_id], "attributes.run_name = 'svm complet'")
    assert (
        run.info.artifact_uri.startswith("mlflow-artifacts:")
        and run.data.metrics["sensitivity"] > 0.9
    )
    (model,) = run.outputs.model_outputs
    loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
    assert len(loaded.predict(loaded.input_example))
    for forbidden in (
        lambda: bob.log_metric(run.info.run_id, "sensitivity", 1.0),
        lambda: bob.set_tag(run.info.run_id, "mine", "bob"),
        lambda: bob.delete_run(run.info.run_id),
        lambda: bob.log_text(run.info.run_id, "bob", "note.txt"),
        lambda: bob.delete_experiment(experiment.experiment_id),
    ):
        with pytest.raises(Exception, match="403|Permission denied|PERMISSION_DENIED"):
            forbidden()
    assert stopped_by(course, FIRST, **team.account("bob")).splitlines()[-1] == REFUSED
    course.fork(first_run_in(course, "de bob"), **team.account("bob"))  # chez lui, il écrit
    alice = team.client(monkeypatch, "alice")
    assert alice.get_run(run.info.run_id).data.to_dictionary() == run.data.to_dictionary()
    # alice invite bob
    AuthServiceClient(team.uri).grant_user_permission(
        "bob", "experiment", experiment.experiment_id, "EDIT"
    )
    course.fork(FIRST, **team.account("bob"))
    runs = alice.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    users = [each.data.tags["mlflow.user"] for each in runs]
    assert users == ["alice"] * 6 + ["bob"] * 4  # first_run en fait quatre, full_run deux


def test_who_has_no_account_or_a_wrong_password_or_calls_by_another_name_is_refused(team, course):
    search = f"{team.uri}/api/2.0/mlflow/experiments/search"
    wrong = team.account("alice") | {"MLFLOW_TRACKING_PASSWORD": "un-faux-mot-de-passe"}
    assert requests.get(search, timeout=30).status_code == 401
    assert (
        requests.get(
            search, auth=("alice", wrong["MLFLOW_TRACKING_PASSWORD"]), timeout=30
        ).status_code
        == 401
    )
    pirate = requests.get(search, headers={"Host": "pirate.example"}, timeout=30)
    assert (pirate.status_code, "Invalid Host" in pirate.text) == (403, True)
    # 127.0.0.1, sous un autre nom
    elsewhere = team.account("alice") | {"MLFLOW_TRACKING_URI": f"http://127.1:{team.port}"}
    for account in ({"MLFLOW_TRACKING_URI": team.uri}, wrong, elsewhere):
        said = stopped_by(course, FIRST, **account)
        assert "un-faux-mot-de-passe" not in said and "Traceback" in said


def test_no_password_in_a_process_list_a_log_a_base_or_a_file(team, course):
    course.fork(first_run_in(course, "secret"), **team.account("alice"))
    secrets = [secret.encode() for secret in team.passwords.values()]
    shown = command_lines()
    assert not [secret for secret in secrets if secret.decode() in shown]
    dump = subprocess.run(
        [postgres.postgres_program("pg_dump"), team.base], capture_output=True, check=True
    ).stdout
    assert b"alice" in dump and not [secret for secret in secrets if secret in dump]
    for path in team.folder.rglob("*"):
        if path.is_file() and path.name != "secrets.env":
            assert not [secret for secret in secrets if secret in path.read_bytes()], path
    for name in ("secrets.env", "auth.ini", "server.log"):
        assert (team.folder / name).stat().st_mode & 0o777 == 0o600
    assert (team.folder / "artifacts").stat().st_mode & 0o077 == 0
