"""La vie d'un serveur d'équipe : arrêté et relancé, tué, vieilli, privé de sa base, perdu et
restauré.

Rien ne se perd.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import mlflow
import psutil
import pytest
import requests
import sqlalchemy
from mlflow import MlflowClient
from programs import free_port, reader_environment
from team_servers import (
    SCRIPT,
    command_lines,
    embedded_postgres,
    launch,
    listening,
    short_folder,
    team_server,
)

pytestmark = pytest.mark.release

FIRST, SWEEP = (f"01_tracking_supervised/local/{name}.py" for name in ("first_run", "svm_sweep"))


def runs(team, monkeypatch) -> dict:
    """Tous les runs du serveur, par identifiant."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    client = team.client(monkeypatch)
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


def ended_in_one_line(process: subprocess.Popen, output) -> str:
    """Attend la fin de `01_team_server.py` ; la dernière ligne, qui doit être la seule sur les
    erreurs.
    """
    try:
        assert process.wait(120) == 1, output.read_text()
    finally:
        process.send_signal(signal.SIGINT)  # sans effet s'il est fini, comme il se doit
        process.wait(60)
    text = output.read_text()
    assert "Traceback" not in text, text
    return text.splitlines()[-1]


def test_stopped_and_started_again_it_finds_runs_files_and_accounts(course, folder, monkeypatch):
    with team_server(course, folder, "--users", "alice") as team:
        course.fork("01_tracking_supervised/local/02_full_run.py", **team.account("alice"))
        password, before = team.passwords["alice"], runs(team, monkeypatch)
    assert "Arrêt : le serveur, puis la base." in team.text
    with team_server(
        course,
        folder,
        "--users",
        "alice",
        "carol",
        "--host",
        "0.0.0.0",
        "--allowed-hosts",
        "mlflow.lan",
    ) as team:
        assert "alice a déjà un compte." in team.text and set(team.passwords) == {"carol", "admin"}
        assert "Ouvert au réseau : sans HTTPS devant" in team.text and answers(
            team, "mlflow.lan", "autre.lan"
        ) == [401, 403]
        # le serveur, à la demande ; PostgreSQL, lui, n'a toujours pas d'adresse
        assert listening(team) == {"0.0.0.0"}
        assert values(runs(team, monkeypatch)) == values(before)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "alice")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        (run,) = before.values()
        assert "confusion_matrix.png" in {
            file.path for file in MlflowClient(team.uri).list_artifacts(run.info.run_id)
        }
        assert mlflow.sklearn.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")[
            -1
        ].gamma == float(run.data.params["gamma"])


def test_killed_outright_it_says_what_is_left_and_starts_again(course, folder, monkeypatch):
    with team_server(course, folder, "--users", "alice") as team:
        course.fork(FIRST, **team.account("alice"))
        before = values(runs(team, monkeypatch))
        team.process.kill()
        team.process.wait()
        ended = course.fork(SCRIPT, "--folder", folder, "--port", team.port, fails=True)
        (line,) = ended.stderr.splitlines()
        group = int(re.search(r"kill -- -(\d+)", line)[1])
        os.killpg(group, signal.SIGTERM)  # ce que la ligne conseille
        end = time.monotonic() + 30
        while (
            any(
                psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in group_members(group)
            )
            and time.monotonic() < end
        ):
            time.sleep(0.2)
        # la base, elle, est restée : le serveur suivant la reprend
        assert psutil.pid_exists(team.postgres_pid())
        with team_server(course, folder) as again:
            assert values(runs(again, monkeypatch)) == before


def group_members(group: int) -> list[int]:
    return [process.pid for process in psutil.process_iter() if os.getpgid(process.pid) == group]


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
older = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()][int(sys.argv[3])]
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, older)

def insert(table, **row):
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)

run, place = "0" * 31 + "1", "mlflow-artifacts:/1"
insert("experiments", experiment_id=1, name="ancienne", artifact_location=place, lifecycle_stage="active")
insert("runs", run_uuid=run, name="ancien", source_type="LOCAL", user_id="alice", status="FINISHED", start_time=1, end_time=2,
    lifecycle_stage="active", artifact_uri=f"{place}/{run}/artifacts", experiment_id=1)
for table in ("metrics", "latest_metrics"):
    insert(table, run_uuid=run, key="x", value=0.1, timestamp=1, step=0, is_nan=False)
"""


# à 5, il manque une table : MLflow mettrait à niveau sans rien demander
@pytest.mark.parametrize("back", ["1", "5"])
def test_a_base_of_an_older_mlflow_is_said_then_upgraded_without_loss(
    course, folder, monkeypatch, back
):
    code = [
        sys.executable,
        "-c",
        OLDER,
        str(course.root / "02_tracking_unsupervised/local"),
        str(folder),
        back,
    ]
    made = subprocess.run(code, env=reader_environment(), capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    line = ended_in_one_line(*launch(course, folder, free_port()))
    assert (
        line
        == "La base est d'un MLflow plus ancien : sauvegardez-la (pg_dump), puis relancez avec --upgrade."
    )
    if back == "1":
        return  # la suite serait la même
    with team_server(course, folder, "--upgrade") as team:
        (run,) = runs(team, monkeypatch).values()
        assert (run.info.run_name, run.data.metrics) == ("ancien", {"x": 0.1})


def test_a_base_of_ones_own_whose_password_is_nowhere(course, folder, monkeypatch, tmp_path):
    """`--database`, avec un compte PostgreSQL à mot de passe donné par PGPASSWORD : ni commande, ni
    journal, ni fichier ne le montrent.
    """
    secret = "mot-de-passe-de-la-base"
    with short_folder() as elsewhere, embedded_postgres(elsewhere) as base:
        engine = sqlalchemy.create_engine(
            base.replace("/mlflow?", "/postgres?"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE ROLE equipe LOGIN PASSWORD '{secret}'"))
            connection.execute(sqlalchemy.text("CREATE DATABASE equipe OWNER equipe"))
            for other in ("future", "interdite"):
                connection.execute(sqlalchemy.text(f"CREATE DATABASE {other}"))
            access = elsewhere / "postgres/pg_hba.conf"
            access.write_text("local all equipe scram-sha-256\n" + access.read_text())
            connection.execute(sqlalchemy.text("SELECT pg_reload_conf()"))
        engine.dispose()
        newer = base.replace("/mlflow?", "/future?")
        engine = sqlalchemy.create_engine(newer)
        with engine.begin() as connection:
            connection.execute(
                sqlalchemy.text("CREATE TABLE alembic_version AS SELECT 'fff' AS version_num")
            )
        engine.dispose()
        own = base.replace("postgres@/mlflow?", "equipe@/equipe?")
        for database, password, *said in (
            (newer, "", "La base est d'un MLflow plus récent que celui d'ici"),
            (own, "faux", "ne répond pas", "password authentication failed"),
            (
                own.replace("/equipe?", "/interdite?"),
                secret,
                "ce compte PostgreSQL n'a pas le droit de créer des tables dans cette base",
            ),
        ):
            asked = ("--folder", folder, "--port", free_port(), "--database", database)
            (line,) = course.fork(
                SCRIPT, *asked, fails=True, PGPASSWORD=password
            ).stderr.splitlines()
            assert (
                all(each in line for each in said) and "faux" not in line and secret not in line
            ), line
        with team_server(
            course, folder, "--database", own, "--users", "alice", PGPASSWORD=secret
        ) as team:
            course.fork(FIRST, **team.account("alice"))
            assert len(runs(team, monkeypatch)) == 1 and not (folder / "postgres").exists()
            assert secret not in command_lines() and secret not in team.text
            for path in folder.rglob("*"):
                assert not path.is_file() or secret.encode() not in path.read_bytes(), path
            os.kill(
                int((elsewhere / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGQUIT
            )
            assert course.fork(FIRST, fails=True, **team.account("alice")).returncode == 1


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


def test_postgres_gone_in_the_middle_is_said_and_nothing_acknowledged_is_lost(
    course, folder, monkeypatch
):
    with team_server(course, folder, "--users", "alice") as team:
        account = team.account("alice")
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(course.root / "01_tracking_supervised/local")], env=reader_environment(**account),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while int(writer.stdout.readline()) < 20:
            pass
        # PostgreSQL s'arrête sur-le-champ, comme à une panne
        os.kill(team.postgres_pid(), signal.SIGQUIT)
        written, errors = writer.communicate(timeout=180)
        acknowledged = [int(line) for line in written.splitlines()]
        assert writer.returncode == 1, errors
        line = ended_in_one_line(team.process, team.output)
        assert line.startswith("PostgreSQL s'est arrêté") and "Relancez cette commande" in line
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
    with team_server(course, folder, "--users", "alice") as team:
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
        backup = shlex.split(
            re.search(r"Sauvegarder la base, sans rien arrêter : (.*)", team.text)[1]
        )
        subprocess.run(backup, cwd=folder, check=True)
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

    with team_server(
        course, elsewhere, "--restore", folder / "mlflow.dump", "--users", "alice", "carol"
    ) as team:
        assert "alice a déjà un compte." in team.text and set(team.passwords) == {"carol", "admin"}
        found = runs(team, monkeypatch)
        assert set(finished) <= set(found) <= set(after_backup)
        for run_id, data in values(finished).items():
            assert values(found)[run_id] == data
        for run in finished.values():  # les fichiers aussi : ils n'étaient pas dans la base
            (model,) = run.outputs.model_outputs
            assert mlflow.sklearn.load_model(f"models:/{model.model_id}")[-1].gamma == float(
                run.data.params["gamma"]
            )
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "alice")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", account["MLFLOW_TRACKING_PASSWORD"])
        # son compte était dans la même sauvegarde
        assert MlflowClient(team.uri).search_experiments()

    refused = course.fork(
        SCRIPT, "--folder", elsewhere, "--restore", folder / "mlflow.dump", fails=True
    )
    assert (
        refused.stderr.startswith("--restore remplit une base vide")
        and len(refused.stderr.splitlines()) == 1
    )
