"""GLOSSAIRE.md : à jour, complet ; chaque lien montre son mot, et chaque appel de l'index est dans MLflow."""

import ast
import re
import shutil
import subprocess
import sys

import make_glossary
import pytest
from library import names_of
from mlflow import MlflowClient
from texts import ROOT, tables

PAGE = ROOT / "GLOSSAIRE.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = make_glossary.sources(ROOT)
TERMS = make_glossary.read_terms(ROOT / "tools/glossary.txt")
INDEX = tables(TEXT.partition("## Index des appels")[2])
# Les mots que le cours emploie dans un sens précis, en anglais : chacun a sa ligne.
WORDS = """run, experiment, to log, tracking, parameter, metric, step, tag, annotation, artifact, data set, parent run, child run, sweep,
store, backend store, autolog, logged model, flavor, signature, input example, requirements, library, skops, pickle, weights,
MLflow Project, entry point, commit, to replay, seed, model registry, to register, registered model, model version, alias, stage,
to serve, batch, endpoint, to deploy, blue/green, traffic split, lineage, split, cross-validation, cluster, epoch, loss, scaling,
hyperparameter, accuracy, sensitivity, recall, specificity, precision, NPV, fall-out, FDR, widget, asset bundle"""


def tool(*options: str, root) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, root / "tools/make_glossary.py", *options], capture_output=True, text=True, encoding="utf-8")


@pytest.fixture
def copy(tmp_path):
    """Ce que l'outil lit et écrit, dans un autre dossier."""
    for name in ["GLOSSAIRE.md", "tools/make_glossary.py", "tools/course.py", "tools/glossary.txt", "README.md"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    for lesson in ROOT.glob("0?_*"):
        shutil.copytree(lesson, tmp_path / lesson.name, ignore=shutil.ignore_patterns("databricks", "jupyter", "*.dbc", "Images", ".venv*"))
    return tmp_path


def test_the_page_is_up_to_date_and_the_tool_mends_a_stale_one(copy):
    """Une ligne ajoutée en tête d'un script déplace ses mots et ses appels ; un appel retiré quitte l'index."""
    assert tool("--check", root=copy).returncode == 0, "uv run tools/make_glossary.py"
    script = copy / "04_model_registry_azureml/local/gate.py"
    script.write_text("# une ligne\n" + script.read_text(encoding="utf-8").replace("mlflow.models.evaluate(", "print("), encoding="utf-8")
    checked = tool("--check", root=copy)
    assert (checked.returncode, checked.stdout) == (1, "")
    assert "`mlflow.models.evaluate`" in checked.stderr and "`mlflow.log_figure`" not in checked.stderr
    assert (copy / "GLOSSAIRE.md").read_text(encoding="utf-8") == TEXT
    assert tool(root=copy).returncode == 0
    assert tool("--check", root=copy).returncode == 0
    assert "`mlflow.models.evaluate`" not in (copy / "GLOSSAIRE.md").read_text(encoding="utf-8")


def test_a_word_that_no_script_shows_is_refused(copy):
    with (copy / "tools/glossary.txt").open("a", encoding="utf-8") as terms:
        terms.write("licorne | unicorn | Un animal.\n")
    assert "« licorne » n'est dans aucun script" in tool("--check", root=copy).stderr


def statement(path: str, line: int) -> str:
    """L'instruction qui contient cette ligne, ou son paragraphe de commentaire."""
    lines = FILES[path].splitlines()
    if path.endswith(".py") and not lines[line - 1].lstrip().startswith("#"):
        holders = [
            node for node in ast.walk(ast.parse(FILES[path])) if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno
        ]
        simple = [node for node in holders if not hasattr(node, "body")]
        return "\n".join(lines[simple[-1].lineno - 1 : simple[-1].end_lineno]) if simple else lines[line - 1]
    first = last = line - 1
    while first > 0 and lines[first - 1].strip("# "):
        first -= 1
    while last + 1 < len(lines) and lines[last + 1].strip("# "):
        last += 1
    return "\n".join(lines[first : last + 1])


def test_each_term_stands_where_its_link_leads():
    rows = {row["français"]: row for row in tables(TEXT) if "français" in row}
    assert list(rows) == [term.french for term in TERMS]
    wrong = []
    for term in TERMS:
        row = rows[term.french]
        name, path, line = re.fullmatch(r"\[([\w.]+)\]\(([^#)]+)(?:#L(\d+))?\)", row["vu d'abord"]).groups()
        sentences = re.findall(r"[.?](?= |$)", term.sentence)
        if not (
            row["anglais"] == f"*{term.english}*" and row["ce que c'est"] == term.sentence
            and term.sentence[0].isupper() and term.sentence[-1] in ".?" and len(sentences) == 1
            and name == path.rpartition("/")[2]
            and term.stands_in(statement(path, int(line)) if line else FILES[path])
        ):  # fmt: skip
            wrong.append(row)
    assert wrong == []


def test_statements_are_read_whole():
    for path, line, word in [
        ("01_tracking_supervised/local/full_run.py", "input_example=", "log_model"),  # plusieurs lignes, une instruction
        ("01_tracking_supervised/local/first_run.py", "(paramètres)", "*expérience*"),  # un paragraphe
    ]:
        assert word in statement(path, next(number for number, each in enumerate(FILES[path].splitlines(), 1) if line in each))


def test_no_word_is_missing_or_twice():
    english = [word.strip() for term in TERMS for word in term.english.split(",")]
    assert len(english) == len(set(english))
    assert {word.strip() for word in WORDS.replace("\n", " ").split(",")} - set(english) == set()


SCRIPT = """
import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature as guess
client = MlflowClient()
other, number = mlflow.tracking.MlflowClient("x"), 2
with mlflow.start_run():
    mlflow.data.from_pandas(
        table)
client.get_run("a")
other.get_run("b")
mlflow.MlflowClient().set_tag("a", "b", "c")
guess([1])
table.search_runs()
run.data.metrics.get("x")
text = "mlflow.log_text()"  # mlflow.log_dict()
"""


def test_calls_are_named_in_full():
    assert make_glossary.calls(SCRIPT) == [
        ("mlflow.MlflowClient", 5),
        ("mlflow.tracking.MlflowClient", 6),
        ("mlflow.start_run", 7),
        ("mlflow.data.from_pandas", 8),
        ("MlflowClient.get_run", 10),
        ("MlflowClient.get_run", 11),
        ("MlflowClient.set_tag", 12),
        ("mlflow.MlflowClient", 12),
        ("mlflow.models.infer_signature", 13),
    ]


@pytest.mark.parametrize(
    "tensorflow", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["sans TensorFlow", "TensorFlow, trois secondes à s'importer"]
)
def test_each_call_of_the_index_is_in_mlflow(tensorflow):
    """L'appel est cherché dans la bibliothèque installée, et le script le montre bien à la ligne dite."""
    rows = [row for row in INDEX if ("tensorflow" in row["appel"]) is tensorflow]
    wrong = []
    for row in rows:
        name = row["appel"].strip("`")
        owner, _, last = (f"mlflow.{name}" if name.startswith(make_glossary.CLIENT) else name).rpartition(".")
        if last not in (dir(MlflowClient) if owner == f"mlflow.{make_glossary.CLIENT}" else names_of(owner)):
            wrong.append(f"{name} n'est pas dans MLflow")
        places = re.findall(r"\]\(([^#)]+)#L(\d+)\)", row["les scripts qui le montrent"])
        wrong += [f"{name} : {path}, ligne {line}" for path, line in places if last not in statement(path, int(line))]
    assert rows and wrong == []


def test_no_call_is_forgotten():
    """Une autre façon de les trouver : tout `mlflow.x(` et tout `client.x(` écrits dans un script sont dans l'index, avec ce script."""
    shown = {row["appel"].strip("`"): row["les scripts qui le montrent"] for row in INDEX}
    for path in [path for path in FILES if path.endswith(".py")]:
        code = re.sub(r"^ *#.*$|\"\"\".*?\"\"\"|`[^`]*`", "", FILES[path], flags=re.MULTILINE | re.DOTALL)
        for name in re.findall(r"(?<![\w.'\"])((?:mlflow|client)(?:\.\w+)+)(?=\()", code):
            name = re.sub(r"^client\.|^mlflow\.MlflowClient\.", "MlflowClient.", name)
            assert f"({path}#L" in shown[name], f"{name} dans {path}"
