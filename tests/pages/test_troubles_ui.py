"""DEPANNAGE.md : ce que l'interface garde d'un geste à l'autre, et ce qu'elle ne montre plus.

Chaque ennui est causé, son remède essayé (voir troubles.py).
"""

import re
import shutil
import sys
from contextlib import ExitStack

import browser
import pytest
import requests
from copies import Course
from playwright.sync_api import expect
from programs import LIGHT, free_port, running
from troubles import FIRST, MLFLOW, about, reader_in, typed

pytestmark = pytest.mark.slow
chromium = pytest.mark.skipif(
    not shutil.which("chromium"), reason="Chromium manque : apt-get install chromium"
)
WAIT = 1000 * browser.PATIENCE
# Cent vingt runs, un modèle chacun, sans fichier : la page n'en lit que les noms.
MANY = """
import mlflow
from mlflow.entities import LoggedModelOutput

mlflow.set_experiment("beaucoup")
for number in range(120):
    with mlflow.start_run(run_name=f"essai {number:03}") as run:
        mlflow.log_metrics({"accuracy": number / 120, "sensitivity": number / 120})
        model = mlflow.initialize_logged_model(name="svm")
        output = LoggedModelOutput(model.model_id, step=0)
        mlflow.MlflowClient().log_outputs(run.info.run_id, [output])
        mlflow.finalize_logged_model(model.model_id, "READY")
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """La liste des runs, ouverte par un lecteur qui a fait l'étape 1."""
    folder, port = tmp_path_factory.mktemp("beaucoup"), free_port()
    typed([sys.executable, "-c", MANY], folder)
    address, command = f"http://127.0.0.1:{port}", [*MLFLOW, "ui", "--port", str(port)]
    with (
        running(command, folder, wait_for=f"{address}/health", **LIGHT),
        browser.chromium() as chrome,
    ):
        memory = browser.step_one(chrome, address)
        # une fenêtre haute : les lignes hors de l'écran ne sont pas dans la page
        with browser.fresh_page(chrome, (1280, 6000), memory, scale=1) as page:
            page.goto(f"{address}/#/experiments", wait_until="domcontentloaded")
            page.get_by_role("row").get_by_role("link", name="beaucoup").click()
            page.get_by_text("essai 119", exact=True).wait_for()
            yield page


def counted(page, words: str) -> None:
    expect(page.get_by_text(words, exact=True).filter(visible=True)).to_be_visible(timeout=WAIT)


def ask(page, text: str):
    """Tape une question dans la barre de recherche, vide, puis Entrée ; renvoie la barre."""
    bar = page.get_by_test_id("search-box")
    bar.click()
    bar.press_sequentially(text)
    bar.press("Enter")
    return bar


def runs_link(page):
    return page.get_by_role("link", name="Runs", exact=True).first


@chromium
@about("Invalid clause(s) in filter string")
def test_filter_cleared_by_keyboard(trouble, page):
    bar = ask(page, "metrics.sensitivity > 0.99")
    counted(page, "1 matching run")
    bar.press("Control+a")
    bar.press("Delete")
    expect(bar).to_have_value("")
    first = re.search(r"premier, ici\s+`([\w.]+)`", trouble.text)[1]
    page.get_by_text(first, exact=True).filter(visible=True).first.wait_for()
    bar.press("Enter")
    expect(bar).to_have_value(re.compile(rf"^{re.escape(first)}\s*$"), timeout=WAIT)
    bar.press("Enter")
    error = page.get_by_text("Invalid clause(s)").filter(visible=True).first
    error.wait_for()
    trouble.seen(error.inner_text())
    counted(page, "Request error")
    page.get_by_test_id("clear-button").click()  # la croix
    expect(bar).to_have_value("")
    counted(page, "100 matching runs")
    # l'autre remède, depuis la page d'un run
    ask(page, "metrics.sensitivity > 0.99")
    counted(page, "1 matching run")
    page.get_by_role("link", name="essai 119", exact=True).first.click()
    page.get_by_text("About this run").first.wait_for()
    runs_link(page).click()
    counted(page, "1 matching run")
    runs_link(page).click()
    counted(page, "100 matching runs")
    expect(bar).to_have_value("")


@chromium
@about("Un modèle a disparu de la liste")
def test_model_not_in_the_list(trouble, page):
    assert "cinquante derniers modèles" in trouble.text
    runs_link(page).click()
    counted(page, "100 matching runs")
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows).to_have_count(100, timeout=WAIT)
    models = page.locator(".ag-center-cols-container").get_by_text("svm", exact=True)
    expect(models).to_have_count(50, timeout=WAIT)
    expect(page.get_by_text("essai 069", exact=True)).to_be_visible()  # le 51e, sans modèle
    page.get_by_role("button", name="Load more").click()
    counted(page, "120 matching runs")
    # le premier remède : la page du run
    [words] = re.findall(r"`(attributes\.run_name = '.+?')`", trouble.text)
    ask(page, words.replace("svm complet", "essai 003"))
    counted(page, "1 matching run")
    expect(models).to_have_count(0)
    page.get_by_role("link", name="essai 003", exact=True).first.click()
    counted(page, "Logged models (1)")
    # le second : la page des modèles
    page.get_by_role("link", name="Models", exact=True).first.click()
    names = page.get_by_role("link", name="svm", exact=True)
    expect(names).to_have_count(50, timeout=WAIT)
    page.get_by_role("button", name="Load more").click()
    expect(names).to_have_count(100, timeout=WAIT)


def runs_shown(port: int) -> set[str]:
    """Les runs que montre l'interface : ce que répond son serveur."""
    address = f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/search"
    asked = {"experiment_ids": ["1"], "max_results": 100}
    answer = requests.post(address, json=asked, timeout=60).json()
    return {run["info"]["run_id"] for run in answer["runs"]}


@about("L'interface montre un magasin supprimé")
def test_store_deleted_under_the_ui(trouble, fresh_course: Course):
    fresh_course.fork(FIRST)
    port = free_port()
    command = [*MLFLOW, "ui", "--port", str(port)]
    health = f"http://127.0.0.1:{port}/health"
    with running(command, fresh_course.root, wait_for=health, **LIGHT):
        before = runs_shown(port)
        (fresh_course.root / "mlflow.db").unlink()
        shutil.rmtree(fresh_course.root / "mlruns", ignore_errors=True)
        fresh_course.fork(FIRST)
        assert runs_shown(port) == before
    with ExitStack() as stack:
        reader = reader_in(fresh_course.root, stack)
        reader.type(trouble.cure())
        after = runs_shown(reader.ports[5000])
    assert len(before) == len(after) == 4 and not before & after
