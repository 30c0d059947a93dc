"""L'interface d'origine, dans un vrai navigateur, sur le magasin que le premier script remplit."""

import shutil
import sys

import pytest
from conftest import free_port, running

pytestmark = pytest.mark.slow


def test_the_first_run_is_in_the_ui(fresh_course):
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium manque : apt-get install chromium")
    from playwright.sync_api import sync_playwright

    fresh_course.run("01_tracking_supervised/local/first_run.py")
    run = fresh_course.runs("01_tracking_supervised")[0]
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "mlflow", "ui", "--port", str(port)], fresh_course.root, wait_for=f"{address}/health"):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            # l'adresse du README ouvre le côté qui montre l'expérience et le registre
            page.goto(f"{address}/#/experiments?workflowType=machine_learning", wait_until="domcontentloaded")
            page.get_by_text("01_tracking_supervised").first.click(timeout=30_000)
            page.get_by_text(run.info.run_name).first.wait_for(timeout=30_000)
            page.goto(f"{address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning")
            page.get_by_text(f"{run.data.metrics['sensitivity']:.4f}"[:5]).first.wait_for(timeout=30_000)
            page.screenshot(path=fresh_course.root / "run.png")
            browser.close()
    assert (fresh_course.root / "run.png").stat().st_size > 20_000
