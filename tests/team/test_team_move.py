"""Le magasin du cours, déménagé pour de vrai sur un serveur d'équipe : tout y est, au bit près, et
rien d'autre n'a bougé.
"""

import shutil
import signal
import sqlite3
import struct
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
import move_store
import pandas as pd
import pytest
import sqlalchemy
import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType
from programs import SECONDS, hears_ctrl_c, reader_environment
from team_servers import FIRST, first_run_in, own_errors, short_folder, stopped_by, team_server
from texts import path_of
from warm import forked

pytestmark = pytest.mark.release

MOVE = "02_tracking_unsupervised/team/03_move_store.py"
SCRIPTS = map(path_of, ("first_run", "full_run", "kmeans_sweep", "register_models", "promote"))
HARD = (0.1, 5e-324, 1.7976931348623157e308, float("nan"), float("inf"), float("-inf"), -0.0, 1 / 3)


@pytest.fixture(scope="module")
def store(course, tmp_path_factory):
    """Le magasin de la copie du cours, avec en plus ce que les scripts n'y mettent pas."""
    for script in SCRIPTS:
        course.fork(script)
    client = course.client()
    elsewhere = tmp_path_factory.mktemp("ailleurs") / "avec espace"
    experiment = client.create_experiment(
        "rangée ailleurs", artifact_location=elsewhere.as_uri(), tags={"équipe": "été"}
    )
    run = client.create_run(experiment, run_name="« difficile » 🙂")
    points = [Metric("x", value, 1_000 + step, step) for step, value in enumerate(HARD)]
    client.log_batch(run.info.run_id, points + [Metric("y", 1.0, 5, 0), Metric("y", 2.0, 6, 0)])
    client.set_tag(run.info.run_id, "longue", "é" * 4000)
    client.log_text(run.info.run_id, "bonjour", "dossier à part/note.txt")
    client.log_inputs(run.info.run_id, [])
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_input(
            mlflow.data.from_pandas(pd.DataFrame({"a": [1.0]}), name="un jeu"), context="essai"
        )
    client.set_terminated(run.info.run_id, "KILLED")
    gone = client.create_run(experiment, run_name="supprimé")
    client.delete_run(gone.info.run_id)
    client.delete_experiment(client.create_experiment("supprimée"))
    return course


def content(client: MlflowClient) -> dict:
    """Tout ce que MLflow rend d'un magasin, adresses d'artefacts à part ; les valeurs des métriques
    en bits.
    """
    found = {}
    for experiment in client.search_experiments(view_type=ViewType.ALL, max_results=1000):
        kept = (
            experiment.name,
            experiment.lifecycle_stage,
            experiment.tags,
            experiment.creation_time,
        )
        found["experiment", experiment.experiment_id] = kept
        for run in client.search_runs(
            [experiment.experiment_id], run_view_type=ViewType.ALL, max_results=5000
        ):
            info = run.info
            found["run", info.run_id] = (
                info.run_name, info.status, info.lifecycle_stage, info.start_time, info.end_time,
                run.data.params, run.data.tags,
                [
                    (each.dataset.to_dictionary(), [(tag.key, tag.value) for tag in each.tags])
                    for each in run.inputs.dataset_inputs
                ],
                [(each.model_id, each.step) for each in run.outputs.model_outputs]
                if run.outputs else [],
            )  # fmt: skip
            for key in run.data.metrics:
                history = client.get_metric_history(info.run_id, key)
                found["metric", info.run_id, key] = sorted(
                    (struct.pack(">d", each.value), each.timestamp, each.step) for each in history
                )
        for model in client.search_logged_models([experiment.experiment_id], max_results=50):
            found["logged model", model.model_id] = (
                model.name, model.status, model.params, model.tags, model.source_run_id,
                model.creation_timestamp,
                sorted(
                    (each.key, struct.pack(">d", each.value), each.step) for each in model.metrics
                ),
            )  # fmt: skip
    for model in client.search_registered_models(max_results=1000):
        # un entier en local, un texte par le serveur
        aliases = {alias: str(version) for alias, version in model.aliases.items()}
        found["registered", model.name] = (
            model.description,
            model.tags,
            aliases,
            model.creation_timestamp,
        )
        for version in client.search_model_versions(f"name = '{model.name}'"):
            found["version", model.name, str(version.version)] = (
                version.run_id, version.model_id, version.source, version.status,
                version.description, version.tags,
                version.creation_timestamp, sorted(version.aliases),
            )  # fmt: skip
    return found


def options(team) -> tuple:
    return "--folder", team.folder, "--server", team.uri


def move(team, *arguments) -> list[str]:
    """Les lignes que le script affiche, une fois qu'il a réussi, sans erreur."""
    command = team.course.command(MOVE, *options(team), *arguments)
    told = forked(command, team.course.root, SECONDS)
    assert (told.returncode, own_errors(told.stderr)) == (0, []), told
    return told.stdout.splitlines()


@pytest.fixture(scope="module")
def moved(store, team):
    """Ce que `03_move_store.py` a dit, une fois le magasin déménagé."""
    return move(team, "--owner", "alice")


def sqlite_counts(course) -> dict[str, int]:
    with closing(sqlite3.connect(course.root / "mlflow.db")) as base:
        return {
            shown: base.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name, shown in move_store.SHOWN.items()
        }


def test_everything_is_there_bit_for_bit_as_mlflow_reads_it(store, team, moved, monkeypatch):
    before = content(store.client())
    after = content(team.client(monkeypatch))
    assert (
        len([key for key in before if key[0] == "metric"]) > 50
        and ("registered", "wine_cultivars") in before
    )
    assert after == before


def test_it_says_so_in_true_counts(store, moved):
    sent, counts, model = moved
    files = [path for path in (store.root / "mlruns").rglob("*") if path.is_file()]
    # et la note rangée ailleurs
    assert sent == f"{len(files) + 1} fichiers envoyés : ceux que le serveur n'avait pas encore."
    assert (
        counts
        == ", ".join(f"{name} {n}" for name, n in sqlite_counts(store).items())
        + " : les mêmes des deux côtés, au bit près."
    )
    assert model.endswith(
        "chargé à travers le serveur : prédictions égales à celles de l'original."
    )


def test_every_file_is_served_and_no_address_leads_back(store, team, moved, monkeypatch, tmp_path):
    client = team.client(monkeypatch)
    engine = sqlalchemy.create_engine(team.base)
    with engine.connect() as connection:
        for table, columns in move_store.ADDRESSES.items():
            for column in columns:
                for (address,) in connection.execute(
                    sqlalchemy.text(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
                ):
                    assert address.startswith(("mlflow-artifacts:/", "models:/")), (
                        table,
                        column,
                        address,
                    )
    engine.dispose()
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            here = store.client().get_run(run.info.run_id).info.artifact_uri
            for path in filter(
                lambda path: path.is_file(), move_store.local_folder(here).rglob("*")
            ):
                name = path.relative_to(move_store.local_folder(here)).as_posix()
                there = mlflow.artifacts.download_artifacts(
                    run_id=run.info.run_id,
                    artifact_path=name,
                    dst_path=str(tmp_path),
                    tracking_uri=team.uri,
                )
                assert open(there, "rb").read() == path.read_bytes(), name


def test_started_again_it_sends_nothing_and_says_the_same(store, team, moved):
    again = move(team, "--owner", "alice")
    assert (
        again[0] == "0 fichiers envoyés : ceux que le serveur n'avait pas encore."
        and again[1:] == moved[1:]
    )


def test_a_registered_model_is_loaded_by_its_alias(store, team, moved, monkeypatch):
    store.client()
    before = mlflow.pyfunc.load_model("models:/wine_cultivars@champion")
    team.client(monkeypatch, "bob")
    # `set_registry_uri` resterait pour les tests suivants
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", team.uri)
    # l'ancien dossier, que nomme encore chaque MLmodel, n'est pas lu
    away = (store.root / "mlruns").rename(store.root / "mlruns ailleurs")
    try:
        after = mlflow.pyfunc.load_model("models:/wine_cultivars@champion")
    finally:
        away.rename(store.root / "mlruns")
    described = [
        yaml.safe_load(path.read_text())["artifact_path"]
        for path in (team.folder / "artifacts").rglob("MLmodel")
    ]
    assert described and all(folder.startswith(str(store.root)) for folder in described)
    example = before.input_example
    assert (before.predict(example) == after.predict(example)).all()


def test_the_owner_goes_on_and_then_nothing_more_is_copied(store, team, moved, monkeypatch):
    """Les compteurs sont à jour, les droits aussi : alice écrit là où elle en était, bob non ; la
    base n'est plus « vide ».
    """
    store.fork(FIRST, **team.account("alice"))
    store.fork(first_run_in(store, "nouvelle"), **team.account("alice"))
    assert "Permission denied" in stopped_by(store, FIRST, **team.account("bob")).splitlines()[-1]
    client = team.client(monkeypatch)
    numbers = [
        int(each.experiment_id) for each in client.search_experiments(view_type=ViewType.ALL)
    ]
    assert int(client.get_experiment_by_name("nouvelle").experiment_id) == max(numbers) and len(
        set(numbers)
    ) == len(numbers)
    before, files = (
        content(client),
        sum(path.is_file() for path in (team.folder / "artifacts").rglob("*")),
    )
    (store.root / "mlruns/1/nouveau.txt").write_text("un fichier que le serveur n'a pas")
    refused = stopped_by(store, MOVE, *options(team), "--owner", "alice")
    (store.root / "mlruns/1/nouveau.txt").unlink()
    (line,) = own_errors(refused)
    assert line.startswith("La base de l'équipe n'est pas vide (expériences ")
    assert line.endswith(") : rien n'y est copié. Donnez un dossier neuf (--folder).")
    assert (
        content(client) == before
        and sum(path.is_file() for path in (team.folder / "artifacts").rglob("*")) == files
    )


@pytest.fixture(scope="module")
def empty_team(course):
    with short_folder() as folder, team_server(course, folder) as started:
        yield started


def start_move(team) -> subprocess.Popen:
    return subprocess.Popen(
        team.course.command(MOVE, *options(team)), env=reader_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **hears_ctrl_c(),
    )  # fmt: skip


def rows(engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(
            sqlalchemy.text(
                "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM experiments)"
            )
        )


@contextmanager
def in_place_of_the_store(course, base: Path | None):
    """À la place de `mlflow.db`, le temps d'un test : cette base, ou rien."""
    here = course.root / "mlflow.db"
    kept = here.rename(here.with_name("gardée.db"))
    try:
        if base:
            shutil.copy(base, here)
        yield
    finally:
        kept.replace(here)


def test_what_cannot_be_moved_moves_nothing(store, empty_team, tmp_path):
    older = shutil.copy(store.root / "mlflow.db", tmp_path / "ancienne.db")
    with closing(sqlite3.connect(older)) as base:
        base.execute("UPDATE alembic_version SET version_num = 'abc'")
        base.commit()
    nul = MlflowClient(f"sqlite:///{tmp_path / 'nul.db'}")
    experiment = nul.create_experiment("nul", artifact_location=(tmp_path / "nul").as_uri())
    nul.log_param(nul.create_run(experiment).info.run_id, "texte", "a\0b")

    def refused(*arguments) -> str:
        few = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        return stopped_by(store, MOVE, *options(empty_team), *arguments, **few).splitlines()[-1]

    with in_place_of_the_store(store, older):
        assert refused().startswith("Deux versions de MLflow : ")
    with in_place_of_the_store(store, None):
        assert refused() == f"Lancez d'abord : uv run {FIRST}"
    assert refused("--folder", tmp_path).startswith("Lancez d'abord : uv run --group team ")
    assert "User with username=zed not found" in refused("--owner", "zed")
    assert "Max retries exceeded" in refused("--server", "http://127.0.0.1:9")
    # PostgreSQL refuse le caractère NUL, que SQLite accepte : l'erreur vient pendant la copie
    with in_place_of_the_store(store, tmp_path / "nul.db"):
        ended = forked(store.command(MOVE, *options(empty_team)), store.root, SECONDS)
    assert ended.returncode == 1 and "NUL (0x00)" in ended.stderr
    assert ended.stdout == "0 fichiers envoyés : ceux que le serveur n'avait pas encore.\n"
    engine = sqlalchemy.create_engine(empty_team.base)
    assert rows(engine) == 1
    engine.dispose()


def test_interrupted_among_the_files_then_killed_among_the_tables_it_still_ends_complete(
    store, empty_team, monkeypatch
):
    engine = sqlalchemy.create_engine(empty_team.base, isolation_level="AUTOCOMMIT")
    artifacts = empty_team.folder / "artifacts"

    def there() -> int:
        return sum(path.is_file() for path in artifacts.rglob("*"))

    first = start_move(empty_team)
    while there() < 3:
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=60)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    sent, total = there(), sum(path.is_file() for path in (store.root / "mlruns").rglob("*")) + 1
    assert 0 < sent < total and rows(engine) == 1  # le fichier en route a pu ne pas arriver

    # la dernière table attend : le temps de tuer en pleine transaction
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(
            "CREATE FUNCTION wait() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(60); RETURN "
            "NEW; END' LANGUAGE plpgsql"
        ))  # fmt: skip
        connection.execute(
            sqlalchemy.text(
                "CREATE TRIGGER wait BEFORE INSERT ON registered_model_aliases FOR EACH ROW "
                "EXECUTE FUNCTION wait()"
            )
        )
        second = start_move(empty_team)
        waiting = sqlalchemy.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        )
        while not connection.scalar(waiting):
            assert second.poll() is None
            time.sleep(0.1)
        second.kill()
        second.communicate()
        connection.execute(
            sqlalchemy.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = "
                "'PgSleep'"
            )
        )
        connection.execute(sqlalchemy.text("DROP FUNCTION wait CASCADE"))
    assert rows(engine) == 1 and there() == total
    engine.dispose()

    assert move(empty_team)[0].startswith("0 fichiers envoyés")
    assert content(empty_team.client(monkeypatch)) == content(store.client())
