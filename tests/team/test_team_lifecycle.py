"""La vie d'un serveur d'équipe : arrêté et relancé, tué, vieilli, privé de sa base, perdu et
restauré.

Rien ne se perd.
"""

import os
import re
import shutil
import signal
import subprocess
import sys

import mlflow
import psutil
import pytest
import requests
from mlflow import MlflowClient
from programs import free_port, reader_environment
from team_servers import FIRST, SCRIPT, listening, own_errors, stopped_by, team_server
from texts import path_of
from troubles import read_troubles

pytestmark = pytest.mark.release

ROOM = "02_tracking_unsupervised/team"
FULL, SWEEP = map(path_of, ("full_run", "svm_sweep"))


def runs(team, monkeypatch, workspace: str = "alice") -> dict:
    """Tous les runs d'un espace du serveur, par identifiant."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    client = team.client(monkeypatch, "admin", workspace)
    experiments = [each.experiment_id for each in client.search_experiments()]
    return {run.info.run_id: run for run in client.search_runs(experiments, max_results=5000)}


def values(found: dict) -> dict[str, str]:
    """Paramètres, métriques et étiquettes de chaque run, comparables."""
    parts = ("metrics", "params", "tags")
    # NaN == NaN
    return {
        run_id: repr([sorted(getattr(run.data, part).items()) for part in parts])
        for run_id, run in found.items()
    }


def answers(team, *names: str) -> list[int]:
    """Le code que reçoit, sans compte, qui appelle le serveur par chacun de ces noms."""
    address = f"{team.uri}/api/2.0/mlflow/experiments/search"
    return [requests.get(address, headers={"Host": name}, timeout=30).status_code for name in names]


def test_stopped_and_started_again_it_finds_runs_files_and_accounts(course, folder, monkeypatch):
    with team_server(course, folder, users=("alice",)) as team:
        course.fork(FULL, **team.account("alice"))
        password, before = team.passwords["alice"], runs(team, monkeypatch)
    secrets = (folder / "secrets.env").read_bytes()
    assert "Arrêt : le serveur, puis la base." in team.text
    open_to_all = ("--host", "0.0.0.0", "--allowed-hosts", "mlflow.lan")
    with team_server(course, folder, *open_to_all, users=("carol",)) as team:
        assert team.accounts("add", "alice") == ["add alice : RESOURCE_ALREADY_EXISTS"]
        assert "Ouvert au réseau : sans HTTPS devant" in team.text and answers(
            team, "mlflow.lan", "autre.lan"
        ) == [401, 403]
        # le serveur, à la demande ; PostgreSQL, lui, n'a toujours pas d'adresse
        assert listening(team) == {"0.0.0.0"}
        assert values(runs(team, monkeypatch)) == values(before)
        assert (folder / "secrets.env").read_bytes() == secrets
        team.passwords["alice"] = password
        team.client(monkeypatch, "alice")
        [run] = [each for each in before.values() if each.info.run_name == "svm complet"]
        assert "confusion_matrix.png" in {
            file.path for file in MlflowClient(team.uri).list_artifacts(run.info.run_id)
        }
        assert mlflow.sklearn.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")[
            -1
        ].gamma == float(run.data.params["gamma"])


def test_killed_outright_it_leaves_its_server_and_base_which_the_page_cures(
    course, folder, monkeypatch
):
    if not shutil.which("lsof"):
        pytest.skip("lsof manque (apt-get install lsof) : le remède de DEPANNAGE.md l'emploie")
    with team_server(course, folder, users=("alice",)) as team:
        course.fork(FIRST, **team.account("alice"))
        before = values(runs(team, monkeypatch))
        [served] = [each for each in team.process_children() if "mlflow" in each.cmdline()]
        served = [*served.children(recursive=True), served]
        team.process.kill()
        team.process.wait()
        base, port = team.postgres_pid(), team.uri.rpartition(":")[2]
        [cure] = read_troubles()["address already in use"].cure(1, **{"5050": port}).lines
        subprocess.run(["bash", "-c", cure], check=True)
        assert not psutil.wait_procs(served, timeout=60)[1]
        assert psutil.pid_exists(base)
        with team_server(course, folder) as again:
            assert values(runs(again, monkeypatch)) == before and again.postgres_pid() == base


OLDER = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import postgres, sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db import utils

folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True)
base = postgres.create_base(postgres.start_postgres(folder / "postgres"), "mlflow")
engine = sqlalchemy.create_engine(base)
utils.InitialBase.metadata.create_all(engine)
config = utils._get_alembic_config(base)
known = ScriptDirectory.from_config(config).walk_revisions()
older = [each.revision for each in known][int(sys.argv[3])]
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, older)

def insert(table, **row):
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)

run, place = "0" * 31 + "1", "mlflow-artifacts:/1"
insert("experiments", experiment_id=1, name="ancienne", artifact_location=place,
    lifecycle_stage="active")
insert("runs", run_uuid=run, name="ancien", source_type="LOCAL", user_id="alice",
    status="FINISHED", start_time=1, end_time=2, lifecycle_stage="active",
    artifact_uri=f"{place}/{run}/artifacts", experiment_id=1)
for table in ("metrics", "latest_metrics"):
    insert(table, run_uuid=run, key="x", value=0.1, timestamp=1, step=0, is_nan=False)
"""


@pytest.mark.parametrize("back", ["1", "5"])  # à 5, il manque une table
def test_a_base_of_an_older_mlflow_is_upgraded_without_loss(course, folder, monkeypatch, back):
    made = subprocess.run(
        [sys.executable, "-c", OLDER, str(course.root / ROOM), str(folder), back],
        env=reader_environment(),
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    with team_server(course, folder) as team:
        (run,) = runs(team, monkeypatch, "default").values()
        assert (run.info.run_name, run.data.metrics) == ("ancien", {"x": 0.1})


WRITER = """
import sys; sys.path.insert(0, sys.argv[1])
from store import open_store
open_store()
import mlflow
mlflow.set_experiment("coupure")
with mlflow.start_run():
    for step in range(100_000):
        mlflow.log_metric("x", step, step=step)
        print(step, flush=True)
"""


def test_postgres_gone_in_the_middle_loses_nothing_that_was_acknowledged(
    course, folder, monkeypatch
):
    with team_server(course, folder, users=("alice",)) as team:
        account = team.account("alice") | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(course.root / ROOM)],
            env=reader_environment(**account),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while int(writer.stdout.readline()) < 20:
            pass
        # PostgreSQL s'arrête sur-le-champ, comme à une panne
        os.kill(team.postgres_pid(), signal.SIGQUIT)
        written, errors = writer.communicate(timeout=180)
        acknowledged = [int(line) for line in written.splitlines()]
        assert writer.returncode == 1, errors
    with team_server(course, folder) as team:
        (run,) = runs(team, monkeypatch).values()
        history = MlflowClient(team.uri).get_metric_history(run.info.run_id, "x")
        last = max([20, *acknowledged])
        assert [int(each.value) for each in history][: last + 1] == list(range(last + 1))


def test_a_lost_base_is_restored_from_pg_dump_taken_in_the_middle_of_a_sweep(
    course, folder, monkeypatch
):
    """Sauvegarde pendant un balayage, puis tout est tué et la base perdue : restaurée, elle a tous
    les runs d'alors, avec leurs valeurs.
    """
    with team_server(course, folder, users=("alice",)) as team:
        account = team.account("alice")
        sweep = subprocess.Popen(
            course.command(SWEEP),
            env=reader_environment(**account),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        finished = {}
        while len(finished) < 5:
            assert sweep.poll() is None
            finished = {
                run_id: run
                for run_id, run in runs(team, monkeypatch).items()
                if run.info.status == "FINISHED"
            }
        [backup] = re.findall(r"Sauvegarder la base, sans rien arrêter : (.*)", team.text)
        subprocess.run(["bash", "-c", f"umask 022; {backup}"], check=True)
        # lisible de vous seul, et hors de Git
        assert (folder / "mlflow.dump").stat().st_mode & 0o777 == 0o600
        assert (folder / ".gitignore").read_text() == "*\n"
        after_backup = runs(team, monkeypatch)
        # le balayage continue : ces runs-là seront perdus
        while len(runs(team, monkeypatch)) <= len(after_backup):
            assert sweep.poll() is None
        for process in (*team.processes(), psutil.Process(sweep.pid)):
            process.kill()
        team.process.wait()
        sweep.wait()
    # comme la page de la leçon : un dossier neuf, les fichiers et les secrets copiés
    elsewhere = folder.with_name("restauré")
    shutil.copytree(folder / "artifacts", elsewhere / "artifacts")
    shutil.copy(folder / "secrets.env", elsewhere)

    # sans eux, il le dit, et s'arrête
    without = folder.with_name("sans secrets")
    options = ("--folder", without, "--restore", folder / "mlflow.dump")
    (line,) = own_errors(stopped_by(course, SCRIPT, "--port", free_port(), *options))
    assert line.startswith(f"{without / 'secrets.env'} n'ouvre pas cette base")

    options = ("--restore", folder / "mlflow.dump")
    with team_server(course, elsewhere, *options, users=("carol",)) as team:
        found = runs(team, monkeypatch)
        assert set(finished) <= set(found) <= set(after_backup)
        for run_id, data in values(finished).items():
            assert values(found)[run_id] == data
        for run in finished.values():  # les fichiers aussi : ils n'étaient pas dans la base
            (model,) = run.outputs.model_outputs
            assert mlflow.sklearn.load_model(f"models:/{model.model_id}")[-1].gamma == float(
                run.data.params["gamma"]
            )
        team.passwords["alice"] = account["MLFLOW_TRACKING_PASSWORD"]
        # son compte était dans la même sauvegarde
        assert team.client(monkeypatch, "alice").search_experiments()

    # une base qui a servi : pg_restore refuse, et n'y touche pas
    options = ("--folder", elsewhere, "--restore", folder / "mlflow.dump")
    refused = stopped_by(course, SCRIPT, "--port", free_port(), *options)
    assert "CalledProcessError" in refused.splitlines()[-1] and "already exists" in refused
    with team_server(course, elsewhere) as team:
        assert values(runs(team, monkeypatch)) == values(found)
