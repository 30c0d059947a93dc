"""La forme Jupyter exécutée : l'outil de bout en bout, et des notebooks comparés à leur script, bit
pour bit.
"""

import json
import logging
import re
import shutil
import subprocess
import warnings
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

# d'autres paquets en apportent une partie
for needed in ("nbformat", "jupytext", "nbclient", "nbconvert", "ipykernel"):
    pytest.importorskip(needed, reason="le groupe `jupyter` n'est pas installé")

import build
import jupytext
import nbformat
from copies import Course
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from programs import reader_environment
from recorded_runs import appeared, check_against_scripts
from run_course import missing
from texts import ROOT
from two_forms import ask, cells_of, with_form

from course import LESSONS, Script
from forms.outputs import masked

pytestmark = pytest.mark.slow

WITH_NOTEBOOK = with_form("jupyter")


def notebook_of(script: Script, root: Path = ROOT) -> Path:
    return root / script.lesson / "jupyter" / f"{script.stem}.ipynb"


def executed(path: Path, cwd: Path | None = None):
    """Le notebook, exécuté comme par un lecteur, dans son dossier ou dans `cwd`."""
    node = nbformat.read(path, 4)
    resources = {"metadata": {"path": str(cwd or path.parent)}}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    NotebookClient(node, timeout=600, kernel_name="python3", resources=resources).execute(
        env=reader_environment(), **quiet
    )
    return node


# -------------------------------------------------------------------------------------------------
# l'outil, de bout en bout

HEAD = "# %% [markdown]\n# # Leçon 1, script 1 : essai\n\n"
STUB = f"""{HEAD}# %% tags=["local"]
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
    os.system("echo une autre commande aussi écrit")  # lue dans un fil à part
    mlflow.log_param("x", 1)

# %%
figure, ax = plt.subplots(figsize=(5, 2))
ax.plot([1, 2])
ax.set(xlabel="rang", ylabel="valeur")
# databricks: display(figure)
plt.close(figure)
"""
NAME = "01_tracking_supervised/jupyter/01_first_run.ipynb"


@pytest.fixture
def short_course(fresh_course, monkeypatch) -> Course:
    """Une copie dont le plan ne compte qu'un script, bref."""
    plan = [Script("01_tracking_supervised/local/01_first_run.py", 5)]
    monkeypatch.setattr("forms.jupyter.SCRIPTS", plan)
    change(fresh_course, STUB)
    return fresh_course


def change(course: Course, text: str) -> None:
    (course.root / "01_tracking_supervised/local/01_first_run.py").write_text(
        text, encoding="utf-8"
    )


def test_from_script_to_outputs_and_back(short_course):
    root = short_course.root

    def tool(*options: str) -> tuple[int, str]:
        code, said = ask(build, root, "--lesson", "01", *options)
        return code, "".join(line for line in said.splitlines(True) if ".ipynb" in line)

    for other in root.glob("01_*/jupyter/*.ipynb"):
        other.unlink()
    assert tool() == (0, f"{NAME} n'est plus à jour\n")
    assert tool("--check") == (1, f"{NAME} est à exécuter\n")
    assert tool("--execute") == (0, f"{NAME} est à exécuter\n{NAME} exécuté\n")
    assert tool("--check") == (0, "")
    # le magasin du lecteur n'a rien reçu
    assert not list(root.glob("mlflow.db*")) and not (root / "mlruns").exists()

    content = (root / NAME).read_bytes()
    nbformat.validate(nbformat.reads(content.decode(), 4))
    outputs = [
        output for cell in json.loads(content)["cells"] for output in cell.get("outputs", [])
    ]
    assert [output["output_type"] for output in outputs] == ["stream", "display_data"]
    assert outputs[0]["text"] == ["run … dans …\n", "une autre commande aussi écrit\n"]
    assert outputs[1]["metadata"] == {"image/png": {"alt": "Figure : valeur selon rang"}}
    assert tool("--execute") == (0, f"{NAME} exécuté\n")
    assert (root / NAME).read_bytes() == content

    # la sortie, pas le code
    changing = content.replace(b'"une autre commande aussi', b'"ce qui ne se repete pas aussi')
    (root / NAME).write_bytes(changing)  # comme si la première exécution l'avait écrit
    code, told = ask(build, root, "--lesson", "01", "--execute")
    assert code == 1 and f"{NAME} : son texte change" in told
    assert (root / NAME).read_bytes() == changing
    (root / NAME).write_bytes(content)

    change(short_course, STUB.replace("script 1 : essai", "script 1 : un essai"))
    assert tool("--check") == (1, f"{NAME} n'est plus à jour\n")
    # le texte seul a changé : les sorties sont encore vraies
    assert tool() == (0, f"{NAME} n'est plus à jour\n")
    new = content.replace(b"script 1 : essai", b"script 1 : un essai")
    assert (root / NAME).read_bytes() == new

    store = root / "01_tracking_supervised/local/store.py"
    store.write_text(store.read_text(encoding="utf-8") + "\nOTHER = 1\n", encoding="utf-8")
    assert tool("--check") == (1, f"{NAME} est à exécuter\n")


@pytest.mark.parametrize(
    "code, reason",
    [
        ("import warnings\n\nwarnings.warn('prenez garde')", "la cellule avertit"),
        ("import os\n\nos.system('echo prenez garde >&2')", "prenez garde"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit('pas encore de modèle')", "SystemExit: pas encore de modèle"),
    ],
)
def test_a_cell_that_fails_or_warns_stops_all(short_course, code, reason):
    change(short_course, f"{HEAD}# %%\n{code}\n")
    (short_course.root / NAME).unlink(missing_ok=True)
    ended, said = ask(build, short_course.root, "--lesson", "01", "--execute")
    assert ended == 1 and NAME in said and reason in said
    assert not (short_course.root / NAME).exists()


def test_it_notes_its_name_and_the_commit(short_course):
    """Exécuté dans son dossier, comme le font Jupyter et VS Code ; deux fois la première cellule
    n'y change rien.
    """
    root = short_course.root
    ask(build, root, "--lesson", "01")
    node = nbformat.read(root / NAME, 4)
    first = next(n for n, cell in enumerate(node.cells) if cell.cell_type == "code")
    node.cells.insert(first, nbformat.from_dict({**node.cells[first], "id": "encore"}))
    nbformat.write(node, root / NAME)
    executed(root / NAME)
    [run] = short_course.runs("essai")  # dans le magasin de la racine
    assert run.data.tags["mlflow.source.name"] == str(root / NAME)
    assert run.data.tags["mlflow.source.git.commit"] == short_course.git("rev-parse", "HEAD")


# -------------------------------------------------------------------------------------------------
# chaque notebook et son script


def test_jupytext_sees_the_same_cells_as_we_do():
    """`cells_of`, dont se sert la comparaison des cellules, lit un script comme jupytext, qui ne
    sait rien de nous.
    """
    for script in WITH_NOTEBOOK:
        theirs = [
            (cell.cell_type, cell.source.strip())
            for cell in jupytext.read(ROOT / script.path).cells
        ]
        assert [(kind, text) for kind, _, text in cells_of(ROOT / script.path)] == theirs, (
            script.name
        )


def said(node, root: str) -> list[str]:
    """Ce que chaque cellule de code a écrit, rendu stable ; le premier chiffre d'une erreur
    d'arrondi (1e-13) tient à la machine.
    """
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    told = [
        "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
        for cell in code
    ]
    return [re.sub(r"\b\d(?=e-1\d\b)", "…", masked(text, root)) for text in told]


def compare(course: Course, scripts: list[Script]) -> None:
    """Exécute les notebooks de ces scripts : le texte qui est dans le dépôt, et les mêmes runs que
    les scripts, bit pour bit.
    """
    made, known = {}, set()
    for script in scripts:
        node = executed(notebook_of(script, course.root))
        assert said(node, str(course.root)) == said(
            nbformat.read(notebook_of(script), 4), str(ROOT)
        ), script.name
        made[script] = appeared(course.uri, known)
    # à la fin : annotate_runs ajoute une métrique aux runs d'un autre
    check_against_scripts(course.uri, made)


@pytest.mark.parametrize("name", ["rich_run", "kmeans_sweep", "run_project", "register_models"])
def test_a_notebook_a_lesson_says_and_records_what_its_script_does(tmp_path, name):
    compare(
        Course(tmp_path / "cours", whole=True),
        [script for script in WITH_NOTEBOOK if script.name == name],
    )


@pytest.mark.release
@pytest.mark.parametrize("lesson", LESSONS)
def test_every_notebook_says_and_records_what_its_script_does(tmp_path, lesson):
    scripts = [
        script for script in WITH_NOTEBOOK if script.lesson == lesson and not missing(script)
    ]
    compare(Course(tmp_path / "cours", whole=True), scripts)


# -------------------------------------------------------------------------------------------------
# ce que l'on en voit


@cache
def page_of(path: Path) -> str:
    """Le notebook en HTML, par nbconvert, sans un avertissement, et sans rien demander au réseau.

    Le modèle `classic` reprend le texte qui décrit chaque figure ; `lab` l'ignore, et avertit qu'il
    manque.
    """
    log = mock.Mock(spec=logging.Logger)
    nowhere = dict.fromkeys(("require_js_url", "jquery_url", "mathjax_url"), "")
    nowhere["mermaid_js_url"] = "data:text/javascript,export default {initialize() {}}"
    exporter = HTMLExporter(template_name="classic", log=log, **nowhere)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page, _ = exporter.from_filename(str(path))
    assert not log.warning.called and not log.error.called, log.method_calls
    return page


def test_each_is_valid_and_becomes_a_page_without_a_warning():
    for script in WITH_NOTEBOOK:
        node, page = nbformat.read(notebook_of(script), 4), page_of(notebook_of(script))
        nbformat.validate(node)
        for output in [output for cell in node.cells for output in cell.get("outputs", [])]:
            assert output.output_type != "stream" or output.text.splitlines()[0][:20] in page, (
                script.name
            )


def test_it_is_read_in_a_browser(tmp_path):
    """De chaque leçon, le notebook qui a le plus de figures : toutes y sont, à leur largeur."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium manque : apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for lesson in LESSONS:
            pages = [page_of(path) for path in (ROOT / lesson / "jupyter").glob("*.ipynb")]
            richest = max(pages, key=lambda page: page.count("<img "))
            (tmp_path / "page.html").write_text(richest, encoding="utf-8")
            errors, asked = [], []
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            page.on("pageerror", lambda error, errors=errors: errors.append(error))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto((tmp_path / "page.html").as_uri())
            assert (
                page.locator("h1")
                .first.inner_text()
                .startswith(f"Leçon {int(lesson[:2])}, script ")
            )
            widths = page.eval_on_selector_all(
                ".output_png img", "images => images.map(image => image.naturalWidth)"
            )
            assert widths == [800] * richest.count("<img ") != []
            assert errors == [] and not [url for url in asked if url.startswith("http")]
            page.close()
        browser.close()
