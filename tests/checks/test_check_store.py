"""check.py : les magasins qu'il refuse, ce qu'il n'écrit jamais, les modèles qu'il n'ouvre pas."""

import hashlib
import os
import pickle
import re
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import mlflow
import numpy as np
import pytest
import skops.io
import test_check_01 as one
from checks import models
from checks.remarks import Remark
from classroom import Classroom, call
from programs import reader_environment, free_port
from texts import ROOT
from mlflow import MlflowClient
from sklearn.dummy import DummyClassifier
from sklearn.svm import SVC


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Classroom:
    """Un magasin où une personne a répondu à 01-2."""
    made = Classroom(tmp_path_factory.mktemp("classe"))
    one.seuil(made, "anne")
    return made


@pytest.fixture
def room(made) -> Classroom:
    """Ce magasin, ouvert : les fonctions de `mlflow.*` le visent."""
    made.open()
    return made


def fingerprint(folder: Path) -> dict[str, str]:
    """Chaque fichier d'un dossier, et l'empreinte de ce qu'il contient."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


# --- Ce qu'il refuse, en une ligne


def one_line(ended: subprocess.CompletedProcess, *said: str):
    assert ended.returncode == 1 and ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    for each in said:
        assert each in ended.stderr


def test_no_store_and_none_is_made(tmp_path):
    first = "Lancez d'abord : uv run 01_tracking_supervised/local/first_run.py"
    one_line(call(uri=f"sqlite:///{tmp_path}/mlflow.db"), "Il n'y a pas de magasin", first)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_stores(tmp_path):
    for name, content in (("vide.db", b""), ("texte.db", b"ceci n'est pas une base" * 50)):
        (tmp_path / name).write_bytes(content)
        one_line(call(uri=f"sqlite:///{tmp_path}/{name}"), name)
        assert (tmp_path / name).read_bytes() == content
    with sqlite3.connect(tmp_path / "autre.db") as base:
        base.execute("CREATE TABLE clients (nom TEXT)")
    one_line(call(uri=f"sqlite:///{tmp_path}/autre.db"), "n'est pas un magasin de MLflow")


@pytest.mark.slow
def test_a_store_of_another_version(tmp_path, room):
    """Ni lue de travers, ni mise à niveau : la commande à taper, et la base intacte."""
    path = tmp_path / "ancien.db"
    path.write_bytes((room.folder / "mlflow.db").read_bytes())
    for change in ("UPDATE alembic_version SET version_num = '451aebb31d03'", "DROP TABLE logged_models"):
        with sqlite3.connect(path) as base:
            base.execute(change)
        before = fingerprint(tmp_path)
        one_line(call(uri=f"sqlite:///{path}"), "d'une autre version de MLflow", f'mlflow db upgrade "sqlite:///{path}"')
        assert fingerprint(tmp_path) == before


@pytest.mark.slow
def test_a_server_that_is_gone():
    """Une ligne, et le mot de passe de l'adresse n'y est pas."""
    refused = call(uri=f"http://anne:secret@127.0.0.1:{free_port()}")
    one_line(refused, "Le serveur http://", "127.0.0.1:", "ne répond pas")
    assert "secret" not in refused.stderr


# --- Ce qu'il n'écrit jamais


@pytest.mark.slow
def test_nothing_is_written_to_the_store(room):
    before = fingerprint(room.folder)
    call("--hint", uri=room.uri)
    call("--by-user", "--project", uri=room.uri)
    assert fingerprint(room.folder) == before


@pytest.mark.slow
def test_the_store_refuses_what_check_would_write(room):
    code = (
        "import sys; sys.path[:0] = ['tools']\nfrom checks.store import open_read_only\n"
        "open_read_only().create_experiment('intrus')"
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=reader_environment(MLFLOW_TRACKING_URI=room.uri), capture_output=True, text=True
    )  # fmt: skip
    assert ended.returncode != 0 and "readonly database" in ended.stderr
    assert MlflowClient(room.uri).get_experiment_by_name("intrus") is None


# --- Des magasins étranges


def test_a_foreign_store(tmp_path):
    """D'autres expériences, d'autres runs, une étiquette `exercise` qui veut dire autre chose : rien n'est fait, rien ne casse."""
    room = Classroom(tmp_path)
    for lesson in list(room.experiments):
        room.client.rename_experiment(room.experiments[lesson], f"ailleurs {lesson}")
    for number, tag in enumerate(("squat", "01-1", "99-9", "")):
        experiment = room.client.create_experiment(f"autre {number}")
        run = room.client.create_run(experiment, tags={"exercise": tag})
        room.client.set_terminated(run.info.run_id)
    room.client.create_registered_model("un modèle")
    found = room.check()
    assert found.returncode == 1 and found.stderr == "" and "  fait  " not in found.stdout
    assert "01-1  à revoir  le run «" in found.stdout and "n'a pas de modèle" in found.stdout


def fill(path: Path, experiment: str, count: int):
    """Ajoute `count` runs finis, deux paramètres et trois métriques chacun : en SQL, cent fois plus vite que par MLflow."""
    runs = [uuid.uuid4().hex for _ in range(count)]
    with sqlite3.connect(path) as base:
        base.executemany(
            "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, user_id, experiment_id)"
            " VALUES (?, 'ancien', 'FINISHED', 1, 2, 'active', '/nulle/part', 'quelqu''un', ?)",
            [(run, experiment) for run in runs],
        )
        for table in ("metrics", "latest_metrics"):
            base.executemany(
                f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, 0.5, 0, 0, 0, ?)",
                [(key, run) for run in runs for key in ("accuracy", "sensitivity", "loss")],
            )
        base.executemany("INSERT INTO params VALUES (?, '1', ?)", [(key, run) for run in runs for key in ("C", "gamma")])
        tags = {"mlflow.user": "quelqu'un", "mlflow.source.name": "autre/chose.py"}
        base.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(key, value, run) for run in runs for key, value in tags.items()])


@pytest.mark.slow
def test_ten_thousand_runs(tmp_path):
    """Cinq secondes en tout : trois pour charger MLflow et scikit-learn, deux au plus de processeur pour lire le magasin."""
    room = Classroom(tmp_path)
    fill(tmp_path / "mlflow.db", room.experiments["01_tracking_supervised"], 10_000)
    assert len(MlflowClient(room.uri).search_runs(list(room.experiments.values()), max_results=50_000)) == 10_000
    start = time.process_time()
    assert room.check().stdout.count("à faire") == 12
    assert time.process_time() - start < 2


def test_an_answer_written_by_hand_stops_nobody(room):
    """Un run sans ce qu'un vrai aurait, une version d'un run effacé : « à revoir », et les autres sont jugés."""
    tags = {"mlflow.project.entryPoint": "train", "mlflow.source.git.commit": "c" * 40, "git.dirty": "false"}
    for _ in range(2):
        room.run("faussaire", lesson="03_mlflow_project", params={"csv": "x.csv"}, metrics={"valid_rmse": 1}, tags=tags, model=one.raw())
    run_id = room.run("faussaire", "04-2", model=one.raw())
    version = room.version("exercise_04_2_faussaire", run_id)
    with sqlite3.connect(room.folder / "mlflow.db") as base:
        base.execute("UPDATE model_versions SET storage_location = '', source = 'models:/m-0' WHERE version = ?", (version,))
        base.execute("DELETE FROM logged_models WHERE source_run_id = ?", (run_id,))
    room.run("faussaire", "02-2", lesson="02_tracking_unsupervised", params={"seed": "nan"}, metrics={"ari": 1.0})
    found = room.check("--by-user")
    assert found.stderr == "" and "faussaire" in found.stdout and re.search(r"anne .*✓", found.stdout)
    found = room.check("--by-user", "--project")
    assert found.stderr == "" and "faussaire" in found.stdout


# --- Les modèles : aucun code ne vient d'eux


class Bomb:
    """Un objet dont la lecture par pickle écrit un fichier."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def logged(room: Classroom, user: str):
    """Un run et son modèle, dont on peut retoucher les fichiers ; renvoie le dossier du modèle."""
    run_id = room.run(user, "01-1", metrics={"accuracy": 1.0, "sensitivity": 1.0}, model=one.raw())
    (output,) = room.client.get_run(run_id).outputs.model_outputs
    return Path(room.client.get_logged_model(output.model_id).artifact_location.removeprefix("file://"))


def test_a_pickle_is_never_opened(room, tmp_path):
    folder, trap = logged(room, "pickle"), tmp_path / "piégé"
    (folder / "model.skops").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(str(trap))))
    text = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(text.replace("model.skops", "model.pkl").replace("format: skops", "format: pickle"))
    room.open()
    assert "est un pickle, que check.py n'ouvre pas" in room.remark("01-1", "pickle")
    assert not trap.exists()


def test_a_type_that_is_not_ours_is_not_loaded(room):
    folder = logged(room, "type")
    skops.io.dump(DummyClassifier(constant=Path("x")).set_params(strategy="constant"), folder / "model.skops")
    room.open()
    said = room.remark("01-1", "type")
    assert "un type que check.py ne charge pas" in said or "ne se relit pas" in said


def test_damaged_missing_or_foreign_models(room):
    (logged(room, "abîmé") / "model.skops").write_bytes(b"PK pas une archive")
    assert "ne se relit pas" in room.remark("01-1", "abîmé")
    folder = logged(room, "effacé")
    for name in ("model.skops", "MLmodel"):
        (folder / name).unlink()
    assert "manque dans le magasin (dossier déplacé, effacé" in room.remark("01-1", "effacé")
    folder = logged(room, "keras")
    (folder / "model.skops").unlink()
    (folder / "MLmodel").write_text("flavors:\n  tensorflow: {}\n")
    assert "n'est pas de scikit-learn" in room.remark("01-1", "keras")


def test_another_shape_of_data(room):
    model = SVC(gamma=0.03).fit(np.eye(341), [0.0, 1.0] * 170 + [0.0])
    room.run("colonnes", "01-1", metrics={"accuracy": 0.6, "sensitivity": 0.0}, model=model)
    assert "n'accepte pas les données de la leçon" in room.remark("01-1", "colonnes")


def test_models_are_fetched_from_a_server(tmp_path, monkeypatch):
    """Un fichier servi par un serveur arrive par `download_artifacts` ; s'il n'y est pas, la remarque est la même."""
    asked = []

    def download(artifact_uri, dst_path):
        asked.append(artifact_uri)
        if "absent" in artifact_uri:
            raise mlflow.MlflowException("No such artifact")
        path = Path(dst_path, "model.skops")
        skops.io.dump(one.raw(), path)
        return str(path)

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    assert models.fetch("mlflow-artifacts:/1/models/m-1/artifacts", "model.skops").is_file()
    assert asked == ["mlflow-artifacts:/1/models/m-1/artifacts/model.skops"]
    with pytest.raises(Remark, match="manque dans le magasin"):
        models.fetch("mlflow-artifacts:/absent", "model.skops")
