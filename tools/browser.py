"""L'interface d'origine de MLflow dans un vrai navigateur, conduite comme le ferait un lecteur qui
a passé l'étape 1 du README.

Les images (tools/make_images.py) et les tests de l'interface s'en servent. Il faut Chromium, et un
système POSIX.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as NotThere

sys.path.append(str(Path(__file__).resolve().parents[1] / "04_model_registry_azureml/local"))
from servers import free_port, running

PATIENCE = 90  # secondes : au-delà, ce que l'on attend ne viendra pas
WINDOW = (1280, 800)
# Le côté « GenAI » de l'interface : aucun de ces textes ne doit rester à l'écran
GENAI = ("AI Gateway", "MCP registry", "Detect Issues", "Judges")
LIGHT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_WORKERS": "1",
}


@contextmanager
def ui(folder: Path) -> Iterator[str]:
    """`mlflow ui` sur le magasin du dossier `folder`, à un port libre de 127.0.0.1 ; arrêté à la
    sortie avec tout son groupe.

    Donne l'adresse, dès qu'elle répond. Lève `SystemExit`, avec ce que MLflow a écrit, si elle ne
    répond pas.
    """
    port, store = free_port(), f"sqlite:///{folder / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--port", port]
    address = f"http://127.0.0.1:{port}"
    with running(command, f"{address}/health", **LIGHT):
        yield address


@contextmanager
def chromium() -> Iterator[Browser]:
    """Un navigateur sans fenêtre. Lève `FileNotFoundError` si Chromium n'est pas installé."""
    path = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if not path:
        raise FileNotFoundError("Chromium manque : apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def fresh_page(
    browser: Browser, window: tuple[int, int] = WINDOW, memory: dict | None = None, scale: float = 2
) -> Iterator[Page]:
    """Une page dans un navigateur qui ne se souvient que de `memory` (voir `step_one`)."""
    context = browser.new_context(
        viewport={"width": window[0], "height": window[1]},
        device_scale_factor=scale,
        storage_state=memory,
        locale="en-US",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE * 1000)
    try:
        yield context.new_page()
    finally:
        context.close()


@contextmanager
def opened(browser: Browser, url: str, memory: dict | None) -> Iterator[Page]:
    """Une page fraîche, déjà à l'adresse `url`."""
    with fresh_page(browser, memory=memory) as page:
        page.goto(url, wait_until="domcontentloaded")
        yield page


def step_one(browser: Browser, address: str) -> dict:
    """L'étape 1 du README, faite une fois : *Model training*, l'Assistant fermé ; et la fenêtre du
    registre, fermée aussi.

    Renvoie ce dont le navigateur se souvient, à donner à `fresh_page`.
    """
    with fresh_page(browser) as page:
        page.goto(f"{address}/#/experiments", wait_until="domcontentloaded")
        page.get_by_role("button", name="Model training").click()
        page.locator(CLOSE_ASSISTANT).click()
        page.goto(f"{address}/#/models", wait_until="domcontentloaded")
        page.get_by_role("dialog").get_by_label("Close").click()
        page.get_by_role("dialog").wait_for(state="hidden")
        return page.context.storage_state()


CLOSE_ASSISTANT = '[data-component-id="mlflow.assistant.chat_panel.close"]'


def find(page: Page | Locator, target: dict | str) -> Locator:
    """L'élément visible que désigne une cible de images.json (voir tools/pictures.py)."""
    if isinstance(target, str):
        target = {"text": target}
    place = find(page, target["within"]) if "within" in target else page
    exact = target.get("exact", False)
    if "role" in target:
        found = place.get_by_role(target["role"], name=target.get("name"), exact=exact)
    elif "label" in target:
        found = place.get_by_label(target["label"], exact=exact)
    elif "placeholder" in target:
        found = place.get_by_placeholder(target["placeholder"], exact=exact)
    elif "css" in target:
        found = place.locator(target["css"])
    elif "contains" in target:
        found = place.get_by_text(target["contains"])
    else:
        found = place.get_by_text(target["text"], exact=True)
    return found.filter(visible=True).nth(target.get("nth", 0))


def do(page: Page, click: dict | str) -> None:
    """Fait un geste de images.json. Lève l'erreur de Playwright si la cible n'apparaît pas."""
    if isinstance(click, str):
        click = {"text": click}
    found = find(page, click)
    if click.get("optional"):
        try:
            found.wait_for(timeout=3000)
        except NotThere:
            return
    if "fill" in click:
        found.fill(click["fill"])
    elif "press" in click:
        found.press(click["press"])
    elif click.get("hover"):
        found.hover()
    elif click.get("wait"):
        found.wait_for()
    elif click.get("scroll"):
        found.scroll_into_view_if_needed()
    elif "drag" in click:
        box = found.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + click["drag"][0], y + click["drag"][1], steps=10)
        page.mouse.up()
    else:
        found.click()


def check(page: Page, shows: list, counts: dict[str, int]) -> None:
    """Vérifie que la page montre ce qu'elle doit : chaque cible ou texte de `shows`, au moins
    `counts[css]` éléments de chaque sorte.

    Lève `AssertionError` si quelque chose manque, ou si l'on est du côté « GenAI ».
    """
    for text in shows:
        expect(
            find(page, {"contains": text} if isinstance(text, str) else text),
            f"« {text} » n'est pas à l'écran",
        ).to_be_visible(timeout=PATIENCE * 1000)
    for css, least in counts.items():
        expect(page.locator(css).nth(least - 1), f"moins de {least} éléments {css}").to_be_attached(
            timeout=PATIENCE * 1000
        )
    for text in GENAI:
        expect(
            page.get_by_text(text, exact=True).filter(visible=True),
            f"côté GenAI : « {text} » est à l'écran",
        ).to_have_count(0)


def settled(page: Page) -> bytes:
    """La capture d'écran, quand deux d'affilée sont égales : plus rien ne charge ni ne bouge.

    Lève `AssertionError` au bout de 20 s.
    """
    last = b""
    for _ in range(40):
        page.wait_for_timeout(500)
        shot = page.screenshot()
        if shot == last:
            return shot
        last = shot
    raise AssertionError("la page bouge encore")
