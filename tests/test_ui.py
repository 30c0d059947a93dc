"""L'interface d'origine, dans un vrai navigateur, sur le magasin que le premier script remplit."""

import re
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

    printed = fresh_course.run("01_tracking_supervised/local/first_run.py").stdout
    run = fresh_course.runs("01_tracking_supervised")[0]
    announced = re.search(r"http://127.0.0.1:5000(/#/\S+)", printed)[1]
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "mlflow", "ui", "--port", str(port)], fresh_course.root, wait_for=f"{address}/health"):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            # l'adresse que le script écrit montre le run
            page.goto(address + announced, wait_until="domcontentloaded")
            page.get_by_text(str(run.data.metrics["sensitivity"])).first.wait_for(timeout=90_000)
            page.screenshot(path=fresh_course.root / "run.png")
            page.close()
            # et, depuis l'accueil, « Model training » une fois pour toutes
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(f"{address}/#/experiments", wait_until="domcontentloaded")
            page.get_by_text("Model training").first.click(timeout=90_000)
            page.get_by_text("01_tracking_supervised").first.click(timeout=90_000)
            page.get_by_text(run.info.run_name).first.wait_for(timeout=90_000)
            browser.close()
    assert (fresh_course.root / "run.png").stat().st_size > 20_000
