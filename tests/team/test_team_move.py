"""Le magasin du cours, déménagé pour de vrai sur un serveur d'équipe : tout y est, au bit près, et
rien d'autre n'a bougé.
"""

import hashlib
import shutil
import sqlite3
import struct
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import move_store
import pandas as pd
import pytest
import sqlalchemy
import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType
from programs import SECONDS, reader_environment
from team_servers import FIRST, embedded_postgres, own_errors, short_folder, team_server
from texts import path_of
from warm import forked

pytestmark = pytest.mark.release

EXPERIMENT = "01_tracking_supervised"
MOVE = "02_tracking_unsupervised/team/03_move_store.py"
SCRIPTS = map(path_of, ("first_run", "full_run", "kmeans_sweep", "register_models", "promote"))
AWKWARD = ["50%25.txt", "figure #1.txt", "figure #2.txt", "quoi?.txt"]
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
    for name in AWKWARD:
        client.log_text(run.info.run_id, name, name)
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


def move(course, folder, *arguments, code: int = 0) -> list[str]:
    """Ce que le script affiche, une fois qu'il a réussi ; ou la dernière ligne de son erreur."""
    command = course.command(MOVE, "--folder", folder, "--workspace", "alice", *arguments)
    told = forked(command, course.root, SECONDS)
    errors = own_errors(told.stderr)
    assert (told.returncode, bool(errors)) == (code, bool(code)), told
    return told.stdout.splitlines() if not code else errors[-1:]


@pytest.fixture(scope="module")
def moved(store):
    """Le dossier d'un serveur arrêté où le magasin est déménagé, les mots de passe de ses comptes,
    et ce que le script a dit.
    """
    with short_folder() as folder:
        with team_server(store, folder, users=("alice", "bob")) as team:
            [busy] = move(store, folder, code=1)
            assert busy.startswith("La base de ce serveur est ouverte : arrêtez-le")
        yield folder, team.passwords, move(store, folder)


@pytest.fixture(scope="module")
def team(store, moved):
    """Le même serveur, relancé."""
    folder, passwords, _ = moved
    with team_server(store, folder) as started:
        started.passwords |= passwords
        yield started


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_everything_is_there_bit_for_bit_as_mlflow_reads_it(store, team, monkeypatch):
    before = content(store.client())
    after = content(team.client(monkeypatch, "alice"))
    assert (
        len([key for key in before if key[0] == "metric"]) > 50
        and ("registered", "wine_cultivars") in before
    )
    default = ("experiment", "0")  # « Default » reste à l'administrateur
    assert before.pop(default)[0] == "Default" and after == before
    assert not content(team.client(monkeypatch, "bob")).keys() & before.keys()


def test_it_says_so_in_true_counts(store, moved):
    counts, folders, addresses, awkward = moved[2]
    with closing(sqlite3.connect(store.root / "mlflow.db")) as base:

        def count(what: str) -> int:
            return base.execute(f"SELECT count(*) FROM {what}").fetchone()[0]

        told = ("experiments", "runs", "metrics", "logged_models", "registered_models")
        said = ", ".join(f"{name} {count(name)}" for name in (*told, "model_versions"))
        assert counts == f"{said} et les autres tables : les mêmes des deux côtés, au bit près."
        assert folders.startswith(f"{count('experiments')} dossiers d'artefacts : ")
        assert f"runs.artifact_uri {count('runs')}" in addresses
    assert awkward.startswith("Copiés, mais que MLflow ne sait pas servir sous ce nom : ")
    assert [name for name in AWKWARD if name not in awkward] == []


def test_every_file_is_there_and_no_address_leads_back(store, moved, team, monkeypatch, tmp_path):
    """Chaque valeur de chaque table est lue : aucune ne commence par un dossier du magasin."""
    engine = sqlalchemy.create_engine(team.base)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    places = [each.artifact_location for each in store.client().search_experiments(ViewType.ALL)]
    homes = (str(store.root / "mlruns"), "file:", *places)
    with engine.connect() as connection:
        rows = [(table.name, row) for table in metadata.sorted_tables
                for row in connection.execute(table.select())]  # fmt: skip
    engine.dispose()
    lost = {(name, value) for name, row in rows for value in row
            if isinstance(value, str) and value.startswith(homes)}  # fmt: skip
    assert len(rows) > 500 and lost == set()
    [away] = [unquote(urlsplit(place).path) for place in places if place.startswith("file:")]
    here = files_of(store.root / "mlruns") + files_of(Path(away))
    there = files_of(team.folder / "artifacts")
    digests = [sorted(hashlib.sha256(path.read_bytes()).digest() for path in found)
               for found in (here, there)]  # fmt: skip
    assert digests[0] == digests[1] and {Path(name).name for name in AWKWARD} <= {
        path.name for path in there
    }
    client = team.client(monkeypatch, "alice")
    [experiment] = [each for each in client.search_experiments() if each.name == EXPERIMENT]
    for run in client.search_runs([experiment.experiment_id]):
        mine = move_store.local_folder(store.client().get_run(run.info.run_id).info.artifact_uri)
        team.client(monkeypatch, "alice")
        for path in files_of(mine):
            name = path.relative_to(mine).as_posix()
            got = mlflow.artifacts.download_artifacts(
                run_id=run.info.run_id, artifact_path=name, dst_path=str(tmp_path)
            )
            assert Path(got).read_bytes() == path.read_bytes(), name


def test_a_registered_model_is_loaded_by_its_alias(store, team, monkeypatch):
    store.client()
    before = mlflow.pyfunc.load_model("models:/wine_cultivars@champion")
    team.client(monkeypatch, "alice")
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


def test_alice_goes_on_and_then_nothing_more_is_copied(store, moved, team, monkeypatch):
    """Les compteurs sont à jour : alice écrit là où elle en était, et bob chez lui."""
    store.fork(FIRST, **team.account("alice"))
    store.fork(FIRST, **team.account("bob"))
    alice = team.client(monkeypatch, "alice")
    alice.create_experiment("nouvelle")
    numbers = [int(each.experiment_id) for each in alice.search_experiments(ViewType.ALL)]
    assert int(alice.get_experiment_by_name("nouvelle").experiment_id) == max(numbers)
    assert len(set(numbers)) == len(numbers)
    runs = alice.search_runs([alice.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert len([run for run in runs if run.info.run_name == "svm gamma=1"]) == 2


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


@pytest.fixture
def stopped(store, folder):
    """Le dossier d'un serveur neuf, arrêté."""
    with team_server(store, folder, users=("alice",)):
        pass
    return folder


@contextmanager
def base_of(folder):
    with embedded_postgres(folder) as address:
        engine = sqlalchemy.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield lambda text: connection.execute(sqlalchemy.text(text))
        engine.dispose()


def is_empty(folder) -> bool:
    with base_of(folder) as execute:
        return execute("SELECT count(*) FROM runs").scalar() == 0


def test_what_cannot_be_moved_moves_nothing(store, stopped, tmp_path):
    older = shutil.copy(store.root / "mlflow.db", tmp_path / "ancienne.db")
    with closing(sqlite3.connect(older)) as base:
        base.execute("UPDATE alembic_version SET version_num = 'abc'")
        base.commit()
    nul = MlflowClient(f"sqlite:///{tmp_path / 'nul.db'}")
    experiment = nul.create_experiment("nul", artifact_location=(tmp_path / "nul").as_uri())
    nul.log_param(nul.create_run(experiment).info.run_id, "texte", "a\0b")
    # un run dont les fichiers sont ailleurs que sous son expérience
    away = shutil.copy(store.root / "mlflow.db", tmp_path / "loin.db")
    with closing(sqlite3.connect(away)) as base:
        base.execute("UPDATE runs SET artifact_uri = '/nulle/part' WHERE name = 'svm gamma=1'")
        base.commit()

    def refused(*arguments) -> str:
        return move(store, stopped, *arguments, code=1)[0]

    with in_place_of_the_store(store, older):
        assert refused().startswith("Deux versions de MLflow : ")
    with in_place_of_the_store(store, away):
        assert refused() == "Adresses hors des dossiers déménagés : /nulle/part. Rien d'écrit."
    with in_place_of_the_store(store, None):
        assert refused() == f"Lancez d'abord : uv run {FIRST}"
    assert refused("--folder", tmp_path).startswith("Lancez d'abord : uv run --group team ")
    assert refused("--workspace", "zed") == "Il n'y a pas d'espace zed : 02_accounts.py add zed"
    # PostgreSQL refuse le caractère NUL, que SQLite accepte : l'erreur vient pendant la copie
    with in_place_of_the_store(store, tmp_path / "nul.db"):
        command = store.command(MOVE, "--folder", stopped, "--workspace", "alice")
        ended = forked(command, store.root, SECONDS)
    assert ended.returncode == 1 and "NUL (0x00)" in ended.stderr
    assert is_empty(stopped)
    # un fichier que le départ n'a pas
    stray = stopped / "artifacts/workspaces/alice/1/de trop.txt"
    stray.write_text("x")
    assert refused() == "Fichiers différents après la copie : de trop.txt. Rien d'écrit."
    stray.unlink()
    assert is_empty(stopped)


def test_killed_among_the_tables_it_leaves_nothing_and_starts_again(store, stopped):
    with base_of(stopped) as execute:  # la dernière table attend : le temps de tuer
        execute(
            "CREATE FUNCTION wait() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(600); RETURN"
            " NEW; END' LANGUAGE plpgsql"
        )
        execute(
            "CREATE TRIGGER wait BEFORE INSERT ON registered_model_aliases FOR EACH ROW"
            " EXECUTE FUNCTION wait()"
        )
    process = subprocess.Popen(
        store.command(MOVE, "--folder", stopped, "--workspace", "alice"),
        env=reader_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (stopped / "postgres/postmaster.pid").exists():
        assert process.poll() is None
        time.sleep(0.1)
    with base_of(stopped) as execute:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        while not execute(waiting).scalar():
            assert process.poll() is None
            time.sleep(0.1)
        process.kill()
        process.wait()
        execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        )
        execute("DROP FUNCTION wait CASCADE")
        assert execute("SELECT count(*) FROM runs").scalar() == 0
    assert move(store, stopped)[0].startswith("experiments ")
    [again] = move(store, stopped, code=1)
    assert again.startswith("La base de l'équipe n'est pas vide (runs, registered_models")
