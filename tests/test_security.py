"""Ce que le cours laisse derrière lui : aucun pickle, aucun secret ; et ce qu'il ouvre : rien hors de cette machine."""

import io
import json
import os
import pickletools
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import psutil
import pytest
from conftest import REDUCED, Course, clean_environment, free_port, running

pytestmark = pytest.mark.slow

SECRET = f"s3cr3t-{os.getpid()}-jamais-enregistre"  # écrit nulle part dans le cours, cette page comprise
SCRIPTS = (
    "01_tracking_supervised/local/first_run.py",
    "01_tracking_supervised/local/full_run.py",
    "01_tracking_supervised/local/compare_models.py",
    "01_tracking_supervised/local/rich_run.py",
    "02_tracking_unsupervised/local/autoencoder.py",
    "03_mlflow_project/local/run_project.py",
    "03_mlflow_project/local/predict_new.py",
    "03_mlflow_project/local/model_from_code.py",
    "04_model_registry_azureml/local/register_models.py",
    "04_model_registry_azureml/local/promote.py",
    "04_model_registry_azureml/local/plan_azure.py",
)
ON_PURPOSE = "python_model.pkl"  # le modèle que la leçon 3 enregistre par son objet, pour montrer ce qu'un pickle fait


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Une copie où tout ce qui enregistre un modèle a été lancé, des secrets dans l'environnement ; et tout ce qui a été écrit."""
    course, written = Course(tmp_path_factory.mktemp("secrets")), []
    planted = {"WAREHOUSE_PASSWORD": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET, "HF_TOKEN": SECRET}
    for script in SCRIPTS:
        ended = course.run(script, *REDUCED.get(Path(script).stem, ()), **planted)
        written.append(ended.stdout + ended.stderr)
    return SimpleNamespace(course=course, written=written)


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(nom, octets) d'un fichier, puis de ce que contiennent ses archives : modèles skops et Keras, tableaux npz, zip dans un zip."""
    pending = [(path.name, path.read_bytes())]
    while pending:
        name, data = pending.pop()
        yield name, data
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                pending += [(f"{name}/{member}", archive.read(member)) for member in archive.namelist()]


def is_pickle(data: bytes) -> bool:
    """Des octets que `pickle` lirait jusqu'à leur point final, ou un tableau NumPy d'objets, qui en contient un."""
    if data.startswith(b"\x93NUMPY"):
        return b"'|O'" in data[:128]
    try:
        return data.endswith(b".") and sum(1 for _ in pickletools.genops(data)) > 1
    except ValueError:
        return False


def files(course: Course) -> list[Path]:
    return [path for path in course.root.rglob("*") if path.is_file() and ".git" not in path.parts and "__pycache__" not in path.parts]


def test_no_artifact_is_a_pickle_but_the_one_that_teaches_it(filled):
    artifacts = [path for path in files(filled.course) if "mlruns" in path.parts]
    assert len(artifacts) > 100
    assert {path.suffix for path in artifacts} >= {".skops", ".keras"}
    found = {name for path in artifacts for name, data in contents(path) if is_pickle(data)}
    assert found == {ON_PURPOSE}


def test_a_pickle_in_an_archive_would_be_found(tmp_path):
    import pickle

    for protocol in range(6):
        with zipfile.ZipFile(tmp_path / "modèle.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("dedans/model.bin", pickle.dumps({"a": print, "b": SECRET}, protocol=protocol))
        hidden = [(name, data) for name, data in contents(tmp_path / "modèle.zip") if is_pickle(data)]
        assert [name for name, _ in hidden] == ["modèle.zip/dedans/model.bin"]
        assert SECRET.encode() in hidden[0][1] and SECRET.encode() not in (tmp_path / "modèle.zip").read_bytes()


LOAD = """
import json, logging, sys, warnings
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
told = {}
for uri in sys.argv[2:]:
    try:
        mlflow.pyfunc.load_model(uri)
        told[uri] = ""
    except Exception as error:
        told[uri] = str(error)
print(json.dumps(told))
"""


def test_where_unpickling_is_forbidden_each_kind_of_model_loads_or_the_text_says_not(filled):
    """Leçon 3 : le modèle fait de code se charge là où les pickles sont refusés, et skops avec eux. Keras aussi s'y charge."""
    filled.course.client()
    models, kinds = mlflow.search_logged_models(experiment_ids=experiments(filled.course), output_format="list"), {}
    for model in models:
        flavors = mlflow.models.get_model_info(model.model_uri).flavors
        kind = next((flavor for flavor in ("sklearn", "tensorflow") if flavor in flavors), model.name)
        kinds.setdefault(kind, model.model_uri)
    assert set(kinds) == {"sklearn", "tensorflow", "follow_up", "follow_up_pickled"}
    loaded, code = {}, str(filled.course.root / "03_mlflow_project")  # le pickle de la leçon 3 n'emporte pas le code de sa classe
    for allowed in ("true", "false"):
        ended = subprocess.run(
            [sys.executable, "-c", LOAD, filled.course.uri, *kinds.values()], cwd=filled.course.root, capture_output=True, text=True,
            env=clean_environment(MLFLOW_ALLOW_PICKLE_DESERIALIZATION=allowed, PYTHONPATH=code), timeout=300,
        )  # fmt: skip
        told = json.loads(ended.stdout.splitlines()[-1])
        loaded[allowed] = {kind: told[uri] for kind, uri in kinds.items()}
    assert set(loaded["true"].values()) == {""}, loaded
    refused = {kind: reason for kind, reason in loaded["false"].items() if reason}
    assert set(refused) == {"sklearn", "follow_up_pickled"}, refused
    assert all("MLFLOW_ALLOW_PICKLE_DESERIALIZATION" in reason for reason in refused.values()), refused


def experiments(course: Course) -> list[str]:
    return [experiment.experiment_id for experiment in course.client().search_experiments()]


def test_a_secret_of_the_environment_is_found_nowhere(filled):
    assert not [output for output in filled.written if SECRET in output]
    found = [path for path in files(filled.course) for _, data in contents(path) if SECRET.encode() in data]
    assert found == []


def test_a_secret_in_the_address_of_the_server_is_found_nowhere(filled, tmp_path):
    """Adresse avec nom et mot de passe, comme on la donne à un serveur derrière un proxy."""
    course, port = filled.course, free_port()
    server = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    server += ["--backend-store-uri", f"sqlite:///{tmp_path}/serveur.db", "--artifacts-destination", str(tmp_path / "artefacts")]
    with running(server, tmp_path, wait_for=f"http://127.0.0.1:{port}/health", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        address = f"http://lectrice:{SECRET}@127.0.0.1:{port}"
        written = [
            course.run(script, MLFLOW_TRACKING_URI=address).stdout for script in SCRIPTS if script.endswith(("first_run.py", "full_run.py"))
        ]
        assert len(written) == 2 and not [output for output in written if SECRET in output]
    kept = [path for path in [*files(course), *tmp_path.rglob("*")] if path.is_file()]
    assert [path for path in kept for _, data in contents(path) if SECRET.encode() in data] == []
    assert [path for path in kept if path.name == "MLmodel" and tmp_path in path.parents]


def listening(process: psutil.Process) -> set[str]:
    """Les adresses où écoutent un programme et ceux qu'il a lancés."""
    found = set()
    for each in [process, *process.children(recursive=True)]:
        try:
            found |= {connection.laddr.ip for connection in each.net_connections("inet") if connection.status == psutil.CONN_LISTEN}
        except psutil.NoSuchProcess:
            continue  # il vient de finir
    return found


@pytest.mark.parametrize("script", ["serve", "webhook"])
def test_servers_of_the_course_listen_on_this_machine_only(filled, script):
    process = psutil.Popen(
        filled.course.command(f"04_model_registry_azureml/local/{script}.py"), cwd=filled.course.root, env=clean_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    found, end = set(), time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        found |= listening(process)
        time.sleep(0.1)
    assert process.wait(10) == 0, process.stdout.read().decode()
    assert found == {"127.0.0.1"}


def test_the_interface_listens_on_this_machine_only(filled):
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port)]
    with running(command, filled.course.root, wait_for=f"http://127.0.0.1:{port}/health") as process:
        assert listening(psutil.Process(process.pid)) == {"127.0.0.1"}
