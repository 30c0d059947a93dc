"""Les notebooks Databricks exécutés, tirés des archives : ils enregistrent ce que leurs scripts enregistrent."""

import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import requests
from build_databricks import build
from conftest import REDUCED, ROOT, Course, clean_environment, free_port, last_cell, numbers, running, tables
from course import SCRIPTS, Script
from databricks_archive import read_archive
from forms.archive import write_archive
from mlflow import MlflowClient
from recorded_runs import WITHOUT_RUN, recorded
from run_course import missing
from samples import sampled, up_to

RUNTIME = "tests/databricks_runtime.py"


def archive_of(lesson: str, course: Course) -> Path:
    return course.root / lesson / f"{lesson}.dbc"


def with_notebooks(course: Course) -> Course:
    """La copie, avec les notebooks que donnent les scripts d'aujourd'hui."""
    for path, content in build(course.root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if course.git("status", "--porcelain"):  # un script qui regarde son dépôt le trouve propre
        course.commit("notebooks")
    return course


def run_notebook(course: Course, name: str, *widgets: str, cwd: Path | None = None, fails: bool = False, **environment: str):
    """Exécute le notebook `leçon/nom` de l'archive de `course`, dans son dossier, comme d'un dossier Git ; renvoie son journal.

    Son magasin est `notebooks.db`, à la racine de la copie : les scripts ont le leur.
    """
    lesson, _, stem = name.partition("/")
    journal = course.root / "journal.json"
    environment = {
        "MLFLOW_TRACKING_URI": notebook_store(course),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DATABRICKS_RUNTIME_VERSION": "client.4.9",  # MLflow se croit sur Databricks : cloudpickle par défaut, par exemple
        "PYSPARK_PYTHON": sys.executable,
    } | environment
    ended = subprocess.run(
        [sys.executable, str(course.root / RUNTIME), str(archive_of(lesson, course)), stem, str(journal), *widgets],
        cwd=cwd or course.root / lesson / "databricks", env=clean_environment(**environment), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip
    output = f"{name} : code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    assert "Traceback" not in ended.stderr and (fails or ended.returncode == 0), output
    noted = json.loads(journal.read_text(encoding="utf-8"))
    return SimpleNamespace(**noted, returncode=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)


def notebook_store(course: Course) -> str:
    return f"sqlite:///{course.root / 'notebooks.db'}"


SPARK = "svm_sweep_spark"  # a son propre test : avec deux ouvriers, deux recherches diffèrent


def has_notebook(script: Script) -> bool:
    path = ROOT / script.path
    return path.exists() and not path.read_text(encoding="utf-8").startswith("# databricks: non")


WITH_NOTEBOOK = [script for script in SCRIPTS if has_notebook(script) and script.name != SPARK]
QUICK = [script for script in WITH_NOTEBOOK if script.name == "first_run"]


def widgets(options: tuple[str, ...]) -> list[str]:
    """Les options d'un script, comme des valeurs de widgets : `--k-max 8` -> `k_max=8`, `--C 1 10` -> `C=1 10`."""
    values: dict[str, list[str]] = {}
    for each in options:
        if each.startswith("--"):
            values[each[2:].replace("-", "_")] = found = []
        else:
            found.append(each)
    return [f"{name}={' '.join(given)}" for name, given in values.items()]


class Both:
    """Une leçon exécutée deux fois dans une même copie : ses scripts dans un magasin, ses notebooks dans un autre.

    Les plus longs reçoivent des options, les mêmes des deux côtés, qui leur laissent moins à faire.
    """

    def __init__(self, course: Course, lesson: str):
        self.course = with_notebooks(course)
        self.scripts = [script for script in WITH_NOTEBOOK if script.lesson == lesson and not missing(script)]
        self.results, self.known = {}, (set(), set())

    def result(self, name: str):
        """(sortie du script, journal du notebook, runs du premier, runs du second) ; ce qui précède est d'abord exécuté."""
        [wanted] = [script for script in self.scripts if script.name == name]
        for each in up_to(wanted, self.scripts):
            if each.name not in self.results:
                options = REDUCED.get(each.name, ())
                script = self.course.run(each.path, *options)
                notebook = run_notebook(self.course, f"{each.lesson}/{each.name}", *widgets(options))
                stores = zip((self.course.uri, notebook_store(self.course)), self.known, strict=True)
                self.results[each.name] = (script, notebook, *(recorded(uri, known) for uri, known in stores))
        return self.results[name]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    made = {}

    def of(lesson: str) -> Both:
        if lesson not in made:
            made[lesson] = Both(Course(tmp_path_factory.mktemp("databricks")), lesson)
        return made[lesson]

    return of


@pytest.mark.parametrize(
    "script", [*sampled(QUICK), *sampled([script for script in WITH_NOTEBOOK if script not in QUICK], pytest.mark.slow)]
)
def test_a_notebook_records_what_its_script_records(both, script: Script):
    if reason := missing(script):
        pytest.skip(reason)
    lesson = both(script.lesson)
    _, notebook, local, remote = lesson.result(script.name)
    assert local == remote
    assert bool(local) == (script.name not in WITHOUT_RUN)
    assert notebook.restarts == len(notebook.pip) == 1
    assert notebook.exit is None
    cells = read_archive(archive_of(script.lesson, lesson.course))[f"{script.lesson}/{script.name}"]
    shows = any(re.search(r"^\s*display\(", cell, re.MULTILINE) for cell in cells if not cell.startswith("%"))
    assert bool(notebook.displayed) == shows


def test_what_ends_a_notebook_early_reads_well(fresh_course):
    """Une ligne, en français, sans trace d'appels : ici, il n'y a encore aucun modèle à ouvrir."""
    ended = run_notebook(with_notebooks(fresh_course), "01_tracking_supervised/open_model", fails=True)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("Pas encore de modèle")


@pytest.mark.slow
def test_the_project_says_when_it_is_not_in_a_git_folder(fresh_course, tmp_path):
    """Importé par l'archive, le notebook n'a pas MLproject à côté de lui."""
    alone = tmp_path / "Users" / "lectrice"
    alone.mkdir(parents=True)
    ended = run_notebook(with_notebooks(fresh_course), "03_mlflow_project/run_project", cwd=alone, fails=True)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "MLproject" in last and "dossier Git" in last


# --------------------------------------------------------------------------------------- le Databricks de poche lui-même


def pocket(tmp_path, cells: list[str], *widgets: str, **others: list[str]):
    archive = tmp_path / "poche.dbc"
    archive.write_bytes(write_archive("poche", {"essai": cells, **others}))
    journal = tmp_path / "journal.json"
    ended = subprocess.run(
        [sys.executable, str(ROOT / RUNTIME), str(archive), "essai", str(journal), *widgets],
        env=clean_environment(), capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    return ended, json.loads(journal.read_text(encoding="utf-8"))


def test_restart_python_clears_the_variables(tmp_path):
    ended, journal = pocket(tmp_path, ["x = 1", "%pip install mlflow==3.17.2\ndbutils.library.restartPython()", "print(x)"])
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("NameError: name 'x' is not defined")
    assert (journal["pip"], journal["restarts"]) == (["install mlflow==3.17.2"], 1)


def test_run_shares_one_namespace_which_is_main(tmp_path):
    module = ["%md\n# Module", "class Model:\n    factor = 2\n\n\ndef scale(x):\n    return Model.factor * x"]
    ended, journal = pocket(tmp_path, ["%run ./module", "print(scale(21), Model.__module__, __name__)"], module=module)
    assert ended.stdout.strip() == "42 __main__ __main__", ended.stderr
    assert journal["run"] == ["./module"]


def test_widgets_display_and_exit(tmp_path):
    create = 'dbutils.widgets.text("a", "1")\ndbutils.widgets.dropdown("b", "non", ["non", "oui"])'
    use = 'display(3.5)\ndbutils.notebook.exit(dbutils.widgets.get("a") + dbutils.widgets.get("b"))'
    ended, journal = pocket(tmp_path, [create, use, "print('jamais')"], "a=2")
    assert (ended.returncode, ended.stdout.strip()) == (0, "Notebook exited: 2non"), ended.stderr
    assert (journal["displayed"], journal["exit"], journal["widgets"]) == (["float"], "2non", {"a": "2", "b": "non"})


@pytest.mark.parametrize(
    "cell, reason",
    [
        ('dbutils.widgets.get("a")', "InputWidgetNotDefined"),
        ('dbutils.widgets.dropdown("a", "x", ["y"])', "n'est pas parmi"),
        ('dbutils.widgets.text("a", 1)', "n'est pas un texte"),
        ("%sh ls", "magie inconnue"),
    ],
)
def test_the_pocket_workspace_is_no_more_lenient_than_the_real_one(tmp_path, cell, reason):
    ended, _ = pocket(tmp_path, [cell])
    assert ended.returncode == 1 and reason in ended.stderr


def test_an_unknown_widget_value_is_refused(tmp_path):
    ended, _ = pocket(tmp_path, ["print(1)"], "a=2")
    assert ended.returncode == 1 and "n'a pas de widget ['a']" in ended.stderr


# ------------------------------------------------------------------------------------- le protocole de Databricks lui-même


class Workspace(BaseHTTPRequestHandler):
    """Un faux espace de travail : il répond pour l'authentification, et transmet le reste à un vrai serveur MLflow."""

    behind, asked = "", []

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.asked.append((self.path.partition("?")[0], self.headers.get("Authorization")))
        if self.path == "/.well-known/databricks-config":
            self.reply(200, json.dumps({"oidc_endpoint": self.behind, "workspace_id": "1"}).encode())
        elif re.match(r"/api/\d\.\d/mlflow/", self.path):
            kind = {"Content-Type": "application/json"}
            response = requests.request(self.command, self.behind + self.path, data=body, headers=kind, timeout=60)
            self.reply(response.status_code, response.content)
        else:
            self.reply(404, json.dumps({"error_code": "ENDPOINT_NOT_FOUND", "message": self.path}).encode())

    def reply(self, status: int, content: bytes):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        """Rien sur la sortie des tests."""


@pytest.mark.slow
def test_a_notebook_speaks_the_protocol_of_databricks(both, tmp_path):
    """`MLFLOW_TRACKING_URI=databricks` : le client MLflow parle à un espace de travail, avec un jeton."""
    course = both("01_tracking_supervised").course
    _, _, local, _ = both("01_tracking_supervised").result("full_run")
    port = free_port()
    server = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--no-serve-artifacts"]
    server += ["--backend-store-uri", f"sqlite:///{tmp_path}/x.db", "--default-artifact-root", (tmp_path / "artefacts").as_uri()]
    with running(server, tmp_path, wait_for=f"http://127.0.0.1:{port}/health", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        Workspace.behind, Workspace.asked = f"http://127.0.0.1:{port}", []
        workspace = ThreadingHTTPServer(("127.0.0.1", 0), Workspace)
        threading.Thread(target=workspace.serve_forever, daemon=True).start()
        try:
            host = f"http://127.0.0.1:{workspace.server_port}"
            there = {"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": host, "DATABRICKS_TOKEN": "jeton"}
            run_notebook(course, "01_tracking_supervised/full_run", **there)
        finally:
            workspace.shutdown()
            workspace.server_close()
        assert recorded(f"http://127.0.0.1:{port}", set()) == local
    calls = [path for path, _ in Workspace.asked if "/mlflow/" in path]
    assert {authorization for path, authorization in Workspace.asked if "/mlflow/" in path} == {"Bearer jeton"}
    assert any(path.endswith("/runs/create") for path in calls)
    assert any(path.endswith("/logged-models") for path in calls)


# ------------------------------------------------------------------------------------------------- l'annexe Spark (leçon 1)

SPARK_SCRIPT = "01_tracking_supervised/local/svm_sweep_spark.py"
HIDING_PYSPARK = """
import os, runpy, sys
sys.modules['pyspark'] = None
sys.path.insert(0, os.path.dirname(sys.argv[1]))  # ce que Python fait pour un script
runpy.run_path(sys.argv[1], run_name='__main__')
"""


def test_without_spark_one_clear_line(course):
    ended = subprocess.run(
        [sys.executable, "-c", HIDING_PYSPARK, str(course.root / SPARK_SCRIPT)], env=clean_environment(), capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Spark et Optuna manquent : uv run --group spark 01_tracking_supervised/local/svm_sweep_spark.py\n"


@pytest.mark.slow
def test_without_java_one_clear_line(course, tmp_path):
    pytest.importorskip("pyspark", reason="le groupe `spark` n'est pas installé")
    ended = course.run(SPARK_SCRIPT, fails=True, PATH=str(tmp_path), JAVA_HOME="")  # ni `java`, ni rien d'autre
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Spark ne démarre pas : il lui faut Java 17 ou plus (https://adoptium.net).\n"


def searches(uri: str, experiment: str) -> list[tuple]:
    """Les recherches d'une expérience, dans l'ordre : (run parent, ses essais)."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=1000)
    parents = [run for run in runs if run.info.run_name.startswith("svm spark")]
    parents.sort(key=lambda run: run.info.run_name)
    return [(run, [each for each in runs if each.data.tags.get("mlflow.parentRunId") == run.info.run_id]) for run in parents]


def points(trials: list) -> set[tuple]:
    return {(run.data.params["C"], run.data.params["gamma"], run.data.metrics["value"].hex()) for run in trials}


@pytest.mark.slow
def test_search_on_spark(tmp_path_factory):
    pytest.importorskip("pyspark", reason="le groupe `spark` n'est pas installé")
    if not shutil.which("java"):
        pytest.skip("Java n'est pas installé")
    from patients import load_patients
    from sklearn.metrics import recall_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    course = with_notebooks(Course(tmp_path_factory.mktemp("spark")))
    output = course.run(SPARK_SCRIPT).stdout
    found = searches(course.uri, "01_tracking_supervised")
    assert [run.data.params["workers"] for run, _ in found] == ["1", "1", "2", "2"]
    patients = load_patients()
    X, y = pd.concat([patients.X_train, patients.X_valid]), pd.concat([patients.y_train, patients.y_valid])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for parent, trials in found:
        assert len(trials) == 12
        assert {run.info.status for run in (parent, *trials)} == {"FINISHED"}
        assert parent.data.metrics["best_cv_sensitivity"] == max(run.data.metrics["value"] for run in trials)
        assert parent.data.tags["mlflow.note.content"]
        for run in trials:  # chaque valeur est bien celle de son couple
            model = make_pipeline(StandardScaler(), SVC(C=float(run.data.params["C"]), gamma=float(run.data.params["gamma"])))
            assert run.data.metrics["value"] == recall_score(y, cross_val_predict(model, X, y, cv=folds))

    one, again, two, other = (points(trials) for _, trials in found)
    said = {row["ouvriers"]: row["deux recherches de graine 0"] for row in tables(last_cell(SPARK_SCRIPT))}
    assert said == {"1": f"{len(one & again)} points communs sur 12", "2": f"{len(two & other)} points communs sur 12"}
    assert f"Un ouvrier, deux fois la même graine : {said['1']}" in output
    assert f"2 ouvriers, deux fois la même graine : {said['2']}" in output
    best = f"{found[0][0].data.metrics['best_cv_sensitivity']:.3f}"
    assert numbers(last_cell(SPARK_SCRIPT)) == [best]
    sweep = tables(last_cell("01_tracking_supervised/local/svm_sweep.py"))
    assert best == next(row["sensibilité"] for row in sweep if row["ce que l'on veut"] == "la meilleure sensibilité")

    notebook = run_notebook(course, "01_tracking_supervised/svm_sweep_spark")
    assert not any("pyspark" in line for line in notebook.pip) and any("optuna==" in line for line in notebook.pip)
    there = searches(notebook_store(course), "/Shared/01_tracking_supervised")
    assert [run.data.params for run, _ in there] == [run.data.params for run, _ in found]
    assert points(there[0][1]) == points(there[1][1]) == one  # un ouvrier, la même graine : les mêmes points, au bit près
