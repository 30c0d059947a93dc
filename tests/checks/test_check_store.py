"""check.py : les magasins qu'il refuse, ce qu'il n'écrit jamais, les modèles qu'il n'ouvre pas."""

import hashlib
import os
import pickle
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import skops.io
from answers_01 import raw, threshold
from checks import models
from checks.remarks import Remark
from classroom import Classroom, call
from mlflow import MlflowClient
from programs import free_port
from sklearn.dummy import DummyClassifier
from sklearn.svm import SVC
from texts import ROOT
from warm import forked


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Classroom:
    """Un magasin où une personne a répondu à 01-2."""
    made = Classroom(tmp_path_factory.mktemp("classe"))
    threshold(made.of("anne"))
    return made


def fingerprint(folder: Path) -> dict[str, str]:
    """Chaque fichier d'un dossier, et l'empreinte de ce qu'il contient."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


# --- Ce qu'il refuse, en une ligne


def one_line(ended: subprocess.CompletedProcess, *said: str):
    assert ended.returncode == 1 and ended.stdout == "" and len(ended.stderr.strip().splitlines()) == 1, ended
    for each in said:
        assert each in ended.stderr


def test_no_store_and_none_is_made(tmp_path):
    one_line(call(uri=f"sqlite:///{tmp_path}/mlflow.db"), "uv run 01_tracking_supervised/local/first_run.py")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_stores(tmp_path):
    with sqlite3.connect(tmp_path / "autre.db") as base:
        base.execute("CREATE TABLE clients (nom TEXT)")
    for name, content in (("vide.db", b""), ("texte.db", b"ceci n'est pas une base" * 50), ("autre.db", None)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        before = fingerprint(tmp_path)
        one_line(call(uri=f"sqlite:///{tmp_path}/{name}"), name)
        assert fingerprint(tmp_path) == before


def test_a_store_of_another_version(tmp_path, room):
    """Ni lue de travers, ni mise à niveau : la commande à taper, et la base intacte."""
    path = tmp_path / "ancien.db"
    path.write_bytes((room.folder / "mlflow.db").read_bytes())
    for change in ("UPDATE alembic_version SET version_num = '451aebb31d03'", "DROP TABLE logged_models"):
        with sqlite3.connect(path) as base:
            base.execute(change)
        before = fingerprint(tmp_path)
        one_line(call(uri=f"sqlite:///{path}"), f'mlflow db upgrade "sqlite:///{path}"')
        assert fingerprint(tmp_path) == before


@pytest.mark.slow
def test_a_server_that_is_gone():
    """Une ligne, et le mot de passe de l'adresse n'y est pas."""
    refused = call(uri=f"http://anne:secret@127.0.0.1:{free_port()}")
    one_line(refused, "127.0.0.1:", "MLFLOW_TRACKING_URI")
    assert "secret" not in refused.stderr


# --- Ce qu'il n'écrit jamais


def test_nothing_is_written_to_the_store(room, tmp_path):
    before = fingerprint(room.folder)
    for options in (["--hint"], ["--by-user", "--project"]):
        assert call(*options, uri=room.uri).stderr.strip() == ""
    assert fingerprint(room.folder) == before
    intruder = tmp_path / "intrus.py"
    opening = "import sys; sys.path[:0] = ['tools']\nfrom checks.store import open_read_only\n"
    intruder.write_text(opening + "open_read_only().create_experiment('intrus')\n")
    refused = forked([sys.executable, str(intruder)], ROOT, 60, MLFLOW_TRACKING_URI=room.uri)
    assert refused.returncode != 0 and "readonly database" in refused.stderr
    assert MlflowClient(room.uri).get_experiment_by_name("intrus") is None


# --- Des magasins étranges


def test_a_foreign_store(tmp_path):
    """D'autres expériences, d'autres runs, une étiquette `exercise` qui veut dire autre chose : rien n'est fait, rien ne casse."""
    room = Classroom(tmp_path)
    for name, experiment in room.experiments.items():
        room.client.rename_experiment(experiment, f"ailleurs {name}")
    for number, tag in enumerate(("squat", "01-1", "99-9", "")):
        run = room.client.create_run(room.client.create_experiment(f"autre {number}"), tags={"exercise": tag})
        room.client.set_terminated(run.info.run_id)
    room.client.create_registered_model("un modèle")
    found = room.check()
    assert found.returncode == 1 and found.stderr == "" and "  fait  " not in found.stdout
    assert "01-1  à revoir  le run «" in found.stdout and "n'a pas de modèle" in found.stdout


def test_an_answer_written_by_hand_stops_nobody(room):
    """Un run sans ce qu'un vrai aurait, une version d'un run effacé : « à revoir », et les autres sont jugés."""
    me = room.of("faussaire")
    for _ in range(2):
        me.run(lesson="03_mlflow_project", params={"csv": "x.csv"}, metrics={"valid_rmse": 1}, model=raw(), project=True)
    version = me.version("exercise_04_2_faussaire", me.run("04-2", model=raw(0.001)))
    with me.base() as base, base:
        base.execute("UPDATE model_versions SET storage_location = '', source = 'models:/m-0' WHERE version = ?", (version,))
        base.execute("DELETE FROM logged_models WHERE model_id = ?", (me.models.pop(id(raw(0.001))),))
    me.run("02-2", params={"seed": "nan"}, metrics={"ari": 1.0})
    found = room.check("--by-user")
    assert found.stderr == "" and re.search("faussaire .*✗", found.stdout) and re.search("anne .*✓", found.stdout)
    found = room.check("--by-user", "--project")
    assert found.stderr == "" and "faussaire" in found.stdout


# --- Les modèles : aucun code ne vient d'eux


class Bomb:
    """Un objet dont la lecture par pickle écrit un fichier."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def make_pickle(folder: Path, trap: Path):
    (folder / "model.skops").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(str(trap))))
    text = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(text.replace("model.skops", "model.pkl").replace("format: skops", "format: pickle"))


def make_unknown(folder: Path, _):
    skops.io.dump(DummyClassifier(constant=Path("x")).set_params(strategy="constant"), folder / "model.skops")


def damage(folder: Path, _):
    (folder / "model.skops").write_bytes(b"PK pas une archive")


def erase(folder: Path, _):
    for name in ("model.skops", "MLmodel"):
        (folder / name).unlink()


def make_keras(folder: Path, _):
    (folder / "model.skops").unlink()
    (folder / "MLmodel").write_text("flavors:\n  tensorflow: {}\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (make_pickle, "est un pickle, que check.py n'ouvre pas"),
        (make_unknown, r"un type que check.py ne charge pas|ne se relit pas"),
        (damage, "ne se relit pas"),
        (erase, "manque dans le magasin"),
        (make_keras, "n'est pas de scikit-learn"),
    ],
)
def test_models_that_are_not_opened(room, tmp_path, change, said):
    me = room.of(change.__name__)
    model = me.client.get_logged_model(me.log(me.run("01-1", metrics={"accuracy": 1.0, "sensitivity": 1.0}), raw(), own=True))
    change(Path(model.artifact_location.removeprefix("file://")), tmp_path / "piégé")
    found = me.verdict("01-1")
    assert found.state == "à revoir" and re.search(said, found.text), found
    assert not (tmp_path / "piégé").exists()


def test_another_shape_of_data(room):
    model = SVC(gamma=0.03).fit(np.eye(341), [0.0, 1.0] * 170 + [0.0])
    answer = {"metrics": {"accuracy": 0.6, "sensitivity": 0.0}, "model": model}
    room.judged("01-1", "colonnes", "à revoir", lambda me: me.run("01-1", **answer), "n'accepte pas les données de la leçon")


def test_models_are_fetched_from_a_server(monkeypatch):
    """Un fichier servi par un serveur arrive par `download_artifacts` ; s'il n'y est pas, la remarque est la même."""
    asked = []

    def download(artifact_uri, dst_path):
        asked.append(artifact_uri)
        if "absent" in artifact_uri:
            raise mlflow.MlflowException("No such artifact")
        path = Path(dst_path, "model.skops")
        path.write_bytes(b"")
        return str(path)

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    assert models.fetch("mlflow-artifacts:/1/models/m-1/artifacts", "model.skops").is_file()
    assert asked == ["mlflow-artifacts:/1/models/m-1/artifacts/model.skops"]
    with pytest.raises(Remark, match="manque dans le magasin"):
        models.fetch("mlflow-artifacts:/absent", "model.skops")
