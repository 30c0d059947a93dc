"""check.py : les magasins qu'il refuse, ce qu'il n'écrit jamais, les modèles qu'il n'ouvre pas."""

import hashlib
import pickle
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import skops.io
from answers_01 import raw, threshold
from checks import models
from checks.remarks import Remark
from classroom import Classroom, call, empty_store
from mlflow import MlflowClient
from programs import LIGHT, free_port, running
from sklearn.dummy import DummyClassifier
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
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- Ce qu'il refuse, en une ligne


def one_line(told: subprocess.CompletedProcess, said: str):
    assert (
        told.returncode == 1
        and told.stdout == ""
        and len(told.stderr.strip().splitlines()) == 1
        and said in told.stderr
    ), told


def changed(sql: str, base: bytes = b"") -> bytes:
    """Une base SQLite, après une instruction."""
    with closing(sqlite3.connect(":memory:")) as made:
        if base:
            made.deserialize(base)
        made.execute(sql)
        made.commit()
        return made.serialize()


NOT_STORES = {
    "absent": (lambda: None, "uv run 01_tracking_supervised/local/01_first_run.py"),
    "vide": (lambda: b"", "mlflow.db"),
    "un texte": (lambda: b"ceci n'est pas une base" * 50, "mlflow.db"),
    "une autre base": (
        lambda: changed("CREATE TABLE clients (nom TEXT)"),
        "Il n'y a pas de magasin à",
    ),
    # D'une autre version : ni lue de travers, ni mise à niveau ; la commande à taper.
    "ancien": (
        lambda: changed("UPDATE alembic_version SET version_num = '451aebb31d03'", empty_store()),
        "mlflow db upgrade ",
    ),
}


@pytest.mark.parametrize("name", NOT_STORES)
def test_what_is_not_a_store_is_left_as_it_is(tmp_path, name):
    content, said = NOT_STORES[name]
    if (made := content()) is not None:
        (tmp_path / "mlflow.db").write_bytes(made)
    before = fingerprint(tmp_path)
    one_line(call(uri=f"sqlite:///{tmp_path}/mlflow.db"), said)
    assert fingerprint(tmp_path) == before


@pytest.mark.slow
def test_a_server_that_is_gone():
    """Une ligne, et le mot de passe de l'adresse n'y est pas."""
    refused = call(uri=f"http://anne:secret@127.0.0.1:{free_port()}")
    one_line(refused, "MLFLOW_TRACKING_URI")
    assert "secret" not in refused.stderr


# --- Un serveur sans espaces de travail : la classe est celle du fichier


@pytest.mark.slow
def test_a_class_on_a_server_is_the_class_of_its_base(room, tmp_path):
    address, asked = f"http://127.0.0.1:{free_port()}", ("--by-user", "--lesson", "01")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", room.uri]
    command += ["--port", address.rpartition(":")[2]]
    with running(command, tmp_path, wait_for=f"{address}/health", **LIGHT):
        told = call(*asked, uri=address)
    assert told.returncode == 1 and re.search("anne .* 1/4", told.stdout)
    assert told.stdout == room.check(*asked).stdout


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
    """D'autres expériences, d'autres runs, une étiquette `exercise` qui veut dire autre chose :
    rien n'est fait, rien ne casse.
    """
    room = Classroom(tmp_path)
    for name, experiment in room.experiments.items():
        room.client.rename_experiment(experiment, f"ailleurs {name}")
    for number, tag in enumerate(("squat", "01-1", "99-9", "")):
        run = room.client.create_run(
            room.client.create_experiment(f"autre {number}"), tags={"exercise": tag}
        )
        room.client.set_terminated(run.info.run_id)
    room.client.create_registered_model("un modèle")
    found = room.check()
    assert found.returncode == 1 and found.stderr == "" and "  fait  " not in found.stdout
    assert "01-1  à revoir  le run «" in found.stdout and "n'a pas de modèle" in found.stdout


def test_an_answer_written_by_hand_stops_nobody(room):
    """Un run sans ce qu'un vrai aurait, une version d'un run effacé : « à revoir », et les autres
    sont jugés.
    """
    me = room.of("faussaire")
    for _ in range(2):
        me.run(
            lesson="03_mlflow_project",
            params={"csv": "x.csv"},
            metrics={"valid_rmse": 1},
            model=raw(),
            project=True,
        )
    version = me.version("exercise_04_2_faussaire", me.run("04-2", model=raw(0.001)))
    with me.base() as base, base:
        base.execute(
            "UPDATE model_versions SET storage_location = '', source = 'models:/m-0' "
            "WHERE version = ?",
            (version,),
        )
        base.execute(
            "DELETE FROM logged_models WHERE model_id = ?", (me.models.pop(id(raw(0.001))),)
        )
    me.run("02-2", params={"seed": "nan"}, metrics={"ari": 1.0})
    found = room.check("--by-user")
    assert (
        found.stderr == ""
        and re.search("faussaire .*✗", found.stdout)
        and re.search("anne .*✓", found.stdout)
    )
    found = room.check("--by-user", "--project")
    assert found.stderr == "" and "faussaire" in found.stdout


# --- Les modèles : aucun code ne vient d'eux


class Bomb:
    """Un objet dont la lecture par pickle arrête tout."""

    def __reduce__(self):
        return sys.exit, ("un pickle a été ouvert",)


UNKNOWN = DummyClassifier(constant=Path("x")).set_params(strategy="constant")
PICKLED = b"loader_module: mlflow.sklearn\nserialization_format: pickle\n"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"model.skops": None, "model.pkl": pickle.dumps(Bomb()), "MLmodel": PICKLED},
            "est un pickle, que check.py n'ouvre pas",
        ),
        ({"model.skops": skops.io.dumps(UNKNOWN)}, "UntrustedTypesFoundException"),
        ({"model.skops": b"PK pas une archive"}, "ne se relit pas"),
        ({"model.skops": None, "MLmodel": None}, "manque dans le magasin"),
        ({"model.skops": None}, "manque dans le magasin"),
        (
            {"model.skops": None, "MLmodel": b"flavors:\n  tensorflow: {}\n"},
            "n'est pas de scikit-learn",
        ),
    ],
    ids=["pickle", "type inconnu", "abîmé", "effacé", "sans model.skops", "Keras"],
)
def test_models_that_are_not_opened(room, request, files, said):
    """`files` : ce qu'un fichier du modèle devient, ou None."""
    me = room.of(request.node.name)
    logged = me.log(me.run("01-1", metrics={"accuracy": 1.0, "sensitivity": 1.0}), raw(), own=True)
    for name, content in files.items():
        path = Path(
            me.client.get_logged_model(logged).artifact_location.removeprefix("file://"), name
        )
        path.unlink() if content is None else path.write_bytes(content)
    found = me.verdict("01-1")
    assert found.state == "à revoir" and said in found.text, found


def test_models_are_fetched_from_a_server(monkeypatch, tmp_path):
    """Un fichier servi par un serveur arrive par `download_artifacts` ; s'il n'y est pas, la
    remarque est la même.
    """
    asked = []

    def download(artifact_uri, dst_path=tmp_path):
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
