"""Ce que le cours laisse : aucun pickle que la page et son script n'annoncent, aucun secret ; ce
qu'il ouvre : rien hors de cette machine.
"""

import io
import pickle
import pickletools
import secrets
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import warm
from copies import Course
from listening import addresses
from programs import LIGHT, free_port, reader_environment, running
from recording import Recorded, recorded
from texts import ROOT, lesson_text, path_of

from course import LESSONS

# leçon -> le script qui en écrit, et le nom de ses fichiers : le modèle d'autolog, qui ne connaît
# que ce format ; le modèle enregistré par son objet, pour montrer ce qu'un pickle fait
ANNOUNCED = {
    "01_tracking_supervised": ("autolog", {"model.pkl"}),
    "03_mlflow_project": ("model_from_code", {"python_model.pkl"}),
}
FIRST, FULL = map(path_of, ("first_run", "full_run"))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            (lesson, slow), marks=[pytest.mark.slow] * slow, id=f"{lesson[:2]}{' entière' * slow}"
        )
        for slow in (False, True)
        for lesson in LESSONS
    ],
)
def session(request) -> Recorded:
    """Une leçon enregistrée : des secrets étaient dans l'environnement, et dans l'adresse `origin`
    du clone.
    """
    lesson, slow = request.param
    return recorded(lesson, slow)


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(nom, octets) d'un fichier, puis de ce que contiennent ses archives : modèles skops et Keras,
    tableaux npz, zip dans un zip.
    """
    pending = [(path.name, path.read_bytes())]
    while pending:
        name, data = pending.pop()
        yield name, data
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                pending += [
                    (f"{name}/{member}", archive.read(member)) for member in archive.namelist()
                ]


def is_pickle(data: bytes) -> bool:
    """Des octets que `pickle` lirait jusqu'à leur point final, ou un tableau NumPy d'objets, qui en
    contient un.
    """
    if data.startswith(b"\x93NUMPY"):
        return b"'|O'" in data[:128]
    try:
        return data.endswith(b".") and sum(1 for _ in pickletools.genops(data)) > 1
    except ValueError:
        return False


def files(folder: Path) -> list[Path]:
    """Tous les fichiers, sauf ceux des environnements : des paquets installés, que le cours n'écrit
    pas.
    """
    aside = (".venv", "__pycache__")
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(aside) for part in path.parts)
    ]


def holding(secret: str, folder: Path) -> set[str]:
    """Les fichiers de ce dossier où ce secret se lit, archives ouvertes."""
    return {
        str(path.relative_to(folder))
        for path in files(folder)
        if any(secret.encode() in data for _, data in contents(path))
    }


def test_no_artifact_is_a_pickle_but_the_one_that_its_page_announces(session):
    """Un seul modèle dans le dossier d'une leçon : celui du script qui le dit."""
    artifacts = files(session.root / "mlruns")
    assert {path.suffix for path in artifacts} & {".skops", ".keras"}
    pickled = {path for path in artifacts if any(is_pickle(data) for _, data in contents(path))}
    script, names = ANNOUNCED.get(session.lesson, ("", set()))
    assert {path.name for path in pickled} == names and len(pickled) == len(names)
    for path in pickled:
        assert "pickle" in (ROOT / path_of(script)).read_text(encoding="utf-8")
        assert "pickle" in lesson_text(session.lesson)
        written = {
            output.model_id
            for run in session.runs_of(script)
            for output in run.outputs.model_outputs
        }
        assert written & set(path.parts), path


def test_a_planted_secret_is_found_nowhere_but_where_it_was_put(session):
    said = [
        name
        for name, each in session.told["scripts"].items()
        if session.secret in each["stdout"] + each["stderr"]
    ]
    assert said == [] and session.names()
    # l'adresse `origin`, telle que le lecteur l'a donnée à Git
    assert holding(session.secret, session.root) == {".git/config"}
    assert holding(session.secret, session.folder / "d'ailleurs") == set()


def test_a_pickle_and_a_secret_in_an_archive_would_be_found(tmp_path):
    for protocol in range(6):
        with zipfile.ZipFile(tmp_path / "modèle.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(
                "dedans/model.bin", pickle.dumps({"a": print, "b": "un-secret"}, protocol=protocol)
            )
        hidden = [name for name, data in contents(tmp_path / "modèle.zip") if is_pickle(data)]
        assert hidden == ["modèle.zip/dedans/model.bin"]
        assert b"un-secret" not in (tmp_path / "modèle.zip").read_bytes() and holding(
            "un-secret", tmp_path
        ) == {"modèle.zip"}


def test_a_password_for_a_server_that_does_not_answer_is_not_shown(fresh_course):
    """Donné comme la leçon 2 le donne : dans une variable, hors de l'adresse."""
    team = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "MLFLOW_TRACKING_USERNAME": "lectrice",
        "MLFLOW_TRACKING_PASSWORD": "un-secret",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    ended = warm.forked(fresh_course.command(FIRST), fresh_course.root, 60, **team)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert team["MLFLOW_TRACKING_URI"] in ended.stderr and "un-secret" not in ended.stderr


@pytest.mark.slow
def test_a_password_for_a_server_is_found_nowhere(fresh_course, tmp_path):
    """Dans les variables, comme la leçon 2 le donne : ni affiché, ni gardé.

    Dans l'adresse, comme pour un proxy : MLflow l'affiche avec celle du run, et ne le garde pas.
    """
    folder, port, secret = tmp_path / "serveur", free_port(), secrets.token_hex(12)
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/serveur.db",
        "--artifacts-destination",
        str(folder / "artefacts"),
    ]
    with running(command, folder, wait_for=f"http://127.0.0.1:{port}/health", **LIGHT):
        account = {"MLFLOW_TRACKING_USERNAME": "lectrice", "MLFLOW_TRACKING_PASSWORD": secret}
        servers = [f"http://127.0.0.1:{port}", f"http://lectrice:{secret}@127.0.0.1:{port}"]
        for address, variables in zip(servers, (account, {}), strict=True):
            for script in (FIRST, FULL):
                told = fresh_course.fork(script, MLFLOW_TRACKING_URI=address, **variables)
                assert secret not in told.stdout + told.stderr or not variables
    # par adresse, un SVM et une forêt ; celle que MLflow refuse n'en laisse pas
    assert len(list(folder.rglob("MLmodel"))) == 2 * 2
    assert holding(secret, folder) | holding(secret, fresh_course.root) == set()


@pytest.mark.slow
def test_servers_of_the_course_listen_on_this_machine_only(tmp_path):
    course: Course = recorded("04_model_registry_azureml").copy(tmp_path / "cours")
    scripts = {
        name: psutil.Popen(
            course.command(path_of(name)), cwd=course.root, env=reader_environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
        for name in ("serve", "webhook")
    }  # fmt: skip
    found, end = {name: set() for name in scripts}, time.monotonic() + 300
    while any(script.poll() is None for script in scripts.values()) and time.monotonic() < end:
        for name, script in scripts.items():
            found[name] |= {ip for _, ip in addresses([script])}
        time.sleep(0.1)
    said = {name: script.communicate(timeout=10)[0].decode() for name, script in scripts.items()}
    assert [script.returncode for script in scripts.values()] == [0, 0], said
    assert found == {name: {"127.0.0.1"} for name in scripts}
