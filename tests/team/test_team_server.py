"""Le serveur d'équipe et ses comptes, lancés pour de vrai : ce qu'ils promettent, ce qu'ils
refusent.
"""

import socket
import subprocess

# en premier : sans le groupe `team`, il fait sauter le fichier
from team_servers import ACCOUNTS, FIRST, SCRIPT, command_lines, listening, own_errors, stopped_by

import mlflow
import postgres
import pytest
import requests
from mlflow.server.auth.client import AuthServiceClient
from recorded_runs import described
from texts import path_of

pytestmark = pytest.mark.release

FULL = path_of("full_run")
EXPERIMENT = "01_tracking_supervised"
REFUSED = "403|Permission denied|PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
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


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "127.0.0.1:5050"])
def test_no_server_or_an_address_without_http_is_one_line(course, tmp_path, address):
    said = stopped_by(course, ACCOUNTS, "add", "alice", "--server", address)
    (line,) = own_errors(said)
    assert line.startswith(f"Pas de serveur à {address} (")


def test_it_says_what_one_needs_and_nothing_else(team):
    backup, ready, following = team.text.splitlines()
    assert backup.startswith("Sauvegarder la base, sans rien arrêter : (umask 077; ")
    assert ready == (
        f"Le serveur est prêt : {team.uri}. Ctrl-C l'arrête ; les données restent dans"
        f" {team.folder}."
    )
    assert following.endswith(f"{ACCOUNTS} add alice bob")
    assert team.errors == [] and listening(team) == {"127.0.0.1"}
    (prise,) = (team.folder / "postgres").glob(".s.PGSQL.*[0-9]")
    assert prise.stat().st_mode & 0o077 == 0


def test_each_has_the_same_names_and_nobody_enters_anothers_place(team, course, monkeypatch):
    """Deux comptes lancent les mêmes scripts : chacun a son expérience ; l'autre n'y lit rien."""
    for name in ("alice", "bob"):
        course.fork(FIRST, **team.account(name))
    course.fork(FULL, **team.account("alice"))
    alice = team.client(monkeypatch, "alice")
    experiment = alice.get_experiment_by_name(EXPERIMENT)
    runs = alice.search_runs([experiment.experiment_id])
    assert len(runs) == 6
    [run] = [each for each in runs if each.info.run_name == "svm complet"]
    bob = team.client(monkeypatch, "bob")
    mine = bob.get_experiment_by_name(EXPERIMENT)
    assert mine.experiment_id != experiment.experiment_id
    assert len(bob.search_runs([mine.experiment_id])) == 4
    forbidden = (
        lambda bob: bob.get_run(run.info.run_id),
        lambda bob: bob.list_artifacts(run.info.run_id),
        lambda bob: bob.log_metric(run.info.run_id, "sensitivity", 1.0),
        lambda bob: bob.delete_run(run.info.run_id),
        lambda _: mlflow.artifacts.list_artifacts(experiment.artifact_location),
    )
    for workspace in ("bob", "alice"):
        for call in forbidden:
            with pytest.raises(Exception, match=f"{REFUSED}|not found"):
                call(team.client(monkeypatch, "bob", workspace))
    # sans espace, ni en créant le sien
    with pytest.raises(mlflow.MlflowException, match=REFUSED):
        team.client(monkeypatch, "bob", "default").create_experiment("à moi")
    accounts = AuthServiceClient(team.uri)
    team.client(monkeypatch, "bob")
    for call in (
        lambda: mlflow.create_workspace("de-bob"),
        lambda: accounts.create_user("eve", "douze-lettres-1"),
        lambda: accounts.create_role("bob", "admins"),
        lambda: accounts.list_roles("alice"),
        lambda: accounts.update_user_password("alice", "douze-lettres-1"),
        lambda: accounts.update_user_admin("bob", True),
        lambda: accounts.delete_user("alice"),
    ):
        with pytest.raises(mlflow.MlflowException, match=REFUSED):
            call()


def test_no_account_makes_the_server_read_or_write_elsewhere(team, monkeypatch, tmp_path):
    """Et un run peut porter un autre nom, mais seulement dans l'espace de qui l'écrit."""
    alice = team.client(monkeypatch, "alice")
    hers = alice.create_run(alice.create_experiment("copie")).info
    alice.log_text(hers.run_id, "la copie d'alice", "copie.txt")
    bob = team.client(monkeypatch, "bob")
    with pytest.raises(mlflow.MlflowException, match="artifact_location cannot be specified"):
        bob.create_experiment("ailleurs", artifact_location=tmp_path.as_uri())
    experiment = bob.create_experiment("signée alice")
    run = bob.create_run(experiment, tags={"mlflow.user": "alice"})
    assert bob.get_run(run.info.run_id).data.tags["mlflow.user"] == "alice"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/workspaces/bob/")
    # une version d'un modèle fait aussi lire le serveur
    bob.create_registered_model("ailleurs")
    up = f"{run.info.artifact_uri}/../../../../alice"
    for source in (tmp_path.as_uri(), str(team.folder), hers.artifact_uri, up, team.uri):
        for run_id in (None, run.info.run_id, hers.run_id):
            with pytest.raises(mlflow.MlflowException, match=f"{REFUSED}|INVALID_PARAMETER_VALUE"):
                bob.create_model_version("ailleurs", source, run_id)
    # à travers le serveur, sans client
    files = f"{team.uri}/api/2.0/mlflow-artifacts/artifacts"
    path = f"{hers.artifact_uri.removeprefix('mlflow-artifacts:')}/copie.txt"
    asked = {"timeout": 30, "auth": ("bob", team.passwords["bob"])}
    for place in ("alice", "bob"):
        asked["headers"] = {"X-MLFLOW-WORKSPACE": place}
        for each in (path, path.replace("/alice/", "/bob/..%2falice/"), path.partition("alice")[2]):
            assert requests.get(f"{files}{each}", **asked).status_code == 403
            assert requests.put(f"{files}{each}", data=b"bob", **asked).status_code == 403
    assert team.client(monkeypatch, "alice").get_experiment_by_name("signée alice") is None


def test_they_read_each_other_when_it_is_shared_and_no_more_after(team, course, monkeypatch):
    course.fork(FULL, **team.account("alice"))
    team.accounts("share", "alice", "bob")
    bob = team.client(monkeypatch, "bob", "alice")
    experiment = bob.get_experiment_by_name(EXPERIMENT).experiment_id
    run = bob.search_runs([experiment], "attributes.run_name = 'svm complet'")[0]
    before = described(run)
    loaded = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    assert len(loaded.predict(loaded.input_example))
    for forbidden in (
        lambda: bob.set_tag(run.info.run_id, "mine", "bob"),
        lambda: bob.log_text(run.info.run_id, "bob", "note.txt"),
        lambda: bob.delete_experiment(experiment),
        lambda: bob.create_experiment("chez elle"),
    ):
        with pytest.raises(Exception, match=REFUSED):
            forbidden()
    assert described(bob.get_run(run.info.run_id)) == before
    team.accounts("unshare", "alice", "bob")
    with pytest.raises(mlflow.MlflowException, match=REFUSED):
        bob.get_experiment_by_name(EXPERIMENT)


def test_who_owns_an_experiment_may_let_another_read_it(team, monkeypatch):
    """Le README le dit : rien n'empêche un apprenant de montrer sa copie."""
    alice = team.client(monkeypatch, "alice")
    hers = alice.create_experiment("montrée")
    run = alice.create_run(hers).info.run_id
    AuthServiceClient(team.uri).grant_user_permission("bob", "experiment", hers, "READ")
    bob = team.client(monkeypatch, "bob", "alice")
    assert bob.get_run(run).info.experiment_id == hers
    with pytest.raises(mlflow.MlflowException, match=REFUSED):
        bob.set_tag(run, "mine", "bob")


def test_a_workspace_is_removed_with_its_runs_but_not_its_files(team, monkeypatch):
    """Ce que le README conseille pour l'espace de qui est parti."""
    team.accounts("add", "dan")
    dan = team.client(monkeypatch, "dan")
    run = dan.create_run(dan.create_experiment("de dan")).info
    dan.log_text(run.run_id, "x", "x.txt")
    team.accounts("remove", "dan")
    admin = team.client(monkeypatch)
    mlflow.delete_workspace("dan", mode="CASCADE")
    assert "dan" not in {each.name for each in mlflow.list_workspaces()}
    with pytest.raises(mlflow.MlflowException):
        admin.get_run(run.run_id)
    kept = [path.name for path in (team.folder / "artifacts/workspaces/dan").rglob("*.txt")]
    assert kept == ["x.txt"]


def test_in_a_common_place_each_reads_all_and_writes_his_own(team, monkeypatch):
    team.accounts("join", "alice", "bob", "--workspace", "projet")
    alice = team.client(monkeypatch, "alice", "projet")
    hers = alice.create_experiment("d'alice")
    run = alice.create_run(hers).info.run_id
    bob = team.client(monkeypatch, "bob", "projet")
    assert bob.get_run(run).info.experiment_id == hers
    assert bob.create_run(bob.create_experiment("de bob"))
    with pytest.raises(mlflow.MlflowException, match=REFUSED):
        bob.create_run(hers)


def test_accounts_come_change_and_go_while_the_server_runs(team, monkeypatch):
    started = team.process.pid, team.postgres_pid()
    team.accounts("add", "carol")
    carol = team.client(monkeypatch, "carol")
    kept = carol.create_run(carol.create_experiment("de carol")).info.run_id
    first = team.passwords["carol"]
    team.accounts("reset", "carol")
    search = f"{team.uri}/api/2.0/mlflow/runs/get?run_id={kept}"
    place = {"X-MLFLOW-WORKSPACE": "carol"}

    def answer(password: str) -> int:
        return requests.get(search, auth=("carol", password), headers=place, timeout=30).status_code

    assert answer(team.passwords["carol"]) == 200 and answer("un-faux-mot-de-passe") == 401
    assert first != team.passwords["carol"]
    # elle change le sien elle-même
    accounts = AuthServiceClient(team.uri)
    carol = team.client(monkeypatch, "carol")
    mine = {"current_password": team.passwords["carol"]}
    accounts.update_user_password("carol", "un-mot-de-passe-a-elle", **mine)
    assert answer("un-mot-de-passe-a-elle") == 200
    assert team.accounts("add", "carol") == ["add carol : RESOURCE_ALREADY_EXISTS"]
    team.accounts("remove", "carol")
    assert team.accounts("remove", "carol") == ["remove carol : RESOURCE_DOES_NOT_EXIST"]
    assert team.client(monkeypatch, "admin", "carol").get_run(kept)  # ses runs restent
    team.accounts("add", "carol")
    assert team.client(monkeypatch, "carol").get_run(kept)
    assert (team.process.pid, team.postgres_pid()) == started


def test_who_has_no_account_or_a_wrong_password_or_calls_by_another_name_is_refused(team, course):
    search = f"{team.uri}/api/2.0/mlflow/experiments/search"
    wrong = team.account("alice") | {"MLFLOW_TRACKING_PASSWORD": "un-faux-mot-de-passe"}
    assert requests.get(search, timeout=30).status_code == 401
    false = ("alice", wrong["MLFLOW_TRACKING_PASSWORD"])
    assert requests.get(search, auth=false, timeout=30).status_code == 401
    pirate = requests.get(search, headers={"Host": "pirate.example"}, timeout=30)
    assert (pirate.status_code, "Invalid Host" in pirate.text) == (403, True)
    # 127.0.0.1, sous un autre nom
    elsewhere = team.account("alice") | {"MLFLOW_TRACKING_URI": f"http://127.1:{team.port}"}
    for account in ({"MLFLOW_TRACKING_URI": team.uri}, wrong, elsewhere):
        said = stopped_by(course, FIRST, **account)
        assert "un-faux-mot-de-passe" not in said and "Traceback" in said


def test_no_password_in_a_process_list_a_log_a_base_or_a_file(team, course):
    course.fork(FIRST, **team.account("alice"))
    assert team.account("admin")
    secrets = [secret.encode() for secret in team.passwords.values()]
    shown = command_lines()
    assert len(secrets) >= 3 and not [each for each in secrets if each.decode() in shown]
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


def test_a_name_with_a_sharp_or_a_question_mark_is_cut_on_its_way(team, monkeypatch):
    """Deux figures n'en font plus qu'une, sans un mot : le README et DEPANNAGE.md le disent."""
    alice = team.client(monkeypatch, "alice")
    run = alice.create_run(alice.create_experiment("noms")).info.run_id
    for name in ("figure #1.txt", "figure #2.txt", "quoi?1.txt", "50%25.txt", "50 % été.txt"):
        alice.log_text(run, name, name)
    found = {file.path for file in alice.list_artifacts(run)}
    assert found == {"figure ", "quoi", "50%.txt", "50 % été.txt"}
    read = mlflow.artifacts.load_text(f"{alice.get_run(run).info.artifact_uri}/50 % été.txt")
    assert read == "50 % été.txt"
