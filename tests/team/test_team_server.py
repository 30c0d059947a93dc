"""Le serveur d'équipe, lancé pour de vrai : ce qu'il promet, ce qu'il refuse, ce qu'il ne perd pas."""

import socket
import subprocess

# en premier : sans le groupe `team`, il fait sauter le fichier
from team_servers import READY, SCRIPT, command_lines, listening

import mlflow
import postgres
import pytest
import requests
import team as module
from mlflow.server.auth.client import AuthServiceClient
from programs import free_port

pytestmark = pytest.mark.release

FIRST = "01_tracking_supervised/local/01_first_run.py"
EXPERIMENT = "01_tracking_supervised"


# ------------------------------------------------------------------------------------------------------------
# sans serveur


@pytest.mark.parametrize("name", ["alice", "bob.2", "Z", "a" * 50])
def test_an_account_name_passes(name):
    assert module.account(name) == name


@pytest.mark.parametrize(
    "name", ["", "Zoé", "a b", "alice:x", "-x", "a" * 51, "a\nb", "../x", "$(id)"]
)
def test_an_odd_account_name_is_refused_in_one_line(name):
    with pytest.raises(SystemExit) as error:
        module.account(name)
    assert len(str(error.value).splitlines()) == 1


def test_a_password_in_the_address_of_the_base_is_refused_and_not_repeated():
    for text in ("postgresql://m:motdepasse@h/b", "postgresql://m@h/b?password=motdepasse"):
        with pytest.raises(SystemExit) as error:
            module.database(text)
        assert "motdepasse" not in str(error.value) and "PGPASSWORD" in str(error.value)
    assert module.database("postgresql://m@h:5432/b") == "postgresql://m@h:5432/b"
    with pytest.raises(SystemExit, match="postgresql://"):
        module.database("mysql://m@h/b")


def test_a_file_of_secrets_is_made_once_and_is_private(tmp_path):
    first = module.kept_secrets(tmp_path / "secrets.env")
    assert module.kept_secrets(tmp_path / "secrets.env") == first
    assert (
        set(first) == {"MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD"}
        and min(map(len, first.values())) >= 12
    )
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--users", "alice:x"], "un compte se nomme"),
        (["--database", "postgresql://m:motdepasse@127.0.0.1/b"], "PGPASSWORD"),
        (["--restore", "absent.dump"], "pas de fichier"),
        (["--port", "70000"], "un entier entre 1 et 65535"),
        (["--allowed-hosts", "a b"], "séparés par des virgules"),
    ],
)
def test_a_bad_option_is_one_line_and_starts_nothing(course, tmp_path, arguments, said):
    ended = course.fork(SCRIPT, "--folder", tmp_path / "équipe", *arguments, fails=True)
    assert ended.returncode == 1 and said in ended.stderr and len(ended.stderr.splitlines()) == 1
    assert "motdepasse" not in ended.stderr and not (tmp_path / "équipe").exists()


def test_a_taken_port_and_a_base_that_does_not_answer_are_one_line(course, tmp_path):
    folder = tmp_path / "équipe"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = course.fork(SCRIPT, "--folder", folder, "--port", port, fails=True)
    (line,) = ended.stderr.splitlines()
    assert f"127.0.0.1:{port} est pris" in line and f"--port {port + 1}" in line
    assert not (folder / "postgres").exists()
    base = f"postgresql://m@127.0.0.1:{free_port()}/mlflow"
    ended = course.fork(
        SCRIPT, "--folder", folder, "--database", base, fails=True, PGPASSWORD="motdepasse"
    )
    (line,) = ended.stderr.splitlines()
    assert "ne répond pas" in line and "motdepasse" not in line


# ------------------------------------------------------------------------------------------------------------
# un serveur, deux personnes


def test_it_says_what_a_learner_needs_and_nothing_else(team):
    *accounts, backup, ready, then = team.text.splitlines()
    assert [line.partition("=")[0] for line in accounts] == [
        "Montré cette seule fois : MLFLOW_TRACKING_USERNAME"
    ] * 2
    assert (
        set(team.passwords) == {"alice", "bob", "admin"}
        and min(map(len, team.passwords.values())) >= 12
    )
    assert backup.startswith("Sauvegarder la base, sans rien arrêter : ") and "pg_dump" in backup
    assert (
        ready
        == f"{READY} : MLFLOW_TRACKING_URI={team.uri} ; Ctrl-C l'arrête, les données restent dans {team.folder}."
    )
    assert then == "Ensuite : uv run --group team 02_tracking_unsupervised/team/02_move_store.py"


def test_nothing_listens_outside_loopback(team):
    assert listening(team) == {"127.0.0.1"}
    (prise,) = (team.folder / "postgres").glob(".s.PGSQL.*[0-9]")
    assert prise.stat().st_mode & 0o077 == 0


def test_bob_reads_what_alice_writes_and_does_not_change_it(team, course, monkeypatch):
    for script in (FIRST, "01_tracking_supervised/local/02_full_run.py"):
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
    assert course.fork(FIRST, fails=True, **team.account("bob")).returncode == 1
    course.fork(FIRST, "--experiment", "de bob", **team.account("bob"))  # chez lui, il écrit
    alice = team.client(monkeypatch, "alice")
    assert alice.get_run(run.info.run_id).data.to_dictionary() == run.data.to_dictionary()
    # alice invite bob
    AuthServiceClient(team.uri).grant_user_permission(
        "bob", "experiment", experiment.experiment_id, "EDIT"
    )
    course.fork(FIRST, **team.account("bob"))
    runs = alice.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    assert [each.data.tags["mlflow.user"] for each in runs] == ["alice", "alice", "bob"]


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
        ended = course.fork(FIRST, fails=True, **account)
        assert (ended.returncode, ended.stdout) == (
            1,
            "",
        ) and "un-faux-mot-de-passe" not in ended.stderr


def test_the_same_folder_is_not_served_twice(team, course):
    ended = course.fork(SCRIPT, "--folder", team.folder, "--port", free_port(), fails=True)
    assert (
        ended.stderr.startswith("Un serveur tourne déjà avec")
        and len(ended.stderr.splitlines()) == 1
    )


def test_no_password_in_a_process_list_a_log_a_base_or_a_file(team, course):
    course.fork(FIRST, "--experiment", "secret", **team.account("alice"))
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
