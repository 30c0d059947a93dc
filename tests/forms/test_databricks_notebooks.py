"""Les notebooks Databricks exécutés, tirés des archives : ils enregistrent ce que leurs scripts
enregistrent.
"""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
import warm
from copies import Course
from databricks_archive import read_archive
from mlflow import MlflowClient
from programs import LIGHT, ended, free_port, running
from recorded_runs import appeared, check_against_scripts, described_runs
from recording import recorded
from run_course import missing
from texts import ROOT
from two_forms import with_form

from course import LESSONS, SCRIPTS, Script
from forms.archive import write_archive

RUNTIME = ROOT / "tests/support/databricks_runtime.py"
# a son propre test : deux ouvriers ne se répètent pas
[SPARK] = [script for script in SCRIPTS if script.name == "svm_sweep_spark"]
WITH_NOTEBOOK = [script for script in with_form("databricks") if script != SPARK]


def run_notebook(
    course: Course, name: str, cwd: Path | None = None, fails=False, start=ended, **environment: str
) -> SimpleNamespace:
    """Exécute le notebook `leçon/nom` de l'archive de `course`, dans son dossier, comme d'un
    dossier Git ; renvoie son journal.

    Son magasin est `notebooks.db`, à la racine de la copie. MLflow se croit sur Databricks :
    cloudpickle par défaut, par exemple.
    """
    lesson, _, stem = name.partition("/")
    journal = course.root / "journal.json"
    archive = course.root / lesson / f"{lesson}.dbc"
    there = {
        "MLFLOW_TRACKING_URI": notebook_store(course),
        "DATABRICKS_RUNTIME_VERSION": "client.4.9",
        "PYSPARK_PYTHON": sys.executable,
    }
    cwd = cwd or (course.root / lesson / "databricks" / stem).parent
    told = start(
        [sys.executable, str(RUNTIME), str(archive), stem, str(journal)],
        cwd,
        600,
        **LIGHT | there | environment,
    )
    assert fails or ("Traceback" not in told.stderr and told.returncode == 0), (
        f"{name} : {told.stdout}\n{told.stderr}"
    )
    return SimpleNamespace(
        **json.loads(journal.read_text(encoding="utf-8")), code=told.returncode, stderr=told.stderr
    )


def notebook_store(course: Course) -> str:
    return f"sqlite:///{course.root / 'notebooks.db'}"


def compare(course: Course, scripts: list[Script], **options) -> None:
    """Exécute les notebooks de ces scripts : les mêmes runs que les scripts, bit pour bit, et une
    installation, une seule.
    """
    made, known = {}, set()
    for script in scripts:
        name = f"{script.lesson}/{script.stem}"
        notebook = run_notebook(course, name, **options)
        made[script] = appeared(notebook_store(course), known)
        assert notebook.restarts == len(notebook.pip) == 1, name
        cells = read_archive(course.root / script.lesson / f"{script.lesson}.dbc")[name]
        shows = any(
            re.search(r"^\s*display\(", cell, re.MULTILINE)
            for cell in cells
            if not cell.startswith("%")
        )
        assert bool(notebook.displayed) == shows, name
    # à la fin : annotate_runs ajoute une métrique aux runs d'un autre
    check_against_scripts(notebook_store(course), made)


@pytest.fixture
def whole_course(tmp_path) -> Course:
    return Course(tmp_path / "cours", whole=True)


def named(name: str) -> list[Script]:
    return [script for script in WITH_NOTEBOOK if script.name == name]


def test_the_first_notebook_records_what_its_script_records(whole_course):
    compare(whole_course, named("first_run"), start=warm.forked)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full_run", "kmeans_sweep", "run_project", "register_models"])
def test_a_notebook_a_lesson_records_what_its_script_records(whole_course, name):
    compare(whole_course, named(name))


@pytest.mark.release
@pytest.mark.parametrize("lesson", LESSONS)
def test_every_notebook_records_what_its_script_records(whole_course, lesson):
    compare(
        whole_course,
        [script for script in WITH_NOTEBOOK if script.lesson == lesson and not missing(script)],
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "01_tracking_supervised/solutions/ex_01_1_scaler",
        pytest.param("03_mlflow_project/exercises/ex_03_3_seeds", marks=pytest.mark.release),
        pytest.param(
            "04_model_registry_azureml/solutions/ex_04_2_rollback", marks=pytest.mark.release
        ),
    ],
)
def test_the_notebook_of_an_exercise_records_what_its_script_records(whole_course, path):
    lesson, _, stem = path.partition("/")
    whole_course.run(f"{path}.py", start=ended if lesson.startswith("03") else warm.forked)
    run_notebook(
        whole_course, f"{lesson}/{stem}", start=ended if lesson.startswith("03") else warm.forked
    )
    local, remote = (
        described_runs(uri, appeared(uri, set()))
        for uri in (whole_course.uri, notebook_store(whole_course))
    )
    assert local and local == remote


@pytest.mark.slow
def test_what_ends_a_notebook_early_reads_well(whole_course, tmp_path):
    """Aucun modèle à ouvrir : une ligne dit la commande à lancer d'abord. Importé par l'archive,
    sans MLproject à côté : l'erreur de MLflow, que DEPANNAGE.md explique.
    """
    told = run_notebook(
        whole_course, "01_tracking_supervised/04_open_model", fails=True, start=warm.forked
    )
    assert told.code == 1 and "Traceback" not in told.stderr
    assert told.stderr.strip().splitlines()[-1].startswith("Pas encore de modèle")
    name = "03_mlflow_project/01_run_project"
    told = run_notebook(whole_course, name, cwd=tmp_path, fails=True, start=warm.forked)
    assert told.code == 1 and "Could not find train among entry points" in told.stderr
    assert "Could not find" in (ROOT / "DEPANNAGE.md").read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------- le
# Databricks de poche lui-même


def test_the_pocket_workspace_is_no_more_lenient_than_the_real_one(tmp_path):
    for cells, reason in (
        (['dbutils.widgets.get("a")'], "InputWidgetNotDefined"),
        (['dbutils.widgets.dropdown("a", "x", ["y"])'], "n'est pas parmi"),
        (['dbutils.widgets.text("a", 1)'], "n'est pas un texte"),
        (["%sh ls"], "magie inconnue"),
        (
            ["x = 1", "%pip install y\ndbutils.library.restartPython()", "print(x)"],
            "name 'x' is not defined",
        ),
    ):
        (tmp_path / "poche.dbc").write_bytes(write_archive("poche", {"essai": cells}))
        told = warm.forked(
            [sys.executable, str(RUNTIME), "poche.dbc", "essai", "journal.json"], tmp_path, 60
        )
        assert told.returncode == 1 and reason in told.stderr, reason


# ------------------------------------------------------------------------------------- le protocole
# de Databricks lui-même


class Workspace(BaseHTTPRequestHandler):
    """Un faux espace de travail : il répond pour l'authentification, et transmet le reste à un vrai
    serveur MLflow.
    """

    behind, asked = "", []

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.path.partition("?")[0], self.headers.get("Authorization")))
        status, content = (
            404,
            json.dumps({"error_code": "ENDPOINT_NOT_FOUND", "message": self.path}).encode(),
        )
        if self.path == "/.well-known/databricks-config":
            status, content = (
                200,
                json.dumps({"oidc_endpoint": self.behind, "workspace_id": "1"}).encode(),
            )
        elif re.match(r"/api/\d\.\d/mlflow/", self.path):
            kind = {"Content-Type": "application/json"}
            response = requests.request(
                self.command, self.behind + self.path, data=body, headers=kind, timeout=60
            )
            status, content = response.status_code, response.content
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        """Rien sur la sortie des tests."""


@pytest.mark.slow
def test_a_notebook_speaks_the_protocol_of_databricks(whole_course, tmp_path):
    """`MLFLOW_TRACKING_URI=databricks` : le client MLflow parle à un espace de travail, avec un
    jeton.
    """
    port = free_port()
    server = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--no-serve-artifacts"]
    server += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/x.db",
        "--default-artifact-root",
        (tmp_path / "artefacts").as_uri(),
    ]
    with running(server, tmp_path, wait_for=f"http://127.0.0.1:{port}/health", **LIGHT):
        Workspace.behind, Workspace.asked = f"http://127.0.0.1:{port}", []
        workspace = ThreadingHTTPServer(("127.0.0.1", 0), Workspace)
        threading.Thread(target=workspace.serve_forever, daemon=True).start()
        try:
            host = f"http://127.0.0.1:{workspace.server_port}"
            there = {
                "MLFLOW_TRACKING_URI": "databricks",
                "DATABRICKS_HOST": host,
                "DATABRICKS_TOKEN": "jeton",
            }
            run_notebook(whole_course, "01_tracking_supervised/03_full_run", **there)
        finally:
            workspace.shutdown()
            workspace.server_close()
        [full_run] = named("full_run")
        check_against_scripts(Workspace.behind, {full_run: appeared(Workspace.behind, set())})
    calls = {path: authorization for path, authorization in Workspace.asked if "/mlflow/" in path}
    assert set(calls.values()) == {"Bearer jeton"}
    assert all(
        any(path.endswith(end) for path in calls) for end in ("/runs/create", "/logged-models")
    )


# -------------------------------------------------------------------------------------------------
# l'annexe Spark (leçon 1)


def searches(uri: str, experiment: str) -> list[tuple]:
    """Les recherches d'une expérience, dans l'ordre : (run parent, ses essais)."""
    client = MlflowClient(uri)
    runs = client.search_runs(
        [client.get_experiment_by_name(experiment).experiment_id], max_results=1000
    )
    parents = sorted(
        (run for run in runs if run.info.run_name.startswith("svm spark")),
        key=lambda run: run.info.run_name,
    )
    return [
        (
            run,
            [each for each in runs if each.data.tags.get("mlflow.parentRunId") == run.info.run_id],
        )
        for run in parents
    ]


def points(trials: list) -> set[tuple]:
    return {
        (run.data.params["C"], run.data.params["gamma"], run.data.metrics["value"].hex())
        for run in trials
    }


@pytest.fixture(scope="module")
def spark_session():
    """La séance enregistrée où le script a lancé ses quatre recherches ; sans Spark ou sans Java,
    le test est sauté.
    """
    session = recorded(SPARK.lesson, slow=True)
    session.ended(SPARK.name)
    return session


@pytest.mark.release
def test_the_notebook_on_spark_finds_the_same_points(spark_session, whole_course):
    notebook = run_notebook(whole_course, "01_tracking_supervised/14_svm_sweep_spark")
    assert not any("pyspark" in line for line in notebook.pip) and any(
        "optuna==" in line for line in notebook.pip
    )
    here, there = (
        searches(spark_session.uri, SPARK.lesson),
        searches(notebook_store(whole_course), "/Shared/01_tracking_supervised"),
    )
    assert [run.data.params for run, _ in there] == [run.data.params for run, _ in here]
    # un ouvrier, une graine : les mêmes points, au bit près
    assert points(there[0][1]) == points(there[1][1]) == points(here[0][1])
