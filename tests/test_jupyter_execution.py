"""La forme Jupyter exécutée : l'outil de bout en bout, et chaque notebook comparé à son script, bit pour bit."""

import ast
import json
import logging
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

for needed in ("nbformat", "jupytext", "nbclient", "nbconvert", "ipykernel"):  # d'autres paquets en apportent une partie
    pytest.importorskip(needed, reason="le groupe `jupyter` n'est pas installé")

import jupytext
import nbformat
from conftest import ROOT, Course, clean_environment
from course import LESSONS, Script
from forms.arguments import read_arguments
from forms.cells import read_script
from forms.outputs import masked
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from recorded_runs import WITHOUT_RUN, recorded
from run_course import missing
from samples import sampled, up_to
from test_jupyter import WITH_NOTEBOOK, notebook_of

pytestmark = pytest.mark.slow


def build(root: Path, *options: str, fails: bool = False) -> str:
    """Lance l'outil dans une copie ; renvoie ce qu'il a écrit."""
    ended = subprocess.run(
        [sys.executable, "tools/build_jupyter.py", *options], cwd=root, env=clean_environment(),
        capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip
    assert (ended.returncode != 0) == fails, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stdout + (ended.stderr if fails else "")


def executed(path: Path, cwd: Path | None = None):
    """Le notebook, exécuté comme par un lecteur, dans son dossier ou dans `cwd`."""
    node = nbformat.read(path, 4)
    resources = {"metadata": {"path": str(cwd or path.parent)}}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    NotebookClient(node, timeout=600, kernel_name="python3", resources=resources).execute(env=clean_environment(), **quiet)
    return node


# ------------------------------------------------------------------------------------------------------ l'outil, de bout en bout

STUB = """# %% [markdown]
# # Leçon 1, script 1 : essai

# %% tags=["local"]
from store import open_store

# %%
import os

import matplotlib.pyplot as plt
import mlflow

# %% tags=["local"]
open_store()

# %%
mlflow.set_experiment("essai")
with mlflow.start_run() as run:
    print("run", run.info.run_id, "dans", os.getcwd())
    os.system("echo une autre commande aussi écrit")  # ipykernel la lit dans un fil à part : dans cet ordre, print est toujours premier
    mlflow.log_param("x", 1)

# %%
figure, ax = plt.subplots(figsize=(5, 2))
ax.plot([1, 2])
ax.set(xlabel="rang", ylabel="valeur")
# databricks: display(figure)
plt.close(figure)
"""
NAME = "01_tracking_supervised/jupyter/first_run.ipynb"


@pytest.fixture
def short_course(tmp_path) -> Course:
    """Une copie dont le plan ne compte qu'un script, bref."""
    course = Course(tmp_path / "clone frais")
    for folder in course.root.glob("0?_*/jupyter"):
        shutil.rmtree(folder)
    plan = course.root / "tools/course.py"
    head, _, rest = plan.read_text(encoding="utf-8").partition("SCRIPTS = (\n")
    one = 'SCRIPTS = (\n    Script("01_tracking_supervised", "first_run", 5),\n)\n'
    plan.write_text(head + one + rest.partition("\n)\n")[2], encoding="utf-8")
    change(course, STUB)
    return course


def change(course: Course, text: str):
    (course.root / "01_tracking_supervised/local/first_run.py").write_text(text, encoding="utf-8")


def test_from_script_to_outputs_and_back(short_course):
    root = short_course.root
    assert build(root, "--check", fails=True) == f"{NAME} n'est plus à jour\n"
    assert build(root) == f"{NAME} écrit, à exécuter (--execute)\n"
    assert build(root, "--check", fails=True) == f"{NAME} est à exécuter\n"
    assert build(root, "--execute") == f"{NAME} exécuté\n"
    assert build(root, "--check") == ""
    assert not list(root.glob("mlflow.db*")) and not (root / "mlruns").exists()  # le magasin du lecteur n'a rien reçu

    content = (root / NAME).read_bytes()
    nbformat.validate(nbformat.reads(content.decode(), 4))
    outputs = [output for cell in json.loads(content)["cells"] for output in cell.get("outputs", [])]
    assert [output["output_type"] for output in outputs] == ["stream", "display_data"]
    assert outputs[0]["text"] == ["run … dans …\n", "une autre commande aussi écrit\n"]
    assert outputs[1]["metadata"] == {"image/png": {"alt": "Figure : valeur selon rang"}}
    assert build(root, "--execute") == f"{NAME} exécuté, rien ne change\n"
    assert (root / NAME).read_bytes() == content

    changing = content.replace('"une autre commande aussi écrit'.encode(), '"ce qui ne se répète pas'.encode())  # la sortie, pas le code
    (root / NAME).write_bytes(changing)  # comme si la première exécution l'avait écrit
    assert f"{NAME} : son texte change alors que rien n'a changé" in build(root, "--execute", fails=True)
    assert (root / NAME).read_bytes() == changing
    (root / NAME).write_bytes(content)

    change(short_course, STUB.replace("script 1 : essai", "script 1 : un essai"))
    assert build(root, "--check", fails=True) == f"{NAME} n'est plus à jour\n"
    assert build(root) == f"{NAME} récrit\n"  # le texte seul a changé : les sorties sont encore vraies
    assert (root / NAME).read_bytes() == content.replace(b"script 1 : essai", b"script 1 : un essai")
    assert build(root, "--check") == ""

    store = root / "01_tracking_supervised/local/store.py"
    store.write_text(store.read_text(encoding="utf-8") + "\nOTHER = 1\n", encoding="utf-8")
    assert build(root, "--check", fails=True) == f"{NAME} est à exécuter\n"
    (root / "02_tracking_unsupervised/jupyter").mkdir()
    orphan = root / "02_tracking_unsupervised/jupyter/ancien.ipynb"
    orphan.write_text("{}", encoding="utf-8")
    assert "02_tracking_unsupervised/jupyter/ancien.ipynb n'a plus de script" in build(root, "--check", fails=True)
    build(root)
    assert not orphan.exists()


@pytest.mark.parametrize(
    "code, reason",
    [
        ("import warnings\n\nwarnings.warn('prenez garde')", "la cellule avertit"),
        ("import sys\n\nprint('prenez garde', file=sys.stderr)", "prenez garde"),
        ("import os\n\nos.system('echo prenez garde >&2')", "prenez garde"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit('pas encore de modèle')", "SystemExit: pas encore de modèle"),
    ],
)
def test_a_cell_that_fails_or_warns_stops_all(short_course, code, reason):
    opening, _, _ = STUB.partition("# %%\nmlflow.set_experiment")
    change(short_course, f"{opening}# %%\n{code}\n")
    said = build(short_course.root, "--execute", fails=True)
    assert NAME in said and reason in said
    assert not (short_course.root / NAME).exists()


def test_it_opens_from_any_folder_of_the_clone_and_says_so_elsewhere(short_course, tmp_path):
    root = short_course.root
    build(root)
    for folder in (root, root / "04_model_registry_azureml/local"):
        executed(root / NAME, cwd=folder)
    found = short_course.runs("essai")  # dans le magasin de la racine
    commit, notebook = short_course.git("rev-parse", "HEAD"), str(root / NAME)
    noted = [(run.data.tags["mlflow.source.git.commit"], run.data.tags["mlflow.source.name"]) for run in found]
    assert noted == [(commit, notebook)] * 2
    with pytest.raises(CellExecutionError, match="Ce notebook s'ouvre dans un clone du cours"):
        executed(root / NAME, cwd=tmp_path)


# -------------------------------------------------------------------------------------------------- chaque notebook et son script


class Statements(ast.NodeTransformer):
    """Ôte d'un code ce que la forme change : les imports, `display`, le conseil de la commande suivante."""

    def visit_Import(self, node):
        return None

    visit_ImportFrom = visit_Import

    def visit_Expr(self, node):
        text = ast.unparse(node)
        return None if text.startswith("display(") or "Ensuite : uv run" in text else node


def essence(cell) -> str:
    """Ce qu'une cellule dit ou fait : son code sans ce que la forme change, ou son texte, quel que soit le nom des options."""
    if cell.cell_type == "code":
        return ast.unparse(Statements().visit(ast.parse(cell.source)))
    return re.sub(r"<!--.*?-->|[-_]", "", cell.source).strip()


@pytest.fixture(scope="module")
def forms(tmp_path_factory) -> Course:
    """Une copie où chaque script a son notebook, tel que les scripts d'aujourd'hui le donnent."""
    course = Course(tmp_path_factory.mktemp("formes"))
    build(course.root)
    return course


@pytest.mark.parametrize("script", WITH_NOTEBOOK, ids=lambda script: script.name)
def test_the_cells_are_those_of_the_script(forms, script: Script):
    """Lus par jupytext, qui ne sait rien de nous."""
    theirs = [cell for cell in jupytext.read(ROOT / script.path).cells if not (cell.cell_type == "markdown" and cell.metadata.get("tags"))]
    title, _, _, *ours = jupytext.read(notebook_of(script, forms.root)).cells  # ce que la forme ajoute : comment l'ouvrir, où est le cours
    parameters = next(position for position, cell in enumerate(ours) if "args = SimpleNamespace(" in cell.source)
    scope = {}
    exec(ours.pop(parameters).source, scope)
    declared = read_arguments(read_script(ROOT / script.path).parameters())
    assert vars(scope["args"]) == {argument.name: False if argument.flag else argument.default for argument in declared}
    expected = [essence(cell) for cell in theirs if "parameters" not in cell.metadata.get("tags", [])]
    found = [essence(cell) for cell in [title, *ours] if not cell.source.startswith("**Ensuite**")]
    assert list(filter(None, found)) == list(filter(None, expected))


@pytest.fixture(scope="module")
def both(tmp_path_factory, forms):
    """Une leçon faite deux fois, dans deux copies : par ses scripts, par ses notebooks. Puis ce que le notebook a écrit."""
    by_script, known, results = Course(tmp_path_factory.mktemp("scripts")), (set(), set()), {}

    def of(script: Script) -> tuple[list, list, list[str]]:
        for each in up_to(script, WITH_NOTEBOOK):
            if each not in results and not missing(each):
                by_script.run(each.path)
                node = executed(notebook_of(each, forms.root))
                results[each] = [recorded(course.uri, seen) for course, seen in zip((by_script, forms), known, strict=True)]
                results[each].append(said(node, str(forms.root)))
        return results[script]

    return of


def said(node, root: str) -> list[str]:
    """Ce que chaque cellule de code a écrit, rendu stable."""
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    return [masked("".join(output.text for output in cell.outputs if output.output_type == "stream"), root) for cell in code]


@pytest.mark.parametrize("script", sampled(WITH_NOTEBOOK))
def test_executed_again_it_says_the_same(both, script: Script):
    if reason := missing(script):
        pytest.skip(reason)
    *_, written = both(script)
    assert written == said(nbformat.read(notebook_of(script), 4), str(ROOT))


@pytest.mark.parametrize("script", sampled(WITH_NOTEBOOK))
def test_a_notebook_records_what_its_script_records(both, script: Script):
    if reason := missing(script):
        pytest.skip(reason)
    local, notebook, _ = both(script)
    assert notebook == local
    assert bool(local) == (script.name not in WITHOUT_RUN)


# --------------------------------------------------------------------------------------------------------- ce que l'on en voit


class Logged(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.records = []

    def emit(self, record):
        self.records.append(record.getMessage())


def page_of(path: Path) -> str:
    """Le notebook en HTML, par nbconvert, sans un avertissement, et sans rien demander au réseau.

    Le modèle `classic` reprend le texte qui décrit chaque figure ; `lab` l'ignore, et avertit qu'il manque.
    """
    logged = Logged()
    nowhere = {
        "require_js_url": "",
        "jquery_url": "",
        "mathjax_url": "",
        "mermaid_js_url": "data:text/javascript,export default {initialize() {}}",
    }
    exporter = HTMLExporter(template_name="classic", log=logging.Logger("nbconvert"), **nowhere)
    exporter.log.addHandler(logged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page, _ = exporter.from_filename(str(path))
    assert logged.records == []
    return page


@pytest.mark.parametrize("script", WITH_NOTEBOOK, ids=lambda script: script.name)
def test_it_is_valid_and_becomes_a_page_without_a_warning(script: Script):
    node = nbformat.read(notebook_of(script), 4)
    nbformat.validate(node)
    page = page_of(notebook_of(script))
    for cell in node.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "stream" or output.text.splitlines()[0][:20] in page


@pytest.mark.parametrize("lesson", LESSONS)
def test_it_is_read_in_a_browser(lesson, tmp_path):
    """Le notebook de la leçon qui a le plus de figures : elles y sont toutes, à leur largeur."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium manque : apt-get install chromium")
    from playwright.sync_api import sync_playwright

    pages = {path.stem: page_of(path) for path in (ROOT / lesson / "jupyter").glob("*.ipynb")}
    richest = max(pages, key=lambda name: pages[name].count("<img "))
    assert pages[richest].count("<img ") > 0
    (tmp_path / "page.html").write_text(pages[richest], encoding="utf-8")
    errors = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "page.html").as_uri())
        title = page.locator("h1").first.inner_text()
        widths = page.eval_on_selector_all(".output_png img", "images => images.map(image => image.naturalWidth)")
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        browser.close()
    assert errors == []
    assert not [url for url in asked if url.startswith("http")]
    assert title.startswith(f"Leçon {int(lesson[:2])}, script ")
    assert set(widths) == {800} and len(widths) == pages[richest].count("<img ")
